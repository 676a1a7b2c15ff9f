"""From a file of one's own to rows that a model can learn: what the Data page shows, takes and says."""

import csv
import io
import json
import re

import pytest
from playwright.sync_api import expect

from tests.browser import WINDOW
from tests.hub import Hub, answering, way_to, write_dataset
from tests.journeys.conftest import ROOT, running
from tests.journeys.test_journey import wait_for_end
from tests.waiting import until

HOSTILE = '<img src=x onerror="document.title=\'owned\'"> ${document.title="owned"} {{value}}'
ARABIC, CHINESE = "ما هي عاصمة مصر؟", "中国的首都"
PHONE = {"width": 390, "height": 844}


def table(rows, separator=","):
    out = io.StringIO()
    csv.writer(out, delimiter=separator).writerows(rows)
    return out.getvalue()


def bring(page, content, name="rows.csv", encoding="utf-8"):
    """Drop a file on a page that is open."""
    field = page.locator("#dataset-upload input[type=file]")
    field.wait_for(state="attached")
    field.set_input_files({"name": name, "mimeType": "text/csv", "buffer": content.encode(encoding)})


def opened(page, server, content, **file):
    page.goto(f"{server.address}/data")
    bring(page, content, **file)
    expect(page.locator("#dataset-roles")).to_be_visible()


def role(page, column):
    return page.get_by_role("combobox", name=f"Role of {column}", exact=True)


def lines(page):
    """The line numbers of the rows that the table shows."""
    return [int(text) for text in page.locator("#dataset-table tbody th").all_inner_texts()]


def showing(page, *numbers):
    expect(page.locator("#dataset-table tbody th")).to_have_text(list(map(str, numbers)))


def pasted(page, text):
    """Copy a text elsewhere and paste it into the field, with the keys that everybody uses."""
    page.evaluate(
        "text => { const made = Object.assign(document.createElement('textarea'), {value: text, id: 'elsewhere'});"
        " document.body.append(made); made.select(); }",
        text,
    )
    page.keyboard.press("Control+c")
    page.evaluate("document.querySelector('#elsewhere').remove()")
    page.locator("#dataset-paste textarea").focus()
    page.keyboard.press("Control+v")


MANY = [(f"Ask number {n}?", f"{n}, {'so ' * (n % 7)}it is.") for n in range(45)]


def test_six_clicks_lead_from_an_own_table_of_unknown_columns_to_the_comparison(page, server):
    """The drop is no click; each choice of a role is one."""
    clicks = []

    def click(selector):
        clicks.append(selector)
        page.click(selector)

    def choose(column, value):
        clicks.append(column)
        role(page, column).select_option(value)

    page.set_viewport_size(PHONE)
    page.goto(server.address)
    expect(page.locator("#dataset-upload")).to_be_in_viewport(ratio=1)
    rows = [("nr", "frage", "wer", "antwort"), *((n, f"Was ist {n}?", "Ada", f"Zahl {n}") for n in range(12))]
    bring(page, table(rows), name="eigene.csv")
    page.wait_for_url("**/data?upload=*")
    expect(page.locator("#dataset-found")).to_contain_text("12 rows, in columns of other names: their roles are guessed")
    expect(page.locator("#dataset-save")).to_have_text("Keep 12 rows")
    choose("frage", "prompt")
    choose("antwort", "answer")
    for column in ("nr", "wer"):
        if role(page, column).input_value() != "ignore":
            choose(column, "ignore")
    expect(page.locator("#dataset-found .rs-notice.good")).to_be_visible()
    expect(page.locator("#dataset-preview .tok.learned").first).to_be_visible()
    assert "Zahl" in "".join(page.locator("#dataset-preview .tok.learned").all_inner_texts())
    page.set_viewport_size(WINDOW)
    click("#dataset-save")
    page.wait_for_url("**/train")
    expect(page.locator("#train-dataset input")).to_have_value(re.compile("^eigene"))
    click("#train-start")
    page.wait_for_url("**/runs*")
    wait_for_end(page)
    click("#run-playground")
    page.wait_for_url("**/playground*")
    expect(page.locator("#trained-0")).to_be_visible()
    page.fill("#playground-prompt textarea", "Was ist 3?")
    click("#playground-send")
    expect(page.get_by_text(re.compile("Both answered in"))).to_be_visible()
    assert len(clicks) <= 6, clicks


