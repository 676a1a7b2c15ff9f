import pytest

from reft_engine.data import Limits
from reft_engine.data.reading import ReadOptions, read_table


@pytest.fixture
def read(tmp_path):
    """Reads a file of a given content: the table, and its rows as a list."""

    def run(content, limits=None, on_progress=None, **options):
        path = tmp_path / "upload"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        table = read_table(path, ReadOptions(**options), limits or Limits(), on_progress)
        return table, list(table.rows)

    return run
