import pytest

from storage import Failure, NotFoundError, RunStatus

SPEC = {"base": "starter", "train": {}}


@pytest.fixture
def group(store, dataset):
    specs = [(f"rank {rank}", {**SPEC, "rank": rank}) for rank in (1, 2, 3)]
    return store.runs.create_group(dataset.id, specs, name=" My\nsweep ", start_key="k")


def test_runs_of_a_group_are_made_at_once_and_only_once(store, dataset, group, reopen):
    runs = reopen().runs.of_group(group.id)
    assert group.name == "My sweep" and [run.name for run in runs] == ["rank 1", "rank 2", "rank 3"]
    assert all(run.group_id == group.id and run.status is RunStatus.QUEUED and run.version_id == dataset.version.id for run in runs)
    assert [store.runs.queue_position(run.id) for run in runs] == [1, 2, 3]
    assert store.runs.create_group(dataset.id, [("x", SPEC)], name="Other", start_key="k") == group == store.runs.group(group.id)
    assert store.runs.create(dataset.id, SPEC).group_id is None and store.runs.groups([group.id]) == {group.id: group}
    with pytest.raises(NotFoundError):
        store.runs.group("nothing")
    with pytest.raises(NotFoundError):
        store.runs.create_group("nothing", [("x", SPEC)], name="Other", start_key="l")
    assert len(store.runs.all()) == 4


def test_a_worker_claims_the_waiting_runs_of_a_group_together(store, dataset, group):
    before, after = store.runs.create(dataset.id, SPEC), store.runs.create(dataset.id, SPEC)
    store.runs.reorder(before.id, 1)
    first, second, third = store.runs.of_group(group.id)
    store.runs.request_stop(second.id)
    claimed = [[held.run.id for held in store.queue.claim_together("w")] for _ in range(4)]
    assert claimed == [[before.id], [first.id, third.id], [after.id], []]
    assert {store.runs.get(run.id).status for run in (first, third)} == {RunStatus.PREPARING}


def test_runs_that_cannot_share_passes_are_claimed_apart(store, dataset):
    specs = [("a", SPEC), ("b", {**SPEC, "base": "owner/other"}), ("c", SPEC)]
    store.runs.create_group(dataset.id, specs, name="Mixed", start_key="k")
    assert [[held.run.name for held in store.queue.claim_together("w")] for _ in range(2)] == [["a", "c"], ["b"]]


def test_a_run_whose_workers_keep_dying_is_trained_alone(store, dataset, group):
    for exits, sizes in ((1, [3]), (2, [3]), (3, [1, 1, 1])):
        claimed = []
        while held := store.queue.claim_together("w"):
            claimed.append(len(held))
        assert claimed == sizes, f"after {exits - 1} exits"
        store.queue.recover("w", lambda run: Failure("memory", "It ran out of memory."))
    assert {run.status for run in store.runs.of_group(group.id)} == {RunStatus.FAILED}


def test_a_group_goes_with_the_last_of_its_runs(store, group):
    runs = store.runs.of_group(group.id)
    for run in runs:
        store.runs.delete(run.id)
    assert store.runs.of_group(group.id) == []
    store.runs.restore(runs[0].id)
    assert store.runs.groups([group.id]) == {group.id: group}
    store.runs.empty_bin()
    assert [run.id for run in store.runs.of_group(group.id)] == [runs[0].id]
    store.runs.delete(runs[0].id)
    store.runs.empty_bin()
    with pytest.raises(NotFoundError):
        store.runs.group(group.id)


def test_baselines_of_a_group_are_claimed_one_by_one_whoever_comes_first(store, dataset):
    lora = {**SPEC, "peft": {"method": "lora"}}
    store.runs.create_group(dataset.id, [("a", lora), ("b", SPEC), ("c", lora), ("d", SPEC)], name="Mixed", start_key="k")
    assert [[held.run.name for held in store.queue.claim_together("w")] for _ in range(4)] == [["a"], ["b", "d"], ["c"], []]


def test_a_group_is_extended_by_what_it_does_not_have(store, dataset):
    def extend(*names):
        specs = [(name, {**SPEC, "name": name}) for name in names]
        group = store.runs.extend_group("mine", dataset.id, specs, name="Mine", version_id=dataset.version.id)
        assert (group.id, group.name) == ("mine", "Mine")
        return [run.name for run in store.runs.of_group("mine")]

    assert extend("a", "b") == ["a", "b"] and extend("b", "a") == ["a", "b"] and extend("b", "c") == ["a", "b", "c"]
    held = store.queue.claim("w")
    held.set_revision("f" * 40)
    assert extend("a") == ["a", "b", "c"], "a run that has begun holds the commit of its base model, and is the same run"
    store.runs.delete(store.runs.of_group("mine")[1].id)
    assert extend("b") == ["a", "c", "b"], "what lies in the bin is made again"
    with pytest.raises(NotFoundError):
        store.runs.extend_group("other", "nothing", [("x", SPEC)], name="Other", version_id=dataset.version.id)
    with pytest.raises(NotFoundError):
        store.runs.group("other")
