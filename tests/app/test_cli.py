import json
import os
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from safetensors.torch import load_file

from app.cli import COMMANDS, main
from app.cli.train import _settings
from app.handlers import datasets, workbench
from app.handlers.train import TrainForm, estimate, start, suggested
from reft_engine.spec import ReftConfig, RunSpec, TrainConfig
from reft_engine.training import run as training
from storage import RunStatus, Storage
from tests.hub import Hub, answering, way_to, write_dataset
from tests.ports import free_port
from tests.preloaded import Preloaded, nothing, run_command
from tests.waiting import PATIENCE

OLD_DATABASE = Path(__file__).parents[1] / "fixtures/databases/0001.sqlite"
TRAIN = [
    *("--rank", "2", "--positions", "f2+l2", "--epochs", "12", "--lr", "0.02", "--batch-size", "6"),
    *("--held-out", "0.2", "--seed", "3"),
]
SHORT = ["--rank", "2", "--epochs", "1", "--held-out", "0"]


@pytest.fixture(scope="session")
def studio(environment):
    """Run a command as a person does."""

    def run(*arguments, **settings):
        command = [sys.executable, "-m", "app.cli", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=environment, **settings)

    return run


@pytest.fixture(scope="session")
def begun(environment, tmp_path_factory):
    """Begin a command in a process of its own that has the libraries already; gives the process, and where its two outputs go."""

    def begin(*arguments, before=nothing):
        said = tmp_path_factory.mktemp("said")
        out, errors = said / "out", said / "err"
        return Preloaded(partial(run_command, [*map(str, arguments)], before), environment, out, errors), out, errors

    return begin


@pytest.fixture(scope="session")
def trained(tmp_path_factory, begun, table_file):
    """An undisturbed run: its folder, and what the command said."""
    folder = tmp_path_factory.mktemp("cli") / "out"
    process, out, err = begun("train", "--data", table_file, "--out", folder, *TRAIN, "--json")
    done = subprocess.CompletedProcess("train", process.wait(PATIENCE), out.read_text("utf-8"), err.read_text("utf-8"))
    assert done.returncode == 0, done.stderr
    return folder, done


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_train_says_what_it_did_in_one_line_of_json(trained):
    out, done = trained
    (line,) = done.stdout.splitlines()
    found = json.loads(line)
    assert found["adapter"] == str(out / "adapter")
    assert found["trainable_parameters"] > 0 and found["seconds"] > 0
    assert found["steps"] == 12 * 4
    assert 0 < found["loss_last"] < found["loss_first"]
    assert 0 < found["held_out_tuned"] < found["held_out_base"]
    assert {path.name for path in (out / "adapter").iterdir()} == {"README.md", "reft_config.json", "reft_model.safetensors"}
    assert "held-out loss" in done.stderr and " right (base " in done.stderr


