"""PEFT's LoRA, trained on the rows, in the batches and by the schedule of the engine's own training: one table can hold both."""

import time
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch.nn import functional as F

from reft_engine import Example, TrainConfig
from reft_engine.base.loading import Base
from reft_engine.spec import ReftConfig
from reft_engine.tokens.batches import collate, epoch_batches
from reft_engine.tokens.examples import encode

RANK = 8
RATE = 2e-3
"""Peak learning rate: of 5e-4, 1e-3, 2e-3, 4e-3 and 8e-3 the best on the samples' held-out rows, which favours LoRA."""


def train_lora(base: Base, examples: Sequence[Example], settings: TrainConfig, rate: float = RATE) -> tuple[Base, int, float]:
    """The base model with trained factors in it (the one given is changed), how many numbers those are, and seconds of training."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(settings.seed)
    get_peft_model(base.model, LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
    weights = [weight for weight in base.model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=rate, weight_decay=settings.weight_decay)
    rows = [encode(base, example, settings.max_length, ReftConfig()) for example in examples]
    total = -(-len(rows) // settings.batch_size) * settings.epochs
    warmup, step, begun = round(settings.warmup_ratio * total), 0, time.perf_counter()
    for epoch in range(settings.epochs):
        for part in epoch_batches(rows, settings.batch_size, settings.seed, epoch):
            optimizer.param_groups[0]["lr"] = rate * ((step + 1) / warmup if step < warmup else (total - step) / max(total - warmup, 1))
            batch = collate(base, part)
            logits = base.model(**batch.inputs, use_cache=False).logits
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=-100).backward()
            torch.nn.utils.clip_grad_norm_(weights, settings.max_grad_norm)
            optimizer.step()
            step += 1
    return replace(base, model=base.model.eval()), sum(weight.numel() for weight in weights), time.perf_counter() - begun
