"""A starter that was trained, as its figures, the blind reading and the search for copied text use it."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F
from transformers import AutoModelForCausalLM, AutoTokenizer

from starter_training.conversations import Turn
from starter_training.sources import ANSWER, Document
from starter_training.tokens import encode

_BATCH = 100


class Starter:
    """A model folder, loaded."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def answers(self, conversations: Sequence[Sequence[Turn]], limit: int = 48, **sampling: Any) -> list[str]:
        """Answers to the conversations, greedy unless told otherwise."""
        prompts = [
            self.tokenizer.apply_chat_template(
                [{"role": role, "content": content} for role, content in turns], tokenize=False, add_generation_prompt=True
            )
            for turns in conversations
        ]
        return self.continued(prompts, limit, **sampling)

    @torch.no_grad()
    def continued(self, texts: Sequence[str], limit: int, **sampling: Any) -> list[str]:
        """What the model writes after each text; texts of like length are read together."""
        found = [""] * len(texts)
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        for start in range(0, len(texts), _BATCH):
            places = order[start : start + _BATCH]
            batch = self.tokenizer(
                [texts[at] for at in places], return_tensors="pt", padding=True, add_special_tokens=False, return_token_type_ids=False
            )
            ids = self.model.generate(**batch, max_new_tokens=limit, do_sample=bool(sampling), **sampling)
            said = self.tokenizer.batch_decode(ids[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
            for at, text in zip(places, said, strict=True):
                found[at] = text
        return found

    def exact(self, conversations: Sequence[list[Turn]]) -> float:
        """Share of conversations whose last answer is the model's greedy one."""
        given = self.answers([turns[:-1] for turns in conversations])
        return sum(answer.strip() == turns[-1][1] for answer, turns in zip(given, conversations, strict=True)) / len(given)

    @torch.no_grad()
    def nats(self, documents: Iterable[Document], enough: int, window: int = 512) -> tuple[float, int, int]:
        """Nats, tokens and characters of running text, or of the answers in conversations, until there are enough tokens."""
        total, tokens, characters = 0.0, 0, 0
        for document in documents:
            ids, kinds = next(encode(self.tokenizer, [document]))
            wanted = torch.from_numpy((kinds == ANSWER) if (kinds == ANSWER).any() else kinds > ANSWER)
            row = torch.from_numpy(ids.astype("int64"))
            for at in range(0, len(row) - 1, window):
                part, counted = row[at : at + window + 1], wanted[at : at + window + 1][1:]
                if not counted.any():
                    continue
                losses = F.cross_entropy(self.model(part[None, :-1]).logits[0], part[1:], reduction="none")[counted]
                total, tokens = total + float(losses.sum()), tokens + int(counted.sum())
                characters += len(self.tokenizer.decode(part[1:][counted], skip_special_tokens=True))
            if tokens > enough:
                break
        return total, tokens, characters
