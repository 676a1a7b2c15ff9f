"""Datasets: versions that never change, tags, the bin, and which runs were made from what."""

import json
import subprocess
import sys
import tracemalloc
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import event, insert, select, text

import storage as package
from storage import DatasetUse, DatasetUses, NotFoundError, RunStatus, Storage, StorageError
from storage.datasets import store as dataset_store
from storage.tables import Dataset, DatasetVersion, now
from tests.storage.test_databases import at_once
from tests.waiting import PATIENCE

SPEC = {"base": "starter", "train": {}}
ROOT = Path(package.__file__).parents[1]


def add(store, dataset, examples=b'{"n": 2}\n', **given):
    facts = {"label": "rows.csv", "shape": "two columns", "rows": 2, "usable_rows": 2, "change": "One row was changed."}
    return store.datasets.add_version(dataset.id, examples=examples, **{**facts, **given})


def create(store, name="Rows", examples=b"{}\n", **given):
    return store.datasets.create(name=name, label="rows.csv", shape="two columns", rows=1, usable_rows=1, examples=examples, **given)


def files_of(store, dataset):
    return sorted(path.name for path in store.files.dataset_folder(dataset.id).iterdir())


def test_a_version_says_what_it_is_of_and_its_file_is_named_by_its_digest(store, tmp_path):
    source = tmp_path / "mine.csv"
    source.write_bytes(b"a,b\n1,2\n")
    reading, split = {"roles": {"a": "prompt"}, "pair": (1, 2)}, {"seed": 7, "counts": {"train": 1}}
    made = create(store, source=source, reading=reading, split=split)
    (version,) = store.datasets.versions(made.id)
    assert version == made.version == store.datasets.version(version.id) == store.datasets.get(made.id).version
    assert (version.number, version.change, version.dataset_id) == (1, "", made.id)
    assert (made.reading, made.split) == ({"roles": {"a": "prompt"}, "pair": [1, 2]}, split)
    assert (made.label, made.shape, made.rows, made.usable_rows, made.size_bytes) == ("rows.csv", "two columns", 1, 1, 11)
    digest = sha256(b"{}\n").hexdigest()
    assert version.digest == digest and store.files.rows(version).name == f"{digest}.jsonl"
    assert store.files.rows(version).read_bytes() == b"{}\n" and store.files.source(version).read_bytes() == b"a,b\n1,2\n"
    assert source.exists(), "a copy is kept"


def test_rows_may_come_from_no_file(store):
    made = create(store)
    assert store.files.source(made.version) is None and files_of(store, made) == [store.files.rows(made.version).name]


def test_the_newest_version_is_the_current_one_and_those_before_stay_as_they_were(store, dataset, reopen):
    first = dataset.version
    second = add(store, dataset, reading={"drop": [3]}, split={"seed": 1})
    third = add(store, dataset, b"{}\n{}\n", change="A row was added.", rows=3, source=store.files.rows(first))
    other = reopen().datasets
    assert [version.number for version in other.versions(dataset.id)] == [3, 2, 1]
    assert other.versions(dataset.id) == [third.version, second.version, first]
    assert other.get(dataset.id) == third == other.all()[0] and third.rows == 3
    assert [store.files.rows(version).read_bytes() for version in (first, second.version)] == [b"{}\n", b'{"n": 2}\n']
    assert second.version.source_file == first.source_file, "it was made from the same file"
    assert (first.size_bytes, second.size_bytes, third.size_bytes) == (3 + 8, 9 + 8, 6 + 3)
    assert store.files.source(third.version).read_bytes() == b"{}\n"
    assert (second.name, second.version.change) == (dataset.name, "One row was changed.")


@pytest.mark.parametrize("old", [False, True], ids=["with a digest", "of an earlier studio"])
def test_the_same_rows_reading_and_split_add_no_version(store, dataset, old):
    if old:
        store.files.rows(dataset.version).rename(store.files.dataset_folder(dataset.id) / "examples.jsonl")
        with store.database.transaction() as session:
            session.execute(text("UPDATE dataset_versions SET digest = NULL"))
    current = store.datasets.get(dataset.id).version
    assert (current.digest is None) is old
    before = files_of(store, dataset)
    assert add(store, dataset, b"{}\n").version == current and files_of(store, dataset) == before
    assert add(store, dataset, b"[]\n").version.number == 2, "as many bytes, but others"
    assert add(store, dataset, b"[]\n", split={"seed": 1}).version.number == 3
    assert add(store, dataset, b"[]\n", split={"seed": 1}, reading={"roles": {}}).version.number == 4
    assert add(store, dataset, b"[]\n", split={"seed": 1}, reading={"roles": {}}, change="Otherwise.").version.number == 4


