"""What a studio needs to know of its people before it serves: who may come in, and under which names it is reached."""

from app.errors import StudioError
from app.people.file import People
from app.settings import Settings
from app.words import say
from storage import Storage


def require_people(settings: Settings, storage: Storage) -> None:
    """Raises StudioError, a sentence that says what to choose, where others reach the studio and nobody said who may come in."""
    if settings.people in (None, "local"):
        if not settings.local:
            raise StudioError(_what_to_choose(settings))
        return
    if settings.people == "team" and not People(storage.files.root).all():
        raise StudioError(say("serve.no_people", folder=storage.files.root))
    if settings.people == "proxy" and not settings.proxies:
        raise StudioError(say("serve.no_proxies"))
    if not settings.local and not settings.allowed_hosts and not settings.space:
        raise StudioError(say("serve.no_hosts"))


def _what_to_choose(settings: Settings) -> str:
    if settings.people:
        return say("serve.local_people", host=settings.host)
    return say("serve.choose_space") if settings.space else say("serve.choose_people", host=settings.host)


def hand_over(settings: Settings, storage: Storage) -> str:
    """Give the rows of a folder that had one person to the first operator of its team; returns a sentence, empty if there are none."""
    if settings.people != "team":
        return ""
    operator = next((member for member in People(storage.files.root).in_order() if member.operator), None)
    count = storage.hand_over("", operator.id) if operator else 0
    return say("serve.handed_over", count=count, name=operator.name) if operator and count else ""
