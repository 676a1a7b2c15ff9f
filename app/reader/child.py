"""Reads one file in a process of its own: ``python -m app.reader.child``, which knows neither the database nor any secret.

Standard input has one line of JSON: ``path``, ``folder``, ``choices``, ``memory_mb``, ``language``; when it closes, the process ends.
Standard output has lines of JSON: first ``begun``; ``progress`` (0 to 1) now and then; last ``done``, or ``error``, a sentence.

With ``prompts`` besides ``path``, ``done`` are the prompts of the file, as `reft_engine.data.FilePrompts` holds them; nothing is written.

With ``base``, a Hub id, ``done`` is what is known of that base model; with ``commit`` as well its files are fetched into ``cache``,
and each ``progress`` is the bytes that are here.

With ``hub``, the name of a dataset of the Hub, instead of ``path`` and ``choices``, ``done`` is what there is; with ``rows`` as well they
are written into ``folder``, and ``done`` is what was.
"""

import json
import os
import resource
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np  # noqa: F401 (the report of every file needs it: here it is loaded before there is a file to wait for)

from app.choices import Choices
from app.errors import StudioError
from app.words import say, say_error, speaking, texts
from reft_engine import ReftError
from reft_engine.data import HubRows, Limits, fetch_rows, import_file, look_at_hub, read_hub_name, read_prompts


def main() -> int:
    """Read the file that standard input names; returns the exit code."""
    texts("en")  # read before there is a file to wait for
    line = sys.stdin.readline()
    if not line:  # whoever might have wanted a file read has ended
        return 0
    threading.Thread(target=_end_with_the_other, daemon=True).start()
    request = json.loads(line)
    _write({"begun": True})
    limit = request["memory_mb"] * 1_000_000
    # The data segment, not the address space: libraries reserve more addresses than they ever use.
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    with speaking(request["language"]):
        try:
            _act(request)(request)
        except (ReftError, StudioError) as error:
            _write({"error": say_error(error)})
        except (MemoryError, SystemError):  # the latter, where the interpreter itself got no memory
            _write({"error": say("reader.memory", limit=request["memory_mb"])})
        except Exception:  # noqa: BLE001 (the edge of the process: nobody else can say what happened)
            _write({"error": say("errors.neutral"), "log": traceback.format_exc()[-4000:]})
    return 0


def _end_with_the_other() -> None:
    """A file that nobody waits for any more is not read to its end."""
    sys.stdin.buffer.read()
    os._exit(1)


def _act(request: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    acts = {"hub": _ask_hub, "base": _ask_of_base, "prompts": _read_prompts}
    return next((act for name, act in acts.items() if name in request), _read)


def _read_prompts(request: dict[str, Any]) -> None:
    asked = request["prompts"]
    found = read_prompts(Path(request["path"]), lines=asked["lines"], most=asked["most"], limits=Limits(**asked["limits"]))
    _write({"done": asdict(found)})


def _read(request: dict[str, Any]) -> None:
    choices = Choices.of_data(request["choices"])
    import_file(
        Path(request["path"]), Path(request["folder"]), choices.columns, choices.options, choices.remedies,
        on_progress=lambda share: _write({"progress": share}),
    )  # fmt: skip
    _write({"done": True})


def _ask_hub(request: dict[str, Any]) -> None:
    name = read_hub_name(request["hub"])
    if "rows" not in request:
        _write({"done": asdict(look_at_hub(name))})
        return
    file = fetch_rows(
        name, HubRows(**request["rows"]), Path(request["folder"]), Limits(size=request["size"]),
        on_progress=lambda share: _write({"progress": share}),
    )  # fmt: skip
    _write({"done": {**asdict(file), "path": str(file.path)}})


def _ask_of_base(request: dict[str, Any]) -> None:
    from app.bases.hub import fetch_base, look_at_base

    if "commit" not in request:
        _write({"done": asdict(look_at_base(request["base"], Path(request["folder"])))})
        return
    try:
        fetch_base(request["base"], request["commit"], lambda count: _write({"progress": count}), Path(request["cache"]))
    except OSError as error:
        _write({"error": say("bases.disk", reason=error.strerror or type(error).__name__)})
    else:
        _write({"done": True})


def _write(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # not `sys.exit`, which would wait for the thread that reads standard input
