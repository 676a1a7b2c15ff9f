"""Blind votes and fixes on the Playground: what a person sees before the vote and after it, and what becomes of a corrected answer."""

import json
import re

import pytest
from playwright.sync_api import expect

from storage import RunStatus, Storage
from tests.journeys.playing import answered, ask, counting, opened
from tests.journeys.test_data import PHONE
from tests.journeys.test_train_spec import serious
from tests.waiting import until

PROMPT = "What is 3 cat?"
PANES = ".rs-play-turn:last-child .rs-pane"


@pytest.fixture(scope="module")
def run(server):
    return counting(server, "Cats to vote on")


@pytest.fixture
def store(server):
    held = Storage(server.data_dir)
    held.votes.clear()
    yield held
    held.close()


@pytest.fixture
def blind(page, server, store, run):
    """The page, where the next prompt is answered blind."""
    opened(page, server, run=run.id)
    page.get_by_role("checkbox", name="Blind").check()
    return page


def titles(page):
    return page.locator(f"{PANES} .rs-pane-title").all_inner_texts()


def answers(page):
    """What stands under the letters, in their order."""
    return page.locator(f"{PANES} .rs-answer-text").all_inner_texts()


def of_columns(page):
    """What the columns have answered, the base model first."""
    return page.evaluate("studio.play.now().document().turns.at(-1).answers.toSorted((a, b) => a.column - b.column).map((one) => one.text)")


def better(page, letter):
    page.get_by_role("button", name=f"{letter} is better").last.click()
    expect(page.get_by_role("status").filter(has_text=f"You chose {letter}.")).to_be_visible()


def test_nothing_tells_which_is_which_before_the_vote_and_everything_after_it(blind, store, run):
    page = blind
    # What the page showed of the turn at any moment, while it was written too.
    page.evaluate(
        "() => { window.seen = []; const look = () => { const turns = document.querySelector('.rs-play-turns');"
        " if (turns.querySelector('[data-turn]:not([data-turn=\"\"])')) seen.push(turns.innerHTML); };"
        " new MutationObserver(look).observe(document.querySelector('.rs-play'), {subtree: true, childList: true, characterData: true}); }"
    )
    ask(page, PROMPT)
    assert sorted(answers(page)) == sorted(of_columns(page)), "what is told apart here are two answers"
    written = page.evaluate("seen")
    assert written
    for each in written:
        for clue in (run.name, run.id, "Base model", "answer-base", "answer-tuned", "tuned", "data-column", "data-facts", "strength"):
            assert clue not in each, clue
    assert titles(page) == ["Answer A", "Answer B"]
    panes = page.locator(PANES)
    assert len({re.sub("[AB]", "", pane.evaluate("(it) => it.cloneNode().outerHTML")) for pane in panes.all()}) == 1, (
        "one looks like the other"
    )
    shown, of = answers(page), of_columns(page)
    better(page, "A")
    (vote,) = store.votes.all()
    assert [answer.text for answer in vote.answers] == shown and vote.chosen == 0
    chosen = "base" if shown[0] == of[0] else "run"
    assert vote.answers[0].column["kind"] == chosen
    names = {"base": "Base model", "run": f"{run.name} · strength 1"}
    other = "run" if chosen == "base" else "base"
    expect(panes.first.locator(".rs-pane-title")).to_have_text(f"A · {names[chosen]}")
    assert titles(page) == [f"A · {names[chosen]}", f"B · {names[other]}"] and answers(page) == shown
    assert [page.inner_text("#answer-base"), page.inner_text("#answer-tuned")] == of


def test_whose_they_are_is_shown_without_a_vote_to_whoever_wants_that(blind, store, run):
    page = blind
    ask(page, PROMPT)
    page.get_by_role("button", name="Show whose they are, without a vote").click()
    assert sorted(title[4:] for title in titles(page)) == ["Base model", f"{run.name} · strength 1"]
    expect(page.get_by_role("button", name="A is better")).to_have_count(0)
    assert store.votes.count() == 0


def test_digits_vote_while_the_focus_is_on_an_answer(blind, store, run):
    page = blind
    ask(page, PROMPT)
    page.keyboard.press("1")
    page.locator(PANES).last.focus()
    assert store.votes.count() == 0, "in the field of the prompt it is written"
    page.keyboard.press("2")
    expect(page.get_by_role("status").filter(has_text="You chose B.")).to_be_visible()
    assert [vote.chosen for vote in store.votes.all()] == [1]


def test_a_vote_is_taken_back_and_what_is_gone_comes_back_also_after_a_reload(blind, store, run):
    page = blind
    ask(page, PROMPT)
    better(page, "A")
    page.get_by_role("button", name="Take the vote back").click()
    expect(page.get_by_role("status").filter(has_text="The vote is taken back.")).to_be_visible()
    assert store.votes.count() == 0
    for gone in (lambda: None, lambda: page.get_by_role("button", name="Clear").click()):
        gone()
        page.reload()
        page.get_by_text("Votes so far").click()
        assert store.votes.count() == 0
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_text("1 vote")).to_be_visible()
        assert store.votes.count() == 1


