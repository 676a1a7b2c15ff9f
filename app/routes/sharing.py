"""The routes of the page on which a person makes and revokes links to something of their own."""

from collections.abc import Callable
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse

from app.components import plain
from app.errors import READABLE
from app.handlers import shares
from app.pages import shares_html
from app.routes.answers import NOT_KEPT, Answers
from app.routes.forms import FORM, fields
from app.services import Services
from app.words import say, say_error
from storage import NotFoundError, UnavailableError

_AT_ONCE = 4


def offer_sharing(app: FastAPI, services: Services) -> None:
    """Add the routes. What is not one's own is answered as what does not exist."""
    answers = Answers(_AT_ONCE)

    @app.get("/share/{kind}/{target}")
    async def offered(request: Request, kind: str, target: str) -> Response:
        return await answers.give(lambda: _page(services, request, kind, target))

    @app.post("/share/{kind}/{target}")
    async def make(request: Request, kind: str, target: str) -> Response:
        return await answers.to(request, lambda body: _made(services, request, kind, target, fields(body)), FORM)

    @app.post("/share/{kind}/{target}/revoke")
    async def revoke(request: Request, kind: str, target: str) -> Response:
        return await answers.to(request, lambda body: _revoked(services, request, kind, target, fields(body)), FORM)


def _page(services: Services, request: Request, kind: str, target: str, refusal: str = "", status: int = 200) -> Response:
    try:
        found = shares.sharing(services, kind, target)
    except NotFoundError:
        return plain.nothing()
    nonce = plain.nonce()
    body = shares_html.page(found, str(request.base_url), request.query_params.get("made", ""), refusal, nonce)
    return plain.page(say("shares.share"), body, script=nonce, forms=True, status=status)


def _made(services: Services, request: Request, kind: str, target: str, form: dict[str, str]) -> Response:
    def act() -> str:
        with_adapter, anyone = form.get("adapter") == "yes", form.get("anyone") == "yes"
        made = shares.share(services, kind, target, days=form.get("days", ""), with_adapter=with_adapter, anyone=anyone)
        return f"{quote(made.target)}?made={made.id}"

    return _done(services, request, kind, target, act)


def _revoked(services: Services, request: Request, kind: str, target: str, form: dict[str, str]) -> Response:
    def act() -> str:
        shares.revoke(services, kind, target, form.get("share", ""))
        return f"../{quote(target)}"

    return _done(services, request, kind, target, act)


def _done(services: Services, request: Request, kind: str, target: str, act: Callable[[], str]) -> Response:
    """Go on to where ``act`` says, or the page with the sentence of why it was not done."""
    try:
        return RedirectResponse(act(), status_code=303, headers=NOT_KEPT)
    except NotFoundError:
        return plain.nothing()
    except UnavailableError:
        raise
    except READABLE as error:
        return _page(services, request, kind, target, say_error(error), 422)
