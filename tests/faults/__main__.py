"""``python -m tests.faults``: cause every fault and print what was lost. Ends with 1 if anything was."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.faults.faults import FAULTS, QUICK, TIMES, NotHereError, Setting, inflict, undisturbed
from tests.faults.studio import LONG, SHORT


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Print the table as it grows."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="each fault a few times only")
    parser.add_argument("--only", nargs="+", choices=list(FAULTS), default=list(FAULTS))
    options = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        times, form = (QUICK, SHORT) if options.quick else (TIMES, LONG)
        weights = undisturbed(Path(scratch) / "undisturbed", form)
        _print("| fault | injected | runs | runs lost | rows lost | weights differing | left over | page told after | |")
        _print("|---|---|---|---|---|---|---|---|---|")
        for name in options.only:
            try:
                found = inflict(name, Setting(Path(scratch) / name / "data", times, form, weights))
            except NotHereError as error:
                _print(f"| {name} | not caused: {error} |")
                continue
            failed = failed or not found.good
            told = "-" if found.told is None else f"{found.told:.1f} s"
            counts = (found.injected, found.runs, found.runs_lost, found.rows_lost, found.weights_differing, found.left_over)
            _print(f"| {name} | {' | '.join(map(str, counts))} | {told} | {'good' if found.good else '**lost**'} |")
            for note in found.notes:
                sys.stderr.write(f"  {note}\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
