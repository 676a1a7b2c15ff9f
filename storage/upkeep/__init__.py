"""Maintenance of a data folder: find and repair problems, disk usage, backup and restore."""

from storage.upkeep.backup import Backup, write_backup
from storage.upkeep.findings import FileChecks, Finding, clean_up, database_revision, find_problems, repair
from storage.upkeep.restore import restore_backup
from storage.upkeep.usage import DiskUsage, disk_usage

__all__ = [
    "Backup",
    "DiskUsage",
    "FileChecks",
    "Finding",
    "clean_up",
    "database_revision",
    "disk_usage",
    "find_problems",
    "repair",
    "restore_backup",
    "write_backup",
]
