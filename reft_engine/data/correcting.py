"""Corrects an answer in a file of rows: the rows of that conversation get it, or a new row; and keeps held out what a run held out."""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reft_engine.data.normalised import examples_of_data, rows_in, rows_of
from reft_engine.data.records import AnyExample, Message
from reft_engine.data.rewriting import Row, changed_row
from reft_engine.data.splitting import HELD_OUT, TRAIN, is_trained, side_key
from reft_engine.errors import DataError


@dataclass(frozen=True, slots=True)
class Correction:
    """A conversation, which ends with a message of the user, and the answer that it should have.

    ``instead`` is the answer that it had, which rows of preference pairs need as the rejected one.
    """

    messages: tuple[Message, ...]
    answer: str
    instead: str = ""


@dataclass(frozen=True, slots=True)
class HeldOutRows:
    """The rows that a run held out, by their numbers, and hashes of what keeps rows together: equal rows are on the same side."""

    numbers: frozenset[int] = frozenset()
    keys: frozenset[int] = frozenset()

    def holds(self, number: int, examples: Sequence[AnyExample]) -> bool:
        """Whether a row is one of them, or belongs with one."""
        return number in self.numbers or any(side_key(example) in self.keys for example in examples)


@dataclass(frozen=True, slots=True)
class Corrected:
    """What became of a correction.

    Attributes:
        rows: numbers of the rows that have the answer now; ``is_new`` if it is one that was added.
        was_held_out: how many of them were held out before; they are trained on now.
        usable: rows that were written.
        counts: examples on each side; empty if the rows are not divided.
        system: whether the new row begins with the system message of all other rows.
    """

    rows: tuple[int, ...]
    is_new: bool
    was_held_out: int
    usable: int
    counts: dict[str, int]
    system: bool = False


def held_out_rows(path: Path, places: Collection[int]) -> HeldOutRows:
    """The rows of a file whose examples, counted from 0, were held out. Raises DataError if it is missing or damaged."""
    held, numbers, keys, begin = frozenset(places), set[int](), set[int](), 0
    for number, examples in _numbered(path):
        for place, example in enumerate(examples, begin):
            if place in held:
                numbers.add(number)
                keys.add(side_key(example))
        begin += len(examples)
    return HeldOutRows(frozenset(numbers), frozenset(keys))


def learned_before(path: Path, held_out: HeldOutRows, newer: Path) -> int:
    """How many rows that a newer version holds out a run has learned from, whose version and held-out rows these are. Raises DataError."""
    measured = {row["row"] for row in rows_in(newer) if not is_trained(str(row.get("split", "")))}
    if measured <= held_out.numbers:
        return 0
    return sum(number in measured and not held_out.holds(number, examples) for number, examples in _numbered(path))


def _numbered(path: Path) -> Iterator[tuple[int, list[AnyExample]]]:
    """Each row with its number, as a plain row has it, and its examples."""
    for row, (_, examples) in zip(rows_in(path), rows_of(path), strict=True):
        yield row["row"], examples


def correct_rows(path: Path, out: Path, correction: Correction, held_out: HeldOutRows | None = None, after: int = 0) -> Corrected:
    """Write the rows with a corrected answer, which is always on the side that is trained on.

    Rows of that very conversation get the answer, whether they begin with a system message or not, if the conversation has none.
    If there is none, a row is added, with the system message that all rows share.

    Args:
        path: the rows.
        out: the file that is made.
        correction: the answer.
        held_out: rows to hold out from now on, if the rows are not divided yet; all others are trained on.
        after: a number below that of a new row, because rows of an earlier version had it.

    Raises:
        DataError: the rows are plain text or missing, the answer is empty, or is there already, or pairs lack a rejected one.
    """
    seen = _look(path, correction, held_out)
    _check(seen, correction)
    freezes = held_out if held_out and held_out.numbers and not seen.divided else None
    added = None if seen.matches else _new_row(seen, correction, max(seen.last, after) + 1)
    is_divided = bool(freezes) or seen.divided
    written = _Written()
    with out.open("w", encoding="utf-8", newline="\n") as file:
        for place, (row, (_, examples)) in enumerate(zip(rows_in(path), rows_of(path), strict=True)):
            held = freezes.holds(row["row"], examples) if freezes else not is_trained(str(row.get("split", "")))
            name = seen.matches.get(place)
            new = row if name is None else changed_row(row, _texts(row, name, correction))
            if freezes or (name and held):
                new = {**new, "split": HELD_OUT if held and name is None else TRAIN}
            written.add(file.write, new, held if name is None else False)
            written.moved += bool(name and held)
        if added:
            written.add(file.write, {**added, "split": TRAIN} if is_divided else added, False)
    rows = (added["row"],) if added else tuple(seen.numbers)
    counts = written.counts if is_divided else {}
    return Corrected(rows, bool(added), written.moved, written.rows, counts, bool(added and seen.system_for(correction)))


