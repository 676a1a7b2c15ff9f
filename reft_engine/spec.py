"""The one description of a run that page, command line, HTTP and adapter file share. Imports no torch."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self, get_args

import yaml
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
from reft_engine.positions import PRESETS, PositionSpec
from reft_engine.precisions import PRECISIONS, Precision
from reft_engine.settings import Choices, Setting, setting, settings_of

Activation = Literal["linear", "relu", "relu6", "leaky_relu", "gelu", "gelu_new", "silu", "mish", "tanh", "sigmoid"]
Pooling = Literal["first", "mean", "last"]
Reuse = Literal["all", "depth", "time", "none"]
Keep = Literal["best", "last"]
Pairs = Literal["compare", "preferred"]
_POOLINGS = {"first": "The first token", "mean": "The mean of all", "last": "The last token"}
_REUSES = {"all": "Both", "depth": "Blocks below the edits", "time": "Tokens before the first edited one", "none": "Nothing"}
_PAIRS = {"compare": "Compare both answers", "preferred": "Learn the preferred answer alone"}
_KEEPS = {"best": "The best edit by held-out loss", "last": "The last edit"}


def parse_layers(value: Any) -> Any:
    """Read ``"all"``, ``"3;9;18"``, ``"0-7"`` or a list of block indices (counted from 0) into a sorted tuple."""
    if isinstance(value, str):
        text = value.strip().lower().replace(",", ";").replace(" ", "")
        if text == "all":
            return "all"
        layer_set: set[int] = set()
        for item in filter(None, text.split(";")):
            low, dash, high = item.partition("-")
            if not low.isdecimal() or (dash and not high.isdecimal()) or max(len(low), len(high)) > 4:
                raise ConfigError(
                    "'{text}' is not a list of layers; write all, 3;9;18 or 0-7.", "layers", kind="layers.list", text=value[:40]
                )
            layer_set.update(range(int(low), int(high or low) + 1))
        value = layer_set
    if isinstance(value, (list, tuple, set, frozenset)) and all(type(layer) is int for layer in value):
        layers = tuple(sorted(set(value)))
        if not layers or layers[0] < 0:
            raise ConfigError("Choose at least one layer; layers are counted from 0.", "layers", kind="layers.empty")
        return layers
    raise ConfigError("Layers are written all, 3;9;18, 0-7 or as a list of numbers.", "layers", kind="layers.type")


def _parse_labels(value: Any) -> Any:
    """Split comma-separated names into a list."""
    return [name for text in value.split(",") if (name := text.strip())] if isinstance(value, str) else value


def _check_method(value: Any) -> str:
    return _one_of(METHODS, value)


def _check_baseline(value: Any) -> str:
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
    def _refuse_booleans_for_numbers(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise ConfigError("{name} cannot be {value}.", info.field_name, kind="spec.boolean", name=info.field_name, value=value)
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
    field = ".".join(str(key) for key in first["loc"]) or None
    reason = first["msg"]
    if field is None:
        return ConfigError("The settings: {reason}.", kind="format.settings", detail=reason, reason=reason)
    return ConfigError("{name}: {reason}.", field, kind="format.setting", detail=reason, name=field, reason=reason)


def _check_labels(labels: tuple[str, ...] | None, pooling: Pooling | None) -> None:
    """Raises ConfigError for a label that is named twice, or pooling without labels."""
    if labels and len(set(labels)) != len(labels):
        raise ConfigError("Every label must be named once only.", "labels", kind="spec.labels_twice")
    if pooling and not labels:
        raise ConfigError("Pooling is a setting of classification; it needs labels.", "pooling", kind="spec.pooling")


class ReftConfig(_Frozen):
    """The config of an edit: method, rank, layers and positions."""

    method: Annotated[
        str, BeforeValidator(_check_method), Choices(lambda: {name: f"{method.title}, {method.help}" for name, method in METHODS.items()})
    ] = setting(
        "loreft", title="Method", group="Edit", advanced=False,
        help="How the correction is computed; leave it when in doubt.",
        why="The method that the paper recommends; it learns the most with so few trainable parameters.",
    )  # fmt: skip
    rank: int = setting(
        4, ge=1, le=4096, title="Rank", group="Edit", advanced=False, unit="directions",
        help="A larger one learns more, from more rows: how many directions of a hidden state the edit can change.",
        why="The paper advises to start small, for example with 4.",
    )  # fmt: skip
    layers: Annotated[Literal["all"] | tuple[int, ...], BeforeValidator(parse_layers)] = setting(
        "all", title="Layers", group="Edit", advanced=False,
        help="Where in the model it acts: all, 0;2;4 or 1-3, counted from 0.",
        why="The paper advises to start with all layers and to use fewer later.",
    )  # fmt: skip
    positions: Annotated[str, BeforeValidator(_canonical_positions), Choices(PRESETS, free=True)] = setting(
        "f7+l7", title="Positions", group="Edit", advanced=False,
        help="Pieces (tokens) of the prompt that are edited; never those of the answer.",
        why="Several positions work much better than one; seven at each end is the paper's setting for reasoning tasks.",
    )  # fmt: skip
    tied: bool = setting(
        True, title="Tied", group="Edit",
        help="One edit for the first and the last tokens alike; off gives each side its own.",
        why="The paper advises to tie as much as possible; it halves the trainable parameters.",
    )  # fmt: skip
    dropout: float = setting(
        0.0, ge=0.0, lt=1.0, step=0.05, title="Dropout", group="Edit",
        help="Share of the edit that is switched off at random while it learns.",
        why="So small an edit seldom needs it; the paper tunes it last.",
    )  # fmt: skip
    activation: Annotated[Activation, Choices({name: name for name in get_args(Activation)})] = setting(
        "linear", title="Activation", group="Edit",
        help="Function of what the edit reads off the hidden state (act in the formulas); only for methods that read it.",
        why="The paper's methods are linear.",
    )  # fmt: skip
    identity_init: bool = setting(
        False, title="Start from no change", group="Edit",
        help="Begin with an edit that changes nothing, instead of a random one.",
        why="A random start is pyreft's, so that results can be compared.",
    )  # fmt: skip
    labels: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] | None, BeforeValidator(_parse_labels)] = setting(
        None, min_length=2, max_length=10_000, title="Labels", group="Classes and pairs", blank="answers are written",
        help="Names of classes, with commas between them; the run then learns to sort texts into these instead of writing answers.",
        why="Most data sets have answers to write.",
    )  # fmt: skip
    pooling: Annotated[Pooling | None, Choices(_POOLINGS)] = setting(
        None, title="Read for the label", group="Classes and pairs", blank="first for encoders, last for decoders",
        help="Which hidden state a label is read from; only with labels.",
        why="An encoder gathers its text in the first token, a decoder in the last.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _check_combination(self) -> Self:
        if self.activation != "linear" and not METHODS[self.method].learned_source:
            raise ConfigError("The method {method} has no activation function.", "activation", kind="spec.activation", method=self.method)
        _check_labels(self.labels, self.pooling)
        if self.identity_init and not METHODS[self.method].can_be_identity(self.activation):
            raise ConfigError(
                "{method} with activation {activation} cannot start as the identity.",
                "identity_init",
                kind="spec.identity",
                method=self.method,
                activation=self.activation,
            )
        return self

    @property
    def groups(self) -> int:
        """Edits per layer: 2 for an untied two-sided rule, else 1."""
        return 2 if not self.tied and PositionSpec.parse(self.positions).two_sided else 1


class PeftConfig(_Frozen):
    """The config of a baseline, trained through PEFT to compare edits with: method, size and target weights."""

    method: Annotated[str, BeforeValidator(_check_baseline)] = Field("lora", title="Method", description="A name of `BASELINES`.")
    """The method; a name of `baseline_methods.BASELINES`."""
    rank: int = Field(8, ge=1, le=4096, title="Rank", description="Rank of LoRA and DoRA; unused by the others.")
    """Rank of LoRA and DoRA; unused by the others."""
    virtual_tokens: int = Field(20, ge=1, le=4096, title="Virtual tokens", description="Learned tokens of prefix and prompt tuning.")
    """Learned tokens before each prompt in prefix and prompt tuning; unused by the others."""
    alpha: int | None = Field(None, gt=0, le=100_000, title="Alpha", description="LoRA's scale times its rank; twice the rank if left out.")
    """LoRA's update is scaled by alpha / rank; twice the rank by default."""
    dropout: float = Field(0.0, ge=0.0, lt=1.0, title="Dropout", description="Share of LoRA's inputs dropped in training.")
    """Share of the inputs of LoRA and DoRA that is dropped in training."""
    targets: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] | None = Field(
        None, min_length=1, max_length=1000, title="Targets", description="Ends of the names of the weights that LoRA and DoRA change."
    )
    """Ends of the names of the linear layers that LoRA and DoRA change; queries and values by default."""
    layers: Annotated[Literal["all"] | tuple[int, ...], BeforeValidator(parse_layers)] = Field(
        "all", title="Layers", description="The blocks whose weights LoRA, DoRA and (IA)3 change; prefix and prompt tuning have no choice."
    )
    """The blocks whose weights LoRA, DoRA and (IA)3 change, as of `ReftConfig`; of an encoder-decoder, those of both stacks."""
    labels: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] | None = Field(
        None, min_length=2, max_length=10_000, title="Labels", description="Names of the classes; with them a head is trained."
    )
    """As of `ReftConfig`."""
    pooling: Pooling | None = Field(None, title="Pooling", description="Which hidden state the head reads.")
    """As of `ReftConfig`."""

    @model_validator(mode="after")
    def _check_combination(self) -> Self:
        method = BASELINES[self.method]
        if self.dropout and not method.drops:
            raise ConfigError("{method} has no dropout.", "dropout", kind="spec.dropout", method=method.title)
        if self.targets and method.size != "rank":
            raise ConfigError(
                "{method} does not choose its weights; targets are a setting of LoRA and DoRA.",
                "targets",
                kind="spec.targets",
                method=method.title,
            )
        if self.layers != "all" and method.virtual:
            raise ConfigError(
                "{method} acts on the whole model; layers are a setting of LoRA, DoRA and (IA)3.",
                "layers",
                kind="spec.baseline_layers",
                method=method.title,
            )
        if self.labels and method.virtual:
            raise ConfigError(
                "{method} writes answers here; to classify with labels, choose LoRA, DoRA or (IA)3.",
                "labels",
                kind="spec.labels",
                method=method.title,
            )
        _check_labels(self.labels, self.pooling)
        return self

    @property
    def tokens_before(self) -> int:
        """Number of virtual tokens before each row; they count towards the base model's context."""
        return self.virtual_tokens if BASELINES[self.method].virtual else 0


