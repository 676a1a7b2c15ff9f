"""What a person says about a file on the Data page, and its rows as they are then: in a table, in a report, as they are learned."""

import json
import os
import re
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.choices import Choices
from app.errors import NoAnswerError, StoppedError, StudioError
from app.handlers import datasets, hub, train
from app.handlers.datasets import PREVIEW_ROWS, PreviewRow, TableOrder, TablePage
from app.handlers.uploads import Progress, Upload
from app.people.own_names import is_own_name, new_own_name
from app.samples import find_sample
from app.services import Services
from app.words import say
from reft_engine import DataError
from reft_engine.data import Columns, Encoding, HubFile, HubRows, Include, Inspection, ReadOptions, Remedy
from storage import DatasetRecord

TABLE_ROWS = 20
"""Rows on a page of the table."""
_TOKEN = re.compile(r"[0-9a-f]{32}")
_KEPT_SECONDS = 86_400.0
"""Files that nobody keeps as a dataset are removed after a day."""
_KEPT_FILES = 100
"""Files of one person that are kept so; the oldest makes way for the next."""
_ALONE: dict[str, tuple[str, ...]] = {
    **{role: (role,) for role in ("system", "rejected", "messages", "weight", "split", "group")},
    "answer": ("answer", "label"), "label": ("label", "answer"),
}  # fmt: skip
"""Roles that no other column keeps when one is given the role."""


