"""Train: one sentence and one button, goals with their settings, objectives by the rows, and what was changed."""

import os
import re

import pytest
from playwright.sync_api import expect

from app.handlers import datasets
from app.services import make_services
from app.settings import Settings
from reft_engine.spec import RunSpec
from storage import Storage
from tests.app.conftest import running_worker
from tests.browser import WINDOW
from tests.journeys.test_data import PHONE, bring, table
from tests.journeys.test_events import violations
from tests.serving import serving
from tests.settings.examples import SETTINGS, another

TEACHING = "#train-sentence .rs-teaching"


def kept(page, server, rows):
    """A teacher's own file, kept; the Train page is open on it."""
    page.goto(f"{server.address}/data")
    bring(page, table(rows))
    expect(page.locator("#dataset-save")).to_be_visible()
    page.click("#dataset-save")
    page.wait_for_url("**/train**")
    expect(page.locator("#train-estimate dl")).to_be_visible()


def choose(page, group, name):
    page.get_by_role("radio", name=name).check()


def run_of(page, server):
    """The spec of the run that the page has led to."""
    page.wait_for_url("**/runs?run=*")
    storage = Storage(server.data_dir)
    spec = RunSpec.read(storage.runs.get(re.search(r"run=(\w+)", page.url)[1]).spec)
    storage.close()
    return spec


QUESTIONS = [("prompt", "answer"), *((f"What is {n} and one?", f"It is {n + 1}.") for n in range(40))]
REVIEWS = [("text", "label"), *((f"Book {n} was {'great' if n % 2 else 'dull'}.", "good" if n % 2 else "bad") for n in range(40))]


@pytest.mark.parametrize("size", [WINDOW, PHONE])
def test_a_teachers_own_file_becomes_a_run_without_opening_advanced(page, server, size):
    page.set_viewport_size(size)
    kept(page, server, QUESTIONS)
    expect(page.locator(TEACHING)).to_have_text(re.compile(r"^Teach the starter 40 examples of 'rows': about .+ to download\.$"))
    expect(page.locator("#train-goal input:checked + span")).to_have_text("Change the style")
    expect(page.locator("#train-changes")).not_to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert not violations(page)
    page.get_by_role("button", name="Train", exact=True).focus()
    page.keyboard.press("Enter")
    assert run_of(page, server).train.learning_rate == 4e-3


MINE = {
    "precision": "bfloat16", "method": "direft", "activation": "tanh", "layers": "0", "keep": "last", "reuse": "depth",
    "warmup_ratio": 0.2, "weight_decay": 0.05, "max_grad_norm": 0.5, "dropout": 0.1, "held_out": 0.2, "learning_rate": 0.003,
    "head_learning_rate": 0.004, "preference_beta": 0.2,
}  # fmt: skip
"""Values of one's own where any other than the default would not do."""
OF_LABELS = ("labels", "pooling", "head_learning_rate")


def put(page, row, value):
    """Set a setting on the page as a person does."""
    part = page.locator(f"#train-{'base-model' if row.name == 'base' else row.name.replace('_', '-')}")
    if row.kind == "switch":
        part.locator("input").click()
    elif row.kind == "choice" and not row.free:
        title = next(title for title, key in row.choices if key == value)
        part.locator("input").fill(title)
        page.locator("[role=option]", has_text=title).first.click()
    else:
        part.locator("input, textarea").first.fill(str(value))
        part.locator("input, textarea").first.press("Enter" if row.free else "Tab")


