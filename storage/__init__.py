"""Persistence: tables, queries and files. Imports neither torch nor Gradio nor the engine."""

from storage.errors import LeaseLostError, NotFoundError, StorageError, UnavailableError
from storage.records import (
    DatasetRecord,
    DatasetUse,
    DatasetVersionRecord,
    EventRecord,
    Failure,
    GroupRecord,
    MetricPoint,
    Phase,
    PresetRecord,
    RunRecord,
    RunStatus,
    SampleRecord,
)
from storage.runs import LeasedRun
from storage.store import Storage

__all__ = [
    "DatasetRecord",
    "DatasetUse",
    "DatasetVersionRecord",
    "EventRecord",
    "Failure",
    "GroupRecord",
    "LeaseLostError",
    "LeasedRun",
    "MetricPoint",
    "NotFoundError",
    "Phase",
    "PresetRecord",
    "RunRecord",
    "RunStatus",
    "SampleRecord",
    "Storage",
    "StorageError",
    "UnavailableError",
]
