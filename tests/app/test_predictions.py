"""Predictions of held-out rows: their file, what is said of them, how the worker makes them, and what a page is told."""

import csv
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from app import predictions
from app.errors import EngineAwayError, StudioError
from app.handlers import predictions as handlers
from app.predictions import Prediction, Predictions, chosen, confusion, count, exported
from app.services import Services, make_services
from app.settings import Settings
from app.worker import answers
from app.worker.answers import PredictionJobs
from app.worker.resident import Resident
from reft_engine import PeftConfig, ReftConfig, ReftModel, RunSpec, TrainConfig, evaluate, generate, load_base
from reft_engine.base import Base
from reft_engine.data import Example, Message, Preference, dump_examples
from reft_engine.tokens.examples import encode, ids_of_answer
from reft_engine.trainable import make_trainable
from storage import NotFoundError, RunRecord, RunStatus, StorageError
from tests.waiting import PATIENCE, until

PROMPTS = [f"What is {number} {animal}?" for number in range(5) for animal in ("cat", "dog", "owl", "hen")]
LONG = "yes " * 80


@dataclass(frozen=True)
class Studio:
    """A data folder, a base model in this process, and what the worker makes predictions with."""

    services: Services
    resident: Resident
    jobs: PredictionJobs
    base: Base

    def run(self, reft: Any, rows: list[Any], places: list[int], status: RunStatus = RunStatus.FINISHED, **settings: Any) -> RunRecord:
        """A run with this result, without training it."""
        store = self.services.storage
        dataset = store.datasets.create(
            name="Rows", label="rows.csv", shape="pairs", rows=len(rows), usable_rows=len(rows), examples=dump_examples(rows)
        )
        config = reft.method_config
        which = {"peft": config} if isinstance(config, PeftConfig) else {"reft": config}
        spec = RunSpec(base=self.base.name, train=TrainConfig(**settings), **which)
        run = store.runs.create(dataset.id, spec.model_dump(mode="json"))
        held = store.queue.claim("w")
        assert held is not None and held.run.id == run.id
        held.begin("Reading the rows.")
        held.set_rows("Training.", places)
        reft.save(store.files.adapter(run.id), base=self.base, training={"max_length": 512})
        for each in (RunStatus.CHECKING, status):
            held.set_status(each, "Moved.")
        return store.runs.get(run.id)

    def made(self, run: RunRecord) -> Predictions:
        """The predictions of a run, once the worker has made them."""
        lines = list(self.jobs.follow(run.id, start=True, has_left=lambda: False))
        assert lines[0]["done"] == 0 and lines[-1] == {"done": lines[-1]["of"], "of": lines[0]["of"]}
        made = predictions.read(self.path(run), run)
        assert made is not None
        return made

    def path(self, run: RunRecord) -> Any:
        return self.services.storage.files.predictions(run.id)


@contextmanager
def opened(folder: Path, base: str) -> Iterator[Studio]:
    services = make_services(Settings(data_dir=folder / "data"))
    resident = Resident(services.storage)
    yield Studio(services, resident, PredictionJobs(resident), resident.base(base))
    services.storage.close()


@pytest.fixture(scope="module")
def studio(tmp_path_factory, tiny_base):
    with opened(tmp_path_factory.mktemp("predictions"), str(tiny_base)) as found:
        yield found


@pytest.fixture
def services(studio):
    """Whose queue is left empty, since the next run is claimed by hand."""
    yield studio.services
    for run in studio.services.storage.runs.going():
        studio.services.storage.runs.request_stop(run.id)


def strong(base: Base, factor: float = 4.0, **settings: Any) -> Any:
    """An edit that changes answers."""
    reft = ReftModel(base.model, ReftConfig(**{"rank": 2, "positions": "f2+l2", **settings}), seed=3).eval()
    with torch.no_grad():
        reft.intervention.source.mul_(factor)
        reft.intervention.bias.mul_(factor)
    return reft


def ask(prompt: str, answer: str, line: int = 1) -> Example:
    return Example(line, (Message("user", prompt),), answer)


def rows_of(base: Base, reft: Any) -> list[Example]:
    """Rows of which the base model answers a quarter as expected, the edit another quarter, and nobody the others."""
    found = []
    for line, prompt in enumerate(PROMPTS, 1):
        before, after = generate(base, prompt, [None, reft], max_new_tokens=200)
        expected = (f"  {before}\n", after, "nobody says so", LONG)[line % 4]
        found.append(ask(prompt, expected, line))
    return found


