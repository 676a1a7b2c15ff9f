"""What lasts: tables, queries and files. Knows neither torch nor Gradio nor the engine."""

from storage.errors import NotFoundError, StorageError
from storage.records import DatasetRecord, EventRecord, MetricPoint, RunRecord, RunStatus, SampleRecord
from storage.store import Storage

__all__ = [
    "DatasetRecord",
    "EventRecord",
    "MetricPoint",
    "NotFoundError",
    "RunRecord",
    "RunStatus",
    "SampleRecord",
    "Storage",
    "StorageError",
]
