"""What an edit changes: how strongly at each layer, and where on the prompt, measured in passes that the edit acts on.

Legend: B rows, T tokens (padded), L edited layers, D hidden size.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from reft_engine.base import blocks
from reft_engine.base.loading import Base
from reft_engine.data import LooseRow, as_rows
from reft_engine.edits.model import ReftModel
from reft_engine.edits.noting import Note, noting
from reft_engine.spec import TrainConfig
from reft_engine.tokens.batches import collate, in_batches
from reft_engine.tokens.examples import EncodedExample
from reft_engine.tokens.pieces import token_texts
from reft_engine.trainable import Trainable, check_edit
from reft_engine.training.looked_at import ChangedToken, Changes, LayerChange, PlaceChange
from reft_engine.training.measuring import Exclusive
from reft_engine.training.objectives import objective_for
from reft_engine.training.rows import read_rows
from reft_engine.training.schedule import MEASURED_AT_ONCE
from reft_engine.training.verdict import finite

_ROWS = 32
_MOST_READ = 20 * _ROWS
"""Rows that are read at most to find `_ROWS` that can be used."""
_PLACES = 8
"""First and last tokens of the prompt that are told one by one."""
_EXAMPLE_TOKENS = 96


@dataclass(frozen=True, slots=True)
class _Row:
    """A prompt with the change of each of its tokens at each edited layer, (L, T), 0 where it is not edited."""

    prompt: EncodedExample
    norms: Tensor
    shares: Tensor

    @property
    def edited(self) -> list[int]:
        """Its edited tokens."""
        return sorted({token for group in self.prompt.edited for token in group})

    @property
    def mean_shares(self) -> Tensor:
        """The mean share over layers, (T,)."""
        return self.shares.mean(dim=0)


@torch.no_grad()
def measure_changes(
    base: Base, reft: Trainable, rows: Sequence[LooseRow], train_config: TrainConfig | None = None, *, exclusive: Exclusive = nullcontext,
    on_progress: Callable[[int, int], None] = lambda done, total: None, should_stop: Callable[[], bool] = lambda: False,
) -> Changes | None:  # fmt: skip
    """Measure how an edit changes the hidden states of the prompts of some rows; switches ``reft`` to evaluation mode.

    The change at a layer is that of its own edit alone: the hidden state after it against the one that reaches it, which the edits
    below have changed already.

    Args:
        base: the frozen base model.
        reft: an edit of it.
        rows: as in `train`, such as those that it held out; the first 32 that can be used are looked at.
        train_config: the settings of the run, which say how its rows are encoded.
        exclusive: entered around every pass, so that others can use the base model in between.
        on_progress: called with the number of prompts that are done, and of all.
        should_stop: asked before every pass.

    Returns:
        The figures; None for a baseline, which edits no hidden states, if none of the rows can be used, or when told to stop.

    Raises:
        ConfigError: ``reft`` is not an edit of this base model.
        DataError: a row is no row.
    """
    check_edit(base, reft)
    if not isinstance(reft, ReftModel):
        return None
    with exclusive():
        reft.eval()
    seen, prompts = list[_Row](), _prompts(base, reft, rows, train_config or TrainConfig())
    for batch in in_batches(prompts, MEASURED_AT_ONCE):
        if should_stop():
            return None
        on_progress(len(seen), len(prompts))
        with exclusive():
            seen += _changed(base, reft, batch)
    if not seen:
        return None
    example, gap = _example(base, seen[0])
    return Changes(
        rows=len(seen), tokens=sum(len(row.prompt.prompt_ids) for row in seen), edited=sum(len(row.edited) for row in seen),
        layers=tuple(_layers(reft, seen)), places=tuple(_places(seen)), example=example, gap=gap,
    )  # fmt: skip


def _prompts(base: Base, reft: ReftModel, rows: Sequence[LooseRow], settings: TrainConfig) -> list[EncodedExample]:
    """The prompts of the first rows that can be used; answers are left out, because no edit acts on them."""
    prompts: list[EncodedExample] = []
    for start in range(0, min(len(rows), _MOST_READ), _ROWS):
        some = as_rows(rows[start : start + _ROWS])
        objective = objective_for(base, reft.method_config, settings, some)
        prompts += [objective.sequences([row.encoded])[0] for row in read_rows(objective, some).usable]
        if len(prompts) >= _ROWS:
            break
    return [replace(prompt, answer_ids=()) for prompt in prompts[:_ROWS]]


def _changed(base: Base, reft: ReftModel, prompts: Sequence[EncodedExample]) -> list[_Row]:
    """The changes in some prompts, from one forward pass up to the last edited layer."""
    batch = collate(base, prompts)
    edits, notes = noting(reft.acting().edits(batch.prompts, range(len(prompts)), batch.device))
    with blocks.editing(edits, stop_after=reft.layers[-1]):
        blocks.last_hidden_states(base.model, batch.inputs)
    nothing = Note(torch.zeros(batch.shape), torch.ones(batch.shape))
    by_layer = [notes.get(layer, nothing) for layer in reft.layers]
    norms, shares = torch.stack([note.change for note in by_layer]), torch.stack([note.shares for note in by_layer])
    return [
        _Row(prompt, norms[:, row, begin:end], shares[:, row, begin:end])
        for prompt, (row, begin, end) in zip(prompts, batch.rows, strict=True)
    ]  # fmt: skip


def _layers(reft: ReftModel, rows: Sequence[_Row]) -> Iterator[LayerChange]:
    """The mean change at each layer, over the edited tokens of all prompts."""
    norms = torch.cat([row.norms[:, row.edited] for row in rows], dim=1).double()
    shares = torch.cat([row.shares[:, row.edited] for row in rows], dim=1).double()
    for index, layer in enumerate(reft.layers):
        yield LayerChange(layer, _mean(norms[index]), _mean(shares[index]))


def _places(rows: Sequence[_Row]) -> Iterator[PlaceChange]:
    """The mean change at each place of the prompts; a token counts for the nearer end."""
    shares: defaultdict[int, list[Tensor]] = defaultdict(list)
    prompts: defaultdict[int, int] = defaultdict(int)
    for row in rows:
        places = [_place(index, len(row.mean_shares)) for index in range(len(row.mean_shares))]
        for place, share in zip(places, row.mean_shares, strict=True):
            shares[place].append(share)
        for place in set(places):
            prompts[place] += 1
    for place in (*range(1, _PLACES + 1), 0, *range(-_PLACES, 0)):
        if place in shares:
            yield PlaceChange(place, _mean(torch.stack(shares[place]).double()), prompts[place])


def _place(index: int, length: int) -> int:
    """The place of a token in a prompt; see `PlaceChange`."""
    from_end = index - length
    if index < -from_end and index < _PLACES:
        return index + 1
    return from_end if -from_end <= _PLACES else 0


def _mean(values: Tensor) -> float | None:
    number: float | None = finite(float(values.mean()))
    return number


def _example(base: Base, row: _Row) -> tuple[tuple[ChangedToken, ...], int]:
    """The tokens of a prompt; of a long one those at both ends, and the number of those between them."""
    ids, edited = row.prompt.prompt_ids, set(row.edited)
    tokens = [
        ChangedToken(text, index in edited, finite(float(share)))
        for index, (text, share) in enumerate(zip(token_texts(base, ids), row.mean_shares, strict=True))
    ]  # fmt: skip
    gap = max(0, len(tokens) - _EXAMPLE_TOKENS)
    half = _EXAMPLE_TOKENS // 2
    return tuple(tokens if not gap else tokens[:half] + tokens[-half:]), gap
