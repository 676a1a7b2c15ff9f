"""What a newcomer is told of three files before and after training: no more than the rows can bear."""

import re

import pytest
from playwright.sync_api import expect

from storage import Storage
from tests.journeys.test_journey import LONG, ask, start_run, upload, wait_for_end

FOUR = [(f"What does a {animal} say?", sound) for animal, sound in (("cat", "Meow!"), ("dog", "Woof!"), ("cow", "Moo!"), ("hen", "Cluck!"))]
WHY = "why " * 600


def table(path, rows):
    path.write_text("".join(f"{prompt},{answer}\n" for prompt, answer in [("prompt", "answer"), *rows]), encoding="utf-8")
    return path


def checked(page):
    """What is said of the rows before training."""
    expect(page.locator("#dataset-check .rs-notice")).to_be_visible()
    return page.inner_text("#dataset-check")


def trained(page, epochs):
    """What is said of a run at its end."""
    page.click("#dataset-save")
    start_run(page, epochs)
    wait_for_end(page)
    expect(page.locator("#run-verdict .rs-verdict")).to_be_visible(timeout=LONG)
    return page.inner_text("#run-status"), page.inner_text("#run-verdict")


def percentages(text):
    return re.findall(r"\d ?%", text)


def test_four_rows_are_too_few_to_say_and_the_best_edit_is_kept(page, server, tmp_path):
    upload(page, server, table(tmp_path / "four.csv", FOUR))
    assert "only 4" in checked(page)
    status, verdict = trained(page, 12)
    assert page.get_attribute("#run-verdict .rs-verdict", "data-verdict") == "too_few"
    assert "Too few rows to say" in verdict and "of 1: too few to say" in verdict
    assert "chosen by 1 row" in verdict and "the choice is uncertain" in verdict
    assert not percentages(status + verdict), "no percentage from one held-out row"
    kept = int(re.search(r"the edit after step ([\d,]+) was kept", status)[1])
    assert 0 < kept <= 12
    page.get_by_role("link", name="Add rows on the Data page").click()
    page.wait_for_url("**/data")


def test_of_forty_two_rows_the_thirty_that_are_too_long_are_told_before_and_after(page, server, tmp_path):
    rows = [*((f"What is {n}?", f"It is {n}.") for n in range(12)), *((f"{n} {WHY}", "Because.") for n in range(30))]
    upload(page, server, table(tmp_path / "mixed.csv", rows))
    assert "Of 42 rows, 12 can be trained on" in checked(page) and "30 are left out" in checked(page)
    _, verdict = trained(page, 8)
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


def test_of_a_real_file_with_placeholders_and_another_language_both_are_told(page, server, shared):
    upload(page, server, shared / "data/instruct/identity.json")
    said = checked(page)
    assert "All 91 rows can be trained on with starter" in said
    assert re.search(r"75 rows in letters that starter has no tokens for", said)
    assert "85 rows with placeholders that were not filled in" in said and "{{name}}" in said
    page.click("#dataset-save")
    page.wait_for_url("**/train")
    expect(page.locator("#train-summary")).to_contain_text("Time to train")
    assert "85 rows with placeholders" in page.inner_text("#train-summary")
    start_run(page, 4)
    wait_for_end(page)
    verdict = page.locator("#run-verdict .rs-verdict")
    expect(verdict).to_be_visible(timeout=LONG)
    assert "base model 0 of 10, tuned" in verdict.inner_text()
    assert verdict.get_attribute("data-verdict") in ("learned", "no_change", "memorised", "worse")
    # Answers that are garbled are not praised.
    assert "new answers will often be wrong or garbled" in verdict.inner_text()
    assert "good" not in verdict.get_attribute("class").split()


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
    start_run(page, 40)
    wait_for_end(page)
    storage = Storage(server.data_dir)
    run = storage.runs.all()[0]
    storage.close()
    assert (run.spec["train"]["keep"], run.spec["train"]["patience"]) == ("last", 2)
    assert run.summary["kept"] == "last" and run.summary["steps"] < run.total_steps, "two measurements without a better one end it"
    assert "Finished early" in page.inner_text("#run-status") and "the last edit was kept" in page.inner_text("#run-status")
    assert "The edit is the last one, not the best one" in page.inner_text("#run-verdict")


@pytest.mark.parametrize("change", ["epochs=2", "positions=all", "learning_rate=0.0007"])
def test_what_a_verdict_offers_fills_the_train_page_in(page, server, finished, change):
    page.goto(f"{server.address}/runs")
    expect(page.locator("#run-list input:checked")).to_be_attached()
    page.get_by_text(re.compile(f"{finished} ·")).click()
    expect(page.locator("#run-status h2")).to_have_text(finished)
    run = page.locator("#run-list input:checked").get_attribute("value")
    page.goto(f"{server.address}/train?run={run}&{change}")
    page.get_by_role("button", name="Advanced").click()
    name, value = change.split("=")
    field = page.locator(f"#train-{name.replace('_', '-')} input")
    expect(field).to_have_value(re.compile(re.escape(value) if name != "positions" else r"\(all\)"))
    expect(page.locator("#train-dataset input")).to_have_value(re.compile("^faces"))
