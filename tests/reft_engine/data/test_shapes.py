"""Each shape of `SHAPES` is recognised, read and left by its own test; roles change what is read."""

import json

import pytest

from reft_engine.data import Columns, Example, Message, Preference, dump_examples, inspect_rows, load_examples
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
