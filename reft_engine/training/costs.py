"""A cost by its size: the line through what was measured. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """A cost by its size: ``fixed + each * size``."""

    fixed: float
    each: float

    def at(self, size: float) -> float:
        """The cost of this size."""
        return self.fixed + self.each * size


def line_through(points: Sequence[tuple[float, float]]) -> Line:
    """The line nearest to measured (size, cost), relative to the sizes; neither part of it is negative."""
    weights = [1 / size**2 for size, _ in points]
    total = sum(weights)
    size = sum(w * x for w, (x, _) in zip(weights, points, strict=True)) / total
    cost = sum(w * y for w, (_, y) in zip(weights, points, strict=True)) / total
    spread = sum(w * (x - size) ** 2 for w, (x, _) in zip(weights, points, strict=True))
    slope = sum(w * (x - size) * (y - cost) for w, (x, y) in zip(weights, points, strict=True)) / spread if spread else cost / size
    if slope <= 0:
        return Line(cost, 0.0)
    if cost < slope * size:
        return Line(0.0, sum(y / x for x, y in points) / len(points))
    return Line(cost - slope * size, slope)
