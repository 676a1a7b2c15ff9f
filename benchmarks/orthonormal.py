"""What keeping R orthonormal costs: ``python -m benchmarks.orthonormal`` prints one Markdown table (``--quick``: a short one).

Five ways to keep the rows of all sites orthonormal, from the same rows and under the same gradients: CPU milliseconds of
what an optimiser step asks of them (R forward and backward once for every site; one thread, median of rounds in which the
ways take turns, after one that is not counted), megabytes of parameters, buffers and Adam's state, and the angle by which
one step of Adam under a random gradient turns the subspace, which is what a learning rate means to R.

pyreft's third read of R, which only asks for its dtype, is left out. After the table: what the engine keeps of a whole
LoReFT in a model of 7B parameters' size, counted in real tensors after a step.
"""

import argparse
import time
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import orthogonal

from reft_engine import ReftConfig
from reft_engine.edits.interventions import build
from reft_engine.edits.rotation import OrthonormalRows, _reflect, _unit_lower

RATE = 9e-4
HEAD = (
    "| sites x hidden, rank | how | ms a step | times as fast as pyreft's | MB with Adam's state | one step of Adam turns R by |\n"
    "|---|---|---|---|---|---|"
)


@dataclass(frozen=True, slots=True)
class Size:
    """So many sites (edits) of a hidden size and rank; with ``large``, what keeps D x D numbers a site is left out."""

    sites: int
    hidden: int
    rank: int
    large: bool = False

    def __str__(self) -> str:
        return f"{self.sites} x {self.hidden}, {self.rank}"


SIZES = (Size(16, 256, 4), Size(24, 768, 4), Size(24, 768, 32), Size(2, 2048, 4), Size(1, 4096, 8), Size(32, 4096, 8, large=True))


class Way(nn.Module):
    """Gives R of shape (G, K, D): G sites, K rank, D hidden size."""

    dense = False
    """Whether it keeps D x D numbers for each site."""

    def __init__(self, rows_GKD: Tensor) -> None:
        super().__init__()

    def work(self, gradient_GKD: Tensor) -> None:
        """What one optimiser step asks of R: compute it, and bring its gradient back."""
        self().backward(gradient_GKD)


class _Weight(nn.Module):
    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(value)


class OneByOne(Way):
    """torch's parametrisation of each site, read twice."""

    title, dense = "pyreft's: torch's `orthogonal`, site by site, read twice", True

    def __init__(self, rows_GKD: Tensor) -> None:
        super().__init__(rows_GKD)
        self.layers = nn.ModuleList(orthogonal(_Weight(rows.mT.clone())) for rows in rows_GKD)

    def forward(self) -> Tensor:
        """Compute R."""
        return torch.stack([layer.weight.mT for layer in self.layers])

    def work(self, gradient_GKD: Tensor) -> None:
        """Every site by itself, as pyreft's forward pass has it; each read gets its half of the gradient."""
        for layer, gradient in zip(self.layers, gradient_GKD, strict=True):
            torch.autograd.backward([layer.weight.mT for _ in range(2)], [gradient / 2] * 2)


class Stacked(Way):
    """torch's parametrisation of all sites at once."""

    title, dense = "torch's `orthogonal`, stacked, read once", True

    def __init__(self, rows_GKD: Tensor) -> None:
        super().__init__(rows_GKD)
        self.layer = orthogonal(_Weight(rows_GKD.mT.clone()))

    def forward(self) -> Tensor:
        """Compute R."""
        weight: Tensor = self.layer.weight
        return weight.mT


class DenseReflections(Way):
    """torch's numbers by products of reflections in WY form; torch's own base."""

    title, dense = "WY form, D x D base", True
    base: Tensor

    def __init__(self, rows_GKD: Tensor) -> None:
        super().__init__(rows_GKD)
        torchs = orthogonal(_Weight(rows_GKD.mT.clone())).parametrizations.weight[0]
        self.register_buffer("base", torchs.base)
        self.free = nn.Parameter(torch.zeros_like(rows_GKD.mT))

    def forward(self) -> Tensor:
        """Compute R."""
        eye = torch.eye(*self.free.shape[1:]).expand_as(self.free)
        return -(self.base @ _reflect(_unit_lower(self.free), eye)).mT


class Engine(Way):
    """What the engine does."""

    title = "the engine's: WY form, base as reflections"

    def __init__(self, rows_GKD: Tensor) -> None:
        super().__init__(rows_GKD)
        self.rotation = OrthonormalRows(*rows_GKD.shape)
        self.rotation.set_rows(rows_GKD)

    def forward(self) -> Tensor:
        """Compute R."""
        rows: Tensor = self.rotation()
        return rows


