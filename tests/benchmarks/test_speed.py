"""`python -m benchmarks.train` and `python -m benchmarks.answer`: the same work for everybody, and tables that say what was measured."""

import json
from dataclasses import replace
from importlib.util import find_spec

import pytest

from benchmarks import answer, train
from benchmarks.speed.gate import FinishedError, LineGate
from benchmarks.speed.table import Target, judged
from benchmarks.speed.turns import Found, measure
from benchmarks.speed.work import SHAPES, Contender, Job, Work, edited, upper_quarter

JOB = Job("", SHAPES["tiny"], Work(16, 8, "f2+l2", (0, 1, 2, 3)), threads=1)
NOT_INSTALLED = "no_such_module not installed"


def told(contender, job, steps=1):
    """What a contender says when it is asked for so many steps: once that it is ready, and then of each step."""
    said = []
    with pytest.raises(FinishedError):
        contender(job, LineGate(iter(["step\n"] * steps), said.append, "cpu"))
    return [json.loads(line) for line in said]


def first_loss(contender, job=JOB):
    return told(contender, job)[1]["loss"]


def test_everybody_learns_from_the_same_labels_of_the_same_rows():
    from benchmarks.speed import floor, ours

    unedited = replace(JOB, options={"reft": {"identity_init": True}})
    expected = first_loss(floor.forward)
    assert first_loss(floor.backward) == pytest.approx(expected, abs=1e-6)
    assert first_loss(ours.train, unedited) == pytest.approx(expected, abs=1e-5)


RIVALS = {"peft": "lora", "pyreft": "pyreft_model", "adapters": "adapters_model"}


@pytest.mark.slow
@pytest.mark.parametrize("module", [module for package, module in RIVALS.items() if package == "peft" or find_spec(package)])
def test_a_rival_that_is_installed_makes_steps_on_the_same_rows(module):
    from benchmarks.speed import floor

    contender = __import__(f"benchmarks.speed.{module}", fromlist=["train"])
    ready, *steps = told(contender.train, JOB, 3)
    assert ready["trained"] > 0
    assert steps[0]["loss"] == pytest.approx(first_loss(floor.forward), abs=0.2)
    assert steps[2]["loss"] != steps[0]["loss"]


@pytest.mark.slow
def test_the_engine_makes_a_step_each_time_it_is_asked_and_says_of_which_epoch():
    from benchmarks.speed import ours

    job = replace(JOB, work=replace(JOB.work, batches=2, epochs=2))
    _, *steps = told(ours.train, job, 7)
    assert [step["epoch"] for step in steps] == [0, 0, 0, 0, 1, 1, 0]


def test_rows_of_like_length_share_a_batch():
    batches = Work(16, 8, "l1", (0,), batches=2).token_rows(97)
    assert [[len(answer) for _, answer in rows] for rows in batches] == [[1, 1, 2, 2, 3, 3, 4, 4], [5, 5, 6, 6, 7, 7, 8, 8]]
    assert {len(prompt) for rows in batches for prompt, _ in rows} == {16}


def test_positions_are_counted_from_both_ends_of_the_prompt():
    assert edited("f2+l1", 8) == [0, 1, 7]
    assert edited("l2", 8) == [6, 7]
    assert edited("f7+l7", 4) == [0, 1, 2, 3]
    assert upper_quarter(12) == (9, 10, 11)


def test_a_ratio_is_of_medians_of_the_epochs_that_it_names():
    ours = Found("ours", "", rounds=[{"ms": ms, "epoch": epoch} for epoch, ms in enumerate((40.0, 10.0, 30.0, 20.0))])
    other = Found("other", "", rounds=[{"ms": 60.0}] * 4, memory=[{"mb": 5.0}])
    later = judged([ours, other], Target("", "other", "ours", 3.0, "at least"), gpu=False)
    assert (later["ratio"], later["low"], later["high"], later["met"]) == (3.0, 2.0, 6.0, True)
    first = judged([ours, other], Target("", "other", "ours", 1.0, "at most", phase="first", gpu=2.0), gpu=True)
    assert (first["ratio"], first["bound"], first["met"]) == (1.5, 2.0, True)
    assert judged([ours, other], Target("", "ours", "other", 1.0, "at most", value="mb"), gpu=False)["met"] is None


@pytest.mark.process
def test_who_is_not_installed_or_breaks_off_is_a_row_that_says_so():
    contenders = [Contender("absent", "", "floor:forward", needs=("no_such_module",)), Contender("broken", "", "floor:no_such_function")]
    jobs = {each.key: replace(JOB, call=each.call, needs=each.needs) for each in contenders}
    absent, broken = measure(contenders, jobs, {}, rounds=1)
    assert absent.missing == NOT_INSTALLED
    assert broken.missing.startswith("broke off: AttributeError")
    assert absent.rounds == broken.rounds == []


@pytest.mark.process
def test_the_quick_training_table_is_printed_and_written(tmp_path, capsys):
    chosen = ["--scenarios", "upper-l7", "--contenders", "backward", "ours", "pyreft"]
    train.main(["--quick", "--threads", "1", *chosen, "--results", str(tmp_path)])
    [scenario] = json.loads((tmp_path / "train-tiny-cpu.json").read_text())
    found = {each["key"]: each for each in scenario["contenders"]}
    assert [each["epoch"] for each in found["ours"]["rounds"]] == [0, 1, 2]
    assert len(found["backward"]["rounds"]) == 3
    assert found["pyreft"]["rounds"] or found["pyreft"]["missing"] == "pyreft, pyvene not installed"
    assert capsys.readouterr().out.strip() in (tmp_path / "train-tiny-cpu.md").read_text()


@pytest.mark.process
def test_the_quick_answering_table_counts_every_token(tmp_path, capsys):
    chosen = ["--scenarios", "l1", "--contenders", "base", "side", "generate"]
    answer.main(["--quick", "--threads", "1", *chosen, "--results", str(tmp_path)])
    [scenario] = json.loads((tmp_path / "answer-tiny-cpu.json").read_text())
    assert {each["key"]: each["rounds"][0]["tokens"] for each in scenario["contenders"]} == {"base": 8, "side": 16, "generate": 8}
    assert "side by side" in capsys.readouterr().out
