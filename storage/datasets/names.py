"""Names and tags as a person gives them, made fit to be kept and shown on one line."""

from collections.abc import Iterable

from storage.errors import StorageError

NAME_LIMIT = 200
TAG_LIMIT, MAX_TAGS = 40, 20


def clean_name(name: str, limit: int = NAME_LIMIT) -> str:
    """Reduce a name to one printable line of at most ``limit`` characters; an empty one becomes "untitled"."""
    return _on_one_line(name)[:limit] or "untitled"


def clean_tags(tags: Iterable[str]) -> list[str]:
    """Reduce tags to printable lines, without empty and repeated ones (whatever their case), in their order.

    Raises:
        StorageError: a tag is longer than `TAG_LIMIT` characters, or there are more than `MAX_TAGS`.
    """
    found: dict[str, str] = {}
    for tag in map(_on_one_line, tags):
        found.setdefault(tag.casefold(), tag)
    found.pop("", None)
    for tag in found.values():
        if len(tag) > TAG_LIMIT:
            raise StorageError(
                "A tag has at most {limit} characters, and this one has {length}: {tag}.",
                kind="datasets.long_tag", limit=TAG_LIMIT, length=len(tag), tag=f"{tag[:TAG_LIMIT]}…",
            )  # fmt: skip
    if len(found) > MAX_TAGS:
        raise StorageError(
            "A dataset has at most {limit} tags, and these are {count}.", kind="datasets.many_tags", limit=MAX_TAGS, count=len(found)
        )
    return list(found.values())


def _on_one_line(text: str) -> str:
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())