def test_letters_are_dealt_anew_for_each_prompt_and_stay_through_a_reload(blind, run):
    page = blind
    orders = set()
    for number in range(24):  # all in one order: once in eight million times
        ask(page, f"What is {number} cat?")
        shown, of = answers(page), of_columns(page)
        if of[0] != of[1]:
            orders.add(shown == of)
        if len(orders) == 2:
            break
    assert orders == {True, False}
    page.reload()
    expect(page.locator(f"{PANES} .rs-pane-title")).to_have_text(["Answer A", "Answer B"])
    assert answers(page) == shown and page.get_by_role("checkbox", name="Blind").is_checked()
    assert run.name not in page.inner_text(".rs-play-turns")


def test_the_tally_survives_a_reload_and_becomes_pairs_to_learn_from(blind, server, store, run):
    page = blind
    ask(page, PROMPT)
    shown = answers(page)
    better(page, "B")
    page.reload()
    page.locator("#playground-vote summary").click()
    row = page.locator("#playground-vote tbody tr")
    expect(row).to_contain_text("1 of 1 for")
    expect(row).to_contain_text("between 21% and 100%: not yet more than chance")
    expect(row).to_contain_text(run.name)
    with page.expect_download() as taken:
        page.get_by_role("link", name="Download as preference pairs").click()
    (pair,) = [json.loads(line) for line in taken.value.path().read_text().splitlines()]
    assert [pair["chosen"], pair["rejected"]] == [shown[1], shown[0]]
    page.get_by_label("Name of the dataset").fill("Mine by votes")
    page.get_by_role("button", name="Make a dataset").click()
    link = page.locator("#playground-vote").get_by_role("link", name="Open it")
    expect(link).to_be_visible()
    (made,) = [dataset for dataset in store.datasets.all() if dataset.name == "Mine by votes"]
    expect(link).to_have_attribute("href", f"dataset?id={made.id}")
    page.get_by_role("button", name="Clear the votes").click()
    expect(row).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(row).to_contain_text("1 of 1 for")
    page.reload()
    page.locator("#playground-vote summary").click()
    expect(row).to_contain_text("1 of 1 for")


def test_answers_whose_names_were_seen_are_not_voted_on(page, server, store, run):
    opened(page, server, run=run.id)
    ask(page, PROMPT)
    page.get_by_role("checkbox", name="Blind").check()
    expect(page.get_by_text("blind begins with the next prompt")).to_be_visible()
    expect(page.get_by_role("button", name="A is better")).to_have_count(0)
    ask(page, "What is 4 cat?")
    expect(page.get_by_role("button", name="A is better")).to_be_visible()
    page.evaluate("studio.play.moved(2)")  # one column answers again, so it is known
    expect(page.get_by_text("so it is known whose answer it is")).to_be_visible()
    answered(page)
    expect(page.get_by_role("button", name="A is better")).to_have_count(0)
    assert run.name in " ".join(titles(page))
    ask(page, "What is 5 cat?")
    expect(page.get_by_role("button", name="A is better")).to_be_visible()
    page.get_by_role("checkbox", name="Blind").uncheck()
    expect(page.get_by_role("button", name="A is better")).to_have_count(0)
    assert run.name in " ".join(titles(page)) and store.votes.count() == 0


def test_a_corrected_answer_is_a_version_and_then_a_run(page, server, store, run):
    opened(page, server, run=run.id)
    ask(page, PROMPT)
    assert page.get_by_role("button", name="Correct").count() == 1, "the base model's answer is nobody's to correct"
    before = store.datasets.get(run.dataset_id).version.number
    page.get_by_role("button", name="Correct").press("Enter")
    area = page.get_by_label("What it should have answered")
    expect(area).to_be_focused()
    area.fill("half a corr")
    page.evaluate("studio.play.now().redraw()")
    expect(area).to_have_value("half a corr")
    expect(area).to_be_focused()
    area.press("Escape")
    expect(page.get_by_role("button", name="Correct")).to_be_focused()
    page.get_by_role("button", name="Correct").click()
    area.fill("three whole cats")
    page.get_by_role("button", name="Save the fix").click()
    link = page.get_by_role("link", name="Open the version")
    expect(link).to_have_attribute("href", f"dataset?id={run.dataset_id}&version={before + 1}&against={before}")
    version = store.datasets.get(run.dataset_id).version
    assert version.number == before + 1 and b"three whole cats" in store.files.rows(version).read_bytes()
    page.reload()
    train = page.get_by_role("button", name="Train on what I fixed or changed (1)")
    train.click()
    opens = page.get_by_role("link", name="Open the run")
    expect(opens).to_be_visible()
    made = store.runs.get(opens.get_attribute("href").removeprefix("runs?run="))
    assert (made.continues_id, made.version_id) == (run.id, version.id)
    until(lambda: store.runs.get(made.id).status in (RunStatus.FINISHED, RunStatus.STOPPED), "the end of the run that learns the fix")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [None, PHONE], ids=["wide", "phone"])
def test_everybody_can_use_it(page, server, store, run, theme, size):
    if size:
        page.set_viewport_size(size)
    opened(page, server, run=run.id, __theme=theme)
    page.get_by_role("checkbox", name="Blind").check()
    ask(page, PROMPT)
    assert serious(page) == []
    better(page, "A")
    page.locator("#playground-vote summary").click()
    page.get_by_role("button", name="Correct").click()
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
