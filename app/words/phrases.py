"""Times, sizes and statuses in words."""

from datetime import UTC, datetime

from app.words import say
from storage import RunRecord


def short(value: object, limit: int) -> str:
    """Text, truncated to ``limit`` characters; not escaped."""
    full = str(value)
    return full if len(full) <= limit else full[: limit - 1] + "…"


def ago(moment: datetime) -> str:
    """Time since a moment, in words."""
    seconds = (datetime.now(UTC) - moment).total_seconds()
    for unit, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= unit:
            return say(f"time.ago.{name}", count=int(seconds // unit))
    return say("time.now")


def duration(seconds: float) -> str:
    """Seconds in words."""
    if seconds < 90:
        return say("time.seconds", count=max(1, round(seconds)))
    if seconds < 5400:
        return say("time.minutes", count=round(seconds / 60))
    return say("time.hours", count=seconds / 3600)


def size(count: int) -> str:
    """Bytes in words."""
    if count < 1_000_000:
        return say("size.kilobytes", count=count / 1000)
    if count < 100_000_000:
        return say("size.megabytes", count=count / 1e6)
    if count < 1_000_000_000:
        return say("size.hundreds_of_megabytes", count=count / 1e6)
    return say("size.gigabytes", count=count / 1e9)


def figure(value: float | None) -> str:
    """A number that is no share, to two digits that say something; None is no number."""
    if value is None:
        return say("number.none")
    if 0 < value < 0.001:
        return say("number.under", value=0.001)
    return f"{value:.2g}" if value < 0.1 else f"{value:,.2f}"


def percent(share: float | None) -> str:
    """A share in per cent; None is no number."""
    if share is None:
        return say("number.none")
    return f"{share:.0%}" if share >= 0.1 or share == 0 else f"{share:.1%}"


def status_word(run: RunRecord) -> str:
    """A run's status in a word."""
    return say(f"status.{run.status}")
