"""The texts of blind votes and of fixes by example, which are drawn in the browser; see app/static/votes.js."""

from typing import Any

from app.words import say

_VOTES = (
    "question", "tie", "all_bad", "reveal", "take_back", "taken_back", "sending", "said_tie", "said_bad", "title", "download", "make",
    "name", "clear", "undo", "open", "none",
)  # fmt: skip
_HEADS = ("pair", "wins", "losses", "ties", "bad", "share", "means")
_FIXES = ("label", "save", "saving", "cancel", "unchanged", "open", "open_run")


def texts() -> dict[str, Any]:
    """The texts of the scripts, by the names that they use; where a value belongs stands its name in braces."""
    return {
        "votes": {
            **{name: say(f"votes.shown.{name}") for name in _VOTES}, "head": {name: say(f"votes.head.{name}") for name in _HEADS},
            "dataset_name": say("votes.dataset_name"), "better": say("votes.told.better", letter="{letter}"),
            "said_better": say("votes.told.said_better", letter="{letter}"), "against": say("votes.told.against", name="{name}"),
            "between": say("votes.told.between", low="{low}", high="{high}"),
            "cleared": {"one": say("votes.told.cleared_one"), "other": say("votes.told.cleared_more", count="{count}")},
        },
        "fixes": {**{name: say(f"fixes.shown.{name}") for name in _FIXES}, "train": say("fixes.told.train", count="{count}")},
    }  # fmt: skip
