"""Many prompts on the Playground: where they come from, and what every column answers to each of them, scored as it comes."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

import anyio
from pydantic import Field

from app import limits
from app.errors import StudioError
from app.given import read_as
from app.handlers import answers_grid, playground
from app.handlers.playground import PROMPT_LIMIT
from app.handlers.verdict import right_of
from app.people.visitor import share
from app.predictions import is_right
from app.reader.client import read_prompts_in_process
from app.services import Services
from app.words import say
from app.worker.messages import ChatColumn, GridPrompt
from reft_engine.data import FilePrompts

MOST = limits.PROMPTS
"""Prompts that are answered at once."""
FILE_MB = 20
"""Megabytes of a file of prompts."""
_LIMITS = {"cell": PROMPT_LIMIT, "rows": 100_000, "size": 1_000_000 * FILE_MB, "expanded": 10_000_000 * FILE_MB}
_LINES = (".txt", ".text", ".md")
"""Names of files that hold one prompt a line."""
_WORDS = 200
"""Words of an answer that are compared: where words come again and again, the time grows faster than with their square."""
_TOLD = 5
"""Rows that were left out of which it is said why."""


# Where prompts come from


def read_file(services: Services, name: str, body: bytes) -> dict[str, Any]:
    """The prompts of a file: each with its ``messages`` and what is ``expected``; ``told`` says what was found, ``left_out`` what was not.

    The file is read by a process of its own, as on the Data page.

    Raises:
        StudioError: the file cannot be read, and why.
    """
    if not body:
        raise StudioError(say("playground.batch.no_file"))
    services.storage.files.uploads.mkdir(parents=True, exist_ok=True)
    folder = Path(mkdtemp(prefix="prompts-", dir=services.storage.files.uploads))
    path = folder / "file"
    try:
        path.write_bytes(body)
        found = read_prompts_in_process(path, lines=name.lower().endswith(_LINES), most=MOST, limits=_LIMITS)
    finally:
        rmtree(folder, ignore_errors=True)
    if not found.prompts:
        raise StudioError(say("playground.batch.none_found", why=" ".join(problem.text for problem in found.problems[:1])).strip())
    prompts = [
        _prompt([{"role": message.role, "content": message.content} for message in each.messages], each.expected) for each in found.prompts
    ]
    left_out = [problem.text for problem in found.problems[:_TOLD]]
    if found.left_out > len(left_out):
        left_out.append(say("playground.batch.more_left_out", count=found.left_out - len(left_out)))
    return {"prompts": prompts, "told": _told(found), "left_out": left_out, "unseen": False}


def _told(found: FilePrompts) -> str:
    """What was found in a file, in sentences."""
    texts = [say("playground.batch.found", count=found.found)]
    if found.asked:
        texts.append(say("playground.batch.asked_in", columns=", ".join(name[:60] for name in found.asked)))
    if found.answered:
        texts.append(say("playground.batch.answered_in", column=found.answered[:60]))
    if found.found > len(found.prompts):
        texts.append(say("playground.batch.first_only", count=len(found.prompts)))
    if found.left_out:
        texts.append(say("playground.batch.left_out", count=found.left_out))
    return " ".join(texts)


def held_out(services: Services, run_ids: Sequence[str], count: float) -> dict[str, Any]:
    """As `read_file`, of rows that none of the runs has learned from. Raises StudioError, StorageError."""
    if not run_ids:
        raise StudioError(say("playground.none_chosen"))
    runs = [services.storage.runs.get(run_id) for run_id in dict.fromkeys(run_ids)]
    rows = answers_grid.held_out(services, runs, count, MOST)
    prompts = [_prompt(list(row.messages), row.expected) for row in rows if row.messages]
    if not prompts:
        raise StudioError(say("playground.batch.none_asks"))
    return {"prompts": prompts, "told": say("playground.batch.held_out_found", count=len(prompts)), "left_out": [], "unseen": True}


def _prompt(messages: list[dict[str, str]], expected: str | None) -> dict[str, Any]:
    return {"prompt": messages[-1]["content"], "messages": messages, "expected": expected}


# What is answered


class Asked(playground.Asked):
    """What a page asks for: columns as in a chat, and the prompts that each of them answers."""

    prompts: list[GridPrompt] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of prompts that was read and checked: the ``page`` that asks, the ``request`` to the worker, and what scores need of it."""

    page: str
    request: dict[str, Any]
    columns: Sequence[ChatColumn]
    expected: Sequence[str | None]


def read(services: Services, body: bytes) -> Listed:
    """A list that a page asks for. Raises StudioError, StorageError."""
    asked = read_as(Asked, body)
    return Listed(asked.page, _request(services, asked), asked.columns, [prompt.expected for prompt in asked.prompts])


