"""A dataset that is kept is read by pages, and changed by versions that runs do not see."""

import pytest

from app.errors import StudioError
from app.handlers import datasets, kept, kept_rows, train
from app.handlers.datasets import examples_of
from app.handlers.kept_rows import Asked
from reft_engine import DataError
from reft_engine.data import SplitPlan, dump_examples, inspect_file, inspect_rows
from storage import NotFoundError, StorageError


def opened(services, dataset, number=None):
    return kept.open_dataset(services, dataset.id, number)


def page_of(services, dataset, number=None, **asked):
    found = opened(services, dataset, number)
    return kept_rows.rows_page(services, found, Asked(dataset=dataset.id, version=found.version.number, **asked))


def keep(services, rows, name="made", **known):
    examples = inspect_rows(rows).examples
    return services.storage.datasets.create(
        name=name, label="made.jsonl", shape="pairs", rows=len(rows), usable_rows=len(rows), examples=dump_examples(examples), **known
    )


def test_rows_are_shown_by_pages_in_an_order_and_by_a_search(services, dataset, rows):
    first, last = (page_of(services, dataset, offset=offset) for offset in (0, 20))
    assert (len(first.rows), len(last.rows), last.offset, first.total) == (10, 4, 20, 24)
    assert [(row.number, row.texts["message 1"], row.texts["answer"]) for row in first.rows[:2]] == [(n + 1, *rows[n]) for n in (0, 1)]
    prompt = rows[7][0]
    searched = page_of(services, dataset, search=prompt.upper())
    assert searched.total >= 1 and all(prompt in row.texts["message 1"] for row in searched.rows)
    longest = page_of(services, dataset, order="longest").rows
    lengths = [len(row.texts["message 1"] + row.texts["answer"]) for row in longest]
    assert lengths == sorted(lengths, reverse=True)
    drawn = [[row.number for row in page_of(services, dataset, order="random", seed=seed).rows] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert page_of(services, dataset, offset=999).offset == 0


def test_the_report_and_the_row_check_choose_among_the_rows(services):
    rows = [{"prompt": f"q{n}", "answer": "a"} for n in range(12)]
    dataset = keep(services, [*rows, {"prompt": "Dear {{name}}", "answer": "b"}, rows[3]])
    found = opened(services, dataset)
    assert {item.kind: tuple(item.rows) for item in kept.report(services, found).items} == {"placeholders": (13,), "duplicates": (14,)}

    def numbers(**asked):
        return [row.number for row in page_of(services, dataset, **asked).rows]

    assert (numbers(only="duplicates"), numbers(only="row:3,5"), numbers(only="line:2,13")) == ([14], [3, 5], [2, 13])
    assert numbers(order="suspicious") == [13, 14]
    assert numbers(order="suspicious", only="row:3,13") == [13]
    assert numbers(only="row:nonsense") == []
    saved = kept_rows.save(
        services, Asked(dataset=dataset.id, version=1, remedies=("drop_duplicates",), dropped=(1,), texts={2: {"answer": "c"}})
    )
    assert saved.version.change == "1 text was changed. 2 rows were dropped."
    assert [each.row for each in examples_of(services, dataset.id)] == list(range(2, 14))


def test_rows_of_few_texts_are_a_table_and_chats_are_not(services, dataset):
    def table(dataset):
        asked = Asked(dataset=dataset.id, version=1)
        found = opened(services, dataset)
        return kept_rows.table(found, asked, kept_rows.rows_page(services, found, asked))

    assert table(dataset)["columns"] == ["prompt", "answer"] and table(dataset)["can_change"]
    chat = [{"role": role, "content": role} for role in ("system", "user", "assistant", "user", "assistant")]
    shown = table(keep(services, [{"messages": chat}, {"messages": chat[1:3]}], "chats"))
    assert shown["columns"] is None
    assert [text["word"] for text in shown["rows"][0]["texts"]] == ["system message", "prompt", "earlier answer", "prompt", "answer"]
    pairs = table(keep(services, [{"prompt": "x" * 20_001, "chosen": "a", "rejected": "b"}], "pairs"))
    assert pairs["columns"] == ["prompt", "better answer", "worse answer"]
    assert [(text["role"], text["whole"], len(text["text"])) for text in pairs["rows"][0]["texts"]] == [
        ("prompt", False, 20_001), ("answer", True, 1), ("rejected", True, 1),
    ]  # fmt: skip


def test_what_is_changed_on_a_page_of_another_version_is_not_saved(services, dataset):
    kept.change(services, dataset.id, {2: {"answer": "Another!"}}, [])
    with pytest.raises(StudioError, match="Meanwhile there is a version 2"):
        kept_rows.save(services, Asked(dataset=dataset.id, version=1, texts={2: {"answer": "Mine"}}))
    for text in ("", "{", '{"dataset": "../x", "version": 1}'):
        with pytest.raises(StudioError):
            Asked.read(text)


def test_a_change_is_a_version_and_a_run_keeps_its_own(services, dataset):
    run = train.start(services, dataset.id, train.TrainForm(), "page")
    changed = kept.change(services, dataset.id, {2: {"answer": "Another!"}}, [5, 6])
    assert (changed.version.number, changed.version.change) == (2, "1 text was changed. 2 rows were dropped.")
    assert (changed.rows, changed.usable_rows) == (22, 22)
    assert examples_of(services, dataset.id)[1].answer == "Another!"
    assert services.storage.runs.get(run.id).version_number == 1
    assert len(examples_of(services, dataset.id, version_id=run.version_id)) == 24
    found = opened(services, dataset, 1)
    assert not found.is_current and [each.number for each in found.versions] == [2, 1]
    assert [(use.run_id, use.version_number) for use in found.uses.newest] == [(run.id, 1)]
    said = kept.compare(services, found.versions[1].id, found.versions[0].id)
    assert (said.dropped, said.changed, said.texts[0].after) == (2, 1, "Another!")


def test_a_plan_is_kept_with_the_version_and_followed(services, dataset):
    divided = kept.divide(services, dataset.id, SplitPlan(share=0.25, seed=3))
    assert divided.split == {"method": "random", "share": 0.25, "seed": 3, "counts": {"train": 18, "held-out": 6}}
    assert divided.version.change == "The rows were divided; 6 are held out."
    changed = kept.change(services, dataset.id, {1: {"answer": "x"}}, [])
    assert changed.split == divided.split and [row.side for row in page_of(services, dataset).rows].count("") == 0
    found = opened(services, dataset)
    assert kept.sides(services, found) == kept.Sides({"train": 18, "held-out": 6}, 0)
    assert kept.sides(services, opened(services, dataset, 1)) is None


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
    name, path = kept.export(services, dataset.id, 1, form)
    assert name == f"animals v1.{form}" and path.is_relative_to(services.storage.files.uploads)
    assert [(each.messages[0].content, each.answer) for each in inspect_file(path).examples] == rows


def test_an_earlier_version_is_used_again(services, dataset):
    before = examples_of(services, dataset.id)
    kept.change(services, dataset.id, {}, [1, 2])
    again = kept.bring_back(services, dataset.id, 1)
    assert (again.version.number, again.rows, again.usable_rows) == (3, 24, 24)
    assert again.version.change == "The rows of version 1 are used again."
    assert examples_of(services, dataset.id) == before


@pytest.mark.slow
def test_the_rows_of_a_file_of_their_own_are_held_out(services, dataset, tmp_path):
    path = tmp_path / "more.csv"
    path.write_text("prompt,answer\nNew?,Yes.\n" + f"{examples_of(services, dataset.id)[0].messages[0].content},Known.\n")
    divided = kept.hold_out_file(services, dataset.id, str(path))
    assert (divided.rows, divided.usable_rows) == (26, 26)
    assert divided.split == {"method": "file", "file": "more.csv", "counts": {"train": 24, "held-out": 2}}
    assert kept.sides(services, opened(services, dataset)).shared == 1
    assert [row.side for row in page_of(services, dataset, order="file", offset=20).rows] == ["train"] * 4 + ["held-out"] * 2
    assert datasets.split_sizes(services, dataset.id, 0.1, 0) == (24, 2)
    other = tmp_path / "other.csv"
    other.write_text("eins,zwei,drei\na,b,c\n")
    with pytest.raises(StudioError, match="columns of the first file"):
        kept.hold_out_file(services, dataset.id, str(other))
    other.write_text("prompt,chosen,rejected\na,b,c\n")
    with pytest.raises(DataError, match="pairs of answers"):
        kept.hold_out_file(services, dataset.id, str(other))


@pytest.mark.parametrize(
    ("method", "share", "seed"), [("odd", 10, 0), ("random", 0, 0), ("random", None, 0), ("random", 100, 0), ("last", 10, -1)]
)
def test_a_plan_that_cannot_be_is_refused_in_a_sentence(method, share, seed):
    with pytest.raises(StudioError, match="The percent must be from 1 to 90"):
        kept.plan_of(method, share, seed)


def test_a_name_and_tags_are_given_and_an_empty_name_is_refused(services, dataset):
    named = kept.rename(services, dataset.id, " Beasts ", ["a", " b", "A", ""])
    assert (named.name, named.tags) == ("Beasts", ("a", "b"))
    with pytest.raises(StudioError, match="needs a name"):
        kept.rename(services, dataset.id, "  ", [])


def test_a_form_that_is_none_is_refused(services, dataset):
    with pytest.raises(StudioError, match="not written as exe"):
        kept.export(services, dataset.id, 1, "exe")
    assert list(services.storage.files.uploads.iterdir()) == []
