"""Disk space: shown on the Runs page, and checked before anything that needs some."""

import shutil

from app.errors import StudioError
from app.services import Services
from app.words import say
from storage.upkeep import DiskUsage, disk_usage

_LEAST_FREE = 100_000_000


def room(services: Services) -> DiskUsage:
    """Disk usage of the data folder, and free space."""
    return disk_usage(services.storage)


def stored(services: Services) -> tuple[int, int] | None:
    """Bytes that the person who asks has stored, in the bin or not, and how many they may have; None without such a bound."""
    most = services.settings.of_person("person_mb") * 1_000_000
    return (services.storage.held_bytes(), most) if most else None


def require_room(services: Services) -> None:
    """Raise StudioError if the disk is full, or the share of it that the studio may use; BoundError if that of the person who asks is."""
    free = shutil.disk_usage(services.storage.files.root).free
    if free < _LEAST_FREE:
        raise StudioError(say("disk.full", free=free / 1e6))
    most = services.settings.max_data_mb * 1_000_000
    if most and (used := room(services).total) > most:  # which reads every folder
        raise StudioError(say("disk.share_full", most=most / 1e6, used=used / 1e6))
    services.storage.datasets.require_room()
