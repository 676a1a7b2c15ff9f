"""The work and the memory of a run by arithmetic, before anything is loaded or measured. Imports no torch.

Work is counted in tokens that pass through one block, forwards or backwards; what is outside the blocks is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from reft_engine.positions import PositionSpec, prompt_positions
from reft_engine.spec import ReftConfig, Reuse, edited_layers

MIN_SHARE = 0.05
"""Least share of a step's work that each kind of reuse must save."""
_PROCESS_BYTES = 410_000_000
"""Resident memory of a worker without a base model (measured with torch 2.x for CPUs)."""
_SAVED_VALUES = 20
"""Values of one token, in hidden sizes, that a block keeps for its backward pass."""
_FLOAT32 = 4


@dataclass(frozen=True, slots=True)
class Saving:
    """What reuse leaves out of a step.

    Attributes:
        depth: hidden states below the first edit come from memory.
        time: keys and values before each row's first edited token do.
        share: share of a step's work, padding aside, that both save.
    """

    depth: bool
    time: bool
    share: float


def choose_reuse(
    layer: int, layers: int, tokens: int, late_tokens: int, *, depth: bool = True, time: bool = True, again: bool = True
) -> Saving:
    """Choose the worthwhile kinds of reuse, among those allowed.

    Args:
        layer: the lowest edited block, counted from 0; ``layers``: number of blocks.
        tokens: tokens of all rows; ``late_tokens``: those from each row's first edited one on.
        depth, time: the kinds that are allowed.
        again: whether rows come again. If they do not, nothing is stored; but tokens that need no gradient are computed without one.
    """
    backward_blocks = layers - 1 - layer  # gradients pass through these
    full_work = (layers + backward_blocks) * tokens

    if not again:
        share = 1 - (layers * tokens + backward_blocks * late_tokens) / full_work
        late = time and share >= MIN_SHARE
        return Saving(depth=False, time=late, share=share * late)

    def share_of(deep: bool, late: bool) -> float:
        return 1 - (2 * backward_blocks if deep else layers + backward_blocks) * (late_tokens if late else tokens) / full_work

    late = time and share_of(False, True) >= MIN_SHARE
    deep = depth and 1 - (1 - share_of(True, late)) / (1 - share_of(False, late)) >= MIN_SHARE
    return Saving(deep, late, share_of(deep, late))


def saved_share(
    config: ReftConfig, layers: int, prompt_tokens: Sequence[int], answer_tokens: Sequence[int], *, reuse: Reuse = "all"
) -> float:
    """Share of the work of a step that activation reuse saves from the second epoch on, between 0 and 1.

    Args:
        config: the edit.
        layers: number of blocks of the base model.
        prompt_tokens: tokens of each row's prompt; ``answer_tokens``: of its answer.
        reuse: the kinds of reuse that are allowed; for an encoder, whose tokens see those after them, ``depth`` or ``none``.

    Raises:
        ConfigError: the base model does not have such a layer.
    """
    tokens, late = _tokens(config, prompt_tokens, answer_tokens)
    return _saving(config, layers, tokens, late, reuse).share if tokens else 0.0


def step_work(
    config: ReftConfig, layers: int, prompt_tokens: Sequence[int], answer_tokens: Sequence[int], later: bool, *, reuse: Reuse = "all"
) -> float:
    """Work of one epoch over these rows: its first one, or with ``later`` one of those that reuse activations.

    The ratio of two positions' work is their relative price. For the arguments see `saved_share`.

    Raises:
        ConfigError: the base model does not have such a layer.
    """
    tokens, late_tokens = _tokens(config, prompt_tokens, answer_tokens)
    if not tokens:
        return 0.0
    layer = edited_layers(config, layers)[0]
    return epoch_work(layer, layers, tokens, late_tokens, _saving(config, layers, tokens, late_tokens, reuse), later=later)


def epoch_work(layer: int, layers: int, tokens: int, late_tokens: int, saving: Saving, *, later: bool) -> float:
    """Work of a first or a later epoch that reuses so; for the arguments see `choose_reuse`."""
    step = (2 * layers - 1 - layer) * tokens * (1 - saving.share)
    if later:
        return step
    # What is stored is computed forwards once: all blocks of the early tokens, and of the others those below the first edit.
    early = (tokens - late_tokens) * saving.time
    return step + layers * early + (layer + 1) * (tokens - early) * saving.depth


def rough_memory(
    parameters: int,
    layers: int,
    hidden_size: int,
    precision_bytes: float,
    batch_tokens: int,
    *,
    lowest_layer: int = 0,
    vocabulary: int = 0,
    learned_tokens: int | None = None,
    checkpointing: bool = False,
    stored_bytes: int = 0,
) -> int:
    """Memory of a run in bytes, roughly: the process, the weights, what the largest micro-batch keeps for its gradients, and reuse.

    A measured figure is better: see `reft_engine.training.estimate`.

    Args:
        parameters: number of parameters of the base model.
        layers: number of its blocks; ``hidden_size``: the size of a hidden state.
        precision_bytes: bytes of one weight: 4 in float32, 2 in bfloat16, 1 or 0.5 in 8 or 4 bits.
        batch_tokens: tokens of the largest micro-batch, padding included.
        lowest_layer: the lowest edited block; blocks below it keep nothing.
        vocabulary: size of the vocabulary, for the logits; 0 leaves them out.
        learned_tokens: tokens of the micro-batch that have a logit; by default half of them.
        checkpointing: blocks are computed twice instead of keeping their values.
        stored_bytes: bytes of activations that reuse keeps in memory.
    """
    value_bytes = max(precision_bytes, 2)  # weights of 8 and 4 bits are multiplied in 16
    kept_blocks = max(layers - 1 - lowest_layer, 1)
    block_values = _SAVED_VALUES * hidden_size * batch_tokens
    activations = (hidden_size * batch_tokens * kept_blocks + block_values) if checkpointing else block_values * kept_blocks
    logits = 2 * _FLOAT32 * vocabulary * (batch_tokens // 2 if learned_tokens is None else learned_tokens)
    return int(_PROCESS_BYTES + parameters * precision_bytes + activations * value_bytes + logits + stored_bytes)


def _saving(config: ReftConfig, layers: int, tokens: int, late_tokens: int, reuse: Reuse) -> Saving:
    depth, time = reuse in ("all", "depth"), reuse in ("all", "time")
    return choose_reuse(edited_layers(config, layers)[0], layers, tokens, late_tokens, depth=depth, time=time)


def _tokens(config: ReftConfig, prompt_tokens: Sequence[int], answer_tokens: Sequence[int]) -> tuple[int, int]:
    """Tokens of all rows, and those from each row's first edited one on."""
    rule = PositionSpec.parse(config.positions)
    tokens = sum(prompt_tokens) + sum(answer_tokens)
    return tokens, tokens - sum(first_edited(rule, prompt) for prompt in prompt_tokens)


def first_edited(rule: PositionSpec, prompt_tokens: int) -> int:
    """The first token of a prompt that a step computes; 0 if the text decides, because the length alone does not say."""
    if rule.reads_text:
        return 0
    groups = prompt_positions(rule, prompt_tokens)
    return min([max(prompt_tokens - 1, 0), *(group[0] for group in groups if group)])
