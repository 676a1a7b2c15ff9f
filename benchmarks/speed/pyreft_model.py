"""pyreft's own model in a bare loop, with what its trainer calls in a step and nothing of the trainer's overhead."""

from typing import Any

import torch

from benchmarks.speed.gate import Gate
from benchmarks.speed.generating import answered
from benchmarks.speed.models import Inputs, build, optimised, work_through
from benchmarks.speed.work import Job, edited


def train(job: Job, gate: Gate) -> None:
    """One LoReFT per edited block for prefix and suffix alike (pyreft's share_weights), as ``ReftTrainer.compute_loss`` runs it."""
    reft = _wrapped(job)
    weights = [weight for weight in reft.get_trainable_parameters() if weight.requires_grad]
    places = _places(job, job.work.rows)

    def loss(inputs: Inputs) -> Any:
        given = {"input_ids": inputs.input_ids, "attention_mask": inputs.attention_mask}
        return reft(given, unit_locations=places, labels=inputs.labels)[1].loss

    work_through(job, gate, optimised(loss, weights), sum(weight.numel() for weight in weights))


def answer(job: Job, gate: Gate) -> None:
    """What pyreft's ``generate`` takes."""
    reft = _wrapped(job)
    reft.eval()
    places = _places(job, 1)

    def write(ids: Any, options: dict[str, Any]) -> Any:
        return reft.generate({"input_ids": ids}, unit_locations=places, intervene_on_prompt=True, **options)[1]

    answered(job, gate, write)


def _wrapped(job: Job) -> Any:
    import pyreft  # type: ignore[import-not-found]

    torch.manual_seed(0)
    width, rank, dtype = job.shape.hidden, job.work.rank, getattr(torch, job.dtype)
    edits = [
        {
            "layer": layer,
            "component": "block_output",
            "low_rank_dimension": rank,
            "intervention": pyreft.LoreftIntervention(embed_dim=width, low_rank_dimension=rank, dtype=dtype),
        }
        for layer in job.work.layers
    ]
    return pyreft.get_reft_model(build(job), pyreft.ReftConfig(representations=edits))


def _places(job: Job, rows: int) -> dict[str, Any]:
    tokens = edited(job.work.positions, job.work.prompt)
    return {"sources->base": (None, [[tokens] * rows] * len(job.work.layers))}
