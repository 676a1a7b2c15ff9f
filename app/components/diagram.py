"""A picture of an edit: one dot for each hidden state, by token and layer."""

from app.words import say

_TOKENS, _LAYERS, _ENDS, _STEP = 14, 5, 3, 22


def hidden_states() -> str:
    """An SVG of hidden states, those at the prompt's first and last tokens marked as edited."""
    dots = "".join(_dot(token, layer) for layer in range(_LAYERS) for token in range(_TOKENS))
    width, height = _TOKENS * _STEP, _LAYERS * _STEP
    caption = say("diagram.caption")
    picture = f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{caption}">{dots}</svg>'
    return f'<figure class="rs-diagram">{picture}<figcaption>{caption}</figcaption></figure>'


def _dot(token: int, layer: int) -> str:
    edited = token < _ENDS or token >= _TOKENS - _ENDS
    centre = _STEP // 2
    kind = ' class="edited"' if edited else ""
    return f'<circle{kind} cx="{token * _STEP + centre}" cy="{layer * _STEP + centre}" r="{7 if edited else 4}"/>'
