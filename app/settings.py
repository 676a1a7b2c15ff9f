"""One typed settings object, from environment variables (``REFT_STUDIO_...``) and flags."""

import os
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from app.errors import StudioError
from app.words import say

# Before Gradio or the Hub's library is imported anywhere: nothing is reported to anybody.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def _default_data_dir() -> Path:
    """``/data`` where a container brings a lasting disk, else ``data`` in the current folder."""
    lasting = Path("/data")
    return lasting if lasting.is_dir() and os.access(lasting, os.W_OK) else Path("data")


class Settings(BaseSettings):
    """How the studio is set up on this machine."""

    model_config = SettingsConfigDict(env_prefix="REFT_STUDIO_", extra="ignore")

    data_dir: Path = Field(default_factory=_default_data_dir)
    """Where datasets, runs and the database lie."""
    host: str = "127.0.0.1"
    port: int = Field(7860, ge=1, le=65535)
    database_url: str | None = None
    """Any SQLAlchemy URL; a SQLite file in ``data_dir`` when left out."""
    max_upload_mb: int = Field(100, ge=1, le=10_000)
    max_data_mb: int = Field(0, ge=0, le=1_000_000_000)
    """Most megabytes that the data folder may take before nothing new is begun; 0 for as many as the disk has."""
    bin_days: int = Field(7, ge=0, le=3650)
    """Days that a deleted run can be taken back."""
    models: list[str] = []
    """Further base models to offer: Hub ids, or local folders, which are refused unless listed here."""
    allowed_hosts: list[str] = []
    """Names under which a server that listens on more than this machine may be asked; any when left out."""

    @property
    def local(self) -> bool:
        """Whether only this machine can reach the pages."""
        return self.host in LOOPBACK

    @property
    def address(self) -> str:
        """Where a browser on this machine finds the pages."""
        name = self.host if self.host not in ("0.0.0.0", "::") else "localhost"
        return f"http://{f'[{name}]' if ':' in name else name}:{self.port}"


def prepare_gradio(uploads: Path) -> None:
    """Have uploads kept in this folder; Gradio reads where when it is imported.

    Its own choice is one folder for all users of a machine, which belongs to the first of them.
    """
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)


def read_settings(**given: Any) -> Settings:
    """Settings from what is given and the environment. Raises StudioError."""
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise StudioError(say("serve.setting", field=field, variable=field.upper(), reason=first["msg"])) from error
    except SettingsError as error:
        raise StudioError(say("serve.variable", reason=error)) from error
