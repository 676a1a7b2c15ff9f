"""A page that is HTML and nothing else: no events, no requests of its own, in the colours that the browser prefers."""

import secrets

from fastapi.responses import HTMLResponse

from app.components import html
from app.components.theme import CSS, STATIC
from app.words import say, spoken

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; {scripts}form-action {forms}; base-uri 'none'"
"""Whose frames may show it is said of all answers in one place, app/routes/refusals.py."""


def nonce() -> str:
    """What names the scripts of one answer."""
    return secrets.token_urlsafe(16)


def page(
    title: str, body: str, *, status: int = 200, headers: dict[str, str] | None = None, script: str = "", forms: bool = False,
    wide: bool = False,
) -> HTMLResponse:  # fmt: skip
    """A page that nobody keeps.

    Args:
        title: of the window; not escaped yet.
        body: HTML of ours, in which all that comes from elsewhere is escaped.
        status: of the answer.
        headers: besides those of all such pages.
        script: the nonce of the scripts in the body that are run; none are without it.
        forms: whether it sends forms to the studio.
        wide: whether it holds a table.
    """
    colours, own = ((STATIC / name).read_text(encoding="utf-8") for name in ("report.css", "plain.css"))
    content = (
        f'<!DOCTYPE html><html lang="{spoken()}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="robots" content="noindex"><title>{html.text(title)} · {say("studio.name")}</title>'
        f"<style>{colours}{CSS}{own}</style></head><body{' class=rs-wide' if wide else ''}>{body}</body></html>"
    )
    policy = _POLICY.format(scripts=f"script-src 'nonce-{script}'; " if script else "", forms="'self'" if forms else "'none'")
    answered = {"Cache-Control": "no-store", "Content-Security-Policy": policy, "X-Robots-Tag": "noindex", **(headers or {})}
    return HTMLResponse(content, status_code=status, headers=answered)


def header(link: str = "", end: str = "") -> str:
    """The studio's name, linked if ``link`` says to where, and what stands at the other end."""
    return f'<header class="rs-header">{html.brand(link)}{end}</header>'


def nothing() -> HTMLResponse:
    """What is answered alike whatever the reason is that nothing is shown."""
    body = f"{header()}<main class='rs-shared'>{html.title(say('shares.nothing'), say('shares.nothing_why'))}</main>"
    return page(say("shares.nothing"), body, status=404, headers={"Referrer-Policy": "no-referrer"})
