"""The texts of the panel of saved conversations, which is drawn in the browser; see app/static/chats.js."""

from typing import Any

from app.words import say

_PANEL = (
    "title", "begin", "rename", "delete", "restore", "remove", "remove_sure", "remove_yes", "remove_no", "undo", "more", "back", "none",
    "none_binned", "name", "name_keys", "md", "jsonl", "saving", "saved", "not_saved", "save_again", "save_as_new", "open_saved", "leave",
)  # fmt: skip


def texts() -> dict[str, Any]:
    """The texts by the names that the script uses; where a value belongs stands its name in braces."""
    return {
        **{name: say(f"chats.shown.{name}") for name in _PANEL}, "share": say("shares.share"),
        "of": say("chats.told.of", deed="{deed}", name="{name}"), "deleted": say("chats.told.deleted", name="{name}"),
        "opened": say("chats.told.opened", name="{name}"), "bin": say("chats.told.bin", count="{count}", days="{days}"),
    }  # fmt: skip
