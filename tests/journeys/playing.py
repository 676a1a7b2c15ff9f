"""What journeys through the Playground share: runs that answer, and a page that asks them."""

from playwright.sync_api import expect

from reft_engine.data import inspect_rows
from storage import RunRecord, Storage
from tests.journeys.conftest import trained

ROWS = [{"prompt": f"What is {n} cat?", "answer": f"cat {n}."} for n in range(12)]


def counting(server, name) -> RunRecord:
    """A run that counts cats; it has not learned for long enough to do it well, so that there is something to correct."""
    called = trained(server, name, inspect_rows(ROWS).examples, epochs=2, learning_rate=2e-2, batch_size=4, held_out=0.25)
    store = Storage(server.data_dir)
    found = next(run for run in store.runs.newest(50) if run.name == called)
    store.close()
    return found


def opened(page, server, **address):
    """The Playground, once it has its runs."""
    query = "&".join(f"{name}={value}" for name, value in address.items())
    page.goto(f"{server.address}/playground?{query}")
    page.wait_for_function("window.studio?.play?.now()?.runs().length > 0")
    expect(page.locator("#playground-run input")).not_to_have_value("")


def pick(page, name):
    """Choose a run of the page's list by what it is called there."""
    page.locator("#playground-run input").click()
    page.locator("#playground-run [role=option]", has_text=name).click()


def ask(page, prompt):
    """Ask, and wait for all answers."""
    page.fill("#playground-prompt textarea", prompt)
    page.click("#playground-send")
    expect(page.locator(".rs-play-said-text").last).to_have_text(prompt)
    answered(page)


def answered(page):
    """Wait until nothing is being written."""
    page.wait_for_function("!studio.play.now().going() && studio.play.now().document().turns.at(-1).answers.every((one) => one.ended)")


def document(page):
    """The conversation that the page holds."""
    return page.evaluate("studio.play.now().document()")
