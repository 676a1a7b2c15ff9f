"""The database: connection, pragmas, transactions, and upgrades of the schema."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import DataError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from storage.errors import StorageError, UnavailableError
from storage.owners import OWNER

HEAD = "0011"
"""The newest revision in ``migrations/versions``; a test checks this."""


_LOCK_KEY = 7_338_000_001
"""Key of the advisory lock with which PostgreSQL transactions exclude each other."""
PATIENCE = 10.0
"""Seconds that a transaction waits for another writer, by default."""


class Database:
    """One SQLAlchemy engine; constructed, never global.

    Args:
        url: any SQLAlchemy URL of SQLite or PostgreSQL.
        patience: seconds that a transaction waits for another writer.

    Raises:
        StorageError: the database cannot be opened; the text never quotes the URL, which may hold a password.
        UnavailableError: from transactions, when the database is temporarily unusable.
    """

    def __init__(self, url: str, patience: float = PATIENCE) -> None:
        self._patience = patience
        try:
            self._open(url)
        except (SQLAlchemyError, ImportError, ValueError) as error:
            reason = str(getattr(error, "orig", None) or type(error).__name__).splitlines()[0]
            raise StorageError("The database cannot be opened: {reason}.", kind="database.not_opened", reason=reason[:200]) from error

    def seen_by(self, owner: str) -> "Database":
        """The same database, whose sessions see and write the rows of one owner alone; see `storage.owners`."""
        seen = copy(self)
        seen._sessions = sessionmaker(self.engine, expire_on_commit=False, info={OWNER: owner})
        seen._readers = sessionmaker(self._reader, expire_on_commit=False, info={OWNER: owner})
        return seen

    def _open(self, url: str) -> None:
        parsed_url, read_options = make_url(url), {}
        if parsed_url.get_backend_name() == "postgresql":
            lock_timeout = f"-c lock_timeout={round(self._patience * 1000)}"
            self.engine = create_engine(parsed_url, connect_args={"options": lock_timeout}, pool_pre_ping=True)
            read_options = {"isolation_level": "REPEATABLE READ"}
        else:
            self.engine = create_engine(parsed_url)
            _prepare_sqlite(self.engine, self._patience)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        self._reader = self.engine.execution_options(reading=True, **read_options)
        self._readers = sessionmaker(self._reader, expire_on_commit=False)
        self.upgrade()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A transaction that writes: everything in it is committed, or nothing."""
        with _translated_errors(), self._sessions.begin() as session:
            yield session

    @contextmanager
    def exclusive(self) -> Iterator[Session]:
        """Like `transaction`, but one at a time: for writes that depend on rows that others may be adding."""
        with self.transaction() as session:
            _lock_out_others(session.connection())
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A consistent snapshot to read from; on SQLite it never waits for a writer."""
        with _translated_errors(), self._readers.begin() as session:
            yield session

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """As `reading`, for a single statement that is made often: without a session, a third of the cost; it sees everybody's rows."""
        with _translated_errors(), self._reader.connect() as connection:
            yield connection

    def upgrade(self) -> None:
        """Upgrade the schema to the newest revision; costs one query if it is current."""
        if self._revision() == HEAD:
            return
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self.engine.connect() as connection:
            raw = connection.connection.driver_connection
            if raw and self.engine.dialect.name == "sqlite":
                # Alembic changes a SQLite table by recreating it; dropping the old one would cascade to the rows that refer to it.
                raw.execute("PRAGMA foreign_keys=OFF")
            try:
                with connection.begin():
                    _lock_out_others(connection)
                    config.attributes["connection"] = connection
                    command.upgrade(config, "head")
            finally:
                if raw and self.engine.dialect.name == "sqlite":
                    raw.execute("PRAGMA foreign_keys=ON")

    def _revision(self) -> str | None:
        reader = self.engine.execution_options(reading=True)
        if not inspect(reader).has_table("alembic_version"):
            return None
        with reader.connect() as connection:
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _lock_out_others(connection: Connection) -> None:
    """Take the advisory lock until the transaction ends; SQLite has a single writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK_KEY})"))


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Raise temporary errors of the database as UnavailableError; programming errors pass through."""
    try:
        yield
    except OperationalError as error:
        reason = str(error.orig).splitlines()[0] if str(error.orig) else "no reason given"
        if "full" in reason:
            raise UnavailableError("The disk is full, so nothing can be written down.", kind="database.disk_full") from error
        if "readonly" in reason or "read-only" in reason:
            raise UnavailableError(
                "The data folder cannot be written, so nothing can be written down.", kind="database.read_only"
            ) from error
        if "locked" in reason or "busy" in reason or "lock timeout" in reason:
            raise UnavailableError("The database is in use by another program. Try again in a moment.", kind="database.in_use") from error
        raise UnavailableError("The database does not answer: {reason}.", kind="database.no_answer", reason=reason[:200]) from error
    except DataError as error:
        raise StorageError("Something of this is too long or too large to be kept.", kind="database.too_large") from error


def _prepare_sqlite(engine: Engine, patience: float) -> None:
    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        # pysqlite's own BEGIN comes too late and is deferred; `on_begin` issues ours.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")  # pages read while the worker writes
        cursor.execute("PRAGMA synchronous=NORMAL")  # safe with WAL, and ten times faster than FULL
        cursor.execute(f"PRAGMA busy_timeout={round(patience * 1000)}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: Any) -> None:
        # Take the write lock at once, so that two processes that read and then write wait for each other instead of failing.
        reading = connection.get_execution_options().get("reading")
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
