"""The picker of the Train page: where the edit acts, chosen by mouse, by keyboard and by text, and trained as it was chosen."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from app.handlers import datasets
from app.services import make_services
from app.settings import Settings
from reft_engine import ConfigError, PositionSpec, prompt_positions
from reft_engine.data import dump_examples, inspect_rows
from reft_engine.errors import PositionError
from reft_engine.spec import parse_layers
from storage import Storage
from tests.serving import serving
from tests.waiting import until

PHONE = {"width": 390, "height": 844}
WORDS = "the small cat sat on a mat and looked at the moon while rain fell softly over old roofs".split()
LENGTHS = (4, 30, 400)
"""Words of the prompts: a short row, one of usual length, a long one."""


@pytest.fixture(scope="module")
def dataset(server):
    """Rows of these lengths, the newest dataset."""
    storage = Storage(server.data_dir)
    rows = [{"prompt": " ".join(WORDS[n % len(WORDS)] for n in range(count)), "answer": f"It has {count}."} for count in LENGTHS]
    source = server.data_dir.parent / "picked.jsonl"
    source.write_bytes(dump_examples(inspect_rows(rows).examples))
    made = storage.datasets.create(
        name="lengths", label=source.name, shape="pairs", rows=3, usable_rows=3, source=source, examples=source.read_bytes()
    )
    yield made
    storage.close()


@pytest.fixture
def train(page, server, dataset):
    """The page, once the row is drawn and priced."""
    page.goto(f"{server.address}/train?dataset={dataset.id}")
    return drawn(page)


def drawn(page):
    expect(page.locator("#train-picker td.edited").first).to_be_visible()
    expect(page.locator("#train-picker-figures dl > div").nth(1)).to_be_visible()
    return page


def cell(page, layer, column):
    """A crossing; -1 is the head of the layer or of the token."""
    return page.locator(f'#train-picker [data-layer="{layer}"][data-column="{column}"]')


def press(page, name):
    page.locator("#train-picker").get_by_role("button", name=name, exact=True).click()


def layers_field(page):
    return page.locator("#train-layers input, #train-layers textarea")


def chosen(page, layers, positions, sentence=""):
    """What is chosen stands in the fields, and is said."""
    expect(layers_field(page)).to_have_value(layers)
    expect(page.locator("#train-positions input")).to_have_value(re.compile(rf"(^|\(){re.escape(positions)}\)?$"))
    if sentence:
        expect(page.locator("#train-picker-figures p")).to_contain_text(sentence)
    assert page.evaluate("localStorage.getItem('studio.positions')") in (positions, None)


def edited(page):
    """The crossings that are drawn as edited, by layer and token."""
    return page.evaluate(
        "[...document.querySelectorAll('#train-picker td[role=gridcell].edited')].map(e => [+e.dataset.layer, +e.dataset.column])"
    )


def drag(page, begin, end, keys=()):
    page.locator("#train-picker table").evaluate("table => table.scrollIntoView({ block: 'center' })")  # where nothing floats over it

    def middle(place):
        box = cell(page, *place).bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    until(lambda: middle(begin) == (page.wait_for_timeout(100), middle(begin))[1], "a page whose parts do not move any more")
    for key in keys:
        page.keyboard.down(key)
    page.mouse.move(*middle(begin))
    page.mouse.down()
    page.mouse.move(*middle(end), steps=4)
    page.mouse.move(*middle(end))  # where it is by now
    page.mouse.up()
    for key in keys:
        page.keyboard.up(key)


def columns(page):
    return page.locator('#train-picker [role="columnheader"]:not([aria-hidden])').count()


def test_it_draws_what_is_trained_on_a_short_and_on_a_long_row(train):
    chosen(train, "all", "f7+l7", "Edits the first 7 and the last 7 tokens in all 8 layers: ")
    press(train, "Shortest")
    expect(train.locator("#train-picker .rs-picker-where")).to_have_text("Row 1 of 3 by length")
    prompt = columns(train)
    first, last = prompt_positions(PositionSpec.parse("f7+l7"), prompt)
    assert prompt < 20 and sorted({column for _, column in edited(train)}) == [*first, *last]
    press(train, "Longer row")
    expect(train.locator("#train-picker .rs-picker-where")).to_have_text("Row 2 of 3 by length")
    press(train, "Longest")
    fold = train.locator('#train-picker [role="columnheader"].fold')
    expect(fold).to_contain_text(re.compile(r"\d+ tokens"))
    expect(train.locator("#train-picker td.fold.edited")).to_have_count(0)
    press(train, "Every token")
    expect(train.locator("#train-picker td.fold.edited")).to_have_count(8)
    chosen(train, "all", "all", "Edits every token of the prompt")


def test_by_mouse_clicks_and_a_rectangle(train):
    press(train, "Shortest")
    expect(train.locator("#train-picker .rs-picker-where")).to_have_text("Row 1 of 3 by length")
    end = columns(train) - 1
    drag(train, (2, 0), (5, 3))
    chosen(train, "2-5", "f4", "Edits the first 4 tokens in layers 2 to 5: ")
    assert sorted(edited(train)) == [[layer, column] for layer in range(2, 6) for column in range(4)]
    cell(train, -1, end - 1).click()
    chosen(train, "2-5", "f4+l2", "Edits the first 4 and the last 2 tokens in layers 2 to 5: ")
    cell(train, -1, end - 1).click()  # the outermost one again takes it away
    chosen(train, "2-5", "f4+l1")
    cell(train, 3, -1).click()
    chosen(train, "2;4-5", "f4+l1", "in layers 2, 4, 5: ")
    cell(train, 7, 5).click()
    chosen(train, "2;4-5;7", "f6+l1")
    cell(train, 7, 5).click()  # an edited crossing gives its layer up
    chosen(train, "2;4-5", "f6+l1")
    drag(train, (0, end), (1, end - 2), ("Shift",))
    chosen(train, "0-2;4-5", "f6+l3")
    drag(train, (0, 0), (7, end))
    chosen(train, "all", "all")


def test_nothing_at_all_cannot_be_chosen(train):
    press(train, "Last 1")
    chosen(train, "all", "l1")
    cell(train, -1, columns(train) - 1).click()
    expect(train.locator("#train-picker-heard")).to_have_text("At least one token and one layer are edited.")
    chosen(train, "all", "l1")


def test_by_keyboard_alone(train):
    press(train, "Shortest")
    expect(train.locator("#train-picker .rs-picker-where")).to_have_text("Row 1 of 3 by length")
    train.locator("#train-picker").get_by_role("button", name="The paper's").focus()
    train.keyboard.press("Enter")
    chosen(train, "1-2;5-6", "f7+l7")
    train.keyboard.press("Tab")
    here = train.locator("#train-picker [tabindex='0']:focus")
    expect(here).to_have_attribute("aria-label", re.compile("^token 1 '.*', layer 0, not edited$"))
    for key in ("ArrowUp", "ArrowUp", "ArrowUp", "ArrowRight"):
        train.keyboard.press(key)
    expect(here).to_have_attribute("aria-label", re.compile("^token 2 '.*', layer 3, not edited$"))
    assert here.evaluate("e => getComputedStyle(e).outlineStyle") == "solid", "the focus is seen"
    train.keyboard.press("Space")
    chosen(train, "1-3;5-6", "f7+l7", "in layers 1, 2, 3, 5, 6: ")
    expect(here).to_have_attribute("aria-selected", "true")
    expect(here).to_have_attribute("aria-label", re.compile("layer 3, edited$"))
    train.keyboard.press("Home")
    expect(here).to_have_attribute("aria-label", "Layer 3, edited")
    train.keyboard.press("Enter")
    chosen(train, "1-2;5-6", "f7+l7")
    train.keyboard.press("ArrowRight")
    for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
        train.keyboard.press(f"Shift+{key}")
    expect(train.locator("#train-picker td.band")).to_have_count(6)
    expect(train.locator("#train-picker-heard")).to_have_text("Enter takes the rectangle, Escape leaves it.")
    train.keyboard.press("Escape")
    expect(train.locator("#train-picker td.band")).to_have_count(0)
    train.keyboard.press("Shift+ArrowLeft")
    train.keyboard.press("Enter")
    chosen(train, "4", "f3", "Edits the first 3 tokens in layer 4: ")
    for _ in range(5):
        train.keyboard.press("ArrowDown")
    expect(here).to_have_attribute("aria-label", re.compile("^Token 2 '"))
    train.keyboard.press("Enter")
    chosen(train, "4", "f2", "Edits the first 2 tokens in layer 4: ")
    expect(train.locator("#train-picker-heard")).to_have_text(re.compile("^Edits the first 2 tokens in layer 4: "))


def test_an_answer_that_comes_late_does_not_talk_over_what_was_done_since(train):
    heard, held, holds = train.locator("#train-picker-heard"), [], [True]
    cell(train, 0, 0).focus()
    train.route("**/gradio_api/run/**", lambda route: held.append(route) if holds else route.continue_())
    train.keyboard.press("Space")
    expect(layers_field(train)).not_to_have_value("all")
    train.keyboard.press("Shift+ArrowRight")
    expect(heard).to_have_text("Enter takes the rectangle, Escape leaves it.")
    until(lambda: train.wait_for_timeout(50) or held, "the question that is answered late")
    holds.clear()
    for route in held:
        route.continue_()
    expect(train.locator("#train-picker-figures p")).not_to_contain_text("in all 8 layers")
    expect(heard).to_have_text("Enter takes the rectangle, Escape leaves it.")


def test_text_and_picker_are_in_step_both_ways(train):
    layers_field(train).fill("1;3-4")
    expect(cell(train, 3, -1)).to_have_class(re.compile("edited"))
    expect(cell(train, 0, -1)).not_to_have_class(re.compile("edited"))
    assert {layer for layer, _ in edited(train)} == {1, 3, 4}
    field = train.locator("#train-positions input")
    field.fill("f2+l5")
    field.press("Enter")
    field.press("Tab")
    expect(train.locator("#train-picker-figures p")).to_contain_text("Edits the first 2 and the last 5 tokens in layers 1, 3, 4: ")
    counts = [train.locator("#train-picker").get_by_label(name, exact=True) for name in ("Tokens from the start", "Tokens from the end")]
    assert [count.input_value() for count in counts] == ["2", "5"]
    train.get_by_label("Tokens from the end: one more").click()
    chosen(train, "1;3-4", "f2+l6")
    counts[0].fill("11")
    counts[0].press("Enter")
    chosen(train, "1;3-4", "f11+l6")
    layers_field(train).fill("1;3-")  # not yet a list
    expect(train.locator("#train-picker table")).to_have_class(re.compile("unread"))
    expect(train.locator("#train-picker .rs-picker-hint")).to_contain_text("no rule yet")
    layers_field(train).fill("7-9")
    expect(train.locator("#train-picker .rs-picker-hint")).to_have_text("This base model has layers 0 to 7.")


def test_many_choices_at_once_end_with_the_last_and_ask_no_more_than_they_must(train):
    """Gradio tells of a change several times; two fields that change together must not tell of it for ever."""
    asked = []
    train.on("request", lambda request: asked.append(request.url) if "/gradio_api/run" in request.url else None)
    train.evaluate(
        """() => { const by = name => [...document.querySelectorAll('#train-picker button')].find(each => each.textContent === name);
        for (const name of ['Last half', 'Last 7', 'All', 'First 3', 'Every fourth', 'Both ends 5']) by(name).click() }"""
    )
    chosen(train, "3;7", "f5+l5", "Edits the first 5 and the last 5 tokens in layers 3, 7: ")
    with train.expect_response(lambda response: "/gradio_api/run" in response.url):
        press(train, "Last 1")
    chosen(train, "3;7", "l1", "Edits the last token in layers 3, 7: ")
    assert len(asked) <= 16, asked


def test_each_end_may_have_an_edit_of_its_own(train):
    train.click("#train-advanced button.label-wrap")
    count = train.locator("#train-picker-figures dd b").first
    shared = int(count.inner_text().replace(",", ""))
    press(train, "Both ends share one edit")
    expect(train.locator("#train-picker table")).to_have_class(re.compile("apart"))
    expect(train.locator("#train-tied input")).not_to_be_checked()
    expect(train.locator("#train-picker .rs-picker-key").nth(1)).to_have_text("edit of the last tokens")
    expect(count).to_have_text(f"{2 * shared:,}")
    press(train, "Each end has its own edit")
    expect(train.locator("#train-picker table")).not_to_have_class(re.compile("apart"))
    expect(count).to_have_text(f"{shared:,}")


def test_a_run_trains_what_was_picked(train, server):
    # What comes late draws the row anew, perhaps under the pointer.
    until(lambda: drag(train, (2, 0), (3, 1)) or layers_field(train).input_value() == "2-3", "layers 2 and 3", every=1.0)
    cell(train, -1, columns(train) - 1).click()
    chosen(train, "2-3", "f2+l1", "Edits the first 2 tokens and the last token in layers 2 to 3: ")
    press(train, "Both ends share one edit")
    expect(train.locator("#train-picker table")).to_have_class(re.compile("apart"))
    train.fill("#train-epochs input", "1")
    train.press("#train-epochs input", "Tab")
    train.click("#train-start")
    train.wait_for_url("**/runs?run=*")
    storage = Storage(server.data_dir)
    run = storage.runs.get(train.url.partition("run=")[2])
    reft = run.spec["reft"]
    assert (reft["layers"], reft["positions"], reft["tied"]) == ([2, 3], "f2+l1", False)
    until(lambda: storage.runs.get(run.id).status.ended, "the end of the run", every=0.2)
    storage.close()


def test_the_data_pages_show_rows_with_what_was_picked(train, server):
    press(train, "First 3")
    chosen(train, "all", "f3", "Edits the first 3 tokens")
    train.goto(f"{server.address}/data?sample=pirate")
    expect(train.locator("#dataset-preview .rs-row").first.locator(".tok.edited")).to_have_count(3)


def test_a_row_without_marks_is_said_to_be_left_out_when_marks_are_asked_for(train):
    field = train.locator("#train-positions input")
    field.fill("marked")
    field.press("Enter")
    expect(train.locator("#train-picker .rs-picker-empty")).to_contain_text("Nothing is marked")
    press(train, "Last 7")
    expect(train.locator("#train-picker td.edited").first).to_be_visible()
    chosen(train, "all", "l7")


def test_on_a_phone_it_scrolls_inside_and_the_page_does_not(page, server, dataset):
    page.set_viewport_size(PHONE)
    page.goto(f"{server.address}/train?dataset={dataset.id}")
    drawn(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    scroller = page.locator("#train-picker .rs-picker-scroll")
    assert scroller.evaluate("e => e.scrollWidth > e.clientWidth")
    scroller.evaluate("e => { e.scrollLeft = e.scrollWidth }")
    head = cell(page, 0, -1)
    assert head.evaluate("e => e.getBoundingClientRect().left - e.closest('.rs-picker-scroll').getBoundingClientRect().left") < 1
    head.click()
    chosen(page, "1-7", "f7+l7")
    cell(page, 4, columns(page) - 3).click()
    chosen(page, "1-3;5-7", "f7+l7")


@pytest.mark.parametrize("size", [{"width": 1280, "height": 900}, PHONE])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_has_no_serious_fault_of_accessibility(page, server, dataset, size, theme):
    page.set_viewport_size(size)
    page.goto(f"{server.address}/train?dataset={dataset.id}&__theme={theme}")
    drawn(page)
    press(page, "Both ends share one edit")
    expect(page.locator("#train-picker table")).to_have_class(re.compile("apart"))
    found = Axe().run(page, context="#train-picker, #train-picker-figures", options={"resultTypes": ["violations"]}).response["violations"]
    assert [
        (each["id"], [node["html"][:120] for node in each["nodes"][:2]]) for each in found if each["impact"] in ("serious", "critical")
    ] == []


# The rules in the browser are those of the engine

RULES = ["l1", "l7", "f1", "f3", "f7+l7", "f5+l5", "f2+l9", "f9l2", "f40", "l40", "f9999+l9999", "all", "marked"]
WRITTEN = [
    "f7+l7",
    " F3 ",
    "l1",
    "all",
    "ALL",
    "marked",
    "f3l2",
    "f3+",
    "+l3",
    "l3+f3",
    "f",
    "",
    "f0",
    "f0+l0",
    "f0+l2",
    "f12345",
    "f1 + l 2",
    "x",
]
LISTED = [
    "all",
    " All ",
    "0",
    "0;2;4",
    "0-3",
    "3,1",
    "1-3;2-5;7",
    "5-3",
    "5-3;1",
    "",
    ";",
    ";;2",
    "-1",
    "1-",
    "a",
    "12345",
    "0-9999",
    "2;8",
    "1 - 3",
]


@pytest.fixture(scope="module")
def rules(launched, server):
    """Ask the page's own script."""
    page = launched.browser().new_page()
    page.goto(f"{server.address}/train")
    page.wait_for_function("window.studio?.picker?.rules")
    yield page.evaluate
    page.close()


