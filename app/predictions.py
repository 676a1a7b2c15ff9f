"""Predictions: what base and tuned model answer to each held-out row of a run, as a file of the run's folder. Imports no torch.

A file of JSON Lines: a `Header`, then a `Prediction` a line. The header says of which result of the run they are: a run that was gone on
with since has another one, and its predictions are made anew.
"""

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from reft_engine.data import in_csv
from storage import RunRecord
from storage.files import flush_folder, temporary_path

FORMAT = 1
Kind = Literal["answers", "labels", "pairs"]
"""What a prediction is: an answer that is written, the likeliest label, or the likelier of two answers."""
Show = Literal["all", "better", "worse", "right", "wrong", "different"]
SHOWS: tuple[Show, ...] = get_args(Show)
Form = Literal["csv", "jsonl"]
FORMS: tuple[Form, ...] = get_args(Form)
_MOST_ANSWERS, _SHORT = 12, 40
"""Most different answers, and characters of each, for which a table says which was taken for which."""


@dataclass(frozen=True, slots=True)
class Header:
    """Of which run and which of its results the predictions are, their kind, and how many there are."""

    run: str
    finished_at: str
    kind: Kind
    rows: int
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Prediction:
    """A held-out row with its two answers.

    Attributes:
        row: its number in the dataset, from 1.
        messages: role and text of each turn of the prompt.
        expected: the answer of the row; of a preference pair the preferred one.
        base: the answer of the base model.
        tuned: that of the tuned model.
        base_right: whether the base model's is right.
        tuned_right: whether the tuned model's is.
        rejected: the other answer of a preference pair; empty for any other row.
    """

    row: int
    messages: tuple[tuple[str, str], ...]
    expected: str
    base: str
    tuned: str
    base_right: bool
    tuned_right: bool
    rejected: str = ""

    @property
    def prompt(self) -> str:
        """The prompt as one text; who speaks is named where there is more than one turn."""
        if len(self.messages) == 1:
            return self.messages[0][1]
        return "\n".join(f"{role}: {text}" for role, text in self.messages)


