"""Requests to the worker, typed and bounded, and the exit code with which it refuses to start."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from reft_engine import Precision, RunSpec, TrainConfig

# Fields as the spec of a run has them.
_BASE: Any = RunSpec.model_fields["base"]
_REVISION: Any = RunSpec.model_fields["revision"]
_PRECISION: Any = RunSpec.model_fields["precision"]
_MAX_LENGTH: Any = TrainConfig.model_fields["max_length"]

ALREADY_SERVED = 3
"""Exit code of a worker whose data folder another worker already serves."""


class ChatMessage(BaseModel):
    """One message of a conversation."""

    model_config = ConfigDict(extra="forbid")
    role: str = Field(pattern="^(system|user|assistant)$")
    content: str = Field(max_length=200_000)


class ChatRequest(BaseModel):
    """A conversation to answer in several columns: None for the base model, a run's id for its edit."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    columns: list[str | None] = Field(min_length=1, max_length=8)
    base: str = _BASE
    messages: list[ChatMessage] = Field(min_length=1, max_length=100)
    max_new_tokens: int = Field(128, ge=1, le=2048)
    temperature: float = Field(0.0, ge=0.0, le=5.0)
    seed: int = Field(0, ge=0, le=2**31 - 1)
    strength: float = Field(1.0, ge=-10.0, le=10.0)
    owner: str = Field("", max_length=100, description="An opaque key of who asks; askers get equal shares.")


class GridPrompt(BaseModel):
    """A conversation to answer; as long an answer as the one that is ``expected`` has room."""

    model_config = ConfigDict(extra="forbid")
    messages: list[ChatMessage] = Field(min_length=1, max_length=100)
    expected: str | None = Field(None, max_length=200_000)


class GridRequest(BaseModel):
    """Prompts that runs of any base models answer, each beside its base model."""

    model_config = ConfigDict(extra="forbid")
    runs: list[str] = Field(min_length=1, max_length=16)
    prompts: list[GridPrompt] = Field(min_length=1, max_length=100)
    max_new_tokens: int = Field(96, ge=1, le=512)
    owner: str = Field("", max_length=100, description="An opaque key of who asks; askers get equal shares.")


class MixPart(BaseModel):
    """A run of a mix, and its weight."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    run: str = Field(max_length=100)
    weight: float = Field(ge=-10.0, le=10.0)


class MixRequest(BaseModel):
    """Runs of one base model that are mixed: what to answer, and the upload's name under which the mix is kept, if it is."""

    model_config = ConfigDict(extra="forbid")
    parts: list[MixPart] = Field(min_length=1, max_length=8)
    prompts: list[GridPrompt] = Field([], max_length=20)
    max_new_tokens: int = Field(96, ge=1, le=512)
    save_to: str = Field("", pattern="^([0-9a-f]{32})?$")
    owner: str = Field("", max_length=100, description="An opaque key of who asks; askers get equal shares.")


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
