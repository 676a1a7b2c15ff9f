"""The route by which files arrive, in place of Gradio's: one person's files, up to so many bytes for a request, a person and the disk."""

import asyncio
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

import anyio
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from gradio.route_utils import upload_fn
from gradio.routes import file_upload_statuses
from python_multipart.multipart import parse_options_header
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from app.arrived import ARRIVING
from app.people.asking import asking
from app.routes.bodies import BodyError, progress_key
from app.routes.gradio_requests import UPLOAD
from app.services import Services
from app.words import say

_AT_ONCE, _AT_ONCE_EVER = 4, 32
"""Uploads that arrive at the same time, of a person and of all."""
_FILES = 100
"""Files that are kept for one person; the oldest makes way for the next."""
_PARTS = 20
"""Parts of one request."""
_ENVELOPE = 100_000
"""Bytes of a request beside its files."""
_LEAST_FREE = 200_000_000
"""Bytes that an upload leaves free on the disk."""
_LOOKS_EVERY = 8_000_000
"""Bytes after which the disk is looked at again."""
_FOLLOWED = 60.0
"""Seconds for which a page can still ask how an upload has gone."""


class _RefusedError(MultiPartException):
    """Gradio's reader removes its files at this error."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.refusal = BodyError(status, sentence)


@dataclass
class Kept:
    """Whose an uploaded file is, and how much everybody has. Uploads do not outlive the web process, and neither does this.

    Attributes:
        folder: of uploads.
        most: bytes of one person's uploads, those on their way included.
        at_once: uploads of one person that arrive at the same time.
        files: how many are kept of one person.
    """

    folder: Path
    most: int
    at_once: int = _AT_ONCE
    files: int = _FILES
    _kept: dict[str, dict[str, int]] = field(default_factory=dict)
    _arriving: Counter[str] = field(default_factory=Counter)
    _coming: Counter[str] = field(default_factory=Counter)

    def owns(self, owner: str, path: str) -> bool:
        """Whether a person has uploaded the file of this path, and it is still here."""
        return path in self._kept.get(owner, {}) and Path(path).is_file()

    def bytes_of(self, owner: str) -> int:
        """Of what a person has uploaded."""
        return sum(self._kept.get(owner, {}).values())

    @contextmanager
    def arriving(self, owner: str) -> Iterator[None]:
        """Take the place of an upload. Raises BodyError if a person has none left."""
        if self._arriving[owner] >= self.at_once or self._arriving.total() >= _AT_ONCE_EVER:
            raise BodyError(429, say("door.uploads", most=self.at_once))
        self._arriving[owner] += 1
        try:
            yield
        finally:
            self._arriving[owner] -= 1
            if not self._arriving[owner]:
                del self._arriving[owner]

    @contextmanager
    def room(self, owner: str, other: int) -> Iterator[Callable[[int], None]]:
        """Take bytes as they come; they are given back at the end. Older files of the same person make way."""
        mine = 0

        def take(size: int) -> None:
            nonlocal mine
            while other + self._coming[owner] + self.bytes_of(owner) + size > self.most:
                if not self._kept.get(owner):
                    raise _RefusedError(413, say("door.kept", most=self.most / 1e6))
                self.forget_oldest(owner)
            mine += size
            self._coming[owner] += size

        try:
            yield take
        finally:
            self._coming[owner] -= mine
            if not self._coming[owner]:
                del self._coming[owner]

    def take(self, owner: str, staged: Path) -> str:
        """Keep a file that has arrived, under the hash of its content as Gradio does; returns its path. Raises OSError."""
        path = self.folder / staged.parent.name / staged.name
        size = staged.stat().st_size
        path.parent.mkdir(exist_ok=True)
        staged.replace(path)
        mine = self._kept.setdefault(owner, {})
        mine.pop(str(path), None)
        while len(mine) >= self.files:
            self.forget_oldest(owner)
        mine[str(path)] = size
        return str(path)

    def forget_oldest(self, owner: str) -> None:
        """Remove the oldest file of a person, unless another has uploaded the same one."""
        mine = self._kept[owner]
        path = next(iter(mine))
        del mine[path]
        if not any(path in files for files in self._kept.values()):
            shutil.rmtree(Path(path).parent, ignore_errors=True)

    def followed(self, key: str) -> None:
        """Gradio remembers every name that an upload was asked for by; forget one of no upload."""
        if key not in file_upload_statuses._statuses:
            file_upload_statuses._signals.pop(key, None)

    def forget_gone(self) -> None:
        """Count no longer what upkeep has removed."""
        for owner, files in list(self._kept.items()):
            self._kept[owner] = {path: size for path, size in files.items() if Path(path).exists()}
            if not self._kept[owner]:
                del self._kept[owner]


def offer_uploads(app: FastAPI, services: Services, kept: Kept) -> None:
    """Add the route, which comes before Gradio's of the same path."""
    largest = services.settings.max_upload_mb * 1_000_000

    @app.post(UPLOAD)
    async def upload(request: Request, upload_id: str = "") -> Response:
        owner = asking().id
        key = progress_key(owner, upload_id) if upload_id else None
        kept.folder.mkdir(parents=True, exist_ok=True)
        staging = kept.folder / f"{ARRIVING}{token_hex(16)}"
        try:
            with kept.arriving(owner):
                kept.forget_gone()
                other = await anyio.to_thread.run_sync(_bytes_in, services.storage.files.uploads)
                with kept.room(owner, other) as take:
                    counted = Request(request.scope, _counted(request, take, largest, kept.folder))
                    files, _, _ = await upload_fn(
                        counted, str(staging), largest, key, force_move=True, upload_progress=file_upload_statuses if key else None
                    )
                return JSONResponse([kept.take(owner, Path(file)) for file in files if Path(file).exists()])
        except BodyError as error:
            return error.answer()
        except _RefusedError as error:
            return error.refusal.answer()
        except MultiPartException as error:
            is_large = error.message.startswith("File size")
            return (BodyError(413, say("door.large", most=largest / 1e6)) if is_large else BodyError(400, say("door.no_form"))).answer()
        except ClientDisconnect:
            return Response(status_code=400)
        except OSError:
            return BodyError(507, say("door.disk")).answer()
        except Exception:  # noqa: BLE001 (whatever Gradio's reader stumbles over in a body that is no form with files)
            return BodyError(400, say("door.no_form")).answer()
        finally:
            shutil.rmtree(staging, ignore_errors=True)
            if key:
                with suppress(Exception):
                    file_upload_statuses.set_done(key)
                asyncio.get_running_loop().call_later(_FOLLOWED, _forget, key)


