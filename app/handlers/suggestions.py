"""The settings that are suggested for a base model, rows and a goal, each with the reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any

from app.goals import GOALS, PAPER_RATE, PAPER_SIZE, STARTER_RATE, Goal, learning_rate
from app.handlers.datasets import suggested_held_out
from app.samples import Sample, find_sample
from app.services import Services
from app.words import say
from reft_engine import ReftConfig, TrainConfig, step_work
from reft_engine.data import Outline, outline_of
from storage import DatasetRecord

_WANTED_STEPS, _MOST_EPOCHS = 300, 30
_FEW_ROWS, _MANY_ROWS = 300, 1000
_LONG_PROMPT = 200
"""Tokens from which on a prompt is long enough that positions are suggested by their price."""
_DEAR = 4.0
"""Times as much work of a later epoch from which on the last tokens alone are suggested."""
_CHARACTERS_OF_TOKEN = 4
_LAST = "l7"
Reason = tuple[Any, str]
"""A value, and why it is suggested."""


@dataclass(frozen=True, slots=True)
class BaseSize:
    """What is known of a base model before it is loaded; None means unknown."""

    parameters: int | None = None
    layers: int | None = None
    is_encoder: bool = False


@dataclass(frozen=True, slots=True)
class Suggested:
    """Settings by name, as the form holds them, and for some the reason; ``goal`` is the one that they serve."""

    goal: str
    values: dict[str, Any]
    reasons: dict[str, str]


def outline(services: Services, dataset: DatasetRecord) -> Outline:
    """What a dataset's rows ask for. Raises DataError."""
    return _outline(services.storage.files.rows(dataset.version))


@lru_cache(maxsize=64)
def _outline(path: Path) -> Outline:
    return outline_of(path)  # the rows of a version never change


def default_goal(dataset: DatasetRecord, rows: Outline) -> str:
    """The goal that a dataset's rows suit best."""
    if rows.learns == "pairs":
        return "steer"
    if rows.labels:
        return "classify"
    return "style" if rows.learns == "text" or dataset.usable_rows < _FEW_ROWS else "instructions"


def suggest(dataset: DatasetRecord, rows: Outline, base: BaseSize, goal: str = "", *, on_starter: bool = True) -> Suggested:
    """Settings for these rows and this base model.

    Args:
        dataset: the dataset.
        rows: its outline.
        base: the base model.
        goal: a key of `GOALS`; by default the one that the rows suit best.
        on_starter: the base model is the starter; while no goal is chosen, a bundled sample has its own measured settings there.
    """
    chosen = goal if goal in GOALS else default_goal(dataset, rows)
    held_out = suggested_held_out(dataset.usable_rows)
    sample = find_sample(dataset.sample)
    if sample and on_starter and goal not in GOALS:
        return Suggested(chosen, {"held_out": held_out, **_of_sample(sample)}, {name: say("suggest.sample") for name in _of_sample(sample)})
    aim = GOALS[chosen]
    found: dict[str, Reason] = {
        "rank": (aim.rank, _source(aim)), "tied": (aim.tied, _source(aim)), "layers": (aim.layers(base.layers), _source(aim)),
        "dropout": (aim.dropout, ""), "warmup_ratio": (aim.warmup_ratio, ""), "held_out": (held_out, ""),
        "learning_rate": _rate(base), "positions": _positions(aim, rows, base.layers),
        **_passes(aim, dataset.usable_rows, held_out, base),
    }  # fmt: skip
    if base.is_encoder and rows.labels:
        found["labels"] = ", ".join(rows.labels), say("suggest.labels", count=len(rows.labels))
    return Suggested(chosen, {name: value for name, (value, _) in found.items()}, {name: why for name, (_, why) in found.items() if why})


def _of_sample(sample: Sample) -> dict[str, Any]:
    return {
        "layers": sample.layers, "positions": sample.positions, "rank": sample.rank, "epochs": sample.epochs,
        "learning_rate": sample.learning_rate, "batch_size": sample.batch_size,
    }  # fmt: skip


def _source(goal: Goal) -> str:
    return say("suggest.goal", goal=goal_title(goal.key))


def goal_title(key: str) -> str:
    """What a goal is called."""
    return {
        "style": say("goals.style.title"), "persona": say("goals.persona.title"), "classify": say("goals.classify.title"),
        "instructions": say("goals.instructions.title"), "reasoning": say("goals.reasoning.title"), "steer": say("goals.steer.title"),
    }[key]  # fmt: skip


def _rate(base: BaseSize) -> Reason:
    rate, source = learning_rate(base.parameters, is_encoder=base.is_encoder)
    return rate, {
        "unknown": say("suggest.rate.unknown"), "encoder": say("suggest.rate.encoder"), "small": say("suggest.rate.small"),
        "between": say("suggest.rate.between", small=STARTER_RATE, large=PAPER_RATE), "large": say("suggest.rate.large"),
    }[source]  # fmt: skip


def _positions(goal: Goal, rows: Outline, layers: int | None) -> Reason:
    """The goal's positions; where prompts are long and these cost much more than the last tokens alone, those."""
    prompts, answers = ([max(1, lengths[side] // _CHARACTERS_OF_TOKEN) for lengths in rows.lengths] for side in (0, 1))
    if not prompts or layers is None or median(prompts) < _LONG_PROMPT:
        return goal.positions, _source(goal)
    times = price(goal.positions, _LAST, goal.layers(layers), layers, prompts, answers)
    half = int(round(median(prompts), -2 if median(prompts) >= 1000 else -1))
    if times >= _DEAR:
        return _LAST, say("suggest.positions.dear", rule=goal.positions, times=times, tokens=half)
    return goal.positions, say("suggest.positions.price", times=times, tokens=half, last=_LAST)


def price(rule: str, other: str, edited: Any, layers: int, prompts: Sequence[int], answers: Sequence[int]) -> float:
    """How many times the work of a later epoch with positions ``other`` one with ``rule`` takes. Raises ConfigError."""
    work, than = (step_work(ReftConfig(positions=each, layers=edited), layers, prompts, answers, later=True) for each in (rule, other))
    return work / than if than else 1.0


def _passes(goal: Goal, rows: int, held_out: float, base: BaseSize) -> dict[str, Reason]:
    """Batch size and epochs: the source's for many rows and large models, else enough for some hundred steps."""
    large = base.parameters is not None and base.parameters >= PAPER_SIZE
    batch = min(goal.batch_size, 32) if rows >= _MANY_ROWS else TrainConfig().batch_size
    if large and goal.epochs and rows >= _MANY_ROWS:
        return {"batch_size": (batch, _source(goal)), "epochs": (goal.epochs, _source(goal))}
    steps_per_epoch = max(1, round(rows * (1 - held_out) / batch))
    epochs = min(_MOST_EPOCHS, max(1, round(_WANTED_STEPS / steps_per_epoch)))
    return {"batch_size": (batch, ""), "epochs": (epochs, say("suggest.epochs", steps=epochs * steps_per_epoch))}
