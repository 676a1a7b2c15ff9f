"""The panel of saved conversations in a real browser: what it saves, opens and says, beside a page that holds a conversation."""

import json
from types import SimpleNamespace

import httpx
import pytest
from playwright.sync_api import expect

from app import chats as documents
from app.services import make_services
from app.settings import Settings
from tests.journeys.test_data import PHONE
from tests.journeys.test_train_spec import serious
from tests.serving import serving
from tests.waiting import PATIENCE, until

HOSTILE = "<img src=x onerror=\"document.title='owned'\"> ${1} {name}"
PAGE = """() => {
  const held = { document: null, id: null, version: null };
  window.held = held;
  window.ask = (prompt) => {
    const turn = { id: `t${(held.document?.turns.length ?? 0) + 1}`, parent: held.document?.leaf ?? null, prompt, seed: 1, answers: [] };
    held.document = { columns: [], turns: [...(held.document?.turns ?? []), turn], leaf: turn.id };
  };
  const place = document.createElement("div");
  place.id = "panel";
  (document.querySelector("main") ?? document.body).prepend(place);
  window.laid = studio.chats.lay(place, {
    open: (document, saved) => Object.assign(held, { document, id: saved?.id ?? null, version: saved?.version ?? null }),
    current: () => held,
    saved: ({ id, version, name }) => Object.assign(held, { id, version, name }),
  });
}"""

AWAY = """() => {
  window.reached ??= fetch;
  window.fetch = (path, asks) => (asks?.method ? Promise.reject(new TypeError()) : reached(path, asks));
}"""
"""No save arrives any more; by the page itself, since a tab whose requests Playwright intercepts may hang."""


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """A data folder and its pages, whose engine is not up."""
    services = make_services(Settings(data_dir=tmp_path_factory.mktemp("panel") / "data"))
    with serving(services) as site:
        yield SimpleNamespace(address=site.address, chats=services.storage.chats)
    services.storage.close()


@pytest.fixture
def panel(page, studio):
    """The panel, in a studio without conversations."""
    for chat in studio.chats.page(500)[0]:
        studio.chats.delete(chat.id)
    studio.chats.empty_bin()
    return show(page, studio)


def show(page, studio, theme="light"):
    page.goto(f"{studio.address}/playground?__theme={theme}")
    expect(page.locator("#playground-prompt, .rs-empty").first).to_be_attached()
    page.evaluate(PAGE)
    expect(page.locator("#panel h2")).to_have_text("Saved conversations")
    return page.locator("#panel")


def say(page, prompt):
    """A turn, and the autosave after it; whether all is saved."""
    return page.evaluate("async (prompt) => { ask(prompt); return await laid.save(); }", prompt)


def prompts(page):
    return page.evaluate("held.document?.turns.map((turn) => turn.prompt) ?? []")


def names(panel):
    return panel.locator("li b").all_inner_texts()


def test_a_conversation_is_saved_after_its_first_answer_and_after_each_further_one(page, panel, studio):
    expect(panel.get_by_text("None yet.")).to_be_visible()
    assert page.evaluate("laid.save()") is True and studio.chats.page(9)[1] == 0, "there is nothing to save yet"
    assert say(page, "What is 2 cat?") is True
    expect(panel.get_by_text("Saved.", exact=True)).to_be_visible()
    assert names(panel) == ["What is 2 cat?"]
    say(page, "And 3?")
    ((chat,), total) = studio.chats.page(9)
    assert (total, chat.version) == (1, 2) and page.evaluate("held.version") == 2
    document = documents.read(studio.chats.read(chat.id)[1])
    assert [turn.prompt for turn in documents.path(document)] == ["What is 2 cat?", "And 3?"]
    page.evaluate("laid.save()")
    assert studio.chats.get(chat.id).version == 2, "nothing has changed"


def test_answers_that_come_while_it_is_saved_are_saved_too(page, panel, studio):
    page.evaluate("async () => { ask('a'); const first = laid.save(); ask('b'); laid.save(); ask('c'); await laid.save(); await first; }")
    ((chat,), total) = studio.chats.page(9)
    assert total == 1 and len(documents.read(studio.chats.read(chat.id)[1]).turns) == 3


def test_an_answer_that_is_still_being_written_is_saved_once_it_has_ended(page, panel, studio):
    say(page, "one")
    answers = '[{column: 0, text: "half", ended: null}]'
    added = "Object.assign(held.document, {columns: [{kind: 'base'}]}); held.document.turns[0].answers"
    assert page.evaluate(f"async () => {{ {added} = {answers}; return await laid.save(); }}") is True
    ((chat,), _) = studio.chats.page(9)
    assert documents.read(studio.chats.read(chat.id)[1]).turns[0].answers == ()
    page.evaluate("async () => { Object.assign(held.document.turns[0].answers[0], {text: 'whole', ended: 'end'}); await laid.save(); }")
    assert documents.read(studio.chats.read(chat.id)[1]).turns[0].answers[0].text == "whole"
    assert page.evaluate("held.document.turns[0].answers.length") == 1, "the page keeps what it has"


