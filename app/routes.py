"""The HTTP routes of the web process: pages, health and downloads, and the requests it refuses. Never imports torch."""

import asyncio
import contextvars
import re
import shutil
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any
from urllib.parse import urlsplit

import gradio as gr
from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse
from starlette.background import BackgroundTask
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from app.batch_routes import offer_batch
from app.chat_routes import offer_chats
from app.components.labels import I18N
from app.components.theme import CSS, STATIC, come_first, head, theme
from app.errors import READABLE
from app.handlers import base_cards, kept, predictions, run_list, run_live, runs, spec, workbench
from app.mix_routes import offer_mixes
from app.pages import build, predictions_html, report_html, runs_html
from app.play_routes import offer_play
from app.route_parts import file_to_take
from app.seen_routes import offer_looks
from app.services import Services
from app.settings import LOOPBACK, Settings
from app.visitor import visited_by
from app.vote_routes import offer_fixes, offer_votes
from app.words import say, say_error
from app.words.http import Speaking

_CLOSED = re.compile(r"(/gradio_api)?/(file|proxy)[=/]")
"""Gradio's own routes to files of this machine, also uploads of others, and to other servers; no page needs them."""

_QUEUE_SECONDS, _PROGRESS_SECONDS = 0.1, 0.5
"""Pauses of Gradio's loops between two looks for an event, and for progress that no page of the studio reports. Its own, of 1 and 10
milliseconds, cost an idle studio 7 % of a core."""

_EVENTS_AT_ONCE = 200
"""Events of the pages that may be under way: each holds a thread, also while it waits for a file to be read. Gradio's own limit is 40."""


def make_app(services: Services) -> FastAPI:
    """The FastAPI app with the pages mounted."""
    settings = services.settings
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/healthz")
    def healthz() -> dict[str, Any]:
        worker = services.worker.health()
        return {"status": "ok", "worker": {"up": worker is not None, "training": worker["training"] if worker else None}}

    @app.get("/alive")
    def alive() -> dict[str, str]:
        return {"status": "ok"}

    _offer_files(app, services)
    offer_chats(app, services)
    _offer_datasets(app, services)
    _follow_readings(app, services)
    _follow_runs(app, services)
    _follow_downloads(app, services)
    offer_play(app, services)
    offer_batch(app, services)
    offer_looks(app, services)
    offer_votes(app, services)
    offer_fixes(app, services)
    offer_mixes(app, services)
    app.add_middleware(_Gate)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=_hosts(settings))
    app.add_middleware(Speaking)
    # Gradio warns of server-side rendering although it is off here.
    warnings.filterwarnings("ignore", message="SSR mode is not supported")
    pages = build(services).queue(default_concurrency_limit=4)
    # Only of pages that were "launched" does Gradio check that a file named in an event was uploaded, not merely readable here.
    pages.has_launched = True
    pages._queue.sleep_when_free, pages._queue.progress_update_sleep_when_free = _QUEUE_SECONDS, _PROGRESS_SECONDS
    pages.max_threads = _EVENTS_AT_ONCE
    come_first()
    mounted: FastAPI = gr.mount_gradio_app(
        app, pages, path="/", i18n=I18N, theme=theme(), css=CSS, head=head(),
        favicon_path=str(STATIC / "icon.svg"), footer_links=[], run_history=False, ssr_mode=False, show_error=False,
        max_file_size=settings.max_upload_mb * 1_000_000, enable_monitoring=False,
    )  # fmt: skip
    return mounted


def _offer_files(app: FastAPI, services: Services) -> None:
    """What a person takes away of a run."""

    @app.get("/files/runs/{run_id}/log.txt")
    def log(run_id: str) -> Response:
        try:
            content = runs.log(services, run_id)
        except READABLE as error:
            return JSONResponse({"error": say_error(error)}, status_code=404)
        return PlainTextResponse(content, headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})

    @app.get("/files/runs/{run_id}/report.html")
    def report(run_id: str) -> Response:
        return file_to_take(lambda: report_html.of_run(services, run_id), "text/html; charset=utf-8")

    @app.get("/files/runs/{run_id}/run.yaml")
    def described(run_id: str) -> Response:
        return file_to_take(lambda: spec.of_run(services, run_id), "application/yaml")

    @app.get("/files/runs/{run_id}/adapter.zip")
    def adapter(run_id: str) -> Response:
        return file_to_take(lambda: runs.adapter_zip(services, run_id), "application/zip")

    @app.get("/files/runs/{run_id}/predictions.{form}")
    def predicted(run_id: str, form: str) -> Response:
        kinds = {"csv": "text/csv; charset=utf-8"}
        return file_to_take(lambda: predictions.export(services, run_id, form), kinds.get(form, "application/x-ndjson"))


