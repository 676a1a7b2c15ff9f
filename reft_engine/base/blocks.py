"""Finds the blocks of a Hugging Face model by structure, and lets edits act on their outputs.

What is attached is set once per base model and does nothing unless the calling thread is inside `editing(...)`, so the base
model itself is never changed and calls of other threads are not touched. Each block's forward is wrapped: the wrapper edits
its output, and skips the block where its output is known already or needed by nobody. A hook on the model notes how many
tokens earlier passes of the same generation have read; one on the output head can be told to compute logits of chosen
tokens only.
"""

import inspect
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers.cache_utils import DynamicCache, DynamicLayer

from reft_engine.errors import ConfigError

Edit = Callable[[Tensor, int], Tensor]
"""Takes the hidden states (B, T, D) after a block and how many tokens came before them in earlier passes; returns them edited."""
Within = Callable[[int, Callable[..., Any]], Callable[..., Any]]
"""Takes a layer and its block's forward pass; returns what is run in its place."""


@dataclass(frozen=True, slots=True)
class BlockOutput:
    """What a block gives: hidden states (B, T, D), and how many outputs it gives in all (None: these alone, in no tuple)."""

    layer: int
    hidden: Tensor
    outputs: int | None


@dataclass(slots=True)
class Call:
    """What one thread asks of the blocks for one forward pass, or for one generation; see `editing`."""

    edits: Mapping[int, Edit]
    kept: Tensor | None = None
    shape: tuple[int, ...] = ()
    checkpointed: bool = False
    start: BlockOutput | None = None
    end: int | None = None
    within: Within | None = None
    reached: BlockOutput | None = None
    past: int = 0


_ACTIVE: ContextVar[Call | None] = ContextVar("reft_call", default=None)
_ATTACHING = threading.Lock()
_ATTACHED = "_reft_block"


def is_encoder_decoder(model: nn.Module) -> bool:
    """Whether the prompt is read by an encoder of its own, which then is what is edited (T5, BART)."""
    return bool(getattr(getattr(model, "config", None), "is_encoder_decoder", False))


def is_encoder(model: nn.Module) -> bool:
    """Whether the model reads in both directions and writes no text (BERT)."""
    from transformers import MODEL_FOR_MASKED_LM_MAPPING

    config: Any = getattr(model, "config", None)
    return type(config) in MODEL_FOR_MASKED_LM_MAPPING and not is_encoder_decoder(model) and not getattr(config, "is_decoder", False)


def count_positions(model: Any, attention_mask: Tensor) -> dict[str, Tensor]:
    """The ``position_ids`` (B, T) with which padding in front changes nothing; empty for a model that needs none.

    Those need them that look positions up in a table, learned (GPT-2, BERT) or computed (XGLM). Rotary and other relative
    positions are the same from any start, and are left as they are, so that an edit of strength 0 is the base model bit for bit.
    """
    if _position_table(model) is None or not takes(model, "position_ids") or is_encoder_decoder(model):
        return {}
    return {"position_ids": (attention_mask.cumsum(dim=1) - 1).clamp(min=0) + first_position(model)}


def first_position(model: Any) -> int:
    """The position, as the model counts them, of a text's first token."""
    table = _position_table(model)
    return table.first if table else 0


def longest_row(model: Any) -> int:
    """How many tokens of a row the model was made for; 2048 where its config does not say."""
    longest, table = _longest(model), _position_table(model)
    return min(longest, table.rows - table.first) if table else longest or 2048


def has_places(model: Any, tokens: int) -> bool:
    """Whether the model has a position for each of so many tokens; one without a table of them (a rotary one, say) always has."""
    if tokens <= _longest(model) // 2:  # without looking for the table, which is a walk over all modules
        return True
    table = _position_table(model)
    return table is None or tokens <= table.rows - table.first


def _longest(model: Any) -> int:
    return int(getattr(model.config.get_text_config(), "max_position_embeddings", None) or 0)


@dataclass(frozen=True, slots=True)
class _Table:
    """Where a model looks positions up: how many rows it has, and which of them is that of a text's first token."""

    rows: int
    first: int = 0


