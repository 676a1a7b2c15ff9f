"""The least that a step on a frozen model can cost: its passes alone, with logits only where there are labels."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.speed.gate import Gate
from benchmarks.speed.models import Inputs, build, work_through
from benchmarks.speed.work import Job


def forward(job: Job, gate: Gate) -> None:
    """The loss, without any gradient."""
    model = build(job)

    def step(inputs: Inputs) -> float:
        with torch.no_grad():
            return _loss(model, inputs).item()

    work_through(job, gate, step)


def backward(job: Job, gate: Gate) -> None:
    """The loss, and its gradient with respect to the output of the lowest edited block."""
    model = build(job)
    leaves: list[Tensor] = []

    def cut(module: Any, args: Any, output: Any) -> Any:
        hidden = output[0] if isinstance(output, tuple) else output
        leaves.append(hidden.detach().requires_grad_())
        return (leaves[-1], *output[1:]) if isinstance(output, tuple) else leaves[-1]

    model.model.layers[min(job.work.layers)].register_forward_hook(cut)

    def step(inputs: Inputs) -> float:
        loss = _loss(model, inputs)
        loss.backward()
        assert leaves.pop().grad is not None
        return loss.item()

    work_through(job, gate, step)


def _loss(model: Any, inputs: Inputs) -> Tensor:
    hidden = model.model(input_ids=inputs.input_ids, attention_mask=inputs.attention_mask, use_cache=False)[0]
    labels = inputs.labels[:, 1:]
    labelled = labels != -100
    return F.cross_entropy(model.lm_head(hidden[:, :-1][labelled]).float(), labels[labelled])
