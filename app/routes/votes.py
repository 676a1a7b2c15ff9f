"""The HTTP routes of blind votes and of fixes by example, which the Playground's scripts ask. Never imports torch."""

from functools import partial
from typing import Any

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app import limits
from app.given import read_as
from app.handlers import fixes, vote_pairs, votes
from app.routes.answers import Answers
from app.services import Services

_AT_ONCE = 8


def offer_votes(app: FastAPI, services: Services) -> None:
    """Votes: cast, taken back, counted, cleared and brought back, made a dataset, and taken away."""
    answers = Answers(_AT_ONCE)

    @app.post("/play/votes")
    async def cast(request: Request) -> Response:
        return await answers.to(request, partial(_cast, services))

    @app.get("/play/votes")
    async def tally() -> Response:
        return await answers.give(lambda: votes.tally_as_data(votes.tally(services)))

    @app.post("/play/votes/{vote_id}/delete")
    async def take_back(vote_id: str) -> Response:
        return await answers.give(partial(_take_back, services, vote_id))

    @app.post("/play/votes/clear")
    async def clear() -> Response:
        return await answers.give(partial(_clear, services))

    @app.post("/play/votes/restore")
    async def restore(request: Request) -> Response:
        return await answers.to(request, partial(_restore, services))

    @app.post("/play/votes/dataset")
    async def dataset(request: Request) -> Response:
        return await answers.to(request, partial(_dataset, services))

    @app.get(f"/files/{vote_pairs.FILE}")
    async def exported() -> Response:
        return await answers.file(lambda: (vote_pairs.FILE, vote_pairs.export_rows(services)), "application/x-ndjson")


def offer_fixes(app: FastAPI, services: Services) -> None:
    """Fixes by example: a corrected answer, what there is to learn, and a run that learns it."""
    answers = Answers(_AT_ONCE)

    @app.post("/play/fix")
    async def fix(request: Request) -> Response:
        return await answers.to(request, partial(_fix, services))

    @app.get("/play/fixes")
    async def state(run: str) -> Response:
        return await answers.give(lambda: fixes.state_as_data(fixes.state(services, run)))

    @app.post("/play/train_on_fixes")
    async def train(request: Request) -> Response:
        return await answers.to(request, partial(_train, services))


def _cast(services: Services, content: bytes) -> dict[str, Any]:
    made = votes.cast(services, read_as(votes.Cast, content))
    return {"id": made.id, "names": made.names, "count": made.count}


def _clear(services: Services) -> dict[str, Any]:
    count, moment = votes.clear(services)
    return {"cleared": count, "moment": moment, "tally": votes.tally_as_data(votes.tally(services))}


def _take_back(services: Services, vote_id: str) -> dict[str, Any]:
    moment = votes.take_back(services, vote_id)
    return {"moment": moment, "tally": votes.tally_as_data(votes.tally(services))}


def _restore(services: Services, content: bytes) -> dict[str, Any]:
    count = votes.restore(services, read_as(_Moment, content).moment)
    return {"restored": count, "tally": votes.tally_as_data(votes.tally(services))}


def _dataset(services: Services, content: bytes) -> dict[str, Any]:
    return vote_pairs.dataset_as_data(*vote_pairs.make_dataset(services, read_as(_Named, content).name))


class _Moment(BaseModel):
    """When the votes were cleared that are to come back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    moment: str = Field(max_length=60)


class _Named(BaseModel):
    """The name of a dataset; without one it gets one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field("", max_length=1000)


class _Fix(BaseModel):
    """A fix as the page sends it; see `fixes.fix`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str = Field(min_length=1, max_length=64)
    messages: tuple[votes.CastMessage, ...] = Field(min_length=1, max_length=limits.MESSAGES)
    answer: str
    instead: str = ""


class _Train(BaseModel):
    """A request to learn what was fixed; see `fixes.train_on_fixes`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str = Field(min_length=1, max_length=64)
    page_key: str = Field("", max_length=100)
    epochs: int | None = Field(None, ge=1, le=100_000)


def _fix(services: Services, content: bytes) -> dict[str, Any]:
    asked = read_as(_Fix, content)
    messages = [(message.role, message.content) for message in asked.messages]
    return fixes.fixed_as_data(fixes.fix(services, asked.run, messages, asked.answer, asked.instead))


def _train(services: Services, content: bytes) -> dict[str, Any]:
    asked = read_as(_Train, content)
    now = fixes.state(services, asked.run)
    return fixes.trained_as_data(fixes.train_on_fixes(services, now, asked.page_key, asked.epochs), now)
