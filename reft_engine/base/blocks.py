"""Finds the blocks of a Hugging Face model by structure, and applies edits to their outputs.

`attach` wraps the forward function of each block once per base model. The wrapper does nothing unless the calling thread is
inside `editing(...)`, so the base model never changes and other threads are unaffected. Inside, it edits the block's output,
and skips the block where the output is already known or not needed. A pre-forward hook on the model records how many tokens
the KV cache holds; one on the output head can restrict logits to selected tokens.
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
"""Takes the hidden states (B, T, D) after a block and the number of cached tokens before them; returns them edited."""
BlockRunner = Callable[[int, Callable[..., Any]], Callable[..., Any]]
"""Takes a layer and its block's forward function; returns the function to call instead."""


@dataclass(frozen=True, slots=True)
class BlockOutput:
    """Output of one block: hidden states (B, T, D) and the length of its output tuple (None: it returns a bare tensor)."""

    layer: int
    hidden: Tensor
    tuple_length: int | None


@dataclass(slots=True)
class Call:
    """State of one thread's forward pass or generation: the arguments of `editing`, the output of block ``stop_after``, cached tokens."""

    edits: Mapping[int, Edit]
    logit_tokens: Tensor | None = None
    batch_shape: tuple[int, ...] = ()
    checkpointed: bool = False
    resume_after: BlockOutput | None = None
    stop_after: int | None = None
    run_block: BlockRunner | None = None
    output: BlockOutput | None = None
    past: int = 0


_ACTIVE: ContextVar[Call | None] = ContextVar("reft_call", default=None)
_HEAD_INPUTS: ContextVar[list[Tensor] | None] = ContextVar("reft_head_inputs", default=None)
_ATTACHING = threading.Lock()
_ATTACHED = "_reft_block"


def is_encoder_decoder(model: nn.Module) -> bool:
    """Whether a separate encoder reads the prompt (T5, BART); its blocks are then the edited ones."""
    return bool(getattr(getattr(model, "config", None), "is_encoder_decoder", False))


def is_encoder(model: nn.Module) -> bool:
    """Whether the model attends in both directions and generates no text (BERT)."""
    from transformers import MODEL_FOR_MASKED_LM_MAPPING

    config: Any = getattr(model, "config", None)
    return type(config) in MODEL_FOR_MASKED_LM_MAPPING and not is_encoder_decoder(model) and not getattr(config, "is_decoder", False)


def position_inputs(model: Any, attention_mask: Tensor) -> dict[str, Tensor]:
    """The ``position_ids`` (B, T) that make left padding irrelevant; empty for a model that needs none.

    Models with a table of positions need them, learned (GPT-2, BERT) or computed (XGLM). Rotary and other relative positions
    do not depend on the offset; they are left alone, so that an edit of strength 0 matches the base model bit for bit.
    """
    if _position_table(model) is None or not accepts_argument(model, "position_ids") or is_encoder_decoder(model):
        return {}
    return {"position_ids": (attention_mask.cumsum(dim=1) - 1).clamp(min=0) + first_position(model)}


def first_position(model: Any) -> int:
    """The position id of a sequence's first token."""
    table = _position_table(model)
    return table.first if table else 0


def context_length(model: Any) -> int:
    """Maximum sequence length in tokens; 2048 where the config states none."""
    limit, table = _max_positions(model), _position_table(model)
    return min(limit, table.rows - table.first) if table else limit or 2048


def fits_positions(model: Any, tokens: int) -> bool:
    """Whether the model has a position for each of ``tokens``; always true without a table of positions (rotary models)."""
    if tokens <= _max_positions(model) // 2:  # avoids the search for the table, which walks over all modules
        return True
    table = _position_table(model)
    return table is None or tokens <= table.rows - table.first


def _max_positions(model: Any) -> int:
    return int(getattr(model.config.get_text_config(), "max_position_embeddings", None) or 0)


@dataclass(frozen=True, slots=True)
class _PositionTable:
    """A model's table of positions: its number of rows, and the row of a sequence's first token."""

    rows: int
    first: int = 0


def _position_table(model: Any) -> _PositionTable | None:
    """The module with a row for each position, outside the blocks and the input embeddings (where PEFT may have put layers)."""
    limit, width = _max_positions(model), hidden_size(model)
    excluded = {id(module) for root in (model.get_input_embeddings(), find_blocks(model)) for module in root.modules()}
    candidates = (module for module in model.modules() if id(module) not in excluded)
    tables = (_learned_table(module, limit) or _sinusoidal_table(module, limit, width) for module in candidates)
    return next(filter(None, tables), None) if limit else None