def prediction(row: int = 1, expected: str = "good", base: str = "bad", tuned: str = "good", **given: Any) -> Prediction:
    right = {"base_right": base == expected, "tuned_right": tuned == expected}
    return Prediction(row, (("user", f"Prompt {row}"),), expected, base, tuned, **{**right, **given})


# The file


@pytest.fixture
def result(studio, services):
    """A run with a result, and its file."""
    run = studio.run(strong(studio.base), [Example(1, (Message("user", "a"),), "b")], [0])
    return run, studio.path(run)


ODD = [prediction(3, "gr\u00fcn \u2028 \u0663", "a\nb", '"<b>{}'), prediction(7, "x", "", "\ud800 half", rejected="y")]


def test_predictions_are_read_as_they_were_written(result):
    run, path = result
    predictions.write(path, run, "answers", ODD[:1])
    assert predictions.read(path, run) == Predictions("answers", tuple(ODD[:1]))
    assert json.loads(path.read_text(encoding="utf-8").split("\n")[0]) == {
        "run": run.id, "finished_at": run.finished_at.isoformat(), "kind": "answers", "rows": 1, "format": 1,
    }  # fmt: skip
    predictions.write(path, run, "pairs", ODD)
    found = predictions.read(path, run)
    assert found.kind == "pairs" and found.rows[1].tuned == "? half", "half a character costs no file"
    assert [each.name for each in path.parent.iterdir() if each.name.startswith(".writing")] == []


def test_predictions_of_an_earlier_result_of_another_version_or_damaged_are_none(result):
    run, path = result
    predictions.write(path, run, "answers", [prediction(1), prediction(2)])
    whole = path.read_text()
    lines = whole.splitlines(keepends=True)
    assert predictions.read(path, replace(run, finished_at=None)) is None
    assert predictions.read(path, replace(run, id="another")) is None
    for damaged in (
        "".join(lines[:2]),
        whole[:-9],
        "",
        "[]",
        whole.replace('"format": 1', '"format": 2'),
        whole.replace('"answers"', '"x"'),
    ):
        path.write_text(damaged)
        assert predictions.read(path, run) is None, damaged
    path.write_text(whole)
    assert len(predictions.read(path, run).rows) == 2
    path.unlink()
    assert predictions.read(path, run) is None


def test_nothing_is_written_into_a_folder_that_is_gone(result, services):
    run, path = result
    services.storage.runs.delete(run.id)
    services.storage.runs.empty_bin()
    with pytest.raises(FileNotFoundError):
        predictions.write(path, run, "answers", [prediction()])
    assert not path.parent.exists()


# What is said of them

FOUR = [
    prediction(1, "a", "b", "a"), prediction(2, "a", "a", "b"), prediction(3, "a", "a", "a "), prediction(4, "Zebra", "b", "c"),
]  # fmt: skip


def test_right_answers_and_what_changed_are_counted():
    rows = [*FOUR[:2], replace(FOUR[2], tuned_right=True), FOUR[3]]
    found = count(rows)
    assert (found.rows, found.base, found.tuned, found.better, found.worse, found.different) == (4, 2, 2, 1, 1, 3)
    for show in predictions.SHOWS:
        assert found.of(show) == len(chosen(rows, show)), show


def test_rows_are_filtered_and_searched():
    rows = [*FOUR[:2], replace(FOUR[2], tuned_right=True), FOUR[3]]
    found = {show: [row.row for row in chosen(rows, show)] for show in predictions.SHOWS}
    assert found == {"all": [1, 2, 3, 4], "better": [1], "worse": [2], "right": [1, 3], "wrong": [2, 4], "different": [1, 2, 4]}
    assert [row.row for row in chosen(rows, "all", " zEBRA ")] == [4] and [row.row for row in chosen(rows, "wrong", "prompt 2")] == [2]
    assert chosen(rows, "better", "zebra") == [] and len(chosen([replace(FOUR[0], rejected="Yak")], "all", "yak")) == 1


def test_a_table_says_which_label_was_taken_for_which():
    rows = (prediction(1, "good", "bad", "good"), prediction(2, "bad", "bad", "odd"), prediction(3, "good", "bad", "bad"))
    found = confusion(Predictions("labels", rows))
    assert found.names == ("bad", "good", "odd") and not found.others
    assert found.base == ((1, 0, 0), (2, 0, 0), (0, 0, 0)) and found.tuned == ((0, 0, 1), (1, 1, 0), (0, 0, 0))


