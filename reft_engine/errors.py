"""What can go wrong, in words that a person can act on.

ReftError
  ConfigError      a setting is out of range or does not fit the base model; ``.field`` names it
  PositionError    a position rule that cannot be read
  DataError        a file or a row that cannot be used
  ModelLoadError   a base model that cannot be loaded
  TrainingError    training cannot start or go on
  AdapterError     an adapter folder that is damaged or belongs to another base model

Their sentences are for people and may be worded anew at any time; a program that has to tell one case from another reads
``.kind`` and ``.detail``.
"""

from typing import Literal

Kind = Literal[
    "",
    "code",  # a base model that needs program code of its own
    "device",  # a device that cannot be used
    "format",  # values that are not those of a spec; detail: what pydantic says of the first
    "length",  # a row whose prompt is too long
    "model",  # a base model that is built otherwise than it must be; detail: what it can therefore not do, such as "be edited"
    "name",  # a name that no base model can have
    "package",  # a package that is not installed; detail: the command that installs it
    "row",  # a row that cannot be used for any other reason
    "template",  # a conversation that the chat template refuses; detail: what the template says
    "weights",  # a base model without safetensors weights
]
"""What went wrong, where the class alone does not say enough."""


class ReftError(Exception):
    """Base of all errors whose text is meant for the person who uses the program.

    Args:
        message: one sentence or two, of which the second is advice.
        kind: what went wrong, for a program.
        detail: what belongs to the kind; see `Kind`.
    """

    def __init__(self, message: str, *, kind: Kind = "", detail: str = "") -> None:
        super().__init__(message)
        self.kind, self.detail = kind, detail


class ConfigError(ReftError):
    """A setting is out of range or does not fit the base model; ``field`` names it."""

    def __init__(self, message: str, field: str | None = None, *, kind: Kind = "", detail: str = "") -> None:
        super().__init__(message, kind=kind, detail=detail)
        self.field = field


class PositionError(ConfigError):
    """A position rule that cannot be read."""

    def __init__(self, message: str) -> None:
        super().__init__(message, field="positions")


class DataError(ReftError):
    """A file or a row that cannot be used."""


class ModelLoadError(ReftError):
    """A base model that cannot be loaded."""


class TrainingError(ReftError):
    """Training cannot start or cannot go on."""


class AdapterError(ReftError):
    """An adapter folder that is damaged, of another format, or made for another base model."""
