"""Saved conversations on the Playground: saved after each answer, in the address, brought back with settings, and shared by windows."""

import json
import re

import httpx
import pytest
from playwright.sync_api import expect

from app import chats as documents
from tests.journeys.playing import ask, counting, document, opened
from tests.journeys.test_data import PHONE
from tests.journeys.test_journey import slide
from tests.journeys.test_train_spec import serious
from tests.waiting import PATIENCE, until

PROMPT = "What is 3 cat?"


@pytest.fixture(scope="module")
def run(server):
    return counting(server, "Saved cats")


def panel(page):
    """The saved conversations, unfolded."""
    fold = page.locator("#playground-chats details")
    if fold.get_attribute("open") is None:
        fold.locator("summary").click()
    return fold


def saved(page, store, version=1):
    """The one conversation, once the page has saved it so often."""
    until(lambda: [chat.version for chat in store.chats.page(9)[0]] == [version], f"version {version} of the conversation")
    chat = store.chats.page(9)[0][0]
    page.wait_for_function("(id) => new URLSearchParams(location.search).get('chat') === id", arg=chat.id)
    return chat


def texts(page):
    return [page.inner_text("#answer-base"), page.inner_text("#answer-tuned")]


def test_a_reload_and_a_link_bring_prompts_answers_and_settings_back(page, server, store, run):
    opened(page, server, run=run.id)
    expect(page.locator("#playground-chats details")).not_to_have_attribute("open", "")
    page.get_by_role("button", name="More settings").click()
    slide(page, "#playground-temperature", "0.5")
    page.fill("#playground-system textarea", "Be brief.")
    ask(page, PROMPT)
    chat = saved(page, store)
    ask(page, "And 4?")
    saved(page, store, 2)
    read, before = documents.read(store.chats.read(chat.id)[1]), texts(page)
    assert [turn.prompt for turn in documents.path(read)] == [PROMPT, "And 4?"]
    assert [answer.text for answer in read.turns[1].answers] == before
    assert read.settings.temperature == 0.5 and read.settings.system == "Be brief."
    page.reload()
    expect(page.locator(".rs-play-said-text")).to_have_text([PROMPT, "And 4?"])
    assert texts(page) == before and store.chats.get(chat.id).version == 2
    link = page.url
    page.evaluate("sessionStorage.clear()")
    page.goto("about:blank")
    page.goto(link)
    expect(page.locator(".rs-play-said-text")).to_have_text([PROMPT, "And 4?"])
    assert texts(page) == before
    page.get_by_role("button", name="More settings").click()
    expect(page.locator("#playground-temperature input[type=number]")).to_have_value("0.5")
    expect(page.locator("#playground-system textarea")).to_have_value("Be brief.")
    expect(page.locator("#playground-run input")).to_have_value(re.compile(run.name))
    ask(page, "And 5?")
    saved(page, store, 3)
    assert documents.read(store.chats.read(chat.id)[1]).turns[2].parent == read.turns[1].id


def test_a_turn_keeps_the_settings_that_it_was_asked_with(page, server, store, run):
    opened(page, server, run=run.id)
    ask(page, PROMPT)
    chat = saved(page, store)
    page.get_by_role("button", name="More settings").click()
    slide(page, "#playground-temperature", "1")
    ask(page, "And 4?")
    saved(page, store, 2)
    read = documents.read(store.chats.read(chat.id)[1])
    assert [documents.settings_of(read, turn).temperature for turn in read.turns] == [0, 1]


