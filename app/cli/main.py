"""``reft-studio``: serve the pages, or train, inspect, chat, evaluate and check from a terminal.

Bad input ends with exit code 2 and one sentence on standard error; ``--json`` ends standard output with one line of JSON.
"""

import argparse
import io
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from app.cli.chat import chat, evaluate
from app.cli.output import note, refuse
from app.cli.rows import inspect
from app.cli.serve import serve
from app.cli.sweep import listed, sweep
from app.cli.train import train
from app.cli.upkeep import backup, doctor, restore
from app.errors import READABLE, StudioError
from reft_engine import BASELINES, METHODS

COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "serve": serve, "train": train, "sweep": sweep, "inspect": inspect, "chat": chat, "evaluate": evaluate, "doctor": doctor,
    "backup": backup, "restore": restore,
}  # fmt: skip


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage text above it."""

    def error(self, message: str) -> Any:
        raise StudioError(f"{message[:1].upper()}{message[1:]}. `{self.prog} --help` lists what can be given.")


def _number(kind: Callable[[str], Any], what: str) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return kind(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is not {what}") from error

    return read


_INTEGER, _REAL = _number(int, "a whole number"), _number(float, "a number")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="reft-studio", description="Representation finetuning without code.")
    commands = parser.add_subparsers(dest="command", parser_class=_Parser)
    part = commands.add_parser("serve", help="start the pages")
    part.add_argument("--host", default=None)
    part.add_argument("--port", type=_INTEGER, default=None)
    part.add_argument("--data-dir", type=Path, default=None)
    part.add_argument("--no-browser", action="store_true", help="do not open the page")
    part = commands.add_parser("train", help="train an edit on a file")
    _run_options(part)
    part.add_argument("--method", default="loreft", help=f"one of {', '.join([*METHODS, *BASELINES])}")
    part.add_argument("--rank", type=_INTEGER, default=4)
    part.add_argument("--layers", default="all")
    part.add_argument("--positions", default="f7+l7")
    part.add_argument("--dropout", type=_REAL, default=0.0)
    part.add_argument("--epochs", type=_INTEGER, default=3)
    part.add_argument("--lr", type=_REAL, default=4e-3)
    part.add_argument("--batch-size", type=_INTEGER, default=8)
    part.add_argument("--reuse", choices=["all", "depth", "time", "none"], default="all",
                      help="what is kept because the base model is frozen; only the speed depends on it")  # fmt: skip
    part.add_argument("--packing", action=argparse.BooleanOptionalAction, default=True,
                      help="read rows one behind another where that gives the same; only the speed depends on it")  # fmt: skip
    part.add_argument("--keep", choices=["best", "last"], default="best",
                      help="which edit to keep: the one with the least held-out loss, or the one after the last step")  # fmt: skip
    part.add_argument("--patience", type=_INTEGER, default=None,
                      help="stop early after this many held-out measurements without a lower loss")  # fmt: skip
    part.add_argument("--seed", type=_INTEGER, default=42)
    _sweep_options(commands.add_parser("sweep", help="train one edit for each combination of what is listed, and rank them"))
    part = commands.add_parser("inspect", help="say what a file is recognised as, and what a base model can be trained on of it")
    part.add_argument("file", type=Path)
    part.add_argument("--base", default="starter", help="the base model that rows are counted for")
    part.add_argument("--max-length", type=_INTEGER, default=512, help="tokens of the longest row")
    _columns(part)
    part = commands.add_parser("chat", help="base and tuned, side by side")
    part.add_argument("dir", type=Path)
    part.add_argument("--prompt", required=True)
    part.add_argument("--system", default="", help="a system message, said before the prompt")
    part.add_argument("--strength", type=_REAL, default=1.0)
    part.add_argument("--max-new-tokens", type=_INTEGER, default=128)
    part.add_argument("--temperature", type=_REAL, default=0.0)
    part.add_argument("--seed", type=_INTEGER, default=0, help="at a temperature above 0 the same seed draws the same answers")
    part.add_argument("--json", action="store_true")
    part = commands.add_parser("evaluate", help="held-out loss and exact match, base and tuned")
    part.add_argument("dir", type=Path)
    part.add_argument("--data", type=Path, required=True)
    _columns(part)
    part = commands.add_parser("doctor", help="what this machine can run, and whether the data folder is in order")
    part.add_argument("--data-dir", type=Path, default=None)
    part.add_argument("--repair", action="store_true", help="put right what is out of order")
    part.add_argument("--json", action="store_true")
    part = commands.add_parser("backup", help="write all datasets, runs and the database into one file, while the studio runs")
    part.add_argument("file", type=Path)
    part.add_argument("--data-dir", type=Path, default=None)
    part.add_argument("--json", action="store_true")
    part = commands.add_parser("restore", help="put a backup into a new data folder")
    part.add_argument("file", type=Path)
    part.add_argument("--data-dir", type=Path, required=True)
    part.add_argument("--json", action="store_true")
    return parser


def _run_options(part: argparse.ArgumentParser) -> None:
    """What one run and a sweep of them are told alike."""
    part.add_argument("--base", default="starter")
    part.add_argument("--data", type=Path, required=True)
    part.add_argument("--out", type=Path, required=True)
    part.add_argument("--tied", action=argparse.BooleanOptionalAction, default=True)
    part.add_argument("--untied", dest="tied", action="store_false")
    part.add_argument("--max-length", type=_INTEGER, default=512)
    part.add_argument("--held-out", type=_REAL, default=0.1)
    part.add_argument("--split-seed", type=_INTEGER, default=None,
                      help="draws the held-out rows; left out, the (first) seed does: give runs that you compare the same")  # fmt: skip
    _columns(part)


def _sweep_options(part: argparse.ArgumentParser) -> None:
    _run_options(part)
    for name, kind, default in (
        ("--method", str, ["loreft"]), ("--rank", _INTEGER, [4]), ("--layers", str, ["all"]), ("--positions", str, ["f7+l7"]),
        ("--lr", _REAL, [4e-3]), ("--batch-size", _INTEGER, [8]), ("--epochs", _INTEGER, [3]), ("--seed", _INTEGER, [42]),
    ):  # fmt: skip
        part.add_argument(name, type=listed(kind), default=default, help="one, or several with commas between them")


def _columns(part: argparse.ArgumentParser) -> None:
    part.add_argument("--prompt-column", default=None)
    part.add_argument("--answer-column", default=None)
    part.add_argument("--json", action="store_true")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; ``serve`` when none is named."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin while they wait are forty times slower on a busy machine
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or (given[0].startswith("-") and given[0] not in ("-h", "--help")):
        given.insert(0, "serve")
    try:
        options = _parser().parse_args(given)
        if options.command != "serve":  # which sees to it when it has begun
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return COMMANDS[options.command](options)
    except READABLE as error:
        return refuse(str(error))
    except OSError as error:
        return refuse(f"{error.strerror or error}: {error.filename or ''}"[:500].rstrip(": "))
    except KeyboardInterrupt:
        note(f"reft-studio: stopped{'; the same command continues' if given[0] == 'train' else ''}.")
        return 130
