"""docs/engine.md: its blocks run in order, in one namespace, and print what stands behind each print."""

import re
from pathlib import Path
from typing import get_args

import pytest

import reft_engine
from reft_engine.methods import METHODS
from reft_engine.spec import Activation, trainable_parameters

ROOT = Path(__file__).resolve().parents[1]
GUIDE = (ROOT / "docs/engine.md").read_text(encoding="utf-8")
CODE = "\n".join(re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL))
SHOWN = re.findall(r"^ *print\(.*\)  # (.*)$", CODE, re.MULTILINE)


@pytest.mark.slow
def test_the_blocks_run_in_order_and_print_what_the_text_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile(CODE, "docs/engine.md", "exec"), {"__name__": "__main__"})
    # What transformers' Trainer prints at its end, by itself, holds the seconds that it took.
    assert [line for line in capsys.readouterr().out.splitlines() if not line.startswith("{'train_runtime'")] == SHOWN
    assert sorted(path.name for path in tmp_path.iterdir()) == ["for-pyreft", "my-adapter", "my-mix", "run", "trainer"]
    assert {path.name for path in (tmp_path / "my-adapter").iterdir()} == {"README.md", "reft_config.json", "reft_model.safetensors"}


def test_every_print_says_what_it_prints():
    assert len(SHOWN) == CODE.count("print(") > 10


def test_only_one_block_is_not_run():
    fences = re.findall(r"^```(.+)$", GUIDE, re.MULTILINE)
    assert set(fences) == {"python", "py"}
    assert fences.count("py") == 1


def test_every_public_name_and_every_method_is_there():
    named = set(re.findall(r"`([a-zA-Z_]+)`", GUIDE))
    assert set(reft_engine.__all__) <= named
    assert set(METHODS) <= named
    (counted,) = re.findall(r"(\d+) names are public", GUIDE)
    assert int(counted) == len(reft_engine.__all__)


def test_every_method_has_its_row_and_the_row_says_how_many_numbers_are_trained():
    rows = re.findall(r"^\| `(\w+)` \| .* \| ([KD2 +]+) \|$", GUIDE, re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(METHODS)
    rank, width = 5, 32
    for name, count in rows:
        said = {"2KD + K": 2 * rank * width + rank, "KD + K": rank * width + rank, "2D": 2 * width}[count]
        assert trainable_parameters(reft_engine.ReftConfig(method=name, rank=rank, layers=[0]), layers=1, hidden_size=width) == said


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_the_row_of_a_method_is_that_of_the_engine(method):
    pyreft = f"`{method.pyreft}`" if method.pyreft else "none"
    line = f"| `{method.name}` | {method.title} | {method.paper} | {pyreft} | {method.formula} | {method.parameter_formula} |"
    assert line in GUIDE.splitlines(), f"docs/engine.md lacks the line\n{line}"


def test_settings_that_the_guide_names_exist():
    for setting in re.findall(r"(?:ReftConfig|TrainConfig)\((\w+)=", GUIDE):
        assert setting in {**reft_engine.ReftConfig.model_fields, **reft_engine.TrainConfig.model_fields}
    assert set(re.findall(r"^- `(\w+)", GUIDE, re.MULTILINE)) <= set(reft_engine.ReftConfig.model_fields)
    assert {"linear", "relu", "gelu", "silu", "tanh"} <= set(get_args(Activation))