def test_train_says_which_edit_it_kept_and_what_that_is_worth(trained, table_file, tiny_base, tmp_path, capfd):
    found = json.loads(trained[1].stdout)
    assert (found["rows"], found["rows_left_out"], found["kept"]) == (24, 0, "best")
    assert 0 < found["best_step"] <= found["steps"]
    assert found["verdict"] in ("learned", "too_few") and "base model 0 of 5, tuned" in trained[1].stderr
    assert ("too few to say" in trained[1].stderr) is (found["verdict"] == "too_few")
    last = ["--base", str(tiny_base), "--keep", "last", "--patience", "2", "--epochs", "30", "--held-out", "0.5", "--lr", "0.02"]
    assert main(["train", "--data", str(table_file), "--out", str(tmp_path / "last"), *last, "--json"]) == 0
    shown = capfd.readouterr()
    found = json.loads(shown.out)
    assert found["kept"] == "last" and found["verdict"] in ("learned", "memorised", "no_change", "worse")
    assert ("Stopped early after step" in shown.err) is (found["steps"] < 30 * 2)
    assert main(["train", "--data", str(table_file), "--out", str(tmp_path / "none"), "--base", str(tiny_base), *SHORT, "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["best_step"], found["kept"], found["verdict"]) == (None, "last", "too_few")


def test_settings_that_came_later_tell_runs_apart_only_where_they_were_given():
    """So that a folder of the version before is still the same run."""
    spec = RunSpec(reft=ReftConfig(rank=2), train=TrainConfig())
    assert not {"keep", "patience"} & _settings(spec)["train"].keys()
    given = RunSpec(train=TrainConfig(keep="last", patience=3))
    assert {"keep", "patience"} <= _settings(given)["train"].keys()


def test_the_same_command_again_leaves_a_finished_run_alone(trained, table_file, capfd):
    out, done = trained
    before = content(out)
    assert main(["train", "--data", str(table_file), "--out", str(out), *TRAIN, "--json"]) == 0
    again = capfd.readouterr()
    assert again.out == done.stdout and "finished already" in again.err
    assert content(out) == before


@pytest.mark.parametrize("change", [["--seed", "4"], ["--untied"], ["--lr", "0.001"], ["--data", "other"]])
def test_a_folder_with_another_run_is_left_alone(trained, table_file, tmp_path, table, capfd, change):
    out, _ = trained
    before = content(out)
    change = [str(table(tmp_path / "rows.csv", [("a", "b"), ("c", "d")])) if part == "other" else part for part in change]
    assert main(["train", "--data", str(table_file), "--out", str(out), *TRAIN, *change]) == 2
    assert "other settings or data" in capfd.readouterr().err
    assert content(out) == before


def with_a_checkpoint_at_each_step():
    training._CHECKPOINT_STEPS, training._CHECKPOINT_PAUSE = 1, 0.0


def test_a_killed_run_is_continued_and_ends_as_if_nothing_had_happened(table_file, tiny_base, tmp_path, begun, until, capfd):
    arguments = ["train", "--data", str(table_file), "--base", str(tiny_base), *TRAIN, "--epochs", "40", "--json", "--out"]
    assert main([*arguments, str(tmp_path / "undisturbed")]) == 0
    out = tmp_path / "out"
    process, _, errors = begun(*arguments, out, before=with_a_checkpoint_at_each_step)
    until(lambda: (errors.exists() and "step 30/" in errors.read_text()) or process.poll() is not None, "the thirtieth step")
    process.kill()
    assert process.wait() == -signal.SIGKILL, errors.read_text()
    assert not (out / "adapter").exists()
    capfd.readouterr()
    assert main([*arguments, str(out)]) == 0
    done = capfd.readouterr()
    first = next(line for line in done.err.splitlines() if line.startswith("step "))
    assert int(first.split()[1].partition("/")[0]) >= 20, "it went on, and did not begin again"
    assert json.loads(done.out)["steps"] == 160
    one, other = (load_file(folder / "adapter" / "reft_model.safetensors") for folder in (out, tmp_path / "undisturbed"))
    assert one and one.keys() == other.keys() and all(one[name].equal(other[name]) for name in one)


@pytest.mark.slow
def test_a_first_try_that_was_refused_does_not_spoil_the_folder(table_file, tmp_path, capfd):
    command = ["train", "--data", str(table_file), "--out", str(tmp_path / "out"), *SHORT]
    assert main([*command, "--rank", "4000"]) == 2
    assert main([*command, "--layers", "77"]) == 2
    assert main([*command, "--max-length", "8"]) == 2
    assert not (tmp_path / "out").exists()
    assert main([*command, "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["held_out_base"] is None


def test_inspect_says_what_a_file_is_and_what_is_wrong_with_it(tmp_path, capfd):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "a", "answer": "b"}\n{"prompt": "c"}\n{"prompt": \n{"prompt": "ü", "answer": "🐱"}\n', encoding="utf-8")
    assert main(["inspect", str(path), "--json"]) == 0
    (line,) = capfd.readouterr().out.splitlines()
    found = json.loads(line)
    assert (found["shape"], found["rows"], found["usable_rows"], found["problem_count"]) == ("pairs", 4, 2, 2)
    assert [problem["line"] for problem in found["problems"]] == [2, 3]
    assert (found["rows_left_out"], found["cut_answers"], found["base"], found["max_length"]) == (2, 0, "starter", 512)
    assert found["roles"] == {"prompt": "prompt", "answer": "answer"} and found["encoding"] == "utf-8"
    assert found["first"][1] == {"messages": [{"role": "user", "content": "ü"}], "answer": "🐱"}
    assert {finding["kind"] for finding in found["findings"]} == {"unreadable", "letters", "few"}
    assert main(["inspect", str(path)]) == 0
    shown = capfd.readouterr()
    assert "prompts with answers" in shown.out and not shown.err
    assert "Of 4 rows, 2 can be trained on with starter; 2 are left out: they are incomplete or unreadable." in shown.out.splitlines()


def test_inspect_says_how_a_file_is_read_that_nobody_has_mapped_yet(tmp_path, capfd):
    path = tmp_path / "odd.csv"
    path.write_text("wort,zahl,mehr\neins,1,x\nzwei,2,y\n")
    assert main(["inspect", str(path), "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["needs_mapping"], found["rows"], found["usable_rows"], found["rows_left_out"], found["roles"]) == (True, 2, 0, 2, {})
    assert main(["inspect", str(path), "--role", "wort=prompt", "--role", "zahl=answer", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["needs_mapping"], found["usable_rows"]) == (False, 2)
    assert found["roles"] == {"wort": "prompt", "zahl": "answer", "mehr": "ignore"} and "Not used: mehr." in found["notes"][0]


def test_inspect_counts_for_the_base_model_and_the_longest_row_that_are_named(table_file, tmp_path, capfd):
    assert main(["inspect", str(table_file), "--max-length", "22", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["max_length"], found["usable_rows"]) == (22, 24) and found["cut_answers"] > 0
    assert all(row["answer"] for row in found["first"])
    assert main(["inspect", str(table_file), "--max-length", "8", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["usable_rows"], found["rows_left_out"], found["problem_count"], found["first"]) == (0, 24, 24, [])
    for refused in (["--base", "/nowhere"], ["--base", "nobody/nothing"], ["--max-length", "3"]):
        assert main(["inspect", str(table_file), *refused]) == 2


def test_inspect_tells_lengths_and_the_balance_of_labels(tmp_path, capfd):
    path = tmp_path / "labels.csv"
    path.write_text("text,label\n" + "".join(f"text {n},{'rare' if n < 3 else 'common'}\n" for n in range(60)) + "text,label\n")
    assert main(["inspect", str(path), "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["answers"] == [["common", 57], ["rare", 3]]
    prompts, answers = found["lengths"]["prompts"], found["lengths"]["answers"]
    assert sum(prompts["counts"]) == sum(answers["counts"]) == 60 and 0 < found["lengths"]["learned"] < 1
    assert {item["kind"]: item["rows"] for item in found["report"]} == {"repeated_headers": [], "unbalanced": [1, 2, 3]}
    assert main(["inspect", str(path)]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert any(line.startswith(f"Half of the prompts have at most {prompts['half']} tokens, the longest") for line in lines)
    first = next(number for number, count in enumerate(prompts["counts"]) if count)
    assert any(line.startswith(f"Prompts by their tokens: {2**first}-{2 ** (first + 1) - 1}: {prompts['counts'][first]}") for line in lines)
    assert "Answer common: 57." in lines and "Answer rare: 3." in lines
    assert "The header stands once more, in line 62; it is left out there." in lines


@pytest.mark.process
def test_rows_of_the_hub_are_inspected_and_trained_on_as_those_of_a_file(environment, tmp_path):
    hub = Hub({}, datasets={"owner/rows": write_dataset(tmp_path / "owner")})

    def run(*arguments):
        command = [sys.executable, "-m", "app.cli", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env={**environment, **way})

    with answering(hub):
        way = {**way_to(hub, tmp_path), "TMPDIR": str(tmp_path / "temporary")}
        way["PYTHONPATH"] = os.pathsep.join([str(tmp_path), environment["PYTHONPATH"]])
        (tmp_path / "temporary").mkdir()
        done = run("inspect", "hf://datasets/owner/rows", "--split", "train", "--rows", "11-30", "--json")
        assert done.returncode == 0, done.stderr
        assert "owner/rows of the Hub, reviews, train, rows 11 to 30 (commit 0123456)" in done.stderr and "picture" in done.stderr
        found = json.loads(done.stdout.splitlines()[-1])
        assert (found["rows"], found["shape"], found["first"][0]["answer"]) == (20, "labels", "bad")
        train = ["train", "--data", "hf://datasets/owner/rows@main", "--rows", "1-24", "--out", tmp_path / "out", *SHORT]
        assert (first := run(*train)).returncode == 0, first.stderr
        assert "finished already" in run(*train).stdout
        refused = run("inspect", "hf://datasets/owner/rows", "--rows", "5-1")
        assert refused.returncode == 2 and "--rows wants the first row and the last" in refused.stderr
        assert "several" not in refused.stderr and list((tmp_path / "temporary").glob("reft-studio-*")) == [], "nothing is left behind"


def mixed(path):
    """Twelve rows that fit, thirty of which the prompt does not, two that cannot be read, and a column that is not used."""
    short = [f"What is {number} plus {number}?,It is {number + number}.,x" for number in range(12)]
    long = [f"{number} {'why ' * 600},Because.,x" for number in range(30)]
    path.write_text("\n".join(["prompt,answer,id", *short, *long, "a,,x", ",b,x"]))
    return path


def test_inspect_train_evaluate_pages_run_and_card_say_the_same_numbers(engine, tmp_path, capfd, ended):
    path = mixed(tmp_path / "mixed.csv")
    assert main(["inspect", str(path), "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["rows"], found["usable_rows"], found["rows_left_out"]) == (44, 12, 32)
    left_out = "2 because they are incomplete or unreadable, 30 because the prompt alone fills all 512 tokens"
    sentence = f"Of 44 rows, 12 can be trained on with starter; 32 are left out: {left_out}."
    assert sentence in found["notes"] and found["problem_count"] == 32 and found["roles"]["id"] == "ignore"

    out = tmp_path / "out"
    assert main(["train", "--data", str(path), "--out", str(out), "--epochs", "1", "--json"]) == 0
    shown = capfd.readouterr()
    trained = json.loads(shown.out)
    assert (trained["rows"], trained["rows_left_out"]) == (12, 32)
    said = f"Training on 11 rows; 1 is held out to measure with. Of the 44 rows of the file, 32 are left out: {left_out}."
    assert said in shown.err.splitlines() and "Not used: id." in shown.err

    assert main(["evaluate", str(out), "--data", str(path), "--json"]) == 0
    shown = capfd.readouterr()
    measured = json.loads(shown.out)
    assert (measured["rows"], measured["rows_left_out"]) == (12, 32)
    assert "Measured on 12 of 44 rows; 32 are left out." in shown.err

    upload = workbench.find_upload(engine, workbench.take(engine, str(path)))
    check = datasets.check_upload(engine, datasets.read_upload(str(upload)))
    assert check.sentence == sentence
    kept = datasets.save_upload(engine, str(path), label="mixed.csv")
    assert estimate(engine, kept.id, suggested(engine, kept).form).check == check
    form = TrainForm(epochs=1, rank=2)
    found = estimate(engine, kept.id, form)
    assert found.check.sentence == sentence and (found.rows, found.held_out, found.steps) == (11, 1, 2)
    run = ended(engine, start(engine, kept.id, form, "mixed"))
    assert run.status is RunStatus.FINISHED, run.sentence
    assert said in [event.text for event in engine.storage.events.all(run.id)]
    assert run.summary["steps"] == 2 and run.summary["rows"] == 12


@pytest.mark.slow
def test_columns_are_named_by_hand(tmp_path, table, capfd):
    path = table(tmp_path / "odd.csv", [("eins", "1"), ("zwei", "2")], "wort,zahl")
    command = ["train", "--data", str(path), "--out", str(tmp_path / "out"), *SHORT, "--json"]
    assert main(command) == 2
    assert "--role 'wort=prompt'" in capfd.readouterr().err
    assert main([*command, "--role", "wort=prompt", "--role", "zahl=answer"]) == 0


def test_chat_answers_with_base_and_tuned(trained, capfd):
    out, _ = trained
    command = ["chat", str(out), "--prompt", "What is 2 cat?", "--max-new-tokens", "12"]
    assert main([*command, "--json"]) == 0
    (line,) = capfd.readouterr().out.splitlines()
    found = json.loads(line)
    assert found["base"] and found["tuned"].endswith(" 2.") and found["tuned"] != found["base"]
    assert main(command) == 0
    assert capfd.readouterr().out == f"base:  {found['base']}\ntuned: {found['tuned']}\n"
    assert main([*command, "--strength", "0", "--json"]) == 0
    nothing = json.loads(capfd.readouterr().out)
    assert nothing == {"base": found["base"], "tuned": found["base"]}
    assert main(["chat", str(out / "adapter"), *command[2:], "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == found


def test_evaluate_compares_base_and_tuned(trained, table_file, capfd):
    assert main(["evaluate", str(trained[0]), "--data", str(table_file), "--json"]) == 0
    shown = capfd.readouterr()
    (line,) = shown.out.splitlines()
    found = json.loads(line)
    assert 0 < found["tuned"]["loss"] < found["base"]["loss"]
    assert 0 <= found["base"]["exact_match"] < found["tuned"]["exact_match"] <= 1
    assert "exactly right 24 of 24" in shown.err
    assert (found["rows"], found["rows_left_out"]) == (24, 0) and "left out" not in shown.err


@pytest.mark.slow
def test_evaluate_cuts_and_leaves_out_what_the_training_did(table_file, tmp_path, capfd):
    out = tmp_path / "out"
    assert main(["train", "--data", str(table_file), "--out", str(out), *SHORT, "--max-length", "21", "--json"]) == 0
    trained = json.loads(capfd.readouterr().out)
    assert main(["evaluate", str(out), "--data", str(table_file), "--json"]) == 0
    measured = json.loads(capfd.readouterr().out)
    assert trained["cut_answers"] > 0
    assert (trained["rows"], trained["rows_left_out"]) == (measured["rows"], measured["rows_left_out"])


@pytest.mark.slow
def test_doctor_finds_a_machine_that_can_answer(capfd, monkeypatch, tmp_path):
    monkeypatch.setenv("REFT_STUDIO_DATA_DIR", str(tmp_path / "data"))  # this machine's own may be in need of repair
    assert main(["doctor", "--json"]) == 0
    (line,) = capfd.readouterr().out.splitlines()
    found = json.loads(line)
    assert found["starter_answers"] is True and found["cores"] >= 1 and found["packages"]["torch"]


@pytest.fixture
def house(tmp_path):
    """A data folder with one dataset, of which the rows are gone, and something left half-done long ago."""
    folder = tmp_path / "data"
    storage = Storage(folder)
    source = tmp_path / "rows.csv"
    source.write_text("a,b\n1,2\n")
    dataset = storage.datasets.create(name="d", label="d", shape="pairs", rows=1, usable_rows=1, source=source, examples=b"{}\n")
    storage.files.rows(dataset.version).unlink()
    storage.close()
    (folder / ".writing-x").write_bytes(b"half")
    os.utime(folder / ".writing-x", (1, 1))
    return folder


@pytest.mark.slow
def test_doctor_says_what_is_out_of_order_and_repairs_what_can_be(house, capfd):
    assert main(["doctor", "--data-dir", str(house), "--json"]) == 1
    shown = capfd.readouterr()
    assert (
        json.loads(shown.out)["data"]["repairable"] == 1
        and "rows of version 1 of the dataset d are gone" in shown.err
        and "database" in shown.err
    )
    assert main(["doctor", "--data-dir", str(house), "--repair", "--json"]) == 1, "gone rows cannot be repaired"
    found = json.loads(capfd.readouterr().out)["data"]
    assert len(found["done"]) == 1 and found["findings"] == ["The rows of version 1 of the dataset d are gone."]
    assert not (house / ".writing-x").exists()


@pytest.mark.slow
def test_doctor_leaves_an_old_database_as_it_is_until_it_is_told_to_repair(tmp_path, capfd):
    shutil.copy(OLD_DATABASE, tmp_path / "studio.db")
    before = (tmp_path / "studio.db").read_bytes()
    assert main(["doctor", "--data-dir", str(tmp_path)]) == 1
    assert "earlier version" in capfd.readouterr().out
    assert (tmp_path / "studio.db").read_bytes() == before
    main(["doctor", "--data-dir", str(tmp_path), "--repair"])
    assert "up to date" in capfd.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["later", "garbage"])
@pytest.mark.parametrize("command", ["doctor", "doctor --repair", "backup b.zip"])
def test_a_database_that_cannot_be_used_is_told_in_a_sentence(house, tmp_path, capfd, monkeypatch, damage, command):
    monkeypatch.chdir(tmp_path)
    if damage == "later":
        with closing(sqlite3.connect(house / "studio.db")) as raw, raw:
            raw.execute("UPDATE alembic_version SET version_num = '9999'")
    else:
        (house / "studio.db").write_bytes(b"garbage " * 1000)
    assert main([*command.split(), "--data-dir", str(house)]) != 0
    shown = capfd.readouterr()
    said = shown.out if command.startswith("doctor") and "--repair" not in command else shown.out + shown.err
    assert ("later version" if damage == "later" else "database cannot be opened") in said and "Traceback" not in said
    assert not (tmp_path / "b.zip").exists()


def test_a_backup_comes_back_by_the_commands(house, tmp_path, capfd):
    assert main(["backup", str(tmp_path / "b.zip"), "--data-dir", str(house), "--json"]) == 0
    made = json.loads(capfd.readouterr().out)
    assert main(["restore", str(tmp_path / "b.zip"), "--data-dir", str(tmp_path / "back"), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["files"] == made["files"]
    assert main(["restore", str(tmp_path / "b.zip"), "--data-dir", str(tmp_path / "back")]) != 0
    assert "not an empty folder" in capfd.readouterr().err


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_has_help(command, capfd):
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
    assert ended.value.code == 0 and "usage:" in capfd.readouterr().out


ONE_BY_ONE = """
import json, sys
from app.cli import main
for command in json.loads(sys.argv[1]):
    code = main(command)
    for stream, text in ((sys.stdout, f"{code}"), (sys.stderr, "")):
        stream.write(f"{text}\\0")
        stream.flush()
"""


@pytest.fixture(scope="module")
def started(environment, table_file, tmp_path_factory):
    """What a process says that was started as a person starts it, in a terminal without emoji: of each command its code and outputs."""
    folder = tmp_path_factory.mktemp("started")
    (folder / "rows.csv").write_text("prompt,🐱\nx,🐱\n", encoding="utf-8")
    looking = ["inspect", str(folder / "rows.csv")]
    refused = ["train", "--data", str(table_file), "--out", str(folder / "out"), "--rank", "385"]
    commands = {"looking": looking, "in JSON": [*looking, "--json"], "refused": refused}
    command = [sys.executable, "-c", ONE_BY_ONE, json.dumps([*commands.values()])]
    done = subprocess.run(command, capture_output=True, env={**environment, "PYTHONIOENCODING": "ascii"}, timeout=PATIENCE, check=True)
    both = [stream.decode("ascii").split("\0")[:-1] for stream in (done.stdout, done.stderr)]
    assert not (folder / "out").exists()
    return {name: (int(out[-1]), out[:-1], err) for name, out, err in zip(commands, *both, strict=True)}


def test_a_terminal_without_emoji_gets_its_line_of_json_all_the_same(started):
    code, out, err = started["looking"]
    assert code == 0 and "\\U0001f431" in out and "Traceback" not in err
    code, out, err = started["in JSON"]
    (line,) = out.splitlines()
    assert code == 0 and json.loads(line)["columns"] == ["prompt", "🐱"] and "Traceback" not in err


def test_a_pipe_that_closes_early_is_no_traceback(environment, house, tmp_path):
    command = [sys.executable, "-m", "app.cli", "backup", str(tmp_path / "b.zip"), "--data-dir", str(house), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    process.stdout.close()
    assert b"Traceback" not in process.stderr.read()
    process.wait(timeout=PATIENCE)
    process.stderr.close()


def with_small_files_only():
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))


def test_a_disk_that_is_full_is_said_in_words(begun, table_file, tiny_base, tmp_path):
    asked = ["--data", table_file, "--base", tiny_base, "--out", tmp_path / "out", *SHORT]
    process, _, errors = begun("train", *asked, before=with_small_files_only)
    assert process.wait(PATIENCE) == 2 and "Traceback" not in errors.read_text()
    assert errors.read_text().splitlines()[-1].startswith("reft-studio: File too large")
    assert not list(tmp_path.rglob("*.safetensors")) and not list(tmp_path.rglob(".writing-*"))


# Bad input


def start_serving(*_, **_given):
    pytest.fail("It was not refused: it is serving.")


@pytest.fixture
def refused(capfd, monkeypatch):
    """Run a command that must be refused; returns the sentence."""
    monkeypatch.setattr("uvicorn.Server.run", start_serving)

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        shown = capfd.readouterr()
        assert code == 2, shown
        assert shown.out == ""
        (sentence,) = shown.err.splitlines()
        assert sentence.startswith("reft-studio: ") and "Traceback" not in sentence and len(sentence) < 700
        return sentence

    return run


@pytest.mark.parametrize(
    "options",
    [
        "--positions f0", "--positions first", "--positions f1+", "--rank 0", "--rank -1", "--rank four", "--rank 99999", "--rank 385",
        f"--rank {'9' * 6000}", "--lr nan", "--lr inf", "--lr 0", "--lr -1", "--lr 1e-", "--epochs 0", "--epochs 1e3", "--batch-size 0",
        "--seed -1", f"--seed {10**30}", "--layers 9", "--layers a", "--layers 3-1", "--method magic", "--held-out nan", "--held-out 1",
        "--held-out 1.0", "--max-length 1", "--max-length 8", "--dropout 1", "--base nobody/nothing", "--base ../x", "--base /etc",
        "--base https://example.org/m", f"--base {'a' * 10_000}", "--base a/b/c", "--role nope=prompt --role answer=answer",
        "--role prompt=boss", "--role prompt", "--fix everything", "--include pictures", "--encoding morse", "--what", "--tied yes",
    ],
)  # fmt: skip
def test_a_bad_setting_is_refused_in_a_sentence(refused, tmp_path, table, options):
    data = table(tmp_path / "rows.csv", [(f"What is number {n}?", f"It is {n}.") for n in range(4)])
    refused("train", "--data", data, "--out", tmp_path / "out", *SHORT, *options.split())
    assert not (tmp_path / "out").exists()


def test_a_line_break_in_a_bad_setting_stays_within_the_sentence(refused, table_file, tmp_path):
    refused("train", "--data", table_file, "--out", tmp_path / "out", "--positions", "f1\nl1 of\r\nall")
    refused("inspect", "no\nsuch\nfile")


FILES = {
    "empty.csv": b"",
    "blank.csv": b"\n \n",
    "header.csv": b"prompt,answer\n",
    "one_column.csv": b"text\na\nb\n",
    "program.csv": b"\x7fELF\x02\x01\x01" + bytes(100),
    "pickle.json": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}\x94.",
    "zip.csv": b"PK\x03\x04" + bytes(60),
    "zero.csv": b"prompt,answer\n\0\0\0\0,\0\n",
    "broken.jsonl": b'{"prompt": "a", "answ',
    "torn.parquet": b"PAR1" + bytes(50),
    "random.bin": bytes(range(256)) * 8,
    "deep.json": b'{"a":' * 100_000,
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_trained_on_is_refused_in_a_sentence(refused, tmp_path, trained, name):
    (tmp_path / name).write_bytes(FILES[name])
    refused("train", "--data", tmp_path / name, "--out", tmp_path / "out", *SHORT)
    refused("evaluate", trained[0], "--data", tmp_path / name)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["empty.csv", "program.csv", "pickle.json", "zip.csv", "zero.csv", "torn.parquet", "random.bin"])
def test_a_file_of_no_known_format_cannot_be_inspected(refused, tmp_path, name):
    (tmp_path / name).write_bytes(FILES[name])
    refused("inspect", tmp_path / name)
    refused("inspect", tmp_path / name, "--json")


@pytest.mark.parametrize("path", ["/nowhere/at/all.csv", ".", "/", "x" * 5000, "\udcff.csv", ""])
def test_a_file_that_is_not_there_is_refused_in_a_sentence(refused, tmp_path, path):
    refused("inspect", path)
    refused("train", "--data", path, "--out", tmp_path / "out")


@pytest.mark.parametrize(
    "arguments",
    [
        ["unknown"], ["train"], ["train", "--data", "x.csv"], ["train", "--out", "x"], ["inspect"], ["chat"], ["chat", "x"],
        ["evaluate", "x"], ["doctor", "now"], ["serve", "--port", "abc"], ["serve", "--port", "0"],
        ["serve", "--port", "99999"], ["serve", "--port", "-1"], ["--prot", "7860"],
        ["serve", "--host", "no.such.host.invalid"], ["serve", "--data-dir", "/proc/nothing"],
        ["serve", "--data-dir", "/dev/null"],
    ],
)  # fmt: skip
def test_a_bad_command_is_refused_in_a_sentence(refused, arguments):
    refused(*arguments)


@pytest.mark.parametrize(("name", "value"), [("PORT", "abc"), ("MODELS", "not a list"), ("MAX_UPLOAD_MB", "-5")])
def test_a_bad_variable_is_refused_in_a_sentence(refused, tmp_path, monkeypatch, name, value):
    monkeypatch.setenv(f"REFT_STUDIO_{name}", value)
    port = [] if name == "PORT" else ["--port", free_port()]
    assert name in refused("serve", "--no-browser", "--data-dir", tmp_path / "data", *port).upper().replace(" ", "_")


def test_a_port_that_is_taken_is_said_at_once(refused, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        sentence = refused("serve", "--no-browser", "--port", taken.getsockname()[1], "--data-dir", tmp_path / "data")
    assert "--port" in sentence
    assert not (tmp_path / "data").exists()


def test_a_damaged_database_is_refused_in_a_sentence(refused, tmp_path):
    (tmp_path / "studio.db").write_bytes(b"this is no database" * 500)
    assert "database" in refused("serve", "--no-browser", "--port", free_port(), "--data-dir", tmp_path)
    assert (tmp_path / "studio.db").read_bytes() == b"this is no database" * 500


def test_an_address_of_no_database_is_refused_in_a_sentence(refused, tmp_path, monkeypatch):
    monkeypatch.setenv("REFT_STUDIO_DATABASE_URL", "nonsense")
    assert "database" in refused("serve", "--no-browser", "--port", free_port(), "--data-dir", tmp_path)


def test_the_password_of_a_database_is_not_said(refused, tmp_path, monkeypatch):
    monkeypatch.setenv("REFT_STUDIO_DATABASE_URL", "sqlite:////nowhere/hunter2/x.db")
    assert "hunter2" not in refused("serve", "--no-browser", "--port", free_port(), "--data-dir", tmp_path)


@pytest.mark.parametrize("record", [b"{", b"", b"[]", b"null", b"7", b"\xff\xfe", b'{"fingerprint": 1, "result": "x"}', b'{"result": {}}'])
def test_a_damaged_record_of_the_run_is_refused_and_left(refused, table_file, tmp_path, record):
    (tmp_path / "run.json").write_bytes(record)
    refused("train", "--data", table_file, "--out", tmp_path, *SHORT)
    assert content(tmp_path) == {Path("run.json"): record}


@pytest.mark.slow
def test_places_that_cannot_be_written_are_refused_in_a_sentence(refused, table_file, tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder" / "run.json").mkdir(parents=True)
    for out in (tmp_path / "file", tmp_path / "file" / "below", "/proc/nothing", "/dev/null", tmp_path / ("x" * 300), tmp_path / "folder"):
        refused("train", "--data", table_file, "--out", out, *SHORT)
    assert content(tmp_path) == {Path("file"): b"x"}


@pytest.mark.parametrize(
    "options",
    [
        ["--prompt", ""], ["--prompt", " "], ["--prompt", "cat " * 1200], ["--prompt", "x", "--strength", "nan"],
        ["--prompt", "x", "--strength", "inf"], ["--prompt", "x", "--strength", "much"], ["--prompt", "x", "--temperature", "-1"],
        ["--prompt", "x", "--temperature", "nan"], ["--prompt", "x", "--max-new-tokens", "0"], ["--prompt", "x", "--max-new-tokens", "-4"],
        ["--prompt", "x", "--seed", str(10**30)], ["--prompt", "x", "--seed", "-1"], [],
    ],
)  # fmt: skip
def test_a_question_that_cannot_be_asked_is_refused_in_a_sentence(refused, trained, options):
    refused("chat", trained[0], *options)


def damage(folder, how):
    config, tensors = folder / "reft_config.json", folder / "reft_model.safetensors"
    values = json.loads(config.read_text())
    if how == "no config":
        config.unlink()
    elif how == "no tensors":
        tensors.unlink()
    elif how == "half a config":
        config.write_bytes(config.read_bytes()[:200])
    elif how == "half the tensors":
        tensors.write_bytes(tensors.read_bytes()[:-100])
    elif how == "a pickle":
        tensors.write_bytes(b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}\x94.")
    else:
        change = {
            "a layer that is not there": {"layers": [77], "reft": {**values["reft"], "layers": [77]}},
            "another rank": {"reft": {**values["reft"], "rank": 3}},
            "another width": {"hidden_size": 64},
            "an unknown key": {"reft": {**values["reft"], "code": "x"}},
            "another version": {"format_version": 99},
            "a base that is not here": {"base_model": {"id": "nobody/nothing", "revision": None}},
            "a base that is an address": {"base_model": {"id": "https://example.org/model", "revision": None}},
            "a list": None,
        }[how]
        config.write_text(json.dumps({**values, **change} if change else []))


@pytest.mark.parametrize(
    "how",
    [
        "no config", "no tensors", "half a config", "half the tensors", "a pickle", "a layer that is not there", "another rank",
        "another width", "an unknown key", "another version", "a base that is not here", "a base that is an address", "a list",
    ],
)  # fmt: skip
def test_a_damaged_adapter_is_refused_in_a_sentence(refused, trained, table_file, tmp_path, how):
    folder = tmp_path / "adapter"
    folder.mkdir()
    for path, data in content(trained[0] / "adapter").items():
        (folder / path).write_bytes(data)
    damage(folder, how)
    refused("chat", tmp_path, "--prompt", "x")
    refused("evaluate", folder, "--data", table_file)


def test_a_folder_without_an_adapter_is_refused_in_a_sentence(refused, tmp_path, table_file):
    for folder in (tmp_path, tmp_path / "nothing", table_file, "x" * 5000):
        refused("chat", folder, "--prompt", "x")


def test_bad_input_is_refused_the_same_way_in_a_real_process(studio, started):
    done = studio("nonsense")
    for code, out, err in ((done.returncode, done.stdout, done.stderr), started["refused"]):
        assert (code, out, len(err.splitlines())) == (2, "", 1), err
        assert err.startswith("reft-studio: ")
