"""Noticing that whoever asked has gone, for answers that are not streamed; of streams the server tells by itself."""

from starlette.requests import Request


async def until_gone(request: Request) -> None:
    """Return once the client of a request has gone. Its body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
