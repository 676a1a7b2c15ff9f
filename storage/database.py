"""The database: connection, pragmas, transactions, and upgrades of the schema."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import DataError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from storage.errors import StorageError, UnavailableError

HEAD = "0003"
"""The newest revision in ``migrations/versions``; a test holds that it is."""


_LOCK = 7_338_000_001
"""A number of ours, by which transactions of PostgreSQL wait for each other."""
PATIENCE = 10.0
"""Seconds that a transaction waits for another one that writes, unless it is told otherwise."""


class Database:
    """One SQLAlchemy engine; constructed, never global.

    Args:
        url: any SQLAlchemy URL of SQLite or PostgreSQL.
        patience: seconds that a transaction waits for another one that writes.

    Raises:
        StorageError: it cannot be opened; the text holds nothing of the URL, which may hold a password.
        UnavailableError: from transactions, when the database cannot be used for the moment.
    """

    def __init__(self, url: str, patience: float = PATIENCE) -> None:
        self._patience = patience
        try:
            self._open(url)
        except (SQLAlchemyError, ImportError, ValueError) as error:
            reason = str(getattr(error, "orig", None) or type(error).__name__).splitlines()[0]
            raise StorageError(f"The database cannot be opened: {reason[:200]}.") from error

    def _open(self, url: str) -> None:
        address, snapshot = make_url(url), {}
        if address.get_backend_name() == "postgresql":
            waiting = f"-c lock_timeout={round(self._patience * 1000)}"
            self.engine = create_engine(address, connect_args={"options": waiting}, pool_pre_ping=True)
            snapshot = {"isolation_level": "REPEATABLE READ"}
        else:
            self.engine = create_engine(address)
            _prepare_sqlite(self.engine, self._patience)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        self._readers = sessionmaker(self.engine.execution_options(reading=True, **snapshot), expire_on_commit=False)
        self.upgrade()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """The only way to write: all of it is committed, or nothing."""
        with _in_words(), self._sessions.begin() as session:
            yield session

    @contextmanager
    def alone(self) -> Iterator[Session]:
        """As `transaction`, one such after another: for what depends on rows that others may just be adding."""
        with self.transaction() as session:
            _be_alone(session.connection())
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A view of one moment; never waits for a writer on SQLite."""
        with _in_words(), self._readers.begin() as session:
            yield session

    def upgrade(self) -> None:
        """Bring the schema to the newest revision; costs one query when it is there already."""
        if self._revision() == HEAD:
            return
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self.engine.connect() as connection:
            raw = connection.connection.driver_connection
            if raw and self.engine.dialect.name == "sqlite":
                # A table is changed by making it anew, and dropping the old one would drop whatever refers to its rows.
                raw.execute("PRAGMA foreign_keys=OFF")
            try:
                with connection.begin():
                    _be_alone(connection)
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
        """Give all connections back."""
        self.engine.dispose()


def _be_alone(connection: Connection) -> None:
    """Wait for whoever else does this, until the end of the transaction; on SQLite whoever writes is alone anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))


@contextmanager
def _in_words() -> Iterator[None]:
    """What may be otherwise in a moment, apart from what is a mistake of the program."""
    try:
        yield
    except OperationalError as error:
        reason = str(error.orig).splitlines()[0] if str(error.orig) else "no reason given"
        if "full" in reason:
            raise UnavailableError("The disk is full, so nothing can be written down.") from error
        if "readonly" in reason or "read-only" in reason:
            raise UnavailableError("The data folder cannot be written, so nothing can be written down.") from error
        if "locked" in reason or "busy" in reason or "lock timeout" in reason:
            raise UnavailableError("The database is in use by another program. Try again in a moment.") from error
        raise UnavailableError(f"The database does not answer: {reason[:200]}.") from error
    except DataError as error:
        raise StorageError("Something of this is too long or too large to be kept.") from error


def _prepare_sqlite(engine: Engine, patience: float) -> None:
    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        # pysqlite's own BEGIN comes too late and is deferred; ours is below.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")  # pages read while the worker writes
        cursor.execute("PRAGMA synchronous=NORMAL")  # safe with WAL, and ten times faster than FULL
        cursor.execute(f"PRAGMA busy_timeout={round(patience * 1000)}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: Any) -> None:
        # Taken at once, so that two processes that read and then write wait for each other rather than fail.
        reading = connection.get_execution_options().get("reading")
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
