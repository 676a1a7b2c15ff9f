"""A saved conversation as a tree: what is shown, what a column reads, what is refused, and the files that it becomes."""

import json
import re

import pytest
from markdown_it import MarkdownIt

from app import chat_export, chats
from app.chats import ChatAnswer, ChatDocument, ChatSettings, ChatTurn
from app.columns import Column, MixPart, title_of
from app.components.theme import STATIC
from app.errors import StudioError
from reft_engine.data import inspect_file

HOSTILE = ["plain", "", "```", "````\n```", "~~~\nx", "x\n```", "`` ` ``", "<script>alert(1)</script>\n# no heading",
           "  indented\n\n", "\ttab\r\nend",
           "![x](http://evil.example/p.png)", "ö 漢 🐈", "- item\n  ```js\n  1\n  ```\n", "\n```\n\n"]  # fmt: skip
RUNS = {"r1": "Pirates", "r2": "Emoji ` <b>"}


def document(**changes):
    """Two columns; the second turn was asked twice, the third answers one branch, and there is another beginning."""
    values = {
        "columns": [{"kind": "base"}, {"kind": "run", "run": "r1"}],
        "settings": {"system": "Be brief."},
        "turns": [
            {"id": "a", "prompt": "Hello", "seed": 3, "answers": [answer(0, "B a"), answer(1, "T a", strength=1.5)]},
            {"id": "b", "parent": "a", "prompt": "And?", "answers": [answer(0, "B b"), answer(1, "T b", ended="error")]},
            {"id": "c", "parent": "a", "prompt": "Or?", "answers": [answer(1, "T c", ended="stopped")]},
            {"id": "d", "parent": "b", "prompt": "So?", "answers": [answer(0, "B d"), answer(1, "T d")]},
            {"id": "e", "prompt": "Anew", "answers": [answer(0, "B e")]},
        ],
        "leaf": "d",
        **changes,
    }  # fmt: skip
    return chats.read(json.dumps(values))


def answer(column, text, **more):
    return {"column": column, "text": text, "ids": [1, 2], "tokens": 2, "seconds": 0.25, **more}


def said(document, leaf, column):
    return [(each["role"], each["content"]) for each in chats.messages(document, leaf, column)]


# The tree


def test_the_path_runs_from_a_beginning_to_the_leaf():
    asked = document()
    assert [turn.id for turn in chats.path(asked)] == ["a", "b", "d"]
    assert [turn.id for turn in chats.path(asked, "c")] == ["a", "c"] and [turn.id for turn in chats.path(asked, "e")] == ["e"]
    assert chats.path(ChatDocument()) == chats.path(document(leaf=None)) == [], "nothing is shown before another first prompt"
    for act in (lambda: chats.path(asked, "x"), lambda: chats.messages(ChatDocument(), None, 0)):
        with pytest.raises(StudioError, match="no such turn"):
            act()


def test_branches_are_the_turns_after_the_same_one():
    asked = document()
    turns = {turn.id: turn for turn in asked.turns}
    branches = {name: [each.id for each in chats.branches(asked, turn)] for name, turn in turns.items()}
    assert branches == {"a": ["a", "e"], "b": ["b", "c"], "c": ["b", "c"], "d": ["d"], "e": ["a", "e"]}
    assert [turn.id for turn in chats.leaves(asked)] == ["c", "d", "e"]
    assert {name: chats.newest_leaf(asked, turn).id for name, turn in turns.items()} == {"a": "d", "b": "d", "c": "c", "d": "d", "e": "e"}


def test_a_column_reads_its_own_answers_and_none_of_another():
    asked = document()
    assert said(asked, None, 0) == [
        ("system", "Be brief."), ("user", "Hello"), ("assistant", "B a"), ("user", "And?"), ("assistant", "B b"), ("user", "So?"),
    ]  # fmt: skip
    assert said(asked, "c", 1) == [("system", "Be brief."), ("user", "Hello"), ("assistant", "T a"), ("user", "Or?")]


def test_a_turn_that_a_column_did_not_answer_is_not_read_by_it():
    asked = document()
    assert said(asked, "d", 1) == [("system", "Be brief."), ("user", "Hello"), ("assistant", "T a"), ("user", "So?")], (
        "an error is no answer"
    )
    assert said(asked, "d", 7) == [("system", "Be brief."), ("user", "So?")], "a column that came later"


def test_a_turn_is_read_with_the_settings_that_it_was_asked_with():
    turns = [{"id": "a", "prompt": "Hi", "settings": {"system": "Shout.", "top_k": 5}}, {"id": "b", "prompt": "Hi"}]
    asked = document(turns=turns, leaf="a")
    assert said(asked, "a", 0)[0] == ("system", "Shout.") and said(asked, "b", 0)[0] == ("system", "Be brief.")
    assert said(document(turns=turns, leaf="a", settings={"system": " \n"}), "b", 0) == [("user", "Hi")]


