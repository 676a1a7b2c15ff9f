"""What can go wrong, in words that a person can act on.

ReftError
  ConfigError      a setting is out of range or does not fit the base model; ``.field`` names it
  PositionError    a position rule that cannot be read
  DataError        a file or a row that cannot be used
  ModelLoadError   a base model that cannot be loaded
  TrainingError    training cannot start or go on
  StoppedError     a run was told to stop before its first step, so that there is nothing to save
  BusyError        more requests wait for an answer than may
  AdapterError     an adapter folder that is damaged or belongs to another base model

An error is raised with its English sentence, a kind and values:
``DataError("Line {line}: the prompt is empty.", kind="row.prompt_empty", line=3)``. Sentences may be reworded at any time. A program
reads ``.kind``, or ``.group`` (here ``row``) and ``.detail``. A catalogue in another language finds its sentence by the kind and fills in
``.values``.
"""

from typing import Any

Kind = str
"""Which sentence an error says: a group and a name, such as ``row.prompt_empty``, or a group alone."""

GROUPS = {
    "code": "a base model that needs program code of its own",
    "device": "a device that cannot be used",
    "format": "values that are not those of a spec; detail: pydantic's message for the first",
    "length": "a row whose prompt is too long",
    "model": "a base model with an unsuitable structure; detail: what it can therefore not do, such as 'be edited'",
    "name": "a name that no base model can have",
    "package": "a package that is not installed; detail: the command that installs it",
    "row": "a row that cannot be used for any other reason",
    "template": "a conversation that the chat template refuses; detail: the template's message",
    "weights": "a base model without safetensors weights",
}
"""The groups that programs distinguish; all other groups are those of the modules that raise them."""


class ReftError(Exception):
    """Base of all errors whose text is meant for the person who uses the program.

    Args:
        sentence: one sentence or two, of which the second is advice; a format string if there are values.
        kind: see `Kind`.
        detail: what belongs to the group; see `GROUPS`.
        values: the values in the sentence, by name.
    """

    def __init__(self, sentence: str, *, kind: Kind = "", detail: str = "", **values: Any) -> None:
        super().__init__(sentence.format(**values) if values else sentence)
        self.kind, self.detail, self.values = kind, detail, values

    @property
    def group(self) -> str:
        """The kind up to its dot."""
        return self.kind.partition(".")[0]

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are pickled by their arguments alone, which would lose all else.
        return _restored, (type(self), self.args, self.__dict__)


def _restored(cls: type[ReftError], args: tuple[Any, ...], state: dict[str, Any]) -> ReftError:
    error = cls.__new__(cls, *args)
    error.__dict__.update(state)
    return error


class ConfigError(ReftError):
    """A setting is out of range or does not fit the base model; ``field`` names it."""

    def __init__(self, sentence: str, field: str | None = None, *, kind: Kind = "", detail: str = "", **values: Any) -> None:
        super().__init__(sentence, kind=kind, detail=detail, **values)
        self.field = field


class PositionError(ConfigError):
    """A position rule that cannot be read."""

    def __init__(self, sentence: str, *, kind: Kind = "", **values: Any) -> None:
        super().__init__(sentence, "positions", kind=kind, **values)


class DataError(ReftError):
    """A file or a row that cannot be used."""


class ModelLoadError(ReftError):
    """A base model that cannot be loaded."""


class TrainingError(ReftError):
    """Training cannot start or cannot go on."""


class StoppedError(ReftError):
    """A run was told to stop before its first step, so that there is nothing to save."""


class BusyError(ReftError):
    """More requests wait for an answer than may."""


class AdapterError(ReftError):
    """An adapter folder that is damaged, of another format, or made for another base model."""