MethodConfig = ReftConfig | PeftConfig
"""The config of edits or of a baseline."""


def reading(config: MethodConfig) -> ReftConfig:
    """The config by which rows are encoded: labels, pooling, and positions; a baseline ignores marks in a prompt."""
    return config if isinstance(config, ReftConfig) else ReftConfig(labels=config.labels, pooling=config.pooling)


def edited_layers(config: MethodConfig, layers: int) -> tuple[int, ...]:
    """Blocks that are changed in a base model with ``layers`` blocks, in ascending order. Raises ConfigError: there is no such block."""
    if config.layers == "all":
        return tuple(range(layers))
    if config.layers[-1] >= layers:
        raise ConfigError(
            "Layer {layer} does not exist; the base model has layers 0-{last}.", "layers", kind="layers.beyond", layer=config.layers[-1],
            last=layers - 1,
        )  # fmt: skip
    return config.layers


def trainable_parameters(config: ReftConfig, layers: int, hidden_size: int) -> int:
    """Trainable parameters of the edits in a base model with ``layers`` blocks, excluding a classification head.

    One edit has `methods.Method.parameters` of them. Needs no loaded base model.

    Raises:
        ConfigError: the base model does not have such a layer, or the rank is above its hidden size.
    """
    edited = edited_layers(config, layers)
    method = METHODS[config.method]
    if config.rank > hidden_size and method.has_rank:
        raise ConfigError(
            "Rank {rank} is larger than the hidden size {hidden_size}.", "rank", kind="spec.rank", rank=config.rank, hidden_size=hidden_size
        )
    return len(edited) * config.groups * method.parameters(config.rank, hidden_size)


