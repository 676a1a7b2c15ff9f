"""Every flag of every command, run as a person runs it: another value than the default changes what the engine does.

The flags are read from the parser, so that one that is added fails here until it has a row.
"""

import argparse
import io
import json
import socket
import webbrowser
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import app.bases.catalog
import app.cli.run as cli_run
import app.serve
import reft_engine
from app.cli.main import _parser, main
from app.people.file import People
from app.run_texts import flag_of
from reft_engine import ConfigError, Example, Message, ReftModel, RunSpec, Setting, evaluate, generate
from reft_engine.data import HubName, HubRows, inspect_file
from reft_engine.formats.adapter import read_config
from storage import Storage
from tests.hub import Hub, answering, way_to
from tests.settings.examples import BESIDE, SETTINGS, another
from tests.settings.house import LENGTH, PROMPT, conversation, write_adapter
from tests.workbook import workbook


@dataclass
class Bench:
    """What the commands work on, and what they did and said."""

    folder: Path
    bases: tuple[Path, Path]
    base: Any
    table: Path
    capture: Any
    patch: pytest.MonkeyPatch
    kept: dict[str, Any]
    """What is the same for all tests."""

    def run(self, *arguments: Any, code: int = 0) -> SimpleNamespace:
        self.capture.readouterr()
        found = main([str(argument) for argument in arguments])
        shown = self.capture.readouterr()
        assert found == code, shown.err
        return SimpleNamespace(out=shown.out, err=shown.err, json=json.loads(shown.out.splitlines()[-1]) if "--json" in arguments else None)

    def new(self, name: str) -> Path:
        """A path where nothing is."""
        count = sum(path.name.startswith(name) for path in self.folder.iterdir())
        return self.folder / f"{name}-{count}"


@pytest.fixture(scope="module")
def kept() -> dict[str, Any]:
    return {}


@pytest.fixture
def bench(tmp_path_factory, bases, base, table, capsys, monkeypatch, kept) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"), bases, base, table, capsys, monkeypatch, kept)


# Train and sweep

OUT = "--out --data --json".split()
RUN = ["--rank", "2", "--epochs", "2", "--batch-size", "6", "--held-out", "0", "--lr", "0.02"]
WILD = ["--epochs", "8", "--batch-size", "12", "--held-out", "0.4", "--lr", "1.0"]
"""A run whose held-out loss rises again."""


def trained(bench: Bench, *flags: Any, command: str = "train", data: Path | None = None, base: bool = True) -> SimpleNamespace:
    """One run by the command: what it said, and the folder's weights and settings, of both kinds."""
    out = bench.new("out")
    given = [*(["--base", bench.bases[0]] if base else []), "--data", data or bench.table, "--out", out, *RUN, "--json", *flags]
    told = bench.run(command, *given)
    adapter = out / ("adapter" if command == "train" else "0/adapter")
    config = read_config(adapter)
    return SimpleNamespace(
        told=told,
        out=out,
        weights=load_file(adapter / "reft_model.safetensors"),
        config=config,
        settings={**config["reft"], **config["training"]},
    )


def plain(bench: Bench, command: str = "train") -> SimpleNamespace:
    """The run of which nothing is changed, made once."""
    if command not in bench.kept:
        bench.kept[command] = trained(bench, command=command)
    return bench.kept[command]


def alike(one: Any, other: Any, within: float = 0.0) -> bool:
    first, second = one.weights, other.weights
    same = first.keys() == second.keys() and all(first[name].shape == second[name].shape for name in first)
    return same and all(torch.allclose(first[name], second[name], rtol=0, atol=within) for name in first)


def learns(command: str, *flags: str, **wanted: Any) -> Callable[[Bench], None]:
    """Other weights are learned, by a run of just that setting."""

    def show(bench: Bench) -> None:
        before, after = plain(bench, command), trained(bench, *flags, command=command)
        assert {name: after.settings[name] for name in wanted} == wanted != {name: before.settings[name] for name in wanted}
        others = {name for name in before.settings if before.settings[name] != after.settings[name]} & set(SETTINGS)
        assert others == set(wanted), "no other setting is another"
        assert not alike(before, after)

    return show


def costs(command: str, *flags: str, **wanted: Any) -> Callable[[Bench], None]:
    """The same is learned within rounding, with another setting."""

    def show(bench: Bench) -> None:
        before, after = plain(bench, command), trained(bench, *flags, command=command)
        assert {name: after.settings[name] for name in wanted} == wanted != {name: before.settings[name] for name in wanted}
        assert alike(before, after, 1e-3)

    return show


def arrives(command: str, flag: str, row: Setting) -> Callable[[Bench], None]:
    """The engine is given this value, and no other setting is another; what it then does is shown by test_every_setting_acts."""

    def show(bench: Bench) -> None:
        value = flag == flag_of(row) if row.kind == "switch" else another(row)
        beside = [part for name, text in BESIDE.get(row.name, {}).items() for part in (flag_of(SETTINGS[name]), text)]
        other = ["--no-" + flag[2:] if flag == flag_of(row) else flag_of(row)] if row.kind == "switch" else []
        given = [flag] if row.kind == "switch" else [flag, value]
        usual, changed = (asked(bench, command, *beside, *flags) for flags in (other, given))
        assert {name for name in usual if usual[name] != changed[name]} == {row.name}
        assert changed[row.name] == RunSpec.of_settings({**BESIDE.get(row.name, {}), row.name: value}).settings()[row.name]

    return show


