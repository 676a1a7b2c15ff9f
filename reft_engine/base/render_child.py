"""Runs chat templates in a process of its own: ``python -m reft_engine.base.render_child MEGABYTES``, which imports no torch.

Standard input has one line of JSON for each conversation: ``template``, ``specials``, ``generation_prompt``, ``limit`` (characters),
``seconds``, and ``messages``, or ``roles`` to be told what is written around them. Standard output has a line for each: ``text`` or
``parts``; or ``error``, the template's own words; with ``ends`` the process ends, since it would not give its memory back.

It is ended by its own alarm too, so that it outlives neither its limits nor whoever started it.
"""

import json
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from reft_engine.base.copying import TEMPLATE_ERRORS
from reft_engine.base.sandbox import copied, written

_GRACE = 1.0
"""Seconds beyond the limit: whoever waits ends this process first."""
_KEPT = 0.5
"""The share of its memory that a process may hold and go on."""


def main() -> int:
    """Answer until standard input closes; returns the exit code."""
    limit = int(sys.argv[1]) * 1_000_000
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The data segment, not the address space: libraries reserve more addresses than they ever use.
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    for line in sys.stdin.buffer:
        request = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, request["seconds"] + _GRACE)  # its default is to end the process, whatever that does
        answer = _answer(request)
        signal.setitimer(signal.ITIMER_REAL, 0)
        ends = "memory" in answer or _held() > _KEPT * limit
        sys.stdout.write(json.dumps({**answer, "ends": True} if ends else answer) + "\n")
        sys.stdout.flush()
        if ends:
            break
    return 0


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    given = request["generation_prompt"], request["limit"]
    try:
        if "roles" in request:
            return {"parts": copied(request["template"], request["specials"], request["roles"], *given)}
        return {"text": written(request["template"], request["specials"], request["messages"], *given)}
    except MemoryError:
        return {"error": "it needs too much memory", "memory": True}
    except TEMPLATE_ERRORS as error:
        return {"error": str(error)[:200]}


def _held() -> int:
    """Bytes that the process holds; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * resource.getpagesize()


if __name__ == "__main__":
    sys.exit(main())
