"""Names of what a person has brought and nobody keeps a row of, such as an upload: the name itself says whose it is.

Its second half follows from the first and the owner, so that nobody but the owner finds what is called so.
"""

from hashlib import sha256
from secrets import token_hex

from app.people.asking import owner_asking

_HALF = 8
"""Bytes of each half."""


def new_own_name() -> str:
    """A name in 32 hexadecimal digits that nobody can guess, for something of the person who asks."""
    drawn = token_hex(_HALF)
    return drawn + _rest(drawn)


def is_own_name(name: str) -> bool:
    """Whether the person who asks has drawn this name."""
    drawn = name[: 2 * _HALF]
    return name == drawn + _rest(drawn)


def _rest(drawn: str) -> str:
    return sha256(f"{drawn}\n{owner_asking() or ''}".encode()).hexdigest()[: 2 * _HALF]
