"""What is looked at in the Playground, drawn in a real browser: heat map, lens, tints and proof, by mouse, keyboard and touch."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from app.components.theme import CSS, head, theme

ADDRESS = "http://studio.test/"
HOSTILE = "<img src=x onerror=window.hurt=1>"
STYLES = f"<style>{theme()._get_theme_css()}</style><style>{CSS}</style>"
INSIDE = '<main class="gradio-container"><h1>Looks</h1><div id="drawn"></div></main>'
BODY = f'<body style="background: var(--body-background-fill); color: var(--body-text-color)">{INSIDE}</body>'
PAGE = f'<!doctype html><html lang="en"><head><title>Looks</title>{head()}{STYLES}</head>{BODY}</html>'
TOKENS = [("<|im_start|>", True), ("·a\u202e", False), (HOSTILE, False), ("⏎", True)]
MAP = {
    "layers": [2, 5, 7],
    "tokens": [{"place": place, "id": place, "text": text, "edited": edited} for place, (text, edited) in enumerate(TOKENS)],
    "change": [[0.5, 0.0, 0.0, 2.0], [1.0, 0.0, 0.0, 4.5], [0.0, 0.0, 0.0, None]],
    "hidden": [[10.0, 9.0, 9.0, 10.0], [10.0, 9.0, 9.0, 10.0], [10.0, 9.0, 9.0, 10.0]],
    "share": [[0.05, 0.0, 0.0, 0.2], [0.1, 0.0, 0.0, 0.45], [0.0, 0.0, 0.0, None]],
    "total": 4,
    "gap": 0,
    "sentence": "2 tokens are edited.",
    "left_out": "",
}


def likely(*pairs):
    return [{"id": at, "text": text, "probability": probability} for at, (text, probability) in enumerate(pairs)]


LENS = {"before": likely(("·a", 0.5), (HOSTILE, 0.25)), "after": likely(("·b", 0.75), ("·c", 0.00001)), "sentence": "It says ·a."}


def token(text, shown, base, tuned):
    return {
        "text": text,
        "shown": shown,
        "id": 7,
        "base_probability": base,
        "tuned_probability": tuned,
        "base_alternatives": LENS["before"],
    }


ANSWER = [
    token("It", "It", 0.5, 0.9), token(" is", "·is", 0.9, 0.2), token("", "⋯", 0.3, 0.3), token("🐱", "🐱", 0.3, 0.301),
    token("\n", "⏎", 0.1, 0.4), token(HOSTILE, HOSTILE, 0.1, None), token("", "<|im_end|>", 0.99, 0.99),
]  # fmt: skip
TINTS = {"tokens": ANSWER, "sentence": "Moved most: ·is.", "left_out": ""}
TEXT = "".join(each["text"] for each in ANSWER)


@pytest.fixture
def drawing(page):
    """A page that has the studio's scripts and styles and nothing else; draws what is given."""
    page.route(f"{ADDRESS}**", lambda route: route.fulfill(body=PAGE, content_type="text/html; charset=utf-8"))
    page.goto(ADDRESS)

    def draw(name, data):
        drawn = f"studio.seen.{name}(document.querySelector('#drawn'), data, (...given) => pressed.push(given))"
        page.evaluate(f"data => {{ window.pressed = []; {drawn}; }}", data)
        return page

    yield draw
    assert page.evaluate("window.hurt ?? 0") == 0, "a token was taken for markup"


def focused(page):
    return page.evaluate("[document.activeElement.dataset.row, document.activeElement.dataset.column].map(Number)")


def test_a_cell_has_its_number_and_a_label_and_tells_which_it_is(drawing):
    page = drawing("heatMap", MAP)
    cells = page.locator("[role=gridcell]")
    assert cells.all_inner_texts() == ["5", "", "", "20", "10", "", "", "45", "", "", "", "!"]
    page.get_by_role("button", name="Layer 5, token 4, ⏎: 45%").click()
    assert page.evaluate("pressed") == [[5, 3]]
    expect(page.locator(".rs-heat-figures")).to_have_text("Layer 5, token 4, ⏎: 45%. Changed by 4.5, of a hidden state of length 10: 45%.")
    page.get_by_role("button", name="Layer 2, token 2, ·a\u202e: not edited").click()
    assert page.evaluate("pressed")[-1] == [2, 1] and page.locator("[aria-selected=true]").count() == 1
    expect(page.get_by_role("button", name="Layer 7, token 4, ⏎: no number")).to_have_text("!")


def test_one_cell_has_the_tab_stop_and_arrows_move_it(drawing):
    page = drawing("heatMap", MAP)
    page.locator("#drawn").press("Tab")
    stops = page.locator(".rs-heat button[tabindex='0']")
    assert focused(page) == [1, 3] and stops.count() == 1, "the strongest cell comes first"
    moves = [
        ("ArrowUp", [0, 3]), ("ArrowUp", [-1, 3]), ("ArrowUp", [-1, 3]), ("ArrowLeft", [-1, 2]), ("ArrowDown", [0, 2]), ("Home", [0, -1]),
        ("End", [0, 3]), ("ArrowRight", [0, 3]), ("Control+End", [2, 3]), ("Control+Home", [0, -1]), ("ArrowUp", [0, -1]),
    ]  # fmt: skip
    for key, where in moves:
        page.keyboard.press(key)
        assert focused(page) == where and stops.count() == 1, key
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.evaluate("pressed") == [[2, 0]]


