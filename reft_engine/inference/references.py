"""Reference Trustable Decoding: answers drawn toward the tokens that followed like hidden states in stored rows; nothing is trained.

At each token: of the k stored states nearest to the last hidden state, by squared Euclidean distance d, w = softmax(-d / T);
r(v) = sum of w over those that token v followed; p = blend * r + (1 - blend) * p_LM. Source: arXiv 2409.20181; which of the two the
blend multiplies is the convention of kNN-LM (arXiv 1911.00172, equation 3).

Legend: K stored states, k nearest ones, N answer tokens of a batch, D hidden size, V vocabulary.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from reft_engine.base import blocks, checks
from reft_engine.base.loading import Base
from reft_engine.data import Example, LooseRow, Preference, as_rows
from reft_engine.errors import ConfigError, DataError, StoppedError
from reft_engine.inference.columns import check_linear_head
from reft_engine.inference.prompts import check_writers
from reft_engine.tokens.batches import collate
from reft_engine.tokens.examples import EncodedExample, encode_examples, with_prompts
from reft_engine.tokens.prompts import without_marks
from reft_engine.tokens.together import go_on

MOST_KEYS = 20_480
"""Most states of a store, as in the authors' code."""
NEAREST = 32
TEMPERATURE = 0.02
"""Of the weights, as a share of the store's median squared distance."""
BLENDS, TEMPERATURES = (0.25, 0.5, 0.75), (0.005, 0.02, 0.1)
"""What `choose_blend` tries."""
_PASS_TOKENS = 1024
"""Most padded tokens of one pass over rows, so that a chat does not wait long."""
_ENCODED, _MEASURED = 64, 512
_LOWEST = -1e4
"""Log-probability of what is impossible: finite, so that it can be written down."""

