"""The report of a run: one HTML file that needs nothing else, with the chart and the sample answers as on the Runs page."""

import json
from collections.abc import Sequence
from typing import Any

from app.components import html, runs
from app.components.theme import CSS, STATIC
from app.handlers import looked, run_live, run_notes, spec
from app.handlers.runs import file_name, view
from app.pages import looked_html, runs_html
from app.services import Services
from app.words import say, spoken

_SCRIPTS = ("parts.js", "chart.js", "run_live.js")
_PARTS = ("status", "figures", "chart", "samples", "events")
"""What is drawn by the scripts, in this order."""
_START = """
for (const part of document.querySelectorAll("[id^=report-part-]")) studio.runPart(part.id.slice("report-part-".length), part);
studio.runLive(document.body, {value: JSON.parse(document.getElementById("report-data").textContent)}, () => {}, () => {});
"""
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
"""A report loads nothing and sends nothing."""


def of_run(services: Services, run_id: str) -> tuple[str, bytes]:
    """File name and content of a run's report. Raises NotFoundError."""
    shown = view(services, run_id)
    run = shown.run
    data = {"status": runs_html.run_status(shown), "live": run_live.snapshot(services, shown, run_live.Since()) | {"ended": True}}
    _, described = spec.of_run(services, run_id)
    body = "".join(
        [
            runs_html.verdict(shown.verdict, deeds=False), runs_html.notes(run_notes.rendered(run.notes)),
            looked_html.regression(looked.regression_of(run)), looked_html.edit(looked.changes_of(run)),
            runs_html.facts(run, shown.begins_with),
            f'<div class="rs-card"><div class="rs-caption">run.yaml</div><pre>{html.text(described, 100_000)}</pre></div>',
        ]
    )  # fmt: skip
    return file_name(run, "html"), _document(run.name, data, body).encode()


def drawn(data: dict[str, Any], nonce: str = "") -> str:
    """The scripts that draw the parts of a run in their `places`, and what they draw; ``nonce`` is that of the page's policy."""
    # A text must not be able to end the script that holds it.
    texts, held = (json.dumps(each).replace("<", r"\u003c") for each in (runs.texts(), data))
    scripts = "\n".join((STATIC / each).read_text(encoding="utf-8") for each in _SCRIPTS)
    mark = f' nonce="{nonce}"' if nonce else ""
    return (
        f'<script type="application/json" id="report-data">{held}</script>'
        f"<script{mark}>window.studio = {{}}; window.words = {texts}; words.language = document.documentElement.lang;\n"
        f"{scripts}\n{_START}</script>"
    )


def places(parts: Sequence[str]) -> str:
    """Where the parts are drawn."""
    return "".join(f'<div id="report-part-{part}"><div></div></div>' for part in parts)


def _document(name: str, data: dict[str, Any], body: str) -> str:
    colours = (STATIC / "report.css").read_text(encoding="utf-8")
    return (
        f'<!DOCTYPE html><html lang="{spoken()}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{html.text(name)}</title><style>{colours}{CSS}</style></head><body><h1>{html.text(name)}</h1>"
        f'<p class="rs-facts">{say("runs.reported")}</p>'
        f"{places(_PARTS)}{body}{drawn(data)}"
        "</body></html>"
    )