def asked(bench: Bench, command: str, *flags: Any) -> dict[str, Any]:
    """The settings with which the engine is called; it is not let begin."""
    seen: list[dict[str, Any]] = []

    def loaded(name: str, *, revision: str | None = None, dtype: Any = None, quantize: Any = None) -> Any:
        seen.append({"base": name, "revision": revision, "precision": quantize or dtype})
        return bench.base

    def called(base: Any, rows: Any, *given: Any, **_: Any) -> None:
        edit, training = given if command == "train" else given[0][0]
        seen.append(RunSpec(reft=edit, train=training).settings())
        raise ConfigError("That is enough.")

    bench.patch.setattr(reft_engine, "load_base", loaded)
    bench.patch.setattr(reft_engine, "train" if command == "train" else "train_many", called)
    assert "That is enough." in bench.run(command, "--data", bench.table, "--out", bench.new("out"), *flags, code=2).err
    return {**seen[1], **seen[0]}


def spec_file(bench: Bench) -> None:
    """The run.yaml of a run makes the same run again, the flags beside it change it, and the very folder is known by it."""
    first = trained(bench, "--layers", "0;2", "--untied")
    written = first.out / "run.yaml"
    again = ["train", "--data", bench.table, "--spec", written, "--json"]
    second, third = bench.new("second"), bench.new("third")
    bench.run(*again, "--out", second)
    bench.run(*again, "--out", third, "--lr", "0.01", "--patience", "none")
    weights = [load_file(folder / "adapter/reft_model.safetensors") for folder in (first.out, second, third)]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    assert not all(torch.equal(value, weights[2][name]) for name, value in weights[0].items())
    assert written.read_bytes() == (second / "run.yaml").read_bytes() != (third / "run.yaml").read_bytes()
    assert "finished already" in bench.run(*again, "--out", first.out).err


def other_base(command: str) -> Callable[[Bench], None]:
    def show(bench: Bench) -> None:
        before, after = plain(bench, command), trained(bench, "--base", bench.bases[1], command=command)
        assert [each.config["base_model"]["id"] for each in (before, after)] == list(map(str, bench.bases))
        assert not alike(before, after)

    return show


def data(command: str) -> Callable[[Bench], None]:
    def show(bench: Bench) -> None:
        fewer = bench.folder / "fewer.csv"
        fewer.write_text("\n".join(bench.table.read_text().splitlines()[:9]) + "\n")
        after = trained(bench, command=command, data=fewer)
        assert after.settings["rows"] == 8 != plain(bench, command).settings["rows"] and not alike(plain(bench, command), after)

    return show


def out(command: str) -> Callable[[Bench], None]:
    def show(bench: Bench) -> None:
        found = trained(bench, command=command)
        assert found.told.json and str(found.out) in json.dumps(found.told.json) and not alike(found, SimpleNamespace(weights={}))

    return show


def says_json(bench: Bench, *command: Any) -> None:
    """The last line is JSON with the flag, and none is without."""
    told = bench.run(*command, "--json")
    assert isinstance(told.json, dict) and told.json
    without = bench.run(*command)
    assert not any(line.startswith("{") for line in without.out.splitlines())


def train_json(bench: Bench) -> None:
    says_json(bench, "train", "--base", bench.bases[0], "--data", bench.table, "--out", plain(bench).out, *RUN)


def sweep_json(bench: Bench) -> None:
    told = trained(bench, command="sweep").told
    assert told.json["runs"] and "trainable_parameters" in told.err
    without = bench.run("sweep", "--base", bench.bases[0], "--data", bench.table, "--out", bench.new("out"), *RUN)
    assert "trainable_parameters" in without.out and "{" not in without.out


def columns(command: str) -> Callable[[Bench], None]:
    """Each is another column than the one that is recognised, and both together the other rows."""

    def show(bench: Bench) -> None:
        other = bench.folder / "other.csv"
        lines = [line.split(",") for line in bench.table.read_text().splitlines()]
        for prompt, answer in (("second", "answer"), ("prompt", "third"), ("second", "third")):
            places = [lines[0].index(prompt), lines[0].index(answer)]
            other.write_text(
                "\n".join(",".join(["prompt,answer"] if line is lines[0] else [line[place] for place in places]) for line in lines)
            )
            named = trained(bench, "--role", f"{prompt}=prompt", "--role", f"{answer}=answer", command=command)
            assert alike(named, trained(bench, command=command, data=other)) and not alike(named, plain(bench, command))

    return show


READINGS: dict[str, tuple[str | bytes, tuple[str, ...], tuple[int, str, str]]] = {
    "--template": ("prompt,answer\na,b\n", ("--template", "Say {prompt}!"), (1, "Say a!", "b")),
    "--fix": ("prompt,answer\na,b\na,b\nc,d\n", ("--fix",), (2, "a", "b")),
    "--include": (
        json.dumps({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "reasoning": "c"}]}),
        ("--include", "reasoning,tool_calls"), (1, "a", "<think>\nc\n</think>\n\nb"),
    ),
    "--encoding": ("prompt,answer\ncaf\u00e9 noir,b\n".encode("mac-roman"), ("--encoding", "mac-roman"), (1, "caf\u00e9 noir", "b")),
    "--separator": (
        "prompt,x;answer,y\na,b;c,d\n",
        ("--separator", ";", "--role", "prompt,x=prompt", "--role", "answer,y=answer"), (1, "a,b", "c,d"),
    ),
    "--quote": ("prompt,answer\n'a, b',c\n", ("--quote", "'"), (1, "a, b", "c")),
    "--skip-lines": ("x,y\n1,2\nprompt,answer\na,b\n", ("--skip-lines", "2"), (1, "a", "b")),
    "--sheet": (
        workbook({"one": [["prompt", "answer"], ["a", "b"]], "two": [["prompt", "answer"], ["c", "d"]]}), ("--sheet", "two"), (1, "c", "d"),
    ),
    "--no-header": ("prompt,answer\nc,d\n", ("--no-header",), (2, "prompt", "answer")),
    "--list": ('{"train": [{"prompt": "a", "answer": "b"}], "test": [{"prompt": "c", "answer": "d"}]}', ("--list", "test"), (1, "c", "d")),
}  # fmt: skip
"""By flag: a file, the flags that it wants, and what is read with them: rows, and the first prompt and answer."""


