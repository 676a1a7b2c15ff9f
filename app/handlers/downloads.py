"""Downloads of base models: one of a model at a time, for all visitors together; they go on when a tab is closed.

What is unfinished is noted in the data folder, so that after the studio has ended it can be gone on with.
"""

import json
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.bases.cache import cache_folder, delete_cached, find_cached
from app.bases.facts import BaseFacts
from app.errors import StoppedError, StudioError
from app.handlers import bases
from app.handlers.disk import require_room
from app.reader.client import fetch_base_in_process
from app.services import Services
from app.words import say, say_error, speaking, spoken
from storage.files import write_atomic

_NOTED = "downloads.json"
_LEFT_FREE = 500_000_000
"""Bytes of the disk that a download leaves free."""
_LOCK = threading.Lock()


@dataclass(slots=True)
class _Download:
    total: int
    here: int = 0
    is_stopped: bool = False
    is_ended: bool = False
    problem: str = ""


_KNOWN: dict[tuple[Path, str], _Download] = {}
"""By data folder and name; ended ones stay until the next of the same name, so that the page can say how they ended."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a download is: bytes that are here, of ``total``; ``state`` is ``running``, ``stopped``, ``failed`` or ``done``."""

    here: int
    total: int
    state: str
    problem: str = ""


def start(services: Services, name: str) -> Progress:
    """Begin to download a base model, or go on with it, after a look at its metadata; one that is under way is left alone.

    Raises:
        StudioError: it cannot be used here, the disk has no room for it, the Hub cannot be reached, or this server is not one's own.
    """
    key = services.everything.files.root, bases.check_base(services.settings, name)
    with _LOCK:
        current = _KNOWN.get(key)
        if current is not None and not current.is_ended:
            return _progress(current)
    known = bases.looked_up(name)
    facts = known if known and known.commit and services.settings.local else bases.look_up(services, name)
    if told := bases.reason(facts):
        raise StudioError(told)
    total = facts.download or 0
    _require_room(services, total, name)
    with _LOCK:
        current = _KNOWN.get(key)
        if current is None or current.is_ended:
            kept = find_cached(name)
            current = _KNOWN[key] = _Download(total, kept.bytes if kept else 0)
            _note(services, {**_noted(services), facts.name: asdict(facts)})
            arguments = (services, facts, current, spoken())
            threading.Thread(target=_work, args=arguments, daemon=True).start()
    return _progress(current)


def stop(services: Services, name: str) -> None:
    """Cancel a download; what is here stays, and the next one goes on from there."""
    with _LOCK:
        current = _KNOWN.get((services.everything.files.root, name))
        if current is not None:
            current.is_stopped = True


def progress(services: Services) -> dict[str, Progress]:
    """The downloads of this studio since it began, and those that an earlier one left unfinished, by the models' names."""
    root = services.everything.files.root
    with _LOCK:
        found = {name: _progress(each) for (folder, name), each in _KNOWN.items() if folder == root}
    for name, facts in _noted(services).items():
        if name not in found and (kept := find_cached(name)) and kept.folder is None:
            found[name] = Progress(kept.bytes, int(facts.get("download") or 0), "stopped")
    return found


def delete(services: Services, name: str) -> int:
    """Delete a base model from the Hub's cache; the bytes that this frees.

    Raises:
        StudioError: it is being downloaded, a run that waits or trains uses it, nothing of it is here, or this server is not one's own.
    """
    if not services.settings.local:
        raise StudioError(say("bases.on_laptops_only"))
    if is_under_way(services, name):
        raise StudioError(say("bases.under_way", name=name))
    if any(run.base == name for run in services.everything.runs.going()):
        raise StudioError(say("bases.used", name=name))
    if find_cached(name) is None:
        raise StudioError(say("bases.nothing_cached", name=name))
    try:
        freed = delete_cached(name)
    except OSError as error:
        raise StudioError(say("bases.disk", reason=error.strerror or error)) from error
    _forget(services, name)
    return freed


def _forget(services: Services, name: str) -> None:
    """Drop what is known of a model's download."""
    with _LOCK:
        _KNOWN.pop((services.everything.files.root, name), None)
        _note(services, {key: value for key, value in _noted(services).items() if key != name})


def is_under_way(services: Services, name: str) -> bool:
    """Whether a model is being downloaded."""
    with _LOCK:
        current = _KNOWN.get((services.everything.files.root, name))
        return current is not None and not current.is_ended


def _progress(each: _Download) -> Progress:
    state = "running" if not each.is_ended else "failed" if each.problem else "stopped" if each.is_stopped else "done"
    return Progress(min(each.here, each.total) if each.total else each.here, each.total, state, each.problem)


def _work(services: Services, facts: BaseFacts, current: _Download, language: str) -> None:
    def note(count: int) -> None:
        current.here = count

    with speaking(language):
        try:
            _fetch(facts, note, lambda: current.is_stopped)
            with _LOCK:
                _note(services, {key: value for key, value in _noted(services).items() if key != facts.name})
        except StoppedError:
            current.is_stopped = True
        except StudioError as error:
            current.problem = say_error(error)
        except Exception:  # noqa: BLE001 (the edge of a thread: the page waits for a word)
            current.problem = say("bases.interrupted")
        finally:
            current.is_ended = True


def _fetch(facts: BaseFacts, note: Callable[[int], None], should_stop: Callable[[], bool]) -> None:
    fetch_base_in_process(facts.name, facts.commit, cache_folder(), note, should_stop)


def _require_room(services: Services, size: int, name: str) -> None:
    """Raises StudioError if the disk of the cache has no room for what is still to come."""
    require_room(services)
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    kept = find_cached(name)
    missing, free = size - (kept.bytes if kept else 0), shutil.disk_usage(folder).free
    if missing + _LEFT_FREE > free:
        raise StudioError(say("bases.no_room", size=max(missing, 0) / 1e9, free=free / 1e9))


def _noted(services: Services) -> dict[str, dict[str, Any]]:
    with suppress(OSError, ValueError):
        found = json.loads((services.everything.files.root / _NOTED).read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    return {}


def _note(services: Services, found: dict[str, dict[str, Any]]) -> None:
    with suppress(OSError):  # a full disk: then only what is unfinished is not known after a restart
        write_atomic(services.everything.files.root / _NOTED, json.dumps(found).encode())
