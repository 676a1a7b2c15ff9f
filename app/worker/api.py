"""The worker's HTTP interface: JSON and streams of JSON lines, no pickle."""

import asyncio
import contextvars
import json
import logging
import os
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse

from app.words import say, say_error
from app.words.http import Speaking
from app.worker.messages import ChatRequest, CheckRequest, DescribeRequest, PreviewRequest, ProbeRequest
from app.worker.preview import preview_rows
from app.worker.resident import Resident
from app.worker.row_checks import Load
from reft_engine import DataError, Message, ReftConfig, ReftError, TrainConfig, stream
from reft_engine.data import AnyExample, RowCheck, examples_of_data
from storage import StorageError

_log = logging.getLogger("reft_studio.worker")


def make_app(resident: Resident) -> FastAPI:
    """The worker's HTTP interface."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Speaking)

    @app.exception_handler(ReftError)
    @app.exception_handler(StorageError)
    def refuse(_request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": say_error(error)}, status_code=400)

    @app.get("/health")
    def health() -> dict[str, Any]:
        return {"pid": os.getpid(), "training": resident.training_run, "trouble": resident.trouble}

    @app.post("/describe")
    def describe(request: DescribeRequest) -> dict[str, Any] | None:
        base = resident.base(request.base) if request.load else resident.loaded(request.base)
        return None if base is None else {
            "name": base.name, "layers": base.layers, "hidden_size": base.hidden_size, "parameters": base.parameters,
            "context": base.context, "device": str(base.device),
        }  # fmt: skip

    @app.post("/preview")
    def preview(request: PreviewRequest) -> list[dict[str, Any]]:
        base = resident.tokenizer(request.base) or resident.base(request.base)
        return preview_rows(base, _examples(request.rows), ReftConfig.read(request.reft), request.max_length)

    @app.post("/check")
    def check(request: CheckRequest) -> RowCheck | None:
        base = resident.tokenizer(request.base, request.revision)
        if base is None:
            return None
        digest, load = _rows(resident, request)
        reft, train = ReftConfig.read(request.reft), TrainConfig.read(request.train)
        return resident.checks.check(digest, load, base, reft, train, request.file_rows)

    @app.post("/probe")
    def probe(request: ProbeRequest) -> dict[str, Any] | None:
        timed = resident.probe(request.dataset, request.base, ReftConfig.read(request.reft), TrainConfig.read(request.train))
        return asdict(timed) if timed else None

    @app.post("/chat")
    async def chat(request: ChatRequest) -> StreamingResponse:
        return StreamingResponse(_chat_lines(resident, request), media_type="application/x-ndjson")

    return app


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


async def _chat_lines(resident: Resident, request: ChatRequest) -> AsyncIterator[str]:
    """Stream JSON lines from a thread that generates; the thread stops when the client disconnects."""
    loop, lines, disconnected = asyncio.get_running_loop(), asyncio.Queue[dict[str, Any] | None](), threading.Event()

    def put(line: dict[str, Any] | None) -> None:
        loop.call_soon_threadsafe(lines.put_nowait, line)

    def work() -> None:
        try:
            for line in _chat(resident, request, disconnected):
                put(line)
        except (ReftError, StorageError) as error:
            put({"error": say_error(error)})
        except Exception:  # noqa: BLE001 (the edge of a thread: the client waits for an answer)
            _log.exception("chat failed")
            put({"error": say("engine.could_not_answer")})
        finally:
            put(None)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True)
    thread.start()
    try:
        while (line := await lines.get()) is not None:
            yield json.dumps(line, ensure_ascii=False) + "\n"
    finally:
        disconnected.set()


def _chat(resident: Resident, request: ChatRequest, disconnected: threading.Event) -> Any:
    runs = [resident.run(column) if column else None for column in request.columns]
    base = next((run[0] for run in runs if run), None) or resident.base(request.base)
    if any(run and run[0] is not base for run in runs):
        raise StorageError(say("engine.different_bases"))
    messages = [Message(message.role, message.content) for message in request.messages]  # type: ignore[arg-type]
    edits = [run[1] if run else None for run in runs]
    was_training = [(edit, edit.training) for edit in edits if edit is not None]
    with resident.base_lock.for_chat():
        for edit, _ in was_training:
            edit.eval()
        try:
            for delta in stream(
                base, messages, edits, max_new_tokens=request.max_new_tokens, temperature=request.temperature,
                seed=request.seed, strength=request.strength, should_stop=disconnected.is_set, memory=resident.prompt_cache(base),
            ):  # fmt: skip
                yield {"column": delta.column, "text": delta.text, "ended": delta.ended}
        finally:
            for edit, training in was_training:
                edit.train(training)
    yield {"done": True}
