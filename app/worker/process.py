"""The worker: ``python -m app.worker.process --data-dir DIR``. Trains queued runs and answers chats.

HTTP on a Unix socket, JSON and streams of JSON lines, no pickle. It ends with its parent, so that no worker outlives
its web process; the next one goes on from the last checkpoint.
"""

import argparse
import asyncio
import fcntl
import hashlib
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from secrets import token_hex
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from app.worker.failures import gone
from app.worker.preview import preview_rows
from app.worker.resident import Resident
from app.worker.row_checks import Load
from app.worker.supervisor import ALREADY_SERVED
from app.worker.training_job import run_job
from reft_engine import Example, ReftConfig, ReftError, TrainConfig, stream
from reft_engine.data import Message, dump_examples, example_of_data
from reft_engine.data.row_check import RowCheck
from reft_engine.errors import DataError
from storage import Storage, StorageError, UnavailableError

_log = logging.getLogger("reft_studio.worker")
_PATIENCE, _LOOK_SECONDS, _BEAT_SECONDS = 2.0, 0.4, 1.0


class Turn(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(extra="forbid")
    role: str = Field(pattern="^(system|user|assistant)$")
    content: str = Field(max_length=200_000)


class ChatRequest(BaseModel):
    """One prompt for several columns; None is the base model, a run's id its edit."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    columns: list[str | None] = Field(min_length=1, max_length=8)
    base: str = Field("starter", max_length=300)
    messages: list[Turn] = Field(min_length=1, max_length=100)
    max_new_tokens: int = Field(128, ge=1, le=2048)
    temperature: float = Field(0.0, ge=0.0, le=5.0)
    seed: int = Field(0, ge=0, le=2**31 - 1)
    strength: float = Field(1.0, ge=-10.0, le=10.0)


class PreviewRequest(BaseModel):
    """Rows to be shown as they are trained."""

    model_config = ConfigDict(extra="forbid")
    base: str = Field("starter", max_length=300)
    rows: list[dict[str, Any]] = Field(max_length=50)
    reft: dict[str, Any] = {}
    max_length: int = Field(512, ge=8, le=1_000_000)


class CheckRequest(BaseModel):
    """Rows to be counted: those of a dataset, or the ones that are given."""

    model_config = ConfigDict(extra="forbid")
    base: str = Field("starter", max_length=300)
    revision: str | None = Field(None, max_length=100)
    dataset: str | None = Field(None, max_length=100)
    rows: list[dict[str, Any]] = Field([], max_length=1_000_000)
    file_rows: int | None = Field(None, ge=0)
    reft: dict[str, Any] = {}
    train: dict[str, Any] = {}


class ProbeRequest(BaseModel):
    """A run that is to be timed."""

    model_config = ConfigDict(extra="forbid")
    base: str = Field("starter", max_length=300)
    dataset: str = Field(max_length=100)
    reft: dict[str, Any] = {}
    train: dict[str, Any] = {}


class DescribeRequest(BaseModel):
    """A base model to be described; with ``load`` also one that is not in memory yet."""

    model_config = ConfigDict(extra="forbid")
    base: str = Field(max_length=300)
    load: bool = True


def make_app(resident: Resident) -> FastAPI:
    """The worker's HTTP interface."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.exception_handler(ReftError)
    @app.exception_handler(StorageError)
    def refuse(_request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": str(error)}, status_code=400)

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
        content, load = _content(resident, request)
        reft, train = ReftConfig.read(request.reft), TrainConfig.read(request.train)
        return resident.checks.check(content, load, base, reft, train, request.file_rows)

    @app.post("/probe")
    def probe(request: ProbeRequest) -> dict[str, Any] | None:
        found = resident.probe(request.dataset, request.base, ReftConfig.read(request.reft), TrainConfig.read(request.train))
        return asdict(found) if found else None

    @app.post("/chat")
    async def chat(request: ChatRequest) -> StreamingResponse:
        return StreamingResponse(_chat_lines(resident, request), media_type="application/x-ndjson")

    return app


def _examples(rows: Sequence[dict[str, Any]]) -> list[Example]:
    try:
        return list(map(example_of_data, rows))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError("These rows are not in the form that the engine reads.") from error


def _content(resident: Resident, request: CheckRequest) -> tuple[str, Load]:
    """What the rows are known by, and how they are read. Raises NotFoundError for a dataset that is not there."""
    if request.dataset is not None:
        return resident.dataset_rows(request.dataset)
    examples = _examples(request.rows)
    # As of the dataset that an upload becomes, so that it is counted once.
    return hashlib.sha256(dump_examples(examples)).hexdigest(), lambda: examples


async def _chat_lines(resident: Resident, request: ChatRequest) -> AsyncIterator[str]:
    """Generates in a thread; when the reader goes away the thread is told to stop."""
    loop, lines, gone = asyncio.get_running_loop(), asyncio.Queue[dict[str, Any] | None](), threading.Event()

    def put(line: dict[str, Any] | None) -> None:
        loop.call_soon_threadsafe(lines.put_nowait, line)

    def work() -> None:
        try:
            for line in _chat(resident, request, gone):
                put(line)
        except (ReftError, StorageError) as error:
            put({"error": str(error)})
        except Exception:  # noqa: BLE001 (the edge of a thread: somebody is waiting for an answer)
            _log.exception("chat failed")
            put({"error": "The engine could not answer; its log has the details."})
        finally:
            put(None)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while (line := await lines.get()) is not None:
            yield json.dumps(line, ensure_ascii=False) + "\n"
    finally:
        gone.set()


def _chat(resident: Resident, request: ChatRequest, gone: threading.Event) -> Any:
    found = [resident.run(column) if column else None for column in request.columns]
    base = next((pair[0] for pair in found if pair), None) or resident.base(request.base)
    if any(pair and pair[0] is not base for pair in found):
        raise StorageError("These runs were trained on different base models and cannot answer side by side.")
    messages = [Message(turn.role, turn.content) for turn in request.messages]  # type: ignore[arg-type]
    edits = [pair[1] if pair else None for pair in found]
    was_training = [(edit, edit.training) for edit in edits if edit is not None]
    with resident.turns.chatting():
        for edit, _ in was_training:
            edit.eval()
        try:
            for delta in stream(
                base, messages, edits, max_new_tokens=request.max_new_tokens, temperature=request.temperature,
                seed=request.seed, strength=request.strength, should_stop=gone.is_set, memory=resident.memory(base),
            ):  # fmt: skip
                yield {"column": delta.column, "text": delta.text, "ended": delta.ended}
        finally:
            for edit, training in was_training:
                edit.train(training)
    yield {"done": True}


def _train_queue(resident: Resident, worker: str, going_down: threading.Event) -> None:
    storage = resident.storage
    while not going_down.is_set():
        try:
            storage.reclaim(gone)
            held = storage.queue.claim(worker)
            resident.set_trouble("")
        except UnavailableError as error:
            resident.set_trouble(str(error))
            held = None
        if held:
            run_job(resident, held, going_down.is_set)
        else:
            going_down.wait(_LOOK_SECONDS)
    _put_back(storage, worker)


def _put_back(storage: Storage, worker: str) -> None:
    """What was in hand waits for the next worker."""
    for _ in range(5):
        try:
            storage.queue.put_back(worker, "The studio was shut down; the run goes on from where it is when the studio is started again.")
        except UnavailableError as error:
            _log.warning("the run in hand cannot be put back for now: %s", error)
            time.sleep(1.0)
        else:
            return


def _train(resident: Resident, worker: str, going_down: threading.Event, end: Callable[[], None]) -> None:
    """Train until told to stop; when that fails as a whole, end the worker, so that the supervisor starts another."""
    try:
        _train_queue(resident, worker, going_down)
    except Exception:  # noqa: BLE001 (the edge of a thread: a worker that lived on would leave every run waiting)
        _log.exception("the queue cannot be worked on")
        end()


def _beat(storage: Storage, worker: str, going_down: threading.Event, end: Callable[[], None]) -> None:
    """Count heartbeats; a worker that the others have given up ends."""
    while not going_down.wait(_BEAT_SECONDS):
        try:
            known = storage.workers.beat(worker)
        except UnavailableError as error:
            _log.warning("no heartbeat for now: %s", error)
            continue
        if not known:
            _log.error("this worker was given up by the others, after a long silence")
            return end()


def _warm_up(resident: Resident) -> None:
    """Load the starter before anybody asks, so that the first preview and the first run begin at once."""
    try:
        resident.base("starter")
    except ReftError as error:
        _log.warning("%s", error)


def _end_with_parent(parent: int, going_down: threading.Event, end: Callable[[], None]) -> None:
    while not going_down.wait(1.0):
        if os.getppid() != parent:
            return end()


def _listen(path: Path) -> socket.socket:
    """The worker's socket, which none but this user may open."""
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
    finally:
        os.umask(before)
    return listening


def main() -> int:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--parent", type=int, default=None, help="the process with which this one ends")
    parser.add_argument("--worker", default=None, help="a name for this worker, in letters and digits")
    parser.add_argument("--queue-only", action="store_true", help="train beside another worker, and answer nothing")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.raiseExceptions = False  # a log that cannot be written must not fill the other one
    storage = Storage(options.data_dir, os.environ.get("REFT_STUDIO_DATABASE_URL"), patience=_PATIENCE)
    serve = _serve_queue if options.queue_only else _serve
    with (storage.files.root / "worker.lock").open("w") as lock:
        try:
            if not options.queue_only:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _log.error("another worker already serves %s", storage.files.root)
            return ALREADY_SERVED
        except OSError as error:  # some network file systems know no locks
            _log.warning("the data folder cannot be locked: %s", error)
        worker = options.worker or token_hex(8)
        with storage.workers.serving(worker):
            serve(storage, worker, options.parent or os.getppid())
    storage.close()
    return 0


def _serve(storage: Storage, worker: str, parent: int) -> None:
    """Train what is queued, and answer on the socket."""
    resident = Resident(storage)
    server = uvicorn.Server(uvicorn.Config(make_app(resident), log_level="warning", timeout_graceful_shutdown=2))
    threading.Thread(target=_warm_up, args=(resident,), daemon=True).start()
    # uvicorn passes signals on once it has ended in order; the run in hand is still to be put back then.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with _training(resident, worker, parent, lambda: setattr(server, "should_exit", True)), suppress(SystemExit, KeyboardInterrupt):
        server.run(sockets=[_listen(storage.files.socket)])


def _serve_queue(storage: Storage, worker: str, parent: int) -> None:
    """Train what is queued beside the worker that answers, on a device of its own."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with _training(Resident(storage), worker, parent, ended.set):
        ended.wait()


@contextmanager
def _training(resident: Resident, worker: str, parent: int, end: Callable[[], None]) -> Iterator[None]:
    """The threads beside; at the end the step in hand is finished and the run put back."""
    going_down = threading.Event()
    trainer = threading.Thread(target=_train, args=(resident, worker, going_down, end))
    threading.Thread(target=_end_with_parent, args=(parent, going_down, end), daemon=True).start()
    threading.Thread(target=_beat, args=(resident.storage, worker, going_down, end), daemon=True).start()
    trainer.start()
    try:
        yield
    finally:
        going_down.set()
        trainer.join(timeout=60)


if __name__ == "__main__":
    raise SystemExit(main())
