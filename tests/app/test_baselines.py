"""A baseline goes the way of any run: by the command line and by the worker."""

import json
import shutil

import pytest
from safetensors.torch import load_file

from app.cli import main
from app.cli.doctor import problems_of
from app.errors import StudioError
from app.handlers import runs, train
from app.pages.runs_html import facts
from reft_engine import PeftConfig, RunSpec, TrainConfig, load_base
from reft_engine import train as train_here
from reft_engine.data import load_examples
from storage import RunStatus
from tests.chatting import asked_of_both, followed, said
from tests.waiting import until

SETTINGS = ["--epochs", "6", "--lr", "0.01", "--batch-size", "6", "--held-out", "0.2", "--seed", "3"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, table_file, tiny_base):
    """The arguments of a LoRA run that has ended, and its folder."""
    out = tmp_path_factory.mktemp("lora") / "out"
    arguments = [
        "train",
        "--data",
        str(table_file),
        "--base",
        str(tiny_base),
        "--out",
        str(out),
        "--method",
        "lora",
        "--rank",
        "2",
        *SETTINGS,
    ]
    assert main([*arguments, "--json"]) == 0
    return arguments, out


@pytest.mark.slow
def test_train_evaluate_and_chat_say_what_they_say_of_edits(trained, table_file, capfd):
    arguments, out = trained
    capfd.readouterr()
    assert main([*arguments, "--json"]) == 0  # again, which leaves it alone
    again = capfd.readouterr()
    found = json.loads(again.out)
    assert "finished already" in again.err and found["adapter"] == str(out / "adapter")
    assert found["trainable_parameters"] == 3 * (2 * (32 + 32) + 2 * (32 + 16))
    assert found["steps"] == 6 * 4 and found["loss_last"] < found["loss_first"] and found["held_out_tuned"] < found["held_out_base"]
    assert main(["evaluate", str(out), "--data", str(table_file), "--json"]) == 0
    figures = json.loads(capfd.readouterr().out)
    assert figures["tuned"]["loss"] < figures["base"]["loss"] and figures["rows"] == 24
    assert main(["chat", str(out), "--prompt", "What is 2 cat?", "--max-new-tokens", "6", "--json"]) == 0
    answers = json.loads(capfd.readouterr().out)
    assert answers["base"] != answers["tuned"]
    assert main(["chat", str(out), "--prompt", "What is 2 cat?", "--strength", "0.5"]) == 2
    assert "has a strength" in capfd.readouterr().err
    assert json.loads((out / "adapter" / "adapter_config.json").read_text())["r"] == 2


@pytest.mark.slow
def test_a_run_whose_result_is_lost_goes_on_from_its_checkpoint_to_the_same_weights(trained, tmp_path, capfd):
    arguments, out = trained
    copied = tmp_path / "copied"
    shutil.copytree(out, copied)
    shutil.rmtree(copied / "adapter")
    arguments = [str(copied) if part == str(out) else part for part in arguments]
    capfd.readouterr()
    assert main(arguments) == 0
    assert "step 0 " not in capfd.readouterr().err  # it did not begin anew
    one, other = (load_file(folder / "adapter" / "adapter_model.safetensors") for folder in (out, copied))
    assert one and one.keys() == other.keys() and all(one[name].equal(other[name]) for name in one)


@pytest.mark.parametrize("flag", [["--positions", "l1"], ["--untied"]])
def test_flags_of_edits_are_refused_with_a_baseline(flag, table_file, tmp_path, capfd):
    assert main(["train", "--data", str(table_file), "--out", str(tmp_path / "out"), "--method", "dora", *flag]) == 2
    assert "of edits alone" in capfd.readouterr().err and not (tmp_path / "out").exists()


def test_a_baseline_can_be_put_on_some_layers(table_file, tiny_base, tmp_path, capfd):
    asked = ["train", "--data", str(table_file), "--base", str(tiny_base), "--out", str(tmp_path / "out"), "--rank", "2", *SETTINGS]
    assert main([*asked, "--method", "prefix", "--layers", "0"]) == 2
    assert "acts on the whole model" in capfd.readouterr().err and not (tmp_path / "out").exists()
    assert main([*asked, "--method", "lora", "--layers", "0;2", "--epochs", "1", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["trainable_parameters"] == 2 * (2 * (32 + 32) + 2 * (32 + 16))


def test_a_sweep_refuses_a_baseline(table_file, tmp_path, capfd):
    assert main(["sweep", "--data", str(table_file), "--out", str(tmp_path / "out"), "--method", "loreft,lora"]) == 2
    assert "lora changes the base model's layers" in capfd.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.process
def test_a_queued_baseline_is_trained_stopped_continued_verified_and_chatted_with(engine, kept, tiny_base, ended, tmp_path):
    spec = RunSpec(
        base=str(tiny_base), peft=PeftConfig(method="lora", rank=2, dropout=0.2),
        train=TrainConfig(epochs=100, batch_size=6, learning_rate=1e-3, held_out=0.2, keep="last"),
    )  # fmt: skip
    run = engine.storage.runs.create(kept.id, spec.model_dump(mode="json"), name="Rival")
    until(lambda: engine.storage.runs.get(run.id).step > 5, "the sixth step")
    while_it_trains = followed(engine, asked_of_both(run.id, "What is 2 cat?", settings={"max_new_tokens": 3}))
    assert while_it_trains[-1] == {"done": True}
    runs.stop(engine, run.id)
    stopped = ended(engine, run)
    assert stopped.status is RunStatus.STOPPED and 0 < stopped.step < 400, stopped.sentence
    runs.resume(engine, run.id)
    done = ended(engine, run)
    assert done.status is RunStatus.FINISHED and done.step == 400, done.sentence
    ours = load_file(engine.storage.files.adapter(run.id) / "adapter_model.safetensors")
    train_here(
        load_base(str(tiny_base)), load_examples(engine.storage.files.rows(kept.version)), spec.trained, spec.train, folder=tmp_path
    )  # fmt: skip
    theirs = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert ours and ours.keys() == theirs.keys() and all(ours[name].equal(theirs[name]) for name in ours)
    plain, tuned = said(followed(engine, asked_of_both(run.id, "What is 2 cat?", settings={"max_new_tokens": 6})))
    assert plain != tuned
    assert "LoRA" in facts(done) and "Positions" not in facts(done)
    assert runs.view(engine, run.id).run.id == run.id
    assert not [found for found in problems_of(engine.storage) if "Rival" in found.text]
    again = train.again(engine, run.id, {}).form
    assert (again.method, again.rank, again.dropout, again.base) == ("lora", 2, 0.2, str(tiny_base))
    scaled = RunSpec(base=str(tiny_base), peft=PeftConfig(method="lora", alpha=3))  # for which the form has no field
    other = engine.storage.runs.create(kept.id, scaled.model_dump(mode="json"))
    runs.stop(engine, other.id)
    with pytest.raises(StudioError, match="trained a baseline"):
        train.again(engine, other.id, {})
