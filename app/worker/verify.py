"""``python -m app.worker.verify``: loads adapters, each in a fresh process, and replays their canaries.

Each line of standard input is a JSON list, the adapter folder and the base model; each is answered with a line of JSON, which holds
``reproduces`` or ``failed``. What this process itself does is only to load the libraries; for each line it forks.
"""

import importlib
import json
import os
import sys
import traceback
from pathlib import Path

from reft_engine import ReftError, load_base, load_options
from reft_engine.formats import read_config
from reft_engine.trainable import verify_adapter

_LIBRARIES = (
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.llama.modeling_llama",
)
"""What loading a base model imports when it is first needed; the starter is a Llama."""


def main() -> int:
    """Answer until standard input ends."""
    for name in _LIBRARIES:
        importlib.import_module(name)
    for line in sys.stdin:
        if sys.platform == "darwin":  # whose own libraries do not survive a fork: there each check has its whole process
            _say(_verified(line))
            break
        _say(_forked(line))
    return 0


def _say(answer: str) -> None:
    sys.stdout.write(answer + "\n")
    sys.stdout.flush()


def _forked(line: str) -> str:
    """The answer of a fork of this process; one that is killed leaves none."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        os.write(write_end, _verified(line).encode())  # shorter than a pipe holds
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, encoding="utf-8") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    return answer or json.dumps({"failed": f"the process ended with status {os.waitstatus_to_exitcode(status)}"})


def _verified(line: str) -> str:
    adapter, base = json.loads(line)
    try:
        recorded = read_config(Path(adapter))["base_model"]
        options = load_options(recorded.get("precision"))
        difference = verify_adapter(adapter, load_base(base, revision=recorded["revision"], **options).model)
    except ReftError as error:
        return json.dumps({"failed": str(error)})
    except BaseException as error:  # noqa: BLE001 (the edge of a process: its answer is waited for)
        traceback.print_exc()
        return json.dumps({"failed": f"{type(error).__name__}: {error}"[:1000]})
    return json.dumps({"reproduces": f"reproduces; largest difference of a logit {difference:.2g}"})


if __name__ == "__main__":
    sys.exit(main())
