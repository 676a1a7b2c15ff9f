"""What every fault needs: a studio to harm, a count of what was done to it, and a judge of what was lost."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.cli.doctor import problems_of
from app.handlers.train import TrainForm
from storage import RunStatus
from storage.upkeep import clean_up
from tests.faults.studio import LONG, SHORT, TINY, Learned, Studio, Watched, make_base, wait

PATIENCE = 900.0
TELLING, TELLING_BESIDE_OTHERS = 3.0, 30.0
"""Seconds that the page may take to tell what the studio has noticed: in the whole form, which has the machine to itself, and in the
quick one, beside whatever goes on; a worker that is only missed by its silence is told of later than either.
"""


class NotHereError(Exception):
    """A fault that cannot be caused on this machine, and why."""


@dataclass
class Outcome:
    """What was done, and what was lost by it; ``told`` is the longest that a person had to wait for the page to say so."""

    injected: int = 0
    runs: int = 0
    runs_lost: int = 0
    rows_lost: int = 0
    weights_differing: int = 0
    left_over: int = 0
    told: float | None = None
    late: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """In a word."""
        if self.runs_lost or self.rows_lost or self.weights_differing:
            return "LOST"
        if not self.injected or not self.runs:
            return "not tried"
        if self.left_over:
            return "LEFT OVER"
        return "LATE" if self.late else "good"


class Trial:
    """One fault on its way. A fault asks it for a studio, does the harm, and lets it judge.

    Args:
        folder: of its own, for whatever it writes.
        quick: whether it is to be short.
        undisturbed: what runs of these settings leave to which nothing happens.
    """

    def __init__(self, folder: Path, quick: bool, undisturbed: dict[TrainForm, Learned]) -> None:
        self.folder, self.quick, self.undisturbed = folder, quick, undisturbed
        self.form = SHORT if quick else LONG
        self.telling = TELLING_BESIDE_OTHERS if quick else TELLING
        self.outcome = Outcome()

    def often(self, quick: int, whole: int) -> int:
        """How often, or how long."""
        return quick if self.quick else whole

    @contextmanager
    def studio(self, url: str | None = None) -> Iterator[Studio]:
        """A studio that is not served yet; at the end it is stopped, and looked over for what should not be left."""
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        studio = Studio(data, url)
        try:
            yield studio
            self._look_over(studio)
        finally:
            for left in studio.end():
                self.left(left)

    @contextmanager
    def training(self) -> Iterator[Watched]:
        """A run in the middle of its training; at the end it is judged."""
        with self.studio() as studio:
            studio.start()
            run = studio.queue(self.form)
            wait(lambda: run.step > 20, what="the twentieth step")
            yield run
            self.judge(run)

    def inject(self, told: Callable[[], object] | None = None, noticed_after: float = 0.0) -> None:
        """Count a fault that was just caused; with ``told``, wait until the page says so and note how long that took.

        Args:
            told: whether the page says so.
            noticed_after: seconds that the studio may need until it comes upon the fault at all.
        """
        self.outcome.injected += 1
        if told:
            begun = time.monotonic()
            wait(told, what="a word of it on the page")
            taken = time.monotonic() - begun
            self.outcome.told = max(self.outcome.told or 0.0, taken)
            self.outcome.late += taken > noticed_after + self.telling

    def lost(self, what: str) -> None:
        """Count a run that was lost, or that the studio told an untruth of."""
        self.outcome.runs_lost += 1
        self.note(what)

    def left(self, what: str) -> None:
        """Count something that should not have been left."""
        self.outcome.left_over += 1
        self.note(f"left over: {what}")

    def note(self, what: str) -> None:
        """Add to what is printed below the table."""
        self.outcome.notes.append(what)

    def judge(self, run: Watched) -> None:
        """Wait for the end of a run, and compare all that it left with what it leaves undisturbed."""
        wait(lambda: run.ended, PATIENCE, "the end of the run")
        self.outcome.runs += 1
        if run.status is not RunStatus.FINISHED:
            return self.lost(f"the run is {run.status}: {run.record.sentence}")
        wanted, found = self.undisturbed[run.form], run.learned()
        rows = [*wanted.missing(found), *run.disorder()]
        self.outcome.rows_lost += len(rows)
        self.outcome.weights_differing += (found.weights, found.last, found.best_step) != (wanted.weights, wanted.last, wanted.best_step)
        if rows:
            self.note(f"{len(rows)} rows lost: {', '.join(rows[:4])}{' ...' if len(rows) > 4 else ''}")

    def _look_over(self, studio: Studio) -> None:
        """Zombies, processes that outlive the server, and rows or files that belong to nobody."""
        try:
            wait(lambda: not studio.zombies(), 60, "the burial of the dead")
        except TimeoutError:
            for pid in studio.zombies():
                self.left(f"process {pid} is a zombie")
        studio.stop()
        # Housekeeping leaves alone what was touched just now.
        for path in studio.folder.rglob("*"):
            os.utime(path, (time.time() - 3600,) * 2, follow_symlinks=False)
        clean_up(studio.services.storage, studio.services.settings.bin_days)  # as at every start and every hour
        for finding in problems_of(studio.services.storage):
            self.left(finding.text)


def undisturbed(folder: Path, quick: bool) -> dict[TrainForm, Learned]:
    """What runs leave to which nothing happens."""
    (folder / "data").mkdir(parents=True)
    make_base()
    studio = Studio(folder / "data")
    try:
        studio.start()
        runs = [studio.queue(form, str(number)) for number, form in enumerate((TINY, SHORT if quick else LONG))]
        wait(lambda: all(run.ended for run in runs), PATIENCE, "the end of the undisturbed runs")
        assert all(run.status is RunStatus.FINISHED for run in runs), [run.record.sentence for run in runs]
        return {run.form: run.learned() for run in runs}
    finally:
        studio.end()