def _position_table(model: Any) -> _Table | None:
    """The table outside of blocks and input embeddings (which PEFT may have put layers into) with a row for each position."""
    longest, width = _longest(model), hidden_size(model)
    apart = {id(part) for whole in (model.get_input_embeddings(), find_blocks(model)) for part in whole.modules()}
    found = (_learned(part, longest) or _computed(part, longest, width) for part in model.modules() if id(part) not in apart)
    return next(filter(None, found), None) if longest else None


def _learned(part: nn.Module, longest: int) -> _Table | None:
    if not isinstance(part, nn.Embedding):
        return None
    # RoBERTa counts from behind its padding index, and OPT has two rows more than positions.
    first = 0 if part.padding_idx is None else part.padding_idx + 1
    return _Table(part.num_embeddings, first) if longest <= part.num_embeddings <= longest + first + 2 else None


def _computed(part: nn.Module, longest: int, width: int) -> _Table | None:
    """A table of sines and cosines, which no checkpoint holds (XGLM, CTRL) and which grows with longer rows."""
    for table in (part._buffers[name] for name in part._non_persistent_buffers_set):
        if table is not None and table.dim() == 2 and table.shape[1] == width and len(table) >= longest:
            return _Table(len(table))
    return None


def vocabulary(model: Any) -> int:
    """How many tokens the model can read, the rows of its input embeddings."""
    rows: int = model.get_input_embeddings().weight.shape[0]
    return rows


def decoder_start(model: Any) -> int:
    """The token that an encoder-decoder's answer begins behind.

    Raises:
        ConfigError: the model's config names none.
    """
    configs = (model.config, getattr(model, "generation_config", None))
    named = (getattr(config, "decoder_start_token_id", None) for config in configs)
    start: int | None = next((token for token in named if token is not None), None)
    if start is None:
        raise ConfigError(
            f"The config of {type(without_peft(model)).__name__} does not say which token an answer begins with (decoder_start_token_id), "
            "so this base model cannot answer.",
            "base",
            kind="model",
            detail="answer",
        )
    return start


def find_blocks(model: Any) -> nn.ModuleList:
    """Find the blocks: the outermost ``nn.ModuleList`` of like modules that is as long as the config says.

    Of an encoder-decoder these are the encoder's; of a model that reads pictures too, the text model's.

    Raises:
        ConfigError: none or more than one is found.
    """
    if not hasattr(getattr(model, "config", None), "get_text_config"):
        sentence = f"{type(model).__name__} is no Hugging Face model with a config, so this base model cannot be edited."
        raise ConfigError(sentence, "base", kind="model", detail="be edited")
    found = _block_lists(model.get_encoder() if is_encoder_decoder(model) else model, _depth(model))
    if len(found) > 1 and hasattr(model, "get_decoder"):
        found = _block_lists(model.get_decoder(), _depth(model))
    if len(found) != 1:
        raise ConfigError(
            f"The blocks of {type(model).__name__} cannot be told apart ({len(found)} lists of {_depth(model)} blocks found), "
            "so this base model cannot be edited.",
            "base",
            kind="model",
            detail="be edited",
        )
    return found[0]


def _depth(model: Any) -> int | None:
    # Of an encoder-decoder, whose config names both depths, num_hidden_layers is the encoder's.
    config = model.config if is_encoder_decoder(model) else model.config.get_text_config()
    depth: int | None = getattr(config, "num_hidden_layers", None)
    return depth


def _block_lists(root: nn.Module, count: int | None) -> list[nn.ModuleList]:
    lists = [
        module
        for module in root.modules()
        if isinstance(module, nn.ModuleList) and len(module) == count and len({type(block) for block in module}) == 1
    ]
    inner = {id(module) for outer in lists for module in outer.modules() if module is not outer}
    return [module for module in lists if id(module) not in inner]


def hidden_size(model: Any) -> int:
    """Width D of the hidden states, from the config."""
    size: int = model.config.get_text_config().hidden_size
    return size


