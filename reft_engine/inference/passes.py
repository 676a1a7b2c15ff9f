"""The passes of rows that are answered together: each is prefilled with its own edits, then all decode the next token, without edits.

`Together` lets rows join and leave one KV cache between tokens. `Apart` is for what cannot: rows that begin together and stay (an
encoder-decoder, a sliding window), and single ones (a base model that takes no positions, prompts behind virtual tokens).

Legend: B rows, T tokens (padded), V vocabulary, D hidden size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from reft_engine.base import blocks
from reft_engine.base.loading import Base
from reft_engine.baselines.mixed import MixedWeights
from reft_engine.baselines.peft import PeftBaseline
from reft_engine.edits.interventions import Factors
from reft_engine.edits.model import ReftModel
from reft_engine.edits.plan import Prompts
from reft_engine.edits.stacked import PlannedEdit, combined
from reft_engine.inference import kv_cache
from reft_engine.inference.decoding import Decoding, next_logits, prefill
from reft_engine.inference.row_cache import OtherCacheError, RowCache, is_poolable
from reft_engine.positions import UNEDITED, EditedTokens
from reft_engine.tokens.batches import Cached, lay_out
from reft_engine.tokens.examples import EncodedExample


@dataclass(frozen=True, slots=True)
class RowEdit:
    """An edit of one row, as it was when the row began (training may go on meanwhile), and the tokens of its prompt that it changes.

    ``mixed`` says that other edits may change the same tokens, and ``layers`` which of its layers act; None for all.
    """

    reft: ReftModel
    factors: Factors
    strength: float
    tokens: EditedTokens
    mixed: bool = False
    layers: frozenset[int] | None = None

    @property
    def is_on(self) -> bool:
        """Whether it has tokens and layers at which it is computed."""
        return (self.layers is None or bool(self.layers)) and any(self.tokens)

    @property
    def acts(self) -> bool:
        """Whether it changes anything; a row whose edits do not is a row of the base model."""
        return self.strength != 0 and self.is_on


@dataclass(eq=False, slots=True)
class Reading:
    """A row whose prompt is being read.

    Attributes:
        ids: the token ids that are prefilled, at least one.
        edits: what edits it; none for the base model alone.
        weights: the baseline whose weights its row has, if any.
        scored: number of last tokens after which logits are wanted.
        cache: the KV cache of what is read.
        whose: beginnings that were read before are those of the same.
    """

    ids: Sequence[int]
    edits: tuple[RowEdit, ...] = ()
    weights: PeftBaseline | None = None
    scored: int = 1
    cache: Any = None
    whose: str = ""

    @property
    def unedited(self) -> int:
        """Number of tokens before the first that is not as in the base model; all of them for the base model alone."""
        if self.weights is not None:
            return 0
        edited = (tokens[0] for edit in self.edits if edit.acts for tokens in edit.tokens if tokens)
        return min(edited, default=len(self.ids))

    @property
    def done(self) -> int:
        """Number of tokens that are read."""
        return int(self.cache.get_seq_length()) if self.cache is not None else 0

    @property
    def left(self) -> int:
        """Number of tokens that are not read."""
        return len(self.ids) - self.done


class Pass(Protocol):
    """Rows that are answered together; the index of a row is its place among those that joined and have not left."""

    def read(self, rows: Sequence[Reading]) -> Tensor:
        """Prefill rows, which join; logits (B, S, V) after their last S tokens, as many as a row wants to be scored."""
        ...

    def next(self, token_B: Sequence[int]) -> Tensor:
        """Logits (B, V) after the next token of each row."""
        ...

    def leave(self, row: int) -> None:
        """Remove a row; the last one takes its place."""
        ...


def plan_edits(
    rows: Sequence[Reading], prompts: Prompts, device: torch.device, *, compute_zero: bool = False
) -> dict[int, blocks.Edit]:  # fmt: skip
    """The edits of all rows of a pass; rows with the same edit, of which the same layers act, share a plan.

    ``compute_zero`` is as in `combined`.
    """
    chosen: dict[tuple[int, float, bool, frozenset[int] | None], dict[int, RowEdit]] = {}
    for index, row in enumerate(rows):
        for edit in row.edits:
            if edit.acts or (compute_zero and edit.is_on):
                chosen.setdefault((id(edit.factors), edit.strength, edit.mixed, edit.layers), {})[index] = edit
    planned = []
    for edits in chosen.values():
        tokens = [edits[index].tokens if index in edits else UNEDITED for index in range(len(rows))]
        edit = next(iter(edits.values()))
        plan = edit.reft.plan_of(replace(prompts, edited=tokens), list(edits), device)
        planned.append(PlannedEdit(edit.reft, plan, edit.factors, edit.strength, edit.mixed, edit.layers))
    return combined(planned, compute_zero=compute_zero)


@dataclass(slots=True)
class Together:
    """Rows of one decoder in one KV cache, which join and leave between tokens; those of baselines have the weights of their own.

    Args:
        base: the base model.
        memory: keys and values of unedited tokens.
    """

    base: Base
    memory: kv_cache.PromptCache
    rows: RowCache = field(default_factory=RowCache)
    weights: list[PeftBaseline | None] = field(default_factory=list)
    mixed: MixedWeights | None = None

    @torch.no_grad()
    def recall(self, row: Reading) -> None:
        """Take what is known of a row's first unedited tokens; those that are scored are always read."""
        if row.cache is None:
            row.cache = self.memory.recall(row.ids, min(row.unedited, len(row.ids) - row.scored), row.whose)

    @torch.no_grad()
    def read_piece(self, row: Reading, tokens: int) -> None:
        """Read the next tokens of a long prompt, but not those that are scored."""
        end = min(row.done + tokens, len(row.ids) - row.scored)
        no_tokens = torch.empty(0, dtype=torch.int64, device=self.base.device)
        row.cache = _cache_of(self._read_on(row, end, no_tokens, (1, end - row.done)))

    @torch.no_grad()
    def read(self, rows: Sequence[Reading]) -> Tensor:
        """See `Pass.read`."""
        scored = max(row.scored for row in rows)
        if len(rows) == 1 and rows[0].done:  # its cache stays in whatever form it has
            output = self._read_on(rows[0], len(rows[0].ids), logits_to_keep=scored)
            spans = [[(0, len(rows[0].ids))]]
        else:
            batch = lay_out(self.base, [EncodedExample(tuple(row.ids), (), 0) for row in rows], _cached(rows))
            inputs: dict[str, Any] = {"use_cache": True, "logits_to_keep": scored, **batch.inputs}
            with blocks.editing(plan_edits(rows, batch.prompts, self.base.device)):
                output = self._run([row.weights for row in rows], inputs)
            before, width = max(row.done for row in rows), batch.shape[1]
            spans = [[(before - row.done, before)] * (row.done > 0) + [(before + width - row.left, before + width)] for row in rows]
        self.rows.join(_cache_of(output), spans)
        self.weights += [row.weights for row in rows]
        logits: Tensor = output.logits[:, -scored:]
        return logits

    def _read_on(
        self, row: Reading, end: int, logit_tokens: Tensor | None = None, batch_shape: tuple[int, ...] = (), **options: Any
    ) -> Any:
        """A pass over the tokens of one row that follow those that are read, up to ``end``."""
        ids = torch.tensor([row.ids[row.done : end]], device=self.base.device)
        prompts = Prompts([(0, 0)], [UNEDITED], 1, len(row.ids))
        with blocks.editing(plan_edits([row], prompts, self.base.device), logit_tokens, batch_shape):
            return self._run([row.weights], {"input_ids": ids, "past_key_values": row.cache, "use_cache": True, **options})

    def _run(self, weights: Sequence[PeftBaseline | None], inputs: Mapping[str, Any]) -> Any:
        """The output of a pass whose rows have the weights of these baselines, or the base model's own."""
        if not any(weights):
            return blocks.without_peft(self.base.model)(**inputs)
        self.mixed = self.mixed or MixedWeights(self.base.model)
        with self.mixed.of_rows(weights) as model:
            return blocks.without_peft(model)(**inputs)

    @torch.no_grad()
    def next(self, token_B: Sequence[int]) -> Tensor:
        """See `Pass.next`."""
        self.rows.make_room()
        inputs = self.rows.inputs(blocks.first_position(self.base.model) if self.rows.is_padded else 0)
        ids = torch.tensor(token_B, device=self.base.device).unsqueeze(1)
        logits: Tensor = self._run(self.weights, {"input_ids": ids, **inputs}).logits[:, -1]
        self.rows.advance()
        return logits

    def leave(self, row: int) -> None:
        """See `Pass.leave`."""
        self.rows.leave(row)
        self.weights[row] = self.weights[-1]
        self.weights.pop()

    def remember(self, row: int, ids: Sequence[int], tokens: int, whose: str = "") -> None:
        """Keep the first ``tokens`` of a row's ids, which are unedited, for prompts of the same ``whose`` that begin alike."""
        length = self.rows.lengths[row]
        tokens = min(tokens, length)
        if tokens > self.memory.holds(ids[:tokens], whose):
            self.memory.remember(ids[:tokens], self.rows.cache, row, self.rows.end - length, whose)


