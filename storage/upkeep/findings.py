"""Problems of a data folder and their repair. A repair never destroys data that a person might miss."""

import json
import logging
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from sqlalchemy import create_engine, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError

from storage.errors import StorageError, damaged_database, reason_of
from storage.files import digest_of, is_locked, remove_tree
from storage.records import DatasetVersionRecord, Failure, RunRecord, RunStatus
from storage.store import Storage
from storage.tables import Chat, Dataset, Run, Worker
from storage.upkeep.usage import LOG_FILE

_log = logging.getLogger("reft_studio.house")
_IN_PROGRESS_SECONDS = 600.0
"""A file that changed more recently may belong to work in progress."""
_TEMPORARY = (".writing-", ".removed-", ".restoring-")
_IDS_AT_ONCE = 500
"""Ids in one query."""
_DOCUMENTS_AT_ONCE = 10
"""Documents of conversations in memory."""
_MAX_LOG_BYTES, _SHORTENED_LOG_BYTES = 50_000_000, 1_000_000
_VANISHED = Failure("bug", "The engine went away in the middle of the run.")


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem, as a sentence; ``repair``, if any, fixes it and returns a sentence about what it did."""

    text: str
    repair: Callable[[], str] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class FileChecks:
    """Checks of files whose formats storage does not know; the app passes those of the engine.

    Attributes:
        is_complete: whether an adapter folder holds what a loader needs.
        is_damaged: whether a checkpoint folder holds checkpoints, but none is intact.
        damaged_steps: the steps in a folder of kept steps whose files cannot be read.
    """

    is_complete: Callable[[Path], bool] = lambda folder: folder.is_dir() and any(folder.iterdir())
    is_damaged: Callable[[Path], bool] = lambda _: False
    damaged_steps: Callable[[Path], list[int]] = lambda _: []


def database_revision(url: str) -> str | None:
    """The schema revision of a database, without upgrading it; None for an empty database. Raises StorageError."""
    try:
        engine = create_engine(url)
        try:
            with engine.connect() as connection:
                has_revision = inspect(connection).has_table("alembic_version")
                return connection.scalar(text("SELECT version_num FROM alembic_version")) if has_revision else None
        finally:
            engine.dispose()
    except (SQLAlchemyError, ImportError, ValueError) as error:
        raise StorageError("The database cannot be opened: {reason}.", kind="database.not_opened", reason=reason_of(error)) from error


def _explain_vanished(_run: RunRecord) -> Failure:
    return _VANISHED


def find_problems(
    storage: Storage, explain: Callable[[RunRecord], Failure] = _explain_vanished, files: FileChecks | None = None
) -> list[Finding]:
    """Check the database and the data folder.

    Args:
        storage: the storage to check.
        explain: the failure of a dead worker's run, if the run fails because of it.
        files: checks of the files that training writes; by default only whether there is a result at all.
    """
    lost = _losses(storage, files or FileChecks())
    strays = [_strays(storage), _stray_files(storage)]
    return _collect(
        [_check_database(storage), *_leftovers(storage), _dead_workers(storage, explain), *strays, lost, _damaged_chats(storage)]
    )


def _leftovers(storage: Storage) -> list[Iterator[Finding]]:
    """Checks whose repair needs no person's consent."""
    return [_temporary_files(storage), _stale_locks(storage), _long_logs(storage), _spent_checkpoints(storage)]


def _collect(checks: list[Iterator[Finding]]) -> list[Finding]:
    """Run all checks; a check that fails becomes a finding, and the others still run."""
    findings: list[Finding] = []
    for check in checks:
        try:
            findings += check
        except (SQLAlchemyError, ValueError, TypeError) as error:  # raised by queries of, and values from, a damaged database
            failed_check = Finding(str(damaged_database(reason_of(error))))
        except StorageError as error:
            failed_check = Finding(str(error))
        except OSError as error:
            failed_check = Finding(f"Part of the data folder cannot be read: {error.strerror or error}.")
        else:
            continue
        findings += [failed_check] if failed_check not in findings else []
    return findings


