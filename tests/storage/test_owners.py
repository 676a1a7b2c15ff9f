"""Rows of another person are not there: whoever asks for them hears what is said of rows that do not exist, and changes nothing."""

import inspect
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from storage import MetricPoint, NotFoundError, RunQuery, SampleRecord, StorageError, VotedAnswer
from storage.owners import everybody
from storage.tables import Owned, Run, Table

MESSAGES = [("user", "What is 2 cats?")]
ANSWERS = [VotedAnswer({"kind": "base"}, "the base model", "Two."), VotedAnswer({"kind": "run", "run": "r"}, "Animals", "cat 2.")]
ROWS = {"label": "rows.csv", "shape": "two columns", "rows": 1, "usable_rows": 1, "examples": b"{}\n"}


class Rows:
    """One of everything, of one person."""

    def __init__(self, store):
        self.store = store
        self.dataset = store.datasets.create(name="Rows", **ROWS)
        self.run = store.runs.create(self.dataset.id, {"base": "b"}, name="Run", start_key="k")
        self.group = store.runs.create_group(self.dataset.id, [("One", {"base": "b"})], name="Group", start_key="g")
        self.preset = store.presets.create("Preset", {"a": 1})
        self.chat = store.chats.create("Chat", "{}", "k")
        self.vote = store.votes.add(MESSAGES, ANSWERS, "tie", start_key="k")
        self.share = store.shares.create("run", self.run.id, timedelta(days=1))
        self.token = store.shares.token(self.share)


@pytest.fixture
def ada(store):
    return Rows(store.seen_by("ada"))


@pytest.fixture
def bob(store):
    return store.seen_by("bob")


def given(ada):
    """What each parameter of a store's method is called with, to reach rows of Ada's."""
    return {
        "dataset_id": ada.dataset.id, "reference": ada.dataset.id, "dataset_ids": [ada.dataset.id], "version_id": ada.dataset.version.id,
        "run_id": ada.run.id, "ids": [ada.run.id, ada.group.id], "group_id": ada.group.id, "start_key": "k", "preset_id": ada.preset.id,
        "chat_id": ada.chat.id, "vote_id": ada.vote.id, "name": "Other", "tags": ["x"], "notes": "x", "position": 1, "starred": True,
        "moment": None, "document": "{}", "version": 1, "spec": {"base": "b"}, "specs": [("Two", {"base": "b"})], "limit": 50, "offset": 0,
        "query": RunQuery(), "base": "b", "newest": 5, "step": -1, "points": 10, "after": 0, "key": "emoji", "change": "", "sentence": "s",
        "summary": {}, "event_id": 0, "kind": "run", "target": ada.run.id, "share_id": ada.share.id, "token": ada.token, **ROWS,
    }  # fmt: skip


_CREATES = {"datasets.create", "presets.create", "chats.create", "votes.add", "shares.create"}
"""Make something of one's own, of nothing that is there."""
_OF_ALL = {"runs.continue_queue", "runs.pause_queue", "runs.paused_since", "runs.waiting_count", "events.newest", "shares.token"}
"""About the queue that all share, a counter or a signature: no row of anybody."""
STORES = ("datasets", "runs", "made", "presets", "chats", "votes", "metrics", "samples", "events", "shares")


def methods(store):
    for name in STORES:
        for method, act in inspect.getmembers(getattr(store, name), inspect.ismethod):
            if not method.startswith("_") and f"{name}.{method}" not in _CREATES | _OF_ALL:
                yield f"{name}.{method}", act


def outcome(act, name, values):
    """What a method gives or raises, with the ids that it was asked for left out."""
    asked = {}
    for parameter in inspect.signature(act).parameters.values():
        if parameter.name in values and (parameter.default is parameter.empty or parameter.name in ("version_id", "start_key")):
            asked[parameter.name] = values[parameter.name]
        assert parameter.name in asked or parameter.default is not parameter.empty, f"{name} takes {parameter.name}: say what it is given"
    try:
        found = repr(act(**asked))
    except NotFoundError as error:
        found = repr(error)
    for each in values["ids"] + [values[key] for key in values if key.endswith("_id") and isinstance(values[key], str)]:
        found = found.replace(each, "ID")
    return found


def everything(store):
    """All rows of all tables, as text."""
    with store.database.reading() as session:
        return {table.name: sorted(map(str, session.execute(select(table)).all())) for table in Table.metadata.sorted_tables}


