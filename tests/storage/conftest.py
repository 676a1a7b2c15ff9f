"""Storage on each kind of database that it works on."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from storage import DatasetRecord, Storage
from storage.database import Database


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request) -> str:
    return request.param


@pytest.fixture
def empty(request, kind) -> str | None:
    """URL of a database without tables; None is the file in the data folder."""
    return None if kind == "sqlite" else request.getfixturevalue("postgres").new_database()


@pytest.fixture(scope="session")
def made_file(tmp_path_factory) -> Path:
    """A database of SQLite with all tables: to make them takes a hundred times as long as to copy them."""
    storage = Storage(tmp_path_factory.mktemp("made") / "data")
    storage.close()
    return storage.files.root / "studio.db"


@pytest.fixture(scope="session")
def made_database(postgres) -> str | None:
    """The name of a database of PostgreSQL with all tables."""
    url = postgres.new_database()
    Database(url).close()
    return make_url(url).database


@pytest.fixture
def url(request, kind, tmp_path) -> str | None:
    """URL of a database with all tables and no rows; None is the file in the data folder."""
    if kind == "postgresql":
        return request.getfixturevalue("postgres").new_database(request.getfixturevalue("made_database"))
    (tmp_path / "data").mkdir()
    shutil.copy(request.getfixturevalue("made_file"), tmp_path / "data")
    return None


@pytest.fixture
def store(tmp_path, url) -> Iterator[Storage]:
    opened = Storage(tmp_path / "data", url)
    yield opened
    opened.close()


@pytest.fixture
def reopen(store, url) -> Iterator[Callable[[], Storage]]:
    """Opens the same folder and database again, as another process would."""
    opened = []

    def open_again() -> Storage:
        opened.append(Storage(store.files.root, url))
        return opened[-1]

    yield open_again
    for storage in opened:
        storage.close()


@pytest.fixture
def dataset(store, tmp_path) -> DatasetRecord:
    source = tmp_path / "rows.csv"
    source.write_text("a,b\n1,2\n")
    return store.datasets.create(
        name="Rows", label="../../rows.csv", shape="two columns", rows=1, usable_rows=1, source=source, examples=b"{}\n"
    )
