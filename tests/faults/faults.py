"""The faults: each does harm to a studio of its own and says what was lost. To add one, write a function and name it in `FAULTS`."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from app.handlers import runs, train
from storage import RunRecord, RunStatus
from storage.housekeeping import look
from tests.faults.studio import Studio, draw, seconds_until, studio, wait

PATIENCE = 900.0
_TINY = train.TrainForm(rank=2, positions="f2+l2", epochs=8, batch_size=6, held_out=0.2)


class NotHereError(Exception):
    """A fault that cannot be caused on this machine, and why."""


@dataclass
class Outcome:
    """What was done, and what was lost of it; ``told`` is the longest time until the page said so, in seconds."""

    injected: int = 0
    runs: int = 0
    runs_lost: int = 0
    rows_lost: int = 0
    weights_differing: int = 0
    left_over: int = 0
    told: float | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing was lost, nothing was left lying, and the page told in time."""
        return not (self.runs_lost or self.rows_lost or self.weights_differing or self.left_over) and (self.told or 0) <= 3.0

    def hear(self, seconds: float) -> None:
        """The page has said so after this time."""
        self.told = max(self.told or 0.0, seconds)


@dataclass(frozen=True)
class Setting:
    """Where a fault may work, how often it is to be done, and what the same run ends with undisturbed."""

    folder: Path
    times: int
    form: train.TrainForm
    weights: str


def undisturbed(folder: Path, form: train.TrainForm) -> str:
    """The sha256 of what the run learns to which nothing happens."""
    with studio(folder) as made:
        made.start()
        run = made.queue(form)
        wait(lambda: made.run(run.id).status.ended, PATIENCE)
        assert made.run(run.id).status is RunStatus.FINISHED, made.run(run.id).sentence
        return made.weights(run.id)


def _judge(made: Studio, run_id: str, setting: Setting, outcome: Outcome) -> Outcome:
    """Wait for the end of a run, and look whether everything is there."""
    with suppress(AssertionError):
        wait(lambda: made.run(run_id).status.ended, PATIENCE)
    run = made.run(run_id)
    outcome.runs += 1
    if run.status is not RunStatus.FINISHED:
        outcome.runs_lost += 1
        outcome.notes.append(f"{run.status}: {run.sentence}")
        return outcome
    outcome.rows_lost += int(made.steps(run_id) != list(range(1, run.total_steps + 1)))
    outcome.weights_differing += int(made.weights(run_id) != setting.weights)
    findings = look(made.services.storage)
    outcome.left_over += len(findings)
    outcome.notes += [finding.text for finding in findings]
    for pid in made.processes():
        with suppress(OSError):
            outcome.left_over += " Z " in Path(f"/proc/{pid}/stat").read_text()
    return outcome


def kills(setting: Setting) -> Outcome:
    """Signal 9 to the worker, the web process or both, at random moments of one run."""
    outcome, chance = Outcome(), draw()
    with studio(setting.folder) as made:
        made.start()
        run = made.queue(setting.form)
        for number in range(setting.times):
            wait(lambda: made.in_hand(run.id) or made.run(run.id).status.ended)
            time.sleep(chance.uniform(0, 3))
            if made.run(run.id).status.ended:
                outcome.notes.append(f"the run ended after {number} kills")
                break
            what = ("worker", "web", "both")[number % 3]
            before = len(made.services.storage.events.all(run.id))
            made.kill(what)
            outcome.injected += 1
            if what == "worker":
                outcome.hear(seconds_until(lambda before=before: len(made.services.storage.events.all(run.id)) > before, 10))
        return _judge(made, run.id, setting, outcome)


