"""A row exactly as it is trained: each token, whether it belongs to prompt or answer, and whether it is edited."""

from collections.abc import Sequence
from typing import Any

from reft_engine import Example, ReftConfig, ReftError
from reft_engine.base import Base
from reft_engine.tokens import encode


def preview_rows(base: Base, examples: Sequence[Example], config: ReftConfig, max_length: int) -> list[dict[str, Any]]:
    """Preview rows as plain data: ``tokens`` (text, kind, edited), ``prompt_tokens``, ``answer_tokens``, ``cut``; or ``problem``."""
    return [_preview_row(base, example, config, max_length) for example in examples]


def _preview_row(base: Base, example: Example, config: ReftConfig, max_length: int) -> dict[str, Any]:
    try:
        encoded = encode(base, example, max_length, config)
    except ReftError as error:
        return {"line": example.line, "problem": str(error), "tokens": []}
    edited = {*encoded.edited.prefix, *encoded.edited.suffix}
    texts = _token_texts(base, [*encoded.prompt_ids, *encoded.answer_ids])
    border = len(encoded.prompt_ids)
    tokens = [(text, "prompt" if index < border else "answer", index in edited) for index, text in enumerate(texts)]
    return {
        "line": example.line, "problem": None, "tokens": tokens, "prompt_tokens": border,
        "answer_tokens": len(encoded.answer_ids), "cut": encoded.cut,
    }  # fmt: skip


def _token_texts(base: Base, ids: Sequence[int]) -> list[str]:
    """The text of each token; a character that spans several tokens is the text of the last of them."""
    texts, incomplete = [], list[int]()
    for token in ids:
        incomplete.append(token)
        text: str = base.tokenizer.decode(incomplete, skip_special_tokens=False)
        if text.endswith("\ufffd") and len(incomplete) < 8:
            texts.append("")
        else:
            texts.append(text)
            incomplete = []
    return texts
