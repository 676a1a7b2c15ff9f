"""The faults: each is a function that does harm to a studio and lets it be judged. To add one, write it and name it in `FAULTS`.

``trial.training()`` gives a run in the middle of its training, and compares all that it left with the same run undisturbed at the end;
``trial.inject()`` counts what was done, and with ``told=`` measures how long the page takes to say so.
"""

import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from storage import RunStatus
from tests.faults.disks import NotHereError, fill, read_only
from tests.faults.studio import ROOT, TINY, Studio, Watched, free_port, wait
from tests.faults.trial import Outcome, Series, Trial
from tests.waiting import PATIENCE

_CHECKPOINT = 5.5
"""Seconds after which a worker writes its next checkpoint at the latest, and finds that it cannot."""
_LAST_WORD = 20.0
"""Seconds after which a supervisor that ends kills a worker that has not ended; a check in progress may take longer on a busy machine."""
_GROWTH = 200.0
"""Megabytes that the web process may grow by however often a page is reloaded."""


def kills(trial: Trial) -> None:
    """Signal 9 to the worker, the web process or both, at random moments of one run and just after a checkpoint."""
    chance, furthest, spared, wanted = random.Random(4), 0, 0, trial.often(2, 25)
    victims = ("worker", "both") if trial.quick else ("worker", "web", "both")  # among the quick faults ``reloads`` kills the web process
    with trial.training() as run:
        while trial.outcome.injected < wanted and not run.ended:
            number = trial.outcome.injected
            what = victims[number % len(victims)]
            wait(lambda: run.lives or run.ended, what="a worker for the run")
            if run.record.worker_exits == 2:  # by design a third death at one step ends a run
                spared += 1
                wait(lambda furthest=furthest: run.step > furthest or run.ended, what="progress")
            _bide(run, chance.uniform(0, trial.often(1, 4) / 2), after_checkpoint=number % trial.often(2, 4) == trial.often(1, 3))
            if run.ended or not run.studio.kill(what, run):
                continue
            furthest = max(furthest, run.step)
            trial.inject(told=(lambda: "is being restarted" in run.page()) if what == "worker" else None)
            if what != "worker":
                run.studio.start()
        if spared:
            trial.note(f"{spared} times the run had cost two workers at one step, and was let pass it")
        if trial.outcome.injected < wanted:
            trial.lost(f"the run ended after {trial.outcome.injected} of {wanted} kills: {run.record.sentence}")


def _bide(run: Watched, seconds: float, *, after_checkpoint: bool) -> None:
    """For some time, or until a checkpoint has just been written."""
    if not after_checkpoint:
        return time.sleep(seconds)
    before = run.checkpoints()
    wait(lambda: {*run.checkpoints()} - {*before} or run.ended, what="a checkpoint")


def two_workers(trial: Trial) -> None:
    """Two workers on one queue, one of them killed in the middle; each run is trained by one of them, once."""
    if not trial.quick:
        _share_a_queue(trial, 20, kill=False)
        shutil.rmtree(trial.folder / "data")
    _share_a_queue(trial, trial.often(3, 20), kill=True)


def two_workers_on_postgresql(trial: Trial) -> None:
    """The same with the database on a server, where writers do not wait for each other."""
    try:
        from tests.postgres import find_programs, running
    except ImportError as error:
        raise NotHereError("psycopg is not installed") from error
    programs = find_programs()
    if programs is None:
        raise NotHereError("PostgreSQL is not installed")
    with running(programs) as server:
        _share_a_queue(trial, trial.often(3, 20), kill=True, url=server.new_database())


def _share_a_queue(trial: Trial, count: int, *, kill: bool, url: str | None = None) -> None:
    with trial.studio(url) as studio:
        second = studio.worker("--queue-only", "--worker", "second")
        wait(lambda: {"second"} < {*studio.workers()}, what="two workers")
        queued = [studio.queue(TINY) for _ in range(count)]
        had = defaultdict[str, set[str]](set)

        def seen() -> bool:
            for run, worker in studio.holders().items():
                had[worker].add(run)
            return all(run.ended for run in queued)

        if kill:
            half = (count - 1) // 2
            wait(lambda: seen() or len(had["second"]) > 1 or (len(had) > 1 and sum(run.ended for run in queued) >= half), 600, "shares")
            victim = _stop_in_the_middle(second, studio, queued, seen)
            second.kill()
            second.wait()
            if victim is not None:
                trial.inject(told=lambda: "is being restarted" in victim.story(), noticed_after=2)
        else:
            trial.inject()
        wait(seen, 900, "the end of the queue")
        shares = sorted(len(runs) for runs in had.values() if runs)
        trial.note(f"of {len(queued)} runs the workers had {' and '.join(map(str, shares))}{', one of them killed' if kill else ''}")
        if len(shares) < 2:
            trial.lost("only one worker got any run")
        for run in queued:
            told = [event.status for event in run.events()]
            if told.count(RunStatus.PREPARING) != 1 + (run == victim):
                trial.lost(f"a run was begun {told.count(RunStatus.PREPARING)} times")
            trial.judge(run)


