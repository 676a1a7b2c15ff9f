"""Trains the starter from prepared data; seeded, and a run that was cut off goes on from its last snapshot."""

import json
import lzma
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm
from transformers import AttentionInterface, AttentionMaskInterface, AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from starter_training.muon import Muon
from starter_training.sources import GENERATED, SOURCES, shares
from starter_training.tokens import CONTEXT, END, kinds_of, starts_of

EARLY = (0.05, 0.5, 1.0, 1.0)
LATE = (0.05, 0.2, 1.0, 0.5)
"""What a token weighs in the loss by its kind (frame, prompt, answer, prose), before and after the rates begin to fall."""
TURN = 0.6
"""Share of the time after which the rates fall and most rows are conversations."""


EARLY_TIMES, TIMES = 3, 4
"""How often the text of the corpus is read at most, until the rates begin to fall and in all: a model that reads a text thirty
times learns it by heart, and recites it (measured: ninety tokens of a role play, word for word). Generated text has no such limit."""


@dataclass(frozen=True)
class Settings:
    """Size of the model and of a step, and how long to train."""

    minutes: float
    hidden: int = 384
    blocks: int = 8
    intermediate: int = 1024
    heads: int = 6
    key_value_heads: int = 2
    rows: int = 64
    muon_rate: float = 0.015
    adam_rate: float = 3e-3
    snapshot_minutes: float = 3.0
    seed: int = 7


@dataclass(frozen=True, slots=True)
class Shelf:
    """All prepared tokens in one tensor.

    Attributes:
        ids: Token ids (N,) int16.
        kinds: Kind of each token (N,) uint8.
        rows: For each source the offsets at which its rows begin.
    """

    ids: Tensor
    kinds: Tensor
    rows: dict[str, np.ndarray]


def row_starts(starts: np.ndarray, total: int, length: int) -> np.ndarray:
    """Where rows of length + 1 tokens begin: at a document if the last one of the row before was cut, unless it is long."""
    found, at = [], 0
    while at + length + 1 <= total:
        found.append(at)
        cut = starts[np.searchsorted(starts, at + length, side="right") - 1]
        at = int(cut) if cut >= at + length // 2 else at + length
    return np.array(found, dtype=np.int64)


