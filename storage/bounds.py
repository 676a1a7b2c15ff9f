"""How much there may be, of one owner and of all: checked in the transaction that adds, so that what comes at once stays within it."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from storage.errors import BoundError
from storage.files import Files, folder_size
from storage.owners import everybody, own
from storage.records import WAITING, RunStatus
from storage.tables import Chat, Dataset, Run, Vote


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much there may be; 0 for no bound.

    Attributes:
        queued: waiting runs of one owner; ``queued_of_all``: of all owners together.
        datasets: datasets of one owner, outside the bin.
        stored_bytes: bytes of one owner: datasets with their versions, runs, saved conversations and votes, in the bin or not.
        together: runs of one group that a worker trains at the same time, for which all others wait.
    """

    queued: int = 0
    queued_of_all: int = 0
    datasets: int = 0
    stored_bytes: int = 0
    together: int = 0


NO_BOUNDS = Bounds()


def require_queue(session: Session, bounds: Bounds, more: int = 1) -> None:
    """Raises BoundError if so many more runs may not wait."""
    if not (bounds.queued or bounds.queued_of_all) or more <= 0:
        return
    waiting = select(func.count()).select_from(Run).where(Run.binned_at.is_(None), Run.status.in_(WAITING))
    with own(session):
        mine = session.scalar(waiting) or 0
    with everybody(session):
        whole = session.scalar(waiting) or 0
    if bounds.queued and mine + more > bounds.queued:
        raise BoundError(
            "{waiting:,} of your runs are waiting already, and {most:,} may. Wait for some to begin, take some out of the queue, or queue "
            "fewer at once.",
            kind="bounds.queued", waiting=mine, most=bounds.queued,
        )  # fmt: skip
    if bounds.queued_of_all and whole + more > bounds.queued_of_all:
        raise BoundError(
            "{waiting:,} runs are waiting already, and {most:,} may. Wait for some to begin, or queue fewer at once.",
            kind="bounds.queued_of_all", waiting=whole, most=bounds.queued_of_all,
        )  # fmt: skip


def require_datasets(session: Session, bounds: Bounds) -> None:
    """Raises BoundError if another dataset may not be kept."""
    if not bounds.datasets:
        return
    with own(session):
        there = session.scalar(select(func.count()).select_from(Dataset).where(Dataset.binned_at.is_(None))) or 0
    if there >= bounds.datasets:
        raise BoundError(
            "You have {there:,} datasets already, and may have {most:,}. Delete one that you do not need any more.",
            kind="bounds.datasets", there=there, most=bounds.datasets,
        )  # fmt: skip


def require_bytes(session: Session, files: Files, bounds: Bounds, more: int) -> None:
    """Raises BoundError if an owner may not hold so many more bytes."""
    if not bounds.stored_bytes or more < 0:
        return
    held = held_bytes(session, files)
    if held + more > bounds.stored_bytes:
        raise BoundError(
            "You have {used:,.1f} MB stored, this needs {more:,.1f} MB more, and you may have {most:,.1f} MB. Delete runs, datasets or "
            "conversations that you do not need, and empty the bin.",
            kind="bounds.bytes", used=held / 1e6, more=more / 1e6, most=bounds.stored_bytes / 1e6,
        )  # fmt: skip


def held_bytes(session: Session, files: Files) -> int:
    """Bytes that the session's owner holds, in the bin or not: the one place where they are counted.

    Sizes of folders stand in the rows, so that few folders are read: those that changed since, and of runs that have not ended. Such a
    run counts as what it is expected to hold, if that is more.
    """
    with own(session):
        held = sum(session.scalar(select(func.coalesce(func.sum(table.size_bytes), 0))) or 0 for table in (Chat, Vote, Dataset, Run))
        datasets = session.scalars(select(Dataset.id).where(Dataset.size_bytes.is_(None))).all()
        runs = session.execute(select(Run.id, Run.status, Run.expected_bytes).where(Run.size_bytes.is_(None))).all()
        held += sum(_measured(session, Dataset, dataset_id, files.dataset_folder(dataset_id)) for dataset_id in datasets)
        for run_id, status, expected in runs:
            if RunStatus(status).ended:
                held += _measured(session, Run, run_id, files.run_folder(run_id))
            else:
                held += max(folder_size(files.run_folder(run_id)), expected)
    return int(held)


def _measured(session: Session, table: type[Dataset] | type[Run], row_id: str, folder: Path) -> int:
    """The bytes of a folder, which are kept where the session writes."""
    size = folder_size(folder)
    if not session.connection().get_execution_options().get("reading"):
        session.execute(update(table).where(table.id == row_id).values(size_bytes=size))
    return size
