"""The routes by which the Playground's script looks at a column: what it asks for in JSON is answered in JSON. Never imports torch."""

from functools import partial

from fastapi import FastAPI, Request, Response

from app.handlers import seen
from app.routes.answers import Answers
from app.services import Services

_AT_ONCE = 8
"""Looks that are under way; others wait for them, and whoever leaves ends their own."""


def offer_looks(app: FastAPI, services: Services) -> None:
    """Add the routes to an app."""
    answers = Answers(_AT_ONCE)

    @app.post("/play/separation")
    async def separation(request: Request) -> Response:
        return await answers.while_there(request, partial(seen.separation, services))

    @app.post("/play/map")
    async def edit_map(request: Request) -> Response:
        return await answers.while_there(request, partial(seen.edit_map, services))

    @app.post("/play/lens")
    async def lens(request: Request) -> Response:
        return await answers.while_there(request, partial(seen.lens, services))

    @app.post("/play/tints")
    async def tints(request: Request) -> Response:
        return await answers.while_there(request, partial(seen.tints, services))
