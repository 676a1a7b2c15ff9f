"""The HTTP routes of the web process: pages, health and downloads, and the requests it refuses. Never imports torch."""

import warnings
from collections.abc import Callable
from pathlib import Path

import gradio as gr
from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from gradio.utils import get_upload_folder
from starlette.routing import Mount

from app.components.labels import I18N
from app.components.theme import CSS, STATIC, come_first, head, theme
from app.pages import build
from app.people.file import People
from app.people.gate import Gate
from app.people.peers import Peers
from app.people.seen import LastSeen
from app.people.who import BehindProxy, OnePerson, Team, Who
from app.routes.answers import refuse_odd_queries
from app.routes.batch import offer_batch
from app.routes.chats import offer_chats
from app.routes.failures import Failures
from app.routes.files import offer_files
from app.routes.follow import follow_readings, follow_runs
from app.routes.gradio_requests import EVENTS_AT_ONCE, GradioRequests
from app.routes.login import offer_login
from app.routes.looks import offer_looks
from app.routes.me import offer_me
from app.routes.misfits import answer_in_sentences
from app.routes.mixes import offer_mixes
from app.routes.open_requests import OpenRequests
from app.routes.operators import offer_operators
from app.routes.play import offer_play
from app.routes.refusals import Refusals
from app.routes.shared import offer_shared, opens_for_strangers
from app.routes.sharing import offer_sharing
from app.routes.uploads import Kept, offer_uploads
from app.routes.votes import offer_fixes, offer_votes
from app.services import Services
from app.words import say
from app.words.http import Speaking

_QUEUE_SECONDS, _PROGRESS_SECONDS = 0.1, 0.5
"""Pauses of Gradio's loops between two looks for an event, and for progress that no page of the studio reports. Its own, of 1 and 10
milliseconds, cost an idle studio 7 % of a core."""


def make_app(services: Services) -> FastAPI:
    """The FastAPI app with the pages mounted."""
    settings = services.settings
    services = services.seen_by_whoever_asks()
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    asking = CapacityLimiter(2)  # threads of its own, so that it answers when all others wait

    @app.get("/healthz")
    async def healthz() -> JSONResponse:
        worker = await to_thread.run_sync(services.client.health, limiter=asking)
        is_stuck = await to_thread.run_sync(services.client.is_stuck, limiter=asking)
        training = worker["training"] if worker else None
        # Strangers ask as well, and are told that something trains, but not whose run it is.
        told = bool(training) or None if settings.people in ("team", "proxy") else training
        found = {"up": worker is not None, "training": told}
        if is_stuck:
            return JSONResponse({"status": "stuck", "worker": found, "error": say("engine.no_answer")}, 503)
        return JSONResponse({"status": "ok", "worker": found})

    @app.get("/alive")
    def alive() -> dict[str, str]:
        return {"status": "ok"}

    refuse_odd_queries(app)
    offer_files(app, services)
    offer_chats(app, services)
    follow_readings(app, services)
    follow_runs(app, services)
    offer_play(app, services)
    offer_batch(app, services)
    offer_looks(app, services)
    offer_votes(app, services)
    offer_fixes(app, services)
    offer_mixes(app, services)
    who, has_login = _who(services)
    offer_me(app, has_login=has_login)
    people = People(services.everything.files.root)
    if has_login:
        offer_login(app, people, services.everything.sessions)
    is_member = _membership(people, has_login)
    offer_shared(app, services, is_member)
    offer_sharing(app, services)
    seen = LastSeen()
    if settings.has_people:
        offer_operators(app, services, people if has_login else None, seen)
    # In the folder that Gradio takes files from, which `serve` makes that of the data folder's uploads.
    kept = Kept(Path(get_upload_folder()), settings.person_uploads_mb * 1_000_000)
    offer_uploads(app, services, kept)
    app.add_middleware(GradioRequests, uploads=kept, blocks=lambda: pages)
    app.add_middleware(OpenRequests, most=settings.person_requests)
    app.add_middleware(Gate, who=who, has_login=has_login, seen=seen, opens=opens_for_strangers(services, is_member))
    app.add_middleware(Refusals, settings=settings)
    app.add_middleware(Peers, proxies=settings.proxies)
    app.add_middleware(Failures)
    app.add_middleware(Speaking)
    answer_in_sentences()
    # Gradio warns of server-side rendering although it is off here.
    warnings.filterwarnings("ignore", message="SSR mode is not supported")
    pages: gr.Blocks = build(services).queue(default_concurrency_limit=4)
    # Only of pages that were "launched" does Gradio check that a file named in an event was uploaded, not merely readable here.
    pages.has_launched = True
    pages._queue.sleep_when_free, pages._queue.progress_update_sleep_when_free = _QUEUE_SECONDS, _PROGRESS_SECONDS
    pages.max_threads = EVENTS_AT_ONCE
    come_first()
    mounted: FastAPI = gr.mount_gradio_app(
        app, pages, path="/", i18n=I18N, theme=theme(), css=CSS, head=head(settings.people),
        favicon_path=str(STATIC / "icon.svg"), footer_links=[], run_history=False, ssr_mode=False, show_error=False,
        max_file_size=settings.max_upload_mb * 1_000_000, enable_monitoring=False,
    )  # fmt: skip
    for route in mounted.routes:
        if isinstance(route, Mount) and isinstance(route.app, FastAPI):
            refuse_odd_queries(route.app)  # else FastAPI repeats in its answer what was sent
    return mounted


def _who(services: Services) -> tuple[Who, bool]:
    """Who tells who asks, and whether people log in here."""
    settings = services.settings
    if settings.people == "team":
        return Team(People(services.everything.files.root), services.everything.sessions), True
    if settings.people == "proxy":
        return BehindProxy(settings.proxy_header, settings.proxies, settings.operators), False
    return OnePerson(), False


def _membership(people: People, has_login: bool) -> Callable[[str], bool]:
    """Tells whether an owner still belongs to the studio; of people whom a proxy names nobody here knows otherwise."""
    return lambda owner: not has_login or people.find(owner) is not None
