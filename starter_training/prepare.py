"""Writes what the starter is trained on: ``python -m starter_training prepare --corpus FOLDER``.

Files of ``build/starter-data``: the tokenizer, and for each source ``NAME.ids.xz`` (uint16 token ids, documents one after
another, each with its end) and ``NAME.held_out.jsonl``, the documents that are not trained on.
"""

import json
import lzma
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from transformers import AutoTokenizer

from starter_training.sources import HELD_OUT, SOURCES, Document
from starter_training.tokens import encode, make_tokenizer

TOKENIZER_DOCUMENTS = {"children": 250, "fiction": 25, "textbooks": 350, "news": 150, "bookings": 400, "chats": 300, "roles": 600}
"""How many documents of a source the tokenizer is made from; of the others 4,000."""
HELD_OUT_MOST = 300
GROUP = 1000
"""Documents that are encoded at once."""


def texts_of(document: Document) -> str:
    """All text of a document, for the tokenizer."""
    return document if isinstance(document, str) else "\n".join(content for _, content in document)


def write_tokenizer(corpus: Path, out: Path, size: int, seed: int) -> None:
    """Make the tokenizer from a little of everything."""
    texts = [
        texts_of(document)
        for name, source in SOURCES.items()
        for document in islice(source.draw(corpus, seed), TOKENIZER_DOCUMENTS.get(name, 4000))
    ]
    make_tokenizer(texts, size).save_pretrained(out, save_jinja_files=False)


def write_source(name: str, corpus: Path, out: Path, seed: int) -> tuple[str, int, int]:
    """Encode one source; name, tokens and documents."""
    tokenizer = AutoTokenizer.from_pretrained(out)
    source = SOURCES[name]
    ids: list[np.ndarray] = []
    total = seen = 0
    with (out / f"{name}.held_out.jsonl").open("w", encoding="utf-8") as held:
        documents = iter(source.draw(corpus, seed))
        while group := list(islice(documents, GROUP)):
            kept: list[Document] = []
            for document in group:
                seen += 1
                if seen % HELD_OUT == 0 and seen <= HELD_OUT * HELD_OUT_MOST:
                    held.write(json.dumps(document, ensure_ascii=False) + "\n")
                else:
                    kept.append(document)
            for numbers, _ in encode(tokenizer, kept):
                if source.tokens is not None and total >= source.tokens:
                    break
                ids.append(numbers)
                total += len(numbers)
            if source.tokens is not None and total >= source.tokens:
                break
    (out / f"{name}.ids.xz").write_bytes(lzma.compress(np.concatenate(ids).tobytes(), preset=6))
    return name, total, len(ids)


def prepare(corpus: Path, out: Path, size: int, seed: int, workers: int) -> dict[str, dict[str, int]]:
    """Write everything; tokens and documents of each source."""
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "tokenizer.json").exists():
        write_tokenizer(corpus, out, size, seed)
    with ProcessPoolExecutor(workers) as pool:
        done = pool.map(partial(write_source, corpus=corpus, out=out, seed=seed + 1), SOURCES)
        counts = {name: {"tokens": tokens, "documents": documents} for name, tokens, documents in done}
    (out / "sources.json").write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8")
    return counts
