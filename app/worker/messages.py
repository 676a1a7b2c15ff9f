"""Requests to the worker, typed and bounded, and the exit code with which it refuses to start."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from app import limits
from app.columns import Column, MixPart
from reft_engine import Precision, RunSpec, TrainConfig

# Fields as the spec of a run has them.
_BASE: Any = RunSpec.model_fields["base"]
_REVISION: Any = RunSpec.model_fields["revision"]
_PRECISION: Any = RunSpec.model_fields["precision"]
_MAX_LENGTH: Any = TrainConfig.model_fields["max_length"]

_StopText = Annotated[str, Field(min_length=1, max_length=200)]

ALREADY_SERVED = 3
"""Exit code of a worker whose data folder another worker already serves."""


StopText = Annotated[str, Field(min_length=1, max_length=limits.STOP)]


class ChatMessage(BaseModel):
    """One message of a conversation."""

    model_config = ConfigDict(extra="forbid")
    role: str = Field(pattern="^(system|user|assistant)$")
    content: str = Field(max_length=limits.TEXT)


class ChatColumn(Column):
    """A column to answer in, and its own conversation where that is not the one of all."""

    messages: tuple[ChatMessage, ...] | None = Field(None, min_length=1, max_length=limits.MESSAGES)


class Sampled(BaseModel):
    """What answers in columns, and how it is sampled, each column with the same random numbers."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    columns: list[ChatColumn] = Field(min_length=1, max_length=limits.COLUMNS)
    base: str = _BASE
    max_new_tokens: int = Field(128, ge=1, le=2048)
    temperature: float = Field(0.0, ge=0.0, le=5.0)
    top_p: float = Field(0.95, gt=0.0, le=1.0)
    top_k: int = Field(0, ge=0, le=10_000_000, description="0 for all tokens.")
    repetition_penalty: float = Field(1.0, gt=0.0, le=10.0)
    stop: list[StopText] = Field(default_factory=list, max_length=limits.STOPS)
    seed: int = Field(0, ge=0, le=2**31 - 1)


class ChatRequest(Sampled):
    """A conversation to answer in several columns."""

    messages: list[ChatMessage] = Field(min_length=1, max_length=limits.MESSAGES)


class GridPrompt(BaseModel):
    """A conversation to answer; as long an answer as the one that is ``expected`` has room."""

    model_config = ConfigDict(extra="forbid")
    messages: list[ChatMessage] = Field(min_length=1, max_length=limits.MESSAGES)
    expected: str | None = Field(None, max_length=limits.TEXT)


class GridRequest(BaseModel):
    """Prompts that runs of any base models answer, each beside its base model."""

    model_config = ConfigDict(extra="forbid")
    runs: list[str] = Field(min_length=1, max_length=16)
    prompts: list[GridPrompt] = Field(min_length=1, max_length=100)
    max_new_tokens: int = Field(96, ge=1, le=512)


class BatchRequest(Sampled):
    """Prompts to answer in the columns of a chat, as rows in the background."""

    prompts: list[GridPrompt] = Field(min_length=1, max_length=limits.PROMPTS)


class MixRequest(BaseModel):
    """Runs of one base model that are mixed: what to answer, and the upload's name under which the mix is kept, if it is."""

    model_config = ConfigDict(extra="forbid")
    parts: list[MixPart] = Field(min_length=1, max_length=limits.PARTS)
    prompts: list[GridPrompt] = Field([], max_length=20)
    max_new_tokens: int = Field(96, ge=1, le=512)
    save_to: str = Field("", pattern="^([0-9a-f]{32})?$")


class PreviewRequest(BaseModel):
    """Rows to show as they are trained."""

    model_config = ConfigDict(extra="forbid")
    base: str = _BASE
    rows: list[dict[str, Any]] = Field(max_length=50)
    reft: dict[str, Any] = {}
    max_length: int = _MAX_LENGTH


class CheckRequest(BaseModel):
    """Rows to count: those of ``dataset``, else those in the file ``upload``."""

    model_config = ConfigDict(extra="forbid")
    base: str = _BASE
    revision: str | None = _REVISION
    dataset: str | None = Field(None, max_length=100)
    upload: str = Field("", max_length=4_000)
    file_rows: int | None = Field(None, ge=0)
    reft: dict[str, Any] = {}
    train: dict[str, Any] = {}


class ProbeRequest(BaseModel):
    """A run to time."""

    model_config = ConfigDict(extra="forbid")
    base: str = _BASE
    precision: Precision | None = _PRECISION
    dataset: str = Field(max_length=100)
    reft: dict[str, Any] = {}
    train: dict[str, Any] = {}


class RatesRequest(ProbeRequest):
    """A run for which learning rates are to be tried."""


class PredictionsRequest(BaseModel):
    """A run whose held-out rows are to be answered; without ``start`` only what is under way already is told of."""

    model_config = ConfigDict(extra="forbid")
    run: str = Field(max_length=100)
    start: bool = True


class DescribeRequest(BaseModel):
    """A base model to describe; ``load`` loads it if it is not in memory, else it is described from its files if they are here."""

    model_config = ConfigDict(extra="forbid")
    base: str = Field(max_length=300)
    load: bool = True


class AnglesRequest(BaseModel):
    """Two runs whose subspaces are to be compared."""

    model_config = ConfigDict(extra="forbid")
    runs: list[str] = Field(min_length=2, max_length=2)


_ANSWER: Any = Field(default_factory=list, max_length=2_049, description="Token ids of the answer so far.")


class LookRequest(BaseModel):
    """A column that is looked at in a conversation which ends with a user's message."""

    model_config = ConfigDict(extra="forbid")
    column: ChatColumn
    messages: list[ChatMessage] = Field(min_length=1, max_length=limits.MESSAGES)


class SeparationRequest(LookRequest):
    """A column whose row is to be proven apart from the base model's."""

    answer: list[Annotated[int, Field(ge=0, le=2**31 - 1)]] = _ANSWER


class LensRequest(LookRequest):
    """A hidden state of a column's row to be read as if it were the last: after which layer, of which token of the prompt."""

    layer: int = Field(ge=0, le=9_999)
    token: int = Field(ge=0, le=999_999)
    k: int = Field(5, ge=1, le=20)


class TintsRequest(SeparationRequest):
    """An answer of a column whose tokens are to be compared with what the base model makes of them."""

    k: int = Field(5, ge=1, le=20)
    stop: list[StopText] = Field(default_factory=list, max_length=limits.STOPS, description="Those with which it was asked for.")
