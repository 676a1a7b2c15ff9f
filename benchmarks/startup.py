"""How soon the first page is served: ``python -m benchmarks.startup`` times the studio beside a one-button Gradio app.

Both are started as fresh processes, in turn, on a warm disk; the clock runs from the start of the process until the
first page answers 200. Prints the median, lowest and highest seconds of each, their difference, and what the studio's
web process has in memory.
"""

import argparse
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from statistics import median

BARE = """
import os
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
import gradio as gr
with gr.Blocks() as demo:
    box, button = gr.Textbox(), gr.Button("Say")
    button.click(lambda text: text, box, box)
demo.launch(server_name="127.0.0.1", server_port={port}, ssr_mode=False, run_history=False, quiet=True)
"""
PATIENCE = 120.0


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def seconds_to_first_page(command: Sequence[str], port: int) -> tuple[float, float]:
    """Start a server; seconds until its first page is there, and its resident memory in MB then."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not _answers(port):
            if process.poll() is not None or time.perf_counter() - begun > PATIENCE:
                raise SystemExit(f"{command[1:3]} did not serve a page")
            time.sleep(0.02)
        return time.perf_counter() - begun, _resident_mb(process.pid)
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as page:
            return bool(page.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return float("nan")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1000


def main() -> None:
    """Time both and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="counted starts of each, after one that is not counted")
    options = parser.parse_args()
    found: dict[str, list[tuple[float, float]]] = {"one-button Gradio app": [], "ReFT Studio": []}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(options.runs + 1):
            for name in found:
                port = free_port()
                studio = ["-m", "app.cli", "serve", "--port", str(port), "--data-dir", folder, "--no-browser"]
                bare = ["-c", BARE.format(port=port)]
                took = seconds_to_first_page([sys.executable, *(studio if name == "ReFT Studio" else bare)], port)
                if turn:
                    found[name].append(took)
    print("| | first page, median s | lowest | highest | memory MB |\n|---|---|---|---|---|")  # noqa: T201
    for name, runs in found.items():
        times = [seconds for seconds, _ in runs]
        memory = median(megabytes for _, megabytes in runs)
        print(f"| {name} | {median(times):.2f} | {min(times):.2f} | {max(times):.2f} | {memory:.0f} |")  # noqa: T201
    bare_times, studio_times = ([seconds for seconds, _ in runs] for runs in found.values())
    pairs = [studio - bare for bare, studio in zip(bare_times, studio_times, strict=True)]
    print(f"\nThe studio needs {median(pairs):.2f} s more (median of {len(pairs)} pairs).")  # noqa: T201


if __name__ == "__main__":
    main()
