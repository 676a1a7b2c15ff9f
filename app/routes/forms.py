"""Reads what plain forms of the studio send."""

from urllib.parse import parse_qs

FORM = 10_000
"""Bytes of a form."""


def fields(body: bytes) -> dict[str, str]:
    """The fields of a form by their names, each once; none of a body that is no form."""
    try:
        read = parse_qs(body.decode("ascii"), max_num_fields=10)
    except ValueError:
        return {}
    return {name: values[0] for name, values in read.items()}