def test_an_engineer_sets_every_setting_once_and_finds_it_in_the_run(page, server, tiny_base):
    kept(page, server, [("prompt", "answer"), *((f"Say {name}.", label) for name in range(20) for label in ("red", "blue"))])
    values = {name: another(row) for name, row in SETTINGS.items()} | MINE
    values |= {"base": str(tiny_base), "labels": "red, blue", "revision": "main"}
    address = page.url
    for names in ([name for name in values if name not in OF_LABELS], ["base", *OF_LABELS]):
        page.goto(address)
        expect(page.locator("#train-estimate dl")).to_be_visible()
        page.click("#train-advanced > button")
        put(page, SETTINGS["base"], values["base"])
        expect(page.locator(TEACHING)).to_contain_text(str(tiny_base))
        for name in names[1:]:
            put(page, SETTINGS[name], values[name])
        changed = len({*names} - {"base", "revision"})
        expect(page.locator("#train-advanced > button")).to_contain_text(f"Advanced: {changed} changed")
        page.click("#train-start")
        settings = run_of(page, server).settings()
        wanted = RunSpec.of_settings({name: values[name] for name in names}).settings()
        assert {name: settings[name] for name in names} == {name: wanted[name] for name in names}


def test_an_engine_that_comes_late_is_asked_again(tmp_path, page, monkeypatch):
    services = make_services(Settings(data_dir=tmp_path / "data"))
    datasets.use_sample(services, "pirate")
    monkeypatch.setattr(datasets, "_STARTS_WITHIN", 0.0)
    with serving(services) as site:
        page.goto(f"{site.address}/train")
        expect(page.locator(TEACHING)).to_contain_text("a time that the engine cannot tell yet")
        with running_worker(services, dict(os.environ)):
            expect(page.locator(TEACHING)).to_contain_text(re.compile(r"examples of '.+': about .+ to download"))
    services.storage.close()


def test_a_goal_brings_its_settings_says_why_and_what_is_changed_is_counted(page, server):
    kept(page, server, QUESTIONS)
    choose(page, "goal", "Answer and reason")
    expect(page.locator("#train-rank input")).to_have_value("8")
    expect(page.locator("#train-rank")).to_contain_text("Suggested: it suits the goal 'Answer and reason'.")
    expect(page.locator("#train-goal-about")).to_contain_text("LoRA was better")
    advanced = page.locator("#train-advanced > button")
    expect(advanced).to_have_text(re.compile("^Advanced"))
    page.fill("#train-rank input", "2")
    expect(advanced).to_contain_text("Advanced: 1 changed from the preset")
    page.fill("#train-epochs input", "3")
    expect(advanced).to_contain_text("Advanced: 2 changed from the preset")
    advanced.click()
    expect(page.locator("#train-changes li")).to_have_text([re.compile("^Rank.*preset: 8"), re.compile("^Epochs.*preset: ")])
    page.click("#train-back")
    expect(page.locator("#train-rank input")).to_have_value("8")
    expect(page.locator("#train-changes")).to_contain_text("All settings are as the preset suggests them.")
    assert not violations(page)


def test_texts_with_labels_can_be_classified_instead_of_written(page, server):
    kept(page, server, REVIEWS)
    expect(page.locator("#train-goal input:checked + span")).to_have_text("Classify texts")
    expect(page.locator("#train-objective input:checked + span")).to_have_text("To write the answers")
    choose(page, "objective", "To choose among the labels")
    expect(page.locator("#train-learns")).to_contain_text("one of 2 labels")
    expect(page.locator(TEACHING)).to_contain_text("Teach the starter to label 40 texts")
    page.click("#train-start")
    assert set(run_of(page, server).reft.labels) == {"good", "bad"}


def test_of_pairs_the_preferred_answers_can_be_learned_alone(page, server):
    rows = [("prompt", "chosen", "rejected"), *((f"Say {n}.", f"{n}, gladly.", f"No {n}.") for n in range(12))]
    kept(page, server, rows)
    expect(page.locator("#train-goal input:checked + span")).to_have_text("Steer by pairs")
    expect(page.locator("#train-learns")).to_contain_text("likelier than the rejected one")
    choose(page, "objective", "To write the preferred answers")
    expect(page.locator("#train-learns")).to_contain_text("the rejected one is left aside")
    page.click("#train-start")
    assert run_of(page, server).train.pairs == "preferred"


def test_what_is_missing_stands_on_the_button(page, server):
    kept(page, server, QUESTIONS)
    field = page.locator("#train-base-model input")
    field.fill("")
    field.press("Tab")
    expect(page.locator("#train-start")).to_have_text(re.compile("Train|Choose a base model"))
