"""The Playground in a real browser: a conversation in columns, over edits, branches, reloads, and servers that go away."""

import json
import os
import re
import signal
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from app.handlers import datasets
from app.services import make_services
from app.settings import Settings
from app.worker.client import WorkerClient
from reft_engine import load_base
from storage import Storage
from tests.chatting import said
from tests.journeys.conftest import running
from tests.journeys.playing import pick
from tests.journeys.test_data import PHONE
from tests.journeys.test_journey import slide
from tests.serving import serving
from tests.settings.house import finish
from tests.waiting import until

FIELD = "#playground-prompt textarea"
LAST = ".rs-play-turns > article:last-child"


@pytest.fixture(scope="module")
def studio(tmp_path_factory, tiny_base):
    """A server with two runs whose edits are far from nothing, on a base model whose words mean nothing."""
    folder = tmp_path_factory.mktemp("playground")
    services = make_services(Settings(data_dir=folder / "data", models=[str(tiny_base)]))
    table = folder / "animals.csv"
    table.write_text("prompt,answer\n" + "".join(f"What is {n} cat?,cat {n}.\n" for n in range(12)))
    dataset = datasets.save_upload(services, str(table), label="animals.csv")
    base = load_base(tiny_base, device="cpu")
    first, second = (finish(services, dataset, base, name, seed) for name, seed in (("First", 2), ("Second", 5)))
    services.storage.close()
    with running(folder / "data", REFT_STUDIO_MODELS=json.dumps([str(tiny_base)])) as server:
        client = WorkerClient(server.data_dir / "worker.sock")
        worker = until(client.health, "the worker's first word", every=0.1)["pid"]
        yield SimpleNamespace(address=server.address, data_dir=server.data_dir, worker=worker, first=first, second=second)


