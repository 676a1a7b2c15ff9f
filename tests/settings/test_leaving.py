"""A reader who leaves ends the engine's work, over the page's server and the worker's: looks, samples of a mix, many prompts."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import httpx
import pytest

from app.handlers.batch import MOST
from app.worker import api
from reft_engine.inference import Request
from tests.chatting import column, columns
from tests.serving import serving
from tests.settings.house import House
from tests.settings.seen_rows import IDS, TALK, of_run
from tests.waiting import PATIENCE, until

LOOKS = {"separation": {"answer": IDS}, "map": {}, "lens": {"layer": 2, "token": 1}, "tints": {"answer": IDS}}


@pytest.fixture(scope="module")
def site(house) -> Iterator[str]:
    with serving(house.services) as found:
        yield found.address


@pytest.fixture
def gone(monkeypatch) -> threading.Event:
    """Is set once the worker has noticed that somebody has gone, and done what is to be done then."""
    noticed, set_ = threading.Event(), api.Disconnected.set

    def told(disconnected: api.Disconnected) -> None:
        set_(disconnected)
        noticed.set()

    monkeypatch.setattr(api.Disconnected, "set", told)
    return noticed


@contextmanager
def passing(house: House, at: Callable[[], None] = lambda: None) -> Iterator[list[int]]:
    """The passes over the first block of the base model; at the beginning of each something is done."""
    passes: list[int] = []

    def begun(*_: Any) -> None:
        passes.append(len(passes))
        at()

    base, _ = house.resident.run(house.run.id)
    handle = base.model.model.layers[0].register_forward_pre_hook(begun)
    try:
        yield passes
    finally:
        handle.remove()


@contextmanager
def asked(house: House) -> Iterator[list[Request]]:
    """The requests that the running batch is asked."""
    engine, found = house.resident.engine(house.resident.run(house.run.id)[0]), list[Request]()
    submit = engine.submit

    def noted(*given: Any, **named: Any) -> Request:
        found.append(submit(*given, **named))
        return found[-1]

    engine.submit = noted  # type: ignore[method-assign]
    try:
        yield found
        until(lambda: engine.is_idle, "the end of what nobody reads")
        assert engine.rows_in_flight == 0
    finally:
        engine.submit = submit  # type: ignore[method-assign]


def leave(site: str, path: str, body: dict[str, Any], when: Callable[[], bool]) -> None:
    """Ask, and go away before there is an answer."""

    async def go() -> None:
        async with httpx.AsyncClient(base_url=site, timeout=PATIENCE) as http:
            asking = asyncio.create_task(http.post(path, json=body))
            while not when():
                assert not asking.done(), "it was answered before"
                await asyncio.sleep(0.01)
            asking.cancel()
            with suppress(asyncio.CancelledError):
                await asking

    asyncio.run(go())


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_that_nobody_waits_for_any_more_makes_no_pass(house, site, gone, look):
    lock = house.resident.base_lock
    with passing(house) as passes:
        with lock.for_training():
            leave(site, f"/play/{look}", {"column": of_run(house), "messages": TALK, **LOOKS[look]}, lambda: lock._waiting_chats > 0)
            until(gone.is_set, "the worker's notice")
        until(lambda: not lock._waiting_chats and not lock._busy, "the end of the look")
        assert not passes
        answer = httpx.post(f"{site}/play/{look}", json={"column": of_run(house), "messages": TALK, **LOOKS[look]}, timeout=PATIENCE)
        assert answer.status_code == 200 and passes, "whoever stays is answered"


def test_a_proof_ends_after_the_pass_in_which_its_reader_leaves(house, site, gone):
    begun = threading.Event()

    def hold() -> None:
        begun.set()
        assert gone.wait(PATIENCE)

    lock = house.resident.base_lock
    with passing(house, hold) as passes:
        leave(site, "/play/separation", {"column": of_run(house), "messages": TALK, "answer": IDS}, begun.is_set)
        until(lambda: gone.is_set() and not lock._waiting_chats and not lock._busy, "the end of the proof")
        assert len(passes) == 1


@contextmanager
def read_one(site: str, path: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The first line of an answer that is a stream, which is then left."""
    with httpx.stream("POST", site + path, json=body, timeout=PATIENCE) as answer:
        yield json.loads(next(answer.iter_lines()))


def test_the_samples_of_a_mix_end_when_their_reader_leaves(house, site, monkeypatch):
    """There is room for one prompt at a time, so that the others wait when the first one is answered."""
    engine = house.resident.engine(house.resident.run(house.run.id)[0])
    monkeypatch.setattr(engine, "limits", replace(engine.limits, rows=4))
    monkeypatch.setattr(engine, "_most_rows", 4)
    body = {
        "parts": [{"run": house.run.id, "weight": 0.5}, {"run": house.second.id, "weight": 0.5}],
        "prompts": [f"What is {number} cat?" for number in range(8)], "page": "a page",
    }  # fmt: skip
    with asked(house) as requests, read_one(site, "/play/mix/samples", body) as first:
        assert first["prompt"] == body["prompts"][0] and first["mix"]
    assert {request.owner for request in requests} == {"a page"}
    assert "cancelled" in {request.ending(at) for request in requests for at in range(4)}


def test_many_prompts_end_when_their_reader_leaves(house, site):
    prompts = [{"messages": [{"role": "user", "content": f"Story {number}."}]} for number in range(MOST)]
    body = {"columns": columns(None, house.run.id), "prompts": prompts, "max_new_tokens": 60}
    with asked(house) as requests, read_one(site, "/play/batch", body) as first:
        assert first["prompt"] == 0 and "text" in first
    assert 0 < len(requests) < MOST, "what was not asked yet is not asked any more"
    assert "cancelled" in {request.ending() for request in requests}
    assert house.chat(columns=[column()], max_new_tokens=4)
