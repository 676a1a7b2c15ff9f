"""LoRA, DoRA, (IA)3, prefix and prompt tuning through PEFT; the base model itself is not changed.

PEFT replaces a model's layers, or wraps the whole model. It works on a `twin`: a second tree of modules with the base model's weights.
So the base model can answer unedited at any moment, and nothing has to be unloaded afterwards.

Legend: B rows, T tokens (padded), D hidden size, V vocabulary.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reft_engine.base import blocks, checks
from reft_engine.base.loading import Base, origin_of
from reft_engine.baseline_methods import BASELINES
from reft_engine.baselines.targets import feed_forward, keys_and_values, named, queries_and_values
from reft_engine.baselines.twin import twin
from reft_engine.edits import canary
from reft_engine.edits.edited import base_of
from reft_engine.edits.head import ClassificationHead, pool_rows, pooling_of
from reft_engine.edits.loop_side import optimizer_groups
from reft_engine.edits.plan import Prompts
from reft_engine.errors import AdapterError, ConfigError
from reft_engine.formats import adapter, baseline
from reft_engine.spec import PeftConfig, Pooling, TrainConfig, edited_layers

_ADAPTER = "default"
_INSTALL = "pip install 'reft-studio[app]'"


@dataclass(frozen=True, slots=True)
class ActingBaseline:
    """A baseline that acts on a pass through PEFT's model; ``seed`` is the seed of its dropout, None without dropout."""

    model: nn.Module
    virtual_tokens: int
    virtual_logits: int
    seed: int | None = None

    def edits(self, prompts: Prompts, inside: range, device: torch.device) -> dict[int, blocks.Edit]:
        """No edits: the trained parameters are in the model."""
        return {}

    def drawing(self) -> AbstractContextManager[object]:
        """See `Acting.drawing`; all passes of a step draw the same numbers, and the caller's generators stay unchanged."""
        return nullcontext() if self.seed is None else _seeded(self.seed, next(self.model.parameters()).device)

    def disturbed(self) -> "ActingBaseline":
        """The baseline itself: it has no edits to disturb."""
        return self

    def end(self) -> None:
        """Do nothing: gradients reach the parameters by themselves."""