def rows_read(bench: Bench, command: str, path: Path, *flags: str) -> list[Any] | None:
    """The rows that a command goes on with; None if it refuses the file."""
    if command == "inspect":
        found = inspected(bench, *flags, path=path)
        rows = [Example(1, (Message("user", row["messages"][-1]["content"]),), row["answer"]) for row in found["first"]]
        return rows if rows and not found["encodings"] else None
    seen: list[Any] = []

    def called(base: Any, rows: Any, *_: Any, **__: Any) -> None:
        seen.extend(rows)
        raise ConfigError("That is enough.")

    def measured(base: Any, reft: Any, rows: Any, **_: Any) -> None:
        called(base, rows)

    for name, stand_in in (("train", called), ("train_many", called), ("evaluate", measured)):
        bench.patch.setattr(reft_engine, name, stand_in)
    bench.patch.setattr(reft_engine, "load_base", lambda *_, **__: bench.base)
    given = [adapter(bench)] if command == "evaluate" else ["--out", bench.new("out")]
    bench.run(command, *given, "--data", path, *flags, code=2)
    return seen or None


def reads(command: str, flag: str) -> Callable[[Bench], None]:
    """The file is read as the flag says, and otherwise, or not at all, without it."""

    def show(bench: Bench) -> None:
        content, flags, (count, prompt, answer) = READINGS[flag]
        path = bench.folder / f"reading{flag}"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        rows = rows_read(bench, command, path, *flags)
        assert rows and (len(rows), rows[0].messages[-1].content, rows[0].answer) == (count, prompt, answer)
        without = rows_read(bench, command, path)
        assert not without or (len(without), without[0].messages[-1].content, without[0].answer) != (count, prompt, answer)

    return show


HUB: dict[str, tuple[str, HubRows]] = {
    "--config": ("chats", HubRows(config="chats")), "--split": ("test", HubRows(split="test")),
    "--rows": ("11-30", HubRows(first=11, count=20)),
}  # fmt: skip
"""By flag: a value, and what is then asked of the Hub."""


def asks_the_hub(command: str, flag: str) -> Callable[[Bench], None]:
    """Other rows are asked for; what then comes from the Hub is shown by tests of reading and by test_cli."""

    def show(bench: Bench) -> None:
        seen: list[Any] = []

        def called(name: HubName, rows: HubRows, folder: Path) -> None:
            seen.append((name, rows))
            raise ConfigError("That is enough.")

        bench.patch.setattr(reft_engine.data, "fetch_rows", called)
        given = {"inspect": [], "evaluate": [adapter(bench), "--data"]}.get(command, ["--out", bench.new("out"), "--data"])
        value, rows = HUB[flag]
        for more in ([], [flag, value]):
            bench.run(command, *given, "hf://datasets/owner/rows", *more, code=2)
        assert seen == [(HubName("owner/rows"), HubRows()), (HubName("owner/rows"), rows)]
        assert "is for datasets of the Hub" in bench.run(command, *given, bench.table, flag, value, code=2).err

    return show


def tied(command: str) -> Callable[[Bench], None]:
    def show(bench: Bench) -> None:
        assert alike(trained(bench, "--untied", "--tied", command=command), plain(bench, command))

    return show


def split_seed(command: str) -> Callable[[Bench], None]:
    """Other rows are held out, and so others learned from, with the same first weights and order; without it the seed draws them."""

    def show(bench: Bench) -> None:
        held = ("--held-out", "0.4", "--epochs", "1", "--batch-size", "24")  # one step, so that they are measured once
        usual, first, second = (
            trained(bench, *held, *given, command=command) for given in ((), ("--split-seed", "42"), ("--split-seed", "9"))
        )
        assert alike(usual, first) and not alike(first, second)
        assert second.settings["split_seed"] == 9 and second.settings["seed"] == first.settings["seed"] == 42
        assert not alike(usual, trained(bench, *held, "--seed", "9", "--split-seed", "42", command=command))

    return show


def packing(bench: Bench) -> None:
    assert trained(bench, "--no-packing", "--packing").settings["packing"] is True


def wild(bench: Bench) -> Path:
    """Rows whose answers follow from nothing."""
    words = "red blue green old new cold warm big small fast slow good bad long short high low open shut full thin wide deep dark".split()
    path = bench.folder / "wild.csv"
    rows = [f"Word {place}?,{word} {words[(7 * place + 3) % 24]} {words[(11 * place + 5) % 24]}" for place, word in enumerate(words)]
    path.write_text("\n".join(["prompt,answer", *rows]) + "\n")
    return path


def running_wild(bench: Bench) -> SimpleNamespace:
    """The run on them of which nothing is changed, made once."""
    if "wild" not in bench.kept:
        bench.kept["wild"] = trained(bench, *WILD, data=wild(bench))
    return bench.kept["wild"]


def patience(bench: Bench) -> None:
    """With it a run whose held-out loss does not fall ends early."""
    without, found = running_wild(bench), trained(bench, *WILD, "--patience", "2", data=wild(bench))
    assert found.settings["patience"] == 2 and found.told.json["steps"] < without.told.json["steps"] == 8 * 2
    assert "Stopped early after step" in found.told.err and "Stopped early" not in without.told.err


def keep(bench: Bench) -> None:
    best, last = running_wild(bench), trained(bench, *WILD, "--keep", "last", data=wild(bench))
    assert (best.told.json["kept"], last.told.json["kept"]) == ("best", "last") and best.told.json["best_step"] < 16
    assert best.told.json["held_out_tuned"] < last.told.json["held_out_tuned"] and not alike(best, last)


