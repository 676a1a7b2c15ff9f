"""Many people on one studio: ``python -m benchmarks.people [--minutes 10] [--quick] [--json FILE]``.

Fifty people look at pages and ten chat, on two cores, for ten minutes; then the same beside a bare Gradio app, whose one page streams the
same ten chats from the same worker. Prints errors, seconds of a page (p50, p95) and their ratio, seconds to a first token, and the memory
of web process and worker after two minutes and at the end.
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.studio import Served, served
from benchmarks.watching import finished, make_run
from storage import Storage

BROWSING, CHATTING, MINUTES, CORES = 50, 10, 10.0, 2
SETTLED = 0.2
"""Share of the time after which memory should not grow any more: two of ten minutes."""
PAGES = ("/", "/data", "/train", "/runs", "/playground")
_LOOKS_FOR = (2.0, 8.0)
"""Seconds between two pages of a person, at least and at most."""
_READS_FOR = (1.0, 4.0)
"""Seconds for which an answer is read before the next prompt."""
PROMPTS = ("Which fruit is red?", "Tell me about the sea.", "What is a cat?", "Write a line about rain.", "Who came home?")
TOKENS = 48

BARE = '''
import json, sys
import gradio as gr, httpx

def answer(prompt):
    """The worker's answer, as it comes."""
    transport = httpx.HTTPTransport(uds=sys.argv[1])
    said = [{"role": "user", "content": prompt}]
    body = {"base": "starter", "max_new_tokens": %d, "columns": [{"kind": "run", "run": sys.argv[3]}], "messages": said}
    text = ""
    with httpx.Client(transport=transport, base_url="http://worker", timeout=300) as http, http.stream("POST", "/chat", json=body) as lines:
        for line in lines.iter_lines():
            found = json.loads(line)
            if "text" in found:
                text += found["text"]
                yield text

with gr.Blocks() as pages:
    prompt, answered = gr.Textbox(label="Prompt"), gr.Textbox(label="Answer")
    gr.Button("Send").click(answer, prompt, answered, api_name="answer", concurrency_limit=%d)
