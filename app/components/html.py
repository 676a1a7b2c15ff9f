"""Pieces of HTML. Whatever comes from a person, a file or a model goes through `text` and is shown, never interpreted."""

from html import escape
from zlib import crc32

from app.words import phrases, say
from storage import RunStatus

MENU = ("home", "data", "train", "runs", "playground")
"""The pages that the menu names."""
PAGES = (*MENU, "dataset")
"""All pages, each at the path of its name, the first at the root."""
_SHOWN_TEXT = 600


def text(value: object, limit: int = _SHOWN_TEXT) -> str:
    """Text from anywhere, escaped and truncated."""
    return escape(phrases.short(value, limit), quote=True)


def term(word: str, meaning: str) -> str:
    """A word of the field with a button that explains it, by mouse, touch and keyboard; the browser does it all."""
    name = f"rs-term-{crc32(f'{word}: {meaning}'.encode()):08x}"
    button = f'<button type="button" class="rs-term" popovertarget="{name}">{text(word)}</button>'
    return f'{button}<span id="{name}" class="rs-meaning" popover role="note">{text(meaning)}</span>'


def header(active: str) -> str:
    """Brand and navigation."""
    links = "".join(_link(page, page == active) for page in MENU)
    return f'<header class="rs-header">{brand("./")}<nav aria-label="{say("pages.menu")}">{links}</nav></header>'


def brand(link: str = "") -> str:
    """The studio's mark and name; nothing is linked without ``link``."""
    mark = '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M3 17c4 0 4-10 9-10s5 10 9 10"/><circle cx="12" cy="7" r="2.6"/></svg>'
    inner = f"{mark}<span>{say('studio.name')}</span>"
    return f'<a class="rs-brand" href="{text(link)}">{inner}</a>' if link else f'<span class="rs-brand">{inner}</span>'


def _link(page: str, active: bool) -> str:
    path = "./" if page == PAGES[0] else page
    return f'<a href="{path}"{" class=active aria-current=page" if active else ""}>{say(f"pages.{page}")}</a>'


def title(name: str, line: str) -> str:
    """A page's head line; ``line`` is ours and may hold terms."""
    return f'<div class="rs-title"><h1>{text(name)}</h1><p>{line}</p></div>'


def notice(message: str, kind: str = "info") -> str:
    """A highlighted sentence."""
    return f'<div class="rs-notice {kind}" role="status">{text(message)}</div>'


def refusal(message: str, count: int = 0, kind: str = "bad") -> str:
    """A refusal, for a live region; another ``count`` makes a screen reader read the same sentence again."""
    return f'<div class="rs-notice {kind}" data-told="{count}">{text(message)}</div>'


def mark(is_right: bool) -> str:
    """Whether an answer is the expected one, in a sign and a word."""
    word = say("predictions.is_right" if is_right else "predictions.is_wrong")
    sign, kind = ("✓", "right") if is_right else ("✗", "wrong")
    return f'<span class="rs-mark {kind}"><span aria-hidden="true">{sign}</span> {word}</span>'


def empty(message: str, link: str, label: str) -> str:
    """A message for an empty page, with a link."""
    return f'<div class="rs-empty"><p>{text(message)}</p><a class="rs-button" href="{text(link)}">{text(label)}</a></div>'


STATUS_KINDS = {
    RunStatus.QUEUED: "info",
    RunStatus.PREPARING: "live",
    RunStatus.TRAINING: "live",
    RunStatus.CHECKING: "live",
    RunStatus.FINISHED: "good",
    RunStatus.STOPPING: "live",
    RunStatus.STOPPED: "info",
    RunStatus.INTERRUPTED: "warn",
    RunStatus.FAILED: "bad",
}
"""The colour of each status, by the name of its style."""