def test_a_table_of_written_answers_counts_all_that_nobody_expected_together():
    rows = tuple(prediction(number, name, "maybe", " yes\n") for number, name in enumerate(["yes", "no", "yes", "no"]))
    found = confusion(Predictions("answers", rows))
    assert found.names == ("no", "yes") and found.others
    assert found.base == ((0, 0, 2), (0, 0, 2)) and found.tuned == ((0, 2, 0), (0, 2, 0))


@pytest.mark.parametrize(
    ("expected", "kind", "offered"),
    [
        (["a", "b"] * 3, "answers", True),
        ([str(n) for n in range(12)] * 2, "answers", True),
        ([str(n) for n in range(13)] * 2, "answers", False),
        ([str(n) for n in range(13)], "labels", True),
        (["a", "b", "c"], "answers", False),
        (["a"] * 6, "answers", False),
        (["a", "b" * 41] * 3, "answers", False),
        (["a", "b\nc"] * 3, "answers", False),
        (["a", "b"] * 3, "pairs", False),
        ([], "labels", False),
    ],
)
def test_the_table_is_offered_where_it_says_something(expected, kind, offered):
    rows = tuple(prediction(number, text, text, text) for number, text in enumerate(expected))
    assert (confusion(Predictions(kind, rows)) is not None) == offered


def test_files_to_take_away_have_all_rows_and_no_formula():
    rows = (prediction(1, "=1+1", "-2", "@x"), replace(ODD[0], messages=(("system", "Be brief."), ("user", "Hi"))), prediction(9, "\ud800"))
    lines = [json.loads(line) for line in exported(Predictions("answers", rows), "jsonl").decode().split("\n")[:-1]]
    assert lines[0] == {
        "row": 1, "prompt": "Prompt 1", "expected": "=1+1", "base": "-2", "tuned": "@x", "base_right": False, "tuned_right": False,
    }  # fmt: skip
    assert lines[1]["prompt"] == "system: Be brief.\nuser: Hi" and "rejected" not in lines[1]
    table = exported(Predictions("pairs", rows), "csv").decode("utf-8-sig")
    found = list(csv.DictReader(io.StringIO(table)))
    assert [row["expected"] for row in found] == ["'=1+1", ODD[0].expected, "?"] and found[0]["tuned"] == "'@x"
    assert list(found[0]) == ["row", "prompt", "expected", "rejected", "base", "tuned", "base_right", "tuned_right"]
    assert exported(Predictions("answers", ()), "csv").decode("utf-8-sig") == "row\r\n"


# How they are made


def test_every_held_out_row_is_answered_as_alone_and_the_counts_are_those_of_evaluate(tmp_path):
    """By the starter, which ends its answers."""
    with opened(tmp_path, "starter") as studio:
        reft = strong(studio.base, 30.0, method="direft", positions="all")
        rows, places = rows_of(studio.base, reft), [18, 1, 4, 7, 2, 12, 9, 0]
        made = studio.made(studio.run(reft, rows, places))
    held = [rows[place] for place in sorted(places)]
    assert made.kind == "answers" and [row.row for row in made.rows] == [row.line for row in held]
    assert [row.expected for row in made.rows] == [row.answer for row in held]
    for row, found in zip(held, made.rows, strict=True):
        most = max(64, len(studio.base.tokenizer(row.answer)["input_ids"]) + 9)
        assert [found.base, found.tuned] == generate(studio.base, row.messages, [None, reft], max_new_tokens=most)
        assert found.messages == (("user", row.messages[0].content),)
    figures, counted = evaluate(studio.base, reft, held), count(made.rows)
    assert (counted.base, counted.tuned) == tuple(round(figures[each]["exact_match"] * len(held)) for each in ("base", "tuned"))
    assert counted.base and counted.tuned and counted.better and counted.worse


def test_an_answer_may_be_eight_tokens_longer_than_the_expected_one(studio):
    """And of 64 in any case; the tiny model does not come to an end by itself."""
    made = studio.made(studio.run(strong(studio.base), [ask("Hi", "yes"), ask("Hi", LONG)], [0, 1]))
    lengths = (64, len(ids_of_answer(studio.base, LONG)) + 8)
    wanted = [generate(studio.base, "Hi", max_new_tokens=length)[0] for length in lengths]
    assert [row.base for row in made.rows] == wanted and len(wanted[1]) > len(wanted[0])


