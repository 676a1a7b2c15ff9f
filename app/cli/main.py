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

from app.cli.backup import backup, restore
from app.cli.chat import chat
from app.cli.compare import compare
from app.cli.doctor import doctor
from app.cli.evaluate import evaluate
from app.cli.flags import INTEGER, REAL, add_settings
from app.cli.inspect import READ_WITH, inspect
from app.cli.models import models
from app.cli.output import note, refuse
from app.cli.rows import HUB_FLAGS, READ_FLAGS, data_file
from app.cli.run import run
from app.cli.serve import serve
from app.cli.sweep import sweep
from app.cli.train import train
from app.cli.user import ACTIONS, user
from app.errors import READABLE, StudioError
from app.handlers.sweep import LISTED
from app.words import say, say_error
from reft_engine import all_settings, available_precisions
from reft_engine.data import INCLUDES, REMEDIES, ROLES

COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "serve": serve, "train": train, "sweep": sweep, "run": run, "inspect": inspect, "chat": chat, "evaluate": evaluate, "doctor": doctor,
    "models": models, "compare": compare, "backup": backup, "restore": restore, "user": user,
}  # fmt: skip


class _Parser(argparse.ArgumentParser):
    """Reports a mistake in one sentence, without the usage text."""

    def error(self, message: str) -> Any:
        raise StudioError(say("cli.wrong_use", message=f"{message[:1].upper()}{message[1:]}", program=self.prog))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="reft-studio", description=say("cli.description"))
    commands = parser.add_subparsers(dest="command", parser_class=_Parser)
    command = commands.add_parser("serve", help=say("cli.help.serve"))
    command.add_argument("--host", default=None, help=say("cli.help.host"))
    command.add_argument("--port", type=INTEGER, default=None, metavar="N", help=say("cli.help.port"))
    _data_dir(command)
    command.add_argument("--no-browser", action="store_true", help=say("cli.help.no_browser"))
    command.add_argument("--people", choices=("local", "team", "proxy"), default=None, help=say("cli.help.people"))
    command = commands.add_parser("user", help=say("cli.help.user"))
    command.add_argument("action", choices=ACTIONS, help=say("cli.help.user_action"))
    command.add_argument("name", nargs="?", default="", help=say("cli.help.user_name"))
    command.add_argument("--operator", action="store_true", help=say("cli.help.user_operator"))
    _data_dir(command)
    _json(command)
    command = commands.add_parser("train", help=say("cli.help.train"))
    _run_options(command)
    command.add_argument("--spec", type=Path, default=None, metavar="FILE",
                      help=say("cli.help.spec"))  # fmt: skip
    add_settings(command, all_settings())
    command = commands.add_parser("sweep", help=say("cli.help.sweep"))
    _run_options(command)
    add_settings(command, all_settings(), LISTED)
    command = commands.add_parser("run", help=say("cli.help.run"))
    command.add_argument("file", type=Path, metavar="SPEC.yaml", help=say("cli.help.run_file"))
    command.add_argument("--watch", action="store_true", help=say("cli.help.watch"))
    command.add_argument("--name", default="", metavar="TEXT", help=say("cli.help.name"))
    _data_dir(command)
    _json(command)
    command = commands.add_parser("inspect", help=say("cli.help.inspect"))
    command.add_argument("file", type=data_file, help=say("cli.help.file"))
    add_settings(command, [row for row in all_settings() if row.name in READ_WITH])
    _columns(command)
    command = commands.add_parser("chat", help=say("cli.help.chat"))
    command.add_argument("dir", type=Path, help=say("cli.help.dir"))
    command.add_argument("--prompt", required=True, metavar="TEXT", help=say("cli.help.prompt"))
    command.add_argument("--system", default="", help=say("cli.help.system"))
    command.add_argument("--strength", type=REAL, default=1.0, metavar="X",
                      help=say("cli.help.strength"))  # fmt: skip
    command.add_argument("--max-new-tokens", type=INTEGER, default=128, metavar="N", help=say("cli.help.max_new_tokens"))
    command.add_argument("--temperature", type=REAL, default=0.0, metavar="X", help=say("cli.help.temperature"))
    command.add_argument("--seed", type=INTEGER, default=0, help=say("cli.help.seed"))
    _json(command)
    command = commands.add_parser("evaluate", help=say("cli.help.evaluate"))
    command.add_argument("dir", type=Path, help=say("cli.help.dir"))
    command.add_argument("--data", type=data_file, required=True, metavar="FILE", help=say("cli.help.measured"))
    _columns(command)
    command = commands.add_parser("doctor", help=say("cli.help.doctor"))
    _data_dir(command)
    command.add_argument("--repair", action="store_true", help=say("cli.help.repair"))
    _json(command)
    command = commands.add_parser("models", help=say("cli.help.models"))
    command.add_argument("--check", action="store_true", help=say("cli.help.models_check"))
    command.add_argument("--write", type=Path, default=None, metavar="FILE", help=say("cli.help.models_write"))
    command.add_argument("--precision", choices=list(available_precisions()), default=None, help=say("cli.help.models_precision"))
    _json(command)
    command = commands.add_parser("compare", help=say("cli.help.compare"))
    command.add_argument("runs", nargs="+", metavar="RUN", help=say("cli.help.compared"))
    _data_dir(command)
    _json(command)
    command = commands.add_parser("backup", help=say("cli.help.backup"))
    command.add_argument("file", type=Path, help=say("cli.help.backup_file"))
    _data_dir(command)
    _json(command)
    command = commands.add_parser("restore", help=say("cli.help.restore"))
    command.add_argument("file", type=Path, help=say("cli.help.backup_file"))
    _data_dir(command, required=True)
    _json(command)
    return parser


