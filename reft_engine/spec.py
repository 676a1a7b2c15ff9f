"""The one description of a run that page, command line, HTTP and adapter file share. Imports no torch."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from reft_engine.baseline_methods import BASELINES
from reft_engine.errors import ConfigError
from reft_engine.methods import METHODS
from reft_engine.positions import PositionSpec

Activation = Literal["linear", "relu", "relu6", "leaky_relu", "gelu", "gelu_new", "silu", "mish", "tanh", "sigmoid"]
Pooling = Literal["first", "mean", "last"]


def parse_layers(value: Any) -> Any:
    """Read ``"all"``, ``"3;9;18"``, ``"0-7"`` or a list of block indices (counted from 0) into a sorted tuple."""
    if isinstance(value, str):
        text = value.strip().lower().replace(",", ";").replace(" ", "")
        if text == "all":
            return "all"
        found: set[int] = set()
        for part in filter(None, text.split(";")):
            low, dash, high = part.partition("-")
            if not low.isdecimal() or (dash and not high.isdecimal()) or max(len(low), len(high)) > 4:
                raise ConfigError(f"'{value[:40]}' is not a list of layers; write all, 3;9;18 or 0-7.", "layers")
            found.update(range(int(low), int(high or low) + 1))
        value = found
    if isinstance(value, (list, tuple, set, frozenset)) and all(type(layer) is int for layer in value):
        layers = tuple(sorted(set(value)))
        if not layers or layers[0] < 0:
            raise ConfigError("Choose at least one layer; layers are counted from 0.", "layers")
        return layers
    raise ConfigError("Layers are written all, 3;9;18, 0-7 or as a list of numbers.", "layers")


def _known_method(value: Any) -> str:
    return _one_of(METHODS, value)


def _known_baseline(value: Any) -> str:
    return _one_of(BASELINES, value)


def _one_of(methods: Iterable[str], value: Any) -> str:
    known = list(methods)
    if isinstance(value, str) and value in known:
        return value
    *names, last = (f"'{name}'" for name in known)
    raise PydanticCustomError("method", "Input should be {names}", {"names": f"{', '.join(names)} or {last}"})


def _canonical_positions(value: Any) -> str:
    return str(PositionSpec.parse(str(value)))


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _first_problem(error) from None

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise ConfigError(f"{info.field_name} cannot be {value}.", info.field_name)
        return value

    @classmethod
    def read(cls, values: Any) -> Self:
        """Validate plain data, as read from JSON, into this spec. Raises ConfigError."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise _first_problem(error) from None


def _first_problem(error: ValidationError) -> ConfigError:
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or None
    return ConfigError(f"{field or 'The settings'}: {first['msg']}.", field, kind="format", detail=first["msg"])


