"""What the Playground's script asks for over HTTP: lines as they come, and a sentence for whatever goes wrong, never a traceback."""

import json
from types import SimpleNamespace

import httpx
import pytest
from fastapi.testclient import TestClient

from app.handlers import playground
from app.routes import make_app
from app.services import make_services
from app.settings import Settings
from app.words import say
from tests.chatting import asked_of_both, followed, said
from tests.waiting import PATIENCE

CHAT = "/play/chat"


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A data folder whose engine is not up, and its pages."""
    services = make_services(Settings(data_dir=tmp_path_factory.mktemp("alone") / "data"))
    with TestClient(make_app(services), base_url="http://127.0.0.1") as client:
        yield SimpleNamespace(services=services, client=client)
    services.storage.close()


def lines(answer):
    return [json.loads(line) for line in answer.text.splitlines()]


def test_answers_come_in_lines_of_json_that_nobody_keeps(engine, finished, site):
    body = asked_of_both(finished.id, "What is 2 cat?")
    answer = httpx.post(site + CHAT, content=body, headers={"Origin": site}, timeout=PATIENCE)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("application/x-ndjson")
    assert answer.headers["cache-control"] == "no-store"
    found = lines(answer)
    assert found[-1] == {"done": True} and said(found) == said(followed(engine, body))


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1"])
def test_another_sites_page_is_refused(alone, origin):
    answer = alone.client.post(CHAT, content=b"{}", headers={"Origin": origin})
    assert answer.status_code == 403 and "another site" in answer.json()["error"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_it_is_asked_in_one_way(alone, method):
    assert alone.client.request(method, CHAT).status_code in (404, 405)


def test_a_conversation_that_is_too_long_is_refused_before_it_is_read(alone):
    answer = alone.client.post(CHAT, content=b" " * 4_000_001)
    assert answer.status_code == 413 and "at most 4 MB" in answer.json()["error"]
    assert alone.client.post(CHAT, content=b" " * 4_000_000).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"[]", b"7", b"\xff\xfe\x00", b"{}", b"[" * 100_000, b'{"columns": [null]}', b'{"columns": "x"}', b"NaN",
        b'{"columns": [{"kind": "base"}], "seed": 1e999}', b'{"columns": [{"kind": "base", "messages": [{"role": "user"}]}]}',
    ],
)  # fmt: skip
def test_what_is_no_request_is_a_sentence(alone, body):
    answer = alone.client.post(CHAT, content=body)
    (line,) = lines(answer)
    assert answer.status_code == 200 and "cannot be read" in line["error"]


def test_a_refusal_is_the_last_line(alone):
    (line,) = lines(alone.client.post(CHAT, content=asked_of_both("nothing", "Hello")))
    assert "no such run" in line["error"]


def test_what_is_not_meant_for_people_is_in_the_log_only(alone, monkeypatch, caplog):
    async def fails(*_):
        yield {"starting": True}
        raise ValueError("secret-of-the-house")

    monkeypatch.setattr(playground, "chat", fails)
    found = lines(alone.client.post(CHAT, content=b"{}"))
    assert found[0] == {"starting": True} and found[1]["error"].startswith(say("errors.neutral")) and len(found) == 2
    assert "secret-of-the-house" in caplog.text
