"""Many prompts on the Playground, as a person asks them: pasted, from a file, held out; sorted, taken away as files, stopped."""

import csv
import json

import pytest
from playwright.sync_api import expect

from reft_engine import ReftConfig, TrainConfig
from reft_engine.data import dump_examples, inspect_rows
from reft_engine.spec import RunSpec
from storage import RunStatus, Storage
from tests.journeys.conftest import running
from tests.journeys.test_data import PHONE
from tests.journeys.test_train_spec import serious
from tests.waiting import until

ROWS = [{"prompt": f"What is {n} cat?", "answer": f"cat {n}."} for n in range(40)]
HOSTILE = '=1+1, <img src=x onerror="document.title=1"> "quoted"'


@pytest.fixture(scope="module")
def studio(tmp_path_factory, tiny_base):
    """A studio with one finished run; its server, store and the run's id."""
    folder = tmp_path_factory.mktemp("batch") / "data"
    store = Storage(folder)
    examples = dump_examples(inspect_rows(ROWS).examples)
    dataset = store.datasets.create(name="Cats", label="rows.csv", shape="pairs", rows=40, usable_rows=40, examples=examples)
    settings = TrainConfig(epochs=2, batch_size=8, held_out=0.3)
    spec = RunSpec(base=str(tiny_base), reft=ReftConfig(rank=2, positions="l1"), train=settings).model_dump(mode="json")
    run = store.runs.create(dataset.id, spec, name="One").id
    with running(folder) as server:
        until(lambda: not store.runs.going(), "the end of the run")
        assert store.runs.get(run).status is RunStatus.FINISHED
        yield server, store, run
    store.close()


def opened(page, studio, length=None):
    server, _, run = studio
    page.goto(f"{server.address}/playground?run={run}")
    expect(page.locator("#playground-columns .rs-pane").nth(1)).to_contain_text("One")
    if length is not None:
        page.locator("button.label-wrap", has_text="More settings").click()
        page.locator("#playground-length input[type=number]").fill(str(length))
        page.keyboard.press("Tab")
    page.click("#playground-batch button.label-wrap")
    expect(page.locator("#batch-start")).to_be_visible()


def prompts_shown(page):
    return page.locator("#playground-batch tbody th").all_inner_texts()


def answered(page, count):
    page.click("#batch-start")
    expect(page.locator(".rs-batch-run .rs-facts")).to_have_text(f"All {count} answers are here.")


