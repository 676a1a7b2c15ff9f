"""What was encoded is kept: a run that resumes, and the runs of a group, do not encode rows again."""

import json
from dataclasses import replace

import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from reft_engine import Example, PeftConfig, ReftConfig, TrainConfig, train, train_many
from reft_engine.data import Message
from reft_engine.errors import StoppedError
from reft_engine.tokens import prompts
from reft_engine.training import saved_rows
from reft_engine.training.events import PhaseEvent, RowsEvent
from reft_engine.training.objectives import objective_for
from reft_engine.training.rows import read_rows
from reft_engine.training.saved_rows import PackedRows, RowReader
from tests.reft_engine import families, tokenizers
from tests.reft_engine.test_together import EDITS, Hostile, all_of
from tests.reft_engine.test_training import same

QUICK = TrainConfig(epochs=1, batch_size=200, max_length=48, held_out=0.01, reuse="none")
EDIT = ReftConfig(rank=1, layers="2", positions="l1")


@pytest.fixture(autouse=True)
def _all_is_worth_keeping(monkeypatch):
    monkeypatch.setattr(saved_rows, "_WORTH_KEEPING", 0)


@pytest.fixture(scope="module")
def rows():
    """More rows than are encoded together, some of which cannot be used."""
    return [
        Example(line, (Message("user", "Who?" if line % 7 else ""),), f"Number {line}.", line)
        for line in range(1, 1202)
    ]  # fmt: skip


@pytest.fixture
def tokenised(monkeypatch):
    """How many texts the tokenizer was asked for."""
    texts, whole = [], prompts._tokenised

    def counted(base, *given, **options):
        texts.extend(given[0] if isinstance(given[0], list) else given)
        return whole(base, *given, **options)

    monkeypatch.setattr(prompts, "_tokenised", counted)
    monkeypatch.setattr(prompts, "words_of", lambda tokenizer, as_text: None)  # which would remember words
    return texts


def stop_after(asks):
    """Told to stop when asked for the time after this number."""
    asked = []
    return lambda: asked.append(True) or len(asked) > asks


def encoded_again(done, total):
    raise AssertionError(f"encoded again from {done}")


def reading(rows, objective, file, on_progress=lambda done, total: None, should_stop=lambda: False):
    return RowReader(rows).read(objective, file, on_progress, should_stop)


@pytest.mark.slow
@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("kind", ["starter", "alternates", "unigram", "bert", "t5"])
def test_rows_that_were_kept_are_those_that_were_read(starter, tmp_path, kind, edit):
    config, settings, pairs = EDITS[edit]
    if kind in families.ENCODERS and not config.labels:
        return
    given = Hostile(f"{kind} {edit}").rows(150, pairs)
    objective = objective_for(tokenizers.behind(starter, kind), config, settings, given)
    file = tmp_path / "rows.safetensors"
    first = reading(given, objective, file)
    assert all_of(first) == all_of(read_rows(objective, given))
    second = reading(given, objective, file, on_progress=encoded_again)
    assert all_of(second) == all_of(first)
    assert [type(row.example) for row in second.usable] == [type(row.example) for row in first.usable]
    with safe_open(file, framework="np") as opened:
        assert sorted(opened.keys()) == ["ids", "left_out", "marked", "records"]


def test_other_positions_edit_other_tokens_of_the_rows_that_were_kept(starter, rows, tmp_path):
    file = tmp_path / "rows.safetensors"
    reading(rows, objective_for(starter, ReftConfig(positions="l1"), QUICK, rows), file)
    for positions in ("f2+l2", "all"):
        objective = objective_for(starter, ReftConfig(positions=positions), QUICK, rows)
        assert all_of(reading(rows, objective, file, on_progress=encoded_again)) == all_of(read_rows(objective, rows))


@pytest.mark.parametrize(
    "change",
    [
        {"config": ReftConfig(positions="marked")}, {"config": ReftConfig(labels=("a", "b"))}, {"settings": TrainConfig(max_length=47)},
        {"settings": TrainConfig(max_length=48, answer_tokens=3)}, {"template": "{{ messages[0].content }}"}, {"name": "another"},
        {"row": Example(1, (Message("user", "Why?"),), "Number 1.", 1)}, {"row": Example(1, (Message("user", "Who?"),), "Number one.", 1)},
        {"row": Example(9, (Message("user", "Who?"),), "Number 1.", 1)}, {"row": Example(1, (Message("system", "Who?"),), "Number 1.", 1)},
        {"token": "<new>"},
    ],
    ids=str,
)  # fmt: skip
def test_whatever_decides_the_tokens_is_encoded_anew(starter, rows, tmp_path, change):
    file, settings = tmp_path / "rows.safetensors", TrainConfig(max_length=48)
    reading(rows, objective_for(starter, ReftConfig(), settings, rows), file)
    before = file.read_bytes()
    base = replace(starter, **{name: change[name] for name in ("template", "name") if name in change})
    if "token" in change:
        base = tokenizers.behind(starter, "gpt2")
        base.tokenizer.add_tokens([change["token"]])
    changed = [change["row"], *rows[1:]] if "row" in change else rows
    objective = objective_for(base, change.get("config", ReftConfig()), change.get("settings", settings), changed)
    assert all_of(reading(changed, objective, file)) == all_of(read_rows(objective, changed))
    assert file.read_bytes() != before, "the rows that were read last are kept"


