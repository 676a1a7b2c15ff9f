"""The engine itself: `reft_engine.train` and `reft_engine.stream`, called as anybody calls them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import PreTrainedTokenizerFast

import reft_engine
from benchmarks.speed.gate import Gate, NotThereError
from benchmarks.speed.generating import Ticks, question
from benchmarks.speed.models import RATE, build, versions
from benchmarks.speed.work import Job
from reft_engine import ReftConfig, ReftModel, TrainConfig
from reft_engine.base.loading import TEXT_TEMPLATE, Base
from reft_engine.training.events import StepEvent, TrainEvent
from reft_engine.training.run import TrainResult


def base_of(job: Job) -> Base:
    """The random model behind a tokenizer that has a word for every token and ends no answer."""
    words = {f"w{token}": token for token in range(job.shape.vocabulary)}
    known = Tokenizer(WordLevel(words, unk_token="w0"))
    known.pre_tokenizer = WhitespaceSplit()
    return Base(build(job), PreTrainedTokenizerFast(tokenizer_object=known), "random", None, TEXT_TEMPLATE)


def text(tokens: list[int]) -> str:
    """Words that `base_of`'s tokenizer reads as these tokens."""
    return " ".join(f"w{token}" for token in tokens)


def settings_of(job: Job, **values: Any) -> TrainConfig:
    """How a run is trained; the option ``train`` has what differs from the defaults. Raises NotThereError."""
    asked = dict(job.options.get("train", {}))
    if unknown := asked.keys() - TrainConfig.model_fields.keys():
        raise NotThereError(f"this engine has no setting {', '.join(sorted(unknown))}")
    length = job.work.prompt + job.work.answer
    common = {"batch_size": job.work.rows, "learning_rate": RATE, "held_out": 0.0, "max_length": max(length, 8)}
    return TrainConfig(**{**common, **asked, **values})


def config_of(job: Job) -> ReftConfig:
    """What is edited; the option ``reft`` has what differs from the scenario's."""
    work = job.work
    return ReftConfig(**{"rank": work.rank, "layers": work.layers, "positions": work.positions, **job.options.get("reft", {})})


def examples_of(job: Job) -> list[tuple[str, str]]:
    """The rows of an epoch as texts."""
    return [(text(prompt), text(answer)) for rows in job.work.token_rows(job.shape.vocabulary) for prompt, answer in rows]


def train(job: Job, gate: Gate) -> None:
    """Run after run of `reft_engine.train`, held before every step; the first is one epoch long, to warm up.

    The clock of a step runs from the end of the one before it (in a run's first, from when the base model is first
    needed), so whatever the engine does between two steps counts.
    """
    base, config, rows = base_of(job), config_of(job), examples_of(job)
    _check(base, job, rows)
    settings_of(job)
    trained = ReftModel(base, config).trainable_parameters
    gate.ready(trained=trained, versions=versions())
    for run in count():
        settings = settings_of(job, epochs=job.work.epochs if run else 1)
        held = _Held(gate, job.work.batches)
        done = reft_engine.train(base, rows, config, settings, on_event=held.hear, on_ready=held.hold, exclusive=held.turn)
        assert done.steps == settings.epochs * job.work.batches and not done.left_out


