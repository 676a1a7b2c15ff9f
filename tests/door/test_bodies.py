"""Bodies of requests over the real server: too large, no JSON, odd numbers; a sentence each, and nothing of the body in it."""

import ast
import importlib
import json
import socket
from pathlib import Path

import pytest

from app.routes import answers, bodies, gradio_requests

pytestmark = pytest.mark.process
JSON = {"Content-Type": "application/json"}
EVENTS = ("/gradio_api/queue/join", "/gradio_api/run/predict", "/gradio_api/cancel", "/gradio_api/reset")
MARK = "mark-of-the-body"


def refused(answer, status):
    assert answer.status_code == status, answer.text[:300]
    told = answer.json()
    assert told["error"] == told["detail"]
    assert told["error"].endswith(".")
    assert MARK not in answer.text
    assert len(answer.text) < 1000


@pytest.mark.parametrize("path", EVENTS)
@pytest.mark.parametrize("with_length", [True, False])
def test_the_body_of_an_event_has_a_limit(ada, path, with_length):
    body = json.dumps({"data": [MARK * (bodies.MOST // len(MARK) + 1)]}).encode()
    pieces = body if with_length else iter([body[at : at + 1_000_000] for at in range(0, len(body), 1_000_000)])
    refused(ada.post(path, content=pieces, headers=JSON), 413)
    assert ada.get("/alive").status_code == 200


@pytest.mark.parametrize("path", EVENTS)
@pytest.mark.parametrize(("body", "status"), [
    ("[" * 100_000 + "]" * 100_000, 422), ('{"data": ' + "[" * 100 + "]" * 100 + "}", 422), ('{"data": [NaN]}', 422),
    ('{"data": [-Infinity]}', 422), ('{"data": [1e999]}', 422), ('{"data": [' + "9" * 5000 + "]}", 422), 
    ('{"data": [99999999999999999999]}', 422),
    ('{"data": ["' + MARK, 422), (b'{"data": ["\xff"]}', 422), (MARK, 422), ('{"data": [' + "[]," * 250_000 + "[]]}", 413),
    ('{"data": [' + "{}," * 250_000 + "{}]}", 413),
])  # fmt: skip
def test_json_that_nobody_should_work_with_is_refused(ada, path, body, status):
    refused(ada.post(path, content=body, headers=JSON), status)


def test_commas_within_texts_are_no_values():
    text = 'a,b,"c",[d\\{' * 60_000
    assert bodies.read_event(json.dumps({"data": [text]}).encode()) == {"data": [text]}


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", ""])
def test_a_body_of_another_kind_is_looked_at_just_so(ada, kind):
    refused(ada.post(EVENTS[0], content='{"data": [NaN]}', headers={"Content-Type": kind}), 422)


@pytest.mark.parametrize("body", [{MARK: 1}, {"data": MARK}, [MARK], MARK, {"data": [1], "fn_index": MARK, "session_hash": [MARK]}])
def test_an_answer_to_what_is_no_event_does_not_repeat_it(ada, body):
    for path in EVENTS[:1]:
        answer = ada.post(path, json=body)
        assert MARK not in answer.text
        assert 400 <= answer.status_code < 500


def test_a_form_to_log_in_has_a_limit(team):
    stranger = team[2]["stranger"]
    large = f"username={'x' * 50_000}"
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert stranger.post("/login", content=large, headers=kind).status_code == 413
    assert stranger.post("/login", content=iter([large.encode()]), headers=kind).status_code == 413


def test_a_declared_length_is_refused_before_the_body_comes(team, site):
    cookie = team[2]["Ada"].cookies.get("reft_studio_session")
    for path in (*EVENTS, "/chats", "/votes", "/healthz", "/play"):
        with socket.create_connection(("127.0.0.1", site.port), timeout=30) as connection:
            head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: reft_studio_session={cookie}\r\nContent-Length: 900000000\r\n\r\n"
            connection.sendall(head.encode())
            assert connection.recv(4096).split(b" ")[1] == b"413", path


def test_what_a_route_reads_at_most_is_below_what_passes_the_door():
    found = set()
    for path in Path("app/routes").glob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in ("to", "while_there"):
                given = [each.value for each in call.keywords if each.arg == "most"] + call.args[2:3]
                names = vars(importlib.import_module(f"app.routes.{path.stem}"))
                found |= {eval(ast.unparse(each), names) for each in given if ast.unparse(each) != "most"}
    assert len(found) >= 3
    assert max(found | {answers.MOST}) <= gradio_requests._READ_BY_ROUTES
