"""The life of the web process: its port, its data folder, its log, its worker, and its end. Never imports torch."""

import asyncio
import errno
import io
import logging
import os
import shutil
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

import uvicorn
from starlette.types import ASGIApp

from app.arrived import remove_old_uploads
from app.errors import StudioError
from app.launchers.local import Supervisor
from app.listening import QuietServer
from app.lock import only_server, refuse_if_served
from app.logs import log_to_file
from app.patience import Patience, patient, room_for
from app.people.choice import hand_over, require_people
from app.services import Services, make_services
from app.settings import Settings, prepare_gradio
from app.words import say
from storage.modes import keep_private, make_private
from storage.upkeep import clean_up

_log = logging.getLogger("reft_studio.web")
_CLEAN_UP_SECONDS = 3600.0
_LAST_ANSWERS = 0.5
"""Seconds that requests have to be answered when the studio is ended."""
_PORTS_TRIED = 20


class Server(QuietServer):
    """Closes all connections at its end, because streams to open pages never end by themselves."""

    def __init__(self, app: ASGIApp, patience: Patience | None = None) -> None:
        protocol = patient(patience or Patience())
        # Whose headers are believed of whoever they ask for is said in one place, app/people/peers.py; uvicorn would believe this machine.
        config = uvicorn.Config(
            app, http=protocol, ws="none", log_level="warning", log_config=None, timeout_graceful_shutdown=2, proxy_headers=False
        )
        super().__init__(config)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, after the last responses."""
        asyncio.get_running_loop().call_later(_LAST_ANSWERS, self._hang_up)
        await super().shutdown(sockets)

    def _hang_up(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.close()


def serve(settings: Settings, *, browser: bool = True) -> int:
    """Serve until interrupted. Raises StudioError if the port is taken or the data folder is in use."""
    keep_private()
    with _listen(settings) as listening, _open(settings) as services, redirect_stderr(_Log()):
        require_people(settings, services.everything)
        if told := hand_over(settings, services.everything):
            _print(told)
        log_to_file(services.storage.files.root / "web.log")
        if changed := make_private(services.storage.files.root):
            _log.warning("%s", say("serve.made_private", count=changed))
        _clear_uploads(services)
        _print(say("serve.starting"))
        prepare_gradio(services.storage.files.uploads)
        # They take seconds, so they come after everything that may be refused.
        from app.reader.client import SPARE
        from app.routes import make_app

        supervisor = Supervisor(settings, services.storage)
        patience = Patience(
            most=room_for(settings.max_connections), of_address=settings.max_connections_per_address, proxies=settings.proxies
        )
        server = Server(make_app(services), patience)
        ended = threading.Event()
        threading.Thread(target=_after_start, args=(server, supervisor, settings, browser), daemon=True).start()
        threading.Thread(target=_clean_up_hourly, args=(services, ended), daemon=True).start()
        # uvicorn passes both signals on after it has ended in order; as Docker's, SIGTERM is no reason to leave the worker alone.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            server.run(sockets=[listening])
        except (KeyboardInterrupt, SystemExit):
            pass
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl+C would leave the worker running
            _print(say("serve.ending"))
            ended.set()
            SPARE.end()
            supervisor.stop()
    return 0


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@contextmanager
def _open(settings: Settings) -> Iterator[Services]:
    """Open the data folder and lock it. Raises StudioError, StorageError."""
    refuse_if_served(settings.data_dir)
    try:
        services = make_services(settings)
    except OSError as error:
        raise StudioError(say("serve.folder", folder=settings.data_dir, reason=error.strerror or error)) from error
    try:
        with only_server(services.storage.files.root, settings.address):
            yield services
    finally:
        services.storage.close()


def _clear_uploads(services: Services) -> None:
    """Remove uploads of a studio that ended unexpectedly."""
    for upload in services.storage.files.uploads.iterdir():
        shutil.rmtree(upload, ignore_errors=True) if upload.is_dir() else upload.unlink(missing_ok=True)


def _clean_up_hourly(services: Services, ended: threading.Event) -> None:
    """Remove leftovers of interrupted writes and old runs in the bin, at the start and once an hour."""
    while not ended.is_set():
        try:
            clean_up(services.storage, services.settings.bin_days)
            remove_old_uploads(services.storage.files.uploads, services.settings.upload_hours)
        except Exception:  # noqa: BLE001 (the edge of a thread: cleaning up must never take the pages with it)
            _log.exception("cleaning up failed")
        ended.wait(_CLEAN_UP_SECONDS)


def _listen(settings: Settings) -> socket.socket:
    """Bind the port before the slow part of the start, so that a taken one is reported at once."""
    try:
        return _bound(settings.host, settings.port)
    except OSError as error:
        refuse_if_served(settings.data_dir)  # which has probably taken the port
        port, host, free = settings.port, settings.host, _free_port(settings)
        if error.errno == errno.EADDRINUSE:
            raise StudioError(say("serve.port_taken", port=port, host=host, free=free)) from error
        raise StudioError(say("serve.port", port=port, host=host, reason=error.strerror or error, free=free)) from error


def _bound(host: str, port: int) -> socket.socket:
    """Raises OSError."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(2048)  # before that another process could still take the same port
    except OSError:
        listening.close()
        raise
    return listening


def _free_port(settings: Settings) -> int:
    """A free port to suggest."""
    first = max(settings.port, 1024) + 1
    for port in range(first, min(first + _PORTS_TRIED, 65536)):
        try:
            _bound(settings.host, port).close()
        except OSError:
            continue
        return port
    return 7861


class _Log(io.TextIOBase):
    """Sends to the log what libraries print about their own failures."""

    def write(self, text: str) -> int:
        if text.strip():
            _log.warning("%s", text.rstrip())
        return len(text)


def _after_start(server: uvicorn.Server, supervisor: Supervisor, settings: Settings, browser: bool) -> None:
    """Once the pages are served: start the engine, print the address, open the browser."""
    while not server.started:
        if server.should_exit:
            return
        threading.Event().wait(0.02)
    supervisor.start()
    _print(say("serve.ready", address=settings.address, folder=settings.data_dir.resolve()))
    screen = sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if browser and screen and settings.local:
        webbrowser.open(settings.address)