@contextmanager
def held_still(studio):
    """The worker stops where it is, so that an answer is not over before something has happened to it."""
    os.kill(studio.worker, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(studio.worker, signal.SIGCONT)


@contextmanager
def requests_of(page):
    """What the page asks for meanwhile."""
    asked = []

    def note(request):
        if request.url.endswith("/play/chat"):
            asked.append(request.post_data_json)

    page.on("request", note)
    try:
        yield asked
    finally:
        page.remove_listener("request", note)


@pytest.fixture
def play(page, studio):
    """The page with the first run, once everything that its opening brings is there, and what it asks for."""
    opened(page, studio.address, studio.first)
    with requests_of(page) as asked:
        yield SimpleNamespace(page=page, asked=asked)


def opened(page, address, run):
    page.goto(f"{address}/playground?run={run.id}")
    expect(page.locator("#playground-run input")).to_have_value(re.compile(run.name))
    expect(page.locator("#trained-0")).to_be_visible()


def whole(page):
    """Wait until nothing is being written."""
    expect(page.locator(".rs-caret")).to_have_count(0)
    expect(page.locator("#playground-stop")).to_be_disabled()


def newest(page):
    return page.locator(LAST).get_attribute("data-turn")


def another_turn(page, before):
    expect(page.locator(f"{LAST}:not([data-turn='{before}'])")).to_be_visible()


def send(page, prompt):
    """Both answers, exactly as they stand there once they are whole."""
    before = newest(page)
    page.fill(FIELD, prompt)
    page.click("#playground-send")
    another_turn(page, before)
    whole(page)
    return answers(page)


def answers(page):
    return [page.locator(each).text_content() for each in ("#answer-base", "#answer-tuned")]


def tool(page, name, turn=LAST):
    return page.locator(turn).get_by_role("button", name=name, exact=True)


def prompts(page):
    return page.locator(".rs-play-said-text").all_text_contents()


def add(page, run):
    """A column of a run's result."""
    page.get_by_label("Add a column…").select_option(json.dumps({"run": run.id}, separators=(",", ":")))


def unfold(page):
    page.get_by_role("button", name="More settings").click()
    expect(page.locator("#playground-system textarea")).to_be_visible()


def begin_story(page):
    """Ask for an answer that is long enough for something to happen meanwhile."""
    unfold(page)
    slide(page, "#playground-length", "400")
    page.fill(FIELD, "Tell me a story.")
    page.click("#playground-send")


def asked_again(studio, body):
    """What the server answers to the same request."""
    answer = httpx.post(f"{studio.address}/play/chat", json=body, timeout=None)
    return said([json.loads(line) for line in answer.text.splitlines()])


def user(prompt):
    return {"role": "user", "content": prompt}


# A conversation


def test_in_the_next_turn_each_column_reads_its_own_answers(play, studio):
    first = send(play.page, "What is 2 cat?")
    second = send(play.page, "Why?")
    assert first[0] != first[1] and second[0] != second[1] and len(play.asked) == 2
    for column, answer, kind in zip(play.asked[1]["columns"], first, ("base", "run"), strict=True):
        assert column["messages"] == [user("What is 2 cat?"), {"role": "assistant", "content": answer}, user("Why?")]
        assert column["kind"] == kind
    assert [asked_again(studio, body) for body in play.asked] == [first, second]
    assert prompts(play.page) == ["What is 2 cat?", "Why?"] and play.page.input_value(FIELD) == ""
    expect(play.page.locator("#playground-told")).to_have_text(re.compile(r"^Both answered in \d+\.\d\d s\.$"))


def test_what_is_set_on_the_page_is_asked_also_by_a_chip(play, studio):
    page = play.page
    unfold(page)
    page.fill("#playground-system textarea", " Be brief. ")
    for name, value in (("temperature", "0.7"), ("top-p", "0.5"), ("length", "32"), ("penalty", "1.5")):
        slide(page, f"#playground-{name}", value)
    page.fill("#playground-stop-texts textarea", "never said\n\nnor this")
    page.locator("#playground-seed input, #playground-seed textarea").fill("7")
    slide(page, "#playground-strength", "0.5")
    send(page, "Hello")
    wanted = {
        "temperature": 0.7, "top_p": 0.5, "max_new_tokens": 32, "repetition_penalty": 1.5, "stop": ["never said", "nor this"], "seed": 7,
    }  # fmt: skip
    (body,) = play.asked
    assert {name: body[name] for name in wanted} == wanted
    assert [(each["kind"], each["run"], each["strength"]) for each in body["columns"]] == [("base", None, 1), ("run", studio.first.id, 0.5)]
    assert all(each["messages"] == [{"role": "system", "content": "Be brief."}, user("Hello")] for each in body["columns"])
    expect(page.locator("#playground-told")).to_contain_text("with seed 7.")
    slide(page, "#playground-length", "16")
    before = newest(page)
    page.click("#suggestion-0")
    another_turn(page, before)
    whole(page)
    assert play.asked[1]["max_new_tokens"] == 16 and play.asked[1]["seed"] == 7 and play.asked[1]["columns"][1]["strength"] == 0.5


def test_a_seed_that_is_none_is_refused_in_words(play):
    unfold(play.page)
    play.page.locator("#playground-seed input, #playground-seed textarea").fill("seven")
    play.page.fill(FIELD, "Hello")
    play.page.click("#playground-send")
    expect(play.page.locator("#playground-note")).to_contain_text("The seed is a whole number from 0 to 2147483647")
    assert play.page.input_value(FIELD) == "Hello" and not play.asked
    play.page.click("#suggestion-0")
    play.page.fill(FIELD, " ")
    play.page.click("#playground-send")
    expect(play.page.locator("#playground-note")).to_contain_text("Write something to ask first.")
    assert not play.asked


def test_an_edited_turn_stands_beside_the_one_that_was_there(play):
    page = play.page
    first, second = send(page, "What is 2 cat?"), send(page, "Why?")
    before = page.locator(".rs-play-turn").first.get_attribute("data-turn")
    page.locator(".rs-play-turn").first.get_by_role("button", name="Edit", exact=True).click()
    field = page.get_by_label("Edit this prompt")
    expect(field).to_be_focused()
    assert field.input_value() == "What is 2 cat?"
    field.fill("What is 3 cat?")
    field.press("Enter")
    another_turn(page, before)
    expect(page.locator(".rs-play-turn")).to_have_count(1)
    whole(page)
    other = answers(page)
    assert prompts(page) == ["What is 3 cat?"] and other != first
    assert play.asked[2]["columns"][0]["messages"] == [user("What is 3 cat?")]
    third = send(page, "And then?")
    assert play.asked[3]["columns"][1]["messages"][1]["content"] == other[1]
    expect(page.locator(".rs-play-tools").first).to_contain_text("2 of 2")
    tool(page, "The version before", ".rs-play-turn >> nth=0").click()
    expect(page.locator(".rs-play-said-text").last).to_have_text("Why?")
    assert prompts(page) == ["What is 2 cat?", "Why?"] and answers(page) == second
    tool(page, "The version after", ".rs-play-turn >> nth=0").click()
    expect(page.locator(".rs-play-said-text").last).to_have_text("And then?")
    assert answers(page) == third and len(play.asked) == 4


def test_an_edit_that_is_given_up_changes_nothing(play):
    send(play.page, "What is 2 cat?")
    for leave in (lambda field: field.press("Escape"), lambda _: tool(play.page, "Cancel").click()):
        tool(play.page, "Edit").click()
        field = play.page.get_by_label("Edit this prompt")
        field.fill("Another")
        leave(field)
        expect(field).to_have_count(0)
    assert prompts(play.page) == ["What is 2 cat?"] and len(play.asked) == 1


def test_an_answer_is_drawn_again_beside_the_first_one(play):
    page = play.page
    unfold(page)
    slide(page, "#playground-temperature", "1.4")
    first, before = send(page, "Tell me a story."), newest(page)
    tool(page, "Answer again").click()
    another_turn(page, before)
    whole(page)
    assert answers(page) != first and prompts(page) == ["Tell me a story."]
    assert play.asked[0]["seed"] != play.asked[1]["seed"] and play.asked[0]["columns"] == play.asked[1]["columns"]
    tool(page, "The version before").click()
    expect(page.locator("#answer-base")).to_have_text(first[0], use_inner_text=False)
    assert answers(page) == first
    expect(tool(page, "The version after")).to_be_focused()  # the other one is at its end


def test_what_is_answered_again_is_asked_with_the_settings_of_now(play):
    page = play.page
    send(page, "Tell me a story.")
    before = newest(page)
    unfold(page)
    slide(page, "#playground-temperature", "1.4")
    tool(page, "Answer again").click()
    another_turn(page, before)
    whole(page)
    assert [body["temperature"] for body in play.asked] == [0, 1.4]


def test_stop_ends_both_answers_at_once_and_what_was_written_stays(play, studio):
    page = play.page
    begin_story(page)
    expect(page.locator("#answer-tuned")).to_have_text(re.compile(r"\S"))
    with held_still(studio):
        page.click("#playground-stop")
        expect(page.locator("#playground-told")).to_have_text("Stopped.")
        whole(page)
        cut = answers(page)
    page.wait_for_timeout(500)  # whatever was under way has arrived
    assert answers(page) == cut
    expect(page.locator(f"{LAST} .rs-facts", has_text="stopped")).to_have_count(2)
    longer = asked_again(studio, play.asked[0])
    assert all(text.startswith(part) and text != part for text, part in zip(longer, cut, strict=True))
    send(page, "Go on.")
    assert play.asked[1]["columns"][1]["messages"][1]["content"] == cut[1], "the conversation goes on with what was written"


@pytest.mark.parametrize("way", ["reload", "back"])
def test_prompts_answers_and_settings_are_there_after_a_reload_and_back(play, studio, way):
    page = play.page
    unfold(page)
    page.fill("#playground-system textarea", "Be brief.")
    slide(page, "#playground-length", "32")
    slide(page, "#playground-strength", "2")
    first, second = send(page, "What is 2 cat?"), send(page, "Why?")
    page.fill(FIELD, "Not sent yet")
    page.wait_for_timeout(500)  # a field is kept once it has settled
    if way == "reload":
        page.reload()
    else:
        page.click(".rs-header nav a[href*=runs]")
        page.wait_for_url("**/runs*")
        page.go_back()
    expect(page.locator(".rs-play-turn")).to_have_count(2)
    assert prompts(page) == ["What is 2 cat?", "Why?"] and answers(page) == second
    assert page.locator(".rs-play-turn .rs-answer-text").first.text_content() == first[0]
    expect(page.locator(FIELD)).to_have_value("Not sent yet")
    expect(page.locator("#playground-strength input[type=number]")).to_have_value("2")
    unfold(page)
    expect(page.locator("#playground-system textarea")).to_have_value("Be brief.")
    expect(page.locator("#playground-length input[type=number]")).to_have_value("32")
    assert len(play.asked) == 2, "nothing is asked anew"
    send(page, "And then?")
    assert play.asked[2]["max_new_tokens"] == 32 and play.asked[2]["columns"][1]["strength"] == 2
    assert [each["content"] for each in play.asked[2]["columns"][0]["messages"]] == [
        "Be brief.", "What is 2 cat?", first[0], "Why?", second[0], "And then?"
    ]  # fmt: skip


def test_a_reload_in_the_middle_of_an_answer_keeps_what_was_written(play, studio):
    page = play.page
    begin_story(page)
    expect(page.locator("#answer-base")).to_have_text(re.compile(r"\S"))
    with held_still(studio):
        page.wait_for_timeout(200)
        cut = answers(page)
    page.reload()
    expect(page.locator(".rs-play-said-text")).to_have_text("Tell me a story.")
    whole(page)
    assert all(now.startswith(before) for now, before in zip(answers(page), cut, strict=True)) and cut[0]


def test_each_run_has_its_conversation(play, studio):
    page = play.page
    first = send(page, "What is 2 cat?")
    pick(page, "Second")
    expect(page.locator(".rs-play-said-text")).to_have_count(0)
    assert send(page, "What is 2 cat?")[0] == first[0] and play.asked[1]["columns"][1]["run"] == studio.second.id
    pick(page, "First")
    expect(page.locator("#answer-tuned")).to_have_text(first[1], use_inner_text=False)
    assert answers(page) == first


# Columns


def test_a_second_run_is_a_column_with_a_strength_of_its_own(play, studio):
    page = play.page
    both = send(page, "What is 2 cat?")
    add(page, studio.second)
    expect(page.locator("#answer-2")).to_have_text(re.compile(r"\S"))
    whole(page)
    (column,) = play.asked[1]["columns"]
    assert (column["kind"], column["run"], column["strength"]) == ("run", studio.second.id, 1), "the others are not asked again"
    third = page.locator("#answer-2").text_content()
    assert [third] == asked_again(studio, play.asked[1]) and third not in both and answers(page) == both
    expect(page.get_by_label("Add a column…").locator("option", has_text="Second")).to_have_count(0)
    strength = page.get_by_label("Strength of Second")
    strength.fill("3")
    strength.press("Tab")
    expect(page.locator(f"{LAST} .rs-pane-title").last).to_have_text("Second · strength 3")
    whole(page)
    assert [each["strength"] for each in play.asked[2]["columns"]] == [3] and play.asked[2]["seed"] == play.asked[0]["seed"]
    assert page.locator("#answer-2").text_content() != third and answers(page) == both
    send(page, "Why?")
    assert [each["strength"] for each in play.asked[3]["columns"]] == [1, 1, 3]
    expect(page.locator("#playground-told")).to_have_text(re.compile("^All answered in"))
    page.get_by_role("button", name="Remove the column Second").click()
    expect(page.locator("#answer-2")).to_have_count(0)
    expect(page.get_by_label("Add a column…")).to_be_visible()


def test_a_strength_that_moves_answers_its_own_column_anew(play):
    page = play.page
    base, tuned = send(page, "What is 2 cat?")
    for value in ("2", "0"):
        slide(page, "#playground-strength", value)
        expect(page.locator(f"{LAST} .rs-pane-title").last).to_have_text(f"First · strength {value}")
        whole(page)
        (column,) = play.asked[-1]["columns"]
        assert (column["kind"], column["strength"]) == ("run", float(value))
        assert page.locator("#answer-base").text_content() == base != tuned != page.locator("#answer-tuned").text_content()
    assert answers(page) == [base, base], "a strength of 0 is the base model"
    assert all(len(body["columns"]) == 1 for body in play.asked[1:])
    expect(page.locator(".rs-play-tools").first).not_to_contain_text("of 2")


def test_a_strength_that_moves_in_the_middle_of_an_answer_does_not_ask_the_base_model_again(play, studio):
    page = play.page
    begin_story(page)
    expect(page.locator("#answer-tuned")).to_have_text(re.compile(r"\S"))
    with held_still(studio):
        slide(page, "#playground-strength", "2")
        until(lambda: page.wait_for_timeout(50) or len(play.asked) > 1, "the second request")
    whole(page)
    first, last = play.asked
    assert [(each["kind"], each["strength"]) for each in last["columns"]] == [("run", 2)]
    assert answers(page) == [asked_again(studio, first)[0], *asked_again(studio, last)]


def test_columns_that_change_one_after_the_other_are_all_answered_anew(play, studio):
    page = play.page
    send(page, "What is 2 cat?")
    add(page, studio.second)
    whole(page)
    page.get_by_label("Strength of Second").fill("3")
    slide(page, "#playground-strength", "2")
    for title in ("First · strength 2", "Second · strength 3"):
        expect(page.locator(f"{LAST} .rs-pane-title", has_text=title)).to_be_visible()
    whole(page)
    again = [(each["run"], each["strength"]) for body in play.asked[2:] for each in body["columns"]]
    assert sorted(again) == sorted([(studio.first.id, 2), (studio.second.id, 3)])


def test_a_column_that_was_removed_comes_back_with_its_answers(play, studio):
    page = play.page
    send(page, "What is 2 cat?")
    for _ in range(3):
        add(page, studio.second)
        whole(page)
        page.get_by_role("button", name="Remove the column Second").click()
        expect(page.locator("#answer-2")).to_have_count(0)
        expect(page.get_by_label("Add a column…")).to_be_focused()
    assert len(play.asked) == 2 and page.evaluate("studio.play.now().document().columns.length") == 3


def test_while_an_answer_is_written_nothing_else_is_asked_and_that_is_said(play, studio):
    page = play.page
    begin_story(page)
    expect(page.locator("#answer-tuned")).to_have_text(re.compile(r"\S"))
    with held_still(studio):
        page.fill(FIELD, "And another.")
        page.press(FIELD, "Enter")
        expect(page.locator("#playground-note")).to_contain_text("An answer is being written.")
        expect(page.locator(FIELD)).to_have_value("And another.")
        expect(page.locator("#trained-0")).to_be_disabled()
    whole(page)
    assert len(play.asked) == 1


# How it looks


SPOKEN = "  <b>bold</b> ${document.title='owned'} {{value}}\n\n\tindented <img src=x onerror=\"document.title='owned'\"> &amp; </div>\n "


def test_what_models_write_is_shown_exactly_as_it_is(page, studio):
    """Whatever a model writes, and however it is cut into pieces; an error of the stream too."""
    pieces = [SPOKEN[at : at + 3] for at in range(0, len(SPOKEN), 3)]
    lines = [{"column": column, "text": piece, "ended": False} for piece in pieces for column in (0, 1)]
    lines += [{"column": at, "text": "", "ended": True, "ending": "end", "ids": [1], "prompt_tokens": 3, "seconds": 0.5} for at in (0, 1)]
    body = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in [*lines, {"done": True}])
    page.route("**/play/chat", lambda route: route.fulfill(body=body, content_type="application/x-ndjson"))
    opened(page, studio.address, studio.first)
    assert send(page, SPOKEN) == [SPOKEN, SPOKEN]
    assert prompts(page) == [SPOKEN.strip()]
    assert page.locator(".rs-answer-text *, .rs-play-said-text *, #playground-columns img").count() == 0
    assert page.locator("#answer-base").evaluate("each => getComputedStyle(each).whiteSpace").startswith("pre")
    assert page.title() == "Playground · ReFT Studio"
    page.unroute_all(behavior="ignoreErrors")
    page.route("**/play/chat", lambda route: route.fulfill(status=413, json={"error": SPOKEN}))
    page.fill(FIELD, "Hello")
    page.click("#playground-send")
    expect(page.locator("#playground-note")).to_have_text(re.compile("bold"))
    assert page.locator("#playground-note").text_content() == SPOKEN and page.title() == "Playground · ReFT Studio"
    expect(page.locator(FIELD)).to_have_value("Hello")


