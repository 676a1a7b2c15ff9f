"""Paths of all files, atomic writes, and file locks.

The program names every file itself; the name that a person gave is only a label in the database. `write_atomic` is a verbatim copy of
`reft_engine.formats.atomic`, because neither package may import the other; a test compares the two.
"""

import fcntl
import hashlib
import io
import os
import shutil
import tempfile
import zipfile
from contextlib import suppress
from copy import copy
from pathlib import Path
from secrets import token_hex

from storage.errors import NotFoundError
from storage.records import DatasetVersionRecord

_WRITING = ".writing-"


class Files:
    """Paths under one data folder."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._uploads = "uploads"
        for name in ("uploads", "datasets", "runs", "workers"):
            (self.root / name).mkdir(parents=True, exist_ok=True)

    def seen_by(self, owner: str) -> "Files":
        """The same folder with uploads of one owner's own; those of the one person of a studio without people lie in the folder of all."""
        seen = copy(self)
        if owner:
            seen._uploads = f"uploads/of-{hashlib.sha256(owner.encode()).hexdigest()[:32]}"
            seen.uploads.mkdir(parents=True, exist_ok=True)
        return seen

    @property
    def uploads(self) -> Path:
        """Folder of uploaded files that are not saved as datasets yet."""
        return self.root / self._uploads

    @property
    def socket(self) -> Path:
        """Path of the worker's Unix socket; in the temporary folder if the data folder's path is too long for a socket."""
        path = self.root / "worker.sock"
        if len(str(path)) < 100:
            return path
        return Path(tempfile.gettempdir()) / f"reft-{hashlib.sha256(str(path).encode()).hexdigest()[:16]}.sock"

    def worker_lock(self, worker: str) -> Path:
        """The file that a worker keeps locked while it is alive."""
        if not worker.isalnum():
            raise NotFoundError("There is nothing with this id.", kind="files.id")
        return self.root / "workers" / f"{worker}.lock"

    @property
    def worker_log(self) -> Path:
        """The worker's standard output and error."""
        return self.root / "worker.log"

    def dataset_folder(self, dataset_id: str) -> Path:
        """Folder of a dataset."""
        return self._inside("datasets", dataset_id)

    def rows(self, version: DatasetVersionRecord) -> Path:
        """The rows of a version, as normalised examples (JSON Lines)."""
        return self.dataset_folder(version.dataset_id) / version.rows_file

    def source(self, version: DatasetVersionRecord) -> Path | None:
        """The file that the rows of a version were read from; None if they were read from no file."""
        return self.dataset_folder(version.dataset_id) / version.source_file if version.source_file else None

    def run_folder(self, run_id: str) -> Path:
        """Folder of a run: settings, checkpoints, kept steps, adapter, log."""
        return self._inside("runs", run_id)

    def adapter(self, run_id: str) -> Path:
        """The adapter folder of a run."""
        return self.run_folder(run_id) / "adapter"

    def checkpoint(self, run_id: str) -> Path:
        """The folder of a run's checkpoints, from which it is resumed."""
        return self.run_folder(run_id) / "checkpoint"

    def steps(self, run_id: str) -> Path:
        """The folder of what a run had learned at earlier steps."""
        return self.run_folder(run_id) / "steps"

    def start(self, run_id: str) -> Path:
        """The edit that a run begins with, if it continues another one: a copy of its adapter folder."""
        return self.run_folder(run_id) / "start"

    def spec(self, run_id: str) -> Path:
        """The settings of a run, as it was trained with them."""
        return self.run_folder(run_id) / "run.yaml"

    def predictions(self, run_id: str) -> Path:
        """The answers of base and tuned model to the held-out rows of a run, once they were asked for."""
        return self.run_folder(run_id) / "predictions.jsonl"

    def log(self, run_id: str) -> Path:
        """The log of a run."""
        return self.run_folder(run_id) / "log.txt"

    def zip_adapter(self, run_id: str) -> bytes:
        """The adapter folder as a zip file."""
        folder = self.adapter(run_id)
        paths = sorted(path for path in folder.glob("*") if path.is_file() and not path.name.startswith("."))
        if not paths:
            raise NotFoundError("This run has no finished adapter to download.", kind="files.no_adapter")
        buffer = io.BytesIO()
        try:
            with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
                for path in paths:
                    archive.write(path, path.name)
        except FileNotFoundError as error:
            raise NotFoundError("This run was removed while its download was packed.", kind="files.removed") from error
        return buffer.getvalue()

    def _inside(self, kind: str, name: str) -> Path:
        if not name.isalnum():
            raise NotFoundError("There is nothing with this id.", kind="files.id")
        return self.root / kind / name


def temporary_path(folder: Path) -> Path:
    """A path in a folder for a file that is being written; whoever finds it later may remove it."""
    return folder / f"{_WRITING}{token_hex(8)}"


def digest_of(path: Path) -> str:
    """The sha256 of a file, read in pieces. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_locked(path: Path) -> bool:
    """Whether another process holds the lock on a file. Raises OSError if the file cannot be opened."""
    with path.open("r") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def write_atomic(path: Path, data: bytes) -> None:
    """Write to a temporary file in the same folder, flush it, rename it, and flush the folder. Raises OSError.

    The file's mode is rw-rw-rw- less the umask, as for any new file.
    """
    new_folders = _make_folder(path.parent)
    temporary = path.with_name(f"{_WRITING}{token_hex(8)}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    for folder in (path.parent, *(new_folder.parent for new_folder in new_folders)):
        flush_folder(folder)


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder to disk; does nothing on file systems that cannot flush folders."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _make_folder(folder: Path) -> list[Path]:
    """Create a folder and its parents; returns the created ones, innermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def remove_tree(folder: Path) -> None:
    """Remove a folder. It is renamed first, so that a partly removed folder is never mistaken for a complete one."""
    if folder.exists():
        renamed = folder.with_name(f".removed-{folder.name}")
        folder.rename(renamed)
        shutil.rmtree(renamed, ignore_errors=True)


def entry_size(entry: "os.DirEntry[str]") -> int:
    """Bytes of a file, or of everything in a folder. Links are not followed; an entry that vanishes meanwhile counts as 0."""
    with suppress(OSError):
        return folder_size(entry.path) if entry.is_dir(follow_symlinks=False) else entry.stat(follow_symlinks=False).st_size
    return 0


def folder_size(folder: str | Path) -> int:
    """Bytes of everything in a folder, as `entry_size`."""
    with suppress(OSError), os.scandir(folder) as entries:
        return sum(map(entry_size, entries))
    return 0
