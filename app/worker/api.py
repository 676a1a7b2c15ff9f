"""The worker's HTTP interface: JSON and streams of JSON lines, no pickle."""

import asyncio
import contextvars
import json
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse

from app.fair_turns import FairTurns
from app.naming import Named
from app.people.behalf import OnBehalf
from app.people.visitor import asker
from app.words import say, say_error
from app.words.http import Speaking
from app.worker import chat
from app.worker.angles import compare_subspaces
from app.worker.answers import PredictionJobs
from app.worker.fair_work import Disconnected, FairWork, watched
from app.worker.grid import fill_batch, fill_grid
from app.worker.machine import describe_machine
from app.worker.messages import (
    AnglesRequest,
    BatchRequest,
    ChatRequest,
    CheckRequest,
    DescribeRequest,
    GridRequest,
    LensRequest,
    LookRequest,
    MixRequest,
    PredictionsRequest,
    PreviewRequest,
    ProbeRequest,
    RatesRequest,
    SeparationRequest,
    TintsRequest,
)
from app.worker.mixes import work_on_mix
from app.worker.preview import preview_rows
from app.worker.resident import Resident
from app.worker.row_checks import Load
from app.worker.seen import look_through_lens, map_column, prove, tint
from reft_engine import DataError, ReftConfig, ReftError, TrainConfig
from reft_engine.data import AnyExample, RowCheck, examples_of_data
from reft_engine.training import RATE_STEPS
from storage import StorageError

_log = logging.getLogger("reft_studio.worker")
T = TypeVar("T")