def _stop_in_the_middle(second: subprocess.Popen[bytes], studio: Studio, queued: list[Watched], seen: Callable[[], bool]) -> Watched | None:
    """Stop the second worker while it has a run, so that it does not end it before it is killed; runs are added until it is caught so."""
    victim, most = None, 20 * len(queued)
    while victim is None and len(queued) < most:
        if seen():  # it ended each of its runs before it was seen to have one
            queued.append(studio.queue(TINY))
        wait(lambda: seen() or "second" in studio.holders().values(), 600, "a run of the second worker")
        second.send_signal(signal.SIGSTOP)
        held = studio.holders()
        victim = next((run for run in queued if held.get(run.id) == "second"), None)
        if victim is None:
            second.send_signal(signal.SIGCONT)
    return victim


def full_disk(trial: Trial) -> None:
    """A disk that fills while a run trains, and has room again later."""
    with trial.small_disk(), trial.training() as run:
        filling = run.studio.folder / "filling"
        fill(filling)
        trial.inject(told=lambda: "disk is full" in run.page() or "cannot be saved" in run.story(), noticed_after=_CHECKPOINT)
        time.sleep(trial.often(0, 15))
        filling.unlink()
        wait(lambda: run.ended, 900, "the end of the run")
        if run.go_on():
            trial.note("Continue had to be pressed")


def read_only_folder(trial: Trial) -> None:
    """A data folder in which nothing can be written any more while a run trains, not even by a new worker or a new server."""
    with trial.small_disk(), trial.training() as run:
        with read_only(run.studio.folder):
            trial.inject(told=lambda: "cannot be saved" in run.story() or "cannot be written" in run.page(), noticed_after=_CHECKPOINT)
            run.studio.kill("worker", run)
            trial.inject()
            command, environment = run.studio.serving(free_port()), run.studio.environment()
            refused = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
            if refused.returncode != 2 or "Traceback" in refused.stderr:
                trial.lost(f"a server on a folder that it cannot write says: {refused.stderr[-300:]}")
            time.sleep(trial.often(0, 20))
        wait(lambda: run.ended, 900, "the end of the run")
        if run.go_on():
            trial.note("Continue had to be pressed")


