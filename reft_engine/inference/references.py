"""Reference Trustable Decoding: answers drawn toward the tokens that followed like hidden states in stored rows; nothing is trained.

At each token: of the k stored states nearest to the last hidden state, by squared Euclidean distance d, w = softmax(-d / T);
r(v) = sum of w over those that token v followed; p = blend * r + (1 - blend) * p_LM. Source: arXiv 2409.20181; which of the two the
blend multiplies is the convention of kNN-LM (arXiv 1911.00172, equation 3).

Legend: K stored states, k nearest ones, N tokens, D hidden size, V vocabulary.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from weakref import ref

import torch
from torch import Tensor

from reft_engine.base import checks
from reft_engine.base.loading import Base
from reft_engine.data import LooseRow
from reft_engine.errors import ConfigError, DataError, StoppedError
from reft_engine.inference.looking import Exclusive
from reft_engine.inference.reference_rows import LONGEST, PASS_TOKENS, Indexed, RowReader, check_stores, read_answers
from reft_engine.tokens.prompts import end_ids

MOST_KEYS = 20_480
"""Most states of a store, as in the authors' code."""
NEAREST = 32
TEMPERATURE = 0.02
"""Of the weights, as a share of the store's median squared distance."""
_LEAST_TEMPERATURE = 1e-6
_ENCODED, _MEASURED = 64, 512
_EQUAL = 1e-8
"""Squared distance, as a share of the states' squared length, below which two are equal but for rounding."""
_LOWEST = -1e4
"""Log-probability of what is impossible: finite, so that it can be written down."""

Weights = tuple[Tensor, Tensor]
"""The nearest stored states (..., k) by their numbers, and their squared distances or weights (..., k)."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A row of the store, and the share of the weight that its states have, 0 to 1."""

    row: int
    weight: float