@dataclass(slots=True)
class _Written:
    rows: int = 0
    moved: int = 0
    counts: dict[str, int] = field(default_factory=lambda: {TRAIN: 0, HELD_OUT: 0})

    def add(self, write: Callable[[str], object], row: Row, held: bool) -> None:
        write(json.dumps(row, ensure_ascii=False) + "\n")
        self.rows += 1
        self.counts[HELD_OUT if held else TRAIN] += 1 + len(row.get("learned", ()))


@dataclass(slots=True)
class _Seen:
    """What the rows are: by the place of each that is corrected the name of its text, and what a new row takes from the others."""

    matches: dict[int, str] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)
    changes: bool = False
    last: int = 0
    line: int = 0
    pairs: bool = False
    chats: bool = False
    trained: bool = False
    held: bool = False
    systems: set[str] = field(default_factory=set)

    @property
    def divided(self) -> bool:
        """Whether the rows themselves say which of them are held out."""
        return self.trained and self.held

    def system_for(self, correction: Correction) -> str:
        """The system message that a new row begins with, because all rows do and the conversation has none; empty for none."""
        own = correction.messages[0].role == "system"
        return next(iter(self.systems)) if len(self.systems) == 1 and not own else ""


def _look(path: Path, correction: Correction, held_out: HeldOutRows | None) -> _Seen:
    seen, asked = _Seen(), [(str(message.role), message.content) for message in correction.messages]
    for place, row in enumerate(rows_in(path)):
        messages = [(role, text) for role, text in row["messages"]]
        seen.last, seen.line = max(seen.last, row["row"]), max(seen.line, row["line"])
        seen.pairs, seen.chats = seen.pairs or "chosen" in row, seen.chats or bool(messages)
        held = not is_trained(str(row.get("split", "")))
        seen.held, seen.trained = seen.held or held, seen.trained or not held
        if len(seen.systems) < 2:  # with two of them no new row gets any
            seen.systems.add(messages[0][1] if messages and messages[0][0] == "system" else "")
        if name := _place_of_answer(row, messages, asked):
            seen.matches[place] = name
            seen.numbers.append(row["row"])
            held = held or bool(held_out and held_out.holds(row["row"], examples_of_data(row)))
            seen.changes = seen.changes or held or _text(row, name) != correction.answer
    return seen


def _place_of_answer(row: Row, messages: Sequence[tuple[str, str]], asked: Sequence[tuple[str, str]]) -> str | None:
    """The name of the text that answers a conversation in a row, as `texts_of` names it; None if no text does."""
    skipped = 1 if messages and messages[0][0] == "system" and asked[0][0] != "system" else 0
    if messages[skipped:] == asked:
        return "chosen" if "chosen" in row else "answer"
    return next((f"message {index + 1}" for index in row.get("learned", ()) if messages[skipped:index] == asked), None)


def _text(row: Row, name: str) -> str:
    return str(row[name] if name in row else row["messages"][int(name.rpartition(" ")[2]) - 1][1])


def _texts(row: Row, name: str, correction: Correction) -> dict[str, str]:
    """The new texts of a row; where its rejected answer is the one that is right now, the one that it had is rejected."""
    swapped = name == "chosen" and row["rejected"] == correction.answer
    return {name: correction.answer, **({"rejected": correction.instead} if swapped else {})}


def _check(seen: _Seen, correction: Correction) -> None:
    """Raises DataError if the rows have no place for the answer."""
    if not correction.answer.strip():
        raise DataError("The answer is empty.", kind="correct.empty")
    if not seen.chats:
        raise DataError("The rows are plain text to continue, in which an answer has no place.", kind="correct.plain")
    if seen.pairs and (not correction.instead.strip() or correction.instead.strip() == correction.answer.strip()):
        raise DataError(
            "The rows are pairs of a better and a worse answer, so the answer that this one replaces is needed, and another one.",
            kind="correct.pairs",
        )
    if seen.matches and not seen.changes:
        raise DataError("Row {row} has this answer already, and it is trained on.", kind="correct.same", row=seen.numbers[0])


def _new_row(seen: _Seen, correction: Correction, number: int) -> Row:
    system = seen.system_for(correction)
    messages = [*([["system", system]] if system else []), *([message.role, message.content] for message in correction.messages)]
    answers = {"chosen": correction.answer, "rejected": correction.instead} if seen.pairs else {"answer": correction.answer}
    return {"line": seen.line + 1, "row": number, "messages": messages, **answers}
