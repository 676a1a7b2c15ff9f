"""Recognises the shape of a file by its column names, and converts its rows to prompts and answers."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reft_engine.data.records import ColumnMapping, Limits, Message, Role
from reft_engine.errors import DataError

PromptAnswer = tuple[tuple[Message, ...], str]
"""The messages before an answer, and the answer."""
Convert = Callable[[Mapping[str, Any]], list[PromptAnswer]]
"""Converts a row; raises `RowError` for one that cannot be used."""

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
    """A dataset shape: its name, and the function that converts a row of it."""

    name: str
    convert: Convert
    prompt: tuple[str, ...] = ()
    """Columns that hold the prompt, or whole chats with their answers."""
    answer: tuple[str, ...] = ()

    def roles(self, columns: Sequence[str]) -> dict[str, str]:
        """What each column is read as: prompt, answer, label, chat or ignored."""
        if not self.prompt:
            return {}
        prompt = "prompt" if self.answer else "chat"
        answer = "label" if self.name == "labels" else "answer"
        return {column: prompt if column in self.prompt else answer if column in self.answer else "ignored" for column in columns}

    def unused(self, columns: Sequence[str]) -> list[str]:
        """Columns that are not read."""
        return [column for column in columns if column not in self.prompt + self.answer]


def shown(text: str, limit: int = 60) -> str:
    """Text of a file made safe for a sentence: printable, on one line, at most ``limit`` characters."""
    clean = "".join(character if character.isprintable() else " " for character in text[: limit * 4])
    clean = " ".join(clean.split())
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def recognise(columns: Sequence[str], filled: Sequence[str], limits: Limits) -> Shape | None:
    """The shape of a file by its columns and by those that hold text; None if a person must choose the columns."""
    if {"chosen", "rejected"} <= {column.strip().lower() for column in columns}:
        return Shape("preferences", _refuse_preferences)
    names = {column.strip().lower(): column for column in reversed(filled)}
    chat = _first(names, ("messages", "conversations", "conversation"))
    if chat:
        shape = "messages" if chat.strip().lower() == "messages" else "conversations"
        return Shape(shape, lambda row: _conversation(row.get(chat), limits), (chat,))
    answer = _first(names, _ANSWERS)
    if "instruction" in names and answer:
        # The first row with an input may come late, so an empty column counts too.
        extra = _first({column.strip().lower(): column for column in reversed(columns)}, ("input", "context"))
        extra = extra if extra != answer else None
        prompt_columns = (names["instruction"], extra) if extra else (names["instruction"],)
        return Shape("instructions", _instruction(names["instruction"], extra, answer, limits), prompt_columns, (answer,))
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
    """The shape of the columns that a person chose. Raises DataError for a column that does not exist."""
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


def _first(names: Mapping[str, str], candidates: Iterable[str]) -> str | None:
    return next((names[name] for name in candidates if name in names), None)


def is_missing(value: Any) -> bool:
    """Whether a cell is empty: None, or NaN in a column of numbers."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _text(value: Any, what: str, limits: Limits) -> str:
    """The text of a cell, without white space around it."""
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
    """Why a text can be neither shown nor trained on; None if it can."""
    if _SURROGATE.search(text):
        return "holds half of a character (a lone surrogate)"
    if control := _CONTROL.search(text):
        return f"holds a control character (U+{ord(control[0]):04X})"
    return None


def _required_text(value: Any, what: str, limits: Limits) -> str:
    text = _text(value, what, limits)
    if not text:
        raise RowError(f"{what} is empty")
    return text


def _cell_name(what: str, column: str) -> str:
    """The name of a cell in a sentence."""
    return f"the {what}" if column.strip().lower() == what else f"the {what} ({shown(column)})"


def _pair(prompt: str, answer: str, limits: Limits) -> Convert:
    def convert(row: Mapping[str, Any]) -> list[PromptAnswer]:
        question = _required_text(row.get(prompt), _cell_name("prompt", prompt), limits)
        # OpenAI's old prompt/completion files end each completion with this mark, which does not belong to the answer.
        reply = _required_text(row.get(answer), _cell_name("answer", answer), limits).removesuffix(_END_MARK).rstrip()
        if not reply:
            raise RowError(f"{_cell_name('answer', answer)} is empty")
        return [((Message("user", question),), reply)]

    return convert


def _instruction(instruction: str, extra: str | None, answer: str, limits: Limits) -> Convert:
    def convert(row: Mapping[str, Any]) -> list[PromptAnswer]:
        question = _required_text(row.get(instruction), "the instruction", limits)
        context = _text(row.get(extra), _cell_name("input", extra), limits) if extra else ""
        reply = _required_text(row.get(answer), _cell_name("answer", answer), limits)
        return [((Message("user", f"{question}\n\n{context}" if context else question),), reply)]

    return convert


def _conversation(messages: Any, limits: Limits) -> list[PromptAnswer]:
    """Every message of the assistant is an answer to the messages before it."""
    if not isinstance(messages, list) or not messages:
        raise RowError("the conversation is empty")
    if len(messages) > limits.turns:
        raise RowError(f"the conversation has {len(messages):,} turns; at most {limits.turns} can be read")
    before: list[Message] = []
    answers: list[PromptAnswer] = []
    for entry in messages:
        message = _message(entry, limits)
        if message.role == "assistant" and any(earlier.role == "user" for earlier in before):
            answers.append((tuple(before), message.content))
        before.append(message)
    if not answers:
        raise RowError("no answer of the assistant follows a message of a user")
    return answers


def _message(entry: Any, limits: Limits) -> Message:
    if not isinstance(entry, dict):
        raise RowError("a turn is not an object with a role and a text")
    name = entry.get("role", entry.get("from"))
    if not isinstance(name, str) or not name:
        raise RowError("a turn has no role")
    role = _ROLES.get(name.strip().lower())
    if role is None:
        raise RowError(f"a turn has the role '{shown(name)}'; user, assistant and system can be trained")
    content = entry.get("content", entry.get("value"))
    if isinstance(content, list):
        content = "".join(_piece_text(piece, limits) for piece in content)
    return Message(role, _required_text(content, f"a turn of the {role}", limits))


def _piece_text(piece: Any, limits: Limits) -> str:
    """The text of one piece of a message; pieces that are not text cannot be trained on."""
    if isinstance(piece, dict) and piece.get("type", "text") == "text":
        return _text(piece.get("text", piece.get("value")), "a piece of a turn", limits)
    if isinstance(piece, str):
        return piece
    raise RowError("a turn holds something other than text")


def _refuse_preferences(_row: Mapping[str, Any]) -> list[PromptAnswer]:
    raise RowError("this is a preference pair (chosen and rejected)")
