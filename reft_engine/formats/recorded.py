"""What an adapter folder of an edit says of its base model, read without torch and without its weights."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reft_engine.plain_files import read_plain

CONFIG_NAME = "reft_config.json"
CONFIG_LIMIT = 1_000_000
"""Most bytes of that file."""


@dataclass(frozen=True, slots=True)
class RecordedBase:
    """Revision and precision of the base model that an edit was trained on; None for one that is not recorded."""

    revision: str | None = None
    precision: str | None = None


def recorded_base(folder: Path) -> RecordedBase:
    """What a folder records of its base model; nothing where it cannot be read, since whoever loads it says what is wrong with it."""
    path = folder / CONFIG_NAME
    try:
        config: Any = json.loads(read_plain(path, CONFIG_LIMIT).decode())
    except (OSError, ValueError, RecursionError):
        return RecordedBase()
    base = config.get("base_model") if isinstance(config, dict) else None
    found = [base.get(name) if isinstance(base, dict) else None for name in ("revision", "precision")]
    return RecordedBase(*(value if isinstance(value, str) else None for value in found))
