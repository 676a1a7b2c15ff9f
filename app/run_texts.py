"""A run as text: the file that describes it (run.yaml), and the command line and the Python that train the same."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.errors import StudioError
from app.words import say, say_error
from reft_engine import ConfigError, PeftConfig, ReftConfig, RunSpec, Setting, TrainConfig, all_settings, read_yaml
from storage import DatasetVersionRecord

_FLAGS = {"learning_rate": "--lr"}
"""Flags whose names differ from their settings."""


class DataPart(BaseModel):
    """The rows of a run: a version of a dataset of the data folder, or a file and how it is read.

    Attributes:
        dataset: id of the dataset.
        version: number of its version; the current one if there is none.
        sha256: digest of the version's rows; other rows are refused.
        file: a file, read and kept as a dataset before the run; a relative path is one beside the description.
        reading: what a person chose in order to read the file; see `app.choices.Choices`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str | None = Field(None, min_length=1, max_length=32)
    version: int | None = Field(None, ge=1)
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    file: str | None = Field(None, min_length=1, max_length=4000)
    reading: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _check_dataset_or_file(self) -> Self:
        if bool(self.dataset) == bool(self.file):
            raise ValueError(say("spec.data.one"))
        if self.file and (self.version or self.sha256):
            raise ValueError(say("spec.data.version_of_file"))
        if self.dataset and self.reading:
            raise ValueError(say("spec.data.reading_of_dataset"))
        return self

    @classmethod
    def of_version(cls, version: DatasetVersionRecord) -> Self:
        """The part that names a version."""
        return cls(dataset=version.dataset_id, version=version.number, sha256=version.digest)

    @property
    def reference(self) -> str:
        """The dataset and its version, as `storage.DatasetStore.get` takes it; only of a dataset."""
        return f"{self.dataset}@{self.version}" if self.version else str(self.dataset)


@dataclass(frozen=True, slots=True)
class RunFile:
    """What run.yaml holds: the spec of a run, and its rows if they are named."""

    spec: RunSpec
    data: DataPart | None = None

    def to_yaml(self, remark: str = "") -> str:
        """The description as YAML, which `from_yaml` reads back; a remark stands above it as a comment."""
        values = self.spec.model_dump(mode="json")
        if self.data:
            values["data"] = self.data.model_dump(exclude_none=True)
        comment = "".join(f"# {line}\n" for line in remark.splitlines())
        return comment + str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True))

    @classmethod
    def from_yaml(cls, text: str) -> Self:
        """Read a description, written by hand or by `to_yaml`. Raises ConfigError, StudioError."""
        values = read_yaml(text)
        if not isinstance(values, dict):
            raise StudioError(say("spec.no_settings"))
        rest = {name: value for name, value in values.items() if name != "data"}
        return cls(RunSpec.read(rest), _read_data(values.get("data")))


def _read_data(values: Any) -> DataPart | None:
    if values is None:
        return None
    try:
        return DataPart.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(["data", *map(str, first["loc"])])
        raise StudioError(say("spec.data.wrong", field=field, reason=first["msg"].removeprefix("Value error, ").rstrip("."))) from None


def read_run_file(text: str, path: str) -> RunFile:
    """As `RunFile.from_yaml`; an error names the file. Raises StudioError."""
    try:
        return RunFile.from_yaml(text)
    except (ConfigError, StudioError) as error:
        raise StudioError(say("cli.spec.wrong", path=path, reason=say_error(error))) from error


def flag_of(row: Setting) -> str:
    """The flag of a setting, such as ``--batch-size``."""
    return _FLAGS.get(row.name, f"--{row.name.replace('_', '-')}")


def command_of(spec: RunSpec, file: str, out: str) -> str:
    """The command that trains the same edit on the rows of a file: only the flags of settings that are not at their defaults."""
    lines = [f"--data {shlex.quote(file)}", f"--out {shlex.quote(out)}"]
    values = spec.settings()
    for row in all_settings():
        if row.name in values and values[row.name] != row.default:
            lines.append(_flag(row, values[row.name]))
    return " \\\n  ".join(["reft-studio train", *lines])


def _flag(row: Setting, value: Any) -> str:
    flag = flag_of(row)
    if row.kind == "switch":
        return flag if value else flag.replace("--", "--no-", 1)
    return f"{flag} {shlex.quote(_argument(value))}"


def _argument(value: Any) -> str:
    """A value as the flag reads it back, to the last digit."""
    if isinstance(value, (list, tuple)):
        return (";" if all(isinstance(each, int) for each in value) else ",").join(map(str, value))
    return repr(value) if isinstance(value, float) else str(value)


_CODE = """\
from pathlib import Path

from reft_engine import {names}, load_base, train
from reft_engine.data import inspect_file

rows = inspect_file(Path({file!r}))
base = load_base({base})
result = train(
    base,
    rows.examples,
    {trained},
    {settings},
    folder={out!r},
    file_rows=rows.rows,
)
print(result.verdict, result.summary())
"""


def code_of(spec: RunSpec, file: str, out: str) -> str:
    """A Python program that trains the same edit on the rows of a file: only the arguments that are not at their defaults."""
    top = {row.name: row.default for row in all_settings() if not row.section and row.name != "base"}
    chosen = {name: getattr(spec, name) for name, default in top.items() if getattr(spec, name) != default}
    trained = spec.trained
    names = sorted([type(trained).__name__, type(spec.train).__name__])
    return _CODE.format(
        names=", ".join(names), file=file, out=out, base=_arguments({"": spec.base, **chosen}), trained=_call(trained),
        settings=_call(spec.train),
    )  # fmt: skip


def _call(config: ReftConfig | PeftConfig | TrainConfig) -> str:
    fields = type(config).model_fields
    changed = {name: getattr(config, name) for name, field in fields.items() if getattr(config, name) != field.default}
    return f"{type(config).__name__}({_arguments(changed)})"


def _arguments(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" if name else repr(value) for name, value in values.items())