def repair(findings: list[Finding]) -> list[str]:
    """Repair the findings that can be repaired; returns a sentence for each, also for a repair that failed."""
    outcomes = []
    for finding in findings:
        if finding.repair is None:
            continue
        try:
            outcomes.append(finding.repair())
        except (OSError, StorageError) as error:
            outcomes.append(f"{finding.text} That could not be put right: {str(error).rstrip('.')}.")
    return outcomes


def clean_up(storage: Storage, bin_days: int) -> list[str]:
    """Remove leftovers of interrupted writes, and what lies in the bin for ``bin_days``; the server calls it at its start and periodically.

    It leaves runs of dead workers to the living ones, which know what happened, and folders without a row to a person: with the
    wrong database, every folder would be one.
    """
    outcomes = repair(_collect(_leftovers(storage)))
    try:
        removed = storage.runs.empty_bin(timedelta(days=bin_days))
        outcomes += [f"Removed run {run_id}, which was in the bin for {bin_days} days." for run_id in removed]
        removed = storage.datasets.empty_bin(timedelta(days=bin_days))  # after the runs, which may be what refers to them
        outcomes += [f"Removed dataset {dataset_id}, which was in the bin for {bin_days} days." for dataset_id in removed]
        removed = storage.chats.empty_bin(timedelta(days=bin_days))
        outcomes += [f"Removed conversation {chat_id}, which was in the bin for {bin_days} days." for chat_id in removed]
        if votes := storage.votes.empty_bin(timedelta(days=bin_days)):
            outcomes.append(f"Removed votes that were cleared {bin_days} days ago or earlier: {votes:,}.")
    except (OSError, StorageError, SQLAlchemyError) as error:
        outcomes.append(f"The bin could not be emptied: {reason_of(error).rstrip('.')}.")
    for sentence in outcomes:
        _log.info("%s", sentence)
    return outcomes


def _check_database(storage: Storage) -> Iterator[Finding]:
    if storage.database.engine.dialect.name != "sqlite":
        return
    with storage.database.reading() as session:
        for (message,) in session.execute(text("PRAGMA integrity_check(1)")):
            if message != "ok":
                yield Finding(str(damaged_database(" ".join(str(message).split())[:200])))
        orphans = Counter((row[0], row[2]) for row in session.execute(text("PRAGMA foreign_key_check")))
        for (table, parent), count in orphans.items():
            yield Finding(f"{count:,} rows of {table} in the database belong to no row of {parent}.")


def _walk(storage: Storage) -> Iterator[Path]:
    """The entries of the data folder, and everything below datasets and runs except the contents of temporary folders."""
    root = storage.files.root
    yield from root.iterdir()
    for kind in ("datasets", "runs"):
        for folder, names, files in os.walk(root / kind):
            yield from (Path(folder, name) for name in [*names, *files])
            names[:] = [name for name in names if not name.startswith(_TEMPORARY)]


def _temporary_files(storage: Storage) -> Iterator[Finding]:
    """Temporary files and folders of writes and removals that were killed."""
    for path in _walk(storage):
        if path.name.startswith(_TEMPORARY) and _is_unused(path):
            where = path.relative_to(storage.files.root)
            yield Finding(f"{where} was left half-done.", lambda path=path: _remove(path))  # type: ignore[misc]


def _remove(path: Path) -> str:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    return f"Removed {path.name}, which was left half-done."


def _stale_locks(storage: Storage) -> Iterator[Finding]:
    """Lock files of workers that were killed before they were registered."""
    with storage.database.reading() as session:
        registered = set(session.scalars(select(Worker.id)))
    for path in (storage.files.root / "workers").glob("*.lock"):
        if path.stem not in registered and _is_unused(path) and not _is_held(path):
            yield Finding(f"The lock {path.name} is nobody's.", lambda path=path: _remove_lock(path))  # type: ignore[misc]