def test_every_method_of_every_store_answers_another_person_as_if_there_were_nothing(store, ada, bob, tmp_path):
    held = store.queue.claim("w")
    held.begin("Reading the rows.")
    held.add_metrics([MetricPoint(1, "loss", 1.0)])
    held.add_sample(SampleRecord(1, "p", "e", "b", "t"))
    theirs, before, tried = given(ada), everything(store), []
    nobodys = theirs | {key: "0" * 12 for key, value in theirs.items() if key.endswith("_id") and isinstance(value, str)}
    nobodys |= {"reference": "0" * 12, "dataset_ids": ["0" * 12], "ids": ["0" * 12, "1" * 12], "start_key": "nobody"}
    for name, act in methods(bob):
        theirs["preset"], theirs["moment"] = ada.preset, ada.vote.created_at if name == "votes.restore" else None
        nobodys["preset"], nobodys["moment"] = ada.preset, theirs["moment"]
        theirs["adapter"] = nobodys["adapter"] = tmp_path
        tried.append(name)
        assert outcome(act, name, theirs) == outcome(act, name, nobodys), name
    assert everything(store) == before
    assert len(tried) > 60 and {"runs.get", "runs.request_stop", "metrics.after", "chats.read", "votes.delete"} <= set(tried)


def test_what_does_not_exist_is_told_in_the_same_words(ada, bob):
    for act, there, gone in (
        (bob.datasets.get, ada.dataset.id, "nothing"), (bob.datasets.version, ada.dataset.version.id, "nothing"),
        (bob.runs.get, ada.run.id, "nothing"), (bob.runs.group, ada.group.id, "nothing"), (bob.runs.held_out_places, ada.run.id, "nothing"),
        (bob.presets.get, ada.preset.id, "nothing"), (bob.chats.read, ada.chat.id, "nothing"), (bob.votes.delete, ada.vote.id, "nothing"),
    ):  # fmt: skip
        with pytest.raises(NotFoundError) as of_another:
            act(there)
        with pytest.raises(NotFoundError) as of_nobody:
            act(gone)
        assert (str(of_another.value), of_another.value.kind) == (str(of_nobody.value), of_nobody.value.kind)


def test_what_one_makes_is_ones_own_with_the_same_names_and_keys(store, ada, bob):
    mine = Rows(bob)
    ids = [(each.dataset.id, each.run.id, each.group.id, each.preset.id, each.chat.id, each.vote.id) for each in (ada, mine)]
    assert not set(ids[0]) & set(ids[1])
    assert [run.id for run in bob.runs.all()] == [run.id for run in bob.runs.of_group(mine.group.id)] + [mine.run.id]
    assert [preset.name for preset in bob.presets.all()] == ["Preset"] and bob.votes.count() == 1
    assert bob.runs.create(mine.dataset.id, {"base": "b"}, start_key="k").id == mine.run.id
    with pytest.raises(StorageError, match="a preset Preset already"):
        bob.presets.create("preset", {})
    with store.database.reading() as session:
        owners = {table.__tablename__: set(session.scalars(select(table.owner))) for table in Owned.__subclasses__()}
    assert all(found == {"ada", "bob"} for found in owners.values()) and len(owners) == 7


def test_all_share_one_queue_and_each_moves_and_ends_their_own_runs(store, ada, bob):
    mine = Rows(bob)
    assert [ada.store.runs.queue_position(ada.run.id), bob.runs.queue_position(mine.run.id)] == [1, 2]
    assert bob.runs.waiting_count() == 4
    bob.runs.reorder(mine.run.id, 9)
    (hers,), (his,) = ada.store.runs.of_group(ada.group.id), bob.runs.of_group(mine.group.id)
    assert [store.queue.claim(f"w{number}").run.id for number in range(4)] == [ada.run.id, his.id, hers.id, mine.run.id]


def test_whoever_sees_everybody_sees_all_rows(store, ada, bob):
    Rows(bob)
    assert len(store.runs.all()) == 4 and store.votes.count() == 2
    with bob.database.reading() as session:
        with everybody(session):
            assert session.scalar(select(func.count()).select_from(Run)) == 4
        assert session.scalar(select(func.count()).select_from(Run)) == 2


def test_rows_of_a_folder_from_before_are_those_of_the_local_person(store):
    made = Rows(store)
    assert store.seen_by("").runs.get(made.run.id) == store.runs.get(made.run.id)
    with pytest.raises(NotFoundError):
        store.seen_by("ada").runs.get(made.run.id)


def test_rows_of_a_folder_that_had_one_person_are_handed_over_and_lose_nothing(store, ada):
    before = Rows(store.seen_by(""))
    assert store.hand_over("", "ada") == 8 and store.hand_over("", "ada") == 0
    view = store.seen_by("ada")
    assert {run.id for run in view.runs.all()} >= {before.run.id, ada.run.id} and len(view.runs.all()) == 4
    assert sorted(preset.name for preset in view.presets.all()) == ["Preset", f"Preset ({before.preset.id})"]
    assert view.votes.count() == 2 and view.chats.page(9)[1] == 2
    assert view.runs.create(before.dataset.id, {"base": "b"}, start_key="k").id == ada.run.id
    with pytest.raises(NotFoundError):
        store.seen_by("").runs.get(before.run.id)