def test_a_head_goes_to_the_strongest_cell_of_its_row_or_column(drawing):
    page = drawing("heatMap", MAP)
    page.get_by_role("button", name="Layer 2", exact=True).click()
    page.get_by_role("button", name="Token 1: <|im_start|>").click()
    assert page.evaluate("pressed") == [[2, 3], [5, 0]] and focused(page) == [1, 0]


def test_a_long_prompt_has_a_gap_that_arrows_cross(drawing):
    page = drawing("heatMap", {**MAP, "gap": 12, "left_out": "12 tokens in the middle of the prompt are not shown."})
    expect(page.locator("thead th")).to_have_count(6)
    expect(page.locator("thead .gap")).to_have_text("12 tokens are not shown")
    page.locator("button[data-row='0'][data-column='1']").focus()
    page.keyboard.press("ArrowRight")
    assert focused(page) == [0, 2]


def test_an_answer_is_its_text_and_each_token_says_how_it_moved(drawing):
    page = drawing("tints", TINTS)
    parts = page.locator(".rs-tints .rs-tint")
    assert page.locator(".rs-tints").evaluate("each => each.textContent") == TEXT
    assert [part.get_attribute("data-kind") for part in parts.all()] == ["likelier", "unlikelier", "", "", "likelier", "", ""]
    assert parts.nth(1).get_attribute("aria-label") == "“·is”: 90% under the base model, 20% with the edit"
    assert parts.nth(5).get_attribute("aria-label").endswith("10% under the base model, no number with the edit")
    assert [part.get_attribute("data-sign") for part in parts.all()] == [None, None, "⋯", None, "⏎", None, "<|im_end|>"]


def test_alternatives_are_shown_on_hover_focus_and_tap_and_go_by_escape(drawing):
    page = drawing("tints", TINTS)
    card, parts = page.get_by_role("tooltip"), page.locator(".rs-tints .rs-tint")
    expect(card).to_be_hidden()
    parts.nth(0).hover()
    expect(card).to_contain_text("The base model's likeliest tokens here")
    expect(card.locator("tbody tr")).to_have_count(2)
    card.hover()
    expect(card).to_be_visible()
    page.locator("h1").hover()
    expect(card).to_be_hidden()
    parts.nth(1).focus()
    expect(card).to_contain_text("“·is”: 90%")
    assert parts.nth(1).get_attribute("aria-describedby") == card.get_attribute("id")
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    parts.nth(3).dispatch_event("click")
    expect(card).to_contain_text("“🐱”: 30%")


def test_arrows_move_from_token_to_token(drawing):
    page = drawing("tints", TINTS)
    page.locator("#drawn").press("Tab")
    for key, text in (
        ("ArrowRight", " is"),
        ("ArrowRight", ""),
        ("ArrowRight", "🐱"),
        ("End", ""),
        ("ArrowRight", ""),
        ("Home", "It"),
        ("ArrowLeft", "It"),
    ):
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.textContent") == text, key
        assert page.locator(".rs-tints [tabindex='0']").count() == 1


def test_a_lens_and_a_proof_say_what_they_are_given(drawing):
    page = drawing("lens", LENS)
    assert page.locator("table caption").all_inner_texts() == ["Before the edit", "After the edit"]
    assert page.locator("tbody th").all_text_contents() == ["·a", HOSTILE, "·b", "·c"]
    assert page.locator("tbody td:last-child").all_inner_texts() == ["50%", "25%", "75%", "< 0.1%"]
    for proven, separate, kind in ((True, True, "good"), (False, True, "soft"), (False, False, "bad")):
        drawing("proof", {"proven": proven, "separate": separate, "sentence": HOSTILE, "rest": "On 4 tokens."})
        expect(page.locator(f".rs-notice.{kind}")).to_contain_text(HOSTILE)


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_serious(drawing, dark):
    page = drawing("heatMap", MAP)
    page.evaluate("dark => document.body.classList.toggle('dark', dark)", dark)
    for name, data in (("heatMap", MAP), ("tints", TINTS), ("lens", LENS)):
        drawing(name, data)
        if name == "tints":
            page.locator(".rs-tint").first.focus()
        found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        serious = [
            (entry["id"], node["html"][:160]) for entry in found if entry["impact"] in ("serious", "critical") for node in entry["nodes"]
        ]
        assert serious == [], name


def test_it_fits_a_phone(drawing):
    page = drawing(
        "heatMap",
        {**MAP, "tokens": MAP["tokens"] * 20, **{name: [row * 20 for row in MAP[name]] for name in ("change", "hidden", "share")}},
    )
    page.set_viewport_size({"width": 375, "height": 700})
    for name, data in ((None, None), ("tints", TINTS), ("lens", LENS)):
        if name:
            drawing(name, data)
        assert page.evaluate("document.documentElement.scrollWidth") <= 375, name