def _run_options(command: argparse.ArgumentParser) -> None:
    """Flags that ``train`` and ``sweep`` share."""
    command.add_argument("--data", type=data_file, required=True, metavar="FILE", help=say("cli.help.data"))
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help=say("cli.help.out"))
    _columns(command)


def _columns(command: argparse.ArgumentParser) -> None:
    command.add_argument("--role", action="append", default=[], metavar="COLUMN=ROLE", help=say("cli.help.role", roles=", ".join(ROLES)))
    command.add_argument("--template", default="", metavar="TEXT", help=say("cli.help.template"))
    remedies = ", ".join(REMEDIES)
    command.add_argument("--fix", nargs="?", const="all", default="", metavar="REMEDIES", help=say("cli.help.fix", remedies=remedies))
    command.add_argument("--include", default="", metavar="PARTS", help=say("cli.help.include", parts=", ".join(INCLUDES)))
    for flag, name, metavar in READ_FLAGS:
        kind = INTEGER if name == "skip" else str
        command.add_argument(flag, type=kind, default=None, metavar=metavar, help=say(f"cli.reading.{name}"))
    for flag, metavar in HUB_FLAGS:
        command.add_argument(flag, default=None, metavar=metavar, help=say(f"cli.hub.{flag.removeprefix('--')}"))
    command.add_argument("--no-header", action="store_true", help=say("cli.help.no_header"))
    _json(command)


def _json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help=say("cli.help.json"))


def _data_dir(command: argparse.ArgumentParser, **options: Any) -> None:
    command.add_argument("--data-dir", type=Path, metavar="DIR", help=say("cli.help.data_dir"), **options)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, by default ``serve``; returns the exit code."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin while they wait are forty times slower on a busy machine
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    argv = list(sys.argv[1:] if arguments is None else arguments)
    if not argv or (argv[0].startswith("-") and argv[0] not in ("-h", "--help")):
        argv.insert(0, "serve")
    try:
        options = _parser().parse_args(argv)
        if options.command != "serve":  # it sets its own handlers once it runs
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return COMMANDS[options.command](options)
    except READABLE as error:
        return refuse(say_error(error))
    except OSError as error:
        return refuse(f"{error.strerror or error}: {error.filename or ''}"[:500].rstrip(": "))
    except KeyboardInterrupt:
        if argv[0] == "run":
            note(say("cli.stopped_watching"))
        else:
            note(say("cli.stopped_resumable" if argv[0] == "train" else "cli.stopped"))
        return 130