class PeftBaseline:
    """A frozen base model with parameters that PEFT trains; a `Trainable`.

    Args:
        base_model: a Hugging Face decoder, encoder or encoder-decoder, or the `Base` that holds it; its parameters get
            ``requires_grad=False``, and nothing else in it changes.
        config: the method and its settings.
        seed: seed of the initial weights, 0 to 2**63 - 1.

    Raises:
        ConfigError: PEFT is not installed, or the method does not fit the base model's structure.
    """

    def __init__(self, base_model: nn.Module | Base, config: PeftConfig, seed: int = 0) -> None:
        checks.check_config(config, PeftConfig)
        model = base_of(base_model)
        blocks.attach(model)
        _check_kind(model, config)
        model.requires_grad_(False).eval()
        self.base: nn.Module = model
        self.method_config = config
        device = next(model.parameters()).device
        with _seeded(checks.seed_of(seed), device):
            self.peft: Any = _wrap(twin(model), config)
        self.peft.eval()
        head = None
        if config.labels:
            generator = torch.Generator().manual_seed(seed)
            head = ClassificationHead(blocks.output_size(model), len(config.labels), generator).to(device)
        self.head: ClassificationHead | None = head
        self._training = False
        _check_count(self)

    @property
    def pooling(self) -> Pooling:
        """The hidden state that the head reads."""
        return pooling_of(self.method_config, self.base)

    @property
    def trainable_parameters(self) -> int:
        """Number of trainable parameters; a classification head is not counted."""
        return sum(parameter.numel() for parameter in self._trained_parameters().values())

    @property
    def lowest_edited_layer(self) -> int | None:
        """None: hidden states of all tokens change from the first block on."""
        return None

    @property
    def training(self) -> bool:
        """Whether it is in training mode."""
        return self._training

    def parameters(self) -> Iterator[nn.Parameter]:
        """All trained parameters, the head's last."""
        yield from self._trained_parameters().values()
        yield from self.head.parameters() if self.head else ()

    def parameter_groups(self, settings: TrainConfig) -> list[dict[str, Any]]:
        """See `Trainable.parameter_groups`."""
        decays, weights = BASELINES[self.method_config.method].decays, self._trained_parameters()
        decayed = [weight for name, weight in weights.items() if decays and "magnitude" not in name]
        others = [weight for name, weight in weights.items() if not decays or "magnitude" in name]
        return optimizer_groups(settings, decayed, others, self.head)

    def begin_step(self, seed: int, step: int) -> ActingBaseline:
        """See `Trainable.begin_step`."""
        self.train()
        return self._acting(hash((seed, step)) if self.method_config.dropout else None)

    def acting(self) -> ActingBaseline:
        """The baseline as it answers now; switches to evaluation mode."""
        self.eval()
        return self._acting()

    def _acting(self, seed: int | None = None) -> ActingBaseline:
        virtual = self.method_config.tokens_before
        # A prefix consists of keys and values only, so the model returns no logits for it.
        return ActingBaseline(self._inner_model, virtual, virtual if self.method_config.method == "prompt" else 0, seed)

    def train(self, mode: bool = True) -> "PeftBaseline":
        """Switch PEFT's dropout on or off; the base model always stays in evaluation mode."""
        self._training = mode
        for name, module in self.peft.named_modules():
            if "lora_dropout" in name:
                module.train(mode)
        return self

    def eval(self) -> "PeftBaseline":
        """Switch dropout off."""
        return self.train(False)

    def state_dict(self) -> dict[str, Tensor]:
        """All trained tensors, by name."""
        head = {f"head.{name}": value for name, value in self.head.state_dict().items()} if self.head else {}
        return {**{name: value.detach() for name, value in self._trained_parameters().items()}, **head}

    @torch.no_grad()
    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Set the trained tensors, in the form of `state_dict`."""
        for name, value in self.state_dict().items():
            value.copy_(tensors[name])

    def classes_of(self, hidden: Sequence[Tensor]) -> Tensor:
        """See `Trainable.classes_of`. Raises ConfigError if there is no head."""
        if self.head is None:
            raise ConfigError(
                "This baseline was trained to answer, not to classify; it has no labels.", "labels", kind="baseline.no_labels"
            )
        logits: Tensor = self.head(pool_rows(hidden, self.pooling))
        return logits

    def save(self, folder: str | Path, *, base: Base | None = None, training: dict[str, Any] | None = None) -> Path:
        """Write the adapter folder: PEFT's own files, which `peft.PeftModel.from_pretrained` reads, with our description and card.

        Args:
            folder: created if it does not exist.
            base: its name, revision and template text are stored; by default, those that `load_base` recorded for the model.
            training: a summary of the training to store, plain data.

        Raises:
            ConfigError: ``base`` is not a `Base`, or ``training`` cannot be written as JSON.
            AdapterError: a file is in the way.
        """
        target = adapter.check_save(folder, base, training)
        self.eval()
        description = baseline.describe(
            self.method_config, width=blocks.hidden_size(self.base), block_count=len(blocks.find_blocks(self.base)),
            origin=base or origin_of(self.base), training=training or {}, canary=canary.record(self.base, self._answer),
        )  # fmt: skip
        baseline.write(target, description, self._file_tensors(), self._head_tensors(), self._config_values(), self.trainable_parameters)
        return target

    @classmethod
    def load(cls, folder: str | Path, base_model: nn.Module | Base, *, check: bool = True) -> "PeftBaseline":
        """Load an adapter folder onto a base model; arguments and errors are those of `ReftModel.load`."""
        loaded, description = _read(checks.folder_path(folder), base_of(base_model))
        if check:
            _replay(loaded, description)
        return loaded

    @property
    def _inner_model(self) -> nn.Module:
        """The model to run: PEFT's for virtual tokens, else the model inside it, whose blocks are reached as the base model's are."""
        model: nn.Module = self.peft if BASELINES[self.method_config.method].virtual else self.peft.get_base_model()
        return model

    def _trained_parameters(self) -> dict[str, nn.Parameter]:
        """The parameters that PEFT trains, by name."""
        return {name: parameter for name, parameter in self.peft.named_parameters() if parameter.requires_grad}

    def _answer(self, ids_BT: Tensor) -> Tensor:
        """Logits of one row of tokens, (1, T, V) or of a classifier (1, C); the canary reads the last."""
        inputs = {"input_ids": ids_BT, "attention_mask": torch.ones_like(ids_BT)}
        runner = self.acting().model
        if self.head is not None:
            return self.classes_of(list(blocks.last_hidden_states(runner, inputs)))
        if blocks.is_encoder_decoder(self.base):
            inputs["decoder_input_ids"] = torch.full_like(ids_BT[:, :1], blocks.decoder_start_token(self.base))
        logits: Tensor = runner(**inputs).logits
        return logits

    def _file_tensors(self) -> dict[str, Tensor]:
        """The weights by their names in PEFT's file, float32, on the CPU."""
        from peft import get_peft_model_state_dict

        weights = get_peft_model_state_dict(self.peft, adapter_name=_ADAPTER, save_embedding_layers=False)
        return {name: value.detach().float().cpu().contiguous().clone() for name, value in weights.items()}

    def _head_tensors(self) -> dict[str, Tensor]:
        return {name: value.detach().cpu().contiguous().clone() for name, value in self.head.state_dict().items()} if self.head else {}

    def _config_values(self) -> dict[str, Any]:
        values = {**self.peft.peft_config[_ADAPTER].to_dict(), "inference_mode": True}
        return {name: sorted(value) if isinstance(value, set) else value for name, value in values.items()}


