"""A row exactly as it is trained: each token, whether it belongs to prompt or answer, and whether it is edited."""

from collections.abc import Callable, Sequence
from typing import Any

from app.words import say_error
from reft_engine import ReftConfig, ReftError, TrainConfig
from reft_engine.base import Base
from reft_engine.data import AnyExample
from reft_engine.tokens.examples import with_prompt
from reft_engine.tokens.pieces import token_texts
from reft_engine.training import Objective, objective_for


def preview_rows(
    base: Base, examples: Sequence[AnyExample], config: ReftConfig, max_length: int, look: Callable[[], None] = lambda: None
) -> list[dict[str, Any]]:  # fmt: skip
    """Preview rows as plain data: ``tokens`` (text, kind, edited), ``prompt_tokens``, ``answer_tokens``, ``cut``; or ``problem``.

    They are encoded by the objective of a run with this config; ``look`` is called before each, and ends the work by what it raises.

    Raises:
        ConfigError: the base model cannot be trained with this config.
    """
    objective = objective_for(base, config, TrainConfig(max_length=max_length), examples)
    rows: list[dict[str, Any]] = []
    for example in examples:
        look()
        rows.append(_preview_row(objective, example))
    return rows


def _preview_row(objective: Objective[Any], example: AnyExample) -> dict[str, Any]:
    try:
        row = objective.encode(with_prompt(objective.base, objective.learned(example)))
    except ReftError as error:
        return {"line": example.line, "problem": say_error(error), "tokens": []}
    encoded, *rejected = objective.sequences([row])
    edited = {*encoded.edited.prefix, *encoded.edited.suffix}
    texts = token_texts(objective.base, encoded.ids)
    border = len(encoded.prompt_ids)
    tokens = [(text, "prompt" if index < border else "answer", index in edited) for index, text in enumerate(texts)]
    return {
        "line": example.line, "problem": None, "tokens": tokens, "prompt_tokens": border,
        "answer_tokens": len(encoded.answer_ids), "cut": row.cut,
        "rejected": [token_texts(objective.base, each.answer_ids) for each in rejected],
    }  # fmt: skip
