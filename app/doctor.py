"""What ``reft-studio doctor``, ``backup`` and ``restore`` do."""

import os
import platform
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from app.errors import StudioError
from storage import Storage, StorageError
from storage.backup import Backup, restore_backup, write_backup
from storage.housekeeping import look, repair, usage


def machine() -> dict[str, Any]:
    """What this machine can run; loads the starter and lets it answer."""
    import torch

    from reft_engine import generate, load_base

    packages = {name: version(name) for name in ("torch", "transformers", "gradio", "sqlalchemy")}
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    answer = generate(load_base("starter"), "Hello!", max_new_tokens=8)[0]
    return {
        "python": platform.python_version(), "device": device, "cores": os.cpu_count(), "memory_gb": round(memory, 1),
        "free_disk_gb": round(shutil.disk_usage(Path.cwd()).free / 1e9, 1), "packages": packages,
        "starter_answers": bool(answer.strip()),
    }  # fmt: skip


def open_storage(data_dir: Path, url: str | None) -> Storage:
    """The storage of a data folder that is there. Raises StudioError, StorageError."""
    if not (data_dir / "studio.db").is_file() and not (url and data_dir.is_dir()):
        raise StudioError(f"There is no data of the studio in {data_dir}; name its folder with --data-dir.")
    return Storage(data_dir, url)


def house(storage: Storage, *, mend: bool) -> dict[str, Any]:
    """Disk use, what is out of order, and what was done about it."""
    found, used = look(storage), usage(storage)
    done = repair(found) if mend else []
    left = look(storage) if mend else found
    return {
        "disk": {"datasets": used.datasets, "runs": used.runs, "bin": used.bin, "other": used.other, "free": used.free},
        "findings": [finding.text for finding in left], "repairable": sum(finding.repair is not None for finding in left), "done": done,
    }  # fmt: skip


def backup(storage: Storage, path: Path) -> Backup:
    """Write a backup. Raises StudioError, StorageError."""
    if path.is_dir():
        raise StudioError(f"{path} is a folder; name a file, such as backup.zip.")
    return write_backup(storage, path)


def restore(path: Path, data_dir: Path) -> Backup:
    """Put a backup into a new folder. Raises StudioError, StorageError."""
    if not path.is_file():
        raise StudioError(f"There is no file {path}.")
    found = restore_backup(path, data_dir)
    if found.database:
        try:
            Storage(data_dir).close()  # of an earlier version: its schema is brought up to date
        except StorageError as error:
            raise StudioError(f"The backup was put back, but: {error}") from error
    return found
