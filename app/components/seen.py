"""Texts of what the Playground's script draws of a column that is looked at; see app/static/seen.js."""

from typing import Any

from app.words import say

_PLAIN = (
    "table", "layers", "keys", "scale", "before", "after", "likely", "probability", "answer", "answer_keys", "alternatives", "likelier",
    "unlikelier", "nothing", "no_number",
)  # fmt: skip
"""Texts without values."""


def texts() -> dict[str, Any]:
    """The texts, by the names that the script uses; where a value belongs stands its name in braces."""
    return {
        **{name: say(f"seen.shown.{name}") for name in _PLAIN},
        "layer": say("seen.of.layer", layer="{layer}"),
        "token": say("seen.of.token", place="{place}", token="{token}"),
        "cell": say("seen.of.cell", layer="{layer}", place="{place}", token="{token}", share="{share}"),
        "cell_unedited": say("seen.of.cell_unedited", layer="{layer}", place="{place}", token="{token}"),
        "figures": say("seen.of.figures", change="{change}", hidden="{hidden}", share="{share}"),
        "gap": say("seen.of.gap", count="{count}"),
        "tint": say("seen.of.tint", token="{token}", base="{base}", tuned="{tuned}"),
    }