def swept(flag: str, setting: str, *values: Any) -> Callable[[Bench], None]:
    """Every value that is listed is a run of its own, with the weights that `train` gives for it."""

    def show(bench: Bench) -> None:
        found = bench.new("out")
        listed = ",".join(map(str, values))
        told = bench.run("sweep", "--base", bench.bases[0], "--data", bench.table, "--out", found, *RUN, flag, listed, "--json")
        lines = {line["run"]: line for line in told.json["runs"]}
        assert [lines[index][flag.strip("-").replace("-", "_")] for index in range(len(values))] == list(values)
        ours = [read_config(found / str(index) / "adapter") for index in range(len(values))]
        assert [{**config["reft"], **config["training"]}[setting] for config in ours] == [
            alone(bench, flag, value).settings[setting] for value in values
        ]
        for index, value in enumerate(values):
            weights = SimpleNamespace(weights=load_file(found / str(index) / "adapter/reft_model.safetensors"))
            assert alike(weights, alone(bench, flag, value), 2e-2)
        assert not alike(alone(bench, flag, values[0]), alone(bench, flag, values[1]), 2e-2)
        losses = [line["loss_last"] for line in told.json["runs"]]
        assert losses == sorted(losses) and losses[0] != losses[-1], "the best stands first"
        assert {line["adapter"] for line in lines.values()} == {str(found / str(index) / "adapter") for index in range(len(values))}

    return show


def alone(bench: Bench, flag: str, value: Any) -> SimpleNamespace:
    key = f"{flag} {value}"
    if key not in bench.kept:
        bench.kept[key] = trained(bench, flag, value)
    return bench.kept[key]


# Inspect


def inspected(bench: Bench, *flags: Any, path: Path | None = None) -> dict[str, Any]:
    return bench.run("inspect", path or bench.table, *flags, "--json").json


def inspect_file_named(bench: Bench) -> None:
    other = bench.folder / "one.csv"
    other.write_text("question,answer\nOne?,1\n")
    found = inspected(bench, path=other)
    assert (found["rows"], found["first"][0]["answer"]) == (1, "1") and inspected(bench)["rows"] == 24


def inspect_base(bench: Bench) -> None:
    long = bench.folder / "long.csv"
    long.write_text("prompt,answer\n" + "".join(f"{'no ' * (50 * n)}?,yes {n}\n" for n in range(4)))
    found = [inspected(bench, *flags, path=long) for flags in ((), ("--base", bench.bases[0]), ("--base", bench.bases[1]))]
    assert [each["usable_rows"] for each in found] == [4, 3, 2]
    assert [each["base"] for each in found] == ["starter", *map(str, bench.bases)]


def inspect_length(bench: Bench) -> None:
    found = inspected(bench, "--max-length", "22")
    assert found["max_length"] == 22 and found["cut_answers"] > inspected(bench)["cut_answers"] == 0


def inspect_columns(bench: Bench) -> None:
    wanted = inspect_file(bench.table).examples[0]
    assert inspected(bench)["first"][0] == {"messages": [{"role": "user", "content": wanted.messages[0].content}], "answer": wanted.answer}
    for prompt, answer in (("second", "answer"), ("prompt", "third")):
        first = inspected(bench, "--role", f"{prompt}=prompt", "--role", f"{answer}=answer")["first"][0]
        row = dict(zip("prompt answer second third".split(), bench.table.read_text().splitlines()[1].split(","), strict=True))
        assert (first["messages"][0]["content"], first["answer"]) == (row[prompt], row[answer])


# Chat


def adapter(bench: Bench, which: int = 0) -> Path:
    key = f"adapter {which}"
    if key not in bench.kept:
        bench.kept[key] = write_adapter(bench.new("adapter"), bench.base, seed=(2, 5)[which])
    return bench.kept[key]


def answered(bench: Bench, *flags: Any, which: int = 0, prompt: str = PROMPT) -> list[str]:
    given = ["chat", adapter(bench, which), "--prompt", prompt, "--max-new-tokens", LENGTH, "--json", *flags]
    found = bench.run(*given).json
    return [found["base"], found["tuned"]]


def wanted(bench: Bench, which: int = 0, prompt: str = PROMPT, system: str = "", **options: Any) -> list[str]:
    """What the engine answers when it is asked directly."""
    reft = ReftModel.load(adapter(bench, which), bench.base.model)
    return generate(bench.base, conversation(prompt, system), [None, reft], **{"max_new_tokens": LENGTH, **options})


def chats(flag: str, option: str, *values: Any, **more: Any) -> Callable[[Bench], None]:
    """Each value gives what the engine gives for it, and no two the same."""

    def show(bench: Bench) -> None:
        flags = [part for name, value in more.items() for part in (f"--{name}", value)]
        found = [answered(bench, *flags, flag, value) for value in values]
        assert found == [wanted(bench, **{**more, option: value}) for value in values]
        assert len({tuple(answers) for answers in found}) == len(values)

    return show


def chat_dir(bench: Bench) -> None:
    found = [answered(bench, which=which) for which in (0, 1)]
    assert found == [wanted(bench, which=which) for which in (0, 1)] and found[0][0] == found[1][0] and found[0][1] != found[1][1]


def chat_prompt(bench: Bench) -> None:
    assert answered(bench, prompt="Who is there?") == wanted(bench, prompt="Who is there?") != answered(bench)


def chat_defaults(bench: Bench) -> None:
    """What is not given is what the README says."""
    found = bench.run("chat", adapter(bench), "--prompt", PROMPT, "--json").json
    assert [found["base"], found["tuned"]] == wanted(bench, max_new_tokens=128, temperature=0.0, seed=0, strength=1.0)


# Evaluate


def few(bench: Bench) -> Path:
    path = bench.folder / "few.csv"
    path.write_text("\n".join(bench.table.read_text().splitlines()[:7]) + "\n")
    return path


def measured(bench: Bench, *flags: Any, which: int = 0, path: Path | None = None) -> dict[str, Any]:
    return bench.run("evaluate", adapter(bench, which), "--data", path or few(bench), "--json", *flags).json


