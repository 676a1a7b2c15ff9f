"""Previews and counts of rows: a few at once, one of each asker, in fair order, and none for whoever has gone."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from app.worker.fair_work import Disconnected, FairWork
from reft_engine import BusyError, StoppedError
from tests.waiting import PATIENCE


class Reader:
    """A request of somebody who leaves when told to."""

    def __init__(self) -> None:
        self.left = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}


async def until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not look():
            await asyncio.sleep(0.01)


class Site:
    """Pieces of work that go on until they are let go."""

    def __init__(self, **options: int) -> None:
        self.work, self.begun, self.readers = FairWork(**options), list[str](), list[Reader]()
        self.free: dict[str, threading.Event] = {}
        self.tasks: list[asyncio.Task[str]] = []

    def ask(self, asker: str, name: str) -> asyncio.Task[str]:
        self.free[name] = threading.Event()
        self.readers.append(Reader())

        def act(gone: Disconnected) -> str:
            self.begun.append(name)
            while not self.free[name].wait(0.01):
                gone.look()
            return name

        self.tasks.append(asyncio.create_task(self.work.do(asker, self.readers[-1], act)))  # type: ignore[arg-type]
        return self.tasks[-1]


def test_each_has_one_at_a_time_and_next_is_whoever_was_served_longest_ago():
    async def tried() -> None:
        site = Site(at_once=2)
        flood = [site.ask("flood", f"f{number}") for number in range(4)]
        await until(lambda: site.begun == ["f0"])
        honest = [site.ask("honest", f"h{number}") for number in range(2)]
        await until(lambda: site.begun == ["f0", "h0"])
        third = site.ask("third", "t0")
        site.free["f0"].set()
        await until(lambda: site.begun == ["f0", "h0", "t0"])
        site.free["h0"].set()
        await until(lambda: site.begun == ["f0", "h0", "t0", "f1"])
        site.free["t0"].set()
        await until(lambda: site.begun[-1] == "h1")
        for free in site.free.values():
            free.set()
        assert await asyncio.gather(*flood, *honest, third) == ["f0", "f1", "f2", "f3", "h0", "h1", "t0"]
        assert not site.work.waiting and not site.work._working

    asyncio.run(tried())


def test_more_than_one_may_have_waiting_are_refused_and_others_are_not():
    async def tried() -> None:
        site = Site(at_once=1, of_one=2)
        site.ask("flood", "f0")
        await until(lambda: site.begun == ["f0"])
        waiting = [site.ask("flood", f"f{number}") for number in (1, 2)]
        await until(lambda: site.work.waiting == 2)
        with pytest.raises(BusyError, match="several things at once"):
            await site.ask("flood", "f3")
        honest = site.ask("honest", "h0")
        for free in site.free.values():
            free.set()
        assert await asyncio.gather(*waiting, honest) == ["f1", "f2", "h0"]
        assert site.begun.index("h0") == 1

    asyncio.run(tried())


def test_what_readers_have_left_is_not_begun_or_ends_at_its_next_look():
    async def tried() -> None:
        site = Site(at_once=1)
        tasks = [site.ask(f"reader {number}", f"r{number}") for number in range(12)]
        await until(lambda: site.begun == ["r0"])
        for reader in site.readers:
            reader.left.set()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(each, StoppedError) for each in ended) and site.begun == ["r0"]
        assert not site.work.waiting and not site.work._working
        honest = site.ask("honest", "h0")
        site.free["h0"].set()
        assert await honest == "h0"

    asyncio.run(tried())


def test_what_fails_gives_its_turn_to_the_next():
    async def tried() -> None:
        work = FairWork(at_once=1)

        def fail(gone: Disconnected) -> None:
            raise ValueError("odd")

        for _ in range(3):
            with pytest.raises(ValueError, match="odd"):
                await work.do("one", Reader(), fail)  # type: ignore[arg-type]
        assert await work.do("other", Reader(), lambda gone: 3) == 3  # type: ignore[arg-type]

    asyncio.run(tried())
