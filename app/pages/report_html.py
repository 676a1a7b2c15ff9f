"""The report of a run: one HTML file that needs nothing else, with the chart and the sample answers as on the Runs page."""

import json
import re
from typing import Any

from app.components import html, runs
from app.components.theme import CSS, STATIC
from app.handlers import run_live, run_notes, spec
from app.handlers.runs import view
from app.pages import runs_html
from app.services import Services
from app.words import say, spoken

_SCRIPTS = ("parts.js", "chart.js", "run_live.js")
_START = """
for (const name of ["status", "figures", "chart", "samples", "events"]) studio.runPart(name, document.getElementById(`report-${name}`));
studio.runLive(document.body, {value: JSON.parse(document.getElementById("report-data").textContent)}, () => {}, () => {});
"""
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
"""A report loads nothing and sends nothing."""
_COLOURS = """
:root { color-scheme: light dark; --body-text-color: #17242c; --body-text-color-subdued: #5b6b76; --border-color-primary: #dfe6ea;
  --block-background-fill: #fff; --background-fill-secondary: #f6f8f9; --link-text-color: #0f766e; --color-accent-soft: #e3f4f2;
  --button-primary-background-fill: #0f766e; --button-primary-text-color: #fff; --font-mono: ui-monospace, monospace; }
@media (prefers-color-scheme: dark) { :root { --body-text-color: #e6edf1; --body-text-color-subdued: #93a4b0;
  --border-color-primary: #25333c; --block-background-fill: #121b21; --background-fill-secondary: #0f171c; --link-text-color: #2dd4bf;
  --color-accent-soft: #12332f; --button-primary-background-fill: #14b8a6; --button-primary-text-color: #04201d; }
  body { background: #0b1115; } }
body { font: 15px/1.5 ui-sans-serif, system-ui, sans-serif; color: var(--body-text-color); max-width: 900px; margin: 32px auto;
  padding: 0 20px; display: flex; flex-direction: column; gap: 16px; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
"""


def of_run(services: Services, run_id: str) -> tuple[str, bytes]:
    """File name and content of a run's report. Raises NotFoundError."""
    shown = view(services, run_id)
    run = shown.run
    data = {"status": runs_html.run_status(shown), "live": run_live.snapshot(services, shown, run_live.Since()) | {"ended": True}}
    _, described = spec.of_run(services, run_id)
    body = "".join(
        [
            runs_html.verdict(shown.verdict, deeds=False), runs_html.notes(run_notes.rendered(run.notes)), runs_html.facts(run),
            f'<div class="rs-card"><div class="rs-caption">run.yaml</div><pre>{html.text(described, 100_000)}</pre></div>',
        ]
    )  # fmt: skip
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", run.name).strip("-") or "run"
    return f"{name}.html", _document(run.name, data, body).encode()


def _document(name: str, data: dict[str, Any], body: str) -> str:
    # A text must not be able to end the script that holds it.
    texts, held = (json.dumps(each).replace("<", r"\u003c") for each in (runs.texts(), data))
    parts = "".join(f'<div id="report-{name}"><div></div></div>' for name in ("status", "figures", "chart", "samples", "events"))
    scripts = "\n".join((STATIC / each).read_text(encoding="utf-8") for each in _SCRIPTS)
    return (
        f'<!DOCTYPE html><html lang="{spoken()}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{html.text(name)}</title><style>{_COLOURS}{CSS}</style></head><body><h1>{html.text(name)}</h1>"
        f'<p class="rs-facts">{say("runs.reported")}</p>'
        f'{parts}{body}<script type="application/json" id="report-data">{held}</script>'
        f"<script>window.studio = {{}}; window.words = {texts}; words.language = document.documentElement.lang;\n"
        f"{scripts}\n{_START}</script>"
        "</body></html>"
    )