class ReftConfig(_Frozen):
    """What is edited: method, rank, which layers and which prompt tokens."""

    method: Annotated[str, BeforeValidator(_known_method)] = "loreft"
    """How hidden states are edited; a name of `methods.METHODS`."""
    rank: int = Field(4, ge=1, le=4096)
    """Dimension of the edited subspace, at most the hidden size; unused by methods without a rank."""
    layers: Annotated[Literal["all"] | tuple[int, ...], BeforeValidator(parse_layers)] = "all"
    """Blocks whose output is edited, counted from 0."""
    positions: Annotated[str, BeforeValidator(_canonical_positions)] = "f7+l7"
    """Which prompt tokens are edited; see `positions.PositionSpec`."""
    tied: bool = True
    """One edit per layer for prefix and suffix; False gives each its own."""
    dropout: float = Field(0.0, ge=0.0, lt=1.0)
    """Share of the edit's rank-sized coefficients dropped in training (of RED, which has none, of the change's numbers)."""
    activation: Activation = "linear"
    """Function of W h + b, for the methods that have a learned source."""
    identity_init: bool = False
    """Start with an edit that changes nothing, instead of pyreft's random start."""
    labels: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] | None = Field(None, min_length=2, max_length=10_000)
    """Names of the classes; with them a head is trained that classifies, in place of written answers."""
    pooling: Pooling | None = None
    """Which hidden state the head reads: the first token's, the mean or the last; left out: first for encoders, last for decoders."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.activation != "linear" and not METHODS[self.method].learned_source:
            raise ConfigError(f"The method {self.method} has no activation function.", "activation")
        if self.labels and len(set(self.labels)) != len(self.labels):
            raise ConfigError("Every label must be named once only.", "labels")
        if self.pooling and not self.labels:
            raise ConfigError("Pooling is a setting of classification; it needs labels.", "pooling")
        if self.identity_init and not METHODS[self.method].can_be_identity(self.activation):
            raise ConfigError(f"{self.method} with activation {self.activation} cannot start as the identity.", "identity_init")
        return self

    @property
    def groups(self) -> int:
        """Edits per layer: 2 for an untied two-sided rule, else 1."""
        return 2 if not self.tied and PositionSpec.parse(self.positions).two_sided else 1


class PeftConfig(_Frozen):
    """What a baseline trains through PEFT, to compare edits with: method, size, and which weights."""

    method: Annotated[str, BeforeValidator(_known_baseline)] = Field("lora", title="Method", description="A name of `BASELINES`.")
    """The method; a name of `baseline_methods.BASELINES`."""
    rank: int = Field(8, ge=1, le=4096, title="Rank", description="Rank of LoRA and DoRA; unused by the others.")
    """Rank of LoRA and DoRA; unused by the others."""
    virtual_tokens: int = Field(20, ge=1, le=4096, title="Virtual tokens", description="Learned tokens of prefix and prompt tuning.")
    """Learned tokens before each prompt, of prefix and prompt tuning; unused by the others."""
    alpha: int | None = Field(None, gt=0, le=100_000, title="Alpha", description="LoRA's scale times its rank; twice the rank if left out.")
    """LoRA's update is scaled by alpha / rank; left out: twice the rank."""
    dropout: float = Field(0.0, ge=0.0, lt=1.0, title="Dropout", description="Share of LoRA's inputs dropped in training.")
    """Share of the inputs of LoRA and DoRA dropped in training."""
    targets: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] | None = Field(
        None, min_length=1, max_length=1000, title="Targets", description="Ends of the names of the weights that LoRA and DoRA change."
    )
    """Ends of the names of the linear layers that LoRA and DoRA change; left out: queries and values of all blocks."""
    labels: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] | None = Field(
        None, min_length=2, max_length=10_000, title="Labels", description="Names of the classes; with them a head is trained."
    )
    """As of `ReftConfig`."""
    pooling: Pooling | None = Field(None, title="Pooling", description="Which hidden state the head reads.")
    """As of `ReftConfig`."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        method = BASELINES[self.method]
        if self.dropout and not method.drops:
            raise ConfigError(f"{method.title} has no dropout.", "dropout")
        if self.targets and method.size != "rank":
            raise ConfigError(f"{method.title} does not choose its weights; targets are a setting of LoRA and DoRA.", "targets")
        if self.labels and method.virtual:
            raise ConfigError(f"{method.title} writes answers here; to classify with labels, choose LoRA, DoRA or (IA)3.", "labels")
        if self.labels and len(set(self.labels)) != len(self.labels):
            raise ConfigError("Every label must be named once only.", "labels")
        if self.pooling and not self.labels:
            raise ConfigError("Pooling is a setting of classification; it needs labels.", "pooling")
        return self

    @property
    def tokens_before(self) -> int:
        """Virtual tokens before each row, which the base model's context has to hold too."""
        return self.virtual_tokens if BASELINES[self.method].virtual else 0


MethodConfig = ReftConfig | PeftConfig
"""What is trained beside a base model: edits, or a baseline."""


def reading(config: MethodConfig) -> ReftConfig:
    """How rows are encoded: with which labels, and whether marks in a prompt mean anything; to a baseline they do not."""
    return config if isinstance(config, ReftConfig) else ReftConfig(labels=config.labels, pooling=config.pooling)


def trainable_parameters(config: ReftConfig, layers: int, hidden_size: int) -> int:
    """Numbers that the edits train in a base model of so many ``layers``, the head of a classifier not counted.

    The number of one edit is `methods.Method.parameters`. Known before the base model is loaded.

    Raises:
        ConfigError: a layer that the base model does not have, or a rank above its hidden size.
    """
    if config.layers != "all" and config.layers[-1] >= layers:
        raise ConfigError(f"Layer {config.layers[-1]} does not exist; the base model has layers 0-{layers - 1}.", "layers")
    method = METHODS[config.method]
    if config.rank > hidden_size and method.has_rank:
        raise ConfigError(f"Rank {config.rank} is larger than the hidden size {hidden_size}.", "rank")
    edited = layers if config.layers == "all" else len(config.layers)
    return edited * config.groups * method.parameters(config.rank, hidden_size)


