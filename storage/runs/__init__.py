"""Runs: the store for people, the queue for workers, and the lease under which a worker writes."""

from storage.runs.journal import EventStore, MetricStore, SampleStore
from storage.runs.lease import LeasedRun
from storage.runs.made import MadeRuns
from storage.runs.queue import RunQueue
from storage.runs.store import RunStore

__all__ = ["EventStore", "LeasedRun", "MadeRuns", "MetricStore", "RunQueue", "RunStore", "SampleStore"]