@dataclass(slots=True)
class Blending:
    """What adjusts the logits of one column by a store; an `Adjust`. It notes what was near at each token: use one for each column.

    Attributes:
        store: what is near is looked for in it.
        blend: share of the store, above 0 and at most 1; the rest is the model's.
        k: number of nearest states that count.
        temperature: of their weights, as a share of the store's median squared distance.
    """

    store: "ReferenceStore"
    blend: float
    k: int = NEAREST
    temperature: float = TEMPERATURE
    _near: list[Weights] = field(default_factory=list)

    def __call__(self, logits_V: Tensor, hidden_D: Tensor) -> Tensor:
        """Log-probabilities (V,) of the blend."""
        near = self.store.nearest(hidden_D, self.k)
        weights = near[0], self.store.weights(near[1], self.temperature)
        self._near.append((weights[0].cpu(), weights[1].cpu()))
        return self.store.blended(logits_V, weights, self.blend)

    def check(self, base: Base, edit: object = None) -> None:
        """See `ReferenceStore.check`."""
        self.store.check(base, edit)

    @property
    def tokens(self) -> int:
        """Tokens that were chosen so far."""
        return len(self._near)

    def why(self, token: int | None = None, most: int = 5) -> list[Neighbour]:
        """The rows that weighed most at a token, counted from 0, or by the mean over the whole answer; at most ``most``, heaviest first."""
        chosen = list(self._near) if token is None else self._near[token : token + 1]
        sums: dict[int, float] = {}
        for indices, weights in chosen:
            for row, weight in zip(self.store.rows[indices].tolist(), weights.tolist(), strict=True):
                sums[row] = sums.get(row, 0.0) + weight / len(chosen)
        return [Neighbour(row, weight) for row, weight in sorted(sums.items(), key=lambda each: -each[1])[:most]]


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceStore:
    """Last hidden states of one base model at the answers of rows, as its output head reads them, each with the token that follows it.

    It holds traces of its rows: treat it as the rows themselves, and delete it with them.

    Attributes:
        keys: the states (K, D), float32 whatever the base model's dtype.
        norms: their squared lengths.
        values: the token that follows each.
        rows: the index of each one's row among those that were given.
        scale: median squared distance between stored states, to which temperatures are relative.
        answers: how many different answers its rows have.
        longest: most tokens that a row could have.
        dropped: indices of rows for which there was no room; ``too_long``: of more tokens than that; ``refused``: that this base model
            cannot read.
    """

    keys: Tensor
    norms: Tensor
    values: Tensor
    rows: Tensor
    scale: float
    answers: int
    longest: int
    dropped: tuple[int, ...]
    too_long: tuple[int, ...]
    refused: tuple[int, ...]
    _model: Callable[[], object]
    """The model whose states they are, while it is in memory."""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return sum(tensor.nbytes for tensor in (self.keys, self.norms, self.values, self.rows))

    def check(self, base: Base, edit: object = None) -> None:
        """Raises ConfigError unless a column of this base model without an ``edit`` is to be adjusted: the states are that model's own."""
        if self._model() is not base.model:
            raise ConfigError(
                "The store holds hidden states of another base model than {base}; build one for it.", "adjust",
                kind="references.other_base", base=base.name,
            )  # fmt: skip
        if edit is not None:
            raise ConfigError(
                "The store holds hidden states of {base} without an edit, so the column that it adjusts can have none.", "adjust",
                kind="references.edited", base=base.name,
            )  # fmt: skip

    def adjust(self, blend: float, k: int = NEAREST, temperature: float = TEMPERATURE) -> Blending | None:
        """What adjusts the logits of one column; None at blend 0, which is the base model bit for bit. Raises ConfigError."""
        if not checks.is_number(blend) or not 0 <= blend <= 1:
            raise ConfigError("The blend must be from 0 to 1, not {value}.", "blend", kind="references.blend", value=checks.shown(blend))
        if not checks.is_number(temperature) or temperature < _LEAST_TEMPERATURE:
            raise ConfigError(
                "The temperature of the weights must be at least {least:g}, not {value}.", "temperature", kind="references.temperature",
                least=_LEAST_TEMPERATURE, value=checks.shown(temperature),
            )  # fmt: skip
        k = checks.whole_number(k, "k", 1)
        return Blending(self, float(blend), k, float(temperature)) if blend else None

    @torch.no_grad()
    def nearest(self, hidden: Tensor, k: int) -> Weights:
        """The k stored states nearest to each of some (..., D), nearest first, and their squared distances, float32."""
        hidden = hidden.float()
        if k < len(self):
            # |a - b|^2 = |a|^2 - 2ab + |b|^2 loses digits where states are alike, so it only chooses, with some to spare.
            rough = self.norms - 2 * (hidden @ self.keys.T)
            chosen = rough.topk(min(2 * k, len(self)), largest=False).indices
        else:
            chosen = torch.arange(len(self), device=self.keys.device).expand(*hidden.shape[:-1], -1)
        distances = (self.keys[chosen] - hidden.unsqueeze(-2)).square().sum(dim=-1)
        order = distances.argsort(dim=-1, stable=True)[..., :k]
        return chosen.gather(-1, order), distances.gather(-1, order)

    def weights(self, distances: Tensor, temperature: float) -> Tensor:
        """The weights of states at these squared distances (..., k), which add up to 1."""
        further = distances - distances.amin(dim=-1, keepdim=True)  # the smallest becomes 0, however small it is divided by
        return torch.softmax(-further / max(temperature * self.scale, torch.finfo(torch.float32).tiny), dim=-1)

    @torch.no_grad()
    def blended(self, logits: Tensor, weights: Weights, blend: float) -> Tensor:
        """log(blend * r + (1 - blend) * p_LM), (..., V), float32; at least `_LOWEST`."""
        near, weights_k = weights
        stored = torch.zeros(logits.shape, device=logits.device)
        stored.scatter_add_(-1, self.values[near].to(logits.device), weights_k.to(logits.device))
        own = torch.log_softmax(logits.float(), dim=-1)
        rest = math.log1p(-blend) if blend < 1 else -math.inf
        return torch.logaddexp(own + rest, stored.log() + math.log(blend)).clamp(min=_LOWEST)