def load(data: Path, tokenizer: PreTrainedTokenizerFast, device: torch.device) -> Shelf:
    """Read the prepared sources."""

    def one(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        ids = np.frombuffer(lzma.decompress((data / f"{name}.ids.xz").read_bytes()), dtype=np.uint16)
        return ids.astype(np.int16), kinds_of(tokenizer, ids), row_starts(starts_of(tokenizer, ids), len(ids), CONTEXT)

    with ThreadPoolExecutor() as pool:
        parts = list(pool.map(one, SOURCES))
    offsets = np.cumsum([0, *(len(ids) for ids, _, _ in parts)])
    rows = {name: offset + rows for name, offset, (_, _, rows) in zip(SOURCES, offsets, parts, strict=False)}
    ids, kinds = (torch.from_numpy(np.concatenate([part[which] for part in parts])).to(device) for which in (0, 1))
    return Shelf(ids, kinds, rows)


class Rows:
    """Draws rows of the sources by their shares; each source in random order, over and over, the corpus's a few times only."""

    def __init__(self, shelf: Shelf, seed: int, times: dict[str, int] | None = None) -> None:
        self.shelf, self.random = shelf, np.random.default_rng(seed)
        self.left: dict[str, list[int]] = {name: [] for name in SOURCES}
        self.times = dict.fromkeys(SOURCES, 0) | (times or {})
        self.reach = torch.arange(CONTEXT + 1, device=shelf.ids.device)

    def batch(self, count: int, late: bool) -> tuple[Tensor, Tensor]:
        """Ids (count, CONTEXT + 1) int64 and the weight of each token."""
        left = np.array([share * self._may_read(name, TIMES if late else EARLY_TIMES) for name, share in shares(late).items()])
        chosen = self.random.choice(list(SOURCES), size=count, p=left / left.sum())
        offsets = torch.tensor([self._next(str(name)) for name in chosen], device=self.reach.device)
        places = offsets[:, None] + self.reach
        table = torch.tensor(LATE if late else EARLY, device=self.reach.device)
        return self.shelf.ids[places].long(), table[self.shelf.kinds[places].long()]

    def _may_read(self, name: str, times: int) -> bool:
        """Whether a source has rows, and has not been read as often as it may be."""
        if len(self.shelf.rows[name]) == 0 or name in GENERATED:
            return len(self.shelf.rows[name]) > 0
        return self.times[name] < times or (self.times[name] == times and bool(self.left[name]))

    def _next(self, name: str) -> int:
        if not self.left[name]:
            self.times[name] += 1
            self.left[name] = self.random.permutation(self.shelf.rows[name]).tolist()
        return self.left[name].pop()


def whole_rows(
    _module: nn.Module, query: Tensor, key: Tensor, value: Tensor, _mask: None, scaling: float, **_options: object
) -> tuple[Tensor, None]:
    """Causal attention of rows without padding; transformers' own makes a mask when compiled, which keeps flash attention away."""
    key, value = (each.repeat_interleave(query.shape[1] // each.shape[1], dim=1) for each in (key, value))
    return F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=scaling).transpose(1, 2), None


AttentionInterface.register("whole_rows", whole_rows)
AttentionMaskInterface.register("whole_rows", lambda *_args, **_options: None)


def make_model(settings: Settings, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A small Llama with tied embeddings and grouped keys."""
    torch.manual_seed(settings.seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=settings.hidden, intermediate_size=settings.intermediate,
        num_hidden_layers=settings.blocks, num_attention_heads=settings.heads, num_key_value_heads=settings.key_value_heads,
        max_position_embeddings=CONTEXT, tie_word_embeddings=True, bos_token_id=tokenizer.convert_tokens_to_ids(END),
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, attn_implementation="whole_rows",
    )  # fmt: skip
    return LlamaForCausalLM(config)


def make_optimizers(model: nn.Module, settings: Settings) -> list[torch.optim.Optimizer]:
    """Muon for the blocks' matrices, AdamW for embeddings and norms."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    return [
        Muon(matrices, lr=settings.muon_rate, weight_decay=0.05),
        torch.optim.AdamW(others, lr=settings.adam_rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def rate(progress: float, step: int) -> float:
    """Factor on the rates: a short rise, a plateau, and then a linear fall to nearly nothing."""
    return min((step + 1) / 100, 1.0) * (1.0 if progress < TURN else max(0.01, (1 - progress) / (1 - TURN)))


def step_loss(model: LlamaForCausalLM, ids: Tensor, weights: Tensor) -> Tensor:
    """Weighted next-token loss of ids (B, T + 1), and a little of the squared log normaliser, which keeps logits small."""
    logits = model(input_ids=ids[:, :-1], use_cache=False).logits.float()
    losses = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    losses = losses + 1e-4 * logits.logsumexp(-1).flatten().square()
    share = weights[:, 1:].flatten()
    return (losses * share).sum() / share.sum()


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Write the Hugging Face folder, weights in float16."""
    half = LlamaForCausalLM(model.config)
    half.load_state_dict(model.state_dict())
    half.to(torch.float16).save_pretrained(out)
    tokenizer.save_pretrained(out, save_jinja_files=False)
    for file in out.iterdir():
        file.chmod(0o644)  # safetensors writes files that only their owner may read


class Training:
    """Model, optimizers and rows of a run, and how far it is."""

    def __init__(self, settings: Settings, data: Path, work: Path) -> None:
        self.settings, self.state_path = settings, work / "state.pt"
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.set_float32_matmul_precision("high")
        self.tokenizer = AutoTokenizer.from_pretrained(data)
        self.model = make_model(settings, self.tokenizer).to(self.device)
        self.optimizers = make_optimizers(self.model, settings)
        self.rates = [optimizer.param_groups[0]["lr"] for optimizer in self.optimizers]
        self.steps, self.spent, self.mean = 0, 0.0, float("nan")
        times = self._restore() if self.state_path.exists() else {}
        self.rows = Rows(load(data, self.tokenizer, self.device), settings.seed + self.steps, times)
        self.loss = torch.compile(step_loss) if self.device.type == "cuda" else step_loss

    def _restore(self) -> dict[str, int]:
        """Take up the snapshot; how often each source had been begun."""
        state = torch.load(self.state_path, weights_only=True, map_location=self.device)
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.steps, self.spent, self.mean = state["steps"], state["spent"], state["mean"]
        times: dict[str, int] = state["times"]
        return times

    def snapshot(self, spent: float) -> None:
        """Write all that is needed to go on."""
        state = {"model": self.model.state_dict(), "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
                 "steps": self.steps, "spent": spent, "mean": self.mean, "times": self.rows.times}  # fmt: skip
        torch.save(state, self.state_path.with_suffix(".part"))
        self.state_path.with_suffix(".part").replace(self.state_path)

    def step(self, progress: float) -> Tensor:
        """One update; the loss, not yet read from the device."""
        for optimizer, base in zip(self.optimizers, self.rates, strict=True):
            optimizer.param_groups[0]["lr"] = base * rate(progress, self.steps)
        ids, weights = self.rows.batch(self.settings.rows, late=progress >= TURN)
        with torch.autocast("cuda", torch.bfloat16, enabled=self.device.type == "cuda"):
            loss = self.loss(self.model, ids, weights)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.steps += 1
        return loss.detach()


def train(settings: Settings, data: Path, work: Path, out: Path) -> dict[str, float]:
    """Train for the time given, write snapshots and the model; what the card says of the run."""
    work.mkdir(parents=True, exist_ok=True)
    run = Training(settings, data, work)
    tokens = settings.rows * CONTEXT
    begun, written = time.monotonic() - run.spent, time.monotonic()
    with tqdm(total=100, unit="%", bar_format="{desc} {bar} {n:.1f}% {elapsed}<{remaining}", mininterval=2) as bar:
        bar.update(run.spent / (settings.minutes * 60) * 100)
        while (progress := (time.monotonic() - begun) / (settings.minutes * 60)) < 1:
            loss = run.step(progress)
            if run.steps % 20 == 1:
                run.mean = loss.item() if np.isnan(run.mean) else 0.8 * run.mean + 0.2 * loss.item()
                speed = run.steps * tokens / (time.monotonic() - begun)
                bar.set_description(f"step {run.steps} loss {run.mean:.3f} {speed:,.0f} tokens/s", refresh=False)
                bar.update(progress * 100 - bar.n)
            if time.monotonic() - written > settings.snapshot_minutes * 60:
                written = time.monotonic()
                run.snapshot(written - begun)
    save(run.model, run.tokenizer, out)
    facts = {"times_read": run.rows.times, "steps": run.steps, "tokens": run.steps * tokens, "loss": round(run.mean, 4), "minutes": settings.minutes,
             "parameters": sum(p.numel() for p in run.model.parameters()), "seed": settings.seed,
             "device": torch.cuda.get_device_name() if run.device.type == "cuda" else "CPU"}  # fmt: skip
    (out / "training.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return facts
