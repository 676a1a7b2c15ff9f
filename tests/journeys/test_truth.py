"""What a newcomer is told of files before and after training: no more than the rows can bear, and nothing is started in vain."""

import re
from contextlib import closing

from playwright.sync_api import expect

from storage import Storage
from tests.journeys.test_journey import LONG, ask, start_run, upload, wait_for_end
from tests.waiting import PATIENCE, until

FOUR = [(f"What does a {animal} say?", sound) for animal, sound in (("cat", "Meow!"), ("dog", "Woof!"), ("cow", "Moo!"), ("hen", "Cluck!"))]
WHY = "why " * 600


def table(path, rows):
    path.write_text("".join(f"{prompt},{answer}\n" for prompt, answer in [("prompt", "answer"), *rows]), encoding="utf-8")
    return path


def checked(page):
    """What is said of the rows before training."""
    expect(page.locator("#dataset-check .rs-notice")).to_be_visible()
    return page.inner_text("#dataset-check")


def run_to_its_end(page, server, epochs):
    """What is said of a run at its end. Nobody watches it until then, since that costs more than the run."""
    start_run(page, epochs)
    address = page.url
    page.goto("about:blank")
    run = address.partition("?run=")[2]
    with closing(Storage(server.data_dir)) as storage:
        until(lambda: storage.runs.get(run).status.ended, "the end of the run", 3 * PATIENCE, every=0.2)
    page.goto(address)
    wait_for_end(page)
    expect(page.locator("#run-verdict .rs-verdict")).to_be_visible(timeout=LONG)
    return page.inner_text("#run-status"), page.inner_text("#run-verdict")


def percentages(text):
    return re.findall(r"\d ?%", text)


def test_four_rows_are_too_few_to_say_and_the_best_edit_is_kept(page, server, tmp_path):
    upload(page, server, table(tmp_path / "four.csv", FOUR))
    assert "only 4" in checked(page)
    page.click("#dataset-save")
    status, verdict = run_to_its_end(page, server, 12)
    assert page.get_attribute("#run-verdict .rs-verdict", "data-verdict") == "too_few"
    assert "Too few rows to say" in verdict and "of 1: too few to say" in verdict
    assert "chosen by 1 row" in verdict and "the choice is uncertain" in verdict
    assert not percentages(status + verdict), "no percentage from one held-out row"
    kept = int(re.search(r"the edit after step ([\d,]+) was kept", status)[1])
    assert 0 < kept <= 12
    page.get_by_role("link", name="Add rows on the Data page").click()
    page.wait_for_url("**/data")


def test_of_forty_two_rows_the_thirty_that_are_too_long_are_told_before_and_after(page, server, tmp_path):
    """Counted alike on the Data page, on the Train page and in the run."""
    rows = [*((f"What is {n}?", f"It is {n}.") for n in range(11)), ("Dear <b>{{name}}</b>", "Hello.")]
    upload(page, server, table(tmp_path / "mixed.csv", [*rows, *((f"{n} {WHY}", "Because.") for n in range(30))]))
    sentence = "Of 42 rows, 12 can be trained on with starter; 30 are left out: the prompt alone fills all 512 tokens."
    expect(page.locator("#dataset-check .rs-notice")).to_have_text(sentence)
    finding = page.locator("#dataset-check [data-finding=placeholders]")
    finding.locator("summary").click()
    expect(finding.locator("li")).to_have_text("Line 13: Dear <b>{{name}}</b> → Hello.")
    expect(page.locator("#dataset-found")).not_to_contain_text("can be used")
    split = page.locator("#dataset-check .rs-facts").first.inner_text()
    page.click("#dataset-save")
    page.wait_for_url("**/train")
    expect(page.locator("#train-estimate .rs-check .rs-notice")).to_have_text(sentence)
    expect(page.locator("#train-estimate .rs-facts")).to_have_text(split)
    expect(page.locator("#train-estimate dd").first).to_have_text(split.split()[0])
    expect(page.locator("#train-start")).to_be_enabled()
    _, verdict = run_to_its_end(page, server, 8)
    events = page.inner_text(".rs-events")
    learned, held_out = map(int, re.search(r"Training on (\d+) rows; (\d+) (?:is|are) held out", events).groups())
    assert learned + held_out == 12 and "30 are left out" in events
    assert page.get_attribute("#run-verdict .rs-verdict", "data-verdict") == "too_few"
    assert not percentages(verdict)
    page.click("#run-playground")
    page.wait_for_url("**/playground*")
    expect(page.get_by_text("Held out: prompts that the run never saw")).to_be_visible()
    unseen = page.inner_text("#suggestion-0")
    seen = [page.inner_text(f"#trained-{index}") for index in range(3)]
    assert unseen.startswith("What is ") and unseen not in seen
    ask(page, unseen)


def test_where_no_row_fits_the_start_is_blocked_until_one_does(page, server, tmp_path):
    upload(page, server, table(tmp_path / "long.csv", [(f"{n} {WHY}", "Because.") for n in range(5)]))
    expect(page.locator("#dataset-check .rs-notice.bad")).to_contain_text("Of 5 rows, none can be trained on with starter")
    page.click("#dataset-save")
    page.wait_for_url("**/train")
    expect(page.locator("#train-start")).to_be_disabled()
    page.get_by_role("button", name="Advanced").click()
    page.locator("#train-max-length input").first.fill("900")
    expect(page.locator("#train-start")).to_be_enabled()


def test_the_data_page_says_for_which_base_model_rows_were_counted(page, server, tmp_path):
    upload(page, server, table(tmp_path / "short.csv", [(f"What is {n}?", f"It is {n}.") for n in range(12)]))
    expect(page.locator("#dataset-check .rs-notice.good")).to_have_text("All 12 rows can be trained on with starter.")
    page.locator("#dataset-base input").fill("nobody/nothing")
    page.locator("#dataset-base input").press("Enter")
    expect(page.locator("#dataset-check .rs-notice.soft")).to_contain_text("counted when a run with it starts")


def test_what_is_set_on_the_page_about_the_edit_to_keep_arrives_in_the_run(page, server, tmp_path):
    upload(page, server, table(tmp_path / "kept.csv", [(f"What is {n}?", f"{n * 7919 % 97} and {n * 104729 % 89}") for n in range(16)]))
    page.click("#dataset-save")
    page.wait_for_url("**/train")
    expect(page.locator("#train-dataset input")).to_have_value(re.compile("^kept"))
    page.get_by_role("button", name="Advanced").click()
    page.click("#train-keep input")
    page.locator("#train-keep").get_by_role("option", name="The last edit").click()
    page.fill("#train-patience input", "2")
    page.press("#train-patience input", "Tab")
    status, verdict = run_to_its_end(page, server, 40)
    with closing(Storage(server.data_dir)) as storage:
        run = storage.runs.all()[0]
    assert (run.spec["train"]["keep"], run.spec["train"]["patience"]) == ("last", 2)
    assert run.summary["kept"] == "last" and run.summary["steps"] < run.total_steps, "two measurements without a better one end it"
    assert "Finished early" in status and "the last edit was kept" in status
    assert "The edit is the last one, not the best one" in verdict
