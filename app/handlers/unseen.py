"""Which rows and prompts a run never saw: neither it, nor the runs that its edit comes from, however they came by them.

A held-out row is not unseen if its conversation is also trained, with another answer. A run that goes on from another one's edit has
learned what that one had, also rows that it holds out itself; a mix has learned what its runs had.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

from app.handlers.mix_parts import parts_of
from app.services import Services
from reft_engine.data import AnyExample, StoredExamples, answers_of
from storage import NotFoundError, RunRecord


@dataclass(frozen=True, slots=True)
class Learned:
    """Hashes of what was learned: of whole ``conversations``, without system messages, and of the last ``prompts`` in them."""

    conversations: frozenset[int] = frozenset()
    prompts: frozenset[int] = frozenset()

    def has_prompt(self, prompt: str) -> bool:
        """Whether a prompt was the last one of a row that was learned."""
        return hash(prompt) in self.prompts

    def has(self, example: AnyExample) -> bool:
        """Whether the conversation of a row was learned; plain text has none."""
        return bool(example.messages) and _conversation(example) in self.conversations


def learned_by(services: Services, run: RunRecord, most: int | None = None) -> Learned | None:
    """What a run has learned, with all that its edit comes from; None if one of these is gone, so that nobody can say.

    Args:
        services: of the data folder.
        run: the run.
        most: rows of each that are looked at; by default all.

    Raises:
        DataError: rows are missing or damaged.
    """
    try:
        found = [_of_run(services, each, most) for each in _lineage(services, run)]
    except NotFoundError:
        return None
    return Learned(frozenset().union(*(each.conversations for each in found)), frozenset().union(*(each.prompts for each in found)))


def unseen_places(services: Services, runs: Sequence[RunRecord]) -> list[int]:
    """Places of the rows of the runs' version, which is one for all, that none of them has seen, in order. Raises DataError."""
    held_out = [set(services.storage.runs.held_out_places(run.id) or ()) for run in runs]
    shared = sorted(set.intersection(*held_out))
    if not shared:
        return []
    learned = [learned_by(services, run) for run in runs]
    known = [each for each in learned if each is not None]
    if len(known) < len(learned):
        return []
    wanted = set(shared)
    path = _rows(services, runs[0])
    rows = ((place, each) for place, each in enumerate(islice(StoredExamples(path), shared[-1] + 1)) if place in wanted)
    return [place for place, each in rows if not any(one.has(each) for one in known)]


def _lineage(services: Services, run: RunRecord) -> Iterator[RunRecord]:
    """A run and all that its edit comes from, each once. Raises NotFoundError."""
    waiting, known = [run], {run.id}
    while waiting:
        found = waiting.pop()
        yield found
        before = [*([found.continues_id] if found.continues_id else []), *(part.run for part in parts_of(found))]
        waiting += [services.storage.runs.get(each) for each in dict.fromkeys(before) if each not in known]
        known |= set(before)


def _of_run(services: Services, run: RunRecord, most: int | None) -> Learned:
    places = services.storage.runs.held_out_places(run.id)
    return _learned(_rows(services, run), tuple(places or ()), most)


def _rows(services: Services, run: RunRecord) -> Path:
    return services.storage.files.rows(services.storage.datasets.version(run.version_id))


@lru_cache(maxsize=16)
def _learned(path: Path, places: tuple[int, ...], most: int | None) -> Learned:
    """What is learned of a file where rows at some places are held out, and rows that equal them; the rows of a version never change."""
    held_out, wanted = set(), set(places)
    for place, example in enumerate(islice(StoredExamples(path), max(places, default=-1) + 1)):
        if place in wanted:
            held_out.add((example.messages, answers_of(example)))
    conversations, prompts = set(), set()
    for example in islice(StoredExamples(path), most):
        if example.messages and (example.messages, answers_of(example)) not in held_out:
            conversations.add(_conversation(example))
            prompts.add(hash(example.messages[-1].content))
    return Learned(frozenset(conversations), frozenset(prompts))


def _conversation(example: AnyExample) -> int:
    return hash(tuple((message.role, message.content) for message in example.messages if message.role != "system"))
