"""Mixing in the Playground as a person does it: runs, weights, answers before anything is saved, a column, and the run that is kept."""

from dataclasses import dataclass

import pytest
from playwright.sync_api import expect

from app import chats
from app.words import say
from app.worker.client import WorkerClient
from reft_engine import ReftConfig, TrainConfig
from reft_engine.data import dump_examples, inspect_rows
from reft_engine.spec import RunSpec
from storage import RunRecord, RunStatus, Storage
from tests.browser import WINDOW
from tests.chatting import column, said
from tests.journeys.conftest import Server, running
from tests.journeys.playing import pick
from tests.journeys.test_data import PHONE
from tests.journeys.test_train_spec import serious
from tests.waiting import PATIENCE, until

HOSTILE = '<b>Dogs</b> ${document.title="owned"} {name}'
ROWS = {"cats": [{"prompt": f"What is {n} cat?", "answer": f"cat {n}."} for n in range(16)],
        "dogs": [{"prompt": f"Where is {n} dog?", "answer": f"dog {n}, there."} for n in range(16)]}  # fmt: skip
PROMPTS = ("What is 3 cat?", "Where is 4 dog?")
LENGTH = 96
"""Tokens of a sample."""


@dataclass(frozen=True)
class Studio:
    server: Server
    store: Storage
    cats: RunRecord
    dogs: RunRecord
    rule: RunRecord
    red: RunRecord

    @property
    def worker(self) -> WorkerClient:
        return WorkerClient(self.server.data_dir / "worker.sock")


@pytest.fixture(scope="module")
def studio(tmp_path_factory, tiny_base):
    """Two runs that can be mixed, one of another position rule and one of another kind, trained by the server's own worker."""
    folder = tmp_path_factory.mktemp("mix") / "data"
    with running(folder, OMP_NUM_THREADS="1") as server:
        store = Storage(folder)
        datasets = {name: store.datasets.create(
            name=name, label=f"{name}.csv", shape="pairs", rows=16, usable_rows=16, examples=dump_examples(inspect_rows(rows).examples)
        ) for name, rows in ROWS.items()}  # fmt: skip

        def run(dataset, name, **reft):
            reft = {"rank": 2, "positions": "f1+l1", **reft}
            settings = TrainConfig(epochs=2, batch_size=6, held_out=0.25, learning_rate=5e-2, keep="last")
            spec = RunSpec(base=str(tiny_base), reft=ReftConfig(**reft), train=settings)
            return store.runs.create(datasets[dataset].id, spec.model_dump(mode="json"), name=name)

        runs = [run("cats", "Cats"), run("dogs", HOSTILE, method="direft"), run("cats", "Rule", positions="l1"),
                run("cats", "Red", method="red")]  # fmt: skip
        for each in runs:
            until(lambda each=each: store.runs.get(each.id).status.ended, f"the end of {each.name}", 3 * PATIENCE, every=0.2)
            assert store.runs.get(each.id).status is RunStatus.FINISHED, store.runs.get(each.id).sentence
        yield Studio(server, store, *(store.runs.get(each.id) for each in runs))
        store.close()


@pytest.fixture(autouse=True)
def _nothing_is_left(studio, page):
    before = {run.id for run in studio.store.runs.all()}
    page.set_viewport_size(WINDOW)
    yield
    for run in studio.store.runs.all():
        if run.id not in before:
            studio.store.runs.delete(run.id)


def show(page, studio, *runs, theme="light"):
    """The panel, with runs that the address asks for."""
    asked = f"mix={','.join(run.id for run in runs)}" if runs else f"run={studio.cats.id}"
    page.goto(f"{studio.server.address}/playground?{asked}&__theme={theme}")
    panel = page.locator("#playground-mix")
    if not runs:
        page.click("#playground-mix button.label-wrap")
    expect(panel.get_by_role("checkbox")).to_have_count(4)
    expect(panel.get_by_role("checkbox", checked=True)).to_have_count(len(runs))
    return panel


def box(panel, run):
    return panel.locator(f'[data-key="run {run.id}"]')


def line(panel, run):
    return panel.locator("li.refused").filter(has=panel.page.locator(f'[data-key="run {run.id}"]'))