class TrainConfig(_Frozen):
    """The settings of training."""

    epochs: int = setting(
        3, ge=1, le=10_000, title="Epochs", group="Learning", advanced=False, unit="passes",
        help="Passes over all rows; few rows need more of them.",
        why="Enough for some hundred rows; the page suggests more for fewer.",
    )  # fmt: skip
    learning_rate: float = setting(
        4e-3, gt=0, le=1.0, step=1e-4, title="Learning rate", group="Learning",
        help="How far one step moves the edit at its peak: it rises over the warm-up, then falls to zero; 0.0009 to 0.004 is usual.",
        why="What the quality of the samples and of the verdicts was measured with; the paper's 0.0009 suits its long runs.",
    )  # fmt: skip
    head_learning_rate: float | None = setting(
        None, gt=0, le=1.0, step=1e-4, title="Learning rate of the head", group="Classes and pairs", blank="that of the edit",
        help="How far one step moves the head that names a label; only with labels.",
        why="One rate is enough to begin with.",
    )  # fmt: skip
    batch_size: int = setting(
        8, ge=1, le=4096, title="Batch size", group="Learning", unit="rows",
        help="Rows that are read before each correction.",
        why="Small data sets get enough steps, and it fits small machines.",
    )  # fmt: skip
    gradient_accumulation: int = setting(
        1, ge=1, le=1024, title="Batches of a step", group="Learning", unit="batches",
        help="Batches that are added up for one correction, as if they were one larger batch.",
        why="The batch size alone says how many rows a step has.",
    )  # fmt: skip
    warmup_ratio: float = setting(
        0.1, ge=0.0, le=1.0, step=0.05, title="Warm-up", group="Learning",
        help="Share of all steps over which the learning rate rises.",
        why="The paper's setting for its large tasks.",
    )  # fmt: skip
    weight_decay: float = setting(
        0.0, ge=0.0, le=1.0, step=0.01, title="Weight decay", group="Learning",
        help="Pull of the edit's free weights towards zero in each step; orthonormal rows, RED's scale and a head are left alone.",
        why="The paper's setting for its large tasks.",
    )  # fmt: skip
    max_grad_norm: float = setting(
        1.0, gt=0, step=0.1, title="Largest gradient", group="Learning",
        help="A larger gradient is scaled down to this L2 norm, so that one odd batch does no harm.",
        why="What transformers' Trainer uses, and pyreft with it.",
    )  # fmt: skip
    max_length: int = setting(
        512, ge=8, le=1_000_000, title="Longest row", group="Rows", unit="tokens",
        help="Longer answers are cut at their end, as are texts that get a label; an encoder-decoder counts prompt and answer apart.",
        why="Most rows of instructions fit, and memory stays small.",
    )  # fmt: skip
    answer_tokens: int | None = setting(
        None, ge=1, le=1_000_000, title="Learn only the beginning", group="Rows", unit="tokens", blank="the whole answer",
        help="Learn only the first tokens of each answer (arXiv 2511.10707).",
        why="The whole answer is what most people want back.",
    )  # fmt: skip
    pairs: Annotated[Pairs, Choices(_PAIRS)] = setting(
        "compare", title="Preference pairs", group="Classes and pairs",
        help="Learn which of two answers is better, or learn the preferred one as any other answer; only for such pairs.",
        why="The rejected answers say what to leave behind.",
    )  # fmt: skip
    preference_beta: float = setting(
        0.1, gt=0, le=100, step=0.05, title="Pull of a preference", group="Classes and pairs",
        help="How strongly a preferred answer is told from a rejected one (beta of arXiv 2305.18290, equation 7); only for such pairs.",
        why="The usual value in that paper and in TRL.",
    )  # fmt: skip
    gradient_checkpointing: bool = setting(
        False, title="Gradient checkpointing", group="Memory and speed",
        help="Compute each block twice instead of keeping its inner values: less memory, a third more time, the same weights.",
        why="The small models that most people start with have room enough.",
    )  # fmt: skip
    pass_tokens: int | None = setting(
        None, ge=8, le=100_000_000, title="Largest micro-batch", group="Memory and speed", unit="tokens",
        blank="2,048 on a CPU, 16,384 elsewhere",
        help="Most tokens, padding included, of one micro-batch; smaller ones need less memory and more time, and give the same step.",
        why="What keeps a CPU's cache or a GPU busy.",
    )  # fmt: skip
    packing: bool = setting(
        True, title="Packing", group="Memory and speed",
        help="Put sequences into one row so that no padding is computed; on a CPU, and where the base model gives the same.",
        why="Nothing but the speed depends on it.",
    )  # fmt: skip
    reuse: Annotated[Reuse, Choices(_REUSES)] = setting(
        "all", title="Activation reuse", group="Memory and speed",
        help="What the frozen base model computes once and not again in later epochs.",
        why="Nothing but the speed depends on it.",
    )  # fmt: skip
    reuse_memory_mb: int = setting(
        2048, ge=0, le=10_000_000, title="Memory for reuse", group="Memory and speed", unit="MB",
        help="Memory of the training device for what is reused (of a GPU at most a quarter of what is free); the rest goes to disk.",
        why="Enough for thousands of rows of a small model, and little on most machines.",
    )  # fmt: skip
    reuse_disk_mb: int = setting(
        4096, ge=0, le=100_000_000, title="Disk for reuse", group="Memory and speed", unit="MB",
        help="Disk space for it; what fits into neither is computed again in each step.",
        why="Twice the memory, which most disks have free.",
    )  # fmt: skip
    held_out: float = setting(
        0.1, ge=0.0, le=0.9, step=0.05, title="Held-out share", group="Rows",
        help="Share of the rows that is kept away to measure with; at most 1,000 rows.",
        why="A tenth leaves enough to learn from.",
    )  # fmt: skip
    keep: Annotated[Keep, Choices(_KEEPS)] = setting(
        "best", title="Keep", group="Which edit is kept",
        help="Which edit the run ends with.",
        why="The last edit has often learned some rows by heart.",
    )  # fmt: skip
    patience: int | None = setting(
        None, ge=1, le=1000, title="Stop early", group="Which edit is kept", unit="measurements", blank="never",
        help="End after this many held-out measurements without a lower loss.",
        why="The best edit is kept anyway, and a later one can still be better.",
    )  # fmt: skip
    seed: int = setting(
        42, ge=0, le=2**31 - 1, title="Seed", group="Learning",
        help="Draws the first weights, the order of the rows and dropout; the same seed gives the same run.",
        why="The paper's first seed.",
    )  # fmt: skip
    split_seed: int | None = setting(
        None, ge=0, le=2**31 - 1, title="Seed of the held-out rows", group="Rows", blank="the seed",
        help="Draws which rows are held out; runs that you compare need the same.",
        why="One seed says everything; the page gives all its runs 42, so that they can be compared.",
    )  # fmt: skip

    @property
    def held_out_seed(self) -> int:
        """The seed of the split into training and held-out rows."""
        return self.seed if self.split_seed is None else self.split_seed


