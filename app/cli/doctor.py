"""What ``reft-studio doctor``, ``backup`` and ``restore`` do."""

import os
import platform
import shutil
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from app.errors import StudioError
from app.worker.failures import explain_vanished_worker
from storage import Storage, StorageError
from storage.database import HEAD
from storage.upkeep import Backup, Finding, database_revision, disk_usage, find_problems, repair, restore_backup, write_backup

_OLDER = "The database is of an earlier version of the studio; it is brought up to date when the studio is started."
_NEWER = "The database is of a later version of the studio than this one; install that one."


def check_machine() -> dict[str, Any]:
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
    """The storage of a data folder that is there; one of an earlier version is brought up to date. Raises StudioError, StorageError."""
    _require_data(data_dir, url)
    if _age(data_dir, url) > 0:
        raise StudioError(_NEWER)
    return Storage(data_dir, url)


def _require_data(data_dir: Path, url: str | None) -> None:
    if not (data_dir / "studio.db").is_file() and not (url and data_dir.is_dir()):
        raise StudioError(f"There is no data of the studio in {data_dir}; name its folder with --data-dir.")


def _age(data_dir: Path, url: str | None) -> int:
    """-1 for a database of an earlier version of the studio, 1 for one of a later version."""
    found = database_revision(url or f"sqlite:///{data_dir / 'studio.db'}")
    return 0 if found in (None, HEAD) else 1 if str(found) > HEAD else -1


def check_data_folder(data_dir: Path, url: str | None, *, mend: bool) -> dict[str, Any]:
    """Disk use, what is out of order, and what was done about it. Raises StudioError where there is no data folder."""
    _require_data(data_dir, url)
    done = []
    try:
        if _age(data_dir, url) < 0:
            if not mend:
                return _report([Finding(_OLDER, lambda: "")])
            done.append("Brought the database up to date.")
        storage = open_storage(data_dir, url)
    except (StudioError, StorageError) as error:
        return _report([Finding(str(error))])
    try:
        found = find_problems(storage, explain_vanished_worker)
        done += repair(found) if mend else []
        return {**_report(find_problems(storage, explain_vanished_worker) if mend else found), "disk": _disk(storage), "done": done}
    finally:
        storage.close()


def _report(found: list[Finding]) -> dict[str, Any]:
    repairable = sum(finding.repair is not None for finding in found)
    return {"disk": {}, "findings": [finding.text for finding in found], "repairable": repairable, "done": []}


def _disk(storage: Storage) -> dict[str, int]:
    try:
        return asdict(disk_usage(storage))
    except StorageError:  # which is among the findings
        return {}


def backup(storage: Storage, path: Path) -> Backup:
    """Write a backup. Raises StudioError, StorageError."""
    if path.is_dir():
        raise StudioError(f"{path} is a folder; name a file, such as backup.zip.")
    return write_backup(storage, path)


def restore(path: Path, data_dir: Path) -> Backup:
    """Put a backup into a new folder. Raises StudioError, StorageError."""
    if not path.is_file():
        raise StudioError(f"There is no file {path}.")
    return restore_backup(path, data_dir)
