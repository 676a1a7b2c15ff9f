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
from app.cli.rows import READ_WITH, inspect
from app.cli.serve import serve
from app.cli.settings import INTEGER, REAL, add_settings
from app.cli.sweep import LISTED, sweep
from app.cli.train import train
from app.cli.upkeep import backup, doctor, restore
from app.errors import READABLE, StudioError
from reft_engine import all_settings

COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "serve": serve, "train": train, "sweep": sweep, "inspect": inspect, "chat": chat, "evaluate": evaluate, "doctor": doctor,
    "backup": backup, "restore": restore,
}  # fmt: skip


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage text above it."""

    def error(self, message: str) -> Any:
        raise StudioError(f"{message[:1].upper()}{message[1:]}. `{self.prog} --help` lists what can be given.")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="reft-studio", description="Representation finetuning without code.")
    commands = parser.add_subparsers(dest="command", parser_class=_Parser)
    part = commands.add_parser("serve", help="start the pages")
    part.add_argument("--host", default=None, help="the address to listen at [default: 127.0.0.1, this machine alone]")
    part.add_argument("--port", type=INTEGER, default=None, metavar="N", help="the port to listen at [default: 7860]")
    _data_dir(part)
    part.add_argument("--no-browser", action="store_true", help="do not open the page")
    part = commands.add_parser("train", help="train an edit on a file")
    _run_options(part)
    part.add_argument("--spec", type=Path, default=None, metavar="FILE",
                      help="the run.yaml of a run, whose settings are taken; flags beside it change them")  # fmt: skip
    add_settings(part, all_settings())
    part = commands.add_parser("sweep", help="train one edit for each combination of what is listed, and rank them")
    _run_options(part)
    add_settings(part, all_settings(), LISTED)
    part = commands.add_parser("inspect", help="say what a file is recognised as, and what a base model can be trained on of it")
    part.add_argument("file", type=Path, help="the file")
    add_settings(part, [row for row in all_settings() if row.name in READ_WITH])
    _columns(part)
    part = commands.add_parser("chat", help="base and tuned, side by side")
    part.add_argument("dir", type=Path, help="the folder of a run or of an adapter")
    part.add_argument("--prompt", required=True, metavar="TEXT", help="what is asked")
    part.add_argument("--system", default="", help="a system message, said before the prompt")
    part.add_argument("--strength", type=REAL, default=1.0, metavar="X",
                      help="how strongly the edit acts: 0 is the base model [default: 1, as trained]")  # fmt: skip
    part.add_argument("--max-new-tokens", type=INTEGER, default=128, metavar="N", help="tokens of the longest answer [default: 128]")
    part.add_argument("--temperature", type=REAL, default=0.0, metavar="X", help="0 takes the likeliest token each time [default: 0]")
    part.add_argument("--seed", type=INTEGER, default=0, help="at a temperature above 0 the same seed draws the same answers")
    _json(part)
    part = commands.add_parser("evaluate", help="held-out loss and exact match, base and tuned")
    part.add_argument("dir", type=Path, help="the folder of a run or of an adapter")
    part.add_argument("--data", type=Path, required=True, metavar="FILE", help="the rows to measure on")
    _columns(part)
    part = commands.add_parser("doctor", help="what this machine can run, and whether the data folder is in order")
    _data_dir(part)
    part.add_argument("--repair", action="store_true", help="put right what is out of order")
    _json(part)
    part = commands.add_parser("backup", help="write all datasets, runs and the database into one file, while the studio runs")
    part.add_argument("file", type=Path, help="the backup")
    _data_dir(part)
    _json(part)
    part = commands.add_parser("restore", help="put a backup into a new data folder")
    part.add_argument("file", type=Path, help="the backup")
    _data_dir(part, required=True)
    _json(part)
    return parser


def _run_options(part: argparse.ArgumentParser) -> None:
    """What one run and a sweep of them are told alike."""
    part.add_argument("--data", type=Path, required=True, metavar="FILE", help="the rows to learn from")
    part.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder that is made")
    _columns(part)


def _columns(part: argparse.ArgumentParser) -> None:
    part.add_argument("--prompt-column", default=None, metavar="NAME", help="the column of the prompts, where its name is not recognised")
    part.add_argument("--answer-column", default=None, metavar="NAME", help="the column of the answers")
    _json(part)


def _json(part: argparse.ArgumentParser) -> None:
    part.add_argument("--json", action="store_true", help="end with one line of JSON on standard output")


def _data_dir(part: argparse.ArgumentParser, **options: Any) -> None:
    part.add_argument("--data-dir", type=Path, metavar="DIR", help="the data folder of the studio", **options)


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