def test_rows_are_pasted_typed_and_taken_from_a_sample(page, server):
    page.set_viewport_size(PHONE)
    page.goto(f"{server.address}/data")
    expect(page.locator("#dataset-upload")).to_be_in_viewport(ratio=1)
    page.click("#dataset-entry-paste-button")
    page.click("#dataset-paste-read")
    expect(page.locator("#dataset-paste-note")).to_contain_text("Paste some rows first.")
    pasted(page, table([("question", "answer"), ("Where?", "Here."), ("When?", "Now,\nand then.")], "\t"))
    showing(page, 2, 3)
    expect(page.locator("#dataset-paste-note .rs-notice")).to_have_count(0)
    expect(page.locator("#dataset-table tbody tr").nth(1)).to_contain_text("and then.")
    address = page.url
    page.reload()
    showing(page, 2, 3)
    assert page.url == address and "upload=" in address
    page.click("#dataset-entry-type-button")
    page.get_by_label("Prompt 1", exact=True).fill("Who?")
    page.get_by_label("Answer 1", exact=True).fill("Me, of course.")
    page.click("#dataset-typed-take")
    expect(page.locator("#dataset-save")).to_have_text("Keep the row")
    showing(page, 1)
    page.click("#dataset-entry-sample-button")
    page.get_by_role("link", name="Answer with emoji").click()
    expect(page.locator("#dataset-save")).to_have_text("Keep 10 rows")
    page.goto(f"{server.address}/data?upload={'0' * 32}")
    expect(page.locator("#dataset-opened-note")).to_contain_text("This file is not here any more; drop it again.")


@pytest.mark.parametrize("start", ["data", pytest.param("", marks=pytest.mark.long)])
def test_rows_of_the_hub_are_looked_for_chosen_and_read(page, tmp_path, start):
    hub = Hub({}, gated={"owner/secret"}, datasets={"owner/rows": write_dataset(tmp_path / "owner")})
    hub.datasets["owner/secret"] = hub.datasets["owner/rows"]
    with answering(hub), running(tmp_path / "data", **{**way_to(hub, tmp_path), "PYTHONPATH": str(ROOT)}) as server:
        page.set_viewport_size(PHONE)
        page.goto(f"{server.address}/{start}")
        page.click("#dataset-entry-hub-button")
        field, note = page.locator("#dataset-hub input"), page.locator("#dataset-hub-look-note")
        expect(page.locator("#dataset-hub-read")).to_be_hidden()
        page.click("#dataset-hub-look")
        expect(note).to_contain_text("Name a dataset first")
        assert not hub.asked, "nothing is asked before a dataset is named and Look is pressed"
        for name, sentence in (("owner/none", "There is no dataset owner/none"), ("owner/secret", "is gated: accept its terms")):
            field.fill(name)
            page.click("#dataset-hub-look")
            expect(note).to_contain_text(sentence)
        field.fill(f"{hub.address}/datasets/owner/rows/viewer")
        page.click("#dataset-hub-look")
        expect(page.locator("#dataset-hub-config input")).to_have_value("reviews")
        expect(note.locator(".rs-notice")).to_have_count(0)
        page.click("#dataset-hub-config input")
        page.locator("#dataset-hub-config").get_by_role("option", name="chats").click()
        expect(page.locator("#dataset-hub-split input")).to_have_value("train")
        page.fill("#dataset-hub-first input", "26")
        page.click("#dataset-hub-read")
        expect(page.locator("#dataset-hub-read-note")).to_contain_text("There is no row 26 in train of owner/rows")
        page.fill("#dataset-hub-first input", "3")
        page.fill("#dataset-hub-count input", "4")
        page.click("#dataset-hub-read")
        expect(page.locator("#dataset-found")).to_contain_text("owner/rows of the Hub, chats, train, rows 3 to 6 (commit 0123456)")
        showing(page, 1, 2, 3, 4)
        expect(page.locator("#dataset-name input, #dataset-name textarea").first).to_have_value("rows-chats-train")
        page.reload()
        showing(page, 1, 2, 3, 4)
        page.click("#dataset-save")
        page.wait_for_url("**/train")
        expect(page.locator("#train-dataset input")).to_have_value(re.compile("^rows-chats-train"))


