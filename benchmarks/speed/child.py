"""A contender's process: ``python -m benchmarks.speed.child JOB``, where JOB is JSON; then a line on standard input per step."""

import json
import os
import sys
from importlib import import_module
from importlib.util import find_spec

from benchmarks.speed.gate import FinishedError, LineGate, NotThereError
from benchmarks.speed.work import Job


def main() -> None:
    """Build what the job asks for, and work until nobody asks any more."""
    # What libraries print must not stand among the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    job = Job.read(json.loads(sys.argv[1]))
    gate = LineGate(iter(sys.stdin.readline, ""), lambda line: answers.write(line + "\n"), job.device)
    if lacking := [name for name in job.needs if find_spec(name) is None]:
        gate.ready(missing=f"{', '.join(lacking)} not installed")
        return
    import torch

    torch.set_num_threads(job.threads)
    module, _, function = job.call.partition(":")
    try:
        getattr(import_module(f"benchmarks.speed.{module}"), function)(job, gate)
    except FinishedError:
        pass
    except NotThereError as error:
        gate.ready(missing=str(error))


if __name__ == "__main__":
    main()
