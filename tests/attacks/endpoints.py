"""What the server publishes, found out from the application itself: routes of ours, routes of Gradio's, and the events of the pages."""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from starlette.routing import Mount

from app.routes import make_app
from app.services import make_services
from app.settings import Settings

_OPEN = frozenset({"/login", "/healthz"})
"""What strangers may reach."""
_STREAMS = ("/gradio_api/heartbeat", "/gradio_api/dev/reload")
"""Never end by themselves."""


@dataclass(frozen=True)
class Endpoint:
    """A method and a path, with its parameters in braces."""

    method: str
    path: str

    @property
    def is_open(self) -> bool:
        """Whether strangers may reach it."""
        return self.path in _OPEN

    @property
    def is_endless(self) -> bool:
        """Whether its answer never ends."""
        return self.path.startswith(_STREAMS)

    def filled(self, values: dict[str, str], otherwise: str = "x") -> str:
        """The path with these values in it."""
        return re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: values.get(found[1], "jsonl" if found[1] == "form" else otherwise), self.path)


@cache
def published() -> tuple[Endpoint, ...]:
    """Every route of a studio with people."""
    with tempfile.TemporaryDirectory() as folder:
        services = make_services(Settings(data_dir=Path(folder) / "data", people="team"))
        try:
            found = list(dict.fromkeys(_of(make_app(services).routes)))
        finally:
            services.everything.close()
    assert len(found) > 80, f"only {len(found)} routes were found"
    return tuple(found)


def _of(routes: Any) -> Iterator[Endpoint]:
    for route in routes:
        if isinstance(route, Mount):
            yield from _of(route.app.routes if hasattr(route.app, "routes") else ())
        elif router := getattr(route, "original_router", None):
            yield from _of(router.routes)
        elif path := getattr(route, "path", None):
            yield from (Endpoint(method, path) for method in sorted(getattr(route, "methods", None) or ()))
