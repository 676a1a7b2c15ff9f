"""Predictions of a run for the Runs page: whether they are there, under way or still to be made; some of them; a file to take away."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from app import predictions
from app.errors import EngineAwayError, StudioError
from app.handlers.runs import file_name
from app.predictions import FORMS, SHOWS, Confusion, Counts, Prediction, Predictions, Show
from app.services import Services
from app.words import say, say_error
from storage import NotFoundError, RunRecord, RunStatus


@dataclass(frozen=True, slots=True)
class Progress:
    """How many rows are answered, of all."""

    done: int
    of: int


@dataclass(frozen=True, slots=True)
class State:
    """Predictions of a run that has a result.

    Attributes:
        run: its id.
        rows: its held-out rows; None where they were not written down.
        made: the predictions, if they are there.
        progress: how far they are, if they are under way.
        problem: why they could not be made; empty otherwise.
    """

    run: str
    rows: int | None
    made: Predictions | None = None
    progress: Progress | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """Some predictions of a filter, how many it has, and what is said of all."""

    kind: predictions.Kind
    rows: Sequence[Prediction]
    total: int
    counts: Counts
    confusion: Confusion | None


def state(services: Services, run: RunRecord) -> State | None:
    """The predictions of a run; None for one that has no result, is in the bin, or is trained on."""
    files = services.storage.files
    ended = run.status in (RunStatus.FINISHED, RunStatus.STOPPED) and run.binned_at is None
    if not ended or not files.adapter(run.id).is_dir():
        return None
    places = services.storage.runs.held_out_places(run.id)
    rows = None if places is None else len(places)
    if not rows or (made := predictions.read(files.predictions(run.id), run)) is not None:
        return State(run.id, rows, made if rows else None)
    try:
        return State(run.id, rows, progress=_progress(services, run.id, start=False))
    except EngineAwayError:  # then nothing is under way
        return State(run.id, rows)
    except StudioError as error:
        return State(run.id, rows, problem=say_error(error))


def start(services: Services, run_id: str) -> None:
    """Let the worker answer the held-out rows of a run, unless it does so already; it goes on by itself. Raises StudioError."""
    _progress(services, run_id, start=True)


def _progress(services: Services, run_id: str, *, start: bool) -> Progress | None:
    """How far the predictions are; None if none are under way. Raises StudioError."""
    with closing(services.worker.predictions(run_id, start=start)) as lines:
        line = next(lines, {})
    return Progress(line["done"], line["of"]) if "done" in line else None


def progress(services: Services, run_id: str) -> Progress | None:
    """As an open page asks again and again; None as soon as none are under way, for whatever reason.

    Raises:
        EngineAwayError: it is not known, because the engine does not answer at the moment.
    """
    try:
        return _progress(services, run_id, start=False)
    except EngineAwayError:
        raise
    except StudioError:
        return None


def listed(services: Services, run_id: str, show: str | None, search: str | None, limit: int) -> Listed:
    """The first predictions of a filter. Raises NotFoundError, StudioError."""
    made = _made(services, run_id)[1]
    found = predictions.chosen(made.rows, _show(show), search or "")
    return Listed(made.kind, found[: max(0, limit)], len(found), predictions.count(made.rows), predictions.confusion(made))


def _show(show: str | None) -> Show:
    return next((each for each in SHOWS if each == show), "all")


def export(services: Services, run_id: str, form: str) -> tuple[str, bytes]:
    """File name and content of a run's predictions. Raises NotFoundError, StudioError."""
    kind = next((each for each in FORMS if each == form), None)
    if kind is None:
        raise StudioError(say("predictions.no_form", form=form[:20]))
    run, made = _made(services, run_id)
    return file_name(run, f"predictions.{kind}"), predictions.exported(made, kind)


def _made(services: Services, run_id: str) -> tuple[RunRecord, Predictions]:
    run = services.storage.runs.get(run_id)
    made = predictions.read(services.storage.files.predictions(run_id), run)
    if run.binned_at is not None or made is None:
        raise NotFoundError(say("predictions.not_there"))
    return run, made