def test_the_table_pages_searches_and_shows_what_stands_in_it(page, server):
    odd = [(HOSTILE, "one"), (ARABIC, "القاهرة"), (CHINESE, "北京"), ("", "no prompt"), ("long " * 200, "two\nlines\nof\nmany\nlines")]
    opened(page, server, table([("prompt", "answer"), *MANY, *odd]))
    showing(page, *range(2, 22))
    expect(page.locator("#dataset-table")).to_contain_text("rows 1 to 20 of 50")
    later = page.locator("#dataset-table").get_by_role("button", name="Later")
    later.focus()
    page.keyboard.press("Enter")
    showing(page, *range(22, 42))
    expect(later).to_be_focused()  # whoever has no mouse goes on from where they are
    page.keyboard.press("Enter")
    expect(page.locator("#dataset-table")).to_contain_text("rows 41 to 50 of 50")
    cell = page.locator("#dataset-table td .rs-cell")
    expect(cell.filter(has_text="onerror")).to_have_text(HOSTILE)
    assert page.locator("#dataset-table img").count() == 0 and page.title() == "Data · ReFT Studio"
    sides = {text: cell.filter(has_text=text).evaluate("e => getComputedStyle(e).direction") for text in (ARABIC, CHINESE)}
    assert sides == {ARABIC: "rtl", CHINESE: "ltr"}
    expect(page.locator("#dataset-table .rs-why")).to_contain_text("Line 50: the prompt is empty.")
    whole = page.locator("#dataset-table").get_by_role("button", name="Show all", exact=True).first
    short = page.locator(".rs-cell").filter(has_text="long long").bounding_box()["height"]
    whole.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#dataset-table").get_by_role("button", name="Show less").first).to_have_attribute("aria-expanded", "true")
    assert page.locator(".rs-cell").filter(has_text="long long").bounding_box()["height"] > 2 * short
    page.get_by_label("Search the rows").fill("NUMBER 3")
    showing(page, 5, *range(32, 42))
    page.get_by_label("Search the rows").fill("in no row")
    expect(page.locator("#dataset-table")).to_contain_text("No row holds that.")


def test_roles_are_given_in_the_heads_and_several_prompts_are_joined(page, server):
    rows = [(f"text {n}", f"more {n}", f"reply {n}", f"other {n}") for n in range(12)]
    opened(page, server, table([("eins", "zwei", "drei", "vier"), *rows]))
    for column, value in (("eins", "prompt"), ("zwei", "prompt"), ("drei", "answer"), ("vier", "answer")):
        role(page, column).select_option(value)
    expect(role(page, "drei")).to_have_value("ignore")  # the newer column has taken its role
    expect(page.locator("#dataset-table td[data-role=answer]").first).to_have_text("other 0")
    expect(page.locator("#dataset-preview .rs-row")).to_have_count(10)
    template = page.get_by_label("How the prompt is joined")
    expect(template).to_have_value("{eins}\n\n{zwei}")
    expect(page.locator("#dataset-table pre")).to_have_text("text 0\n\nmore 0")
    template.fill("Read {zwei}, then {eins}:")
    expect(page.locator("#dataset-table pre")).to_have_text("Read more 0, then text 0:")
    learned = page.locator("#dataset-preview .rs-row").first
    expect(learned).to_contain_text("Read")
    assert "other" in "".join(learned.locator(".tok.learned").all_inner_texts())
    role(page, "drei").select_option("prompt")
    expect(template).to_have_value("Read {zwei}, then {eins}:\n\n{drei}")
    role(page, "vier").select_option("ignore")
    role(page, "drei").select_option("answer")
    expect(template).to_have_value("Read {zwei}, then {eins}:")
    expect(page.locator("#dataset-found .rs-notice.good")).to_be_visible()


def test_of_two_answers_on_their_way_the_newest_stays(page, server):
    opened(page, server, table([("eins", "zwei"), *((f"text {n}", f"reply {n}") for n in range(5))]))
    held = []

    def hold(route):
        """The first answer to a new role is kept back until the second one is on its way."""
        sent = route.request.post_data or ""
        if not held and "guessed" in sent and '\\"count\\":1' in sent:
            held.append(route)
            return
        route.continue_()

    page.route("**/gradio_api/run/**", hold)
    role(page, "zwei").select_option("prompt")
    role(page, "eins").select_option("answer")
    page.wait_for_function("() => document.querySelector('#dataset-roles select').value === 'answer'")
    for route in held:
        route.continue_()
    expect(page.locator("#dataset-found .rs-notice.good")).to_be_visible()
    expect(role(page, "eins")).to_have_value("answer")
    expect(role(page, "zwei")).to_have_value("prompt")
    expect(page.locator("#dataset-preview .rs-row").first.locator(".tok.learned").first).to_have_text(re.compile("t"))
    assert "text" in "".join(page.locator("#dataset-preview .rs-row").first.locator(".tok.learned").all_inner_texts())


