"""Bounds hold whatever comes at once, on each database; what a person holds is counted without reading every folder."""

import threading
from datetime import timedelta

import pytest

import storage.bounds
from storage import BoundError, Bounds, Storage, VotedAnswer
from storage.runs.turns import Waiting, in_turns

SPEC = {"base": "starter"}
ROWS = b'{"messages": []}\n'
MOST = 5


@pytest.fixture
def bounded(store, url):
    """The same folder with bounds, opened anew as another process would."""
    opened = []

    def make(**bounds) -> Storage:
        opened.append(Storage(store.files.root, url, bounds=Bounds(**bounds)))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def kept(own: Storage, name: str = "Rows", rows: bytes = ROWS):
    return own.datasets.create(name=name, label=f"{name}.jsonl", shape="chats", rows=1, usable_rows=1, examples=rows)


def at_once(calls):
    """What came of calls made at the same moment: what was returned, or the error."""
    together, found = threading.Barrier(len(calls)), [None] * len(calls)

    def run(place: int) -> None:
        together.wait()
        try:
            found[place] = calls[place]()
        except BoundError as error:
            found[place] = error

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def came_through(found) -> int:
    return sum(not isinstance(each, BoundError) for each in found)


def test_of_64_starts_at_once_exactly_as_many_are_queued_as_may_be_for_each_owner_and_for_all(bounded):
    whole = bounded(queued=MOST, queued_of_all=MOST + 3)
    ada, bob = whole.seen_by("ada"), whole.seen_by("bob")
    rows = {"ada": kept(ada).id, "bob": kept(bob).id}
    found = at_once([lambda: ada.runs.create(rows["ada"], SPEC) for _ in range(64)])
    assert came_through(found) == ada.runs.waiting_count() == MOST
    assert {each.kind for each in found if isinstance(each, BoundError)} == {"bounds.queued"}
    found = at_once([lambda: bob.runs.create(rows["bob"], SPEC) for _ in range(64)])
    assert came_through(found) == 3 and whole.runs.waiting_count() == MOST + 3
    assert {each.kind for each in found if isinstance(each, BoundError)} == {"bounds.queued_of_all"}


def test_of_64_datasets_at_once_exactly_as_many_are_kept_as_may_be(bounded):
    ada = bounded(datasets=MOST).seen_by("ada")
    found = at_once([lambda number=number: kept(ada, f"Rows {number}") for number in range(64)])
    assert came_through(found) == len(ada.datasets.all()) == MOST
    assert len(list(ada.files.dataset_folder("x").parent.iterdir())) == MOST


def test_of_64_datasets_at_once_no_more_bytes_are_kept_than_may_be(bounded):
    ada = bounded(stored_bytes=MOST * 1000 + 999).seen_by("ada")
    found = at_once([lambda number=number: kept(ada, f"Rows {number}", b"x" * 999 + b"\n") for number in range(64)])
    assert came_through(found) == MOST and ada.held_bytes() == MOST * 1000


def test_the_same_start_sent_64_times_is_one_run_also_where_no_more_may_wait(bounded):
    ada = bounded(queued=1).seen_by("ada")
    dataset = kept(ada)
    found = at_once([lambda: ada.runs.create(dataset.id, SPEC, start_key="same") for _ in range(64)])
    assert len({run.id for run in found}) == 1 and ada.runs.waiting_count() == 1


def test_a_group_is_queued_as_a_whole_or_not_at_all(bounded):
    ada = bounded(queued=3).seen_by("ada")
    dataset = kept(ada)
    many = [(str(number), {**SPEC, "seed": number}) for number in range(4)]
    with pytest.raises(BoundError, match="0 of your runs are waiting already, and 3 may"):
        ada.runs.create_group(dataset.id, many, name="sweep", start_key="k")
    with pytest.raises(BoundError):
        ada.runs.extend_group("with-x", dataset.id, many, name="beside", version_id=dataset.version.id)
    assert ada.runs.all() == []
    group = ada.runs.create_group(dataset.id, many[:3], name="sweep", start_key="k")
    assert ada.runs.create_group(dataset.id, many[:3], name="sweep", start_key="k").id == group.id
    with pytest.raises(BoundError):
        ada.runs.create(dataset.id, SPEC)


