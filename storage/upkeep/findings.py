"""What the data folder takes, what in it is out of order, and putting that right. Nothing that a person might miss is ever destroyed."""

import fcntl
import hashlib
import logging
import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from sqlalchemy import create_engine, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError

from storage.errors import RESTORE_ADVICE, StorageError, database_damage, reason_of
from storage.records import Failure, RunRecord, RunStatus
from storage.store import Storage
from storage.tables import Dataset, Run, Worker
from storage.upkeep.usage import LOG_FILE

_log = logging.getLogger("reft_studio.house")
_YOUNG_SECONDS = 600.0
"""What was touched more lately than this may be somebody's work in progress."""
_HALF = (".writing-", ".removed-", ".restoring-")
_CHECKPOINT = re.compile(r"\d{8,}-([0-9a-f]{16})\.safetensors")
_ADAPTERS = (("reft_model.safetensors", "reft_config.json"), ("adapter_model.safetensors", "baseline_config.json"))
"""What the adapter folder of an edit holds at least, and that of a baseline."""
_LONG_LOG, _KEPT_OF_LOG = 50_000_000, 1_000_000
_GONE = Failure("bug", "The engine went away in the middle of the run.")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something out of order, as a sentence; ``repair`` puts it right and says what it did, where that can be done."""

    text: str
    repair: Callable[[], str] | None = field(default=None, compare=False, repr=False)


def database_revision(url: str) -> str | None:
    """The revision of a database, which is not brought up to date by this; None of an empty one. Raises StorageError."""
    try:
        engine = create_engine(url)
        try:
            with engine.connect() as connection:
                known = inspect(connection).has_table("alembic_version")
                return connection.scalar(text("SELECT version_num FROM alembic_version")) if known else None
        finally:
            engine.dispose()
    except (SQLAlchemyError, ImportError, ValueError) as error:
        raise StorageError(f"The database cannot be opened: {reason_of(error)}.") from error


def _gone(_run: RunRecord) -> Failure:
    return _GONE


def find_problems(storage: Storage, explain: Callable[[RunRecord], Failure] = _gone) -> list[Finding]:
    """Everything that is out of order.

    Args:
        storage: whose data folder and database are looked through.
        explain: why a run failed that a dead worker had in hand, should that have been one worker too many.
    """
    return _gathered([_database(storage), *_leftovers(storage), _dead(storage, explain), _strays(storage), _losses(storage)])


def _leftovers(storage: Storage) -> list[Iterator[Finding]]:
    """What nobody can miss."""
    return [_halves(storage), _locks(storage), _long_logs(storage)]


def _gathered(checks: list[Iterator[Finding]]) -> list[Finding]:
    """What all checks find; one that cannot go on is a finding itself, and the others go on."""
    found: list[Finding] = []
    for check in checks:
        try:
            found += check
        except (SQLAlchemyError, ValueError, TypeError) as error:  # what a damaged file makes of a query, or of a value
            trouble = Finding(database_damage(error))
        except StorageError as error:
            trouble = Finding(str(error))
        except OSError as error:
            trouble = Finding(f"Part of the data folder cannot be read: {error.strerror or error}.")
        else:
            continue
        found += [trouble] if trouble not in found else []
    return found


def repair(findings: list[Finding]) -> list[str]:
    """Put right what can be; a sentence of each, of what fails as well."""
    done = []
    for finding in findings:
        if finding.repair is None:
            continue
        try:
            done.append(finding.repair())
        except (OSError, StorageError) as error:
            done.append(f"{finding.text} That could not be put right: {str(error).rstrip('.')}.")
    return done


def clean_up(storage: Storage, bin_days: int) -> list[str]:
    """What a server does at its start and from time to time: remove what was left half-done, and what was deleted long ago.

    Runs of dead workers are left to the living ones, who can say what happened, and folders without a row to a person:
    where the database is another one by mistake, that would be every folder.
    """
    done = repair(_gathered(_leftovers(storage)))
    try:
        gone = storage.runs.empty_bin(timedelta(days=bin_days))
        done += [f"Removed run {run_id}, which was in the bin for {bin_days} days." for run_id in gone]
    except (OSError, StorageError, SQLAlchemyError) as error:
        done.append(f"The bin could not be emptied: {reason_of(error).rstrip('.')}.")
    for sentence in done:
        _log.info("%s", sentence)
    return done


def _database(storage: Storage) -> Iterator[Finding]:
    if storage.database.engine.dialect.name != "sqlite":
        return
    with storage.database.reading() as session:
        for (said,) in session.execute(text("PRAGMA integrity_check(1)")):
            if said != "ok":
                yield Finding(f"The database is damaged: {' '.join(str(said).split())[:200]}. {RESTORE_ADVICE}")
        orphans = Counter((row[0], row[2]) for row in session.execute(text("PRAGMA foreign_key_check")))
        for (table, other), count in orphans.items():
            yield Finding(f"{count:,} rows of {table} in the database belong to no row of {other}.")


def _below(storage: Storage) -> Iterator[Path]:
    """Everything beside, in and below the folders of datasets and runs; not what lies in what was left half-done."""
    root = storage.files.root
    yield from root.iterdir()
    for kind in ("datasets", "runs"):
        for folder, names, files in os.walk(root / kind):
            yield from (Path(folder, name) for name in [*names, *files])
            names[:] = [name for name in names if not name.startswith(_HALF)]


def _halves(storage: Storage) -> Iterator[Finding]:
    """What writers and removers left half-done that were killed."""
    for path in _below(storage):
        if path.name.startswith(_HALF) and _old(path):
            where = path.relative_to(storage.files.root)
            yield Finding(f"{where} was left half-done.", lambda path=path: _removed(path))  # type: ignore[misc]


def _removed(path: Path) -> str:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    return f"Removed {path.name}, which was left half-done."


def _locks(storage: Storage) -> Iterator[Finding]:
    """Locks of workers that were killed before they were known."""
    with storage.database.reading() as session:
        known = set(session.scalars(select(Worker.id)))
    for path in (storage.files.root / "workers").glob("*.lock"):
        if path.stem not in known and _old(path) and not _held(path):
            yield Finding(f"The lock {path.name} is nobody's.", lambda path=path: _unlocked(path))  # type: ignore[misc]


def _held(path: Path) -> bool:
    with suppress(FileNotFoundError):
        try:
            with path.open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _unlocked(path: Path) -> str:
    path.unlink(missing_ok=True)
    return f"Removed {path.name}, a lock of nobody's."


def _long_logs(storage: Storage) -> Iterator[Finding]:
    """Logs that somebody filled faster than they are begun anew."""
    for path in _below(storage):
        with suppress(FileNotFoundError):
            if LOG_FILE.fullmatch(path.name) and path.lstat().st_size > _LONG_LOG and path.is_file() and not path.is_symlink():
                where = path.relative_to(storage.files.root)
                yield Finding(f"The log {where} is very long.", lambda path=path: _shortened(path))  # type: ignore[misc]


def _shortened(path: Path) -> str:
    """In place: whoever writes it has it open, and goes on at its end."""
    with path.open("r+b") as file:
        file.seek(-_KEPT_OF_LOG, os.SEEK_END)
        kept = file.read(_KEPT_OF_LOG).partition(b"\n")[2]
        file.seek(0)
        file.write(kept)
        file.truncate()
    return f"Shortened the log {path.name} to its last lines."


def _dead(storage: Storage, explain: Callable[[RunRecord], Failure]) -> Iterator[Finding]:
    for worker in storage.workers.dead():
        yield Finding(f"The worker {worker[:40]} is gone without a word.", lambda: _put_back(storage, explain))


def _put_back(storage: Storage, explain: Callable[[RunRecord], Failure]) -> str:
    found = storage.reclaim(explain)
    names = ", ".join(run.name for run in found) or "none"
    return f"Forgot workers that are gone; runs that wait again: {names}."


def _strays(storage: Storage) -> Iterator[Finding]:
    """Folders that no row knows of."""
    with storage.database.reading() as session:
        known = {"runs": set(session.scalars(select(Run.id))), "datasets": set(session.scalars(select(Dataset.id)))}
    found = [
        path
        for kind, ids in known.items()
        for path in (storage.files.root / kind).iterdir()
        if path.name not in ids and not path.name.startswith(".") and _old(path)
    ]
    if found and not any(known.values()):
        yield Finding(f"The database knows no dataset and no run, but {len(found):,} folders lie here: it may be another one than theirs.")
        return
    for path in found:
        words = f"The folder {path.parent.name}/{path.name} belongs to nothing in the database."
        yield Finding(words, lambda path=path: _set_aside(storage, path))  # type: ignore[misc]


def _set_aside(storage: Storage, path: Path) -> str:
    lost = storage.files.root / "lost"
    lost.mkdir(exist_ok=True)
    target = lost / f"{path.parent.name}-{path.name}-{time.time_ns()}"
    path.rename(target)
    return f"Moved {path.parent.name}/{path.name} to lost/{target.name}."


def _all_here(folder: Path, names: Sequence[str]) -> bool:
    return all((folder / name).is_file() for name in names)


def _losses(storage: Storage) -> Iterator[Finding]:
    """Rows whose files are gone or damaged."""
    for dataset in storage.datasets.all():
        if not storage.files.examples(dataset.id).is_file():
            yield Finding(f"The rows of the dataset {dataset.name} are gone.")
    for run in [*storage.runs.all(limit=1_000_000), *storage.runs.binned()]:
        # One that was stopped before its first step, or while it waited, has none.
        has_result = run.status is RunStatus.FINISHED or (run.status is RunStatus.STOPPED and run.step and run.summary)
        if has_result and not any(_all_here(storage.files.adapter(run.id), names) for names in _ADAPTERS):
            yield Finding(f"The result of the run {run.name} is gone.")
        checkpoints = list((storage.files.run_folder(run.id) / "checkpoint").glob("*.safetensors"))
        if run.status is not RunStatus.FINISHED and not run.status.active and checkpoints and not any(map(_whole, checkpoints)):
            yield Finding(f"No checkpoint of the run {run.name} is whole; it would begin anew.")


def _whole(path: Path) -> bool:
    """Whether a checkpoint is what its name says (see `reft_engine.training.checkpoint`)."""
    name = _CHECKPOINT.fullmatch(path.name)
    try:
        return name is None or hashlib.sha256(path.read_bytes()).hexdigest()[:16] == name[1]
    except OSError:
        return False


def _old(path: Path) -> bool:
    """Whether nothing of it was touched lately."""
    try:
        inside = [Path(folder, name) for folder, names, files in os.walk(path) for name in [*names, *files]]
        return time.time() - max(each.lstat().st_mtime for each in [path, *inside]) > _YOUNG_SECONDS
    except OSError:  # somebody is at work on it
        return False
