"""``reft-studio doctor``, ``backup`` and ``restore``."""

import argparse
from pathlib import Path

from app.cli.output import finish, tell
from app.errors import StudioError


def doctor(options: argparse.Namespace) -> int:
    """Say what this machine can run, and what in the data folder is out of order; 1 when something is left that is."""
    from app.cli import doctor as checks

    values = checks.check_machine()
    for name, value in values.items():
        tell(options, f"{name:16} {', '.join(f'{each} {of}' for each, of in value.items()) if isinstance(value, dict) else value}")
    folder_and_url = _data_folder(options.data_dir)
    try:
        found = checks.check_data_folder(*folder_and_url, mend=options.repair)
    except StudioError as error:
        if options.data_dir or options.repair:
            raise
        tell(options, str(error))
        finish(options, values)
        return 0
    if found["disk"]:
        tell(options, "data folder      " + ", ".join(f"{name} {count / 1e6:,.1f} MB" for name, count in found["disk"].items()))
    for sentence in [*found["done"], *found["findings"]]:
        tell(options, sentence)
    if found["repairable"]:
        tell(options, "`reft-studio doctor --repair` puts right what can be.")
    elif not found["findings"]:
        tell(options, "All is in order.")
    finish(options, {**values, "data": found})
    return 1 if found["findings"] else 0


def backup(options: argparse.Namespace) -> int:
    """Write everything that lasts into one file, while the studio runs."""
    from app.cli import doctor as checks

    storage = checks.open_storage(*_data_folder(options.data_dir))
    try:
        found = checks.backup(storage, options.file)
    finally:
        storage.close()
    tell(options, f"{found.files:,} files, {found.bytes / 1e6:,.1f} MB, written to {options.file}.")
    if not found.database:
        tell(options, "The database is not among them: it is not a file of the studio's. Back it up with its own tool (pg_dump).")
    finish(options, {"file": str(options.file), "files": found.files, "bytes": found.bytes, "database": found.database})
    return 0


def restore(options: argparse.Namespace) -> int:
    """Put a backup into a new data folder."""
    from app.cli import doctor as checks

    found = checks.restore(options.file, options.data_dir)
    tell(options, f"{found.files:,} files put into {options.data_dir}.")
    if not found.database:
        advice = "Put it back with its own tool (pg_restore or psql)."
        tell(options, f"The database is not among them: it was not a file of the studio's. {advice}")
    finish(options, {"data_dir": str(options.data_dir), "files": found.files, "bytes": found.bytes, "database": found.database})
    return 0


def _data_folder(data_dir: Path | None) -> tuple[Path, str | None]:
    """The data folder and the address of its database, as given or set."""
    from app.settings import read_settings

    settings = read_settings(**({"data_dir": data_dir} if data_dir else {}))
    return settings.data_dir, settings.database_url
