"""Actions of the Train page: suggest settings, estimate a run, queue it."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, make_dataclass, replace
from datetime import datetime
from typing import Any

from app.errors import EngineAwayError, StudioError
from app.handlers import run_cost
from app.handlers.bases import STARTER, check_base, facts_of, fit, machine, to_fetch
from app.handlers.datasets import check_dataset, split_sizes
from app.handlers.disk import require_room
from app.handlers.keys import key_of_request
from app.handlers.mix_parts import require_trained
from app.handlers.moments import read_moment
from app.handlers.suggestions import BaseSize, Suggested, outline, suggest
from app.services import Services
from app.settings import Settings
from app.words import say, say_error, translate
from reft_engine import (
    ConfigError,
    ReftConfig,
    ReftError,
    RunSpec,
    Setting,
    all_settings,
    check_precision,
    rough_memory,
    suited_precision,
    trainable_parameters,
    weight_bytes,
    written,
)
from reft_engine.data import RowCheck
from reft_engine.training import PASS_TOKENS_CPU, PASS_TOKENS_ELSEWHERE, RunEstimate
from storage import DatasetRecord, RunRecord

_PAGE = {"split_seed": 42}
"""Suggestions that differ from the defaults: runs with different seeds are measured on the same rows, so that they can be compared."""
_OFFERED = frozenset({"epochs", "positions", "learning_rate", "held_out"})
"""Settings that a verdict may offer to change."""


SETTINGS = all_settings()
SETTING = {row.name: row for row in SETTINGS}
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


def form_of(values: Sequence[Any]) -> TrainForm:
    """The form with these values, in the order of `FIELDS`. Raises StudioError if one that must not be blank is."""
    fields = dict(zip(FIELDS, values, strict=True))
    empty = [title_of(name) for name, value in fields.items() if value in (None, "") and name not in OPTIONAL]
    if empty:
        raise StudioError(say("train.empty", field=empty[0]))
    return TrainForm(**fields)


@dataclass(frozen=True, slots=True)
class Estimate:
    """The size and cost of a run; ``rows`` are its training rows, and None means unknown.

    Without a ``check``, rows that are too long are still counted, so ``rows``, ``held_out`` and ``steps`` are upper bounds.

    Attributes:
        seconds: of the whole run; ``first_epoch_seconds``: of the first epoch's steps, and ``later_epoch_seconds`` of each later one's.
        memory_bytes: most memory that the run takes, with the base model; ``memory_is_rough`` if it was computed from sizes, because
            the base model is not loaded or nothing can be measured here.
        memory_available: memory that a run can take on this machine, or on its GPU.
        is_loaded: whether the base model is in memory, so that its work can be measured.
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
    first_epoch_seconds: float | None = None
    later_epoch_seconds: float | None = None
    memory_bytes: int | None = None
    memory_is_rough: bool = True
    memory_available: int | None = None
    is_loaded: bool = False
    to_fetch: int | None = 0
    """Bytes of the base model that have to be downloaded first; None means unknown."""
    incomplete: bool = False
    """The engine was away or busy; asked again it can say more."""

    @property
    def can_start(self) -> bool:
        """Whether there is a row to train on, as far as is known."""
        return self.check is None or self.check.can_start


@dataclass(frozen=True, slots=True)
class Preset:
    """The settings that are suggested, with the goal that they serve and the reasons for some."""

    form: TrainForm
    goal: str = ""
    reasons: Mapping[str, str] = field(default_factory=dict)
    chosen: bool = False
    """The goal was chosen by a person."""

    def as_text(self) -> str:
        """What `read_preset` reads, without the reasons."""
        return json.dumps({"form": asdict(self.form), "goal": self.goal, "chosen": self.chosen})


def read_preset(text: str) -> Preset:
    """A preset as a page holds it; the defaults if there is none."""
    with suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
        values = json.loads(text)
        return Preset(TrainForm(**values["form"]), str(values["goal"]), chosen=bool(values["chosen"]))
    return Preset(TrainForm())