class TrainConfig(_Frozen):
    """How the edit is trained."""

    epochs: int = Field(3, ge=1, le=10_000)
    learning_rate: float = Field(9e-4, gt=0, le=1.0)
    """Peak rate of AdamW; rises over the warm-up, then falls linearly to zero."""
    head_learning_rate: float | None = Field(None, gt=0, le=1.0)
    """Peak rate of a classifier's head; that of the edits when left out."""
    batch_size: int = Field(8, ge=1, le=4096)
    """Rows per forward pass."""
    gradient_accumulation: int = Field(1, ge=1, le=1024)
    """Forward passes per optimiser step."""
    warmup_ratio: float = Field(0.1, ge=0.0, le=1.0)
    """Share of all steps over which the rate rises."""
    weight_decay: float = Field(0.0, ge=0.0, le=1.0)
    """Decay of W and b; orthonormal factors, RED's scale and a head are never decayed."""
    max_grad_norm: float = Field(1.0, gt=0)
    """Gradients are scaled down to this L2 norm."""
    max_length: int = Field(512, ge=8, le=1_000_000)
    """Longest row in tokens; the answer of a longer row is cut at its end, as is a text that is classified (of two, the longer
    first). Of an encoder-decoder prompt and answer may have so many each."""
    answer_tokens: int | None = Field(None, ge=1, le=1_000_000)
    """Learn only the first so many tokens of each answer (arXiv 2511.10707 trains on such prefixes); all when left out."""
    preference_beta: float = Field(0.1, gt=0, le=100)
    """Strength of a preference pair's pull (beta of arXiv 2305.18290, equation 7)."""
    gradient_checkpointing: bool = False
    """Compute each block twice instead of keeping its inner values: less memory, a third more time, the same weights."""
    pass_tokens: int | None = Field(None, ge=8, le=100_000_000)
    """Most tokens, padding counted, of one forward pass; a batch of more is computed in parts, which gives the same step in less
    memory and somewhat more time. Left out: 2,048 on a CPU, 16,384 elsewhere."""
    packing: bool = True
    """Read rows one behind another, so that no padding is computed: on a CPU, where the base model gives the same so."""
    reuse: Literal["all", "depth", "time", "none"] = "all"
    """What is kept because the base model is frozen: what blocks below the edits give, and keys and values of the prompt before
    its first edited token. Nothing but the speed depends on it."""
    reuse_memory_mb: int = Field(2048, ge=0, le=10_000_000)
    """Megabytes of memory (of the device that trains; of a GPU a quarter of what is free at most) for what is kept; what exceeds them
    goes to disk."""
    reuse_disk_mb: int = Field(4096, ge=0, le=100_000_000)
    """Megabytes of disk for it; what exceeds both is computed anew in each step."""
    held_out: float = Field(0.1, ge=0.0, le=0.9)
    """Share of rows kept away from training to measure what was learned; at most 1,000 rows."""
    keep: Literal["best", "last"] = "best"
    """Which edit a run ends with: the one with the least held-out loss, or the one after the last step."""
    patience: int | None = Field(None, ge=1, le=1000)
    """Stop early after this many held-out measurements without a lower loss; never when left out."""
    seed: int = Field(42, ge=0, le=2**31 - 1)
    """Draws the first weights, the order of the rows and dropout."""
    split_seed: int | None = Field(None, ge=0, le=2**31 - 1)
    """Draws which rows are held out; ``seed`` does when left out. Runs that are to be compared need the same."""

    @property
    def held_out_seed(self) -> int:
        """The seed that draws which rows are held out."""
        return self.seed if self.split_seed is None else self.split_seed


class RunSpec(_Frozen):
    """Everything that makes a run: base model, edit, training."""

    base: str = Field("starter", min_length=1, max_length=300)
    revision: str | None = Field(None, min_length=1, max_length=100)
    """Commit of a Hub id; left out, the newest when the run begins, which is then kept here."""
    reft: ReftConfig = ReftConfig()
    """What is edited; unused where there is a ``peft``."""
    peft: PeftConfig | None = Field(None, title="Baseline", description="What PEFT trains, in place of edits.")
    """The baseline that is trained in place of edits."""
    train: TrainConfig = TrainConfig()

    @property
    def trained(self) -> MethodConfig:
        """What is trained: ``peft`` if there is one, else ``reft``."""
        return self.peft or self.reft

    @model_validator(mode="before")
    @classmethod
    def _of_earlier_versions(cls, values: Any) -> Any:
        # They kept a mapping of columns here, which was always empty.
        return {name: value for name, value in values.items() if name != "mapping"} if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.peft and "reft" in self.model_fields_set:
            raise ConfigError("A run trains edits or a baseline: give reft or peft, not both.", "peft")
        if self.peft:
            check_together(self.peft, self.train)
        return self

    @model_serializer(mode="wrap")
    def _only_what_is_trained(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        unused = "reft" if self.peft else "peft"
        return {name: value for name, value in write(self).items() if name != unused}


def check_together(config: MethodConfig, settings: TrainConfig) -> None:
    """Raises ConfigError where a baseline cannot be trained so."""
    if not isinstance(config, PeftConfig) or not settings.gradient_checkpointing:
        return
    if config.method == "prefix":
        raise ConfigError("Prefix tuning fills a KV cache, so it cannot be trained with gradient checkpointing.", "gradient_checkpointing")
    if config.dropout:
        title = BASELINES[config.method].title
        sentence = f"{title} draws its dropout inside the blocks, so gradient checkpointing would draw it twice; leave one of them out."
        raise ConfigError(sentence, "gradient_checkpointing")
