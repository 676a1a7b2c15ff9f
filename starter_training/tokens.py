"""The starter's tokenizer, and documents as token ids with the kind of every token."""

from collections.abc import Iterable, Iterator

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from starter_training.conversations import Turn
from starter_training.sources import ANSWER, FRAME, PROMPT, PROSE, Document

PAD, END, TURN_START, TURN_END = SPECIALS = ["<|pad|>", "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONTEXT = 1024


def make_tokenizer(texts: Iterable[str], size: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE; every digit is a token of its own."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=SPECIALS, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=TURN_END, chat_template=TEMPLATE,
        additional_special_tokens=[END, TURN_START], model_max_length=CONTEXT, clean_up_tokenization_spaces=False,
    )  # fmt: skip


def pieces(document: Document) -> list[tuple[str, int]]:
    """Text and kind, piece by piece; an answer is encoded apart from its prompt, as the engine does it."""
    if isinstance(document, str):
        return [(document, PROSE), (END, FRAME)]
    found = []
    for role, content in document:
        found += [(f"{TURN_START}{role}\n", FRAME), (content + TURN_END, ANSWER if role == "assistant" else PROMPT), ("\n", FRAME)]
    return [*found, (END, FRAME)]


def encode_turns(tokenizer: PreTrainedTokenizerFast, turns: list[Turn]) -> list[int]:
    """Ids of a conversation, without the end that follows it."""
    return [number for text, _ in pieces(turns)[:-1] for number in tokenizer(text, add_special_tokens=False)["input_ids"]]


def encode(tokenizer: PreTrainedTokenizerFast, documents: list[Document]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Ids (T,) uint16 and kinds (T,) uint8 of every document."""
    parts = [pieces(document) for document in documents]
    tokenizer.backend_tokenizer.no_padding()  # a call that pads leaves it set
    encoded = iter(tokenizer.backend_tokenizer.encode_batch_fast([text for part in parts for text, _ in part], add_special_tokens=False))
    for part in parts:
        ids: list[int] = []
        kinds: list[int] = []
        for _, kind in part:
            piece = next(encoded).ids
            ids += piece
            kinds += [kind] * len(piece)
        yield np.array(ids, dtype=np.uint16), np.array(kinds, dtype=np.uint8)


def starts_of(tokenizer: PreTrainedTokenizerFast, ids: np.ndarray) -> np.ndarray:
    """Offsets (D,) int64 at which the documents of ids (N,) begin; every document ends with END."""
    ends = np.flatnonzero(ids == tokenizer.convert_tokens_to_ids(END))
    return np.concatenate([[0], ends[:-1] + 1]).astype(np.int64)


def kinds_of(tokenizer: PreTrainedTokenizerFast, ids: np.ndarray) -> np.ndarray:
    """Kinds (N,) uint8 of the tokens of whole documents, as ``encode`` gives them."""
    start, turn_end, end = (tokenizer.convert_tokens_to_ids(token) for token in (TURN_START, TURN_END, END))
    begins, ends = np.flatnonzero(ids == start), np.flatnonzero(ids == turn_end)
    talks = np.zeros(len(ids) + 1, dtype=np.int8)
    for role, kind in (("system", PROMPT), ("user", PROMPT), ("assistant", ANSWER)):
        frame = tokenizer(f"{TURN_START}{role}\n", add_special_tokens=False)["input_ids"]
        fits = begins + len(frame) <= len(ids)
        for at, token in enumerate(frame):
            fits &= ids[np.minimum(begins + at, len(ids) - 1)] == token
        talks[begins[fits] + len(frame)] += kind
        talks[ends[fits] + 1] -= kind
    starts = starts_of(tokenizer, ids)
    prose = np.repeat(~np.isin(ids[starts], start), np.diff([*starts, len(ids)]))
    return np.where(prose & (ids != end), PROSE, np.cumsum(talks[:-1], dtype=np.int8)).astype(np.uint8)
