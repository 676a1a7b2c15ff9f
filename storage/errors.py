"""What storage refuses, in words for a person."""


class StorageError(Exception):
    """Something cannot be stored, changed or removed as asked."""


class NotFoundError(StorageError):
    """There is nothing with this id (or it is not the asker's)."""


class UnavailableError(StorageError):
    """The database cannot be written or read for the moment; what was asked can be tried again later."""


class LeaseLostError(StorageError):
    """The run was given to another worker, or taken away; whoever is told so must leave it alone."""
