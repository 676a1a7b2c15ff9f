"""Attacks on the processes and the files of the machine."""

import os
import signal
import sqlite3
import stat
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil

from app.logs import BYTES, OF_A_KIND
from tests.attacks.house import PHRASES, SECRETS
from tests.attacks.trial import Trial
from tests.faults.studio import wait


def modes(trial: Trial) -> None:
    """Files and folders that other users of the machine could open."""
    root = trial.house.folder
    trial.held(stat.S_IMODE(root.stat().st_mode) == 0o700, f"the data folder is {stat.S_IMODE(root.stat().st_mode):o}")
    for path in root.rglob("*"):
        with suppress(FileNotFoundError):
            found = path.lstat()
            if stat.S_ISREG(found.st_mode) or stat.S_ISSOCK(found.st_mode):
                of_others = stat.S_IMODE(found.st_mode) & 0o077
                trial.held(not of_others, f"{path.relative_to(root)} is {stat.S_IMODE(found.st_mode):o}")
    for pid in trial.house.processes():
        with suppress(psutil.Error, OSError):
            for each in psutil.Process(pid).open_files():
                inside = (
                    Path(each.path).is_relative_to(root)
                    or not each.path.startswith(("/tmp", "/var/tmp"))
                    or each.path.startswith(str(root.parent))
                )
                trial.held(inside, f"a file outside the data folder is open: {each.path}")


def secrets(trial: Trial) -> None:
    """Secrets of the server in the worker's environment, in arguments, logs, the database, downloads and pages."""
    house, visitor = trial.house, trial.house.visitor("Ada")
    texts: dict[str, bytes] = {}
    web = house.web.pid if house.web else 0
    for pid in house.processes():
        with suppress(OSError):
            texts[f"the arguments of {pid}"] = Path(f"/proc/{pid}/cmdline").read_bytes()
            if pid != web:
                texts[f"the environment of {pid}"] = Path(f"/proc/{pid}/environ").read_bytes()
    for path in house.folder.rglob("*"):
        with suppress(OSError):
            if path.is_file() and path.stat().st_size < 50_000_000 and "uploads" not in path.parts:
                texts[str(path.relative_to(house.folder))] = path.read_bytes()
    run = house.hers["run_id"]
    for path in (
        "/",
        "/config",
        "/healthz",
        f"/files/runs/{run}/adapter.zip",
        f"/files/runs/{run}/report.html",
        f"/files/runs/{run}/run.yaml",
        f"/files/runs/{run}/log.txt",
    ):
        texts[path] = visitor.get(path).content
    for where, text in texts.items():
        for secret in (*SECRETS.values(), *PHRASES.values()):
            trial.held(secret.encode() not in text, f"a secret stands in {where}")
    for where in ("/", "/config", f"/files/runs/{run}/report.html", f"/files/runs/{run}/run.yaml"):
        trial.held(str(house.folder).encode() not in texts[where], f"{where} tells where the data folder is")


def flooded_log(trial: Trial) -> None:
    """The same mistake, a thousand times, with control characters and forged lines: the log stays small, the terminal empty."""
    house, visitor = trial.house, trial.house.visitor("Bob")
    event, printed = house.pages.event("playground-run"), len(house.output())
    before = (house.folder / "web.log").read_text(errors="replace").count("Traceback") if (house.folder / "web.log").exists() else 0
    count = trial.often(150, 3000)
    for number in range(count):
        told = visitor.event(event, [{"x": f"\x1b[31m{number}\r\n2026-01-01 00:00:00,000 reft_studio.web - forged"}] * len(event["inputs"]))
        trial.held(told.is_clear, f"{told.status} {told.text[:120]}")
    log = (house.folder / "web.log").read_text(errors="replace")
    trial.held(log.count("Traceback") - before <= 3 * OF_A_KIND, f"{log.count('Traceback') - before} tracebacks of one kind")
    trial.held(sum(path.stat().st_size for path in house.folder.glob("web.log*")) < 3 * BYTES, "the log grows without bound")
    trial.held(not any(line.startswith("2026-01-01 00:00:00,000") for line in log.splitlines()), "a forged line stands in the log")
    trial.held("\x1b" not in log, "a control character stands in the log")
    trial.held(len(house.output()) == printed, f"the terminal has: {house.output()[printed:][-200:]}")


def numbers_of_requests(trial: Trial) -> None:
    """What a sentence names stands in the log, and nothing that a client sends as a number of its own."""
    house, visitor = trial.house, trial.house.visitor("Bob")
    event = house.pages.event("train-goal")
    answer = visitor.post(
        "/gradio_api/run/predict",
        json={"fn_index": event["id"], "data": [{"a": 1}] * len(event["inputs"])},
        headers={"X-Request-Id": "forged-number"},
    )
    number = answer.headers.get("x-request-id", "")
    trial.held(number and number != "forged-number" and "forged-number" not in answer.text, f"the number is {number!r}")
    if answer.status_code >= 400:
        trial.held(
            number in answer.json()["error"] and number in (house.folder / "web.log").read_text(errors="replace"),
            "the number is not in the sentence and the log",
        )


