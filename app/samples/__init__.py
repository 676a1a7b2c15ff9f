"""The bundled sample datasets: what each teaches, its files, its card (``<key>.md``), and the settings that suit it."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample: its two files, the settings it is trained with, an ``example`` row, and ``prompts`` to try afterwards."""

    key: str
    title: str
    icon: str
    description: str
    file: str
    held_out: str
    positions: str
    rank: int
    epochs: int
    learning_rate: float
    batch_size: int
    layers: str
    example: list[str]
    prompts: list[str]
    rows: int
    held_out_rows: int

    @property
    def path(self) -> Path:
        """The rows to train on."""
        return _FOLDER / self.file

    @property
    def held_out_path(self) -> Path:
        """Rows that are never trained on."""
        return _FOLDER / self.held_out


@cache
def all_samples() -> tuple[Sample, ...]:
    """Every bundled sample, in the order in which they are shown."""
    return tuple(Sample(**entry) for entry in json.loads((_FOLDER / "index.json").read_text(encoding="utf-8")))


def find_sample(key: str | None) -> Sample | None:
    """A sample by its key."""
    return next((sample for sample in all_samples() if sample.key == key), None)
