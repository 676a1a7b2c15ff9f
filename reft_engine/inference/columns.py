"""How each column of a request is answered: the strength of its edit, and which layers and position groups of it act."""

from collections.abc import Sequence
from typing import Any

from reft_engine.base import checks
from reft_engine.edits.mix import Mix
from reft_engine.edits.model import ReftModel
from reft_engine.edits.switches import ALL_ON, Switches
from reft_engine.errors import ConfigError
from reft_engine.inference.prompts import Answerer


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