def suggested(services: Services, dataset: DatasetRecord | None, base: str = STARTER, goal: str = "") -> Preset:
    """Settings that suit a dataset, a base model and a goal; without a dataset the defaults. Raises DataError."""
    if dataset is None:
        return Preset(TrainForm(base=base), goal)
    found: Suggested = suggest(dataset, outline(services, dataset), base_size(services, base), goal, on_starter=base == STARTER)
    return Preset(TrainForm(**{**found.values, "base": base}), found.goal, found.reasons, chosen=bool(goal))


def base_size(services: Services, base: str) -> BaseSize:
    """What is known of a base model without its weights, the engine or the Hub."""
    with suppress(StudioError):  # it is not offered here
        facts = facts_of(check_base(services.settings, base))
        return BaseSize(facts.parameters, facts.layers, facts.kind == "encoder")
    return BaseSize()


def changed(form: TrainForm, preset: TrainForm) -> list[str]:
    """Names of the settings that differ from a preset; the base model is none of them."""
    return [name for name in FIELDS if name not in ("base", "revision") and _same_text(form, name) != _same_text(preset, name)]


def _same_text(form: TrainForm, name: str) -> str:
    """A value as text that is the same however a field gives it: 4 and 4.0, nothing and an empty text."""
    value = getattr(form, name)
    if isinstance(value, float | int) and not isinstance(value, bool):
        return f"{float(value):g}"
    return "" if value is None else str(value).strip()


def moved(form: TrainForm, before: TrainForm, after: TrainForm) -> TrainForm:
    """A form whose settings that still are as suggested ``before`` become those suggested ``after``; others were changed and stay."""
    mine = changed(form, before)
    return replace(after, **{name: getattr(form, name) for name in mine}, base=form.base, revision=form.revision)


@dataclass(frozen=True, slots=True)
class Again:
    """A run to be made again: its settings, and the rows that it learned from, or those of the ``current`` version of its dataset."""

    run: RunRecord
    dataset: DatasetRecord
    current: DatasetRecord
    form: TrainForm

    @property
    def reference(self) -> str:
        """The dataset as the form's first field holds it: its id, with the number of an earlier version."""
        return reference_of(self.dataset, self.current)


def reference_of(dataset: DatasetRecord, current: DatasetRecord) -> str:
    """The id of a dataset, with the number of its version unless that is the current one."""
    return dataset.id if dataset.version.id == current.version.id else f"{dataset.id}@{dataset.version.number}"


def again(services: Services, run_id: str, changes: Mapping[str, str]) -> Again:
    """The rows and the settings of a run, with the changes that a verdict offers; invalid changes are ignored.

    ``choose=base`` leaves the base model blank, for a person to choose; ``rows=current`` takes the current version of its dataset.

    Raises:
        NotFoundError: there is no such run.
        StudioError: it trained a baseline with settings that the form has no fields for, or it is a mix, which was not trained.
    """
    run = services.storage.runs.get(run_id)
    require_trained(run)
    spec = RunSpec.read(run.spec)
    settings = spec.settings()
    if settings.keys() - SETTING.keys() - {name for name in settings if settings[name] is None}:
        raise StudioError(say("train.baseline_again", name=run.name))
    # Without the commit, because another base model may be chosen; a baseline has none of an edit's settings.
    values = {**{row.name: row.default for row in SETTINGS}, **settings, "revision": None}
    form = TrainForm(**{row.name: _filled(row, values[row.name]) for row in SETTINGS})
    for name in _OFFERED & changes.keys():
        with suppress(ValueError, OverflowError, ConfigError, StudioError):
            changed = replace(form, **{name: type(values[name])(changes[name])})
            read_form(services.settings, changed)
            form = changed
    if changes.get("choose") == "base":
        form = replace(form, base="")
    current = services.storage.datasets.get(run.dataset_id)
    own = current if changes.get("rows") == "current" else services.storage.datasets.get(f"{run.dataset_id}@{run.version_number}")
    return Again(run, own, current, form)


def edit_shown(settings: Settings, positions: str = "") -> ReftConfig:
    """The edit that rows are shown with: the suggested one, at the positions that a person has chosen, if there are such positions."""
    with suppress(ConfigError, StudioError):
        return read_form(settings, replace(TrainForm(), positions=positions or TrainForm().positions)).reft
    return read_form(settings, TrainForm()).reft


