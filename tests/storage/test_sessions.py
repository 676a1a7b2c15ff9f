"""Sessions of people: they begin, expire and end, and what a browser holds cannot be read from the database."""

from datetime import timedelta

from sqlalchemy import select

from storage.sessions import MOST_OF_ONE
from storage.tables import PersonSession

DAY = timedelta(days=1)


def test_a_session_is_found_until_it_ends(store, reopen):
    mine, other = store.sessions.begin("ada", DAY), store.sessions.begin("bob", DAY)
    assert (reopen().sessions.find(mine), store.sessions.find(other), store.sessions.find("x")) == ("ada", "bob", None)
    store.sessions.end(mine)
    assert (store.sessions.find(mine), store.sessions.find(other)) == (None, "bob")


def test_a_session_that_has_expired_is_none_and_is_removed_by_the_next(store):
    gone = store.sessions.begin("ada", timedelta(0))
    assert store.sessions.find(gone) is None
    store.sessions.begin("ada", DAY)
    with store.database.reading() as session:
        assert len(list(session.scalars(select(PersonSession.id)))) == 1


def test_all_sessions_of_a_person_end_together_and_no_others(store):
    tokens, other = [store.sessions.begin("ada", DAY) for _ in range(3)], store.sessions.begin("bob", DAY)
    assert store.sessions.end_all("ada") == 3 and store.sessions.end_all("ada") == 0
    assert [store.sessions.find(token) for token in tokens] == [None] * 3 and store.sessions.find(other) == "bob"


def test_what_a_browser_holds_is_not_stored(store):
    token = store.sessions.begin("ada", DAY)
    with store.database.reading() as session:
        (row,) = session.scalars(select(PersonSession))
    assert token not in (row.id, row.person) and len(token) >= 43 and store.sessions.find(row.id) is None


def test_the_oldest_session_ends_where_a_person_has_too_many(store):
    tokens = [store.sessions.begin("ada", DAY) for _ in range(MOST_OF_ONE + 2)]
    assert [store.sessions.find(token) for token in tokens[:3]] == [None, None, "ada"] and store.sessions.find(tokens[-1]) == "ada"
