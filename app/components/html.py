"""Pieces of HTML. Whatever comes from a person, a file or a model goes through `text` and is shown, never interpreted."""

from datetime import UTC, datetime
from html import escape

from storage import RunRecord, RunStatus

PAGES = (("./", "Home"), ("data", "Data"), ("train", "Train"), ("runs", "Runs"), ("playground", "Playground"))
_SHOWN_TEXT = 600


def short(value: object, limit: int) -> str:
    """Text, cut where it is too long; not for HTML."""
    shown = str(value)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def text(value: object, limit: int = _SHOWN_TEXT) -> str:
    """Text from anywhere, made harmless and short."""
    return escape(short(value, limit), quote=True)


def term(word: str, meaning: str) -> str:
    """A word of the field, explained on hover."""
    return f'<abbr title="{text(meaning)}" tabindex="0">{text(word)}</abbr>'


def header(active: str) -> str:
    """Brand and navigation."""
    links = "".join(f'<a href="{path}"{" class=active aria-current=page" if name == active else ""}>{name}</a>' for path, name in PAGES)
    mark = '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M3 17c4 0 4-10 9-10s5 10 9 10"/><circle cx="12" cy="7" r="2.6"/></svg>'
    brand = f'<a class="rs-brand" href="./">{mark}<span>ReFT Studio</span></a>'
    return f'<header class="rs-header">{brand}<nav aria-label="Pages">{links}</nav></header>'


def title(name: str, line: str) -> str:
    """A page's head line; ``line`` is ours and may hold terms."""
    return f'<div class="rs-title"><h1>{text(name)}</h1><p>{line}</p></div>'


def notice(message: str, kind: str = "info") -> str:
    """A sentence that is not to be overlooked."""
    return f'<div class="rs-notice {kind}" role="status">{text(message)}</div>'


def refusal(message: str, count: int = 0) -> str:
    """Why something was not done, for a place that reads out what changes; another ``count`` makes the same sentence a new one."""
    return f'<div class="rs-notice bad" data-told="{count}">{text(message)}</div>'


def empty(message: str, link: str, label: str) -> str:
    """What stands where nothing is yet, and the way on."""
    return f'<div class="rs-empty"><p>{text(message)}</p><a class="rs-button" href="{text(link)}">{text(label)}</a></div>'


def ago(moment: datetime) -> str:
    """How long ago, in words."""
    seconds = (datetime.now(UTC) - moment).total_seconds()
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {name}{'s' if count != 1 else ''} ago"
    return "just now"


def duration(seconds: float) -> str:
    """Seconds in words."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def size(count: int) -> str:
    """Bytes in words."""
    if count < 1_000_000:
        return f"{count / 1000:,.0f} kB"
    return f"{count / 1e6:,.1f} MB" if count < 1_000_000_000 else f"{count / 1e9:,.1f} GB"


STATUS_WORDS = {
    RunStatus.QUEUED: ("Waiting", "info"),
    RunStatus.PREPARING: ("Preparing", "live"),
    RunStatus.TRAINING: ("Training", "live"),
    RunStatus.CHECKING: ("Checking", "live"),
    RunStatus.FINISHED: ("Finished", "good"),
    RunStatus.STOPPING: ("Stopping", "live"),
    RunStatus.STOPPED: ("Stopped", "info"),
    RunStatus.INTERRUPTED: ("Interrupted", "warn"),
    RunStatus.FAILED: ("Failed", "bad"),
}
"""A word for each status, and its colour."""


def status_word(run: RunRecord) -> str:
    """A run's status in a word."""
    return STATUS_WORDS[run.status][0]