class Said(BaseModel):
    """What a person has said about an upload, and which part of it the page shows; the browser keeps it between events.

    Attributes:
        token: names the upload; see `take`.
        sample: key of the bundled sample that the upload is a copy of.
        roles: pairs of a column and its role, in the order of the file; None leaves them to what is recognised or suggested.
        template: as in `Columns`.
        guessed: nobody has confirmed the roles.
        options: what a person set of `ReadOptions`.
        remedies: rows that are dropped.
        include: as in `ReadOptions`.
        offset: the first row of the table's page; ``search`` and ``only`` (see `datasets.table_page`) choose among the rows.
        at: the first of the rows as they are learned; ``find`` and ``order`` choose among them; ``seed`` shuffles them.
        positions: positions that were chosen on the Train page; empty for the suggested ones.
        count: counts what the browser has sent, so that it can tell which answer is the newest.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    token: str = Field(pattern=r"^[0-9a-f]{32}$")
    sample: str = Field("", max_length=60)
    roles: tuple[tuple[str, str], ...] | None = Field(None, max_length=500)
    template: str = Field("", max_length=10_000)
    guessed: bool = False
    options: dict[str, Any] = Field(default_factory=dict)
    remedies: tuple[Remedy, ...] = Field((), max_length=20)
    include: tuple[Include, ...] = Field((), max_length=20)
    offset: int = Field(0, ge=0)
    search: str = Field("", max_length=1000)
    only: str = Field("", max_length=20_000)
    at: int = Field(0, ge=0)
    find: str = Field("", max_length=1000)
    order: TableOrder = "file"
    seed: int = Field(0, ge=0)
    positions: str = Field("", max_length=100)
    count: int = Field(0, ge=0)

    @classmethod
    def read(cls, text: str) -> "Said":
        """What the browser sent. Raises StudioError: there is no upload, or it is not what the page sends."""
        if not text:
            raise StudioError(say("data.upload.missing"))
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise StudioError(say("data.said.unreadable")) from error

    @property
    def choices(self) -> Choices:
        """The choices by which the file is read. Raises DataError, StudioError."""
        columns = None if self.roles is None else Columns.read(dict(self.roles), self.template)
        try:
            options = ReadOptions(**{**self.options, "include": self.include})
        except ValidationError as error:
            raise StudioError(say("data.said.unreadable")) from error
        return Choices(columns, options, self.remedies)


@dataclass(frozen=True, slots=True)
class Look:
    """An upload as it is read by what a person has said, which ``said`` completes with the suggested roles.

    ``encodings`` are all that it may have, also once a person has chosen one of them; ``origin`` says what of the Hub it is, if it is.
    """

    said: Said
    path: Path
    upload: Upload
    encodings: tuple[Encoding, ...]
    origin: HubFile | None = None

    @property
    def inspection(self) -> Inspection:
        """What the file was recognised as."""
        return self.upload.inspection

    @property
    def can_keep(self) -> bool:
        """Whether it can be saved as a dataset."""
        return bool(self.inspection.examples) and not self.inspection.needs_encoding and not self.inspection.needs_mapping


# Uploads


def take(services: Services, path: str | None) -> str:
    """Give an upload a folder of its own, named by a token that nobody can guess; returns the token. Raises StudioError."""
    if not path or not Path(path).is_file():
        raise StudioError(say("data.upload.missing"))
    uploads = services.storage.files.uploads
    _remove_old(services)
    folder = uploads / new_own_name()
    folder.mkdir(parents=True)
    target = folder / (Path(path).name[-200:] or "file")
    try:
        os.link(path, target)
    except OSError:  # another disk, or one that has no hard links
        shutil.copyfile(path, target)
    return folder.name


def take_paste(services: Services, text: str) -> str:
    """As `take`, of pasted text."""
    _remove_old(services)
    return datasets.paste(services, text).parent.name


def take_typed(services: Services, rows: str) -> str:
    """As `take`, of typed rows: a JSON list of pairs of a prompt and an answer."""
    try:
        pairs = [(str(prompt), str(answer)) for prompt, answer in json.loads(rows or "[]")]
    except (ValueError, TypeError, RecursionError) as error:
        raise StudioError(say("data.said.unreadable")) from error
    _remove_old(services)
    return datasets.type_rows(services, pairs).parent.name


def take_hub(services: Services, looked: str, text: str, rows: HubRows) -> str:
    """As `take`, of rows of a dataset of the Hub that was looked at. Raises DataError, StudioError."""
    found = hub.Looked.read(looked)
    _remove_old(services)
    return hub.fetch(services, found, text, rows).parent.name


def take_sample(services: Services, key: str) -> str:
    """As `take`, of a copy of a bundled sample."""
    sample = find_sample(key)
    if sample is None:
        raise StudioError(say("data.no_sample"))
    return take(services, str(sample.path))


def find_upload(services: Services, token: str) -> Path:
    """The file of a token. Raises StudioError: there is none, or not any more."""
    path = _found(services, token)
    if path is None:
        raise StudioError(say("data.upload.gone"))
    return path


def _found(services: Services, token: str) -> Path | None:
    folder = services.storage.files.uploads / token
    if not _TOKEN.fullmatch(token) or not is_own_name(token) or not folder.is_dir():
        return None
    found = [path for path in folder.iterdir() if path.is_file()]
    return found[0] if len(found) == 1 else None


def reading_progress(services: Services, token: str) -> Progress | None:
    """How far an upload is read; None while nobody reads it, and where there is none of this token."""
    path = _found(services, token)
    return datasets.upload_progress(path) if path else None


def stop_reading(services: Services, token: str) -> None:
    """End the reading of an upload, if there is one."""
    if path := _found(services, token):
        datasets.stop_reading(path)


def supersede_reading(services: Services, token: str, count: int) -> None:
    """End what the visitor has had read of an upload before ``count``, if nobody else waits for it."""
    if path := _found(services, token):
        datasets.supersede_reading(path, count)


def _remove_old(services: Services) -> None:
    """Remove what this person left lying: what is a day old, and the oldest beyond so many files and bytes."""
    uploads, room = services.storage.files.uploads, services.settings.person_uploads_mb * 1_000_000
    before, count, found = time.time() - _KEPT_SECONDS, 0, []
    for folder in uploads.glob("*") if uploads.is_dir() else ():
        if _TOKEN.fullmatch(folder.name):
            with suppress(OSError):
                found.append((folder.stat().st_mtime, sum(path.stat().st_size for path in folder.iterdir()), folder))
    for modified, size, folder in sorted(found, reverse=True):
        count, room = count + 1, room - size
        if modified < before or count >= _KEPT_FILES or room < 0:
            shutil.rmtree(folder, ignore_errors=True)


# The rows as they stand in the file


def look(services: Services, said: Said) -> Look:
    """Read an upload as a person has said; without roles by the suggested ones, if they fit. Raises DataError, StudioError."""
    path = find_upload(services, said.token)
    upload = datasets.read_upload(str(path), said.choices, said.count)
    if upload.inspection.needs_mapping and said.roles is None:
        said, upload = _guessed(path, said, upload)
    return Look(said, path, upload, _encodings(path, said, upload.inspection), hub.origin_of(path))


def _encodings(path: Path, said: Said, inspection: Inspection) -> tuple[Encoding, ...]:
    """The encodings that the file may have, also of one that a person has confirmed."""
    if "encoding" not in said.options:
        return inspection.encodings
    others = {name: value for name, value in said.options.items() if name != "encoding"}
    return datasets.read_upload(str(path), Choices(options=ReadOptions(**others)), said.count).inspection.encodings


def _guessed(path: Path, said: Said, upload: Upload) -> tuple[Said, Upload]:
    """The file by the suggested roles; as it is if they make no example."""
    inspection = upload.inspection
    roles = inspection.read_as.of(inspection.columns)
    guess = said.model_copy(update={"roles": tuple(roles.items()), "template": inspection.read_as.template, "guessed": True})
    try:
        read = datasets.read_upload(str(path), guess.choices, guess.count)
    except (NoAnswerError, StoppedError):
        raise
    except (DataError, StudioError):
        return said, upload
    if not read.inspection.examples:
        return said, upload
    return guess, replace(read, inspection=replace(read.inspection, reasons=inspection.reasons))


def as_shown(inspection: Inspection) -> dict[str, Any]:
    """How a file was read, as the page's fields show it; without what its format has nothing of."""
    options = inspection.options
    shown: dict[str, Any] = {
        "encoding": None if inspection.needs_encoding else options.encoding, "sheet": options.sheet, "list": options.list or "",
    }  # fmt: skip
    if options.delimiter is None:
        return shown
    header = True if options.header is None else options.header
    return {**shown, "delimiter": options.delimiter, "quote": options.quote, "header": header, "skip": options.skip or 0}


