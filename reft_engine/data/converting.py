"""Converts a row to examples by the roles of its columns."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from reft_engine.data.cells import (
    BadAnswerError,
    EmptyError,
    RowError,
    is_false,
    is_missing,
    required_text,
    says_nothing,
    shown,
    text_of,
    unpacked,
)
from reft_engine.data.records import AnyExample, Example, Include, Limits, Message, Preference
from reft_engine.data.roles import ROLES, ColumnRole, Columns, joined
from reft_engine.data.turns import Beside, Turn, learned_answers, read_turns

_WHOLE = re.compile(r"-?\d+\.0+")
_HUMAN = re.compile(r"\n\n(Human|Assistant): ?")


class Converter:
    """Converts rows by the roles of their columns.

    Attributes:
        beside: what stood in the chats of the rows that were used beside their texts (tool calls, pictures, reasoning), counted by kind.
    """

    def __init__(self, columns: Columns, limits: Limits, *, whole_labels: bool = False, include: tuple[Include, ...] = ()) -> None:
        """With ``whole_labels`` labels such as 1.0 are the numbers of classes: 1; ``include`` is learned of chats beside their texts."""
        self.beside = Beside(include)
        self._columns, self._limits, self._whole_labels = columns, limits, whole_labels
        self._one = {role: columns.one(role) or "" for role in ROLES}
        self._prompts, self._contexts = columns.having("prompt"), columns.having("context")
        self._fields = tuple(dict.fromkeys([*self._contexts, *self._prompts, *columns.fields()]))
        self._required = self._prompts[:1] if not columns.template else ()

    def convert(self, values: Mapping[str, Any], line: int, row: int) -> list[AnyExample]:
        """The examples of a row. Raises RowError for one that cannot be used, BadAnswerError for one marked as a bad answer."""
        weight = self._one["weight"]
        if weight and is_false(values.get(weight)):
            raise BadAnswerError("the row is marked as a bad answer")
        beside = Beside(self.beside.include)
        place: dict[str, Any] = {"row": row, "split": self._short(values, "split"), "group": self._short(values, "group")}
        if self._one["rejected"]:
            found: list[AnyExample] = [self._preference(values, line, place, beside)]
        else:
            found = [Example(line, messages, answer, **place) for messages, answer in self._answers(values, beside)]
        self.beside.counts.update(beside.counts)
        return found

    @property
    def answers(self) -> bool:
        """Whether rows have an answer or a label beside what is asked."""
        return bool(self._one["answer"] or self._one["label"])

    def asked(self, values: Mapping[str, Any]) -> tuple[Message, ...]:
        """The messages of a row up to its prompt, whether it has an answer or not. Raises RowError for one without a prompt."""
        return tuple(turn.message for turn in self._before(values, Beside()))

    def _short(self, values: Mapping[str, Any], role: ColumnRole) -> str:
        column = self._one[role]
        return shown(text_of(values.get(column), f"the {role}", self._limits), 200) if column else ""

    # What comes before an answer

    def _before(self, values: Mapping[str, Any], beside: Beside) -> list[Turn]:
        """The turns of the system, of a history, and of the prompt."""
        turns: list[Turn] = []
        if (system := self._one["system"]) and (text := text_of(values.get(system), "the system text", self._limits)):
            turns.append(Turn("system", text))
        chat = self._one["messages"]
        if chat and unpacked(values.get(chat)) not in (None, [], ""):
            turns += _history(values.get(chat), self._limits, beside)
        turns += self._asked(values, beside)
        if not turns or turns[-1].role != "user":
            raise RowError("no message of a user stands before the answer") if turns else EmptyError("the prompt is empty")
        return turns

    def _asked(self, values: Mapping[str, Any], beside: Beside) -> list[Turn]:
        """The turns of the prompt columns; a prompt may be a list of turns."""
        if len(self._prompts) == 1 and not self._columns.template and _is_chat(cell := unpacked(values.get(self._prompts[0]))):
            context = self._joined(values, self._contexts)
            before = [Turn("user", context)] if context else []
            return before + read_turns(cell, self._limits, beside)
        text = self._prompt(values)
        return [Turn("user", text)] if text else []

    def _prompt(self, values: Mapping[str, Any]) -> str:
        return self._joined(values, self._fields)

    def _joined(self, values: Mapping[str, Any], columns: Iterable[str]) -> str:
        texts, required = {}, self._required
        for column in columns:
            name = self._name(column, "prompt" if column in required else column)
            cell = values.get(column) if column in required else _listed(values.get(column))
            text = required_text(cell, name, self._limits) if column in required else text_of(cell, name, self._limits)
            texts[column] = "" if column not in required and says_nothing(text) else text
        return self._columns.prompt(texts) if self._columns.template else joined(texts.values())

    # What is learned

    def _answers(self, values: Mapping[str, Any], beside: Beside) -> list[tuple[tuple[Message, ...], str]]:
        answer, label, chat = self._one["answer"], self._one["label"], self._one["messages"]
        if not answer and not label:
            if chat:
                return learned_answers([*self._systems(values), *read_turns(values.get(chat), self._limits, beside)])
            return [((), self._plain(values))]
        messages = tuple(turn.message for turn in self._before(values, beside))
        if label:
            return [(messages, self._label(values.get(label), label))]
        cell = values.get(answer)
        if _is_chat(chat_cell := unpacked(cell)):
            turns = read_turns(chat_cell, self._limits, beside)
            return learned_answers([*(Turn(each.role, each.content, learned=False) for each in messages), *turns])
        return [(messages, required_text(cell, self._name(answer, "answer"), self._limits))]

    def _systems(self, values: Mapping[str, Any]) -> list[Turn]:
        system = self._one["system"]
        text = text_of(values.get(system), "the system text", self._limits) if system else ""
        return [Turn("system", text)] if text else []

    def _plain(self, values: Mapping[str, Any]) -> str:
        text = self._prompt(values)
        if not text:
            raise EmptyError("the text is empty")
        return text

    def _label(self, value: Any, column: str) -> str:
        text = required_text(value, self._name(column, "label"), self._limits).strip()
        return text.partition(".")[0] if self._whole_labels and _WHOLE.fullmatch(text) else text

    def _preference(self, values: Mapping[str, Any], line: int, place: dict[str, Any], beside: Beside) -> Preference:
        sides = [values.get(self._one[role]) for role in ("answer", "rejected")]
        names = ("the preferred answer", "the rejected answer")
        asks = self._prompts or self._contexts or self._one["messages"] or self._columns.template
        if not asks:
            sides = [_human_turns(side) if isinstance(side, str) and _HUMAN.search(side) else side for side in sides]
        before = [turn.message for turn in self._before(values, beside)] if asks else [turn.message for turn in self._systems(values)]
        read = [self._side(side, name, beside) for side, name in zip(sides, names, strict=True)]
        chosen, rejected = (turns[-1].content for turns in read)
        if chosen == rejected:
            raise RowError("the preferred and the rejected answer are the same")
        shared, other = ([turn.message for turn in turns[:-1]] for turns in read)
        if shared != other:
            raise RowError("the two answers do not follow the same prompt")
        messages = shared if shared[: len(before)] == before and shared else [*before, *shared]
        if not messages or messages[-1].role != "user":
            raise RowError("no message of a user stands before the answer")
        return Preference(line, tuple(messages), chosen, rejected, **place)

    def _side(self, cell: Any, name: str, beside: Beside) -> list[Turn]:
        """The turns of one of two answers, of which the last is the answer."""
        chat = unpacked(cell)
        if isinstance(chat, dict) or _is_chat(chat):
            turns = read_turns(chat, self._limits, beside)
            if not turns or turns[-1].role != "assistant":
                raise RowError(f"{name} does not end with a turn of the assistant")
            return turns
        return [Turn("assistant", required_text(cell, name, self._limits))]

    def _name(self, column: str, what: str) -> str:
        """The name of a cell in a sentence."""
        return f"the {what}" if column.strip().lower() == what.strip().lower() else f"the {what} ({shown(column)})"


def _history(value: Any, limits: Limits, beside: Beside) -> list[Turn]:
    """The turns before a prompt, as a chat or as pairs of question and answer."""
    entries = unpacked(value)
    if isinstance(entries, list) and entries and all(isinstance(pair, list) and len(pair) == 2 for pair in entries):
        entries = [text for pair in entries for text in pair]
    return read_turns(entries, limits, beside)


def _is_chat(cell: Any) -> bool:
    return isinstance(cell, list) and bool(cell) and isinstance(cell[0], Mapping) and any(key in cell[0] for key in ("role", "from"))


def _listed(cell: Any) -> Any:
    """A list of texts as one text, a line each; any other cell as it is."""
    if isinstance(cell, list) and cell and all(isinstance(item, str) for item in cell):
        return "\n".join(cell)
    return cell


def _human_turns(text: str) -> list[dict[str, str]]:
    """The turns of a chat that is written as one text (Anthropic's HH-RLHF)."""
    pieces = _HUMAN.split(text)
    spoken = zip(pieces[1::2], pieces[2::2], strict=True)
    return [{"role": "user" if who == "Human" else "assistant", "content": said} for who, said in spoken]


def is_whole(value: Any) -> bool:
    """Whether a label is a whole number that a program has written with a decimal point."""
    return is_missing(value) or bool(_WHOLE.fullmatch(str(value).strip()))