def figures(bench: Bench, rows: Any, which: int = 0) -> Any:
    reft = ReftModel.load(adapter(bench, which), bench.base.model)
    found = evaluate(bench.base, reft, rows)
    return {name: found[name] for name in ("base", "tuned", "rows")}


def same_figures(found: dict[str, Any], rows: Any, bench: Bench, which: int = 0) -> bool:
    return {name: found[name] for name in ("base", "tuned", "rows")} == figures(bench, rows, which)


def evaluate_dir(bench: Bench) -> None:
    rows = inspect_file(few(bench)).examples
    found = [measured(bench, which=which) for which in (0, 1)]
    assert all(same_figures(each, rows, bench, which) for which, each in enumerate(found))
    assert found[0]["base"] == found[1]["base"] and found[0]["tuned"] != found[1]["tuned"] != found[0]["base"]


def evaluate_data(bench: Bench) -> None:
    other = bench.folder / "other.csv"
    other.write_text("prompt,answer\nOne?,1\nTwo?,2\n")
    found = measured(bench, path=other)
    assert same_figures(found, inspect_file(other).examples, bench) and found["rows"] == 2


def evaluate_columns(bench: Bench) -> None:
    plain_figures = measured(bench)
    row = "prompt answer second third".split()
    for prompt, answer in (("second", "answer"), ("prompt", "third")):
        lines = [line.split(",") for line in few(bench).read_text().splitlines()[1:]]
        rows = [(line[row.index(prompt)], line[row.index(answer)]) for line in lines]
        found = measured(bench, "--role", f"{prompt}=prompt", "--role", f"{answer}=answer")
        assert same_figures(found, rows, bench) and found["tuned"] != plain_figures["tuned"]


# Data folders


def data_folder(bench: Bench) -> Path:
    """One with something left half-done in it, long ago."""
    import os

    folder = bench.new("data")
    Storage(folder).close()
    (folder / ".writing-x").write_bytes(b"half")
    os.utime(folder / ".writing-x", (1, 1))
    return folder


def doctor_folder(bench: Bench) -> None:
    broken = data_folder(bench)
    sound = bench.new("data")
    Storage(sound).close()
    assert bench.run("doctor", "--data-dir", sound, "--json").json["data"]["findings"] == []
    assert bench.run("doctor", "--data-dir", broken, "--json", code=1).json["data"]["repairable"] == 1


def doctor_repair(bench: Bench) -> None:
    folder = data_folder(bench)
    bench.run("doctor", "--data-dir", folder, code=1)
    assert (folder / ".writing-x").exists()
    assert bench.run("doctor", "--data-dir", folder, "--repair", "--json").json["data"]["done"]
    assert not (folder / ".writing-x").exists()


def doctor_json(bench: Bench) -> None:
    bench.patch.setenv("REFT_STUDIO_DATA_DIR", str(bench.folder / "nobody's"))  # this machine's own may be in need of repair
    says_json(bench, "doctor")


def backups(bench: Bench) -> None:
    folder, file = data_folder(bench), bench.folder / "b.zip"
    assert bench.run("backup", file, "--data-dir", folder, "--json").json["file"] == str(file) and zipfile.is_zipfile(file)
    other = bench.folder / "c.zip"
    bench.patch.setenv("REFT_STUDIO_DATA_DIR", str(folder))
    says_json(bench, "backup", other)
    assert zipfile.is_zipfile(other)


def restores(bench: Bench) -> None:
    file = bench.folder / "b.zip"
    bench.run("backup", file, "--data-dir", data_folder(bench))
    first, second = bench.new("back"), bench.new("again")
    assert bench.run("restore", file, "--data-dir", first, "--json").json["data_dir"] == str(first)
    assert (first / "studio.db").is_file() and not second.exists()
    assert "{" not in bench.run("restore", file, "--data-dir", second).out and (second / "studio.db").is_file()


# Compare


def compared_runs(bench: Bench) -> None:
    """The runs that are named, in the folder that is named."""
    folders = bench.new("first"), bench.new("second")
    for folder, ranks in zip(folders, ((2, 3, 4), (5, 6)), strict=True):
        for rank in ranks:
            path = bench.folder / "run.yaml"
            path.write_text(json.dumps({"reft": {"rank": rank}, "data": {"file": str(bench.table)}}))
            bench.run("run", path, "--data-dir", folder, "--name", f"run {rank - ranks[0]}")

    def ranks_of(folder: Path, *names: str) -> list[str]:
        settings = bench.run("compare", *names, "--data-dir", folder, "--json").json["settings"]
        return next(line["values"] for line in settings if line["name"] == "rank")

    assert [ranks_of(folder, "run 0", "run 1") for folder in folders] == [["2", "3"], ["5", "6"]]
    assert ranks_of(folders[0], "run 2", "run 0", "run 1") == ["4", "2", "3"]
    bench.patch.setenv("REFT_STUDIO_DATA_DIR", str(folders[0]))
    says_json(bench, "compare", "run 0", "run 1")


# Run


def run_file(bench: Bench) -> None:
    """Another file makes another run, in the folder that is named, under the name that is given."""
    folder, elsewhere = bench.new("studio"), bench.new("elsewhere")
    for rank, name, where in ((2, "one", folder), (3, "two", folder), (4, "three", elsewhere)):
        path = bench.folder / f"{name}.yaml"
        path.write_text(json.dumps({"reft": {"rank": rank}, "data": {"file": str(bench.table)}}))
        bench.run("run", path, "--data-dir", where, "--name", name)
    for where, wanted in ((folder, {"one": 2, "two": 3}), (elsewhere, {"three": 4})):
        storage = Storage(where)
        assert {run.name: run.spec["reft"]["rank"] for run in storage.runs.all()} == wanted
        storage.close()
    bench.patch.setenv("REFT_STUDIO_DATA_DIR", str(folder))
    says_json(bench, "run", path)


