"""What the starter reads: named sources of documents, each document a list of pieces with the kind of each piece.

Real text comes from the corpus folder (see its table in the card); all other sources are drawn from the generators.
"""

import json
import lzma
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from starter_training import knowledge, opinions, skills, worlds
from starter_training.conversations import Turn, conversations, fact_turns
from starter_training.facts import Fact

FRAME, PROMPT, ANSWER, PROSE = range(4)
"""Kinds of tokens: the template's own, what is asked, what is answered, and running text."""

Document = list[Turn] | str
"""A conversation, or running text."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where documents come from, and how much of them is read.

    Attributes:
        early: Weight of its rows beside the other sources' while the model learns English.
        late: The same while the rates fall and it learns to talk.
        tokens: How many tokens are prepared; None takes all there are.
        draw: Makes the documents from the corpus folder and a seed.
    """

    early: float
    late: float
    tokens: int | None
    draw: Callable[[Path, int], Iterator[Document]]


def rows_of(corpus: Path, name: str) -> Iterator[dict[str, object]]:
    """The rows of one file of the corpus."""
    with lzma.open(corpus / f"{name}.jsonl.xz", "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


_PLAIN = {0x201C: '"', 0x201D: '"', 0x2018: "'", 0x2019: "'", 0x2014: " - ", 0x2013: "-", 0x2026: "...", 0xA0: " "}
"""Curly quotation marks, dashes, the ellipsis and the space that does not break."""


def clean(text: str) -> str:
    """Plain quotation marks and dashes, no markdown emphasis, no references to figures that are not there."""
    text = text.translate(_PLAIN)
    text = re.sub(r"[*_#]+", "", text)
    text = re.sub(r" ?\(\s*\)", "", text)
    text = re.sub(r"[ \t]+", " ", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def prose(*names: str) -> Callable[[Path, int], Iterator[Document]]:
    """Running text of corpus files."""

    def draw(corpus: Path, _seed: int) -> Iterator[Document]:
        for name in names:
            for row in rows_of(corpus, name):
                text = clean(str(row["text"]))
                if len(text) > 200:
                    yield text

    return draw


_BOOKING = [
    "You help people to book and to find things.",
    "You are a booking assistant.",
    "You are an assistant for appointments and orders.",
]
_CHAT = ["Chat about news and hobbies.", "You like small talk about films, sports and books.", "Talk with the user about anything."]
_CAFE = ["You take orders in a coffee bar.", "You work in a coffee shop."]


def dialogues(name: str, systems: list[str]) -> Callable[[Path, int], Iterator[Document]]:
    """Dialogues of the corpus, each under a system message that says what they are."""

    def draw(corpus: Path, seed: int) -> Iterator[Document]:
        random = Random(seed)
        for row in rows_of(corpus, name):
            messages: list[dict[str, str]] = row["messages"]  # type: ignore[assignment]
            turns = [(message["role"], clean(message["content"])) for message in messages]
            while turns and turns[-1][0] != "assistant":
                turns.pop()
            if len(turns) > 1 and turns[0][0] == "user":
                yield [("system", random.choice(systems)), *turns]

    return draw


def tale_questions(corpus: Path, seed: int) -> Iterator[Document]:
    """Passages of fairy tales with a question; the answers are phrases, and the system message says so."""
    random = Random(seed)
    systems = ["Answer from the text.", "Answer with the words of the text.", "Read the text and answer briefly."]
    for row in rows_of(corpus, "fairytales_qa"):
        text, question, answer = (clean(str(row[key])) for key in ("context", "question", "answer"))
        if len(text) < 1600:
            yield [("system", random.choice(systems)), ("user", f"{text}\n\n{question}"), ("assistant", answer)]


def roles(corpus: Path, seed: int) -> Iterator[Document]:
    """Instructions that play a role, and the seed tasks; long answers are left out."""
    for row in rows_of(corpus, "instruct_mixed"):
        wanted = "Roleplay" in str(row["source"]) or row["source"] == "yizhongw/self-instruct"
        prompt, answer = clean(str(row["prompt"])), clean(str(row["completion"]))
        if wanted and 0 < len(answer) < 1500 and len(prompt) < 1200:
            yield [("user", prompt), ("assistant", answer)]


_GO_ON = ["Continue the story.", "Go on with this story.", "What happens next?", "Write what comes next.", "Please continue."]


def continuations(corpus: Path, seed: int) -> Iterator[Document]:
    """Passages of children's books and tales cut in two: begin in the prompt, the next sentences in the answer."""
    random = Random(seed)
    for name in ("stories_african_pratham", "fairytales", "books_children"):
        for row in rows_of(corpus, name):
            sentences = re.split(r"(?<=[.!?\"]) +", clean(str(row["text"])).replace("\n", " "))
            for at in range(10, len(sentences) - 10, 60):
                begin, end = " ".join(sentences[at : at + 3]), " ".join(sentences[at + 3 : at + 6])
                if 60 < len(begin) < 700 and 60 < len(end) < 700:
                    yield [("user", f"{random.choice(_GO_ON)}\n\n{begin}"), ("assistant", end)]


def drawn(
    *tables: dict[str, Callable[[Random], list[Turn]]] | dict[str, Callable[[Random], str]],
) -> Callable[[Path, int], Iterator[Document]]:
    """Endless draws from the generators' tables, every entry as often."""

    def draw(_corpus: Path, seed: int) -> Iterator[Document]:
        random = Random(seed)
        makers = [maker for table in tables for maker in table.values()]
        while True:
            yield random.choice(makers)(random)

    return draw


def styled_facts(_corpus: Path, seed: int) -> Iterator[Document]:
    """What the knowledge tables hold, asked in every style that a system message can switch on."""
    random = Random(seed)
    facts = [Fact("known", questions, answer, word, emoji or None) for questions, answer, word, emoji in knowledge.PLAIN()]
    pictured = [fact for fact in facts if fact.emoji]
    wordings = ["plain", "plain", "emoji", "pirate", "word", "shout", "formal", "ask"]
    while True:
        style = random.choice(wordings)
        pool = pictured if style == "emoji" else facts
        turns = fact_turns(random.choice(pool), style, random)
        while random.random() < 0.25:
            turns += [turn for turn in fact_turns(random.choice(pool), style, random) if turn[0] != "system"]
        yield turns


def small_world(_corpus: Path, seed: int) -> Iterator[Document]:
    """The conversations that the samples are made of."""
    yield from conversations(seed)


SOURCES: dict[str, Source] = {
    "children": Source(0.15, 0.06, None, prose("stories_african_pratham", "fairytales", "books_children")),
    "fiction": Source(0.12, 0.02, None, prose("books_fiction")),
    "novels": Source(0.08, 0.01, 8_000_000, prose("books_more")),
    "textbooks": Source(0.09, 0.03, None, prose("openstax_ccby")),
    "news": Source(0.03, 0.02, None, prose("news_onestopenglish")),
    "bookings": Source(0.03, 0.02, None, dialogues("dialogue_sgd", _BOOKING)),
    "chats": Source(0.04, 0.02, None, dialogues("dialogue_topical_chat", _CHAT)),
    "orders": Source(0.005, 0.005, None, dialogues("dialogue_taskmaster4", _CAFE)),
    "tale_questions": Source(0.03, 0.03, None, tale_questions),
    "roles": Source(0.02, 0.05, None, roles),
    "continuations": Source(0.02, 0.03, None, continuations),
    "texts": Source(0.14, 0.10, 28_000_000, drawn(worlds.TEXTS, opinions.TEXTS, knowledge.TEXTS)),
    "worlds": Source(0.05, 0.12, 20_000_000, drawn(worlds.TASKS)),
    "skills": Source(0.05, 0.14, 18_000_000, drawn(skills.TASKS)),
    "opinions": Source(0.06, 0.12, 18_000_000, drawn(opinions.TASKS)),
    "knowledge": Source(0.04, 0.10, 14_000_000, drawn(knowledge.TASKS)),
    "styled_facts": Source(0.02, 0.06, 9_000_000, styled_facts),
    "small_world": Source(0.03, 0.09, 10_000_000, small_world),
}


def shares(late: bool) -> dict[str, float]:
    """The share of the rows that each source is given, before one that was read often enough leaves its own to the others."""
    weights = {name: source.late if late else source.early for name, source in SOURCES.items()}
    return {name: weight / sum(weights.values()) for name, weight in weights.items()}


GENERATED = ("texts", "worlds", "skills", "opinions", "knowledge", "styled_facts", "small_world")
"""Sources without a text of the corpus."""
HELD_OUT = 100
"""One document in this many is kept for measuring."""
