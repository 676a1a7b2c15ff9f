"""Votes and fixes as a person makes them, drawn by the scripts in a page of the studio and answered by its server."""

import json

import pytest
from playwright.sync_api import expect

from reft_engine import ReftConfig, TrainConfig
from reft_engine.data import dump_examples, inspect_rows
from reft_engine.spec import RunSpec
from storage import RunStatus, Storage
from tests.journeys.conftest import running
from tests.journeys.test_train_spec import serious

HOSTILE = '<b>bold</b> ${document.title="owned"} {name}'
ROWS = [{"prompt": f"What is {n} cat?", "answer": f"cat {n}."} for n in range(8)]
QUESTION = [{"role": "user", "content": "What is 3 cat?"}]
BASE = {"kind": "base"}


@pytest.fixture(scope="module")
def studio(tmp_path_factory, tiny_base):
    """A studio with a run that has ended, and its store."""
    folder = tmp_path_factory.mktemp("votes") / "data"
    store = Storage(folder)
    examples = dump_examples(inspect_rows(ROWS).examples)
    dataset = store.datasets.create(name="Cats", label="a.csv", shape="pairs", rows=len(ROWS), usable_rows=len(ROWS), examples=examples)
    spec = RunSpec(base=str(tiny_base), reft=ReftConfig(rank=1, positions="l1"), train=TrainConfig(epochs=1, held_out=0.25))
    run = store.runs.create(dataset.id, spec.model_dump(mode="json"), name=HOSTILE)
    held = store.queue.claim("w")
    held.begin("Reading the rows.")
    held.set_rows("Training.", [1, 6])
    for status in (RunStatus.CHECKING, RunStatus.FINISHED):  # nobody here asks what it has learned
        held.set_status(status, "Moved.")
    store.files.adapter(run.id).mkdir(parents=True)
    with running(folder) as server:
        yield server, store, run
    store.close()


@pytest.fixture
def opened(page, studio):
    """A page of the studio with a place for what is drawn; nothing was voted yet."""
    studio[1].votes.clear()
    page.goto(f"{studio[0].address}/playground?__theme=light")
    page.wait_for_function("window.studio?.votes && document.querySelector('.gradio-container h1, .gradio-container .rs-title')")
    page.evaluate(
        "() => { const place = document.createElement('div'); place.id = 'place'; place.className = 'html-container';"
        " document.querySelector('.gradio-container').prepend(place); window.heard = []; }"
    )
    return page


def answers(run, *texts):
    columns = [BASE, {"kind": "run", "run": run.id}, {"kind": "few_shot", "run": run.id, "shots": 2}]
    return [{"column": column, "text": text} for column, text in zip(columns, texts, strict=False)]


def show_bar(page, given):
    page.evaluate(
        "given => { const place = document.getElementById('place');"
        " studio.votes.bar(place, { given: () => given, voted: (...all) => heard.push(all) }).show(given.answers.length); }",
        given,
    )


def show_tally(page):
    page.evaluate("() => studio.votes.tally(document.getElementById('place'), { made: (found) => heard.push(found) }).refresh()")


def test_a_vote_is_cast_with_a_press_and_then_the_columns_are_named(opened, studio):
    _, store, run = studio
    show_bar(opened, {"messages": QUESTION, "answers": answers(run, "one", HOSTILE, "three"), "base": "tiny"})
    buttons = opened.locator("#place .rs-votes-buttons button")
    expect(buttons).to_have_count(5)
    expect(opened.locator("#place .rs-votes-names")).to_be_hidden()
    opened.get_by_role("button", name="B is better").click()
    expect(opened.get_by_role("status").filter(has_text="You chose B.")).to_be_visible()
    assert opened.locator("#place .rs-votes-names li").all_inner_texts() == [
        "A the base model tiny", f"B {HOSTILE}", f"C 2 rows of {HOSTILE} in the prompt",
    ]  # fmt: skip
    (vote,) = store.votes.all()
    assert (vote.chosen, vote.answers[1].text, vote.answers[1].column["run"]) == (1, HOSTILE, run.id)
    assert [button.is_disabled() for button in buttons.all()] == [True] * 5
    assert opened.evaluate("heard.map(([vote, outcome, place]) => [vote.count, outcome, place])") == [[1, "chosen", 1]]
    assert opened.title() != "owned"


@pytest.mark.parametrize(("key", "outcome", "chosen"), [("1", "chosen", 0), ("2", "chosen", 1), ("8", "tie", None), ("9", "all_bad", None)])
def test_digits_vote_while_the_focus_is_there(opened, studio, key, outcome, chosen):
    _, store, run = studio
    show_bar(opened, {"messages": QUESTION, "answers": answers(run, "one", "two")})
    opened.keyboard.press(key)
    opened.locator("#place .rs-votes-buttons button").first.focus()
    opened.keyboard.press("3")
    assert store.votes.count() == 0, "elsewhere, or a digit without an answer, is no vote"
    opened.keyboard.press(key)
    expect(opened.locator("#place .rs-notice.good")).to_be_visible()
    (vote,) = store.votes.all()
    assert (vote.outcome, vote.chosen) == (outcome, chosen)


