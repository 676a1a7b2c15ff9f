"""Runs as text: shows the form as run.yaml, command line and Python, and makes a run of such a file."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from urllib.parse import quote

from app.choices import Choices
from app.errors import StudioError
from app.handlers import train
from app.handlers.disk import require_room
from app.handlers.mix_parts import require_trained
from app.handlers.runs import file_name
from app.run_texts import DataPart, RunFile, code_of, command_of
from app.services import Services
from app.words import say
from reft_engine import RunSpec
from reft_engine.data import ROWS, import_file
from storage import DatasetRecord, DatasetVersionRecord, NotFoundError, RunRecord

OUT = "my-edit"
"""The folder that the shown command and program write."""
_WIDE = 300


@dataclass(frozen=True, slots=True)
class Shown:
    """The run of a form in three languages.

    ``yaml`` names the version of the dataset in this studio; ``command`` and ``code`` read ``file``, the version's rows as they are
    downloaded from ``link``, in which roles, template, remedies and sides are settled.
    """

    yaml: str
    command: str
    code: str
    file: str
    link: str


def shown(services: Services, dataset_id: str | None, form: train.TrainForm) -> Shown:
    """The run that the form describes. Raises NotFoundError, ConfigError, StudioError."""
    if not dataset_id:
        raise StudioError(say("train.pick_dataset"))
    spec = train.read_form(services.settings, form)
    dataset = services.storage.datasets.get(dataset_id)
    name, number = dataset.name, dataset.version.number
    file = f"{name} v{number}.jsonl".replace("/", "_")
    link = f"files/datasets/{quote(dataset.id)}/{number}.jsonl"
    yaml = RunFile(spec, DataPart.of_version(dataset.version)).to_yaml(remark(dataset))
    return Shown(yaml, command_of(spec, file, OUT), code_of(spec, file, OUT), file, link)


def remark(dataset: DatasetRecord) -> str:
    """What stands above a description, for people: which rows they are, and how they were read."""
    version = dataset.version
    lines = [say("spec.remark.rows", name=_line(dataset.name), number=version.number, rows=version.rows, file=_line(version.label))]
    if version.reading:
        lines.append(say("spec.remark.reading", reading=_line(version.reading)))
    if version.split:
        lines.append(say("spec.remark.split", split=_line(version.split)))
    return "\n".join(lines)


def _line(value: object) -> str:
    """Text for one line of a comment."""
    text = "".join(character if character.isprintable() else " " for character in str(value))
    return text if len(text) <= _WIDE else f"{text[: _WIDE - 1]}…"


def of_run(services: Services, run_id: str) -> tuple[str, str]:
    """File name and text of a run's description, in any state of the run. Raises NotFoundError, StudioError for a mix."""
    run = services.storage.runs.get(run_id)
    require_trained(run)
    dataset = services.storage.datasets.get(f"{run.dataset_id}@{run.version_number}")
    text = RunFile(RunSpec.read(run.spec), DataPart.of_version(dataset.version)).to_yaml(remark(dataset))
    return file_name(run, "yaml"), text


def start(services: Services, described: RunFile, folder: Path, name: str = "") -> RunRecord:
    """Queue the run of a file.

    Args:
        services: of the data folder.
        described: the run; it must name its rows.
        folder: where the file is, beside which a relative path of rows is looked for.
        name: name of the run; made up if it is empty.

    Raises:
        NotFoundError, StudioError, StorageError: there are no such rows, or the run cannot be queued.
        DataError: the file of rows cannot be read.
        ConfigError: the settings do not fit the base model.
    """
    if described.data is None:
        raise StudioError(say("spec.no_data"))
    train.require_place(services)
    reference = _keep_file(services, described.data, folder) if described.data.file else _find(services, described.data)
    return train.queue(services, reference, described.spec, name)


def _find(services: Services, data: DataPart) -> str:
    """The reference of the version that a description names. Raises StudioError."""
    try:
        version: DatasetVersionRecord = services.storage.datasets.get(data.reference).version
    except NotFoundError as error:
        raise StudioError(say("spec.no_dataset", dataset=data.reference, folder=services.storage.files.root)) from error
    if data.sha256 and version.digest and data.sha256 != version.digest:
        raise StudioError(say("spec.other_rows", dataset=data.reference))
    return data.reference


def _keep_file(services: Services, data: DataPart, folder: Path) -> str:
    """Read a file and keep it as a dataset; the same file, read alike, is kept only once. Raises DataError, StudioError."""
    path = folder / str(data.file)
    if not path.is_file():
        raise StudioError(say("cli.no_file", path=path))
    try:
        choices = Choices.of_data(data.reading)
    except (KeyError, TypeError, ValueError) as error:
        raise StudioError(say("spec.reading", path=path)) from error
    require_room(services)
    rows = services.storage.files.uploads / token_hex(16)
    try:
        found = import_file(path, rows, choices.columns, choices.options, choices.remedies)
        if found.needs_encoding or found.needs_mapping or not found.examples:
            raise StudioError(say("spec.not_read", path=path, reason=found.sentence))
        return services.storage.datasets.create(
            name=path.stem, label=path.name, shape=found.shape, rows=found.rows, usable_rows=found.usable_rows, source=path,
            examples=rows / ROWS, reading=choices.as_data(),
        ).id  # fmt: skip
    finally:
        shutil.rmtree(rows, ignore_errors=True)
