"""Compare with ...: a person presses the button on a sample's run, and reads the table once the baselines have ended."""

import re
from contextlib import closing

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from app.handlers import datasets
from app.handlers.baselines import RATES
from app.samples import find_sample
from app.services import make_services
from app.settings import Settings
from reft_engine import ReftConfig, TrainConfig
from reft_engine.spec import RunSpec
from storage import RunStatus
from tests.journeys.test_data import PHONE
from tests.journeys.test_events import STILL
from tests.journeys.test_journey import LONG
from tests.waiting import PATIENCE, until


@pytest.fixture(scope="module")
def edit(server, tiny_base):
    """An edit that has learned from a sample for an epoch, and the services of its studio."""
    services = make_services(Settings(data_dir=server.data_dir, models=[str(tiny_base)]))
    with closing(services.storage):
        dataset, sample = datasets.use_sample(services, "routing"), find_sample("routing")
        assert sample
        spec = RunSpec(
            base=str(tiny_base), reft=ReftConfig(rank=sample.rank, positions=sample.positions),
            train=TrainConfig(epochs=1, batch_size=sample.batch_size, learning_rate=sample.learning_rate, held_out=0.7),
        )  # fmt: skip
        run = services.storage.runs.create(dataset.id, spec.model_dump(mode="json"), name="Routing")
        until(lambda: services.storage.runs.get(run.id).status.ended, "the end of the edit", 3 * PATIENCE, every=0.2)
        assert services.storage.runs.get(run.id).status is RunStatus.FINISHED
        yield run, services


def violations(page):
    page.wait_for_function(STILL)
    found = Axe().run(page, context="#run-baselines", options={"resultTypes": ["violations"]}).response["violations"]
    return [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found if each["impact"] in ("serious", "critical")]


def test_baselines_are_trained_beside_an_edit_and_read_in_one_table(page, server, edit):
    run, services = edit
    page.goto(f"{server.address}/runs?run={run.id}")
    card = page.locator("#run-baselines")
    expect(card).to_contain_text("Is the edit better than LoRA on your rows?")
    expect(card).to_contain_text("3 runs for each method, one for each learning rate: 15 for all 5.")
    boxes = card.get_by_role("group", name="Methods to compare with").get_by_role("checkbox")
    expect(boxes).to_have_count(5)
    for name in ("LoRA", "DoRA", "(IA)3", "Prefix tuning", "Prompt tuning"):
        box = card.get_by_role("checkbox", name=name, exact=True)
        expect(box).to_be_checked()
        box.uncheck()
    page.click("#run-baselines-start")
    expect(page.locator("#run-baselines-note")).to_contain_text("Choose at least one method.")
    for name in ("(IA)3", "Prompt tuning"):
        card.get_by_role("checkbox", name=name, exact=True).check()
    page.click("#run-baselines-start")
    rows = page.locator("#run-baselines-table tr[data-method]")
    expect(rows).to_have_count(3)
    expect(page.locator("#run-baselines-note .rs-notice")).to_have_count(0)
    # Nothing is pressed any more: the table fills in by itself as the runs end.
    expect(page.locator("#run-baselines-table")).to_contain_text("6 of 6 runs have ended", timeout=LONG)
    assert [row.get_attribute("data-method") for row in rows.all()] == ["loreft", "ia3", "prompt"]
    expect(rows.nth(0)).to_contain_text("the edit")
    for row, method in ((rows.nth(1), "ia3"), (rows.nth(2), "prompt")):
        expect(row).to_contain_text(re.compile(r"PEFT \d"))
        links = row.locator("td a")
        expect(links).to_have_count(3)
        assert all(re.match(rf"{rate:g}: (\d|diverged)", link.inner_text()) for rate, link in zip(RATES[method], links.all(), strict=True))
    expect(page.locator("#run-baselines-table .rs-pill").first).to_have_text("best")
    table = page.inner_text("#run-baselines-table")
    assert "21 held-out rows" in table or "42 held-out rows" in table, table
    assert "with one seed (42)" in table and "one rate of its run, 0.004" in table and "not measured" not in table
    for theme in ("dark", "light"):
        page.evaluate("dark => document.body.classList.toggle('dark', dark)", theme == "dark")
        assert violations(page) == []
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page itself does not scroll sideways"
    made = services.storage.runs.of_group(f"with-{run.id}")
    assert {each.status for each in made} == {RunStatus.FINISHED} and len(made) == 6


def test_the_runs_stand_as_one_group_that_leads_back_to_the_edit(page, server, edit):
    run, services = edit
    group = services.storage.runs.group(f"with-{run.id}")
    page.goto(f"{server.address}/runs?run={run.id}")
    page.locator("#run-baselines-table").get_by_role("link", name="Beside Routing").click()
    expect(page.locator("#run-status h2")).to_have_text(group.name)
    expect(page.locator(".rs-sweep tbody tr")).to_have_count(6)
    expect(page.locator(".rs-sweep")).to_contain_text("20 virtual tokens")
    expect(page.locator(".rs-run-group", has_text="Beside Routing")).to_have_count(1)
    expect(page.locator("#run-baselines")).to_have_count(0)
    page.locator(".rs-beside-edit a").click()
    expect(page.locator("#run-status h2")).to_have_text("Routing")
    page.locator("#run-baselines-table").get_by_role("link", name="(IA)3", exact=True).click()
    expect(page.locator("#run-status h2")).to_contain_text("(IA)3, lr ")
    expect(page.locator("#run-baselines")).to_have_count(0)
