import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from app.services import make_services
from app.settings import Settings
from app.words import say
from app.worker.client import WorkerClient
from tests.journeys.conftest import forget
from tests.serving import serving
from tests.waiting import MILLISECONDS, until

LONG = 3 * MILLISECONDS


def ready(page):
    """Wait until Gradio has taken the page over."""
    expect(page.locator(".rs-header nav a.active")).to_be_visible()
    expect(page.locator(".gradio-container h1").first).to_be_visible()


def upload(page, server, path):
    page.goto(f"{server.address}/data")
    page.wait_for_selector("#dataset-upload input[type=file]", state="attached")
    page.set_input_files("#dataset-upload input[type=file]", path)
    expect(page.locator("#dataset-preview .rs-row").first).to_be_visible()


def start_run(page, epochs):
    page.wait_for_url("**/train")
    expect(page.locator("#train-dataset input")).not_to_have_value("")
    page.fill("#train-epochs input", str(epochs))
    page.press("#train-epochs input", "Tab")
    expect(page.locator("#train-estimate dl")).to_be_visible()
    page.click("#train-start")
    page.wait_for_url("**/runs*")


@contextmanager
def held_still(server):
    """The worker stops where it is, so that its run is not over before a page has looked at it."""
    pid = WorkerClient(server.data_dir / "worker.sock").health()["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def wait_for_end(page):
    expect(page.locator("#run-status .rs-pill")).to_have_text("Finished", timeout=LONG)


def slide(page, control, value):
    """Put a slider to a value, as a person does who types into its field."""
    field, bar = page.locator(f"{control} input[type=number]"), page.locator(f"{control} input[type=range]")

    def typed():
        """In a fold that has only just opened, Gradio does not listen yet."""
        field.fill(value)
        field.press("Tab")
        return bar.input_value() == value

    until(typed, f"{control} at {value}", every=0.2)
    expect(field).to_have_value(value)


def open_playground(page, address, run=""):
    """The page once everything that its opening brings is there."""
    page.goto(f"{address}/playground")
    expect(page.locator("#playground-run input")).to_have_value(re.compile(re.escape(run) or "."))
    expect(page.locator("#trained-0")).to_be_visible()


TURN = ".rs-play-turns > article:last-child"


def ask(page, prompt):
    """Both answers, once both are whole."""
    page.fill("#playground-prompt textarea", prompt)
    return answered(page, lambda: page.click("#playground-send"))


def ask_again(page):
    """Both answers to the last prompt, drawn anew."""
    return answered(page, lambda: page.locator(TURN).get_by_role("button", name="Answer again").click())


def answered(page, press):
    """Both answers of the turn that a press begins."""
    before = page.locator(TURN).get_attribute("data-turn")
    press()
    expect(page.locator(f"{TURN}:not([data-turn='{before}'])")).to_be_visible()  # not what is told of the answer before
    expect(page.get_by_text(re.compile("Both answered in"))).to_be_visible()
    expect(page.locator("#playground-stop")).to_be_disabled()
    return page.inner_text("#answer-base").strip(), page.inner_text("#answer-tuned").strip()


def in_a_fresh_process(adapter, prompt):
    command = [sys.executable, "-m", "app.cli", "chat", str(adapter), "--prompt", prompt, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answers = json.loads(done.stdout.strip().splitlines()[-1])
    return answers["base"].strip(), answers["tuned"].strip()


def test_from_a_real_file_to_the_same_answer_in_a_fresh_process(page, server, shared, tmp_path):
    """The one real file in a browser; other kinds go the same way without one: tests/app/test_real_files.py."""
    upload(page, server, shared / "data/instruct/identity.json")
    expect(page.locator("#dataset-found")).to_contain_text("Recognised")
    expect(page.locator("#dataset-check .rs-notice")).to_be_visible()
    said = page.inner_text("#dataset-check")
    assert "All 91 rows can be trained on with starter" in said
    assert re.search(r"75 rows in letters that starter has no tokens for", said)
    assert "85 rows with placeholders that were not filled in" in said and "{{name}}" in said
    page.click("#dataset-save")
    page.wait_for_url("**/train")
    expect(page.locator("#train-estimate")).to_contain_text("Time to train")
    assert "85 rows with placeholders" in page.inner_text("#train-estimate")
    start_run(page, 1)
    expect(page.locator("#run-status .rs-pill")).to_be_visible()
    before = page.inner_text("#run-status h2")
    expect(page.locator("#run-status .rs-facts").first).to_contain_text("step")
    with held_still(server):
        page.reload()  # in mid-run: the run is a row of the database, not of this page
        expect(page.locator("#run-status h2")).to_have_text(before)
        assert page.inner_text("#run-status .rs-pill") in ("Training", "Checking")
    wait_for_end(page)
    expect(page.locator("#run-loss-chart svg path").first).to_be_visible()
    told_without_praise(page)
    with page.expect_download() as download:
        page.click("#run-download")
    download.value.save_as(tmp_path / "adapter.zip")
    with zipfile.ZipFile(tmp_path / "adapter.zip") as archive:
        assert {"reft_config.json", "reft_model.safetensors", "README.md"} == set(archive.namelist())
        archive.extractall(tmp_path / "adapter")
    page.click("#run-playground")
    page.wait_for_url("**/playground*")
    expect(page.locator("#playground-run input")).to_have_value(re.compile(re.escape(before)))
    base, tuned = ask(page, "hi")
    assert base and base != tuned
    assert (base, tuned) == in_a_fresh_process(tmp_path / "adapter", "hi")


def told_without_praise(page):
    """Of a base model that knows nothing of the rows; answers that are garbled are not praised."""
    verdict = page.locator("#run-verdict .rs-verdict")
    expect(verdict).to_be_visible(timeout=LONG)
    assert "base model 0 of 10, tuned" in verdict.inner_text()
    assert verdict.get_attribute("data-verdict") in ("learned", "no_change", "memorised", "worse")
    assert "new answers will often be wrong or garbled" in verdict.inner_text()
    assert "good" not in verdict.get_attribute("class").split()


@pytest.fixture(scope="module")
def sampled(server, launched):
    """A run that four clicks have made, and what both models answer after the fourth."""
    tab = launched.tab()
    tab.goto(server.address)
    tab.click("#sample-emoji")
    tab.wait_for_url("**/train")
    expect(tab.locator("#train-dataset input")).to_have_value(re.compile("emoji"))
    tab.click("#train-start")
    tab.wait_for_url("**/runs*")
    wait_for_end(tab)
    name = tab.inner_text("#run-status h2")
    tab.click("#run-playground")
    tab.wait_for_url("**/playground*")
    tab.click("#suggestion-0")
    expect(tab.get_by_text(re.compile("Both answered in"))).to_be_visible()
    found = name, tab.inner_text("#answer-base"), tab.inner_text("#answer-tuned")
    forget(tab)  # a conversation is not gone on with
    return found


@pytest.fixture(scope="module")
def finished(sampled):
    """The name of a finished run; what it has learned does not matter."""
    return sampled[0]


def test_a_sample_is_four_clicks_from_the_comparison(sampled):
    _, base, tuned = sampled
    assert re.search("[a-z]{2}", base) and not re.search("[a-z]{2}", tuned)


def test_a_run_can_be_stopped_continued_and_deleted(page, server, tiny_base):
    page.goto(server.address)
    page.click("#sample-pirate")
    page.wait_for_url("**/train")
    expect(page.locator("#train-dataset input")).to_have_value(re.compile("pirate"))
    page.click("#train-base-model input")
    page.locator("#train-base-model").get_by_role("option", name=str(tiny_base)).click()
    start_run(page, 500)
    name = page.inner_text("#run-status h2")
    expect(page.locator("#run-status .rs-facts").first).to_contain_text("step")
    page.click("#run-stop")
    expect(page.locator("#run-status .rs-pill")).to_have_text("Stopped")
    expect(page.locator("#run-download")).to_be_visible()
    step = int(re.search(r"step ([\d,]+)", page.inner_text("#run-status"))[1].replace(",", ""))
    page.click("#run-resume")
    expect(page.locator("#run-status .rs-pill")).to_have_text("Training")
    page.wait_for_function(
        "step => Number((document.querySelector('#run-status').innerText.match(/step ([\\d,]+)/) || [0, '0'])[1].replace(',', '')) > step",
        arg=step,
    )
    page.click("#run-stop")
    expect(page.locator("#run-status .rs-pill")).to_have_text("Stopped")
    page.click("#run-delete")
    expect(page.locator("#run-status h2")).not_to_have_text(name)
    page.locator(".rs-runs-undo").get_by_role("button", name="Undo").click()
    page.locator(".rs-run-link", has_text=name).click()
    expect(page.locator("#run-status h2")).to_have_text(name)
    page.click("#run-delete")
    expect(page.get_by_text(f"{name} is in the bin.").first).to_be_visible()
    page.get_by_role("combobox", name="Show", exact=True).first.select_option("binned")
    expect(page.locator(".rs-run b").first).to_have_text(name)
    page.get_by_label(f"Choose {name}").check()
    page.get_by_role("button", name="Put back").click()
    page.get_by_role("combobox", name="Show", exact=True).first.select_option("all")
    page.locator(".rs-run-link", has_text=name).click()
    expect(page.locator("#run-status h2")).to_have_text(name)


def test_columns_with_other_names_are_chosen_by_hand(page, server, tmp_path):
    table = tmp_path / "odd.csv"
    table.write_text("frage,antwort\n" + "".join(f"Was ist {n}?,Zahl {n}\n" for n in range(12)), encoding="utf-8")
    page.goto(f"{server.address}/data")
    page.wait_for_selector("#dataset-upload input[type=file]", state="attached")
    page.set_input_files("#dataset-upload input[type=file]", table)
    expect(page.locator("#dataset-found")).to_contain_text("their roles are guessed")
    page.get_by_label("Role of antwort").select_option("ignore")
    page.get_by_label("Role of antwort").select_option("answer")
    page.get_by_label("Role of frage").select_option("prompt")
    expect(page.locator("#dataset-found .rs-notice.good")).to_be_visible()
    expect(page.locator("#dataset-preview .rs-row")).to_have_count(10)
    expect(page.locator("#dataset-preview")).to_contain_text("Was")
    page.click("#dataset-save")
    page.wait_for_url("**/train")
    expect(page.locator("#train-dataset input")).to_have_value(re.compile("odd · 12 rows"))


def test_a_file_that_cannot_be_used_is_refused_in_words(page, server, tmp_path):
    (tmp_path / "sheet.csv").write_bytes(b"PK\x03\x04" + b"\0" * 26 + b"xl/workbook.xml")
    page.goto(f"{server.address}/data")
    page.wait_for_selector("#dataset-upload input[type=file]", state="attached")
    page.set_input_files("#dataset-upload input[type=file]", tmp_path / "sheet.csv")
    expect(page.get_by_text(re.compile("damaged zip archive or Excel workbook"))).to_be_visible()
    expect(page.locator("#dataset-save")).not_to_be_visible()


def test_markup_in_data_and_prompts_is_shown_as_text(page, server, finished, tmp_path):
    hostile = '<img src=x onerror="document.title=\'owned\'"> ${document.title="owned"} {{value}}'
    table = tmp_path / "hostile.jsonl"
    table.write_text("".join(json.dumps({"prompt": f"{n} {hostile}", "answer": hostile}) + "\n" for n in range(5)), encoding="utf-8")
    upload(page, server, table)
    expect(page.locator("#dataset-preview")).to_contain_text("onerror")
    assert page.locator("#dataset-preview img").count() == 0
    open_playground(page, server.address)
    ask(page, hostile)
    assert page.title() == "Playground · ReFT Studio"


def test_a_strength_of_zero_is_the_base_model(page, server, finished):
    open_playground(page, server.address)
    slide(page, "#playground-strength", "0")
    base, tuned = ask(page, "What does a dog say?")
    assert base == tuned


def test_each_press_draws_anew_until_a_seed_is_kept(page, server, finished):
    open_playground(page, server.address)
    page.get_by_role("button", name="More settings").click()
    slide(page, "#playground-temperature", "1")

    def drawn(press):
        answers = press()
        expect(page.locator("#playground-told")).to_have_text(re.compile(r"with seed \d+\."))
        return answers, re.search(r"with seed (\d+)\.", page.inner_text("#playground-told"))[1]

    first, second = drawn(lambda: ask(page, "Tell me a story.")), drawn(lambda: ask_again(page))
    assert first[0] != second[0] and first[1] != second[1]
    page.click("#playground-seed-kept")
    expect(page.locator("#playground-seed textarea, #playground-seed input")).to_have_value(second[1])
    expect(page.locator("#playground-seed-kept")).to_be_hidden()
    assert drawn(lambda: ask_again(page)) == second
    expect(page.locator("#playground-seed-kept")).to_be_hidden()


def begin_long_answer(page, address, run):
    """Ask for an answer that does not come to an end by itself."""
    open_playground(page, address, run)
    page.get_by_role("button", name="More settings").click()
    slide(page, "#playground-length", "480")
    page.fill("#playground-prompt textarea", "Sing song 3.")
    page.click("#playground-send")


def test_an_answer_can_be_stopped(page, server, talkative):
    begin_long_answer(page, server.address, talkative)
    page.click("#playground-stop")
    expect(page.get_by_text("Stopped.", exact=True)).to_be_visible()
    expect(page.locator("#playground-stop")).to_be_disabled()
    page.wait_for_timeout(1000)  # whatever was under way has arrived
    expect(page.get_by_text("Stopped.", exact=True)).to_be_visible()
    cut = page.inner_text("#answer-tuned").count("la")
    _, tuned = ask_again(page)
    assert cut < tuned.count("la")
    expect(page.locator("#playground-note .rs-notice")).to_have_count(0)


def test_an_answer_that_loses_its_server_ends_with_a_sentence(page, server, talkative):
    services = make_services(Settings(data_dir=server.data_dir))  # pages of their own on the same engine, which can be taken away
    with serving(services) as site:
        begin_long_answer(page, site.address, talkative)
        expect(page.locator("#answer-tuned")).to_contain_text("la")
    expect(page.locator("#playground-note")).to_contain_text("The studio did not answer.")
    expect(page.locator(".rs-caret")).to_have_count(0)
    expect(page.locator("#playground-stop")).to_be_disabled()
    expect(page.locator("#answer-tuned")).to_contain_text("la")
    expect(page.locator(".rs-play-said-text")).to_have_text("Sing song 3.")
    services.storage.close()


def test_the_sentence_and_the_train_button_stay_in_sight_above_a_long_form(page, server, finished):
    page.set_viewport_size({"width": 1280, "height": 420})
    page.goto(f"{server.address}/train")
    expect(page.locator("#train-estimate dl")).to_be_visible()
    page.get_by_role("button", name="Advanced").click()
    expect(page.locator("#train-seed")).to_be_visible()
    for at in (0, 300, 600):
        page.evaluate("top => window.scrollTo(0, top)", at)
        expect(page.locator("#train-start")).to_be_in_viewport(ratio=1)
        expect(page.locator("#train-sentence")).to_be_in_viewport(ratio=1)
        assert page.evaluate("window.scrollY") == at


def test_an_uploads_size_is_no_link_to_a_file_that_is_not_handed_out(page, server, tmp_path):
    table = tmp_path / "rows.csv"
    table.write_text("prompt,answer\na,b\nc,d\n")
    upload(page, server, table)
    size = page.get_by_test_id("download-link")
    expect(size).to_have_text("22.0 B")
    assert size.get_attribute("href") is None and size.get_attribute("download") is None


SHOWN = """() => [document.title, document.body.innerText, ...[...document.querySelectorAll("svg text")].map((node) => node.textContent),
  ...[...document.body.querySelectorAll("*")].flatMap((node) => [...node.attributes].map((attribute) => attribute.value))]"""
"""All that a page says to anybody."""
TITLES = {
    "": "ReFT Studio", "data": "Data · ReFT Studio", "train": "Train · ReFT Studio", "runs": "Runs · ReFT Studio",
    "playground": "Playground · ReFT Studio",
}  # fmt: skip
LABELS = {
    "": ["home.use_sample", "entry.file.label"],
    "data": ["entry.file.label"],
    "train": ["pages.train"],
    "runs": ["runs.line"],
    "playground": ["playground.line"],
}
"""A text or two of each page that always stand there."""


def in_words(page, path):
    """The texts of the layout reach a browser in its language, and never as their keys."""
    for key in LABELS[path]:
        expect(page.get_by_text(say(key)).first).to_be_visible()
    no_keys(page)
    assert page.evaluate("words.away") == say("page.away") and page.evaluate("words.language") == "en"


def no_keys(page):
    shown = json.dumps(page.evaluate(SHOWN), ensure_ascii=False)
    assert "__i18n__" not in shown and "translation_metadata" not in shown


@pytest.mark.parametrize("path", TITLES)
def test_each_page_has_its_title_shows_words_and_is_never_wider_than_its_window(page, server, finished, path):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{server.address}/{path}")
    ready(page)
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    expect(page).to_have_title(TITLES[path])
    in_words(page, path)


def test_a_browser_of_another_language_is_shown_words_too(browser, server):
    context = browser.new_context(locale="fr-FR")
    page = context.new_page()
    page.set_default_timeout(MILLISECONDS)
    for path in LABELS:
        page.goto(f"{server.address}/{path}")
        ready(page)
        in_words(page, path)
    context.close()


def test_a_finished_run_shows_words_and_no_keys(page, server, finished):
    page.goto(f"{server.address}/runs")
    page.locator(".rs-run-link", has_text=finished).click()
    expect(page.locator("#run-loss-chart svg path").first).to_be_visible()
    expect(page.locator("#run-loss-chart svg")).to_have_attribute("aria-label", re.compile("Training went from"))
    no_keys(page)


@pytest.mark.parametrize("change", ["epochs=2", "positions=all", "learning_rate=0.0007"])
def test_what_a_verdict_offers_fills_the_train_page_in(page, server, finished, change):
    page.goto(f"{server.address}/runs")
    page.locator(".rs-run-link", has_text=finished).click()
    expect(page.locator("#run-status h2")).to_have_text(finished)
    run = page.url.partition("run=")[2]
    page.goto(f"{server.address}/train?run={run}&{change}")
    page.get_by_role("button", name="Advanced").click()
    name, value = change.split("=")
    field = page.locator(f"#train-{name.replace('_', '-')} input")
    expect(field).to_have_value(re.compile(re.escape(value) if name != "positions" else r"\(all\)"))
    expect(page.locator("#train-dataset input")).to_have_value(re.compile("emoji"))
