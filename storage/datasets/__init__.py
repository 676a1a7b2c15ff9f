"""Datasets: their names and tags, their versions, the bin, and the files of their rows."""

from storage.datasets.names import clean_name, clean_tags
from storage.datasets.rows import get_dataset_and_version
from storage.datasets.store import DatasetStore

__all__ = ["DatasetStore", "clean_name", "clean_tags", "get_dataset_and_version"]
