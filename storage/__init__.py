"""Persistence: tables, queries and files. Imports neither torch nor Gradio nor the engine."""

from storage.errors import ConflictError, LeaseLostError, NotFoundError, StorageError, TooLargeError, UnavailableError
from storage.records import (
    ChatRecord,
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
    "ChatRecord",
    "ConflictError",
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
    "TooLargeError",
    "UnavailableError",
]