def test_the_browser_clamps_positions_as_the_engine_does(rules):
    lengths = [*range(1, 40), 63, 64, 100, 2001]
    marks = [0, 2, 5]
    told = rules(
        """([written, lengths, marks]) => { const { readRule, groupOf } = studio.picker.rules;
        return written.map(text => lengths.map(length => { const groups = { first: [], last: [], '': [] };
            for (let token = 0; token < length; token += 1) groups[groupOf(readRule(text), length, token, marks)].push(token);
            return [groups.first, groups.last] })) }""",
        [RULES, lengths, marks],
    )
    for written, of_rule in zip(RULES, told, strict=True):
        spec = PositionSpec.parse(written)
        for length, groups in zip(lengths, of_rule, strict=True):
            within = [mark for mark in marks if mark < length]
            assert groups == [*prompt_positions(spec, length, within)], (written, length)


def parsed(parse, text):
    try:
        return parse(text)
    except (PositionError, ConfigError):
        return None


def test_the_browser_reads_rules_and_layers_as_the_engine_does(rules):
    written = rules(
        "texts => { const { readRule, writeRule } = studio.picker.rules; return texts.map(readRule).map(one => one && writeRule(one)) }",
        WRITTEN,
    )
    assert written == [str(spec) if (spec := parsed(PositionSpec.parse, text)) else None for text in WRITTEN]
    for count in (1, 6, 8, 32):
        read = rules("([texts, count]) => texts.map(text => studio.picker.rules.readLayers(text, count))", [LISTED, count])
        for text, found in zip(LISTED, read, strict=True):
            layers = parsed(parse_layers, text)
            if layers is None:
                assert found is None, text
                continue
            wanted = tuple(range(count)) if layers == "all" else layers
            assert found == {"layers": [each for each in wanted if each < count], "beyond": wanted[-1] >= count}, (text, count)