def _learned_table(module: nn.Module, limit: int) -> _PositionTable | None:
    if not isinstance(module, nn.Embedding):
        return None
    # RoBERTa counts from the index after its padding index, and OPT has two more rows than positions.
    first = 0 if module.padding_idx is None else module.padding_idx + 1
    return _PositionTable(module.num_embeddings, first) if limit <= module.num_embeddings <= limit + first + 2 else None


def _sinusoidal_table(module: nn.Module, limit: int, width: int) -> _PositionTable | None:
    """A table of sines and cosines that no checkpoint contains (XGLM, CTRL); it grows with longer sequences."""
    for table in (module._buffers[name] for name in module._non_persistent_buffers_set):
        if table is not None and table.dim() == 2 and table.shape[1] == width and len(table) >= limit:
            return _PositionTable(len(table))
    return None


def vocabulary_size(model: Any) -> int:
    """Number of token ids: the rows of the input embeddings."""
    rows: int = model.get_input_embeddings().weight.shape[0]
    return rows


def decoder_start_token(model: Any) -> int:
    """The token id that precedes an encoder-decoder's answer.

    Raises:
        ConfigError: the model's config names none.
    """
    configs = (model.config, getattr(model, "generation_config", None))
    tokens = (getattr(config, "decoder_start_token_id", None) for config in configs)
    start: int | None = next((token for token in tokens if token is not None), None)
    if start is None:
        raise ConfigError(
            "The config of {model} does not say which token an answer begins with (decoder_start_token_id), so this base model "
            "cannot answer.",
            "base",
            kind="model.no_answer_start",
            detail="answer",
            model=type(without_peft(model)).__name__,
        )
    return start


def find_blocks(model: Any) -> nn.ModuleList:
    """Find the blocks: the outermost ``nn.ModuleList`` of modules of one type whose length is the depth in the config.

    For an encoder-decoder these are the encoder's blocks; for a multimodal model, the text model's.

    Raises:
        ConfigError: there is no such list, or more than one.
    """
    if not hasattr(getattr(model, "config", None), "get_text_config"):
        sentence = "{model} is no Hugging Face model with a config, so this base model cannot be edited."
        raise ConfigError(sentence, "base", kind="model.no_config", detail="be edited", model=type(model).__name__)
    lists = _block_lists(model.get_encoder() if is_encoder_decoder(model) else model, _depth(model))
    if len(lists) > 1 and hasattr(model, "get_decoder"):
        lists = _block_lists(model.get_decoder(), _depth(model))
    if len(lists) != 1:
        raise ConfigError(
            "The blocks of {model} cannot be told apart ({count} lists of {depth} blocks found), so this base model cannot be edited.",
            "base",
            kind="model.blocks",
            detail="be edited",
            model=type(model).__name__,
            count=len(lists),
            depth=_depth(model),
        )
    return lists[0]


def _depth(model: Any) -> int | None:
    # The config of an encoder-decoder names both depths; num_hidden_layers is the encoder's.
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
    """Width of the last hidden states that `backbone` returns; a few models narrow them for their head."""
    head = None if is_encoder_decoder(model) else _linear_head(model)
    return hidden_size(model) if head is None else int(head.in_features)


def _linear_head(model: Any) -> Any:
    """The output head if it is a linear layer, else None; FSMT's is the decoder's embedding."""
    head = model.get_output_embeddings()
    return head if hasattr(head, "in_features") else None


def backbone(model: Any) -> Any:
    """The model without its output head, which returns the last hidden states first; for T5 and BART, the encoder."""
    inner = without_peft(model)
    if is_encoder_decoder(inner):
        return inner.get_encoder()
    body = inner.base_model
    if body is inner and inner.get_output_embeddings() is not None:
        # A few families name a prefix that exists in their checkpoints only.
        layers = find_blocks(inner)
        body = next(child for child in inner.children() if any(module is layers for module in child.modules()))
    return body