def stuck_engine(trial: Trial) -> None:
    """An engine that does not answer: health says so within half a minute, and the pages answer meanwhile."""
    house = trial.house
    worker = next(iter(_workers(trial)), 0)
    if not trial.held(worker, "there is no worker"):
        return
    os.kill(worker, signal.SIGSTOP)
    try:
        begun, said = time.monotonic(), False
        while time.monotonic() < begun + 30 and not said:
            found = house.visitor().get("/healthz")
            said = found.status_code != 200 or not found.json()["worker"]["up"]
        trial.held(said, "after 30 s it is still well")
        trial.held(house.visitor("Ada").get("/runs").status_code == 200, "no page is there meanwhile")
    finally:
        os.kill(worker, signal.SIGCONT)
    wait(house.lives, what="the engine")


def _workers(trial: Trial) -> list[int]:
    web = trial.house.web.pid if trial.house.web else 0
    with suppress(psutil.Error):
        return [each.pid for each in psutil.Process(web).children() if "app.worker.main" in " ".join(each.cmdline())]
    return []


def kills(trial: Trial) -> None:
    """The worker, the web process, and both killed in the middle of an answer: said in words, everything there again, nobody logged out."""
    house = trial.house
    counts = _counts(trial)
    for what in ("worker", "web", "both")[: trial.often(3, 3)] * trial.often(1, 5):
        visitor, told = house.visitor("Ada"), []
        asking = threading.Thread(target=_ask, args=(visitor, told), daemon=True)
        asking.start()
        time.sleep(0.3 * trial.chance.random())
        workers = _workers(trial)
        if what != "worker" and house.web:
            house.web.kill()
            house.web.wait()
        if what != "web":
            for worker in workers:
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
        asking.join(60)
        trial.held(not asking.is_alive(), f"a chat hangs after the death of {what}")
        if told:
            trial.held(told[0].is_clear, f"a chat says {told[0].text[:120]}")
        if what != "worker":
            wait(lambda: not house.processes(), what="the end of what was left")
            house.start()
        wait(house.lives, what="the engine")
        trial.held(visitor.get("/play/chats").status_code == 200, "somebody who had logged in is a stranger now")
        with closing(sqlite3.connect(house.folder / "studio.db")) as database:
            trial.held(database.execute("PRAGMA integrity_check").fetchone() == ("ok",), "the database is damaged")
        trial.held(_counts(trial) == counts, "rows are lost")
        trial.held(not house.zombies(), f"zombies: {house.zombies()}")


def _ask(visitor: Any, told: list[Any]) -> None:
    with suppress(Exception):  # it is killed meanwhile
        told.append(visitor.chat("hello", max_new_tokens=2000))


def _counts(trial: Trial) -> tuple[int, ...]:
    with closing(sqlite3.connect(trial.house.folder / "studio.db")) as database:
        return tuple(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("runs", "datasets", "chats", "votes"))


def quiet_network(trial: Trial) -> None:
    """Connections of the studio's processes to anywhere but this machine, after everything that was tried."""
    visitor = trial.house.visitor("Ada")
    for path in ("/", "/data", "/train", "/runs", "/playground"):
        visitor.get(path)
        trial.attempts += 1
    visitor.chat("hello")
    for pid in trial.house.processes():
        with suppress(psutil.Error):
            for each in psutil.Process(pid).net_connections("inet"):
                away = each.raddr and each.raddr.ip not in ("127.0.0.1", "::1", "::ffff:127.0.0.1")
                trial.held(not away, f"a connection to {each.raddr}")


def disks(trial: Trial) -> None:
    """A full disk, a folder that cannot be written, a clock that jumps, damaged checkpoints: see `tests.faults`, whose faults these are."""
    from tests.faults.disks import NotHereError
    from tests.faults.faults import FAULTS, inflict
    from tests.faults.trial import Series

    folder = trial.house.folder.parent / "faults"
    folder.mkdir()
    series = Series(folder / "shared", quick=True)
    try:
        series.run_undisturbed()
        for name in FAULTS:
            if any(word in name for word in ("disk", "read", "clock", "torn", "lock")):
                with suppress(NotHereError):
                    found = inflict(name, folder / name, series)
                    trial.attempts += max(found.injected - 1, 0)
                    trial.held(found.verdict == "good", f"{name}: {found.verdict}, {'; '.join(found.notes)}")
    finally:
        series.end()
