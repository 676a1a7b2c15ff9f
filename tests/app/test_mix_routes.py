"""The routes of mixes over HTTP with the real worker: what may be chosen, answers before anything is kept, the run, and refusals."""

import json
from dataclasses import replace

import httpx
import pytest

from app.handlers import train
from app.words import say
from storage import RunStatus

PROMPTS = ["What is 2 cat?", "Where is the owl?"]


@pytest.fixture(scope="module")
def trained(engine, kept, quick, ended, finished):
    """A run that can be mixed with the finished one, one of another position rule, and a baseline."""
    forms = {"other": replace(quick, method="direft", rank=1, seed=3), "rule": replace(quick, positions="l1", epochs=1)}
    started = {name: train.start(engine, kept.id, form, f"routes-{name}", f"Run {name}") for name, form in forms.items()}
    lora = {"base": "starter", "peft": {"method": "lora", "rank": 1}, "train": {"epochs": 1, "held_out": 0.2}}
    started["lora"] = engine.storage.runs.create(kept.id, lora, name="Run lora")
    done = {name: ended(engine, run) for name, run in started.items()}
    assert {run.status for run in done.values()} == {RunStatus.FINISHED}, [run.sentence for run in done.values()]
    return {"one": finished, **done}


@pytest.fixture(scope="module")
def ask(site):
    """A request, as the page's script sends it."""
    with httpx.Client(base_url=site, timeout=300) as http:
        yield lambda path, body, **more: http.post(f"/play/mix{path}", json=body, **more)


def parts(trained, *weights):
    return [{"run": trained[name].id, "weight": weight} for name, weight in zip(("one", "other"), weights, strict=True)]


def lines(answer):
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def test_runs_to_choose_come_with_the_reason_against_the_first_that_is_chosen(ask, trained):
    one = trained["one"].id
    free = {run["id"]: run["refusal"] for run in ask("/choices", {"run": one}).json()["runs"]}
    assert [free[trained[name].id] for name in ("one", "other", "rule")] == ["", "", ""] and "baseline" in free[trained["lora"].id]
    found = ask("/choices", {"run": one, "chosen": [one, trained["other"].id]}).json()
    refusals = {run["name"]: run["refusal"] for run in found["runs"]}
    assert refusals[trained["one"].name] == refusals["Run other"] == ""
    assert all(word in refusals["Run rule"] for word in ("f2+l2", "l1", "Run rule", trained["one"].name))
    assert "baseline" in refusals["Run lora"] and found["told"] == "" and found["prompts"]
    assert ask("/choices", {"run": one, "chosen": ["nothing"]}).json()["told"] == say("mixes.gone")
    assert ask("/choices", {"run": "nothing"}).status_code == 404


def test_samples_come_line_by_line_and_equal_the_columns_of_a_chat_and_the_run_that_is_kept(ask, engine, trained):
    before = len(engine.storage.runs.all())
    chosen = parts(trained, 0.6, 0.7)
    *found, last = lines(ask("/samples", {"parts": chosen, "prompts": PROMPTS}))
    assert last == {"done": True} and [line["prompt"] for line in found] == PROMPTS and len(engine.storage.runs.all()) == before
    made = ask("", {"parts": chosen, "name": "Kept"}).json()
    run = engine.storage.runs.get(made["id"])
    assert (run.name, run.status, made["run"], made["play"]) == (
        "Kept", RunStatus.FINISHED, f"runs?run={run.id}", f"playground?run={run.id}"
    )  # fmt: skip
    grid = engine.worker.grid({
        "runs": [trained["one"].id, trained["other"].id, run.id],
        "prompts": [{"messages": [{"role": "user", "content": text}]} for text in PROMPTS], "max_new_tokens": 96,
    })  # fmt: skip
    for line, alone in zip(found, [each["answers"] for each in grid], strict=True):
        assert line["base"] == alone["base:starter"] and line["mix"] == alone[run.id]
        assert line["runs"] == {trained[name].id: alone[trained[name].id] for name in ("one", "other")}