def last_hidden_states(model: Any, inputs: Mapping[str, Any]) -> Tensor:
    """The last hidden states (B, T, D) of a forward pass through the `backbone`; the edits of the enclosing `editing` apply."""
    body = backbone(model)
    # No cache: gradient checkpointing runs a block twice and would fill it twice.
    uncached = {"use_cache": False} if accepts_argument(body, "use_cache") else {}
    hidden: Tensor = body(**{**uncached, **inputs})[0]
    return hidden


def accepts_argument(model: nn.Module, argument: str) -> bool:
    """Whether the model's forward function has an argument of this name."""
    return argument in inspect.signature(without_peft(model).forward).parameters


def without_peft(model: Any) -> Any:
    """The Hugging Face model inside a PEFT model; any other model as it is."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def generates_text(model: Any) -> bool:
    """Whether the model has a language-model head, and with it transformers' ``generate``."""
    return hasattr(without_peft(model), "generate")


def _check_reads_tokens(model: Any) -> None:
    """Raises ConfigError for a model of images or audio, or one that reads tokens without an embedding table (CANINE)."""
    inner = without_peft(model)
    main_input = getattr(inner, "main_input_name", "input_ids")
    try:
        size = vocabulary_size(model) if main_input == "input_ids" else 0
    except (AttributeError, NotImplementedError):
        size = 0
    name = type(inner).__name__
    if main_input != "input_ids":
        sentence = "{model} reads {input}, not token ids, so this base model cannot be edited."
        raise ConfigError(sentence, "base", kind="model.other_input", detail="be edited", model=name, input=main_input)
    if not size:
        sentence = "{model} has no table of token embeddings, so this base model cannot be edited."
        raise ConfigError(sentence, "base", kind="model.no_embeddings", detail="be edited", model=name)


def attach(model: Any) -> int:
    """Wrap the blocks and add the hooks where they are missing (a copied model has its own); returns the number of blocks.

    Raises:
        ConfigError: the blocks are not found, or the model does not read token ids.
    """
    blocks = find_blocks(model)
    _check_reads_tokens(model)
    if getattr(getattr(model, "active_peft_config", None), "is_prompt_learning", False):
        raise ConfigError(
            "PEFT puts trained tokens before this model's prompts, so the prompts' own tokens cannot be edited.",
            "base",
            kind="base.virtual_tokens",
        )
    head = _linear_head(model)
    with _ATTACHING:
        _disable_cpu_packing(model)
        # 1) Wrap the blocks.
        for layer, block in enumerate(blocks):
            if (wrapper := block.__dict__.get(_ATTACHED)) is None:
                wrapper = _BlockWrapper(layer, block.forward)
                setattr(block, _ATTACHED, wrapper)
                block.forward = wrapper
            wrapper.layer = layer  # it changes when blocks are removed
        # 2) Add the hooks. PEFT generates with the inner model, but elsewhere skips its hooks; a classifier runs the backbone alone.
        for module in (model, without_peft(model), backbone(model)):
            if not any(hook is _record_past for hook in module._forward_pre_hooks.values()):
                module.register_forward_pre_hook(_record_past, with_kwargs=True)
        if head is not None and not any(hook is _select_logit_tokens for hook in head._forward_pre_hooks.values()):
            head.register_forward_pre_hook(_select_logit_tokens)
    return len(blocks)


def is_attached(model: Any) -> bool:
    """Whether `attach` has wrapped all blocks of the model."""
    return all(_ATTACHED in block.__dict__ for block in find_blocks(model))


def _disable_cpu_packing(model: Any) -> None:
    """Stop bitsandbytes from packing 4-bit weights for bfloat16 products on a CPU: packed weights silently pass no gradient.

    It packs them in any forward pass without gradients, such as an answer before training.
    """
    for module in model.modules():
        if getattr(module, "support_avx512bf16_for_cpu", False):
            module.support_avx512bf16_for_cpu = False
            module.state_dict()  # unpacks weights that are packed already


