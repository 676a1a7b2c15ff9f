"""A base model on the Hub: what is known of it before a download, and the download, which goes on where it was interrupted.

Both run in a process of their own (see `app.reader.child`). Only safetensors, configs and tokenizer files are fetched.
"""

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.bases.cache import PART, cache_folder, repository_folder
from app.bases.facts import BaseFacts, read_config, with_config
from app.errors import StudioError
from app.words import say

_WEIGHTS = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors")
_BESIDE = re.compile(
    r"model\.safetensors\.index\.json|(generation_)?config\.json|tokenizer(_config)?\.json|tokenizer\.model|special_tokens_map\.json"
    r"|added_tokens\.json|vocab\.(json|txt)|merges\.txt|spiece\.model|sentencepiece\.bpe\.model|chat_template\.(jinja|json)"
)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LOOKS = 0.2
"""Seconds between two looks at how much has been fetched."""


def is_wanted(file: str) -> bool:
    """Whether a file of a repository is fetched."""
    return bool(_WEIGHTS.fullmatch(file) or _BESIDE.fullmatch(file))


def look_at_base(name: str, folder: Path) -> BaseFacts:
    """The facts of a Hub id from its metadata and its config alone; ``folder`` is for what the library keeps.

    A model that cannot be used has a ``problem``. Raises StudioError if the Hub does not answer.
    """
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, GatedRepoError

    facts = BaseFacts(name, "hub", source=name)
    with _asking(name) as refused:
        info = HfApi().model_info(name, files_metadata=True)
        facts = _described(facts, info)
        try:
            path = hf_hub_download(name, "config.json", revision=facts.commit or None, cache_dir=folder)
            facts = with_config(facts, read_config(Path(path).parent) or {})
        except GatedRepoError:
            facts = replace(facts, gated=True, problem="gated")
        except EntryNotFoundError:
            facts = replace(facts, problem=facts.problem or "config")
    return replace(facts, problem=refused[0], gated=facts.gated or refused[0] == "gated") if refused else facts


def _described(facts: BaseFacts, info: Any) -> BaseFacts:
    """What the Hub says of a repository, without any of its files."""
    files = {each.rfilename: each.size or 0 for each in info.siblings or []}
    weights = [file for file in files if _WEIGHTS.fullmatch(file)]
    card = (info.card_data or {}) if not hasattr(info.card_data, "to_dict") else info.card_data.to_dict()
    languages = card.get("language") or ()
    tensors = info.safetensors
    return replace(
        facts, commit=info.sha or "", gated=bool(info.gated), problem="" if weights else "weights",
        parameters=tensors.total if tensors else None, licence=str(card.get("license_name") or card.get("license") or ""),
        languages=tuple(map(str, [languages] if isinstance(languages, str) else languages)),
        download=sum(size for file, size in files.items() if is_wanted(file)) or None,
    )  # fmt: skip


