"""What every fault needs: a studio to harm, a count of what was done to it, and a judge of what was lost."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

from app.cli.doctor import problems_of
from app.handlers.train import TrainForm
from storage import RunStatus
from storage.upkeep import clean_up
from tests.faults.disks import NotHereError, small_disk
from tests.faults.studio import LONG, SHORT, TINY, Learned, Studio, Watched, make_base, wait

PATIENCE = 900.0
TELLING, TELLING_BESIDE_OTHERS = 3.0, 30.0
"""Seconds that the page may take to tell what the studio has noticed: in the whole form, which has the machine to itself, and in the
quick one, beside whatever goes on; a worker that is only missed by its silence is told of later than either.
"""


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


class Series:
    """Faults one after another: what the same runs leave undisturbed and, in the quick form, the studio that most of them share.

    Args:
        folder: of its own, for the shared studio.
        quick: whether each fault is to be short.
    """

    def __init__(self, folder: Path, quick: bool) -> None:
        self.folder, self.quick = folder, quick
        self.form = SHORT if quick else LONG
        self.undisturbed: dict[TrainForm, Learned] = {}
        self.no_disk: str | None = None
        self._studio: Studio | None = None
        self._disk = ExitStack()

    def studio(self) -> Studio:
        """The studio that faults share, which is served; one that a fault has spoilt is replaced by a new one."""
        if self._studio is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            data = Path(mkdtemp(dir=self.folder)) / "data"
            data.mkdir()
            try:
                self._disk.enter_context(small_disk(data))
            except NotHereError as error:
                self.no_disk = str(error)
            self._studio = Studio(data)
        if not self._studio.served:
            self._studio.start()
        return self._studio

    def run_undisturbed(self) -> None:
        """See what runs leave to which nothing happens."""
        forms = (TINY, self.form)
        for form in forms:
            make_base(Path(form.base))
        studio = self.studio()
        runs = [studio.queue(form) for form in forms]
        wait(lambda: all(run.ended for run in runs), PATIENCE, "the end of the undisturbed runs")
        assert all(run.status is RunStatus.FINISHED for run in runs), [run.record.sentence for run in runs]
        self.undisturbed = {run.form: run.learned() for run in runs}
        if not self.quick:
            self.discard()

    def end(self) -> list[str]:
        """End the shared studio, and say what it leaves that should not be left."""
        left = []
        if studio := self._studio:
            try:
                studio.stop()
                left = _leavings(studio)
            finally:
                left += studio.end()
                self.discard()
        return left

    def discard(self, copy: Path | None = None) -> None:
        """Share the studio no longer, and keep a copy of its folder for a look."""
        if studio := self._studio:
            studio.end()
            if copy:
                with suppress(OSError):  # sockets, which cannot be copied
                    shutil.copytree(studio.folder, copy)
        self._studio = None
        self._disk.close()


def _leavings(studio: Studio) -> list[str]:
    """Rows and files that belong to nobody, after housekeeping."""
    # Housekeeping leaves alone what was touched just now.
    for path in studio.folder.rglob("*"):
        with suppress(FileNotFoundError):  # of a server that runs
            os.utime(path, (time.time() - 3600,) * 2, follow_symlinks=False)
    clean_up(studio.services.storage, studio.services.settings.bin_days)  # as at every start and every hour
    return [finding.text for finding in problems_of(studio.services.storage)]


class Trial:
    """One fault on its way. A fault asks it for a studio, does the harm, and lets it judge.

    Args:
        folder: of its own, for whatever it writes.
        series: the series that it belongs to.
    """

    def __init__(self, folder: Path, series: Series) -> None:
        self.folder, self.quick, self.form, self._series = folder, series.quick, series.form, series
        self.telling = TELLING_BESIDE_OTHERS if series.quick else TELLING
        self.outcome = Outcome()

    def often(self, quick: int, whole: int) -> int:
        """How often, or how long."""
        return quick if self.quick else whole

    @contextmanager
    def studio(self, url: str | None = None) -> Iterator[Studio]:
        """A studio to harm, which is served: in the quick form the shared one, unless it is to use another database."""
        if self.quick and url is None:
            studio = self._series.studio()
            yield studio
            self._look_over(studio, shared=True)
        else:
            with self.own_studio(url) as studio:
                studio.start()
                yield studio

    @contextmanager
    def own_studio(self, url: str | None = None) -> Iterator[Studio]:
        """A studio of this fault alone, not served yet; at the end it is stopped, and looked over for what should not be left."""
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        studio = Studio(data, url)
        try:
            yield studio
            self._look_over(studio, shared=False)
        finally:
            for left in studio.end():
                self.left(left)

    @contextmanager
    def small_disk(self) -> Iterator[None]:
        """Lets the studio have a small disk. Raises NotHereError."""
        if not self.quick:
            with small_disk(self.folder / "data"):
                yield
        elif self._series.studio() and self._series.no_disk:
            raise NotHereError(self._series.no_disk)
        else:
            yield

    @contextmanager
    def training(self) -> Iterator[Watched]:
        """A run in the middle of its training; at the end it is judged."""
        with self.studio() as studio:
            run = studio.queue(self.form)
            wait(lambda: run.step > 20, what="the twentieth step")
            self.strikes(run)
            yield run
            self.judge(run)

    def strikes(self, run: Watched) -> None:
        """What is about to be caused strikes in the middle of the training."""
        if run.status is not RunStatus.TRAINING:
            self.lost(f"the run was {run.status} at step {run.step} before anything happened to it")

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
        wanted, found = self._series.undisturbed[run.form], run.learned()
        rows = [*wanted.missing(found), *run.disorder()]
        self.outcome.rows_lost += len(rows)
        self.outcome.weights_differing += (found.weights, found.best_step) != (wanted.weights, wanted.best_step)
        if rows:
            self.note(f"{len(rows)} rows lost: {', '.join(rows[:4])}{' ...' if len(rows) > 4 else ''}")

    def _look_over(self, studio: Studio, *, shared: bool) -> None:
        """Zombies, processes that outlive the server or belong to nothing, and rows or files that belong to nobody."""
        self._look_for(studio.zombies, "is a zombie")
        if shared:
            self._look_for(studio.strays, "belongs to nothing")
        else:
            studio.stop()
        for left in _leavings(studio):
            self.left(left)

    def _look_for(self, processes: Callable[[], list[int]], what: str) -> None:
        try:
            wait(lambda: not processes(), 60, "the end of processes")
        except TimeoutError:
            for pid in processes():
                self.left(f"process {pid} {what}")
