"""``reft-studio doctor``, ``backup`` and ``restore``."""

import argparse
from pathlib import Path

from app.cli.output import finish, tell
from app.errors import StudioError
from app.words import say, say_error


def doctor(options: argparse.Namespace) -> int:
    """Describe this machine and the problems of the data folder; returns 1 if problems remain."""
    from app.cli import checks

    values = checks.check_machine()
    for name, value in values.items():
        tell(options, f"{name:16} {', '.join(map(' '.join, value.items())) if isinstance(value, dict) else value}")
    folder_and_url = _data_folder(options.data_dir)
    try:
        report = checks.check_data_folder(*folder_and_url, mend=options.repair)
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


def backup(options: argparse.Namespace) -> int:
    """Write all persistent data into one file, while the studio runs."""
    from app.cli import checks

    storage = checks.open_storage(*_data_folder(options.data_dir))
    try:
        contents = checks.backup(storage, options.file)
    finally:
        storage.close()
    tell(options, say("cli.backup.written", files=contents.files, size=contents.bytes / 1e6, path=options.file))
    if not contents.database:
        tell(options, say("cli.backup.no_database"))
    finish(options, {"file": str(options.file), "files": contents.files, "bytes": contents.bytes, "database": contents.database})
    return 0


def restore(options: argparse.Namespace) -> int:
    """Restore a backup into a new data folder."""
    from app.cli import checks

    contents = checks.restore(options.file, options.data_dir)
    tell(options, say("cli.restore.files", files=contents.files, folder=options.data_dir))
    if not contents.database:
        tell(options, say("cli.restore.no_database"))
    finish(options, {"data_dir": str(options.data_dir), "files": contents.files, "bytes": contents.bytes, "database": contents.database})
    return 0


def _data_folder(data_dir: Path | None) -> tuple[Path, str | None]:
    """The data folder and the URL of its database, from the flag or the environment."""
    from app.settings import read_settings

    settings = read_settings(**({"data_dir": data_dir} if data_dir else {}))
    return settings.data_dir, settings.database_url
