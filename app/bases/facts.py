"""`BaseFacts`: what is known of a base model, read from its config and the headers of its weights, without loading it."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from reft_engine import weight_bytes
from reft_engine.plain_files import check_plain, read_plain

Kind = Literal["decoder", "encoder", "encoder_decoder"]
Origin = Literal["starter", "folder", "catalog", "hub"]
_CONFIG_LIMIT, _HEADER_LIMIT = 1_000_000, 100_000_000
_ONE_FILE, _INDEX = "model.safetensors", "model.safetensors.index.json"


@dataclass(frozen=True, slots=True)
class BaseFacts:
    """What is known of a base model; None or an empty text is unknown.

    Attributes:
        name: what `load_base` takes.
        origin: where it is found; ``catalog`` for an entry of the catalogue that nobody has looked up on the Hub.
        parameters: weights in all; ``embeddings``: those of tables of tokens, which are never quantised.
        layers: number of blocks; ``hidden_size``: width of a hidden state; ``context``: maximum sequence length in tokens.
        licence: its short name; ``languages``: codes.
        download: bytes of the files that are fetched.
        source: where the facts come from; ``checked``: the day on which they were compared with the Hub, in ISO form.
        commit: the commit of a Hub id that the facts are of.
        gated: whether its terms must be accepted on the Hub first.
        problem: the name of the reason for which it cannot be used here: ``gated``, ``code``, ``weights``, ``missing``, ``offline``,
            ``config``; empty if none is known.
    """

    name: str
    origin: Origin
    kind: Kind | None = None
    parameters: int | None = None
    embeddings: int = 0
    layers: int | None = None
    hidden_size: int | None = None
    vocabulary: int | None = None
    context: int | None = None
    licence: str = ""
    languages: tuple[str, ...] = ()
    download: int | None = None
    source: str = ""
    checked: str = ""
    commit: str = ""
    gated: bool = False
    problem: str = ""

    def bytes_per_weight(self, precision: str) -> float:
        """Mean bytes of a weight in this precision, in which the embeddings of a quantised model count as 16 bits."""
        if not self.parameters:
            return weight_bytes(precision)
        rest = max(self.parameters - self.embeddings, 0)
        apart = max(weight_bytes(precision), 2.0)
        return (rest * weight_bytes(precision) + min(self.embeddings, self.parameters) * apart) / self.parameters


def with_config(facts: BaseFacts, config: Mapping[str, Any]) -> BaseFacts:
    """The facts, with those of a ``config.json`` of transformers."""
    inner = config.get("text_config")
    text = {**config, **inner} if isinstance(inner, Mapping) else config
    hidden, vocabulary = _first(text, "hidden_size", "n_embd", "d_model"), _first(text, "vocab_size")
    tables = 1 if text.get("tie_word_embeddings", config.get("tie_word_embeddings", True)) else 2
    return replace(
        facts, kind=_kind(config), layers=_first(text, "num_hidden_layers", "n_layer", "num_layers"), hidden_size=hidden,
        vocabulary=vocabulary, context=_context(config, text), embeddings=tables * (hidden or 0) * (vocabulary or 0),
        problem=facts.problem or ("code" if needs_code(config) else ""),
    )  # fmt: skip


def needs_code(config: Mapping[str, Any]) -> bool:
    """Whether the installed transformers does not know this kind of model, so that only a program of its own could run it."""
    known = str(config.get("model_type") or "").replace("-", "_")
    package = find_spec("transformers")
    if package is None or package.origin is None or not known.isidentifier():
        return True
    return not (Path(package.origin).parent / "models" / known).is_dir()


def read_config(folder: Path) -> dict[str, Any] | None:
    """The ``config.json`` of a folder; None if there is none that can be read."""
    path = folder / "config.json"
    try:
        config = json.loads(read_plain(path, _CONFIG_LIMIT).decode())
    except (OSError, ValueError, RecursionError):
        return None
    return config if isinstance(config, dict) else None


def facts_of_folder(name: str, folder: Path, origin: Origin = "folder") -> BaseFacts:
    """The facts of a model's folder on this machine, from its config and the headers of its weights."""
    facts, config = BaseFacts(name, origin, source=str(folder)), read_config(folder)
    if config is None:
        return replace(facts, problem="config" if folder.is_dir() else "missing")
    weights = weight_files(folder)
    if not weights:
        return replace(with_config(facts, config), problem="weights")
    return replace(with_config(facts, config), parameters=sum(map(_parameters, weights)) or None)


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a complete model in a folder; none if one of them is missing."""
    if _is_plain(folder / _ONE_FILE):
        return [folder / _ONE_FILE]
    try:
        names = set(json.loads(read_plain(folder / _INDEX, _HEADER_LIMIT).decode())["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return []
    paths = [folder / Path(str(name)).name for name in sorted(names, key=str)]
    return paths if all(map(_is_plain, paths)) else []


def _is_plain(path: Path) -> bool:
    try:
        check_plain(path)
    except OSError:
        return False
    return True


def _parameters(path: Path) -> int:
    """Number of values in a safetensors file, from its header; 0 if it cannot be read."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length <= _HEADER_LIMIT else {}
        return sum(math.prod(tensor["shape"]) for key, tensor in header.items() if key != "__metadata__")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return 0


def _first(values: Mapping[str, Any], *names: str) -> int | None:
    numbers: Iterable[Any] = (values.get(name) for name in names)
    return next((number for number in numbers if type(number) is int and number > 0), None)


def _context(config: Mapping[str, Any], text: Mapping[str, Any]) -> int | None:
    length = _first(text, "max_position_embeddings", "n_positions", "n_ctx", "seq_length")
    # RoBERTa's kin counts positions from the padding token on, so that its first rows are never used.
    if length is not None and "roberta" in str(config.get("model_type")):
        return length - 1 - int(config.get("pad_token_id") or 0)
    return length


def _kind(config: Mapping[str, Any]) -> Kind | None:
    if config.get("is_encoder_decoder"):
        return "encoder_decoder"
    names = " ".join(map(str, config.get("architectures") or ()))
    if "CausalLM" in names or "LMHead" in names or "ConditionalGeneration" in names:
        return "decoder"
    return "encoder" if names else None
