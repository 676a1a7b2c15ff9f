"""Moments that a person gives, such as when a run is to begin."""

from datetime import UTC, datetime

from app.errors import StudioError
from app.words import say


def read_moment(text: str | None) -> datetime | None:
    """A moment in ISO 8601 with an offset, as the page makes one of a time of day; None for an empty text. Raises StudioError."""
    given = (text or "").strip()
    if not given:
        return None
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise StudioError(say("runs.start_at.wrong", text=given[:40]))
    return moment.astimezone(UTC)
