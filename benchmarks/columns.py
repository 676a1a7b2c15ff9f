"""What rows are worth without training: ``python -m benchmarks.columns [--samples KEY ...] [--held-out 20] [--json]``.

On samples of the starter, the same held-out rows are answered greedily by the base model, few-shot (1, 4 and 8 training rows before the
prompt, in three orders each), by a store of the training rows (its blend chosen on rows held out of the training file) and by the sample's
edit, trained for a third of its epochs. Beside the answers that are right to the letter stand what each costs: processor seconds before the
first answer, bytes that are kept, tokens of a prompt, and the processor time of a token. Where the answers are a few labels, the base model
and few-shot also choose among these by the mean log-probability of their tokens, since they may know the label and write something else.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from app.handlers.baselines import folder_bytes
from app.samples import Sample, all_samples, find_sample
from reft_engine import Example, ReftConfig, TrainConfig, load_base, train
from reft_engine.base import Base
from reft_engine.data import as_rows, inspect_file, split
from reft_engine.inference import (
    InferenceEngine,
    build_store,
    bytes_of_token,
    choose_blend,
    pays_off_after,
    score_labels,
    with_shots,
)
from reft_engine.inference.requests import Adjust

SHOTS, ORDERS = (1, 4, 8), (0, 1, 2)
ANSWER = 48
"""Tokens that an answer may have."""
LABELS = 12
"""Most distinct answers that are labels."""
CHOOSING = 0.2
"""Share of the training rows by which the blend is chosen; they are neither stored nor shown nor trained on."""
HEAD = (
    "| sample | column | right | by label | CPU s before | bytes kept | tokens of a prompt | time of a token / base | |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


@dataclass(frozen=True, slots=True)
class Measured:
    """A column on the held-out rows of a sample.

    Attributes:
        right: answers that are right to the letter; the median of three orders for few-shot, with ``spread`` the fewest and the most.
        labelled: rows of which the right label is the likeliest, likewise; None where there are no labels, or the column was not asked.
        seconds: processor seconds before the first answer.
        kept: bytes kept for the column.
        prompt: mean tokens of a prompt.
        slower: processor time of a token by that of the base model; None where an answer costs what the base model's does.
        note: what else is to be said.
    """

    sample: str
    column: str
    rows: int
    right: float
    spread: tuple[int, int]
    labelled: float | None = None
    seconds: float = 0.0
    kept: int = 0
    prompt: float = 0.0
    slower: float | None = None
    note: str = ""

    @property
    def line(self) -> str:
        """In Markdown."""
        right = f"{self.right:g} of {self.rows}" + (f" ({self.spread[0]} to {self.spread[1]})" if self.spread[0] != self.spread[1] else "")
        labelled = "-" if self.labelled is None else f"{self.labelled:g}"
        slower = "-" if self.slower is None else f"{self.slower:.2f}"
        cells = [
            self.sample,
            self.column,
            right,
            labelled,
            f"{self.seconds:.1f}",
            f"{self.kept:,}",
            f"{self.prompt:.0f}",
            slower,
            self.note,
        ]
        return "| " + " | ".join(cells) + " |"


@dataclass(frozen=True, slots=True)
class Task:
    """A sample's rows: to learn, to choose by, and to measure on; and its labels, if it has any."""

    sample: Sample
    rows: Sequence[Example]
    choosing: Sequence[Example]
    held_out: Sequence[Example]
    labels: tuple[str, ...]


def task_of(sample: Sample, count: int) -> Task:
    """A sample with some of its held-out file."""
    every, held = (_examples(path) for path in (sample.path, sample.held_out_path))
    rows, choosing = split(every, CHOOSING, 0)
    answers = tuple(sorted({row.answer for row in every}))
    return Task(sample, rows, choosing, held[:count], answers if len(answers) <= LABELS else ())


def _examples(path: Path) -> list[Example]:
    return [row for row in as_rows(inspect_file(path).examples) if isinstance(row, Example)]


def right_of(
    base: Base, task: Task, prompts: Sequence[Sequence[object]], edit: object = None, adjust: Callable[[], Adjust | None] | None = None
) -> int:
    """Rows that are answered to the letter."""
    engine = InferenceEngine(base)
    asked = [
        engine.submit(prompt, [edit], max_new_tokens=ANSWER, adjust=adjust() if adjust else None)  # type: ignore[arg-type, list-item]
        for prompt in prompts
    ]
    engine.finish()
    return sum(each.texts()[0].strip() == row.answer.strip() for each, row in zip(asked, task.held_out, strict=True))


def labelled_of(base: Base, task: Task, prompts: Sequence[Sequence[object]]) -> int | None:
    """Rows of which the right label is the likeliest."""
    if not task.labels:
        return None
    engine = InferenceEngine(base)
    chosen = [next(iter(score_labels(engine, prompt, task.labels))) for prompt in prompts]  # type: ignore[arg-type]
    return sum(label == row.answer for label, row in zip(chosen, task.held_out, strict=True))


