"""The database tables; private to storage, which returns `records` instead."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, ForeignKey, Index, String, TypeDecorator, UniqueConstraint, select
from sqlalchemy import Text as LongText
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column, relationship


class UtcDateTime(TypeDecorator[datetime]):
    """Timezone-aware UTC times; SQLite drops the time zone, so it is restored on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Restore the time zone that SQLite dropped; convert that of another server to UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _storable(value: str | None) -> str | None:
    """Text that every database accepts: NULs and lone surrogates are replaced."""
    return None if value is None else value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


class Name(TypeDecorator[str]):
    """A text of limited length."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """See `_storable`."""
        return _storable(value)


class Text(TypeDecorator[str]):
    """A text of any length."""

    impl = LongText
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """See `_storable`."""
        return _storable(value)


def now() -> datetime:
    """The current time, timezone-aware, in UTC."""
    return datetime.now(UTC)


class Table(DeclarativeBase):
    """Base class of all tables."""


class Owned:
    """A row that belongs to a person: to the local one with an empty owner. See `storage.owners`."""

    owner: Mapped[str] = mapped_column(Name(64), default="", server_default="", index=True)


class Dataset(Owned, Table):
    """A saved dataset; its rows are those of its versions."""

    __tablename__ = "datasets"

    id: Mapped[str] = mapped_column(Name(32), primary_key=True)
    name: Mapped[str] = mapped_column(Name(200))
    tags: Mapped[list[str]] = mapped_column(JSON)
    sample: Mapped[str | None] = mapped_column(Name(50), index=True)
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    """Of its folder; None until that is measured, since it has changed."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, index=True)
    binned_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)