Exclusive = Callable[[], AbstractContextManager[object]]
Weights = tuple[Tensor, Tensor]
"""The nearest stored states (k,) by their numbers, and their squared distances or weights (k,)."""


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
        dropped: indices of rows for which there was no room.
        refused: indices of rows that this base model cannot read.
    """

    keys: Tensor
    norms: Tensor
    values: Tensor
    rows: Tensor
    scale: float
    dropped: tuple[int, ...] = ()
    refused: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return sum(tensor.nbytes for tensor in (self.keys, self.norms, self.values, self.rows))

    def adjust(self, blend: float, k: int = NEAREST, temperature: float = TEMPERATURE) -> Blending | None:
        """What adjusts the logits of one column; None at blend 0, which is the base model bit for bit. Raises ConfigError."""
        if not checks.is_number(blend) or not 0 <= blend <= 1:
            raise ConfigError("The blend must be from 0 to 1, not {value}.", "blend", kind="references.blend", value=checks.shown(blend))
        if not checks.is_number(temperature) or temperature <= 0:
            raise ConfigError(
                "The temperature of the weights must be above 0, not {value}.", "temperature", kind="references.temperature",
                value=checks.shown(temperature),
            )  # fmt: skip
        k = checks.whole_number(k, "k", 1)
        return Blending(self, float(blend), k, float(temperature)) if blend else None

    @torch.no_grad()
    def nearest(self, hidden_D: Tensor, k: int) -> Weights:
        """The k stored states nearest to one, nearest first, and their squared distances, float32."""
        hidden_D = hidden_D.float()
        if k < len(self):
            # |a - b|^2 = |a|^2 - 2ab + |b|^2 loses digits where states are alike, so it only chooses, with some to spare.
            rough = self.norms - 2 * (self.keys @ hidden_D)
            chosen = rough.topk(min(2 * k, len(self)), largest=False).indices
        else:
            chosen = torch.arange(len(self), device=self.keys.device)
        distances = (self.keys[chosen] - hidden_D).square().sum(dim=-1)
        order = distances.argsort(stable=True)[:k]
        return chosen[order], distances[order]

    def weights(self, distances_k: Tensor, temperature: float) -> Tensor:
        """The weights of states at these squared distances, which add up to 1."""
        return torch.softmax(-distances_k / (temperature * self.scale), dim=-1)

    @torch.no_grad()
    def blended(self, logits_V: Tensor, weights: Weights, blend: float) -> Tensor:
        """log(blend * r + (1 - blend) * p_LM), (V,), float32; at least `_LOWEST`."""
        indices, weights_k = weights
        stored = torch.zeros(logits_V.shape[-1], device=logits_V.device)
        stored.index_add_(0, self.values[indices].to(logits_V.device), weights_k.to(logits_V.device))
        own = torch.log_softmax(logits_V.float(), dim=-1)
        rest = math.log1p(-blend) if blend < 1 else -math.inf
        return torch.logaddexp(own + rest, stored.log() + math.log(blend)).clamp(min=_LOWEST)


def build_store(
    base: Base, rows: Sequence[LooseRow], *, most_keys: int = MOST_KEYS, marked: bool = False, pass_tokens: int = _PASS_TOKENS,
    exclusive: Exclusive = nullcontext, on_progress: Callable[[int, int], None] = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> ReferenceStore:  # fmt: skip
    """Read rows once and store the last hidden state before each token of their answers, the one that ends them included.

    Args:
        base: the base model, whose logits are a linear function of its last hidden states.
        rows: training rows, in the order in which there is room for them, of which a slice is asked for at a time; of preference pairs the
            preferred answer is stored.
        most_keys: states that there is room for; a row that has none is dropped whole, and the next ones are tried.
        marked: remove the marks of edited text, since nothing is edited here.
        pass_tokens: padded tokens of one pass, unless a single row is longer.
        exclusive: entered around every pass, so that others can use the base model in between.
        on_progress: is told how many rows are read, and of how many.
        should_stop: asked before every pass.

    Raises:
        ConfigError: the base model writes no text, or has no such head.
        DataError: no row can be stored.
        StoppedError: it was told to stop.
    """
    _check_base(base)
    checks.whole_number(most_keys, "most_keys", 1)
    reading, room = _Reading(base, marked, pass_tokens), most_keys
    keys, values, of_rows, dropped = list[Tensor](), list[int](), list[int](), list[int]()
    for begin in range(0, len(rows), _ENCODED):
        if not room:
            dropped += range(begin, len(rows))
            break
        kept: list[tuple[int, EncodedExample]] = []
        for index, row in reading.encoded(rows[begin : begin + _ENCODED], begin):
            if len(row.answer_ids) > room:
                dropped.append(index)
                continue
            room -= len(row.answer_ids)
            kept.append((index, row))
        for batch in reading.passes(kept):
            if should_stop():
                raise StoppedError("Stopped while the rows were read; nothing was stored.", kind="references.stopped")
            with exclusive():
                keys.append(_states(base, [row for _, row in batch])[0])
            for index, row in batch:
                values += row.answer_ids
                of_rows += [index] * len(row.answer_ids)
            on_progress(batch[-1][0] + 1, len(rows))
    if not keys:
        raise DataError("None of the rows can be stored for {base}.", kind="references.empty", base=base.name) from reading.error
    keys_KD = torch.cat(keys)
    return ReferenceStore(
        keys_KD,
        keys_KD.square().sum(dim=-1),
        torch.tensor(values, device=keys_KD.device),
        torch.tensor(of_rows),
        _median(keys_KD),
        tuple(dropped),
        tuple(reading.refused),
    )


def _check_base(base: Base) -> None:
    """Raises ConfigError for a base model that has no last hidden states whose next token could be stored."""
    checks.check_base(base)
    check_writers(base, [None])
    check_linear_head(base)
    blocks.attach(base.model)  # what its head reads is noted by a hook


class _Reading:
    """Encodes rows and puts them into passes; ``refused`` are the indices of those that cannot be read, ``error`` says why of one."""

    def __init__(self, base: Base, marked: bool, pass_tokens: int) -> None:
        self._base, self._marked, self._pass_tokens = base, marked, pass_tokens
        self.refused: list[int] = []
        self.error: DataError | None = None

    def encoded(self, given: Sequence[LooseRow], begin: int) -> Iterator[tuple[int, EncodedExample]]:
        """Rows with their indices, which count from ``begin``."""
        examples = [row.preferred if isinstance(row, Preference) else row for row in as_rows(given)]
        asking = with_prompts(self._base, [self._plain(row) for row in examples])
        rows = go_on(asking, lambda some: encode_examples(self._base, some, self._base.context))  # type: ignore[arg-type]
        for index, row in enumerate(rows, begin):
            if isinstance(row, DataError):
                self.refused.append(index)
                self.error = row
            else:
                yield index, row

    def _plain(self, row: Example) -> Example:
        return replace(row, messages=without_marks(row.messages)) if self._marked else row

    def passes(self, rows: Sequence[tuple[int, EncodedExample]]) -> Iterator[list[tuple[int, EncodedExample]]]:
        """Consecutive rows that are read together; their order stays."""
        batch: list[tuple[int, EncodedExample]] = []
        for each in rows:
            longest = max(row.length for _, row in [*batch, each])
            if batch and (len(batch) + 1) * longest > self._pass_tokens:
                yield batch
                batch = []
            batch.append(each)
        if batch:
            yield batch


@torch.no_grad()
def _states(base: Base, rows: Sequence[EncodedExample], *, logits: bool = False) -> tuple[Tensor, Tensor]:
    """What the head reads before each token of the rows' answers (N, D), row after row; with ``logits`` also what it gives (N, V)."""
    batch = collate(base, rows)
    answered = (batch.targets.flatten() != -100).nonzero()[:, 0]
    with blocks.keeping_head_inputs() as hidden, blocks.editing({}, answered if logits else answered[:0], batch_shape=batch.shape):
        output = blocks.without_peft(base.model)(**{"use_cache": False, **batch.inputs}).logits
    return hidden[-1].flatten(0, 1)[answered].float().clone(), output


