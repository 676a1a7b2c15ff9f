"""Looks for text that the starter copies: stretches of its sampled outputs that stand in its corpus word for word.

Words are compared without their punctuation and case, which finds more than a comparison of tokens would; the length of what is
found is counted in tokens.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

import torch

from starter_training.loaded import Starter
from starter_training.sources import GENERATED, SOURCES, Document
from starter_training.tokens import END

_WORD = re.compile(r"[^\W_]+")
_GRAM = 12
"""Words of a stretch that is looked up; fifty tokens of running text are more than that."""
_OPENING_WORDS = 8


@dataclass(frozen=True, slots=True)
class Copy:
    """The longest stretch that an output shares with the corpus."""

    tokens: int
    source: str
    text: str


def corpus_documents(corpus: Path) -> Iterator[tuple[str, Document]]:
    """Every document of the corpus that the starter read, with its source's name."""
    for name, source in SOURCES.items():
        if name not in GENERATED:
            for document in source.draw(corpus, 7):
                yield name, document


def texts_of(document: Document) -> list[str]:
    """Running text, or what is said in a conversation."""
    return [document] if isinstance(document, str) else [content for _, content in document]


def openings(corpus: Path, count: int, seed: int) -> list[Document]:
    """Beginnings that tempt: the first words of corpus documents, and the first turns of its conversations."""
    random, found = Random(seed), list[Document]()
    per_source = 100
    for name, source in SOURCES.items():
        if name not in GENERATED:
            for document in islice(source.draw(corpus, 7), per_source):
                if isinstance(document, str):
                    paragraphs = [part for part in document.split("\n\n") if len(part) > 200]
                    found += [" ".join(random.choice(paragraphs).split()[:_OPENING_WORDS])] if paragraphs else []
                else:
                    until = next(at for at, (role, _) in enumerate(document) if role == "assistant")
                    found.append(document[:until])
    return random.sample(found, min(count, len(found)))


def sampled(starter: Starter, beginnings: list[Document], tokens: int, temperature: float, seed: int) -> list[str]:
    """What the model writes after each beginning, without it."""
    torch.manual_seed(seed)
    plain = [f"{END}{document}" for document in beginnings if isinstance(document, str)]
    talks = [document for document in beginnings if not isinstance(document, str)]
    written = starter.continued(plain, tokens, temperature=temperature)
    return written + starter.answers(talks, limit=tokens, temperature=temperature)


def copies(starter: Starter, outputs: Iterable[str], corpus: Iterable[tuple[str, Document]]) -> list[Copy]:
    """The longest shared stretch of every output that shares at least twelve words in a row; the longest first."""
    said = [_words(text) for text in outputs]
    at_gram = defaultdict[tuple[str, ...], list[tuple[int, int]]](list)
    for index, words in enumerate(said):
        for at in range(len(words) - _GRAM + 1):
            at_gram[tuple(words[at : at + _GRAM])].append((index, at))
    longest: dict[int, Copy] = {}
    for name, document in corpus:
        for text in texts_of(document):
            words = _words(text)
            for at, gram in enumerate(zip(*(words[shift:] for shift in range(_GRAM)), strict=False)):
                for index, begin in at_gram.get(gram, ()):
                    copy = _longest(starter, said[index][begin:], words[at:], name)
                    if index not in longest or copy.tokens > longest[index].tokens:
                        longest[index] = copy
    return sorted(longest.values(), key=lambda copy: -copy.tokens)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _longest(starter: Starter, ours: list[str], theirs: list[str], source: str) -> Copy:
    same = next((at for at, (one, other) in enumerate(zip(ours, theirs, strict=False)) if one != other), min(len(ours), len(theirs)))
    text = " ".join(ours[:same])
    return Copy(len(starter.tokenizer(f" {text}", add_special_tokens=False)["input_ids"]), source, text)


def copying(
    starter: Starter, corpus: Path, outputs: int = 1000, tokens: int = 100, temperature: float = 0.8, seed: int = 3
) -> dict[str, int]:
    """How many outputs were sampled, how many of them have fifty tokens or more, and how long the longest stretch is that is copied."""
    said = sampled(starter, openings(corpus, outputs, seed), tokens, temperature, seed)
    long = sum(len(starter.tokenizer(text, add_special_tokens=False)["input_ids"]) >= 50 for text in said)
    found = copies(starter, said, corpus_documents(corpus))
    return {"outputs": outputs, "long": long, "longest": found[0].tokens if found else 0, "shared": len(found)}
