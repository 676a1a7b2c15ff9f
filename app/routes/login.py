"""The page where people of a team log in, and its routes: the only ones that strangers reach."""

from collections.abc import Mapping
from math import ceil
from urllib.parse import urlsplit

import anyio
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from app.components import html, plain
from app.people.attempts import Attempts
from app.people.file import People, compared
from app.people.login import PATH, address
from app.people.who import COOKIE, LASTS, token_of
from app.words import say
from storage.sessions import SessionStore

_MOST = 10_000
"""Bytes of a form."""
_LONGEST = 100_000
"""Characters of an address, more than any that a browser is sent to."""
_AT_ONCE = 2
"""Pass phrases that are verified at the same time: each takes 64 MB and a core for some tens of milliseconds."""


def offer_login(app: FastAPI, people: People, sessions: SessionStore, *, attempts: Attempts | None = None) -> None:
    """The page, the form that it sends, and the end of a session."""
    counted = attempts or Attempts()
    limiter = anyio.CapacityLimiter(_AT_ONCE)

    @app.get(PATH)
    def page(request: Request) -> Response:
        return _page(_goes_on(request))

    @app.post(PATH)
    async def log_in(request: Request) -> Response:
        goes_on = _goes_on(request)
        length = request.headers.get("content-length", "")
        if not length.isdecimal() or len(length) > 9 or int(length) > _MOST:
            return _page(goes_on, say("login.too_long"), status=413)
        form = await request.form(max_files=0, max_fields=10, max_part_size=_MOST)
        name, pass_phrase = str(form.get("username") or "").strip(), str(form.get("password") or "")
        host = request.client.host if request.client else ""
        if wait := counted.attempt(host, compared(name)):
            return _page(goes_on, say("login.wait", minutes=ceil(wait / 60)), 429, {"Retry-After": str(ceil(wait))}, name)
        member = await anyio.to_thread.run_sync(people.verify, name, pass_phrase, limiter=limiter)
        if member is None:
            return _page(goes_on, say("login.wrong"), 401, name=name)
        counted.succeeded(host, compared(name))
        token = await anyio.to_thread.run_sync(sessions.begin, member.id, LASTS)
        answer = RedirectResponse(goes_on, status_code=303)
        secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, token, max_age=int(LASTS.total_seconds()), httponly=True, samesite="lax", secure=secure, path="/")
        return answer

    @app.post("/logout")
    def log_out(request: Request) -> Response:
        if token := token_of(request.scope):
            sessions.end(token)
        answer = RedirectResponse(PATH, status_code=303)
        answer.delete_cookie(COOKIE, path="/")
        # What pages keep in the browser, such as what was typed, is not for whoever logs in there next.
        answer.headers["Clear-Site-Data"] = '"storage"'
        return answer


def _goes_on(request: Request) -> str:
    """The page of ours that somebody wanted; never another site's."""
    wanted = request.query_params.get("next", "")
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return "/"
    is_ours = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and not parts.netloc and wanted.isprintable()
    return wanted if is_ours and "\\" not in wanted else "/"


def _page(goes_on: str, sentence: str = "", status: int = 200, headers: Mapping[str, str] | None = None, name: str = "") -> HTMLResponse:
    """The page; ``name`` is what was typed before, so that only the pass phrase has to be typed again."""
    refusal = f'<p class="rs-notice bad" role="alert">{html.text(sentence)}</p>' if sentence else ""
    first, then = ("", " autofocus") if name else (" autofocus", "")
    body = (
        f'{plain.header()}<main class="rs-login"><form class="rs-card" method="post" action="{html.text(address(goes_on), _LONGEST)}">'
        f"<h1>{say('login.title')}</h1>{refusal}"
        f'<label>{say("login.name")}<input type="text" name="username" value="{html.text(name, 64)}" autocomplete="username"'
        f' autocapitalize="none" spellcheck="false" required{first} maxlength="64"></label>'
        f'<label>{say("login.pass_phrase")}<input name="password" type="password" autocomplete="current-password" required{then}'
        f' maxlength="200"></label><button class="first">{say("login.send")}</button></form></main>'
    )
    return plain.page(say("login.send"), body, status=status, headers=dict(headers or {}), forms=True)