def test_the_browser_writes_layers_so_that_the_engine_reads_them_back(rules):
    chosen_layers = [[0], [0, 1, 2], [0, 2, 4], [1, 2, 5], [0, 1, 2, 3, 4, 5, 6, 7]]
    for layers in chosen_layers:
        text = rules("layers => studio.picker.rules.writeLayers(layers, 8)", layers)
        assert parse_layers(text) == ("all" if len(layers) == 8 else tuple(layers))


def test_a_rectangle_gives_the_smallest_rule_that_covers_it(rules):
    """Of all rules with one end or both, and of `all`, that cover the tokens, none edits fewer."""
    for length in range(1, 13):
        for begin in range(length):
            for end in range(begin, length):
                found = PositionSpec.parse(
                    rules("([a, b, n]) => studio.picker.rules.writeRule(studio.picker.rules.covering(a, b, n))", [begin, end, length])
                )
                span = set(range(begin, end + 1))
                sizes = []
                for spec in [
                    PositionSpec(every=True),
                    *(PositionSpec(f, last) for f in range(length + 1) for last in range(length + 1) if f + last),
                ]:
                    tokens = set().union(*prompt_positions(spec, length))
                    if span <= tokens:
                        sizes.append(len(tokens))
                tokens = set().union(*prompt_positions(found, length))
                assert span <= tokens and len(tokens) == min(sizes), (begin, end, length, str(found))


