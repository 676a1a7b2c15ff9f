"""File formats: adapter folders of edits and of baselines, pyreft's folders, and atomic writes."""

from typing import TYPE_CHECKING

from reft_engine.exports import lazy_names

if TYPE_CHECKING:
    from reft_engine.formats.atomic import write_atomic
    from reft_engine.formats.folder import is_complete, read_config
    from reft_engine.formats.recorded import RecordedBase, recorded_base
    from reft_engine.formats.steps import kept_steps

__all__ = [
    "RecordedBase",
    "is_complete",
    "kept_steps",
    "read_config",
    "recorded_base",
    "write_atomic",
]

__getattr__ = lazy_names(__name__, {
    "atomic": ["write_atomic"],
    "folder": ["is_complete", "read_config"],
    "recorded": ["RecordedBase", "recorded_base"],
    "steps": ["kept_steps"],
})  # fmt: skip
