"""LoRA, DoRA, (IA)3, prefix and prompt tuning through PEFT, beside a base model that is not touched.

PEFT exchanges a model's layers, or wraps the whole model. It is given a `twin`: modules of their own over the base model's weights. So
the base model answers unedited at any moment, to everybody, and nothing has to be unloaded afterwards.

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
from reft_engine.edits.head import ClassificationHead, pool_rows
from reft_engine.edits.plan import Prompts
from reft_engine.errors import AdapterError, ConfigError
from reft_engine.formats import adapter, baseline
from reft_engine.spec import PeftConfig, Pooling, TrainConfig

_ADAPTER = "default"
_INSTALL = "pip install 'reft-studio[app]'"


@dataclass(frozen=True, slots=True)
class ActingBaseline:
    """A baseline as it acts on a pass: by the model that PEFT made; ``seed`` is that of its dropout, if it drops anything."""

    model: nn.Module
    virtual_tokens: int
    virtual_logits: int
    seed: int | None = None

    def edits(self, prompts: Prompts, inside: range, device: torch.device) -> dict[int, blocks.Edit]:
        """None: what is trained is in the model."""
        return {}

    def drawing(self) -> AbstractContextManager[object]:
        """See `Acting.drawing`; passes of one step draw alike, and the caller's random numbers stay as they were."""
        return nullcontext() if self.seed is None else _seeded(self.seed, next(self.model.parameters()).device)

    def disturbed(self) -> "ActingBaseline":
        """The same: whatever it does, it does without edits."""
        return self

    def end(self) -> None:
        """Nothing: gradients reach the parameters by themselves."""


