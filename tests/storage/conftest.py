"""Storage on each kind of database that it works on."""

from collections.abc import Callable, Iterator

import pytest

from storage import DatasetRecord, Storage


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request) -> str | None:
    """Of an empty database; None is the file in the data folder."""
    return None if request.param == "sqlite" else request.getfixturevalue("postgres").new_database()


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