@dataclass(slots=True)
class _BlockWrapper:
    """Replaces a block's forward function: applies this thread's edit of its layer, if any, or skips the block."""

    layer: int
    forward: Callable[..., Any]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        call = _ACTIVE.get()
        if call is None:
            return self.forward(*args, **kwargs)
        edit = call.edits.get(self.layer)
        output = self._unedited(call, args, kwargs)
        is_tensor = isinstance(output, torch.Tensor)
        hidden = output if is_tensor else output[0]
        if edit is not None:
            hidden = edit(hidden, call.past)
            output = hidden if is_tensor else (hidden, *output[1:])
        if self.layer == call.stop_after:
            call.output = BlockOutput(self.layer, hidden, None if is_tensor else len(output))
        return output

    def _unedited(self, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The block's output before its edit; a skipped block passes its input on."""
        if call.resume_after and self.layer <= call.resume_after.layer:
            hidden = call.resume_after.hidden if self.layer == call.resume_after.layer else _hidden_argument(args, kwargs)
            return _as_output(hidden, call.resume_after.tuple_length)
        if call.stop_after is not None and self.layer > call.stop_after and call.output:
            return _as_output(_hidden_argument(args, kwargs), call.output.tuple_length)
        return self._compute(call, args, kwargs)

    def _compute(self, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the block."""
        forward = call.run_block(self.layer, self.forward) if call.run_block else self.forward
        if not call.checkpointed or not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        return checkpoint(forward, *args, use_reentrant=False, preserve_rng_state=False, **kwargs)


def _hidden_argument(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The hidden states passed to a block."""
    return args[0] if args else kwargs["hidden_states"]


def _as_output(hidden: Tensor, tuple_length: int | None) -> Any:
    """Hidden states in the form of a block's output, with None for the rest of its tuple."""
    return hidden if tuple_length is None else (hidden, *[None] * (tuple_length - 1))


def _record_past(_module: nn.Module, _args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Record the length of the KV cache."""
    if call := _ACTIVE.get():
        cache = kwargs.get("past_key_values")
        call.past = int(cache.get_seq_length()) if cache is not None else 0


def _select_logit_tokens(_module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """Replace the head's input (B, T, D) by the selected tokens (N, D), and keep it where that is wanted."""
    call, kept = _ACTIVE.get(), _HEAD_INPUTS.get()
    if kept is not None and args:
        kept.append(args[0])
    # Other shapes belong to heads that read several streams (ProphetNet), or to the copy of the head that PEFT trains inside it.
    if call is None or call.logit_tokens is None or not args or args[0].shape[:-1] != call.batch_shape:
        return None
    return (args[0].flatten(0, 1).index_select(0, call.logit_tokens), *args[1:])


@contextmanager
def editing(
    edits: Mapping[int, Edit], logit_tokens: Tensor | None = None, batch_shape: tuple[int, ...] = (), *,
    checkpointed: bool = False, resume_after: BlockOutput | None = None, stop_after: int | None = None,
    run_block: BlockRunner | None = None,
) -> Iterator[Call]:  # fmt: skip
    """Apply ``edits`` to this thread's forward passes inside the ``with``; yields the `Call`.

    Args:
        edits: the edit of each layer's output.
        logit_tokens: (N,) flat indices into (B*T,); a linear head then computes logits (N, V) of these tokens only.
        batch_shape: (B, T) that ``logit_tokens`` indexes.
        checkpointed: keep only the blocks' inputs for the backward pass and recompute the rest (gradient checkpointing).
            Hugging Face's own switch works in training mode only, which would turn on the base model's dropout.
        resume_after: skip the blocks up to and including this one and continue from its output; its edit still applies.
        stop_after: skip the blocks after this one; its edited output becomes ``output`` of the `Call`.
        run_block: wraps the forward function of each block.
    """
    call = Call(edits, logit_tokens, batch_shape, checkpointed, resume_after, stop_after, run_block)
    token = _ACTIVE.set(call)
    try:
        yield call
    finally:
        _ACTIVE.reset(token)


@contextmanager
def keeping_head_inputs() -> Iterator[list[Tensor]]:
    """Keep what linear output heads read in this thread's forward passes inside the ``with``: the last hidden states (B, T, D)."""
    kept: list[Tensor] = []
    token = _HEAD_INPUTS.set(kept)
    try:
        yield kept
    finally:
        _HEAD_INPUTS.reset(token)


def has_linear_head(model: Any) -> bool:
    """Whether the model's output head is a linear layer of the last hidden states."""
    return not is_encoder_decoder(model) and _linear_head(model) is not None


def cache_of(layers: Sequence[tuple[Tensor, Tensor]]) -> DynamicCache:
    """A cache that holds the given keys and values (B, H, T, E), layer by layer."""
    cache = DynamicCache()
    for keys, values in layers:
        layer = DynamicLayer()
        layer.lazy_initialization(keys, values)
        layer.keys, layer.values = keys, values
        cache.layers.append(layer)
    return cache
