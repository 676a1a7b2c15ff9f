"""Base models behind tokenizers of every kind, to encode with; nothing is computed with them."""

import copy
from dataclasses import replace

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from transformers import ByT5Tokenizer, PreTrainedTokenizerFast

from reft_engine.base.loading import PLAIN_TEMPLATE, TEXT_TEMPLATE
from tests.reft_engine import families

LETTERS = [*"abcdefghijklmnopqrstuvwxyzäöüß?."]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
"""The expression by which Qwen 2 splits texts, as transformers writes it down."""
BYTE_LEVEL = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
STRIPS = "{% for message in messages %}<|im_start|>{{ message['content'] | trim }}<|im_end|>{% endfor %}"
DECODERS = {
    "byte fallback": decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]),
    "unigram": decoders.Metaspace(),
    "word piece": decoders.WordPiece(),
}
"""What tokenizers of these kinds come with."""
ALTERNATES = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('They take turns.') }}{% endif %}"
    "{{ '<|im_start|>' + m['role'] + ': ' + m['content'] + '<|im_end|>' }}{% endfor %}{% if add_generation_prompt %}A:{% endif %}"
)


def behind(starter, name):
    """The starter behind a tokenizer or a template of another kind, or another model behind its tokenizer."""
    return BUILT[name](starter)


def decoding(starter, name):
    """As `behind`, with a tokenizer that decodes as those of its kind do, too."""
    base = behind(starter, name)
    if name in DECODERS:
        base.tokenizer.backend_tokenizer.decoder = DECODERS[name]
    return base


def _wrapped(tokenizer, unknown):
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token=unknown, eos_token=unknown)


def _byte_fallback(starter):
    vocabulary = {piece: index for index, piece in enumerate(["<unk>", *BYTES, "▁", *LETTERS])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return replace(starter, tokenizer=_wrapped(tokenizer, "<unk>"), template=TEXT_TEMPLATE)


def _unigram(starter):
    scores = [("<unk>", 0.0), *((piece, -20.0) for piece in BYTES), *((piece, -3.0) for piece in ["▁", *LETTERS])]
    tokenizer = Tokenizer(models.Unigram(scores, unk_id=0, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    return replace(starter, tokenizer=_wrapped(tokenizer, "<unk>"))


def _word_piece(starter):
    pieces = ["[UNK]", *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    tokenizer = Tokenizer(models.WordPiece({piece: index for index, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(strip_accents=False), pre_tokenizers.BertPreTokenizer()
    return replace(starter, tokenizer=_wrapped(tokenizer, "[UNK]"), template=PLAIN_TEMPLATE)


def _splitting(pre_tokenizer, normalizer=None, added=()):
    def build(starter):
        tokenizer = copy.deepcopy(starter.tokenizer)
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizer
        if normalizer:
            tokenizer.backend_tokenizer.normalizer = normalizer
        tokenizer.add_tokens(list(added))
        return replace(starter, tokenizer=tokenizer)

    return build


def _split_by(expression):
    split = pre_tokenizers.Split(Regex(expression), "isolated")
    return pre_tokenizers.Sequence([split, BYTE_LEVEL])


def _behind_model(family):
    def build(starter):
        tokenizer = copy.deepcopy(starter.tokenizer)
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single="<|im_start|> $A <|im_end|>",
            pair="<|im_start|> $A <|im_end|> $B:1 <|im_end|>:1",
            special_tokens=[("<|im_start|>", 2), ("<|im_end|>", 3)],
        )
        template = TEXT_TEMPLATE if family in (*families.ENCODERS, *families.ENCODER_DECODERS) else starter.template
        model = families.build(family, vocab_size=len(tokenizer))
        return replace(starter, model=model, tokenizer=tokenizer, template=template)

    return build


WORD_BY_WORD = {
    "starter": lambda starter: starter,
    "plain": lambda starter: replace(starter, template=PLAIN_TEMPLATE),
    "strips": lambda starter: replace(starter, template=STRIPS),
    "alternates": lambda starter: replace(starter, template=ALTERNATES),
    "gpt2": _splitting(pre_tokenizers.ByteLevel(add_prefix_space=False)),
    "qwen2": _splitting(_split_by(QWEN), normalizers.NFC(), [AddedToken("<tool>", normalized=False)]),
    "llama3": _splitting(_split_by(QWEN.replace(r"|\p{N}|", r"|\p{N}{1,3}|"))),
    **{family: _behind_model(family) for family in (*families.DECODERS, *families.ENCODERS, *families.ENCODER_DECODERS)},
}
"""Those that tokenise word by word."""
WHOLE = {
    "byte fallback": _byte_fallback,
    "unigram": _unigram,
    "word piece": _word_piece,
    "bytes": lambda starter: replace(starter, tokenizer=ByT5Tokenizer(), template=TEXT_TEMPLATE),  # in Python
    "prefix space": _splitting(pre_tokenizers.ByteLevel(add_prefix_space=True)),
    "strips around": _splitting(pre_tokenizers.ByteLevel(add_prefix_space=False), added=[AddedToken("<s>", lstrip=True, rstrip=True)]),
    "token of two words": _splitting(pre_tokenizers.ByteLevel(add_prefix_space=False), added=[AddedToken("two words", normalized=False)]),
    "other expression": _splitting(_split_by(r"\S+ \S+|\s+|\S+")),
}
"""Those that tokenise whole texts."""
BUILT = {**WORD_BY_WORD, **WHOLE}
