"""HTML of what was measured of a finished edit besides its verdict: whether it broke anything, and what it changes."""

from collections.abc import Sequence

from app.components import html
from app.handlers.looked import level_of
from app.words import phrases, say
from reft_engine.training import ChangedToken, Changes, LayerChange, MovedPrompt, PlaceChange, Regression

_MANY = 20
"""Above this number of layers their table scrolls."""


def regression(measured: Regression | None) -> str:
    """What the edit does to unrelated prompts; empty if it was not measured."""
    if measured is None:
        return ""
    told = say("runs.regression.told", rows=measured.prompts, tokens=measured.tokens)
    left_out = say("runs.regression.left_out", count=measured.left_out) if measured.left_out else ""
    kl = html.term(say("runs.regression.kl"), say("runs.regression.kl_meaning"))
    loss = html.term(say("runs.regression.loss"), say("runs.loss.meaning"))
    figures = _figure(kl, phrases.figure(measured.kl), say(f"runs.regression.level.{level_of(measured)}")) + _figure(
        loss, phrases.figure(measured.tuned), say("runs.regression.loss_base", loss=phrases.figure(measured.base))
    )
    worst = "".join(map(_moved, measured.worst))
    return _card(
        say("runs.regression.title"),
        f'<p class="rs-facts">{told} {left_out}</p><div class="rs-figures">{figures}</div>'
        f'<div class="rs-caption rs-below">{say("runs.regression.worst")}</div>'
        f'<p class="rs-facts">{say("runs.regression.worst_note")}</p>{worst}',
    )


def edit(measured: Changes | None) -> str:
    """How strongly the edit changes each layer, and where on the prompt; empty if it was not measured."""
    if measured is None:
        return ""
    share = measured.edited / max(measured.tokens, 1)
    strongest = max((layer for layer in measured.layers if layer.share is not None), key=lambda layer: layer.share or 0.0, default=None)
    if strongest is None or not measured.edited:
        told = say("runs.edit.told_nothing", rows=measured.rows, share=share)
    else:
        told = say("runs.edit.told", rows=measured.rows, share=share, layer=strongest.layer, change=phrases.percent(strongest.share))
    return _card(
        say("runs.edit.title"),
        f'<p class="rs-facts">{told}</p><details class="rs-folded"><summary>{say("runs.edit.more")}</summary>'
        f'<div class="rs-lengths"><div>{_layers(measured.layers)}{_places(measured.places)}</div></div>{_example(measured)}</details>',
    )


def _card(title: str, body: str) -> str:
    return f'<section class="rs-card" aria-label="{title}"><div class="rs-caption">{title}</div>{body}</section>'


def _figure(name: str, value: str, words: str) -> str:
    return f"<div><span>{name}</span><b>{value}</b><small>{words}</small></div>"


def _moved(moved: MovedPrompt) -> str:
    pairs = [
        (say("runs.sample.prompt"), moved.prompt, ""), (say("runs.sample.base"), moved.base, ""),
        (say("runs.sample.tuned"), moved.tuned, " class=tuned"),
        (say("runs.regression.moved"), say("runs.regression.nats", kl=phrases.figure(moved.kl)), ""),
    ]  # fmt: skip
    body = "".join(
        f'<dt>{name}</dt><dd dir="auto"{kind}>{html.text(text) or say("runs.sample.nothing")}</dd>' for name, text, kind in pairs
    )
    return f'<dl class="rs-pairs short rs-below">{body}</dl>'


def _layers(layers: Sequence[LayerChange]) -> str:
    """A bar for each layer: the change as a share of the hidden state, and its length."""
    most = max((layer.share or 0.0 for layer in layers), default=0.0)
    rows = "".join(_row(str(layer.layer), layer.share, most, f"<td>{phrases.figure(layer.norm)}</td>") for layer in layers)
    change = html.term(say("runs.edit.change"), say("runs.edit.meaning"))
    heads = (say("runs.edit.layer"), change, say("runs.edit.length"))
    table = _table(say("runs.edit.layers"), heads, rows)
    if len(layers) <= _MANY:
        return table
    return f'<div class="rs-tall" tabindex="0" role="region" aria-label="{say("runs.edit.layers")}">{table}</div>'


