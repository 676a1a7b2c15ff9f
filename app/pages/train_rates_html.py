"""HTML of the search for a learning rate."""

from app.components import html
from app.handlers.rates import Search
from app.words import phrases, say
from reft_engine import written
from reft_engine.training import RatesFound


def offered(seconds: float | None) -> str:
    """What a search does, and how long it takes, where that is known."""
    time = "" if seconds is None else say("rates.takes", time=phrases.duration(seconds))
    return f'<p class="rs-rates-about">{say("rates.what")} {time}</p>'


def under_way(search: Search) -> str:
    """How far a search is."""
    text = say("rates.progress", done=search.done, total=search.total)
    bar = f'<progress max="{search.total}" value="{search.done}" aria-label="{text}"></progress>'
    return f'<div class="rs-rates"><p>{text}</p>{bar}</div>'


def table(found: RatesFound) -> str:
    """Every rate with its loss, and the one that is named with the reason."""
    rows = "".join(
        f'<tr{" class=best" if trial.rate == found.best else ""}><th scope="row">{written(trial.rate)}</th>'
        f"<td>{say('rates.diverged') if trial.loss is None else format(trial.loss, '.3f')}</td></tr>"
        for trial in found.trials
    )
    loss = say("rates.held_out_loss", rows=found.rows) if found.rows else say("rates.training_loss")
    head = f'<tr><th scope="col">{say("rates.rate")}</th><th scope="col">{loss}</th></tr>'
    start = say("rates.before", loss=found.loss_before)
    return f'<div class="rs-rates">{reason(found)}<table><caption>{start}</caption>{head}{rows}</table></div>'


def reason(found: RatesFound) -> str:
    """Why a rate is named, or that none is."""
    if found.best is None:
        return html.notice(say("rates.none"))
    return f"<p>{say('rates.reason', rate=written(found.best), steps=found.steps)}</p>"


def stopped() -> str:
    """That a search was ended."""
    return f'<p class="rs-rates-about">{say("rates.stopped")}</p>'
