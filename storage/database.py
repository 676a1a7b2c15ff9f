"""The database: connection, pragmas, transactions, and upgrades of the schema."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, inspect, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from storage.errors import StorageError

HEAD = "0001"
"""The newest revision in ``migrations/versions``; a test holds that it is."""


class Database:
    """One SQLAlchemy engine; constructed, never global.

    Raises:
        StorageError: it cannot be opened; the text holds nothing of the URL, which may hold a password.
    """

    def __init__(self, url: str) -> None:
        try:
            self._open(url)
        except (SQLAlchemyError, ImportError) as error:
            reason = str(getattr(error, "orig", None) or type(error).__name__).splitlines()[0]
            raise StorageError(f"The database cannot be opened: {reason[:200]}.") from error

    def _open(self, url: str) -> None:
        self.engine = create_engine(url)
        if self.engine.dialect.name == "sqlite":
            _prepare_sqlite(self.engine)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        self._readers = sessionmaker(self.engine.execution_options(reading=True), expire_on_commit=False)
        self.upgrade()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """The only way to write: all of it is committed, or nothing."""
        with self._sessions.begin() as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A view of one moment; never waits for a writer on SQLite."""
        with self._readers.begin() as session:
            yield session

    def upgrade(self) -> None:
        """Bring the schema to the newest revision; costs one query when it is there already."""
        if self._revision() == HEAD:
            return
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def _revision(self) -> str | None:
        if not inspect(self.engine).has_table("alembic_version"):
            return None
        with self.engine.connect() as connection:
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        # pysqlite's own BEGIN comes too late and is deferred; ours is below.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")  # pages read while the worker writes
        cursor.execute("PRAGMA synchronous=NORMAL")  # safe with WAL, and ten times faster than FULL
        cursor.execute("PRAGMA busy_timeout=30000")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: Any) -> None:
        # Taken at once, so that two processes that read and then write wait for each other rather than fail.
        reading = connection.get_execution_options().get("reading")
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