def read_form(settings: Settings, form: TrainForm) -> RunSpec:
    """Check the fields. Raises ConfigError, StudioError, ModelLoadError for a precision that this machine does not have."""
    values = {name: None if value == "" and name in OPTIONAL else value for name, value in asdict(form).items()}
    values["base"] = check_base(settings, str(form.base))
    try:
        spec = RunSpec.of_settings(values)
    except ConfigError as error:
        raise in_words(error) from None
    check_precision(spec.precision)
    return spec


def title_of(name: str) -> str:
    """The title of a field, in the language that is spoken."""
    return translate(f"settings.{name}.title", LABELS[name])


def in_words(error: ConfigError) -> ConfigError:
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
    base = None if spec.peft else _described(services, spec.base)
    missing = to_fetch(facts_of(spec.base))
    incomplete = services.worker.health() is None
    if base is None:
        return Estimate(learned, held_out, steps, None, None, None, None, None, check, to_fetch=missing, incomplete=incomplete)
    incomplete |= (check is None and base["loaded"]) or (spec.base == STARTER and not base["loaded"])
    parameters = trainable_parameters(spec.reft, base["layers"], base["hidden_size"])
    edited = base["layers"] if spec.reft.layers == "all" else len(spec.reft.layers)
    sizes = Estimate(
        learned, held_out, steps, parameters, base["parameters"], edited, parameters * 4 + 2000, None, check, is_loaded=base["loaded"],
        to_fetch=missing, incomplete=incomplete,
    )  # fmt: skip
    rough = _rough_memory(services, spec, base, check)
    if not (dataset_id and check and check.trained and base["loaded"]):
        return replace(sizes, memory_bytes=rough)
    try:
        return _with_costs(sizes, _probed(services, dataset_id, spec), rough)
    except EngineAwayError:
        return replace(sizes, memory_bytes=rough, incomplete=True)


def _with_costs(sizes: Estimate, timed: dict[str, Any] | None, rough: int | None) -> Estimate:
    """The estimate with time and memory as they were measured, or with what is known roughly."""
    if timed is None:
        return replace(sizes, memory_bytes=rough)
    found = RunEstimate(**timed["estimate"])
    return replace(
        sizes, seconds=found.seconds, first_epoch_seconds=found.first_epoch_seconds, later_epoch_seconds=found.later_epoch_seconds,
        memory_bytes=rough if found.memory_bytes is None else found.memory_bytes, memory_is_rough=found.memory_bytes is None,
        memory_available=timed["memory_available"],
    )  # fmt: skip


def _rough_memory(services: Services, spec: RunSpec, base: dict[str, Any], check: RowCheck | None) -> int | None:
    """Bytes of memory by arithmetic; without counted rows those of usual ones."""
    if check is None or not check.trained:
        return fit(facts_of(spec.base), machine(services), spec.precision or "").needed
    elsewhere = base["device"] != "cpu"
    room = spec.train.pass_tokens or (PASS_TOKENS_ELSEWHERE if elsewhere else PASS_TOKENS_CPU)
    largest = max(check.longest, min(room, spec.train.batch_size * check.longest))
    return rough_memory(
        base["parameters"], base["layers"], base["hidden_size"], weight_bytes(spec.precision or suited_precision(base["device"])), largest,
        vocabulary=base["vocabulary"],
        lowest_layer=0 if spec.reft.layers == "all" else spec.reft.layers[0], learned_tokens=round(largest * check.learned),
        checkpointing=spec.train.gradient_checkpointing,
    )  # fmt: skip


def _split(services: Services, dataset_id: str, spec: RunSpec, check: RowCheck | None) -> tuple[int, int]:
    """Number of training and of held-out examples."""
    if check is not None:
        return check.trained, check.held_out
    return split_sizes(services, dataset_id, spec.train.held_out, spec.train.held_out_seed)


