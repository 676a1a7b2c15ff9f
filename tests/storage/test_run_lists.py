"""Lists of runs: what they hold, in which order, and that no query of a page looks at every run ever made."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from storage import RunQuery, RunStatus, StorageError
from storage.tables import Run

SPEC = {"base": "starter", "train": {"epochs": 1}}


@pytest.fixture
def runs(store, dataset):
    """Ten runs, the first of them the oldest; the first three have ended, each in its own way."""
    made = [store.runs.create(dataset.id, SPEC, name=f"Run {number}") for number in range(10)]
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    with store.database.transaction() as session:
        for number, run in enumerate(made):
            row = session.get(Run, run.id)
            row.created_at, row.held_out = begin + timedelta(minutes=number), None if number > 4 else 5.0 - number
            if number < 3:
                row.status = (RunStatus.FINISHED, RunStatus.STOPPED, RunStatus.FAILED)[number]
    return made


def names(store, *query, limit=50, offset=0):
    return [run.name for run in store.runs.page(RunQuery(*query), limit, offset)]


def test_a_list_is_in_its_order(store, runs):
    newest = [f"Run {number}" for number in range(9, -1, -1)]
    assert names(store) == names(store, "", "all", "newest") == newest
    assert names(store, "", "all", "oldest") == newest[::-1] == names(store, "", "all", "name")
    assert names(store, "", "all", "held_out") == ["Run 4", "Run 3", "Run 2", "Run 1", "Run 0"], "only those that have one"
    assert names(store, limit=3, offset=4) == newest[4:7]


def test_a_list_holds_what_is_asked_for(store, runs):
    assert (
        names(store, "", "finished") == ["Run 0"] and names(store, "", "stopped") == ["Run 1"] and names(store, "", "failed") == ["Run 2"]
    )
    assert names(store, "", "going") == [f"Run {number}" for number in range(9, 2, -1)]
    store.runs.star(runs[5].id, True)
    assert names(store, "", "starred") == ["Run 5"]
    store.runs.star(runs[5].id, False)
    assert names(store, "", "starred") == []
    store.runs.delete(runs[7].id)
    assert names(store, "", "binned") == ["Run 7"] and "Run 7" not in names(store) and store.runs.binned_count() == 1


def test_all_words_are_looked_for_in_names_tags_notes_base_and_dataset(store, dataset, runs):
    store.runs.annotate(runs[4].id, tags=["Café", "two words"], notes="Why *this* one?")
    for words in ("CAFÉ", "two", "this one", "starter café", "rows café", "run 4", "4"):
        assert names(store, words) == ["Run 4"], words
    assert names(store, "café nothing") == [] and len(names(store, "rows")) == 10
    assert names(store, "100%") == names(store, "_") == names(store, "\\") == [], "signs of the database's own are text"
    store.runs.rename(runs[4].id, "Another")
    assert names(store, "another") == ["Another"] and names(store, "run 4") == []
    store.datasets.rename(dataset.id, "Numbers")
    assert len(names(store, "numbers")) == 10


def test_tags_and_notes_are_kept_within_limits(store, runs):
    kept = store.runs.annotate(runs[0].id, tags=[" a ", "A", "", "b"], notes="n" * 20_000)
    assert kept.tags == ("a", "b") and len(kept.notes) == 20_000
    for given in ({"tags": ["x" * 41]}, {"tags": map(str, range(21))}, {"notes": "n" * 20_001}):
        with pytest.raises(StorageError):
            store.runs.annotate(runs[0].id, **given)
    assert store.runs.get(runs[0].id) == kept


def test_the_queue_knows_each_place(store, runs):
    assert [store.runs.queue_position(run.id) for run in runs] == [None, None, None, 1, 2, 3, 4, 5, 6, 7]
    assert store.runs.waiting_count() == 7 and [run.name for run in store.runs.going()] == [f"Run {number}" for number in range(3, 10)]
    store.runs.reorder(runs[9].id, 1)
    assert store.runs.queue_position(runs[9].id) == 1 and store.runs.queue_position(runs[3].id) == 2


def test_while_the_queue_is_paused_nothing_is_claimed(store, runs):
    assert store.runs.paused_since() is None
    store.runs.pause_queue()
    store.runs.pause_queue()
    assert store.runs.paused_since() is not None
    assert store.queue.claim("w") is None and store.queue.claim_together("w") == []
    store.runs.continue_queue()
    assert store.runs.paused_since() is None and store.queue.claim("w").run.id == runs[3].id


def test_a_run_in_training_is_told_what_is_asked_of_it(store, runs):
    leased = store.queue.claim("w")
    assert leased.stop_requested() is None
    store.runs.pause_queue()
    assert leased.stop_requested() == "pause"
    store.runs.request_stop(leased.run.id)
    assert leased.stop_requested() == "keep", "a person's stop ends the run, the pause does not"
    store.runs.request_stop(leased.run.id, discard=True)
    assert leased.stop_requested() == "discard"


def test_events_tell_which_runs_have_changed(store, runs):
    before = store.events.newest()
    assert store.events.runs_after(before, 10) == []
    store.runs.reorder(runs[8].id, 1)
    store.runs.delete(runs[0].id)
    assert store.events.runs_after(before, 10) == [runs[0].id, runs[8].id] and store.events.newest() > before
    assert [each.text for each in store.events.all(runs[0].id, before)] == ["Moved to the bin."]


QUERIES = {
    "list": lambda store, run: store.runs.page(RunQuery(), 40),
    "oldest": lambda store, run: store.runs.page(RunQuery(order="oldest"), 40),
    "by name": lambda store, run: store.runs.page(RunQuery(order="name"), 40),
    "by loss": lambda store, run: store.runs.page(RunQuery(order="held_out"), 40),
    "going": lambda store, run: store.runs.page(RunQuery(state="going"), 40),
    "finished": lambda store, run: store.runs.page(RunQuery(state="finished"), 40),
    "starred": lambda store, run: store.runs.page(RunQuery(state="starred"), 40),
    "bin": lambda store, run: store.runs.page(RunQuery(state="binned"), 40),
    "newest": lambda store, run: store.runs.newest(4, (RunStatus.FINISHED, RunStatus.STOPPED)),
    "some": lambda store, run: store.runs.some([run.id]),
    "in training": lambda store, run: store.runs.going(),
    "count of waiting": lambda store, run: store.runs.waiting_count(),
    "place": lambda store, run: store.runs.queue_position(run.id),
    "uses of a base": lambda store, run: store.runs.uses("starter"),
    "uses of a dataset": lambda store, run: store.datasets.uses([run.dataset_id], 3),
    "groups": lambda store, run: store.runs.groups(["nothing"]),
    "of a group": lambda store, run: store.runs.of_group("nothing"),
    "events": lambda store, run: (store.events.newest(), store.events.runs_after(3, 10), store.events.all(run.id, 2)),
    "metrics": lambda store, run: (store.metrics.since(run.id, 3), store.metrics.newest_of(run.id, "held_out")),
    "a new name": lambda store, run: store.runs.create(run.dataset_id, SPEC),
    "claim": lambda store, run: store.queue.claim_together("w"),
    "dead workers": lambda store, run: store.workers.dead(),
}


def plans(store, ask):
    """SQLite's plans of the statements of some work, with the statements."""
    asked = []

    def note(_connection, _cursor, statement, parameters, _context, _many):
        asked.append((statement, parameters))

    event.listen(store.database.engine, "before_cursor_execute", note)
    try:
        ask()
    finally:
        event.remove(store.database.engine, "before_cursor_execute", note)
    with store.database.engine.connect() as connection:
        for statement, parameters in asked:
            if statement.lstrip().upper().startswith(("SELECT", "WITH")):
                rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
                yield statement, [row[-1] for row in rows]


@pytest.mark.parametrize("url", [None])
@pytest.mark.parametrize("name", QUERIES)
def test_no_query_of_a_page_or_of_the_queue_scans_all_runs(store, runs, name):
    found = list(plans(store, lambda: QUERIES[name](store, runs[5])))
    assert found
    for statement, plan in found:
        assert not any(re.match(r"SCAN (runs|metrics|events)\b", step) for step in plan), (statement, plan)


@pytest.mark.parametrize("url", [None])
@pytest.mark.parametrize("name", ["list", "oldest", "by name", "by loss", "finished", "starred"])
def test_a_list_is_read_in_its_order_without_sorting(store, runs, name):
    for statement, plan in plans(store, lambda: QUERIES[name](store, runs[5])):
        assert not any("TEMP B-TREE" in step for step in plan), (statement, plan)