def damage(file, kind):
    data = file.read_bytes()
    if kind == "cut off":
        file.write_bytes(data[: len(data) // 2])
    elif kind == "a letter":
        file.write_bytes(data[:-5] + bytes([data[-5] ^ 1]) + data[-4:])
    elif kind == "empty":
        file.write_bytes(b"")
    elif kind == "a folder":
        file.unlink()
        file.mkdir()
    elif kind == "no digest":
        with safe_open(file, framework="np") as opened:
            metadata = {"key": opened.metadata()["key"]}
        save_file(load_file(file), file, metadata)
    else:
        save_file({name: values for name, values in load_file(file).items() if name != "ids"}, file)


@pytest.mark.parametrize("kind", ["cut off", "a letter", "empty", "a folder", "no digest", "too little"])
def test_a_damaged_file_is_ignored(starter, rows, tmp_path, kind):
    objective, file = objective_for(starter, EDIT, QUICK, rows), tmp_path / "rows.safetensors"
    first = reading(rows, objective, file)
    damage(file, kind)
    assert all_of(reading(rows, objective, file)) == all_of(first)


def test_a_disk_that_is_full_ends_no_run(starter, rows, tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saved_rows, "write_atomic", full)
    objective = objective_for(starter, EDIT, QUICK, rows)
    assert all_of(reading(rows, objective, tmp_path / "rows.safetensors")) == all_of(read_rows(objective, rows))


def test_few_rows_are_not_written(starter, rows, tmp_path, monkeypatch):
    monkeypatch.setattr(saved_rows, "_WORTH_KEEPING", 1_000_000)
    reading(rows, objective_for(starter, EDIT, QUICK, rows), tmp_path / "rows.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_tokenizer_in_python_keeps_nothing(starter, rows, tmp_path):
    objective = objective_for(tokenizers.behind(starter, "bytes"), EDIT, QUICK, rows)
    reading(rows, objective, tmp_path / "rows.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_run_can_be_stopped_while_its_rows_are_encoded_and_goes_on_with_the_rest(tiny, rows, tmp_path, tokenised):
    phases = []

    def hear(event):
        if isinstance(event, PhaseEvent) and event.phase == "encode":
            phases.append((event.done, event.total))

    with pytest.raises(StoppedError, match="before the first step"):
        train(tiny, rows, EDIT, QUICK, folder=tmp_path, on_event=hear, should_stop=stop_after(1))
    assert phases == [(0, 1201), (500, 1201)]
    assert [path.name for path in (tmp_path / "checkpoint").iterdir()] == [saved_rows.FILE]
    assert not (tmp_path / "adapter").exists()
    phases.clear()
    result = train(tiny, rows, EDIT, QUICK, folder=tmp_path, on_event=hear)
    assert phases == [(1000, 1201)]
    assert tokenised.count("Number 3.") == 1, "each answer was tokenised once"
    assert tokenised.count("Number 1200.") == 1
    undisturbed = train(tiny, rows, EDIT, QUICK)
    assert same(result.reft, undisturbed.reft) and result.check == undisturbed.check
    assert not (tmp_path / "checkpoint" / saved_rows.FILE).exists(), "a run that has ended needs it no more"


@pytest.mark.slow
def test_a_run_that_resumes_encodes_nothing(tiny, rows, tmp_path, tokenised):
    events = []
    # Asked twice between its batches, and before each step.
    first = train(tiny, rows, EDIT, QUICK, folder=tmp_path, should_stop=stop_after(4))
    assert first.stopped and first.steps == 2
    before = len(tokenised)
    second = train(tiny, rows, EDIT, QUICK, folder=tmp_path, on_event=events.append)
    assert not [event for event in events if isinstance(event, PhaseEvent) and event.phase == "encode"]
    assert [event.check for event in events if isinstance(event, RowsEvent)] == [first.check]
    assert not [text for text in tokenised[before:] if text.startswith("Number")][1:], "but for the sample that is answered"
    assert second.left_out == first.left_out and len(first.left_out) == 171
    assert same(second.reft, train(tiny, rows, EDIT, QUICK).reft)


@pytest.mark.slow
def test_runs_of_a_group_encode_their_rows_once(tiny, rows, tokenised, tmp_path):
    other = ReftConfig(rank=1, layers="2", positions="f1")
    apart = [train(tiny, rows, config, QUICK) for config in (EDIT, other)]
    tokenised.clear()
    together = train_many(tiny, rows, [(EDIT, QUICK), (other, QUICK)], folder=tmp_path)
    assert tokenised.count("Number 3.") == 1
    assert [result.check for result in together] == [result.check for result in apart]


def test_a_baseline_keeps_its_rows_too(tiny, rows, tmp_path):
    with pytest.raises(StoppedError):
        train(tiny, rows, PeftConfig(method="lora"), QUICK, folder=tmp_path, should_stop=stop_after(0))
    assert (tmp_path / "checkpoint" / saved_rows.FILE).is_file()


def test_the_file_holds_numbers_and_no_text_of_a_row(starter, rows, tmp_path):
    file = tmp_path / "rows.safetensors"
    reading(rows, objective_for(starter, EDIT, QUICK, rows), file)
    assert b"Number" not in file.read_bytes()
    assert json.loads(bytes(load_file(file)["left_out"]))[0][1] == "Line 7: the prompt is empty."
    assert PackedRows.load(file, "another key") is None