def test_a_conversation_brings_its_own_settings_and_a_reload_keeps_what_was_set_since(page, server, store, run):
    """One place decides what the fields hold, also where the tab has held another conversation with the same run meanwhile."""

    def fields():
        return [page.locator(f"#playground-{name} input[type=number]").input_value() for name in ("temperature", "strength")]

    def holds(temperature, strength, typed):
        expect(page.locator(".rs-play-said-text")).to_have_text([PROMPT])
        expect(page.locator("#playground-temperature input[type=number]")).to_have_value(temperature)
        expect(page.locator("#playground-strength input[type=number]")).to_have_value(strength)
        expect(page.locator("#playground-prompt textarea")).to_have_value(typed)
        page.wait_for_timeout(500)  # nothing else comes later
        assert fields() == [temperature, strength]

    def set_to(temperature, strength):
        slide(page, "#playground-temperature", temperature)
        slide(page, "#playground-strength", strength)

    opened(page, server, run=run.id)
    page.get_by_role("button", name="More settings").click()
    set_to("0.5", "2")
    ask(page, PROMPT)
    chat = saved(page, store)
    panel(page).get_by_role("button", name="New conversation", exact=True).click()
    expect(page.locator(".rs-play-said-text")).to_have_count(0)
    assert fields() == ["0.5", "2"], "a new one goes on with the settings that are there"
    set_to("1", "0.5")
    ask(page, "Another?")
    until(lambda: store.chats.page(9)[1] == 2, "the second conversation")
    page.fill("#playground-prompt textarea", "Meant for the other one")
    page.wait_for_timeout(500)  # a field is kept once it has settled

    opened(page, server, chat=chat.id)
    page.get_by_role("button", name="More settings").click()
    holds("0.5", "2", "")
    slide(page, "#playground-temperature", "0.75")
    page.fill("#playground-prompt textarea", "Not sent yet")
    page.wait_for_timeout(500)
    page.reload()
    page.get_by_role("button", name="More settings").click()
    holds("0.75", "2", "Not sent yet")
    ask(page, "And 4?")
    until(lambda: store.chats.get(chat.id).version == 2, "the conversation with its second turn")
    read = documents.read(store.chats.read(chat.id)[1])
    assert [documents.settings_of(read, turn).temperature for turn in read.turns] == [0.5, 0.75]
    assert [answer.strength for answer in read.turns[1].answers if answer.column == 1] == [2]


def test_back_leads_from_a_new_conversation_to_the_one_before(page, server, store, run):
    opened(page, server, run=run.id)
    ask(page, PROMPT)
    chat = saved(page, store)
    panel(page).get_by_role("button", name="New conversation", exact=True).click()
    expect(page.locator(".rs-play-said-text")).to_have_count(0)
    assert "chat=" not in page.url
    page.go_back()
    page.wait_for_url(f"**chat={chat.id}**")
    expect(page.locator(".rs-play-said-text")).to_have_text([PROMPT])


def test_a_conversation_that_cannot_be_saved_any_more_can_be_left(page, server, store, run):
    opened(page, server, run=run.id)
    ask(page, PROMPT)
    saved(page, store)
    page.evaluate("studio.play.now().document().turns[0].answers[0].text = 'cat '.repeat(2e6)")
    panel(page).get_by_role("button", name="New conversation", exact=True).click()
    expect(panel(page).locator(".rs-notice.bad")).to_contain_text(re.compile("too (large|long)"))
    expect(page.locator(".rs-play-said-text")).to_have_count(1)
    panel(page).get_by_role("button", name="Go on without saving").click()
    expect(page.locator(".rs-play-said-text")).to_have_count(0)
    ask(page, PROMPT)
    expect(panel(page).locator(".rs-chat-open")).to_have_count(2)


def test_one_of_the_list_is_opened_with_its_run_renamed_deleted_and_put_back(page, server, store, run):
    other = counting(server, "Other cats")
    opened(page, server, run=run.id)
    ask(page, PROMPT)
    chat = saved(page, store)
    opened(page, server, run=other.id)
    panel(page).locator(".rs-chat-open").click()
    page.wait_for_url(f"**chat={chat.id}**")
    expect(page.locator("#playground-run input")).to_have_value(re.compile(run.name))
    expect(page.locator(".rs-play-said-text")).to_have_text([PROMPT])
    shown = panel(page)
    shown.get_by_role("button", name="Rename").click()
    shown.get_by_role("textbox").fill("Cats")
    shown.get_by_role("textbox").press("Enter")
    expect(shown.locator("li b")).to_have_text("Cats")
    shown.get_by_role("button", name="Delete: Cats").click()
    expect(page.locator(".rs-play-said-text")).to_have_count(0)
    assert store.chats.page(9)[1] == 0
    shown.get_by_role("button", name="Undo").click()
    expect(page.locator(".rs-play-said-text")).to_have_text([PROMPT])
    with page.expect_download() as taken:
        panel(page).get_by_role("link", name="JSON Lines: Cats").click()
    lines = [json.loads(line) for line in taken.value.path().read_text().splitlines()]
    assert all(PROMPT in json.dumps(line) for line in lines) and len(lines) == 2
    written = httpx.get(f"{server.address}/files/chats/{chat.id}.md", timeout=PATIENCE).text
    assert PROMPT in written and run.name in written


