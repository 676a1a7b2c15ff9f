"""What a look at an edit gives: `Regression`, what it does to unrelated prompts; `Changes`, what it does to hidden states. No torch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from reft_engine.training.verdict import finite


@dataclass(frozen=True, slots=True)
class MovedPrompt:
    """A prompt whose answer moved: its mean divergence in nats per token (None: no number), and the beginnings of both greedy answers."""

    prompt: str
    kl: float | None
    base: str
    tuned: str


@dataclass(frozen=True, slots=True)
class Regression:
    """Base and tuned model on the bundled prompts that have nothing to do with a dataset. Plain data, for JSON.

    Attributes:
        prompts: number of prompts that were measured.
        left_out: number of those that this base model cannot encode.
        tokens: answer tokens of the measured prompts, over which the means are taken.
        kl: mean Kullback-Leibler divergence KL(base || tuned) of the next token, in nats; None if it is no number.
        base: mean loss of the base model on the plain answers, in nats per token; None if it is no number.
        tuned: mean loss of the tuned model, likewise.
        worst: the prompts with the highest mean divergence, the highest first.
    """

    prompts: int
    left_out: int
    tokens: int
    kl: float | None
    base: float | None
    tuned: float | None
    worst: tuple[MovedPrompt, ...]

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain data for JSON."""
        return _plain(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Regression":
        """Rebuild the figures that `to_dict` wrote; unknown names are ignored."""
        return cls(**{**_known(cls, values), "worst": tuple(MovedPrompt(**each) for each in values["worst"])})


@dataclass(frozen=True, slots=True)
class LayerChange:
    """Mean change at the edited tokens of one layer: its L2 norm, and that norm divided by the hidden state's (``share``)."""

    layer: int
    norm: float | None
    share: float | None


@dataclass(frozen=True, slots=True)
class PlaceChange:
    """Mean change at one place of the prompts: 1 is the first token, -1 the last, 0 all that lie between those listed.

    ``share`` is the mean over layers of the change's norm divided by the hidden state's, 0 for a token that is not edited; ``rows`` is the
    number of prompts that have the place.
    """

    place: int
    share: float | None
    rows: int


@dataclass(frozen=True, slots=True)
class ChangedToken:
    """A token of the example: its text, whether it is edited, and ``share`` as in `PlaceChange`."""

    text: str
    edited: bool
    share: float | None


@dataclass(frozen=True, slots=True)
class Changes:
    """How strongly an edit changes hidden states, and where on the prompt. Plain data, for JSON.

    Attributes:
        rows: number of prompts that were looked at.
        tokens: their tokens; ``edited``: those of them that are edited.
        layers: the change at each edited layer, the lowest first.
        places: the change at the first places, between them and the last ones, and at the last places, in the prompt's order.
        example: the tokens of one prompt.
        gap: the number of tokens left out in the middle of the example, 0 if it is whole.
    """

    rows: int
    tokens: int
    edited: int
    layers: tuple[LayerChange, ...]
    places: tuple[PlaceChange, ...]
    example: tuple[ChangedToken, ...]
    gap: int

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain data for JSON."""
        return _plain(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Changes":
        """Rebuild the figures that `to_dict` wrote; unknown names are ignored."""
        parts = {
            "layers": tuple(LayerChange(**each) for each in values["layers"]),
            "places": tuple(PlaceChange(**each) for each in values["places"]),
            "example": tuple(ChangedToken(**each) for each in values["example"]),
        }
        return cls(**{**_known(cls, values), **parts})


def _plain(value: Regression | Changes) -> dict[str, Any]:
    """Plain data in which no number is NaN or infinite."""
    return {name: [finite(each) for each in item] if isinstance(item, tuple) else finite(item) for name, item in asdict(value).items()}


def _known(kind: type[Regression | Changes], values: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in values.items() if name in names}
