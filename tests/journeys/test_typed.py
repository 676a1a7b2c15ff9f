"""What is typed in the moment in which an accordion or a tab opens stands, although Gradio fills its fields once more."""

import pytest

from reft_engine.data import dump_examples, inspect_rows
from storage import Storage
from tests.browser import WINDOW

TYPED = """([open, field, typed]) => new Promise((done) => {
  const act = () => {
    const found = document.querySelector(field);
    if (!found) return;
    watch.disconnect();
    if (found.type === "checkbox") found.click();
    else {
      found.value = typed;
      found.dispatchEvent(new Event("input", { bubbles: true }));
    }
    let frames = 40; // more than Gradio needs to fill it, with its parts all loaded
    const told = () => done(found.type === "checkbox" ? String(found.checked) : found.value);
    const next = () => ((frames -= 1) ? requestAnimationFrame(next) : told());
    requestAnimationFrame(next);
  };
  const watch = new MutationObserver(act);
  watch.observe(document, { childList: true, subtree: true });
  document.querySelector(open).click();
})"""
"""Opens what is named, types at the first moment at which the field is there, and returns what it holds a while later."""


@pytest.fixture(scope="module")
def dataset(server):
    """The id of a dataset that is kept, without which the Train page offers nothing to fill in."""
    rows = dump_examples(inspect_rows([{"prompt": f"What is {n} cat?", "answer": f"cat {n}."} for n in range(20)]).examples)
    storage = Storage(server.data_dir)
    made = storage.datasets.create(name="Cats", label="cats.csv", shape="pairs", rows=20, usable_rows=20, examples=rows)
    storage.close()
    return made.id


@pytest.fixture
def page(browser):
    """A tab of its own, since how slow one is stays with it."""
    tab = browser.new_page(viewport=WINDOW)
    yield tab
    tab.close()


@pytest.mark.parametrize(
    ("path", "opened", "field", "typed"),
    [
        ("dataset?id=", "#kept-dividing button.label-wrap", "#kept-split-share input", "3"),
        ("dataset?id=", "#kept-naming button.label-wrap", "#kept-name textarea, #kept-name input", "Mine"),
        ("train?dataset=", "#train-presets button.label-wrap", "#train-preset-base input", "true"),
    ],
)
@pytest.mark.parametrize("slower", [1, 6])
def test_what_is_typed_while_its_accordion_or_tab_opens_stands(page, server, dataset, path, opened, field, typed, slower):
    page.goto(f"{server.address}/{path}{dataset}")
    page.locator(opened).wait_for()
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slower})
    assert page.evaluate(TYPED, [opened, field, typed]) == typed
