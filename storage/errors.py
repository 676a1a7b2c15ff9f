"""What storage refuses, in words for a person."""


class StorageError(Exception):
    """Something cannot be stored, changed or removed as asked."""


class NotFoundError(StorageError):
    """There is nothing with this id (or it is not the asker's)."""


class UnavailableError(StorageError):
    """The database cannot be written or read for the moment; what was asked can be tried again later."""


class LeaseLostError(StorageError):
    """The run was given to another worker, or taken away; whoever is told so must leave it alone."""


RESTORE_ADVICE = "Put the last backup back."


def reason_of(error: Exception) -> str:
    """The first line of what a database or the system says, without SQLAlchemy's additions."""
    return (str(getattr(error, "orig", None) or error).splitlines() or [type(error).__name__])[0][:200]


def database_damage(error: Exception) -> str:
    """The sentence for a database that cannot be read."""
    return f"The database is damaged: {reason_of(error)}. {RESTORE_ADVICE}"
