"""The Hub's cache on this machine: which models are in it, how large they are, and how one is deleted."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from app.bases.facts import weight_files

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
PART = ".reft-part"
"""The end of the name of a file that is only partly here; see `hub.fetch_base`."""


@dataclass(frozen=True, slots=True)
class Cached:
    """A model in the cache: the folder of its newest complete files, if there are any, and the bytes that all its files take."""

    name: str
    folder: Path | None
    bytes: int
    partial: int = 0
    """Bytes of files that are only partly here."""


def cache_folder() -> Path:
    """The folder of the Hub's cache, as its library knows it."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def cached_models(cache: Path | None = None) -> list[Cached]:
    """The models in the cache, by their names."""
    folders = sorted((cache or cache_folder()).glob("models--*--*"))
    return [_cached(_name(folder), folder) for folder in folders if _NAME.fullmatch(_name(folder))]


def find_cached(name: str, cache: Path | None = None) -> Cached | None:
    """A model of the cache by its name; None if nothing of it is here."""
    folder = _folder(name, cache)
    return _cached(name, folder) if folder is not None and folder.is_dir() else None


def delete_cached(name: str, cache: Path | None = None) -> int:
    """Delete all that the cache has of a model; the bytes that this frees. Raises OSError."""
    folder = _folder(name, cache)
    if folder is None or not folder.is_dir():
        return 0
    size = _cached(name, folder).bytes
    shutil.rmtree(folder)
    shutil.rmtree(folder.parent / ".locks" / folder.name, ignore_errors=True)
    return size


def repository_folder(name: str, cache: Path | None = None) -> Path:
    """Where the cache keeps a model. Raises ValueError for what is no Hub id."""
    folder = _folder(name, cache)
    if folder is None:
        raise ValueError(name)
    return folder


def _folder(name: str, cache: Path | None) -> Path | None:
    if not _NAME.fullmatch(name) or ".." in name or "--" in name:
        return None
    return (cache or cache_folder()) / f"models--{name.replace('/', '--')}"


def _name(folder: Path) -> str:
    return "/".join(folder.name.removeprefix("models--").split("--"))


def _cached(name: str, folder: Path) -> Cached:
    blobs = [path for path in (folder / "blobs").glob("*") if path.is_file()] if (folder / "blobs").is_dir() else []
    partial = sum(path.stat().st_size for path in blobs if path.name.endswith(PART))
    snapshots = sorted((folder / "snapshots").glob("*/config.json"), key=lambda path: path.lstat().st_mtime, reverse=True)
    complete = (path.parent for path in snapshots if path.is_file() and weight_files(path.parent))
    return Cached(name, next(complete, None), sum(path.stat().st_size for path in blobs), partial)
