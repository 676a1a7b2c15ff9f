"""Finding a learning rate for the Train page: what it takes, and the search itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from app.errors import StudioError
from app.handlers.train import Estimate, TrainForm, read_form
from app.handlers.train import estimate as estimate_run
from app.services import Services
from app.words import say
from reft_engine import RunSpec
from reft_engine.training import RATE_STEPS, RATES, RatesFound, RateTrial

_MEASURED_ROWS, _FORWARD = 32, 1 / 3
"""Held-out rows that are measured for each rate; a forward pass as a share of a step."""


@dataclass(frozen=True, slots=True)
class Search:
    """How far a search is: steps made, of all; and at the end the rates that it found."""

    done: int
    total: int
    found: RatesFound | None = None


def estimate_of_finding(services: Services, dataset_id: str, form: TrainForm) -> float | None:
    """Seconds that a search takes, from the estimate of the run; None if its base model is not loaded or cannot be timed now.

    Raises:
        ConfigError, StudioError: as the estimate of a run.
    """
    return seconds_of_finding(estimate_run(services, dataset_id, form), read_form(services.settings, form))


def seconds_of_finding(values: Estimate, spec: RunSpec) -> float | None:
    """Seconds that a search takes, of the run that was estimated: its rows are computed whole once, and then every rate makes its steps."""
    first, later = values.first_epoch_seconds, values.later_epoch_seconds
    if first is None or later is None or not values.rows:
        return None
    steps = max(1, values.steps // spec.train.epochs)
    reuse_alone = min(later, first)
    fresh = min(RATE_STEPS, steps) * (first - reuse_alone) / steps
    step = reuse_alone / steps
    batches = min(values.held_out, _MEASURED_ROWS) / (spec.train.batch_size * spec.train.gradient_accumulation)
    return fresh + len(RATES) * step * (RATE_STEPS + _FORWARD * batches)


def find(services: Services, dataset_id: str | None, form: TrainForm) -> Iterator[Search]:
    """Try learning rates on a dataset, saying how far it is; closing the iterator ends it.

    Raises:
        ConfigError, StudioError: as in training.
    """
    if not dataset_id:
        raise StudioError(say("train.pick_dataset"))
    spec = read_form(services.settings, form)
    settings = {"reft": spec.reft.model_dump(mode="json"), "train": spec.train.model_dump(mode="json")}
    for line in services.worker.rates({"base": spec.base, "precision": spec.precision, "dataset": dataset_id, **settings}):
        if "found" in line:
            yield Search(RATE_STEPS, RATE_STEPS, _found(line["found"]))
        else:
            yield Search(line["done"], line["of"])


def _found(values: dict[str, Any]) -> RatesFound:
    return RatesFound(**{**values, "trials": tuple(RateTrial(**trial) for trial in values["trials"])})
