"""How many requests a person has open, and a stranger's address, over the real server."""

import socket
from contextlib import ExitStack, closing

import httpx
import pytest

from tests.waiting import until

pytestmark = pytest.mark.process
_BEGINNING = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 30\r\n\r\nuser"


def test_twenty_tabs_are_fine_and_a_flood_of_streams_is_refused_for_one_person_alone(ada, bob):
    with ExitStack() as stack:
        for number in range(20):
            for path in (f"/gradio_api/heartbeat/tab{number}", f"/gradio_api/heartbeat/of-tab{number}"):
                assert stack.enter_context(ada.stream("GET", path)).status_code == 200
        assert ada.get("/alive").status_code == 200
        statuses = [stack.enter_context(ada.stream("GET", f"/gradio_api/heartbeat/more{number}")).status_code for number in range(12)]
        assert set(statuses) == {200, 429}
        answer = ada.get("/follow/ended", params={"cursor": -1})
        assert answer.status_code == 429
        assert "50 requests open at once" in answer.json()["error"]
        assert bob.get("/follow/ended", params={"cursor": -1}).status_code == 200
    until(lambda: ada.get("/follow/ended", params={"cursor": -1}).status_code == 200, "the streams to end")


def test_a_stranger_with_many_slow_forms_keeps_nobody_of_another_address_from_logging_in(site, ada):
    """The forms are never sent whole; 127.0.0.2 is this machine as well."""
    elsewhere = httpx.HTTPTransport(local_address="127.0.0.2")
    with ExitStack() as stack, httpx.Client(base_url=site.address, transport=elsewhere, timeout=60) as other:
        for _ in range(50):
            connection = stack.enter_context(closing(socket.create_connection(("127.0.0.1", site.port), timeout=30)))
            connection.sendall(_BEGINNING)
        until(lambda: httpx.get(f"{site.address}/login").status_code == 429, "the forms to be read")
        assert other.get("/login").status_code == 200
        assert other.post("/login", data={"username": "Ada", "password": "correct horse battery"}).status_code == 303
        assert ada.get("/alive").status_code == 200
    until(lambda: httpx.get(f"{site.address}/login").status_code == 200, "the forms to end")