def _places(places: Sequence[PlaceChange]) -> str:
    """A bar for each place of the prompt."""
    most = max((place.share or 0.0 for place in places), default=0.0)
    rows = "".join(_row(_place(place.place), place.share, most) for place in places)
    return f"<div>{_table(say('runs.edit.places'), (say('runs.edit.place'), say('runs.edit.change')), rows)}" + (
        f'<p class="rs-facts">{say("runs.edit.places_note")}</p></div>'
    )


def _place(place: int) -> str:
    if place == 0:
        return say("runs.edit.between")
    return say("runs.edit.first", place=place) if place > 0 else say("runs.edit.last", place=-place)


def _table(caption: str, heads: Sequence[str], rows: str) -> str:
    name, change, *more = heads
    others = "".join(f'<th scope="col">{each}</th>' for each in more)
    head = f'<thead><tr><th scope="col">{name}</th><th scope="col" colspan="2">{change}</th>{others}</tr></thead>'
    return f'<table class="rs-bars rs-changes"><caption>{caption}</caption>{head}<tbody>{rows}</tbody></table>'


def _row(name: str, share: float | None, most: float, more: str = "") -> str:
    width = 100 * (share or 0.0) / most if most else 0.0
    drawn = f'<div aria-hidden="true"><i style="width:{width:.1f}%"></i></div>'
    return f'<tr><th scope="row">{name}</th><td>{drawn}</td><td>{phrases.percent(share)}</td>{more}</tr>'


def _example(measured: Changes) -> str:
    """One prompt with its tokens as strongly marked as they are changed, and the same as a table."""
    most = max((token.share or 0.0 for token in measured.example), default=0.0)
    middle = len(measured.example) // 2 if measured.gap else len(measured.example)
    gap = f'<span class="rs-gap">… {say("runs.edit.gap", count=measured.gap)} …</span>' if measured.gap else ""
    before, after = ("".join(_token(token, most) for token in part) for part in (measured.example[:middle], measured.example[middle:]))
    rows = "".join(
        f'<tr><th scope="row"><code>{html.text(_visible(token.text))}</code></th><td>{_changed(token)}</td></tr>'
        for token in measured.example
    )  # fmt: skip
    heads = f'<thead><tr><th scope="col">{say("runs.edit.token")}</th><th scope="col">{say("runs.edit.change")}</th></tr></thead>'
    return (
        f'<div class="rs-caption rs-below">{say("runs.edit.example")}</div><p class="rs-facts">{say("runs.edit.example_note")}</p>'
        f'<p class="rs-tokens rs-shaded" dir="auto">{before}{gap}{after}</p>'
        f'<details class="rs-problems"><summary>{say("runs.edit.numbers")}</summary>'
        f'<div class="rs-tall" tabindex="0" role="region" aria-label="{say("runs.edit.example")}">'
        f'<table class="rs-bars rs-changes">{heads}<tbody>{rows}</tbody></table></div></details>'
    )


def _token(token: ChangedToken, most: float) -> str:
    text = html.text(token.text.replace("\n", "⏎"))
    breaks = "<br>" * token.text.count("\n")
    if not token.text:
        return ""
    if not token.edited:
        return f'<span class="tok">{text}</span>{breaks}'
    strength = (token.share or 0.0) / most if most else 0.0
    return f'<span class="tok edited" style="--strength:{strength:.2f}" title="{_changed(token)}">{text}</span>{breaks}'


def _changed(token: ChangedToken) -> str:
    return phrases.percent(token.share) if token.edited else say("runs.edit.none")


def _visible(text: str) -> str:
    return text.replace("\n", "⏎").replace(" ", "·")
