"""Train the bundled starter: ``python -m starter_training --minutes 45 [--corpus FOLDER]``.

Seeded; a run that was cut off goes on from its last snapshot when started again with the same work folder.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from starter_training.muon import Muon
from starter_training.tokens import END, make_tokenizer, rows, stories

ROWS, LENGTH = 16, 256


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=45, help="wall-clock time to train for")
    parser.add_argument("--corpus", type=Path, default=None, help="folder with stories_african_pratham and fairytales")
    parser.add_argument("--out", type=Path, default=Path("reft_engine/starter"), help="where the model is written")
    parser.add_argument("--work", type=Path, default=Path("build/starter"), help="where snapshots are kept")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--hidden", type=int, default=160)
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--vocabulary", type=int, default=2048)
    parser.add_argument("--prose", type=float, default=0.06, help="share of rows that are corpus prose")
    return parser.parse_args()


def make_model(options: argparse.Namespace, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A small Llama with tied embeddings."""
    torch.manual_seed(options.seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=options.hidden, intermediate_size=options.hidden * 8 // 3,
        num_hidden_layers=options.blocks, num_attention_heads=options.hidden // 32, max_position_embeddings=512,
        tie_word_embeddings=True, bos_token_id=tokenizer.convert_tokens_to_ids(END), eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def make_optimizers(model: nn.Module) -> list[torch.optim.Optimizer]:
    """Muon for the blocks' matrices, AdamW for embeddings and norms."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    return [
        Muon(matrices, lr=0.01, weight_decay=0.01),
        torch.optim.AdamW(others, lr=3e-3, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def rate(progress: float, step: int) -> float:
    """Factor on the rates: a short rise, a plateau, and from 60 % of the time on a linear fall to 2 %."""
    return min((step + 1) / 50, 1.0) * (1.0 if progress < 0.6 else max(0.02, 1 - (progress - 0.6) / 0.4))


def step_loss(model: LlamaForCausalLM, batch: list[tuple[list[int], list[float]]]) -> torch.Tensor:
    """Weighted next-token loss."""
    ids = torch.tensor([row for row, _ in batch])
    weights = torch.tensor([weight for _, weight in batch])[:, 1:]
    logits = model(input_ids=ids[:, :-1], use_cache=False).logits
    losses = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    return (losses * weights.flatten()).sum() / weights.sum()


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Write the Hugging Face folder, weights in float16."""
    half = LlamaForCausalLM(model.config)
    half.load_state_dict(model.state_dict())
    half.to(torch.float16).save_pretrained(out)
    tokenizer.save_pretrained(out, save_jinja_files=False)
    for file in out.iterdir():
        file.chmod(0o644)  # safetensors writes files that only their owner may read


def main() -> None:
    """Train, write snapshots, write the model."""
    options = arguments()
    options.work.mkdir(parents=True, exist_ok=True)
    texts = stories(options.corpus)
    tokenizer = make_tokenizer(texts, options.vocabulary, options.seed)
    model = make_model(options, tokenizer)
    optimizers = make_optimizers(model)
    state_path = options.work / "state.pt"
    step, spent, mean = 0, 0.0, 0.0
    if state_path.exists():
        state = torch.load(state_path, weights_only=True)
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        step, spent, mean = state["step"], state["spent"], state["mean"]
    stream = rows(tokenizer, texts, LENGTH, options.prose, options.seed + step)
    begun, snapshot = time.monotonic() - spent, time.monotonic()
    base_rates = [optimizer.param_groups[0]["lr"] for optimizer in make_optimizers(model)]
    while (progress := (time.monotonic() - begun) / (options.minutes * 60)) < 1:
        for optimizer, base in zip(optimizers, base_rates, strict=True):
            optimizer.param_groups[0]["lr"] = base * rate(progress, step)
        loss = step_loss(model, [next(stream) for _ in range(ROWS)])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        step += 1
        mean = loss.item() if step == 1 else 0.98 * mean + 0.02 * loss.item()
        if step % 50 == 0:
            speed = step * ROWS * LENGTH / (time.monotonic() - begun)
            print(f"step {step}  {progress:4.0%}  loss {mean:.3f}  {speed:.0f} tokens/s", flush=True)  # noqa: T201
        if time.monotonic() - snapshot > 240:
            snapshot = time.monotonic()
            torch.save({"model": model.state_dict(), "optimizers": [o.state_dict() for o in optimizers],
                        "step": step, "spent": snapshot - begun, "mean": mean}, state_path)  # fmt: skip
            save(model, tokenizer, options.work / "model")
    save(model, tokenizer, options.out)
    facts = {"steps": step, "tokens": step * ROWS * LENGTH, "loss": round(mean, 4), "minutes": options.minutes,
             "parameters": sum(p.numel() for p in model.parameters()), "seed": options.seed}  # fmt: skip
    (options.out / "training.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