def test_what_two_windows_say_is_not_lost(page, server, store, run):
    opened(page, server, run=run.id)
    ask(page, PROMPT)
    chat = saved(page, store)
    second = page.context.new_page()
    try:
        opened(second, server, chat=chat.id)
        expect(second.locator(".rs-play-said-text")).to_have_text([PROMPT])
        ask(second, "Theirs?")
        saved(second, store, 2)
        ask(page, "Ours?")
        expect(page.locator("#playground-chats details")).to_have_attribute("open", "")
        expect(page.get_by_text("was saved in another window")).to_be_visible()
        page.get_by_role("button", name="Save this one as a new conversation").click()
        until(lambda: store.chats.page(9)[1] == 2, "the second conversation")
    finally:
        second.close()
    prompts = {tuple(turn.prompt for turn in documents.read(store.chats.read(each.id)[1]).turns) for each in store.chats.page(9)[0]}
    assert prompts == {(PROMPT, "Ours?"), (PROMPT, "Theirs?")}


def test_what_was_not_saved_before_a_reload_is_saved_after_it(page, server, store, run):
    opened(page, server, run=run.id)
    ask(page, PROMPT)
    chat = saved(page, store)
    page.evaluate(
        "window.reached = fetch; window.fetch = (path, asks) =>"
        " (String(path).startsWith('play/chats') ? Promise.reject(new TypeError()) : reached(path, asks))"
    )
    ask(page, "And 4?")
    expect(page.get_by_text("Not saved.")).to_be_visible()
    page.reload()
    expect(page.locator(".rs-play-said-text")).to_have_text([PROMPT, "And 4?"])
    saved(page, store, 2)
    assert len(documents.read(store.chats.read(chat.id)[1]).turns) == 2


def test_a_conversation_outlives_its_run(page, server, store, run):
    gone = counting(server, "Short-lived cats")
    opened(page, server, run=gone.id)
    ask(page, PROMPT)
    chat = saved(page, store)
    before = texts(page)
    page.goto("about:blank")
    store.runs.delete(gone.id)
    opened(page, server, chat=chat.id)
    expect(page.locator(".rs-play-said-text")).to_have_text([PROMPT])
    assert texts(page) == before
    expect(page.locator("#playground-note")).to_contain_text("not here any more")
    page.fill("#playground-prompt textarea", "And 4?")
    page.click("#playground-send")
    expect(page.locator("#playground-prompt textarea")).to_have_value("And 4?")
    expect(page.locator(".rs-play-said-text")).to_have_text([PROMPT])
    assert len(document(page)["turns"]) == 1


def test_an_address_without_a_conversation_says_so(page, server, store, run):
    opened(page, server, chat="nosuchchat")
    expect(page.locator("#playground-chats details")).to_have_attribute("open", "")
    expect(page.locator("#playground-chats .rs-notice.bad")).to_be_visible()
    ask(page, PROMPT)
    saved(page, store)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [None, PHONE], ids=["wide", "phone"])
def test_everybody_can_use_it(page, server, store, run, theme, size):
    if size:
        page.set_viewport_size(size)
    opened(page, server, run=run.id, __theme=theme)
    ask(page, PROMPT)
    saved(page, store)
    panel(page)
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
