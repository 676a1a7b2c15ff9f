"""The folders of uploads: how they are named, and which of them nobody wants any more."""

import shutil
import time
from contextlib import suppress
from pathlib import Path

ARRIVING = ".arriving-"
"""How the folder of an upload begins that has not arrived yet."""


def remove_old_uploads(folder: Path, hours: float) -> None:
    """Remove what Gradio was given and nobody has saved for so long, and what has begun to arrive a day ago and never did."""
    now = time.time()
    for each in folder.glob("*"):
        aged = 86_400 if each.name.startswith(ARRIVING) else hours * 3600
        if each.name.startswith(ARRIVING) or len(each.name) == 64:
            with suppress(OSError):
                if each.lstat().st_mtime < now - aged:
                    shutil.rmtree(each)
