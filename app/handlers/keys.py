"""The key of a request that makes something, by which the same request of the same page makes it once."""

import hashlib
import json
from typing import Any


def key_of_request(*parts: Any) -> str:
    """A key of what a page asks for, plain data, with an opaque key of the page."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