def reread(services: Services, said: Said, shown: dict[str, Any]) -> Said:
    """What a person has said, with what the page's fields show of how the file is read; columns and rows are then other ones.

    Raises DataError, StudioError.
    """
    now = as_shown(look(services, said).inspection)
    changed = {name: value for name, value in shown.items() if name in now and value is not None and value != now[name]}
    if not changed:
        return said
    options = {name: value for name, value in {**said.options, **changed}.items() if (name, value) != ("list", "")}
    try:
        ReadOptions(**options)
    except ValidationError as error:  # the other fields offer only what may be chosen
        raise StudioError(say("data.reading.skip_refused")) from error
    update = {"options": options, "roles": None, "template": "", "guessed": False, "offset": 0, "at": 0, "only": ""}
    return said.model_copy(update=update)


def table(found: Look, *, fresh: bool) -> dict[str, Any]:
    """What the table shows, as plain data; ``fresh`` for another file or another way to read it. Its texts are not escaped."""
    said, inspection = found.said, found.inspection
    wanted: dict[str, Any] = {"count": TABLE_ROWS, "search": said.search, "only": said.only}
    page = datasets.table_page(found.upload, offset=said.offset, **wanted)
    if said.offset and not page.rows:
        said = said.model_copy(update={"offset": 0})
        page = datasets.table_page(found.upload, **wanted)
    return {
        "said": said.model_dump(mode="json"), "fresh": fresh, "name": found.path.name,
        "columns": [
            {"name": column, "role": page.roles.get(column, "ignore"), "reason": page.reasons.get(column, "")} for column in page.columns
        ],
        "rows": [
            {"number": row.number, "line": row.line, "problem": row.problem or "",
             "cells": row.cells or [""] * len(page.columns)}
            for row in page.rows
        ],
        "caption": _caption(said.offset, page), "later": said.offset + TABLE_ROWS < page.total, "alone": _ALONE,
        "prompt": _first_prompt(inspection),
    }  # fmt: skip


def _caption(offset: int, page: TablePage) -> str:
    if not page.rows:
        return say("data.table.none")
    last = offset + len(page.rows)
    if page.total < page.seen:
        return say("data.table.found", first=offset + 1, last=last, count=page.total, seen=page.seen)
    if page.seen < page.rows_in_file:
        return say("data.table.part", first=offset + 1, last=last, count=page.total, rows=page.rows_in_file)
    return say("data.table.rows", first=offset + 1, last=last, count=page.total)


def _first_prompt(inspection: Inspection) -> str:
    """The prompt of the first example, as it is joined from several columns."""
    first = next(iter(inspection.examples), None)
    return first.messages[-1].content if first and first.messages else ""


# The rows as they are learned


@dataclass(frozen=True, slots=True)
class Learned:
    """A page of the rows as they are trained: ``count`` of them from number ``at``, of ``total`` that hold what was searched for.

    A chat has an example for each of its answers. The edit acts at ``positions``.
    """

    examples: tuple[PreviewRow, ...]
    count: int
    at: int
    total: int
    positions: str


def learned(services: Services, found: Look, base: str) -> Learned:
    """Rows as a base model is trained on them, in an order and with a text that a person has chosen. Raises DataError."""
    said, rows = found.said, found.upload.rows()
    places = datasets.places(rows, said.order, said.find, said.seed, report=lambda: found.inspection.report)
    at = said.at if said.at < len(places) else 0
    page = places[at : at + PREVIEW_ROWS]
    reft = train.edit_shown(services.settings, said.positions)
    return Learned(tuple(datasets.preview_all(services, rows.read(page), reft, base)), len(page), at, len(places), reft.positions)


def keep(services: Services, said: Said, name: str) -> DatasetRecord:
    """Save the usable rows as a dataset. Raises DataError, StudioError."""
    found = look(services, said)
    if said.sample and found.said.roles is None and not (said.options or said.remedies or said.include):
        return datasets.use_sample(services, said.sample)
    label = hub.origin_sentence(found.origin) if found.origin else found.path.name
    name = name.strip() or found.path.stem
    return datasets.save_upload(services, str(found.path), label=label, name=name, choices=found.said.choices)
