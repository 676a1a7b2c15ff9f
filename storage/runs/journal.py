"""The metrics, sample answers and events of runs. Anyone reads them; only the leaseholder writes them (see `lease`)."""

from collections.abc import Iterable

from sqlalchemy import Table, delete, func, insert, select, tuple_
from sqlalchemy.orm import Session

from storage.database import Database
from storage.records import EventRecord, MetricPoint, RunStatus, SampleRecord
from storage.tables import Event, Metric, Sample

_METRICS: Table = Metric.metadata.tables["metrics"]  # a tenth of the cost of statements on mapped objects
_KEYS_PER_STATEMENT = 400


def write_metrics(session: Session, run_id: str, points: Iterable[MetricPoint]) -> None:
    """Write metrics in a transaction; existing values are replaced."""
    values = {(point.step, point.name): point.value for point in points}
    keys = list(values)
    key_columns = tuple_(_METRICS.c.step, _METRICS.c.name)
    for start in range(0, len(keys), _KEYS_PER_STATEMENT):
        chunk = keys[start : start + _KEYS_PER_STATEMENT]
        session.execute(delete(_METRICS).where(_METRICS.c.run_id == run_id, key_columns.in_(chunk)))
    if keys:
        rows = [{"run_id": run_id, "step": step, "name": name, "value": value} for (step, name), value in values.items()]
        session.execute(insert(_METRICS), rows)


def write_sample(session: Session, run_id: str, sample: SampleRecord) -> None:
    """Write a sample in a transaction; it replaces an earlier one of the same step."""
    session.execute(delete(Sample).where(Sample.run_id == run_id, Sample.step == sample.step))
    session.add(Sample(run_id=run_id, step=sample.step, prompt=sample.prompt, expected=sample.expected,
                       base=sample.base, tuned=sample.tuned))  # fmt: skip


class MetricStore:
    """Reads the metrics of runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def after(self, run_id: str, step: int = -1) -> list[MetricPoint]:
        """All metrics after a step, ordered by step."""
        query = select(Metric).where(Metric.run_id == run_id, Metric.step > step).order_by(Metric.step, Metric.name)
        with self._database.reading() as session:
            return [MetricPoint(row.step, row.name, row.value) for row in session.scalars(query)]

    def thinned(self, run_id: str, points: int) -> list[MetricPoint]:
        """Downsample for a chart: about ``points`` values per metric, each the mean of a window of steps, at its last step."""
        of_run = Metric.run_id == run_id
        with self._database.reading() as session:
            last_step = session.scalar(select(func.max(Metric.step)).where(of_run)) or 0
            window = Metric.step.op("/")(max(1, -(-(last_step + 1) // points)))  # integer division in both databases
            query = select(Metric.name, func.max(Metric.step), func.avg(Metric.value)).where(of_run).group_by(Metric.name, window)
            means = [MetricPoint(step, name, value) for name, step, value in session.execute(query)]
        return sorted(means, key=lambda point: (point.step, point.name))


class SampleStore:
    """Reads the sample answers of runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, run_id: str) -> list[SampleRecord]:
        """All samples, ordered by step."""
        with self._database.reading() as session:
            rows = session.scalars(select(Sample).where(Sample.run_id == run_id).order_by(Sample.step))
            return [SampleRecord(row.step, row.prompt, row.expected, row.base, row.tuned) for row in rows]


class EventStore:
    """Reads the events of runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, run_id: str) -> list[EventRecord]:
        """All events, oldest first."""
        with self._database.reading() as session:
            rows = session.scalars(select(Event).where(Event.run_id == run_id).order_by(Event.id))
            return [EventRecord(row.at, row.text, RunStatus(row.status) if row.status else None) for row in rows]
