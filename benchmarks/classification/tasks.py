"""The four datasets, read from their own files: three GLUE tasks with their development sets, Banking77 with its test set."""

import csv
import gzip
import io
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reft_engine import Example
from reft_engine.data import Message

_SUBSET_SEED = 0


@dataclass(frozen=True, slots=True)
class Task:
    """A dataset: its classes by name, rows to learn from, rows to be measured on, and how they are measured."""

    title: str
    labels: tuple[str, ...]
    train: tuple[Example, ...]
    test: tuple[Example, ...]
    metric: str

    def first(self, rows: int | None) -> "Task":
        """The task with so many rows to learn from: drawn once, the same rows for every method and seed."""
        if rows is None or rows >= len(self.train):
            return self
        chosen = sorted(random.Random(_SUBSET_SEED).sample(range(len(self.train)), rows))
        return replace(self, train=tuple(self.train[i] for i in chosen))

    def held_out(self, rows: int = 1000) -> "Task":
        """The task with rows of its training file in place of those it is reported on: what settings are chosen by."""
        order = list(range(len(self.train)))
        random.Random(_SUBSET_SEED + 1).shuffle(order)
        cut = len(order) - min(rows, len(order) // 5)
        train, test = (tuple(self.train[i] for i in sorted(part)) for part in (order[:cut], order[cut:]))
        return replace(self, train=train, test=test)

    def score(self, found: Sequence[str]) -> float:
        """What the metric says of the labels found for the test rows."""
        expected = [example.answer for example in self.test]
        return matthews(expected, found, self.labels[1]) if self.metric == "Matthews" else accuracy(expected, found)


def accuracy(expected: Sequence[str], found: Sequence[str]) -> float:
    """Share of rows with the right label."""
    return sum(a == b for a, b in zip(expected, found, strict=True)) / len(expected)


def matthews(expected: Sequence[str], found: Sequence[str], positive: str) -> float:
    """Matthews correlation of two classes; 0 where one side is constant."""
    pairs = [(a == positive, b == positive) for a, b in zip(expected, found, strict=True)]
    tp, tn, fp, fn = (pairs.count(kind) for kind in ((True, True), (False, False), (False, True), (True, False)))
    below = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return (tp * tn - fp * fn) / below**0.5 if below else 0.0


def _text(path: Path) -> str:
    packed = path.with_name(path.name + ".gz")
    data = path.read_bytes() if path.exists() else gzip.decompress(packed.read_bytes())
    return data.decode("utf-8")


def _tabbed(path: Path) -> Iterator[list[str]]:
    """Rows of a GLUE file, in which a quotation mark is a character like any other."""
    return csv.reader(io.StringIO(_text(path), newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)


def _examples(rows: Iterator[tuple[tuple[str, ...], str]]) -> tuple[Example, ...]:
    return tuple(
        Example(line=number, messages=tuple(Message("user", text.strip()) for text in texts), answer=label)
        for number, (texts, label) in enumerate(rows, start=1)
    )


def _sst2(path: Path) -> tuple[Example, ...]:
    names = {"0": "negative", "1": "positive"}
    rows = _tabbed(path)
    next(rows)  # its header
    return _examples(((sentence,), names[label]) for sentence, label in rows)


def _rte(path: Path) -> tuple[Example, ...]:
    rows = _tabbed(path)
    next(rows)
    return _examples(((premise, hypothesis), label) for _, premise, hypothesis, label in rows)


def _cola(path: Path) -> tuple[Example, ...]:
    names = {"0": "unacceptable", "1": "acceptable"}
    return _examples(((sentence,), names[label]) for _, label, _, sentence in _tabbed(path))  # without a header


def _banking(path: Path) -> tuple[Example, ...]:
    rows = csv.reader(io.StringIO(_text(path), newline=""))
    next(rows)
    return _examples(((text,), label) for text, label in rows)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a task comes from: its title, its two files, how they are read, and its classes where the order is given."""

    title: str
    read: Callable[[Path], tuple[Example, ...]]
    train: str
    test: str
    metric: str = "accuracy"
    labels: tuple[str, ...] = ()

    def load(self, folder: Path) -> Task:
        """Read both files from the folder that holds all datasets."""
        learned, measured = self.read(folder / self.train), self.read(folder / self.test)
        labels = self.labels or tuple(sorted({example.answer for example in learned}))
        return Task(self.title, labels, learned, measured, self.metric)


SOURCES = {
    "sst2": Source("SST-2", _sst2, "sst2/train.tsv", "sst2/dev.tsv", labels=("negative", "positive")),
    "rte": Source("RTE", _rte, "rte/train.tsv", "rte/dev.tsv", labels=("not_entailment", "entailment")),
    "cola": Source("CoLA", _cola, "cola/in_domain_train.tsv", "cola/in_domain_dev.tsv", "Matthews", ("unacceptable", "acceptable")),
    "banking77": Source("Banking77", _banking, "banking77_train.csv", "banking77_test.csv"),
}
