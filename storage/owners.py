"""Whose rows a session sees and writes: those of one owner, or everybody's. The one place where rows are told apart by owner."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event, func, select, update
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria

from storage.tables import Chat, Dataset, DatasetVersion, Event, Metric, Owned, Preset, Run, RunGroup, Sample, Share, Vote

OWNER = "owner"
"""Of a session's ``info``: whose rows it sees; missing or None for everybody's."""


def owner_of(session: Session) -> str | None:
    """Whose rows the session sees; None for everybody's."""
    owner: str | None = session.info.get(OWNER)
    return owner


OWNED = (Dataset, Run, RunGroup, Preset, Chat, Vote, Share)
"""Tables whose rows have owners."""


@contextmanager
def everybody(session: Session) -> Iterator[Session]:
    """See everybody's rows meanwhile: for counters and places of the queue, which all share; what is read is not to be shown."""
    with seen_as(session, None):
        yield session


@contextmanager
def own(session: Session) -> Iterator[str]:
    """See the rows of whoever adds some in this session, whose owner this is: the local person where it sees everybody's."""
    owner = owner_of(session) or ""
    with seen_as(session, owner):
        yield owner


@contextmanager
def seen_as(session: Session, owner: str | None) -> Iterator[None]:
    """See the rows of one owner meanwhile, or everybody's."""
    before = owner_of(session)
    session.info[OWNER] = owner
    try:
        yield
    finally:
        session.info[OWNER] = before


@event.listens_for(Session, "do_orm_execute")
def _see_ones_own(state: ORMExecuteState) -> None:
    """Add the owner to every query, change and removal of mapped rows; rows of a run or a dataset are seen by whoever owns that."""
    owner = owner_of(state.session)
    if owner is None or state.is_column_load or not (state.is_select or state.is_update or state.is_delete):
        return
    runs, datasets = select(Run.id).where(Run.owner == owner), select(Dataset.id).where(Dataset.owner == owner)
    state.statement = state.statement.options(
        with_loader_criteria(Owned, lambda table: table.owner == owner, include_aliases=True),
        *(with_loader_criteria(table, table.run_id.in_(runs), include_aliases=True) for table in (Event, Metric, Sample)),
        with_loader_criteria(DatasetVersion, DatasetVersion.dataset_id.in_(datasets), include_aliases=True),
    )


@event.listens_for(Session, "before_flush")
def _write_ones_own(session: Session, _context: Any, _instances: Any) -> None:
    """New rows belong to whose session it is."""
    owner = owner_of(session)
    if owner is None:
        return
    for row in session.new:
        if isinstance(row, Owned):
            row.owner = owner


def hand_over(session: Session, owner: str, heir: str) -> int:
    """Make the rows of one owner those of another, in a session that sees everybody's; returns how many.

    A name or key that the heir has already is changed or dropped, so that both rows stay.
    """
    for preset in session.scalars(select(Preset).where(Preset.owner == owner)):
        taken = select(Preset.id).where(Preset.owner == heir, Preset.name == preset.name)
        if session.scalar(taken) is not None:
            preset.name = f"{preset.name[:180]} ({preset.id})"
    for table in (Run, Chat, Vote):
        keys = select(table.start_key).where(table.owner == heir, table.start_key.is_not(None))
        session.execute(update(table).where(table.owner == owner, table.start_key.in_(keys)).values(start_key=None))
    session.flush()
    count = 0
    for owned in OWNED:
        count += session.scalar(select(func.count()).select_from(owned).where(owned.owner == owner)) or 0
        session.execute(update(owned).where(owned.owner == owner).values(owner=heir))
    return count
