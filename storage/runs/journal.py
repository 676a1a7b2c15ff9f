"""The metrics, sample answers and events of runs. Anyone reads them; only the leaseholder writes them (see `lease`)."""

from collections.abc import Iterable

from sqlalchemy import Table, delete, func, insert, select, tuple_
from sqlalchemy.orm import Session

from storage.database import Database
from storage.records import EventRecord, MetricPoint, RunStatus, SampleRecord
from storage.tables import Event, Metric, Sample

_METRICS: Table = Metric.metadata.tables["metrics"]  # a tenth of the cost of statements on mapped objects
_KEYS_PER_STATEMENT = 400
_LOOKED_THROUGH = 20
"""Events that are looked through for each run that is to be found."""


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
    """Write a sample in a transaction; it replaces an earlier one of the same step and place."""
    session.execute(delete(Sample).where(Sample.run_id == run_id, Sample.step == sample.step, Sample.place == sample.place))
    session.add(Sample(run_id=run_id, step=sample.step, prompt=sample.prompt, expected=sample.expected,
                       base=sample.base, tuned=sample.tuned, place=sample.place))  # fmt: skip


class MetricStore:
    """Reads the metrics of runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def after(self, run_id: str, step: int = -1) -> list[MetricPoint]:
        """All metrics after a step, ordered by step."""
        query = select(Metric).where(Metric.run_id == run_id, Metric.step > step).order_by(Metric.step, Metric.name)
        with self._database.reading() as session:
            return [MetricPoint(row.step, row.name, row.value) for row in session.scalars(query)]

    def since(self, run_id: str, step: int) -> list[MetricPoint]:
        """All metrics from a step on, ordered by step. What is measured after a step is written before the next one is."""
        return self.after(run_id, step - 1)

    def newest_of(self, run_id: str, name: str) -> dict[str, float]:
        """The latest metrics that were written together with one of this name, by name; empty if there is none of it."""
        of_run = Metric.run_id == run_id
        with self._database.reading() as session:
            step = session.scalar(select(Metric.step).where(of_run, Metric.name == name).order_by(Metric.step.desc()).limit(1))
            return {row.name: row.value for row in session.scalars(select(Metric).where(of_run, Metric.step == step))}

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

    def all(self, run_id: str, after: int = 0) -> list[SampleRecord]:
        """The samples with an id above ``after``, by default all, ordered by step and place."""
        query = select(Sample).where(Sample.run_id == run_id, Sample.id > after).order_by(Sample.step, Sample.place)
        with self._database.reading() as session:
            return [
                SampleRecord(row.step, row.prompt, row.expected, row.base, row.tuned, row.place, row.id) for row in session.scalars(query)
            ]


class EventStore:
    """Reads the events of runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, run_id: str, after: int = 0) -> list[EventRecord]:
        """All events, oldest first; only those with higher ids than ``after``."""
        with self._database.reading() as session:
            rows = session.scalars(select(Event).where(Event.run_id == run_id, Event.id > after).order_by(Event.id))
            return [EventRecord(row.at, row.text, RunStatus(row.status) if row.status else None, row.id) for row in rows]

    def newest(self) -> int:
        """The highest id of all events; 0 if there are none."""
        with self._database.reading() as session:
            return session.scalar(select(func.max(Event.id))) or 0

    def runs_after(self, event_id: int, limit: int) -> list[str]:
        """Ids of runs that have events with higher ids, the latest first; found among the latest of these events."""
        query = select(Event.run_id).where(Event.id > event_id).order_by(Event.id.desc()).limit(_LOOKED_THROUGH * limit)
        with self._database.reading() as session:
            return list(dict.fromkeys(session.scalars(query)))[:limit]
