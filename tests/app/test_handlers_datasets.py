import json
import re
import threading

import pytest

from app.choices import Choices
from app.errors import StudioError
from app.handlers import datasets, train
from app.handlers.datasets import (
    PREVIEW_ROWS,
    delete_dataset,
    examples_of,
    inspect_upload,
    preview,
    save_upload,
    split_sizes,
    use_sample,
)
from app.samples import all_samples
from reft_engine.data import Columns, Example, Message
from reft_engine.errors import DataError
from reft_engine.spec import ReftConfig
from storage import NotFoundError, StorageError


def folders(services):
    return {path.name for path in (services.storage.files.root / "datasets").iterdir()}


@pytest.mark.parametrize("path", [None, "", "/nowhere/at/all.csv", "."])
def test_without_a_file_one_is_asked_for(path):
    with pytest.raises(StudioError, match="Drop a file first"):
        inspect_upload(path)


def test_an_upload_is_recognised_with_every_row(table_file, rows):
    found = inspect_upload(str(table_file))
    assert (found.shape, found.rows, found.usable_rows, found.needs_mapping) == ("pairs", len(rows), len(rows), False)
    assert [(example.messages[0].content, example.answer) for example in found.examples] == rows


def test_unknown_columns_are_asked_for_and_then_taken(tmp_path, table):
    path = str(table(tmp_path / "odd.csv", [("Was ist 1?", "eins"), ("Was ist 2?", "zwei")], "frage,antwort"))
    assert inspect_upload(path).needs_mapping
    found = inspect_upload(path, Choices(Columns.pair("frage", "antwort")))
    assert [example.answer for example in found.examples] == ["eins", "zwei"]
    with pytest.raises(StudioError, match="There is no column 'fragen'"):
        inspect_upload(path, Choices(Columns.pair("fragen", "antwort")))


def test_without_the_engine_the_first_rows_are_shown_as_text(services, table_file, rows):
    shown = preview(services, inspect_upload(str(table_file)).examples)
    assert len(shown) == PREVIEW_ROWS < len(rows)
    assert [row.example.answer for row in shown] == [answer for _, answer in rows[:PREVIEW_ROWS]]
    assert all(row.tokens == () and row.problem is None for row in shown)


def test_with_the_engine_rows_are_shown_token_by_token(engine, table_file):
    examples = inspect_upload(str(table_file)).examples
    shown = preview(engine, examples, ReftConfig(positions="f2+l1"))
    assert len(shown) == PREVIEW_ROWS
    for row in shown:
        kinds = [token.learned for token in row.tokens]
        assert kinds == sorted(kinds), "the answer comes after the prompt"
        prompt = [token for token in row.tokens if not token.learned]
        edited = [index for index, token in enumerate(row.tokens) if token.edited]
        assert edited == [0, 1, len(prompt) - 1]
        assert row.example.messages[0].content in "".join(token.text for token in prompt)
        assert "".join(token.text for token in row.tokens if token.learned).startswith(row.example.answer)


def test_a_row_that_does_not_fit_is_named_and_the_others_are_shown(engine):
    long = Example(7, (Message("user", "cat " * 600),), "yes")
    short = Example(8, (Message("user", "cat"),), "yes")
    bad, good = preview(engine, [long, short])
    assert "Line 7" in bad.problem and bad.tokens == ()
    assert good.problem is None and good.tokens


def test_characters_of_several_tokens_are_shown_once(engine):
    text = "👩‍👩‍👧 naïve 漢字"
    (row,) = preview(engine, [Example(1, (Message("user", text),), text)])
    assert "".join(token.text for token in row.tokens).count(text) == 2


def test_an_upload_is_kept_with_its_source_and_its_rows(services, table_file, rows):
    kept = save_upload(services, str(table_file), label="animals.csv")
    assert (kept.name, kept.label, kept.shape, kept.rows, kept.usable_rows) == ("animals", "animals.csv", "pairs", 24, 24)
    assert services.storage.files.source(kept.version).read_bytes() == table_file.read_bytes()
    assert [(example.messages[0].content, example.answer) for example in examples_of(services, kept.id)] == rows
    assert len(examples_of(services, kept.id, 3)) == 3
    assert split_sizes(services, kept.id, 0.0, 42) == (24, 0)


def test_the_same_rows_under_the_same_name_are_kept_once(services, table_file):
    first = save_upload(services, str(table_file), label="rows.csv", name="Mine")
    assert save_upload(services, str(table_file), label="rows.csv", name="Mine").id == first.id
    assert save_upload(services, str(table_file), label="rows.csv", name="Other").id != first.id
    assert len(folders(services)) == 2


def test_a_hostile_file_name_is_a_label_and_nothing_else(services, table_file):
    kept = save_upload(services, str(table_file), label="../../etc/pass\nwd\x00.csv", name="  ")
    assert "\n" not in kept.label and "\x00" not in kept.label
    assert folders(services) == {kept.id}
    for path in services.storage.files.dataset_folder(kept.id).iterdir():
        assert re.fullmatch(r"[0-9a-f]{64}\.(jsonl|source)", path.name)


