"""How routes read bodies and answer them: limits, statuses, sentences, threads."""

import asyncio
import json
import threading
import time

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.testclient import TestClient

from app.errors import EngineAwayError, StudioError
from app.people.asking import Person, asked_by
from app.people.visitor import visited_by, visitor
from app.routes.answers import Answers, Held, OfEach
from reft_engine import ReftError
from storage import ConflictError, NotFoundError, StorageError, TooLargeError, UnavailableError

LIMIT = 1000


@pytest.fixture
def client():
    """An app of one route, which tells how long the body is."""
    app, answers = FastAPI(), Answers(2)

    @app.post("/")
    async def route(request: Request) -> Response:
        return await answers.to(request, lambda body: {"bytes": len(body)}, LIMIT)

    with TestClient(app) as made:
        yield made


def given(make, **more):
    """What comes of it, from a route."""
    return asyncio.run(Answers(2).give(make, **more))


def fails(error):
    raise error


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFoundError("No.", kind="a"), 404), (ConflictError("No.", kind="a"), 409), (TooLargeError("No.", kind="a"), 413),
        (UnavailableError("No.", kind="a"), 503), (StorageError("No.", kind="a"), 422), (ReftError("No.", kind="a"), 422),
    ],
)  # fmt: skip
def test_an_error_is_its_sentence_its_kind_and_a_status_that_says_why(error, status):
    answer = given(lambda: fails(error))
    assert answer.status_code == status and answer.headers["cache-control"] == "no-store"
    assert json.loads(answer.body) == {"error": "No.", "detail": "No.", "kind": "a"}


@pytest.mark.parametrize(("error", "status"), [(EngineAwayError("No."), 503), (StudioError("No."), 422)])
def test_an_error_of_the_app_has_no_kind(error, status):
    answer = given(lambda: fails(error))
    assert (answer.status_code, json.loads(answer.body)) == (status, {"error": "No.", "detail": "No.", "kind": ""})


def test_what_is_not_meant_for_people_is_in_the_log_only(caplog):
    answer = given(lambda: fails(ValueError("secret")))
    assert answer.status_code == 500 and b"secret" not in answer.body and "secret" in caplog.text
    assert given(lambda: {"no": float("nan")}).status_code == 500, "what is no JSON either"


def test_what_cannot_be_made_is_no_file_unless_nobody_could_say_so():
    def made(make):
        return asyncio.run(Answers(1).file(make, "text/plain"))

    file = made(lambda: ("a.txt", "ü"))
    assert (file.body, file.headers["content-disposition"]) == ("ü".encode(), 'attachment; filename="a.txt"')
    assert made(lambda: fails(StudioError("No."))).status_code == 404
    assert made(lambda: fails(UnavailableError("No.", kind="a"))).status_code == 503


@pytest.mark.parametrize(("size", "status"), [(0, 200), (LIMIT, 200), (LIMIT + 1, 413), (5 * LIMIT, 413), (50 * LIMIT, 413)])
def test_a_body_is_read_up_to_a_limit(client, size, status):
    answer = (
        client.post("/", content=(b"x" * 100 for _ in range(size // 100))) if size % 100 == 0 else client.post("/", content=b"x" * size)
    )
    assert answer.status_code == status and (answer.json() == {"bytes": size}) is (status == 200)
    assert status == 200 or answer.json()["error"] == "This is too long: at most 0 MB are read at once."


def test_the_work_is_in_few_threads_for_the_one_who_asks():
    lock, at_work, most, who = threading.Lock(), 0, 0, set()

    def work():
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
            who.add((visitor(), threading.current_thread() is threading.main_thread()))
        time.sleep(0.02)
        with lock:
            at_work -= 1
        return {}

    async def ask():
        answers = Answers(2)
        with visited_by("somebody"):
            await asyncio.gather(*(answers.give(work) for _ in range(8)))

    asyncio.run(ask())
    assert most == 2 and who == {("somebody", False)}


def test_one_of_several_people_holds_half_of_what_is_held_at_most():
    held = Held(100)
    with asked_by(Person("ada", "Ada")), held.body() as one, held.body() as other:
        one(40), other(10)
        with pytest.raises(StudioError, match="Try again in a moment"):
            other(1)
        with asked_by(Person("bob", "Bob")), held.body() as his:
            his(50)
            with pytest.raises(StudioError, match="Try again in a moment"):
                his(1)
        assert held.now == 50
    with asked_by(Person("", "")), held.body() as alone:
        alone(100)
    assert held.now == 0


def test_one_of_several_people_has_so_many_turns_and_keeps_nobody_else():
    async def begun(*askers: str) -> list[str]:
        each, seen, end = OfEach(2), [], asyncio.Event()

        async def work(asker: str) -> None:
            with asked_by(Person(asker, asker)):
                async with each.turn():
                    seen.append(asker)
                    await end.wait()

        tasks = [asyncio.create_task(work(asker)) for asker in askers]
        await asyncio.sleep(0.05)
        found = list(seen)
        end.set()
        await asyncio.gather(*tasks)
        assert len(seen) == len(askers)
        return found

    assert asyncio.run(begun("a", "a", "a", "b")) == ["a", "a", "b"]
    assert asyncio.run(begun("", "", "", "")) == [""] * 4
