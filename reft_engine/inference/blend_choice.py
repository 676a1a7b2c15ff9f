"""Which blend suits a reference store: some are tried on held-out rows, by the answers that greedy decoding would write.

Legend: N answer tokens, D hidden size, V vocabulary, S settings.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from reft_engine.base.loading import Base
from reft_engine.data import LooseRow
from reft_engine.errors import DataError, StoppedError
from reft_engine.inference.looking import Exclusive
from reft_engine.inference.reference_rows import LONGEST, PASS_TOKENS, RowReader, check_stores, read_answers
from reft_engine.inference.references import NEAREST, TEMPERATURE, ReferenceStore

BLENDS, TEMPERATURES = (0.25, 0.5, 0.75), (0.005, 0.02, 0.1)
"""What is tried, each with each."""
_ELEMENTS = 2**24
"""Most numbers of a tensor: logits, or the stored states that are compared with."""

Setting = tuple[float, float]
"""A blend and a temperature."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One setting on held-out rows: how many of them it answers exactly right, and the mean log-probability of their answers' tokens."""

    blend: float
    temperature: float
    right: int
    log_probability: float


@dataclass(frozen=True, slots=True)
class ChosenBlend:
    """The setting that did best on held-out rows, which chose it and so flatter it.

    Attributes:
        best: that setting; never the base model alone, which may have done better all the same.
        tried: all of them, the base model alone first.
        rows: how many held-out rows they are.
        left_out: held-out rows that are too long or that the base model cannot read.
    """

    best: Tried
    tried: tuple[Tried, ...]
    rows: int
    left_out: int = 0

    @property
    def base(self) -> Tried:
        """The base model alone."""
        return self.tried[0]

    @property
    def base_is_best(self) -> bool:
        """Whether the base model alone did at least as well, by the same measure."""
        return _quality(self.base) >= _quality(self.best)


def _quality(tried: Tried) -> tuple[int, float]:
    return tried.right, tried.log_probability


def choose_blend(
    base: Base, store: ReferenceStore, held_out: Sequence[LooseRow], *, k: int = NEAREST, marked: bool = False,
    blends: Sequence[float] = BLENDS, temperatures: Sequence[float] = TEMPERATURES, pass_tokens: int = PASS_TOKENS, longest: int = LONGEST,
    exclusive: Exclusive = nullcontext, on_progress: Callable[[int, int], None] = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> ChosenBlend:  # fmt: skip
    """Try blends and temperatures on held-out rows, each read once: most rows exactly right, then the likeliest answers.

    A row is right when each token of its answer is the likeliest after those before it, as greedy decoding would write it.

    Args:
        base: the base model of the store.
        store: what is blended.
        held_out: rows that are not in the store; those of more than ``longest`` tokens are left out, and counted.
        k: number of nearest states that count.
        marked: remove the marks of edited text, as for the store.
        blends: shares of the store, above 0.
        temperatures: of the weights, tried with each blend.
        pass_tokens: padded tokens of one pass, unless a single row is longer.
        longest: most tokens of a row.
        exclusive: entered whenever the base model is used, so that others can use it in between.
        on_progress: is told after each row how many are done, and of how many.
        should_stop: asked before every pass, and several times in a long row.

    Raises:
        ConfigError: as from `build_store`; the store is of another base model; or a blend or temperature is out of range.
        DataError: no row can be read.
        StoppedError: it was told to stop.
    """
    check_stores(base)
    store.check(base)
    settings = [(0.0, TEMPERATURE), *((blend, temperature) for blend in blends for temperature in temperatures)]
    for blend, temperature in settings:
        store.adjust(blend, k, temperature)
    reader = RowReader(base, marked, pass_tokens, longest)
    rows = list(reader.encoded(held_out))
    if not rows:
        raise DataError("None of the held-out rows can be read by {base}.", kind="references.none_held_out", base=base.name)
    right, sums, done = [0] * len(settings), [0.0] * len(settings), 0
    piece = _tokens_at_once(store, k, base.vocabulary)
    for batch in reader.passes(rows):
        _go_on(should_stop)
        with exclusive():
            read = read_answers(base, [row for _, row in batch])
        at = 0
        for _, row in batch:
            likeliest, end = [not row.cut] * len(settings), at + len(row.answer_ids)
            tokens_N = torch.tensor(row.answer_ids, device=read.hidden.device)
            for begin in range(at, end, piece):
                _go_on(should_stop)
                places = slice(begin, min(begin + piece, end))
                with exclusive():
                    logits_NV = read.logits(places.start, places.stop)
                wanted = tokens_N[begin - at : begin - at + piece]
                for number, (is_first, total) in enumerate(_followed(store, read.hidden[places], logits_NV, wanted, settings, k)):
                    likeliest[number] = likeliest[number] and is_first
                    sums[number] += total
            right = [count + first for count, first in zip(right, likeliest, strict=True)]
            at, done = end, done + 1
            on_progress(done, len(rows))
    tokens = sum(len(row.answer_ids) for _, row in rows)
    tried = tuple(Tried(*setting, count, total / tokens) for setting, count, total in zip(settings, right, sums, strict=True))
    return ChosenBlend(max(tried[1:], key=_quality), tried, len(rows), len(reader.refused) + len(reader.too_long))


def _go_on(should_stop: Callable[[], bool]) -> None:
    if should_stop():
        raise StoppedError("Stopped before a setting was chosen.", kind="references.choice_stopped")


def _tokens_at_once(store: ReferenceStore, k: int, vocabulary: int) -> int:
    """Tokens whose logits, distances and nearest states are compared together."""
    compared = min(2 * k, len(store)) * store.keys.shape[1]
    return max(1, _ELEMENTS // max(vocabulary, len(store), compared))


@torch.no_grad()
def _followed(
    store: ReferenceStore, hidden_ND: Tensor, logits_NV: Tensor, tokens_N: Tensor, settings: Sequence[Setting], k: int
) -> list[tuple[bool, float]]:
    """For each setting, whether each token is the likeliest one after its state, and the sum of the tokens' log-probabilities."""
    near, distances = store.nearest(hidden_ND, k)
    found = []
    for blend, temperature in settings:
        if blend:
            log_p_NV = store.blended(logits_NV, (near, store.weights(distances, temperature)), blend)
        else:
            log_p_NV = torch.log_softmax(logits_NV.float(), dim=-1)
        of_tokens = log_p_NV.gather(-1, tokens_N[:, None])
        found.append((bool((log_p_NV.argmax(dim=-1) == tokens_N).all()), sum(of_tokens[:, 0].tolist())))
    return found
