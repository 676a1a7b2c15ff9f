"""What the data folder takes, what in it is out of order, and putting that right. Nothing that a person might miss is ever destroyed."""

import hashlib
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select, text

from storage.errors import StorageError
from storage.records import Failure, RunRecord, RunStatus
from storage.store import Storage
from storage.tables import Dataset, Run

_log = logging.getLogger("reft_studio.house")
_YOUNG_SECONDS = 600.0
"""What was touched more lately than this may be somebody's work in progress."""
_HALF = (".writing-", ".removed-", ".restoring-")
_CHECKPOINT = re.compile(r"\d{8,}-([0-9a-f]{16})\.safetensors")
_GONE = Failure("bug", "The engine went away in the middle of the run.")


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes that parts of the data folder take, and that the disk has free."""

    datasets: int
    runs: int
    bin: int
    other: int
    free: int

    @property
    def total(self) -> int:
        """Of the whole data folder."""
        return self.datasets + self.runs + self.bin + self.other


@dataclass(frozen=True, slots=True)
class Finding:
    """Something out of order, as a sentence; ``repair`` puts it right and says what it did, where that can be done."""

    text: str
    repair: Callable[[], str] | None = field(default=None, compare=False, repr=False)


def usage(storage: Storage) -> Usage:
    """What everything takes. Raises UnavailableError."""
    root = storage.files.root
    binned = sum(_size(storage.files.run_folder(run.id)) for run in storage.runs.binned())
    parts = {entry.name: _size(Path(entry.path)) for entry in os.scandir(root)}
    datasets, runs = parts.pop("datasets", 0), parts.pop("runs", 0)
    return Usage(datasets, max(0, runs - binned), binned, sum(parts.values()), shutil.disk_usage(root).free)


def _size(path: Path) -> int:
    """Bytes of a file or of all files below a folder; of what vanishes meanwhile none."""
    with suppress(OSError):
        if not path.is_dir():
            return path.lstat().st_size
        with os.scandir(path) as entries:
            return sum(_size(Path(entry.path)) for entry in entries)
    return 0


def look(storage: Storage) -> list[Finding]:
    """Everything that is out of order. Raises UnavailableError."""
    return [*_database(storage), *_halves(storage), *_dead(storage), *_strays(storage), *_losses(storage)]


def repair(findings: list[Finding]) -> list[str]:
    """Put right what can be; a sentence of each, of what fails as well."""
    done = []
    for finding in findings:
        if finding.repair is None:
            continue
        try:
            done.append(finding.repair())
        except (OSError, StorageError) as error:
            done.append(f"{finding.text} That could not be put right: {error}.")
    return done


def tidy(storage: Storage, bin_days: int) -> list[str]:
    """What a server does at its start and from time to time: put right what can be, and remove what was deleted long ago."""
    done = repair(look(storage))
    gone = storage.runs.empty_bin(timedelta(days=bin_days))
    done += [f"Removed run {run_id}, which was in the bin for {bin_days} days." for run_id in gone]
    for sentence in done:
        _log.info("%s", sentence)
    return done


def _database(storage: Storage) -> Iterator[Finding]:
    if storage.database.engine.dialect.name != "sqlite":
        return
    with storage.database.reading() as session:
        for check in ("integrity_check", "foreign_key_check"):
            for row in session.execute(text(f"PRAGMA {check}")):
                if tuple(row) != ("ok",):
                    yield Finding(f"The database is damaged: {' '.join(map(str, row))[:200]}. Put the last backup back.")
                    break


def _halves(storage: Storage) -> Iterator[Finding]:
    """What writers and removers left half-done that were killed."""
    root = storage.files.root
    for folder in (root / "datasets", root / "runs", root):
        for path in folder.glob("*" if folder == root else "**/*"):
            if path.name.startswith(_HALF) and _old(path):
                yield Finding(f"{path.relative_to(root)} was left half-done.", lambda path=path: _removed(path))  # type: ignore[misc]


def _removed(path: Path) -> str:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return f"Removed {path.name}, which was left half-done."


def _dead(storage: Storage) -> Iterator[Finding]:
    for worker in storage.workers.dead():
        yield Finding(f"The worker {worker[:40]} is gone without a word.", lambda: _put_back(storage))


def _put_back(storage: Storage) -> str:
    found = storage.reclaim(_gone)
    names = ", ".join(run.name for run in found) or "none"
    return f"Forgot workers that are gone; runs that wait again: {names}."


def _gone(_run: RunRecord) -> Failure:
    return _GONE


def _strays(storage: Storage) -> Iterator[Finding]:
    """Folders that no row knows of."""
    with storage.database.reading() as session:
        known = {"runs": set(session.scalars(select(Run.id))), "datasets": set(session.scalars(select(Dataset.id)))}
    for kind, ids in known.items():
        for path in (storage.files.root / kind).iterdir():
            if path.name not in ids and not path.name.startswith(".") and _old(path):
                words = f"The folder {kind}/{path.name} belongs to nothing in the database."
                yield Finding(words, lambda path=path: _set_aside(storage, path))  # type: ignore[misc]


def _set_aside(storage: Storage, path: Path) -> str:
    lost = storage.files.root / "lost"
    lost.mkdir(exist_ok=True)
    target = lost / f"{path.parent.name}-{path.name}-{time.time_ns()}"
    path.rename(target)
    return f"Moved {path.parent.name}/{path.name} to lost/{target.name}."


def _losses(storage: Storage) -> Iterator[Finding]:
    """Rows whose files are gone or damaged."""
    for dataset in storage.datasets.all():
        if not storage.files.examples(dataset.id).is_file():
            yield Finding(f"The rows of the dataset {dataset.name} are gone.")
    for run in [*storage.runs.all(limit=100_000), *storage.runs.binned()]:
        adapter = storage.files.adapter(run.id) / "reft_model.safetensors"
        if run.step and run.status in (RunStatus.FINISHED, RunStatus.STOPPED) and run.summary and not adapter.is_file():
            yield Finding(f"The result of the run {run.name} is gone.")
        checkpoints = list((storage.files.run_folder(run.id) / "checkpoint").glob("*.safetensors"))
        if run.status is not RunStatus.FINISHED and not run.status.active and checkpoints and not any(map(_whole, checkpoints)):
            yield Finding(f"No checkpoint of the run {run.name} is whole; it would begin anew.")


def _whole(path: Path) -> bool:
    """Whether a checkpoint is what its name says (see `reft_engine.checkpoint`)."""
    name = _CHECKPOINT.fullmatch(path.name)
    try:
        return name is None or hashlib.sha256(path.read_bytes()).hexdigest()[:16] == name[1]
    except OSError:
        return False


def _old(path: Path) -> bool:
    with suppress(OSError):
        return time.time() - path.lstat().st_mtime > _YOUNG_SECONDS
    return False