def torn_checkpoint(trial: Trial) -> None:
    """Everything killed, and the newest checkpoint cut off, changed in one bit, or emptied before the next worker reads it."""
    furthest = 0
    with trial.training() as run:
        for harm in (_flip, _cut, _empty)[: trial.often(1, 3)] * trial.often(1, 3):
            # Beyond the step of the last death: by design a third at one step ends a run.
            wait(lambda furthest=furthest: run.ended or (run.saved > furthest and len(run.checkpoints()) == 2), what="a checkpoint")
            trial.strikes(run)
            run.studio.kill("both", run)
            wait(lambda: not run.studio.processes(), what="the end of all processes")
            furthest = max(run.step, run.saved)
            harm(run.checkpoints()[-1])
            trial.inject()
            run.studio.start()
            wait(lambda: run.in_hand or run.ended, what="a worker for the run")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def locked_database(trial: Trial) -> None:
    """Another program holds the database's lock while a run trains, for 30 s (6 s in the quick form)."""
    with trial.training() as run, closing(sqlite3.connect(run.studio.folder / "studio.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        end, slowest = time.monotonic() + trial.often(6, 30), 0.0
        trial.inject(told=lambda: "in use by another program" in run.page(), noticed_after=2.5)
        read = 0
        while not read or time.monotonic() < end:
            begun = time.monotonic()
            assert run.record.name in run.page()
            slowest, read = max(slowest, time.monotonic() - begun), read + 1
            time.sleep(0.1)  # no pause would take a core from the run that is to wait for the lock
        other.execute("ROLLBACK")
        trial.note(f"meanwhile the page was read in {slowest:.2f} s at most")


def clock(trial: Trial) -> None:
    """The clock set back by an hour and forward by a day while a run trains."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if library is None:
        raise NotHereError("Debian's package faketime is not installed")
    shift = trial.folder / "shift"
    shift.write_text("+0")
    # The library refuses every sleep until a moment of the monotonic clock, which is how Python sleeps.
    (trial.folder / "sitecustomize.py").write_text(
        "import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds) and None\n"
    )
    fake = {
        "LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(shift), "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "1",
        "PYTHONPATH": f"{trial.folder}:{ROOT}",
    }  # fmt: skip
    with trial.own_studio() as studio:
        run = studio.queue(trial.form)
        studio.worker(**fake)
        for seconds in ("-3600", "+86400"):
            step = run.step
            wait(lambda step=step: run.step > step + 20, what="progress")
            shift.write_text(seconds)
            trial.inject()
        trial.judge(run)
        ended = run.record.finished_at
        if ended is None or ended.timestamp() < time.time() + 80_000:
            trial.lost("the worker's clock was not set")


def terminated(trial: Trial) -> None:
    """SIGTERM, as Docker stops a container, at five bad moments."""
    with trial.studio() as studio:
        run = studio.queue(trial.form)
        known: list[Path] = []
        moments: dict[str, Callable[[], object]] = {
            "before the worker was up": lambda: True,
            "at the start": lambda: run.in_hand,
            "in a step": lambda: run.step > 20,
            "in a checkpoint": lambda: run.saving() or {*run.checkpoints()} - {*known},
            "while checking": lambda: run.status is RunStatus.CHECKING,
        }
        if trial.quick:
            del moments["before the worker was up"], moments["in a step"]
        for name, moment in moments.items():
            wait(lambda moment=moment: moment() or run.ended, 900, f"the moment {name}", every=0.02)
            if run.ended:
                trial.lost(f"the run was over before the moment {name}, so nothing was tried there")
                break
            begun = time.monotonic()
            code = studio.stop()
            trial.inject()
            told = run.ended or run.status is RunStatus.QUEUED or "was shut down; the run goes on" in run.page()
            if run.in_hand and time.monotonic() - begun > _LAST_WORD:
                trial.note(f"the worker had to be killed {name}, and could put nothing back")
            elif code or not told:
                trial.lost(f"ended {name} with code {code}, the page says {run.record.sentence!r}")
            known[:] = run.checkpoints()
            studio.start()
        trial.judge(run)


def reloads(trial: Trial) -> None:
    """The web process killed under the page of a run that trains, and the page reloaded again and again."""
    with _browser() as browser, trial.training() as run:
        page, name, studio = browser.new_page(), run.record.name, run.studio
        page.goto(f"{studio.address}/runs?run={run.id}")
        page.get_by_role("heading", name=name).wait_for()
        trial.strikes(run)
        studio.kill("web", run)
        trial.inject(told=lambda: page.query_selector("#studio-away"), noticed_after=1.5)
        studio.start()
        page.wait_for_selector("#studio-away", state="detached")
        page.get_by_role("heading", name=name).wait_for()
        before, meanwhile = studio.web_megabytes(), 0
        for _ in range(trial.often(5, 100)):
            meanwhile += not run.ended
            page.reload(wait_until="commit")
            trial.inject()
            page.get_by_role("heading", name=name).wait_for()
        after = studio.web_megabytes()
        trial.note(f"{meanwhile} of the reloads while it trained; the web process took {before:.0f} MB before and {after:.0f} MB after")
        if after - before > _GROWTH:
            trial.left(f"{after - before:.0f} MB of memory")
        if not meanwhile:
            trial.lost("the run was over before the page was reloaded")


@contextmanager
def _browser() -> Iterator[Any]:
    try:
        from playwright.sync_api import Error, sync_playwright

        from tests.browser import launch
    except ImportError as error:
        raise NotHereError("playwright is not installed") from error
    with sync_playwright() as playwright:
        try:
            browser = launch(playwright)
        except Error as error:
            raise NotHereError("there is no browser; install Chromium, or run `playwright install chromium`") from error
        yield browser
        browser.close()


FAULTS: dict[str, Callable[[Trial], None]] = {
    each.__name__.replace("_", "-"): each
    for each in (
        kills, two_workers, two_workers_on_postgresql, full_disk, read_only_folder, torn_checkpoint, locked_database, clock, terminated,
        reloads,
    )
}  # fmt: skip


def inflict(name: str, folder: Path, series: Series) -> Outcome:
    """Cause one fault, in a new folder, which is left for a look when something was lost. Raises NotHereError."""
    folder.mkdir(parents=True)
    trial, begun = Trial(folder, series), time.monotonic()
    try:
        FAULTS[name](trial)
    except NotHereError:
        shutil.rmtree(folder)
        raise
    except Exception as error:  # noqa: BLE001 (whatever it was, it is told in the table, and the next fault has its turn)
        trial.lost(f"{type(error).__name__}: {error}")
    trial.outcome.seconds = time.monotonic() - begun
    if trial.outcome.verdict == "good":
        shutil.rmtree(folder)
    else:
        series.discard(folder / "shared")
        trial.note(f"what it left lies in {folder}")
    return trial.outcome
