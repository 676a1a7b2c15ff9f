"""Brings rows in from a dataset of the Hugging Face Hub: its configs and splits, and a range of rows, streamed into a file.

Only data files of the dataset's own repository are read (CSV, JSON, Parquet, Arrow, text); a program of a dataset is never run.
"""

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any

from reft_engine.data.reading.columnar import table_of
from reft_engine.data.reading.table import Table
from reft_engine.data.records import Limits, counted
from reft_engine.errors import DataError

PREFIX = "hf://datasets/"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(?:/[A-Za-z0-9][\w.-]{0,95})?", re.ASCII)
_REVISION = re.compile(r"[A-Za-z0-9][\w./-]{0,199}", re.ASCII)
_ADDRESS = re.compile(r"https?://[^/]+/datasets/([\w.-]+/[\w.-]+)(?:/(?:tree|blob|resolve)/([^/?#]+)|/[^?#]*)?(?:[?#].*)?", re.ASCII)
_READERS = {"csv", "json", "parquet", "arrow", "text"}
"""The readers of the ``datasets`` library that are used; others unpickle, or decode pictures and sound."""
_MEDIA = {"Image", "Audio", "Video", "Pdf", "Nifti", "Mesh"}
_OWN_SETTINGS = ".huggingface.yaml"
_BATCH = 1000
_RETRIES, _PAUSE = 2, 1
"""Tries after the first, and seconds between them, of a part of a file; the library's own patience is several minutes."""
_MOST_PARTS = 2_000
_INSTALL = "pip install datasets"


@dataclass(frozen=True, slots=True)
class HubName:
    """A dataset as a person names it; without a revision the newest commit."""

    name: str
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class HubDataset:
    """A dataset as it is on the Hub: its full name, the commit that all else is of, and the splits of each config.

    ``usual`` is the config that the dataset names as its default, empty if there are several and it names none.
    """

    name: str
    commit: str
    splits: Mapping[str, tuple[str, ...]]
    usual: str = ""


