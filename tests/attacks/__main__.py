"""``python -m tests.attacks``: try every attack and print what came through. Ends with 1 if anything did."""

import argparse
import json
import signal
import sys
import time
from pathlib import Path
from secrets import randbelow
from typing import Any

from tests.attacks.attacks import ATTACKS, Series


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Print the table as it grows, and what came through below it."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="each kind a few times only, as the tests do")
    parser.add_argument("--only", nargs="+", choices=list(ATTACKS), default=list(ATTACKS), metavar="NAME", help=", ".join(ATTACKS))
    parser.add_argument("--seed", type=int, default=randbelow(1_000_000), help="of what is drawn at random; another one each time")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures down as well")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended then as well
    found: dict[str, dict[str, Any]] = {}
    series = Series(options.quick, options.seed)
    try:
        series.open()
        _print(f"Seed {options.seed}\n\n| line | attempts | through | seconds |\n|---|---|---|---|")
        for name in options.only:
            begun = time.monotonic()
            trial = series.attack(name)
            seconds = time.monotonic() - begun
            _print(f"| {name} | {trial.attempts:,} | {trial.through:,} | {seconds:.0f} |")
            found[name] = {
                "attempts": trial.attempts,
                "through": trial.through,
                "seconds": round(seconds),
                "notes": trial.notes,
                "figures": trial.figures,
            }
    finally:
        left = series.end()
    attempts, through = (sum(each[key] for each in found.values()) for key in ("attempts", "through"))
    _print(f"| all {len(found)} lines | {attempts:,} | {through:,} | |\n")
    for name, each in found.items():
        for line in [*each["notes"], *(f"{key}: {value:g}" for key, value in each["figures"].items())]:
            _print(f"{name}: {line}")
    for what in left:
        _print(f"left over at the end of all: {what}")
    if options.json:
        options.json.write_text(json.dumps({"seed": options.seed, "quick": options.quick, "lines": found, "left": left}, indent=1) + "\n")
    return int(bool(left) or bool(through))


if __name__ == "__main__":
    sys.exit(main())