def test_three_pasted_prompts_are_answered_by_each_column_and_stay_after_a_reload(page, studio):
    opened(page, studio, 16)
    page.fill("#batch-prompts", f"What is 3 cat?\n\n{HOSTILE}\nWhat is 4 dog?")
    answered(page, 6)
    assert prompts_shown(page) == ["What is 3 cat?", HOSTILE, "What is 4 dog?"]
    expect(page.locator("#playground-batch thead th")).to_have_count(3)
    expect(page.locator("#playground-batch thead th").nth(2)).to_contain_text("One")
    expect(page.locator("#playground-batch tbody .rs-batch-differs")).to_have_count(3)
    expect(page.locator("#playground-batch .rs-mark")).to_have_count(0)
    assert page.title() != "1"
    for size in ({"width": 1280, "height": 800}, PHONE):
        page.set_viewport_size(size)
        assert serious(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.set_viewport_size({"width": 1280, "height": 800})
    texts = page.locator("#playground-batch tbody td").all_inner_texts()
    page.reload()
    page.click("#playground-batch button.label-wrap")
    expect(page.locator("#batch-prompts")).to_have_value(f"What is 3 cat?\n\n{HOSTILE}\nWhat is 4 dog?")
    assert page.locator("#playground-batch tbody td").all_inner_texts() == texts


def test_a_file_with_answers_is_scored_sorted_and_taken_away(page, studio, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('prompt,answer\n"What is 1 cat?",cat 1.\n,nothing asks\n"=2+2, ""so""?",no one says this\nWhat is 3 cat?,cat 3.\n')
    opened(page, studio, 16)
    page.set_input_files("#batch-file", str(path))
    expect(page.locator("#batch-source")).to_contain_text("3 prompts. Prompts are in: prompt. Expected answers are in: answer.")
    expect(page.locator("#batch-source li")).to_have_text("Line 3: the prompt is empty.")
    answered(page, 6)
    expect(page.locator("#playground-batch tbody .rs-mark")).to_have_count(6)
    expect(page.locator("#playground-batch thead small")).to_have_count(2)
    expect(page.locator("#playground-batch thead small").first).to_contain_text("of 3")
    in_file = prompts_shown(page)
    assert in_file == ["What is 1 cat?", '=2+2, "so"?', "What is 3 cat?"]
    files = {}
    for order, kind in (("order", "CSV"), ("different", "JSON Lines")):
        page.select_option("#batch-order", order)
        with page.expect_download() as downloaded:
            page.get_by_role("button", name=f"Download {kind}").click()
        files[kind] = downloaded.value.path().read_text(encoding="utf-8-sig")
        shown = prompts_shown(page)
    table = list(csv.DictReader(files["CSV"].splitlines(keepends=True)))
    assert [row["prompt"] for row in table] == [in_file[0], f"'{in_file[1]}", in_file[2]] and table[0]["expected"] == "cat 1."
    base, tuned = list(table[0])[3], list(table[0])[5]
    rows = [json.loads(line) for line in files["JSON Lines"].splitlines()]
    assert [row["prompt"] for row in rows] == shown
    shares = [row["answers"][1]["difference"] for row in rows]
    assert shares == sorted(shares, reverse=True) and all(0 <= share <= 1 for share in shares)
    for row in rows:
        assert row["settings"]["max_new_tokens"] == 16 and row["settings"]["seed"] >= 0, "all that asks the same again"
        assert [each["asked"]["kind"] for each in row["answers"]] == ["base", "run"] and row["answers"][1]["asked"]["run"] == studio[2]
        line = table[row["row"] - 1]
        assert [line[base].removeprefix("'"), line[tuned].removeprefix("'")] == [
            answer["text"].removeprefix("'") for answer in row["answers"]
        ]
        assert [answer["right"] for answer in row["answers"]] == [answer["text"].strip() == row["expected"] for answer in row["answers"]]
    page.select_option("#batch-order", "wrong")
    wrong = {row["prompt"] for row in rows if not row["answers"][1]["right"]}
    assert set(prompts_shown(page)[: len(wrong)]) == wrong


def test_held_out_rows_are_marked_as_never_seen(page, studio):
    _, store, run = studio
    opened(page, studio, 16)
    page.fill("#batch-count", "4")
    page.get_by_role("button", name="Take held-out rows").click()
    expect(page.locator("#batch-source .rs-pill")).to_have_text("never seen by these runs")
    answered(page, 8)
    places = sorted(store.runs.held_out_places(run))[:4]
    assert prompts_shown(page) == [ROWS[place]["prompt"] for place in places]
    page.get_by_role("button", name="Take the field instead").click()
    page.fill("#batch-prompts", "")
    page.click("#batch-start")
    expect(page.locator("#batch-note")).to_contain_text("Write a prompt first")


def test_what_cannot_be_read_or_asked_is_said(page, studio, tmp_path):
    opened(page, studio)
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(2000))
    page.set_input_files("#batch-file", str(tmp_path / "picture.csv"))
    expect(page.locator("#batch-note .rs-notice")).to_be_visible()
    page.fill("#batch-prompts", "\n".join(f"Prompt {n}" for n in range(501)))
    page.click("#batch-start")
    expect(page.locator("#batch-note")).to_contain_text("These are 501 prompts; at most 500")
    page.fill("#batch-count", "0")
    page.get_by_role("button", name="Take held-out rows").click()
    expect(page.locator("#batch-note")).to_contain_text("a whole number from 1 to 500")


def test_a_reload_in_the_middle_keeps_what_has_come(page, studio):
    opened(page, studio, 64)
    page.fill("#batch-prompts", "\n".join(f"Tell story {n}." for n in range(400)))
    page.click("#batch-start")
    expect(page.locator("#playground-batch tbody td .rs-cell").nth(5)).to_be_visible()
    page.reload()
    page.click("#playground-batch button.label-wrap")
    expect(page.locator("#playground-batch tbody tr")).to_have_count(400)
    came = page.locator("#playground-batch tbody td .rs-cell").count()
    assert 5 < came < 800
    expect(page.locator("#batch-start")).to_be_enabled()


def test_stop_ends_it_and_keeps_what_has_come(page, studio):
    opened(page, studio, 64)
    page.fill("#batch-prompts", "\n".join(f"Tell story {n}." for n in range(400)))
    page.click("#batch-start")
    expect(page.locator(".rs-batch-run .rs-facts")).to_contain_text("of 800 answers")
    expect(page.locator("#playground-batch tbody td .rs-cell").first).to_be_visible()
    page.click("#batch-stop")
    expect(page.locator(".rs-batch-run .rs-facts")).to_contain_text("Stopped after")
    expect(page.locator("#batch-start")).to_be_enabled()
    assert page.locator("#playground-batch tbody tr").count() == 400
    assert page.locator("#playground-batch tbody .rs-cell").count() > 400, "the prompts, and the answers that came"
    expect(page.locator("#batch-start")).to_be_focused()
    page.fill("#batch-prompts", "Hello.")
    answered(page, 2)