@dataclass(frozen=True, slots=True)
class HubRows:
    """Which rows: ``count`` of them from row ``first`` (counted from 1) of a split; None for the config or split that is obvious."""

    config: str | None = None
    split: str | None = None
    first: int = 1
    count: int = 1000


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of rows that came from the Hub.

    Attributes:
        path: JSON Lines.
        name: full name of the dataset; ``commit``, ``config`` and ``split`` say what of it.
        first: the first of its rows, counted from 1; ``rows`` is their number.
        notes: what is not in the file, a sentence each.
    """

    path: Path
    name: str
    commit: str
    config: str
    split: str
    first: int
    rows: int
    notes: tuple[str, ...] = ()


def read_hub_name(text: str) -> HubName:
    """The dataset that a text names: ``owner/name``, with ``@revision`` or as ``hf://datasets/owner/name``, or an address of the Hub.

    Raises:
        DataError: it names none.
    """
    text = text.strip()
    if address := _ADDRESS.fullmatch(text):
        name, revision = address[1], address[2]
    else:
        name, _, revision = text.removeprefix(PREFIX).removeprefix("datasets/").rstrip("/").partition("@")
    if ".." in text or not _NAME.fullmatch(name) or (revision and not _REVISION.fullmatch(revision)):
        raise DataError(
            "'{text}' names no dataset of the Hub. A dataset has a name such as owner/name, or the address of its page.",
            kind="hub.name",
            text=text[:80],
        )
    return HubName(name, revision or None)


def look_at_hub(asked: HubName) -> HubDataset:
    """The configs and splits of a dataset, from its description and its list of files.

    Raises:
        DataError: there is no such dataset, it cannot be had, or the Hub cannot be reached.
    """
    repository = _repository(asked)
    splits = {config: tuple(files) for config, files in repository.parts.items()}
    return HubDataset(repository.name, repository.commit, splits, repository.usual)


def fetch_rows(
    asked: HubName, rows: HubRows, folder: Path, limits: Limits | None = None, on_progress: Callable[[float], None] = lambda share: None
) -> HubFile:
    """Stream a range of rows into a new file in ``folder``, as plain values.

    Numbers of classes become their names; dates become text; pictures, sound and other media are left out.

    Args:
        asked: the dataset.
        rows: which of its rows.
        folder: is made; it holds the file, and while the rows are read what the library keeps.
        limits: ``rows`` and ``size`` (of the file) are the most that is read, ``row`` the longest row.
        on_progress: called with the share of the rows that is read, 0 to 1.

    Raises:
        DataError: as `look_at_hub`; or there is no such config or split, no row in the range, or a file that cannot be read.
    """
    limits = limits or Limits()
    _check_range(rows, limits)
    repository = _repository(asked)
    config, split = _chosen(repository, rows)
    folder.mkdir(parents=True, exist_ok=True)
    cache = folder / "cache"
    path = folder / _file_name(repository.name, config, split)
    notes: list[str] = []
    try:
        stream = _stream(repository, config, split, cache, notes)
        count = _write(path, stream, rows, limits, notes, on_progress, repository.name)
    finally:
        shutil.rmtree(cache, ignore_errors=True)
    if not count:
        raise DataError(
            "There is no row {first:,} in {split} of {name}; ask for earlier ones.", kind="hub.no_rows", first=rows.first, split=split,
            name=repository.name,
        )  # fmt: skip
    return HubFile(path, repository.name, repository.commit, config, split, rows.first, count, tuple(notes))


def _check_range(rows: HubRows, limits: Limits) -> None:
    if rows.first < 1 or not 1 <= rows.count <= limits.rows:
        raise DataError(
            "Rows are counted from 1, and at most {most:,} are read at once.", kind="hub.range", most=limits.rows,
        )  # fmt: skip


def _file_name(name: str, config: str, split: str) -> str:
    plain = (re.sub(r"[^\w.-]+", "_", part).strip("._")[:60] for part in (name.rpartition("/")[2], config, split))
    return "-".join(part for part in plain if part and part != "default") + ".jsonl"


# What there is


@dataclass(frozen=True, slots=True)
class _Repository:
    """A dataset at one commit: the patterns of the files of each split of each config, and the features that its card describes.

    ``usual`` as in `HubDataset`.
    """

    name: str
    commit: str
    parts: Mapping[str, Mapping[str, list[str]]]
    features: Mapping[str, Any]
    usual: str


def _repository(asked: HubName) -> _Repository:
    """Ask the Hub for a dataset. Raises DataError."""
    if find_spec("datasets") is None:
        sentence = "To read datasets of the Hub, a package is missing: {command}."
        raise DataError(sentence, kind="package.datasets", detail=_INSTALL, command=_INSTALL)
    from datasets import config
    from datasets.info import DatasetInfosDict
    from datasets.utils.metadata import MetadataConfigs

    config.STREAMING_READ_MAX_RETRIES = config.STREAMING_OPEN_MAX_RETRIES = _RETRIES
    config.STREAMING_READ_RETRY_INTERVAL = config.STREAMING_OPEN_RETRY_INTERVAL = _PAUSE
    config.STREAMING_READ_SERVER_UNAVAILABLE_RETRY_INTERVAL = config.STREAMING_READ_RATE_LIMIT_RETRY_INTERVAL = _PAUSE
    config.HF_UPDATE_DOWNLOAD_COUNTS = False
    try:
        name, commit, files = _listed(asked)
        if f"{name.rpartition('/')[2]}.py" in files:
            raise DataError("{name} makes its rows with a program, which is never run here. Choose another dataset.",
                            kind="hub.program", name=name)  # fmt: skip
        card = _card(name, commit, files)
        described = MetadataConfigs.from_dataset_card_data(card)
        parts = _parts(name, commit, described)
        features = {config: each.features for config, each in DatasetInfosDict.from_dataset_card_data(card).items()}
        usual = described.get_default_config_name() or ""
    except Exception as error:  # the libraries' errors have no common base class
        raise _refusal(asked.name, error) from error
    if not parts:
        raise _no_files(name)
    return _Repository(name, commit, parts, features, usual if usual in parts else next(iter(parts)) if len(parts) == 1 else "")


def _listed(asked: HubName) -> tuple[str, str, list[str]]:
    """The full name of a dataset, its commit and its files."""
    from huggingface_hub import HfApi

    try:
        info = HfApi().dataset_info(asked.name, revision=asked.revision, timeout=20)
        return str(info.id), str(info.sha), [each.rfilename for each in info.siblings or []]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, OSError):  # what the Hub says itself
            raise
        raise _unwell() from error


def _card(name: str, commit: str, files: list[str]) -> Any:
    """What the dataset says of itself, in the head of its README and in a file of its own."""
    import yaml
    from huggingface_hub import DatasetCard, DatasetCardData, hf_hub_download

    def text_of(file: str) -> str:
        return Path(hf_hub_download(name, file, repo_type="dataset", revision=commit)).read_text(encoding="utf-8")

    card = DatasetCard(text_of("README.md"), ignore_metadata_errors=True).data if "README.md" in files else DatasetCardData()
    own = yaml.safe_load(text_of(_OWN_SETTINGS)) if _OWN_SETTINGS in files else None
    return DatasetCardData(**{**vars(card), **own}) if isinstance(own, dict) else card


def _parts(name: str, commit: str, described: Mapping[str, Any]) -> dict[str, dict[str, list[str]]]:
    """The patterns of files by config and split: as the card describes them, else by the names of the files."""
    from datasets.data_files import EmptyDatasetError, get_data_patterns, sanitize_patterns

    def by_names(folder: str) -> dict[str, list[str]]:
        try:
            found = get_data_patterns("/".join(filter(None, [f"{PREFIX}{name}@{commit}", folder])))
        except EmptyDatasetError:
            return {}
        return {str(split): [f"{folder}/{pattern}" if folder else pattern for pattern in found[split]] for split in found}

    if not described:
        return {"default": splits} if (splits := by_names("")) else {}
    _check_paths(name, [[each.get("data_files"), each.get("data_dir")] for each in described.values()])
    parts = {}
    for config, said in list(described.items())[:_MOST_PARTS]:
        folder = str(said.get("data_dir") or "").strip("/")
        files = said.get("data_files")
        splits = {split: list(paths) for split, paths in sanitize_patterns(files).items()} if files else by_names(folder)
        if folder and files:
            splits = {split: [f"{folder}/{path}" for path in paths] for split, paths in splits.items()}
        if splits:
            parts[str(config)] = splits
    return parts


def _check_paths(name: str, said: Any) -> None:
    """Refuse a card that names files outside of its repository: the library would read them from this machine or its network."""
    if isinstance(said, Mapping | list | tuple):
        for each in said.values() if isinstance(said, Mapping) else said:
            _check_paths(name, each)
    elif isinstance(said, str) and (said.startswith(("/", "\\", "~")) or ".." in said or ":" in said):
        raise DataError("{name} names files that are not its own; they are not read.", kind="hub.foreign", name=name)


def _chosen(repository: _Repository, rows: HubRows) -> tuple[str, str]:
    """The config and the split, where none is named the obvious ones. Raises DataError."""
    config = _choose("config", rows.config, list(repository.parts), repository.usual, repository.name)
    return config, _choose("split", rows.split, list(repository.parts[config]), "train", repository.name)


def _choose(what: str, given: str | None, names: list[str], usual: str, dataset: str) -> str:
    if given in names:
        return given
    choices = ", ".join(names)[:300]
    if given is not None:
        raise DataError("{dataset} has no {what} '{given}'. It has {choices}.", kind="hub.no_part", what=what, given=given[:80],
                        dataset=dataset, choices=choices)  # fmt: skip
    if len(names) > 1 and usual not in names:
        raise DataError("{dataset} has several {what}s: say which with --{what}. It has {choices}.", kind="hub.which", what=what,
                        dataset=dataset, choices=choices)  # fmt: skip
    return usual if usual in names else names[0]


# Its rows


def _stream(repository: _Repository, config: str, split: str, cache: Path, notes: list[str]) -> Any:
    """The rows of a split as the library streams them, without columns of media. Raises DataError."""
    from datasets import load_dataset_builder

    name, commit = repository.name, repository.commit
    try:
        builder = load_dataset_builder(
            f"{PREFIX}{name}", config, data_files={split: repository.parts[config][split]}, revision=commit, cache_dir=str(cache),
            features=repository.features.get(config),
        )  # fmt: skip
        _check_files(builder, f"{PREFIX}{name}@{commit}/", name)
        if "keep_default_na" in vars(builder.config) and builder.config.features is None:
            builder.config.keep_default_na = False  # NA and null are texts, too
        stream = builder.as_streaming_dataset(split)
        media = [column for column, feature in (stream.features or {}).items() if _is_media(feature)]
        if media:
            notes.append(f"{counted(len(media), 'column')} of pictures or sound left out: {', '.join(media)[:200]}.")
            if "columns" in vars(builder.config):  # so that they are not even fetched
                builder.config.columns = [column for column in stream.features if column not in media]
                stream = builder.as_streaming_dataset(split)
            else:
                stream = stream.remove_columns(media)
    except Exception as error:  # as in `_repository`
        raise _refusal(name, error) from error
    return stream.with_format("arrow")


def _is_media(feature: Any) -> bool:
    while (inner := getattr(feature, "feature", None)) is not None:
        feature = inner
    return type(feature).__name__ in _MEDIA


def _check_files(builder: Any, prefix: str, name: str) -> None:
    """Refuse files of other places, and those for whose reading the library would run or unpack more than text."""
    files = [str(file) for split in builder.config.data_files.values() for file in split]
    if not files:
        raise _no_files(name)
    if any(not file.startswith(prefix) or ".." in file for file in files):
        raise DataError("{name} names files that are not its own; they are not read.", kind="hub.foreign", name=name)
    reader = type(builder).__module__.rpartition(".")[2]
    if reader not in _READERS:
        kinds = Counter(Path(file).suffix for file in files).most_common(3)
        raise DataError(
            "The files of {name} ({kinds}) are not read here, only CSV, JSON, Parquet, Arrow and text.", kind="hub.files", name=name,
            kinds=", ".join(kind for kind, _ in kinds),
        )  # fmt: skip


def _write(
    path: Path, stream: Any, rows: HubRows, limits: Limits, notes: list[str], on_progress: Callable[[float], None], name: str
) -> int:
    """Write the rows that are asked for; returns their number."""
    features, last = stream.features or {}, rows.first - 1 + rows.count
    count = size = too_long = 0

    def batches() -> Iterator[Any]:
        seen = 0
        try:
            for table in stream.iter(batch_size=_BATCH):
                part = table.slice(max(0, rows.first - 1 - seen), last - max(seen, rows.first - 1))
                seen += table.num_rows
                on_progress(min(1.0, seen / last))
                yield from part.to_batches()
                if seen >= last:
                    return
        except Exception as error:  # as in `_repository`
            raise _refusal(name, error) from error

    with path.open("w", encoding="utf-8") as file:
        for table in _tables(batches(), limits):
            for row in table.rows:
                if row.values is None:
                    too_long += 1
                    continue
                values = {column: _plain(value, features.get(column)) for column, value in row.values.items()}
                line = json.dumps(values, ensure_ascii=False) + "\n"
                if size + len(line.encode()) > limits.size:
                    notes.append(f"Only {counted(count)} fit into {limits.size // 1_000_000:,} MB; those after them were not read.")
                    return count
                size += file.write(line)
                count += 1
            notes += [note for note in table.notes if note not in notes]
    if too_long:
        notes.append(f"{counted(too_long)} of more than {limits.row:,} characters left out.")
    return count


def _tables(batches: Iterator[Any], limits: Limits) -> Iterator[Table]:
    """A table for each stretch of batches that have the same columns, which may differ from file to file."""
    for schema, alike in groupby(batches, key=lambda batch: batch.schema):
        yield table_of("Hub", schema, partial(iter, alike), 0, limits)


def _plain(value: Any, feature: Any) -> Any:
    """A value in which the texts that the library keeps as JSON are values again."""
    kind = type(feature).__name__
    if kind == "Json" and isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    if isinstance(feature, Mapping) and isinstance(value, Mapping):
        return {key: _plain(each, feature.get(key)) for key, each in value.items()}
    inner = getattr(feature, "feature", feature[0] if isinstance(feature, list) and feature else None)
    return [_plain(each, inner) for each in value] if inner is not None and isinstance(value, list) else value


# What may go wrong


def _refusal(name: str, error: Exception) -> Exception:
    """An error of the libraries as one sentence, which is that of the first cause that is known; a lack of memory as it is."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    for each in chain:
        if isinstance(each, DataError | MemoryError):
            return each
    for each in chain:
        if (refusal := _hub_refusal(name, each)) is not None:
            return refusal
    reason = (str(error).splitlines() or [""])[0].replace(PREFIX, "")[:200] or type(error).__name__
    return DataError("{name} cannot be read: {reason}", kind="hub.unreadable", name=name, reason=reason)