def make_app(resident: Resident) -> FastAPI:
    """The worker's HTTP interface."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(OnBehalf)
    app.add_middleware(Speaking)
    app.add_middleware(Named)

    @app.exception_handler(ReftError)
    @app.exception_handler(StorageError)
    def refuse(_request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": say_error(error)}, status_code=400)

    @app.get("/health")
    async def health() -> dict[str, Any]:  # on the event loop: whoever holds all threads does not keep it from answering
        stands = resident.base_lock.stands
        return {"pid": os.getpid(), "training": resident.training_run, "trouble": resident.trouble, "stands": stands}

    @app.get("/machine")
    def machine() -> dict[str, Any]:
        return describe_machine(resident.held_bytes)

    @app.post("/describe")
    def describe(request: DescribeRequest) -> dict[str, Any] | None:
        base = resident.base(request.base) if request.load else resident.tokenizer(request.base)
        return None if base is None else {
            "name": base.name, "layers": base.layers, "hidden_size": base.hidden_size, "parameters": base.parameters,
            "context": base.context, "kind": base.kind, "vocabulary": base.vocabulary, "device": resident.device_of(base),
            "loaded": not base.is_empty,
        }  # fmt: skip

    _offer_counts(app, resident)

    @app.post("/angles")
    def angles(request: AnglesRequest) -> list[dict[str, Any]]:
        return [asdict(each) for each in compare_subspaces(resident, *request.runs)]

    _offer_looks(app, resident)
    _offer_streams(app, resident)
    return app


def _offer_counts(app: FastAPI, resident: Resident) -> None:
    """What tokenises rows: it waits for its turn, and ends when whoever asked has gone."""
    work = FairWork()

    @app.post("/preview")
    async def preview(request: PreviewRequest, http: Request) -> list[dict[str, Any]]:
        def shown(gone: Disconnected) -> list[dict[str, Any]]:
            base = resident.tokenizer(request.base) or resident.base(request.base)
            return preview_rows(base, _examples(request.rows), ReftConfig.read(request.reft), request.max_length, gone.look)

        return await work.do(asker(), http, shown)

    @app.post("/check")
    async def check(request: CheckRequest, http: Request) -> RowCheck | None:
        def counted(gone: Disconnected) -> RowCheck | None:
            base = resident.tokenizer(request.base, request.revision)
            if base is None:
                return None
            digest, load = _rows(resident, request)
            reft, train = ReftConfig.read(request.reft), TrainConfig.read(request.train)
            with resident.checks.while_wanted(gone.look):
                return resident.checks.check(digest, load, base, reft, train, request.file_rows)

        return await work.do(asker(), http, counted)

    @app.post("/probe")
    async def probe(request: ProbeRequest, http: Request) -> dict[str, Any] | None:
        def timed(gone: Disconnected) -> dict[str, Any] | None:
            reft, train = ReftConfig.read(request.reft), TrainConfig.read(request.train)
            with resident.checks.while_wanted(gone.look):
                found = resident.probe(request.dataset, request.base, reft, train, request.precision)
            return asdict(found) if found else None

        return await work.do(asker(), http, timed)


def _offer_looks(app: FastAPI, resident: Resident) -> None:
    """What is looked at in a conversation, unless whoever asked has gone meanwhile."""

    @app.post("/separation")
    async def separation(request: SeparationRequest, http: Request) -> dict[str, Any]:
        return (await watched(http, lambda gone: prove(resident, request, gone.is_set))).to_dict()

    @app.post("/edit_map")
    async def edit_map(request: LookRequest, http: Request) -> dict[str, Any]:
        return (await watched(http, lambda gone: map_column(resident, request, gone.is_set))).to_dict()

    @app.post("/lens")
    async def lens(request: LensRequest, http: Request) -> dict[str, Any]:
        return (await watched(http, lambda gone: look_through_lens(resident, request, gone.is_set))).to_dict()

    @app.post("/tints")
    async def tints(request: TintsRequest, http: Request) -> list[dict[str, Any]]:
        found = await watched(http, lambda gone: tint(resident, request, lambda asked: gone.then(asked.cancel)))
        return [token.to_dict() for token in found]


def _offer_streams(app: FastAPI, resident: Resident) -> None:
    """What is answered line by line."""

    @app.post("/chat")
    async def answers(request: ChatRequest) -> StreamingResponse:
        return _streamed(partial(_chat, resident, request), say("engine.could_not_answer"))

    @app.post("/grid")
    async def grid(request: GridRequest) -> StreamingResponse:
        return _streamed(lambda put, disconnected: fill_grid(resident, request, put, disconnected.is_set), say("engine.could_not_answer"))

    @app.post("/batch")
    async def batch(request: BatchRequest) -> StreamingResponse:
        return _streamed(lambda put, disconnected: fill_batch(resident, request, put, disconnected.is_set), say("engine.could_not_answer"))

    @app.post("/mix")
    async def mix(request: MixRequest) -> StreamingResponse:
        return _streamed(lambda put, disconnected: work_on_mix(resident, request, put, disconnected.is_set), say("engine.failed"))

    turns = FairTurns()

    @app.post("/rates")
    async def rates(request: RatesRequest) -> StreamingResponse:
        rows = resident.dataset_rows(request.dataset)
        reft, train = ReftConfig.read(request.reft), TrainConfig.read(request.train)
        return _streamed(partial(_rates, resident, turns, rows, request, reft, train), say("engine.failed"))

    jobs = PredictionJobs(resident)

    @app.post("/predictions")
    async def predictions(request: PredictionsRequest) -> StreamingResponse:
        resident.storage.runs.get(request.run)  # refused at once if there is none
        return _streamed(partial(_predictions, jobs, request), say("engine.failed"))


def _examples(rows: Sequence[dict[str, Any]]) -> list[AnyExample]:
    try:
        return [example for row in rows for example in examples_of_data(row)]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise DataError(say("engine.no_rows")) from error


def _rows(resident: Resident, request: CheckRequest) -> tuple[str, Load]:
    """A digest of the rows, and a function that opens them. Raises NotFoundError for an unknown dataset."""
    if request.dataset is not None:
        return resident.dataset_rows(request.dataset)
    return resident.upload_rows(request.upload)


Line = dict[str, Any]
Put = Callable[[Line | None], None]


def _streamed(work: Callable[[Put, Disconnected], None], trouble: str) -> StreamingResponse:
    """Stream the lines that ``work`` puts, from a thread; its event is set when the client disconnects."""
    return StreamingResponse(_lines(work, trouble), media_type="application/x-ndjson")


async def _lines(work: Callable[[Put, Disconnected], None], trouble: str) -> AsyncIterator[str]:
    loop, lines, disconnected = asyncio.get_running_loop(), asyncio.Queue[Line | None](), Disconnected()

    def put(line: Line | None) -> None:
        loop.call_soon_threadsafe(lines.put_nowait, line)

    def run() -> None:
        try:
            work(put, disconnected)
        except (ReftError, StorageError) as error:
            put({"error": say_error(error)})
        except Exception:  # noqa: BLE001 (the edge of a thread: the client waits for an answer)
            _log.exception("a stream failed")
            put({"error": trouble})
        finally:
            put(None)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True)
    thread.start()
    try:
        while (line := await lines.get()) is not None:
            yield json.dumps(line, ensure_ascii=False) + "\n"
    finally:
        disconnected.set()


def _rates(
    resident: Resident, turns: FairTurns, rows: tuple[str, Load], request: RatesRequest, reft: ReftConfig, train: TrainConfig, put: Put,
    disconnected: Disconnected,
) -> None:  # fmt: skip
    """Try learning rates, saying how many steps are made."""
    put({"done": 0, "of": RATE_STEPS})  # at once: loading the base model, or a search before this one, takes a while

    def tell(done: int, total: int) -> None:
        put({"done": done, "of": total})

    with turns.turn(asker(), disconnected.is_set) as has_turn:
        found = resident.rates(rows, request.base, reft, train, tell, disconnected.is_set, request.precision) if has_turn else None
    if found is not None:
        put({"found": asdict(found)})


def _predictions(jobs: PredictionJobs, request: PredictionsRequest, put: Put, disconnected: Disconnected) -> None:
    """Say how far predictions are, until they have ended."""
    for line in jobs.follow(request.run, start=request.start, has_left=disconnected.is_set, owner=asker()):
        put(line)
    put({"ended": True})


def _chat(resident: Resident, request: ChatRequest, put: Put, disconnected: Disconnected) -> None:
    """Answer in every column."""
    asked, columns = chat.submit(resident, request, put, disconnected.is_set)
    disconnected.then(asked.cancel)
    chat.answer(asked, columns, put)
