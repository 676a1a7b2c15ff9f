"""A column of the Playground: who answers and with which settings, its key and its name. Imports no torch."""

import json
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app import limits
from app.words import say

_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "base": (), "run": ("run", "step", "strength", "layers", "groups"), "few_shot": ("run", "shots", "seed"),
    "instant": ("run", "blend"), "mix": ("parts", "strength", "layers", "groups"),
}  # fmt: skip
"""What its answers depend on, by its kind."""
_GROUPS = {"prefix", "suffix"}
RunId = Annotated[str, Field(pattern="^[0-9A-Za-z_-]{1,100}$")]


class MixPart(BaseModel):
    """A run in a mix, and the weight of its edit."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    run: RunId
    weight: float = Field(1.0, ge=-10.0, le=10.0)


class Column(BaseModel):
    """One way to answer: the base model alone, a run's edit or baseline, a mix of edits, or a run's training rows without training.

    ``layers`` and ``groups`` are the layers and position groups of the edits that act, None for all. Rows are shown in the prompt
    (``few_shot``: so many ``shots``, drawn by ``seed``) or looked up (``instant``: ``blend`` of the answer by them, None what suits best).
    A field that the kind does not need keeps its default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    kind: Literal["base", "run", "mix", "few_shot", "instant"]
    run: RunId | None = None
    step: int | None = Field(None, ge=1, le=10**9, description="What the run had learned then; by default its result, or what it has now.")
    strength: float = Field(1.0, ge=-10.0, le=10.0)
    layers: tuple[Annotated[int, Field(ge=0, le=9_999)], ...] | None = Field(None, max_length=1_000)
    groups: tuple[Literal["prefix", "suffix"], ...] | None = Field(None, max_length=2)
    shots: int = Field(0, ge=0, le=1_000)
    seed: int = Field(0, ge=0, le=2**31 - 1)
    blend: float | None = Field(None, ge=0.0, le=1.0)
    parts: tuple[MixPart, ...] = Field((), max_length=limits.PARTS)

    @model_validator(mode="after")
    def _names_what_answers(self) -> Self:
        if (self.kind in ("run", "few_shot", "instant")) != (self.run is not None) or (self.kind == "mix") != bool(self.parts):
            raise PydanticCustomError("column", "{sentence}", {"sentence": say("answering.names")})
        if self.step is not None and self.kind != "run":
            raise PydanticCustomError("column", "{sentence}", {"sentence": say("answering.no_step")})
        return self

    @property
    def has_edit(self) -> bool:
        """Whether an edit answers, at a strength; not so for a run that is a baseline, which its column does not know."""
        return "strength" in _SETTINGS[self.kind]

    @property
    def runs(self) -> tuple[str, ...]:
        """The runs that it is made of."""
        return (*([self.run] if self.run else []), *(part.run for part in self.parts))


def key_of(column: Column, base: str) -> str:
    """The key of a column: equal for those whose answers depend on the same run or base model and the same settings."""
    values = column.model_dump(mode="json", include=set(_SETTINGS[column.kind]))
    if column.layers is not None and "layers" in values:
        values["layers"] = sorted(set(column.layers))
    if column.groups is not None and "groups" in values:
        values["groups"] = None if set(column.groups) == _GROUPS else sorted(set(column.groups))
    if column.kind == "mix":
        values["parts"] = sorted(values["parts"], key=lambda part: (part["run"], part["weight"]))
    where = {"base": base} if column.kind == "base" else {}
    return json.dumps({"kind": column.kind, **where, **values}, sort_keys=True, separators=(",", ":"))


def name_of(column: Column, runs: Mapping[str, str], base: str = "") -> str:
    """The whole name of a column: who answers, and what of it acts; see `title_of`."""
    return ", ".join([title_of(column, runs, base), *(_acting(column) if column.kind in ("run", "mix") else [])])


def title_of(column: Column, runs: Mapping[str, str], base: str = "") -> str:
    """Who answers in a column, with the names of its ``runs`` by their ids; a run that is not among them is called by its id."""
    run = runs.get(column.run or "", column.run or "")
    if column.kind == "base":
        return say("answering.base_of", base=base) if base else say("answering.base")
    if column.kind == "few_shot":
        return say("answering.few_shot", count=column.shots, run=run)
    if column.kind == "instant":
        blend = column.blend
        return say("answering.looked_up", run=run) if blend is None else say("answering.instant", run=run, blend=f"{blend:g}")
    if column.kind == "mix":
        parts = [say("answering.part", run=runs.get(part.run, part.run), weight=f"{part.weight:g}") for part in column.parts]
        return say("answering.mix", parts=", ".join(parts))
    return run if column.step is None else f"{run}, {say('answering.step', step=column.step)}"


def _acting(column: Column) -> list[str]:
    """What differs from the whole edit as it was trained."""
    said = [say("answering.strength", strength=f"{column.strength:g}")] if column.strength != 1 else []
    if column.layers is not None:
        layers = ", ".join(map(str, sorted(set(column.layers))))
        said.append(say("answering.layers", layers=layers) if layers else say("answering.no_layers"))
    if column.groups is not None and set(column.groups) != _GROUPS:
        said.append(say(f"answering.groups.{column.groups[0] if column.groups else 'none'}"))
    return said
