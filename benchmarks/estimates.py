"""``python -m benchmarks.estimates``: how near the estimates of time and memory come to what runs then take, each in a process of its own.

A process builds a base model, estimates a run on it, and then makes that run: the starter and two random models of other sizes, a file
of short rows and one with a few very long rows among them, positions with much and with little to reuse. Ratios are estimate by run.
"""

import argparse
import gc
import json
import random
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

_MODELS = {"starter": None, "60M": (512, 14, 1536, 8), "200M": (896, 18, 2560, 14)}
"""Hidden size, layers, inner size and heads of the random models."""
_ROWS = {"starter": 72, "60M": 32, "200M": 16}
_POSITIONS = ("l7", "f7+l7")
_FILES = ("short", "skewed")
_EPOCHS, _SEED, _MOST = 3, 0, {"time": 1.5, "memory": 1.2}


@dataclass(frozen=True, slots=True)
class Result:
    """Seconds and bytes, estimated and measured; ``probe`` is what estimating took, ``grown`` what the run added to the process."""

    seconds: float
    real_seconds: float
    memory: int | None
    real_memory: int | None
    first: float
    later: float
    probe: float
    grown: int | None
    real_grown: int | None


def rows_of(file: str, count: int) -> list[tuple[str, str]]:
    """Prompts and answers of few words; of a skewed file one in twelve is about fifteen times as long."""
    draw = random.Random(_SEED)

    def words(number: int) -> str:
        return " ".join(draw.choice(["the", "cat", "sees", "a", "red", "house", "and", "old", "trees", "today"]) for _ in range(number))

    lengths = [(300, 60) if file == "skewed" and index % 12 == 5 else (draw.randint(8, 30), draw.randint(4, 16)) for index in range(count)]
    return [(words(prompt), words(answer)) for prompt, answer in lengths]


def base_of(model: str) -> Any:
    """The base model, a random one with the starter's tokenizer."""
    from transformers import LlamaConfig, LlamaForCausalLM

    from reft_engine import load_base

    starter = load_base("starter")
    if (shape := _MODELS[model]) is None:
        return starter
    hidden, layers, inner, heads = shape
    config = LlamaConfig(
        vocab_size=len(starter.tokenizer), hidden_size=hidden, num_hidden_layers=layers, intermediate_size=inner,
        num_attention_heads=heads, num_key_value_heads=heads, max_position_embeddings=2048, bos_token_id=None, eos_token_id=None,
        pad_token_id=None,
    )  # fmt: skip
    return replace(starter, model=LlamaForCausalLM(config).eval().requires_grad_(False), name=model)


def compare(model: str, file: str, positions: str, *, cpu_clock: bool) -> Result:
    """Estimate a run and make it, in this process."""
    import torch

    from reft_engine import ReftConfig, TrainConfig, train
    from reft_engine.training import estimate_run, probing
    from reft_engine.training.memory import Peak

    clock = time.process_time if cpu_clock else time.perf_counter
    if cpu_clock:
        torch.set_num_threads(1)
        probing.clock = clock
    base = base_of(model)
    rows = rows_of(file, _ROWS[model])
    config, settings = ReftConfig(positions=positions), TrainConfig(epochs=_EPOCHS, held_out=0.1)
    begun = clock()
    found = estimate_run(base, rows, config, settings)
    probe = clock() - begun
    gc.collect()
    peak = Peak(base.device.type)
    peak.begin()
    begun = clock()
    train(base, rows, config, settings)
    seconds, growth = clock() - begun, peak.end()
    real = growth and growth.before + growth.added
    grown = None if found.memory_bytes is None or found.model_bytes is None else found.memory_bytes - found.model_bytes
    return Result(
        found.seconds, seconds, found.memory_bytes, real, found.first_epoch_seconds, found.later_epoch_seconds, probe, grown,
        growth and growth.added,
    )  # fmt: skip


def line(model: str, file: str, positions: str, found: Result) -> str:
    """A line of the table."""
    time_ratio = found.seconds / found.real_seconds
    memory = f"{found.memory / 1e6:,.0f} | {found.real_memory / 1e6:,.0f}" if found.memory and found.real_memory else "unknown | unknown"
    memory_ratio = f"{found.memory / found.real_memory:.2f}" if found.memory and found.real_memory else "unknown"
    grown = f"{found.grown / 1e6:,.0f} / {found.real_grown / 1e6:,.0f}" if found.grown and found.real_grown else "unknown"
    return (
        f"| {model} | {file} | {positions} | {found.seconds:.1f} | {found.real_seconds:.1f} | **{time_ratio:.2f}** | {memory} "
        f"| **{memory_ratio}** | {grown} | {found.first:.1f} / {found.later:.1f} | {found.probe:.1f} |"
    )


def is_near(found: Result) -> bool:
    """Whether time is within a factor 1.5 and memory within 20 %."""
    pairs = [(found.seconds, found.real_seconds, _MOST["time"])]
    if found.memory and found.real_memory:
        pairs.append((found.memory, found.real_memory, _MOST["memory"]))
    return all(1 / most <= estimate / real <= most for estimate, real, most in pairs)


def main() -> int:
    """Print the table; 1 if an estimate is too far off."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cpu-clock", action="store_true", help="count this process's own seconds, of one thread, on a busy machine")
    parser.add_argument("--models", nargs="*", default=[*_MODELS], choices=[*_MODELS])
    parser.add_argument("--case", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        sys.stdout.write(json.dumps(asdict(compare(*options.case, cpu_clock=options.cpu_clock))) + "\n")
        return 0
    head = ("base model", "file", "positions", "s, est.", "s, run", "ratio", "MB, est.", "MB, run", "ratio", "MB grown, est. / run",
            "s an epoch, first / later", "s, probe")  # fmt: skip
    sys.stdout.write(f"| {' | '.join(head)} |\n|{'---|' * len(head)}\n")
    near = True
    for case in ((model, file, positions) for model in options.models for file in _FILES for positions in _POSITIONS):
        command = [sys.executable, "-m", "benchmarks.estimates", "--case", *case, *(["--cpu-clock"] if options.cpu_clock else [])]
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        found = Result(**json.loads(answer.splitlines()[-1]))
        near &= is_near(found)
        sys.stdout.write(line(*case, found) + "\n")
        sys.stdout.flush()
    return 0 if near else 1


if __name__ == "__main__":
    sys.exit(main())