class PeftBaseline:
    """What PEFT trains beside a frozen base model; a `Trainable`.

    Args:
        base_model: a Hugging Face decoder, encoder or encoder-decoder, or the `Base` that holds it; its parameters get
            ``requires_grad=False``, and nothing else of it is changed.
        config: what is trained.
        seed: of the initial weights, 0 to 2**63 - 1.

    Raises:
        ConfigError: PEFT is not installed, or the base model is built in a way that the method cannot be put into.
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
            self.peft: Any = _wrapped(twin(model), config)
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
        """Which hidden state the head reads."""
        return self.method_config.pooling or ("first" if blocks.is_encoder(self.base) else "last")

    @property
    def trainable_parameters(self) -> int:
        """How many numbers PEFT trains; the head of a classifier is not counted."""
        return sum(parameter.numel() for parameter in self._own().values())

    @property
    def lowest_edited_layer(self) -> int | None:
        """None: hidden states of all tokens change from the first block on."""
        return None

    @property
    def training(self) -> bool:
        """Whether it is in training mode."""
        return self._training

    def parameters(self) -> Iterator[nn.Parameter]:
        """All that is trained, the head's parameters last."""
        yield from self._own().values()
        yield from self.head.parameters() if self.head else ()

    def parameter_groups(self, settings: TrainConfig) -> list[dict[str, Any]]:
        """See `Trainable.parameter_groups`."""
        decays, own = BASELINES[self.method_config.method].decays, self._own()
        decayed = [weight for name, weight in own.items() if decays and "magnitude" not in name]
        rest = [weight for name, weight in own.items() if not decays or "magnitude" in name]
        head = list(self.head.parameters()) if self.head else []
        return [
            {"params": decayed, "weight_decay": settings.weight_decay, "peak": settings.learning_rate},
            {"params": rest, "weight_decay": 0.0, "peak": settings.learning_rate},
            {"params": head, "weight_decay": 0.0, "peak": settings.head_learning_rate or settings.learning_rate},
        ]

    def begin_step(self, seed: int, step: int) -> ActingBaseline:
        """See `Trainable.begin_step`."""
        self.train()
        return self._acting(hash((seed, step)) if self.method_config.dropout else None)

    def acting(self) -> ActingBaseline:
        """How it answers now; switches to evaluation mode."""
        self.eval()
        return self._acting()

    def _acting(self, seed: int | None = None) -> ActingBaseline:
        before = self.method_config.tokens_before
        # A prefix is keys and values alone, and no token that is answered.
        return ActingBaseline(self._runner, before, before if self.method_config.method == "prompt" else 0, seed)

    def train(self, mode: bool = True) -> "PeftBaseline":
        """Switch PEFT's dropout on or off; the base model stays in evaluation mode always."""
        self._training = mode
        for name, part in self.peft.named_modules():
            if "lora_dropout" in name:
                part.train(mode)
        return self

    def eval(self) -> "PeftBaseline":
        """Switch dropout off."""
        return self.train(False)

    def state_dict(self) -> dict[str, Tensor]:
        """All that is trained, by name."""
        named = {f"head.{name}": value for name, value in self.head.state_dict().items()} if self.head else {}
        return {**{name: value.detach() for name, value in self._own().items()}, **named}

    @torch.no_grad()
    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `state_dict` gave."""
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
        """Write the adapter folder: PEFT's own files, which `peft.PeftModel.from_pretrained` reads, beside our description and card.

        Args:
            folder: made if it does not exist.
            base: whose name, revision and template text are kept; where it is left out, what `load_base` knows of the model.
            training: a summary to keep, plain data.

        Raises:
            ConfigError: ``base`` is none, or ``training`` holds what JSON has no word for.
            AdapterError: a file is in the way.
        """
        target = checks.folder_to_write(folder)
        if base is not None:
            checks.check_base(base)
        adapter.check_summary(training)
        self.eval()
        description = baseline.describe(
            self.method_config, width=blocks.hidden_size(self.base), block_count=len(blocks.find_blocks(self.base)),
            origin=base or origin_of(self.base), training=training or {}, canary=canary.record(self.base, self._answer),
        )  # fmt: skip
        baseline.write(target, description, self._file_tensors(), self._head_tensors(), self._config_values(), self.trainable_parameters)
        return target

    @classmethod
    def load(cls, folder: str | Path, base_model: nn.Module | Base, *, check: bool = True) -> "PeftBaseline":
        """Read an adapter folder onto a base model; arguments and errors are those of `ReftModel.load`."""
        made, description = _read(checks.folder_path(folder), base_of(base_model))
        if check:
            canary.replay(description["canary"], made.base, made._answer)
        return made

    @property
    def _runner(self) -> nn.Module:
        """What is run: the model inside, where its layers are exchanged, so that its blocks are reached as the base model's are."""
        whole: nn.Module = self.peft if BASELINES[self.method_config.method].virtual else self.peft.get_base_model()
        return whole

    def _own(self) -> dict[str, nn.Parameter]:
        """What PEFT trains, by name."""
        return {name: parameter for name, parameter in self.peft.named_parameters() if parameter.requires_grad}

    def _answer(self, ids_BT: Tensor) -> Tensor:
        """Logits of a row of tokens, the last token's or label's last; for the canary."""
        inputs = {"input_ids": ids_BT, "attention_mask": torch.ones_like(ids_BT)}
        runner = self.acting().model
        if self.head is not None:
            return self.classes_of(list(blocks.last_hidden_states(runner, inputs)))
        if blocks.is_encoder_decoder(self.base):
            inputs["decoder_input_ids"] = torch.full_like(ids_BT[:, :1], blocks.decoder_start_token(self.base))
        logits: Tensor = runner(**inputs).logits
        return logits

    def _file_tensors(self) -> dict[str, Tensor]:
        """The weights by their names in PEFT's file."""
        from peft import get_peft_model_state_dict

        found = get_peft_model_state_dict(self.peft, adapter_name=_ADAPTER, save_embedding_layers=False)
        return {name: value.detach().float().cpu().contiguous().clone() for name, value in found.items()}

    def _head_tensors(self) -> dict[str, Tensor]:
        return {name: value.detach().cpu().contiguous().clone() for name, value in self.head.state_dict().items()} if self.head else {}

    def _config_values(self) -> dict[str, Any]:
        values = {**self.peft.peft_config[_ADAPTER].to_dict(), "inference_mode": True}
        return {name: sorted(value) if isinstance(value, set) else value for name, value in values.items()}