def output_size(model: Any) -> int:
    """Width of the last hidden states as `trunk` gives them; a few models narrow them for their head."""
    head = None if is_encoder_decoder(model) else _linear_head(model)
    return hidden_size(model) if head is None else int(head.in_features)


def _linear_head(model: Any) -> Any:
    """The output head, where there is one and it is a linear layer; FSMT's is the decoder's embedding."""
    head = model.get_output_embeddings()
    return head if hasattr(head, "in_features") else None


def trunk(model: Any) -> Any:
    """The model without its output head: what gives the last hidden states as its first output; of T5 and BART the encoder."""
    inner = without_peft(model)
    if is_encoder_decoder(inner):
        return inner.get_encoder()
    found = inner.base_model
    if found is inner and inner.get_output_embeddings() is not None:
        # a few families name a prefix that only their checkpoints have
        layers = find_blocks(inner)
        found = next(part for part in inner.children() if any(module is layers for module in part.modules()))
    return found


def last_hidden(model: Any, inputs: Mapping[str, Any]) -> Tensor:
    """The last hidden states (B, T, D) of a pass through the `trunk`, under the edits of the `editing` around it."""
    found = trunk(model)
    # Without a cache, which a block that is computed twice (gradient checkpointing) would fill twice.
    uncached = {"use_cache": False} if takes(found, "use_cache") else {}
    hidden: Tensor = found(**{**uncached, **inputs})[0]
    return hidden


def takes(model: nn.Module, argument: str) -> bool:
    """Whether the model's forward pass knows an argument of this name."""
    return argument in inspect.signature(without_peft(model).forward).parameters


def without_peft(model: Any) -> Any:
    """The Hugging Face model itself, where PEFT has put layers into it."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def writes(model: Any) -> bool:
    """Whether the model writes text: it has a language-model head, and transformers' ``generate`` for it."""
    return hasattr(without_peft(model), "generate")


def _check_reads_tokens(model: Any) -> None:
    """Raises ConfigError for a model that reads pictures or sounds, or tokens without a table of embeddings (CANINE)."""
    inner = without_peft(model)
    read = getattr(inner, "main_input_name", "input_ids")
    try:
        known = vocabulary(model) if read == "input_ids" else 0
    except (AttributeError, NotImplementedError):
        known = 0
    if not known:
        reads = "has no table of token embeddings" if read == "input_ids" else f"reads {read}, not token ids"
        sentence = f"{type(inner).__name__} {reads}, so this base model cannot be edited."
        raise ConfigError(sentence, "base", kind="model", detail="be edited")


def attach(model: Any) -> int:
    """Attach what is not attached yet (a copy of a model brings its own), and return the number of blocks.

    Raises:
        ConfigError: the blocks are not found, or what the model reads are no tokens of its own.
    """
    blocks = find_blocks(model)
    _check_reads_tokens(model)
    if getattr(getattr(model, "active_peft_config", None), "is_prompt_learning", False):
        raise ConfigError("PEFT puts trained tokens before this model's prompts, so the prompts' own tokens cannot be edited.", "base")
    head = _linear_head(model)
    with _ATTACHING:
        _keep_differentiable(model)
        for layer, block in enumerate(blocks):
            if (attached := block.__dict__.get(_ATTACHED)) is None:
                attached = _Block(layer, block.forward)
                setattr(block, _ATTACHED, attached)
                block.forward = attached
            attached.layer = layer  # another one, where blocks have been taken out since
        # PEFT answers with the model inside it, and goes past its calls elsewhere; a classifier runs the trunk alone.
        for called in (model, without_peft(model), trunk(model)):
            if not any(hook is _note_past for hook in called._forward_pre_hooks.values()):
                called.register_forward_pre_hook(_note_past, with_kwargs=True)
        if head is not None and not any(hook is _keep_chosen for hook in head._forward_pre_hooks.values()):
            head.register_forward_pre_hook(_keep_chosen)
    return len(blocks)


def attached(model: Any) -> bool:
    """Whether `attach` has been here."""
    return all(_ATTACHED in block.__dict__ for block in find_blocks(model))