def _is_held(path: Path) -> bool:
    try:
        return is_locked(path)
    except FileNotFoundError:
        return False


def _remove_lock(path: Path) -> str:
    path.unlink(missing_ok=True)
    return f"Removed {path.name}, a lock of nobody's."


def _long_logs(storage: Storage) -> Iterator[Finding]:
    """Logs that grew faster than they are rotated."""
    for path in _walk(storage):
        with suppress(FileNotFoundError):
            if LOG_FILE.fullmatch(path.name) and path.lstat().st_size > _MAX_LOG_BYTES and path.is_file() and not path.is_symlink():
                where = path.relative_to(storage.files.root)
                yield Finding(f"The log {where} is very long.", lambda path=path: _shorten(path))  # type: ignore[misc]


def _spent_checkpoints(storage: Storage) -> Iterator[Finding]:
    """Checkpoints of finished runs, which are never resumed; earlier studios kept them."""
    kept = [folder.parent.name for folder in (storage.files.root / "runs").glob("*/checkpoint")]
    for start in range(0, len(kept), _IDS_AT_ONCE):
        for run in storage.runs.some(kept[start : start + _IDS_AT_ONCE]):
            if run.status is RunStatus.FINISHED:
                yield Finding(
                    f"The run {run.name} has finished and still has its checkpoints.",
                    lambda run=run: _drop_checkpoints(storage, run),  # type: ignore[misc]
                )  # fmt: skip


def _drop_checkpoints(storage: Storage, run: RunRecord) -> str:
    remove_tree(storage.files.checkpoint(run.id))
    return f"Removed the checkpoints of the run {run.name}, which has finished."


def _shorten(path: Path) -> str:
    """Shorten a log in place, because its writer has the file open and appends to it."""
    with path.open("r+b") as file:
        file.seek(-_SHORTENED_LOG_BYTES, os.SEEK_END)
        last_lines = file.read(_SHORTENED_LOG_BYTES).partition(b"\n")[2]
        file.seek(0)
        file.write(last_lines)
        file.truncate()
    return f"Shortened the log {path.name} to its last lines."


def _dead_workers(storage: Storage, explain: Callable[[RunRecord], Failure]) -> Iterator[Finding]:
    for worker in storage.workers.dead():
        yield Finding(f"The worker {worker[:40]} is gone without a word.", lambda: _reclaim(storage, explain))


def _reclaim(storage: Storage, explain: Callable[[RunRecord], Failure]) -> str:
    names = ", ".join(run.name for run in storage.reclaim(explain)) or "none"
    return f"Forgot workers that are gone; runs that wait again: {names}."


def _strays(storage: Storage) -> Iterator[Finding]:
    """Folders without a row in the database."""
    with storage.database.reading() as session:
        known = {"runs": set(session.scalars(select(Run.id))), "datasets": set(session.scalars(select(Dataset.id)))}
    folders = [
        path
        for kind, ids in known.items()
        for path in (storage.files.root / kind).iterdir()
        if path.name not in ids and not path.name.startswith(".") and _is_unused(path)
    ]
    if folders and not any(known.values()):
        yield Finding(
            f"The database knows no dataset and no run, but {len(folders):,} folders lie here: it may be another one than theirs."
        )
        return
    for path in folders:
        sentence = f"The folder {path.parent.name}/{path.name} belongs to nothing in the database."
        yield Finding(sentence, lambda path=path: _set_aside(storage, path))  # type: ignore[misc]


