"""What a person said about a file: what its columns are, how it is read, and which rows are dropped."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reft_engine.data import Columns, ReadOptions, Remedy, as_columns


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person said about a file; whatever is not said is decided by its content."""

    columns: Columns | None = None
    options: ReadOptions = ReadOptions()  # noqa: RUF009 (frozen)
    remedies: tuple[Remedy, ...] = ()

    def __hash__(self) -> int:
        return hash((self.columns.model_dump_json() if self.columns else None, self.options, self.remedies))

    def as_data(self) -> dict[str, Any] | None:
        """The choices as they are stored with a dataset; None if nothing was chosen."""
        options = self.options.model_dump(mode="json", exclude_defaults=True)
        columns = self.columns.model_dump() if self.columns else {}
        said = {"options": options, "remedies": list(self.remedies)}
        return {**columns, **{name: value for name, value in said.items() if value}} or None

    @classmethod
    def of_data(cls, data: Mapping[str, Any] | None) -> "Choices":
        """The choices that `as_data` described, also as earlier versions stored them. Raises KeyError, TypeError or ValueError."""
        said = dict(data or {})
        options, remedies = ReadOptions.model_validate(said.pop("options", {})), tuple(said.pop("remedies", ()))
        return cls(as_columns(said) if said else None, options, remedies)


AS_RECOGNISED = Choices()
"""Of a file about which nobody has said anything."""
