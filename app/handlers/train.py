"""Actions of the Train page: suggest settings, estimate a run, queue it."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, make_dataclass, replace
from typing import Any

from app.errors import EngineAwayError, StudioError
from app.handlers.bases import STARTER, check_base
from app.handlers.datasets import check_dataset, split_sizes, suggested_held_out
from app.handlers.disk import require_room
from app.samples import find_sample
from app.services import Services
from app.settings import Settings
from app.words import say, say_error, translate
from reft_engine import ConfigError, ReftConfig, ReftError, RunSpec, Setting, all_settings, trainable_parameters, written
from reft_engine.data import RowCheck
from reft_engine.training import MAX_MEASUREMENTS, MIN_MEASUREMENTS, SAMPLE_TOKENS, Probe, measuring_budget
from storage import DatasetRecord, RunRecord

_WANTED_STEPS = 300
_QUEUE_LIMIT = 50
_PAGE = {"split_seed": 42}
"""Suggestions that differ from the defaults: runs with different seeds are measured on the same rows, so that they can be compared."""
_OFFERED = frozenset({"epochs", "positions", "learning_rate", "held_out"})
"""Settings that a verdict may offer to change."""


SETTINGS = all_settings()
FIELDS = tuple(row.name for row in SETTINGS)
LABELS = {row.name: row.title for row in SETTINGS}
"""English titles of the fields."""
OPTIONAL = frozenset(row.name for row in SETTINGS if row.optional)
"""Fields that may be left blank."""


def _filled(row: Setting, value: Any) -> Any:
    """A value as the form holds it; a blank number is None, any other blank an empty text."""
    if value is None:
        return None if row.kind in ("integer", "number") else ""
    return written(value) if isinstance(value, tuple) else value


_DEFAULTS = {row.name: _filled(row, _PAGE.get(row.name, row.default)) for row in SETTINGS}
_Fields: Any = make_dataclass("_Fields", [(name, Any, value) for name, value in _DEFAULTS.items()], frozen=True, slots=True)


class TrainForm(_Fields):  # type: ignore[misc]  # its fields are the settings, which mypy cannot know
    """The fields of the form, one for each setting of a run."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The size and cost of a run; ``rows`` are its training rows, and None means unknown.

    Without a ``check``, rows that are too long are still counted, so ``rows``, ``held_out`` and ``steps`` are upper bounds.
    """

    rows: int
    held_out: int
    steps: int
    parameters: int | None
    base_parameters: int | None
    layers_edited: int | None
    file_bytes: int | None
    seconds: float | None
    check: RowCheck | None = None

    @property
    def can_start(self) -> bool:
        """Whether there is a row to train on, as far as is known."""
        return self.check is None or self.check.can_start


def suggested(dataset: DatasetRecord | None) -> TrainForm:
    """Settings that suit a dataset: those of a sample, else enough epochs for a few hundred steps."""
    if dataset is None:
        return TrainForm()
    held_out = suggested_held_out(dataset.usable_rows)
    sample = find_sample(dataset.sample)
    if sample:
        return TrainForm(
            layers=sample.layers, positions=sample.positions, rank=sample.rank, epochs=sample.epochs,
            learning_rate=sample.learning_rate, batch_size=sample.batch_size, held_out=held_out,
        )  # fmt: skip
    steps_per_epoch = max(1, round(dataset.usable_rows * (1 - held_out) / TrainForm().batch_size))
    return TrainForm(epochs=min(30, max(1, round(_WANTED_STEPS / steps_per_epoch))), held_out=held_out)


def again(services: Services, run_id: str, changes: Mapping[str, str]) -> tuple[DatasetRecord, TrainForm]:
    """The dataset and the settings of a run, with the changes that a verdict offers; invalid changes are ignored.

    ``choose=base`` leaves the base model blank, for a person to choose.

    Raises:
        NotFoundError: there is no such run.
        StudioError: it trained a baseline.
    """
    run = services.storage.runs.get(run_id)
    spec = RunSpec.read(run.spec)
    if spec.peft:
        raise StudioError(say("train.baseline_again", name=run.name))
    # Without the commit, because another base model may be chosen.
    values = {**spec.settings(), "revision": None}
    form = TrainForm(**{row.name: _filled(row, values[row.name]) for row in SETTINGS})
    for name in _OFFERED & changes.keys():
        with suppress(ValueError, OverflowError, ConfigError, StudioError):
            changed = replace(form, **{name: type(values[name])(changes[name])})
            read_form(services.settings, changed)
            form = changed
    if changes.get("choose") == "base":
        form = replace(form, base="")
    return services.storage.datasets.get(run.dataset_id), form


def edit_shown(settings: Settings, positions: str = "") -> ReftConfig:
    """The edit that rows are shown with: the suggested one, at the positions that a person has chosen, if there are such positions."""
    with suppress(ConfigError, StudioError):
        return read_form(settings, replace(TrainForm(), positions=positions or TrainForm().positions)).reft
    return read_form(settings, TrainForm()).reft


def read_form(settings: Settings, form: TrainForm) -> RunSpec:
    """Check the fields. Raises ConfigError, StudioError."""
    values = {name: None if value == "" and name in OPTIONAL else value for name, value in asdict(form).items()}
    values["base"] = check_base(settings, str(form.base))
    try:
        return RunSpec.of_settings(values)
    except ConfigError as error:
        raise _in_words(error) from None


def title_of(name: str) -> str:
    """The title of a field, in the language that is spoken."""
    return translate(f"settings.{name}.title", LABELS[name])


def _in_words(error: ConfigError) -> ConfigError:
    """The error with the field's title as on the page."""
    _, generic, rest = error.detail.partition("Input should be ")
    if not generic or error.field not in LABELS:
        return error
    return ConfigError(say("train.must_be", field=title_of(error.field), rule=rest), error.field)