def two_workers(setting: Setting) -> Outcome:
    """Two workers on one queue of 20 runs, one of them killed on the way."""
    outcome = Outcome(injected=1)
    with studio(setting.folder) as made:
        made.start()
        queued = [made.queue(_TINY, str(number)) for number in range(20)]
        second = made.worker("--queue-only")
        wait(lambda: sum(made.run(run.id).status.ended for run in queued) >= 4, PATIENCE)
        second.kill()
        second.wait()
        made.worker("--queue-only")
        wait(lambda: all(made.run(run.id).status.ended for run in queued), PATIENCE)
        weights = {made.weights(run.id) for run in queued if made.run(run.id).status is RunStatus.FINISHED}
        for run in queued:
            told = [event.status for event in made.services.storage.events.all(run.id)]
            begun, deaths = told.count(RunStatus.PREPARING), told.count(RunStatus.INTERRUPTED)
            once = begun == 1 + deaths and told.count(RunStatus.FINISHED) == 1
            outcome.runs_lost += made.run(run.id).status is not RunStatus.FINISHED or not once
            outcome.rows_lost += made.steps(run.id) != list(range(1, made.run(run.id).total_steps + 1))
        outcome.runs, outcome.weights_differing = len(queued), len(weights) - 1
        outcome.left_over = len(look(made.services.storage))
        return outcome


def torn_checkpoint(setting: Setting) -> Outcome:
    """The newest checkpoint cut off, changed or emptied while nobody looks."""
    outcome = Outcome()
    harms: list[Callable[[Path], object]] = [
        lambda path: path.write_bytes(path.read_bytes()[:-1000]),
        lambda path: path.write_bytes(b"\0" + path.read_bytes()[1:]),
        lambda path: path.write_bytes(b""),
    ]
    with studio(setting.folder) as made:
        made.start()
        run = made.queue(setting.form)
        for harm in (harms * setting.times)[: setting.times]:
            seen = made.checkpoints(run.id)
            wait(lambda seen=seen: len(found := made.checkpoints(run.id)) == 2 and not {*found} & {*seen})
            made.web.kill()
            made.web.wait()
            wait(lambda: not made.processes())
            harm(made.checkpoints(run.id)[-1])
            outcome.injected += 1
            made.start()
            wait(lambda: made.run(run.id).status is RunStatus.TRAINING)
        return _judge(made, run.id, setting, outcome)


def locked_database(setting: Setting) -> Outcome:
    """Another program holds the database's lock for 30 s (6 s in the quick form) while a run trains."""
    outcome = Outcome(injected=1)
    with studio(setting.folder) as made:
        made.start()
        run = made.queue(setting.form)
        wait(lambda: made.run(run.id).step > 20)
        lock = sqlite3.connect(setting.folder / "studio.db", isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        wait(lambda: "in use by another program" in made.page(run.id), 20)
        time.sleep(30 if setting.times > 3 else 6)
        lock.execute("ROLLBACK")
        lock.close()
        return _judge(made, run.id, setting, outcome)


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "none", folder], capture_output=True).returncode:
        raise NotHereError("a small disk can be mounted by root only")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=False)


def full_disk(setting: Setting) -> Outcome:
    """A disk that fills while a run trains, and has room again later."""
    outcome = Outcome(injected=1)
    with _small_disk(setting.folder) as folder, studio(folder) as made:
        _without_room_check(made, setting)
        run = made_run(made)
        wait(lambda: made.run(run.id).step > 20)
        with suppress(OSError), (folder / "fill").open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        outcome.hear(seconds_until(lambda: "disk is full" in made.page(run.id).lower() or "cannot be saved" in _told(made, run.id), 30))
        time.sleep(3)
        (folder / "fill").unlink()
        _go_on(made, run.id)
        return _judge(made, run.id, setting, outcome)


def read_only_folder(setting: Setting) -> Outcome:
    """A data folder that cannot be written when the studio is started again in mid-run."""
    outcome = Outcome(injected=1)
    with _small_disk(setting.folder) as folder, studio(folder) as made:
        _without_room_check(made, setting)
        run = made_run(made)
        wait(lambda: len(made.checkpoints(run.id)) == 2)
        made.stop()
        made.services.storage.close()
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        try:
            command = [sys.executable, "-m", "app.cli", "serve", "--port", str(made.port), "--data-dir", str(folder), "--no-browser"]
            refused = subprocess.run(command, env=made.environment(), capture_output=True, text=True, timeout=60, check=False)
        finally:
            subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
        if refused.returncode != 2 or "Traceback" in refused.stderr or "cannot be" not in refused.stderr:
            outcome.left_over += 1
            outcome.notes.append(refused.stderr[-500:])
        made.start()
        return _judge(made, run.id, setting, outcome)