def test_an_answer_knows_its_column_as_it_was_then():
    made_by = {"kind": "run", "run": "r2", "layers": [0]}
    asked = document(
        turns=[{"id": "a", "prompt": "x", "answers": [answer(1, "y", strength=-2, made_by=made_by), answer(0, "z")]}], leaf="a"
    )
    first, second = asked.turns[0].answers
    assert chats.column_of(asked, first) == Column(kind="run", run="r2", layers=(0,), strength=-2)
    assert chats.column_of(asked, second) == Column(kind="base")


def test_a_document_is_read_as_it_was_written():
    asked = document(turns=[{"id": "a", "prompt": "\u0000 \u2028 </script> 🐈", "answers": [answer(0, "\r\n\x7f")]}], leaf="a")
    assert chats.read(chats.written(asked)) == asked and "\x00" not in chats.written(asked)


def test_half_of_a_character_becomes_a_question_mark():
    asked = chats.read(r'{"columns": [{"kind": "base"}], "turns": [{"id": "a", "prompt": "x\ud83d y \ud83d\ude00"}], "leaf": "a"}')
    assert asked.turns[0].prompt == "x? y 😀"


def test_a_name_is_made_of_the_first_prompt():
    assert chats.default_name(document()) == "Hello"
    long = chats.default_name(document(turns=[{"id": "a", "prompt": "  What is\n\n" + "x" * 200}], leaf="a"))
    assert long.startswith("What is xxx") and len(long) == 60 and long.endswith("…")
    assert chats.default_name(ChatDocument()) == chats.default_name(document(turns=[{"id": "a", "prompt": " \n"}], leaf="a")) != ""


# What is refused

TREES = {
    "is there twice": {"turns": [{"id": "a", "prompt": "x"}] * 2, "leaf": "a"},
    "does not stand before it": {"turns": [{"id": "a", "parent": "b", "prompt": "x"}, {"id": "b", "prompt": "x"}], "leaf": "a"},
    "comes after one": {"turns": [{"id": "a", "parent": "a", "prompt": "x"}], "leaf": "a"},
    "answers the turn a twice": {"turns": [{"id": "a", "prompt": "x", "answers": [answer(0, "1"), answer(0, "2")]}], "leaf": "a"},
    "a names a column": {"turns": [{"id": "a", "prompt": "x", "answers": [answer(2, "1")]}], "leaf": "a"},
    "shown names a column": {"shown": [2]},
    "nothing is shown and is not there": {"leaf": "nothing"},
    "b is shown and is not there": {"turns": [], "leaf": "b"},
}


@pytest.mark.parametrize("sentence", TREES)
def test_what_is_no_tree_is_refused_with_a_sentence(sentence):
    with pytest.raises(StudioError, match=r"cannot be read.*(turn|column)") as refusal:
        document(**TREES[sentence])
    assert sentence in str(refusal.value)


ODD = [-1, 1e9, "x" * 300_000, None, "NaN", [None] * 2_000, {"x": 1}]
KINDS = {
    ChatDocument: lambda values: values,
    ChatSettings: lambda values: {"settings": values},
    Column: lambda values: {"columns": [{"kind": "base", **values}]},
    MixPart: lambda values: {"columns": [{"kind": "mix", "parts": [{"run": "r1", "weight": 1, **values}]}]},
    ChatTurn: lambda values: {"turns": [{"id": "a", "prompt": "x", **values}], "leaf": "a"},
    ChatAnswer: lambda values: {
        "columns": [{"kind": "base"}], "turns": [{"id": "a", "prompt": "x", "answers": [{"column": 0, **values}]}], "leaf": "a",
    },
}  # fmt: skip
FIELDS = [(kind, field) for kind in KINDS for field in kind.model_fields]


@pytest.mark.parametrize(("kind", "field"), FIELDS, ids=[f"{kind.__name__}.{field}" for kind, field in FIELDS])
def test_every_field_is_bounded(kind, field):
    chats.read(json.dumps(KINDS[kind]({})))
    refused = 0
    for value in ODD:
        try:
            chats.read(json.dumps(KINDS[kind]({field: value})))
        except StudioError as refusal:
            refused += "cannot be read" in str(refusal)
    assert refused >= 4, "a number, a long text, a list, an object: no field takes most of these"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_field_that_is_not_known_is_refused(kind):
    with pytest.raises(StudioError, match="strenght"):
        chats.read(json.dumps(KINDS[kind]({"strenght": 1})))


