"""Instant answers: the base model beside a store of a run's training rows; nothing is trained, and nothing is written down."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from app.worker.resident import Resident
from app.worker.run_rows import RunRows, ShownRow, shown
from app.worker.stores import BuiltStore, Progress
from reft_engine import DataError
from reft_engine.base import Base
from reft_engine.inference import MOST_KEYS, Blending, ChosenBlend, Neighbour, ReferenceStore, build_store, choose_blend
from storage import NotFoundError

_CHOSEN_BY = 32
"""Most held-out rows that choose the blend."""
_BLEND = 0.5
"""Where none do."""
_LABELS = 12
"""Most different answers that are labels, if each stands in two rows or more on average; others are free text."""


@dataclass(frozen=True, slots=True)
class Instant:
    """One instant column: what adjusts its logits, and the store behind it; at blend 0 there is none, and all its numbers are 0.

    Attributes:
        base: the base model that answers.
        adjust: for `InferenceEngine.submit`; None at blend 0, which is the base model itself.
        blend: share of the store, the one that was asked for or else the chosen one; ``temperature`` likewise, 0 without a store.
        was_chosen: whether nobody asked for a blend, so that held-out rows chose it.
        chosen: all that was tried on them; None where they were not asked, or none could be read, and a middle blend is taken.
        keys: states in the store, of ``rows`` rows.
        no_room: training rows for which there was no room; ``too_long``: of more than ``longest`` tokens; ``refused``: that the base model
            cannot read.
        of_labels: whether the answers of its rows are a few labels, for which looking rows up suits best.
        nbytes: memory of the store.
        seconds: what it took to build, whoever asked for it first.
    """

    base: Base
    adjust: Blending | None
    _of: tuple[Resident, str, tuple[int, ...]]
    blend: float = 0.0
    temperature: float = 0.0
    was_chosen: bool = False
    chosen: ChosenBlend | None = None
    keys: int = 0
    rows: int = 0
    no_room: int = 0
    too_long: int = 0
    refused: int = 0
    longest: int = 0
    of_labels: bool = False
    nbytes: int = 0
    seconds: float = 0.0

    def why(self, token: int | None = None, most: int = 5) -> list[ShownRow]:
        """The rows that weighed most at a token of the answer, or over the whole of it so far, heaviest first.

        Raises NotFoundError, StorageError, DataError: the run or its dataset was deleted meanwhile.
        """
        resident, run_id, places = self._of
        rows = resident.rows_of_runs.of(run_id)
        near: list[Neighbour] = self.adjust.why(token, most) if self.adjust else []
        return shown(rows, [(places[each.row], each.weight) for each in near])


def instant(
    resident: Resident, run_id: str, blend: float | None = None, on_progress: Progress = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False, *, temperature: float | None = None,
) -> Instant:  # fmt: skip
    """The instant column of a run's training rows; its store is built if there is none in memory, in turns that chats go before.

    Args:
        resident: the models in memory.
        run_id: whose training rows, of whose version of the dataset.
        blend: share of the store, 0 to 1; None takes the one that does best on the run's held-out rows, which are asked then.
        on_progress: is told how many rows are read, and of how many, while a store is built or a blend is chosen, by whomever.
        should_stop: asked before each pass; a store that is not whole is then forgotten.
        temperature: of the weights, relative to the store; None takes the chosen one with a chosen blend, else the engine's own.

    Raises:
        NotFoundError, StorageError: the run or its dataset is not there any more, or its rows were not divided yet.
        ConfigError, DataError: the base model has no store, or none of the rows can be read.
        StoppedError: it was told to stop.
    """
    rows = resident.rows_of_runs.of(run_id)
    forget_what_is_gone(resident)
    base = resident.base_of(rows.run)
    if blend == 0:
        return Instant(base, None, (resident, run_id, ()))
    reading = resident.engine(base).base  # with a tokenizer of its own
    built = resident.stores.get(
        (*rows.split, rows.marked), reading, partial(_build, resident, rows, reading, should_stop), on_progress, should_stop
    )
    store, chosen = built.store, None
    if blend is None:
        chosen = resident.stores.chosen(built, partial(_choose, resident, rows, reading, store, should_stop), on_progress, should_stop)
    wanted = temperature if temperature is not None else chosen.best.temperature if chosen else None
    used = blend if blend is not None else chosen.best.blend if chosen else _BLEND
    adjust = store.adjust(used) if wanted is None else store.adjust(used, temperature=wanted)
    assert adjust is not None
    count = len(store.rows.unique())
    return Instant(
        base, adjust, (resident, run_id, built.places), used, adjust.temperature, blend is None, chosen, len(store), count,
        no_room=built.no_room, too_long=len(store.too_long), refused=len(store.refused), longest=store.longest,
        of_labels=_are_labels(store, count), nbytes=store.nbytes, seconds=built.seconds,
    )  # fmt: skip


def _are_labels(store: ReferenceStore, rows: int) -> bool:
    return store.answers <= _LABELS and 2 * store.answers <= rows


def _build(resident: Resident, rows: RunRows, base: Base, should_stop: Callable[[], bool], on_progress: Progress) -> BuiltStore:
    begun = time.monotonic()
    places = rows.drawn(MOST_KEYS)  # a row has a state at least
    on_progress(0, len(places))
    store = build_store(
        base, rows.at(places), marked=rows.marked, exclusive=resident.base_lock.for_training, on_progress=on_progress,
        should_stop=should_stop,
    )  # fmt: skip
    no_room = len(store.dropped) + len(rows.trained) - len(places)
    return BuiltStore(store, base.model, rows.run.dataset_id, tuple(places), no_room, time.monotonic() - begun)


def _choose(
    resident: Resident, rows: RunRows, base: Base, store: ReferenceStore, should_stop: Callable[[], bool], on_progress: Progress
) -> ChosenBlend | None:  # fmt: skip
    """What held-out rows choose; None where there are none that can be read, which is no fault of the store."""
    held_out = rows.at(rows.drawn_held_out(_CHOSEN_BY))[:]
    if not held_out:
        return None
    on_progress(0, len(held_out))
    try:
        return choose_blend(
            base, store, held_out, marked=rows.marked, exclusive=resident.base_lock.for_training, on_progress=on_progress,
            should_stop=should_stop,
        )  # fmt: skip
    except DataError:
        return None


def forget_what_is_gone(resident: Resident) -> None:
    """Forget the stores of datasets that were deleted meanwhile. Raises UnavailableError."""
    gone = {dataset_id for dataset_id in resident.stores.of_datasets() if _is_gone(resident, dataset_id)}
    resident.stores.keep(lambda built: built.dataset_id not in gone)


def _is_gone(resident: Resident, dataset_id: str) -> bool:
    try:
        return resident.everything.datasets.get(dataset_id).binned_at is not None
    except NotFoundError:
        return True
