"""``reft-studio doctor``: describes this machine, and finds and repairs problems of a data folder."""

import argparse
import os
import platform
import shutil
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.folder import data_folder, open_storage, require_data, version_difference
from app.cli.output import finish, tell
from app.errors import StudioError
from app.words import say, say_error

if TYPE_CHECKING:
    from storage import Storage
    from storage.upkeep import Finding


def doctor(options: argparse.Namespace) -> int:
    """Describe this machine and the problems of the data folder; returns 1 if problems remain."""
    values = _machine()
    for name, value in values.items():
        tell(options, f"{name:16} {_shown(value)}")
    try:
        report = _check(*data_folder(options.data_dir), mend=options.repair)
    except StudioError as error:
        if options.data_dir or options.repair:
            raise
        tell(options, say_error(error))
        finish(options, values)
        return 0
    if report["disk"]:
        sizes = ", ".join(say("cli.doctor.size", name=name, count=size / 1e6) for name, size in report["disk"].items())
        tell(options, say("cli.doctor.disk", sizes=sizes))
    for sentence in [*report["done"], *report["findings"]]:
        tell(options, sentence)
    if report["repairable"]:
        tell(options, say("cli.doctor.repair"))
    elif not report["findings"]:
        tell(options, say("cli.doctor.in_order"))
    finish(options, {**values, "data": report})
    return 1 if report["findings"] else 0


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(map(" ".join, value.items()))
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _machine() -> dict[str, Any]:
    """Describe this machine; loads the starter and generates an answer."""
    import torch

    from reft_engine import available_precisions, generate, load_base, suited_precision
    from reft_engine.base import default_device

    packages = {name: version(name) for name in ("torch", "transformers", "gradio", "sqlalchemy")}
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    answer = generate(load_base("starter"), "Hello!", max_new_tokens=8)[0]
    return {
        "python": platform.python_version(), "device": device, "cores": os.cpu_count(), "memory_gb": round(memory, 1),
        "precisions": available_precisions(), "precision": suited_precision(default_device()),
        "free_disk_gb": round(shutil.disk_usage(Path.cwd()).free / 1e9, 1), "packages": packages,
        "starter_answers": bool(answer.strip()),
    }  # fmt: skip


def _check(data_dir: Path, url: str | None, *, mend: bool) -> dict[str, Any]:
    """Report disk usage, problems and repairs. Raises StudioError if there is no data folder."""
    from storage import StorageError
    from storage.upkeep import Finding, repair

    require_data(data_dir, url)
    repairs = []
    try:
        if version_difference(data_dir, url) < 0:
            if not mend:
                return _report([Finding(say("cli.doctor.older"), lambda: "")])
            repairs.append(say("cli.doctor.upgraded"))
        storage = open_storage(data_dir, url)
    except (StudioError, StorageError) as error:
        return _report([Finding(say_error(error))])
    try:
        findings = problems_of(storage)
        repairs += repair(findings) if mend else []
        return {**_report(problems_of(storage) if mend else findings), "disk": _disk(storage), "done": repairs}
    finally:
        storage.close()


def problems_of(storage: "Storage") -> "list[Finding]":
    """The problems of a data folder, with the engine's checks of the files that training writes."""
    from app.worker.failures import explain_vanished_worker
    from reft_engine.formats import is_complete
    from reft_engine.training import damaged_steps, is_damaged
    from storage.upkeep import FileChecks, find_problems

    return find_problems(storage, explain_vanished_worker, FileChecks(is_complete, is_damaged, damaged_steps))


def _report(findings: "list[Finding]") -> dict[str, Any]:
    repairable = sum(finding.repair is not None for finding in findings)
    return {"disk": {}, "findings": [finding.text for finding in findings], "repairable": repairable, "done": []}


def _disk(storage: "Storage") -> dict[str, int]:
    from storage import StorageError
    from storage.upkeep import disk_usage

    try:
        return asdict(disk_usage(storage))
    except StorageError:  # reported among the findings
        return {}