def run_watch(bench: Bench) -> None:
    """It stays until the run has ended, with a worker of its own where there is none."""
    folder, path = bench.new("studio"), bench.folder / "run.yaml"
    path.write_text(json.dumps({"base": str(bench.bases[0]), "train": {"epochs": 1, "held_out": 0}, "data": {"file": str(bench.table)}}))
    bench.patch.setattr(cli_run, "_trained_by_somebody", lambda services, _: ended_by_hand(services))
    told = [bench.run("run", path, "--data-dir", folder, "--json", *more).json["status"] for more in ((), ("--watch",))]
    assert told == ["queued", "stopped"]


@contextmanager
def ended_by_hand(services: Any) -> Iterator[None]:
    for run in services.storage.runs.all():
        services.storage.runs.request_stop(run.id)
    yield


# Serve


def served(bench: Bench, *flags: Any) -> tuple[Any, bool]:
    """What the server is started with."""
    seen: list[Any] = []
    bench.patch.setattr(app.serve, "serve", lambda settings, *, browser: seen.append((settings, browser)) or 0)
    bench.run("serve", *flags)
    return seen[0]


def serve_host(bench: Bench) -> None:
    assert [served(bench, *flags)[0].host for flags in ((), ("--host", "0.0.0.0"))] == ["127.0.0.1", "0.0.0.0"]


def serve_port(bench: Bench) -> None:
    assert [served(bench, *flags)[0].port for flags in ((), ("--port", "7871"))] == [7860, 7871]


def serve_folder(bench: Bench) -> None:
    assert served(bench, "--data-dir", bench.folder / "mine")[0].data_dir == bench.folder / "mine"


def serve_browser(bench: Bench) -> None:
    """Where there is a screen, the page is opened; unless it is not to be."""
    assert [served(bench, *flags)[1] for flags in ((), ("--no-browser",))] == [True, False]
    opened: list[str] = []
    bench.patch.setattr(webbrowser, "open", opened.append)
    bench.patch.setenv("DISPLAY", ":0")
    ready = SimpleNamespace(started=True, should_exit=False)
    supervisor = SimpleNamespace(start=lambda: None)
    for browser, host in ((False, "127.0.0.1"), (True, "0.0.0.0"), (True, "127.0.0.1")):
        app.serve._after_start(ready, supervisor, served(bench, "--host", host, "--port", "7871")[0], browser)
    assert opened == ["http://127.0.0.1:7871"]


def serve_people(bench: Bench) -> None:
    assert [served(bench, *flags)[0].people for flags in ((), *(("--people", value) for value in ("local", "team", "proxy")))] == [
        None, "local", "team", "proxy",
    ]  # fmt: skip
    assert "invalid choice" in bench.run("serve", "--people", "everybody", code=2).err


def users(bench: Bench) -> None:
    """Each action does another thing, to the person of this name, in this folder."""
    first, second = bench.new("team"), bench.new("other")

    def act(*given: Any, folder: Path = first, typed: str = "correct horse battery") -> Any:
        bench.patch.setattr("sys.stdin", io.StringIO(typed))
        return bench.run("user", *given, "--data-dir", folder)

    assert act("add", "Ada", "--operator", "--json").json["operator"] and not act("add", "Bob", "--json").json["operator"]
    assert "{" not in act("add", "Eve").out and (first / "people.json").is_file() and not (second / "people.json").exists()
    assert [each["name"] for each in act("list", "--json").json["people"]] == ["Ada", "Bob", "Eve"]
    assert act("remove", "Eve", "--json").json["name"] == "Eve" and "Eve" not in act("list").out
    assert act("list", "--json", folder=second).json == {"people": []}
    before = (first / "people.json").read_text()
    assert act("logout", "Ada", "--json").json["sessions_ended"] == 0 and (first / "people.json").read_text() == before
    assert act("passphrase", "Ada", "--json", typed="staple of another kind").json["name"] == "Ada"
    assert People(first).verify("Ada", "staple of another kind") and not People(first).verify("Ada", "correct horse battery")


def serve_command(bench: Bench) -> None:
    """Without a command the pages are served."""
    seen: list[Any] = []
    bench.patch.setattr(app.serve, "serve", lambda settings, *, browser: seen.append(settings.port) or 0)
    assert main(["--port", "7871"]) == main([]) == 0 and seen == [7871, 7860]


def lists_models(bench: Bench) -> None:
    """The catalogue in a precision; compared with a Hub that has none of it, and written as it was."""
    entry = app.bases.catalog.catalogue()[0]
    needed = []
    for precision in ("float32", "bfloat16"):
        models = bench.run("models", "--json", "--precision", precision).json["models"]
        needed += [each["needed"] for each in models if each["name"] == entry.name]
    assert needed[0] > needed[1]
    bench.patch.setattr(app.bases.catalog, "catalogue", lambda: (entry,))
    path = bench.folder / "catalog.toml"
    with answering(Hub({})) as hub:
        for name, value in way_to(hub, bench.folder).items():
            bench.patch.setenv(name, value)
        found = bench.run("models", "--check", "--write", path, "--json", code=1).json
    assert list(found["differences"]) == [entry.name] and app.bases.catalog.read_catalogue(path.read_text()) == (entry,)


def together(show: Callable[[Bench], None]) -> Callable[[Bench], None]:
    """What shows several flags at once is shown for the first of them, and holds for the others."""
    shown: list[bool] = []

    def once(bench: Bench) -> None:
        if not shown:
            show(bench)
            shown.append(True)

    return once