def test_a_run_that_is_resumed_waits_too(bounded):
    ada = bounded(queued=1).seen_by("ada")
    dataset = kept(ada)
    first = ada.runs.create(dataset.id, SPEC)
    ada.runs.request_stop(first.id)
    second = ada.runs.create(dataset.id, SPEC)
    with pytest.raises(BoundError):
        ada.runs.resume(first.id)
    ada.runs.request_stop(second.id)
    assert ada.runs.resume(first.id).status.waiting


def test_what_is_taken_out_of_the_bin_counts_again(bounded):
    ada = bounded(datasets=1).seen_by("ada")
    first = kept(ada, "First")
    run = ada.runs.create(first.id, SPEC)
    ada.runs.delete(run.id)
    ada.datasets.delete(first.id)
    second = kept(ada, "Second")
    for restore, row in ((ada.datasets.restore, first.id), (ada.runs.restore, run.id)):
        with pytest.raises(BoundError, match="You have 1 datasets already, and may have 1"):
            restore(row)
    ada.datasets.delete(second.id)
    assert ada.runs.restore(run.id).binned_at is None and ada.datasets.get(first.id).binned_at is None


def test_bytes_of_everything_count_until_the_bin_is_emptied(bounded):
    whole = bounded(stored_bytes=10_000)
    ada = whole.seen_by("ada")
    dataset = kept(ada, rows=b"x" * 1000)
    run = ada.runs.create(dataset.id, SPEC, expected_bytes=5000)
    assert ada.held_bytes() == 6000
    with pytest.raises(BoundError, match=r"You have 0.0 MB stored, this needs 0.0 MB more, and you may have 0.0 MB\. Delete runs"):
        ada.runs.create(dataset.id, SPEC, expected_bytes=4001)
    leased = whole.queue.claim("w")
    folder = ada.files.run_folder(run.id)
    folder.mkdir()
    (folder / "checkpoint").write_bytes(b"x" * 6000)
    assert ada.held_bytes() == 7000, "more than was expected"
    (folder / "checkpoint").write_bytes(b"x" * 2000)
    assert leased.begin("Training.") and ada.held_bytes() == 6000, "it may still grow"
    ada.runs.request_stop(run.id)
    whole.queue.put_back("w", "Put back.")
    assert ada.held_bytes() == 3000
    chat = ada.chats.create("Chat", "d" * 500)
    ada.chats.save(chat.id, "d" * 700, 1)
    answers = [VotedAnswer({"kind": "base"}, "One", "first"), VotedAnswer({"kind": "base"}, "Other", "second")]
    ada.votes.add([("user", "hello")], answers, "tie")
    held = ada.held_bytes()
    assert 3700 < held < 4700
    with pytest.raises(BoundError):
        ada.chats.save(chat.id, "d" * 7000, 2)
    with pytest.raises(BoundError):
        ada.datasets.add_version(dataset.id, label="l", shape="s", rows=1, usable_rows=1, examples=b"y" * 7000, change="")
    assert ada.held_bytes() == held and len(ada.datasets.versions(dataset.id)) == 1
    assert whole.seen_by("bob").held_bytes() == 0
    ada.runs.delete(run.id)
    ada.chats.delete(chat.id)
    assert ada.held_bytes() == held, "what lies in the bin lies on the disk"
    ada.runs.empty_bin(timedelta(0))
    ada.chats.empty_bin(timedelta(0))
    assert ada.held_bytes() == held - 2700
    ada.datasets.add_version(dataset.id, label="l", shape="s", rows=1, usable_rows=1, examples=b"y" * 2000, change="")
    assert ada.held_bytes() == held - 2700 + 2000