def slower_by(base: Base, task: Task, adjust: Callable[[], Adjust | None], rounds: int = 3) -> float:
    """Processor time of the same tokens with the store asked at each, by that without; the median of rounds that take turns."""

    def seconds(make: Callable[[], Adjust | None]) -> float:
        engine, begun = InferenceEngine(base), time.process_time()
        for row in task.held_out:
            engine.submit(row.messages, max_new_tokens=ANSWER, adjust=make()).texts()
        return time.process_time() - begun

    def asked() -> Adjust:
        found = adjust()
        assert found is not None
        return lambda logits_V, hidden_D: (found(logits_V, hidden_D), logits_V)[1]

    seconds(asked)
    return statistics.median(seconds(asked) / seconds(lambda: None) for _ in range(rounds))


def measured(base: Base, task: Task) -> list[Measured]:
    """All columns of a sample."""
    name, asked, count = task.sample.key, [row.messages for row in task.held_out], len(task.held_out)
    prompt = statistics.mean(with_shots(base, each, [], 0, ANSWER).prompt_tokens for each in asked)
    bare = right_of(base, task, asked)
    found = [Measured(name, "base model", count, bare, (bare, bare), labelled_of(base, task, asked), prompt=prompt)]
    edit, tokens = _edited(base, task, asked, prompt)
    found += [_shown(base, task, asked, shots, tokens) for shots in SHOTS]
    return [*found, _stored(base, task, asked, prompt), edit]


def _shown(base: Base, task: Task, asked: Sequence[Sequence[object]], shots: int, tokens: float) -> Measured:
    rights, labelled, made = list[int](), list[int](), []
    for order in ORDERS:
        each = [with_shots(base, messages, task.rows, shots, ANSWER, seed=order) for messages in asked]  # type: ignore[arg-type]
        rights.append(right_of(base, task, [one.messages for one in each]))
        if (found := labelled_of(base, task, [one.messages for one in each])) is not None:
            labelled.append(found)
        made += each
    added = statistics.mean(one.shot_tokens for one in made)
    note = f"the edit pays off after {pays_off_after(tokens, round(added)):,} answers" if round(added) else ""
    if left := statistics.mean(one.left_out for one in made):
        note += f"; {left:.1f} rows had no room"
    return Measured(
        task.sample.key, f"few-shot, {shots}", len(asked), statistics.median(rights), (min(rights), max(rights)),
        statistics.median(labelled) if labelled else None, kept=round(added * (bytes_of_token(base) or 0)),
        prompt=statistics.mean(one.prompt_tokens for one in made), note=note,
    )  # fmt: skip


def _stored(base: Base, task: Task, asked: Sequence[Sequence[object]], prompt: float) -> Measured:
    begun = time.process_time()
    store = build_store(base, task.rows)
    chosen = choose_blend(base, store, task.choosing[:32])
    seconds, best = time.process_time() - begun, chosen.best

    def adjust() -> Adjust | None:
        return store.adjust(best.blend, temperature=best.temperature)

    right = right_of(base, task, asked, adjust=adjust)
    note = f"blend {best.blend:g}, temperature {best.temperature:g}; {len(store):,} states of {len(store.rows.unique())} rows"
    return Measured(
        task.sample.key, "instant", len(asked), right, (right, right), seconds=seconds, kept=store.nbytes, prompt=prompt,
        slower=slower_by(base, task, adjust), note=note,
    )  # fmt: skip


def _edited(base: Base, task: Task, asked: Sequence[Sequence[object]], prompt: float) -> tuple[Measured, float]:
    """The edit, and the tokens that its training has read."""
    sample, epochs = task.sample, -(-task.sample.epochs // 3)
    config = ReftConfig(rank=sample.rank, layers=sample.layers, positions=sample.positions)
    settings = TrainConfig(epochs=epochs, learning_rate=sample.learning_rate, batch_size=sample.batch_size, held_out=0.0)
    begun = time.process_time()
    result = train(base, task.rows, config, settings)
    seconds = time.process_time() - begun
    with tempfile.TemporaryDirectory() as folder:
        result.reft.save(Path(folder) / "edit", base=base)  # type: ignore[attr-defined]
        size = folder_bytes(Path(folder) / "edit")
    right = right_of(base, task, asked, result.reft.eval())  # type: ignore[attr-defined]
    note = f"{epochs} epochs of {len(task.rows)} rows"
    made = Measured(sample.key, "edit", len(asked), right, (right, right), seconds=seconds, kept=size or 0, prompt=prompt, note=note)
    return made, float(epochs * result.check.tokens)


def main() -> int:
    """Print the table, a sample as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--samples", nargs="*", default=["sentiment", "pirate", "routing"], help="keys of samples; none at all for every one"
    )
    parser.add_argument("--held-out", type=int, default=20, help="rows of each held-out file")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--json", action="store_true", help="one object at the end")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    chosen = [find_sample(key) for key in options.samples] if options.samples else list(all_samples())
    base, every = load_base("starter", device="cpu", dtype="float32"), list[Measured]()
    sys.stdout.write(f"{HEAD}\n")
    for sample in chosen:
        if sample is None:
            parser.error("there is no such sample")
        for each in measured(base, task_of(sample, options.held_out)):
            every.append(each)
            sys.stdout.write(f"{each.line}\n")
        sys.stdout.flush()
    if options.json:
        sys.stdout.write(json.dumps([asdict(each) for each in every]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