@pytest.mark.parametrize(
    "text", ["", "{", "null", "[]", "3", '{"format": 2}', "[" * 100_000, b"\xff\xfe\x00", '{"settings": {"temperature": NaN}}', "9" * 5_000]
)
def test_what_is_no_document_is_refused_with_a_sentence(text):
    with pytest.raises(StudioError, match="cannot be read"):
        chats.read(text)


# Files


def fences(text):
    """What stands in the fences of a Markdown file, by a reader that is not ours."""
    return [token.content for token in MarkdownIt().parse(text) if token.type == "fence"]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_text_stands_in_markdown_exactly_as_it_is_and_ends_nothing(text):
    turns = [{"id": "a", "prompt": text, "answers": [answer(0, text), answer(1, text)]}, {"id": "b", "prompt": "after"}]
    asked = document(turns=turns, leaf="a", settings={"system": text})
    content = chat_export.exported("N", asked, RUNS, "md").decode()
    tokens = MarkdownIt().parse(content)
    lines = text.replace("\r\n", "\n") + "\n"  # as the reader gives line ends
    assert fences(content) == [lines] * (4 if text else 3) + ["after\n"]
    headings = [tokens[place + 1].content for place, token in enumerate(tokens) if token.type == "heading_open"]
    assert headings == ["`N`", "Turn 1", "`the base model`", "`Pirates`", "Turn 1.2, another beginning"]
    assert {token.type for token in tokens} <= {
        "heading_open", "heading_close", "inline", "fence", "paragraph_open", "paragraph_close", "bullet_list_open", "bullet_list_close",
        "list_item_open", "list_item_close",
    }, "no HTML"  # fmt: skip


@pytest.mark.parametrize("name", ["a ` b", "``", "`x", "<img src=x>", "# x", "[a](b)", "*x*", "a\nb"])
def test_a_name_is_shown_in_markdown_as_it_is(name):
    (inline,) = MarkdownIt().parseInline(chat_export.code(name))
    assert [(child.type, child.content) for child in inline.children] == [("code_inline", name.replace("\n", " "))]


def test_every_answer_says_what_it_was_made_with():
    made_by = {"kind": "run", "run": "r2", "step": 40, "layers": [0, 2], "groups": ["prefix"]}
    settings = {"temperature": 0.7, "top_p": 0.9, "top_k": 40, "max_new_tokens": 64, "repetition_penalty": 1.1, "stop": ["\n", "`"]}
    turns = [{"id": "a", "prompt": "x", "seed": 7, "settings": settings, "answers": [
        answer(1, "y", strength=-0.5, ended="length", told="Half <b>\n`of` it", made_by=made_by),
    ]}]  # fmt: skip
    text = chat_export.markdown("N", document(turns=turns, leaf="a"), RUNS)
    facts = [line for line in text.splitlines() if line.startswith("- ")]
    assert facts == [
        "- Strength -0.5, seed 7", "- Edits at layers: 0, 2", "- Edits at positions: prefix",
        "- Temperature 0.7, top-p 0.9, top-k 40, at most 64 tokens, repetition penalty 1.1", '- Stops at: `"\\n"`, ``"`"``',
        "- Ended at the longest answer: 2 tokens in 0.25 s", "- ``Half <b> `of` it``",
    ]  # fmt: skip
    assert "### ``Emoji ` <b>, step 40``" in text


@pytest.mark.parametrize(
    ("column", "fact"),
    [
        ({"kind": "run", "run": "r1"}, "Strength 1, seed 7"), ({"kind": "mix", "parts": [{"run": "r1"}]}, "Strength 1, seed 7"),
        ({"kind": "run", "run": "lora"}, "Seed 7"), ({"kind": "base"}, "Seed 7"), ({"kind": "few_shot", "run": "r1", "shots": 1}, "Seed 7"),
        ({"kind": "instant", "run": "r1"}, "Seed 7"),
    ],
)  # fmt: skip
def test_only_what_has_an_edit_has_a_strength(column, fact):
    turns = [{"id": "a", "prompt": "x", "seed": 7, "answers": [answer(1, "y", made_by=column)]}]
    text = chat_export.markdown("N", document(turns=turns, leaf="a"), RUNS, {"lora"})
    assert next(line for line in text.splitlines() if line.startswith("- ")) == f"- {fact}"


