"""A finished run is looked at by the worker, and what was seen is told; one that was stopped, or whose look fails, loses nothing else."""

import json
import re
from dataclasses import replace

import pytest

from app.errors import StudioError
from app.handlers import runs, train
from app.handlers.looked import changes_of, level_of, regression_of
from app.handlers.verdict import verdict_of
from app.pages import looked_html, report_html
from app.worker import job
from app.worker.check import FreshCheck
from app.worker.resident import Resident
from reft_engine import PeftConfig, RunSpec, TrainConfig
from reft_engine.data import load_examples
from reft_engine.training import Changes, MovedPrompt, Regression, measure_changes, measure_regression
from storage import RunStatus
from tests.app.test_verdict import RUN, run_with

FIGURES = Regression(60, 0, 700, 0.01, 2.0, 2.1, (MovedPrompt("What is 2?", 0.2, "Two.", "Too."),) * 3)


@pytest.fixture
def trained(services, dataset, tiny_base, monkeypatch):
    """Trains a run in this process until it ends."""
    monkeypatch.setattr(FreshCheck, "prepare", lambda check: None)
    monkeypatch.setattr(FreshCheck, "check", lambda check, adapter, name: "not checked here")
    resident = Resident(services.storage)

    def make(**spec):
        settings = TrainConfig(epochs=2, batch_size=8, held_out=0.2)
        run = services.storage.runs.create(
            dataset.id, RunSpec(**{"base": str(tiny_base), "train": settings, **spec}).model_dump(mode="json")
        )
        job.run_job(resident, services.storage.queue.claim("w"), lambda: False)
        return services.storage.runs.get(run.id)

    return make


@pytest.mark.slow
def test_a_finished_run_keeps_what_the_engine_measures(engine, finished, kept):
    """On its own edit, as it was saved, and its held-out rows."""
    resident = Resident(engine.storage)
    base, reft = resident.run(finished.id)
    assert regression_of(finished).prompts == 60 and regression_of(finished).kl > 0
    again, kept_figures = measure_regression(base, reft), regression_of(finished)
    assert [kept_figures.kl, kept_figures.base, kept_figures.tuned] == pytest.approx([again.kl, again.base, again.tuned], rel=1e-4)
    assert [each.prompt for each in kept_figures.worst] == [each.prompt for each in again.worst]
    examples = load_examples(engine.storage.files.rows(engine.storage.datasets.get(kept.id).version))
    held_out = [examples[index] for index in engine.storage.runs.held_out_places(finished.id)]
    changes = changes_of(finished)
    assert changes.rows == len(held_out)
    again = measure_changes(base, reft, held_out)
    assert [layer.norm for layer in changes.layers] == pytest.approx([layer.norm for layer in again.layers], rel=1e-4)
    assert [token.text for token in changes.example] == [token.text for token in again.example]


@pytest.mark.slow
def test_a_baseline_is_measured_and_has_no_changes(trained):
    run = trained(peft=PeftConfig(method="lora", rank=1))
    assert run.status is RunStatus.FINISHED
    assert regression_of(run).prompts == 60 and changes_of(run) is None
    assert "general prompts" in verdict_of(run).sentences[-1]


@pytest.mark.slow
def test_a_look_that_fails_is_logged_and_the_run_finishes(trained, services, monkeypatch):
    monkeypatch.setattr(job, "measure_regression", lambda *_, **__: 1 / 0)
    run = trained()
    assert run.status is RunStatus.FINISHED and runs.view(services, run.id).downloadable
    assert regression_of(run) is None and changes_of(run).rows > 0
    log = services.storage.files.log(run.id).read_text()
    assert "not measured: regression" in log and "ZeroDivisionError" in log
    assert not any("general prompts" in sentence for sentence in verdict_of(run).sentences)


@pytest.mark.slow
def test_a_stopped_run_is_not_looked_at(trained, services, monkeypatch):
    begun = job.Journal.should_stop
    monkeypatch.setattr(job.Journal, "should_stop", lambda journal: bool(journal._sparkline.values) or begun(journal))
    looked = []
    monkeypatch.setattr(job, "measure_regression", lambda *_, **__: looked.append(1))
    run = trained(train=TrainConfig(epochs=200, batch_size=8, held_out=0.2))
    assert run.status is RunStatus.STOPPED and runs.view(services, run.id).downloadable
    assert looked == [] and regression_of(run) is None and changes_of(run) is None


@pytest.mark.slow
def test_a_stop_during_the_look_ends_it_and_the_run_is_finished(trained, services, monkeypatch):
    def measure(base, reft, **more):
        (run,) = services.storage.runs.going()
        services.storage.runs.request_stop(run.id)
        return measure_regression(base, reft, **more)

    monkeypatch.setattr(job, "measure_regression", measure)
    monkeypatch.setattr("app.worker.journal._STOP_CHECK_SECONDS", 0.0)
    run = trained()
    assert run.status is RunStatus.FINISHED and regression_of(run) is None and changes_of(run) is None


# What is said


