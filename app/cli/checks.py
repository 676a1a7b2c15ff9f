"""What the commands doctor, backup and restore look at and do: this machine, and the data folder."""

import os
import platform
import shutil
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from app.errors import StudioError
from app.words import say, say_error
from app.worker.failures import explain_vanished_worker
from storage import Storage, StorageError
from storage.database import HEAD
from storage.upkeep import Backup, Finding, database_revision, disk_usage, find_problems, repair, restore_backup, write_backup


def check_machine() -> dict[str, Any]:
    """Describe this machine; loads the starter and generates an answer."""
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
    """Open an existing data folder; one of an earlier version is upgraded. Raises StudioError, StorageError."""
    _require_data(data_dir, url)
    if _age(data_dir, url) > 0:
        raise StudioError(say("cli.doctor.newer"))
    return Storage(data_dir, url)


def _require_data(data_dir: Path, url: str | None) -> None:
    if not (data_dir / "studio.db").is_file() and not (url and data_dir.is_dir()):
        raise StudioError(say("cli.doctor.no_data", folder=data_dir))


def _age(data_dir: Path, url: str | None) -> int:
    """-1 for a database of an earlier version of the studio, 1 for one of a later version."""
    revision = database_revision(url or f"sqlite:///{data_dir / 'studio.db'}")
    return 0 if revision in (None, HEAD) else 1 if str(revision) > HEAD else -1


def check_data_folder(data_dir: Path, url: str | None, *, mend: bool) -> dict[str, Any]:
    """Report disk usage, problems and repairs. Raises StudioError if there is no data folder."""
    _require_data(data_dir, url)
    repairs = []
    try:
        if _age(data_dir, url) < 0:
            if not mend:
                return _report([Finding(say("cli.doctor.older"), lambda: "")])
            repairs.append(say("cli.doctor.upgraded"))
        storage = open_storage(data_dir, url)
    except (StudioError, StorageError) as error:
        return _report([Finding(say_error(error))])
    try:
        findings = find_problems(storage, explain_vanished_worker)
        repairs += repair(findings) if mend else []
        return {**_report(find_problems(storage, explain_vanished_worker) if mend else findings), "disk": _disk(storage), "done": repairs}
    finally:
        storage.close()


def _report(findings: list[Finding]) -> dict[str, Any]:
    repairable = sum(finding.repair is not None for finding in findings)
    return {"disk": {}, "findings": [finding.text for finding in findings], "repairable": repairable, "done": []}


def _disk(storage: Storage) -> dict[str, int]:
    try:
        return asdict(disk_usage(storage))
    except StorageError:  # reported among the findings
        return {}


def backup(storage: Storage, path: Path) -> Backup:
    """Write a backup. Raises StudioError, StorageError."""
    if path.is_dir():
        raise StudioError(say("cli.backup.folder", path=path))
    return write_backup(storage, path)


def restore(path: Path, data_dir: Path) -> Backup:
    """Restore a backup into a new folder. Raises StudioError, StorageError."""
    if not path.is_file():
        raise StudioError(say("cli.no_file", path=path))
    return restore_backup(path, data_dir)
