"""Edits by hand: plain forward hooks on a copy of a model that the engine has never touched."""

from contextlib import contextmanager

import torch

from reft_engine.base import blocks


class ByHand:
    """A plain model whose blocks add what an edit's formula says, to the tokens that are named here; notes the states around it.

    ``tokens`` holds the edited tokens of each group.
    """

    def __init__(self, model, reft, tokens, strength=1.0):
        self.model, self.reft, self.tokens, self.strength = model, reft, tokens, strength
        self.before, self.after = {}, {}

    def _hook(self, index, layer):
        def hook(_block, _args, output):
            hidden = output if isinstance(output, torch.Tensor) else output[0]
            edited = hidden.clone()
            for group, tokens in enumerate(self.tokens):
                delta = self.reft.intervention.delta(hidden[0, tokens], self.reft.factors(), index * len(self.tokens) + group)
                edited[0, tokens] += self.strength * delta
            self.before[layer], self.after[layer] = hidden[0], edited[0]
            return edited if isinstance(output, torch.Tensor) else (edited, *output[1:])

        return hook

    @contextmanager
    def editing(self):
        found = blocks.find_blocks(self.model)
        handles = [found[layer].register_forward_hook(self._hook(index, layer)) for index, layer in enumerate(self.reft.layers)]
        try:
            yield self.model
        finally:
            for handle in handles:
                handle.remove()

    @torch.no_grad()
    def logits(self, ids, **inputs):
        """Logits (T, V) of one row, with the edit."""
        with self.editing() as model:
            return model(torch.tensor([list(ids)]), **inputs).logits[0]


@torch.no_grad()
def live_sum(model, ids, mix):
    """Logits (T, V) of one row whose blocks give what they give plus each edit's own change of that, times its weight."""
    mask = torch.ones(1, len(ids), dtype=torch.int64)
    changes = [(weight, edit.edits(edit.plan(mask), edit.factors())) for edit, weight in mix.parts]

    def hook(layer):
        def add(_block, _args, output):
            hidden = output if isinstance(output, torch.Tensor) else output[0]
            total = hidden + sum(weight * (edits[layer](hidden, 0) - hidden) for weight, edits in changes if layer in edits)
            return total if isinstance(output, torch.Tensor) else (total, *output[1:])

        return add

    handles = [block.register_forward_hook(hook(layer)) for layer, block in enumerate(blocks.find_blocks(model))]
    try:
        return model(input_ids=torch.tensor([list(ids)])).logits[0]
    finally:
        for handle in handles:
            handle.remove()
