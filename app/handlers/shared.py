"""What a link shows to others, read in its owner's name: one run, one version of a dataset, or one conversation. Nothing is written."""

from collections.abc import Sequence
from dataclasses import dataclass

from app import chat_export, chats
from app.chats import ChatDocument, ChatTurn
from app.columns import title_of
from app.handlers import kept, kept_rows, run_live, runs
from app.handlers.kept import Kept
from app.handlers.kept_rows import Asked, KeptPage
from app.handlers.runs import RunView
from app.services import Services
from app.words import say
from storage import NotFoundError
from storage.shares import ShareRecord


@dataclass(frozen=True, slots=True)
class SharedRows:
    """A page of the rows of a shared dataset."""

    dataset: Kept
    page: KeptPage


@dataclass(frozen=True, slots=True)
class SharedTurn:
    """A turn of a conversation: what it is called, the system message if another one holds from here on, the prompt, and the answers."""

    heading: str
    system: str | None
    prompt: str
    answers: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class SharedChat:
    """A conversation."""

    name: str
    turns: tuple[SharedTurn, ...]


def run(services: Services, share: ShareRecord) -> tuple[RunView, dict[str, object]]:
    """A run with its figures and sample answers, without its story, its notes and its log. Raises NotFoundError."""
    view = runs.view(services, share.target)
    live = run_live.snapshot(services, view, run_live.Since())
    return view, {**live, "events": [], "event": 0, "key": "", "active": False, "ended": True, "follows": False}


def adapter(services: Services, share: ShareRecord) -> tuple[str, bytes]:
    """File name and content of a run's adapter, if its owner lets others have it. Raises NotFoundError, StudioError."""
    if share.kind != "run" or not share.with_adapter:
        raise NotFoundError(say("shares.not_here"))
    return runs.adapter_zip(services, share.target)


def rows(services: Services, share: ShareRecord, offset: int) -> SharedRows:
    """Some rows of the version that was shared. Raises NotFoundError, StudioError, DataError."""
    found = kept.open_dataset(services, share.target, share.version)
    if found.dataset.binned_at is not None:
        raise NotFoundError(say("shares.not_here"))
    asked = Asked(dataset=found.dataset.id, version=found.version.number, offset=offset)
    return SharedRows(found, kept_rows.rows_page(services, found, asked))


def chat(services: Services, share: ShareRecord) -> SharedChat:
    """A conversation with all its turns, those of the shown path first. Raises NotFoundError, StudioError."""
    record, text = services.storage.chats.read(share.target)
    document = chats.read(text)
    asked = {run for column in document.columns for run in column.runs}
    names = {run.id: run.name for run in services.storage.runs.some(sorted(asked))}
    turns, system = [], ""
    for turn, heading in chat_export.headed(document):
        said = chats.settings_of(document, turn).system
        turns.append(SharedTurn(heading, said if said != system else None, turn.prompt, _answers(document, turn, names)))
        system = said
    return SharedChat(record.name, tuple(turns))


def _answers(document: ChatDocument, turn: ChatTurn, names: dict[str, str]) -> list[tuple[str, str]]:
    return [(title_of(chats.column_of(document, answer), names), answer.text) for answer in turn.answers]
