"""Models in the worker's memory: base models, loaded adapters, and the edit in training."""

import copy
import gc
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch

from app.people.asking import owner_asking
from app.people.own_names import is_own_name
from app.words import say
from app.worker.base_lock import BaseLock
from app.worker.check import FreshCheck
from app.worker.meter import TokenMeter
from app.worker.probes import Probes, Rates, TimedProbe
from app.worker.row_checks import Load, RowChecks
from app.worker.run_rows import RowsOfRuns
from app.worker.stores import Stores
from reft_engine import (
    ReftConfig,
    RunSpec,
    Trainable,
    TrainConfig,
    check_precision,
    load_adapter,
    load_base,
    load_options,
    suited_precision,
)  # fmt: skip
from reft_engine.base import Base, default_device, is_here, load_tokenizer
from reft_engine.data import StoredExamples
from reft_engine.formats import read_config
from reft_engine.inference import InferenceEngine, PromptCache, Request
from reft_engine.training import RatesFound, load_step
from storage import NotFoundError, RunRecord, RunStatus, Storage
from storage.files import digest_of

_MAX_BASES, _MAX_TOKENIZERS = 1, 4
_ADAPTER_BYTES = 512 * 2**20
"""Most memory of adapters that are kept for chats, some thousands of the usual size."""


@dataclass(frozen=True, slots=True)
class RunBase:
    """Which base model a run is of: its name, its revision (None: any that is loaded), and its precision."""

    name: str
    revision: str | None
    precision: str

    def may_be(self, other: "RunBase") -> bool:
        """Whether both can be one base model in memory."""
        alike = None in (self.revision, other.revision) or self.revision == other.revision
        return self.name == other.name and self.precision == other.precision and alike