def build_store(
    base: Base, rows: Sequence[LooseRow], *, most_keys: int = MOST_KEYS, marked: bool = False, pass_tokens: int = PASS_TOKENS,
    longest: int = LONGEST, exclusive: Exclusive = nullcontext, on_progress: Callable[[int, int], None] = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> ReferenceStore:  # fmt: skip
    """Read rows once and store the last hidden state before each token of their answers, the one that ends them included.

    Args:
        base: the base model, whose logits are a linear function of its last hidden states.
        rows: training rows, in the order in which there is room for them, of which a slice is asked for at a time; of preference pairs the
            preferred answer is stored.
        most_keys: states that there is room for; a row that has none is dropped whole, and the next ones are tried while there is room for
            the shortest answer.
        marked: remove the marks of edited text, since nothing is edited here.
        pass_tokens: padded tokens of one pass, unless a single row is longer.
        longest: most tokens of a row, prompt and answer; a longer one is left out, and named in ``too_long``.
        exclusive: entered around every pass, so that others can use the base model in between.
        on_progress: is told after every pass and every slice how many rows are read, and of how many.
        should_stop: asked before every pass and every slice.

    Raises:
        ConfigError: the base model writes no text, or has no such head.
        DataError: no row can be stored.
        StoppedError: it was told to stop.
    """
    check_stores(base)
    checks.whole_number(most_keys, "most_keys", 1)
    reader, room, shortest = RowReader(base, marked, pass_tokens, longest), most_keys, _shortest_answer(base)
    keys, values, of_rows, dropped = list[Tensor](), list[int](), list[int](), list[int]()
    answers = set[tuple[int, ...]]()
    for begin in range(0, len(rows), _ENCODED):
        if room < shortest:
            dropped += range(begin, len(rows))
            break
        _go_on(should_stop)
        kept: list[Indexed] = []
        for index, row in reader.encoded(rows[begin : begin + _ENCODED], begin):
            if len(row.answer_ids) > room:
                dropped.append(index)
                continue
            room -= len(row.answer_ids)
            kept.append((index, row))
        done, end = begin, min(begin + _ENCODED, len(rows))
        for batch in reader.passes(kept):
            _go_on(should_stop)
            with exclusive():
                keys.append(read_answers(base, [row for _, row in batch]).hidden)
            for index, row in batch:
                values += row.answer_ids
                of_rows += [index] * len(row.answer_ids)
                answers.add(row.answer_ids)
            done = batch[-1][0] + 1
            on_progress(done, len(rows))
        if done < end:  # the last ones of the slice were not stored
            on_progress(end, len(rows))
    if not keys:
        raise DataError("None of the rows can be stored for {base}.", kind="references.empty", base=base.name) from reader.error
    keys_KD = torch.cat(keys)
    return ReferenceStore(
        keys_KD, keys_KD.square().sum(dim=-1), torch.tensor(values, device=keys_KD.device), torch.tensor(of_rows), _median(keys_KD),
        len(answers), longest, tuple(dropped), tuple(reader.too_long), tuple(reader.refused), ref(base.model),
    )  # fmt: skip


def _go_on(should_stop: Callable[[], bool]) -> None:
    if should_stop():
        raise StoppedError("Stopped while the rows were read; nothing was stored.", kind="references.stopped")


def _shortest_answer(base: Base) -> int:
    """Tokens of the shortest answer: one, and those that end it."""
    try:
        return 1 + len(end_ids(base))
    except DataError:  # the template refuses even the shortest chat, and so every row
        return 1


def _median(keys_KD: Tensor) -> float:
    """The median squared distance between stored states; of a large store by some of them, spread evenly.

    Where most are equal, as those of one answer to like prompts are, it is the median of the others.
    """
    some = keys_KD[torch.linspace(0, len(keys_KD) - 1, min(_MEASURED, len(keys_KD))).long()]
    # The form by a matrix product loses the digits of states that are alike.
    distances = torch.cdist(some, some, compute_mode="donot_use_mm_for_euclid_dist").square()
    others = distances[~torch.eye(len(some), dtype=torch.bool, device=some.device)]
    least = _EQUAL * float(some.square().sum(dim=-1).mean())
    if len(others) and float(others.median()) > least:
        return float(others.median())
    apart = others[others > least]
    return float(apart.median()) if len(apart) else 1.0