def test_the_base_model_reads_no_marks_of_the_edit(studio):
    reft = strong(studio.base, positions="marked")
    text = "What is 2 <reft>cat</reft>?"
    made = studio.made(studio.run(reft, [ask(text, "x"), ask(text, "y")], [1]))
    assert made.rows[0].base == generate(studio.base, "What is 2 cat?", max_new_tokens=64)[0]
    assert made.rows[0].tuned == generate(studio.base, text, [reft], max_new_tokens=64)[0] != made.rows[0].base


def test_plain_text_is_answered_from_its_beginning(studio):
    text = "The owl sat on the roof of the old house and looked at the moon for a long time, and then it flew away over the hill."
    made = studio.made(studio.run(strong(studio.base), [Example(1, (), text)] * 2, [0]))
    (row,) = made.rows
    assert text == row.messages[0][1] + row.expected and row.messages[0][0] == "user"


def test_labels_are_those_that_the_head_finds(studio):
    reft = strong(studio.base, labels=("good", "bad", "odd"))
    rows = [ask(prompt, ("good", "bad", "odd")[line % 3], line) for line, prompt in enumerate(PROMPTS, 1)]
    made = studio.made(studio.run(reft, rows, list(range(20))))
    figures, counted = evaluate(studio.base, reft, rows), count(made.rows)
    assert made.kind == "labels" and {row.tuned for row in made.rows} <= {"good", "bad", "odd"}
    assert (counted.base, counted.tuned) == tuple(round(figures[each]["exact_match"] * 20) for each in ("base", "tuned"))
    assert counted.different, "an edit that changes nothing shows nothing"
    table = confusion(made)
    assert sum(map(sum, table.tuned)) == 20 and sum(row[place] for place, row in enumerate(table.base)) == counted.base


def test_of_pairs_that_are_compared_the_answer_is_the_likelier_one(studio):
    reft = strong(studio.base)
    pairs = [Preference(line, (Message("user", prompt),), "yes, it is", f"no {line}") for line, prompt in enumerate(PROMPTS, 1)]
    made = studio.made(studio.run(reft, pairs, list(range(20)), pairs="compare"))
    assert made.kind == "pairs"
    likelier = [[score_of(studio.base, each, pair) for pair in pairs] for each in (None, reft)]
    assert [[row.base for row in made.rows], [row.tuned for row in made.rows]] == likelier
    assert all(row.base_right == (row.base == row.expected) and row.rejected for row in made.rows) and count(made.rows).different


def score_of(base: Base, reft: Any, pair: Preference) -> str:
    """The likelier of two answers by the sums of their tokens' log-probabilities, each answer run alone."""
    sums = {}
    for text in (pair.chosen, pair.rejected):
        row = encode(base, Example(1, pair.messages, text), 512, ReftConfig())
        ids, at = torch.tensor([row.prompt_ids + row.answer_ids]), len(row.prompt_ids)
        with torch.no_grad():
            logits = base.model(input_ids=ids).logits[0] if reft is None else reft(ids, None, [at]).logits[0]
        sums[text] = float(logits.log_softmax(dim=-1)[at - 1 : -1].gather(1, ids[0, at:, None]).sum())
    return max(sums, key=lambda text: sums[text])


def test_pairs_of_which_the_better_answer_is_learned_are_answered(studio):
    pairs = [Preference(line, (Message("user", prompt),), "yes", "no") for line, prompt in enumerate(PROMPTS, 1)]
    made = studio.made(studio.run(strong(studio.base), pairs, [3], pairs="preferred"))
    assert made.kind == "answers" and (made.rows[0].row, made.rows[0].expected, made.rows[0].rejected) == (4, "yes", "")


def test_a_baseline_answers_too(studio):
    config = PeftConfig(method="lora", rank=2)
    made = studio.made(studio.run(make_trainable(studio.base, config, seed=0).eval(), [ask("Hi", "yes"), ask("Ho", "no")], [0, 1]))
    assert [row.base == row.tuned for row in made.rows] == [True, True], "a new LoRA changes nothing"


# Who asks for them


