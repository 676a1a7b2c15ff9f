"""What is sent: values of every wrong kind, hostile texts, names and paths, drawn at random from a seed where they are without number."""

import json
import random
import string
from typing import Any

CONTROLS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<s>", "</s>", "<pad>", "<unk>", "[INST]", "<|system|>", "<bos>", "<eos>")
MARKUP = (
    "<script>window.pwned=1</script>",
    "<img src=x onerror='window.pwned=1'>",
    "<svg onload=window.pwned=1>",
    "<style>*{display:none}</style>",
    "[x](javascript:window.pwned=1)",
    "![x](http://foreign.invalid/x.png)",
    "<a href='data:text/html,<script>window.pwned=1</script>'>x</a>",
    "<iframe srcdoc='<script>parent.pwned=1</script>'>",
    "{{7*7}}${7*7}",
    '"><img src=http://foreign.invalid/y onerror=window.pwned=1>',
    "</textarea><script>window.pwned=1</script>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=window.pwned=1>",
)
NAMES = (
    "../../../../x",
    "/etc/x",
    "C:\\x",
    "..\\..\\x",
    "x\0y",
    "x" * 4096,
    "a\nb",
    "CON",
    "-rf",
    ".",
    "..",
    "",
    " ",
    "~",
    "$(x)",
    "`x`",
    "x;y",
    "\u202egnp.x",
    "%2e%2e%2fx",
    "people.json",
    "studio.db",
    "a/../../b",
    "\x1b[31m",
    "NUL.csv",
    "x" * 255 + ".csv",
    "\ud800".encode("utf-8", "replace").decode(),
)
PATHS = (
    "{}",
    "/{}",
    "//{}",
    "..{}",
    "/../../../../{}",
    "%2f{}",
    "/%2e%2e/%2e%2e/{}",
    "/..%2f..%2f{}",
    "/..%5c..%5c{}",
    "/.%00/{}",
    "/....//....//{}",
    "/%252e%252e/{}",
    "/%c0%ae%c0%ae/{}",
    "/tmp/../{}",
    "/;/{}",
    "/./{}",
    "/{}%00.csv",
    "/{}/",
    "/{}?x",
    "\\..\\{}",
    "/proc/self/root/{}",
    "/uploads/../{}",
    "/%u002e%u002e/{}",
    "/{}#",
    "file://{}",
    "http://127.0.0.1{}",
)
ODD_TEXTS = (
    "",
    " ",
    "\0",
    "\ud800",
    "\udfff\ud800",
    "\u202e\u2066",
    "\x1b]0;x\x07",
    "a\r\nSet-Cookie: x=1",
    "x" * 100_000,
    "é" * 1000,
    "NaN",
    "1e400",
    "-0",
    "null",
    "[]",
    "{}",
    "../../etc/passwd",
    "' OR 1=1 --",
    "%s%n",
    "{0.__class__}",
    "${jndi:x}",
    "\N{ZERO WIDTH JOINER}" * 500,
    *CONTROLS[:3],
    *MARKUP[:3],
)
ODD_NUMBERS = (0, -1, 1, 2**31, 2**53 + 1, 2**63, -(2**63), 10**400, 1.5, 1e308, float("nan"), float("inf"), float("-inf"), True)


def deep(levels: int) -> Any:
    """A list in a list in a list."""
    found: Any = []
    for _ in range(levels):
        found = [found]
    return found


def odd_value(chance: random.Random) -> Any:
    """A value of some kind, which is seldom the one that is wanted."""
    kind = chance.randrange(9)
    if kind < 3:
        return chance.choice(ODD_TEXTS)
    if kind < 5:
        return chance.choice(ODD_NUMBERS)
    if kind == 5:
        return chance.choice(
            (None, [], {}, [[]], {"__type__": "update"}, {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}, deep(200))
        )
    if kind == 6:
        return [odd_value(chance) for _ in range(chance.randrange(4))]
    if kind == 7:
        return {chance.choice(("value", "path", "token", "ids", "act", "run", "id", "base", "x")): odd_value(chance) for _ in range(2)}
    return json.dumps({chance.choice(("token", "act", "ids", "run", "count")): chance.choice(("x", 1, None, ["x"]))})


def odd_bodies(chance: random.Random, count: int) -> list[bytes]:
    """Bodies of requests, most of them no JSON."""
    fixed = [
        b"",
        b"{",
        b"null",
        b"[]",
        b"7",
        b'"x"',
        b"\xff\xfe\x00",
        b"\x00",
        b"[" * 100_000,
        b'{"a":' * 20_000,
        b"NaN",
        b"1e999",
        b"9" * 10_000,
        b'{"columns": [], "columns": null}',
        b'{"x": "\\ud800"}',
        b'{"\\u0000": 1}',
        b"{}" * 3,
        b"\xef\xbb\xbf{}",
        b'{"data": 1e400}',
        b'{"session_hash": {}, "fn_index": [], "data": {}}',
        b'{"fn_index": 1e308, "data": [NaN]}',
        b'{"event_id": null, "session_hash": null}',
    ]
    drawn = []
    for _ in range(max(0, count - len(fixed))):
        fields = (
            "columns",
            "messages",
            "document",
            "name",
            "key",
            "prompts",
            "parts",
            "run",
            "data",
            "fn_index",
            "session_hash",
            "prompt",
            "event_id",
        )
        drawn.append(json.dumps({field: odd_value(chance) for field in chance.sample(fields, 4)}).encode("utf-8", "surrogatepass"))
    return fixed[:count] + drawn


def odd_path(chance: random.Random) -> str:
    """A part of an address."""
    drawn = "".join(chance.choice(string.printable[:94].replace("#", "").replace("?", "") + "/%.") for _ in range(chance.randrange(1, 30)))
    return chance.choice(
        ("..", "%2e%2e", "%00", "x" * 5000, "..%2f..%2fstudio.db", "%ff%fe", "%0d%0aX:1", "*", "-1", "1e9", drawn.replace(" ", "%20"))
    )
