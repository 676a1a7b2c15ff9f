"""The pages of a data folder, served from this process, so that a test can reach what its events call."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import gradio as gr
from fastapi import FastAPI
from starlette.routing import Mount

from app.routes import make_app
from app.serve import Server
from app.services import Services
from tests.waiting import until

_LAST_ANSWERS = 60.0
"""Seconds that an event may still be at work when the pages end; then the thread is left to the end of this process."""


@dataclass(frozen=True)
class Site:
    address: str
    app: FastAPI

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def blocks(self) -> gr.Blocks:
        """The pages themselves."""
        return next(route.app.get_blocks() for route in self.app.routes if isinstance(route, Mount) and hasattr(route.app, "get_blocks"))


@contextmanager
def serving(services: Services, port: int = 0) -> Iterator[Site]:
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        app = make_app(services)
        server = Server(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        until(lambda: server.started or not thread.is_alive(), "the first page")
        assert thread.is_alive(), "the pages are not served"
        try:
            yield Site(f"http://127.0.0.1:{listening.getsockname()[1]}", app)
        finally:
            server.should_exit = True
            thread.join(timeout=_LAST_ANSWERS)
    assert not thread.is_alive(), f"the pages are still served {_LAST_ANSWERS:.0f} s after they were told to end"