def weigh(panel, run, weight):
    panel.get_by_label(f"Weight of {run.name}", exact=True).fill(str(weight))


def attempt(panel, prompts=PROMPTS):
    """The samples, as texts by their prompts."""
    panel.get_by_label("Prompts to try, one a line").fill("\n".join(prompts))
    panel.get_by_role("button", name="Try it").click()
    expect(panel.get_by_text(f"{len(prompts)} of {len(prompts)} prompts are answered.")).to_be_visible()
    expect(panel.get_by_role("button", name="Save as a run")).to_be_enabled()
    return [panel.locator("article").nth(at).locator(".rs-answer-text").all_inner_texts() for at in range(len(prompts))]


def answers(studio, *columns, prompts=PROMPTS, length=LENGTH):
    """What columns answer, by the worker itself; a list for each prompt."""
    return [
        said(list(studio.worker.chat({
            "columns": list(columns), "base": studio.cats.base, "messages": [{"role": "user", "content": prompt}], "max_new_tokens": length,
        })))
        for prompt in prompts
    ]  # fmt: skip


def total(*weights):
    """How the page writes Cats, and the other run, with weights."""
    return " + ".join(say("mixes.told.part", weight=weight, name=name) for weight, name in zip(weights, ("Cats", HOSTILE), strict=False))


def mixed(*parts):
    return {"kind": "mix", "parts": [{"run": run.id, "weight": weight} for run, weight in parts]}


def shown(texts):
    """Texts as a page has them, whose ends of lines are no difference."""
    return [[text.strip() for text in each] for each in texts]


def test_a_run_that_cannot_be_mixed_says_why_and_names_both_rules(page, studio):
    panel = show(page, studio)
    expect(panel.get_by_text("An exact sum of edits is not a sum of behaviours")).to_be_visible()
    expect(panel.locator(".rs-mix-formula")).to_have_text("Choose at least two runs.")
    expect(panel.get_by_role("button", name="Try it")).to_be_disabled()
    box(panel, studio.cats).check()
    rule, red = (line(panel, run) for run in (studio.rule, studio.red))
    for refused, words in ((rule, ("f1+l1", "l1", "Cats")), (red, ("LoReFT", "RED", "Cats"))):
        expect(refused.get_by_role("checkbox")).to_be_disabled()
        for word in words:
            expect(refused.locator("p")).to_contain_text(word)
    expect(box(panel, studio.dogs)).to_be_enabled()
    box(panel, studio.cats).uncheck()
    expect(panel.locator("li.refused")).to_have_count(0)
    box(panel, studio.rule).check()
    expect(panel.locator("li.refused")).to_have_count(3)


def test_weights_are_set_by_slider_number_and_buttons_and_said_as_a_formula(page, studio):
    panel = show(page, studio)
    for run in (studio.cats, studio.dogs):
        box(panel, run).check()
    formula = panel.locator(".rs-mix-formula b")
    expect(formula).to_have_text(total(0.5, 0.5))
    weigh(panel, studio.cats, -0.25)
    expect(formula).to_have_text(total(-0.25, 0.5))
    expect(panel.get_by_label("Weight of Cats, as a slider")).to_have_value("-0.25")
    panel.get_by_label(f"Weight of {HOSTILE}, as a slider").fill("3")
    expect(formula).to_have_text(total(-0.25, 3))
    expect(panel.get_by_label(f"Weight of {HOSTILE}", exact=True)).to_have_value("3")
    expect(panel.get_by_text("The weights sum to 2.75.")).to_be_visible()
    weigh(panel, studio.cats, 4)
    expect(panel.get_by_role("alert").get_by_text("Weights go from -2 to 3.")).to_be_visible()
    panel.get_by_role("button", name="Each in full").click()
    expect(formula).to_have_text(total(1, 1))
    panel.get_by_role("button", name="In equal parts").click()
    expect(formula).to_have_text(total(0.5, 0.5))
    for run in (studio.cats, studio.dogs):
        weigh(panel, run, 0)
    expect(panel.locator(".rs-mix-formula")).to_have_text("Give at least one run a weight other than 0.")
    expect(panel.get_by_role("button", name="Try it")).to_be_disabled()
    assert page.title() != "owned" and panel.locator("li b b").count() == 0, "a name was taken for markup"


