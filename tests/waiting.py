"""Waiting for what other threads and processes do: longer than any machine needs, and told in a sentence where it was in vain."""

import time
from collections.abc import Callable
from typing import Any

PATIENCE = 300.0
"""Seconds after which what is waited for will not come any more; only a test that fails takes so long. None measures speed by it."""
MILLISECONDS = 1000 * PATIENCE
"""The same, as a browser wants it."""


def until(look: Callable[[], Any], what: str, seconds: float = PATIENCE, *, every: float = 0.02) -> Any:
    """What ``look`` gives as soon as it gives something; ``what`` is said when it gives nothing.

    Looks ``every`` so many seconds: seldom, where looking costs something and what it sees does not go away again.
    """
    deadline = time.monotonic() + seconds
    while True:
        late = time.monotonic() > deadline  # asked before looking, so that a process that was held up looks once more
        if found := look():
            return found
        assert not late, f"{what} did not come within {seconds:.0f} s"
        time.sleep(every)