def _offer_datasets(app: FastAPI, services: Services) -> None:
    """Datasets that a person takes away."""

    @app.get("/files/datasets/{dataset_id}/{number}.{form}")
    def dataset(dataset_id: str, number: int, form: str) -> Response:
        try:
            name, path = kept.export(services, dataset_id, number, form)
        except READABLE as error:
            return JSONResponse({"error": say_error(error)}, status_code=404)
        gone = BackgroundTask(shutil.rmtree, path.parent, ignore_errors=True)
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        return FileResponse(path, filename=name, media_type="application/octet-stream", headers=headers, background=gone)


def _follow_readings(app: FastAPI, services: Services) -> None:
    """How far an upload is read, and its end on request; of an upload that is not here nobody is told more than that nobody reads it.

    Coroutines, since threads may all wait for files.
    """

    @app.get("/uploads/{token}/reading")
    async def reading(token: str) -> JSONResponse:
        progress = workbench.reading_progress(services, token)
        found = None if progress is None else {"share": round(progress.share, 4), "waits": progress.waits}
        return JSONResponse(found, headers={"Cache-Control": "no-store"})

    @app.post("/uploads/{token}/stop")
    async def stop(token: str, session: str = "", before: int | None = None) -> None:
        if before is None:
            workbench.stop_reading(services, token)
        else:
            with visited_by(session):
                workbench.supersede_reading(services, token, before)


def _follow_runs(app: FastAPI, services: Services) -> None:
    """What pages that are open ask again and again. Threads of their own, because those of the events may all wait for files."""
    threads = ThreadPoolExecutor(4, thread_name_prefix="follow")

    async def answered(ask: Callable[[], Any]) -> JSONResponse:
        said = contextvars.copy_context()  # the language of the browser
        try:
            found = await asyncio.get_running_loop().run_in_executor(threads, said.run, ask)
        except READABLE as error:
            return JSONResponse({"error": say_error(error)}, status_code=503)
        return JSONResponse(found, headers={"Cache-Control": "no-store"})

    @app.get("/follow/runs")
    async def listed(asked: Annotated[run_list.Listed, Query()]) -> JSONResponse:
        return await answered(partial(run_list.page, services, asked))

    @app.get("/follow/runs/changes")
    async def changes(cursor: Annotated[int, Query(ge=0, le=2**62)]) -> JSONResponse:
        return await answered(partial(run_list.changes, services, cursor))

    @app.get("/follow/runs/{run_id}")
    async def one(run_id: str, since: Annotated[run_live.Since, Query()]) -> JSONResponse:
        return await answered(partial(runs_html.live, services, run_id, since))

    @app.get("/follow/runs/{run_id}/predictions")
    async def predicted(run_id: str) -> JSONResponse:
        return await answered(partial(predictions_html.live, services, run_id))

    @app.get("/follow/ended")
    async def ended(cursor: Annotated[int, Query(ge=-1, le=2**62)]) -> JSONResponse:
        return await answered(partial(run_list.ended_since, services, cursor))


def _follow_downloads(app: FastAPI, services: Services) -> None:
    """How far the downloads of base models are."""

    @app.get("/bases/downloads")
    def downloads() -> JSONResponse:
        return JSONResponse(base_cards.downloads_shown(services), headers={"Cache-Control": "no-store"})


def _hosts(settings: Settings) -> list[str]:
    """Host names that a request may have, so that a foreign page cannot reach a laptop's server through its own name."""
    if settings.local:
        return [*LOOPBACK, "[::1]", *settings.allowed_hosts]
    return settings.allowed_hosts or ["*"]


class _Gate:
    """Refuses requests from pages of other sites, and Gradio's closed routes. Plain ASGI, so that streams pass through untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _CLOSED.match(scope["path"]):
            await JSONResponse({"error": say("server.nothing_here")}, status_code=404)(scope, receive, send)
        elif scope["type"] == "http" and _from_another_site(Request(scope)):
            await JSONResponse({"error": say("server.another_site")}, status_code=403)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _from_another_site(request: Request) -> bool:
    origin = request.headers.get("origin")
    if origin is None or request.method in ("GET", "HEAD", "OPTIONS"):
        return False
    here = {request.headers.get("host"), request.headers.get("x-forwarded-host")}
    try:
        return origin == "null" or urlsplit(origin).netloc not in here
    except ValueError:  # brackets that enclose no address
        return True
