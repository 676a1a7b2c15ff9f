"""The baselines that PEFT trains, to compare edits with: one row each, which all other code reads. Imports no torch."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class BaselineMethod:
    """One method of PEFT.

    Attributes:
        name: what `PeftConfig.method` and all files call it.
        title: what people call it.
        help: what it does, in a few plain words.
        paper: its paper on arXiv.
        size: which field of `PeftConfig` says how large it is; None where nothing does.
        drops: whether it has dropout.
        decays: whether weight decay acts on it; what starts at 1, or stands for words, is not drawn to 0.
        virtual: whether it puts virtual tokens before each row instead of changing weights.
        identity: whether it starts by changing nothing.
    """

    name: str
    title: str
    help: str
    paper: str
    size: Literal["rank", "virtual_tokens"] | None
    drops: bool = False
    decays: bool = False
    virtual: bool = False
    identity: bool = True


BASELINES: dict[str, BaselineMethod] = {
    method.name: method
    for method in (
        BaselineMethod(
            name="lora",
            title="LoRA",
            help="adds a product of two thin matrices to attention weights",
            paper="2106.09685",
            size="rank",
            drops=True,
            decays=True,
        ),
        BaselineMethod(
            name="dora",
            title="DoRA",
            help="LoRA with a learned length of each weight column",
            paper="2402.09353",
            size="rank",
            drops=True,
            decays=True,
        ),
        BaselineMethod(
            name="ia3",
            title="(IA)3",
            help="scales keys, values and the inner values of the feed-forward layers",
            paper="2205.05638",
            size=None,
        ),
        BaselineMethod(
            name="prefix",
            title="Prefix tuning",
            help="puts learned keys and values before each prompt in every block",
            paper="2101.00190",
            size="virtual_tokens",
            virtual=True,
            identity=False,
        ),
        BaselineMethod(
            name="prompt",
            title="Prompt tuning",
            help="puts learned token embeddings before each prompt",
            paper="2104.08691",
            size="virtual_tokens",
            virtual=True,
            identity=False,
        ),
    )
}