def _keep_differentiable(model: Any) -> None:
    """Stop bitsandbytes from packing 4-bit weights for a CPU's bfloat16 products, through which no gradient goes, silently.

    It does so in any pass without gradients, such as an answer before training.
    """
    for part in model.modules():
        if getattr(part, "support_avx512bf16_for_cpu", False):
            part.support_avx512bf16_for_cpu = False
            part.state_dict()  # which unpacks what is packed already


@dataclass(slots=True)
class _Block:
    """Stands in for a block's forward: applies this thread's edit of its layer, if there is any, or skips the block."""

    layer: int
    forward: Callable[..., Any]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        call = _ACTIVE.get()
        if call is None:
            return self.forward(*args, **kwargs)
        edit = call.edits.get(self.layer)
        output = self._output(call, args, kwargs)
        bare = isinstance(output, torch.Tensor)
        hidden = output if bare else output[0]
        if edit is not None:
            hidden = edit(hidden, call.past)
            output = hidden if bare else (hidden, *output[1:])
        if self.layer == call.end:
            call.reached = BlockOutput(self.layer, hidden, None if bare else len(output))
        return output

    def _output(self, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if call.start and self.layer <= call.start.layer:
            hidden = call.start.hidden if self.layer == call.start.layer else _given(args, kwargs)
            return _like(hidden, call.start.outputs)
        if call.end is not None and self.layer > call.end and call.reached:
            return _like(_given(args, kwargs), call.reached.outputs)
        return self._compute(call, args, kwargs)

    def _compute(self, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        forward = call.within(self.layer, self.forward) if call.within else self.forward
        if not call.checkpointed or not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        return checkpoint(forward, *args, use_reentrant=False, preserve_rng_state=False, **kwargs)


def _given(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The hidden states that a block is given."""
    return args[0] if args else kwargs["hidden_states"]


def _like(hidden: Tensor, outputs: int | None) -> Any:
    return hidden if outputs is None else (hidden, *[None] * (outputs - 1))


def _note_past(_module: nn.Module, _args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    if call := _ACTIVE.get():
        cache = kwargs.get("past_key_values")
        call.past = int(cache.get_seq_length()) if cache is not None else 0


def _keep_chosen(_module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
    call = _ACTIVE.get()
    # Other shapes are of heads that read several streams (ProphetNet), or of a copy of the head inside it that PEFT trains.
    if call is None or call.kept is None or not args or args[0].shape[:-1] != call.shape:
        return None
    return (args[0].flatten(0, 1).index_select(0, call.kept), *args[1:])


@contextmanager
def editing(
    edits: Mapping[int, Edit], kept: Tensor | None = None, shape: tuple[int, ...] = (), *,
    checkpointed: bool = False, start: BlockOutput | None = None, end: int | None = None, within: Within | None = None,
) -> Iterator[Call]:  # fmt: skip
    """Let the given edits, by layer, act on forward passes of this thread inside the ``with``.

    Args:
        edits: what acts on each block's output.
        kept: (N,) flat indices into (B*T,); a model with a linear head then gives logits (N, V) of these tokens alone.
        shape: (B, T) of what ``kept`` points into.
        checkpointed: keep only the blocks' inputs for the backward pass and compute the rest again (gradient checkpointing).
            Hugging Face's own switch acts in training mode alone, which would bring the base model's dropout with it.
        start: skip the blocks up to this one and go on from what it gave, to which its edit is applied.
        end: skip the blocks behind this one; what it gives, edited, is ``reached`` of what the ``with`` yields.
        within: what blocks are run in.
    """
    call = Call(edits, kept, shape, checkpointed, start, end, within)
    token = _ACTIVE.set(call)
    try:
        yield call
    finally:
        _ACTIVE.reset(token)


def cache_of(layers: Sequence[tuple[Tensor, Tensor]]) -> DynamicCache:
    """A cache that holds the given keys and values (B, H, T, E), layer by layer."""
    cache = DynamicCache()
    for keys, values in layers:
        layer = DynamicLayer()
        layer.lazy_initialization(keys, values)
        layer.keys, layer.values = keys, values
        cache.layers.append(layer)
    return cache
