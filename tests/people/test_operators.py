"""The operators' page over HTTP: what it shows and does, and that for everybody else it is not there."""

import json
from datetime import timedelta

import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from app.handlers import operators
from app.people.asking import NobodyError, Person, asked_by
from app.people.seen import LastSeen
from app.routes import make_app
from app.routes.operators import PATH, OperatorsOnly
from app.services import make_services
from app.settings import Settings
from storage import NotFoundError, RunStatus
from tests.people.test_shares import HOSTILE, HTML, Studio

SURE = {"sure": "yes"}
PATHS = (PATH, f"{PATH}/stop", f"{PATH}/sessions")


@pytest.fixture
def studio(tmp_path):
    made = Studio(tmp_path)
    made.people.add("Olga", "an operators pass phrase", operator=True)
    made.clients["Olga"] = made.client()
    assert made.clients["Olga"].post("/login", data={"username": "Olga", "password": "an operators pass phrase"}).status_code == 303
    yield made
    made.services.everything.close()


def a_run(studio, name="Ada"):
    store = studio.store(name)
    dataset = store.datasets.create(name=f"Private {HOSTILE}", label="a", shape="chats", rows=1, usable_rows=1, examples=b"{}\n" * 2000)
    return store.runs.create(dataset.id, {"base": "private-base", "reft": {}, "train": {}}, name=f"Private {HOSTILE}")


def test_it_shows_what_each_has_and_nothing_of_what_it_says(studio):
    training, waiting = a_run(studio), a_run(studio, "Bob")
    studio.store("Ada").chats.create("Private talk", json.dumps({"private": "turn"}))
    studio.services.everything.queue.claim("w")
    text = studio.get("Olga", PATH).text
    assert all(name in text for name in ("Ada", "Bob", "Eve", "Olga · operator", training.id, waiting.id, "Preparing", "Waiting"))
    assert str(studio.services.everything.files.root) in text and "1 run waits." in text
    assert "private" not in text.casefold() and "script" not in text


def test_for_everybody_else_it_is_not_there(studio):
    run = a_run(studio)
    for name in ("Ada", "Bob"):
        for path in PATHS:
            other = path.replace(PATH, "/operatox")
            for method in ("GET", "POST", "HEAD", "PUT", "OPTIONS"):
                options = {
                    "headers": HTML,
                    "data": {"run": run.id, "person": studio.persons["Bob"].id, **SURE} if method == "POST" else None,
                }
                found, nothing = (studio.clients[name].request(method, each, **options) for each in (path, other))
                for answer in (found, nothing):
                    answer.headers.pop("x-request-id", None)
                told = (found.status_code, found.text.replace(path, other), dict(found.headers))
                assert told == (nothing.status_code, nothing.text, dict(nothing.headers)), (name, method, path)
                assert found.status_code in (404, 405)
    for path in PATHS:
        assert studio.clients["stranger"].get(path).status_code == 401 and studio.clients["stranger"].post(path).status_code == 401
    assert studio.services.everything.runs.get(run.id).status is RunStatus.QUEUED and studio.get("Bob", "/play/votes").status_code == 200
    assert {route.path for route in studio.app.routes if isinstance(route, OperatorsOnly)} == set(PATHS)
    assert [route.path for route in studio.app.routes if isinstance(route, APIRoute) and route.path.startswith(PATH)] == list(PATHS)


def test_the_handlers_ask_themselves_who_asks(studio):
    run, people = a_run(studio), studio.people
    services = studio.services.seen_by_whoever_asks()
    acts = (
        lambda: operators.overview(services, people, LastSeen()), lambda: operators.stop(services, run.id),
        lambda: operators.end_sessions(services, studio.persons["Bob"].id),
    )  # fmt: skip
    for act in acts:
        with asked_by(studio.persons["Ada"]), pytest.raises(NotFoundError):
            act()
        with pytest.raises(NobodyError):
            act()
    with asked_by(Person("x", "X", operator=True)):
        assert operators.overview(services, people, LastSeen()).waiting == 1


