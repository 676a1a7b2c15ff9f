"""What changes of a run while one looks at it: status, figures, samples and events, as plain data for the browser.

Each answer holds only what is new since the one before, so that an open page costs little however long the run is.
"""

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.handlers import runs
from app.handlers.runs import RunView
from app.services import Services
from app.words import phrases, say
from storage import MetricPoint, NotFoundError, SampleRecord

_FIRST = 400
"""Values of each figure that are sent at first; those of a longer run are means of neighbours."""
_NAMES = (
    "loss", "learning_rate", "gradient_norm", "tokens_per_second", "memory", "seconds", "held_out", "held_out_base", "held_out_rows",
    "held_out_right", "held_out_right_base",
)  # fmt: skip
"""Figures that the page draws."""
_TEXT = 400
"""Characters of a text of a sample answer that are sent."""


class Since(BaseModel):
    """What a page has of a run already: figures up to a ``step`` (none at -1), events and sample answers up to these ids (none at 0)."""

    model_config = ConfigDict(extra="forbid")

    step: int = Field(-1, ge=-1, le=2**31 - 1)
    event: int = Field(0, ge=0, le=2**62)
    sample: int = Field(0, ge=0, le=2**62)


def snapshot(services: Services, view: RunView, since: Since) -> dict[str, Any]:
    """What is new of a run."""
    run, storage = view.run, services.storage
    first = since.step < 0
    points = storage.metrics.thinned(run.id, _FIRST) if first else storage.metrics.since(run.id, since.step)
    events = storage.events.all(run.id, since.event)
    samples = storage.samples.all(run.id, since.sample)
    train = run.spec.get("train", {})
    return {
        "id": run.id, "first": first, "begins": since.event == 0, "key": key(view), "active": run.status.active, "ended": run.status.ended,
        "follows": view.comparing,
        "step": run.step, "total": run.total_steps, "epochs": train.get("epochs", 1), "points": by_name(points),
        "events": [{"at": event.at.isoformat(), "text": event.text} for event in events],
        "event": events[-1].id if events else since.event, "samples": _short(samples),
        "sample": max([since.sample, *(sample.id for sample in samples)]),
    }  # fmt: skip


def by_name(points: list[MetricPoint], names: Collection[str] = _NAMES) -> dict[str, list[tuple[int, float]]]:
    """The figures that are drawn, rounded to what can be seen."""
    found: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for point in points:
        if point.name in names:
            found[point.name].append((point.step, float(f"{point.value:.6g}")))
    return found


def _short(samples: list[SampleRecord]) -> list[dict[str, Any]]:
    """Sample answers as they are sent; what is the same as in the one before of its place is left out."""
    found: list[dict[str, Any]] = []
    before: dict[int, dict[str, str]] = defaultdict(dict)
    for sample in samples:
        texts = {name: phrases.short(getattr(sample, name), _TEXT) for name in ("prompt", "expected", "base", "tuned")}
        last = before[sample.place]
        new = {name: text for name, text in texts.items() if last.get(name) != text}
        found.append({"step": sample.step, "place": sample.place, "right": sample.tuned.strip() == sample.expected.strip(), **new})
        before[sample.place] = texts
    return found


def key(view: RunView) -> str:
    """Changes when something of the run changes beside its figures, such as what can be done with it."""
    run = view.run
    parts = (run.status, view.engine_up, view.place, view.waiting, view.trouble, run.sentence, run.name, run.start_after, view.compared)
    return "/".join(map(str, parts))


def gone() -> dict[str, Any]:
    """Of a run that has been deleted meanwhile."""
    return {"gone": True, "sentence": say("runs.away")}


def look(services: Services, run_id: str, since: Since) -> tuple[RunView | None, dict[str, Any]]:
    """A run with what is new of it; None and `gone` if it was deleted."""
    try:
        view = runs.view(services, run_id)
    except NotFoundError:
        return None, gone()
    return view, snapshot(services, view, since)