@pytest.mark.parametrize(
    ("kl", "level", "words"),
    [
        (0.0, "same", "stayed nearly the same: 0 nats"), (0.0004, "same", "under 0.001 nats"), (0.02, "same", "0.02 nats"),
        (0.021, "little", "moved a little"), (0.125, "little", "0.12 nats"), (0.126, "lot", "moved a lot"), (3.0, "lot", "3.00 nats"),
        (None, "no_number", "no longer numbers"),
    ],
)  # fmt: skip
def test_the_verdict_says_how_far_other_answers_moved(kl, level, words):
    figures = replace(FIGURES, kl=kl)
    run = run_with(RUN)
    judged = verdict_of(run)
    told = verdict_of(replace(run, summary={**run.summary, "regression": figures.to_dict()}))
    assert level_of(figures) == level and words in told.sentences[-1] and "60 general prompts" in told.sentences[-1]
    assert (told.name, told.tone, told.sentences[:-1]) == (judged.name, judged.tone, judged.sentences), "and the verdict is the same"


def test_losses_that_are_said_alike_stayed():
    said = [
        verdict_of(replace(run_with(RUN), summary={**run_with(RUN).summary, "regression": replace(FIGURES, tuned=tuned).to_dict()}))
        for tuned in (2.001, 2.4)
    ]
    assert "their loss stayed at 2.00" in said[0].sentences[-1]
    assert "their loss went from 2.00 (base model) to 2.40 (tuned)" in said[1].sentences[-1]


@pytest.mark.slow
def test_the_cards_say_what_was_measured(finished):
    figures, changes = regression_of(finished), changes_of(finished)
    card = looked_html.regression(figures)
    assert all(text in card for text in ("60 general prompts", "721 tokens", f"base model {figures.base:.2f}"))
    assert card.count("<dl") == 3 and card.count("nats per token</dd>") == 3
    card = looked_html.edit(changes)
    assert card.count('<th scope="row">') == len(changes.layers) + len(changes.places) + len(changes.example)
    assert f"strongest at layer {max(changes.layers, key=lambda layer: layer.share).layer}," in card
    assert len(re.findall("--strength:", card)) == sum(token.edited and token.text != "" for token in changes.example)
    assert "--strength:1.00" in card, "the strongest token"


def test_what_was_not_measured_has_no_card():
    assert looked_html.regression(None) == "" == looked_html.edit(None)


def test_figures_that_are_no_numbers_are_said_so():
    moved = MovedPrompt("x", None, "y", "")
    card = looked_html.regression(Regression(59, 1, 3, None, 2.0, None, (moved,)))
    assert card.count("no number") == 3 and "1 more prompt was left out" in card and "nothing" in card
    values = {"layer": 0, "norm": None, "share": None}
    broken = Changes.from_dict({
        "rows": 1, "tokens": 2, "edited": 1, "layers": [values], "places": [{"place": 1, "share": None, "rows": 1}],
        "example": [{"text": "a", "edited": True, "share": None}, {"text": "b", "edited": False, "share": 0.0}], "gap": 5,
    })  # fmt: skip
    card = looked_html.edit(broken)
    assert "no number" in card and "strongest" not in card and "5 tokens left out" in card and "not edited" in card


def test_many_layers_scroll():
    values = [{"layer": layer, "norm": 1.0, "share": 0.1} for layer in range(40)]
    rest = {"rows": 1, "tokens": 1, "edited": 1, "places": [], "example": [], "gap": 0}
    few, many = (looked_html.edit(Changes.from_dict({**rest, "layers": values[:count]})) for count in (20, 40))
    assert many.count('class="rs-tall"') == few.count('class="rs-tall"') + 1


@pytest.mark.slow
def test_the_report_has_the_cards(engine, finished):
    _, content = report_html.of_run(engine, finished.id)
    text = content.decode()
    assert looked_html.regression(regression_of(finished)) in text and looked_html.edit(changes_of(finished)) in text


# Two runs


@pytest.mark.slow
def test_two_runs_are_compared_and_what_cannot_be_is_refused_in_words(engine, finished, kept, quick, ended, tmp_path):
    other = ended(engine, train.start(engine, kept.id, replace(quick, seed=7, rank=3), "other seed", "Other"))
    same, angles = (engine.worker.angles(finished.id, run.id) for run in (finished, other))
    assert all(angle < 0.05 for each in same for angle in each["degrees"])
    assert [each["layer"] for each in angles] == [layer.layer for layer in changes_of(finished).layers]
    assert all(len(each["degrees"]) == 2 and 0 <= min(each["degrees"]) <= max(each["degrees"]) <= 90 for each in angles)
    json.dumps(angles, allow_nan=False)
    spec = RunSpec(base=finished.base, peft=PeftConfig(method="lora", rank=1), train=TrainConfig(epochs=1)).model_dump(mode="json")
    lora = engine.storage.runs.create(kept.id, spec, name="A LoRA")
    elsewhere = engine.storage.runs.create(kept.id, {**other.spec, "base": "nobody/else"}, name="Elsewhere")
    for run in (lora, elsewhere):
        engine.storage.runs.request_stop(run.id)
    for run, words in ((lora, "A LoRA is a baseline"), (elsewhere, "different base models"), (None, "There is no such run")):
        with pytest.raises(StudioError, match=words):
            engine.worker.angles(finished.id, run.id if run else "gone")
