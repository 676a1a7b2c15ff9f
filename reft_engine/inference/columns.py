"""How each column of a request is answered: the strength of its edit, which parts of it act, and what adjusts logits."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from reft_engine.base import blocks, checks
from reft_engine.base.loading import Base
from reft_engine.edits.mix import Mix
from reft_engine.edits.model import ReftModel
from reft_engine.edits.switches import ALL_ON, Switches
from reft_engine.errors import ConfigError
from reft_engine.inference.prompts import Answerer
from reft_engine.inference.requests import Adjust


@runtime_checkable
class Checked(Protocol):
    """What can adjust only some columns."""

    def check(self, base: Base, edit: object) -> None:
        """Raises ConfigError for a base model or an edit whose logits it cannot adjust."""
        ...


def strengths_of(edits: Sequence[Answerer | None], strength: float | Sequence[float]) -> list[float]:
    """The strength of each edit. Raises ConfigError."""
    strengths: list[Any] = list(strength) if isinstance(strength, list | tuple) else [strength] * len(edits)
    for each in strengths:
        checks.check_strength(each)
    if len(strengths) != len(edits):
        raise ConfigError("Give one strength for all edits, or one for each.", "strength", kind="inference.strengths")
    if any(
        factor != 1 and edit is not None and not isinstance(edit, ReftModel | Mix) for edit, factor in zip(edits, strengths, strict=True)
    ):
        raise ConfigError("Only an edit of hidden states has a strength; leave it at 1 here.", "strength", kind="generation.strength")
    return strengths


def switches_of(edits: Sequence[Answerer | None], switches: Sequence[Switches | None] | None) -> list[Switches]:
    """What acts of each edit. Raises ConfigError."""
    if switches is None:
        return [ALL_ON] * len(edits)
    if not isinstance(switches, list | tuple) or not all(each is None or isinstance(each, Switches) for each in switches):
        raise ConfigError("Switches are a list of Switches or None, one for each edit.", "switches", kind="switches.type")
    if len(switches) != len(edits):
        raise ConfigError("Give one entry of switches for each edit.", "switches", kind="switches.count")
    chosen = [each or ALL_ON for each in switches]
    for edit, on in zip(edits, chosen, strict=True):
        if isinstance(edit, ReftModel | Mix):
            on.check(edit.layers)
        elif edit is not None and on != ALL_ON:
            raise ConfigError("Only an edit of hidden states has layers to switch off.", "switches", kind="switches.no_edit")
    return chosen


def adjusts_of(base: Base, edits: Sequence[Answerer | None], adjust: Adjust | Sequence[Adjust | None] | None) -> list[Adjust | None]:
    """What adjusts the logits of each column; None leaves them. Raises ConfigError."""
    adjusts: list[Adjust | None] = list(adjust) if isinstance(adjust, list | tuple) else [adjust] * len(edits)  # type: ignore[list-item]
    if len(adjusts) != len(edits) or not all(each is None or callable(each) for each in adjusts):
        raise ConfigError("Give one function that adjusts logits for all edits, or one for each.", "adjust", kind="inference.adjusts")
    for each, edit in zip(adjusts, edits, strict=True):
        if isinstance(each, Checked):
            each.check(base, edit)
    if any(adjusts):
        check_linear_head(base)
        blocks.attach(base.model)  # what its head reads is noted by a hook
    return adjusts


def check_linear_head(base: Base) -> None:
    """Raises ConfigError for a model whose logits are not a linear function of its last hidden states."""
    if not blocks.has_linear_head(base.model):
        raise ConfigError(
            "{base} has no linear output head over its last hidden states, so its logits cannot be adjusted.", "base",
            kind="inference.no_head", base=base.name,
        )  # fmt: skip
