"""Links with which a person shows one thing of theirs to others: made, listed, revoked, and opened. Plain data."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import get_args

from app.errors import StudioError
from app.handlers import runs
from app.services import Services
from app.settings import Settings
from app.words import say
from storage import NotFoundError
from storage.shares import Kind, ShareRecord

KINDS: tuple[Kind, ...] = get_args(Kind)
_DAYS = (1, 7, 30, 90)
"""Durations that are offered, as far as the longest life allows."""


@dataclass(frozen=True, slots=True)
class Target:
    """What can be shown: what it is called, the version of a dataset, and whether it has an adapter to take away."""

    kind: Kind
    id: str
    name: str
    version: int | None = None
    has_adapter: bool = False


@dataclass(frozen=True, slots=True)
class Sharing:
    """What the page to share something shows: its links in force, each with what its address holds."""

    target: Target
    links: tuple[tuple[ShareRecord, str], ...]
    days: tuple[int, ...]
    strangers: bool


def can_share(settings: Settings) -> bool:
    """Whether links can be made and opened here: not where one person has nobody to share with, nor where the operator allows none."""
    return settings.people not in (None, "local") and settings.share_days > 0


def days_offered(settings: Settings) -> tuple[int, ...]:
    """Days for which a link may be made, the longest last."""
    most = settings.share_days
    return (*(days for days in _DAYS if days < most), most)


def sharing(services: Services, kind: str, target_id: str) -> Sharing:
    """Something of one's own, with its links. Raises NotFoundError."""
    target = _target(services, kind, target_id)
    store = services.storage.shares
    links = tuple((share, store.token(share)) for share in store.of(target.kind, target.id))
    return Sharing(target, links, days_offered(services.settings), services.settings.share_with_strangers)


def share(services: Services, kind: str, target_id: str, *, days: str, with_adapter: bool, anyone: bool) -> ShareRecord:
    """Make a link to something of one's own. Raises NotFoundError, StudioError, StorageError."""
    target, most = _target(services, kind, target_id), services.settings.share_days
    count = int(days) if days.isascii() and days.isdecimal() and len(days) < 5 else 0
    if not 1 <= count <= most:
        raise StudioError(say("shares.days_bounds", most=most))
    if anyone and not services.settings.share_with_strangers:
        raise StudioError(say("shares.no_strangers"))
    taken = with_adapter and target.kind == "run"
    return services.storage.shares.create(
        target.kind, target.id, timedelta(days=count), version=target.version, with_adapter=taken, anyone=anyone
    )


def revoke(services: Services, kind: str, target_id: str, share_id: str) -> None:
    """Let a link of one's own open nothing any more. Raises NotFoundError."""
    target = _target(services, kind, target_id)
    services.storage.shares.revoke(share_id, target.kind, target.id)


def opened(services: Services, token: str, *, signed_in: bool, is_member: Callable[[str], bool]) -> ShareRecord | None:
    """The link of an address, if it opens for whoever asks; None for any reason not to.

    Args:
        services: the rows of all people are asked, since a link is of somebody else.
        token: what the address holds.
        signed_in: whether somebody asks who may use the studio.
        is_member: tells of an owner whether they still belong to the studio.
    """
    if not can_share(services.settings):
        return None
    found = services.everything.shares.open(token)
    if found is None or not is_member(found.owner):
        return None
    welcome = signed_in or (found.anyone and services.settings.share_with_strangers)
    return found if welcome else None


def _target(services: Services, kind: str, target_id: str) -> Target:
    """Something of one's own that is not in the bin. Raises NotFoundError."""
    if not can_share(services.settings):
        raise NotFoundError(say("shares.not_here"))
    storage = services.storage
    if kind == "run":
        run = storage.runs.get(target_id)
        if run.binned_at is None:
            return Target("run", run.id, run.name, has_adapter=runs.has_result(services, run))
    elif kind == "dataset":
        dataset = storage.datasets.get(target_id)
        if dataset.binned_at is None:
            return Target("dataset", dataset.id, dataset.name, dataset.version.number)
    elif kind == "chat":
        chat = storage.chats.get(target_id)
        if chat.binned_at is None:
            return Target("chat", chat.id, chat.name)
    raise NotFoundError(say("shares.not_here"))
