"""The grid of answers: several runs and the base model answer the same prompts, of held-out rows or a person's own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from app.errors import StudioError
from app.handlers import compare, playground
from app.handlers.datasets import examples_of
from app.handlers.unseen import unseen_places
from app.predictions import is_right
from app.services import Services
from app.words import say
from reft_engine.data import AnyExample, Example
from storage import RunRecord

MOST = 50
"""Prompts of one grid."""
TOKENS = 96
"""Most tokens of an answer to a prompt of one's own."""

Source = Literal["held_out", "own"]


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt as a person reads it, the conversation that is answered, and the answer that is expected; None where nobody knows one."""

    prompt: str
    messages: tuple[dict[str, str], ...]
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """What answers: a run, or a base model where ``run`` is None."""

    key: str
    title: str
    run: RunRecord | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """Answers so far, for each question by the keys of the columns; ``starting`` says that the engine is not up yet."""

    columns: tuple[Column, ...]
    questions: tuple[Question, ...]
    answers: tuple[dict[str, str], ...]
    starting: bool = False

    @property
    def done(self) -> int:
        """How many answers have come."""
        return sum(map(len, self.answers))

    @property
    def total(self) -> int:
        """How many will have come."""
        return len(self.columns) * len(self.questions)

    def right(self, column: Column) -> int | None:
        """How many of a column's answers are the expected ones; None where nobody knows."""
        pairs = [(answer.get(column.key), each.expected) for each, answer in zip(self.questions, self.answers, strict=True)]
        known = [(answer, expected) for answer, expected in pairs if answer is not None and expected is not None]
        return sum(is_right(answer, expected) for answer, expected in known) if known else None


def fill(services: Services, ids: Sequence[str], source: Source, count: float | None, typed: str) -> Iterator[Grid]:
    """Answer questions with every run of a comparison, as their answers come. Raises StudioError."""
    found = compare.comparison(services, ids)
    answering = [each.run for each in found.runs if each.view.chattable or each.run.id == _training(services)]
    if left := [each.run.name for each in found.runs if each.run not in answering]:
        raise StudioError(say("compare.grid.cannot_answer", name=left[0]))
    questions = _own(services, answering, typed) if source == "own" else held_out(services, [each.run for each in found.runs], count)
    columns = tuple(_columns(answering))
    grid = Grid(columns, questions, tuple({} for _ in questions))
    yield grid
    for _ in playground.until_it_answers(services):
        yield replace(grid, starting=True)
    request = {
        "runs": [run.id for run in answering],
        "prompts": [{"messages": list(each.messages), "expected": each.expected} for each in questions],
        "max_new_tokens": TOKENS,
    }  # fmt: skip
    for line in services.worker.grid(request):
        if "answers" in line:
            at = line["prompt"]
            answers = list(grid.answers)
            answers[at] = answers[at] | line["answers"]
            grid = replace(grid, answers=tuple(answers))
            yield grid


def _training(services: Services) -> str | None:
    health = services.worker.recent_health()
    return health.get("training") if health else None


def _columns(runs: Sequence[RunRecord]) -> Iterator[Column]:
    """For each base model its own column, before those of its runs."""
    several = len({run.base for run in runs}) > 1
    for base in dict.fromkeys(run.base for run in runs):
        yield Column(f"base:{base}", say("compare.grid.base_of", base=base) if several else say("compare.grid.base"))
        yield from (Column(run.id, run.name, run) for run in runs if run.base == base)


def _own(services: Services, runs: Sequence[RunRecord], typed: str) -> tuple[Question, ...]:
    prompts = [line.strip() for line in typed.splitlines() if line.strip()]
    if not prompts:
        raise StudioError(say("compare.grid.no_prompt"))
    if len(prompts) > MOST:
        raise StudioError(say("compare.grid.too_many", count=len(prompts), most=MOST))
    if long := next((each for each in prompts if len(each) > playground.PROMPT_LIMIT), None):
        raise StudioError(say("playground.too_long", length=len(long), most=playground.PROMPT_LIMIT))
    systems = {playground.system_message(services, run.id) for run in runs}
    system = systems.pop() if len(systems) == 1 else ""
    before = [{"role": "system", "content": system}] if system else []
    return tuple(Question(prompt, (*before, {"role": "user", "content": prompt})) for prompt in prompts)


def held_out(services: Services, runs: Sequence[RunRecord], count: float | None, most: int = MOST) -> tuple[Question, ...]:
    """Held-out rows that none of the runs has seen, see `app.handlers.unseen`, the first ``count`` of them. Raises StudioError."""
    if count is None or count != int(count) or not 1 <= count <= most:
        raise StudioError(say("compare.grid.count", most=most))
    if len({run.version_id for run in runs}) > 1:
        raise StudioError(say("compare.grid.other_data"))
    shared = unseen_places(services, runs)[: int(count)]
    if not shared:
        raise StudioError(say("compare.grid.no_shared"))
    examples = examples_of(services, runs[0].dataset_id, shared[-1] + 1, version_id=runs[0].version_id)
    return tuple(_question(examples[place]) for place in shared)


def _question(example: AnyExample) -> Question:
    messages = tuple({"role": message.role, "content": message.content} for message in example.messages)
    expected = example.answer if isinstance(example, Example) else example.chosen
    return Question(messages[-1]["content"] if messages else "", messages, expected)