def _counted(request: Request, take: Callable[[int], None], largest: int, folder: Path) -> Receive:
    """The body of a request as it comes, up to so many bytes and parts, while the disk has room. Raises _RefusedError."""
    _, options = parse_options_header(request.headers.get("content-type", ""))
    delimiter = b"--" + options.get(b"boundary", b"")
    declared = request.headers.get("content-length", "")
    size, parts, tail, looked = 0, 0, b"", -_LOOKS_EVERY
    if declared.isdigit() and int(declared) > largest + _ENVELOPE:
        raise _RefusedError(413, say("door.large", most=largest / 1e6))

    async def receive() -> Message:
        nonlocal size, parts, tail, looked
        message = await request.receive()
        piece = message.get("body", b"")
        size += len(piece)
        if size > largest + _ENVELOPE:
            raise _RefusedError(413, say("door.large", most=largest / 1e6))
        whole = tail + piece
        parts += whole.count(delimiter)
        tail = whole[-(len(delimiter) - 1) :]
        if parts > _PARTS + 1:  # the last one ends the form
            raise _RefusedError(413, say("door.parts", most=_PARTS))
        take(len(piece))
        if size - looked >= _LOOKS_EVERY:
            looked = size
            if shutil.disk_usage(folder).free < _LEAST_FREE:
                raise _RefusedError(507, say("door.disk"))
        return message

    return receive


def _bytes_in(folder: Path) -> int:
    """Of the files that a person's pages hold, less those that are a second name of an upload."""
    total = 0
    for each, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not (name.startswith(ARRIVING) or len(name) == 64)]
        for name in files:
            with suppress(OSError):
                found = Path(each, name).lstat()
                total += found.st_size if found.st_nlink == 1 else 0
    return total


def _forget(key: str) -> None:
    file_upload_statuses.stop_tracking(key)
    file_upload_statuses._signals.pop(key, None)
