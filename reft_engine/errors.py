"""What can go wrong, in words that a person can act on.

ReftError
  ConfigError      a setting is out of range or does not fit the base model; ``.field`` names it
  PositionError    a position rule that cannot be read
  DataError        a file or a row that cannot be used
    TooLongError   a row whose prompt leaves no room for an answer
  ModelLoadError   a base model that cannot be loaded
  TrainingError    training cannot start or go on
  AdapterError     an adapter folder that is damaged or belongs to another base model
"""


class ReftError(Exception):
    """Base of all errors whose text is meant for the person who uses the program."""


class ConfigError(ReftError):
    """A setting is out of range or does not fit the base model."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class PositionError(ConfigError):
    """A position rule that cannot be read."""

    def __init__(self, message: str) -> None:
        super().__init__(message, field="positions")


class DataError(ReftError):
    """A file or a row that cannot be used."""


class TooLongError(DataError):
    """A row whose prompt leaves no room for an answer."""


class ModelLoadError(ReftError):
    """A base model that cannot be loaded."""


class TrainingError(ReftError):
    """Training cannot start or cannot go on."""


class AdapterError(ReftError):
    """An adapter folder that is damaged, of another format, or made for another base model."""