def test_versions_with_the_same_rows_share_the_file(store, dataset):
    before = files_of(store, dataset)
    add(store, dataset)
    back = add(store, dataset, b"{}\n", change="As it was.")
    assert back.version.number == 3 and back.version.digest == dataset.version.digest
    assert len(files_of(store, dataset)) == len(before) + 1
    assert store.files.rows(back.version).read_bytes() == b"{}\n"


def test_a_file_of_rows_is_moved_and_not_read_into_memory(store, tmp_path):
    size = 8_000_000
    rows, source = tmp_path / "rows.jsonl", tmp_path / "source"
    for path in (rows, source):
        with path.open("wb") as file:
            file.truncate(size)
    tracemalloc.start()
    made = create(store, examples=rows, source=source)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert not rows.exists() and source.exists() and store.files.rows(made.version).stat().st_size == size
    assert made.version.digest == sha256(bytes(size)).hexdigest() and made.size_bytes == 2 * size
    assert peak < size / 8
    rows.write_bytes(b"{}\n")
    added = add(store, made, rows)
    assert not rows.exists() and store.files.rows(added.version).read_bytes() == b"{}\n"


def test_a_file_of_rows_that_was_saved_before_is_taken_away_too(store, tmp_path):
    first = create(store)
    rows = tmp_path / "rows.jsonl"
    for save in (lambda: create(store, examples=rows), lambda: add(store, first, rows)):
        rows.write_bytes(b"{}\n")
        assert save().version == first.version
        assert not rows.exists()
    assert len(store.datasets.all()) == 1 and files_of(store, first) == [store.files.rows(first.version).name]


