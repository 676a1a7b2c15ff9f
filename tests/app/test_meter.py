"""Tokens a minute: counted by owner in the worker, and refused with the seconds until there are more."""

import subprocess
import sys
from contextlib import contextmanager

import pytest

from app.errors import StudioError
from app.people.asking import Person
from app.people.visitor import visited_by
from app.services import make_services
from app.settings import Settings
from app.worker.meter import TokenMeter
from storage import BoundError
from tests.waiting import until

ADA, BOB = Person("a" * 16, "Ada"), Person("b" * 16, "Bob")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_an_owner_waits_until_enough_of_the_last_minute_is_over():
    clock = Clock()
    meter = TokenMeter(100, clock)
    meter.spend("ada", 60)
    clock.now = 110.5
    meter.require("ada")
    meter.spend("ada", 70)  # what is under way goes on
    assert meter.wait("ada") == 50 and meter.wait("bob") == 0
    with pytest.raises(BoundError, match=r"given 100 tokens in the last minute.*Ask again in 50 seconds"):
        meter.require("ada")
    clock.now = 159.9
    assert meter.wait("ada") == 1
    clock.now = 160.0
    meter.require("ada")
    meter.spend("ada", 30)
    assert meter.wait("ada") == 10
    clock.now = 500.0
    meter.require("ada")


def test_without_a_bound_nothing_is_counted():
    meter = TokenMeter(0, Clock())
    meter.spend("ada", 10**9)
    meter.require("ada")


def test_whoever_was_given_nothing_for_a_minute_is_forgotten():
    clock = Clock()
    meter = TokenMeter(10, clock)
    for number in range(5):
        meter.spend(f"owner {number}", 20)
    clock.now += 60
    assert meter.wait("owner 0") == 0
    meter.spend("somebody", 1)
    assert list(meter._spent) == ["somebody"]


def test_one_large_answer_is_over_after_a_minute():
    clock = Clock()
    meter = TokenMeter(10, clock)
    meter.spend("ada", 1_000)
    assert meter.wait("ada") == 60
    clock.now += 60
    assert meter.wait("ada") == 0


@contextmanager
def worker_of(services, environment, *flags):
    command = [sys.executable, "-m", "app.worker.main", "--data-dir", str(services.storage.files.root), *flags]
    process = subprocess.Popen(command, env=environment)
    try:
        until(lambda: services.worker.health() is not None, "the worker")
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(scope="module")
def bounded(tmp_path_factory, environment):
    services = make_services(Settings(data_dir=tmp_path_factory.mktemp("meter") / "data"))
    with worker_of(services, environment, "--chat-tokens", "12"):
        yield services
    services.storage.close()


def chat(services, page=""):
    request = {
        "columns": [{"kind": "base"}], "base": "starter", "messages": [{"role": "user", "content": "What is a cat?"}],
        "max_new_tokens": 8,
    }  # fmt: skip
    with visited_by(page):
        return list(services.worker.chat(request))


@pytest.mark.process
def test_one_person_is_refused_and_another_is_not_whatever_their_pages_say(bounded):
    ada, bob = bounded.seen_by(ADA), bounded.seen_by(BOB)
    assert chat(ada, "page")[-1] == {"done": True}
    for page in ("page", "another page", BOB.id, ""):
        with pytest.raises(StudioError, match=r"12 tokens in the last minute.*Ask again in \d+ seconds"):
            chat(ada, page)
    grid = {"columns": [{"kind": "base"}], "base": "starter", "prompts": [{"messages": [{"role": "user", "content": "Hello"}]}]}
    with pytest.raises(StudioError, match="tokens in the last minute"):
        next(ada.worker._stream("/batch", grid))
    assert chat(bob, ADA.id)[-1] == {"done": True}
    with pytest.raises(StudioError, match="tokens in the last minute"):
        chat(bob)


@pytest.mark.process
def test_a_list_of_prompts_counts_too(bounded):
    asked = {"columns": [{"kind": "base"}], "base": "starter", "prompts": [{"messages": [{"role": "user", "content": "Hello there"}]}] * 3}
    eve = bounded.seen_by(Person("e" * 16, "Eve"))
    lines = list(eve.worker._stream("/batch", {**asked, "max_new_tokens": 8}))
    assert lines[-1] == {"done": True} and len(lines) == 4, "what is under way is answered to its end"
    with pytest.raises(StudioError, match="tokens in the last minute"):
        chat(eve)