def test_a_mapping_is_kept_with_the_dataset(services, tmp_path, table):
    path = str(table(tmp_path / "odd.csv", [("eins", "1"), ("zwei", "2")], "wort,zahl"))
    with pytest.raises(StudioError, match="Say first which column"):
        save_upload(services, path, label="odd.csv")
    assert folders(services) == set()
    choices = Choices(Columns(roles={"wort": "prompt", "zahl": "label"}, template="Say {wort}"), remedies=("drop_duplicates",))
    kept = save_upload(services, path, label="odd.csv", choices=choices, name="Numbers")
    assert (kept.name, kept.shape, kept.reading) == ("Numbers", "mapped", choices.as_data())
    assert Choices.of_data(kept.reading) == choices and examples_of(services, kept.id)[0].messages[0].content == "Say eins"
    assert Choices.of_data({"roles": {"a": "prompt", "b": "answer"}}).columns == Columns.pair("a", "b")  # as versions before stored it


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (b"", StudioError, "empty"),
        (b"prompt,answer\n,\n", StudioError, "no row"),
        (b"prompt,answer\nx,\n", StudioError, "no row"),
        (b'{"chosen": "a", "rejected": "b"}\n', StudioError, "no row"),
        (b"PK\x03\x04" + b"\0" * 30, StudioError, "zip archive"),
        (b"\x80\x04\x95rest", StudioError, "pickle"),
        (b"\x7fELF\x02\x01", StudioError, "a program"),
        ("prompt,answer\ncaf\u00e9,b\n".encode("mac-roman"), StudioError, "letters of this file"),
    ],
)
def test_a_file_with_nothing_to_learn_is_refused_and_leaves_nothing(services, tmp_path, content, error, words):
    path = tmp_path / "upload.csv"
    path.write_bytes(content)
    with pytest.raises(error, match=words):
        save_upload(services, str(path), label="upload.csv")
    assert folders(services) == set() and services.storage.datasets.all() == []


def test_a_write_that_fails_is_said_in_words_and_leaves_nothing(services, tmp_path, rows, table):
    source = table(tmp_path / "rows.csv", rows)
    lost = services.storage.files.root / "datasets"
    lost.rmdir()
    lost.write_text("a file where the folder was")
    with pytest.raises(StorageError, match="could not be written"):
        save_upload(services, str(source), label="rows.csv")
    assert services.storage.datasets.all() == []


def test_a_sample_is_kept_once_and_picked_again_becomes_the_newest(services, table_file):
    first = use_sample(services, "emoji")
    other = save_upload(services, str(table_file), label="animals.csv")
    assert [found.id for found in services.storage.datasets.all()] == [other.id, first.id]
    assert use_sample(services, "emoji").id == first.id
    assert [found.id for found in services.storage.datasets.all()] == [first.id, other.id]


def test_a_sample_picked_in_many_tabs_at_once_is_kept_once(services):
    found = []
    threads = [threading.Thread(target=lambda: found.append(use_sample(services, "emoji").id)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1
    assert folders(services) == set(found)


@pytest.mark.slow
def test_every_sample_can_be_used_whole(services):
    assert set(datasets.sample_keys()) == {sample.key for sample in all_samples()}
    for sample in all_samples():
        kept = use_sample(services, sample.key)
        assert kept.sample == sample.key and kept.usable_rows == kept.rows > 0
        assert sum(split_sizes(services, kept.id, 0.0, 42)) == len(examples_of(services, kept.id))


def test_an_unknown_sample_is_refused(services):
    with pytest.raises(StudioError, match="no such sample"):
        use_sample(services, "../emoji")


def test_a_chat_with_several_answers_counts_as_several(services, tmp_path):
    turns = [{"role": role, "content": f"{role} {n}"} for n in range(3) for role in ("user", "assistant")]
    path = tmp_path / "chat.jsonl"
    path.write_text(json.dumps({"messages": turns}) + "\n")
    kept = save_upload(services, str(path), label="chat.jsonl")
    assert (kept.rows, split_sizes(services, kept.id, 0.0, 42)) == (1, (3, 0))


def test_a_dataset_is_not_deleted_while_a_run_outside_the_bin_was_made_from_it(services, dataset):
    run = train.start(services, dataset.id, train.TrainForm(), "key")
    with pytest.raises(StorageError, match="delete the run first"):
        delete_dataset(services, dataset.id)
    assert examples_of(services, dataset.id)
    services.storage.runs.delete(run.id)
    delete_dataset(services, dataset.id)
    assert services.storage.datasets.all() == [] and examples_of(services, dataset.id)
    assert services.storage.datasets.empty_bin() == [], "the run in the bin may be restored"
    services.storage.runs.empty_bin()
    assert services.storage.datasets.empty_bin() == [dataset.id] and folders(services) == set()


@pytest.mark.parametrize("dataset_id", ["nothing", "", "../uploads", "a" * 5000])
def test_an_unknown_dataset_is_not_found(services, dataset_id):
    for ask in (delete_dataset, examples_of, lambda services, key: split_sizes(services, key, 0.1, 42)):
        with pytest.raises(NotFoundError):
            ask(services, dataset_id)


def test_a_dataset_whose_file_is_gone_says_so(services, dataset):
    services.storage.files.rows(dataset.version).unlink()
    with pytest.raises(DataError, match="Upload it again"):
        examples_of(services, dataset.id)
    with pytest.raises(DataError, match="Upload it again"):
        split_sizes(services, dataset.id, 0.1, 42)


def test_an_upload_is_only_read(services, table_file):
    before = table_file.read_bytes()
    save_upload(services, str(table_file), label="x")
    assert table_file.read_bytes() == before
