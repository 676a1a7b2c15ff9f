"""One typed settings object, from environment variables (``REFT_STUDIO_...``) and flags."""

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from app.errors import StudioError
from app.words import say

# Telemetry is switched off here, before Gradio or huggingface_hub is imported anywhere.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

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
    """Host names accepted by a server that listens on more than loopback; by default any."""

    upload_hours: int = Field(1, ge=1, le=168)
    """Hours for which an uploaded file is kept that nobody has saved."""
    max_person_uploads_mb: int = Field(4_000, ge=1, le=1_000_000)
    """Megabytes of one person's uploads that are kept or arrive."""
    max_open_requests: int = Field(200, ge=20, le=10_000)
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

    @property
    def local(self) -> bool:
        """Whether only this machine can reach the pages."""
        return self.host in LOOPBACK

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