def test_base_runs_and_mix_answer_before_it_is_saved_and_the_saved_run_answers_as_the_live_mix(page, studio):
    panel = show(page, studio, studio.cats, studio.dogs)
    expect(panel.get_by_role("button", name="Save as a run")).to_be_disabled()
    proposed = panel.get_by_label("Prompts to try, one a line").input_value().split("\n")
    assert len(proposed) == 4 and any("cat" in text for text in proposed) and any("dog" in text for text in proposed)
    weigh(panel, studio.cats, 0.6)
    weigh(panel, studio.dogs, 0.7)
    found = attempt(panel)
    live = mixed((studio.cats, 0.6), (studio.dogs, 0.7))
    expected = answers(studio, column(), column(studio.cats.id), column(studio.dogs.id), live)
    assert shown(found) == shown(expected)
    assert any(texts[3] not in texts[:3] for texts in expected), "a mix that answers like another column shows nothing"
    assert len(studio.store.runs.all()) == 4, "nothing is saved yet"
    weigh(panel, studio.cats, 0.5)
    expect(panel.get_by_text("These answers are of other weights or runs.")).to_be_visible()
    expect(panel.get_by_role("button", name="Save as a run")).to_be_disabled()
    weigh(panel, studio.cats, 0.6)
    panel.get_by_label("Name of the run").fill("Cats and dogs")
    panel.get_by_role("button", name="Save as a run").click()
    expect(panel.get_by_text("Cats and dogs is a run now.")).to_be_visible()
    (made,) = [run for run in studio.store.runs.all() if run.name == "Cats and dogs"]
    kept = answers(studio, column(made.id))
    assert [texts[0] for texts in kept] == [texts[3] for texts in expected]
    assert panel.get_by_role("link", name="Open the run").get_attribute("href") == f"runs?run={made.id}"
    panel.get_by_role("link", name="Talk to it").click()
    expect(page.locator("#playground-run input")).to_have_value("Cats and dogs · dogs")


def test_the_weights_1_and_0_are_the_run(page, studio):
    panel = show(page, studio, studio.cats, studio.dogs)
    weigh(panel, studio.cats, 1)
    weigh(panel, studio.dogs, 0)
    expect(panel.locator(".rs-mix-formula b")).to_have_text(total(1))
    found = attempt(panel)
    alone = answers(studio, column(studio.cats.id))
    assert [texts[1] == texts[2] for texts in found] == [True, True]
    assert shown([[texts[2]] for texts in found]) == shown(alone)


def test_a_mix_is_a_column_with_a_strength_of_its_own_that_reload_keeps(page, studio):
    panel = show(page, studio, studio.cats, studio.dogs)
    panel.get_by_role("button", name="As a column").click()
    expect(panel.get_by_text("The mix is a column of the conversation now.")).to_be_visible()
    page.locator("#playground-prompt textarea").fill(PROMPTS[0])
    page.click("#playground-send")
    expect(page.locator("#playground-told")).to_contain_text("All")
    ((text,),) = answers(studio, mixed((studio.cats, 0.5), (studio.dogs, 0.5)), prompts=PROMPTS[:1], length=128)
    answer, name = page.locator("#answer-2"), say("playground.told.mix", parts=total(0.5, 0.5))
    assert answer.inner_text().strip() == text.strip()
    expect(page.get_by_role("region", name=name).first).to_contain_text("strength 1")
    page.get_by_label(f"Strength of {name}").fill("0")
    page.get_by_label(f"Strength of {name}").press("Tab")
    expect(page.get_by_role("region", name=name).first).to_contain_text("strength 0")
    expect(answer).to_have_text(page.locator("#answer-base").inner_text())
    page.reload()
    expect(page.get_by_role("region", name=name).first).to_contain_text("strength 0")


def test_another_run_of_the_same_base_model_leaves_the_mix_as_it_is(page, studio):
    panel = show(page, studio, studio.cats, studio.dogs)
    weigh(panel, studio.cats, 0.25)
    panel.get_by_label("Prompts").fill(PROMPTS[1])
    pick(page, studio.rule.name)
    expect(page.locator("#playground-columns .rs-pane").nth(1)).to_contain_text(studio.rule.name)
    expect(box(panel, studio.cats)).to_be_checked()
    expect(box(panel, studio.dogs)).to_be_checked()
    expect(panel.get_by_label(f"Weight of {studio.cats.name}", exact=True)).to_have_value("0.25")
    expect(panel.get_by_label("Prompts")).to_have_value(PROMPTS[1])


