"""Files are read in turns: a few at once, one for each visitor, the others in the order in which they came."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from app.choices import Choices
from app.errors import NoAnswerError, StoppedError, StudioError
from app.fair_turns import FairTurns
from app.handlers import uploads
from app.handlers.uploads import Progress, Uploads
from app.people.visitor import visited_by
from reft_engine.data import Columns
from tests.reading import read_here
from tests.waiting import PATIENCE, until

ONE, TWO = (Choices(Columns.pair(*pair)) for pair in (("prompt", "answer"), ("answer", "prompt")))

READS, WAITS = Progress(0.42, waits=False), Progress(0.0, waits=True)


class Line:
    """Those who ask for a turn one after another; each works until it is told to end."""

    def __init__(self, at_once):
        self.turns, self.begun, self._ends, self._pool = FairTurns(at_once), [], {}, ThreadPoolExecutor(8)

    def ask(self, name, visitor, gives_up=lambda: False):
        before, self._ends[name] = self.turns.waiting() + len(self.begun), threading.Event()
        asked = self._pool.submit(self._work, name, visitor, gives_up)
        until(lambda: asked.done() or self.turns.waiting() + len(self.begun) > before, "the next in the line")

    def _work(self, name, visitor, gives_up):
        with self.turns.turn(visitor, gives_up) as has_turn:
            self.begun.append(name if has_turn else f"{name} gave up")
            assert not has_turn or self._ends[name].wait(PATIENCE)

    def end(self, *names):
        for name in names:
            self._ends[name].set()

    def has_begun(self, *names):
        until(lambda: len(self.begun) >= len(names), f"the turn of {names[-1]}")
        return self.begun == [*names]


@contextmanager
def line(at_once):
    made = Line(at_once)
    try:
        yield made
    finally:
        made.end(*made._ends)
        made._pool.shutdown()


def test_no_more_than_so_many_work_at_once_and_the_others_come_in_their_order():
    with line(2) as made:
        for name in "abcd":
            made.ask(name, name)
        assert made.has_begun("a", "b") and made.turns.waiting() == 2
        made.end("b")
        assert made.has_begun("a", "b", "c") and made.turns.waiting() == 1
        made.end("a")
        assert made.has_begun("a", "b", "c", "d")


def test_a_visitor_who_wants_more_holds_up_nobody_else():
    with line(2) as made:
        for name, visitor in (("a1", "a"), ("a2", "a"), ("b", "b"), ("c", "c")):
            made.ask(name, visitor)
        assert made.has_begun("a1", "b"), "the second of a visitor waits for the first"
        made.end("b")
        assert made.has_begun("a1", "b", "c")
        made.end("a1")
        assert made.has_begun("a1", "b", "c", "a2")


def test_who_gives_up_leaves_the_line_to_those_behind():
    tired = threading.Event()
    with line(1) as made:
        made.ask("a", "a")
        made.ask("b", "b", tired.is_set)
        made.ask("c", "c")
        tired.set()
        made.turns.look_again()
        assert made.has_begun("a", "b gave up") and made.turns.waiting() == 1
        made.end("a")
        assert made.has_begun("a", "b gave up", "c")


# Readings


@pytest.fixture
def held(monkeypatch):
    """Readings that have begun, by the names of their files; each goes on when its event is set, or ends when it is not wanted."""
    begun = {}

    def read(path, folder, choices, note, should_stop):
        go_on = begun.setdefault((path.name, choices), threading.Event())
        note(0.42)
        until(lambda: go_on.is_set() or should_stop(), "the end of a reading")
        return read_here(path, folder, choices, note, should_stop)

    monkeypatch.setattr(uploads, "read_in_process", read)
    return begun


@pytest.fixture
def asks():
    """Asks for a file as a visitor does."""
    with ThreadPoolExecutor(8) as pool:

        def ask(known, path, choices=ONE, *, visitor="a", count=0):
            def read():
                with visited_by(visitor):
                    return known.read(path, choices, count)

            return pool.submit(read)

        yield ask


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / f"{name}.csv" for name in "abc"]
    for path in paths:
        path.write_text("prompt,answer\np,a\n")
    return paths


def test_a_newer_wish_ends_the_older_one_and_nothing_is_shown_of_that(held, asks, files):
    known, path = Uploads(), files[0]
    older = asks(known, path, ONE, count=1)
    until(lambda: held, "the first reading")
    newer = asks(known, path, TWO, count=2)
    with pytest.raises(NoAnswerError):
        older.result(PATIENCE)
    until(lambda: ("a.csv", TWO) in held, "the second reading")
    with pytest.raises(NoAnswerError):
        asks(known, path, ONE, count=1).result(PATIENCE)
    held["a.csv", TWO].set()
    assert newer.result(PATIENCE).inspection.examples[0].answer == "p"
    held["a.csv", ONE].set()
    assert asks(known, path, ONE, count=3).result(PATIENCE).inspection.examples[0].answer == "a", "it can be wished for again"


def test_a_wish_is_taken_back_before_the_newer_one_comes(held, asks, files):
    known, path = Uploads(), files[0]
    older = asks(known, path, count=1)
    until(lambda: held, "the reading")
    with visited_by("b"):
        known.supersede(path, 2)
    with visited_by("a"):
        known.supersede(path, 1)
    assert not older.done() and known.progress(path)
    with visited_by("a"):
        known.supersede(path, 2)
    with pytest.raises(NoAnswerError):
        older.result(PATIENCE)


def test_what_arrives_after_its_successor_was_announced_is_not_begun(held, asks, files):
    known, path = Uploads(), files[0]
    with visited_by("a"):
        known.supersede(path, 4)
        known.supersede(path, 3)
    with pytest.raises(NoAnswerError):
        asks(known, path, ONE, visitor="a", count=3).result(PATIENCE)
    newest = asks(known, path, TWO, visitor="a", count=4)
    until(lambda: ("a.csv", TWO) in held, "the newest reading")
    assert ("a.csv", ONE) not in held
    held["a.csv", TWO].set()
    assert newest.result(PATIENCE).inspection.examples
    assert asks(known, path, TWO, visitor="a", count=2).result(PATIENCE).inspection.examples, "what is read costs nothing"
    held.setdefault(("a.csv", ONE), threading.Event()).set()
    assert asks(known, path, ONE, visitor="b", count=1).result(PATIENCE).inspection.examples, "others' wishes stand"


def test_what_somebody_else_waits_for_too_is_read_to_its_end(held, asks, files):
    known, path = Uploads(), files[0]
    mine = asks(known, path, visitor="a", count=1)
    until(lambda: held, "the reading")
    theirs = asks(known, path, visitor="b", count=7)
    until(lambda: len(known._known[next(iter(known._known))].wanted) == 2, "the other visitor")
    with visited_by("a"):
        known.supersede(path, 2)
    held["a.csv", ONE].set()
    assert theirs.result(PATIENCE).inspection.examples
    with pytest.raises(NoAnswerError):
        mine.result(PATIENCE)


def test_steps_of_the_same_wish_do_not_end_each_other(held, asks, files):
    known, path = Uploads(), files[0]
    both = [asks(known, path, choices, count=1) for choices in (ONE, TWO)]
    for choices in (ONE, TWO):
        held.setdefault(("a.csv", choices), threading.Event()).set()
    assert all(each.result(PATIENCE).inspection.examples for each in both)


def test_a_reading_tells_how_far_it_is_whether_it_waits_and_can_be_stopped(held, asks, files):
    known = Uploads(at_once=2)
    assert known.progress(files[0]) is None
    asked = [asks(known, path, visitor=visitor) for path, visitor in zip(files, "abc", strict=True)]
    until(lambda: all(known.progress(path) in (READS, WAITS) for path in files) and len(held) == 2, "two readings, and one that waits")
    waits = next(path for path in files if known.progress(path) == WAITS)
    known.stop(waits)
    with pytest.raises(StoppedError, match="Reading was cancelled"):
        asked[files.index(waits)].result(PATIENCE)
    for path in files:
        known.stop(path)
    for each in asked:
        with pytest.raises(StudioError):
            each.result(PATIENCE)
    assert [known.progress(path) for path in files] == [None] * 3


def test_one_visitor_reads_one_file_at_a_time_while_another_reads_too(held, asks, files):
    known = Uploads(at_once=2)
    first = asks(known, files[0], visitor="a")
    until(lambda: ("a.csv", ONE) in held, "the first reading")
    second = asks(known, files[1], visitor="a")
    until(lambda: known.progress(files[1]) == WAITS, "the second in the line")
    asks(known, files[2], visitor="b")
    until(lambda: ("c.csv", ONE) in held, "the other visitor's reading")
    assert ("b.csv", ONE) not in held
    held["c.csv", ONE].set()
    held["a.csv", ONE].set()
    assert first.result(PATIENCE)
    until(lambda: ("b.csv", ONE) in held, "the second reading")
    held["b.csv", ONE].set()
    assert second.result(PATIENCE).inspection.examples