@pytest.fixture
def asked(studio, services):
    """A run, and a lock by which nothing is answered yet."""
    run = studio.run(strong(studio.base), [ask(prompt, "yes", line) for line, prompt in enumerate(PROMPTS, 1)], [1, 3, 5])
    return run, studio.resident.base_lock.for_chat()


def follow(studio: Studio, run: RunRecord, *, start: bool = True) -> Any:
    return studio.jobs.follow(run.id, start=start, has_left=lambda: False)


def test_a_reader_who_leaves_does_not_stop_it(studio, asked):
    run, held = asked
    with held:
        lines = follow(studio, run)
        assert next(lines) == {"done": 0, "of": 3}
        lines.close()
        gone = studio.jobs.follow(run.id, start=True, has_left=lambda: True)
        assert list(gone) == []
    until(lambda: predictions.read(studio.path(run), run), "the predictions")
    assert len(predictions.read(studio.path(run), run).rows) == 3


def test_whoever_asks_for_what_is_under_way_joins_it(studio, asked, monkeypatch):
    run, held = asked
    begun: list[str] = []
    inner = answers.predicted
    monkeypatch.setattr(answers, "predicted", lambda *given, **more: begun.append(more["owner"]) or inner(*given, **more))
    with held:
        readers = [follow(studio, run), follow(studio, run), follow(studio, run, start=False)]
        assert [next(reader) for reader in readers] == [{"done": 0, "of": 3}] * 3
    assert [list(reader)[-1] for reader in readers] == [{"done": 3, "of": 3}] * 3
    assert len(begun) == 1 and list(follow(studio, run, start=False)) == []


def test_nothing_begins_that_nobody_starts(studio, asked):
    run, _ = asked
    assert list(follow(studio, run, start=False)) == [] and run.id not in studio.jobs._jobs and not studio.path(run).exists()


@pytest.mark.parametrize("emptied", [False, True], ids=["in the bin", "for good"])
def test_of_a_run_that_is_deleted_meanwhile_nothing_is_kept(studio, asked, emptied):
    run, held = asked
    runs = studio.services.storage.runs
    with held:
        lines = follow(studio, run)
        next(lines)
        runs.delete(run.id)
        if emptied:
            runs.empty_bin()
    with pytest.raises(StorageError, match="deleted or continued meanwhile"):
        list(lines)
    assert not studio.path(run).exists() and studio.path(run).parent.exists() != emptied


@pytest.mark.parametrize("before", [True, False], ids=["before its adapter is read", "after it"])
def test_of_a_run_that_goes_on_meanwhile_nothing_is_kept_and_it_is_said_until_it_has_another_result(studio, services, monkeypatch, before):
    run = studio.run(strong(studio.base), [ask("Hi", "yes")] * 3, [1], RunStatus.STOPPED)
    runs = services.storage.runs
    looked = threading.Event()
    found = studio.resident.run
    monkeypatch.setattr(studio.resident, "run", lambda run_id: (found(run_id), looked.set())[0])
    with studio.jobs._turns.turn("somebody") if before else studio.resident.base_lock.for_chat():
        lines = follow(studio, run)
        next(lines)
        assert before or looked.wait(PATIENCE)
        runs.resume(run.id)
    with pytest.raises(StorageError, match="deleted or continued meanwhile"):
        list(lines)
    assert not studio.path(run).exists() and list(follow(studio, run, start=False)) == []
    with pytest.raises(NotFoundError, match="no result yet"):
        list(follow(studio, run))


def test_what_goes_wrong_is_said_also_later_until_it_is_tried_again(studio, asked):
    run, _ = asked
    rows = studio.services.storage.files.rows(studio.services.storage.datasets.version(run.version_id))
    rows.rename(rows.with_suffix(".away"))
    for start in (True, False, False):
        with pytest.raises(StorageError, match="missing or damaged"):
            list(follow(studio, run, start=start))
    rows.with_suffix(".away").rename(rows)
    assert len(studio.made(run).rows) == 3


def test_a_folder_that_cannot_be_written_is_said(studio, asked, monkeypatch):
    run, _ = asked

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(predictions.os, "fsync", full)
    with pytest.raises(StorageError, match="The answers could not be written: No space left on device"):
        list(follow(studio, run))
    assert [each.name for each in studio.path(run).parent.iterdir()] == ["adapter"]


