"""Two people of one studio over HTTP: each sees their own, and neither finds a trace of the other's."""

import json
import re

import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from app.people.file import People
from app.routes import make_app
from app.services import make_services
from app.settings import Settings
from storage import VotedAnswer

PHRASES = {"Ada": "correct horse battery", "Bob": "staple of another kind"}
ROWS = b'{"messages": [{"role": "user", "content": "A secret of Ada"}, {"role": "assistant", "content": "hers"}]}\n'
NOBODY = "0" * 12


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    services = make_services(Settings(data_dir=tmp_path_factory.mktemp("two") / "data", people="team", allowed_hosts=["testserver"]))
    people = People(services.everything.files.root)
    found = {name: people.add(name, phrase).person for name, phrase in PHRASES.items()}
    app = make_app(services)
    clients = {}
    for name, phrase in PHRASES.items():
        clients[name] = TestClient(app, follow_redirects=False)
        assert clients[name].post("/login", data={"username": name, "password": phrase}).status_code == 303
    clients["stranger"] = TestClient(app, follow_redirects=False)
    yield app, services, found, clients
    services.everything.close()


@pytest.fixture(scope="module")
def hers(studio):
    """One of everything of Ada's, by the names of the parameters that routes have for it."""
    _, services, people, _ = studio
    store = services.seen_by(people["Ada"]).storage
    dataset = store.datasets.create(name="Adas rows", label="adas.jsonl", shape="chats", rows=1, usable_rows=1, examples=ROWS)
    run = store.runs.create(dataset.id, {"base": "starter", "reft": {}, "train": {}}, name="Adas run")
    chat = store.chats.create(
        "Adas chat", json.dumps({"format": 1, "columns": [{"kind": "base"}], "shown": [0], "turns": [], "leaf": None})
    )
    answers = [VotedAnswer({"kind": "base"}, "Adas base", "Adas answer"), VotedAnswer({"kind": "base"}, "Adas other", "Adas second")]
    vote = store.votes.add([("user", "Adas question")], answers, "tie")
    return {"dataset_id": dataset.id, "run_id": run.id, "run": run.id, "chat_id": chat.id, "vote_id": vote.id}


def routes(app):
    for route in app.routes:
        if isinstance(route, APIRoute) and not route.path.startswith(("/gradio_api", "/login", "/logout")):
            for method in sorted(route.methods - {"HEAD", "OPTIONS"}):
                yield method, route.path


def filled(path, ids):
    """The path with ids in it, and whether it takes any."""
    for name in re.findall(r"\{(\w+)(?::\w+)?\}", path):
        path = re.sub(r"\{" + name + r"(:\w+)?\}", ids.get(name, "md" if name == "form" else "x"), path)
    return path


def asked(client, method, path, ids):
    query = {name: ids[name] for name in ("run", "dataset_id")}
    answer = client.request(method, filled(path, ids), params=query if method == "GET" else None, json={} if method == "POST" else None)
    return answer.status_code, answer.text


@pytest.mark.process
def test_no_route_tells_one_person_of_the_rows_of_another(studio, hers):
    app, _, _, clients = studio
    nobodys = dict.fromkeys(hers, NOBODY)
    tried = []
    for method, path in routes(app):
        if path in ("/healthz", "/alive"):
            continue
        tried.append(path)
        status, text = asked(clients["Bob"], method, path, hers)
        assert "Ada" not in text and "hers" not in text, path
        for found in hers.values():
            text = text.replace(found, NOBODY)
        assert (status, text) == asked(clients["Bob"], method, path, nobodys), path
    assert len(tried) > 20, tried


def test_the_same_routes_tell_herself(studio, hers):
    clients = studio[3]
    listed = clients["Ada"].get("/play/chats", params={"offset": 0, "limit": 9, "binned": False})
    assert "Adas chat" in listed.text and "Adas chat" not in clients["Bob"].get("/play/chats", params={"offset": 0, "limit": 9}).text
    assert clients["Ada"].get(f"/play/chats/{hers['chat_id']}").status_code == 200
    assert clients["Ada"].get("/play/votes").json()["votes"] == 1 and clients["Bob"].get("/play/votes").json()["votes"] == 0


def test_a_stranger_reaches_the_page_to_log_in_and_whether_the_studio_lives_and_nothing_else(studio, hers):
    app, _, _, clients = studio
    stranger = clients["stranger"]
    for method, path in routes(app):
        status, text = asked(stranger, method, path, hers)
        assert (status == 200) == (path == "/healthz"), path
        assert path == "/healthz" or "logged in" in text
    page = stranger.get("/playground?run=1", headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["location"]) == (303, "/login?next=%2Fplayground%3Frun%3D1")


@pytest.mark.parametrize("path", [
    "/gradio_api/startup-events", "/gradio_api/app_id", "/gradio_api/info", "/config", "/gradio_api/queue/status", "/theme.css",
    "/gradio_api/heartbeat/x",
])  # fmt: skip
def test_a_stranger_reaches_none_of_gradios_own_routes(studio, path):
    assert studio[3]["stranger"].get(path).status_code == 401


@pytest.mark.parametrize("path", ["/cancel", "/reset", "/queue/join", "/upload", "/run/predict", "/api/predict"])
def test_a_stranger_posts_to_none_of_gradios_own_routes(studio, path):
    assert studio[3]["stranger"].post(f"/gradio_api{path}", json={}).status_code == 401
