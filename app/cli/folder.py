"""The data folder that a command works on, and its database."""

from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import StudioError
from app.words import say

if TYPE_CHECKING:
    from storage import Storage


def data_folder(data_dir: Path | None) -> tuple[Path, str | None]:
    """The data folder and the URL of its database, from the flag or the environment."""
    from app.settings import read_settings

    settings = read_settings(**({"data_dir": data_dir} if data_dir else {}))
    return settings.data_dir, settings.database_url


def open_storage(data_dir: Path, url: str | None) -> "Storage":
    """Open an existing data folder; one of an earlier version is upgraded. Raises StudioError, StorageError."""
    from storage import Storage

    require_data(data_dir, url)
    if version_difference(data_dir, url) > 0:
        raise StudioError(say("cli.doctor.newer"))
    return Storage(data_dir, url)


def require_data(data_dir: Path, url: str | None) -> None:
    """Raises StudioError if there is no data folder."""
    if not (data_dir / "studio.db").is_file() and not (url and data_dir.is_dir()):
        raise StudioError(say("cli.doctor.no_data", folder=data_dir))


def version_difference(data_dir: Path, url: str | None) -> int:
    """-1 for a database of an earlier version of the studio, 1 for one of a later version. Raises StorageError."""
    from storage.database import HEAD
    from storage.upkeep import database_revision

    revision = database_revision(url or f"sqlite:///{data_dir / 'studio.db'}")
    return 0 if revision in (None, HEAD) else 1 if str(revision) > HEAD else -1
