"""How long the web process waits for the other end of a connection, and how many it holds: uvicorn waits for ever, for any number.

What is half open waits in one line, and whoever has waited longest makes way once there is no room; so an honest page gets in while
thousands of connections say nothing.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

_FILES = 400
"""Files that a studio has open beside its connections."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Limits of connections.

    Attributes:
        head: seconds within which the head of a request is complete, from its first byte, or since a new connection was made.
        pause: seconds within which another ``piece`` bytes of a body arrive; the time is not counted in which the studio reads none.
        piece: bytes of a body that have to arrive in that time.
        after: seconds for which the rest of a body is thrown away that nobody wants, so that a browser hears the answer.
        write: seconds for which a reader may take nothing of what is written to it.
        most: connections at once.
        of_address: connections of one address at once.
        proxies: addresses or networks that ask for many people, for which the limit of an address does not hold.
    """

    head: float = 20.0
    pause: float = 20.0
    piece: int = 10_000
    after: float = 10.0
    write: float = 60.0
    most: int = 2_000
    of_address: int = 500
    proxies: Sequence[str] = ()


class _Line:
    """All connections of a server, and those without a request in the order in which they began to wait."""

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self.open: dict[PatientProtocol, str] = {}
        self.waiting: dict[PatientProtocol, None] = {}
        self.of_address: Counter[str] = Counter()
        self._proxies = [ip_network(each, strict=False) for each in patience.proxies]

    def enter(self, connection: "PatientProtocol", address: str) -> None:
        """Let a connection in; one that waits makes way for it, or itself if all others are at work."""
        self.open[connection] = address
        self.waiting[connection] = None
        self.of_address[address] += 1
        if len(self.open) > self.patience.most:
            self._end(next(iter(self.waiting)))
        elif self.of_address[address] > self.patience.of_address and not self._is_proxy(address):
            self._end(next(each for each in self.waiting if self.open[each] == address))

    def leave(self, connection: "PatientProtocol") -> None:
        """A connection has ended."""
        self.waiting.pop(connection, None)
        address = self.open.pop(connection, None)
        if address is not None:
            self.of_address[address] -= 1
            if not self.of_address[address]:
                del self.of_address[address]

    def _end(self, connection: "PatientProtocol") -> None:
        self.leave(connection)
        connection.transport.abort()

    def _is_proxy(self, address: str) -> bool:
        try:
            return any(ip_address(address) in network for network in self._proxies)
        except ValueError:
            return False


class PatientProtocol(H11Protocol):
    """uvicorn's connection, which ends once its other end keeps it waiting."""

    line: _Line

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._received = 0
        self._awaited = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._within("head", self.line.patience.head)
        self.line.enter(self, self.client[0] if self.client else "")

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        for name in list(self._timers):
            self._enough(name)
        self.line.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Wait for what comes next."""
        self._received += len(data)
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """Wait for the next request, or the rest of this one."""
        super().on_response_complete()
        self._look()

    def pause_writing(self) -> None:
        """Wait for the reader."""
        super().pause_writing()
        self._within("write", self.line.patience.write)

    def resume_writing(self) -> None:
        """The reader goes on."""
        self._enough("write")
        super().resume_writing()

    def _look(self) -> None:
        """Start and end the times of what is waited for now."""
        patience, theirs = self.line.patience, self.conn.their_state
        if self.transport.is_closing():
            if "write" not in self._timers:  # what is still to be written has to be taken
                self._within("write", patience.write)
            return
        at_work = self.cycle is not None and not self.cycle.response_complete
        half = theirs is h11.SEND_BODY
        if at_work:
            self.line.waiting.pop(self, None)
        elif self in self.line.open:
            self.line.waiting.setdefault(self)
        self._while("head", theirs is h11.IDLE and not at_work and self.timeout_keep_alive_task is None, patience.head)
        if "pause" not in self._timers:
            self._awaited = self._received + patience.piece
        self._while("pause", half and at_work, patience.pause, self._look_at_pace)
        self._while("after", half and not at_work, patience.after)

    def _look_at_pace(self) -> None:
        """A body that has come too slowly ends the connection; one that the studio itself has not read goes on."""
        self._timers.pop("pause", None)
        if self.flow.read_paused or self._received >= self._awaited:
            self._look()
        else:
            self.transport.abort()

    def _while(self, name: str, waits: bool, seconds: float, otherwise: Callable[[], None] | None = None) -> None:
        """Let a time run as long as something is waited for."""
        if not waits:
            self._enough(name)
        elif name not in self._timers:
            self._within(name, seconds, otherwise)

    def _within(self, name: str, seconds: float, otherwise: Callable[[], None] | None = None) -> None:
        self._enough(name)
        self._timers[name] = self.loop.call_later(seconds, otherwise or self.transport.abort)

    def _enough(self, name: str) -> None:
        if timer := self._timers.pop(name, None):
            timer.cancel()


def room_for(most: int) -> int:
    """So many connections, or as many as the system lets this process open beside its files; its own limit is raised where it may be."""
    try:
        import resource
    except ImportError:  # Windows, where there is no such limit
        return most
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most + _FILES if hard == resource.RLIM_INFINITY else min(most + _FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return most if soft == resource.RLIM_INFINITY else max(16, min(most, soft - _FILES))


def patient(patience: Patience) -> type[PatientProtocol]:
    """The protocol of one server, whose connections are counted together."""
    return type(PatientProtocol.__name__, (PatientProtocol,), {"line": _Line(patience)})
