"""The examples run as they stand, over public names alone."""

import ast
import runpy
from importlib import import_module
from pathlib import Path

import pytest

from reft_engine import ReftConfig, TrainConfig, load_base, train
from reft_engine.training import StepEvent

FOLDER = Path(__file__).resolve().parents[1] / "examples"
ROWS = [(f"What is {n} plus 1?", f"{n} PLUS 1 IS {n + 1}.") for n in range(6)]


@pytest.fixture
def training_loop(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return import_module("training_loop").training_loop


@pytest.mark.slow
def test_the_loop_runs_as_a_script_and_saves_an_edit(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(FOLDER / "training_loop.py"), run_name="__main__")
    assert "tuned: 4 PLUS 4 IS 8." in capsys.readouterr().out
    assert (tmp_path / "my-adapter" / "reft_model.safetensors").is_file()


@pytest.mark.slow
def test_the_loop_takes_the_steps_that_train_takes(training_loop, tiny_base):
    """With all rows in one batch, where their order does not matter."""
    base, config, losses = load_base(str(tiny_base), device="cpu"), ReftConfig(rank=2, positions="f2+l2"), []

    def note(event):
        if isinstance(event, StepEvent):
            losses.append(event.loss)

    settings = TrainConfig(epochs=20, learning_rate=1e-2, batch_size=len(ROWS), held_out=0.0, seed=42)
    train(base, ROWS, config, settings, on_event=note)
    _, curve = training_loop(base, ROWS, config, epochs=20, learning_rate=1e-2, batch_size=len(ROWS))
    assert len(curve) == 20 and curve[-1] < curve[0] - 1e-3
    assert curve == pytest.approx(losses, rel=1e-4)


def test_an_example_is_one_page_over_public_names():
    for path in FOLDER.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert len([line for line in text.splitlines() if line.strip()]) <= 60
        imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom) and str(node.module).startswith("reft_")]
        assert imports
        for node in imports:
            public = import_module(str(node.module)).__all__
            assert {name.name for name in node.names} <= {*public}, f"{path.name}: {node.module} does not export all of them"