class DatasetVersion(Table):
    """A version of a dataset. Rows are added and never changed."""

    __tablename__ = "dataset_versions"
    __table_args__ = (UniqueConstraint("dataset_id", "number"),)

    id: Mapped[str] = mapped_column(Name(32), primary_key=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"))
    number: Mapped[int]
    digest: Mapped[str | None] = mapped_column(Name(64))
    source_file: Mapped[str | None] = mapped_column(Name(80))
    label: Mapped[str] = mapped_column(Name(300))
    shape: Mapped[str] = mapped_column(Name(50))
    rows: Mapped[int]
    usable_rows: Mapped[int]
    reading: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    split: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    change: Mapped[str] = mapped_column(Text)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class Preset(Owned, Table):
    """Settings that a person has saved under a name."""

    __tablename__ = "presets"
    __table_args__ = (UniqueConstraint("owner", "name", name="uq_presets_owner"),)

    id: Mapped[str] = mapped_column(Name(32), primary_key=True)
    name: Mapped[str] = mapped_column(Name(200))
    settings: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class Chat(Owned, Table):
    """A saved conversation of the Playground, as one document; ``version`` counts how often the document was saved."""

    __tablename__ = "chats"
    __table_args__ = (
        Index("ix_chats_saved", "binned_at", "updated_at", "id"),
        Index("ix_chats_size", "size_bytes"),
        Index("ix_chats_start_key", "owner", "start_key", unique=True),
    )

    id: Mapped[str] = mapped_column(Name(32), primary_key=True)
    name: Mapped[str] = mapped_column(Name(200))
    version: Mapped[int] = mapped_column(default=1)
    document: Mapped[str] = mapped_column(Text, deferred=True)
    size_bytes: Mapped[int]
    start_key: Mapped[str | None] = mapped_column(Name(100))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    binned_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Vote(Owned, Table):
    """A vote on the answers of several columns; conversation and texts stand apart, because a tally reads neither."""

    __tablename__ = "votes"
    __table_args__ = (
        Index("ix_votes_cast", "binned_at", "created_at", "id"),
        Index("ix_votes_size", "size_bytes"),
        Index("ix_votes_start_key", "owner", "start_key", unique=True),
    )

    id: Mapped[str] = mapped_column(Name(32), primary_key=True)
    start_key: Mapped[str | None] = mapped_column(Name(100))
    size_bytes: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    messages: Mapped[list[list[str]]] = mapped_column(JSON)
    columns: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    texts: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    outcome: Mapped[str] = mapped_column(Name(20))
    chosen: Mapped[int | None]
    base: Mapped[str] = mapped_column(Text)
    chat_id: Mapped[str | None] = mapped_column(Name(32))
    binned_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class RunGroup(Owned, Table):
    """Runs that were made together, such as those of a sweep."""

    __tablename__ = "run_groups"

    id: Mapped[str] = mapped_column(Name(32), primary_key=True)
    name: Mapped[str] = mapped_column(Name(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class Run(Owned, Table):
    """A run and its progress; three attributes are named more plainly than their columns.

    Lists and the queue are read along the indices that begin with ``binned_at``, since all that they show is outside the bin.
    """

    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("owner", "start_key", name="uq_runs_owner"),
        Index("ix_runs_made", "binned_at", "created_at", "id"),
        Index("ix_runs_state", "binned_at", "status", "created_at", "id"),
        Index("ix_runs_name", "binned_at", "name", "id"),
        Index("ix_runs_held_out", "binned_at", "held_out", "id"),
        Index("ix_runs_base", "binned_at", "base"),
        Index("ix_runs_dataset", "dataset_id", "binned_at", "created_at", "id", "version_id"),
        Index("ix_runs_starred", "binned_at", "starred", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(Name(32), primary_key=True)
    name: Mapped[str] = mapped_column(Name(200))
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id", ondelete="RESTRICT"))
    version_id: Mapped[str] = mapped_column(ForeignKey("dataset_versions.id", ondelete="RESTRICT"), index=True)
    group_id: Mapped[str | None] = mapped_column(ForeignKey("run_groups.id", ondelete="SET NULL"), index=True)
    continues_id: Mapped[str | None] = mapped_column(Name(32))
    base: Mapped[str] = mapped_column(Name(300))
    spec: Mapped[dict[str, Any]] = mapped_column(JSON)
    start_key: Mapped[str | None] = mapped_column(Name(100))
    status: Mapped[str] = mapped_column(Name(20))
    sentence: Mapped[str] = mapped_column(Text, default="")
    failure: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    stop_requested: Mapped[bool] = mapped_column(default=False)
    discard_requested: Mapped[bool] = mapped_column(default=False)
    start_after: Mapped[datetime | None] = mapped_column(UtcDateTime)
    queue_position: Mapped[int] = mapped_column("turn", default=0, index=True)
    worker: Mapped[str | None] = mapped_column(Name(64), index=True)
    worker_exits: Mapped[int] = mapped_column("deaths", default=0)
    exit_step: Mapped[int | None] = mapped_column("died_at_step")
    step: Mapped[int] = mapped_column(default=0)
    total_steps: Mapped[int] = mapped_column(default=0)
    epoch: Mapped[float] = mapped_column(default=0.0)
    seconds_left: Mapped[float | None]
    summary: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    phase: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    held_out_places: Mapped[list[int] | None] = mapped_column(JSON, deferred=True)
    seconds: Mapped[float] = mapped_column(default=0.0)
    held_out: Mapped[float | None]
    held_out_base: Mapped[float | None]
    sparkline: Mapped[list[float] | None] = mapped_column(JSON(none_as_null=True))
    starred: Mapped[bool] = mapped_column(default=False)
    tags: Mapped[list[str]] = mapped_column(JSON, default=list)
    notes: Mapped[str] = mapped_column(Text, default="")
    search_text: Mapped[str] = mapped_column(Text, default="", deferred=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    binned_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    """Of its folder; None until that is measured, and as long as the run has not ended."""
    expected_bytes: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    dataset: Mapped[Dataset] = relationship(lazy="joined", innerjoin=True)
    version_number: Mapped[int] = column_property(
        select(DatasetVersion.number).where(DatasetVersion.id == version_id).correlate_except(DatasetVersion).scalar_subquery()
    )


class PersonSession(Table):
    """That somebody is logged in, by the SHA-256 of what their browser holds."""

    __tablename__ = "person_sessions"

    id: Mapped[str] = mapped_column(Name(64), primary_key=True)
    person: Mapped[str] = mapped_column(Name(64), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class Share(Owned, Table):
    """A link with which its owner shows one thing of theirs to others."""

    __tablename__ = "shares"
    __table_args__ = (Index("ix_shares_target", "kind", "target_id"),)

    id: Mapped[str] = mapped_column(Name(32), primary_key=True)
    kind: Mapped[str] = mapped_column(Name(20))
    target_id: Mapped[str] = mapped_column(Name(32))
    version: Mapped[int | None]
    with_adapter: Mapped[bool]
    anyone: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class QueuePause(Table):
    """That the queue is paused, in at most one row; while it is, no worker trains."""

    __tablename__ = "queue_pause"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    since: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class QueueTurn(Table):
    """When it was an owner's turn in the queue for the last time, as a number that grows with each turn."""

    __tablename__ = "queue_turns"

    owner: Mapped[str] = mapped_column(Name(64), primary_key=True)
    turn: Mapped[int]


class Metric(Table):
    """The value of a metric at a step, in long form, so that a new metric needs no migration."""

    __tablename__ = "metrics"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Name(40), primary_key=True)
    value: Mapped[float]


class Event(Table):
    """An event of a run."""

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    status: Mapped[str | None] = mapped_column(Name(20))
    text: Mapped[str] = mapped_column(Text)


class Worker(Table):
    """A worker that serves the queue; its row is removed when the worker ends or is found dead."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(Name(64), primary_key=True)
    host: Mapped[str] = mapped_column(Name(255))
    pid: Mapped[int]
    beats: Mapped[int] = mapped_column(default=0)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class Sample(Table):
    """The answers to a held-out prompt at a step; a row that replaces another has a higher id than all there ever were."""

    __tablename__ = "samples"
    __table_args__ = (UniqueConstraint("run_id", "step", "place"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    step: Mapped[int]
    prompt: Mapped[str] = mapped_column(Text)
    expected: Mapped[str] = mapped_column(Text)
    base: Mapped[str] = mapped_column(Text)
    tuned: Mapped[str] = mapped_column(Text)
    place: Mapped[int] = mapped_column(default=0)