def _without_room_check(made: Studio, setting: Setting) -> None:
    """Begin a run where there is less room than a new one is wanted to have."""
    from app.handlers import disk

    kept, disk._LEAST_FREE = disk._LEAST_FREE, 0
    try:
        made.start()
        made.queue(setting.form)
    finally:
        disk._LEAST_FREE = kept


def made_run(made: Studio) -> RunRecord:
    """The only run."""
    return made.services.storage.runs.all()[0]


def _told(made: Studio, run_id: str) -> str:
    return " ".join(event.text for event in made.services.storage.events.all(run_id))


def _go_on(made: Studio, run_id: str) -> None:
    """Press Continue where a person would have to."""
    from app.handlers import disk

    time.sleep(5)
    if made.run(run_id).status in (RunStatus.FAILED, RunStatus.STOPPED):
        kept, disk._LEAST_FREE = disk._LEAST_FREE, 0
        runs.resume(made.services, run_id)
        disk._LEAST_FREE = kept


def clock(setting: Setting) -> Outcome:
    """The clock set back by an hour and forward by a day while a run trains."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        raise NotHereError("Debian's package faketime is not installed")
    outcome, stamp = Outcome(), setting.folder.parent / "faketime"
    stamp.write_text("+0")
    fake = {
        "LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(stamp), "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "1",
    }  # fmt: skip
    with studio(setting.folder) as made:
        run = made.queue(setting.form)
        made.worker(**fake)
        for shift in ("-3600", "+86400", "+0"):
            step = made.run(run.id).step
            wait(lambda step=step: made.run(run.id).step > step + 20)
            stamp.write_text(shift)
            outcome.injected += 1
        return _judge(made, run.id, setting, outcome)


def terminated(setting: Setting) -> Outcome:
    """SIGTERM, as Docker stops a container, at the start, in a step, in a checkpoint and while finishing."""
    outcome = Outcome()
    with studio(setting.folder) as made:
        made.start()
        run = made.queue(setting.form)

        def checkpoint() -> bool:
            folder = made.services.storage.files.run_folder(run.id) / "checkpoint"
            return any(folder.glob(".writing-*")) or bool(made.checkpoints(run.id))

        moments: list[Callable[[], object]] = [
            lambda: made.run(run.id).status is RunStatus.PREPARING,
            lambda: made.run(run.id).step > 40,
            checkpoint,
            lambda: made.run(run.id).status in (RunStatus.CHECKING, RunStatus.FINISHED),
        ]
        for moment in moments:
            wait(moment, PATIENCE)
            made.stop()
            outcome.injected += 1
            if not made.run(run.id).status.ended:
                outcome.runs_lost += made.run(run.id).status is not RunStatus.INTERRUPTED
                outcome.runs_lost += "shut down" not in made.page(run.id)
            made.start()
        return _judge(made, run.id, setting, outcome)


def reloads(setting: Setting) -> Outcome:
    """The page of a run reloaded again and again while it trains, and the web process killed under it."""
    outcome = Outcome()
    from playwright.sync_api import sync_playwright

    from tests.browser import launch

    with studio(setting.folder) as made, sync_playwright() as playwright:
        browser = launch(playwright)
        made.start()
        run = made.queue(setting.form)
        page = browser.new_page()
        page.set_default_timeout(30_000)
        page.goto(f"{made.address}/runs?run={run.id}")
        for _ in range(setting.times * 4):
            page.wait_for_function("document.querySelector('#run-status')?.innerText.length > 20")
            page.reload(wait_until="commit")
            outcome.injected += 1
        made.web.kill()
        made.web.wait()
        begun = time.monotonic()
        page.wait_for_selector("#studio-away")
        outcome.hear(time.monotonic() - begun)
        made.start()
        page.wait_for_selector("#studio-away", state="detached")
        return _judge(made, run.id, setting, outcome)


FAULTS: dict[str, Callable[[Setting], Outcome]] = {
    each.__name__.replace("_", "-"): each
    for each in (kills, two_workers, torn_checkpoint, locked_database, full_disk, read_only_folder, clock, terminated, reloads)
}
TIMES, QUICK = 25, 2


def inflict(name: str, setting: Setting) -> Outcome:
    """Cause one fault in a folder of its own."""
    setting.folder.mkdir(parents=True)
    try:
        return FAULTS[name](setting)
    finally:
        shutil.rmtree(setting.folder.parent, ignore_errors=True)
