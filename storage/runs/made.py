"""Runs whose result was made without training, such as mixes: they are finished from the first moment."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from storage.bounds import NO_BOUNDS, Bounds, require_bytes
from storage.database import Database
from storage.datasets import get_dataset_and_version
from storage.errors import NotFoundError
from storage.files import Files, folder_size, remove_tree
from storage.keys import made_for
from storage.records import RunRecord
from storage.runs.rows import add_row, to_record
from storage.tables import Run


class MadeRuns:
    """Adds finished runs."""

    def __init__(self, database: Database, files: Files, bounds: Bounds = NO_BOUNDS) -> None:
        self._database, self._files, self._bounds = database, files, bounds

    def add(
        self, dataset_id: str, version_id: str, spec: dict[str, Any], adapter: Path, *, name: str, sentence: str, summary: dict[str, Any],
        held_out: Sequence[int] | None = None, start_key: str | None = None,
    ) -> RunRecord:  # fmt: skip
        """Add a finished run, whose adapter folder this one becomes. A ``start_key`` that was used before returns the run that there is.

        Args:
            dataset_id: of the dataset under which it is listed.
            version_id: of its version.
            spec: of the run.
            adapter: the folder, anywhere in the data folder; it is moved.
            name: of the run.
            sentence: what it is.
            summary: figures of it.
            held_out: dataset indices of rows to measure it with, if there are any.
            start_key: an opaque key of the request.

        Raises:
            NotFoundError: there is no such dataset, version or folder.
            StorageError: the dataset is in the bin.
            BoundError: too much is stored.
        """
        folder: Path | None = None
        try:
            with self._database.exclusive() as session:
                if same := made_for(session, Run, start_key):
                    return to_record(same)
                dataset, version = get_dataset_and_version(session, dataset_id, version_id)
                require_bytes(session, self._files, self._bounds, folder_size(adapter))
                row = add_row(session, dataset, version, spec, name, start_key, made=sentence)
                row.summary, row.held_out_places = summary, None if held_out is None else list(held_out)
                folder = self._files.run_folder(row.id)
                folder.mkdir(parents=True)
                if not adapter.is_dir():
                    raise NotFoundError("There is no result to add.", kind="runs.nothing_made")
                adapter.rename(self._files.adapter(row.id))  # before anybody can see the row, which is finished
                return to_record(row)
        except BaseException:
            if folder is not None:
                remove_tree(folder)
            raise