def test_layers_and_groups_of_a_mix_are_switched_as_those_of_a_run_are(page, studio):
    panel = show(page, studio, studio.cats, studio.dogs)
    panel.get_by_role("button", name="As a column").click()
    page.locator("#playground-prompt textarea").fill(PROMPTS[0])
    page.click("#playground-send")
    expect(page.locator("#playground-told")).to_contain_text("All")
    answer, base = page.locator("#answer-2"), page.locator("#answer-base").inner_text()
    assert answer.inner_text() != base
    page.click("#playground-layers summary")
    switches = page.locator("#playground-layers > div").last
    expect(switches.locator("b")).to_have_text(say("playground.told.mix", parts=total(0.5, 0.5)))
    layers, groups = switches.locator("fieldset").nth(0), switches.locator("fieldset").nth(1)
    expect(groups.get_by_role("checkbox")).to_have_count(2)
    for number in range(layers.get_by_role("checkbox").count()):
        layers.get_by_role("checkbox").nth(number).uncheck()
    expect(answer).to_have_text(base)
    pane = page.locator(".rs-pane", has=answer)
    expect(pane.locator(".rs-pane-title")).to_contain_text(say("answering.no_layers"))
    layers.get_by_role("checkbox").nth(1).check()
    groups.get_by_role("checkbox").nth(0).uncheck()
    expect(pane.locator(".rs-pane-title")).to_contain_text(say("answering.groups.suffix"))
    some = {**mixed((studio.cats, 0.5), (studio.dogs, 0.5)), "layers": [1], "groups": ["suffix"]}
    ((wanted,),) = answers(studio, some, prompts=PROMPTS[:1], length=128)
    expect(answer).to_have_text(wanted.strip())

    def kept():
        """How the mix answered, as the saved conversation has it."""
        document = chats.read(studio.store.chats.read(studio.store.chats.page(1)[0][0].id)[1])
        return [(each.made_by.layers, each.made_by.groups) for each in document.turns[0].answers if each.made_by.kind == "mix"]

    until(lambda: kept() == [((1,), ("suffix",))], "the conversation with what acts")
    link = page.url
    page.evaluate("sessionStorage.clear()")
    page.goto("about:blank")
    page.goto(link)
    expect(answer).to_have_text(wanted.strip())
    page.click("#playground-layers summary")
    expect(layers.get_by_role("checkbox", checked=True)).to_have_count(1)
    expect(groups.get_by_role("checkbox", checked=True)).to_have_count(1)


def test_two_runs_that_are_ticked_open_the_playground_with_them(page, studio):
    page.goto(f"{studio.server.address}/runs")
    for run in (studio.dogs, studio.cats):
        page.get_by_role("checkbox", name=f"Choose {run.name}").check()
    page.locator(".rs-runs-several").get_by_role("link", name="Mix").click()
    page.wait_for_url("**/playground?mix=*")
    panel = page.locator("#playground-mix")
    expect(panel.locator(".rs-mix-formula b")).to_contain_text(total(0.5))
    expect(panel.get_by_role("checkbox", checked=True)).to_have_count(2)


def test_what_the_address_asks_for_and_cannot_be_mixed_is_said(page, studio):
    page.goto(f"{studio.server.address}/playground?mix={studio.cats.id},{studio.rule.id},nothing")
    panel = page.locator("#playground-mix")
    expect(panel.get_by_role("alert")).to_contain_text("A run that was asked for is not here any more.")
    expect(line(panel, studio.rule)).to_contain_text("f1+l1")
    expect(panel.get_by_role("checkbox", checked=True)).to_have_count(1)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("window", [WINDOW, PHONE], ids=["wide", "phone"])
def test_the_panel_can_be_used_by_all_and_fits(page, studio, theme, window):
    page.set_viewport_size(window)
    panel = show(page, studio, studio.cats, studio.dogs, theme=theme)
    attempt(panel, PROMPTS[:1])
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than its window"
