import json

import pytest
from safetensors.torch import load_file

from app.cli import main
from app.handlers.sweep import MOST

SWEEP = [
    *("--rank", "1,2", "--lr", "0.02", "--positions", "l1,f2+l2"),
    *("--epochs", "5", "--batch-size", "6", "--held-out", "0.2", "--seed", "3"),
]


def told(capfd):
    return json.loads(capfd.readouterr().out.splitlines()[-1])["runs"]


@pytest.mark.slow
def test_every_combination_is_trained_as_it_would_be_alone_and_the_best_stands_first(table_file, tiny_base, tmp_path, capfd):
    rows = ["--data", str(table_file), "--base", str(tiny_base)]
    assert main(["sweep", *rows, "--out", str(tmp_path / "out"), *SWEEP, "--json"]) == 0
    lines = told(capfd)
    assert {(line["rank"], line["positions"]) for line in lines} == {(1, "l1"), (1, "f2+l2"), (2, "l1"), (2, "f2+l2")}
    assert [line["held_out_tuned"] for line in lines] == sorted(line["held_out_tuned"] for line in lines)
    best = lines[0]
    alone = ["--rank", str(best["rank"]), "--positions", best["positions"], *SWEEP[2:4], *SWEEP[6:]]
    assert main(["train", *rows, "--out", str(tmp_path / "alone"), *alone, "--json"]) == 0
    result = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert best["held_out_tuned"] == pytest.approx(result["held_out_tuned"], abs=1e-3)
    ours, theirs = (load_file(f"{folder}/reft_model.safetensors") for folder in (best["adapter"], result["adapter"]))
    assert all((ours[name] - theirs[name]).abs().max() < 1e-2 for name in theirs)


@pytest.mark.slow
def test_runs_with_different_seeds_are_measured_on_the_same_rows(table_file, tiny_base, tmp_path, capfd):
    options = ["--base", str(tiny_base), "--rank", "1", "--epochs", "1", "--positions", "l1", "--held-out", "0.2"]

    def base_losses(out, *more):
        assert main(["sweep", "--data", str(table_file), "--out", str(tmp_path / out), *options, *more, "--json"]) == 0
        return {line.get("seed", "only"): line["held_out_base"] for line in told(capfd)}

    both = base_losses("both", "--seed", "1,2")
    assert both[1] == both[2] == base_losses("first", "--seed", "1")["only"]
    second = base_losses("second", "--seed", "2")["only"]
    assert second != both[2]
    assert base_losses("drawn", "--seed", "1,2", "--split-seed", "2")[1] == second


@pytest.mark.slow
def test_the_table_names_only_what_differs_and_a_run_that_diverged_stands_last(table_file, tiny_base, tmp_path, capfd, monkeypatch):
    from reft_engine.errors import TrainingError
    from reft_engine.training.loop import RunState

    whole = RunState.end_step

    def diverge(state):
        if state.train_config.learning_rate == 1.0:
            raise TrainingError("The loss is no longer a number at step 1.")
        return whole(state)

    monkeypatch.setattr(RunState, "end_step", diverge)
    rows = ["--data", str(table_file), "--base", str(tiny_base), "--out", str(tmp_path / "out")]
    assert main(["sweep", *rows, "--lr", "1,0.01", "--rank", "1", "--epochs", "2"]) == 0
    header, first, last = capfd.readouterr().out.splitlines()
    assert header.split() == ["run", "lr", "trainable_parameters", "loss_last", "held_out_base", "held_out_tuned", "problem"]
    assert (first.split()[:2], last.split()[:2]) == (["1", "0.01"], ["0", "1"])
    assert "no longer a number" in last


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--rank", "1,x"], "'x' is not a whole number"),
        (["--rank", ","], "That makes 0 runs"),
        (["--seed", ",".join(map(str, range(MOST + 1)))], f"That makes {MOST + 1} runs; a sweep has 1 to {MOST}."),
        (["--layers", "99"], "Layer 99 does not exist"),
        (["--positions", "x9"], "x9"),
    ],
)
def test_what_cannot_be_swept_is_refused_in_a_sentence(table_file, tmp_path, capfd, options, sentence):
    assert main(["sweep", "--data", str(table_file), "--out", str(tmp_path / "out"), *options]) == 2
    captured = capfd.readouterr()
    assert sentence in captured.err
    assert "Traceback" not in captured.err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_is_left_alone(table_file, tmp_path, capfd):
    (tmp_path / "mine.txt").write_text("mine")
    assert main(["sweep", "--data", str(table_file), "--out", str(tmp_path)]) == 2
    assert "is there already" in capfd.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