def _stray_files(storage: Storage) -> Iterator[Finding]:
    """Files in the folders of datasets that no version names: of a version whose row was not written any more, or a person's."""
    # First what lies there, then what is known: a version that is added in between is known.
    found = [path for folder in (storage.files.root / "datasets").iterdir() if folder.is_dir() for path in _entries(folder)]
    known: dict[str, set[str]] = {}
    for version in _versions(storage):
        names = known.setdefault(version.dataset_id, set())
        names.update(name for name in (version.rows_file, version.source_file) if name)
    for path in found:
        names = known.get(path.parent.name, {path.name})  # a folder without a dataset is a finding of its own
        if path.name not in names and not path.name.startswith(_TEMPORARY) and _is_unused(path):
            sentence = f"The file {path.relative_to(storage.files.root)} belongs to no version of its dataset."
            yield Finding(sentence, lambda path=path: _set_aside(storage, path))  # type: ignore[misc]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:  # another process is removing it
        return []


def _versions(storage: Storage) -> list[DatasetVersionRecord]:
    """The versions of all datasets, in the bin or not."""
    datasets = [*storage.datasets.all(), *storage.datasets.binned()]
    return [version for dataset in datasets for version in storage.datasets.versions(dataset.id)]


def _set_aside(storage: Storage, path: Path) -> str:
    lost = storage.files.root / "lost"
    lost.mkdir(exist_ok=True)
    where = path.relative_to(storage.files.root)
    target = lost / f"{'-'.join(where.parts)}-{time.time_ns()}"
    path.rename(target)
    return f"Moved {where} to lost/{target.name}."


def _losses(storage: Storage, files: FileChecks) -> Iterator[Finding]:
    """Rows whose files are missing or damaged."""
    for dataset in [*storage.datasets.all(), *storage.datasets.binned()]:
        for version in storage.datasets.versions(dataset.id):
            if problem := _problem_of_rows(storage.files.rows(version), version.digest):
                yield Finding(f"The rows of version {version.number} of the dataset {dataset.name} {problem}.")
    for run in [*storage.runs.all(), *storage.runs.binned()]:
        # A run that was stopped while it waited, or before its first step, has no result.
        has_result = run.status is RunStatus.FINISHED or (run.status is RunStatus.STOPPED and run.step and run.summary)
        if has_result and not files.is_complete(storage.files.adapter(run.id)):
            yield Finding(f"The result of the run {run.name} is gone.")
        resumable = run.status is not RunStatus.FINISHED and not run.status.active
        if resumable and files.is_damaged(storage.files.checkpoint(run.id)):
            yield Finding(f"No checkpoint of the run {run.name} is whole; it would begin anew.")
        for step in files.damaged_steps(storage.files.steps(run.id)):
            yield Finding(f"What the run {run.name} had learned at step {step:,} cannot be read any more; its result can.")


def _damaged_chats(storage: Storage) -> Iterator[Finding]:
    """Conversations whose documents are no JSON, or not of the size that was written."""
    with storage.database.reading() as session:
        chats = session.execute(select(Chat.name, Chat.size_bytes, Chat.document).execution_options(yield_per=_DOCUMENTS_AT_ONCE))
        for name, size, document in chats:
            if len(document.encode()) != size or not _is_json(document):
                yield Finding(f"The conversation {name} cannot be read any more.")


def _is_json(document: str) -> bool:
    try:
        json.loads(document)
    except (ValueError, RecursionError):
        return False
    return True


def _problem_of_rows(path: Path, digest: str | None) -> str:
    """What is wrong with the file of a version's rows; empty for nothing. Without a digest only a missing file is noticed."""
    try:
        if not path.is_file():
            return "are gone"
        return "were altered" if digest and digest_of(path) != digest else ""
    except OSError as error:
        return f"cannot be read: {reason_of(error)}"


def _is_unused(path: Path) -> bool:
    """Whether neither the path nor anything below it has changed recently."""
    try:
        contents = [Path(folder, name) for folder, names, files in os.walk(path) for name in [*names, *files]]
        return time.time() - max(entry.lstat().st_mtime for entry in [path, *contents]) > _IN_PROGRESS_SECONDS
    except OSError:  # another process is changing it
        return False
