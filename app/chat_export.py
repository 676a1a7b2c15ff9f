"""A saved conversation as a file to take away: Markdown for people, JSON Lines that can be read as a dataset. Imports no torch."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal, get_args

from app import chats
from app.chats import ChatAnswer, ChatDocument, ChatSettings, ChatTurn
from app.columns import Column, title_of
from app.words import say

Form = Literal["md", "jsonl"]
FORMS: tuple[Form, ...] = get_args(Form)


def exported(name: str, document: ChatDocument, runs: Mapping[str, str], form: Form, baselines: Collection[str] = ()) -> bytes:
    """A conversation as a file; ``runs`` are the names of runs by their ids, and ``baselines`` the ids of those without an edit."""
    text = markdown(name, document, runs, baselines) if form == "md" else json_lines(document, runs)
    return text.encode("utf-8", "replace")


# Markdown


def markdown(name: str, document: ChatDocument, runs: Mapping[str, str], baselines: Collection[str] = ()) -> str:
    """All turns of a conversation, those of the shown path first; each text of a person or a model stands in a fence that it cannot end."""
    parts = [f"# {code(name)}", say("chats.file.made")]
    system = ""
    for turn, heading in headed(document):
        parts.append(f"## {heading}")
        settings = chats.settings_of(document, turn)
        if settings.system != system:
            system = settings.system
            parts += [f"**{say('chats.file.system')}**", fenced(system)] if system else [say("chats.file.no_system")]
        parts += [f"**{say('chats.file.prompt')}**", fenced(turn.prompt)]
        for answer in turn.answers:
            column = chats.column_of(document, answer)
            facts = "\n".join(f"- {fact}" for fact in _facts(column, answer, turn, settings, column.run in baselines))
            parts += [f"### {code(title_of(column, runs))}", fenced(answer.text), facts]
    return "\n\n".join(parts) + "\n"


def headed(document: ChatDocument) -> Iterator[tuple[ChatTurn, str]]:
    """Each turn with its heading: its place in the conversation, and for turns of other branches after which one it comes."""
    shown = chats.path(document)
    labels: dict[str | None, str] = {}
    for place, turn in enumerate(shown, 1):
        labels[turn.id] = str(place)
        yield turn, say("chats.file.turn", label=place)
    depths: dict[str | None, int] = {None: 0}
    counts: dict[int, int] = {}
    for turn in document.turns:
        depth = depths[turn.id] = depths[turn.parent] + 1
        if turn.id in labels:
            continue
        counts[depth] = counts.get(depth, int(depth <= len(shown))) + 1
        label = labels[turn.id] = f"{depth}.{counts[depth]}"
        if turn.parent is None:
            yield turn, say("chats.file.beginning", label=label)
        else:
            yield turn, say("chats.file.branch", label=label, before=labels[turn.parent])


def _facts(column: Column, answer: ChatAnswer, turn: ChatTurn, settings: ChatSettings, is_baseline: bool) -> Iterator[str]:
    """What an answer was made with, and what came of it; only an edit has a strength."""
    if column.has_edit and not is_baseline:
        yield say("chats.file.strength", strength=f"{column.strength:g}", seed=turn.seed)
    else:
        yield say("chats.file.seed", seed=turn.seed)
    if column.layers is not None:
        yield say("chats.file.layers", layers=", ".join(map(str, column.layers)) or say("number.none"))
    if column.groups is not None:
        yield say("chats.file.groups", groups=", ".join(column.groups) or say("number.none"))
    yield say(
        "chats.file.settings", temperature=f"{settings.temperature:g}", top_p=f"{settings.top_p:g}", top_k=settings.top_k,
        most=settings.max_new_tokens, penalty=f"{settings.repetition_penalty:g}",
    )  # fmt: skip
    if settings.stop:
        yield say("chats.file.stop", texts=", ".join(code(json.dumps(text, ensure_ascii=False)) for text in settings.stop))
    yield say(f"chats.file.ended.{answer.ended}", tokens=answer.tokens, seconds=answer.seconds)
    if told := " ".join(answer.told.split()):
        yield code(told)


def fenced(text: str) -> str:
    """A text exactly as it is, in a fence of more backquotes than it has in a row."""
    fence = "`" * max(3, _longest(text) + 1)
    return f"{fence}\n{text}\n{fence}"


def code(text: str) -> str:
    """A text within a line, in as many backquotes as it needs not to be read as Markdown."""
    line = " ".join(text.split()) or " "
    marks = "`" * (_longest(line) + 1)
    room = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{marks}{room}{line}{room}{marks}"


def _longest(text: str) -> int:
    """The most backquotes in a row."""
    return max(map(len, re.findall("`+", text)), default=0)


# JSON Lines


def json_lines(document: ChatDocument, runs: Mapping[str, str]) -> str:
    """A line for each column and path of the tree: the turns that the column answered, with which column and which settings.

    What is only the beginning of another line of the same column, because the column did not answer what comes after it, is left out.
    """
    rows: list[dict[str, Any]] = []
    for column in range(len(document.columns)):
        answered = [[turn for turn in chats.path(document, leaf.id) if _is_answered(turn, column)] for leaf in chats.leaves(document)]
        gone_on = {before.id for turns in answered for before in turns[:-1]}
        ends = {turns[-1].id: turns for turns in answered if turns and turns[-1].id not in gone_on}
        rows += [_row(document, turns, column, runs) for turns in ends.values()]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _is_answered(turn: ChatTurn, column: int) -> bool:
    """Whether there are a prompt and an answer that could be learned."""
    answer = chats.answer_of(turn, column)
    return answer is not None and bool(answer.text.strip()) and bool(turn.prompt.strip())


def _row(document: ChatDocument, turns: list[ChatTurn], column: int, runs: Mapping[str, str]) -> dict[str, Any]:
    last = turns[-1]
    answer = chats.answer_of(last, column)
    assert answer is not None
    settings = chats.settings_of(document, last)
    said = [{"role": "system", "content": settings.system}] if settings.system.strip() else []
    for turn in turns:
        own = chats.answer_of(turn, column)
        said += [{"role": "user", "content": turn.prompt}, {"role": "assistant", "content": own.text if own else ""}]
    made_by = chats.column_of(document, answer)
    return {
        "messages": said,
        "column": {"title": title_of(made_by, runs), **made_by.model_dump(mode="json")},
        "settings": {**settings.model_dump(mode="json", exclude={"system"}), "seed": last.seed},
    }
