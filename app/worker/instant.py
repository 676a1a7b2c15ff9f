"""Instant answers: the base model beside a store of a run's training rows; nothing is trained, and nothing is written down."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from app.worker.resident import Resident
from app.worker.run_rows import RunRows, ShownRow, SomeRows, shown
from app.worker.stores import BuiltStore
from reft_engine.base import Base
from reft_engine.inference import MOST_KEYS, Blending, ChosenBlend, Neighbour, build_store, choose_blend, draw_rows
from storage import NotFoundError

_CHOSEN_BY = 32
"""Most held-out rows that choose the blend: one pass over them, and nine settings for each of their tokens."""
_PASS_TOKENS = 1024
"""Most padded tokens of one pass over rows, in which nobody else is answered."""
_SEED = 0
_BLEND, _TEMPERATURE = 0.5, 0.02
"""Where no held-out rows choose them."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Instant:
    """One instant column: what adjusts its logits, and the store behind it.

    Attributes:
        base: the base model that answers.
        adjust: for `InferenceEngine.submit`; None at blend 0, which is the base model itself.
        blend: share of the store, the one that was asked for or else the chosen one; ``temperature`` likewise.
        chosen: all that was tried on held-out rows; None where none were held out.
        keys: states in the store, of ``rows`` rows; for ``left_out`` training rows there was no room.
        nbytes: memory of the store.
        seconds: what it took to build, the choice of the blend included, whoever asked for it first.
    """

    base: Base
    adjust: Blending | None
    blend: float
    temperature: float
    chosen: ChosenBlend | None
    keys: int
    rows: int
    left_out: int
    nbytes: int
    seconds: float
    _of: tuple[Resident, str, tuple[int, ...]]

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
        blend: share of the store, 0 to 1; None takes the one that did best on the run's held-out rows.
        on_progress: is told how many rows are read, and of how many, while a store is built.
        should_stop: asked before each pass; the store is then forgotten.
        temperature: of the weights, relative to the store; None takes the one that was chosen.

    Raises:
        NotFoundError, StorageError: the run or its dataset is not there any more, or its rows were not divided yet.
        ConfigError, DataError: the base model has no store, or none of the rows can be read.
        StoppedError: it was told to stop.
    """
    rows = resident.rows_of_runs.of(run_id)
    _forget_what_is_gone(resident)
    base = resident.base_of(rows.run)
    reading = resident.engine(base).base  # with a tokenizer of its own
    built = resident.stores.get(
        (*rows.split, rows.marked), reading, partial(_build, resident, rows, reading, on_progress, should_stop), should_stop
    )
    best = built.chosen.best if built.chosen else None
    used_blend = blend if blend is not None else best.blend if best else _BLEND
    used_temperature = temperature if temperature is not None else best.temperature if best else _TEMPERATURE
    store = built.store
    return Instant(
        base, store.adjust(used_blend, temperature=used_temperature), used_blend, used_temperature, built.chosen, len(store),
        len(store.rows.unique()), built.left_out, store.nbytes, built.seconds, (resident, run_id, built.places),
    )  # fmt: skip


def _build(resident: Resident, rows: RunRows, base: Base, on_progress: Progress, should_stop: Callable[[], bool]) -> BuiltStore:
    begun, turn = time.monotonic(), resident.base_lock.for_training
    places = rows.drawn(MOST_KEYS, _SEED)  # a row has a state at least
    store = build_store(
        base, SomeRows(rows.examples, places), marked=rows.marked, pass_tokens=_PASS_TOKENS, exclusive=turn, on_progress=on_progress,
        should_stop=should_stop,
    )  # fmt: skip
    held_out = SomeRows(rows.examples, [rows.held_out[index] for index in draw_rows(len(rows.held_out), _CHOSEN_BY, _SEED)])
    chosen = choose_blend(base, store, held_out[:], marked=rows.marked, exclusive=turn, should_stop=should_stop) if held_out else None
    left_out = len(rows.trained) - len(store.rows.unique())
    return BuiltStore(store, base.model, rows.run.dataset_id, tuple(places), left_out, chosen, time.monotonic() - begun)


def _forget_what_is_gone(resident: Resident) -> None:
    """Forget the stores of datasets that were deleted meanwhile."""
    left = set()
    for dataset_id in resident.stores.of_datasets():
        try:
            if resident.storage.datasets.get(dataset_id).binned_at is None:
                left.add(dataset_id)
        except NotFoundError:
            continue
    resident.stores.keep(lambda built: built.dataset_id in left)
