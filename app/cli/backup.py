"""``reft-studio backup`` and ``restore``: all persistent data in one file, and back in a new data folder."""

import argparse

from app.cli.folder import data_folder, open_storage
from app.cli.output import finish, tell
from app.errors import StudioError
from app.words import say


def backup(options: argparse.Namespace) -> int:
    """Write all persistent data into one file, while the studio runs."""
    from storage.upkeep import write_backup

    storage = open_storage(*data_folder(options.data_dir))
    try:
        if options.file.is_dir():
            raise StudioError(say("cli.backup.folder", path=options.file))
        contents = write_backup(storage, options.file)
    finally:
        storage.close()
    tell(options, say("cli.backup.written", files=contents.files, size=contents.bytes / 1e6, path=options.file))
    if not contents.database:
        tell(options, say("cli.backup.no_database"))
    finish(options, {"file": str(options.file), "files": contents.files, "bytes": contents.bytes, "database": contents.database})
    return 0


def restore(options: argparse.Namespace) -> int:
    """Restore a backup into a new data folder."""
    from storage.upkeep import restore_backup

    if not options.file.is_file():
        raise StudioError(say("cli.no_file", path=options.file))
    contents = restore_backup(options.file, options.data_dir)
    tell(options, say("cli.restore.files", files=contents.files, folder=options.data_dir))
    if not contents.database:
        tell(options, say("cli.restore.no_database"))
    finish(options, {"data_dir": str(options.data_dir), "files": contents.files, "bytes": contents.bytes, "database": contents.database})
    return 0
