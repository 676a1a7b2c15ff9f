"""Pauses Python's search for reference cycles while very many plain values are made."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection() -> Iterator[None]:
    """Make rows without the cyclic garbage collector: it would walk through all of them again and again, and there are no cycles in them.

    Reference counts go on, so that what is dropped is freed; other threads are without the collector meanwhile, too.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
