"""Tiny models with random weights of every family the engine is tried on: three blocks of width 32.

Overrides use the common names (``num_hidden_layers``, not ``n_layer``), and no family needs a download.
"""

from typing import Any

import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM, PreTrainedModel

BLOCKS = 3
PAD, BOS, EOS = 0, 1, 2

_SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": BLOCKS,
    "num_attention_heads": 4,
    "max_position_embeddings": 160,
    "initializer_range": 0.2,  # far from uniform outputs
    "pad_token_id": PAD,
    "bos_token_id": BOS,
    "eos_token_id": EOS,
}
_MLP: dict[str, Any] = {"intermediate_size": 48}
_GROUPED: dict[str, Any] = {**_MLP, "num_key_value_heads": 2}
_GEMMA: dict[str, Any] = {**_GROUPED, "head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 6}
_GRANITE: dict[str, Any] = {"embedding_multiplier": 3.0, "logits_scaling": 0.5, "residual_multiplier": 0.4, "attention_multiplier": 0.2}
_DEBERTA: dict[str, Any] = {  # what version 3 sets
    "relative_attention": True,
    "position_buckets": 8,
    "pos_att_type": ["p2c", "c2p"],
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "position_biased_input": False,
}
_T5: dict[str, Any] = {"d_ff": 48, "d_kv": 8, "relative_attention_num_buckets": 8, "relative_attention_max_distance": 32}
_BART: dict[str, Any] = {"encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "decoder_attention_heads": 4, "init_std": 0.2}

_DECODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", _GROUPED),
    "mistral": ("mistral", {**_GROUPED, "sliding_window": 6}),
    "mixtral": ("mixtral", {**_GROUPED, "num_local_experts": BLOCKS, "num_experts_per_tok": 2}),  # as many experts as blocks
    "qwen2": ("qwen2", _GROUPED),
    "qwen3": ("qwen3", {**_GROUPED, "head_dim": 8}),
    "qwen3-moe": ("qwen3_moe", {**_GROUPED, "head_dim": 8, "moe_intermediate_size": 24, "num_experts": 4, "num_experts_per_tok": 2}),
    "gemma2": ("gemma2", {**_GEMMA, "final_logit_softcapping": 3.0, "attn_logit_softcapping": 2.0}),
    "gemma3": ("gemma3_text", {**_GEMMA, "sliding_window_pattern": 2}),  # blocks 0 and 2 slide, block 1 sees everything
    "phi3": ("phi3", _GROUPED),
    "gpt2": ("gpt2", {}),
    "gpt-neox": ("gpt_neox", _MLP),
    "gptj": ("gptj", {"rotary_dim": 4}),
    "opt": ("opt", {"ffn_dim": 48, "init_std": 0.2}),
    "xglm": ("xglm", {"ffn_dim": 48, "init_std": 0.2}),  # positions from a table that is computed, not learned
    "bloom": ("bloom", {}),
    "falcon": ("falcon", {}),
    "mpt": ("mpt", {"max_seq_len": 160}),
    "olmo2": ("olmo2", _GROUPED),
    "granite": ("granite", {**_GROUPED, **_GRANITE}),
    "smollm3": ("smollm3", {**_GROUPED, "no_rope_layer_interval": 2}),  # block 1 has no positions
    "stablelm": ("stablelm", {**_GROUPED, "qk_layernorm": True}),  # a list of as many norms as heads inside each block
    "cohere": ("cohere", {**_GROUPED, "logit_scale": 2.0}),
}
_ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("bert", _MLP),
    "roberta": ("roberta", _MLP),
    "deberta-v2": ("deberta-v2", {**_MLP, **_DEBERTA}),
    "modernbert": ("modernbert", {**_MLP, "local_attention": 8, "cls_token_id": BOS, "sep_token_id": EOS}),
}
_ENCODER_DECODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "t5": ("t5", {**_T5, "num_decoder_layers": BLOCKS, "decoder_start_token_id": PAD}),  # a T5 decoder block is a list of three, too
    "bart": ("bart", {**_BART, "decoder_layers": BLOCKS, "decoder_start_token_id": EOS, "forced_eos_token_id": None}),
    "m2m100": ("m2m_100", {**_BART, "decoder_layers": BLOCKS, "decoder_start_token_id": EOS, "forced_eos_token_id": None}),
}
_FAMILIES = {**_DECODERS, **_ENCODERS, **_ENCODER_DECODERS}

DECODERS = tuple(_DECODERS)
ENCODERS = tuple(_ENCODERS)
ENCODER_DECODERS = tuple(_ENCODER_DECODERS)


def build(name: str, seed: int = 0, vocab_size: int = 97, **overrides: Any) -> PreTrainedModel:
    """A model of one family in evaluation mode, with weights drawn from the seed alone."""
    kind, settings = _FAMILIES[name]
    config = AutoConfig.for_model(kind, **{**_SHAPE, **settings, "vocab_size": vocab_size, **overrides})
    auto = AutoModelForCausalLM if name in _DECODERS else AutoModel if name in _ENCODERS else AutoModelForSeq2SeqLM
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: PreTrainedModel = auto.from_config(config, dtype=torch.float32)
    return model.eval()
