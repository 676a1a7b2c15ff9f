"""Where files lie, and writing them so that nothing half-written is ever taken for whole.

The program names every file itself; what a person called it is a label in the database. `write_atomic` is word for word that
of `reft_engine.formats.atomic`: neither of the two may know the other, and a test holds them together.
"""

import hashlib
import io
import os
import shutil
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from storage.errors import NotFoundError

_WRITING = ".writing-"


class Files:
    """Paths under one data folder."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        for name in ("uploads", "datasets", "runs", "workers"):
            (self.root / name).mkdir(parents=True, exist_ok=True)

    @property
    def uploads(self) -> Path:
        """Where files lie that are being looked at, until a dataset is made of them."""
        return self.root / "uploads"

    @property
    def socket(self) -> Path:
        """Where the worker listens; somewhere shorter when the folder's path is too long for a Unix socket."""
        path = self.root / "worker.sock"
        if len(str(path)) < 100:
            return path
        return Path(tempfile.gettempdir()) / f"reft-{hashlib.sha256(str(path).encode()).hexdigest()[:16]}.sock"

    def worker_lock(self, worker: str) -> Path:
        """The file whose lock a worker holds while it lives."""
        if not worker.isalnum():
            raise NotFoundError("There is nothing with this id.")
        return self.root / "workers" / f"{worker}.lock"

    @property
    def worker_log(self) -> Path:
        """What the worker prints."""
        return self.root / "worker.log"

    def dataset_folder(self, dataset_id: str) -> Path:
        """Folder of a dataset."""
        return self._inside("datasets", dataset_id)

    def examples(self, dataset_id: str) -> Path:
        """The dataset's rows, normalised, JSON Lines."""
        return self.dataset_folder(dataset_id) / "examples.jsonl"

    def run_folder(self, run_id: str) -> Path:
        """Folder of a run: settings, checkpoint, adapter, log."""
        return self._inside("runs", run_id)

    def adapter(self, run_id: str) -> Path:
        """The adapter folder of a run."""
        return self.run_folder(run_id) / "adapter"

    def spec(self, run_id: str) -> Path:
        """The settings of a run, as it was trained with them."""
        return self.run_folder(run_id) / "run.yaml"

    def log(self, run_id: str) -> Path:
        """The log of a run."""
        return self.run_folder(run_id) / "log.txt"

    def zip_adapter(self, run_id: str) -> bytes:
        """The adapter folder as a zip file."""
        folder = self.adapter(run_id)
        names = sorted(path for path in folder.glob("*") if path.is_file() and not path.name.startswith("."))
        if not names:
            raise NotFoundError("This run has no finished adapter to download.")
        buffer = io.BytesIO()
        try:
            with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
                for path in names:
                    archive.write(path, path.name)
        except FileNotFoundError as error:
            raise NotFoundError("This run was removed while its download was packed.") from error
        return buffer.getvalue()

    def _inside(self, kind: str, name: str) -> Path:
        if not name.isalnum():
            raise NotFoundError("There is nothing with this id.")
        return self.root / kind / name


def write_atomic(path: Path, data: bytes) -> None:
    """Write to a temporary name beside the target, flush to disk, rename, and flush the folder. Raises OSError.

    The file's mode is what the umask leaves of rw-rw-rw-, as of any file that a program makes.
    """
    made = _make_folder(path.parent)
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
    for folder in (path.parent, *(each.parent for each in made)):
        flush_folder(folder)


def flush_folder(folder: Path) -> None:
    """Make the names in a folder last; where folders cannot be flushed the file system does without."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _make_folder(folder: Path) -> list[Path]:
    """Make a folder with those above it; those that were not there, the innermost first."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def remove_tree(folder: Path) -> None:
    """Remove a folder: renamed first, so that a half-removed one is never taken for whole."""
    if folder.exists():
        gone = folder.with_name(f".removed-{folder.name}")
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