COVERED = """document.querySelector(".rs-play-turns > article:last-child").getBoundingClientRect().bottom
    - document.querySelector(".rs-composer").getBoundingClientRect().top"""
"""Pixels of the newest turn that the prompt's field covers."""


def test_the_page_follows_whoever_reads_the_end_and_nobody_else(play):
    page = play.page
    unfold(page)
    slide(page, "#playground-length", "128")
    page.get_by_role("button", name="More settings").click()
    page.set_viewport_size({"width": 1280, "height": 500})
    for _ in range(2):
        send(page, "Tell me a story.")
        assert page.evaluate(COVERED) < 60
    assert page.evaluate("scrollY") > 100
    before = newest(page)
    page.fill(FIELD, "Again.")
    page.press(FIELD, "Enter")
    another_turn(page, before)
    page.evaluate("scrollTo(0, 40)")
    whole(page)
    assert page.evaluate("scrollY") == 40


def test_on_a_phone_answers_are_in_sight_above_the_prompt_and_columns_are_swiped(play, studio):
    page = play.page
    page.set_viewport_size(PHONE)
    for prompt in ("What is 2 cat?", "Why?"):
        send(page, prompt)
        expect(page.locator("#answer-base")).to_be_in_viewport()
    composer, answer = page.locator(".rs-composer").bounding_box(), page.locator("#answer-base").bounding_box()
    assert composer["y"] + composer["height"] <= PHONE["height"] + 1, "it sticks to the lower edge"
    assert 0 <= answer["y"] + answer["height"] <= composer["y"] + 60, "an answer ends above it"
    add(page, studio.second)
    expect(page.locator("#answer-2")).to_have_text(re.compile(r"\S"))
    whole(page)
    columns = page.locator(f"{LAST} .rs-play-answers")
    assert columns.evaluate("each => each.scrollWidth > 2 * each.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    columns.evaluate("each => { each.scrollLeft = each.clientWidth }")
    until(lambda: columns.evaluate("each => each.scrollLeft") > 100, "the second column")
    slide(page, "#playground-strength", "2")
    expect(page.locator(f"{LAST} .rs-pane-title").nth(1)).to_have_text("First · strength 2")
    whole(page)
    assert page.locator(f"{LAST} .rs-play-answers").evaluate("each => each.scrollLeft") > 100, "it stays where it was swiped to"


@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious_in_light_and_dark(play, studio, width):
    page = play.page
    page.set_viewport_size({"width": width, "height": 844})
    send(page, "What is 2 cat?")
    add(page, studio.second)
    whole(page)
    before = newest(page)
    tool(page, "Answer again").click()
    another_turn(page, before)
    whole(page)
    for theme in ("dark", "light"):
        page.evaluate("dark => document.body.classList.toggle('dark', dark)", theme == "dark")
        page.wait_for_timeout(300)  # colours have changed
        found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"]}).response["violations"]
        assert [(each["id"], each["nodes"][0]["target"]) for each in found if each["impact"] in ("serious", "critical")] == []


# What goes wrong


def test_a_server_that_goes_away_before_anything_came_gives_the_prompt_back(page, studio):
    services = make_services(Settings(data_dir=studio.data_dir))  # pages of their own on the same engine, which can be taken away
    with held_still(studio), serving(services) as site:
        opened(page, site.address, studio.first)
        page.fill(FIELD, "What is 2 cat?")
        page.click("#playground-send")
        expect(page.locator(".rs-play-said-text")).to_have_text("What is 2 cat?")
        expect(page.locator(FIELD)).to_have_value("")
    expect(page.locator("#playground-note")).to_contain_text("The studio did not answer.")
    expect(page.locator(FIELD)).to_have_value("What is 2 cat?")
    whole(page)
    assert prompts(page) == []
    services.storage.close()


def test_a_server_that_goes_away_in_the_middle_of_an_answer_leaves_what_came(page, studio):
    services = make_services(Settings(data_dir=studio.data_dir))
    with ExitStack() as held:
        with serving(services) as site:
            opened(page, site.address, studio.first)
            unfold(page)
            slide(page, "#playground-length", "400")
            page.fill(FIELD, "Tell me a story.")
            page.click("#playground-send")
            expect(page.locator("#answer-tuned")).to_have_text(re.compile(r"\S"))
            held.enter_context(held_still(studio))
            cut = answers(page)
        expect(page.locator("#playground-note")).to_contain_text("The studio did not answer.")
    whole(page)
    assert all(now.startswith(before) for now, before in zip(answers(page), cut, strict=True)) and cut[1]
    assert prompts(page) == ["Tell me a story."]
    expect(page.locator(f"{LAST} .rs-facts", has_text="not answered")).to_have_count(2)
    services.storage.close()


def test_what_is_refused_is_said_and_the_prompt_and_the_earlier_turn_stay(play, studio):
    page = play.page
    first = send(page, "What is 2 cat?")
    storage = Storage(studio.data_dir)
    storage.runs.delete(studio.first.id)
    try:
        page.fill(FIELD, "Why?")
        page.click("#playground-send")
        expect(page.locator("#playground-note")).to_contain_text("This run is in the bin")
        expect(page.locator(FIELD)).to_have_value("Why?")
        whole(page)
        assert prompts(page) == ["What is 2 cat?"] and answers(page) == first
        slide(page, "#playground-strength", "2")
        until(lambda: page.wait_for_timeout(50) or len(play.asked) == 3, "the request of the strength")
        whole(page)
        assert answers(page) == first, "the answer that was there comes back"
    finally:
        storage.runs.restore(studio.first.id)
        storage.close()
    page.click("#playground-send")
    expect(page.locator(".rs-play-said-text")).to_have_count(2)
    whole(page)
    expect(page.locator("#playground-note .rs-notice")).to_have_count(0)
