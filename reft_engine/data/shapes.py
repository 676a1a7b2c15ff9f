"""From a row to examples, by the names of its columns."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reft_engine.data.records import ColumnMapping, Limits, Message, Role
from reft_engine.errors import DataError

Turns = tuple[tuple[Message, ...], str]
"""What is said before, and the answer."""
Convert = Callable[[Mapping[str, Any]], list[Turns]]
"""Raises `RowError` for a row that cannot be used."""

TITLES = {
    "instructions": "instructions with answers",
    "pairs": "prompts with answers",
    "labels": "texts with labels",
    "messages": "chats",
    "conversations": "chats",
    "mapped": "the two columns that you chose",
    "preferences": "preference pairs",
    "unknown": "a table",
}
_ANSWERS = ("output", "response", "completion", "answer", "target", "reply")
_PAIRS = (
    ("prompt", ("completion", "response", "answer", "output", "target", "reply")),
    ("question", ("answer", "response", "completion", "output")),
    ("query", ("response", "answer", "completion", "output")),
    ("input", ("output", "target", "response", "answer", "completion")),
    ("source", ("target",)),
    ("user", ("assistant",)),
)
_TEXTS = ("text", "sentence", "review", "tweet", "message", "comment", "document")
_LABELS = ("label", "category", "class", "sentiment", "intent", "topic", "labels")
_ROLES: dict[str, Role] = {
    "system": "system", "developer": "system", "user": "user", "human": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "model": "assistant", "bot": "assistant", "chatgpt": "assistant",
}  # fmt: skip
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_END_MARK = "<|endoftext|>"


class RowError(Exception):
    """Why a row cannot be used."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How rows are read: a name for people and programs, and the function that does it."""

    name: str
    convert: Convert
    prompt: tuple[str, ...] = ()
    """Columns that the prompt is made of; the answer's too where they hold whole chats."""
    answer: tuple[str, ...] = ()

    def roles(self, columns: Sequence[str]) -> dict[str, str]:
        """What each column is read as: prompt, answer or label, or chat; and ignored."""
        if not self.prompt:
            return {}
        asked = "prompt" if self.answer else "chat"
        given = "label" if self.name == "labels" else "answer"
        return {column: asked if column in self.prompt else given if column in self.answer else "ignored" for column in columns}

    def unused(self, columns: Sequence[str]) -> list[str]:
        """Columns that nothing is taken from."""
        return [column for column in columns if column not in self.prompt + self.answer]


def shown(text: str, limit: int = 60) -> str:
    """A piece of somebody's file that is safe in a sentence: one line, printable, short."""
    clean = "".join(character if character.isprintable() else " " for character in text[: limit * 4])
    clean = " ".join(clean.split())
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def recognise(columns: Sequence[str], filled: Sequence[str], limits: Limits) -> Shape | None:
    """The shape that these columns, some of them filled, stand for; None when a person has to say."""
    if {"chosen", "rejected"} <= {column.strip().lower() for column in columns}:
        return Shape("preferences", _refuse_preferences)
    names = {column.strip().lower(): column for column in reversed(filled)}
    turns = _first(names, ("messages", "conversations", "conversation"))
    if turns:
        shape = "messages" if turns.strip().lower() == "messages" else "conversations"
        return Shape(shape, lambda row: _conversation(row.get(turns), limits), (turns,))
    answer = _first(names, _ANSWERS)
    if "instruction" in names and answer:
        # Many rows may pass before one has an input, so an empty column counts too.
        extra = _first({column.strip().lower(): column for column in reversed(columns)}, ("input", "context"))
        extra = extra if extra != answer else None
        asked = (names["instruction"], extra) if extra else (names["instruction"],)
        return Shape("instructions", _instruction(names["instruction"], extra, answer, limits), asked, (answer,))
    for prompt, answers in _PAIRS:
        if prompt in names and (answer := _first(names, answers)):
            return _pairs("pairs", names[prompt], answer, limits)
    text, label = _first(names, _TEXTS), _first(names, _LABELS)
    if text and label:
        return _pairs("labels", text, label, limits)
    if sorted(columns) == ["column 1", "column 2"]:
        return _pairs("pairs", "column 1", "column 2", limits)
    return None


def mapped(mapping: ColumnMapping, columns: Sequence[str], limits: Limits) -> Shape:
    """The shape that a person chose. Raises DataError for a column that is not there."""
    for column in (mapping.prompt, mapping.answer):
        if column not in columns:
            raise DataError(
                "There is no column '{column}'. The file has {columns}.",
                kind="columns.missing",
                column=shown(column),
                columns=shown(", ".join(columns), 300),
            )
    if mapping.prompt == mapping.answer:
        raise DataError("The prompt and the answer are the same column; choose two.", kind="columns.same")
    return _pairs("mapped", mapping.prompt, mapping.answer, limits)


