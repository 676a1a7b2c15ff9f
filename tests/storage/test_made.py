import pytest

from storage import NotFoundError, RunQuery, RunStatus, StorageError

SPEC = {"base": "starter", "train": {}}
MORE = {"name": "Mix", "sentence": "Mixed.", "summary": {"mixed_from": []}}


@pytest.fixture
def result(store):
    folder = store.files.uploads / "0123" / "adapter"
    folder.mkdir(parents=True)
    (folder / "reft_config.json").write_text("{}", encoding="utf-8")
    return folder


def test_a_made_run_is_finished_from_the_first_moment_and_has_its_result(store, dataset, result, reopen):
    run = store.made.add(dataset.id, dataset.version.id, SPEC, result, held_out=[3, 1], **MORE)
    assert run == reopen().runs.get(run.id) and (run.name, run.sentence, run.summary) == ("Mix", "Mixed.", {"mixed_from": []})
    assert run.status is RunStatus.FINISHED and run.finished_at is not None and run.step == run.total_steps == 0
    assert store.runs.held_out_places(run.id) == [3, 1] and [event.text for event in store.events.all(run.id)] == ["Mixed."]
    assert (store.files.adapter(run.id) / "reft_config.json").is_file() and not result.exists()
    assert [each.id for each in store.runs.page(RunQuery(text="mix", state="finished"), 10)] == [run.id]


def test_a_made_run_never_waits_and_cannot_be_queued_again(store, dataset, result):
    run = store.made.add(dataset.id, dataset.version.id, SPEC, result, **MORE)
    assert store.queue.claim("w") is None and store.runs.waiting_count() == 0 and store.runs.held_out_places(run.id) is None
    with pytest.raises(StorageError, match="finished cannot become queued"):
        store.runs.resume(run.id)


def test_nothing_is_left_of_a_run_that_could_not_be_made(store, dataset, result):
    with pytest.raises(NotFoundError):
        store.made.add(dataset.id, "nothing", SPEC, result, **MORE)
    with pytest.raises(NotFoundError):
        store.made.add(dataset.id, dataset.version.id, SPEC, result / "nothing", **MORE)
    store.datasets.delete(dataset.id)
    with pytest.raises(StorageError):
        store.made.add(dataset.id, dataset.version.id, SPEC, result, **MORE)
    assert store.runs.all() == [] and list((store.files.root / "runs").iterdir()) == [] and result.is_dir()


def test_a_key_makes_one_run_and_one_in_the_bin_gives_it_away(store, dataset, result):
    def add():
        result.mkdir(parents=True, exist_ok=True)
        return store.made.add(dataset.id, dataset.version.id, SPEC, result, start_key="k", **MORE)

    made = add()
    assert add() == made and result.is_dir() and [run.id for run in store.runs.all()] == [made.id]
    store.runs.delete(made.id)
    assert add().id != made.id