DATA = {"--data": data, "--out": out, "--base": other_base, "--tied": tied}
COLUMNS = {command: together(columns(command)) for command in ("train", "sweep")}
BACKUPS, RESTORES, INSPECTED, EVALUATED, RUN_FILE, MODELS, COMPARED, USERS = map(
    together, (backups, restores, inspect_columns, evaluate_columns, run_file, lists_models, compared_runs, users)
)
TABLE: dict[tuple[str, str], Callable[[Bench], None]] = {
    **{(command, flag): make(command) for command in ("train", "sweep") for flag, make in DATA.items()},
    **{(command, "--role"): show for command, show in COLUMNS.items()},
    **{(command, flag): reads(command, flag) for command in ("train", "sweep", "inspect", "evaluate") for flag in READINGS},
    **{(command, flag): asks_the_hub(command, flag) for command in ("train", "sweep", "inspect", "evaluate") for flag in HUB},
    **{(command, flag): learns(command, flag, tied=False) for command in ("train", "sweep") for flag in ("--untied", "--no-tied")},
    **{(command, "--max-length"): learns(command, "--max-length", "20", max_length=20) for command in ("train", "sweep")},
    **{(command, "--split-seed"): split_seed(command) for command in ("train", "sweep")},
    **{(command, "--held-out"): learns(command, "--held-out", "0.5", held_out=0.5) for command in ("train", "sweep")},
    ("train", "--json"): train_json, ("sweep", "--json"): sweep_json, ("train", "--spec"): spec_file,
    ("train", "--method"): learns("train", "--method", "direft", method="direft"),
    ("train", "--rank"): learns("train", "--rank", "3", rank=3),
    ("train", "--layers"): learns("train", "--layers", "0;2", layers=[0, 2]),
    ("train", "--positions"): learns("train", "--positions", "l1", positions="l1"),
    ("train", "--dropout"): learns("train", "--dropout", "0.5", dropout=0.5),
    ("train", "--epochs"): learns("train", "--epochs", "3", epochs=3),
    ("train", "--lr"): learns("train", "--lr", "0.01", learning_rate=0.01),
    ("train", "--batch-size"): learns("train", "--batch-size", "4", batch_size=4),
    ("train", "--seed"): learns("train", "--seed", "7", seed=7),
    ("train", "--reuse"): costs("train", "--reuse", "none", reuse="none"),
    ("train", "--no-packing"): costs("train", "--no-packing", packing=False),
    ("train", "--packing"): packing, ("train", "--keep"): keep, ("train", "--patience"): patience,
    ("sweep", "--method"): swept("--method", "method", "loreft", "direft"), ("sweep", "--rank"): swept("--rank", "rank", 2, 3),
    ("sweep", "--layers"): swept("--layers", "layers", "all", "1"),
    ("sweep", "--positions"): swept("--positions", "positions", "f7+l7", "l1"),
    ("sweep", "--lr"): swept("--lr", "learning_rate", 0.02, 0.005), ("sweep", "--batch-size"): swept("--batch-size", "batch_size", 6, 4),
    ("sweep", "--epochs"): swept("--epochs", "epochs", 2, 3), ("sweep", "--seed"): swept("--seed", "seed", 42, 7),
    ("inspect", "file"): inspect_file_named, ("inspect", "--base"): inspect_base, ("inspect", "--max-length"): inspect_length,
    ("inspect", "--role"): INSPECTED,
    ("inspect", "--json"): lambda bench: says_json(bench, "inspect", bench.table),
    ("chat", "dir"): chat_dir, ("chat", "--prompt"): chat_prompt,
    ("chat", "--system"): chats("--system", "system", "Be brief.", "Be long."),
    ("chat", "--strength"): chats("--strength", "strength", -1, 0, 0.5, 1, 2),
    ("chat", "--max-new-tokens"): chats("--max-new-tokens", "max_new_tokens", 1, 5, 20),
    ("chat", "--temperature"): chats("--temperature", "temperature", 0, 0.6, 1.5),
    ("chat", "--seed"): chats("--seed", "seed", 0, 1, 2, temperature=1.0),
    ("chat", "--json"): lambda bench: says_json(bench, "chat", adapter(bench), "--prompt", PROMPT, "--max-new-tokens", 3),
    ("evaluate", "dir"): evaluate_dir, ("evaluate", "--data"): evaluate_data,
    ("evaluate", "--role"): EVALUATED,
    ("evaluate", "--json"): lambda bench: says_json(bench, "evaluate", adapter(bench), "--data", few(bench)),
    ("doctor", "--data-dir"): doctor_folder, ("doctor", "--repair"): doctor_repair, ("doctor", "--json"): doctor_json,
    **{("compare", flag): COMPARED for flag in ("runs", "--data-dir", "--json")},
    **{("models", flag): MODELS for flag in ("--check", "--write", "--precision", "--json")},
    **{("backup", flag): BACKUPS for flag in ("file", "--data-dir", "--json")},
    **{("restore", flag): RESTORES for flag in ("file", "--data-dir", "--json")},
    **{("run", flag): RUN_FILE for flag in ("file", "--data-dir", "--name", "--json")}, ("run", "--watch"): run_watch,
    ("serve", "--host"): serve_host, ("serve", "--port"): serve_port, ("serve", "--data-dir"): serve_folder,
    ("serve", "--no-browser"): serve_browser, ("serve", "--people"): serve_people,
    **{("user", flag): USERS for flag in ("action", "name", "--operator", "--data-dir", "--json")},
}  # fmt: skip
# Settings without a row of their own, so that one that is added has one.
for _command in ("train", "sweep"):
    for _row in SETTINGS.values():
        for _flag in (flag_of(_row), *([f"--no-{flag_of(_row)[2:]}"] if _row.kind == "switch" else [])):
            TABLE.setdefault((_command, _flag), arrives(_command, _flag, _row))


def flags() -> set[tuple[str, str]]:
    (commands,) = [action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction)]
    found = set()
    for command, part in commands.choices.items():
        for action in part._actions:
            names = [name for name in action.option_strings if name.startswith("--")] or [action.dest]
            found |= {(command, name) for name in names if name != "--help"}
    return found


