"""Where people of a team log in, and how strangers are sent there."""

from urllib.parse import quote

from fastapi.responses import RedirectResponse

PATH = "/login"


def to_login(path: str, query: str) -> RedirectResponse:
    """Send a stranger to the page, from where they go on to what they wanted."""
    wanted = f"{path}?{query}" if query else path
    return RedirectResponse(address(wanted), status_code=303)


def address(goes_on: str) -> str:
    """Of the page to log in, from where one goes on to a page of the studio."""
    return PATH if goes_on == "/" else f"{PATH}?next={quote(goes_on, safe='')}"
