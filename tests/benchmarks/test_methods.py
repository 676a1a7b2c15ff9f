"""The table of methods: made of real runs of a tiny model, gone on with where it was stopped, and read no further than it bears."""

import sys
from dataclasses import replace

import pytest

from app.handlers.baselines import RATES
from benchmarks import methods
from benchmarks.methods_table import Facts, Measured, best_of, page
from reft_engine import BASELINES

FACTS = Facts({"reft": "ReFT", "lora": "LoRA", "prompt": "Prompt tuning"}, 1 / 3, 0.2, 42, "0.0", 3)


@pytest.mark.slow
def test_all_methods_at_all_rates_and_the_ablation_are_measured_once(tiny_base, tmp_path, monkeypatch, capsys):
    arguments = ["methods", "--base", str(tiny_base), "--samples", "emoji", "--epochs-share", "0", "--rows", "3"]
    monkeypatch.setattr(sys, "argv", [*arguments, "--results", str(tmp_path / "found.json"), "--out", str(tmp_path / "page.md")])
    methods.main()
    text = (tmp_path / "page.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("| emoji |")]
    assert [line.split(" | ")[1] for line in lines] == ["ReFT", "LoRA", "DoRA", "(IA)3", "Prefix tuning", "Prompt tuning"]
    assert all(line.count("of 3") == 1 and line.count(": ") >= 3 for line in lines)
    for name in ("as above", "layers: every second", "layers: the middle one", "positions: l1", "positions: all", "rank: 1"):
        assert text.count(f"| {name} |") == 1
    kept = methods.Results(tmp_path / "found.json")
    at_first = 3 + sum(map(len, RATES.values())) + 6
    assert at_first <= len(kept._found) <= at_first + methods.MORE * (1 + len(RATES)) and set(RATES) == set(BASELINES)
    monkeypatch.setattr(methods, "measure", None)  # nothing is measured again
    methods.main()
    assert (tmp_path / "page.md").read_text() == text
    monkeypatch.setattr(sys, "argv", [part.replace("emoji", "pirate") for part in sys.argv])
    with pytest.raises(TypeError):
        methods.main()


def run(name, rate, right, chosen_by, task="one", kind="baseline", rows=100):
    return Measured(
        task=task, kind=kind, name=name, rate=rate, spec={}, chosen_by=chosen_by, choosing_rows=9, trained_rows=30, steps=12, loss=0.5,
        loss_base=3.0, right=right, right_base=0, rows=rows, parameters=10, bytes=2000, cpu_seconds=2.0, memory=1_000_000,
    )  # fmt: skip


def told(*found):
    edit = [run("reft", rate, 60, loss, kind="edit") for rate, loss in ((0.1, 0.4), (0.2, 0.2), (0.3, 0.3))]
    return page([*edit, *found], FACTS)


@pytest.mark.parametrize(
    ("losses", "wanted"),
    [
        ({0.2: 0.1, 1.0: 0.3, 5.0: 0.4}, 0.04),
        ({0.2: 0.4, 1.0: 0.3, 5.0: 0.1}, 25.0),
        ({0.2: 0.4, 1.0: 0.3, 5.0: None}, None),
        ({0.2: 0.4, 1.0: None, 5.0: None}, 0.04),
        ({0.2: None, 1.0: None}, None),
    ],
)
def test_rates_go_on_as_long_as_the_outermost_is_the_best(losses, wanted):
    assert methods.beyond([run("lora", rate, 1, loss) for rate, loss in losses.items()]) == wanted


def test_the_rate_is_chosen_by_its_loss_and_never_by_what_is_scored():
    found = [run("lora", 0.1, 99, 0.9), run("lora", 0.2, 10, 0.3), run("lora", 0.3, 50, None)]
    assert best_of(found) == found[1] and best_of([found[2]]) is None
    (line,) = [line for line in told(*found, run("prompt", 0.1, 60, 0.1)).splitlines() if line.startswith("| one | LoRA |")]
    assert "| 10 of 100 |" in line and "0.1: 0.900, 0.2: 0.300, 0.3: diverged" in line


def test_what_is_within_chance_is_called_so():
    near, far = told(run("lora", 0.1, 66, 0.3), run("prompt", 0.1, 20, 0.3)), told(run("lora", 0.1, 90, 0.3), run("prompt", 0.1, 88, 0.3))
    assert (
        "Most right answers: **LoRA**, 66 of 100.\n- Not told apart from it: ReFT (60).\n- Fewer, beyond chance: Prompt tuning (20)."
        in near
    )
    assert "Not told apart from it: Prompt tuning (88).\n- Fewer, beyond chance: ReFT (60)." in far


def test_methods_with_as_many_right_answers_stand_first_together_and_samples_that_are_missing_are_named():
    text = told(run("lora", 0.1, 60, 0.3), run("prompt", 0.1, 20, 0.3))
    assert "- **one**: most right answers by ReFT, LoRA (60 of 100); fewer beyond chance: Prompt tuning." in text
    assert "The eight samples (100 held-out rows" in text and "Not measured yet" not in text
    part = page(
        [run("reft", 0.1, 60, 0.3, kind="edit"), run("lora", 0.1, 55, 0.3), run("prompt", 0.1, 60, 0.3)], replace(FACTS, missing=("two",))
    )
    assert "1 of the bundled samples (100 held-out rows" in part and "Not measured yet: two." in part


def test_a_line_of_the_ablation_is_read_against_the_edit_on_the_same_samples():
    ablated = [run("rank: 1", 0.2, 30, 0.3, kind="ablation"), run("layers: x", 0.2, 90, 0.3, kind="ablation")]
    ablated.append(run("positions: l1", 0.2, 58, 0.3, kind="ablation"))
    text = told(run("lora", 0.1, 60, 0.3), run("prompt", 0.1, 60, 0.3), *ablated)
    assert "Against the edit as above (60 of 100):" in text and "- Fewer, beyond chance: rank: 1 (30)." in text
    assert "- More right answers, beyond chance: layers: x (90)." in text and "- Not told apart: positions: l1 (58)." in text


def test_a_method_that_diverged_at_every_rate_has_no_right_answer():
    text = told(run("lora", 0.1, 40, None), run("prompt", 0.1, 60, 0.3))
    assert "| one | LoRA | - | - | all diverged | 0.1: diverged |" in text and "LoRA (0)" in text


def test_another_setting_is_measured_anew(tmp_path):
    kept, config = methods.Results(tmp_path / "found.json"), methods.Config("one", "edit", "reft", methods.RunSpec())
    measured = replace(run("reft", 0.004, 1, 0.1), spec=config.spec.model_dump(mode="json"))
    kept.add(config, measured)
    again = methods.Results(tmp_path / "found.json")
    assert again.get(config) == measured
    longer = config.spec.model_copy(update={"train": config.spec.train.model_copy(update={"epochs": 9})})
    assert again.get(replace(config, spec=longer)) is None
