"""Fix by example: a corrected answer goes to a new version of the rows that a run learned from, and a new run goes on from its edit.

A fix never makes a row that a run is trained on one that measures it: rows that were held out stay so in the new version, unless
one of them is fixed, and all others are trained on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

from app.errors import StudioError
from app.handlers import kept, runs
from app.handlers.keys import key_of_request
from app.handlers.mix_parts import parts_of, require_trained
from app.handlers.run_cost import require_affordable
from app.handlers.train import expected_bytes, require_place
from app.services import Services
from app.words import say
from reft_engine import RunSpec
from reft_engine.data import (
    HELD_OUT,
    Corrected,
    Correction,
    HeldOutRows,
    Limits,
    Message,
    Role,
    StoredExamples,
    correct_rows,
    differences,
    held_out_rows,
    learned_before,
    sides_of,
    split_indices,
)
from storage import DatasetRecord, DatasetVersionRecord, MovedOnError, NotFoundError, RunRecord

_TRIES = 5
"""Times that a fix is made again because meanwhile there is a newer version."""
_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class FixState:
    """What there is to learn for a run that it has not learned yet.

    Attributes:
        run_id: the run.
        changed: rows of the newest version of its dataset that are new, or other than those that it learned.
        version: number of this version; ``run_version`` of the one that it learned.
        can_train: whether a run can go on from it on this version; ``why_not`` is a sentence otherwise.
        known: held-out rows of this version that the run has learned from, so that they measure too well.
    """

    run_id: str
    changed: int
    version: int
    run_version: int
    can_train: bool
    why_not: str = ""
    known: int = 0


@dataclass(frozen=True, slots=True)
class Fixed:
    """A fix that was made.

    Attributes:
        dataset: the dataset with the new version.
        rows: numbers of the rows with the answer; ``is_new`` if it is a row that was added.
        was_held_out: how many of these rows measured before; they are trained on now.
        held_out: examples that are held out now; None if the version is not divided.
        before: number of the version that it was made from.
        state: what there is to learn now.
        sentence: all of it in words.
    """

    dataset: DatasetRecord
    rows: tuple[int, ...]
    is_new: bool
    was_held_out: int
    held_out: int | None
    before: int
    state: FixState
    sentence: str

    @property
    def version(self) -> int:
        """Number of the new version."""
        return self.dataset.version.number


def fix(services: Services, run_id: str, messages: Sequence[tuple[str, str]], answer: str, instead: str = "") -> Fixed:
    """Put a corrected answer into a new version of the dataset that a run was trained on, made from its newest version.

    Args:
        services: the services.
        run_id: the run whose answer it was.
        messages: the conversation, as pairs of role and content, which ends with a message of the user.
        answer: what should have been answered; a label for a run with labels.
        instead: what was answered, which rows of preference pairs need.

    Raises:
        NotFoundError, StorageError: the run or its dataset is not there, or in the bin.
        DataError: see `correct_rows`.
        StudioError: this is no conversation, no label, or there is no room.
    """
    run = _run(services, run_id)
    correction = Correction(_conversation(messages), _checked_answer(run, answer), instead)
    for left in reversed(range(_TRIES)):
        dataset = services.storage.datasets.get(run.dataset_id)
        try:
            return _fixed(services, run, dataset, correction)
        except MovedOnError:
            if not left:
                raise
    raise AssertionError


def _run(services: Services, run_id: str) -> RunRecord:
    run = services.storage.runs.get(run_id)
    if run.binned_at is not None:
        raise NotFoundError(say("runs.binned"))
    return run


def _conversation(messages: Sequence[tuple[str, str]]) -> tuple[Message, ...]:
    """The messages, checked. Raises StudioError."""
    roles = get_args(Role)
    if not messages or len(messages) > _LIMITS.turns or any(role not in roles for role, _ in messages):
        raise StudioError(say("fixes.no_conversation"))
    if messages[-1][0] != "user" or any(not text.strip() for _, text in messages):
        raise StudioError(say("fixes.no_conversation"))
    if any(role == "system" for role, _ in messages[1:]):
        raise StudioError(say("fixes.no_conversation"))
    return tuple(Message(role, text) for role, text in messages)  # type: ignore[arg-type]


def _checked_answer(run: RunRecord, answer: str) -> str:
    """The answer as it is learned; of a run with labels one of them. Raises StudioError."""
    if not answer.strip():
        raise StudioError(say("fixes.empty"))
    if len(answer) > _LIMITS.cell:
        raise StudioError(say("fixes.too_long", length=len(answer), most=_LIMITS.cell))
    labels = RunSpec.read(run.spec).trained.labels
    if labels and answer.strip() not in labels:
        raise StudioError(say("fixes.label", labels=", ".join(labels)))
    return answer.strip() if labels else answer


def _fixed(services: Services, run: RunRecord, dataset: DatasetRecord, correction: Correction) -> Fixed:
    files, version = services.storage.files, dataset.version
    held_out = None if version.split else _held_out(services, run)
    highest = max(each.rows for each in services.storage.datasets.versions(dataset.id))
    with kept.beside(services) as out:
        found = correct_rows(files.rows(version), out, correction, held_out, highest)
        split = _split(version, run, found)
        rows = dataset.rows + found.usable - dataset.usable_rows
        made = kept.add_version(services, dataset, out, rows, found.usable, _said(found, run), split)
    measured = found.counts.get(HELD_OUT) if found.counts else None
    said = " ".join(_sentences(made, found, run, version))
    return Fixed(made, found.rows, found.is_new, found.was_held_out, measured, version.number, state(services, run.id), said)


def _held_out(services: Services, run: RunRecord) -> HeldOutRows:
    """The rows that a run held out. Raises DataError."""
    path = services.storage.files.rows(services.storage.datasets.version(run.version_id))
    return held_out_rows(path, _held_out_places(services, run))


def _held_out_places(services: Services, run: RunRecord) -> Sequence[int]:
    """Places of the rows that a run held out; drawn again for one of an earlier studio, which did not keep them. Raises DataError."""
    places = services.storage.runs.held_out_places(run.id)
    if places is not None:
        return places
    settings = RunSpec.read(run.spec).train
    path = services.storage.files.rows(services.storage.datasets.version(run.version_id))
    return _drawn(path, settings.held_out, settings.held_out_seed)


def _split(version: DatasetVersionRecord, run: RunRecord, found: Corrected) -> dict[str, Any] | None:
    """How the new version is divided: as the one before, or as the run divided it."""
    if version.split:
        return {**version.split, "counts": found.counts or version.split.get("counts", {})}
    return {"method": "run", "run": run.id, "counts": found.counts} if found.counts else None


def _said(found: Corrected, run: RunRecord) -> str:
    """What differs from the version before."""
    if found.is_new:
        return say("fixes.change.added", row=found.rows[0], run=run.name)
    return say("fixes.change.changed", count=len(found.rows), row=found.rows[0], run=run.name)


def _sentences(made: DatasetRecord, found: Corrected, run: RunRecord, before: DatasetVersionRecord) -> list[str]:
    number = made.version.number
    row = found.rows[0]
    said = (
        say("fixes.added", row=row, dataset=made.name, number=number)
        if found.is_new
        else say("fixes.replaced", count=len(found.rows), row=row, dataset=made.name, number=number)
    )
    told = [said]
    told += [say("fixes.with_system")] if found.system else []
    told += [say("fixes.was_held_out", count=found.was_held_out)] if found.was_held_out else []
    told += [say("fixes.none_left")] if found.was_held_out and not found.counts.get(HELD_OUT) else []
    if before.id != run.version_id and not _is_fix(before):
        told.append(say("fixes.other_version", run=run.name, number=run.version_number, before=before.number))
    return told


def _is_fix(version: DatasetVersionRecord) -> bool:
    """Whether a version is divided as a run divided it, which only fixes do."""
    return bool(version.split and version.split.get("method") == "run")


# To learn what was fixed


def state(services: Services, run_id: str) -> FixState:
    """What there is to learn for a run. Raises NotFoundError, DataError."""
    run = _run(services, run_id)
    files, datasets = services.storage.files, services.storage.datasets
    old, new = datasets.version(run.version_id), datasets.get(run.dataset_id).version
    changed = 0 if old.id == new.id else _changed(files.rows(old), files.rows(new))
    why_not = _why_not(services, run, new, changed)
    known = 0 if why_not else _known(files.rows(old), tuple(_held_out_places(services, run)), files.rows(new))
    return FixState(run.id, changed, new.number, old.number, not why_not, why_not, known)


def _why_not(services: Services, run: RunRecord, newest: DatasetVersionRecord, changed: int) -> str:
    """Why a run cannot go on from its edit on the newest version; empty if it can."""
    if parts_of(run):
        return say("mixes.not_trained", name=run.name)
    if not changed:
        return say("fixes.nothing", run=run.name)
    if not runs.has_result(services, run):
        return say("fixes.no_result", run=run.name)
    return say("fixes.not_divided", number=newest.number) if _draws_anew(services, run, newest) else ""


def _draws_anew(services: Services, run: RunRecord, version: DatasetVersionRecord) -> bool:
    """Whether rows that a run has learned from could be drawn as held-out rows of a version."""
    return not version.split and not _divides(services.storage.files.rows(version)) and bool(_held_out_places(services, run))


# The rows of a version never change, and the page asks at every opening.


@lru_cache(maxsize=64)
def _changed(old: Path, new: Path) -> int:
    """How many rows of a version are new or other than those of another one."""
    found = differences(old, new)
    return found.added + found.changed


@lru_cache(maxsize=64)
def _known(old: Path, places: tuple[int, ...], new: Path) -> int:
    """How many held-out rows of a version a run has learned that held out these places of another one."""
    return learned_before(old, held_out_rows(old, places), new)


@lru_cache(maxsize=64)
def _divides(path: Path) -> bool:
    """Whether the rows of a version themselves say which are held out."""
    return sides_of(StoredExamples(path)).own is not None


@lru_cache(maxsize=64)
def _drawn(path: Path, share: float, seed: int) -> tuple[int, ...]:
    """The places of the rows that are held out by lot."""
    return tuple(split_indices(list(StoredExamples(path)), share, seed)[1])


def train_on_fixes(services: Services, now: FixState, page_key: str = "", epochs: int | None = None) -> RunRecord:
    """Queue a run that begins with the edit of an ended one and learns the newest version of its dataset.

    It has the settings of the run, and as many epochs unless others are asked for, but makes every step and keeps the last edit. The same
    request of the same page is the same run.

    Args:
        services: of the data folder.
        now: what there is to learn, see `state`.
        page_key: an opaque key of the page that asks.
        epochs: how many.

    Raises:
        NotFoundError, StorageError: the run or its dataset is not there, or in the bin.
        StudioError: nothing was fixed, the run has no result or is a mix, or too many runs wait.
    """
    if not now.can_train:
        raise StudioError(now.why_not)
    if epochs is not None and epochs < 1:
        raise StudioError(say("runs.longer.epochs"))
    run = services.storage.runs.get(now.run_id)
    require_trained(run)
    version = services.storage.datasets.get(run.dataset_id).version
    # Held-out rows do not say whether the fix is learned, and the edit that they like best may be one of the first steps, before it is.
    train: Mapping[str, Any] = {**run.spec["train"], **({"epochs": epochs} if epochs else {}), "keep": "last", "patience": None}
    if not _divides(services.storage.files.rows(version)):
        train = {**train, "held_out": 0.0}  # none is left to measure with, and none of those that are trained may be drawn
    spec = RunSpec.read({**run.spec, "train": train}).model_dump(mode="json")
    key = key_of_request("fixes", page_key, run.id, version.id, spec) if page_key else None
    if key and (same := services.storage.runs.find_by_start_key(key)):
        return same
    require_place(services)
    read = RunSpec.read(spec)
    require_affordable(services, run.dataset_id, read)
    return services.storage.runs.create(
        run.dataset_id, spec, name=say("fixes.run_name", name=run.name), start_key=key, version_id=version.id, continues_id=run.id,
        expected_bytes=expected_bytes(services, read),
    )  # fmt: skip


# As data


def state_as_data(now: FixState) -> dict[str, Any]:
    """What there is to learn as plain data for JSON."""
    return {
        "run": now.run_id, "changed": now.changed, "version": now.version, "run_version": now.run_version, "can_train": now.can_train,
        "why_not": now.why_not, "known": now.known,
    }  # fmt: skip


def fixed_as_data(fixed: Fixed) -> dict[str, Any]:
    """A fix as plain data for JSON."""
    return {
        "dataset": fixed.dataset.id, "name": fixed.dataset.name, "version": fixed.version, "before": fixed.before,
        "rows": list(fixed.rows), "added": fixed.is_new, "was_held_out": fixed.was_held_out, "held_out": fixed.held_out,
        "sentence": fixed.sentence, "address": f"dataset?id={fixed.dataset.id}&version={fixed.version}&against={fixed.before}",
        "state": state_as_data(fixed.state),
    }  # fmt: skip


def trained_as_data(run: RunRecord, now: FixState) -> dict[str, Any]:
    """A run that was queued on fixes as plain data for JSON."""
    told = [say("fixes.queued", name=run.name, count=now.changed, number=run.version_number)]
    told += [say("fixes.known", count=now.known)] if now.known else []
    return {"run": run.id, "name": run.name, "sentence": " ".join(told), "address": f"runs?run={run.id}"}