def test_a_file_of_rows_on_another_disk_is_copied(store, tmp_path, monkeypatch):
    def link(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", link)
    rows = tmp_path / "rows.jsonl"
    rows.write_bytes(b"{}\n")
    made = create(store, examples=rows)
    assert store.files.rows(made.version).read_bytes() == b"{}\n" and not rows.exists()


def test_what_cannot_be_written_is_said_and_the_file_of_rows_stays(store, dataset, tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_bytes(b"[]\n")
    before = files_of(store, dataset)
    for save in (lambda **given: create(store, **given), lambda **given: add(store, dataset, **given)):
        with pytest.raises(StorageError, match="The dataset could not be written: No such file"):
            save(examples=rows, source=tmp_path / "missing")
    assert rows.read_bytes() == b"[]\n" and files_of(store, dataset) == before
    assert store.datasets.all() == [dataset] and len(list((store.files.root / "datasets").iterdir())) == 1


def test_an_add_that_the_database_refuses_leaves_nothing_new(store, dataset, tmp_path, monkeypatch):
    rows = tmp_path / "rows.jsonl"
    rows.write_bytes(b"[]\n")
    before = files_of(store, dataset)
    monkeypatch.setattr(dataset_store, "current_version", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        add(store, dataset, rows)
    assert rows.exists() and files_of(store, dataset) == before


def test_the_same_rows_under_the_same_name_are_saved_once(store):
    first, other = create(store), create(store, "Other")
    assert create(store).id == first.id and [found.id for found in store.datasets.all()] == [first.id, other.id]
    ids = {create(store, examples=b"[]\n").id, create(store, split={"seed": 1}).id, first.id, other.id}
    assert len(ids) == len(store.datasets.all()) == 4
    assert len(list((store.files.root / "datasets").iterdir())) == 4
    add(store, first)
    assert create(store).id not in ids, "what the first one was, it is no more"


def test_rows_in_the_bin_are_saved_anew(store):
    first = create(store)
    store.datasets.delete(first.id)
    assert create(store).id != first.id


def test_a_sample_that_was_edited_is_no_sample_any_more(store):
    first = create(store, sample="s")
    assert store.datasets.find_sample("s") == first and create(store, sample="s", examples=b"[]\n").id == first.id
    add(store, first)
    assert store.datasets.find_sample("s") is None
    fresh = create(store, sample="s")
    assert fresh.id != first.id and store.datasets.find_sample("s") == fresh
    store.datasets.delete(fresh.id)
    assert store.datasets.find_sample("s") is None


def test_versions_that_are_added_at_once_have_numbers_of_their_own(store, dataset, reopen):
    stores = [reopen() for _ in range(8)]
    added = at_once([lambda own=own, n=n: add(own, dataset, b"%d\n" % n) for n, own in enumerate(stores)])
    assert sorted(made.version.number for made in added) == list(range(2, 10))
    assert sorted(store.files.rows(made.version).read_bytes() for made in added) == [b"%d\n" % n for n in range(8)]
    again = at_once([lambda own=own: add(own, dataset, b"same\n") for own in stores])
    assert {made.version.number for made in again} == {10}, again


def test_a_run_keeps_its_version(store, dataset):
    first = store.runs.create(dataset.id, SPEC)
    changed = add(store, dataset)
    second, third = store.runs.create(dataset.id, SPEC), store.runs.create(dataset.id, SPEC, version_id=dataset.version.id)
    assert [(run.version_id, run.version_number) for run in (first, second, third)] == [
        (dataset.version.id, 1), (changed.version.id, 2), (dataset.version.id, 1),
    ]  # fmt: skip
    assert [run.version_number for run in store.runs.all()] == [1, 2, 1]
    assert store.runs.get(second.id).version_id == changed.version.id
    assert store.queue.claim("w").run.version_id == dataset.version.id


def test_a_run_is_made_of_a_version_that_its_dataset_has(store, dataset):
    other = create(store, "Other")
    for version in (other.version.id, "nothing"):
        with pytest.raises(NotFoundError, match="no such version"):
            store.runs.create(dataset.id, SPEC, version_id=version)
    assert store.runs.all() == []


def test_the_database_keeps_a_version_that_a_run_refers_to(store, dataset):
    store.runs.create(dataset.id, SPEC)
    with pytest.raises(Exception, match=r"(?i)foreign key"), store.database.transaction() as session:
        session.execute(text("DELETE FROM dataset_versions"))


def test_the_runs_of_a_dataset_are_told_with_their_versions(store, dataset):
    other = create(store, "Other")
    runs = [store.runs.create(dataset.id, SPEC, name="a")]
    add(store, dataset)
    runs += [store.runs.create(dataset.id, SPEC, name=name) for name in ("b", "c")]
    elsewhere = store.runs.create(other.id, SPEC, name="d")
    store.runs.delete(runs[1].id)
    expected = [DatasetUse(runs[2].id, "c", 2), DatasetUse(runs[0].id, "a", 1)]
    found = store.datasets.uses([dataset.id, other.id, "nothing"], 3)
    assert found[dataset.id] == DatasetUses(tuple(expected), {1: 1, 2: 1}) and found[dataset.id].total == 2
    assert found[other.id] == DatasetUses(((elsewhere.id, "d", 1),), {1: 1}) and found["nothing"] == DatasetUses()
    assert store.datasets.uses([dataset.id], 1)[dataset.id] == DatasetUses(tuple(expected[:1]), {1: 1, 2: 1})


def test_tags_are_short_words_each_once(store, dataset):
    tagged = store.datasets.tag(dataset.id, [" kind  words ", "", "German\n", "KIND words", "\x00"])
    assert tagged.tags == ("kind words", "German") and store.datasets.all() == [tagged]
    assert tagged.version == dataset.version
    for tags, words in (
        ([41 * "x"], "at most 40 characters, and this one has 41"),
        (map(str, range(21)), "at most 20 tags, and these are 21"),
    ):
        with pytest.raises(StorageError, match=words):
            store.datasets.tag(dataset.id, tags)
    assert store.datasets.get(dataset.id).tags == ("kind words", "German")
    assert store.datasets.tag(dataset.id, []).tags == ()


def test_a_name_changes_without_a_version(store, dataset):
    assert store.datasets.rename(dataset.id, " Other\n name ").name == "Other name"
    assert store.datasets.versions(dataset.id) == [dataset.version]


def test_what_is_deleted_lies_in_the_bin_until_that_is_emptied(store, dataset):
    other = create(store, "Other")
    add(store, dataset)
    binned = store.datasets.delete(dataset.id)
    assert binned.binned_at is not None and store.datasets.delete(dataset.id).binned_at == binned.binned_at
    assert store.datasets.all() == [other] and store.datasets.binned() == [binned] == [store.datasets.get(dataset.id)]
    assert store.files.rows(binned.version).is_file()
    for change in (lambda: store.runs.create(dataset.id, SPEC), lambda: add(store, dataset, b"[]\n")):
        with pytest.raises(StorageError, match="The dataset Rows is in the bin; restore it first"):
            change()
    assert store.datasets.restore(dataset.id).binned_at is None and store.datasets.binned() == []
    store.datasets.delete(dataset.id)
    assert store.datasets.empty_bin(timedelta(days=1)) == []
    assert store.datasets.empty_bin() == [dataset.id] and store.datasets.empty_bin() == []
    assert not store.files.dataset_folder(dataset.id).exists() and store.files.dataset_folder(other.id).exists()
    with store.database.reading() as session:
        assert [row.dataset_id for row in session.scalars(select(DatasetVersion))] == [other.id]


def test_a_dataset_is_in_the_bin_only_while_each_of_its_runs_is(store, dataset):
    run = store.runs.create(dataset.id, SPEC, name="Mine")
    with pytest.raises(StorageError, match="The run Mine was made from this dataset; delete the run first"):
        store.datasets.delete(dataset.id)
    store.runs.delete(run.id)
    store.datasets.delete(dataset.id)
    assert store.datasets.empty_bin() == [] and store.files.rows(dataset.version).is_file()
    store.runs.restore(run.id)
    assert [found.id for found in store.datasets.all()] == [dataset.id], "a run without its rows could not go on"
    assert store.events.all(run.id)[-1].text == "Taken out of the bin, and its dataset with it."
    assert store.runs.resume(run.id).status is RunStatus.QUEUED
    store.runs.delete(run.id)
    store.datasets.delete(dataset.id)
    assert store.runs.empty_bin() == [run.id] and store.datasets.empty_bin() == [dataset.id]


def test_a_run_leaves_the_bin_or_its_dataset_enters_it_and_never_both(store, reopen):
    other = reopen()
    for number in range(10):
        dataset = create(store, f"D{number}")
        run = store.runs.create(dataset.id, SPEC)
        store.runs.delete(run.id)
        at_once([lambda: store.runs.restore(run.id), lambda: other.datasets.delete(dataset.id)])  # noqa: B023
        assert store.runs.get(run.id).binned_at is None and store.datasets.get(dataset.id).binned_at is None


CALLS = {
    "get": lambda datasets, key: datasets.get(key),
    "versions": lambda datasets, key: datasets.versions(key),
    "version": lambda datasets, key: datasets.version(key),
    "touch": lambda datasets, key: datasets.touch(key),
    "rename": lambda datasets, key: datasets.rename(key, "x"),
    "tag": lambda datasets, key: datasets.tag(key, ["x"]),
    "delete": lambda datasets, key: datasets.delete(key),
    "restore": lambda datasets, key: datasets.restore(key),
    "add_version": lambda datasets, key: datasets.add_version(
        key, label="l", shape="s", rows=1, usable_rows=1, examples=b"{}\n", change="Changed."
    ),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("key", ["nothing", "../x", "a\x00b"])
def test_an_unknown_dataset_is_not_found_and_nothing_is_made_for_it(store, dataset, call, key):
    with pytest.raises(NotFoundError):
        call(store.datasets, key)
    assert [path.name for path in (store.files.root / "datasets").iterdir()] == [dataset.id]


@pytest.mark.slow
def test_a_thousand_datasets_are_listed_by_one_query(store):
    numbers = range(1000)
    facts = {"label": "l", "shape": "s", "rows": 1, "usable_rows": 1, "change": "", "size_bytes": 1, "created_at": now()}
    versions = [
        {"id": f"v{n}x{number}", "dataset_id": f"d{n}", "number": number, "digest": f"{number}", **facts}
        for n in numbers for number in (2, 1, 3)
    ]  # fmt: skip
    with store.database.transaction() as session:
        session.execute(insert(Dataset), [{"id": f"d{n}", "name": f"D{n}", "tags": [], "created_at": now()} for n in numbers])
        session.execute(insert(DatasetVersion), versions)
    for n in numbers[::10]:
        store.runs.create(f"d{n}", SPEC)
    queries = []
    event.listen(store.database.engine, "before_cursor_execute", lambda *given: queries.append(given[2]))
    found = store.datasets.all()
    assert len(found) == 1000 and {record.version.number for record in found} == {3}
    assert len([query for query in queries if query.startswith("SELECT")]) == 1
    queries.clear()
    uses = store.datasets.uses(["d0", "d1", "d10"], 1)
    assert {ident for ident, use in uses.items() if use.total} == {"d0", "d10"}
    assert len([query for query in queries if query.startswith("SELECT")]) == 2 * 3, "two along an index for each that is shown"
    queries.clear()
    assert {run.version_number for run in store.runs.all()} == {3}
    assert len([query for query in queries if query.startswith("SELECT")]) == 1


KILLED = """
import json, os, sys, time
from pathlib import Path
from sqlalchemy import event
from storage import Storage
from storage.upkeep import find_problems, repair

root, rows = Path(sys.argv[1]), Path(sys.argv[2])
EVENTS = {"open", "os.link", "os.rename", "os.remove", "os.mkdir", "os.utime", "shutil.copyfile", "shutil.rmtree"}


def killed_at(moment, save):
    child = os.fork()
    if child == 0:
        storage, seen = Storage(root), []

        def count(*_):
            seen.append(1)
            if len(seen) == moment:
                os._exit(9)

        event.listen(storage.database.engine, "commit", count)
        sys.addaudithook(lambda name, given: count() if name in EVENTS else None)
        save(storage)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


FACTS = {"label": "l", "shape": "s", "rows": 1, "usable_rows": 1}
SAVES = {
    "create": lambda storage, moment: storage.datasets.create(name=f"N{moment}", examples=rows, source=Path(__file__), **FACTS),
    "add": lambda storage, moment: storage.datasets.add_version(sys.argv[3], examples=rows, source=rows, change=str(moment), **FACTS),
}
for kind, save in SAVES.items():
    for moment in range(1, 200):
        rows.write_bytes(b"%s %d\\n" % (kind.encode(), moment))
        ended = killed_at(moment, lambda storage: save(storage, moment))
        for path in [*root.rglob("*")]:
            os.utime(path, (time.time() - 3600,) * 2, follow_symlinks=False)
        storage = Storage(root)
        found = [finding.text for finding in find_problems(storage)]
        repair(find_problems(storage))
        left = [finding.text for finding in find_problems(storage)]
        versions = {dataset.name: [v.number for v in storage.datasets.versions(dataset.id)] for dataset in storage.datasets.all()}
        storage.close()
        print(json.dumps([kind, ended, found, left, versions, rows.exists()]))
        if ended == 0:
            break
"""


@pytest.mark.process
def test_a_kill_at_any_moment_leaves_whole_versions_and_nothing_that_upkeep_does_not_find(tmp_path):
    store = Storage(tmp_path / "data")
    dataset = create(store, "Old")
    store.close()
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    command = [sys.executable, str(script), str(tmp_path / "data"), str(tmp_path / "rows.jsonl"), dataset.id]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE, cwd=ROOT, env={"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    )
    assert done.returncode == 0, done.stderr
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [step[0] for step in steps]
    assert kinds.count("create") > 8 and kinds.count("add") > 8
    datasets, versions, told = 1, 1, set()
    for kind, ended, found, left, numbers, rows_there in steps:
        assert ended in (0, 9) and left == [], "what a kill leaves is put right, and every version has its rows"
        told |= {words for words in ("half-done", "belongs to nothing", "belongs to no version") for text in found if words in text}
        assert all(list_ == list(range(len(list_), 0, -1)) for list_ in numbers.values())
        now_there = len(numbers), len(numbers["Old"])
        assert now_there in ((datasets, versions), (datasets + 1, versions) if kind == "create" else (datasets, versions + 1))
        assert rows_there or found or now_there != (datasets, versions), "the rows are in one place at least"
        assert ended == 9 or now_there != (datasets, versions)
        datasets, versions = now_there
    assert told == {"half-done", "belongs to nothing", "belongs to no version"}
