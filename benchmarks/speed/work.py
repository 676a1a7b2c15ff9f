"""What is measured, in plain values: models, rows, and who takes part. Imports nothing that a rival's environment may lack."""

import random
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

SEED = 0
ROWS = 8
"""Rows of a batch."""
LORA_RANK = 8


@dataclass(frozen=True, slots=True)
class Shape:
    """A model of Llama's architecture with random weights; every head has its own keys and values."""

    hidden: int
    inner: int
    layers: int
    heads: int
    vocabulary: int
    tied: bool
    context: int = 1024


SHAPES = {
    "tiny": Shape(32, 48, 4, 4, 97, tied=False),
    "small": Shape(256, 688, 8, 8, 4096, tied=False),
    "base": Shape(768, 2048, 12, 12, 32000, tied=True),
}


@dataclass(frozen=True, slots=True)
class Work:
    """Rows and edits of one scenario.

    Every prompt has ``prompt`` tokens. The eight answers of a batch have 1/8, 2/8, ... 8/8 of ``answer`` tokens, and rows of like
    length are batched together. ``layers`` are the edited blocks. A run has ``epochs`` passes over its ``batches``.
    """

    prompt: int
    answer: int
    positions: str
    layers: tuple[int, ...]
    rank: int = 4
    batches: int = 1
    epochs: int = 3
    rows: int = ROWS

    def token_rows(self, vocabulary: int) -> list[list[tuple[list[int], list[int]]]]:
        """Batches of rows (prompt, answer) of token ids; the same for everybody."""
        draw = random.Random(SEED)

        def text(length: int) -> list[int]:
            return [draw.randrange(vocabulary) for _ in range(length)]

        lengths = sorted(max(1, self.answer * (row + 1) // self.rows) for row in range(self.rows) for _ in range(self.batches))
        rows = [(text(self.prompt), text(length)) for length in lengths]
        return [rows[at : at + self.rows] for at in range(0, len(rows), self.rows)]


@dataclass(frozen=True, slots=True)
class Job:
    """All that a contender's process is told."""

    call: str
    shape: Shape
    work: Work
    device: str = "cpu"
    dtype: str = "float32"
    threads: int = 2
    needs: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> "Job":
        """From JSON."""
        work = {**values["work"], "layers": tuple(values["work"]["layers"])}
        return cls(**{**values, "shape": Shape(**values["shape"]), "work": Work(**work)})


@dataclass(frozen=True, slots=True)
class Contender:
    """Who takes part: ``call`` is ``module:function`` in this package, ``needs`` what must be installed, ``home`` whose Python runs it."""

    key: str
    title: str
    call: str
    options: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    home: str = "ours"


def edited(positions: str, prompt: int) -> list[int]:
    """The prompt tokens that ``f7+l7``, ``f1``, ``l1`` and so on edit, counted from 0."""
    first, last = prefix_and_suffix(positions)
    return sorted({*range(min(first, prompt)), *range(max(prompt - last, 0), prompt)})


def prefix_and_suffix(positions: str) -> tuple[int, int]:
    """The two numbers in ``f7+l7``; 0 where one is left out."""
    found = dict(re.findall(r"([fl])(\d+)", positions))
    return int(found.get("f", 0)), int(found.get("l", 0))


def upper_quarter(layers: int) -> tuple[int, ...]:
    """The last quarter of so many blocks."""
    return tuple(range(layers - layers // 4, layers))