def test_layers_that_are_often_chosen_are_layers_of_the_model(rules):
    for count in (1, 2, 6, 8, 12, 24, 32, 48):
        presets = rules(
            "count => Object.fromEntries(Object.entries(studio.picker.rules.presets).map(([name, of]) => [name, of(count)]))", count
        )
        assert all(layers and layers == sorted(set(layers)) and layers[0] >= 0 and layers[-1] < count for layers in presets.values()), count
    assert rules("studio.picker.rules.presets.paper(32)") == [3, 9, 18, 24]
    assert rules("studio.picker.rules.presets.middle_third(12)") == [4, 5, 6, 7]
    assert rules("studio.picker.rules.presets.every_fourth(32)") == [3, 7, 11, 15, 19, 23, 27, 31]


def test_without_an_engine_nothing_is_drawn_and_everything_can_still_be_chosen(tmp_path, page):
    services = make_services(Settings(data_dir=tmp_path / "data"))
    datasets.use_sample(services, "pirate")
    with pytest.MonkeyPatch.context() as patched, serving(services) as site:
        patched.setattr(datasets, "_STARTS_WITHIN", 0.0)
        page.goto(f"{site.address}/train")
        expect(page.locator("#train-picker .rs-picker-empty")).to_contain_text("The engine is not up yet")
        press(page, "Last 7")
        chosen(page, "all", "l7", "Edits the last 7 tokens in all layers.")
        layers_field(page).fill("0-2")
        expect(page.locator("#train-picker-figures p")).to_have_text("Edits the last 7 tokens in layers 0 to 2.")
        expect(page.get_by_role("button", name="Try again")).to_be_visible()
    services.storage.close()
