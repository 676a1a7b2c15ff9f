"""The base models that may be used here."""

import re
from pathlib import Path

from app.errors import StudioError
from app.settings import Settings
from app.words import say

STARTER = "starter"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


def base_models(settings: Settings) -> list[str]:
    """Base models that are offered."""
    return list(dict.fromkeys([STARTER, *settings.models]))


def check_base(settings: Settings, name: str) -> str:
    """Check that a base model may be loaded here: an offered one, or on a laptop any Hub id. Raises StudioError."""
    name = name.strip()
    if not name:
        raise StudioError(say("bases.choose"))
    if name in base_models(settings):
        return name
    if not settings.local:
        raise StudioError(say("bases.not_offered"))
    if len(name) > 200 or ".." in name or not _HUB_ID.fullmatch(name) or Path(name).exists():
        raise StudioError(say("bases.no_name"))
    return name
