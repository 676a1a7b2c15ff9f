"""Which base models may be used here."""

import re
from pathlib import Path

from app.errors import StudioError
from app.settings import Settings

STARTER = "starter"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


def base_models(settings: Settings) -> list[str]:
    """Base models on offer."""
    return list(dict.fromkeys([STARTER, *settings.models]))


def check_base(settings: Settings, name: str) -> str:
    """A base model that may be loaded here: one on offer, or on a laptop any Hub id. Raises StudioError."""
    name = name.strip()
    if not name:
        raise StudioError("Choose a base model first.")
    if name in base_models(settings):
        return name
    if not settings.local:
        raise StudioError("This base model is not offered here; choose one of the list.")
    if len(name) > 200 or ".." in name or not _HUB_ID.fullmatch(name) or Path(name).exists():
        raise StudioError("A base model is the starter or a Hub id such as owner/model.")
    return name