def test_no_folder_is_read_again_that_has_not_changed(bounded, monkeypatch):
    ada = bounded(stored_bytes=10**9).seen_by("ada")
    dataset = kept(ada)
    for _ in range(20):
        ada.runs.request_stop(ada.runs.create(dataset.id, SPEC).id)
    first = ada.held_bytes()
    read = []
    monkeypatch.setattr(storage.bounds, "folder_size", lambda folder: read.append(folder) or 0)
    assert ada.held_bytes() == first and read == []
    run = ada.runs.create(dataset.id, SPEC)

    ada.held_bytes()
    assert read == [ada.files.run_folder(run.id)]


# Turns


def test_a_sweep_of_a_hundred_runs_lets_anothers_run_begin_next(bounded):
    store = bounded(together=8)
    ada, bob = store.seen_by("ada"), store.seen_by("bob")
    mine, other = kept(ada), kept(bob)
    many = [(str(number), {**SPEC, "seed": number}) for number in range(100)]
    ada.runs.create_group(mine.id, many, name="sweep", start_key="k")
    his = bob.runs.create(other.id, SPEC)
    assert bob.runs.queue_position(his.id) == 9
    assert len(store.queue.claim_together("w")) == 8
    assert bob.runs.queue_position(his.id) == 1
    for leased in store.queue.claim_together("other"):
        assert leased.run.id == his.id
    assert [ada.runs.queue_position(run.id) for run in ada.runs.of_group(ada.runs.all()[0].group_id)[8:10]] == [1, 2]


def test_places_are_true_for_one_worker_with_several_owners(store):
    owners = [store.seen_by(name) for name in ("ada", "bob", "eve")]
    rows = [kept(own).id for own in owners]
    made = [owners[place].runs.create(rows[place], SPEC).id for place in (0, 0, 0, 1, 1, 2, 0, 2)]
    whole = {run.id: own for own in owners for run in own.runs.all()}
    for _ in range(len(made)):
        shown = sorted((place, run_id) for run_id, own in whole.items() if (place := own.runs.queue_position(run_id)) is not None)
        assert [place for place, _ in shown] == list(range(1, len(shown) + 1))
        leased = store.queue.claim("w")
        assert leased.run.id == shown[0][1], "the place that was shown as the next"
        store.runs.request_stop(leased.run.id)
        store.queue.put_back("w", "Put back.")
    assert store.queue.claim("w") is None


def test_workers_at_once_claim_different_runs_of_different_owners(store, reopen):
    owners = [store.seen_by(f"owner{number}") for number in range(4)]
    for own in owners:
        dataset = kept(own)
        for _ in range(3):
            own.runs.create(dataset.id, SPEC)
    workers = [reopen() for _ in range(4)]
    claimed = at_once([lambda place=place: workers[place].queue.claim(f"w{place}").run.id for place in range(4)])
    assert len(set(claimed)) == 4
    assert all(sum(run.id in claimed for run in own.runs.all()) == 1 for own in owners)


ORDERS = [
    ("aab", [], {}, "aba"),
    ("aaab", [], {}, "abaa"),
    ("aab", [{"a": 1}], {"a": 1}, "baa"),
    ("aabb", [{"a": 1}, {"a": 1}], {"a": 2}, "baba"),
    ("ab", [], {"a": 1, "b": 2}, "ab"),
    ("ab", [], {"a": 2, "b": 1}, "ba"),
    ("ba", [{}, {"b": 3}], {}, "ab"),
    ("aaa", [{"a": 1}], {"a": 7}, "aaa"),
]


@pytest.mark.parametrize(("came", "hands", "last", "expected"), ORDERS)
def test_owners_take_turns(came, hands, last, expected):
    waiting = [Waiting(str(place), owner) for place, owner in enumerate(came)]
    claims = list(in_turns(waiting, hands, last))
    assert "".join(each[0].owner for each in claims) == expected
    for owner in set(came):
        assert [each[0].id for each in claims if each[0].owner == owner] == [run.id for run in waiting if run.owner == owner]
