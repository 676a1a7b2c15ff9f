"""Errors of storage; each text is a sentence for a person."""


class StorageError(Exception):
    """A record cannot be stored, changed or removed as requested."""


class NotFoundError(StorageError):
    """No record has this id."""


class UnavailableError(StorageError):
    """The database is temporarily unusable; the operation can be retried."""


class LeaseLostError(StorageError):
    """The worker no longer has the lease on the run and must stop writing to it."""


RESTORE_ADVICE = "Put the last backup back."


def reason_of(error: Exception) -> str:
    """The first line of the driver's or the system's message, without SQLAlchemy's additions."""
    return (str(getattr(error, "orig", None) or error).splitlines() or [type(error).__name__])[0][:200]


def database_damage(error: Exception) -> str:
    """The message for a database that cannot be read."""
    return f"The database is damaged: {reason_of(error)}. {RESTORE_ADVICE}"
