"""LoReFT of the library ``adapters`` in a bare loop. It counts the suffix from the row's end, so it edits other tokens than pyreft."""

from typing import Any

from benchmarks.speed.gate import Gate
from benchmarks.speed.models import Inputs, build, optimised, work_through
from benchmarks.speed.work import Job, prefix_and_suffix


def train(job: Job, gate: Gate) -> None:
    """One LoReFT per edited block for prefix and suffix alike."""
    import adapters  # type: ignore[import-not-found]

    model = build(job)
    adapters.init(model)
    first, last = prefix_and_suffix(job.work.positions)
    config = adapters.LoReftConfig(
        layers=list(job.work.layers), prefix_positions=first, suffix_positions=last, r=job.work.rank, tied_weights=True, dropout=0.0,
        dtype="float32",  # torch keeps no orthonormal rows in less
    )  # fmt: skip
    model.add_adapter("edit", config=config)
    model.train_adapter("edit")
    model.adapter_to("edit", device=job.device)
    weights = [weight for weight in model.parameters() if weight.requires_grad]

    def loss(inputs: Inputs) -> Any:
        return model(**inputs.named(), use_cache=False).loss

    work_through(job, gate, optimised(loss, weights), sum(weight.numel() for weight in weights))
