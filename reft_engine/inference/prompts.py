"""What an engine is asked to answer: a text, a conversation or token ids, encoded with the tokens that each column's rule edits."""

from collections.abc import Mapping, Sequence
from typing import Any

from reft_engine.base import blocks
from reft_engine.base.loading import Base
from reft_engine.data import Message
from reft_engine.edits.edited import check_writes
from reft_engine.edits.mix import Mix
from reft_engine.edits.model import ReftModel
from reft_engine.errors import ConfigError
from reft_engine.inference.decoding import empty_prompt
from reft_engine.positions import PositionSpec, edited_tokens
from reft_engine.tokens.prompts import EncodedPrompt, read_prompts
from reft_engine.trainable import Trainable

Prompt = str | Sequence[Message | Mapping[str, str] | int]
"""A user's text, a conversation that ends with a user's message, or token ids, which the model reads unchanged."""
Answerer = Trainable | Mix
"""What answers in a column, where it is not the base model alone."""

_LETTERS, _LETTERS_A_TOKEN = 100_000, 200
"""Characters of a prompt, and for each token that the base model reads, above which it is not tokenised."""


def rule_of(model: Trainable | None) -> PositionSpec | None:
    """Which tokens of a prompt a model edits; None for the base model, and for what edits no hidden states."""
    return model.positions if isinstance(model, ReftModel) else None


def rules_of(model: Answerer | None) -> list[PositionSpec | None]:
    """The rule of a model, or of each edit of a mix."""
    return [rule_of(edit) for edit, _ in model.parts] or [None] if isinstance(model, Mix) else [rule_of(model)]


def column_prompts(base: Base, prompt: Prompt, rules: Sequence[PositionSpec | None]) -> list[EncodedPrompt]:
    """The prompt of each column, with the tokens that its rule edits; all have the same token ids."""
    if isinstance(prompt, str):
        return _read_messages(base, [Message("user", prompt)], rules)
    items: list[Any] = list(prompt) if isinstance(prompt, Sequence) and not isinstance(prompt, bytes | bytearray) else [None]
    if not items:
        raise empty_prompt()
    if all(type(item) is int for item in items):
        return _read_token_ids(base, items, rules)
    messages = [Message(item["role"], item["content"]) if _is_message(item) else item for item in items]
    if not all(isinstance(message, Message) for message in messages):
        raise ConfigError(
            "A prompt is a text, a list of messages with role and content, or a list of token ids.", "prompt", kind="generation.prompt"
        )
    return _read_messages(base, messages, rules)


def prompts_to_answer(base: Base, prompt: Prompt, rules: Sequence[PositionSpec | None]) -> list[EncodedPrompt]:
    """As `column_prompts`; a prompt that is far longer than any that there is room for is refused before it is tokenised."""
    letters, most = _letters(prompt), _LETTERS + _LETTERS_A_TOKEN * base.context
    if letters > most:
        raise ConfigError(
            "The prompt has {letters:,} characters; this base model reads at most {limit:,} tokens.", "prompt",
            kind="generation.prompt_letters", letters=letters, limit=base.context,
        )  # fmt: skip
    return column_prompts(base, prompt, rules)


def _letters(prompt: Prompt) -> int:
    """Characters of the texts of a prompt."""
    if isinstance(prompt, str):
        return len(prompt)
    if not isinstance(prompt, Sequence):
        return 0
    contents = [
        each.content if isinstance(each, Message) else each.get("content") for each in prompt if isinstance(each, Message | Mapping)
    ]
    return sum(len(content) for content in contents if isinstance(content, str))


def _read_messages(base: Base, messages: Sequence[Message], rules: Sequence[PositionSpec | None]) -> list[EncodedPrompt]:
    prompts = read_prompts(base, messages, rules)
    if not messages[-1].content.strip():
        raise empty_prompt()
    if messages[-1].role == "assistant":
        raise ConfigError(
            "The conversation ends with an answer, so there is nothing to answer. End it with what the user says.",
            "prompt",
            kind="generation.prompt_answered",
        )
    return prompts


def _is_message(item: object) -> bool:
    return isinstance(item, Mapping) and item.get("role") in ("system", "user", "assistant") and isinstance(item.get("content"), str)


def _read_token_ids(base: Base, ids: Sequence[Any], rules: Sequence[PositionSpec | None]) -> list[EncodedPrompt]:
    if any(rule is not None and rule.reads_text for rule in rules):
        raise ConfigError("Token ids carry no marks; give the prompt as text.", "prompt", kind="generation.marks")
    vocabulary = blocks.vocabulary_size(base.model)
    if not all(0 <= token < vocabulary for token in ids):
        raise ConfigError("The prompt holds token ids that this base model does not have.", "prompt", kind="generation.token_ids")
    return [EncodedPrompt(tuple(ids), edited_tokens(rule, len(ids))) for rule in rules]


def check_writers(base: Base, edits: Sequence[Answerer | None]) -> None:
    """Raises ConfigError unless each of ``edits`` is None or something that writes text with this base model."""
    if not isinstance(edits, Sequence) or not edits or not all(model is None or isinstance(model, Answerer) for model in edits):
        raise ConfigError(
            "edits must be a list of edits, one for each answer; None stands for the base model alone.", "edits", kind="generation.edits"
        )
    models = [part for model in edits for part in (model.edits if isinstance(model, Mix) else (model,))]
    check_writes(base.model, models)
    if any(model is not None and model.base is not base.model for model in models):
        raise ConfigError("An edit is of another base model than the one that is to answer.", "edits", kind="generation.other_base")