def _median(keys_KD: Tensor) -> float:
    """The median squared distance between stored states; of a large store by some of them, spread evenly."""
    some = keys_KD[torch.linspace(0, len(keys_KD) - 1, min(_MEASURED, len(keys_KD))).long()]
    distances = torch.cdist(some, some).square()
    others = distances[~torch.eye(len(some), dtype=torch.bool, device=some.device)]
    return float(others.median()) if len(others) and float(others.median()) > 0 else 1.0


@dataclass(frozen=True, slots=True)
class Tried:
    """One setting on held-out rows: how many of them it answers exactly right, and the mean log-probability of their answers' tokens."""

    blend: float
    temperature: float
    right: int
    log_probability: float


@dataclass(frozen=True, slots=True)
class ChosenBlend:
    """The setting that did best on held-out rows, all that were tried (the first is the base model alone), and how many rows they are.

    The rows chose it, so that they flatter it.
    """

    best: Tried
    tried: tuple[Tried, ...]
    rows: int


def choose_blend(
    base: Base, store: ReferenceStore, held_out: Sequence[LooseRow], *, k: int = NEAREST, marked: bool = False,
    blends: Sequence[float] = BLENDS, temperatures: Sequence[float] = TEMPERATURES, pass_tokens: int = _PASS_TOKENS,
    exclusive: Exclusive = nullcontext, should_stop: Callable[[], bool] = lambda: False,
) -> ChosenBlend:  # fmt: skip
    """Try blends and temperatures on held-out rows, in one pass over these: most rows exactly right, then the likeliest answers.

    A row is right when each token of its answer is the likeliest after those before it, as greedy decoding would write it.

    Raises:
        ConfigError: as from `build_store`; or a blend or temperature is out of range.
        DataError: no row can be read.
        StoppedError: it was told to stop.
    """
    _check_base(base)
    settings = [(0.0, TEMPERATURE), *((blend, temperature) for blend in blends for temperature in temperatures)]
    for blend, temperature in settings:
        store.adjust(blend, k, temperature)
    reading = _Reading(base, marked, pass_tokens)
    rows = list(reading.encoded(held_out, 0))
    if not rows:
        raise DataError("None of the held-out rows can be read by {base}.", kind="references.none_held_out", base=base.name)
    right, sums = [0] * len(settings), [0.0] * len(settings)
    for batch in reading.passes(rows):
        if should_stop():
            raise StoppedError("Stopped before a setting was chosen.", kind="references.choice_stopped")
        with exclusive():
            hidden_ND, logits_NV = _states(base, [row for _, row in batch], logits=True)
        at = 0
        for _, row in batch:
            found = [
                _followed(store, hidden_ND[place], logits_NV[place], token, settings, k) for place, token in enumerate(row.answer_ids, at)
            ]
            at += len(row.answer_ids)
            for number in range(len(settings)):
                right[number] += not row.cut and all(each[number][0] for each in found)
                sums[number] += sum(each[number][1] for each in found)
    tokens = sum(len(row.answer_ids) for _, row in rows)
    tried = tuple(Tried(*setting, count, total / tokens) for setting, count, total in zip(settings, right, sums, strict=True))
    return ChosenBlend(max(tried[1:], key=lambda each: (each.right, each.log_probability)), tried, len(rows))


def _followed(
    store: ReferenceStore, hidden_D: Tensor, logits_V: Tensor, token: int, settings: Sequence[tuple[float, float]], k: int
) -> list[tuple[bool, float]]:
    """For each setting, whether a token is the likeliest one after a state, and its log-probability."""
    (indices, distances), own = store.nearest(hidden_D, k), torch.log_softmax(logits_V.float(), dim=-1)
    found = []
    for blend, temperature in settings:
        log_p = store.blended(logits_V, (indices, store.weights(distances, temperature)), blend) if blend else own
        found.append((int(log_p.argmax()) == token, float(log_p[token])))
    return found
