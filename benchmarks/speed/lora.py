"""PEFT's LoRA, rank 8 on the query and value projections, in a bare loop of the same optimiser."""

from typing import Any

from benchmarks.speed.gate import Gate
from benchmarks.speed.generating import answered
from benchmarks.speed.models import Inputs, build, optimised, work_through
from benchmarks.speed.work import LORA_RANK, Job


def train(job: Job, gate: Gate) -> None:
    """In every block, or with the option ``same_layers`` in the edited ones alone."""
    model = _wrapped(job)
    weights = [weight for weight in model.parameters() if weight.requires_grad]

    def loss(inputs: Inputs) -> Any:
        return model(**inputs.named(), use_cache=False).loss

    model.train()
    work_through(job, gate, optimised(loss, weights), sum(weight.numel() for weight in weights))


def answer(job: Job, gate: Gate) -> None:
    """Hugging Face's ``generate`` with the factors beside the weights."""
    model = _wrapped(job).eval()
    answered(job, gate, lambda ids, options: model.generate(input_ids=ids, **options))


def _wrapped(job: Job) -> Any:
    from peft import LoraConfig, get_peft_model

    layers = list(job.work.layers) if job.options.get("same_layers") else None
    config = LoraConfig(
        r=LORA_RANK, lora_alpha=2 * LORA_RANK, target_modules=["q_proj", "v_proj"], layers_to_transform=layers, task_type="CAUSAL_LM"
    )
    return get_peft_model(build(job), config)
