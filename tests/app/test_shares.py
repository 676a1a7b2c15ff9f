"""Turns of askers: what one has waiting keeps another for one piece of work."""

import threading

import pytest

from app.fair_turns import FairTurns
from app.people.asking import Person, asked_by
from app.people.visitor import share
from tests.waiting import until


def done_in_order(asked):
    """Who had a turn, in order, when these asked one after another while somebody else was at work."""
    turns, order, threads = FairTurns(), [], []

    def work(owner):
        with turns.turn(owner) as has_turn:
            assert has_turn
            order.append(owner)

    with turns.turn("first"):
        for number, owner in enumerate(asked, start=1):
            threads.append(threading.Thread(target=work, args=(owner,)))
            threads[-1].start()
            until(lambda number=number: len(turns._waiting) == number, "somebody to wait")
        assert order == []
    for thread in threads:
        thread.join()
    return "".join(order)


@pytest.mark.parametrize(("asked", "order"), [("aaaab", "abaaa"), ("aabbc", "abcab"), ("ab", "ab"), ("aaa", "aaa")])
def test_askers_take_turns(asked, order):
    assert done_in_order(asked) == order


def test_who_gives_up_has_no_turn_and_keeps_nobody():
    turns = FairTurns()
    with turns.turn("a"), turns.turn("b", lambda: True) as has_turn:
        assert not has_turn
    with turns.turn("c") as has_turn:
        assert has_turn


def test_a_turn_ends_with_an_error():
    turns = FairTurns()
    with pytest.raises(ValueError, match="x"), turns.turn("a"):
        raise ValueError("x")
    with turns.turn("b") as has_turn:
        assert has_turn


def test_a_person_has_one_share_whatever_a_page_says_and_in_a_studio_of_one_each_page_has_its_own():
    assert share("page") == "page"
    with asked_by(Person("", "", operator=True)):
        assert share("page") == "page"
    with asked_by(Person("ada", "Ada")):
        assert {share(page) for page in ("page", "", "bob")} == {"ada"}
