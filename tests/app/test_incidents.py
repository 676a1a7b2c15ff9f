"""What goes wrong at the edge of the pages: one sentence for who asked, and everything else in the log under the same number."""

import json
import logging
import re

import gradio as gr
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse

from app.incidents import HEADER, numbered
from app.logs import OF_A_KIND, Bounded, careful, log_to_file
from app.naming import Named
from app.routes import make_app
from app.routes.failures import Failures
from app.services import make_services
from app.settings import Settings
from app.words import say
from storage import UnavailableError
from tests.app.test_routes import events

SECRET = "secret-of-the-house"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    services = make_services(Settings(data_dir=tmp_path_factory.mktemp("incidents") / "data"))
    with TestClient(make_app(services), base_url="http://127.0.0.1", raise_server_exceptions=False) as opened:
        yield opened
    services.everything.close()


def sentence(answer):
    """The one sentence of an answer, which has nothing else in it."""
    found = answer.json()
    assert found.get("detail", found["error"]) == found["error"], "where Gradio's own pages look for it"
    assert set(found) - {"detail"} == {"error", "kind"} and found["error"]
    assert "Traceback" not in found["error"] and "{" not in found["error"]
    assert answer.headers[HEADER] and answer.headers["content-length"] == str(len(answer.content))
    return found["error"]


