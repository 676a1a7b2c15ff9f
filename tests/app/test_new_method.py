"""A method that is made up here, as one row of the table and nothing else, goes all the way from the command line to a chat."""

import json

import gradio as gr
import pytest
import torch

from app import cli
from app.handlers.train import TrainForm, read_form
from app.pages import train as page
from app.settings import Settings
from reft_engine import ReftConfig, ReftModel, load_base
from reft_engine.edits.interventions import build
from reft_engine.errors import ConfigError
from reft_engine.formats.adapter import TENSORS_NAME
from reft_engine.methods import METHODS, Method, title_of

# The two combinations of choices that no method of the paper has.
ROWS = [
    Method("set", "SetReFT", "sets any few directions", "h + W2^T (b - W2 h)", "nowhere", subtracts=True),
    Method("shift", "ShiftReFT", "adds any constant shift", "h + W2^T b", "nowhere"),
]


@pytest.fixture(params=ROWS, ids=lambda row: row.name)
def row(request, monkeypatch):
    monkeypatch.setitem(METHODS, request.param.name, request.param)
    return request.param


def run(capsys, *arguments):
    """Exit code, the JSON line or None, and standard error."""
    code = cli.main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return code, json.loads(said.out.splitlines()[-1]) if said.out else None, said.err


def test_it_computes_its_formula(row):
    edit = build(ReftConfig(method=row.name, rank=2), 3, 8, torch.Generator().manual_seed(0))
    h = torch.randn(5, 8, generator=torch.Generator().manual_seed(1))
    for site in range(3):
        W2, b = edit.projection()[site], edit.weights()["bias"][site]
        wanted = torch.stack([W2.T @ (b - W2 @ token if row.subtracts else b) for token in h])
        assert (edit.delta(h, edit.factors(), site) - wanted).abs().max() < 1e-5


@pytest.mark.slow
def test_it_is_trained_saved_loaded_and_talked_with(row, tmp_path, capsys):
    data, out = tmp_path / "rows.csv", tmp_path / "out"
    data.write_text("question,answer\n" + "".join(f"What is {n} plus 1?,{n + 1} IT IS.\n" for n in range(12)))
    settings = ("--method", row.name, "--rank", 2, "--layers", "0;2", "--epochs", 2, "--held-out", 0)
    code, trained, _ = run(capsys, "train", "--data", data, *settings, "--out", out, "--json")
    assert code == 0
    base = load_base("starter", device="cpu")
    width = base.hidden_size
    assert trained["trainable_parameters"] == 2 * (2 * width + 2) == 2 * row.parameters(2, width)
    reft = ReftModel.load(out / "adapter", base.model)
    assert reft.reft_config.method == row.name
    again = reft.save(tmp_path / "again")
    assert (again / TENSORS_NAME).read_bytes() == (out / "adapter" / TENSORS_NAME).read_bytes()
    code, answers, _ = run(capsys, "chat", out, "--prompt", "What is 4 plus 1?", "--max-new-tokens", 4, "--json")
    assert (code, set(answers)) == (0, {"base", "tuned"})
    with pytest.raises(ConfigError, match=f"pyreft has no {row.title} edit; save the adapter in this program's own format") as refused:
        reft.save_pyreft(tmp_path / "for-pyreft")
    assert refused.value.field == "method"
    assert not (tmp_path / "for-pyreft").exists()


def test_the_form_and_the_commands_offer_it(row, capsys, services):
    with gr.Blocks():
        choices = page._fields(services)["method"].choices
    assert choices[-1] == (f"{row.title}, {row.help}", row.name)
    assert title_of(row.name) == row.title
    assert read_form(Settings(), TrainForm(method=row.name)).reft.method == row.name
    with pytest.raises(SystemExit):
        cli.main(["train", "--help"])
    assert row.name in capsys.readouterr().out
    with pytest.raises(ConfigError, match=f"'{row.name}'"):
        read_form(Settings(), TrainForm(method="magic"))


def test_it_has_no_activation_and_starts_as_the_identity_only_where_it_can(row):
    with pytest.raises(ConfigError, match="no activation"):
        ReftConfig(method=row.name, activation="relu")
    if row.subtracts:
        with pytest.raises(ConfigError, match="cannot start as the identity"):
            ReftConfig(method=row.name, identity_init=True)
    else:
        edit = build(ReftConfig(method=row.name, identity_init=True), 1, 8)
        assert not edit.delta(torch.ones(2, 8), edit.factors(), 0).any()
