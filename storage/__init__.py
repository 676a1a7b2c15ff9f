"""Persistence: tables, queries and files. Imports neither torch nor Gradio nor the engine."""

from storage.errors import LeaseLostError, NotFoundError, StorageError, UnavailableError
from storage.records import (
    DatasetRecord,
    DatasetUse,
    DatasetVersionRecord,
    EventRecord,
    Failure,
    MetricPoint,
    Phase,
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
    "LeaseLostError",
    "LeasedRun",
    "MetricPoint",
    "NotFoundError",
    "Phase",
    "RunRecord",
    "RunStatus",
    "SampleRecord",
    "Storage",
    "StorageError",
    "UnavailableError",
]
