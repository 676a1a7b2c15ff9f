"""A dataset that is kept is read by pages, and changed by versions that runs do not see."""

import pytest

from app.errors import StudioError
from app.handlers import kept, train
from app.handlers.datasets import examples_of
from reft_engine.data import SplitPlan, inspect_file
from storage import NotFoundError, StorageError


def opened(services, dataset, number=None):
    return kept.open_dataset(services, dataset.id, number)


def test_rows_are_shown_by_pages_in_an_order_and_by_a_search(services, dataset, rows):
    found = opened(services, dataset)
    first, second = (kept.rows_page(services, found, offset=offset) for offset in (0, 20))
    assert (len(first.rows), len(second.rows), second.offset, first.total) == (20, 4, 20, 24)
    assert [(row.number, row.texts["message 1"], row.texts["answer"]) for row in first.rows[:2]] == [(n + 1, *rows[n]) for n in (0, 1)]
    prompt = rows[7][0]
    searched = kept.rows_page(services, found, search=prompt.upper())
    assert searched.total >= 1 and all(prompt in row.texts["message 1"] for row in searched.rows)
    longest = kept.rows_page(services, found, order="longest").rows
    lengths = [len(row.texts["message 1"] + row.texts["answer"]) for row in longest]
    assert lengths == sorted(lengths, reverse=True)
    assert kept.rows_page(services, found, offset=999).offset == 0


def test_a_change_is_a_version_and_a_run_keeps_its_own(services, dataset):
    run = train.start(services, dataset.id, train.TrainForm(), "page")
    changed = kept.change(services, dataset.id, {2: {"answer": "Another!"}}, [5, 6])
    assert (changed.version.number, changed.version.change) == (2, "1 text was changed. 2 rows were dropped.")
    assert (changed.rows, changed.usable_rows) == (24, 22)
    assert examples_of(services, dataset.id)[1].answer == "Another!"
    assert services.storage.runs.get(run.id).version_number == 1
    assert len(examples_of(services, dataset.id, version_id=run.version_id)) == 24
    found = opened(services, dataset, 1)
    assert not found.is_current and [each.number for each in found.versions] == [2, 1]
    assert [(use.run_id, use.version_number) for use in found.uses] == [(run.id, 1)]
    said = kept.compare(services, found.versions[1].id, found.versions[0].id)
    assert (said.dropped, said.changed, said.texts[0].after) == (2, 1, "Another!")


def test_a_plan_is_kept_with_the_version_and_followed(services, dataset):
    divided = kept.divide(services, dataset.id, SplitPlan(share=0.25, seed=3))
    assert divided.split == {"method": "random", "share": 0.25, "seed": 3, "counts": {"train": 18, "held-out": 6}}
    assert divided.version.change == "The rows were divided; 6 are held out."
    changed = kept.change(services, dataset.id, {1: {"answer": "x"}}, [])
    assert changed.split == divided.split and [row.side for row in kept.rows_page(services, opened(services, dataset)).rows].count("") == 0


@pytest.mark.parametrize(
    ("texts", "dropped", "words"),
    [({}, [], "Nothing was changed"), ({1: {"answer": ""}}, [], "answer is empty"), ({}, list(range(30)), "No row is left")],
)
def test_what_cannot_be_leaves_no_version_and_no_file(services, dataset, texts, dropped, words):
    with pytest.raises(Exception, match=words):
        kept.change(services, dataset.id, texts, dropped)
    assert len(opened(services, dataset).versions) == 1 and list(services.storage.files.uploads.iterdir()) == []
    with pytest.raises(StudioError, match="no version 7"):
        opened(services, dataset, 7)
    with pytest.raises(NotFoundError):
        kept.open_dataset(services, "nothing")


def test_a_dataset_in_the_bin_is_not_changed(services, dataset):
    services.storage.datasets.delete(dataset.id)
    with pytest.raises(StorageError):
        kept.change(services, dataset.id, {1: {"answer": "x"}}, [])


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_rows_are_taken_away_and_are_the_same(services, dataset, rows, form):
    name, path = kept.export(services, dataset.version.id, form)
    assert name == f"animals v1.{form}" and path.is_relative_to(services.storage.files.uploads)
    assert [(each.messages[0].content, each.answer) for each in inspect_file(path).examples] == rows