pages.launch(server_port=int(sys.argv[2]), quiet=True, ssr_mode=False)
''' % (TOKENS, CHATTING)  # noqa: UP031 (braces are its own)
"""A page of one field and one button, as whoever tries Gradio writes it."""


@dataclass
class Found:
    """What people met with: seconds of pages and of first tokens, errors in words, and megabytes as time went on."""

    pages: list[float] = field(default_factory=list)
    tokens: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)

    def settled(self, seconds: float) -> float:
        """Megabytes after the first fifth of the time."""
        return next((each for moment, each in self.memory if moment >= SETTLED * seconds), 0.0)

    def figures(self, seconds: float) -> dict[str, Any]:
        """What is printed."""
        return {
            "pages": len(self.pages), "page_p50": _share(self.pages, 0.5), "page_p95": _share(self.pages, 0.95), "chats": len(self.tokens),
            "first_token_p50": _share(self.tokens, 0.5), "first_token_p95": _share(self.tokens, 0.95), "errors": len(self.errors),
            "settled_mb": round(self.settled(seconds)), "end_mb": round(self.memory[-1][1]) if self.memory else 0,
        }  # fmt: skip


def _share(values: list[float], share: float) -> float:
    """A quantile: so much of the values is no larger."""
    return sorted(values)[max(0, round(share * len(values)) - 1)] if values else float("nan")


async def _browse(http: httpx.AsyncClient, pages: tuple[str, ...], found: Found, until: float, chance: random.Random) -> None:
    """Look at page after page: the page, and what its browser asks for with it."""
    while time.monotonic() < until:
        path = chance.choice(pages)
        begun = time.monotonic()
        with _noted(found, path):
            (await http.get(path)).raise_for_status()
            found.pages.append(time.monotonic() - begun)
            (await http.get("/config")).raise_for_status()
        await asyncio.sleep(chance.uniform(*_LOOKS_FOR))


async def _chat(first: Callable[[str], AsyncIterator[str]], found: Found, until: float, chance: random.Random) -> None:
    """Ask prompt after prompt, and read each answer to its end."""
    while time.monotonic() < until:
        begun, has_text = time.monotonic(), False
        with _noted(found, "a chat"):
            async for _ in first(chance.choice(PROMPTS)):
                if not has_text:
                    found.tokens.append(time.monotonic() - begun)
                has_text = True
            if not has_text:
                found.errors.append("an answer without text")
        await asyncio.sleep(chance.uniform(*_READS_FOR))


@contextmanager
def _noted(found: Found, what: str) -> Iterator[None]:
    try:
        yield
    except (httpx.HTTPError, ValueError, KeyError) as error:
        found.errors.append(f"{what}: {type(error).__name__} {error}"[:200])


async def _watch(pids: list[int], found: Found, begun: float, until: float) -> None:
    """Memory of these processes and all that they start, once a second."""
    while time.monotonic() < until:
        total = 0.0
        for pid in pids:
            with suppress(psutil.NoSuchProcess):
                for each in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
                    with suppress(psutil.NoSuchProcess):
                        total += each.memory_info().rss / 1e6
        found.memory.append((time.monotonic() - begun, total))
        await asyncio.sleep(1)


def _ours(http: httpx.AsyncClient, run: str) -> Callable[[str], AsyncIterator[str]]:
    """A chat of the Playground."""

    async def first(prompt: str) -> AsyncIterator[str]:
        column = {"kind": "run", "run": run, "messages": [{"role": "user", "content": prompt}]}
        body = {"max_new_tokens": TOKENS, "columns": [column]}
        async with http.stream("POST", "/play/chat", json=body) as lines:
            lines.raise_for_status()
            async for line in lines.aiter_lines():
                said = json.loads(line)
                if "error" in said:
                    raise ValueError(said["error"])
                if said.get("text"):
                    yield said["text"]

    return first


def _bare(http: httpx.AsyncClient, _run: str) -> Callable[[str], AsyncIterator[str]]:
    """A chat of the bare app, by its queue."""

    async def first(prompt: str) -> AsyncIterator[str]:
        event = (await http.post("/gradio_api/call/answer", json={"data": [prompt]})).raise_for_status().json()["event_id"]
        async with http.stream("GET", f"/gradio_api/call/answer/{event}") as lines:
            kind = ""
            async for line in lines.aiter_lines():
                kind = line[7:] if line.startswith("event: ") else kind
                if line.startswith("data: ") and kind == "error":
                    raise ValueError(line)
                if line.startswith("data: ") and kind == "generating":
                    yield line

    return first


async def _meet(
    address: str, pages: tuple[str, ...], asking: Callable[..., Any], pids: list[int], crowd: tuple[int, int], seconds: float
) -> Found:
    """Let people browse and chat for so many seconds."""
    found, begun = Found(), time.monotonic()
    until = begun + seconds
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(base_url=address, timeout=120, limits=limits) as http:
        await http.get(pages[0])
        tasks: list[Awaitable[None]] = [_watch(pids, found, begun, until)]
        tasks += [_browse(http, pages, found, until, random.Random(number)) for number in range(crowd[0])]
        tasks += [_chat(asking(http), found, until, random.Random(1000 + number)) for number in range(crowd[1])]
        await asyncio.gather(*tasks)
    return found


@contextmanager
def _bare_app(socket: Path, port: int, run: str) -> Iterator[int]:
    """The bare app; its process."""
    environment = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"}
    process = subprocess.Popen([sys.executable, "-c", BARE, str(socket), str(port), run], stdout=subprocess.DEVNULL, env=environment)
    try:
        for _ in range(300):
            with suppress(httpx.HTTPError):
                if httpx.get(f"http://127.0.0.1:{port}/", timeout=2).status_code == 200:
                    break
            if process.poll() is not None:
                raise RuntimeError("the bare app has ended")
            time.sleep(0.2)
        yield process.pid
    finally:
        process.terminate()
        process.wait(60)


def _worker(studio: Served) -> list[int]:
    pid = studio.worker_pid()
    return [] if pid is None else [pid]


def measure(folder: Path, crowd: tuple[int, int], seconds: float) -> dict[str, dict[str, Any]]:
    """Both apps in turn, on one worker; what was found, by the app."""
    found: dict[str, dict[str, Any]] = {}
    with served(folder / "data") as studio:
        storage = Storage(folder / "data")
        run = make_run(storage, epochs=2)
        finished(storage, run)
        storage.close()
        ours = asyncio.run(_meet(studio.address, PAGES, lambda http: _ours(http, run.id), [studio.pid], crowd, seconds))
        found["studio"] = {**ours.figures(seconds), "what": ours.errors[:5]}
        port = int(studio.address.rpartition(":")[2]) + 1
        with _bare_app(folder / "data" / "worker.sock", port, run.id) as pid:
            bare = asyncio.run(
                _meet(f"http://127.0.0.1:{port}", ("/",), lambda http: _bare(http, run.id), [pid, *_worker(studio)], crowd, seconds)
            )
            found["bare Gradio"] = {**bare.figures(seconds), "what": bare.errors[:5]}
    return found


def _print(found: dict[str, dict[str, Any]]) -> None:
    write = sys.stdout.write
    write(f"| | pages | p50 | p95 | chats | first token p50 | p95 | errors | MB, settled | MB, end |\n|{'---|' * 10}\n")
    for name, each in found.items():
        timed = (f"{each[key]:.3f} s" for key in ("page_p50", "page_p95"))
        tokens = (f"{each[key]:.2f} s" for key in ("first_token_p50", "first_token_p95"))
        cells = (name, each["pages"], *timed, each["chats"], *tokens, each["errors"], each["settled_mb"], each["end_mb"])
        write(f"| {' | '.join(map(str, cells))} |\n")
    ours, bare = found["studio"], found["bare Gradio"]
    write(f"A page's p95 is {ours['page_p95'] / bare['page_p95']:.2f} times the bare app's; memory grew by ")
    write(f"{ours['end_mb'] - ours['settled_mb']} MB after the first fifth of the time.\n")
    for name, each in found.items():
        for what in each["what"]:
            write(f"{name}: {what}\n")


def main() -> int:
    """Measure and print; ends with 1 if there were errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="for each of the two")
    parser.add_argument("--quick", action="store_true", help="eight people for twenty seconds, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures down as well")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):  # what is started has the same cores
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    crowd, seconds = ((6, 2), 20.0) if options.quick else ((BROWSING, CHATTING), 60 * options.minutes)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), crowd, seconds)
    _print(found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    return int(any(each["errors"] for each in found.values()))


if __name__ == "__main__":
    sys.exit(main())
