"""The operators' page. For anybody else its routes are not there: whatever answers an address that nobody has answers theirs."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

from app.components import plain
from app.handlers import operators
from app.pages import operators_html
from app.people.file import People
from app.people.gate import person_of
from app.people.seen import LastSeen
from app.routes.answers import Answers
from app.routes.forms import FORM, fields
from app.services import Services
from app.words import say
from storage import NotFoundError

PATH = "/operator"
_AT_ONCE = 2


class OperatorsOnly(APIRoute):
    """A route that matches no request of anybody but an operator."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See Starlette's `Route`."""
        person = person_of(scope)
        return super().matches(scope) if person is not None and person.operator else (Match.NONE, {})


def offer_operators(app: FastAPI, services: Services, people: People | None, seen: LastSeen) -> None:
    """Add the page and what can be done on it. The handlers ask once more who asks."""
    answers = Answers(_AT_ONCE)

    def page(done: str) -> Response:
        told = _told(done)
        return plain.page(
            say("operators.title"), operators_html.page(operators.overview(services, people, seen), told), forms=True, wide=True
        )

    async def shown(request: Request) -> Response:
        return await answers.give(lambda: page(request.query_params.get("done", "")))

    def acting(field: str, done: str, act: Callable[[Services, str], None]) -> Callable[[Request], Any]:
        def perform(body: bytes) -> Response:
            form = fields(body)
            if form.get("sure") == "yes":
                try:
                    act(services, form.get(field, ""))
                except NotFoundError:
                    return plain.nothing()
            return RedirectResponse(f"../operator?done={done}", status_code=303, headers={"Cache-Control": "no-store"})

        async def acted(request: Request) -> Response:
            return await answers.to(request, perform, FORM)

        return acted

    for path, method, route in (
        (PATH, "GET", shown),
        (f"{PATH}/stop", "POST", acting("run", "stop", operators.stop)),
        (f"{PATH}/sessions", "POST", acting("person", "sessions", operators.end_sessions)),
    ):
        app.router.add_api_route(path, route, methods=[method], route_class_override=OperatorsOnly, response_model=None)


def _told(done: str) -> str:
    return {"stop": say("operators.done_stop"), "sessions": say("operators.done_sessions")}.get(done, "")