def _read(folder: Path, model: nn.Module) -> tuple[PeftBaseline, dict[str, Any]]:
    """Load the baseline of an adapter folder onto a base model; also returns the folder's description. Raises AdapterError."""
    description = baseline.read_config(folder)
    adapter.check_shape(description, blocks.hidden_size(model), len(blocks.find_blocks(model)))
    try:
        loaded = PeftBaseline(model, PeftConfig.read(description["peft"]))
    except ConfigError as error:
        if error.group == "package":
            raise
        raise AdapterError(
            "{name} describes no baseline of this base model: {reason}",
            kind="baseline.no_fit",
            name=baseline.CONFIG_NAME,
            reason=str(error),
        ) from error
    shapes = {name: tuple(value.shape) for name, value in loaded._file_tensors().items()}
    _set_weights(loaded, adapter.read_tensors(folder, shapes, baseline.TENSORS_NAME))
    if loaded.head:
        head_shapes = {name: tuple(value.shape) for name, value in loaded.head.state_dict().items()}
        loaded.head.load_state_dict(adapter.read_tensors(folder, head_shapes, baseline.HEAD_NAME))
    return loaded, description


def _set_weights(model: PeftBaseline, tensors: dict[str, Tensor]) -> None:
    from peft import set_peft_model_state_dict

    set_peft_model_state_dict(model.peft, tensors, adapter_name=_ADAPTER)


def verify(folder: Path, model: nn.Module) -> float:
    """Load an adapter folder and replay its canary; see `verify_adapter`. Raises AdapterError."""
    loaded, description = _read(folder, model)
    return _replay(loaded, description)


def _replay(loaded: PeftBaseline, description: dict[str, Any]) -> float:
    trained_in = description["base_model"].get("precision")
    return canary.replay(description["canary"], loaded.base, loaded._answer, trained_in)


