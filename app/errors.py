"""Turns errors into what a person sees; the one place that does."""

from reft_engine import ReftError
from storage import StorageError


class StudioError(Exception):
    """The app cannot do what was asked; the text is for the person who asked."""


class EngineAwayError(StudioError):
    """The engine cannot be reached, or does not answer in time."""


class StoppedError(StudioError):
    """A person has ended what they had asked for; what the page showed before stays."""


class NoAnswerError(StudioError):
    """The page is left as it is: the same person has asked for something newer, or what comes before this was refused already."""


READABLE = (StudioError, ReftError, StorageError)
"""Errors whose own words are shown."""
