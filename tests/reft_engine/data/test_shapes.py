"""Each shape of `SHAPES` is recognised, read and left by its own test; roles change what is read."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reft_engine.data import (
    ChatPart,
    Columns,
    Example,
    Message,
    Preference,
    ReadOptions,
    dump_examples,
    inspect_file,
    inspect_rows,
    load_examples,
)
from reft_engine.data.shapes import SHAPES
from reft_engine.errors import DataError


def read(rows, columns=None, **more):
    return inspect_rows(rows if isinstance(rows, list) else [rows], columns, **more)


def told(found):
    """What is learned: the messages before each answer, and the answer."""
    return [([(message.role, message.content) for message in each.messages], each.answer) for each in found.examples]


def asked(prompt, answer):
    return ([("user", prompt)], answer)


CHAT = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
KINDS = {
    "preferences": {"prompt": "a", "chosen": "b", "rejected": "c"}, "judged": {"prompt": "a", "completion": "b", "label": True},
    "messages": {"messages": CHAT}, "conversations": {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "ho"}]},
    "trees": {"role": "prompter", "text": "hi", "replies": [{"role": "assistant", "text": "ho", "replies": []}]},
    "choices": {"question": "Which?", "choices": ["red", "blue"], "answer": 1},
    "questions": {"context": "Lima is in Peru.", "question": "Where is Lima?", "answers": {"text": ["Peru"], "answer_start": [11]}},
    "instructions": {"instruction": "Add.", "input": "1, 2", "output": "3"}, "pairs": {"prompt": "a", "answer": "b"},
    "sentence_pairs": {"sentence1": "a", "sentence2": "b", "label": "entailment"}, "labels": {"text": "a", "label": "good"},
    "text": {"text": "Once upon a time."},
}  # fmt: skip


def test_each_shape_has_a_row_here_and_a_name_of_its_own():
    assert [shape.name for shape in SHAPES] == list(KINDS)
    assert all(shape.title and shape.__doc__ for shape in SHAPES)


@pytest.mark.parametrize("name", KINDS)
def test_a_shape_is_recognised_and_read(name):
    found = read([KINDS[name], KINDS[name]])
    assert (found.shape, found.usable_rows, found.problems) == (name, 2, ())


@pytest.mark.parametrize("name", KINDS)
def test_what_a_shape_has_read_is_kept_and_loaded_the_same(name, tmp_path):
    found = read(KINDS[name])
    (tmp_path / "rows").write_bytes(dump_examples(found.examples))
    loaded = load_examples(tmp_path / "rows")
    assert tuple(loaded) == found.examples
    assert [(each.row, each.split, each.group) for each in loaded] == [(each.row, each.split, each.group) for each in found.examples]


# Preference pairs


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "hi", "chosen": "ho", "rejected": "go"},
        {"prompt": CHAT[:1], "chosen": [{"role": "assistant", "content": "ho"}], "rejected": [{"role": "assistant", "content": "go"}]},
        {"chosen": [CHAT[0], {"role": "assistant", "content": "ho"}], "rejected": [CHAT[0], {"role": "assistant", "content": "go"}]},
        {"prompt": "hi", "chosen": [CHAT[0], {"role": "assistant", "content": "ho"}],
         "rejected": [CHAT[0], {"role": "assistant", "content": "go"}]},
        {"chosen": "\n\nHuman: hi\n\nAssistant: ho", "rejected": "\n\nHuman: hi\n\nAssistant: go"},
        {"conversations": [{"from": "human", "value": "hi"}], "chosen": {"from": "gpt", "value": "ho"},
         "rejected": {"from": "gpt", "value": "go"}},
        {"instruction": "hi", "input": "", "chosen": "ho", "rejected": "go"},
    ],
)  # fmt: skip
def test_preference_pairs_of_all_layouts_are_the_same_pair(row):
    assert read(row).examples == (Preference(1, (Message("user", "hi"),), "ho", "go"),)


def test_the_answers_of_a_pair_follow_one_prompt():
    row = {"chosen": [CHAT[0], {"role": "assistant", "content": "ho"}], "rejected": [{"role": "user", "content": "x"}, CHAT[1]]}
    assert read(row).problems[0].text == "Row 1: the two answers do not follow the same prompt."


# Good and bad answers


@pytest.mark.parametrize("bad", [False, "false", 0, "0", "False"])
def test_bad_answers_are_left_out_and_counted(bad):
    good = True if isinstance(bad, bool) else "true" if isinstance(bad, str) else 1
    rows = [{"prompt": f"q{n}", "completion": f"a{n}", "label": bad if n % 2 else good} for n in range(6)]
    found = read(rows)
    assert told(found) == [asked(f"q{n}", f"a{n}") for n in (0, 2, 4)]
    assert (found.bad_answers, found.usable_rows, found.problem_count) == (3, 3, 0)
    assert "3 rows are marked as bad answers and left out." in found.notes and "All can be read." in found.sentence


def test_a_chat_that_is_marked_bad_is_left_out():
    found = read([{"messages": CHAT, "label": True}, {"messages": CHAT, "label": False}])
    assert (found.shape, len(found.examples), found.bad_answers) == ("judged", 1, 1)


# Chats


def test_a_turn_of_weight_0_is_context_and_never_learned():
    turns = [CHAT[0], {**CHAT[1], "weight": 0}, {"role": "user", "content": "again"}, {"role": "assistant", "content": "good", "weight": 1}]
    assert told(read({"messages": turns})) == [([("user", "hi"), ("assistant", "hello"), ("user", "again")], "good")]
    assert "weight 0" in read({"messages": turns[:2]}).problems[0].text


def test_a_system_column_is_the_chats_system_message():
    row = {"system": "Shout.", "conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "HO"}]}
    assert told(read(row)) == [([("system", "Shout."), ("user", "hi")], "HO")]


def test_an_empty_system_turn_is_no_turn():
    assert told(read({"messages": [{"role": "system", "content": ""}, *CHAT]})) == [asked("hi", "hello")]


@pytest.mark.parametrize("write", [json.dumps, repr])
def test_a_chat_in_a_cell_is_read_as_json_or_as_python_writes_it(write):
    assert told(read({"messages": write(CHAT)})) == [asked("hi", "hello")]


def test_calls_of_tools_are_left_out_and_their_results_stand_under_the_question():
    turns = [
        {"role": "user", "content": "Weather?"}, {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "function": {}}]},
        {"role": "tool", "tool_call_id": "c", "content": "3 C"}, {"role": "assistant", "content": "It is 3 C."},
    ]  # fmt: skip
    found = read([{"messages": turns, "tools": "[]"}, {"messages": CHAT, "tools": "[]"}])
    assert told(found)[0] == asked("Weather?\n\n3 C", "It is 3 C.")
    assert "Left out of chats: tool calls (1)." in found.notes and "1 result of a tool stands under the question." in found.notes


def test_pieces_of_a_turn_are_one_text_and_what_is_no_text_is_said():
    pieces = [{"type": "text", "text": "What is "}, {"type": "image_url", "image_url": {}}, {"type": "text", "text": "this?"}]
    turns = [{"role": "user", "content": pieces}, {"role": "assistant", "content": "a cat", "reasoning_content": "whiskers"}]
    found = read({"messages": turns})
    assert told(found) == [asked("What is this?", "a cat")]
    assert {"Left out of chats: pictures and sounds (1).", "Left out of chats: reasoning (1)."} <= set(found.notes)


WEATHER, RESULT = {"role": "user", "content": "Weather?"}, {"role": "tool", "content": "3 C"}
ANSWER = {"role": "assistant", "content": "It is 3 C."}
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Köln"}}\n</tool_call>'


def learned_with(*include, turns, column="messages"):
    """The answers of a chat, each with the roles before it, and the notes."""
    found = inspect_rows([{column: turns}], include=include)
    return [("".join(message.role[0] for message in each.messages), each.answer) for each in found.examples], found


@pytest.mark.parametrize(
    "turn",
    [
        {"content": "Two.", "reasoning_content": "1 + 1\nis two"}, {"content": "Two.", "reasoning": "\n1 + 1\nis two\n"},
        {"content": "\n\nTwo.", "thinking": "1 + 1\nis two"}, {"content": "<think>\n1 + 1\nis two\n</think>\n\nTwo.", "reasoning": "again"},
        {"content": [{"type": "thinking", "thinking": "1 + 1\nis two", "signature": "x"}, {"type": "text", "text": "Two."}]},
        {"content": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "1 + 1\nis two"}]}, "Two."]},
    ],
)  # fmt: skip
def test_reasoning_that_is_chosen_stands_before_the_answer_as_in_deepseek_r1_and_qwen3(turn):
    turns = [{"role": "user", "content": "1 + 1?"}, {"role": "assistant", **turn}]
    answers, found = learned_with("reasoning", turns=turns)
    assert answers == [("u", "<think>\n1 + 1\nis two\n</think>\n\nTwo.")]
    assert found.notes == ("Learned with chats: reasoning (1).", "There is a single example; a handful teaches more.")
    assert found.parts == (ChatPart("reasoning", 1, True),)
    answers, found = learned_with("tool_calls", turns=turns)
    assert answers[0][1].endswith("Two.") and ("1 + 1" in answers[0][1]) is ("<think>" in str(turn))
    assert "Left out of chats: reasoning (1)." in found.notes and "Learned with chats: tool calls (0)." in found.notes


def test_reasoning_that_nobody_can_read_and_that_of_others_is_left_out():
    pieces = [{"type": "reasoning", "encrypted_content": "x"}, {"type": "reasoning", "text": " "}, {"type": "text", "text": "hello"}]
    answers, found = learned_with("reasoning", turns=[{**CHAT[0], "thinking": "what now"}, {**CHAT[1], "content": pieces, "reasoning": ""}])
    assert answers == [("u", "hello")]
    assert {"Learned with chats: reasoning (0).", "Left out of chats: reasoning (3)."} <= set(found.notes)


@pytest.mark.parametrize("arguments", [{"city": "Köln"}, '{"city": "Köln"}', "{'city': 'Köln'}"])
@pytest.mark.parametrize(
    "write",
    [
        lambda call: {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": call}]},
        lambda call: {"role": "assistant", "content": "", "tool_calls": json.dumps([call])},
        lambda call: {"role": "assistant", "content": "", "function_call": call},
        lambda call: {"from": "function_call", "value": json.dumps(call)},
        lambda call: {"from": "tool_call", "value": [{"name": call["name"], "parameters": call["arguments"]}]},
        lambda call: {"role": "tool_calls", "content": CALL},
    ],
    ids=["openai", "text", "legacy", "sharegpt", "list", "written"],
)
def test_calls_of_tools_that_are_chosen_are_written_as_in_hermes_and_qwen(write, arguments):
    turns = [WEATHER, write({"name": "weather", "arguments": arguments}), RESULT, ANSWER]
    answers, found = learned_with("tool_calls", turns=turns)
    assert answers == [("u", CALL), ("uau", "It is 3 C.")]
    assert found.examples[1].messages[2].content == "3 C" and "1 result of a tool stands in the user's place." in found.notes
    assert found.parts == (ChatPart("tool_calls", 1, True),) and "Learned with chats: tool calls (1)." in found.notes
    assert learned_with("reasoning", turns=turns)[0] == [("u", "It is 3 C.")]


def test_a_turn_is_its_reasoning_its_text_and_its_calls_in_this_order():
    call = {"function": {"name": "weather", "arguments": {"city": "Köln"}}}
    turn = {
        **ANSWER,
        "content": "I look.",
        "reasoning_content": "hm",
        "tool_calls": [call, {"function": {"name": "time", "arguments": ""}}],
    }
    time = '<tool_call>\n{"name": "time", "arguments": {}}\n</tool_call>'
    texts = {
        (): "I look.", ("reasoning",): "<think>\nhm\n</think>\n\nI look.", ("tool_calls",): f"I look.\n{CALL}\n{time}",
        ("tool_calls", "reasoning"): f"<think>\nhm\n</think>\n\nI look.\n{CALL}\n{time}",
    }  # fmt: skip
    for include, text in texts.items():
        assert learned_with(*include, turns=[WEATHER, turn])[0] == [("u", text)]
    silent = {**turn, "content": None}
    assert learned_with("tool_calls", "reasoning", turns=[WEATHER, silent])[0] == [("u", f"<think>\nhm\n</think>\n\n{CALL}\n{time}")]
    found = learned_with("reasoning", turns=[WEATHER, silent, ANSWER])[1]  # the turn is gone, and its reasoning with it
    assert {"Left out of chats: reasoning (1).", "Left out of chats: tool calls (1)."} <= set(found.notes)


def test_a_turn_of_calls_that_has_the_weight_0_is_context():
    turns = [WEATHER, {"from": "function_call", "value": '{"name": "weather", "arguments": {"city": "Köln"}}', "weight": 0}, RESULT, ANSWER]
    assert learned_with("tool_calls", turns=turns)[0] == [("uau", "It is 3 C.")]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("look it up", "a call of a tool is not an object with a name and arguments"), ({"arguments": {}}, "a call of a tool has no name"),
        ({"name": "x", "arguments": "\ud800"}, "a call of a tool holds half of a character"),
    ],
)  # fmt: skip
def test_a_call_that_cannot_be_read_is_said(call, words):
    found = learned_with("tool_calls", turns=[WEATHER, {"from": "function_call", "value": call}, ANSWER])[1]
    assert words in found.problems[0].text and found.parts == (ChatPart("tool_calls", 0, True),)


def test_what_is_chosen_holds_for_every_format(tmp_path):
    rows = [{"messages": [CHAT[0], {**CHAT[1], "reasoning": "hm"}]}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "chats.parquet")
    (tmp_path / "chats.json").write_text(json.dumps(rows))
    (tmp_path / "chats.jsonl").write_text(json.dumps(rows[0]))
    (tmp_path / "chats.csv").write_text('"messages"\n"' + json.dumps(rows[0]["messages"]).replace('"', '""') + '"\n')
    for path in tmp_path.iterdir():
        found = inspect_file(path, options=ReadOptions(include=("reasoning",)))
        assert found.examples[0].answer == "<think>\nhm\n</think>\n\nhello" and found.options.include == ("reasoning",)


@pytest.mark.parametrize(
    ("turns", "words"),
    [
        ([], "the conversation is empty"), ("hello", "the conversation is empty"), ([1], "not an object"), ([{"content": "a"}], "no role"),
        ([{"role": "narrator", "content": "a"}], "role 'narrator'"), ([{"role": "user", "content": "a"}], "no answer of the assistant"),
        ([CHAT[0], {"role": "assistant", "content": ""}], "a turn of the assistant is empty"),
    ],
)  # fmt: skip
def test_a_chat_that_cannot_be_read_says_why(turns, words):
    assert words in read([{"messages": CHAT}, {"messages": turns}]).problems[0].text


def test_a_history_is_read_before_the_prompt_and_not_learned():
    row = {"instruction": "And then?", "output": "The end.", "history": [["Begin.", "Once."], ["Go on.", "Twice."]]}
    before = [("user", "Begin."), ("assistant", "Once."), ("user", "Go on."), ("assistant", "Twice."), ("user", "And then?")]
    assert told(read(row)) == [(before, "The end.")]


def test_prompt_and_completion_may_be_lists_of_messages():
    assert told(read({"prompt": CHAT[:1], "completion": CHAT[1:]})) == [asked("hi", "hello")]


# Nested shapes


def test_of_a_tree_each_way_is_a_chat_and_each_answer_is_learned_once():
    def node(role, text, *replies, **more):
        return {"role": role, "text": text, "replies": list(replies), **more}

    best = node("assistant", "best", node("prompter", "x", node("assistant", "ax")), node("prompter", "y", node("assistant", "ay")), rank=0)
    tree = node("prompter", "q", node("assistant", "worse", rank=1), best, node("assistant", "gone", rank=0, deleted=True))
    found = read([tree, {"prompt": tree}][0])
    assert [answer for _, answer in told(found)] == ["best", "ax", "ay"]
    assert told(found)[2][0] == [("user", "q"), ("assistant", "best"), ("user", "y")]
    assert told(read({"message_tree_id": "1", "prompt": tree})) == told(found)


def test_nested_passages_give_a_row_for_each_question():
    question = {"id": "1", "question": "Capital?", "answers": [{"text": "Lima", "answer_start": 0}, {"text": "lima", "answer_start": 0}]}
    none = {"id": "2", "question": "Moon?", "answers": [], "is_impossible": True}
    found = read({"title": "Peru", "paragraphs": [{"context": "Lima is the capital.", "qas": [question, none]}]})
    assert told(found) == [asked("Lima is the capital.\n\nCapital?", "Lima")]
    assert (found.rows, found.problems[0].text) == (2, "Row 1: the answer is empty.")


@pytest.mark.parametrize(
    ("choices", "answer", "right"),
    [
        (["red", "blue"], 1, "B. blue"), (["red", "blue"], "B", "B. blue"), (["red", "blue"], "blue", "B. blue"),
        ({"text": ["red", "blue"], "label": ["1", "2"]}, "2", "2. blue"), ({"A": "red", "B": "blue"}, "b", "B. blue"),
    ],
)  # fmt: skip
def test_choices_stand_under_the_question_and_the_right_one_is_the_answer(choices, answer, right):
    ((messages, said),) = told(read({"question": "Which?", "choices": choices, "answer": answer}))
    assert messages[0][1].splitlines()[0] == "Which?" and messages[0][1].splitlines()[-1] == right and said == right


def test_instances_of_a_task_are_rows():
    row = {"id": "t", "instruction": "Add.", "instances": [{"input": "1, 2", "output": "3"}, {"input": "", "output": "0"}]}
    assert told(read(row)) == [asked("Add.\n\n1, 2", "3"), asked("Add.", "0")]


# Tables


@pytest.mark.parametrize("nothing", ["nan", "<noinput>", "N/A", "None", "", "  "])
def test_what_stands_for_nothing_is_not_put_into_the_prompt(nothing):
    assert told(read({"instruction": "Name a nut.", "input": nothing, "output": "Walnut"})) == [asked("Name a nut.", "Walnut")]


def test_a_context_is_part_of_the_prompt():
    assert told(read({"question": "Where?", "context": "In Peru.", "answer": "Peru"})) == [asked("In Peru.\n\nWhere?", "Peru")]


def test_labels_that_a_program_wrote_with_a_point_are_whole_numbers():
    assert [answer for _, answer in told(read([{"text": "a", "label": "1.0"}, {"text": "b", "label": "0.0"}]))] == ["1", "0"]
    assert [answer for _, answer in told(read([{"text": "a", "label": "1.0"}, {"text": "b", "label": "0.5"}]))] == ["1.0", "0.5"]


def test_white_space_that_carries_meaning_is_kept_and_padding_is_not():
    code = {"prompt": "def f(a):\n", "completion": "    return a\n"}
    assert told(read([code, {"prompt": " hi ", "completion": " ho"}])) == [asked("def f(a):\n", "    return a\n"), asked("hi", "ho")]


def test_the_files_own_split_is_kept_with_each_row():
    found = read([{"prompt": str(n), "answer": "a", "split": split} for n, split in enumerate(("train", "test", "validation", "train"))])
    assert [each.split for each in found.examples] == ["train", "test", "validation", "train"]
    assert any("Only train is trained on" in note for note in found.notes)
    assert read([{"prompt": "a", "answer": "b", "split": "banana"}]).roles["split"] == "ignore"


def test_an_answer_column_that_is_empty_in_the_first_rows_is_not_given_up():
    rows = [{"prompt": f"q{n}", "answer": "" if n < 300 else f"a{n}", "completion": f"draft {n}"} for n in range(400)]
    found = read(rows)
    assert {each.answer for each in found.examples} == {f"a{n}" for n in range(300, 400)} and found.problem_count == 300
    empty = read([{**row, "answer": ""} for row in rows])
    assert empty.usable_rows == 400 and empty.examples[0].answer == "draft 0"


# Roles


def test_roles_and_a_template_say_what_is_read():
    rows = [{"a": "1", "b": "2", "c": "3"}]
    columns = Columns(roles={"b": "prompt", "a": "prompt", "c": "answer"})
    assert told(read(rows, columns)) == [asked("2\n\n1", "3")]
    assert read(rows, columns).shape == "mapped" and read(rows, columns).roles == {"a": "prompt", "b": "prompt", "c": "answer"}
    assert told(read(rows, Columns(roles={"a": "prompt", "c": "label"}, template="Is {a} like {b}?"))) == [asked("Is 1 like 2?", "3")]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (Columns.pair("nope", "b"), "no column 'nope'"), (Columns(roles={"a": "prompt"}, template="{z}"), "no column 'z'"),
        (Columns(roles={"a": "answer", "b": "answer"}), "Two columns are the answer"),
        (Columns(roles={"a": "answer"}), "which column is the prompt"),
        (Columns(roles={"a": "prompt", "b": "rejected"}), "preferred to the rejected"),
        (Columns(roles={"a": "answer", "b": "label", "c": "prompt"}), "One column is the answer and another the label"),
    ],
)  # fmt: skip
def test_roles_that_do_not_fit_are_refused_in_words(columns, words):
    with pytest.raises(DataError, match=words):
        read([{"a": "1", "b": "2", "c": "3"}], columns)
    with pytest.raises(DataError, match="is no role"):
        Columns.read({"a": "boss"})


def test_a_role_that_is_given_leaves_the_column_that_had_it():
    recognised = Columns(roles={"instruction": "prompt", "input": "prompt", "output": "answer", "system": "system"})
    assert recognised.changed({"other": "answer"}).roles == {
        "instruction": "prompt",
        "input": "prompt",
        "system": "system",
        "other": "answer",
    }
    assert recognised.changed({"other": "label"}).having("answer") == ()
    assert recognised.changed({"question": "prompt"}).having("prompt") == ("question",)


def test_of_an_unknown_table_roles_are_suggested_and_nothing_is_taken():
    rows = [{"id": str(n), "kind": ("spam", "ham")[n % 2], "body": f"A long text about thing {n}."} for n in range(20)]
    found = read(rows)
    assert found.needs_mapping and found.examples == () and found.roles == {}
    assert found.read_as.roles == {"kind": "label", "body": "prompt"} and set(found.reasons) == {"kind", "body"}
    assert len(read(rows, found.read_as).examples) == 20


def test_plain_text_is_learned_whole():
    assert read([{"text": "Once upon a time."}, {"text": "Then."}]).examples[0] == Example(1, (), "Once upon a time.")


def test_the_calls_of_a_real_file_are_learned(shared):
    path = shared / "data/chat/glaive_toolcall_en_demo.json"
    without, found = (inspect_file(path, options=ReadOptions(include=include)) for include in ((), ("tool_calls",)))
    assert (without.example_count, found.example_count, found.problem_count) == (746, 957, 0)
    assert found.parts == (ChatPart("tool_calls", 957 - 746, True),)
    calls = [answer for _, answer in told(found) if answer.startswith("<tool_call>")]
    assert len(calls) == 211 and all({"name", "arguments"} == set(json.loads(call.splitlines()[1])) for call in calls)
