from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from storage import ConflictError, NotFoundError, Storage, StorageError, TooLargeError, VotedAnswer
from storage.tables import Vote
from storage.upkeep import clean_up, find_problems, restore_backup, write_backup
from storage.votes import MOST

MESSAGES = [("system", "Be brief."), ("user", "What is 2 cats?")]
BASE = VotedAnswer({"kind": "base", "run": None}, "the base model", "Two.")
TUNED = VotedAnswer({"kind": "run", "run": "abc123", "strength": 1.0, "layers": [0, 2]}, "Animals", "cat 2.")
THIRD = VotedAnswer({"kind": "mix", "parts": [{"run": "abc123", "weight": 0.5}]}, "a mix", "two of them")


def test_a_vote_is_what_was_cast(store, reopen):
    made = store.votes.add(MESSAGES, [BASE, TUNED, THIRD], "chosen", 1, base="starter", chat_id="c1")
    assert (made.messages, made.answers, made.outcome) == (tuple(MESSAGES), (BASE, TUNED, THIRD), "chosen")
    assert (made.chosen, made.base, made.chat_id) == (1, "starter", "c1")
    assert reopen().votes.all() == [made] and store.votes.count() == 1


def test_a_tie_and_all_bad_have_no_better_answer(store):
    made = [store.votes.add(MESSAGES, [BASE, TUNED], outcome) for outcome in ("tie", "all_bad")]
    assert store.votes.all() == made and {(vote.chosen, vote.chat_id, vote.base) for vote in made} == {(None, None, "")}


def test_sides_are_the_votes_without_their_texts(store):
    store.votes.add(MESSAGES, [BASE, TUNED], "chosen", 0, base="starter")
    store.votes.add(MESSAGES, [TUNED, THIRD], "tie")
    assert store.votes.sides() == [
        ((BASE.column, TUNED.column), ("the base model", "Animals"), (0, 1), "chosen", 0, "starter"),
        ((TUNED.column, THIRD.column), ("Animals", "a mix"), (0, 1), "tie", None, ""),
    ]


def test_sides_say_which_answers_were_the_same(store):
    same = VotedAnswer({"kind": "few_shot"}, "rows in the prompt", "\nTwo. ")
    store.votes.add(MESSAGES, [TUNED, BASE, same], "chosen", 0)
    assert store.votes.sides()[0].alike == (0, 1, 1)


def test_signs_that_a_database_may_refuse_are_kept(store):
    odd = "a\x00b \ud800 \U0001f600"
    made = store.votes.add([("user", odd)], [VotedAnswer({"kind": "base"}, odd, odd), TUNED], "tie", base=odd)
    (back,) = store.votes.all()
    assert (back.messages, back.answers) == (made.messages, made.answers) and back.base.startswith("a")


def test_votes_that_are_cleared_come_back_as_they_were_and_no_others_do(store):
    first = store.votes.add(MESSAGES, [BASE, TUNED], "tie")
    alone = store.votes.delete(first.id)
    with pytest.raises(NotFoundError):
        store.votes.delete(first.id)
    rest = [store.votes.add(MESSAGES, [BASE, TUNED], "chosen", place) for place in (0, 1)]
    together = store.votes.clear()
    assert (store.votes.all(), store.votes.sides(), store.votes.count(), store.votes.clear()) == ([], [], 0, None)
    assert store.votes.restore(together) == 2 and store.votes.all() == rest
    assert store.votes.restore(together) == 0 and store.votes.restore(datetime(2001, 1, 1, tzinfo=UTC)) == 0
    assert store.votes.restore(alone) == 1 and store.votes.all() == [first, *rest]


def test_what_was_cleared_is_removed_for_good_after_some_days(store):
    store.votes.add(MESSAGES, [BASE, TUNED], "tie")
    moment = store.votes.clear()
    assert clean_up(store, 7) == [] and store.votes.restore(moment) == 1
    with store.database.transaction() as session:
        session.execute(update(Vote).values(binned_at=moment - timedelta(days=8)))
    kept = store.votes.add(MESSAGES, [BASE, TUNED], "tie")
    assert clean_up(store, 7) == ["Removed votes that were cleared 7 days ago or earlier: 1."] and store.votes.all() == [kept]
    with store.database.reading() as session:
        assert [row.id for row in session.scalars(select(Vote))] == [kept.id]


def test_there_are_not_too_many(store, monkeypatch):
    assert MOST >= 1000
    monkeypatch.setattr("storage.votes.MOST", 2)
    for _ in range(2):
        store.votes.add(MESSAGES, [BASE, TUNED], "tie")
    with pytest.raises(StorageError, match="There is room for 2 votes"):
        store.votes.add(MESSAGES, [BASE, TUNED], "tie")
    store.votes.clear()
    assert store.votes.add(MESSAGES, [BASE, TUNED], "tie") and store.votes.count() == 1


def test_a_backup_holds_the_votes(tmp_path):
    made = Storage(tmp_path / "data")
    vote = made.votes.add(MESSAGES, [BASE, TUNED], "chosen", 1, base="starter")
    assert find_problems(made) == []
    write_backup(made, tmp_path / "backup.zip")
    restore_backup(tmp_path / "backup.zip", tmp_path / "back")
    back = Storage(tmp_path / "back")
    assert back.votes.all() == [vote] and find_problems(back) == []
    for each in (made, back):
        each.close()


def test_both_limits_hold_with_the_bin_and_what_is_cleared_makes_way(store, monkeypatch):
    """Else whoever clears and votes fills the disk."""
    monkeypatch.setattr("storage.votes.MOST", 3)
    first = [store.votes.add(MESSAGES, [BASE, TUNED], "tie") for _ in range(2)]
    moment = store.votes.clear()
    third = store.votes.add(MESSAGES, [BASE, TUNED], "tie")
    assert store.votes.last_binned() == (moment, 2)
    fourth = store.votes.add(MESSAGES, [BASE, TUNED], "tie")
    assert store.votes.last_binned() is None and store.votes.restore(moment) == 0 and len(first) == 2
    assert store.votes.all() == [third, fourth]


def test_all_votes_together_and_each_alone_have_so_many_bytes(store, monkeypatch):
    long = VotedAnswer({"kind": "base"}, "long", "é" * 300)
    monkeypatch.setattr("storage.votes.MOST_BYTES", 2_000)
    store.votes.add(MESSAGES, [BASE, long], "tie")
    store.votes.add(MESSAGES, [BASE, long], "tie")
    with pytest.raises(StorageError, match="room for 10,000 votes"):
        store.votes.add(MESSAGES, [BASE, long], "tie")
    monkeypatch.setattr("storage.votes.LIMIT", 700)
    with pytest.raises(TooLargeError, match="shorter conversation"):
        store.votes.add(MESSAGES, [BASE, long], "tie")
    assert store.votes.count() == 2


def test_a_vote_of_a_key_is_cast_once(store):
    made = store.votes.add(MESSAGES, [BASE, TUNED], "chosen", 1, start_key="k")
    assert store.votes.add(MESSAGES, [BASE, TUNED], "chosen", 1, start_key="k") == made and store.votes.count() == 1
    with pytest.raises(ConflictError, match="voted on already"):
        store.votes.add(MESSAGES, [BASE, TUNED], "chosen", 0, start_key="k")
    moment = store.votes.delete(made.id)
    assert store.votes.add(MESSAGES, [BASE, TUNED], "chosen", 0, start_key="k").id != made.id
    assert store.votes.restore(moment) == 1 and store.votes.count() == 2
