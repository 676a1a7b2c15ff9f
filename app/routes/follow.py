"""The routes of what pages that are open ask again and again: readings of uploads, runs, predictions, downloads. Never imports torch."""

from functools import partial
from typing import Annotated

from fastapi import FastAPI, Query, Response
from fastapi.responses import JSONResponse

from app.handlers import base_cards, run_list, run_live, workbench
from app.pages import predictions_html, runs_html
from app.people.visitor import visited_by
from app.routes.answers import NOT_KEPT, Answers
from app.routes.sessions import own_session
from app.services import Services

_AT_ONCE = 4


def follow_readings(app: FastAPI, services: Services) -> None:
    """How far an upload is read, and its end on request; of an upload that is not here nobody is told more than that nobody reads it.

    Coroutines, since threads may all wait for files.
    """

    @app.get("/uploads/{token}/reading")
    async def reading(token: str) -> JSONResponse:
        progress = workbench.reading_progress(services, token)
        found = None if progress is None else {"share": round(progress.share, 4), "waits": progress.waits}
        return JSONResponse(found, headers=NOT_KEPT)

    @app.post("/uploads/{token}/stop")
    async def stop(token: str, session: str = "", before: int | None = None) -> None:
        if before is None:
            workbench.stop_reading(services, token)
        else:
            with visited_by(own_session(session)):
                workbench.supersede_reading(services, token, before)


def follow_runs(app: FastAPI, services: Services) -> None:
    """The list of runs, one run, its predictions, and the downloads of base models.

    In threads of their own, because those of the events may all wait for files.
    """
    answers = Answers(_AT_ONCE)

    @app.get("/follow/runs")
    async def listed(asked: Annotated[run_list.Listed, Query()]) -> Response:
        return await answers.give(partial(run_list.page, services, asked))

    @app.get("/follow/runs/changes")
    async def changes(cursor: Annotated[int, Query(ge=0, le=2**62)]) -> Response:
        return await answers.give(partial(run_list.changes, services, cursor))

    @app.get("/follow/runs/{run_id}")
    async def one(run_id: str, since: Annotated[run_live.Since, Query()]) -> Response:
        return await answers.give(partial(runs_html.live, services, run_id, since))

    @app.get("/follow/runs/{run_id}/predictions")
    async def predicted(run_id: str) -> Response:
        return await answers.give(partial(predictions_html.live, services, run_id))

    @app.get("/follow/ended")
    async def ended(cursor: Annotated[int, Query(ge=-1, le=2**62)]) -> Response:
        return await answers.give(partial(run_list.ended_since, services, cursor))

    @app.get("/bases/downloads")
    async def downloads() -> Response:
        return await answers.give(partial(base_cards.downloads_shown, services))
