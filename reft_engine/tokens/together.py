"""What is made of many at once, where some fail: each is its result, or the error that says why there is none."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from reft_engine.errors import DataError

Given = TypeVar("Given")
Made = TypeVar("Made")


def only(results: Sequence[Made | DataError]) -> Made:
    """The result of a batch of one. Raises its DataError if it failed."""
    (result,) = results
    if isinstance(result, DataError):
        raise result
    return result


def go_on(
    results: Sequence[Given | DataError], act: Callable[[Sequence[Given]], Sequence[Made | DataError]]
) -> list[Made | DataError]:  # fmt: skip
    """Make something of all results at once; errors keep their places, and the batch around them is none the worse."""
    made = iter(act([result for result in results if not isinstance(result, DataError)]))
    return [result if isinstance(result, DataError) else next(made) for result in results]
