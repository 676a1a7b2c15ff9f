"""Turns errors into what a person sees; the one place that does."""

from reft_engine import ReftError
from storage import StorageError


class StudioError(Exception):
    """The app cannot do what was asked; the text is for the person who asked."""


class EngineAwayError(StudioError):
    """The engine cannot be reached, or does not answer in time."""


READABLE = (StudioError, ReftError, StorageError)
"""Errors whose own words are shown."""
