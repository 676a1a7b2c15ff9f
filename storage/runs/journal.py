"""What a run leaves while it goes: figures, sample answers, events. Read by anybody, written by who holds the run (see `lease`)."""

from collections.abc import Iterable

from sqlalchemy import Table, delete, func, insert, select, tuple_
from sqlalchemy.orm import Session

from storage.database import Database
from storage.records import EventRecord, MetricPoint, RunStatus, SampleRecord
from storage.tables import Event, Metric, Sample

_FIGURES: Table = Metric.metadata.tables["metrics"]  # statements on the table alone cost a tenth of those on objects
_AT_ONCE = 400


def write_figures(session: Session, run_id: str, points: Iterable[MetricPoint]) -> None:
    """Keep figures in a transaction; one that is there already is replaced."""
    values = {(point.step, point.name): point.value for point in points}
    keys = list(values)
    place = tuple_(_FIGURES.c.step, _FIGURES.c.name)
    for at in range(0, len(keys), _AT_ONCE):
        session.execute(delete(_FIGURES).where(_FIGURES.c.run_id == run_id, place.in_(keys[at : at + _AT_ONCE])))
    if keys:
        rows = [{"run_id": run_id, "step": step, "name": name, "value": value} for (step, name), value in values.items()]
        session.execute(insert(_FIGURES), rows)


def write_sample(session: Session, run_id: str, sample: SampleRecord) -> None:
    """Keep a sample in a transaction; the same step again replaces it."""
    session.execute(delete(Sample).where(Sample.run_id == run_id, Sample.step == sample.step))
    session.add(Sample(run_id=run_id, step=sample.step, prompt=sample.prompt, expected=sample.expected,
                       base=sample.base, tuned=sample.tuned))  # fmt: skip


class MetricStore:
    """Figures of runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def after(self, run_id: str, step: int = -1) -> list[MetricPoint]:
        """All figures after a step, in order of steps."""
        wanted = select(Metric).where(Metric.run_id == run_id, Metric.step > step).order_by(Metric.step, Metric.name)
        with self._database.reading() as session:
            return [MetricPoint(row.step, row.name, row.value) for row in session.scalars(wanted)]

    def thinned(self, run_id: str, points: int) -> list[MetricPoint]:
        """For a chart: at most about ``points`` of each figure, each the mean of as many steps in a row, at the last of these."""
        mine = Metric.run_id == run_id
        with self._database.reading() as session:
            last = session.scalar(select(func.max(Metric.step)).where(mine)) or 0
            group = Metric.step.op("/")(max(1, -(-(last + 1) // points)))  # of whole numbers, in both databases
            wanted = select(Metric.name, func.max(Metric.step), func.avg(Metric.value)).where(mine).group_by(Metric.name, group)
            found = [MetricPoint(step, name, value) for name, step, value in session.execute(wanted)]
        return sorted(found, key=lambda point: (point.step, point.name))


class SampleStore:
    """Sample answers of runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, run_id: str) -> list[SampleRecord]:
        """Every sample, in order of steps."""
        with self._database.reading() as session:
            rows = session.scalars(select(Sample).where(Sample.run_id == run_id).order_by(Sample.step))
            return [SampleRecord(row.step, row.prompt, row.expected, row.base, row.tuned) for row in rows]


class EventStore:
    """What happened to runs, as sentences."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, run_id: str) -> list[EventRecord]:
        """Every event, oldest first."""
        with self._database.reading() as session:
            rows = session.scalars(select(Event).where(Event.run_id == run_id).order_by(Event.id))
            return [EventRecord(row.at, row.text, RunStatus(row.status) if row.status else None) for row in rows]
