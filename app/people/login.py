"""The page where people of a team log in, and its routes: the only ones that strangers reach."""

from html import escape
from math import ceil
from urllib.parse import quote, urlsplit

import anyio
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from app.people.attempts import Attempts
from app.people.file import People, compared
from app.people.who import COOKIE, LASTS, token_of
from app.words import say
from storage.sessions import SessionStore

PATH = "/login"
_MOST = 10_000
"""Bytes of a form."""
_AT_ONCE = 2
"""Pass phrases that are verified at the same time: each takes 64 MB and a core for some tens of milliseconds."""
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { display: grid; min-height: 100vh; margin: 0; place-items: center; }
body { background: light-dark(#f7f9fb, #0b0f14); color: light-dark(#16202a, #e6edf3); }
form { box-sizing: border-box; width: min(360px, 100vw); padding: 24px; }
h1 { margin: 0 0 16px; font-size: 24px; }
label { display: block; margin: 0 0 12px; font-size: 14px; font-weight: 600; }
input, button { box-sizing: border-box; width: 100%; padding: 10px 12px; border-radius: 8px; font: inherit; }
input { margin-top: 4px; border: 1px solid light-dark(#cbd5e1, #31424d); background: light-dark(#fff, #111820); color: inherit; }
button { border: 0; background: #0f766e; color: #fff; font-weight: 600; cursor: pointer; }
p { margin: 0 0 16px; padding: 10px 12px; border-radius: 8px; background: light-dark(#fdecec, #3b1d1d); }
:focus-visible { outline: 2px solid #14b8a6; outline-offset: 2px; }
"""


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
        address = request.client.host if request.client else ""
        if wait := counted.attempt(address, compared(name)):
            return _page(goes_on, say("login.wait", minutes=ceil(wait / 60)), status=429, headers={"Retry-After": str(ceil(wait))})
        member = await anyio.to_thread.run_sync(people.verify, name, pass_phrase, limiter=limiter)
        if member is None:
            return _page(goes_on, say("login.wrong"), status=401)
        counted.succeeded(address, compared(name))
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


def to_login(path: str, query: str) -> RedirectResponse:
    """Send a stranger to the page, from where they go on to what they wanted."""
    wanted = f"{path}?{query}" if query else path
    return RedirectResponse(PATH if wanted == "/" else f"{PATH}?next={quote(wanted, safe='')}", status_code=303)


def _goes_on(request: Request) -> str:
    """The page of ours that somebody wanted; never another site's."""
    wanted = request.query_params.get("next", "")
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return "/"
    is_ours = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and not parts.netloc and wanted.isprintable()
    return wanted if is_ours and "\\" not in wanted else "/"


def _page(goes_on: str, sentence: str = "", status: int = 200, headers: dict[str, str] | None = None) -> HTMLResponse:
    refusal = f'<p role="alert">{escape(sentence)}</p>' if sentence else ""
    action = PATH if goes_on == "/" else f"{PATH}?next={quote(goes_on, safe='')}"
    content = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(say("login.title"))}</title><style>{_STYLE}</style></head><body><form method="post" action="{escape(action)}">'
        f"<h1>{escape(say('login.title'))}</h1>{refusal}"
        f'<label>{escape(say("login.name"))}<input name="username" autocomplete="username" required autofocus maxlength="64"></label>'
        f'<label>{escape(say("login.pass_phrase"))}<input name="password" type="password" autocomplete="current-password" required'
        f' maxlength="200"></label><button>{escape(say("login.send"))}</button></form></body></html>'
    )
    return HTMLResponse(content, status_code=status, headers={"Cache-Control": "no-store", **(headers or {})})
