"""Actions with saved conversations of the Playground: list, open, save, rename, delete, put back, export. Plain data for the browser."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app import chat_export, chats
from app.chat_export import FORMS
from app.chats import ChatDocument
from app.columns import Column
from app.errors import StudioError
from app.handlers import disk, shares
from app.services import Services
from app.words import say
from storage import ChatRecord, StorageError

PAGE = 20
"""Conversations that are sent at once."""
_FILE_NAME = 60
"""Characters of a file's name before its ending."""
Json = dict[str, Any]


class Listed(BaseModel):
    """What a list is asked for: ``offset`` conversations are shown already, at most ``limit`` are sent; those in the bin if ``binned``."""

    model_config = ConfigDict(extra="forbid")

    offset: int = Field(0, ge=0, le=1_000_000)
    limit: int = Field(PAGE, ge=1, le=500)
    binned: bool = False


class Created(BaseModel):
    """A conversation to save for the first time; without a name it gets one from its first prompt.

    The same ``key``, which is of a page and its conversation, is the same conversation, however often it is sent.
    """

    model_config = ConfigDict(extra="forbid")

    document: ChatDocument
    name: str | None = Field(None, max_length=1_000)
    key: str | None = Field(None, pattern=r"^[0-9A-Za-z_-]{1,100}$")


class Saved(BaseModel):
    """A conversation to save again, and the version of its document that it was made from."""

    model_config = ConfigDict(extra="forbid")

    document: ChatDocument
    version: int = Field(ge=1, le=2**31 - 2)


class Renamed(BaseModel):
    """A new name."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=1_000)


def page(services: Services, asked: Listed) -> Json:
    """Some conversations, the last saved first, how many there are, also in the bin, and whether there is whom to show them."""
    records, total = services.storage.chats.page(asked.limit, asked.offset, binned=asked.binned)
    binned = total if asked.binned else services.storage.chats.page(0, binned=True)[1]
    shared = shares.can_share(services.settings)
    facts = {"total": total, "binned": binned, "days": services.settings.bin_days, "shared": shared}
    return {"chats": [_facts(record) for record in records], **facts}


def opened(services: Services, chat_id: str) -> Json:
    """A conversation with its document. Raises NotFoundError, StudioError."""
    record, document = services.storage.chats.read(chat_id)
    return {**_facts(record), "document": _document(document).model_dump(mode="json")}


def run_of(services: Services, chat_id: str) -> str | None:
    """The run that a conversation is held with; None if it has none, or cannot be read, of which its panel tells."""
    try:
        document = _document(services.storage.chats.read(chat_id)[1])
    except (StudioError, StorageError):
        return None
    return next((column.run for column in document.columns[1:2]), None)


def are_there(services: Services) -> bool:
    """Whether any conversation is saved, in the bin or not."""
    return any(services.storage.chats.page(0, binned=binned)[1] for binned in (False, True))


def create(services: Services, asked: Created) -> Json:
    """Save a conversation for the first time. Raises StudioError, StorageError."""
    disk.require_room(services)
    name = (asked.name or "").strip() or chats.default_name(asked.document)
    return _facts(services.storage.chats.create(name, chats.written(asked.document), asked.key))


def save(services: Services, chat_id: str, asked: Saved) -> Json:
    """Save a conversation again. Raises NotFoundError, ConflictError, StudioError, StorageError."""
    disk.require_room(services)
    return _facts(services.storage.chats.save(chat_id, chats.written(asked.document), asked.version))


def rename(services: Services, chat_id: str, asked: Renamed) -> Json:
    """Rename a conversation. Raises NotFoundError, StudioError."""
    if not asked.name.strip():
        raise StudioError(say("chats.no_name"))
    return _facts(services.storage.chats.rename(chat_id, asked.name))


def delete(services: Services, chat_id: str) -> Json:
    """Move a conversation to the bin. Raises NotFoundError."""
    return _facts(services.storage.chats.delete(chat_id))


def restore(services: Services, chat_id: str) -> Json:
    """Take a conversation out of the bin. Raises NotFoundError."""
    return _facts(services.storage.chats.restore(chat_id))


def remove(services: Services, chat_id: str) -> Json:
    """Remove a conversation for good that is in the bin. Raises NotFoundError, StorageError."""
    services.storage.chats.remove(chat_id)
    return {"id": chat_id}


def export(services: Services, chat_id: str, form: str) -> tuple[str, bytes]:
    """File name and content of a conversation. Raises NotFoundError, StudioError."""
    kind = next((each for each in FORMS if each == form), None)
    if kind is None:
        raise StudioError(say("chats.no_form", form=form[:20]))
    record, text = services.storage.chats.read(chat_id)
    document = _document(text)
    runs = services.storage.runs.some(sorted(_runs(document)))
    baselines = {run.id for run in runs if run.spec.get("peft")}
    content = chat_export.exported(record.name, document, {run.id: run.name for run in runs}, kind, baselines)
    return f"{_plain(record.name)}.{kind}", content


def _facts(record: ChatRecord) -> Json:
    return {
        "id": record.id, "name": record.name, "version": record.version, "size_bytes": record.size_bytes,
        "created_at": record.created_at.isoformat(), "updated_at": record.updated_at.isoformat(), "binned": record.binned_at is not None,
    }  # fmt: skip


def _document(text: str) -> ChatDocument:
    """A document that was saved; of a later version of the studio it may be one that this one cannot read. Raises StudioError."""
    try:
        return chats.read(text)
    except StudioError as error:
        raise StudioError(say("chats.unreadable", reason=error)) from error


def _runs(document: ChatDocument) -> set[str]:
    """The runs that are named by columns, now or when they answered."""
    made_by = [answer.made_by for turn in document.turns for answer in turn.answers if answer.made_by]
    columns: list[Column] = [*document.columns, *made_by]
    return {run for column in columns for run in column.runs}


def _plain(name: str) -> str:
    """A name in letters that every file system takes."""
    safe = "".join(each if each.isascii() and each.isalnum() else "-" for each in name).strip("-")
    return safe[:_FILE_NAME] or "conversation"
