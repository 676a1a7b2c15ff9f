"""What the settings of a run are called, do and take: read off the fields of the spec, which `setting` declares. Imports no torch."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo

Kind = Literal["integer", "number", "switch", "choice", "text"]
Group = Literal["Model", "Edit", "Learning", "Classes and pairs", "Rows", "Which edit is kept", "Memory and speed"]
GROUPS: tuple[Group, ...] = get_args(Group)


@dataclass(frozen=True, slots=True)
class Choices:
    """Metadata of a field: the values that can be chosen, each with its title; ``free`` where another one can be written instead."""

    titles: Mapping[str, str] | Callable[[], Mapping[str, str]]
    free: bool = False

    @property
    def titled(self) -> tuple[tuple[str, str], ...]:
        """Titles with their values, as they are now."""
        titles = self.titles() if callable(self.titles) else self.titles
        return tuple((title, value) for value, title in titles.items())


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, as page, command line and docs show it.

    Attributes:
        name: the field's name.
        section: the field of the run's spec that holds it, such as ``train``; empty for the spec itself.
        group: the headline that it stands under.
        kind: what its value is.
        title: what people call it.
        help: what it does, in one sentence.
        why: the reason for its default.
        unit: what a number of it counts; empty for a bare number.
        low: the least number; ``above`` where that itself is not allowed.
        high: the largest number; ``below`` where that itself is not allowed.
        choices: values with their titles, where there is a choice.
        free: whether another value than the choices can be written.
        default: its value when nothing is said.
        optional: whether it can be left blank, which is None.
        blank: what a blank means, in words.
        advanced: whether the page shows it only to those who ask for more.
        step: what one press of an arrow key adds to the number.
    """

    name: str
    section: str
    group: Group
    kind: Kind
    title: str
    help: str
    why: str
    unit: str
    low: float | None
    high: float | None
    above: bool
    below: bool
    choices: tuple[tuple[str, str], ...]
    free: bool
    default: Any
    optional: bool
    blank: str
    advanced: bool
    step: float

    @property
    def range(self) -> str:
        """The numbers that it takes, in words; empty where it is no number."""
        low = "" if self.low is None else f"more than {self.low:,g}" if self.above else f"{_figure(self.low)}"
        high = "" if self.high is None else f"less than {self.high:,g}" if self.below else f"{_figure(self.high)}"
        if self.above and high:
            return f"{low}, {'' if self.below else 'at most '}{high}"
        return f"{low} to {high}" if low and high else low or high

    @property
    def default_text(self) -> str:
        """The default, as a person writes it; in words where it is a blank."""
        return self.blank if self.default is None else written(self.default)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:g}"


def written(value: Any) -> str:
    """A value as a person writes it, which the spec reads back: ``0;2`` for layers, ``happy, sad`` for labels, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (list, tuple)):
        return (";" if all(isinstance(each, int) for each in value) else ", ").join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def setting(
    default: Any, *, title: str, help: str, why: str, group: Group, unit: str = "", blank: str = "", advanced: bool = True,
    step: float = 1, **limits: Any,
) -> Any:  # fmt: skip
    """Declare a field of the spec; ``limits`` are pydantic's (``ge``, ``lt``, ``min_length``), the rest is described at `Setting`."""
    shown: dict[str, Any] = {"group": group, "unit": unit, "blank": blank, "advanced": advanced, "why": why, "step": step}
    return Field(default, title=title, description=help, json_schema_extra=shown, **limits)


def settings_of(spec: type[BaseModel]) -> tuple[Setting, ...]:
    """Every setting that a spec and the models in it hold, in their order."""
    return tuple(_settings_of(spec, ""))


def _settings_of(model: type[BaseModel], section: str) -> Iterator[Setting]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _settings_of(field.annotation, name)
        else:
            yield _setting(name, section, field)


def _setting(name: str, section: str, field: FieldInfo) -> Setting:
    shown: Any = field.json_schema_extra
    choices = next((each for each in field.metadata if isinstance(each, Choices)), None)
    low, high = (_limit(field, *kinds) for kinds in ((Ge, Gt), (Le, Lt)))
    return Setting(
        name=name, section=section, kind=_kind(field, choices), title=str(field.title), help=str(field.description),
        low=low[0], above=low[1], high=high[0], below=high[1],
        choices=choices.titled if choices else (), free=bool(choices and choices.free),
        default=field.default, optional=field.default is None, **shown,
    )  # fmt: skip


def _limit(field: FieldInfo, including: type, excluding: type) -> tuple[float | None, bool]:
    """The limit, and whether it is itself not allowed."""
    for each in field.metadata:
        if isinstance(each, (including, excluding)):
            (value,) = (getattr(each, key) for key in ("ge", "gt", "le", "lt") if hasattr(each, key))
            return value, isinstance(each, excluding)
    return None, False


def _kind(field: FieldInfo, choices: Choices | None) -> Kind:
    if choices:
        return "choice"
    annotation = field.annotation
    union = get_origin(annotation) in (Union, UnionType)
    kinds = [each for each in get_args(annotation) if each is not NoneType] if union else [annotation]
    known: dict[Any, Kind] = {int: "integer", float: "number", bool: "switch"}
    return known.get(kinds[0], "text") if len(kinds) == 1 else "text"
