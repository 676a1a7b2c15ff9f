"""Models in the worker's memory: base models, loaded adapters, and the edit in training."""

import threading
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from app.words import say
from app.worker.base_lock import BaseLock
from app.worker.probes import Probes, TimedProbe
from app.worker.row_checks import Load, RowChecks
from reft_engine import ReftConfig, Trainable, TrainConfig, load_adapter, load_base
from reft_engine.base import Base, is_here, load_tokenizer
from reft_engine.data import StoredExamples
from reft_engine.formats import read_config
from reft_engine.inference import PromptCache
from storage import NotFoundError, RunStatus, Storage
from storage.files import digest_of

_MAX_BASES, _MAX_ADAPTERS, _MAX_TOKENIZERS = 1, 8, 4


class Resident:
    """Loads models on demand and caches the most recent: one base model, eight adapters, and four tokenizers for row counts."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.base_lock = BaseLock()
        self.checks = RowChecks()
        self._probes = Probes(self.base_lock)
        self._lock = threading.RLock()
        self._bases: OrderedDict[str, Base] = OrderedDict()
        self._adapters: OrderedDict[str, Trainable] = OrderedDict()
        self._tokenizers: OrderedDict[tuple[str, str | None], Base] = OrderedDict()
        self._training: tuple[str, Base, Trainable] | None = None
        self.trouble = ""
        """Why the database cannot be written at the moment; empty if it can."""
        self._prompt_caches: WeakKeyDictionary[Any, PromptCache] = WeakKeyDictionary()

    @property
    def training_run(self) -> str | None:
        """Id of the run in training."""
        current = self._training
        return current[0] if current else None

    def set_training(self, run_id: str, base: Base, reft: Trainable) -> None:
        """Make the run available to chats while it trains."""
        self._training = (run_id, base, reft)

    def clear_training(self) -> None:
        """Training has ended; chats load the run's adapter instead."""
        self._training = None

    def set_trouble(self, reason: str) -> None:
        """Set why the database cannot be written at the moment; an empty text if it can."""
        self.trouble = reason

    def base(self, name: str, revision: str | None = None) -> Base:
        """Load a base model, or take it from memory; without ``revision``, any loaded revision will do."""
        with self._lock:
            if loaded := self._loaded(name, revision):
                return loaded
            self._make_room(name)
            self._bases[name] = load_base(name, revision=revision)
            return self._bases[name]

    def loaded(self, name: str) -> Base | None:
        """A base model if it is in memory, else None."""
        with self._lock:
            return self._loaded(name, None)

    def _loaded(self, name: str, revision: str | None) -> Base | None:
        current = self._training
        bases = [*([current[1]] if current else []), *self._bases.values()]
        return next((base for base in bases if base.name == name and revision in (None, base.revision)), None)

    def tokenizer(self, name: str, revision: str | None = None) -> Base | None:
        """A base model to encode rows with: the loaded one, else one without weights; None if it is not on this machine.

        It evicts no base model from memory and downloads nothing.
        """
        with self._lock:
            if loaded := self._loaded(name, revision):
                return loaded
            key = name, revision
            if key not in self._tokenizers:
                if not is_here(name, revision):
                    return None
                self._tokenizers[key] = load_tokenizer(name, revision=revision, fetch=False)
                while len(self._tokenizers) > _MAX_TOKENIZERS:
                    self._tokenizers.popitem(last=False)
            self._tokenizers.move_to_end(key)
            return self._tokenizers[key]

    def dataset_rows(self, dataset_id: str) -> tuple[str, Load]:
        """A digest of the rows of a dataset's current version, and a function that opens them. Raises NotFoundError."""
        return self._rows_in(self.storage.files.rows(self.storage.datasets.get(dataset_id).version))

    def upload_rows(self, name: str) -> tuple[str, Load]:
        """As `dataset_rows`, of an upload that was read; its digest is that of the dataset made from it. Raises NotFoundError."""
        path = Path(name).resolve()
        if not path.is_relative_to(self.storage.files.uploads.resolve()) or path.suffix != ".jsonl":
            raise NotFoundError(say("engine.no_rows"), kind="files.id")
        return self._rows_in(path)

    def _rows_in(self, path: Path) -> tuple[str, Load]:
        try:
            status = path.stat()
            digest = _digest(path, status.st_mtime_ns, status.st_size)  # of what lies there, whatever the version says
        except OSError:
            digest = ""  # the file is missing; reading it raises the error
        return digest, lambda: StoredExamples(path)

    def probe(self, dataset_id: str, name: str, reft: ReftConfig, train: TrainConfig) -> TimedProbe | None:
        """Time a run on a dataset; None if its base model is not in memory, because a probe loads none.

        Raises:
            NotFoundError: there is no such dataset.
            ReftError: the run cannot be made.
        """
        base = self.loaded(name)
        return self._probes.probe(*self.dataset_rows(dataset_id), base, reft, train) if base else None

    def prompt_cache(self, base: Base) -> PromptCache:
        """The KV cache of the latest chats with a base model."""
        return self._prompt_caches.setdefault(base.model, PromptCache())

    def _make_room(self, name: str) -> None:
        """Evict base models before loading one, because two may not fit into memory."""
        self._bases.pop(name, None)
        while len(self._bases) >= _MAX_BASES:
            self._bases.popitem(last=False)
        models = [base.model for base in self._bases.values()]
        self._adapters = OrderedDict((key, reft) for key, reft in self._adapters.items() if reft.base in models)

    def run(self, run_id: str) -> tuple[Base, Trainable]:
        """A run's base model and edit: the current weights while it trains, else those of its adapter folder."""
        current = self._training
        if current and current[0] == run_id:
            return current[1], current[2]
        record = self.storage.runs.get(run_id)
        if record.status not in (RunStatus.FINISHED, RunStatus.STOPPED) or not self.storage.files.adapter(run_id).is_dir():
            raise NotFoundError(say("engine.nothing_to_chat", name=record.name, status=record.status))
        with self._lock:
            folder = self.storage.files.adapter(run_id)
            base = self.base(record.base, read_config(folder)["base_model"]["revision"])
            key = f"{record.base}\n{run_id}\n{record.finished_at}"
            if key not in self._adapters:
                while len(self._adapters) >= _MAX_ADAPTERS:
                    self._adapters.popitem(last=False)
                self._adapters[key] = load_adapter(folder, base)
            return base, self._adapters[key]


@lru_cache(maxsize=64)
def _digest(path: Path, _changed: int, _size: int) -> str:
    """The sha256 of a file, cached while its time and size stay the same, since every change of the Train form asks. Raises OSError."""
    return digest_of(path)