def _hub_refusal(name: str, error: BaseException) -> DataError | None:
    """The sentence for an error of the Hub or of the way to it; None for any other."""
    from datasets.exceptions import DataFilesNotFoundError
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, OfflineModeIsEnabled):
        return DataError("This machine is told to work without the Hub (HF_HUB_OFFLINE).", kind="hub.off")
    if isinstance(error, GatedRepoError):
        sentence = "{name} is gated: accept its terms on the Hub and log in with a token on this machine."
        return DataError(sentence, kind="hub.gated", name=name)
    if isinstance(error, RevisionNotFoundError):
        return DataError("{name} has no such revision on the Hub.", kind="hub.no_revision", name=name)
    if isinstance(error, RepositoryNotFoundError):
        return DataError(
            "There is no dataset {name} on the Hub, or it is private: for a private one log in with a token on this machine.",
            kind="hub.not_there",
            name=name,
        )
    if isinstance(error, DataFilesNotFoundError):
        return _no_files(name)
    status = error.response.status_code if isinstance(error, HfHubHTTPError) and error.response is not None else 0
    if status == 429 or status >= 500:
        return _unwell()
    if isinstance(error, LocalEntryNotFoundError | ConnectionError | TimeoutError) or _is_network(error):
        return DataError("The Hub cannot be reached. Check the network and try again.", kind="hub.away")
    return None


def _is_network(error: BaseException) -> bool:
    """Whether an error is one of the library through which the Hub is asked, whose package changes its name."""
    return any(kind.__name__ == "TransportError" and kind.__module__.startswith("httpx") for kind in type(error).__mro__)


def _unwell() -> DataError:
    return DataError("The Hub does not answer as it should at the moment. Try again later.", kind="hub.unwell")


def _no_files(name: str) -> DataError:
    return DataError("{name} holds no files of rows that can be read here.", kind="hub.no_files", name=name)
