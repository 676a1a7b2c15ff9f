"""Gradio's sessions: what one person's browser calls its session is nobody else's, however somebody comes to know it."""

import threading
from collections.abc import Iterator

import httpx
import pytest

from app.people.asking import asked_by
from app.routes import sessions
from app.routes.sessions import own_session
from tests.people.everything import Studio, studio_of_two
from tests.waiting import until

SESSION = "page"


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with studio_of_two(tmp_path_factory.mktemp("sessions")) as made:
        yield made


def named(studio: Studio, person: str, session: str = SESSION) -> str:
    with asked_by(studio.people[person]):
        return own_session(session)


def number_of(studio: Studio, name: str) -> int:
    return next(number for number, each in studio.site.blocks.fns.items() if each.api_name == name)


def join(studio: Studio, person: str, session: str = SESSION) -> httpx.Response:
    """Ask for a grid of answers, which goes through Gradio's queue."""
    ids = studio.hers if person == "Ada" else studio.his
    values = [f"compare:{ids['run']},{ids['second run']}", "own", 3, f"{person}s prompt"]
    body = {"fn_index": number_of(studio, "_grid_answered"), "data": values, "session_hash": session}
    return studio.clients[person].post("/gradio_api/queue/join", json=body)


def heard(studio: Studio, person: str, session: str = SESSION) -> str:
    with studio.clients[person].stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
        return "\n".join(stream.iter_lines())


def test_the_same_session_of_two_people_is_two(studio: Studio) -> None:
    assert named(studio, "Ada") != named(studio, "Bob")
    assert named(studio, "Ada") == named(studio, "Ada") != named(studio, "Ada", "page 2")
    studio.clients["Ada"].post(
        "/gradio_api/run/predict", json={"fn_index": number_of(studio, "_opened_1"), "data": [], "session_hash": SESSION}
    )
    states = studio.site.blocks.state_holder.session_data
    assert named(studio, "Ada") in states and named(studio, "Bob") not in states and SESSION not in states


def test_answers_of_a_session_come_to_its_own_person_alone(studio: Studio) -> None:
    event = join(studio, "Ada").json()["event_id"]
    stranger, unknown = heard(studio, "Bob"), heard(studio, "Bob", "never heard of")
    assert stranger == unknown and "Ada" not in stranger and event not in stranger
    mine = heard(studio, "Ada")
    assert event in mine and "process_completed" in mine


def test_an_event_is_cancelled_by_its_own_person_alone(studio: Studio) -> None:
    """While it waits: the engine belongs to another for that long."""
    queue, number = studio.site.blocks._queue, number_of(studio, "_grid_answered")
    studio.resident.run(studio.hers["run"])
    with studio.resident.base_lock.for_training():
        event = join(studio, "Ada", "long").json()["event_id"]
        until(lambda: event in queue.event_ids_to_events, "the event")
        cancel = {"session_hash": "long", "fn_index": number, "event_id": event}
        nothing = {**cancel, "session_hash": "no such session", "event_id": "0" * 32}
        found = [studio.clients["Bob"].post("/gradio_api/cancel", json=body) for body in (cancel, nothing)]
        assert (found[0].status_code, found[0].text) == (found[1].status_code, found[1].text)
        assert event in queue.pending_event_ids_session[named(studio, "Ada", "long")]
    ended = heard(studio, "Ada", "long")
    assert '"process_completed"' in ended and "Adas prompt" in ended, "nobody has ended it"


@pytest.mark.parametrize(("method", "path"), [
    ("GET", "/gradio_api/queue/status"), ("GET", "/monitoring/summary"), ("GET", "/gradio_api/deep_link?session_hash=page"),
    ("POST", "/gradio_api/call/_use"), ("GET", "/gradio_api/call/_use/x"), ("POST", "/gradio_api/call/v2/_use"),
    ("POST", "/gradio_api/api/_use"),
    ("POST", "/gradio_api/stream/x/close"), ("POST", "/gradio_api/component_server"), ("GET", "/gradio_api/stream/page/1/1/playlist.m3u8"),
])  # fmt: skip
def test_routes_of_gradio_that_no_page_needs_are_not_there(studio: Studio, method: str, path: str) -> None:
    assert studio.clients["Ada"].request(method, path, json={"data": [], "session_hash": SESSION}).status_code == 404


@pytest.mark.parametrize("body", [b"", b"[]", b"no JSON", b'{"data": [', b"[" * 100_000, b"\xff", b'"x"'])
def test_a_body_that_is_no_object_is_refused_in_a_sentence(studio: Studio, body: bytes) -> None:
    for path in ("run/predict", "queue/join", "cancel", "reset"):
        answer = studio.clients["Ada"].post(f"/gradio_api/{path}", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422 and answer.json()["error"].endswith("so it was not read.")


def test_who_opens_many_sessions_loses_their_own_and_nobody_elses(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "OF_ONE", 4)
    number, states = number_of(studio, "_measured"), studio.site.blocks.state_holder.session_data

    def use(person: str, session: str) -> None:
        body = {"fn_index": number, "data": [], "session_hash": session}
        assert studio.clients[person].post("/gradio_api/run/predict", json=body).status_code == 200

    use("Ada", "kept")
    for at in range(12):
        use("Bob", f"many {at}")
    of_bob = [each for each in states if each.startswith(named(studio, "Bob").partition("-")[0])]
    assert len(of_bob) <= 4 and named(studio, "Bob", "many 11") in of_bob
    assert named(studio, "Ada", "kept") in states


def test_all_people_together_have_a_limit_too(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the one with the most sessions loses one."""
    monkeypatch.setattr(sessions, "IN_ALL", 6)
    number, states = number_of(studio, "_measured"), studio.site.blocks.state_holder.session_data
    for session in ("one", "two"):
        studio.clients["Ada"].post("/gradio_api/run/predict", json={"fn_index": number, "data": [], "session_hash": session})
    together = [
        threading.Thread(target=studio.clients["Bob"].post, args=("/gradio_api/run/predict",), kwargs={
            "json": {"fn_index": number, "data": [], "session_hash": f"flood {at}"},
        }) for at in range(20)
    ]  # fmt: skip
    for each in together:
        each.start()
    for each in together:
        each.join()
    assert {named(studio, "Ada", session) for session in ("one", "two")} <= set(states)