JSON = {"Content-Type": "application/json"}
BODIES = [
    b"", b"{", b"null", b"[]", b"7", b"\xff\xfe\x00", b"{}", b"[" * 50_000, b'{"data": [NaN], "fn_index": 1e400}', b'{"data": "\\ud800"}',
    b'{"data": [], "fn_index": 99999999, "session_hash": "x"}', b'{"data": [], "fn_index": "0", "session_hash": ["x"]}',
    b'{"data": [], "fn_index": -1, "session_hash": "x"}', b'{"data": null, "fn_index": 0}', b'{"data": [1e999], "fn_index": true}',
]  # fmt: skip
PLACES = [
    "run/predict", "run/x", "api/predict", "call/x", "call/v2/x", "queue/join", "cancel", "reset", "component_server", "upload",
    "stream/x/y", "startup-events", "process_recording", "vibe-edit",
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_a_malformed_call_of_gradios_is_answered_with_one_sentence(client, capfd, place, body):
    answer = client.post(f"/gradio_api/{place}", content=body, headers=JSON)
    if answer.status_code >= 400:
        assert answer.status_code < 500 and sentence(answer)
        assert b"fn_index" not in answer.content, "nothing that was sent comes back"
    assert "Traceback" not in capfd.readouterr().err


def choosing(client):
    return events(client.get("/config").json(), "playground-run")[-1]


def test_a_value_that_does_not_fit_its_event_is_a_sentence_whose_number_is_in_the_log(client, caplog, capfd):
    event = choosing(client)
    answer = client.post("/gradio_api/run/predict", json={"fn_index": event["id"], "data": [{"odd": SECRET}] * len(event["inputs"])})
    assert answer.status_code == 422 and answer.headers[HEADER] in sentence(answer) and SECRET not in answer.text
    assert [record.exc_info is not None for record in caplog.records if record.name == "reft_studio.pages"] == [True]
    assert "Traceback" not in capfd.readouterr().err


def test_gradios_queue_ends_such_an_event_with_a_sentence_too(client, caplog, capfd):
    event = choosing(client)
    body = {"fn_index": event["id"], "data": [{"odd": SECRET}] * len(event["inputs"]), "session_hash": "incident"}
    assert client.post("/gradio_api/queue/join", json=body).status_code == 200
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": "incident"}) as answer:
        lines = [json.loads(line[5:]) for line in answer.iter_lines() if line.startswith("data:")]
    (ended,) = (line for line in lines if line["msg"] == "process_completed")
    assert ended["success"] is False and ended["output"]["error"].startswith(say("failures.misfit")) and ended["output"]["visible"] is False
    (number,) = re.findall(r"[0-9a-f]{12}", ended["output"]["error"])
    assert number and SECRET not in json.dumps(lines) and "Traceback" not in capfd.readouterr().err
    assert any(record.exc_info for record in caplog.records)


def test_the_last_word_of_a_stream_that_is_not_there_is_a_sentence(client):
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": "nobody's"}) as answer:
        lines = [json.loads(line[5:]) for line in answer.iter_lines() if line.startswith("data:")]
    assert [line["message"] for line in lines if line["msg"] == "unexpected_error"] == [say("failures.ended")]


# The middleware alone


def raising(error):
    app = FastAPI()

    @app.get("/{path:path}")
    def fails():
        raise error

    app.add_middleware(Failures)
    return TestClient(app)


def test_what_is_raised_is_a_sentence_whose_number_is_in_the_log(caplog):
    answer = raising(ZeroDivisionError(SECRET)).get("/play/x")
    assert answer.status_code == 500 and answer.headers[HEADER] in sentence(answer) and SECRET not in answer.text
    assert SECRET in caplog.text


def test_what_is_meant_for_people_is_said_in_its_own_words():
    answer = raising(UnavailableError("The database is busy.")).get("/x")
    assert answer.status_code == 503 and sentence(answer) == "The database is busy."


@pytest.mark.parametrize(("given", "kept"), [
    (JSONResponse({"error": None}, 500), False), (JSONResponse({"detail": [{"input": SECRET * 9_000}]}, 422), False),
    (PlainTextResponse("Internal Server Error", 500), False), (JSONResponse({"error": "No."}, 409), True), (JSONResponse([1], 404), False),
    (PlainTextResponse("fine"), True), (JSONResponse({"error": None}), True),
])  # fmt: skip
def test_only_a_refusal_that_is_no_sentence_is_replaced_by_one(given, kept):
    app = FastAPI()
    app.get("/x")(lambda: given)
    app.add_middleware(Failures)
    answer = TestClient(app).get("/x")
    assert (answer.status_code, answer.content == given.body) == (given.status_code, kept) and SECRET not in answer.text
    assert kept or sentence(answer)


@pytest.mark.parametrize("kind", ["application/zip", "text/event-stream"])
def test_an_answer_that_has_begun_is_cut_off_unless_its_end_is_an_event_of_its_own(kind, caplog):
    def halves():
        yield b"half"
        raise ValueError(SECRET)

    app = FastAPI()
    app.get("/x")(lambda: StreamingResponse(halves(), media_type=kind))
    app.add_middleware(Failures)
    if kind == "application/zip":
        with pytest.raises(ConnectionAbortedError):
            TestClient(app).get("/x")
    else:
        assert TestClient(app).get("/x").content == b"half"
    assert SECRET in caplog.text


def test_the_worker_takes_the_number_of_what_asked_and_nothing_else(caplog):
    app = FastAPI()

    @app.post("/x")
    def fails():
        raise ValueError(SECRET)

    app.add_middleware(Named)
    client = TestClient(app)
    told = client.post("/x", headers={HEADER: "0123456789ab"})
    assert told.status_code == 500 and "0123456789ab" in told.json()["error"] and SECRET in caplog.text
    assert "evil" not in client.post("/x", headers={HEADER: "evil number"}).text


# The log


@pytest.fixture
def log(tmp_path):
    handler = careful(logging.FileHandler(tmp_path / "x.log", encoding="utf-8", errors="backslashreplace"))
    found = logging.Logger("reft_studio.test")
    found.addHandler(handler)
    yield found, lambda: (tmp_path / "x.log").read_text(encoding="utf-8")
    handler.close()


def test_nothing_that_was_sent_stands_raw_in_the_log_or_looks_like_an_entry(log):
    logger, read = log
    sent = "a\r\n2026-01-01 00:00:00,000 reft_studio.web - forged\x00\x1b[31m\x07\u202e\u2028\x85\ud800"
    with numbered("0123456789ab"):
        logger.error("odd %s", sent)
        try:
            raise ValueError(sent)
        except ValueError:
            logger.exception("failed")
    text = read()
    assert text.replace("\n", "").isprintable() and "\\x1b[31m" in text and "\\ud800" in text
    begun = [line for line in text.splitlines() if not line.startswith("    ")]
    assert len(begun) == 2 and all(" 0123456789ab " in line for line in begun)


def test_the_same_a_thousand_times_does_not_fill_the_log(log):
    logger, read = log
    for number in range(1000):
        try:
            raise ValueError(f"number {number}")
        except ValueError:
            logger.exception("failed at %s", number)
    logger.error("another kind")
    assert read().count("failed at") == OF_A_KIND and "another kind" in read()


def test_after_a_while_it_is_said_how_many_were_not_written():
    now = [0.0]
    bounded = Bounded(2, 10, clock=lambda: now[0])

    def written():
        record = logging.LogRecord("x", logging.ERROR, "", 0, "failed %s", ("here",), None)
        return record.getMessage() if bounded.filter(record) else None

    assert [written() for _ in range(5)] == ["failed here"] * 2 + [None] * 3
    now[0] = 11
    assert [written(), written()] == ["failed here [+3]", "failed here"]


def test_a_log_is_rotated(tmp_path, monkeypatch):
    monkeypatch.setattr("app.logs.BYTES", 2_000)
    root = logging.getLogger()
    before = list(root.handlers)
    try:
        log_to_file(tmp_path / "web.log")
        for number in range(1, 100):
            logging.getLogger("reft_studio.web").warning("x" * number)
    finally:
        for handler in set(root.handlers) - set(before):
            root.removeHandler(handler)
            handler.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["web.log", "web.log.1"]
    assert max(path.stat().st_size for path in tmp_path.iterdir()) <= 2_000


def test_gradio_has_still_what_is_replaced():
    assert {gr.queueing.error_payload, gr.utils.error_payload}.pop().__module__ == "app.routes.misfits"
