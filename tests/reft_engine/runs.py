"""Runs on tiny models, with all that they tell, to compare with each other."""

from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch

from reft_engine import train
from reft_engine.base import blocks
from reft_engine.base.loading import TEXT_TEMPLATE
from reft_engine.training.events import HeldOutEvent, ReuseEvent, SampleEvent, StepEvent
from tests.reft_engine import families

LOSSES, WEIGHTS = 1e-5, 1e-4
"""How far losses (as a share) and weights (which are near 1) may be off by rounding; what is found is a tenth of it."""


@dataclass
class Run:
    """A run's result and its events."""

    result: object
    events: list

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def losses(self):
        return [event.loss for event in self.of(StepEvent)]

    @property
    def share(self):
        return self.of(ReuseEvent)[0].share

    @property
    def sentence(self):
        return self.of(ReuseEvent)[0].sentence

    @property
    def looks(self):
        return [(event.step, event.loss, event.loss_base) for event in self.of(HeldOutEvent)]

    @property
    def samples(self):
        return self.of(SampleEvent)

    @property
    def weights(self):
        head = self.result.reft.head
        return {**self.result.reft.tensors(), **(head.state_dict() if head else {})}


def run_of(base, rows, config, settings, *, on_event=lambda event: None, **options):
    events = []

    def hear(event):
        events.append(event)
        on_event(event)

    return Run(train(base, rows, config, settings, on_event=hear, **options), events)


def close(first, second, losses=LOSSES, weights=WEIGHTS):
    """Whether two runs are the same but for rounding."""
    assert len(first.losses) == len(second.losses) > 0
    assert first.weights.keys() == second.weights.keys()
    worst_loss = max(abs(a - b) / abs(b) for a, b in zip(first.losses, second.losses, strict=True))
    worst_weight = max(float((first.weights[name] - value).abs().max()) for name, value in second.weights.items())
    assert worst_loss <= losses, f"losses are off by {worst_loss:.1e}"
    assert worst_weight <= weights, f"weights are off by {worst_weight:.1e}"
    return True


def same(first, second):
    """Whether two runs have the same weights, bit for bit."""
    ours, theirs = first.weights, second.weights
    return bool(ours) and ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def writer(starter, name, **overrides):
    """A tiny decoder that reads prompts as they are, so that they may be of one token."""
    seed = 2 if name == "bloom" else 0  # of weights that say more than one word
    model = families.build(name, seed=seed, vocab_size=len(starter.tokenizer), **overrides).requires_grad_(False)
    return replace(starter, model=model, name=name, template=TEXT_TEMPLATE)


@dataclass
class Seen:
    """Forward passes of one stretch: (rows, columns) of those with and without gradients, and the blocks that worked in each kind."""

    learning: list = field(default_factory=list)
    reading: list = field(default_factory=list)
    blocks: dict = field(default_factory=lambda: defaultdict(set))


@contextmanager
def watched(model):
    """Notes what the model computes; ``next()`` of what it gives begins a new stretch."""
    seen, inside = [Seen()], []

    def passed(module, args, kwargs):
        if not inside:  # of the model and its trunk the outer one; OPT's model calls its trunk's decoder past it
            ids = args[0] if args else kwargs["input_ids"]
            (seen[-1].learning if torch.is_grad_enabled() else seen[-1].reading).append(tuple(ids.shape))
        inside.append(module)

    def left(*_):
        inside.pop()

    def worked(layer):
        return lambda *_: seen[-1].blocks[torch.is_grad_enabled()].add(layer)

    handles = []
    for module in dict.fromkeys((model, blocks.backbone(model))):
        handles.append(module.register_forward_pre_hook(passed, with_kwargs=True))
        handles.append(module.register_forward_hook(left, always_call=True))
    for layer, block in enumerate(blocks.find_blocks(model)):
        handles.append(next(block.children()).register_forward_hook(worked(layer)))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