class _Held:
    """Lets a run through the gate, one step at a time."""

    def __init__(self, gate: Gate, steps: int) -> None:
        self._gate, self._steps, self._through = gate, steps, False

    def hold(self, reft: ReftModel | None = None) -> None:
        """Wait once for the first step, at whatever comes first."""
        if not self._through:
            self._through = True
            self._gate.wait()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """See `reft_engine.train`."""
        self.hold()
        yield

    def hear(self, event: TrainEvent) -> None:
        """After a step: tell, and wait for the next."""
        if isinstance(event, StepEvent):
            self._gate.report(loss=event.loss, epoch=(event.step - 1) // self._steps)
            if event.step < event.total_steps:
                self._gate.wait()


def _check(base: Base, job: Job, rows: list[tuple[str, str]]) -> None:
    """The texts are read as exactly the tokens that the others are given."""
    given = [row for batch in job.work.token_rows(job.shape.vocabulary) for row in batch]
    read = [tuple(base.tokenizer(side, add_special_tokens=False)["input_ids"] for side in row) for row in rows]
    assert [tuple(row) for row in given] == read
    assert base.tokenizer.eos_token_id is None, "an end token would make answers one token longer"


def answer(job: Job, gate: Gate) -> None:
    """Stream answers to fresh prompts; the option ``columns`` lists what is streamed together, one list after another."""
    base = base_of(job)
    tuned = ReftModel(base, config_of(job)).eval()
    edits = [[tuned if column == "tuned" else None for column in columns] for columns in job.options["columns"]]
    new = job.options["new"]
    gate.ready(versions=versions())
    for index in count():
        asked = question(job, index)
        gate.wait()
        ticks, words = Ticks(), 0
        for columns in edits:
            for delta in reft_engine.stream(base, asked, columns, max_new_tokens=new):
                words += len(delta.text.split())
                if delta.column == 0:
                    ticks.tick()
        said = ticks.values(words)
        if len(edits) > 1:  # two answers, and so two rates
            del said["rate"]
        gate.report(**said)


def runs(job: Job, gate: Gate) -> None:
    """Several runs of a few rows each, one after another or (option ``at_once``) together; a step of the gate is all of them."""
    base = base_of(job)
    together = _at_once if job.options["at_once"] else _one_after_another
    rows, config = examples_of(job), config_of(job)
    settings = [settings_of(job, epochs=job.work.epochs, seed=seed) for seed in range(job.options["runs"])]
    gate.ready(trained=len(settings) * ReftModel(base, config).trainable_parameters, versions=versions())
    while True:
        gate.wait()
        together(base, rows, config, settings)
        gate.report()


def _one_after_another(base: Base, rows: list[tuple[str, str]], config: ReftConfig, settings: list[TrainConfig]) -> None:
    for each in settings:
        reft_engine.train(base, rows, config, each)


def _at_once(base: Base, rows: list[tuple[str, str]], config: ReftConfig, settings: list[TrainConfig]) -> None:
    ended = reft_engine.train_many(base, rows, [(config, each) for each in settings])
    assert len(ended) == len(settings) and all(isinstance(each, TrainResult) for each in ended)


def padding(job: Job, gate: Gate) -> None:
    """How long the rows are in each batch that one epoch of `reft_engine.train` reads padded, as the model itself sees them."""
    starter = reft_engine.load_base("starter", device="cpu")
    job = replace(job, shape=replace(job.shape, vocabulary=len(starter.tokenizer)))
    base = Base(build(job), starter.tokenizer, "random", None, starter.template)
    rows = alpaca_rows(Path(job.options["folder"]))
    settings = TrainConfig(epochs=1, batch_size=job.work.rows, held_out=0.0, max_length=512, reuse="none", packing=False)
    lengths: list[list[int]] = []
    # The trunk, which is given its mask by name whether the engine calls it or the whole model.
    base.model.model.register_forward_pre_hook(
        lambda module, args, given: lengths.append(given["attention_mask"].sum(dim=1).tolist()), with_kwargs=True
    )
    reft_engine.train(base, rows, config_of(job), settings)
    gate.ready(lengths=lengths)


def alpaca_rows(folder: Path) -> list[tuple[str, str]]:
    """Instruction with its input, and output, of every list of such rows among a folder's JSON files."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            rows = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError:  # lines of JSON under the wrong name
            continue
        for row in rows if isinstance(rows, list) else []:
            if isinstance(row, dict) and row.keys() >= {"instruction", "output"} and row["output"].strip():
                found.append(("\n".join(filter(None, (row["instruction"], row.get("input")))), row["output"]))
    return found
