"""One typed settings object, from environment variables (``REFT_STUDIO_...``) and flags."""

import os
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from app.errors import StudioError
from app.networks import networks_of
from app.words import say

# Telemetry is switched off here, before Gradio or huggingface_hub is imported anywhere.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

_HEADER = re.compile(r"[A-Za-z0-9-]+")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def _default_data_dir() -> Path:
    """``/data`` if a container mounts a volume there, else ``data`` in the current folder."""
    volume = Path("/data")
    return volume if volume.is_dir() and os.access(volume, os.W_OK) else Path("data")


class Settings(BaseSettings):
    """Settings of the studio on this machine."""

    model_config = SettingsConfigDict(env_prefix="REFT_STUDIO_", extra="ignore")

    data_dir: Path = Field(default_factory=_default_data_dir)
    """Folder of datasets, runs and the database."""
    host: str = "127.0.0.1"
    port: int = Field(7860, ge=1, le=65535)
    database_url: str | None = None
    """Any SQLAlchemy URL; by default a SQLite file in ``data_dir``."""
    max_upload_mb: int = Field(1_000, ge=1, le=10_000)
    max_data_mb: int = Field(0, ge=0, le=1_000_000_000)
    """Megabytes of the data folder above which no new dataset or run is accepted; 0 for no limit but the disk."""
    bin_days: int = Field(7, ge=0, le=3650)
    """Days for which a deleted run or dataset can be restored."""
    models: list[str] = []
    """More base models to offer: Hub ids, or local folders, which are refused unless listed here."""
    allowed_hosts: list[str] = []
    """Names by which others reach the studio, with a port where only that one is meant; a server that others reach answers to no other."""

    upload_hours: int = Field(1, ge=1, le=168)
    """Hours for which an uploaded file is kept that nobody has saved."""
    person_uploads_mb: int = Field(4_000, ge=1, le=1_000_000)
    """Megabytes of one person's uploads that are kept or arrive."""
    person_requests: int = Field(200, ge=20, le=10_000)
    """Requests of one person that are open at once, streams to pages included."""
    max_connections: int = Field(2_000, ge=16, le=100_000)
    """Connections to the pages at once."""
    max_connections_per_address: int = Field(500, ge=8, le=100_000)
    """Connections of one address at once; a listed proxy's are not counted."""

    people: Literal["local", "team", "proxy"] | None = None
    """How people are told apart; by default there is one person on loopback."""
    proxies: list[str] = []
    """Addresses or networks of proxies, of which headers are believed."""
    proxy_header: str = "X-Forwarded-User"
    """The header in which a proxy names who has logged in."""
    operators: list[str] = []
    """Names of operators, as the proxy has them."""

    share_days: int = Field(30, ge=0, le=3650)
    """Days for which a link that shares something opens at most; 0 for no links."""
    share_with_strangers: bool = False
    """Whether a link may be made that opens for people who are not logged in."""

    # Bounds; see docs/people.md. Those of a person apply where there are people, and elsewhere only if they are set. 0 is none.
    max_queued_runs: int = Field(500, ge=0, le=1_000_000)
    """Waiting runs of everybody together."""
    person_queued_runs: int = Field(50, ge=0, le=1_000_000)
    """Waiting runs of a person."""
    person_datasets: int = Field(200, ge=0, le=1_000_000)
    """Datasets of a person, outside the bin."""
    person_mb: int = Field(20_000, ge=0, le=1_000_000_000)
    """Megabytes that a person has stored, in the bin or not."""
    person_run_tokens: int = Field(200_000_000, ge=0, le=10**15)
    """Tokens that one run may read: those of its rows, as often as it has epochs."""
    person_chat_tokens: int = Field(100_000, ge=0, le=10**9)
    """Tokens a minute of a person's prompts and answers."""
    person_streams: int = Field(40, ge=0, le=100_000)
    """Answers that come bit by bit and are open at the same time, of all pages of a person; an open page holds one or two."""

    @field_validator("proxies")
    @classmethod
    def _are_addresses(cls, value: list[str]) -> list[str]:
        networks_of(value)
        return value

    @field_validator("proxy_header")
    @classmethod
    def _is_a_header(cls, value: str) -> str:
        if not _HEADER.fullmatch(value):
            raise ValueError(say("networks.no_header"))
        return value

    @property
    def has_people(self) -> bool:
        """Whether several people are told apart."""
        return self.people not in (None, "local")

    def of_person(self, name: str) -> int:
        """A bound of each person: 0 in a studio of one person, unless the operator has set it."""
        return int(getattr(self, name)) if self.has_people or name in self.model_fields_set else 0

    @property
    def together(self) -> int:
        """Runs of one sweep that are trained at the same time, for which everybody else waits; 0 for all."""
        return 8 if self.has_people else 0

    @property
    def local(self) -> bool:
        """Whether only this machine can reach the pages."""
        return self.host in LOOPBACK

    @property
    def space(self) -> bool:
        """Whether this is a Space of the Hugging Face Hub, which says so in its environment."""
        return not self.local and bool(os.environ.get("SPACE_HOST"))

    @property
    def address(self) -> str:
        """URL of the pages for a browser on this machine."""
        name = self.host if self.host not in ("0.0.0.0", "::") else "localhost"
        return f"http://{f'[{name}]' if ':' in name else name}:{self.port}"


def prepare_gradio(uploads: Path) -> None:
    """Make Gradio store uploads in this folder. Call it before Gradio is imported.

    Gradio's default is one folder for all users of a machine, owned by the first of them.
    """
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)


def read_settings(**values: Any) -> Settings:
    """Settings from these values, then from the environment. Raises StudioError."""
    try:
        return Settings(**values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise StudioError(say("serve.setting", field=field, variable=field.upper(), reason=first["msg"])) from error
    except SettingsError as error:
        raise StudioError(say("serve.variable", reason=error)) from error
