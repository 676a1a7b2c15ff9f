"""How the next token of a row is chosen: likeliest or drawn, repetition penalty, stop strings, log-probabilities.

Legend: V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reft_engine.base import checks
from reft_engine.errors import ConfigError
from reft_engine.inference.decoding import ChosenToken


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen, and what is said of them.

    Args:
        temperature: 0 always takes the likeliest token; otherwise at least 1e-6.
        top_p: the likeliest tokens with this total probability are drawn from.
        seed: of the random numbers, 0 to 2**63 - 1. All columns of a request see the same numbers, so that they can be compared.
        top_k: at most this many tokens, the likeliest, are drawn from, and top_p is a share of their probability; None and 0 are off, and 1
            is the likeliest token always.
        repetition_penalty: logits of tokens in prompt and answer are divided by it where they are above 0, else multiplied; 1 changes
            nothing. Where logits are adjusted, it is on the model's own, before. Source: CTRL, arXiv 1909.05858, section 4.1.
        stop: texts that end an answer before them.
        log_probabilities: number of likeliest tokens whose log-probabilities come with each token, beside its own; None for none.

    Raises:
        ConfigError: a value is out of range.
    """

    temperature: float = 0.0
    top_p: float = 0.95
    seed: int = 0
    repetition_penalty: float = 1.0
    stop: tuple[str, ...] = ()
    log_probabilities: int | None = None
    top_k: int | None = None

    def __post_init__(self) -> None:
        checks.check_temperature(self.temperature)
        checks.check_top_p(self.top_p)
        if self.top_k is not None:
            checks.whole_number(self.top_k, "top_k", 0)
        checks.seed_of(self.seed)
        penalty = self.repetition_penalty
        if not isinstance(penalty, int | float) or not 0 < penalty <= 10:
            raise ConfigError("The repetition penalty must be above 0 and at most 10.", "repetition_penalty", kind="sampling.penalty")
        if isinstance(self.stop, str) or not all(isinstance(text, str) and text for text in self.stop):
            raise ConfigError("stop must be a list of texts, none of them empty.", "stop", kind="sampling.stop")
        if self.log_probabilities is not None:
            checks.whole_number(self.log_probabilities, "log_probabilities", 0)


class Sampler:
    """Chooses the tokens of one row."""

    def __init__(self, sampling: Sampling, prompt_ids: Sequence[int] = ()) -> None:
        self.sampling = sampling
        draws = sampling.temperature and sampling.top_k != 1
        self._generator = torch.Generator().manual_seed(checks.seed_of(sampling.seed)) if draws else None
        self._seen = set(prompt_ids) if sampling.repetition_penalty != 1 else set[int]()

    @property
    def plain(self) -> bool:
        """Whether it takes the likeliest token of the logits as they are, and says nothing of it."""
        return self._generator is None and self.sampling.repetition_penalty == 1 and self.sampling.log_probabilities is None

    def choose(self, logits_V: Tensor, *, penalised: bool = False) -> int:
        """The next token; of logits that are ``penalised`` already, as they are."""
        token = self._choose(logits_V if penalised else self.penalised(logits_V))
        if self.sampling.repetition_penalty != 1:
            self._seen.add(token)
        return token

    def penalised(self, logits_V: Tensor) -> Tensor:
        """Logits (V,) with the repetition penalty on tokens of prompt and answer; themselves where there is none."""
        if not self._seen:
            return logits_V
        seen = torch.tensor(sorted(self._seen), device=logits_V.device)
        values, penalty = logits_V[seen], self.sampling.repetition_penalty
        return logits_V.index_copy(0, seen, torch.where(values > 0, values / penalty, values * penalty))

    def described(self, logits_V: Tensor, token: int) -> ChosenToken | None:
        """The token with its log-probabilities, if they are asked for."""
        if self.sampling.log_probabilities is None:
            return None
        values = torch.log_softmax(logits_V.float(), dim=-1)
        top = values.topk(min(self.sampling.log_probabilities, len(values)))
        likeliest = tuple(zip(top.indices.tolist(), top.values.tolist(), strict=True))
        return ChosenToken(token, float(values[token]), likeliest)

    def _choose(self, logits_V: Tensor) -> int:
        if self._generator is None:
            return int(logits_V.argmax())
        # A row with NaN or infinite logits from its edit still samples, so that the other rows do not fail.
        probabilities = torch.softmax((logits_V.float() / self.sampling.temperature).nan_to_num(), dim=-1).cpu()
        ordered, order = probabilities.sort(descending=True)
        before, kept = ordered.cumsum(dim=-1) - ordered, self.sampling.top_k or len(ordered)
        # First the k likeliest, then the share of what is left: the order of transformers' generate.
        left_out = before >= self.sampling.top_p * (float(ordered[:kept].sum()) if self.sampling.top_k else 1)
        left_out[0] = False  # however small its probability
        left_out[kept:] = True
        # Each token has its own random number: in the order of probability, two that are nearly alike would change theirs by rounding.
        probabilities[order[left_out]] = 0
        return int(torch.multinomial(probabilities, 1, generator=self._generator))
