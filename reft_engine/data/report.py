"""The data report: what a person should know about the rows of a file before any base model reads them, as counts with their rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from reft_engine.data.cells import shown
from reft_engine.data.normalised import examples_of_data, rows_in
from reft_engine.data.oddities import Tally
from reft_engine.data.records import counted

ReportKind = Literal[
    "unusable", "empty", "lost_lines", "swallowed_lines", "repeated_headers", "bad_answers", "duplicates", "contradictions",
    "control_tokens", "broken_letters", "placeholders", "unbalanced", "same_answer",
]  # fmt: skip
Remedy = Literal["drop_duplicates", "drop_contradictions", "drop_control_tokens", "drop_broken_letters", "drop_placeholders"]
REMEDIES: tuple[Remedy, ...] = get_args(Remedy)
_LISTED = 1000
"""Rows that an item lists; all are counted."""
_FEW_LABELS, _LOPSIDED, _ENOUGH = 20, 10, 40
"""Answers are labels where at most this many differ; they are unbalanced by this factor, from this many rows on."""


@dataclass(frozen=True, slots=True)
class ReportItem:
    """One thing to know: how many rows it concerns, which by number (see `shortened`), and what can be done about it."""

    kind: ReportKind
    count: int
    text: str
    rows: Sequence[int] = ()
    remedy: Remedy | None = None

    def shortened(self) -> "ReportItem":
        """The item with the first of its rows."""
        return replace(self, rows=tuple(self.rows[:_LISTED]))


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Rows from which no example came, and lines that are no rows.

    Attributes:
        unusable: rows that cannot be used, with their numbers; ``empty_rows``: those of them without a text where one must stand.
        bad_answers: rows that are marked as bad.
        lost_lines: lines that could not be read.
        headers: repetitions of the header, the first of them in line ``first_header``.
        swallowed: lines like rows inside quoted cells, with the numbers of the rows that hold them.
    """

    unusable: int = 0
    unusable_rows: Sequence[int] = ()
    bad_answers: int = 0
    lost_lines: int = 0
    empty_rows: Sequence[int] = ()
    headers: int = 0
    first_header: int = 0
    swallowed: int = 0
    swallowing_rows: Sequence[int] = ()


def report(counts: RowCounts, tally: Tally) -> tuple[ReportItem, ...]:
    """The report of a file; empty if there is nothing to say."""
    return tuple(item for item in (*_of_file(counts), *_of_examples(tally)) if item.count)


@dataclass(frozen=True, slots=True)
class StoredReport:
    """The report of rows that are kept, and how often each answer comes; see `report` and `balance`."""

    items: tuple[ReportItem, ...]
    answers: tuple[tuple[str, int], ...]


def report_of(path: Path) -> StoredReport:
    """The report of a file of rows that are kept. Raises DataError if it is missing or damaged."""
    tally = _tally_of(path)
    return StoredReport(report(RowCounts(), tally), balance(tally))


def rows_to_drop(path: Path, remedies: Iterable[Remedy]) -> set[int]:
    """As `dropped_rows`, of a file of rows that are kept. Raises DataError if it is missing or damaged."""
    return dropped_rows(_tally_of(path), remedies)


def _tally_of(path: Path) -> Tally:
    tally = Tally()
    for row in rows_in(path):
        for example in examples_of_data(row):
            tally.add(example)
    return tally


def _of_file(counts: RowCounts) -> Iterator[ReportItem]:
    yield ReportItem("unusable", counts.unusable, f"{counted(counts.unusable)} cannot be used.", counts.unusable_rows)
    empty = f"{counted(len(counts.empty_rows))} without text where a prompt or an answer must stand."
    yield ReportItem("empty", len(counts.empty_rows), empty, counts.empty_rows)
    yield ReportItem("lost_lines", counts.lost_lines, f"{counted(counts.lost_lines, 'line')} of the file could not be read.")
    swallowed = (
        f"{counted(counts.swallowed, 'line')} inside quoted cells {'looks like a row' if counts.swallowed == 1 else 'look like rows'}; "
        "a quotation mark may be one too many or missing."
    )
    yield ReportItem("swallowed_lines", counts.swallowed, swallowed, counts.swallowing_rows)
    times = f"once more, in line {counts.first_header}" if counts.headers == 1 else (
        f"{counts.headers:,} times more, first in line {counts.first_header}"
    )  # fmt: skip
    yield ReportItem("repeated_headers", counts.headers, f"The header stands {times}; it is left out there.")
    bad = counts.bad_answers
    yield ReportItem("bad_answers", bad, f"{counted(bad)} {'is' if bad == 1 else 'are'} marked as bad and left out.")


_ODDITIES: Mapping[ReportKind, tuple[Callable[[Tally], Sequence[int]], str, Remedy]] = {
    "duplicates": (Tally.repeating, "{rows} repeat an earlier one.", "drop_duplicates"),
    "contradictions": (
        lambda tally: tally.prompts.contradicting().rows, "{rows} answer the same prompt differently.", "drop_contradictions",
    ),
    "control_tokens": (
        partial(Tally.rows_with, kind="control_tokens"), "{rows} with signs of a chat template, which are read as plain text.",
        "drop_control_tokens",
    ),
    "broken_letters": (
        partial(Tally.rows_with, kind="broken_letters"), "{rows} with letters that a wrong encoding has broken.", "drop_broken_letters",
    ),
    "placeholders": (
        partial(Tally.rows_with, kind="placeholders"), "{rows} with placeholders that were not filled in.", "drop_placeholders",
    ),
}  # fmt: skip
"""By kind: finds the rows, says it, and names the remedy, which drops them."""


def _of_examples(tally: Tally) -> Iterator[ReportItem]:
    for kind, (find, text, remedy) in _ODDITIES.items():
        rows = find(tally)
        yield ReportItem(kind, len(rows), _in_rows(text, len(rows)), rows, remedy)
    yield from _balance(tally)


def _in_rows(text: str, count: int) -> str:
    """The text with the number of rows; its verb as one row needs it."""
    said = text.replace("repeat an", "repeats an").replace("answer the", "answers the") if count == 1 else text
    return said.replace("{rows}", counted(count))


def balance(tally: Tally) -> tuple[tuple[str, int], ...]:
    """Each answer with the number of its examples, the most frequent first, where they are few and come again; else empty."""
    common = tally.answers.most_common()
    is_few = 2 <= len(common) <= _FEW_LABELS and tally.examples >= 2 * len(common)
    return tuple((shown(answer, 200), count) for answer, count in common) if is_few else ()


def _balance(tally: Tally) -> Iterator[ReportItem]:
    """What the answers are, where they are few."""
    common = tally.answers.most_common()
    if len(common) == 1 and tally.examples > 1:
        yield ReportItem("same_answer", tally.examples, "All answers are the same; the model will learn to say just that.")
    if 2 <= len(common) <= _FEW_LABELS and tally.examples >= _ENOUGH and common[0][1] >= _LOPSIDED * common[-1][1]:
        (most, many), (least, few) = common[0], common[-1]
        text = f"The answers are unbalanced: {shown(most, 40)} in {counted(many)}, {shown(least, 40)} in {counted(few)}."
        yield ReportItem("unbalanced", few, text, tally.rows_that_answer(least))


def dropped_rows(tally: Tally, remedies: Iterable[Remedy]) -> set[int]:
    """Numbers of the rows that remedies drop; of repeated rows the first stays."""
    finds = {remedy: find for find, _, remedy in _ODDITIES.values()}
    return {row for remedy in remedies for row in finds[remedy](tally)}