def test_another_one_is_opened_and_a_new_one_begun_without_losing_any(page, panel, studio):
    say(page, "one")
    panel.get_by_role("button", name="New conversation", exact=True).click()
    expect(panel.locator("[aria-current]")).to_have_count(0)
    assert prompts(page) == []
    say(page, "two")
    page.evaluate("ask('two, not saved yet')")
    panel.locator(".rs-chat-open", has_text="one").click()
    expect(panel.locator("[aria-current]")).to_contain_text("one")
    expect(panel.get_by_role("status").filter(has_text="The conversation one is open.")).to_be_attached()
    assert prompts(page) == ["one"]
    panel.locator(".rs-chat-open", has_text="two").click()
    expect(panel.locator("[aria-current]")).to_contain_text("two")
    assert prompts(page) == ["two", "two, not saved yet"]
    assert sorted(chat.version for chat in studio.chats.page(9)[0]) == [1, 2], "to open one is not to save it"


def test_a_conversation_is_renamed_in_its_place_by_keyboard(page, panel, studio):
    say(page, "one")
    panel.get_by_role("button", name="Rename: one").press("Enter")
    field = panel.get_by_role("textbox", name="New name: one")
    expect(field).to_be_focused()
    field.fill("no")
    field.press("Escape")
    expect(panel.get_by_role("button", name="Rename: one")).to_be_focused()
    panel.get_by_role("button", name="Rename: one").press("Enter")
    field.fill(HOSTILE)
    field.press("Enter")
    expect(panel.locator("li b")).to_have_text(HOSTILE)
    expect(panel.get_by_role("button", name="Rename")).to_be_focused()
    assert page.title() != "owned" and studio.chats.page(9)[0][0].name == HOSTILE and page.evaluate("held.name") == HOSTILE
    say(page, "more")
    assert names(panel) == [HOSTILE]


def test_what_is_typed_as_a_name_stays_while_the_list_changes_and_a_click_elsewhere_takes_it(page, panel, studio):
    say(page, "one")
    other = studio.chats.create("other", documents.written(documents.ChatDocument()))
    page.evaluate("laid.refresh()")
    expect(panel.locator("li")).to_have_count(2)
    panel.get_by_role("button", name="Rename: one").click()
    panel.get_by_role("textbox").fill("half a na")
    say(page, "more")
    page.evaluate("laid.refresh()")
    expect(panel.get_by_role("textbox")).to_have_value("half a na")
    expect(panel.locator("li")).to_have_count(2)
    panel.get_by_role("button", name="Delete: other").click()
    expect(panel.locator("li")).to_have_count(1)
    expect(panel.locator("li b")).to_have_text("half a na")
    until(lambda: studio.chats.get(other.id).binned_at, "the deletion that was pressed")


def test_an_empty_name_is_refused_with_a_sentence(page, panel):
    say(page, "one")
    panel.get_by_role("button", name="Rename: one").click()
    panel.get_by_role("textbox").fill(" ")
    panel.get_by_role("textbox").press("Enter")
    expect(panel.get_by_text("Give the conversation a name first.")).to_be_visible()
    assert names(panel) == ["one"]


def test_a_deleted_one_is_put_back_at_once_or_later_or_removed_for_good(page, panel, studio):
    say(page, "one")
    panel.get_by_role("button", name="Delete: one").click()
    undo = panel.get_by_role("button", name="Undo")
    expect(undo).to_be_focused()
    assert prompts(page) == [] and studio.chats.page(9)[1] == 0
    undo.click()
    expect(panel.locator("[aria-current]")).to_contain_text("one")
    assert prompts(page) == ["one"]
    panel.get_by_role("button", name="Delete: one").click()
    panel.get_by_role("button", name="Deleted ones (1), kept for 7 days").click()
    panel.get_by_role("button", name="Put back: one").click()
    expect(panel.get_by_text("No deleted conversation is left.")).to_be_visible()
    panel.get_by_role("button", name="Back to the list").click()
    panel.get_by_role("button", name="Delete: one").click()
    panel.get_by_role("button", name="Deleted ones (1)").click()
    panel.get_by_role("button", name="Delete for good: one").click()
    expect(panel.get_by_role("button", name="Keep it: one")).to_be_focused()
    panel.get_by_role("button", name="Keep it: one").click()
    assert studio.chats.page(9, binned=True)[1] == 1
    panel.get_by_role("button", name="Delete for good: one").click()
    panel.get_by_role("button", name="Delete it for good: one").click()
    expect(panel.get_by_text("No deleted conversation is left.")).to_be_visible()
    assert studio.chats.page(9, binned=True)[1] == 0


