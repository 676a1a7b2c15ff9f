"""Predictions of a run as a person asks for them: under way, there, filtered, taken away; on any screen."""

import csv
import json
import re

import pytest
from playwright.sync_api import expect

from app import predictions
from app.predictions import Prediction
from app.worker.client import WorkerClient
from reft_engine import ReftConfig, TrainConfig
from reft_engine.data import dump_examples, inspect_rows
from reft_engine.spec import RunSpec
from storage import RunStatus, Storage
from tests.browser import WINDOW
from tests.chatting import columns
from tests.journeys.conftest import running
from tests.journeys.test_data import PHONE
from tests.journeys.test_train_spec import serious
from tests.waiting import until

HOSTILE = '=1+1 <b>bold</b> ${document.title="owned"} {{value}}'
PAIRS = [{"prompt": f"What is {n} cat?", "answer": HOSTILE} for n in range(60)]
LABELS = [{"prompt": f"I {word} film {n}.", "answer": label} for n in range(16) for word, label in (("like", "good"), ("hate", "bad"))]


@pytest.fixture(scope="module")
def studio(tmp_path_factory, tiny_base):
    """A studio with two finished runs, one that writes and one that classifies, and its store."""
    folder = tmp_path_factory.mktemp("predictions") / "data"
    store = Storage(folder)
    runs = {}
    for name, rows, edit in (("Writes", PAIRS, {}), ("Classifies", LABELS, {"labels": ("bad", "good")})):
        examples = dump_examples(inspect_rows(rows).examples)
        dataset = store.datasets.create(name=name, label="a.csv", shape="pairs", rows=len(rows), usable_rows=len(rows), examples=examples)
        reft = ReftConfig(rank=1, positions="l1", **edit)
        spec = RunSpec(base=str(tiny_base), reft=reft, train=TrainConfig(epochs=1, batch_size=8, held_out=0.5))
        runs[name] = store.runs.create(dataset.id, spec.model_dump(mode="json"), name=name)
    with running(folder) as server:
        for run in runs.values():
            until(lambda run=run: store.runs.get(run.id).status is RunStatus.FINISHED, "the end of the run")
        yield server, store, runs
    store.close()


@pytest.fixture
def unanswered(studio):
    """The runs without predictions, as they were."""
    _, store, runs = studio
    for run in runs.values():
        store.files.predictions(run.id).unlink(missing_ok=True)
    return {name: store.runs.get(run.id) for name, run in runs.items()}


def show(page, studio, run, theme="light"):
    page.goto(f"{studio[0].address}/runs?run={run.id}&__theme={theme}")
    expect(page.locator("#run-predictions h3")).to_have_text("Answers to all held-out rows")


def rows(page):
    return page.locator(".rs-predicted tbody tr")


