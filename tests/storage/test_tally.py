"""What each owner has, in counts and bytes, and the queue of all of them, without what anything is called."""

from dataclasses import fields
from datetime import timedelta

from storage import RunStatus
from storage.tally import GoingRun, Holding

SPEC = {"base": "starter", "reft": {}, "train": {}}
ROWS = b"{}\n" * 100


def a_dataset(store):
    return store.datasets.create(name="Rows", label="rows.jsonl", shape="chats", rows=1, usable_rows=1, examples=ROWS)


def test_each_owner_is_counted_alone(store):
    hers, his = store.seen_by("ada"), store.seen_by("bob")
    dataset, other = a_dataset(hers), a_dataset(his)
    runs = [hers.runs.create(dataset.id, SPEC) for _ in range(3)]
    assert store.queue.claim("worker").run.id == runs[0].id
    hers.runs.delete(runs[2].id)
    his.runs.create(other.id, SPEC)
    chat = hers.chats.create("A chat", "{}")
    store.files.log(runs[1].id).parent.mkdir(parents=True, exist_ok=True)
    store.files.log(runs[1].id).write_bytes(b"x" * 1000)
    store.sessions.begin("ada", timedelta(days=1))
    store.sessions.begin("eve", timedelta(0))
    found = store.tally.by_owner()
    assert set(found) == {"ada", "bob"}
    ada, bob = found["ada"], found["bob"]
    assert (ada.datasets, ada.runs, ada.chats, ada.queued, ada.running, ada.sessions) == (1, 3, 1, 1, 1, 1)
    assert (bob.datasets, bob.runs, bob.chats, bob.queued, bob.running, bob.sessions) == (1, 1, 0, 1, 0, 0)
    assert ada.last_login is not None and bob.last_login is None
    more = 1000 + chat.size_bytes
    assert bob.stored >= len(ROWS) and ada.stored >= len(ROWS) + more
    assert store.tally.sessions() == 1


def test_the_queue_is_in_the_order_in_which_runs_are_trained_and_tells_no_names(store):
    hers, his = store.seen_by("ada"), store.seen_by("bob")
    dataset, other = a_dataset(hers), a_dataset(his)
    first, second, third = hers.runs.create(dataset.id, SPEC), his.runs.create(other.id, SPEC), hers.runs.create(dataset.id, SPEC)
    assert store.queue.claim("worker").run.id == first.id
    going = store.tally.going(9)
    assert [(run.id, run.owner) for run in going] == [(first.id, "ada"), (second.id, "bob"), (third.id, "ada")]
    assert going[0].status is RunStatus.PREPARING and [run.id for run in store.tally.going(2)] == [first.id, second.id]
    assert not {field.name for field in (*fields(GoingRun), *fields(Holding))} & {"name", "sentence", "spec", "base"}


def test_the_queue_is_shown_in_the_turns_in_which_workers_take_it(store):
    hers, his = store.seen_by("ada"), store.seen_by("bob")
    dataset, other = a_dataset(hers), a_dataset(his)
    runs = [hers.runs.create(dataset.id, SPEC), hers.runs.create(dataset.id, SPEC), his.runs.create(other.id, SPEC)]
    shown = [run.id for run in store.tally.going(9)]
    assert shown == [runs[0].id, runs[2].id, runs[1].id]
    assert shown == [store.queue.claim("worker").run.id for _ in runs]


def test_what_is_stored_is_what_counts_for_the_bound(store):
    hers = store.seen_by("ada")
    run = hers.runs.create(a_dataset(hers).id, SPEC, expected_bytes=5_000_000)
    hers.chats.create("A chat", "{}")
    found = store.tally.by_owner()["ada"].stored
    assert found == hers.held_bytes() > 5_000_000
    hers.runs.request_stop(run.id)
    assert store.tally.by_owner()["ada"].stored == hers.held_bytes() < 5_000_000


def test_what_is_told_of_a_stop_is_in_the_story_of_the_run_once(store):
    dataset = a_dataset(store)
    waiting, training = store.runs.create(dataset.id, SPEC), store.runs.create(dataset.id, SPEC)
    for _ in range(2):
        assert store.runs.request_stop(waiting.id, told="Somebody stopped it.").status is RunStatus.STOPPED
    assert store.queue.claim("worker").run.id == training.id
    store.runs.request_stop(training.id, told="Somebody stopped it.")
    for run in (waiting, training):
        assert [event.text for event in store.events.all(run.id)].count("Somebody stopped it.") == 1