def test_a_run_is_stopped_once_it_is_said_twice_and_its_story_says_who_did(studio):
    run, olga = a_run(studio), studio.clients["Olga"]
    assert olga.post(f"{PATH}/stop", data={"run": run.id}).status_code == 303
    store = studio.store("Ada")
    assert store.runs.get(run.id).status is RunStatus.QUEUED
    answer = olga.post(f"{PATH}/stop", data={"run": run.id, **SURE})
    assert (answer.status_code, answer.headers["location"]) == (303, "../operator?done=stop")
    assert store.runs.get(run.id).status is RunStatus.STOPPED
    assert [event.text for event in store.events.all(run.id)].count("An operator stopped this run.") == 1
    assert (
        "asked to stop" in studio.get("Olga", f"{PATH}?done=stop").text and HOSTILE not in studio.get("Olga", f"{PATH}?done={HOSTILE}").text
    )
    for wrong in ("0" * 12, "", HOSTILE):
        assert olga.post(f"{PATH}/stop", data={"run": wrong, **SURE}).status_code == 404


def test_all_sessions_of_a_person_end_at_once(studio):
    second = studio.client()
    assert second.post("/login", data={"username": "Bob", "password": "staple of another kind"}).status_code == 303
    answer = studio.clients["Olga"].post(f"{PATH}/sessions", data={"person": studio.persons["Bob"].id, **SURE})
    assert answer.headers["location"] == "../operator?done=sessions"
    assert second.get("/play/votes").status_code == 401 and studio.clients["Bob"].get("/play/votes").status_code == 401
    assert studio.clients["Ada"].get("/play/votes").status_code == 200


def test_a_foreign_page_stops_nothing(studio):
    run = a_run(studio)
    for origin in ("https://evil.example", "null"):
        answer = studio.clients["Olga"].post(f"{PATH}/stop", data={"run": run.id, **SURE}, headers={"Origin": origin})
        assert answer.status_code == 403
    assert studio.store("Ada").runs.get(run.id).status is RunStatus.QUEUED


def test_somebody_who_was_removed_is_shown_by_what_is_left(studio):
    a_run(studio, "Bob")
    studio.people.remove("Bob")
    text = studio.get("Olga", PATH).text
    assert "Bob" not in text and f"somebody ({studio.persons['Bob'].id[:8]})" in text


def test_people_are_last_seen_when_they_ask_and_the_oldest_are_forgotten():
    seen = LastSeen()
    for number in range(10_001):
        seen.note(Person(str(number), f"Person {number}"))
    seen.note(Person("5", "Renamed"))
    found = seen.all()
    assert len(found) == 10_000 and "0" not in found and found["5"].name == "Renamed"
    assert found["10000"].at - found["1"].at < timedelta(minutes=5)


def test_operators_behind_a_proxy_see_whom_it_named_since_the_start(tmp_path):
    settings = Settings(
        data_dir=tmp_path / "data", people="proxy", proxies=["10.0.0.1"], operators=["Olga"], allowed_hosts=["testserver"]
    )  # fmt: skip
    services = make_services(settings)
    app = make_app(services)
    inside, outside = (TestClient(app, client=(address, 1), follow_redirects=False) for address in ("10.0.0.1", "10.0.0.2"))
    ada, olga = ({"X-Forwarded-User": name} for name in ("Ada", "Olga"))
    services.everything.seen_by("f" * 32).chats.create("Private talk", "{}")
    assert inside.get("/play/votes", headers=ada).status_code == 200
    assert inside.get(PATH, headers=ada).status_code == 404 and outside.get(PATH, headers=olga).status_code == 401
    text = inside.get(PATH, headers=olga).text
    assert "Ada" in text and "Olga" in text and f"somebody ({'f' * 8})" in text and "Private" not in text and "End all" not in text
    services.everything.close()


def test_where_one_person_is_there_is_no_such_page(tmp_path):
    services = make_services(Settings(data_dir=tmp_path / "data"))
    client = TestClient(make_app(services), base_url="http://localhost")
    assert client.get(PATH).status_code == client.get("/operatox").status_code == 404
    services.everything.close()