def test_a_vote_that_says_nothing_is_refused_beside_the_buttons(opened, studio):
    show_bar(opened, {"messages": QUESTION, "answers": answers(studio[2], "same", "same")})
    opened.get_by_role("button", name="A is better").click()
    expect(opened.locator("#place .rs-notice.bad")).to_contain_text("The answers are the same, so none of them is better")
    assert opened.locator("#place .rs-votes-buttons button").first.is_enabled() and studio[1].votes.count() == 0


def test_the_tally_is_shown_cleared_brought_back_taken_away_and_made_a_dataset(opened, studio):
    _, store, run = studio
    for number, place in enumerate((1, 1, 0)):
        given = {"messages": [{"role": "user", "content": f"{number}?"}], "answers": answers(run, "one", "two"), "base": "tiny"}
        sent = {**given, "outcome": "chosen", "chosen": place}
        assert opened.request.post(f"{studio[0].address}/play/votes", data=json.dumps(sent)).ok
    show_tally(opened)
    row = opened.locator("#place tbody tr")
    expect(row).to_contain_text(f"{HOSTILE}against the base model tiny")
    assert row.locator(".rs-votes-count").all_inner_texts() == ["2", "1", "0", "0"]
    expect(row).to_contain_text("2 of 3 for")
    assert serious(opened) == []
    opened.get_by_role("button", name="Clear the votes").click()
    expect(opened.locator("#place table")).to_be_hidden()
    opened.get_by_role("button", name="Undo").click()
    expect(row).to_contain_text("2 of 3 for")
    with opened.expect_download() as taken:
        opened.get_by_role("link", name="Download as preference pairs").click()
    assert [json.loads(line)["chosen"] for line in taken.value.path().read_text().splitlines()] == ["two", "two", "one"]
    place = opened.locator("#place")  # the page itself has a tally, too
    place.get_by_label("Name of the dataset").fill("Mine")
    place.get_by_role("button", name="Make a dataset").click()
    expect(opened.locator("#place .rs-notice.good")).to_contain_text("The dataset Mine has 3 pairs of answers.")
    (made,) = (dataset for dataset in store.datasets.all() if dataset.name == "Mine")
    assert place.get_by_role("link", name="Open it").get_attribute("href") == f"dataset?id={made.id}"
    assert opened.evaluate("heard[0].dataset") == made.id and opened.title() != "owned"


def test_an_answer_is_corrected_in_its_place_and_trained_on(opened, studio):
    _, store, run = studio
    number = store.datasets.get(run.dataset_id).version.number
    opened.evaluate(
        "([run, messages, answer]) => { const place = document.getElementById('place'); const one = document.createElement('div');"
        " const other = document.createElement('div'); place.append(one, other);"
        " const pending = studio.votes.pending(other, { pageKey: 'k', queued: (found) => heard.push(found) });"
        " pending.show(run);"
        " studio.votes.editor(one, { run, messages, answer, saved: (fix) => pending.add(fix), closed: () => heard.push('closed') }); }",
        [run.id, QUESTION, HOSTILE],
    )
    area = opened.get_by_label("What it should have answered")
    expect(area).to_be_focused()
    assert area.input_value() == HOSTILE
    opened.get_by_role("button", name="Save the fix").click()
    expect(opened.locator("#place .rs-notice.bad")).to_have_text("This is the answer as it was. Change it first.")
    area.fill("three cats")
    assert serious(opened) == []
    area.press("Control+Enter")
    train = opened.get_by_role("button", name="Train on what I fixed or changed (1)")
    expect(train).to_be_enabled()
    expect(area).to_have_count(0)
    version = store.datasets.get(run.dataset_id).version
    assert version.number == number + 1 and b'"three cats"' in store.files.rows(version).read_bytes()
    train.click()
    expect(opened.locator("#place .rs-notice.good")).to_contain_text("is queued")
    assert opened.evaluate("heard[0]") == "closed"
    made = store.runs.get(opened.evaluate("heard[1].run"))
    assert (made.continues_id, made.version_id) == (run.id, version.id)


def test_escape_closes_the_editor_and_nothing_is_saved(opened, studio):
    _, store, run = studio
    number = store.datasets.get(run.dataset_id).version.number
    opened.evaluate(
        "([run, messages]) => studio.votes.editor(document.getElementById('place'),"
        " { run, messages, answer: 'x', closed: () => heard.push(1) })",
        [run.id, QUESTION],
    )
    opened.get_by_label("What it should have answered").fill("y")
    opened.keyboard.press("Escape")
    expect(opened.locator("#place textarea")).to_have_count(0)
    assert opened.evaluate("heard") == [1] and store.datasets.get(run.dataset_id).version.number == number
