"""Keys of requests: what was made for one is found again when the request comes twice, because its answer was lost on its way."""

from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.tables import Chat, Run, Vote

Made = TypeVar("Made", Chat, Run, Vote)


def made_for(session: Session, table: type[Made], start_key: str | None) -> Made | None:
    """The row that was made for a key, if there is one; one in the bin gives its key away."""
    row = session.scalars(select(table).where(table.start_key == start_key)).first() if start_key else None
    if row is not None and row.binned_at is not None:
        row.start_key = None
        session.flush()
        return None
    return row
