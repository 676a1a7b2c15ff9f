"""How much room there is: shown on the Runs page, and asked before anything is begun that needs some."""

from app.errors import StudioError
from app.services import Services
from storage.upkeep import DiskUsage, disk_usage

_LEAST_FREE = 100_000_000


def room(services: Services) -> DiskUsage:
    """What the data folder takes, and what is free."""
    return disk_usage(services.storage)


def require_room(services: Services) -> None:
    """Raises StudioError when the disk, or the part of it that the studio may use, is full."""
    found = room(services)
    if found.free < _LEAST_FREE:
        raise StudioError(f"The disk is nearly full: {found.free / 1e6:,.0f} MB are free. Free some space first; the bin may hold some.")
    most = services.settings.max_data_mb * 1_000_000
    if most and found.total > most:
        used = f"The studio may use {most / 1e6:,.0f} MB of this disk and uses {found.total / 1e6:,.0f} MB."
        raise StudioError(f"{used} Delete runs or datasets, and empty the bin.")
