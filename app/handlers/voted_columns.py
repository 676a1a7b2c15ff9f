"""What a column of the Playground is called where its answers are counted: a key that stays, and a name to read."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.words import say

_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "base": (), "run": ("run", "step", "strength", "layers", "groups"), "few_shot": ("run", "shots", "seed"),
    "instant": ("run", "blend"), "mix": ("parts", "strength", "layers", "groups"),
}  # fmt: skip
"""What of a column's description its answers depend on, by its kind."""
_GROUPS = {"prefix", "suffix"}
RunId = Annotated[str, Field(pattern=r"^[0-9A-Za-z]{1,32}$")]


class VotedPart(BaseModel):
    """A run of a mix, and its weight."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    run: RunId
    weight: float = Field(ge=-10, le=10)


class VotedColumn(BaseModel):
    """The description of a column, as the page sends it with its answer; what it says beyond this is left out."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    kind: Literal["base", "run", "few_shot", "instant", "mix"]
    run: RunId | None = None
    step: int | None = Field(None, ge=0)
    strength: float = Field(1.0, ge=-10, le=10)
    layers: tuple[Annotated[int, Field(ge=0, le=10_000)], ...] | None = Field(None, max_length=1000)
    groups: tuple[Literal["prefix", "suffix"], ...] | None = Field(None, max_length=2)
    shots: int = Field(0, ge=0, le=10_000)
    seed: int = Field(0, ge=0, le=2**63 - 1)
    blend: float | None = Field(None, ge=0, le=1)
    parts: tuple[VotedPart, ...] = Field((), max_length=50)

    @property
    def runs(self) -> tuple[str, ...]:
        """The runs that it is made of."""
        return (*([self.run] if self.run else []), *(part.run for part in self.parts))


def key_of(column: Mapping[str, Any], base: str) -> str:
    """The key of a column: equal for those whose answers depend on the same run or base model and the same settings."""
    read = VotedColumn.model_validate(column)
    values = read.model_dump(mode="json", include=set(_SETTINGS[read.kind]))
    if read.layers is not None and "layers" in values:
        values["layers"] = sorted(set(read.layers))
    if read.groups is not None and "groups" in values:
        values["groups"] = None if set(read.groups) == _GROUPS else sorted(set(read.groups))
    if read.kind == "mix":
        values["parts"] = sorted(values["parts"], key=lambda part: (part["run"], part["weight"]))
    where = {"base": base} if read.kind == "base" else {}
    return json.dumps({"kind": read.kind, **where, **values}, sort_keys=True, separators=(",", ":"))


def name_of(column: Mapping[str, Any], runs: Mapping[str, str], base: str = "") -> str:
    """The name of a column, with those of its ``runs`` by their ids; a run that is not among them is called by its id."""
    read = VotedColumn.model_validate(column)
    run = runs.get(read.run or "", read.run or "")
    if read.kind == "base":
        return say("votes.column.base_of", base=base) if base else say("votes.column.base")
    if read.kind == "few_shot":
        return say("votes.column.few_shot", count=read.shots, run=run)
    if read.kind == "instant":
        if read.blend is None:
            return say("votes.column.instant_best", run=run)
        return say("votes.column.instant", run=run, blend=f"{read.blend:g}")
    parts = [say("votes.column.part", run=runs.get(part.run, part.run), weight=f"{part.weight:g}") for part in read.parts]
    what = say("votes.column.mix", parts=", ".join(parts)) if read.kind == "mix" else run
    return ", ".join([what, *_acting(read)])


def _acting(column: VotedColumn) -> list[str]:
    """What differs from the whole edit as it was trained."""
    said = [say("votes.column.step", step=column.step)] if column.kind == "run" and column.step is not None else []
    said += [say("votes.column.strength", strength=f"{column.strength:g}")] if column.strength != 1 else []
    if column.layers is not None:
        layers = ", ".join(map(str, sorted(set(column.layers))))
        said.append(say("votes.column.layers", layers=layers) if layers else say("votes.column.no_layers"))
    if column.groups is not None and set(column.groups) != _GROUPS:
        said.append(say(f"votes.column.groups.{column.groups[0] if column.groups else 'none'}"))
    return said