@contextmanager
def _asking(name: str) -> Iterator[list[str]]:
    """Collects the name of a problem for which the Hub refuses a model. Raises StudioError where it cannot be asked."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    refused: list[str] = []
    try:
        yield refused
    except GatedRepoError:
        refused.append("gated")
    except RepositoryNotFoundError:
        refused.append("missing")
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise StudioError(say("bases.offline", name=name)) from error
    except HfHubHTTPError as error:
        if error.response.status_code in (401, 403):
            refused.append("gated")
        else:
            raise StudioError(say("bases.offline", name=name)) from error
    except Exception as error:
        if isinstance(error, OSError) or type(error).__module__.startswith("httpx"):
            raise StudioError(say("bases.offline", name=name)) from error
        raise


def fetch_base(name: str, commit: str, on_progress: Callable[[int], None] = lambda count: None, cache: Path | None = None) -> Path:
    """Fetch a model's files into the Hub's cache, and go on where an earlier attempt was interrupted.

    The library's own downloads begin anew. A file is written under a name of ours, compared with the size and the hash that the Hub
    states, and renamed; the config comes last, so that what is only partly here is not taken for a model.

    Args:
        name: the Hub id; ``commit``: the commit to fetch.
        on_progress: called with the bytes that are here, five times a second.
        cache: the cache's folder.

    Returns:
        The folder of the files.

    Raises:
        StudioError: the Hub refuses, or a file is not what it should be.
        OSError: it cannot be written.
    """
    from huggingface_hub import HfApi, hf_hub_download

    cache = cache or cache_folder()
    blobs = repository_folder(name, cache) / "blobs"
    blobs.mkdir(parents=True, exist_ok=True)
    with _asking(name) as refused, _counting(blobs, on_progress):
        files = [each.rfilename for each in HfApi().model_info(name, revision=commit).siblings or []]
        for file in sorted(filter(is_wanted, files), key=lambda file: (file == "config.json", bool(_WEIGHTS.fullmatch(file)))):
            _fetch(name, file, commit, blobs)
            pointer = hf_hub_download(name, file, revision=commit, cache_dir=cache)  # finds the file, and only names it
    if refused:
        raise StudioError(say("bases.gated" if refused == ["gated"] else "bases.missing", name=name))
    _remember_main(repository_folder(name, cache), commit)
    return Path(pointer).parent


def _remember_main(folder: Path, commit: str) -> None:
    """Note the commit as the newest known, by which the model is found without the Hub."""
    refs = folder / "refs"
    refs.mkdir(exist_ok=True)
    (refs / "main").write_text(commit, encoding="utf-8")


def _fetch(name: str, file: str, commit: str, blobs: Path) -> None:
    """Fetch one file unless it is here. Raises StudioError."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils._headers import build_hf_headers

    url = hf_hub_url(name, file, revision=commit)
    found = get_hf_file_metadata(url)
    if not found.etag or found.size is None or "/" in found.etag:
        raise StudioError(say("bases.damaged", name=name))
    target, part = blobs / found.etag, blobs / f"{found.etag}{PART}"
    if target.exists():
        return
    begun = part.stat().st_size if part.exists() else 0
    if begun > found.size:
        part.unlink()
        begun = 0
    if begun < found.size:
        with part.open("ab") as output:
            http_get(url, output, resume_size=begun, headers=build_hf_headers(), expected_size=found.size)
    if part.stat().st_size != found.size or (_SHA256.fullmatch(found.etag) and _sha256(part) != found.etag):
        part.unlink(missing_ok=True)  # going on with it would never end well
        raise StudioError(say("bases.damaged", name=name))
    part.rename(target)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def watching(name: str, commit: str | None, on_progress: Callable[[int, int], None], cache: Path | None = None) -> Iterator[None]:
    """Report how far a download of a model is that somebody else makes into the Hub's cache, five times a second: bytes, and all bytes.

    Nothing is reported where the Hub does not say how many there are.
    """
    blobs = repository_folder(name, cache or cache_folder()) / "blobs"
    total = _size(name, commit)
    if not total:
        yield
        return
    blobs.mkdir(parents=True, exist_ok=True)
    with _counting(blobs, lambda count: on_progress(min(count, total), total)):
        yield


def _size(name: str, commit: str | None) -> int:
    """Bytes of the files that are fetched of a model; 0 where that is unknown."""
    from huggingface_hub import HfApi

    with suppress(Exception):  # whatever is wrong is told by the download itself
        info = HfApi().model_info(name, revision=commit, files_metadata=True)
        return sum(each.size or 0 for each in info.siblings or [] if is_wanted(each.rfilename))
    return 0


@contextmanager
def _counting(blobs: Path, on_progress: Callable[[int], None]) -> Iterator[None]:
    """Report how many bytes are here, while files are fetched and once more at the end."""
    ended = threading.Event()

    def count() -> None:
        total = 0
        for path in blobs.iterdir():
            try:
                total += path.stat().st_size
            except FileNotFoundError:  # renamed meanwhile
                continue
        on_progress(total)

    def watch() -> None:
        while not ended.wait(_LOOKS):
            count()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        count()