def test_every_held_out_row_is_answered_and_taken_away(page, studio, unanswered, tmp_path):
    _, store, _ = studio
    run = unanswered["Writes"]
    show(page, studio, run)
    page.get_by_role("button", name="Answer all 30 held-out rows").click()
    expect(rows(page)).to_have_count(20)
    expect(page.locator("#run-predictions .rs-sentence")).to_contain_text("Of 30 held-out rows the base model answers 0 exactly right")
    expect(page.locator("#run-predictions-start")).to_be_hidden()
    made = predictions.read(store.files.predictions(run.id), run)
    assert [int(number) for number in rows(page).locator("th").all_inner_texts()] == [row.row for row in made.rows[:20]]
    first = rows(page).first.locator("td")
    expect(first.nth(1)).to_have_text(HOSTILE)
    expect(first.nth(2)).to_contain_text("Wrong")
    assert page.title() != "owned" and page.locator(".rs-predicted b").count() == 0
    page.get_by_role("button", name="Show more", exact=True).last.click()
    expect(rows(page)).to_have_count(30)
    expect(page.locator("#run-predictions-more")).to_be_hidden()
    for form in ("CSV", "JSON Lines"):
        with page.expect_download() as download:
            page.get_by_role("link", name=f"Download {form}").click()
        download.value.save_as(tmp_path / download.value.suggested_filename)
    with (tmp_path / "Writes.predictions.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [(row["expected"], row["tuned_right"]) for row in csv.DictReader(file)] == [(f"'{HOSTILE}", "false")] * 30
    lines = (tmp_path / "Writes.predictions.jsonl").read_text(encoding="utf-8").split("\n")
    assert len(lines) == 31 and json.loads(lines[0])["row"] == made.rows[0].row


def test_a_page_that_is_opened_later_follows_what_is_under_way(page, studio, unanswered):
    """Asked for elsewhere, by somebody who has left; then there without a press."""
    server, _, _ = studio
    run = unanswered["Writes"]
    chat = {"columns": columns(None), "base": run.base, "messages": [{"role": "user", "content": "Hi"}], "max_new_tokens": 400}
    client = WorkerClient(server.data_dir / "worker.sock")
    begun = client.predictions(run.id)
    assert next(begun)["of"] == 30
    begun.close()
    chats = [client.chat(chat) for _ in range(2)]
    for each in chats:  # which go first, so that there may be something to look at
        next(each)
    page.goto(f"{server.address}/runs?run={run.id}")
    expect(page.locator(".rs-predicting [role=progressbar], .rs-predicted").first).to_be_visible()
    expect(page.locator("#run-predictions-start")).to_be_hidden()
    for each in chats:
        list(each)
    expect(rows(page)).to_have_count(20)
    expect(page.locator("#run-predictions-told [role=progressbar]")).to_have_count(0)
    page.reload()
    expect(rows(page)).to_have_count(20)


def test_what_was_under_way_when_the_engine_went_is_told(page, studio, unanswered):
    """The page follows a run of which nothing is under way any more."""
    run = unanswered["Writes"]
    show(page, studio, run)
    page.evaluate("id => studio.followPredictions(id)", run.id)
    expect(page.locator("#run-predictions .rs-notice")).to_contain_text("The engine was restarted")
    expect(page.locator("#run-predictions-start")).to_be_visible()


def test_rows_are_filtered_and_searched(page, studio, unanswered):
    _, store, _ = studio
    run = unanswered["Writes"]
    made = [
        Prediction(number, (("user", f"Prompt {number}"),), "yes", "yes" if number % 3 else "no", "yes" if number % 5 else "never",
                   bool(number % 3), bool(number % 5))
        for number in range(1, 31)
    ]  # fmt: skip
    predictions.write(store.files.predictions(run.id), run, "answers", made)
    show(page, studio, run)
    for words, count in (("got worse (4)", 4), ("tuned wrong (6)", 6), ("got better (8)", 8), ("all (30)", 20)):
        page.get_by_label(words, exact=True).check()
        expect(rows(page)).to_have_count(count)
    page.locator("#run-predictions-search textarea, #run-predictions-search input").first.fill("PROMPT 15")
    expect(rows(page)).to_have_count(1)
    expect(rows(page).locator("td").nth(3)).to_contain_text("never")
    page.locator("#run-predictions-search textarea, #run-predictions-search input").first.fill("nowhere")
    expect(page.locator("#run-predictions-table")).to_contain_text("No row is like that.")
    page.reload()
    expect(rows(page)).to_have_count(20)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("window", [WINDOW, PHONE], ids=["wide", "narrow"])
def test_labels_have_a_table_of_what_was_taken_for_what_for_everybody(page, studio, unanswered, window, theme):
    _, store, _ = studio
    run = unanswered["Classifies"]
    page.set_viewport_size(window)
    show(page, studio, run, theme)
    found = {"asked": serious(page)}
    page.get_by_role("button", name=re.compile("Answer all 16")).click()
    expect(rows(page)).to_have_count(16)
    expect(page.locator(".rs-confusion caption")).to_have_text(["Base model", "Tuned"])
    made = predictions.read(store.files.predictions(run.id), run)
    counts = [int(text) for text in page.locator(".rs-confusion").last.locator("td").all_inner_texts()]
    assert made.kind == "labels" and sum(counts) == 16 and counts[0] + counts[-1] == predictions.count(made.rows).tuned
    assert page.get_by_role("table").first.get_by_role("columnheader").count() == 5, "also where the columns stand one below another"
    found["there"] = serious(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= window["width"]
    assert {state: faults for state, faults in found.items() if faults} == {}


def test_a_run_that_is_trained_has_none_and_one_whose_rows_are_all_learned_says_so(page, studio, unanswered):
    _, store, _ = studio
    run = unanswered["Writes"]
    spec = RunSpec.read(run.spec)
    none = spec.model_copy(update={"train": spec.train.model_copy(update={"held_out": 0.0})})
    made = store.runs.create(run.dataset_id, none.model_dump(mode="json"), name="All learned")
    until(lambda: store.runs.get(made.id).status is RunStatus.FINISHED, "the end of the run")
    show(page, studio, made)
    expect(page.locator("#run-predictions")).to_contain_text("held no rows out")
    expect(page.locator("#run-predictions-start")).to_be_hidden()
    store.runs.pause_queue()
    waits = store.runs.create(run.dataset_id, run.spec, name="Waits")
    page.goto(f"{studio[0].address}/runs?run={waits.id}")
    expect(page.locator("#run-status h2")).to_have_text("Waits")
    expect(page.locator("#run-predictions")).to_be_hidden()
    store.runs.request_stop(waits.id)
    store.runs.continue_queue()
