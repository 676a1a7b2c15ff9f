"""The routes of links that people share: what one shows to others, read in its owner's name. Nothing is written."""

from collections.abc import Callable

from fastapi import FastAPI, Request, Response
from starlette.types import Scope

from app.components import plain
from app.errors import READABLE
from app.handlers import shared, shares
from app.pages import shared_html
from app.people.asking import Person, asked_by
from app.people.gate import person_of
from app.routes.answers import NOT_SHOWN, Answers
from app.services import Services
from storage import UnavailableError
from storage.shares import ShareRecord

_AT_ONCE = 4
_PATH = "/shared/"
_MOST_ROWS = 10**9
_ALONE = {"Referrer-Policy": "no-referrer"}
"""Links lead nowhere else, and where they lead they are not told."""


def opens_for_strangers(services: Services, is_member: Callable[[str], bool]) -> Callable[[Scope], bool]:
    """Whether somebody who is not logged in may have an answer, as the gate asks it: of the address of a link for anyone alone."""

    def opens(scope: Scope) -> bool:
        path: str = scope["path"]
        if not services.settings.share_with_strangers or scope["method"] not in ("GET", "HEAD") or not path.startswith(_PATH):
            return False
        token = path.removeprefix(_PATH).removesuffix("/adapter.zip")
        return shares.opened(services, token, signed_in=False, is_member=is_member) is not None

    return opens


def offer_shared(app: FastAPI, services: Services, is_member: Callable[[str], bool]) -> None:
    """What links show. A link that opens nothing, for whatever reason, is answered with the same page."""
    answers = Answers(_AT_ONCE)

    async def shown(request: Request, token: str, make: Callable[[ShareRecord], Response]) -> Response:
        signed_in = person_of(request.scope) is not None

        def answer() -> Response:
            found = shares.opened(services, token, signed_in=signed_in, is_member=is_member)
            if found is None:
                return plain.nothing()
            with asked_by(Person(found.owner, "")):  # whose rows it shows, read only
                try:
                    return make(found)
                except UnavailableError:
                    raise
                except READABLE:
                    return plain.nothing()

        return await answers.give(answer)

    @app.get(f"{_PATH}{{token}}")
    async def page(request: Request, token: str) -> Response:
        return await shown(request, token, lambda share: _page(services, share, token, _number(request.query_params.get("from", ""))))

    @app.get(f"{_PATH}{{token}}/adapter.zip")
    async def adapter(request: Request, token: str) -> Response:
        return await shown(request, token, lambda share: _adapter(services, share))


def _page(services: Services, share: ShareRecord, token: str, offset: int) -> Response:
    if share.kind == "run":
        nonce = plain.nonce()
        view, live = shared.run(services, share)
        body = shared_html.run(share, view, live, token, nonce)
        return plain.page(view.run.name, body, script=nonce, headers=_ALONE)
    if share.kind == "dataset":
        rows = shared.rows(services, share, offset)
        return plain.page(rows.dataset.dataset.name, shared_html.rows(share, rows, token), headers=_ALONE)
    chat = shared.chat(services, share)
    return plain.page(chat.name, shared_html.chat(share, chat), headers=_ALONE)


def _adapter(services: Services, share: ShareRecord) -> Response:
    name, content = shared.adapter(services, share)
    headers = {**NOT_SHOWN, **_ALONE, "Content-Disposition": f'attachment; filename="{name}"', "X-Robots-Tag": "noindex"}
    return Response(content, media_type="application/zip", headers=headers)


def _number(text: str) -> int:
    """A place that an address names; the first for whatever is none."""
    return min(int(text), _MOST_ROWS) if text.isascii() and text.isdecimal() and len(text) < 12 else 0
