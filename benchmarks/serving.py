"""What it costs to answer many people at once: ``python -m benchmarks.serving [--quick] [--json] [--device cuda]``.

People ask at the same moment, each with a prompt of 20 to 60 tokens, and get 64 tokens: on one adapter, on as many adapters as people,
and on the bare base model; beside it the same requests one after another; a padded batch of transformers' own ``generate``; PEFT's
LoRA with an adapter for each row (``adapter_names``), in its ``generate`` and in our batch; and transformers' continuous batching, without
an edit. Ways take turns in one run, and the figures that matter are their ratios. Then the decode speed of many adapters beside bare rows,
with 20 and with 1,000 in memory, and what a row and an adapter take of it.
"""

import argparse
import copy
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch

from reft_engine import PeftConfig, ReftConfig, ReftModel, load_base
from reft_engine.base import Base
from reft_engine.baselines import PeftBaseline
from reft_engine.baselines.twin import twin
from reft_engine.inference import InferenceEngine
from reft_engine.inference import engine as running

PEOPLE, QUICK_PEOPLE = (1, 2, 4, 8, 16, 20, 32), (1, 4, 20)
ANSWER = 64
ADAPTERS = 20
WORDS = "the a cat dog sea ship small old red came saw said went over under with from and then why".split()


@dataclass(frozen=True)
class Served:
    """One way to answer some people: tokens a second, seconds to the first token of each, and between two tokens of one answer."""

    tokens_per_second: float
    first: tuple[float, ...]
    between: tuple[float, ...] = ()

    @property
    def p50(self) -> float:
        """Half of the people wait no longer."""
        return statistics.median(self.first)

    @property
    def p95(self) -> float:
        """Nineteen of twenty wait no longer."""
        return sorted(self.first)[max(0, -(-95 * len(self.first) // 100) - 1)]

    @property
    def between_p95(self) -> float | None:
        """Of twenty tokens, nineteen come no later after the one before; None where all come at once."""
        return sorted(self.between)[-(-95 * len(self.between) // 100) - 1] if self.between else None

    @property
    def longest_to_mean(self) -> float:
        """The longest wait by the mean."""
        return max(self.first) / statistics.mean(self.first)


def prompts(base: Base, count: int) -> list[list[int]]:
    """Prompts of 20 to 60 tokens, no two alike."""
    draw = random.Random(0)
    made = []
    for _ in range(count):
        text = " ".join(draw.choices(WORDS, k=80))
        made.append(base.tokenizer(text, add_special_tokens=False)["input_ids"][: draw.randint(20, 60)])
    return made


def adapters(base: Base, count: int) -> list[ReftModel]:
    """Edits of the default kind with random weights."""
    return [ReftModel(base.model, ReftConfig(), seed=seed).eval() for seed in range(count)]


def loras(base: Base, count: int) -> list[PeftBaseline]:
    """LoRA on queries and values, of the default size, with random weights."""
    made = [PeftBaseline(base, PeftConfig(method="lora"), seed=seed).eval() for seed in range(count)]
    with torch.no_grad():
        for each in made:
            for weight in each.parameters():
                weight.normal_(std=0.02)
    return made


def of_times(times: Sequence[Sequence[float]], begun: float) -> Served:
    """From the time of each token of each answer."""
    seconds = max(each[-1] for each in times) - begun
    between = tuple(later - earlier for each in times for earlier, later in pairwise(each))
    return Served(sum(map(len, times)) / seconds, tuple(each[0] - begun for each in times), between)


def served(base: Base, asked: Sequence[list[int]], edits: Sequence[Any]) -> Served:
    """Answer all requests at once."""
    engine, begun = InferenceEngine(base), time.perf_counter()
    requests = [
        engine.submit(prompt, [edit], max_new_tokens=ANSWER, owner=str(index))
        for index, (prompt, edit) in enumerate(zip(asked, edits, strict=True))
    ]
    times: list[list[float]] = [[] for _ in requests]
    while not engine.is_idle:
        engine.step()
        now = time.perf_counter()
        for request, known in zip(requests, times, strict=True):
            known += [now] * (len(request.ids()) - len(known))
    return of_times(times, begun)


def one_after_another(base: Base, asked: Sequence[list[int]], edits: Sequence[Any]) -> Served:
    """Answer each request once the one before has ended, as the first of all has to wait for none."""
    begun, first, tokens = time.perf_counter(), [], 0
    for prompt, edit in zip(asked, edits, strict=True):
        engine = InferenceEngine(base)
        request = engine.submit(prompt, [edit], max_new_tokens=ANSWER)
        engine.step()
        first.append(time.perf_counter() - begun)
        engine.finish()
        tokens += len(request.ids())
    return Served(tokens / (time.perf_counter() - begun), tuple(first))


@torch.no_grad()
def padded(base: Base, asked: Sequence[list[int]], model: Any = None, **options: Any) -> Served:
    """Transformers' own ``generate`` over one batch, padded on the left; nobody can join it or leave."""
    width = max(map(len, asked))
    ids = torch.tensor([[0] * (width - len(prompt)) + list(prompt) for prompt in asked], device=base.device)
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in asked], device=base.device)
    begun = time.perf_counter()
    written = (model or base.model).generate(
        input_ids=ids, attention_mask=mask, max_new_tokens=ANSWER, min_new_tokens=ANSWER, do_sample=False, pad_token_id=0, **options
    )
    seconds = time.perf_counter() - begun
    return Served((written.shape[1] - width) * len(asked) / seconds, (seconds,) * len(asked))


def peft_model(base: Base, baselines: Sequence[PeftBaseline]) -> Any:
    """PEFT's own model with as many LoRA adapters."""
    from peft import get_peft_model

    made: Any = None
    for index, each in enumerate(baselines):
        config = each.peft.peft_config["default"]
        if made is None:
            made = get_peft_model(twin(base.model), config, adapter_name="a0")
        else:
            made.add_adapter(f"a{index}", config)
    return made.eval()


def continuous(base: Base, asked: Sequence[list[int]]) -> Served:
    """Transformers' continuous batching, which has no place for an edit of one row; without its setting up."""
    from transformers import ContinuousBatchingConfig

    model = load_base(base.name, device=str(base.device)).model
    model.set_attn_implementation("sdpa")
    config = copy.deepcopy(model.generation_config)
    config.update(max_new_tokens=ANSWER, do_sample=False, eos_token_id=-1, pad_token_id=0)
    found = model.generate_batch(
        inputs=[list(prompt) for prompt in asked], generation_config=config, record_timestamps=True,
        continuous_batching_config=ContinuousBatchingConfig(allow_block_sharing=False),
    )  # fmt: skip
    results = list(found.values())
    return of_times([each.timestamps for each in results], min(each.created_time for each in results))


def reading_done(base: Base, asked: Sequence[list[int]], edits: Sequence[Any], steps: int) -> InferenceEngine:
    """An engine that has read all prompts and will write so many tokens of each."""
    engine = InferenceEngine(base)
    for index, (prompt, edit) in enumerate(zip(asked, edits, strict=True)):
        engine.submit(prompt, [edit], max_new_tokens=steps + 16, owner=str(index))
    while engine.is_reading:
        engine.step()
    return engine


def decode_ratio(base: Base, asked: Sequence[list[int]], edits: Sequence[Any], steps: int = 60) -> float:
    """Decode tokens/s of edited rows over those of bare rows, in steps that take turns, since a machine's speed changes by the second."""
    edited, bare = reading_done(base, asked, edits, steps), reading_done(base, asked, [None] * len(asked), steps)
    seconds: dict[int, list[float]] = {id(edited): [], id(bare): []}
    for step in range(steps):
        for engine in (edited, bare) if step % 2 else (bare, edited):
            begun = time.perf_counter()
            engine.step()
            seconds[id(engine)].append(time.perf_counter() - begun)
    return statistics.median(seconds[id(bare)]) / statistics.median(seconds[id(edited)])


def median_of(rounds: int, ways: dict[str, Callable[[], Any]]) -> dict[str, list[Any]]:
    """Each way in turn, so many rounds."""
    found: dict[str, list[Any]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            found[name].append(way())
    return found


def middle(rounds: Sequence[Served]) -> Served:
    """The round whose speed is the median."""
    return sorted(rounds, key=lambda each: each.tokens_per_second)[len(rounds) // 2]


def report_many(base: Base, asked: Sequence[list[int]], rounds: int) -> None:
    """Decode speed with a thousand adapters in memory, as many of them active as there are people; and what takes memory."""
    many, active = adapters(base, 1000), len(asked)
    ratio = statistics.median(decode_ratio(base, asked, many[-active:]) for _ in range(rounds))
    size = sum(tensor.nbytes for tensor in many[0].tensors().values())
    sys.stdout.write(f"decode tokens/s with {len(many)} adapters loaded and {active} active over as many bare rows: {ratio:.3f}\n")
    engine = reading_done(base, asked, [None] * active, ANSWER)
    held, tokens = engine.cache_bytes, sum(map(len, asked)) + ANSWER * len(asked)
    sys.stdout.write(f"an adapter: {size / 1e3:.0f} kB; {active} rows of {tokens / active:.0f} tokens: {held / active / 1e3:.0f} kB each\n")


def ways(base: Base, asked: Sequence[list[int]], edits: Sequence[ReftModel], lora: Sequence[PeftBaseline]) -> dict[str, Callable[[], Any]]:
    """All ways to answer these people."""
    count = len(asked)
    mixed = peft_model(base, lora[:count])
    return {
        "one adapter": lambda: served(base, asked, [edits[0]] * count),
        "own adapters": lambda: served(base, asked, edits[:count]),
        "bare": lambda: served(base, asked, [None] * count),
        "one after another": lambda: one_after_another(base, asked, [edits[0]] * count),
        "padded generate, bare": lambda: padded(base, asked),
        "own LoRA": lambda: served(base, asked, lora[:count]),
        "padded generate, PEFT's adapter_names": lambda: padded(base, asked, mixed, adapter_names=[f"a{row}" for row in range(count)]),
        "continuous batching, bare": lambda: continuous(base, asked),
    }


def main() -> int:
    """Measure, and print a table or one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three numbers of people, one round")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--base", default="starter")
    options = parser.parse_args()
    people, rounds = (QUICK_PEOPLE, 1) if options.quick else (PEOPLE, 3)
    running.end_tokens = lambda _: set()  # type: ignore[attr-defined,assignment]  # no answer ends by itself, so that every way writes as many tokens
    base = load_base(options.base, device=options.device)
    asked, edits = prompts(base, max(people)), adapters(base, max(people))
    served(base, asked[:2], edits[:2])
    lora = loras(base, max(people))
    results: dict[int, dict[str, Served]] = {}
    for count in people:
        results[count] = {name: middle(found) for name, found in median_of(rounds, ways(base, asked[:count], edits, lora)).items()}
    sys.stdout.write(f"{'people':>6}  {'way':38}{'tokens/s':>10}{'first p50':>11}{'p95':>8}{'longest/mean':>14}{'between p95':>13}\n")
    for count, each in results.items():
        for name, way in each.items():
            between = f"{way.between_p95:.3f}" if way.between_p95 is not None else "-"
            waits = f"{way.p50:>11.3f}{way.p95:>8.3f}{way.longest_to_mean:>14.2f}{between:>13}"
            sys.stdout.write(f"{count:>6}  {name:38}{way.tokens_per_second:>10.1f}{waits}\n")
    decoding = 3 if options.quick else 5
    over_base = statistics.median(decode_ratio(base, asked[:ADAPTERS], edits[:ADAPTERS]) for _ in range(decoding))
    sys.stdout.write(f"decode tokens/s of {ADAPTERS} adapters over as many bare rows: {over_base:.3f}\n")
    if not options.quick:
        report_many(base, asked, decoding)
    if options.json:
        sys.stdout.write(json.dumps({
            "people": list(people), "tokens_per_second": [results[count]["one adapter"].tokens_per_second for count in people],
            "adapters_over_base": over_base, "first_token_p95": [results[count]["one adapter"].p95 for count in people],
        }) + "\n")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