def _pairs(name: str, prompt: str, answer: str, limits: Limits) -> Shape:
    return Shape(name, _pair(prompt, answer, limits), (prompt,), (answer,))


def _first(names: Mapping[str, str], wanted: Iterable[str]) -> str | None:
    return next((names[name] for name in wanted if name in names), None)


def is_missing(value: Any) -> bool:
    """Whether a cell holds nothing: None, or the NaN that stands for it in a column of numbers."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _text(value: Any, what: str, limits: Limits) -> str:
    """The text of a cell, without blanks around it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if is_missing(value):
        return ""
    if isinstance(value, (int, float)):
        return str(value)
    if not isinstance(value, str):
        raise RowError(f"{what} is not text")
    if len(value) > limits.cell:
        raise RowError(f"{what} has {len(value):,} characters; at most {limits.cell:,} can be read")
    if problem := unreadable(value):
        raise RowError(f"{what} {problem}")
    return value.strip()


def unreadable(text: str) -> str | None:
    """What in a text can be neither shown nor trained."""
    if _SURROGATE.search(text):
        return "holds half of a character (a lone surrogate)"
    if found := _CONTROL.search(text):
        return f"holds a control character (U+{ord(found[0]):04X})"
    return None


def _filled(value: Any, what: str, limits: Limits) -> str:
    text = _text(value, what, limits)
    if not text:
        raise RowError(f"{what} is empty")
    return text


def _called(what: str, column: str) -> str:
    """The name of a cell in a sentence."""
    return f"the {what}" if column.strip().lower() == what else f"the {what} ({shown(column)})"


def _pair(prompt: str, answer: str, limits: Limits) -> Convert:
    def convert(row: Mapping[str, Any]) -> list[Turns]:
        asked = _filled(row.get(prompt), _called("prompt", prompt), limits)
        # OpenAI's old prompt/completion files end each completion with this mark, which is no part of the answer.
        given = _filled(row.get(answer), _called("answer", answer), limits).removesuffix(_END_MARK).rstrip()
        if not given:
            raise RowError(f"{_called('answer', answer)} is empty")
        return [((Message("user", asked),), given)]

    return convert


def _instruction(instruction: str, extra: str | None, answer: str, limits: Limits) -> Convert:
    def convert(row: Mapping[str, Any]) -> list[Turns]:
        asked = _filled(row.get(instruction), "the instruction", limits)
        more = _text(row.get(extra), _called("input", extra), limits) if extra else ""
        given = _filled(row.get(answer), _called("answer", answer), limits)
        return [((Message("user", f"{asked}\n\n{more}" if more else asked),), given)]

    return convert


def _conversation(turns: Any, limits: Limits) -> list[Turns]:
    """Every turn of the assistant is an answer to what was said before it."""
    if not isinstance(turns, list) or not turns:
        raise RowError("the conversation is empty")
    if len(turns) > limits.turns:
        raise RowError(f"the conversation has {len(turns):,} turns; at most {limits.turns} can be read")
    before: list[Message] = []
    found: list[Turns] = []
    for turn in turns:
        message = _turn(turn, limits)
        if message.role == "assistant" and any(earlier.role == "user" for earlier in before):
            found.append((tuple(before), message.content))
        before.append(message)
    if not found:
        raise RowError("no answer of the assistant follows a message of a user")
    return found


def _turn(turn: Any, limits: Limits) -> Message:
    if not isinstance(turn, dict):
        raise RowError("a turn is not an object with a role and a text")
    name = turn.get("role", turn.get("from"))
    if not isinstance(name, str) or not name:
        raise RowError("a turn has no role")
    role = _ROLES.get(name.strip().lower())
    if role is None:
        raise RowError(f"a turn has the role '{shown(name)}'; user, assistant and system can be trained")
    content = turn.get("content", turn.get("value"))
    if isinstance(content, list):
        content = "".join(_part(part, limits) for part in content)
    return Message(role, _filled(content, f"a turn of the {role}", limits))


def _part(part: Any, limits: Limits) -> str:
    """A piece of a message that is given in pieces; only text can be trained."""
    if isinstance(part, dict) and part.get("type", "text") == "text":
        return _text(part.get("text", part.get("value")), "a piece of a turn", limits)
    if isinstance(part, str):
        return part
    raise RowError("a turn holds something other than text")


def _refuse_preferences(_row: Mapping[str, Any]) -> list[Turns]:
    raise RowError("this is a preference pair (chosen and rejected)")
