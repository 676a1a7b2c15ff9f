"""Disk space: shown on the Runs page, and checked before anything that needs some."""

from app.errors import StudioError
from app.services import Services
from app.words import say
from storage.upkeep import DiskUsage, disk_usage

_LEAST_FREE = 100_000_000


def room(services: Services) -> DiskUsage:
    """Disk usage of the data folder, and free space."""
    return disk_usage(services.storage)


def require_room(services: Services) -> None:
    """Raise StudioError if the disk, or the share of it that the studio may use, is full."""
    usage = room(services)
    if usage.free < _LEAST_FREE:
        raise StudioError(say("disk.full", free=usage.free / 1e6))
    most = services.settings.max_data_mb * 1_000_000
    if most and usage.total > most:
        raise StudioError(say("disk.share_full", most=most / 1e6, used=usage.total / 1e6))
