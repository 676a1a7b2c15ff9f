"""What storage refuses, in words for a person."""


class StorageError(Exception):
    """Something cannot be stored, changed or removed as asked."""


class NotFoundError(StorageError):
    """There is nothing with this id (or it is not the asker's)."""