def estimate(services: Services, dataset_id: str | None, form: TrainForm) -> Estimate:
    """Estimate a run. Raises ConfigError, StudioError."""
    spec = read_form(services.settings, form)
    check = check_dataset(services, dataset_id, spec) if dataset_id else None
    learned, held_out = _split(services, dataset_id, spec, check) if dataset_id else (0, 0)
    per_step = spec.train.batch_size * spec.train.gradient_accumulation
    steps = spec.train.epochs * -(-learned // per_step)
    base = _described(services, spec.base)
    if base is None:
        return Estimate(learned, held_out, steps, None, None, None, None, None, check)
    parameters = trainable_parameters(spec.reft, base["layers"], base["hidden_size"])
    edited = base["layers"] if spec.reft.layers == "all" else len(spec.reft.layers)
    seconds = _seconds(services, dataset_id, spec, check, base["parameters"]) if dataset_id and check else None
    return Estimate(learned, held_out, steps, parameters, base["parameters"], edited, parameters * 4 + 2000, seconds, check)


def _split(services: Services, dataset_id: str, spec: RunSpec, check: RowCheck | None) -> tuple[int, int]:
    """Number of training and of held-out examples."""
    if check is not None:
        return check.trained, check.held_out
    return split_sizes(services, dataset_id, spec.train.held_out, spec.train.held_out_seed)


def _described(services: Services, base: str) -> dict[str, Any] | None:
    """The engine's description of a base model; only the starter is loaded for an estimate."""
    try:
        return services.worker.describe(base, load=base == STARTER)
    except StudioError:
        return None


def _seconds(services: Services, dataset_id: str, spec: RunSpec, check: RowCheck, parameters: int) -> float | None:
    """Seconds of a run, estimated from two steps on rows of this dataset; None if they cannot be timed now."""
    if not check.trained:
        return None
    settings = {"reft": spec.reft.model_dump(mode="json"), "train": spec.train.model_dump(mode="json")}
    try:
        timed = services.worker.probe({"base": spec.base, "dataset": dataset_id, **settings})
    except StudioError:
        return None
    if timed is None:
        return None
    tokens_per_row = check.tokens / check.trained
    run_tokens = check.tokens * spec.train.epochs
    held_out = round(tokens_per_row * check.held_out)
    measured = min(measuring_budget(run_tokens, parameters, timed["device"]), (MAX_MEASUREMENTS + 2) * held_out)
    return Probe(**timed["probe"]).seconds(
        rows=check.examples, epoch_tokens=check.tokens, epochs=spec.train.epochs, held_out_tokens=held_out, measured_tokens=round(measured),
        written_tokens=round(MIN_MEASUREMENTS * min(SAMPLE_TOKENS, tokens_per_row / 2)) if check.held_out else 0,
    )  # fmt: skip


def start(services: Services, dataset_id: str | None, form: TrainForm, page_key: str, name: str = "") -> RunRecord:
    """Queue a run; the same settings from the same page are the same run. Raises StudioError, ReftError."""
    if not dataset_id:
        raise StudioError(say("train.pick_dataset"))
    spec = read_form(services.settings, form)
    dataset = services.storage.datasets.get(dataset_id)
    values = spec.model_dump(mode="json")
    key = hashlib.sha256(json.dumps([page_key, dataset.version.id, values], sort_keys=True).encode()).hexdigest()
    earlier = services.storage.runs.find_by_start_key(key)
    if earlier:
        return earlier
    waiting = services.storage.runs.waiting_count()
    if waiting >= _QUEUE_LIMIT:
        raise StudioError(say("train.queue_full", waiting=waiting))
    require_room(services)
    _check_fit(services, spec)
    check = None
    with suppress(EngineAwayError):  # rows that cannot be counted now are counted by the run
        check = check_dataset(services, dataset.id, spec)
    if check is not None and not check.can_start:
        raise StudioError(check.sentence)
    return services.storage.runs.create(dataset.id, values, name=name.strip() or None, start_key=key, version_id=dataset.version.id)


def _check_fit(services: Services, spec: RunSpec) -> None:
    """Refuse settings that the engine would refuse after queueing. Raises StudioError."""
    base = _described(services, spec.base)
    if base is None:
        return
    try:
        trainable_parameters(spec.reft, base["layers"], base["hidden_size"])
    except ReftError as error:
        raise StudioError(say_error(error)) from error
