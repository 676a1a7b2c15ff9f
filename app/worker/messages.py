"""What is said to the worker over its socket, typed and bounded, and the exit code with which it refuses to start."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from reft_engine import RunSpec, TrainConfig

# Fields as the spec of a run has them.
_BASE: Any = RunSpec.model_fields["base"]
_REVISION: Any = RunSpec.model_fields["revision"]
_MAX_LENGTH: Any = TrainConfig.model_fields["max_length"]

ALREADY_SERVED = 3
"""The exit code of a worker that finds another one at work on its data folder."""


class ChatMessage(BaseModel):
    """One message of a conversation."""

    model_config = ConfigDict(extra="forbid")
    role: str = Field(pattern="^(system|user|assistant)$")
    content: str = Field(max_length=200_000)


class ChatRequest(BaseModel):
    """One prompt for several columns; None is the base model, a run's id its edit."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    columns: list[str | None] = Field(min_length=1, max_length=8)
    base: str = _BASE
    messages: list[ChatMessage] = Field(min_length=1, max_length=100)
    max_new_tokens: int = Field(128, ge=1, le=2048)
    temperature: float = Field(0.0, ge=0.0, le=5.0)
    seed: int = Field(0, ge=0, le=2**31 - 1)
    strength: float = Field(1.0, ge=-10.0, le=10.0)


class PreviewRequest(BaseModel):
    """Rows to be shown as they are trained."""

    model_config = ConfigDict(extra="forbid")
    base: str = _BASE
    rows: list[dict[str, Any]] = Field(max_length=50)
    reft: dict[str, Any] = {}
    max_length: int = _MAX_LENGTH


class CheckRequest(BaseModel):
    """Rows to be counted: those of a dataset, or the ones that are given."""

    model_config = ConfigDict(extra="forbid")
    base: str = _BASE
    revision: str | None = _REVISION
    dataset: str | None = Field(None, max_length=100)
    rows: list[dict[str, Any]] = Field([], max_length=1_000_000)
    file_rows: int | None = Field(None, ge=0)
    reft: dict[str, Any] = {}
    train: dict[str, Any] = {}


class ProbeRequest(BaseModel):
    """A run that is to be timed."""

    model_config = ConfigDict(extra="forbid")
    base: str = _BASE
    dataset: str = Field(max_length=100)
    reft: dict[str, Any] = {}
    train: dict[str, Any] = {}


class DescribeRequest(BaseModel):
    """A base model to be described; with ``load`` also one that is not in memory yet."""

    model_config = ConfigDict(extra="forbid")
    base: str = Field(max_length=300)
    load: bool = True
