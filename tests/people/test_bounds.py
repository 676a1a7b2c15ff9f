"""Bounds of two people over HTTP: what one has used up is refused to them in a sentence, and never to the other."""

import threading
from contextlib import ExitStack

import httpx
import pytest

from app.handlers import train
from app.handlers.train import TrainForm
from app.people.file import People
from app.services import make_services
from app.settings import Settings
from storage import BoundError
from tests.serving import serving

PHRASES = {"Ada": "correct horse battery", "Bob": "staple of another kind"}
ROWS = b'{"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]}\n'
MOST = 5


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """A server with two people who are logged in, whose engine is away."""
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("bounds") / "data", people="team", allowed_hosts=["127.0.0.1"], person_queued_runs=MOST,
        person_datasets=MOST, person_mb=100,
    )  # fmt: skip
    services = make_services(settings)
    people = {name: People(services.everything.files.root).add(name, phrase).person for name, phrase in PHRASES.items()}
    with serving(services) as site, ExitStack() as clients:
        found = {}
        for name, phrase in PHRASES.items():
            found[name] = clients.enter_context(httpx.Client(base_url=site.address, timeout=30))
            answer = found[name].post("/login", data={"username": name, "password": phrase})
            assert answer.status_code == 303, answer.text
        yield services, people, found
    services.everything.close()


def test_of_64_starts_of_one_person_their_bound_comes_through_and_the_others_run_is_next(studio):
    services, people, _ = studio
    ada, bob = (services.seen_by(people[name]) for name in PHRASES)
    dataset = ada.storage.datasets.create(name="More", label="r", shape="chats", rows=1, usable_rows=1, examples=ROWS)
    for run in (*ada.storage.runs.going(), *bob.storage.runs.going()):
        services.everything.runs.request_stop(run.id)
    found = []

    def start(number):
        try:
            found.append(train.start(ada, dataset.id, TrainForm(epochs=1 + number), f"page {number}"))
        except BoundError as error:
            found.append(str(error))

    threads = [threading.Thread(target=start, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = [each for each in found if isinstance(each, str)]
    assert (len(found), len(refused)) == (64, 64 - MOST)
    assert all("take some out of the queue" in each for each in refused)
    own = bob.storage.datasets.create(name="His", label="r", shape="chats", rows=1, usable_rows=1, examples=ROWS)
    his = train.start(bob, own.id, TrainForm(), "page")
    assert bob.storage.runs.queue_position(his.id) == 2
    assert [services.everything.queue.claim(name).run.id == his.id for name in ("w1", "w2")] == [False, True]


def test_what_a_person_has_stored_is_counted_for_them_alone(studio):
    services, people, clients = studio
    ada = services.seen_by(people["Ada"]).storage
    run = ada.runs.all()[0]
    ada.runs.request_stop(run.id)
    folder = ada.files.run_folder(run.id)
    folder.mkdir(exist_ok=True)
    with (folder / "checkpoint").open("wb") as file:
        file.truncate(100_000_000)
    ada.runs.has_changed(run.id)
    document = {"format": 1, "columns": [{"kind": "base"}], "shown": [0], "turns": [], "leaf": None}
    saved = {name: clients[name].post("/play/chats", json={"name": "x", "document": document}) for name in PHRASES}
    assert (saved["Ada"].status_code, saved["Bob"].status_code) == (422, 200), saved["Bob"].text
    assert "you may have 100.0 MB. Delete runs, datasets or conversations" in saved["Ada"].json()["error"]
    ada.runs.delete(run.id)
    assert clients["Ada"].post("/play/chats", json={"name": "x", "document": document}).status_code == 422, "the bin counts"
    ada.runs.empty_bin()
    assert clients["Ada"].post("/play/chats", json={"name": "x", "document": document}).status_code == 200
