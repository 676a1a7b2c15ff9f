"""The random model and the batches that all contenders are given; torch and transformers of any version."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import torch
from torch import Tensor

from benchmarks.speed.gate import Gate
from benchmarks.speed.work import SEED, Job, Shape, Work

RATE = 9e-4
SPREAD = 0.02


def build(job: Job) -> Any:
    """A frozen model; weights follow from their order alone, so that every version of transformers builds the same."""
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = job.shape
    config = LlamaConfig(
        vocab_size=shape.vocabulary, hidden_size=shape.hidden, intermediate_size=shape.inner, num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads, num_key_value_heads=shape.heads, max_position_embeddings=shape.context,
        tie_word_embeddings=shape.tied, bos_token_id=None, eos_token_id=None, pad_token_id=None,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    draw = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(0.0, SPREAD, generator=draw)
    model.eval().requires_grad_(False)
    return model.to(device=job.device, dtype=getattr(torch, job.dtype))


@dataclass(frozen=True, slots=True)
class Inputs:
    """``input_ids``, ``attention_mask`` and ``labels`` (B, T), padded on the right; labels on answers alone."""

    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor

    def named(self) -> dict[str, Tensor]:
        """As a Hugging Face model takes them."""
        return {"input_ids": self.input_ids, "attention_mask": self.attention_mask, "labels": self.labels}


def batches(shape: Shape, work: Work, device: str) -> list[Inputs]:
    """The batches of an epoch."""
    return [_padded(rows, device) for rows in work.token_rows(shape.vocabulary)]


def _padded(rows: Iterable[tuple[list[int], list[int]]], device: str) -> Inputs:
    known = list(rows)
    longest = max(len(prompt) + len(answer) for prompt, answer in known)
    ids, mask, labels = (torch.full((len(known), longest), fill, dtype=torch.int64) for fill in (0, 0, -100))
    for row, (prompt, answer) in enumerate(known):
        end = len(prompt) + len(answer)
        ids[row, :end] = torch.tensor([*prompt, *answer])
        mask[row, :end] = 1
        labels[row, len(prompt) : end] = torch.tensor(answer)
    return Inputs(ids.to(device), mask.to(device), labels.to(device))


def work_through(job: Job, gate: Gate, step: Callable[[Inputs], float], trained: int = 0) -> None:
    """One batch after the other, a step each, for as long as steps are asked for."""
    known = batches(job.shape, job.work, job.device)
    gate.ready(trained=trained, versions=versions())
    for inputs in cycle(known):
        gate.wait()
        gate.report(loss=step(inputs))


def optimised(loss_of: Callable[[Inputs], Tensor], weights: list[Tensor]) -> Callable[[Inputs], float]:
    """A bare training step: forward, backward, gradients clipped to norm 1, AdamW."""
    optimizer = torch.optim.AdamW(weights, lr=RATE, weight_decay=0.0)

    def step(inputs: Inputs) -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(inputs)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        return loss.item()

    return step


def versions() -> dict[str, str]:
    """Of what every contender stands on."""
    import transformers

    gpu = {"on": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}
    return {"torch": torch.__version__, "transformers": transformers.__version__, **gpu}
