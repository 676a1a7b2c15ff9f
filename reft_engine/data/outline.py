"""What rows ask to be learned, and how long they roughly are: seen in the file alone, before any base model reads it."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reft_engine.data.normalised import damaged
from reft_engine.data.stored import StoredRows

Learns = Literal["answers", "pairs", "text"]
_MOST_LABELS, _LABEL_CHARACTERS, _OF_EACH = 100, 60, 3
"""Answers are taken for labels if there are so many at most, none is longer, and each comes up so often on average."""
_LOOK = 300
"""Rows after which answers that hardly repeat are no labels."""
_SAMPLED = 64


@dataclass(frozen=True, slots=True)
class Outline:
    """What rows ask for.

    Attributes:
        learns: what a row holds: an answer to its messages, a preference pair, or plain text to continue.
        labels: the answers, each once, where they can be taken for labels; the most frequent first.
        lengths: characters of prompt and answer of at most 64 rows, evenly spread over the file.
    """

    learns: Learns
    labels: tuple[str, ...]
    lengths: tuple[tuple[int, int], ...]


def outline_of(path: Path) -> Outline:
    """Look at the rows of a dataset's file. Raises DataError if it is missing or damaged."""
    rows = StoredRows(path)
    count = len(rows)
    places = sorted({index * count // _SAMPLED for index in range(_SAMPLED)}) if count > _SAMPLED else range(count)
    sample = rows.data(list(places))
    learns = _learns(sample)
    try:
        return Outline(learns, _labels(path) if learns == "answers" else (), tuple(map(_lengths, sample)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged() from error


def _learns(sample: list[dict[str, Any]]) -> Learns:
    if any("chosen" in row for row in sample):
        return "pairs"
    return "text" if sample and not any(row["messages"] for row in sample) else "answers"


def _lengths(row: dict[str, Any]) -> tuple[int, int]:
    answer = row["answer"] if "answer" in row else max(row["chosen"], row["rejected"], key=len)
    return sum(len(text) for _, text in row["messages"]), len(answer)


def _labels(path: Path) -> tuple[str, ...]:
    """The labels; empty as soon as the answers cannot be labels."""
    counts: Counter[str] = Counter()
    for number, answer in enumerate(_answers(path), 1):
        counts[answer] += 1
        is_no_name = len(answer) > _LABEL_CHARACTERS or "\n" in answer or "," in answer  # names are written with commas between them
        if is_no_name or len(counts) > _MOST_LABELS or (number >= _LOOK and len(counts) * _OF_EACH > number):
            return ()
    repeats = len(counts) * _OF_EACH <= counts.total()
    return tuple(label for label, _ in counts.most_common()) if len(counts) > 1 and repeats else ()


def _answers(path: Path) -> Iterator[str]:
    """The answers of all rows; that of a chat is none that names a class."""
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            row = json.loads(line)
            yield "\n" if row.get("learned") or len(row["messages"]) > 2 else row["answer"]