class RunSpec(_Frozen):
    """The full description of a run: base model, edit or baseline, training."""

    base: str = setting(
        "starter", min_length=1, max_length=300, title="Base model", group="Model", advanced=False,
        help="The frozen model that is edited: the starter, a local folder, or a Hub id (owner/model).",
        why="It comes along and needs no download.",
    )  # fmt: skip
    revision: str | None = setting(
        None, min_length=1, max_length=100, title="Revision", group="Model", blank="the newest when the run begins",
        help="Commit, branch or tag of a Hub id.",
        why="The run then keeps the commit that it began with.",
    )  # fmt: skip
    precision: Annotated[Precision | None, Choices(PRECISIONS)] = setting(
        None, title="Precision", group="Model", blank="bfloat16 on a GPU, float32 elsewhere",
        help="How the base model's weights are held: fewer bits need less memory and round more; the edit itself is always float32.",
        why="A GPU computes fastest in bfloat16 and a CPU in float32, which is exact.",
    )  # fmt: skip
    reft: ReftConfig = ReftConfig()
    """The edit; unused if there is a ``peft``."""
    peft: PeftConfig | None = Field(None, title="Baseline", description="What PEFT trains, in place of edits.")
    """The baseline that is trained instead of edits."""
    train: TrainConfig = TrainConfig()

    @property
    def trained(self) -> MethodConfig:
        """The config that is trained: ``peft`` if there is one, else ``reft``."""
        return self.peft or self.reft

    @model_validator(mode="before")
    @classmethod
    def _read_earlier_versions(cls, values: Any) -> Any:
        # They had a mapping of columns here, which was always empty.
        return {name: value for name, value in values.items() if name != "mapping"} if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _check_edit_or_baseline(self) -> Self:
        if self.peft and "reft" in self.model_fields_set:
            raise ConfigError("A run trains edits or a baseline: give reft or peft, not both.", "peft", kind="spec.both")
        if self.peft:
            check_together(self.peft, self.train)
        return self

    @model_serializer(mode="wrap")
    def _write_trained_config(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        unused = "reft" if self.peft else "peft"
        return {name: value for name, value in write(self).items() if name != unused}

    @classmethod
    def of_settings(cls, values: Mapping[str, Any]) -> Self:
        """Build a run from the values of settings, by name; the other settings have their defaults.

        A method of PEFT gives a baseline; its ``rank`` is the rank or the number of virtual tokens.

        Raises:
            ConfigError: a setting does not exist, or its value is not allowed.
        """
        sections = {row.name: row.section for row in settings_of(cls)}
        baseline = values.get("method") in BASELINES
        if baseline:
            sections |= dict.fromkeys(PeftConfig.model_fields, "reft")
        by_section: dict[str, dict[str, Any]] = {section: {} for section in sections.values()}
        for name, value in values.items():
            if name not in sections:
                raise ConfigError("There is no setting {name}.", name, kind="format.unknown", name=name[:40])
            by_section[sections[name]][name] = value
        top_level = by_section.pop("")
        trained: dict[str, Any] = {"peft": _baseline_of(by_section.pop("reft"))} if baseline else {}
        configs = {section: cls.model_fields[section].annotation.read(own) for section, own in by_section.items()}  # type: ignore[union-attr]
        return cls.read({**top_level, **configs, **trained})

    def settings(self) -> dict[str, Any]:
        """The value of each setting, by name; a baseline has its own settings instead of an edit's."""
        rows = [row for row in settings_of(type(self)) if not (self.peft and row.section == "reft")]
        values = {row.name: getattr(getattr(self, row.section) if row.section else self, row.name) for row in rows}
        return values | (_settings_of_baseline(self.peft) if self.peft else {})

    def to_yaml(self) -> str:
        """The run as YAML, which `from_yaml` reads back."""
        return str(yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True))

    @classmethod
    def from_yaml(cls, text: str) -> Self:
        """Read a run from YAML, written by hand or by `to_yaml`. Raises ConfigError."""
        return cls.read(read_yaml(text))


