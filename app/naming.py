"""The worker's requests have the number of what asked for them, so that its log is read beside that of the pages."""

import logging

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.incidents import HEADER, failed, numbered

_log = logging.getLogger("reft_studio.worker")


class Named:
    """ASGI middleware that takes the number from a header, and answers what was raised with a sentence that names it.

    Plain ASGI, so that streams pass through untouched. Only the pages reach the worker.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        begun = False

        async def sent(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        with numbered(Headers(scope=scope).get(HEADER, "")):
            try:
                await self._app(scope, receive, sent)
            except Exception:
                _log.exception("%s failed", scope["path"])
                if begun:
                    raise
                await JSONResponse({"error": failed()}, status_code=500)(scope, receive, send)