def test_the_system_message_is_read_and_weights_1_and_0_are_the_run(ask, trained):
    body = {"parts": parts(trained, 1, 0), "prompts": PROMPTS[:1]}
    (plain, _), (brief, _) = (lines(ask("/samples", {**body, **more})) for more in ({}, {"system": "Be very brief, please."}))
    for line in (plain, brief):
        assert line["runs"] == {trained["one"].id: line["mix"]}
    assert plain["base"] != brief["base"] or plain["mix"] != brief["mix"]


@pytest.mark.parametrize("path", ["", "/samples"])
def test_what_cannot_be_mixed_is_refused_with_both_rules(ask, trained, path):
    both = [{"run": trained[name].id, "weight": 0.5} for name in ("one", "rule")]
    answer = ask(path, {"parts": both, **({"prompts": PROMPTS} if path else {})})
    error = (lines(answer)[-1] if path else answer.json())["error"]
    assert answer.status_code == (200 if path else 422) and all(word in error for word in ("f2+l2", "l1", "Run rule"))


@pytest.mark.parametrize(("path", "body"), [
    ("/choices", {}), ("/choices", {"run": "x", "chosen": ["x"] * 9}), ("/choices", {"run": "x" * 101}),
    ("/choices", {"run": "x", "more": 1}),
    ("/samples", {"parts": [], "prompts": ["x"]}), ("/samples", {"parts": [{"run": "x", "weight": 11}], "prompts": ["x"]}),
    ("/samples", {"parts": [{"run": "x"}] * 9, "prompts": ["x"]}), ("/samples", {"parts": [{"run": "x"}], "prompts": []}),
    ("/samples", {"parts": [{"run": "x"}], "prompts": ["x"] * 9}), ("/samples", {"parts": [{"run": "x"}], "prompts": ["x" * 20_001]}),
    ("/samples", {"parts": [{"run": "x"}], "prompts": ["x"], "system": "x" * 20_001}),
    ("/samples", {"parts": [{"run": "x"}], "prompts": ["x"], "page": "x" * 101}),
    ("", {"parts": []}), ("", {"parts": [{"run": "x"}], "name": "x" * 1001}), ("", {"parts": [{"run": "x"}], "save_to": "x"}),
])  # fmt: skip
def test_what_is_no_request_is_refused_with_a_sentence(ask, path, body):
    answer = ask(path, body)
    error = answer.json()["error"]
    assert answer.status_code == 422 and ("cannot be read" in error or "too many" in error or "too long" in error), error


def test_a_mix_that_is_asked_for_twice_by_a_page_is_one_run(ask, engine, trained):
    body = {"parts": parts(trained, 0.6, 0.7), "name": "Once", "page": "page"}
    before = len(engine.storage.runs.all())
    first, second = (ask("", body).json() for _ in range(2))
    assert first == second and len(engine.storage.runs.all()) == before + 1
    assert ask("", {**body, "name": "Another"}).json()["id"] != first["id"]
    engine.storage.runs.delete(first["id"])
    assert ask("", body).json()["id"] != first["id"], "one in the bin is not given back"


@pytest.mark.parametrize("path", ["", "/choices", "/samples"])
def test_too_large_a_body_and_pages_of_other_sites_are_refused(ask, site, path):
    answer = httpx.post(f"{site}/play/mix{path}", content=b" " * 4_000_001, timeout=60)
    assert answer.status_code == 413 and "4 MB" in answer.json()["error"]
    assert ask(path, {}, headers={"Origin": "http://evil.example"}).status_code == 403


def test_a_run_that_is_gone_is_said(ask):
    gone = [{"run": "nothing", "weight": 1.0}]
    assert "no such run" in lines(ask("/samples", {"parts": gone, "prompts": ["x"]}))[-1]["error"]
    answer = ask("", {"parts": gone})
    assert answer.status_code == 404 and "no such run" in answer.json()["error"]
