"""Errors of storage; each text is a sentence for a person."""

from typing import Any


class StorageError(Exception):
    """A record cannot be stored, changed or removed as requested.

    Args:
        sentence: one sentence or two, of which the second is advice; a format string if there are values.
        kind: which sentence it is, such as ``runs.not_found``; a catalogue in another language finds its own by it.
        values: the values in the sentence, by name.
    """

    def __init__(self, sentence: str, *, kind: str = "", **values: Any) -> None:
        super().__init__(sentence.format(**values) if values else sentence)
        self.kind, self.values = kind, values

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are pickled by their arguments alone, which would lose all else.
        return _restored, (type(self), self.args, self.__dict__)


def _restored(cls: type[StorageError], args: tuple[Any, ...], state: dict[str, Any]) -> StorageError:
    error = cls.__new__(cls, *args)
    error.__dict__.update(state)
    return error


class NotFoundError(StorageError):
    """No record has this id."""


class ConflictError(StorageError):
    """Somebody else has changed the record since it was read."""


class TooLargeError(StorageError):
    """The record is larger than one may be."""


class BoundError(StorageError):
    """There would be more of something than somebody, or all together, may have."""


class MovedOnError(StorageError):
    """What a change was made from is no longer the newest; it can be made again from what is."""


class UnavailableError(StorageError):
    """The database is temporarily unusable; the operation can be retried."""


class LeaseLostError(StorageError):
    """The worker no longer has the lease on the run and must stop writing to it."""


def reason_of(error: Exception) -> str:
    """The first line of the driver's or the system's message, without SQLAlchemy's additions."""
    return (str(getattr(error, "orig", None) or error).splitlines() or [type(error).__name__])[0][:200]


def damaged_database(reason: str) -> StorageError:
    """The error for a database that cannot be read."""
    return StorageError("The database is damaged: {reason}. Put the last backup back.", kind="database.damaged", reason=reason)