class Resident:
    """Loads models on demand and caches the most recent: one base model, many adapters, and four tokenizers for row counts."""

    def __init__(self, storage: Storage, meter: TokenMeter | None = None) -> None:
        self.everything, self.meter = storage, meter or TokenMeter()
        self.base_lock = BaseLock()
        self.checks = RowChecks()
        self.check = FreshCheck()
        self._probes = Probes(self.base_lock, self.checks)
        self._rates = Rates(self.base_lock)
        self.rows_of_runs, self.stores = RowsOfRuns(lambda: self.storage), Stores()
        self._lock = threading.RLock()
        self._bases: OrderedDict[tuple[str, str], Base] = OrderedDict()
        self._adapters: OrderedDict[str, Trainable] = OrderedDict()
        self._loading_base = threading.Lock()
        self._loading: defaultdict[Hashable, threading.Lock] = defaultdict(threading.Lock)
        """For each adapter and tokenizer that is being loaded, so that whoever asks for another one need not wait."""
        self._tokenizers: OrderedDict[tuple[str, str | None], Base] = OrderedDict()
        self._training: dict[str, tuple[Base, Trainable]] = {}
        self.trouble = ""
        """Why the database cannot be written at the moment; empty if it can."""
        self._engines: dict[int, InferenceEngine] = {}

    @property
    def storage(self) -> Storage:
        """The stores with the rows of the owner on whose behalf something is done; everybody's for the worker's own work."""
        owner = owner_asking()
        return self.everything if owner is None else self.everything.seen_by(owner)

    @property
    def training_run(self) -> str | None:
        """Id of a run in training; of runs that train together, one of them."""
        return next(iter(self._training), None)

    def set_training(self, run_id: str, base: Base, reft: Trainable) -> None:
        """Make the run available to chats while it trains."""
        self._training = {**self._training, run_id: (base, reft)}

    def clear_training(self, run_id: str) -> None:
        """Training of a run has ended; chats load its adapter instead."""
        self._training = {each: values for each, values in self._training.items() if each != run_id}

    def set_trouble(self, reason: str) -> None:
        """Set why the database cannot be written at the moment; an empty text if it can."""
        self.trouble = reason

    def base(self, name: str, revision: str | None = None, precision: str | None = None) -> Base:
        """Load a base model, or take it from memory; without ``revision``, any loaded revision will do.

        Without ``precision`` it is the one that suits the device. The same model in two precisions is two base models.
        """
        wanted = precision or suited_precision(default_device())
        if loaded := self._loaded(name, revision, wanted):
            return loaded
        with self._loading_base:
            if loaded := self._loaded(name, revision, wanted):
                return loaded
            check_precision(precision)  # before another base model makes room
            key = name, wanted
            with self._lock:
                self._make_room(key)
            base = load_base(name, revision=revision, **load_options(precision))
            with self._lock:
                self._bases[key] = base
            return base

    def device_of(self, base: Base) -> str:
        """The device of a base model, or the one that it would be loaded on."""
        return default_device() if base.is_empty else str(base.device)

    def loaded(self, name: str, precision: str | None = None) -> Base | None:
        """A base model if it is in memory, else None; without ``precision``, in any."""
        return self._loaded(name, None, precision)

    def _loaded(self, name: str, revision: str | None, precision: str | None = None) -> Base | None:
        with self._lock:
            bases = [*(base for base, _ in self._training.values()), *self._bases.values()]
        return next(
            (
                base for base in bases
                if base.name == name and revision in (None, base.revision) and precision in (None, base.precision)
            ), None,
        )  # fmt: skip

    def tokenizer(self, name: str, revision: str | None = None) -> Base | None:
        """A base model to encode rows with: the loaded one, else one without weights; None if it is not on this machine.

        It evicts no base model from memory and downloads nothing.
        """
        if loaded := self._loaded(name, revision):
            return loaded
        key = name, revision
        with self._being_loaded(key):
            with self._lock:
                known = self._tokenizers.get(key)
            if known is None:
                if not is_here(name, revision):
                    return None
                known = load_tokenizer(name, revision=revision, fetch=False)
            with self._lock:
                self._tokenizers[key] = known
                self._tokenizers.move_to_end(key)
                while len(self._tokenizers) > _MAX_TOKENIZERS:
                    self._tokenizers.popitem(last=False)
            return known

    @contextmanager
    def _being_loaded(self, key: Hashable) -> Iterator[None]:
        """One thread at a time for each key."""
        with self._lock:
            lock = self._loading[key]
        try:
            with lock:
                yield
        finally:
            with self._lock:
                self._loading.pop(key, None)

    def dataset_rows(self, dataset_id: str) -> tuple[str, Load]:
        """A digest of the rows of a dataset's current version, and a function that opens them. Raises NotFoundError."""
        return self._rows_in(self.storage.files.rows(self.storage.datasets.get(dataset_id).version))

    def upload_rows(self, name: str) -> tuple[str, Load]:
        """As `dataset_rows`, of an upload that was read; its digest is that of the dataset made from it. Raises NotFoundError."""
        path, uploads = Path(name).resolve(), self.storage.files.uploads.resolve()
        is_there = path.is_relative_to(uploads) and path.suffix == ".jsonl"
        if not is_there or (owner_asking() is not None and not is_own_name(path.relative_to(uploads).parts[0])):
            raise NotFoundError(say("engine.no_rows"), kind="files.id")
        return self._rows_in(path)

    def _rows_in(self, path: Path) -> tuple[str, Load]:
        try:
            status = path.stat()
            digest = _digest(path, status.st_mtime_ns, status.st_size)  # of what lies there, whatever the version says
        except OSError:
            digest = ""  # the file is missing; reading it raises the error
        return digest, lambda: StoredExamples(path)

    def probe(
        self, dataset_id: str, name: str, reft: ReftConfig, train: TrainConfig, precision: str | None = None
    ) -> TimedProbe | None:  # fmt: skip
        """Estimate a run on a dataset; None if its base model is not in memory, because a probe loads none.

        Raises:
            NotFoundError: there is no such dataset.
            ReftError: the run cannot be made.
        """
        base = self.loaded(name, precision or suited_precision(default_device()))
        return self._probes.probe(*self.dataset_rows(dataset_id), base, reft, train) if base else None

    def release(self) -> None:
        """Free the memory of all models, for others to use the device; what is asked for next is loaded again."""
        with self._lock:
            if not self._bases or self._training:
                return
            self._bases.clear()
            self._adapters.clear()
            self._forget_engines()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @property
    def held_bytes(self) -> int:
        """Bytes of the base models that another one would take the place of; that of a run in training stays."""
        with self._lock:
            in_training = [base.model for base, _ in self._training.values()]
            bases = [base for base in self._bases.values() if base.model not in in_training]
            return sum(weight.numel() * weight.element_size() for base in bases for weight in base.model.parameters())

    def rates(
        self, rows: tuple[str, Load], name: str, reft: ReftConfig, train: TrainConfig, on_progress: Callable[[int, int], None],
        should_stop: Callable[[], bool], precision: str | None = None,
    ) -> RatesFound | None:  # fmt: skip
        """Find a learning rate for a run on the rows of a dataset, loading its base model; None when told to stop. Raises ReftError."""
        return self._rates.find(*rows, self.base(name, precision=precision), reft, train, on_progress, should_stop)

    def engine(self, base: Base) -> InferenceEngine:
        """What answers everybody who chats with a base model, in one running batch."""
        with self._lock:
            self._forget_engines()
            if id(base.model) not in self._engines:
                # Its own tokenizer: one thread at a time tokenises with it, and the rows of a large file take long.
                own = replace(base, tokenizer=copy.deepcopy(base.tokenizer))
                self._engines[id(base.model)] = InferenceEngine(
                    own, memory=PromptCache(), turn=self.base_lock.for_chat, on_tokens=self._count, whose=_whose
                )
            return self._engines[id(base.model)]

    def _count(self, request: Request, tokens: int) -> None:
        """Count what somebody waits for; lists of prompts are counted as they are answered, and the predictions of a run are no chat."""
        if not request.background:
            self.meter.spend(request.owner, tokens)

    def _forget_engines(self) -> None:
        """Let go of the engines and stores of base models that are not in memory any more; who is answered by one keeps it to the end."""
        loaded = {id(base.model) for base in (*self._bases.values(), *(base for base, _ in self._training.values()))}
        self._engines = {key: engine for key, engine in self._engines.items() if key in loaded}
        self.stores.keep(lambda built: id(built.model) in loaded)

    def _make_room(self, key: tuple[str, str]) -> None:
        """Evict base models before loading one, because two may not fit into memory."""
        self._bases.pop(key, None)
        while len(self._bases) >= _MAX_BASES:
            self._bases.popitem(last=False)
        self._forget_engines()
        models = [base.model for base in self._bases.values()]
        self._adapters = OrderedDict((key, reft) for key, reft in self._adapters.items() if reft.base in models)

    def recorded_base(self, run: RunRecord) -> RunBase:
        """Which base model a run was or is trained on, loaded or not: by its result, else by its settings. Raises AdapterError."""
        if run.id in self._training:
            base = self._training[run.id][0]
            return RunBase(base.name, base.revision, base.precision)
        folder, suited = self.storage.files.adapter(run.id), suited_precision(default_device())
        if not folder.is_dir():
            spec = RunSpec.read(run.spec)
            return RunBase(spec.base, spec.revision, spec.precision or suited)
        recorded = read_config(folder)["base_model"]
        return RunBase(run.base, recorded["revision"], recorded.get("precision") or suited)

    def base_of(self, run: RunRecord) -> Base:
        """The base model of a run, whether or not the run has a result. Raises ReftError."""
        if run.id in self._training:
            return self._training[run.id][0]
        recorded = self.recorded_base(run)
        return self.base(recorded.name, recorded.revision, recorded.precision)

    def run(self, run_id: str) -> tuple[Base, Trainable]:
        """A run's base model and edit: the current weights while it trains, else those of its adapter folder."""
        record = self.storage.runs.get(run_id)  # first of all, since another's run is none
        if run_id in self._training:
            return self._training[run_id]
        if record.status not in (RunStatus.FINISHED, RunStatus.STOPPED) or not self.storage.files.adapter(run_id).is_dir():
            raise NotFoundError(say("engine.nothing_to_chat", name=record.name, status=record.status))
        key = f"{record.base}\n{run_id}\n{record.finished_at}"
        base = self.base_of(record)
        return base, self._adapter(key, lambda: load_adapter(self.storage.files.adapter(run_id), base), base)

    def run_at(self, run_id: str, step: int) -> tuple[Base, Trainable]:
        """As `run`, with what the run had learned at an earlier step. Raises NotFoundError, AdapterError if that is not kept."""
        record = self.storage.runs.get(run_id)
        spec, folder = RunSpec.read(record.spec), self.storage.files.steps(run_id)
        base = self.base_of(record)
        key = "\n".join(map(str, (record.base, run_id, record.finished_at, step)))
        return base, self._adapter(key, lambda: load_step(folder, step, base, spec.trained), base)

    def _adapter(self, key: str, load: Callable[[], Trainable], base: Base) -> Trainable:
        """An adapter of the latest that were used, else loaded."""
        with self._being_loaded(key):
            with self._lock:
                adapter = self._adapters.get(key)
            if adapter is None or adapter.base is not base.model:
                adapter = load()
            with self._lock:
                if adapter.base in [each.model for each in self._bases.values()]:  # or another base model has taken its place meanwhile
                    self._adapters[key] = adapter
                    self._adapters.move_to_end(key)
                while len(self._adapters) > 1 and sum(map(_size, self._adapters.values())) > _ADAPTER_BYTES:
                    self._adapters.popitem(last=False)
        return adapter


def _whose() -> str:
    """Beginnings of prompts are kept for each person apart: what is read anew, and how long it takes, would tell of those of others."""
    return owner_asking() or ""


def _size(adapter: Trainable) -> int:
    return sum(weight.numel() * weight.element_size() for weight in adapter.parameters())


@lru_cache(maxsize=64)
def _digest(path: Path, _changed: int, _size: int) -> str:
    """The sha256 of a file, cached while its time and size stay the same, since every change of the Train form asks. Raises OSError."""
    return digest_of(path)