class Cholesky(Way):
    """R = L^-1 A with A A^T = L L^T, for a free matrix A."""

    title = "CholeskyQR of a free matrix"

    def __init__(self, rows_GKD: Tensor) -> None:
        super().__init__(rows_GKD)
        self.free = nn.Parameter(rows_GKD.clone())

    def forward(self) -> Tensor:
        """Compute R."""
        lower = torch.linalg.cholesky(self.free @ self.free.mT)
        return torch.linalg.solve_triangular(lower, self.free, upper=False)


WAYS = (OneByOne, Stacked, DenseReflections, Engine, Cholesky)


def milliseconds(ways: Iterable[Way], gradient_GKD: Tensor, rounds: int) -> list[float]:
    """Median CPU time of `Way.work` of each."""
    found: dict[Way, list[float]] = {way: [] for way in ways}
    for turn in range(rounds + 1):
        for way, times in found.items():
            way.zero_grad()
            begun = time.process_time()
            way.work(gradient_GKD)
            if turn:
                times.append(1000 * (time.process_time() - begun))
    return [median(times) for times in found.values()]


def degrees_of_one_step(way: Way, gradient_GKD: Tensor, optimizer: torch.optim.Optimizer) -> float:
    """The largest principal angle between the row spaces before and after a step; mean of the sites."""
    with torch.no_grad():
        before = way().double()
    way.zero_grad()
    way.work(gradient_GKD)
    optimizer.step()
    with torch.no_grad():
        after = way().double()
    outside = after - after @ before.mT @ before
    return torch.linalg.svdvals(outside)[:, 0].clamp(max=1).asin().rad2deg().mean().item()


def megabytes(tensors: Iterable[Tensor]) -> float:
    """What tensors hold, in MB of a million bytes."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors) / 1e6


def state_of(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """The tensors that an optimiser keeps from step to step."""
    return [value for entry in optimizer.state.values() for value in entry.values() if isinstance(value, Tensor)]


def lines(size: Size, rounds: int) -> list[str]:
    """The rows of the table for one size."""
    torch.manual_seed(0)
    rows = torch.linalg.qr(torch.randn(size.sites, size.hidden, size.rank)).Q.mT.contiguous()
    gradient = torch.randn_like(rows)
    ways = [way(rows) for way in WAYS if not (size.large and way.dense)]
    times = milliseconds(ways, gradient, rounds)
    found = []
    for way, taken in zip(ways, times, strict=True):
        optimizer = torch.optim.Adam(way.parameters(), lr=RATE)
        angle = degrees_of_one_step(way, gradient, optimizer)
        kept = megabytes([*way.parameters(), *way.buffers(), *state_of(optimizer)])
        ratio = "-" if size.large else f"{times[0] / taken:.2f}" if times[0] < 10 * taken else f"{times[0] / taken:.0f}"
        found.append(f"| {size} | {way.title} | {taken:.2f} | {ratio} | {kept:.1f} | {angle:.2f}° |")
    return found


def seven_billion() -> str:
    """What the engine keeps of tied LoReFT, rank 8, in 32 layers of width 4096."""
    layers, hidden, rank = 32, 4096, 8
    edit = build(ReftConfig(rank=rank, positions="f7+l7"), layers, hidden, torch.Generator().manual_seed(0))
    optimizer = torch.optim.AdamW(edit.parameters(), lr=RATE)
    for weight in edit.parameters():
        weight.grad = torch.randn_like(weight)
    optimizer.step()
    parts = [megabytes(edit.parameters()), megabytes(edit.buffers()), megabytes(state_of(optimizer))]
    dense = layers * hidden * hidden * 4 / 1e6
    return (
        f"LoReFT of rank {rank}, tied, in {layers} layers of {hidden}: {parts[0]:.1f} MB trained + {parts[1]:.1f} MB buffers + "
        f"{parts[2]:.1f} MB AdamW = {sum(parts):.1f} MB. (The {layers} D x D bases that pyreft keeps besides: {dense:.0f} MB.)"
    )


def main() -> None:
    """Print the table, a size as soon as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the two smallest sizes, and three rounds")
    parser.add_argument("--rounds", type=int, default=7, help="counted rounds")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(HEAD, flush=True)  # noqa: T201
    for size in SIZES[:2] if options.quick else SIZES:
        print("\n".join(lines(size, 3 if options.quick else options.rounds)), flush=True)  # noqa: T201
    print(f"\n{seven_billion()}")  # noqa: T201


if __name__ == "__main__":
    main()