async def batch(services: Services, listed: Listed) -> AsyncGenerator[dict[str, Any], None]:
    """Stream the answers of all columns to all prompts, as `Scores.take` has them, and ``{"starting": true}`` while the engine starts.

    Raises StudioError, StorageError.
    """
    async with aclosing(playground.once_it_answers(services)) as waiting:
        async for line in waiting:
            yield line
    scores = Scores(listed.columns, listed.expected)
    async with aclosing(services.worker.follow_batch(listed.request, listed.page)) as lines:
        async for line in lines:
            for each in await anyio.to_thread.run_sync(scores.take, line) if "column" in line else [line]:
                yield each


class UnderWay:
    """The lists that are being answered, at most so many: each holds its prompts and answers in memory as long as it lasts.

    The next list of a page ends the one before, at its next line, because a page shows one; a list without a page ends none. A list over
    the limit is refused: to wait it would have to hold its prompts as well.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._pages: dict[object, str] = {}
        self._owners: dict[object, str] = {}

    async def follow(self, page: str, lines: AsyncGenerator[dict[str, Any], None]) -> AsyncGenerator[dict[str, Any], None]:
        """The lines of a list while it is one of them. Raises StudioError if there are too many, or once the page has begun another."""
        mine, owner = object(), share("")
        page = f"{owner} {page}" if page else ""  # nobody ends the list of another's page, whatever it is called
        async with aclosing(lines):
            self._pages = {each: other for each, other in self._pages.items() if not page or other != page}
            here = sum(self._owners.get(each) == owner for each in self._pages) if owner else 0
            if len(self._pages) >= self._most or here >= max(1, self._most // 2):
                raise StudioError(say("playground.batch.many_lists", count=self._most))
            self._pages[mine], self._owners[mine] = page, owner
            try:
                async for line in lines:
                    if mine not in self._pages:
                        raise StudioError(say("playground.batch.another_list"))
                    yield line
            finally:
                self._pages.pop(mine, None)
                self._owners.pop(mine, None)


def _request(services: Services, asked: Asked) -> dict[str, Any]:
    """The request to the worker. Raises StudioError, StorageError."""
    if len(asked.prompts) > MOST:
        raise StudioError(say("playground.batch.too_many", count=len(asked.prompts), most=MOST))
    for prompt in asked.prompts:
        playground.check_conversation(prompt.messages)
    base = playground.runs_of(services, asked.columns)[0].base
    values = asked.model_dump(mode="json", exclude={"page": True, "columns": {"__all__": {"messages"}}})
    return {**values, "base": base}


# How answers are scored


def difference(one: str, other: str) -> float:
    """How different two answers are: 1 - 2M/T, where T words are in both together and M words match in their order; 0 to 1.

    Words are what stands between white space; the first 200 of each answer are compared. Two answers without a word are alike.
    """
    first, second = one.split()[:_WORDS], other.split()[:_WORDS]
    if not first and not second:
        return 0.0
    return 1.0 - SequenceMatcher(None, first, second, autojunk=False).ratio()


@dataclass(slots=True)
class Scores:
    """Scores answers as they come: against the base model's, and against what is expected.

    Attributes:
        columns: what answers; the first base model is the one that the others are compared with, if there is any.
        expected: the answer that is expected to each prompt; None where nobody knows one.
    """

    columns: Sequence[ChatColumn]
    expected: Sequence[str | None]
    _texts: dict[int, dict[int, str]] = field(default_factory=dict)
    _right: dict[int, list[bool]] = field(default_factory=dict)

    @property
    def base(self) -> int | None:
        """The column that the others are compared with."""
        return next((at for at, column in enumerate(self.columns) if column.kind == "base"), None)

    def take(self, line: dict[str, Any]) -> list[dict[str, Any]]:
        """An answer with its scores; ``right`` where one is expected, ``differs`` from the base model's answer as `difference` has it.

        A line with ``counts`` follows, a sentence for each column, where an answer is expected; and lines with ``differs`` alone, where
        the base model's answer came after others. An answer that did not come has a ``problem`` and no score.
        """
        at, column, text = line["prompt"], line["column"], line.get("text")
        if text is None:
            return [line]
        texts = self._texts.setdefault(at, {})
        texts[column] = text
        scored, expected = dict(line), self.expected[at]
        if expected is not None:
            scored["right"] = is_right(text, expected)
            self._right.setdefault(column, []).append(scored["right"])
        late: list[dict[str, Any]] = []
        if column == self.base:
            late = [{"prompt": at, "column": other, "differs": _rounded(text, texts[other])} for other in texts if other != column]
        elif self.base in texts:
            scored["differs"] = _rounded(texts[self.base], text)
        return [scored, *late, *([{"counts": list(self._counts())}] if expected is not None else [])]

    def _counts(self) -> Iterator[str]:
        for column in range(len(self.columns)):
            right = self._right.get(column, [])
            yield right_of(sum(right), len(right), MOST) if right else ""


def _rounded(one: str, other: str) -> float:
    return round(difference(one, other), 4)
