"""Connections that say little, over a real server with short limits: they end, and an honest page gets its answer meanwhile."""

import asyncio
import socket
import threading
from contextlib import contextmanager

import httpx
import pytest

from app.patience import Patience
from app.serve import Server
from tests.waiting import until

pytestmark = pytest.mark.process
SHORT = Patience(head=0.5, pause=0.5, piece=100, after=0.5, write=0.5, most=40, of_address=20)
HEAD = b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"


async def app(scope, receive, send):
    """Reads a body at /read, writes without end at /write, waits at /stream; answers all else without reading."""
    if scope["type"] != "http":
        return
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
    if scope["path"] == "/read":
        while (message := await receive()).get("more_body"):
            pass
        if message["type"] == "http.disconnect":
            return
    if scope["path"] == "/busy":
        await asyncio.sleep(1.5)  # longer than any limit, without reading
        while (await receive()).get("more_body"):
            pass
    await send(start)
    for _ in range(1000 if scope["path"] == "/write" else 0):
        await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
    if scope["path"] == "/stream":
        await asyncio.sleep(1.5)
    await send({"type": "http.response.body", "body": b"done"})


@contextmanager
def server(patience=SHORT):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        served = Server(app, patience)
        thread = threading.Thread(target=served.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        until(lambda: served.started, "the server")
        try:
            yield listening.getsockname()[1], served
        finally:
            served.should_exit = True
            thread.join(timeout=60)


@pytest.fixture(scope="module")
def port():
    with server() as (number, _):
        yield number


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def ends(connection):
    """Whether the other end closes; a timeout is an error."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionError:
        pass
    return True


def honest(port, path="/"):
    answer = httpx.get(f"http://127.0.0.1:{port}{path}", timeout=20)
    return answer.status_code == 200 and answer.text == "done"


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ", b"\r\n", HEAD, HEAD + b"x" * 50, HEAD.replace(b"/read", b"/")]
)
def test_what_is_half_open_ends(port, sent):
    with connect(port) as connection:
        connection.sendall(sent)
        assert ends(connection)
    assert honest(port)


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n", b"\r\n", HEAD])
def test_what_trickles_ends(port, first):
    with connect(port) as connection:
        connection.sendall(first)
        for _ in range(200):
            try:
                connection.sendall(b"\r\n" if first == b"\r\n" else b"X")
                connection.settimeout(0.1)
                if connection.recv(65536) == b"":
                    return
            except TimeoutError:
                continue
            except ConnectionError:
                return
    pytest.fail("it was never ended")


def test_a_reader_that_takes_nothing_ends(port):
    with connect(port) as connection:
        connection.sendall(b"GET /write HTTP/1.1\r\nHost: x\r\n\r\n")
        closed = threading.Event()
        until(lambda: _is_reset(connection, closed), "the end of the connection")
    assert honest(port)


def _is_reset(connection, closed):
    try:
        connection.sendall(b"x")  # is refused once the other end has given up
    except OSError:
        closed.set()
    return closed.is_set()


def test_a_stream_that_says_nothing_and_a_server_that_is_busy_are_no_reason_to_end(port):
    assert honest(port, "/stream")
    answer = httpx.post(f"http://127.0.0.1:{port}/busy", content=b"x" * 1_000_000, timeout=20)
    assert answer.text == "done"


@pytest.mark.parametrize("patience", [Patience(most=30, of_address=500), Patience(most=500, of_address=30)])
def test_an_honest_page_is_answered_among_more_half_open_connections_than_there_may_be(patience):
    with server(patience) as (port, served):
        held = []
        for number in range(120):
            held.append(connect(port))
            held[-1].sendall(b"GET / HTTP/1.1\r\nX-A: " if number % 2 else b"")
        for _ in range(5):
            assert honest(port)
        assert len(served.server_state.connections) <= 31
        for connection in held:
            connection.close()


def test_of_a_listed_proxy_connections_are_counted_with_all_others_only():
    with server(Patience(most=500, of_address=5, proxies=["127.0.0.0/8"])) as (port, served):
        held = [connect(port) for _ in range(20)]
        until(lambda: len(served.server_state.connections) == 20, "all connections")
        for connection in held:
            connection.close()


def test_connections_at_work_do_not_make_way():
    with server(Patience(most=10, of_address=500)) as (port, _):
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(honest(port, "/stream"))) for _ in range(5)]
        for thread in threads:
            thread.start()
        held = [connect(port) for _ in range(30)]
        for thread in threads:
            thread.join(timeout=60)
        for connection in held:
            connection.close()
    assert answers == [True] * 5