_YAML_LIMIT = 200_000


def read_yaml(text: str) -> Any:
    """The plain data of a YAML text; no object of Python can be named in it. Raises ConfigError."""
    if len(text) > _YAML_LIMIT:  # it is read slowly
        raise ConfigError("A run is described in at most {limit:,} characters.", kind="format.yaml_size", limit=_YAML_LIMIT)
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        place = getattr(error, "problem_mark", None)
        if place is None:
            raise ConfigError("This is not YAML.", kind="format.yaml") from error
        raise ConfigError("This is not YAML; see line {line}.", kind="format.yaml_line", line=place.line + 1) from error


def all_settings() -> tuple[Setting, ...]:
    """Every setting of a run, in the order of the spec."""
    return settings_of(RunSpec)


def _baseline_of(values: Mapping[str, Any]) -> PeftConfig:
    """Build a baseline from the values of an edit's settings. Raises ConfigError."""
    method, defaults = BASELINES[values["method"]], ReftConfig()
    others = [name for name in values if name not in PeftConfig.model_fields and values[name] != getattr(defaults, name)]
    if others:
        raise ConfigError(
            "{method} changes the whole model; the settings {settings} are of edits alone.",
            others[0],
            kind="spec.edit_settings",
            method=method.title,
            settings=", ".join(others),
        )
    size = {method.size: values["rank"]} if method.size and "rank" in values else {}
    own = {name: value for name, value in values.items() if name in PeftConfig.model_fields and name != "rank"}
    return PeftConfig.read({**own, **size})


def _settings_of_baseline(config: PeftConfig) -> dict[str, Any]:
    """The values of settings from which `_baseline_of` builds this baseline."""
    size = BASELINES[config.method].size
    values = {name: value for name, value in config.model_dump().items() if name not in ("rank", "virtual_tokens") and value is not None}
    return values | ({"rank": getattr(config, size)} if size else {})


def check_together(config: MethodConfig, settings: TrainConfig) -> None:
    """Raises ConfigError for a baseline that cannot be trained with these settings."""
    if not isinstance(config, PeftConfig) or not settings.gradient_checkpointing:
        return
    if config.method == "prefix":
        raise ConfigError(
            "Prefix tuning fills a KV cache, so it cannot be trained with gradient checkpointing.",
            "gradient_checkpointing",
            kind="spec.prefix_checkpointing",
        )
    if config.dropout:
        sentence = "{method} draws its dropout inside the blocks, so gradient checkpointing would draw it twice; leave one of them out."
        title = BASELINES[config.method].title
        raise ConfigError(sentence, "gradient_checkpointing", kind="spec.dropout_checkpointing", method=title)
