"""How long a run will still take, from what its steps and measurements took so far. Imports no torch, and reads no clock."""

from collections import deque

_LATEST = 50
"""Steps of a kind whose speed counts: a machine becomes busier, or less busy."""

_ANSWERED = 3
"""Measurements whose sample answers count: answers that have settled take a fraction of the time of the first ones."""

_LEAST_WORK = 1e-3
"""A step that only reuses has some work, whatever the arithmetic leaves of it."""


class Speed:
    """Seconds of one token, over the latest steps."""

    def __init__(self) -> None:
        self._latest = deque[tuple[int, float]](maxlen=_LATEST)

    def __bool__(self) -> bool:
        """Whether anything was timed."""
        return bool(self._latest)

    def add(self, tokens: int, seconds: float) -> None:
        """Take a step into account."""
        self._latest.append((tokens, seconds))

    @property
    def each(self) -> float:
        """Seconds of one token; 0 before anything was timed."""
        return sum(seconds for _, seconds in self._latest) / max(1, sum(tokens for tokens, _ in self._latest))


class Pace:
    """The pace of a run since this process began or resumed it.

    A step costs what every step costs, and besides it what is computed whole of rows that come first in this process, since what is
    stored of them does not outlive one. Each has a speed of its own. Until a step was made that only reuses, its speed follows from the
    others' by the share of the work that reuse leaves.

    Args:
        tokens: tokens of all steps that are left.
        later_work: work of a step that only reuses, as a share of one that computes all its rows whole; 1 where nothing is reused.
        measurements: held-out measurements that are left, without the score at the end.
        scored: rows that the score measures, as a share of those that one measurement does.
        passes: passes over its rows of one measurement, and batches of sample answers at each; the first one has two of both, and the
            score two passes.
    """

    def __init__(self, *, tokens: int, later_work: float, measurements: int, scored: float, passes: int) -> None:
        self._tokens_left, self._later_work = tokens, later_work
        self._measurements_left, self._scored, self._passes = measurements, scored, passes
        self._later = Speed()
        self._fresh = deque[tuple[int, int, float]](maxlen=_LATEST)
        self._measured = deque[float](maxlen=_LATEST)
        self._answered = deque[float](maxlen=_ANSWERED)
        self._beside, self._steps = 0.0, 0

    def stepped(self, tokens: int, fresh: int, seconds: float) -> None:
        """A step over so many tokens was made, ``fresh`` of them in rows that were computed whole."""
        if fresh:
            self._fresh.append((tokens, fresh, seconds))
        else:
            self._later.add(tokens, seconds)
        self._tokens_left -= tokens
        self._steps += 1

    def measured(self, seconds: float, *, at_first: bool = False) -> None:
        """A measurement was made; the one ``at_first`` has two passes, and is none of those that were left."""
        self._measured.append(seconds * self._passes / 2 if at_first else seconds)
        self._measurements_left -= not at_first

    def answered(self, seconds: float) -> None:
        """Sample answers were made at a measurement; ``seconds`` are those of one batch of them."""
        self._answered.append(seconds)

    def went_by(self, seconds: float) -> None:
        """Time went by beside steps and measurements: checkpoints, and waiting for others who use the base model."""
        self._beside += seconds

    def seconds_left(self, steps: int, fresh: int) -> float:
        """Seconds that are left, with ``steps`` of them to be made, and ``fresh`` tokens to be computed whole in rows that come first."""
        later, whole = self._speeds()
        seconds = later * max(0, self._tokens_left) + whole * min(fresh, max(0, self._tokens_left))
        measurements = max(0, self._measurements_left)
        if self._measured:
            mean = sum(self._measured) / len(self._measured)
            seconds += mean * measurements + 2 * mean / self._passes * self._scored
        if self._answered:
            seconds += sum(self._answered) / len(self._answered) * self._passes * measurements
        return seconds + steps * self._beside / max(1, self._steps)

    def _speeds(self) -> tuple[float, float]:
        """Seconds of each token in every step, and what a token costs besides that is computed whole."""
        tokens, fresh, seconds = (sum(each) for each in zip(*self._fresh, strict=True)) if self._fresh else (0, 0, 0.0)
        more = 1 / max(self._later_work, _LEAST_WORK) - 1  # what a token that is computed whole costs besides, by the work of it
        later = self._later.each if self._later else seconds / max(1.0, tokens + fresh * more)
        return later, max(0.0, seconds - later * tokens) / fresh if fresh else later * more
