"""Rows of a dataset of the Hugging Face Hub, as an upload: what there is of it, and a range of its rows."""

import json
import shutil
import threading
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from secrets import token_hex

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import StudioError
from app.handlers.disk import require_room
from app.people.own_names import new_own_name
from app.reader.client import fetch_rows_in_process, look_at_hub_in_process
from app.services import Services
from app.settings import Settings
from app.words import say
from reft_engine.data import HubFile, HubRows, Limits, read_hub_name

FIRST, COUNT = 1, 1000
"""The rows that are offered: from which, and how many."""
_BESIDE, _ORIGIN = "hub", "origin.json"
_ASKING = threading.Lock()
"""One request at a time: each costs a process and the network."""


class Looked(BaseModel):
    """A dataset that was looked at; the browser keeps it between events.

    ``asked`` is how it was named; the other fields are those of `HubDataset`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    asked: str = Field(max_length=300)
    name: str = Field(max_length=200)
    commit: str = Field(max_length=64)
    splits: dict[str, tuple[str, ...]]
    usual: str = ""

    @classmethod
    def read(cls, text: str) -> "Looked":
        """What the browser sent. Raises StudioError: nothing was looked at, or it is not what the page sends."""
        if not text:
            raise StudioError(say("hub.look_first"))
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise StudioError(say("data.said.unreadable")) from error

    @property
    def config(self) -> str:
        """The config to begin with."""
        return self.usual or next(iter(self.splits))

    def split(self, config: str) -> str:
        """The split of a config to begin with."""
        splits = self.splits.get(config, ())
        return "train" if "train" in splits else next(iter(splits), "")


def is_offered(settings: Settings) -> bool:
    """Whether rows of the Hub may be read here: as for base models, any on a laptop; a server reads nothing that its visitors name."""
    return settings.local


def look(services: Services, text: str) -> Looked:
    """The configs and splits of a dataset. Raises DataError, StudioError."""
    _check_offered(services)
    if not text.strip():
        raise StudioError(say("hub.missing"))
    name = read_hub_name(text)
    folder = services.storage.files.uploads / f"hub-{token_hex(8)}"
    try:
        with _ASKING:
            dataset = look_at_hub_in_process(f"{name.name}@{name.revision}" if name.revision else name.name, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Looked(asked=text.strip()[:300], **asdict(dataset))


def fetch(services: Services, looked: Looked, text: str, rows: HubRows) -> Path:
    """Read rows of a dataset that was looked at into a file, as an upload. Raises DataError, StudioError."""
    _check_offered(services)
    if text.strip()[:300] != looked.asked:
        raise StudioError(say("hub.look_first"))
    require_room(services)
    folder = services.storage.files.uploads / new_own_name()
    size = min(Limits().size, services.settings.max_upload_mb * 1_000_000)
    try:
        with _ASKING:
            file = fetch_rows_in_process(f"{looked.name}@{looked.commit}", rows, folder / _BESIDE, size)
        (folder / _BESIDE / _ORIGIN).write_text(json.dumps({**asdict(file), "path": file.path.name}), encoding="utf-8")
        return file.path.rename(folder / file.path.name)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def rows_of(config: str | None, split: str | None, first: float | None, count: float | None) -> HubRows:
    """The rows that the page's fields name. Raises StudioError."""
    if first is None or count is None:
        raise StudioError(say("hub.range"))
    return HubRows(config or None, split or None, int(first), int(count))


def origin_of(path: Path) -> HubFile | None:
    """Where the rows of an upload come from; None for a file that does not come from the Hub."""
    with suppress(OSError, ValueError, TypeError):
        data = json.loads((path.parent / _BESIDE / _ORIGIN).read_text(encoding="utf-8"))
        return HubFile(**{**data, "path": path, "notes": tuple(data["notes"])})
    return None


def origin_sentence(origin: HubFile) -> str:
    """Where rows come from, in a line."""
    return say(
        "hub.origin", name=origin.name, config=origin.config, split=origin.split, first=origin.first,
        last=origin.first + origin.rows - 1, commit=origin.commit[:7],
    )  # fmt: skip


def _check_offered(services: Services) -> None:
    if not is_offered(services.settings):
        raise StudioError(say("hub.not_offered"))
