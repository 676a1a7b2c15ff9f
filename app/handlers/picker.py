"""Where an edit will act: one row of a dataset as tokens, and what positions and layers cost; see the picker of the Train page."""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import READABLE, EngineAwayError, StudioError
from app.handlers import train
from app.handlers.bases import STARTER
from app.handlers.datasets import wait_for_engine
from app.handlers.train import TrainForm
from app.remembered import Remembered
from app.services import Services
from app.words import say, say_error
from reft_engine import PositionSpec, ReftConfig, RunSpec, saved_share, step_work, title_of, trainable_parameters
from reft_engine.data import StoredRows, example_as_data

WINDOW = 64
"""Tokens of each end of a prompt that are sent; those between them are shown as one column."""
_ANSWER = 8
_SAMPLED_ROWS = 16
"""Rows, evenly spread over their lengths, whose tokens are counted for the share of work that is saved."""
RULES = ("l7", "f7+l7")
"""Positions that those of the form are compared with."""
_LENGTHS_LOCK = Lock()
_LENGTHS = Remembered[tuple[tuple[int, int], ...]](200, lambda lengths: 1)


class Asked(BaseModel):
    """Which row the page asks for: the one ``at`` this place among the rows by their lengths, by default the one in the middle.

    ``count`` counts what the browser has asked, so that it can tell which answer is the newest.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: int | None = Field(None, ge=0)
    count: int = Field(0, ge=0)

    @classmethod
    def read(cls, text: str) -> "Asked":
        """What the browser sent; nothing asks for the row in the middle. Raises StudioError."""
        try:
            return cls.model_validate_json(text or "{}")
        except ValidationError as error:
            raise StudioError(say("data.said.unreadable")) from error


@dataclass(frozen=True, slots=True)
class Picture:
    """A row as the picker draws it.

    Attributes:
        count: as in `Asked`.
        problem: a sentence, if the row cannot be drawn; ``again``: whether it may be drawn a little later.
        head: texts of the prompt's first tokens; ``tail``: of its last ones, without those of the head; at most `WINDOW` each.
        prompt: number of the prompt's tokens; ``marked``: indices of those that the text marks, if the form asks for them.
        answer: texts of the answer's first tokens; ``answers``: number of all.
        at: the row's place among the rows by their lengths, of which there are ``rows``; ``line``: its line in the file.
        layers: layers of the base model; 0 if they are not known.
        causal: whether a token sees only those before it, so that what stands before the first edited one can be reused.
    """

    count: int = 0
    problem: str = ""
    again: bool = False
    head: tuple[str, ...] = ()
    tail: tuple[str, ...] = ()
    prompt: int = 0
    marked: tuple[int, ...] = ()
    answer: tuple[str, ...] = ()
    answers: int = 0
    at: int = 0
    rows: int = 0
    line: int = 0
    layers: int = 0
    causal: bool = True


@dataclass(frozen=True, slots=True)
class Price:
    """What a later epoch costs, as a multiple of what it costs with other positions."""

    positions: str
    ratio: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What an edit is and costs; None means unknown.

    Attributes:
        parameters: trainable parameters; ``base_parameters``: those of the base model.
        layers: layers of the base model.
        saved: share of the work of a later epoch that reuse saves; ``depth``: below the first edited layer, ``time``: before the first
            edited token.
        prices: compared with other positions.
        title: the method's title.
    """

    edit: ReftConfig | None
    title: str = ""
    parameters: int | None = None
    base_parameters: int | None = None
    layers: int | None = None
    saved: float | None = None
    depth: bool = False
    time: bool = False
    prices: tuple[Price, ...] = ()