@pytest.mark.parametrize(
    ("column", "title"),
    [
        ({"kind": "base"}, "the base model"), ({"kind": "run", "run": "r1"}, "Pirates"), ({"kind": "run", "run": "gone"}, "gone"),
        ({"kind": "run", "run": "r1", "step": 9}, "Pirates, step 9"),
        ({"kind": "run", "run": "r1", "strength": 2, "layers": [0]}, "Pirates"),
        ({"kind": "few_shot", "run": "r1", "shots": 1}, "1 row of Pirates in the prompt"),
        ({"kind": "few_shot", "run": "r1", "shots": 3}, "3 rows of Pirates in the prompt"),
        ({"kind": "instant", "run": "r1", "blend": 0.5}, "the rows of Pirates looked up, blend 0.5"),
        (
            {"kind": "mix", "parts": [{"run": "r1", "weight": 0.5}, {"run": "r2", "weight": -1}]},
            "a mix of Pirates at 0.5, Emoji ` <b> at -1",
        ),
    ],
)  # fmt: skip
def test_a_column_has_its_title(column, title):
    assert title_of(Column.model_validate(column), RUNS) == title


def test_other_branches_follow_the_shown_one_and_say_where_they_leave_it():
    text = chat_export.markdown("N", document(), RUNS)
    assert re.findall("^## (.*)$", text, re.MULTILINE) == [
        "Turn 1", "Turn 2", "Turn 3", "Turn 2.2, of another branch, after turn 1", "Turn 1.2, another beginning",
    ]  # fmt: skip
    assert text.count("System message") == 1 and fences(text)[0] == "Be brief.\n"
    unshown = chat_export.markdown("N", document(leaf=None), RUNS)
    assert [line.partition(",")[0] for line in unshown.splitlines() if line.startswith("## ")] == [
        f"## Turn {label}" for label in ("1.1", "2.1", "2.2", "3.1", "1.2")
    ]  # fmt: skip


def test_a_line_is_a_column_and_a_path_with_the_answers_that_are_its_own():
    rows = [json.loads(line) for line in chat_export.json_lines(document(), RUNS).splitlines()]
    assert [(row["column"]["title"], [each["content"] for each in row["messages"]]) for row in rows] == [
        ("the base model", ["Be brief.", "Hello", "B a", "And?", "B b", "So?", "B d"]),
        ("the base model", ["Be brief.", "Anew", "B e"]),
        ("Pirates", ["Be brief.", "Hello", "T a", "Or?", "T c"]),
        ("Pirates", ["Be brief.", "Hello", "T a", "So?", "T d"]),
    ]
    assert all(row["messages"][0]["role"] == "system" for row in rows)
    assert rows[0]["settings"]["seed"] == 0 and rows[0]["column"]["run"] is None and rows[2]["column"]["run"] == "r1"


def test_a_line_has_settings_and_strength_of_its_last_answer():
    turns = [{"id": "a", "prompt": "x", "seed": 7, "settings": {"temperature": 0.5}, "answers": [answer(1, "y", strength=2)]}]
    (row,) = map(json.loads, chat_export.json_lines(document(turns=turns, leaf="a"), RUNS).splitlines())
    assert row["column"]["strength"] == 2 and row["settings"] == {
        "temperature": 0.5, "top_p": 1.0, "top_k": 0, "max_new_tokens": 128, "repetition_penalty": 1.0, "stop": [], "seed": 7,
    }  # fmt: skip
    assert [each["role"] for each in row["messages"]] == ["user", "assistant"]


def test_the_engine_reads_the_lines_as_chats(tmp_path):
    turns = [
        {"id": str(place), "prompt": f"Say {text!r}.", "answers": [answer(0, text), answer(1, f"x{text}")]}
        for place, text in enumerate(HOSTILE)
    ]
    asked = document(turns=turns, leaf="0")
    path = tmp_path / "chat.jsonl"
    path.write_bytes(chat_export.exported("N", asked, RUNS, "jsonl"))
    inspection = inspect_file(path)
    blank = sum(not text.strip() for text in HOSTILE)
    assert inspection.shape == "messages" and inspection.problem_count == 0
    assert len(inspection.examples) == 2 * len(HOSTILE) - blank, "an answer without text is nothing to learn"
    by_prompt = {(each.messages[-1].content, each.answer) for each in inspection.examples}
    assert {text for _, text in by_prompt} >= {text.strip() for text in HOSTILE if "\n" not in text and text.strip()}
    assert all(each.messages[0].content == "Be brief." for each in inspection.examples)


def test_a_file_of_an_empty_conversation_is_no_error():
    assert chat_export.exported("N", ChatDocument(), {}, "jsonl") == b""
    assert chat_export.exported("N", ChatDocument(), {}, "md").startswith(b"# `N`\n")


def test_the_page_makes_columns_of_these_fields_with_these_defaults():
    script = (STATIC / "play_document.js").read_text(encoding="utf-8")
    made = re.search(r"const column = \(kind, values = \{\}\) => \(\{\s*kind, (.*?), \.\.\.values", script, re.DOTALL)
    assert made is not None
    values = json.loads("{" + re.sub(r"(\w+):", r'"\1":', made[1]) + "}")
    wanted = Column(kind="base").model_dump(mode="json")
    assert {"kind": "base", **values} == wanted
