"""The HTTP routes of mixes: runs to choose, what they answer before, and the run that is kept. Never imports torch."""

from fastapi import FastAPI, Request, Response

from app.given import read_as
from app.handlers import mix_panel
from app.routes.answers import Answers
from app.routes.play import streamed
from app.services import Services

_AT_ONCE = 4


def offer_mixes(app: FastAPI, services: Services) -> None:
    """Add the routes to an app."""
    answers = Answers(_AT_ONCE)

    @app.post("/play/mix/choices")
    async def choices(request: Request) -> Response:
        return await answers.to(request, lambda body: mix_panel.choices(services, read_as(mix_panel.Choosing, body)))

    @app.post("/play/mix/samples")
    async def samples(request: Request) -> Response:
        return await answers.to(request, lambda body: streamed(mix_panel.samples(services, read_as(mix_panel.Trying, body))))

    @app.post("/play/mix")
    async def keep(request: Request) -> Response:
        return await answers.to(request, lambda body: mix_panel.keep(services, read_as(mix_panel.Keeping, body)))