def test_the_report_filters_the_table_and_a_remedy_can_be_taken_back(page, server):
    again = [("Who?", "Me."), ("Who?", "Me."), ("Who?", "You."), ("Dear {{name}}", "Hello.")]
    opened(page, server, table([("prompt", "answer"), *MANY, *again]))
    expect(page.locator("#dataset-save")).to_have_text("Keep 49 rows")
    report = page.locator("#dataset-report")
    repeats = report.get_by_role("button", name=re.compile("1 row repeats an earlier one"))
    repeats.focus()
    page.keyboard.press("Enter")
    showing(page, 48)
    expect(repeats).to_have_attribute("aria-pressed", "true")
    repeats.click()
    showing(page, *range(2, 22))
    report.locator("li").filter(has_text="1 row repeats").get_by_role("button", name="Drop them").click()
    expect(page.locator("#dataset-save")).to_have_text("Keep 48 rows")
    report.locator("li").filter(has_text="1 row repeats").get_by_role("button", name="Put them back").click()
    expect(page.locator("#dataset-save")).to_have_text("Keep 49 rows")
    expect(page.locator("#dataset-check .rs-notice")).to_have_text("All 49 rows can be trained on with starter.")
    finding = page.locator("#dataset-check [data-finding=placeholders]")
    show = finding.get_by_role("button", name="Show in the table")
    until(lambda: show.is_visible() or finding.locator("summary").click(), "the finding, opened")  # rows that are counted anew close it
    show.click()
    showing(page, 50)
    page.get_by_role("button", name="Show all rows").click()
    showing(page, *range(2, 22))
    page.reload()
    bring(page, table([("prompt", "answer"), *MANY]), name="well.csv")
    expect(report).to_contain_text("Nothing stands out in these rows.")


def test_rows_as_they_are_learned_are_paged_ordered_and_searched(page, server):
    rows = [(f"Ask number {n}?", "yes " * (n + 1)) for n in range(25)]
    opened(page, server, table([("prompt", "answer"), *rows]))
    learned, numbers = page.locator("#dataset-preview"), page.locator("#dataset-preview .rs-row > .rs-line")
    expect(numbers).to_have_text([str(n) for n in range(2, 12)])
    assert learned.locator(".tok.edited").count() >= 10
    learned.get_by_role("button", name="Later").click()
    expect(numbers).to_have_text([str(n) for n in range(12, 22)])
    expect(learned).to_contain_text("11 to 20 of 25, as they will be trained")
    learned.get_by_label("Order").select_option("longest")
    expect(numbers).to_have_text([str(n) for n in range(26, 16, -1)])
    learned.get_by_label("Order").select_option("shortest")
    expect(numbers).to_have_text([str(n) for n in range(2, 12)])
    learned.get_by_label("Order").select_option("random")
    expect(numbers.first).not_to_have_text("2")
    drawn = numbers.all_inner_texts()
    learned.get_by_role("button", name="Draw again").click()
    expect(numbers).not_to_have_text(drawn)
    learned.get_by_label("Search").fill("NUMBER 24")
    expect(numbers).to_have_text(["26"])


def test_nothing_is_kept_before_the_letters_of_a_file_are_confirmed(page, server):
    opened(page, server, table([("prompt", "answer"), ("Wo liegt Köln?", "Am Rhein."), ("Grün?", "Ja.")]), encoding="cp1252")
    expect(page.locator("#dataset-found")).to_contain_text("Choose how the letters of this file are to be read")
    expect(page.locator("#dataset-save")).not_to_be_visible()
    page.get_by_label(re.compile("windows-1252: .*Köln")).check()
    expect(page.locator("#dataset-save")).to_have_text("Keep 2 rows")
    expect(page.locator("#dataset-table td .rs-cell").first).to_have_text("Wo liegt Köln?")
    page.get_by_role("button", name="How the file is read").click()
    page.get_by_label("The first line names the columns").uncheck()
    showing(page, 1, 2, 3)
    page.get_by_label("The first line names the columns").check()
    showing(page, 2, 3)
    expect(role(page, "prompt")).to_have_value("prompt")


@pytest.mark.parametrize("width", [WINDOW["width"], PHONE["width"]])
def test_a_table_is_never_wider_than_its_window(page, server, width):
    page.set_viewport_size({"width": width, "height": 844})
    rows = [[f"column {n}" for n in range(12)], *([f"{'word' * 30} {n}" for n in range(12)] for _ in range(3))]
    opened(page, server, json.dumps([dict(zip(rows[0], row, strict=True)) for row in rows[1:]]), name="wide.json")
    expect(page.locator("#dataset-preview .rs-row").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