def test_what_another_window_has_saved_is_not_overwritten_and_nothing_is_lost(page, panel, studio):
    say(page, "one")
    ((chat,), _) = studio.chats.page(9)
    theirs = documents.written(documents.read(json.dumps({"turns": [{"id": "x", "prompt": "theirs"}], "leaf": "x"})))
    studio.chats.save(chat.id, theirs, 1)
    assert say(page, "ours") is False
    expect(panel.get_by_text("was saved in another window")).to_be_visible()
    panel.get_by_role("button", name="New conversation", exact=True).click()
    expect(panel.get_by_text("was saved in another window")).to_be_visible()
    assert prompts(page) == ["one", "ours"], "what is not saved is not left"
    panel.get_by_role("button", name="Save this one as a new conversation").click()
    expect(panel.locator("li")).to_have_count(2)
    expect(panel.get_by_text("was saved in another window")).to_be_hidden()
    assert page.evaluate("held.id") != chat.id and studio.chats.read(chat.id)[1] == theirs
    panel.locator(".rs-chat-open").last.click()
    expect(panel.locator("[aria-current]")).to_have_count(1)
    until(lambda: prompts(page) == ["theirs"], "the conversation of the other window")


def test_the_saved_one_can_be_opened_in_place_of_ones_own(page, panel, studio):
    say(page, "one")
    ((chat,), _) = studio.chats.page(9)
    studio.chats.save(chat.id, documents.written(documents.read('{"turns": [{"id": "x", "prompt": "theirs"}], "leaf": "x"}')), 1)
    say(page, "ours")
    panel.get_by_role("button", name="Open the saved one").click()
    until(lambda: prompts(page) == ["theirs"], "the conversation of the other window")
    assert say(page, "go on") is True and studio.chats.get(chat.id).version == 3


def test_a_new_name_does_not_hide_that_another_window_has_saved(page, panel, studio):
    say(page, "one")
    ((chat,), _) = studio.chats.page(9)
    studio.chats.save(chat.id, documents.written(documents.ChatDocument()), 1)
    panel.get_by_role("button", name="Rename: one").click()
    panel.get_by_role("textbox").fill("two")
    panel.get_by_role("textbox").press("Enter")
    expect(panel.locator("li b")).to_have_text("two")
    assert page.evaluate("[held.name, held.version]") == ["two", 1]
    assert say(page, "ours") is False and studio.chats.get(chat.id).version == 2


def test_one_that_was_deleted_in_another_window_is_put_back_and_saved(page, panel, studio):
    say(page, "one")
    ((chat,), _) = studio.chats.page(9)
    studio.chats.delete(chat.id)
    assert say(page, "two") is False
    expect(panel.get_by_text("This conversation was deleted meanwhile.")).to_be_visible()
    panel.get_by_role("button", name="Put back", exact=True).click()
    until(lambda: studio.chats.get(chat.id).version == 2, "the save after it was put back")
    expect(panel.get_by_text("This conversation was deleted meanwhile.")).to_be_hidden()


def test_a_save_that_does_not_arrive_is_told_of_and_made_again(page, panel, studio):
    page.evaluate(AWAY)
    assert say(page, "one") is False
    expect(panel.get_by_text("Not saved.")).to_be_visible()
    page.evaluate("fetch = reached")
    panel.get_by_role("button", name="Save again").click()
    expect(panel.get_by_text("Saved.", exact=True)).to_be_visible()
    expect(panel.locator("li b")).to_have_text("one")
    assert studio.chats.page(9)[1] == 1


def test_more_of_a_long_list_is_shown_and_walked_through_by_arrows(page, panel, studio):
    for number in range(25):
        studio.chats.create(f"Chat {number}", documents.written(documents.ChatDocument()))
    page.evaluate("laid.refresh()")
    expect(panel.locator("li")).to_have_count(20)
    panel.get_by_role("button", name="Show more").click()
    expect(panel.locator("li")).to_have_count(25)
    expect(panel.get_by_role("button", name="Show more")).to_be_hidden()
    panel.locator(".rs-chat-open").first.focus()
    page.keyboard.press("ArrowDown")
    expect(panel.locator(".rs-chat-open").nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(panel.locator(".rs-chat-open").first).to_be_focused()


def test_a_conversation_is_taken_away_in_both_forms(page, panel, studio):
    say(page, "What is 2 cat?")
    for name, ending in (("Markdown", "md"), ("JSON Lines", "jsonl")):
        with page.expect_download() as taken:
            panel.get_by_role("link", name=f"{name}: What is 2 cat?").click()
        assert taken.value.suggested_filename == f"What-is-2-cat.{ending}"
    ((chat,), _) = studio.chats.page(9)
    assert "What is 2 cat?" in httpx.get(f"{studio.address}/files/chats/{chat.id}.md", timeout=PATIENCE).text


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [None, PHONE], ids=["wide", "phone"])
def test_everybody_can_read_and_use_it(page, panel, studio, theme, size):
    if size:
        page.set_viewport_size(size)
    panel = show(page, studio, theme)
    say(page, "A long name of a conversation that does not fit into the width of any phone, whatever it does " * 2)
    say(page, "x")
    page.evaluate(AWAY)
    say(page, "y")
    panel.get_by_role("button", name="Rename").click()
    expect(panel.get_by_role("textbox")).to_be_visible()
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
