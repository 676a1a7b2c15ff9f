"""Loads a base model: the bundled starter, a local folder, or a Hub id. safetensors only, never remote code."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from reft_engine import blocks
from reft_engine.errors import ModelLoadError

STARTER = "starter"
_STARTER_FOLDER = Path(__file__).parent / "starter"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")

# Stands in where a tokenizer brings no chat template; the text is stored with every adapter.
PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message['role'].capitalize() }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)


@dataclass(frozen=True)
class Base:
    """A frozen base model with its tokenizer and the template that renders conversations for it."""

    model: Any
    tokenizer: Any
    name: str
    revision: str | None
    template: str

    @property
    def layers(self) -> int:
        """Number of blocks."""
        return len(blocks.find_blocks(self.model))

    @property
    def hidden_size(self) -> int:
        """Width of the hidden states."""
        return blocks.hidden_size(self.model)

    @property
    def context(self) -> int:
        """Longest row in tokens that the model was made for."""
        return int(getattr(self.model.config, "max_position_embeddings", 0) or 2048)

    @property
    def parameters(self) -> int:
        """Weights of the base model, none of which is trained."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        found: torch.device = next(self.model.parameters()).device
        return found


def load_base(name: str = STARTER, device: str | None = None) -> Base:
    """Load a frozen base model.

    Args:
        name: ``"starter"``, a local folder, or a Hub id such as ``owner/model``.
        device: a torch device; the GPU when there is one, else the CPU.

    Raises:
        ModelLoadError: not found, gated, damaged, in need of its own code, without safetensors weights, or no decoder.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = _source(name)
    target = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    dtype = torch.bfloat16 if target.type == "cuda" else torch.float32
    try:
        revision = None if _is_folder(source) else _pin(source)
        pinned = {"revision": revision} if revision else {}
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False, **pinned)
        model, found = AutoModelForCausalLM.from_pretrained(
            source, trust_remote_code=False, use_safetensors=True, dtype=dtype, output_loading_info=True, **pinned
        )
        if missing := sorted(found["missing_keys"]):
            raise ValueError(f"its files lack {len(missing)} weights, {missing[0]} among them")
        blocks.find_blocks(model)
    except Exception as error:  # what damaged files make the libraries raise has no common base
        raise ModelLoadError(_reason(name, error)) from error
    model.to(target).eval().requires_grad_(False)
    return Base(model, tokenizer, name, revision, tokenizer.chat_template or PLAIN_TEMPLATE)


def _source(name: str) -> str:
    if name == STARTER:
        return str(_STARTER_FOLDER)
    if _is_folder(name):
        return name
    if not _HUB_ID.fullmatch(name) or ".." in name:
        raise ModelLoadError(f"'{name[:80]}' is neither 'starter', nor a folder here, nor a Hub id such as owner/model.")
    return name


def _is_folder(name: str) -> bool:
    try:
        return bool(name) and Path(name).is_dir()
    except OSError:  # longer than a path can be
        return False


def _pin(name: str) -> str:
    """The commit that a Hub id stands for now, so that all files are of one revision.

    Raises FileNotFoundError without safetensors weights: transformers would look for somebody's conversion of pickled ones.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    # .../snapshots/COMMIT/config.json
    revision = Path(hf_hub_download(name, "config.json")).parent.name
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


def _reason(name: str, error: Exception) -> str:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    text = str(error)
    if isinstance(error, RepositoryNotFoundError) and not isinstance(error, GatedRepoError):
        return f"There is no model {name} on the Hub, or it is private."
    if "trust_remote_code" in text:
        return f"{name} needs program code of its own, which is never run here. Choose another base model."
    if "safetensors" in text:
        return f"{name} has no safetensors weights; other formats can hide programs and are not opened."
    if isinstance(error, GatedRepoError):
        return f"{name} is gated: accept its terms on the Hub and log in with a token on this machine."
    if "offline" in text.lower() or "connect" in text.lower():
        return f"{name} is not on this machine and the Hub cannot be reached. Check the network or choose the starter."
    return f"{name} could not be loaded as a base model: {(text.splitlines() or [type(error).__name__])[0][:200]}"
