"""The training loop of LoReFT on one page, from rows of text to a saved edit: `python examples/training_loop.py`.

`reft_engine.train` takes the same steps. Around them it measures on held-out rows, keeps the best edit, writes checkpoints, packs
sequences and reuses activations.
"""

import random

import torch
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from reft_engine import ReftConfig, ReftModel, generate, load_base
from reft_engine.base import Base
from reft_engine.data import LooseRow, as_rows
from reft_engine.tokens import encode


def training_loop(
    base: Base, rows: list[LooseRow], config: ReftConfig, epochs: int, learning_rate: float, batch_size: int = 4
) -> tuple[ReftModel, list[float]]:
    """Train an edit; returns it with the loss of each step, in nats per answer token."""
    # 1) Text to token ids: the chat template's prompt, then the answer with its end-of-turn token.
    sequences = [encode(base, example, max_length=512, config=config) for example in as_rows(rows)]

    # 2) The edited model. Its parameters are the edit's alone: the base model is frozen.
    model = ReftModel(base, config, seed=42).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.0)

    # 3) The rate rises over the warm-up, then falls linearly to zero.
    steps = epochs * -(-len(sequences) // batch_size)
    warmup = round(0.1 * steps)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: (step + 1) / warmup if step < warmup else (steps - step) / max(steps - warmup, 1)
    )
    losses = []
    shuffle = random.Random(42)
    for _ in range(epochs):
        shuffle.shuffle(sequences)
        for start in range(0, len(sequences), batch_size):
            batch = sequences[start : start + batch_size]

            # 4) Pad on the right. Padding and prompts have the label -100, which has no loss.
            ids = pad_sequence([torch.tensor(row.ids) for row in batch], batch_first=True)
            mask = pad_sequence([torch.ones(row.length) for row in batch], batch_first=True)
            labels = [torch.tensor([-100] * len(row.prompt_ids) + list(row.answer_ids)) for row in batch]
            targets = pad_sequence(labels, batch_first=True, padding_value=-100)

            # 5) Forward pass: hidden states are edited at the chosen layers and tokens of each prompt, never of the answer.
            logits = model(ids, mask, prompt_lengths=[len(row.prompt_ids) for row in batch]).logits
            loss = F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), targets[:, 1:].flatten())

            # 6) Backward pass and one step of the optimizer.
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
    return model.eval(), losses


if __name__ == "__main__":
    starter = load_base("starter", device="cpu")
    sums = [(f"What is {n} plus 1?", f"{n} PLUS 1 IS {n + 1}.") for n in range(8)]
    edit, curve = training_loop(starter, sums, ReftConfig(rank=4, positions="f7+l7"), epochs=6, learning_rate=4e-3)
    print(f"{edit.trainable_parameters:,} trainable parameters, loss {curve[0]:.2f} -> {curve[-1]:.2f}")
    print("base: ", *generate(starter, "What is 4 plus 4?"))
    print("tuned:", *generate(starter, "What is 4 plus 4?", edits=[edit]))
    edit.save("my-adapter")