def _cache_of(output: Any) -> Any:
    """The KV cache of a pass. Raises OtherCacheError for one that rows cannot join."""
    cache = getattr(output, "past_key_values", None)
    if not is_poolable(cache):
        raise OtherCacheError
    return cache


def _cached(rows: Sequence[Reading]) -> Cached:
    """What is read already of rows that are padded on the left."""
    if not any(row.done for row in rows):
        return Cached("left" if len({len(row.ids) for row in rows}) > 1 else "right")
    caches = [
        torch.stack([torch.stack([layer.keys[0], layer.values[0]]) for layer in row.cache.layers]) if row.done else None for row in rows
    ]
    return Cached("left", [row.done for row in rows], caches)


@dataclass(slots=True)
class Apart:
    """Rows that begin together and whom nobody joins; who leaves goes on in the batch unseen, until all have left."""

    base: Base
    decoding: Decoding | None = None
    places: list[int] = field(default_factory=list)
    size: int = 0

    @torch.no_grad()
    def read(self, rows: Sequence[Reading]) -> Tensor:
        """See `Pass.read`."""
        batch_rows = [EncodedExample(tuple(row.ids), (), 0) for row in rows]
        logits, self.decoding = prefill(self.base, batch_rows, lambda prompts: plan_edits(rows, prompts, self.base.device))
        self.places, self.size = list(range(len(rows))), len(rows)
        return logits.unsqueeze(1)

    @torch.no_grad()
    def next(self, token_B: Sequence[int]) -> Tensor:
        """See `Pass.next`."""
        assert self.decoding is not None
        tokens = torch.zeros(self.size, dtype=torch.int64)
        tokens[self.places] = torch.tensor(token_B)
        return next_logits(self.base, tokens.to(self.base.device), self.decoding)[self.places]

    def leave(self, row: int) -> None:
        """See `Pass.leave`."""
        self.places[row] = self.places[-1]
        self.places.pop()