def _check_kind(model: Any, config: PeftConfig) -> None:
    """Raises ConfigError for a base model that does not suit the method."""
    method = BASELINES[config.method]
    if method.virtual and (blocks.is_encoder_decoder(model) or blocks.is_encoder(model) or not blocks.generates_text(model)):
        raise ConfigError(
            "{method} needs a decoder, which reads its virtual tokens before the prompt.",
            "method",
            kind="baseline.needs_decoder",
            method=method.title,
        )
    if method.virtual and config.virtual_tokens >= blocks.context_length(model):
        sentence = "{count} virtual tokens leave no room in a context of {context} tokens."
        context = blocks.context_length(model)
        raise ConfigError(sentence, "virtual_tokens", kind="baseline.no_room", count=config.virtual_tokens, context=context)


def _check_count(model: PeftBaseline) -> None:
    """Raises ConfigError unless (IA)3 trains one parameter for each key, value and inner value of each block."""
    if model.method_config.method != "ia3":
        return
    chosen = _chosen(model.base, model.method_config)
    scaled: list[Any] = [*keys_and_values(model.base, chosen).layers]
    inner: list[Any] = [*feed_forward(model.base, chosen).layers]
    expected = sum(layer.out_features for layer in scaled) + sum(layer.in_features for layer in inner)
    if model.trainable_parameters != expected:
        raise ConfigError(
            "(IA)3 would train {count:,} numbers instead of {expected:,} here, so it is refused.",
            "method",
            kind="baseline.count",
            count=model.trainable_parameters,
            expected=expected,
        )


def _wrap(model: Any, config: PeftConfig) -> Any:
    """The model inside a PEFT model, with its new parameters."""
    with quiet_libraries():
        try:
            from peft import get_peft_model
        except ImportError as error:
            sentence = "{method} is trained by PEFT, which is not installed. {command} brings it."
            title = BASELINES[config.method].title
            raise ConfigError(sentence, "method", kind="package.peft", detail=_INSTALL, method=title, command=_INSTALL) from error
        return get_peft_model(model, _peft_config(model, config), adapter_name=_ADAPTER)


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Silence warnings for programmers: PEFT's about names and initial values, and about fast kernels from bitsandbytes (its import)."""
    log = logging.getLogger("bitsandbytes")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _chosen(model: Any, config: PeftConfig) -> tuple[int, ...] | None:
    """Indices of the blocks whose weights are changed, None for all. Raises ConfigError: there is no such block."""
    return None if config.layers == "all" else edited_layers(config, len(blocks.find_blocks(model)))


def _peft_config(model: Any, config: PeftConfig) -> Any:
    import peft

    task = "SEQ_2_SEQ_LM" if blocks.is_encoder_decoder(model) else "CAUSAL_LM"
    task = task if blocks.generates_text(model) and not blocks.is_encoder(model) else "FEATURE_EXTRACTION"
    if config.method == "prefix":
        return peft.PrefixTuningConfig(task_type=task, num_virtual_tokens=config.virtual_tokens)
    if config.method == "prompt":
        # Start with embeddings of real words: random numbers are far from all of them and learn little.
        return peft.PromptTuningConfig(task_type=task, num_virtual_tokens=config.virtual_tokens, prompt_tuning_init="SAMPLE_VOCAB")
    chosen = _chosen(model, config)
    if config.method == "ia3":
        scaled, inner = keys_and_values(model, chosen).pattern, feed_forward(model, chosen).pattern
        return peft.IA3Config(task_type=task, target_modules=f"{scaled}|{inner}", feedforward_modules=inner)
    targets = named(model, config.targets, chosen) if config.targets else queries_and_values(model, chosen)
    return peft.LoraConfig(
        task_type=task, r=config.rank, lora_alpha=config.alpha or 2 * config.rank, lora_dropout=config.dropout,
        target_modules=targets.pattern, use_dora=config.method == "dora",
    )  # fmt: skip


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generator inside the ``with``, and restore its state afterwards."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
