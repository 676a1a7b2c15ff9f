"""The database: connection, pragmas, transactions, and upgrades of the schema."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, inspect, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from storage.errors import StorageError, UnavailableError

HEAD = "0002"
"""The newest revision in ``migrations/versions``; a test holds that it is."""


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
        except (SQLAlchemyError, ImportError) as error:
            reason = str(getattr(error, "orig", None) or type(error).__name__).splitlines()[0]
            raise StorageError(f"The database cannot be opened: {reason[:200]}.") from error

    def _open(self, url: str) -> None:
        self.engine = create_engine(url)
        if self.engine.dialect.name == "sqlite":
            _prepare_sqlite(self.engine, self._patience)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        self._readers = sessionmaker(self.engine.execution_options(reading=True), expire_on_commit=False)
        self.upgrade()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """The only way to write: all of it is committed, or nothing."""
        with _in_words(), self._sessions.begin() as session:
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
        if "locked" in reason or "busy" in reason:
            raise UnavailableError("The database is in use by another program. Try again in a moment.") from error
        raise UnavailableError(f"The database does not answer: {reason[:200]}.") from error


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
