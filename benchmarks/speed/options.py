"""The options that both commands have, and from them what every contender is told."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.speed.work import SHAPES, Contender, Job, Shape, Work

_RESULTS = Path(__file__).resolve().parents[1] / "results"


def parser(about: str | None, scenarios: Sequence[str], contenders: Sequence[str], rounds: int) -> argparse.ArgumentParser:
    """A parser of the options that both commands have."""
    made = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--model", choices=("small", "base"), default="base", help="8.4M or 110M parameters")
    made.add_argument("--scenarios", nargs="+", choices=scenarios, default=list(scenarios), metavar="NAME", help=" ".join(scenarios))
    made.add_argument("--contenders", nargs="+", choices=contenders, default=list(contenders), metavar="NAME", help=" ".join(contenders))
    made.add_argument("--device", default="cpu", help="cpu, or cuda")
    made.add_argument("--dtype", choices=("float32", "bfloat16"), help="of the base model's weights; bfloat16 on a GPU, else float32")
    made.add_argument("--threads", type=int, default=2, help="CPU threads of each contender, one of which works at a time")
    made.add_argument("--rounds", type=int, default=rounds, help="counted rounds, after one that is not counted")
    made.add_argument("--pyreft-python", default=sys.executable, metavar="PATH", help="the Python of an environment that has pyreft")
    made.add_argument("--adapters-python", default=sys.executable, metavar="PATH", help="the Python of an environment that has adapters")
    made.add_argument("--results", type=Path, help="folder of the tables as Markdown and JSON; benchmarks/results, with --quick none")
    made.add_argument("--quick", action="store_true", help="a model of four tiny blocks, short rows and one round: whether it works")
    return made


def show(text: str) -> None:
    """Print a scenario's tables."""
    print(text + "\n", flush=True)  # noqa: T201


class Asked:
    """What the options ask for."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.quick: bool = options.quick
        self.model = "tiny" if options.quick else options.model
        self.shape: Shape = SHAPES[self.model]
        self.gpu: bool = options.device.startswith("cuda")
        self.dtype: str = options.dtype or ("bfloat16" if self.gpu else "float32")
        self.results: Path | None = options.results or (None if options.quick else _RESULTS)
        self.homes = {"pyreft": options.pyreft_python, "adapters": options.adapters_python}

    def rounds(self, at_least: int = 1) -> int:
        """How many rounds are counted."""
        return at_least if self.quick else max(at_least, self.options.rounds)

    def file(self, command: str) -> str:
        """The name of the results' files."""
        return f"{command}-{self.model}-{self.options.device.partition(':')[0]}"

    def taking_part(self, contenders: Mapping[str, Contender], keys: Sequence[str]) -> list[Contender]:
        """Of a scenario's contenders those that are wanted."""
        return [contenders[key] for key in keys if key in self.options.contenders]

    def jobs(self, contenders: Sequence[Contender], work: Work, **options: Any) -> dict[str, Job]:
        """What each of them is told; ``options`` go to all."""
        given = {"device": self.options.device, "dtype": self.dtype, "threads": self.options.threads}
        return {
            each.key: Job(each.call, self.shape, work, **given, needs=each.needs, options={**each.options, **options})
            for each in contenders
        }

    def setting(self, work: Work) -> dict[str, Any]:
        """What the table says about its figures."""
        layers = f"all {self.shape.layers}" if len(work.layers) == self.shape.layers else ", ".join(map(str, work.layers))
        return {
            "model": f"{self.model} ({self.shape.hidden} x {self.shape.layers}, vocabulary {self.shape.vocabulary})", "prompt": work.prompt,
            "answer up to": work.answer, "positions": work.positions, "blocks": layers, "rank": work.rank, "dtype": self.dtype,
            "device": self.options.device, "threads": self.options.threads,
        }  # fmt: skip
