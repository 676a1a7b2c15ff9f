"""The list of runs: a page of it, what has changed since, and what is done with several runs at once. Plain data for the browser."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import StudioError
from app.handlers import runs
from app.handlers.mix_parts import parts_of
from app.services import Services
from app.words import phrases, say, say_error
from reft_engine import BASELINES, title_of
from storage import NotFoundError, RunOrder, RunQuery, RunRecord, RunState, RunStatus, StorageError

PAGE = 40
"""Runs that are sent at once."""
MOST_AT_ONCE = 500
"""Runs that can be chosen together."""
_NOTES = 120
"""Characters of a run's notes that the list shows."""
_CHANGES = 100
"""Runs whose changes are told one by one; after more of them the list is asked for anew."""


class Listed(BaseModel):
    """What a list is asked for: see `storage.RunQuery`; ``offset`` runs are shown already, at most ``limit`` are sent."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field("", max_length=200)
    state: RunState = "all"
    order: RunOrder = "newest"
    offset: int = Field(0, ge=0, le=10_000_000)
    limit: int = Field(PAGE, ge=1, le=MOST_AT_ONCE)


def page(services: Services, asked: Listed) -> dict[str, Any]:
    """Some runs of a list, whether there are ``more``, and all that `changes` says. Read after its cursor, so that no change is missed."""
    told = changes(services, services.storage.events.newest())
    records = services.storage.runs.page(RunQuery(asked.text, asked.state, asked.order), asked.limit + 1, asked.offset)
    return told | _entries(services, records[: asked.limit]) | {"more": len(records) > asked.limit, "any": bool(records) or _any(services)}


def _any(services: Services) -> bool:
    """Whether there is any run, in the bin or not."""
    store = services.storage.runs
    return bool(store.newest(1) or store.page(RunQuery(state="binned"), 1))


def changes(services: Services, cursor: int) -> dict[str, Any]:
    """The runs that are trained, and those that something has happened to after a ``cursor``, which an earlier answer gave.

    ``stale``: so much has happened that the list is to be asked for anew.
    """
    newest = services.storage.events.newest()
    going = services.storage.runs.going()
    found = services.storage.events.runs_after(cursor, _CHANGES + 1) if newest > cursor else []
    changed = found[:_CHANGES]
    told = services.storage.runs.some([each for each in changed if all(run.id != each for run in going)])
    active = [run for run in going if run.status.active or run.id in changed]
    paused = services.storage.runs.paused_since()
    return {
        **_entries(services, [*active, *told]), "cursor": newest, "stale": len(found) > _CHANGES,
        "queue": [run.id for run in going if run.status.waiting][:_CHANGES], "waiting": sum(run.status.waiting for run in going),
        "paused": say("runs.queue.paused", ago=phrases.ago(paused)) if paused else "",
    }  # fmt: skip


def _entries(services: Services, records: Sequence[RunRecord]) -> dict[str, Any]:
    groups = services.storage.runs.groups({run.group_id for run in records if run.group_id})
    return {"runs": [entry(run) for run in records], "groups": {group.id: group.name for group in groups.values()}}


def entry(run: RunRecord) -> dict[str, Any]:
    """A run as the list shows it."""
    return {
        "id": run.id, "name": run.name, "group": run.group_id, "status": run.status.value, "word": phrases.status_word(run),
        "ended": run.status.ended, "active": run.status.active,
        "share": run.step / run.total_steps if run.total_steps and not run.status.ended else None,
        "left": phrases.duration(run.seconds_left) if run.seconds_left is not None and run.status.active else "",
        "base": run.base, "dataset": run.dataset_name, "method": method_title(run), "held_out": _held_out(run),
        "better": run.held_out is not None and run.held_out_base is not None and run.held_out < run.held_out_base,
        "time": phrases.duration(run.seconds) if run.seconds else "", "ago": phrases.ago(run.binned_at or run.created_at),
        "after": run.start_after.isoformat() if run.start_after and run.status.waiting else "",
        "spark": list(run.sparkline), "starred": run.starred, "tags": list(run.tags),
        "notes": phrases.short(" ".join(run.notes.split()), _NOTES), "binned": run.binned_at is not None,
    }  # fmt: skip


def method_title(run: RunRecord) -> str:
    """The method of a run, in words."""
    name = run.spec["peft"]["method"] if "peft" in run.spec else run.spec.get("reft", {}).get("method", "")
    title = BASELINES[name].title if name in BASELINES else title_of(name) if name else ""
    return say("mixes.method", method=title) if parts_of(run) else title


def _held_out(run: RunRecord) -> str:
    if run.held_out is None:
        return ""
    if run.held_out_base is None:
        return f"{run.held_out:.3f}"
    return say("runs.list.told.held_out", tuned=f"{run.held_out:.3f}", base=f"{run.held_out_base:.3f}")


class Asked(BaseModel):
    """What a person does with runs of the list, which gives their ``ids``."""

    model_config = ConfigDict(extra="forbid")

    act: str = Field(max_length=20)
    ids: list[str] = Field(default=[], max_length=MOST_AT_ONCE)

    @classmethod
    def read(cls, text: str) -> Self:
        """What the page's script has said. Raises StudioError."""
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            raise StudioError(say("errors.neutral")) from None