def picture(services: Services, dataset_id: str | None, form: TrainForm, asked: Asked) -> Picture:
    """A row of a dataset, as a run with these settings reads it; or a sentence that says why it cannot be drawn."""
    if not dataset_id:
        return Picture(asked.count, say("picker.no_dataset"))
    try:
        spec = _row_spec(services, form)
        path = services.storage.files.rows(services.storage.datasets.get(dataset_id).version)
        rows, order = _by_length(path)
    except READABLE as error:
        return Picture(asked.count, say_error(error))
    at = min(len(order) // 2 if asked.at is None else asked.at, len(order) - 1)
    place = Picture(asked.count, at=at, rows=len(order))
    try:
        wait_for_engine(services)
        base = _described(services, spec.base)
        if base is None:  # a preview would load it, or fetch it from the Hub
            return replace(place, problem=say("picker.no_layers"))
        (row,) = _previewed(services, rows, [order[at]], spec)
    except EngineAwayError:
        return replace(place, problem=say("picker.away"), again=True)
    except READABLE as error:
        return replace(place, problem=say_error(error))
    return _drawn(place, row, base)


def _drawn(place: Picture, row: Mapping[str, Any], base: Mapping[str, Any]) -> Picture:
    if row["problem"]:
        return replace(place, line=row["line"], problem=say("picker.left_out", reason=row["problem"]))
    prompt = [text for text, kind, _ in row["tokens"] if kind == "prompt"]
    answer = [text for text, kind, _ in row["tokens"] if kind != "prompt"]
    return replace(
        place, line=row["line"], head=tuple(prompt[:WINDOW]), tail=tuple(prompt[max(WINDOW, len(prompt) - WINDOW) :]), prompt=len(prompt),
        marked=tuple(index for index, (*_, edited) in enumerate(row["tokens"]) if edited and row["marked"]),
        answer=tuple(answer[:_ANSWER]), answers=len(answer), layers=base["layers"], causal=base["kind"] == "decoder",
    )  # fmt: skip


def _row_spec(services: Services, form: TrainForm) -> RunSpec:
    """The settings that decide which tokens a row has; others may be unfinished. Raises ConfigError, StudioError."""
    positions = "marked" if form.positions.strip().lower() == "marked" else TrainForm().positions
    plain = replace(TrainForm(), base=form.base, labels=form.labels, max_length=form.max_length, positions=positions)
    return train.read_form(services.settings, plain)


@lru_cache(maxsize=4)
def _by_length(path: Path) -> "tuple[StoredRows, array[int]]":
    """The rows of a file, and their places, the shortest row first. A file of rows never changes. Raises DataError, StudioError."""
    rows = StoredRows(path)
    if not len(rows):
        raise StudioError(say("engine.no_rows"))
    return rows, array("Q", rows.places("shortest", limit=len(rows)))


def _previewed(services: Services, rows: StoredRows, places: Sequence[int], spec: RunSpec) -> list[dict[str, Any]]:
    """Rows as the worker encodes them, with ``marked``: whether the text decides what is edited. Of a chat its last answer."""
    examples = [example_as_data(rows.read([place])[-1]) for place in places]
    shown = services.worker.preview(spec.base, examples, spec.reft.model_dump(mode="json"), spec.train.max_length)
    marked = PositionSpec.parse(spec.reft.positions).reads_text
    return [{**row, "marked": marked} for row in shown]


def _described(services: Services, base: str) -> dict[str, Any] | None:
    """The engine's description of a base model; only the starter is loaded for it. Raises StudioError."""
    return services.worker.describe(base, load=base == STARTER)


def figures(services: Services, dataset_id: str | None, form: TrainForm) -> Figures:
    """Size and cost of an edit; what cannot be known now is None. Raises ConfigError, StudioError."""
    spec = train.read_form(services.settings, form)
    if spec.peft:
        return Figures(None, title_of(spec.peft.method))
    shown = Figures(spec.reft, title_of(spec.reft.method))
    try:
        base = _described(services, spec.base)
    except StudioError:
        base = None
    if base is None:
        return shown
    parameters = trainable_parameters(spec.reft, base["layers"], base["hidden_size"])
    shown = replace(shown, parameters=parameters, base_parameters=base["parameters"], layers=base["layers"])
    lengths = _lengths(services, dataset_id, form) if dataset_id else ()
    return _priced(shown, spec, base, lengths) if lengths else shown


def _priced(shown: Figures, spec: RunSpec, base: Mapping[str, Any], lengths: Sequence[tuple[int, int]]) -> Figures:
    layers, prompts, answers = base["layers"], [prompt for prompt, _ in lengths], [answer for _, answer in lengths]
    reuse = _allowed(spec, base["kind"])
    saved = saved_share(spec.reft, layers, prompts, answers, reuse=reuse)
    in_time = saved_share(spec.reft, layers, prompts, answers, reuse="time") if reuse in ("all", "time") else 0.0
    work = step_work(spec.reft, layers, prompts, answers, later=True, reuse=reuse)
    prices = []
    for rule in RULES:
        other = step_work(spec.reft.model_copy(update={"positions": rule}), layers, prompts, answers, later=True, reuse=reuse)
        if rule != spec.reft.positions and other:
            prices.append(Price(rule, work / other))
    return replace(shown, saved=saved, time=in_time > 0, depth=saved > in_time, prices=tuple(prices))


def _allowed(spec: RunSpec, kind: str) -> Any:
    """The kinds of activation reuse that a run with these settings may use; see `reft_engine.training.loop`."""
    if spec.train.epochs == 1 or kind == "encoder_decoder":
        return "none"
    # A token of an encoder sees those after it; a head may read a token before the first edited one.
    if kind == "decoder" and (not spec.reft.labels or spec.reft.pooling in (None, "last")):
        return spec.train.reuse
    return "depth" if spec.train.reuse in ("all", "depth") else "none"


def _lengths(services: Services, dataset_id: str, form: TrainForm) -> tuple[tuple[int, int], ...]:
    """Tokens of prompts and answers of some rows, evenly spread over the lengths; empty if they cannot be counted now."""
    try:
        spec = _row_spec(services, form)
        path = services.storage.files.rows(services.storage.datasets.get(dataset_id).version)
        with _LENGTHS_LOCK:
            return _LENGTHS.get((path, spec.base, spec.reft.labels, spec.reft.positions, spec.train.max_length), lambda: _counted(
                services, path, spec))  # fmt: skip
    except READABLE:
        return ()


def _counted(services: Services, path: Path, spec: RunSpec) -> tuple[tuple[int, int], ...]:
    rows, order = _by_length(path)
    count = min(_SAMPLED_ROWS, len(order))
    places = [order[(2 * index + 1) * len(order) // (2 * count)] for index in range(count)]
    shown = _previewed(services, rows, places, spec)
    return tuple((row["prompt_tokens"], row["answer_tokens"]) for row in shown if not row["problem"])


def as_data(shown: Picture) -> dict[str, Any]:
    """The picture as the browser takes it; its texts are not escaped."""
    return asdict(shown)


def sentence(shown: Figures) -> str:
    """What will be edited, in words."""
    if shown.edit is None:
        return say("picker.baseline", method=shown.title)
    positions, layers = _positions(PositionSpec.parse(shown.edit.positions)), _layers(shown.edit.layers, shown.layers)
    if shown.parameters is None:
        return say("picker.said", positions=positions, layers=layers)
    return say("picker.said_count", positions=positions, layers=layers, count=shown.parameters)


def _positions(rule: PositionSpec) -> str:
    if rule.every:
        return say("picker.positions.all")
    if rule.marked:
        return say("picker.positions.marked")
    if rule.prefix > 1 and rule.suffix > 1:
        return say("picker.positions.both", first=rule.prefix, last=rule.suffix)
    first, last = (say("picker.positions.first", count=rule.prefix), say("picker.positions.last", count=rule.suffix))
    if rule.two_sided:
        return say("picker.positions.ends", first=first, last=last)
    return first if rule.prefix else last


def _layers(layers: Any, count: int | None) -> str:
    if layers == "all" or layers == tuple(range(count or 0)):
        return say("picker.layers.all_of", count=count) if count else say("picker.layers.all")
    if len(layers) == 1:
        return say("picker.layers.one", layer=layers[0])
    if layers == tuple(range(layers[0], layers[-1] + 1)):
        return say("picker.layers.range", first=layers[0], last=layers[-1])
    return say("picker.layers.list", layers=", ".join(map(str, layers)))


def facts(shown: Figures) -> list[dict[str, str]]:
    """The figures in words: ``name``, ``value`` and ``meaning`` of each."""
    found = []
    if shown.parameters is not None and shown.base_parameters:
        share = say("picker.fact.share", share=shown.parameters / shown.base_parameters)
        found.append({"name": say("picker.fact.parameters"), "value": f"{shown.parameters:,}", "meaning": share})
    if shown.saved is not None:
        found.append({"name": say("picker.fact.saved"), "value": f"{shown.saved:.0%}", "meaning": _saving(shown)})
    found += [
        {
            "name": say("picker.fact.price", positions=price.positions),
            "value": _times(price.ratio),
            "meaning": say("picker.fact.price_meaning"),
        }
        for price in shown.prices
    ]
    return found


def _saving(shown: Figures) -> str:
    if shown.depth and shown.time:
        return say("picker.saves.both")
    if shown.time:
        return say("picker.saves.time")
    return say("picker.saves.depth") if shown.depth else say("picker.saves.nothing")


def _times(ratio: float) -> str:
    """A multiple in words: 1/20, the same, 3 times."""
    if ratio < 0.005:
        return say("picker.times.next_to_nothing")
    if ratio < 0.67:
        return say("picker.times.part", parts=round(1 / ratio))
    return say("picker.times.same") if ratio < 1.15 else say("picker.times.more", times=ratio)
