"""The rows of a kept dataset on its page: by pages, as texts to change and as they are learned, as a person has asked for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import StudioError
from app.handlers import datasets, kept
from app.handlers.datasets import PreviewRow, TableOrder
from app.handlers.kept import Kept
from app.handlers.train import edit_shown
from app.services import Services
from app.words import say
from reft_engine.data import HELD_OUT, TRAIN, Remedy, StoredRows, Unit, texts_of, turns_of
from storage import DatasetRecord, DatasetVersionRecord

PAGE_ROWS = 10
"""Rows on a page: so few that all of them are shown as they are learned, too."""
_WHOLE = 20_000
"""Characters of a text that the table shows."""
_FEW_TEXTS = 4
"""Rows with at most this many texts of the same names are a table; others are shown turn by turn."""


class Asked(BaseModel):
    """What a person has said of a dataset, and which part of it the page shows; the browser keeps it between events.

    Attributes:
        dataset: its id; ``version``: the number of the version.
        offset: the first row of the page; ``search``, ``order`` and ``only`` (see `rows_page`) choose among the rows.
        seed: draws the random order.
        texts: by the number of a row, its new texts by their names; ``dropped``: numbers of rows. Neither is saved yet.
        remedies: rows that are dropped as well.
        positions: positions that were chosen on the Train page; empty for the suggested ones.
        count: counts what the browser has sent, so that it can tell which answer is the newest.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    dataset: str = Field(pattern=r"^[0-9a-f]{6,32}$")
    version: int = Field(ge=1)
    offset: int = Field(0, ge=0)
    search: str = Field("", max_length=1000)
    order: TableOrder = "file"
    only: str = Field("", max_length=20_000)
    seed: int = Field(0, ge=0)
    texts: dict[int, dict[str, str]] = Field(default_factory=dict)
    dropped: tuple[int, ...] = Field((), max_length=100_000)
    remedies: tuple[Remedy, ...] = Field((), max_length=20)
    positions: str = Field("", max_length=100)
    count: int = Field(0, ge=0)

    @classmethod
    def read(cls, text: str) -> "Asked":
        """What the browser sent. Raises StudioError if there is no dataset, or it is not what the page sends."""
        if not text:
            raise StudioError(say("kept.none"))
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise StudioError(say("data.said.unreadable")) from error


@dataclass(frozen=True, slots=True)
class KeptRow:
    """A row of a version.

    Attributes:
        number: its number; ``line``: its line in the file that it came from.
        texts: its texts by their names; ``turns``: who speaks, of those that are messages.
        side: the side that it is on, if the version is divided.
    """

    number: int
    line: int
    texts: Mapping[str, str]
    turns: Mapping[str, str]
    side: str = ""


@dataclass(frozen=True, slots=True)
class KeptPage:
    """A page of a version's rows: ``total`` of them hold what was searched for; ``places`` are those of the rows in their file."""

    rows: tuple[KeptRow, ...]
    offset: int
    total: int
    places: tuple[int, ...] = ()


def rows_page(services: Services, opened: Kept, asked: Asked) -> KeptPage:
    """A page of the rows of a version.

    ``asked.only`` names rows by ``row:3,4`` or ``line:3,4``, or by the kind of an item of the report.

    Raises:
        DataError: the rows are missing or damaged.
    """
    rows = _rows(services, opened.version)
    unit, numbers = _only(services, opened, asked)
    places = datasets.places(rows, asked.order, asked.search, asked.seed, numbers, unit, report=lambda: kept.report(services, opened).items)
    offset = asked.offset if asked.offset < len(places) else 0
    page = tuple(places[offset : offset + PAGE_ROWS])
    return KeptPage(tuple(map(_row, rows.data(page))), offset, len(places), page)


def _only(services: Services, opened: Kept, asked: Asked) -> tuple[Unit, frozenset[int] | None]:
    """The numbers of the rows or lines that the page asks for, and which of the two; None for all rows."""
    if not asked.only:
        return "row", None
    if named := datasets.named_rows(asked.only):
        return named
    return "row", frozenset(row for item in kept.report(services, opened).items if item.kind == asked.only for row in item.rows)


def _row(data: Mapping[str, Any]) -> KeptRow:
    row = dict(data)
    return KeptRow(row["row"], row["line"], texts_of(row), turns_of(row), row.get("split", ""))


def _rows(services: Services, version: DatasetVersionRecord) -> StoredRows:
    return _opened(services.storage.files.rows(version))


@lru_cache(maxsize=4)
def _opened(path: Path) -> StoredRows:
    return StoredRows(path)  # a file of rows never changes, so its index is made once


def learned(services: Services, page: KeptPage, opened: Kept, asked: Asked, base: str) -> tuple[PreviewRow, ...]:
    """The rows of a page as they are trained, with the positions chosen on the Train page. Raises DataError."""
    examples = _rows(services, opened.version).read(page.places)
    reft = edit_shown(services.settings, asked.positions)
    return tuple(datasets.preview_all(services, examples, reft, base))


def table(opened: Kept, asked: Asked, page: KeptPage) -> dict[str, Any]:
    """What the table shows, as plain data; its texts are not escaped."""
    names = [tuple(row.texts) for row in page.rows]
    alike = len(set(names)) == 1 and len(names[0]) <= _FEW_TEXTS
    said = asked.model_copy(update={"offset": page.offset}).model_dump(mode="json", exclude={"texts", "dropped"})
    return {
        "said": said, "can_change": opened.is_current and opened.dataset.binned_at is None, "key": opened.version.id,
        "columns": [_named(name, page.rows[0]) for name in names[0]] if alike else None,
        "rows": [
            {"number": row.number, "line": row.line, "side": _side(row.side),
             "texts": [_text(name, text, row) for name, text in row.texts.items()]}
            for row in page.rows
        ],
        "divided": any(row.side for row in page.rows), "caption": _caption(page), "later": page.offset + PAGE_ROWS < page.total,
    }  # fmt: skip


def _text(name: str, text: str, row: KeptRow) -> dict[str, Any]:
    """A text for the table; a very long one is shown in part, and cannot be changed there."""
    role = {"answer": "answer", "chosen": "answer", "rejected": "rejected"}.get(name, "prompt")
    whole = len(text) <= _WHOLE
    return {"name": name, "word": _named(name, row), "role": role, "text": text if whole else f"{text[:_WHOLE]}…", "whole": whole}


def _named(name: str, row: KeptRow) -> str:
    """The name of a text, as the page shows it."""
    words = {
        "system": say("kept.turn.system"), "user": say("kept.turn.user"), "assistant": say("kept.turn.assistant"),
        "answer": say("kept.turn.answer"), "chosen": say("kept.turn.chosen"), "rejected": say("kept.turn.rejected"),
    }  # fmt: skip
    return words[row.turns.get(name, name)]


def _side(side: str) -> str:
    return {TRAIN: say("kept.side.train"), HELD_OUT: say("kept.side.held_out")}.get(side, side)


def _caption(page: KeptPage) -> str:
    if not page.rows:
        return say("data.table.none")
    return say("data.table.rows", first=page.offset + 1, last=page.offset + len(page.rows), count=page.total)


def save(services: Services, asked: Asked) -> DatasetRecord:
    """Add a version with what a person has changed and dropped on the page. Raises as `change`."""
    dataset = services.storage.datasets.get(asked.dataset)
    if asked.version != dataset.version.number:
        raise StudioError(say("kept.older", number=dataset.version.number))
    return kept.change(services, asked.dataset, asked.texts, asked.dropped, asked.remedies)