@dataclass(frozen=True, slots=True)
class Done:
    """What came of an act: a sentence, the runs as they are now, and those that an undo would bring back."""

    sentence: str
    runs: tuple[RunRecord, ...]
    undo: tuple[str, ...] = ()


def act(services: Services, asked: Asked) -> Done:
    """Do something with runs; what cannot be done with one of them is said, and done with the others. Raises StudioError if with none."""
    store = services.storage.runs
    if asked.act in ("pause", "continue"):
        store.pause_queue() if asked.act == "pause" else store.continue_queue()
        return Done("", ())
    if asked.act == "empty":
        return Done(say("runs.bin.emptied", count=runs.empty_bin(services)), ())
    acts: dict[str, Callable[[str], RunRecord]] = {
        "star": lambda run_id: store.star(run_id, True), "unstar": lambda run_id: store.star(run_id, False),
        "delete": lambda run_id: runs.delete(services, run_id), "restore": lambda run_id: runs.restore(services, run_id),
    }  # fmt: skip
    if asked.act not in acts or not asked.ids:
        raise StudioError(say("errors.neutral"))
    return _each(acts[asked.act], asked)


def _each(act: Callable[[str], RunRecord], asked: Asked) -> Done:
    done, refused = list[RunRecord](), list[str]()
    for run_id in dict.fromkeys(asked.ids):
        try:
            done.append(act(run_id))
        except NotFoundError:
            continue  # another tab has removed it for good
        except (StudioError, StorageError) as error:
            refused.append(say_error(error))
    if refused and not done:
        raise StudioError(refused[0])
    told = say("runs.acts.delete", count=len(done), name=done[0].name) if done and asked.act == "delete" else ""
    left = say("runs.acts.left", count=len(refused), reason=refused[0]) if refused else ""
    undo = tuple(run.id for run in done) if asked.act == "delete" else ()
    return Done(" ".join(text for text in (told, left) if text), tuple(done), undo)


def answer(services: Services, asked: Asked) -> dict[str, Any]:
    """As `act`, for the browser."""
    done = act(services, asked)
    return {"acted": asked.act, "ids": asked.ids, "sentence": done.sentence, "undo": list(done.undo), **_entries(services, done.runs)}


def ended_since(services: Services, cursor: int) -> dict[str, Any]:
    """Runs that have ended after a cursor, for pages elsewhere; without one only where to begin."""
    newest = services.storage.events.newest()
    if cursor < 0 or cursor >= newest:
        return {"cursor": newest, "ended": []}
    found = services.storage.runs.some(services.storage.events.runs_after(cursor, _CHANGES))
    ended = [run for run in found if run.status.ended and run.binned_at is None]
    return {
        "cursor": newest,
        "ended": [{"id": run.id, "text": say(f"runs.ended.how.{_end(run.status)}", name=phrases.short(run.name, 60))} for run in ended],
    }


def _end(status: RunStatus) -> str:
    return {RunStatus.FINISHED: "finished", RunStatus.FAILED: "failed"}.get(status, "stopped")
