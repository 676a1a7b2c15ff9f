"""What comes late on the Playground leaves alone what a person has done meanwhile."""

from contextlib import closing

import pytest
from playwright.sync_api import expect

from app import chats as documents
from tests.journeys.playing import answered, ask, counting, document, opened, pick
from tests.journeys.test_journey import held_still
from tests.journeys.test_playground import requests_of
from tests.journeys.test_playground_looks import add
from tests.waiting import MILLISECONDS, until

PROMPT = "What is 3 cat?"
FIELD = "#playground-prompt textarea"
SAID = ".rs-play-said-text"
HOLDS = """(path) => {
    const reached = window.fetch;
    window.held = [];
    const released = new Promise((go) => (window.release = go));
    window.fetch = async (...asked) => {
        const url = String(asked[0]?.url ?? asked[0]);
        if (!new RegExp(path).test(url)) return reached(...asked);
        const answer = reached(...asked);
        window.held.push(url);
        await released;
        return answer;
    };
}"""
"""Answers from a path come to the page only once they are released."""


@pytest.fixture(scope="module")
def runs(server):
    return counting(server, "Cats in time"), counting(server, "Late cats")


@pytest.fixture
def shown(page, server, store, runs):
    """The page with the first run."""
    opened(page, server, run=runs[0].id)
    return page


def hold(page, path):
    page.evaluate(HOLDS, path)


def held(page):
    page.wait_for_function("held.length")


def saved(store):
    """The conversations by their prompts, the one that was saved last first."""
    chats, _ = store.chats.page(9)
    return {tuple(turn.prompt for turn in documents.read(store.chats.read(chat.id)[1]).turns): chat for chat in chats}


def send(page, prompt):
    page.fill(FIELD, prompt)
    page.click("#playground-send")


def test_a_prompt_waits_for_the_run_that_was_chosen_and_is_asked_of_it(shown, runs):
    page = shown
    hold(page, "gradio_api/run")
    with requests_of(page) as asked:
        pick(page, runs[1].name)
        held(page)
        send(page, PROMPT)
        expect(page.locator("#playground-told")).to_have_text("It is asked as soon as what you chose is open.")
        expect(page.locator(FIELD)).to_have_value(PROMPT)
        assert not asked and not document(page)["turns"]
        page.evaluate("release()")
        expect(page.locator(SAID)).to_have_text([PROMPT])
        answered(page)
    assert [body["columns"][1]["run"] for body in asked] == [runs[1].id]
    expect(page.locator(FIELD)).to_have_value("")


def test_a_prompt_waits_for_the_conversation_of_the_address_and_goes_on_with_it(shown, store):
    page = shown
    ask(page, PROMPT)
    until(lambda: saved(store), "the conversation")
    page.wait_for_url("**chat=*")
    with closing(page.context.new_page()) as tab:
        tab.set_default_timeout(MILLISECONDS)
        tab.add_init_script(f"({HOLDS})('play/chats/.')")
        tab.goto(page.url)
        tab.wait_for_function("window.held?.length && window.studio?.play?.now()?.runs().length")
        send(tab, "And 4?")
        expect(tab.locator("#playground-told")).to_have_text("It is asked as soon as what you chose is open.")
        tab.evaluate("release()")
        expect(tab.locator(SAID)).to_have_text([PROMPT, "And 4?"])
        answered(tab)
    until(lambda: list(saved(store)) == [(PROMPT, "And 4?")], "one conversation with both turns")


def test_a_new_conversation_ends_what_is_being_written_and_keeps_it(server, shown, store):
    page = shown
    with held_still(server):
        send(page, PROMPT)
        expect(page.locator(SAID)).to_have_text([PROMPT])
        page.locator("#playground-chats summary").click()
        page.locator("#playground-chats").get_by_role("button", name="New conversation", exact=True).click()
        expect(page.locator(SAID)).to_have_count(0)
    ((prompts, chat),) = saved(store).items()
    kept = documents.read(store.chats.read(chat.id)[1])
    assert prompts == (PROMPT,) and {answer.ended for answer in kept.turns[0].answers} == {"stopped"}
    assert document(page)["turns"] == []
    ask(page, "And 4?")
    until(lambda: set(saved(store)) == {(PROMPT,), ("And 4?",)}, "both conversations")


def test_what_is_saved_late_is_the_conversation_that_it_was(shown, store, runs):
    page = shown
    hold(page, r"play/chats(/[^/]+)?$")
    ask(page, PROMPT)
    held(page)
    pick(page, runs[1].name)
    expect(page.locator(SAID)).to_have_count(0)
    page.evaluate("release()")
    expect(page.locator("#playground-chats li b")).to_have_text(PROMPT)
    assert "chat=" not in page.url
    ask(page, "And 4?")
    until(lambda: set(saved(store)) == {(PROMPT,), ("And 4?",)}, "both conversations")
    pick(page, runs[0].name)
    expect(page.locator(SAID)).to_have_text([PROMPT])
    ask(page, "And 5?")
    until(lambda: set(saved(store)) == {(PROMPT, "And 5?"), ("And 4?",)}, "the first one with its next turn")


def test_an_edited_prompt_and_a_strength_outlive_a_drawing(shown, runs):
    page = shown
    ask(page, PROMPT)
    page.get_by_role("button", name="Edit", exact=True).click()
    field = page.get_by_label("Edit this prompt")
    field.fill("What is 4")
    page.evaluate("studio.play.now().redraw()")
    expect(field).to_have_value("What is 4")
    expect(field).to_be_focused()
    field.press("Escape")
    expect(field).to_have_count(0)
    add(page, "Late cats")
    strength = page.get_by_label(f"Strength of {runs[1].name}")
    strength.fill("2")
    page.evaluate("studio.play.now().redraw()")
    expect(strength).to_have_value("2")
    expect(strength).to_be_focused()


def test_a_press_is_not_lost_because_an_answer_ends_meanwhile(shown):
    page = shown
    ask(page, PROMPT)
    again = page.get_by_role("button", name="Answer again", exact=True)
    again.hover()
    page.mouse.down()
    page.evaluate("studio.play.now().redraw()")
    page.mouse.up()
    expect(page.locator(".rs-play-tools").first).to_contain_text("2 of 2")
