"""Columns of every kind that comes of training: what a run had learned earlier, one in training, a baseline; and waiting for one's turn."""

import json
import threading

import httpx
import pytest
from playwright.sync_api import expect

from reft_engine import TrainConfig
from reft_engine.spec import PeftConfig, RunSpec
from storage import RunStatus, Storage
from tests.journeys.playing import answered, ask, counting, document, opened, pick
from tests.journeys.test_journey import slide
from tests.waiting import PATIENCE, until

PROMPT = "What is 3 cat?"
MANY = 80
"""More columns than the running batch answers at once."""
TOLD = """() => {
  const told = document.querySelector("#playground-told");
  window.told = [];
  new MutationObserver(() => window.told.push(told.textContent)).observe(told, { childList: true, characterData: true, subtree: true });
}"""


@pytest.fixture(scope="module")
def run(server):
    return counting(server, "Counted")


@pytest.fixture
def store(server):
    found = Storage(server.data_dir)
    yield found
    found.close()


def add(page, **values):
    """Choose a column of the list by what it says it is, and wait for its answer; returns the column of the document."""
    choose = page.locator("[data-key=add]")
    options = [json.loads(value) for each in choose.locator("option").all() if (value := each.get_attribute("value"))]
    wanted = next(each for each in options if values.items() <= each.items())
    choose.select_option(json.dumps(wanted, separators=(",", ":")))
    answered(page)
    return document(page)["columns"][-1]


def last_pane(page):
    return page.locator(".rs-play-turns > article:last-child .rs-pane").last


def test_what_a_run_had_learned_earlier_answers_beside_its_result(page, server, run):
    opened(page, server, run=run.id)
    ask(page, PROMPT)
    steps = page.evaluate("id => studio.play.now().runs().find((each) => each.id === id).steps", run.id)
    assert len(steps) > 1, "some are kept"
    column = add(page, run=run.id, step=steps[0])
    assert (column["kind"], column["run"], column["step"]) == ("run", run.id, steps[0])
    expect(last_pane(page).locator(".rs-pane-title")).to_contain_text(f"{run.name} at step {steps[0]}")
    answers = document(page)["turns"][-1]["answers"]
    assert [each["column"] for each in answers] == [0, 1, 2] and answers[2]["ids"]


def test_a_run_answers_while_it_is_in_training_and_a_baseline_beside_an_edit(page, server, store, run):
    spec = RunSpec.read(run.spec)
    settings = TrainConfig(epochs=1, batch_size=4, held_out=0.25)
    lora = store.runs.create(
        run.dataset_id, RunSpec(base=spec.base, peft=PeftConfig(rank=2), train=settings).model_dump(mode="json"), name="Lora"
    )
    until(lambda: store.runs.get(lora.id).status.ended, "the end of the baseline", 3 * PATIENCE, every=0.2)
    long = spec.model_copy(update={"train": spec.train.model_copy(update={"epochs": 2000, "patience": None})})
    going = store.runs.create(run.dataset_id, long.model_dump(mode="json"), name="Goes on")
    try:
        until(lambda: (found := store.runs.get(going.id)).step or found.status.ended, "its first steps", 3 * PATIENCE)
        opened(page, server, run=run.id)
        slide(page, "#playground-strength", "1.5")
        ask(page, PROMPT)
        assert add(page, run=lora.id)["kind"] == "run"
        expect(last_pane(page).locator(".rs-pane-title")).to_have_text("Lora")  # which has no strength
        expect(page.locator("#answer-2")).not_to_have_text("")
        add(page, run=going.id)
        expect(last_pane(page).locator(".rs-pane-title")).to_contain_text("Goes on · strength 1")
        assert store.runs.get(going.id).status is RunStatus.TRAINING, "it has not ended meanwhile"
        ids = [each["ids"] for each in document(page)["turns"][-1]["answers"]]
        assert len(ids) == 4 and all(ids)
        pick(page, "Lora")  # what has no strength is asked without one
        expect(page.locator("#playground-strength input[type=number]")).to_be_disabled()
        ask(page, PROMPT)
        assert document(page)["columns"][1]["strength"] == 1 and all(each["ids"] for each in document(page)["turns"][-1]["answers"])
    finally:
        store.runs.request_stop(going.id, discard=True)
        until(lambda: store.runs.get(going.id).status.ended, "its end")


def test_who_waits_is_told_how_many_are_before_and_is_answered_in_turn(page, server, run):
    """The batch is full of long answers of many pages, and more of them wait."""
    column = {"kind": "base", "messages": [{"role": "user", "content": "Sing a long song."}]}
    settings = {"max_new_tokens": 512, "temperature": 1.0, "top_p": 1.0, "top_k": 0, "repetition_penalty": 1.0, "stop": [], "seed": 1}
    body = {"columns": [column, {**column, "kind": "run", "run": run.id, "strength": 1.0}], **settings}
    over = threading.Event()
    began = threading.Semaphore(0)

    def read(other):
        with (
            httpx.Client(timeout=PATIENCE) as http,
            http.stream("POST", f"{server.address}/play/chat", json={**body, "page": f"other {other}"}) as lines,
        ):
            for line in lines.iter_lines():
                if "place" in json.loads(line) or "text" in json.loads(line):
                    began.release()
                if over.is_set():
                    return

    opened(page, server, run=run.id)
    others = [threading.Thread(target=read, args=[other]) for other in range(MANY // 2)]
    for each in others:
        each.start()
    try:
        for _ in others:
            assert began.acquire(timeout=PATIENCE)
        page.evaluate(TOLD)
        page.fill("#playground-prompt textarea", PROMPT)
        page.click("#playground-send")
        page.wait_for_function("told.some((each) => /Waiting: [1-9]\\d* before you/.test(each))")
    finally:
        over.set()
        for each in others:
            each.join(PATIENCE)
    answered(page)
    expect(page.locator("#answer-tuned")).not_to_have_text("")