def test_one_run_after_another_is_answered(studio, asked, monkeypatch):
    """Since the running batch is shared with chats."""
    first, held = asked
    second = studio.run(strong(studio.base), [ask("Hi", "yes")] * 3, [0, 2])
    inner, at_once, most = answers.predicted, threading.Semaphore(1), list[bool]()

    def watched(*given: Any, **more: Any) -> Any:
        most.append(at_once.acquire(blocking=False))
        kind, rows = inner(*given, **more)
        found = list(rows)
        at_once.release()
        return kind, (each for each in found)

    monkeypatch.setattr(answers, "predicted", watched)
    with held:
        readers = [follow(studio, run) for run in (first, second)]
        assert [next(reader)["of"] for reader in readers] == [3, 2]
    assert [list(reader)[-1]["done"] for reader in readers] == [3, 2] and most == [True, True]


def test_a_run_without_a_result_or_without_held_out_rows_is_refused(studio, services, asked):
    run, _ = asked
    none = studio.run(strong(studio.base), [ask("Hi", "yes")], [])
    waits = services.storage.runs.create(run.dataset_id, run.spec)
    services.storage.runs.delete(run.id)
    for refused, words in ((none, "held no rows out"), (waits, "no result yet"), (run, "no result yet")):
        with pytest.raises(StorageError, match=words):
            list(follow(studio, refused))
    with pytest.raises(NotFoundError, match="There is no such run"):
        list(studio.jobs.follow("gone", start=True, has_left=lambda: False))


# What a page is told


@pytest.fixture
def there(studio, asked):
    run, _ = asked
    predictions.write(studio.path(run), run, "answers", [prediction(number, "yes", "no", "yes") for number in range(1, 31)])
    return run


def test_a_page_is_told_what_there_is_of_a_run(studio, services, asked):
    run, _ = asked
    assert handlers.state(services, run) == handlers.State(run.id, 3), "an engine that is away makes none"
    none = studio.run(strong(studio.base), [ask("Hi", "yes")], [])
    assert handlers.state(services, none) == handlers.State(none.id, 0)
    waits = services.storage.runs.create(run.dataset_id, run.spec)
    assert handlers.state(services, waits) is None
    predictions.write(studio.path(run), run, "answers", [prediction()])
    assert handlers.state(services, run).made == Predictions("answers", (prediction(),))
    services.storage.runs.delete(run.id)
    assert handlers.state(services, services.storage.runs.get(run.id)) is None
    with pytest.raises(EngineAwayError):
        handlers.progress(services, run.id)


def test_some_rows_of_a_filter_are_shown_with_what_is_said_of_all(services, there):
    found = handlers.listed(services, there.id, "better", "PROMPT 1", 5)
    assert (len(found.rows), found.total, found.counts.better, found.kind) == (5, 11, 30, "answers")
    assert handlers.listed(services, there.id, None, None, 99).total == handlers.listed(services, there.id, "no such", "", 3).total == 30
    services.storage.runs.delete(there.id)
    with pytest.raises(NotFoundError, match="not been answered yet"):
        handlers.listed(services, there.id, "all", "", 5)


def test_files_are_named_by_the_run_and_no_other_kind_is_made(services, there):
    services.storage.runs.rename(there.id, "Mine & yours")
    name, content = handlers.export(services, there.id, "csv")
    assert name == "Mine---yours.predictions.csv" and content.count(b"\r\n") == 31
    assert handlers.export(services, there.id, "jsonl")[1].count(b"\n") == 30
    with pytest.raises(StudioError, match="no file of the kind xlsx"):
        handlers.export(services, there.id, "xlsx")


def test_a_real_worker_makes_them_for_whoever_asks(engine, finished, kept):
    """Over HTTP, and the page's own state on the way."""
    handlers.start(engine, finished.id)
    until(lambda: handlers.state(engine, finished).made, "the predictions", PATIENCE)
    state = handlers.state(engine, finished)
    places = engine.storage.runs.held_out_places(finished.id)
    assert len(state.made.rows) == state.rows == len(places) and state.progress is None
    base = load_base("starter", device="cpu")
    row = state.made.rows[0]
    assert row.base == generate(base, row.prompt, max_new_tokens=64)[0]
    assert list(engine.worker.predictions(finished.id, start=False)) == [{"ended": True}]
    with pytest.raises(StudioError, match="There is no such run"):
        list(engine.worker.predictions("gone"))
