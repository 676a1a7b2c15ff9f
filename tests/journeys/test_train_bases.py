"""The cards of base models on the Train page, in a browser, with a Hub on this machine."""

import json
import re
import threading

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from app.worker.client import WorkerClient
from tests.browser import WINDOW
from tests.hub import Hub, answering, way_to
from tests.journeys.conftest import running
from tests.tiny import STARTER, write_base
from tests.waiting import until

GO_ON = threading.Event()
"""Until it is set, the Hub sends half of the weights of ``owner/slow`` and waits."""


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repositories")
    tiny = write_base(folder / "tiny")

    def half(answer):
        if answer.command != "GET" or not re.match(r"/owner/slow/.*\.safetensors", answer.path) or answer.headers.get("Range"):
            return False
        body = (STARTER / "model.safetensors").read_bytes()
        answer.send_response(200)
        answer.send_header("Content-Length", str(len(body)))
        answer.end_headers()
        answer.wfile.write(body[: len(body) // 2])
        answer.wfile.flush()
        GO_ON.wait()
        answer.wfile.write(body[len(body) // 2 :])
        return True

    server = Hub({"owner/tiny": tiny, "owner/slow": STARTER}, gated={"owner/secret"})
    server.moods.append(half)
    server.said = {"owner/tiny": {"cardData": {"license": "<b>mit</b>", "language": ["en", "de"]}}}
    with answering(server):
        yield server
        GO_ON.set()


@pytest.fixture(scope="module")
def studio(hub, tmp_path_factory):
    folder = tmp_path_factory.mktemp("studio")
    team = write_base(folder / "team-model", 1)
    with running(folder / "data", REFT_STUDIO_MODELS=json.dumps([str(team)]), **way_to(hub, folder)) as started:
        until(WorkerClient(started.data_dir / "worker.sock").health, "the worker's first word", every=0.1)
        yield started


def opened(page: Page, studio, dark: bool = False) -> None:
    page.goto(f"{studio.address}/")
    if not any((studio.data_dir / "datasets").glob("*")):
        page.locator("button[id^=sample-], .rs-sample button").first.click()
        page.wait_for_url("**/train**")
    page.goto(f"{studio.address}/train{'?__theme=dark' if dark else ''}")
    expect(card(page, "starter")).to_be_visible()


def card(page: Page, name: str):
    return page.locator(f'#train-bases [role=radio][data-name="{name}"]')


def box(page: Page, name: str):
    return page.locator("#train-bases .rs-base", has=page.locator(f'[role=radio][data-name="{name}"]'))


def named(page: Page):
    return page.locator("#train-base-model input")


def name_it(page: Page, name: str) -> None:
    named(page).fill(name)
    named(page).press("Enter")


def serious(page: Page) -> list[str]:
    found = Axe().run(page, context="#train-bases").response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found if each["impact"] in ("serious", "critical")]


def test_a_card_and_the_field_say_the_same_by_pointer_keyboard_and_text(page, studio):
    opened(page, studio)
    expect(card(page, "starter")).to_have_attribute("aria-checked", "true")
    card(page, "openai-community/gpt2").click()
    expect(named(page)).to_have_value("openai-community/gpt2")
    expect(card(page, "openai-community/gpt2")).to_have_attribute("aria-checked", "true")
    card(page, "openai-community/gpt2").press("Home")
    expect(card(page, "starter")).to_be_focused()
    expect(named(page)).to_have_value(re.compile("Starter"))
    card(page, "starter").press("ArrowDown")
    focused = page.evaluate("document.activeElement.dataset.name")
    assert focused.endswith("team-model")
    expect(named(page)).to_have_value(re.compile("team-model$"))
    name_it(page, "FacebookAI/roberta-base")
    expect(card(page, "FacebookAI/roberta-base")).to_have_attribute("aria-checked", "true")
    assert page.locator('#train-bases [role=radio][aria-checked="true"]').count() == 1
    assert page.locator('#train-bases [role=radio][tabindex="0"]').count() == 1, "one stop of the tab key"


def test_any_hub_id_is_looked_up_before_a_download_and_hostile_words_are_shown_as_they_are(page, studio, hub):
    opened(page, studio)
    hub.asked.clear()
    name_it(page, "owner/tiny")
    expect(box(page, "owner/tiny")).to_contain_text("Licence: <b>mit</b>")
    expect(box(page, "owner/tiny")).to_contain_text("3 layers of 32")
    assert not any("safetensors" in path for _, path, _ in hub.asked)
    name_it(page, "owner/secret")
    expect(box(page, "owner/secret")).to_contain_text("owner/secret is gated: accept its terms on the Hub")
    expect(box(page, "owner/secret").get_by_role("button")).to_have_count(0)


def test_a_download_is_followed_cancelled_and_gone_on_with_over_a_closed_tab(page, studio):
    opened(page, studio)
    name_it(page, "owner/slow")
    box(page, "owner/slow").get_by_role("button", name="Download").click()
    bar = box(page, "owner/slow").get_by_role("progressbar")
    # Of the half that has come the library writes whole pieces of 10 MB.
    expect(bar).to_have_attribute("aria-valuenow", re.compile(r"^3\d$"))
    box(page, "owner/slow").get_by_role("button", name="Cancel").click()
    box(page, "owner/slow").get_by_role("button", name="Go on with the download").click()
    # Before that the server may not have been asked, and a tab that is closed takes its request along.
    expect(box(page, "owner/slow").get_by_role("button", name="Go on with the download")).to_have_count(0)
    page.goto("about:blank")
    GO_ON.set()
    opened(page, studio)
    expect(box(page, "owner/slow")).to_contain_text("on this machine")
    expect(box(page, "owner/slow")).to_contain_text("Reads your rows:")
    box(page, "owner/slow").get_by_role("button", name="Delete from the cache").click()
    expect(box(page, "owner/slow")).to_contain_text("of this machine?")
    box(page, "owner/slow").get_by_role("button", name="Keep it").click()
    expect(box(page, "owner/slow").get_by_role("button", name="Delete from the cache")).to_be_focused()
    box(page, "owner/slow").get_by_role("button", name="Delete from the cache").click()
    box(page, "owner/slow").get_by_role("button", name="Delete it").click()
    expect(card(page, "owner/slow")).to_have_count(0)


def test_rows_are_read_and_fewer_bits_need_less_memory(page, studio):
    opened(page, studio)
    expect(box(page, "starter")).to_contain_text(re.compile(r"Reads your rows: \d+%"))
    before = card(page, "starter").locator(".rs-base-why").inner_text()
    page.locator("#train-advanced button.label-wrap").click()
    page.locator("#train-precision input").click()
    page.get_by_role("option", name="16 bits (bfloat16)").click()
    expect(card(page, "starter").locator(".rs-base-why")).not_to_have_text(before)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_cards_are_for_everybody_on_every_screen(page, studio, width, dark):
    page.set_viewport_size({**WINDOW, "width": width})
    opened(page, studio, dark)
    page.get_by_role("button", name=re.compile("Show all")).click()
    expect(page.locator("#train-bases [role=radio]")).to_have_count(28)
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