@dataclass(frozen=True, slots=True)
class Predictions:
    """All predictions of a run."""

    kind: Kind
    rows: tuple[Prediction, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many predictions there are, and how many are right; ``better`` were wrong before and are right now."""

    rows: int
    base: int
    tuned: int
    better: int
    worse: int
    different: int

    def of(self, show: Show) -> int:
        """How many predictions a filter shows."""
        counts = {"better": self.better, "worse": self.worse, "right": self.tuned, "different": self.different}
        return {**counts, "all": self.rows, "wrong": self.rows - self.tuned}[show]


@dataclass(frozen=True, slots=True)
class Confusion:
    """Which answer was given in place of which: for each expected one how often each was given; ``others`` counts any other."""

    names: tuple[str, ...]
    base: tuple[tuple[int, ...], ...]
    tuned: tuple[tuple[int, ...], ...]
    others: bool


# The file


def write(path: Path, run: RunRecord, kind: Kind, rows: Sequence[Prediction]) -> None:
    """Write the predictions of a run's result at once, into a folder that is there.

    Raises:
        OSError: it cannot be written; FileNotFoundError if the run's folder was removed.
    """
    header = Header(run.id, _result(run), kind, len(rows))
    temporary = temporary_path(path.parent)
    try:
        with temporary.open("w", encoding="utf-8", newline="\n", errors="replace") as file:
            for values in (asdict(header), *map(asdict, rows)):
                file.write(json.dumps(values, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def read(path: Path, run: RunRecord) -> Predictions | None:
    """The predictions of a run's result; None if there are none, or they are of an earlier result, of another version, or damaged."""
    try:
        status = path.stat()
        header, rows = _read(path, status.st_mtime_ns, status.st_size)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    is_of_it = header.format == FORMAT and header.run == run.id and header.finished_at == _result(run) and header.rows == len(rows)
    return Predictions(header.kind, rows) if is_of_it else None


@lru_cache(maxsize=8)
def _read(path: Path, _changed: int, _size: int) -> tuple[Header, tuple[Prediction, ...]]:
    with path.open(encoding="utf-8") as file:
        header = Header(**json.loads(file.readline()))
        rows = tuple(_prediction(json.loads(line)) for line in file) if header.format == FORMAT else ()
    if header.kind not in get_args(Kind):
        raise ValueError(header.kind)
    return header, rows


def _prediction(values: dict[str, Any]) -> Prediction:
    return Prediction(**{**values, "messages": tuple((str(role), str(text)) for role, text in values["messages"])})


def _result(run: RunRecord) -> str:
    """What tells a result of a run from those before: when it ended."""
    return run.finished_at.isoformat() if run.finished_at else ""


# What is said of them


def is_right(answer: str, expected: str) -> bool:
    """Whether an answer is the expected one, white space at both ends ignored, as in `evaluate`."""
    return answer.strip() == expected.strip()


def count(rows: Sequence[Prediction]) -> Counts:
    """Count right answers, and what has become better or worse."""
    return Counts(
        rows=len(rows), base=sum(row.base_right for row in rows), tuned=sum(row.tuned_right for row in rows),
        better=sum(row.tuned_right and not row.base_right for row in rows),
        worse=sum(row.base_right and not row.tuned_right for row in rows), different=sum(_differs(row) for row in rows),
    )  # fmt: skip


def chosen(rows: Sequence[Prediction], show: Show = "all", search: str = "") -> list[Prediction]:
    """The predictions of a filter with a text in prompt or answers, whatever the case."""
    needle = search.strip().casefold()
    return [row for row in rows if _SHOWN[show](row) and (not needle or any(needle in text.casefold() for text in _texts(row)))]


def _texts(row: Prediction) -> Iterator[str]:
    yield from (text for _, text in row.messages)
    yield from (row.expected, row.base, row.tuned, row.rejected)


def _differs(row: Prediction) -> bool:
    return row.base.strip() != row.tuned.strip()


_SHOWN: dict[Show, Any] = {
    "all": lambda row: True, "better": lambda row: row.tuned_right and not row.base_right,
    "worse": lambda row: row.base_right and not row.tuned_right, "right": lambda row: row.tuned_right,
    "wrong": lambda row: not row.tuned_right, "different": _differs,
}  # fmt: skip


def confusion(predictions: Predictions) -> Confusion | None:
    """Which answer was given in place of which; None unless they are labels, or a few short answers that come again and again."""
    rows, kind = predictions.rows, predictions.kind
    if kind == "pairs" or not rows:
        return None
    expected = Counter(row.expected.strip() for row in rows)
    if kind == "answers" and not _is_few(expected):
        return None
    found = {row.base.strip() for row in rows} | {row.tuned.strip() for row in rows}
    names = tuple(sorted(set(expected) | (found if kind == "labels" else set())))
    others = not found <= set(names)
    places = {name: place for place, name in enumerate(names)}
    tables = [[[0] * (len(names) + others) for _ in names] for _ in range(2)]
    for row in rows:
        for table, answer in zip(tables, (row.base, row.tuned), strict=True):
            table[places[row.expected.strip()]][places.get(answer.strip(), len(names))] += 1
    base, tuned = (tuple(map(tuple, table)) for table in tables)
    return Confusion(names, base, tuned, others)


def _is_few(expected: Counter[str]) -> bool:
    few = 2 <= len(expected) <= _MOST_ANSWERS and 2 * len(expected) <= expected.total()
    return few and all(len(text) <= _SHORT and "\n" not in text for text in expected)


def exported(predictions: Predictions, form: Form) -> bytes:
    """All predictions as a file for other programs; in CSV no text is taken for a formula."""
    rows = [_for_others(row, predictions.kind) for row in predictions.rows]
    if form == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode("utf-8", "replace")
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(rows[0] if rows else ["row"])
    writer.writerows([in_csv(value) for value in row.values()] for row in rows)
    return buffer.getvalue().encode("utf-8-sig", "replace")  # the mark tells Excel that it is UTF-8


def _for_others(row: Prediction, kind: Kind) -> dict[str, Any]:
    rejected = {"rejected": row.rejected} if kind == "pairs" else {}
    return {
        "row": row.row, "prompt": row.prompt, "expected": row.expected, **rejected, "base": row.base, "tuned": row.tuned,
        "base_right": row.base_right, "tuned_right": row.tuned_right,
    }  # fmt: skip
