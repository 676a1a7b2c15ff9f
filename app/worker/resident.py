"""What the worker keeps in memory: base models, loaded adapters, and the model that is being trained."""

import threading
from collections import OrderedDict
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from app.words import say
from app.worker.base_lock import BaseLock
from app.worker.probes import Probes, Timed
from app.worker.row_checks import Load, RowChecks
from reft_engine import ReftConfig, ReftModel, TrainConfig, load_base
from reft_engine.base import Base, is_here, load_tokenizer
from reft_engine.data import load_examples
from reft_engine.formats import read_config
from reft_engine.inference import PromptCache
from storage import NotFoundError, RunStatus, Storage

_BASES, _ADAPTERS, _TOKENIZERS = 1, 8, 4


class Resident:
    """Loads on demand and keeps the most recent: one base model, eight adapters, and four tokenizers to count rows with."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.base_lock = BaseLock()
        self.checks = RowChecks()
        self._probes = Probes(self.base_lock)
        self._lock = threading.RLock()
        self._bases: OrderedDict[str, Base] = OrderedDict()
        self._adapters: OrderedDict[str, ReftModel] = OrderedDict()
        self._tokenizers: OrderedDict[tuple[str, str | None], Base] = OrderedDict()
        self._training: tuple[str, Base, ReftModel] | None = None
        self.trouble = ""
        """Why nothing can be written down at the moment; empty when all is well."""
        self._memories: WeakKeyDictionary[Any, PromptCache] = WeakKeyDictionary()

    @property
    def training_run(self) -> str | None:
        """The run in training."""
        current = self._training
        return current[0] if current else None

    def set_training(self, run_id: str, base: Base, reft: ReftModel) -> None:
        """Let the run be chatted with while it trains."""
        self._training = (run_id, base, reft)

    def clear_training(self) -> None:
        """Nothing trains any more."""
        self._training = None

    def set_trouble(self, reason: str) -> None:
        """Say why nothing can be written down at the moment; an empty text when all is well."""
        self.trouble = reason

    def base(self, name: str, revision: str | None = None) -> Base:
        """A base model by name; of the given revision, or of any that is here."""
        with self._lock:
            if loaded := self._loaded(name, revision):
                return loaded
            self._make_room(name)
            self._bases[name] = load_base(name, revision=revision)
            return self._bases[name]

    def loaded(self, name: str) -> Base | None:
        """A base model that is in memory already."""
        with self._lock:
            return self._loaded(name, None)

    def _loaded(self, name: str, revision: str | None) -> Base | None:
        current = self._training
        here = [*([current[1]] if current else []), *self._bases.values()]
        return next((base for base in here if base.name == name and revision in (None, base.revision)), None)

    def tokenizer(self, name: str, revision: str | None = None) -> Base | None:
        """A base model to encode rows with: the one that is loaded, else one without weights; None for one that is not on this machine.

        No other base model is pushed out of memory for it, and nothing is fetched.
        """
        with self._lock:
            if loaded := self._loaded(name, revision):
                return loaded
            key = name, revision
            if key not in self._tokenizers:
                if not is_here(name, revision):
                    return None
                self._tokenizers[key] = load_tokenizer(name, revision=revision, fetch=False)
                while len(self._tokenizers) > _TOKENIZERS:
                    self._tokenizers.popitem(last=False)
            self._tokenizers.move_to_end(key)
            return self._tokenizers[key]

    def dataset_rows(self, dataset_id: str) -> tuple[str, Load]:
        """What a dataset's rows are known by, and how they are read. Raises NotFoundError."""
        self.storage.datasets.get(dataset_id)
        path = self.storage.files.examples(dataset_id)
        try:
            now = path.stat()
            digest = _digest(path, now.st_mtime_ns, now.st_size)
        except OSError:
            digest = ""  # of a file that is gone; reading it says so
        return digest, lambda: load_examples(path)

    def probe(self, dataset_id: str, name: str, reft: ReftConfig, train: TrainConfig) -> Timed | None:
        """How fast a run on a dataset would go; None for a base model that is not loaded, which is not loaded for this.

        Raises:
            NotFoundError: there is no such dataset.
            ReftError: the run cannot be made.
        """
        base = self.loaded(name)
        return self._probes.probe(*self.dataset_rows(dataset_id), base, reft, train) if base else None

    def memory(self, base: Base) -> PromptCache:
        """What a base model has read of the latest chats."""
        return self._memories.setdefault(base.model, PromptCache())

    def _make_room(self, name: str) -> None:
        """Let go of what is in the way before anything is loaded: two base models may be more than the memory holds."""
        self._bases.pop(name, None)
        while len(self._bases) >= _BASES:
            self._bases.popitem(last=False)
        models = [base.model for base in self._bases.values()]
        self._adapters = OrderedDict((key, reft) for key, reft in self._adapters.items() if reft.base in models)

    def run(self, run_id: str) -> tuple[Base, ReftModel]:
        """A run's base model and edit: as it stands now when it trains, else from its adapter folder."""
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
                while len(self._adapters) >= _ADAPTERS:
                    self._adapters.popitem(last=False)
                self._adapters[key] = ReftModel.load(folder, base.model)
            return base, self._adapters[key]


@lru_cache(maxsize=64)
def _digest(path: Path, _changed: int, _size: int) -> str:
    """Asked at every change of the Train page's form, so a file that has not changed is read once. Raises OSError."""
    return sha256(path.read_bytes()).hexdigest()