def _described(services: Services, base: str) -> dict[str, Any] | None:
    """The engine's description of a base model, else what is known of it; only the starter is loaded for an estimate."""
    with suppress(StudioError):  # the engine is away or busy, or the base model not here
        if found := services.worker.describe(base, load=base == STARTER):
            return found
    facts = facts_of(base)
    if not (facts.parameters and facts.layers and facts.hidden_size):
        return None
    return {
        "layers": facts.layers, "hidden_size": facts.hidden_size, "parameters": facts.parameters, "vocabulary": facts.vocabulary or 0,
        "device": machine(services).device, "loaded": False,
    }  # fmt: skip


def _probed(services: Services, dataset_id: str, spec: RunSpec) -> dict[str, Any] | None:
    """The engine's estimate, from steps on rows of this dataset; None if its base model is in memory in another precision.

    Raises StudioError for what a run of it would say too; EngineAwayError if the engine is away or busy.
    """
    settings = {"reft": spec.reft.model_dump(mode="json"), "train": spec.train.model_dump(mode="json")}
    return services.worker.probe({"base": spec.base, "precision": spec.precision, "dataset": dataset_id, **settings})


def start(
    services: Services, dataset_id: str | None, form: TrainForm, page_key: str, name: str = "", start_after: str = ""
) -> RunRecord:  # fmt: skip
    """Queue a run, to begin at a moment if one is given; the same settings from the same page are the same run.

    Raises StudioError, ReftError.
    """
    if not dataset_id:
        raise StudioError(say("train.pick_dataset"))
    spec = read_form(services.settings, form)
    version = services.storage.datasets.get(dataset_id).version
    key = key_of_request(page_key, version.id, spec.model_dump(mode="json"))
    moment = read_moment(start_after)
    return services.storage.runs.find_by_start_key(key) or queue(services, dataset_id, spec, name, start_key=key, start_after=moment)


def queue(
    services: Services, dataset_id: str, spec: RunSpec, name: str = "", *, start_key: str | None = None,
    start_after: datetime | None = None,
) -> RunRecord:  # fmt: skip
    """Queue a run that can be made, as far as is known now. Raises NotFoundError, StudioError, ReftError."""
    require_place(services)
    check_run(services, dataset_id, spec)
    dataset, values = services.storage.datasets.get(dataset_id), spec.model_dump(mode="json")
    return services.storage.runs.create(
        dataset.id, values, name=name.strip() or None, start_key=start_key, version_id=dataset.version.id, start_after=start_after,
        expected_bytes=expected_bytes(services, spec),
    )  # fmt: skip


def require_place(services: Services, more: int = 1) -> None:
    """Raises BoundError if so many more runs may not wait, StudioError if the disk is nearly full.

    It says so before anything is counted; what is queued meanwhile is seen by the transaction that queues.
    """
    services.storage.runs.require_place(more)
    require_room(services)


def expected_bytes(services: Services, spec: RunSpec) -> int:
    """Bytes that a run writes, as far as is known now; 0 where nobody's bytes are bounded."""
    base = None if spec.peft or not services.settings.of_person("person_mb") else _described(services, spec.base)
    return 0 if base is None else run_cost.bytes_of(trainable_parameters(spec.reft, base["layers"], base["hidden_size"]))


def check_run(services: Services, dataset_id: str, spec: RunSpec) -> None:
    """Refuse what the engine would refuse after queueing, as far as is known now. Raises NotFoundError, StudioError."""
    _check_fit(services, spec)
    check = None
    with suppress(EngineAwayError):  # rows that cannot be counted now are counted by the run
        check = check_dataset(services, dataset_id, spec)
    if check is not None and not check.can_start:
        raise StudioError(check.sentence)
    run_cost.require_affordable(services, dataset_id, spec, check)


def _check_fit(services: Services, spec: RunSpec) -> None:
    """Refuse settings that the engine would refuse after queueing. Raises StudioError."""
    base = None if spec.peft else _described(services, spec.base)
    if base is None:
        return
    try:
        trainable_parameters(spec.reft, base["layers"], base["hidden_size"])
    except ReftError as error:
        raise StudioError(say_error(error)) from error
