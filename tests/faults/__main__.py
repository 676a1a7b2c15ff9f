"""``python -m tests.faults``: cause every fault and print what was lost. Ends with 1 if anything was."""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from tests.faults.disks import NotHereError
from tests.faults.faults import FAULTS, inflict
from tests.faults.trial import Outcome, Series

_HEAD = "fault | injected | runs lost | rows lost | weights differing | seconds until the page tells | verdict"


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _line(name: str, found: Outcome) -> str:
    told = "-" if found.told is None else f"{found.told:.1f}"
    counts = (found.injected, f"{found.runs_lost} of {found.runs}", found.rows_lost, found.weights_differing)
    return f"| {' | '.join(map(str, (name, *counts, told, found.verdict)))} |"


def main() -> int:
    """Print the table as it grows, and what was noticed below it."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="each fault a few times only, as the tests do")
    parser.add_argument("--only", nargs="+", choices=list(FAULTS), default=list(FAULTS), metavar="NAME", help=", ".join(FAULTS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures down as well")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended then as well
    done: dict[str, Outcome] = {}
    missing: dict[str, str] = {}
    folder = Path(tempfile.mkdtemp(prefix="reft-faults-"))
    series = Series(folder / "shared", options.quick)
    try:
        series.run_undisturbed()
        _print(f"| {_HEAD} |\n|{'---|' * 7}")
        for name in options.only:
            try:
                done[name] = inflict(name, folder / name, series)
                _print(_line(name, done[name]))
            except NotHereError as error:
                missing[name] = str(error)
                _print(f"| {name} | not caused here: {error} | | | | | |")
    finally:
        left = series.end()
        shutil.rmtree(folder / "shared", ignore_errors=True)
    with suppress(OSError):  # it is left where a fault has left something to look at
        folder.rmdir()
    _print("")
    for name, found in done.items():
        _print(f"{name} took {found.seconds:.0f} s. {'; '.join(found.notes)}")
    for what in left:
        _print(f"left over at the end of all: {what}")
    if options.json:
        figures = {name: {**asdict(found), "verdict": found.verdict} for name, found in done.items()}
        options.json.write_text(json.dumps({"quick": options.quick, "faults": figures, "not_caused": missing}, indent=1) + "\n")
    # In CI everything that a fault needs is installed.
    return int(bool(left) or any(found.verdict != "good" for found in done.values()) or bool(missing and os.environ.get("CI") == "true"))


if __name__ == "__main__":
    sys.exit(main())
