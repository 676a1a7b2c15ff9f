"""How much room there is: shown on the Runs page, and asked before anything is begun that needs some."""

from app.errors import StudioError
from app.services import Services
from app.words import say
from storage.upkeep import DiskUsage, disk_usage

_LEAST_FREE = 100_000_000


def room(services: Services) -> DiskUsage:
    """What the data folder takes, and what is free."""
    return disk_usage(services.storage)


def require_room(services: Services) -> None:
    """Raises StudioError when the disk, or the part of it that the studio may use, is full."""
    found = room(services)
    if found.free < _LEAST_FREE:
        raise StudioError(say("disk.full", free=found.free / 1e6))
    most = services.settings.max_data_mb * 1_000_000
    if most and found.total > most:
        raise StudioError(say("disk.share_full", most=most / 1e6, used=found.total / 1e6))