def _read(folder: Path, model: nn.Module) -> tuple[PeftBaseline, dict[str, Any]]:
    """The baseline of an adapter folder on a base model, and the folder's description. Raises AdapterError."""
    description = baseline.read_config(folder)
    adapter.check_shape(description, blocks.hidden_size(model), len(blocks.find_blocks(model)))
    try:
        made = PeftBaseline(model, PeftConfig.read(description["peft"]))
    except ConfigError as error:
        if error.group == "package":
            raise
        raise AdapterError(
            "{name} describes no baseline of this base model: {reason}",
            kind="baseline.no_fit",
            name=baseline.CONFIG_NAME,
            reason=str(error),
        ) from error
    shapes = {name: tuple(value.shape) for name, value in made._file_tensors().items()}
    _fill(made, adapter.read_tensors(folder, shapes, baseline.TENSORS_NAME))
    if made.head:
        head = {name: tuple(value.shape) for name, value in made.head.state_dict().items()}
        made.head.load_state_dict(adapter.read_tensors(folder, head, baseline.HEAD_NAME))
    return made, description


def _fill(made: PeftBaseline, tensors: dict[str, Tensor]) -> None:
    from peft import set_peft_model_state_dict

    set_peft_model_state_dict(made.peft, tensors, adapter_name=_ADAPTER)


def verify(folder: Path, model: nn.Module) -> float:
    """Load an adapter folder and replay its canary; see `verify_adapter`. Raises AdapterError."""
    made, description = _read(folder, model)
    return canary.replay(description["canary"], made.base, made._answer)


def _check_kind(model: Any, config: PeftConfig) -> None:
    """Raises ConfigError for a base model that the method cannot be put into."""
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


def _check_count(made: PeftBaseline) -> None:
    """Raises ConfigError where (IA)3 does not train one number for each key, value and inner value of each block."""
    if made.method_config.method != "ia3":
        return
    scaled: list[Any] = [*keys_and_values(made.base).layers]
    inner: list[Any] = [*feed_forward(made.base).layers]
    expected = sum(layer.out_features for layer in scaled) + sum(layer.in_features for layer in inner)
    if made.trainable_parameters != expected:
        raise ConfigError(
            "(IA)3 would train {count:,} numbers instead of {expected:,} here, so it is refused.",
            "method",
            kind="baseline.count",
            count=made.trainable_parameters,
            expected=expected,
        )


def _wrapped(model: Any, config: PeftConfig) -> Any:
    """The model with what PEFT puts into it or before it."""
    with _quiet():
        try:
            from peft import get_peft_model
        except ImportError as error:
            sentence = "{method} is trained by PEFT, which is not installed. {command} brings it."
            title = BASELINES[config.method].title
            raise ConfigError(sentence, "method", kind="package.peft", detail=_INSTALL, method=title, command=_INSTALL) from error
        return get_peft_model(model, _peft_config(model, config), adapter_name=_ADAPTER)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without remarks for programmers: PEFT's on names and initial values, and those of bitsandbytes, which it imports, on fast kernels."""
    log = logging.getLogger("bitsandbytes")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _peft_config(model: Any, config: PeftConfig) -> Any:
    import peft

    task = "SEQ_2_SEQ_LM" if blocks.is_encoder_decoder(model) else "CAUSAL_LM"
    task = task if blocks.generates_text(model) and not blocks.is_encoder(model) else "FEATURE_EXTRACTION"
    if config.method == "prefix":
        return peft.PrefixTuningConfig(task_type=task, num_virtual_tokens=config.virtual_tokens)
    if config.method == "prompt":
        # Embeddings of some words: random numbers are far from any, and learn little.
        return peft.PromptTuningConfig(task_type=task, num_virtual_tokens=config.virtual_tokens, prompt_tuning_init="SAMPLE_VOCAB")
    if config.method == "ia3":
        scaled, inner = keys_and_values(model).pattern, feed_forward(model).pattern
        return peft.IA3Config(task_type=task, target_modules=f"{scaled}|{inner}", feedforward_modules=inner)
    targets = named(model, config.targets) if config.targets else queries_and_values(model)
    return peft.LoraConfig(
        task_type=task, r=config.rank, lora_alpha=config.alpha or 2 * config.rank, lora_dropout=config.dropout,
        target_modules=targets.pattern, use_dora=config.method == "dora",
    )  # fmt: skip


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Torch's global random numbers begin at ``seed`` inside the ``with``, and go on outside as if nothing had been."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