def test_every_flag_of_every_command_has_a_row_here():
    assert flags() == set(TABLE)


SWEPT = "--method --rank --layers --positions --lr --batch-size --epochs --seed --json".split()
ALIKE = {(command, flag) for command, flag in TABLE if command == "sweep" and ("train", flag) in TABLE and flag not in SWEPT}
"""Flags that a sweep hands on as a run does; that it does is the long form."""


@pytest.mark.parametrize(
    ("command", "flag"),
    [
        pytest.param(command, flag, id=f"{command} {flag}", marks=pytest.mark.long if (command, flag) in ALIKE else pytest.mark.slow)
        for command, flag in TABLE
    ],
)
def test_another_value_changes_what_is_done(bench, command, flag):
    TABLE[command, flag](bench)


@pytest.mark.slow
def test_what_is_not_given_is_the_starter_and_the_settings_of_the_engine(bench):
    found = trained(bench, base=False)
    assert found.config["base_model"]["id"] == "starter"
    given = {"rank", "epochs", "batch_size", "held_out", "learning_rate", "base", "revision", "precision", "labels", "pooling"}
    wanted_settings = {name: value for name, value in RunSpec().settings().items() if name not in given}
    assert len(wanted_settings) > 20
    assert {name: found.settings[name] for name in wanted_settings} == wanted_settings


@pytest.mark.parametrize("command", ["train", "sweep"])
def test_the_engine_is_given_the_defaults_of_the_spec_where_there_are_no_flags(bench, command):
    split_seed = {"split_seed": 42} if command == "sweep" else {}  # all runs of a sweep are measured on the same rows
    assert asked(bench, command) == {**RunSpec().settings(), **split_seed}


def test_help_says_of_every_setting_what_it_does_and_its_default(bench):
    bench.patch.setenv("COLUMNS", "9999")  # nothing is wrapped
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    lines = bench.capture.readouterr().out.splitlines()
    for row in SETTINGS.values():
        (place,) = (place for place, line in enumerate(lines) if f"{row.help[1:].rstrip('.')} [" in line)
        assert flag_of(row) in lines[place - 1] + lines[place], "a long flag has a line of its own"
        assert row.range in lines[place] and lines[place].endswith(f"default: {row.default_text}]"), row.name


@pytest.mark.parametrize("text", ["train: {epochs: 0}", "train: [", "- 1", "epochs: 3", "", "reft: {labels: x}", "train: {made_up: 1}"])
def test_a_file_of_settings_that_cannot_be_used_is_refused_with_a_sentence(bench, text):
    path = bench.folder / "run.yaml"
    path.write_text(text)
    told = bench.run("train", "--spec", path, "--data", bench.table, "--out", bench.folder / "out", code=2).err
    assert told.startswith(f"reft-studio: {path} cannot be used: ") and len(told.splitlines()) == 1
    path.write_bytes(b"\xff\xfe")
    assert "is not a text file" in bench.run("train", "--spec", path, "--data", bench.table, "--out", bench.folder / "out", code=2).err


@pytest.mark.slow
def test_chat_without_settings_is_greedy_and_of_the_strength_that_was_trained(bench):
    chat_defaults(bench)


def test_without_a_command_the_pages_are_served(bench):
    serve_command(bench)


@pytest.mark.parametrize("change", [["--dropout", "0.5"], ["--keep", "last"], ["--patience", "3"], ["--reuse", "none"], ["--layers", "1"]])
def test_a_finished_run_is_not_taken_for_one_of_other_settings(bench, change):
    first = plain(bench)
    given = ["train", "--base", bench.bases[0], "--data", bench.table, "--out", first.out, *RUN]
    assert "finished already" in bench.run(*given).out
    assert "other settings or data" in bench.run(*given, *change, code=2).err


def test_the_port_that_is_asked_for_is_the_one_that_is_taken(bench):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings, _ = served(bench, "--host", "127.0.0.1", "--port", port)
    with app.serve._listen(settings) as listening:
        assert listening.getsockname() == ("127.0.0.1", port)


@pytest.mark.slow
def test_what_chat_says_in_lines_is_what_it_says_in_json(bench):
    base, tuned = answered(bench)
    said = bench.run("chat", adapter(bench), "--prompt", PROMPT, "--max-new-tokens", LENGTH).out
    assert said == f"base:  {base}\ntuned: {tuned}\n" and base != tuned


@pytest.mark.slow
def test_what_evaluate_says_is_what_it_measured(bench):
    found = measured(bench)
    said = bench.run("evaluate", adapter(bench), "--data", few(bench)).out.splitlines()
    for line, name in zip(said[-2:], ("base", "tuned"), strict=True):
        assert line.startswith(f"{name:5}  loss {found[name]['loss']:.4f}  exactly right 0 of 6")
    assert f"{found['base']['loss']:.4f}" != f"{found['tuned']['loss']:.4f}"


@pytest.mark.slow
def test_evaluate_cuts_answers_where_the_training_did(bench):
    """What the adapter's own file says is the longest row, not what is usual."""
    folder = write_adapter(bench.new("adapter"), bench.base, seed=2, max_length=19)
    found = bench.run("evaluate", folder, "--data", few(bench), "--json").json
    reft = ReftModel.load(folder, bench.base.model)
    wanted_figures, usual = (evaluate(bench.base, reft, inspect_file(few(bench)).examples, max_length=length) for length in (19, 512))
    assert found["tuned"] == wanted_figures["tuned"] != usual["tuned"]


@pytest.mark.slow
def test_the_folder_of_a_run_stands_for_the_adapter_in_it(bench):
    folder = bench.new("run")
    write_adapter(folder / "adapter", bench.base, seed=2)
    for given in (folder, folder / "adapter"):
        found = bench.run("chat", given, "--prompt", PROMPT, "--max-new-tokens", LENGTH, "--json").json
        assert [found["base"], found["tuned"]] == wanted(bench)
