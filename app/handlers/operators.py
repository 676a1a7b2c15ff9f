"""What operators see and stop: people with what each has, the disk, the queue and the engine; never what anything of others says."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from app.people.asking import asking
from app.people.file import People
from app.people.seen import LastSeen
from app.services import Services
from app.words import say
from storage import NotFoundError, RunStatus
from storage.tally import GoingRun, Holding
from storage.upkeep import DiskUsage, disk_usage

MOST_RUNS = 200
"""Runs of the queue that are listed."""
_STOPPABLE = (RunStatus.PREPARING, RunStatus.TRAINING)


@dataclass(frozen=True, slots=True)
class Somebody:
    """A person with what they have; ``last_seen`` None where that is not known."""

    id: str
    name: str
    operator: bool
    holding: Holding
    last_seen: datetime | None


@dataclass(frozen=True, slots=True)
class Going:
    """A run that waits or is trained, whose it is, and whether it can be stopped now."""

    run: GoingRun
    owner: str
    stoppable: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """What the page shows.

    Attributes:
        people: by name; ``has_sessions``: whether people log in here.
        sessions: in force, of all people.
        disk: of the data folder ``folder``; ``most`` bytes may be used, 0 for no bound.
        going: runs, in the order in which they are trained; ``waiting``: how many wait altogether.
        engine: what the worker says of itself; None if it is not running.
    """

    people: tuple[Somebody, ...]
    has_sessions: bool
    sessions: int
    folder: str
    disk: DiskUsage
    most: int
    going: tuple[Going, ...]
    waiting: int
    paused: bool
    engine: Mapping[str, object] | None


def overview(services: Services, people: People | None, seen: LastSeen) -> Overview:
    """Everything, for an operator. Raises NotFoundError for anybody else."""
    _require_operator()
    storage = services.everything
    found = _people(storage.tally.by_owner(), people, seen)
    names = {each.id: each.name for each in found}
    going = tuple(
        Going(run, names.get(run.owner, _unknown(run.owner)), run.status.waiting or run.status in _STOPPABLE)
        for run in storage.tally.going(MOST_RUNS)
    )
    return Overview(
        people=found, has_sessions=people is not None, sessions=storage.tally.sessions(), folder=str(storage.files.root),
        disk=disk_usage(storage), most=services.settings.max_data_mb * 1_000_000, going=going, waiting=storage.runs.waiting_count(),
        paused=storage.runs.paused_since() is not None, engine=services.worker.health(),
    )  # fmt: skip


def stop(services: Services, run_id: str) -> None:
    """Stop a run of anybody, or take it out of the queue; its story says who did. Raises NotFoundError, also for anybody else."""
    _require_operator()
    services.everything.runs.request_stop(run_id, told=say("operators.stopped_by"))


def end_sessions(services: Services, person: str) -> None:
    """Log somebody out everywhere. Raises NotFoundError for anybody but an operator."""
    _require_operator()
    services.everything.sessions.end_all(person)


def _require_operator() -> None:
    if not asking().operator:
        raise NotFoundError(say("shares.not_here"))


def _people(holdings: Mapping[str, Holding], people: People | None, seen: LastSeen) -> tuple[Somebody, ...]:
    """Everybody who may come in, was seen here, or has anything."""
    members = {member.id: member for member in people.all()} if people else {}
    known = seen.all()
    found = []
    for person in {*members, *known, *holdings}:
        member, was = members.get(person), known.get(person)
        name = member.name if member else was.name if was and people is None else _unknown(person)
        holding = holdings.get(person) or Holding()
        last = max((moment for moment in (was.at if was else None, holding.last_login) if moment), default=None)
        found.append(Somebody(person, name, bool(member and member.operator), holding, last))
    return tuple(sorted(found, key=lambda each: (each.name.casefold(), each.id)))


def _unknown(owner: str) -> str:
    """Rows of somebody who was removed, or whom this process has not seen yet, or from when there was one person."""
    return say("operators.unknown", id=owner[:8]) if owner else say("operators.one_person")
