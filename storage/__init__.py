"""Persistence: tables, queries and files. Imports neither torch nor Gradio nor the engine."""

from storage.errors import LeaseLostError, NotFoundError, StorageError, UnavailableError
from storage.records import (
    DatasetRecord,
    DatasetUse,
    DatasetUses,
    DatasetVersionRecord,
    EventRecord,
    Failure,
    GroupRecord,
    MetricPoint,
    Phase,
    PresetRecord,
    RunOrder,
    RunQuery,
    RunRecord,
    RunState,
    RunStatus,
    SampleRecord,
    StopRequest,
)
from storage.runs import LeasedRun
from storage.store import Storage

__all__ = [
    "DatasetRecord",
    "DatasetUse",
    "DatasetUses",
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
    "RunOrder",
    "RunQuery",
    "RunRecord",
    "RunState",
    "RunStatus",
    "SampleRecord",
    "StopRequest",
    "Storage",
    "StorageError",
    "UnavailableError",
]
