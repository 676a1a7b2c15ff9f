"""The starter's tokenizer, and rows of token ids with a weight per token."""

import json
import lzma
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from starter_training.conversations import Turn, conversations

PAD, END, TURN_START, TURN_END = SPECIALS = ["<|pad|>", "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PROMPT_WEIGHT = 0.15
"""Questions are arbitrary; most of the loss belongs to the answers."""


def stories(corpus: Path | None) -> list[str]:
    """The simplest prose of the corpus folder: children's stories and fairy tales; none without a folder."""
    if corpus is None:
        return []
    texts = []
    for name in ("stories_african_pratham", "fairytales"):
        with lzma.open(corpus / f"{name}.jsonl.xz", "rt", encoding="utf-8") as file:
            texts += [json.loads(line)["text"] for line in file]
    return texts


def make_tokenizer(texts: list[str], size: int, seed: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE; every digit is a token of its own."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=SPECIALS, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    talk = ("\n".join(content for _, content in turns) for turns in islice(conversations(seed), 20_000))
    tokenizer.train_from_iterator([*talk, *texts[:400]], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=TURN_END, chat_template=TEMPLATE,
        additional_special_tokens=[END, TURN_START], model_max_length=512, clean_up_tokenization_spaces=False,
    )  # fmt: skip


def encode_turns(tokenizer: PreTrainedTokenizerFast, turns: list[Turn]) -> tuple[list[int], list[float]]:
    """Ids and loss weights; an answer is encoded apart from its prompt, as the engine does it."""
    ids: list[int] = []
    weights: list[float] = []
    for role, content in turns:
        for text, weight in (
            (f"{TURN_START}{role}\n", 0.02),
            (content + TURN_END, 1.0 if role == "assistant" else PROMPT_WEIGHT),
            ("\n", 0.02),
        ):
            piece = tokenizer(text, add_special_tokens=False)["input_ids"]
            ids += piece
            weights += [weight] * len(piece)
    return ids, weights


def rows(
    tokenizer: PreTrainedTokenizerFast, texts: list[str], length: int, text_share: float, seed: int
) -> Iterator[tuple[list[int], list[float]]]:
    """Endless packed rows: whole conversations one after another, or a stretch of prose."""
    talk = conversations(seed)
    end = tokenizer.convert_tokens_to_ids(END)
    prose = [token for text in texts for token in [*tokenizer(text, add_special_tokens=False)["input_ids"], end]]
    at, owed = 0, 0.0
    while True:
        owed += text_share if prose else 0.0
        if owed >= 1:
            owed -= 1
            at = at if at + length <= len(prose) else 0
            yield prose[at : at + length], [0.5] * length
            at += length
            continue
        ids: list[int] = []
        weights: list[float] = []
        while len(ids) < length:
            more_ids, more_weights = encode_turns(tokenizer, next(talk))
            ids += [*more_ids, end]
            weights += [*more_weights, 0.02]
        yield ids[:length], weights[:length]
