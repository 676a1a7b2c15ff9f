"""Of which runs a run was mixed. A mix was never trained, so whatever begins with a training refuses it."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.errors import StudioError
from app.words import say
from storage import RunRecord

KEY = "mixed_from"
"""Where the summary of a mix holds its parts."""


@dataclass(frozen=True, slots=True)
class MixedPart:
    """A run that a mix was made of, as it was called then, and its weight; it may have been deleted since."""

    run: str
    name: str
    weight: float


def parts_of(run: RunRecord) -> tuple[MixedPart, ...]:
    """The runs of which a run was mixed; none of one that was trained."""
    return tuple(MixedPart(**part) for part in (run.summary or {}).get(KEY, ()))


def formula(parts: Iterable[MixedPart]) -> str:
    """The names with their weights, as a sum."""
    return " + ".join(say("mixes.part", name=part.name, weight=part.weight) for part in parts)


def require_trained(run: RunRecord) -> None:
    """Raise StudioError for a mix."""
    if parts_of(run):
        raise StudioError(say("mixes.not_trained", name=run.name))
