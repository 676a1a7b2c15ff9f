"""Attacks in a real browser: pages of another port, and texts of people that want to be more than text."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Error, sync_playwright

from app.people.asking import asked_by
from storage import VotedAnswer
from tests.attacks.house import MARK
from tests.attacks.payloads import MARKUP
from tests.attacks.trial import Trial
from tests.browser import launch
from tests.needed import missing

_FOREIGN = """<!doctype html><title>foreign</title><body><script>
window.found = [];
const tell = (what) => window.found.push(what);
const studio = %(studio)s;
window.attack = async () => {
  for (const path of ["/config", "/play/chats", "/follow/runs", "/healthz", "/gradio_api/info", "/gradio_api/startup-events"]) {
    const forwarded = {credentials: "include", mode: "cors", headers: {"X-Forwarded-Host": location.host}};
    for (const options of [{}, {credentials: "include"}, forwarded]) {
      try { const answer = await fetch(studio + path, options); tell("read " + path + (await answer.text()).slice(0, 40)); }
      catch (error) {}
    }
  }
  const empty = {format: 1, columns: [{kind: "base"}], shown: [0], turns: [], leaf: null};
  const posts = {"/play/chats": JSON.stringify({document: empty, name: "foreign"}),
    "/logout": "", "/gradio_api/queue/join": "{}", "/play/votes/clear": "{}"};
  for (const [path, body] of Object.entries(posts)) {
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/json"]) {
      try { const answer = await fetch(studio + path, {method: "POST", credentials: "include", headers: {"Content-Type": type}, body});
        tell("posted " + path + " " + answer.status); } catch (error) {}
      const unread = {method: "POST", mode: "no-cors", credentials: "include", headers: {"Content-Type": "text/plain"}, body};
      try { await fetch(studio + path, unread); } catch (error) {}
    }
  }
  const frame = document.createElement("iframe");
  frame.src = studio + "/runs";
  document.body.append(frame);
  await new Promise((done) => { frame.onload = done; setTimeout(done, 3000); });
  try { if (frame.contentDocument && frame.contentDocument.body.textContent) tell("read a frame"); } catch (error) {}
  const sends = {method: "post", action: studio + "/play/chats", target: "out", enctype: "text/plain"};
  const form = Object.assign(document.createElement("form"), sends);
  document.body.append(form, Object.assign(document.createElement("iframe"), {name: "out"}));
  form.submit();
  await new Promise((done) => setTimeout(done, 500));
  const image = new Image();
  await new Promise((done) => {
    image.onload = () => { tell("an image"); done(); };
    image.onerror = done;
    image.src = studio + "/gradio_api/file=" + %(upload)s;
  });
};
</script>"""

_LINKS = "[...document.querySelectorAll('a[href]')].map((each) => each.href).filter((each) => /^(javascript|data|vbscript):/i.test(each))"
_FOREIGN_PARTS = (
    "[...document.querySelectorAll('img, iframe, object, embed, form[action]')]"
    ".map((each) => each.src || each.action || each.data || '').filter((each) => /foreign/.test(each))"
)
"""What of a page would run a script or ask another server."""


@contextmanager
def _browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        try:
            browser = launch(playwright)
        except Error:
            missing("no Chromium can be started")
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def _site(content: str) -> Iterator[str]:
    """A page of another port of this machine."""

    class Answer(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            body = content.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _cookies(trial: Trial, name: str) -> list[dict[str, Any]]:
    host = urlsplit(trial.house.address).hostname
    return [
        {"name": each.name, "value": each.value, "domain": host, "path": "/", "httpOnly": True, "sameSite": "Lax"}
        for each in trial.house.visitor(name).cookies.jar
    ]


def foreign_page(trial: Trial) -> None:
    """A page of another port, open beside the studio in the browser of somebody who has logged in."""
    house = trial.house
    before = len(house.of("Ada").storage.chats.page(100)[0])
    page_text = _FOREIGN % {"studio": json.dumps(house.address), "upload": json.dumps(house.hers["upload"])}
    with _browser() as browser, _site(page_text) as address:
        for base in (address, address.replace("127.0.0.1", "localhost"))[: trial.often(2, 2)]:
            context = browser.new_context()
            context.add_cookies(_cookies(trial, "Ada"))  # type: ignore[arg-type]
            page = context.new_page()
            page.goto(base)
            page.evaluate("attack()")
            found = page.evaluate("window.found")
            trial.attempts += 45
            trial.held(not found, f"a page of {base} has {found[:4]}")
            shown = [frame.url for frame in page.frames if frame.url.startswith(house.address) and frame.title()]
            trial.held(not shown, f"a page of {base} shows the studio in a frame: {shown}")
            kept = context.new_page()
            kept.goto(f"{house.address}/runs")
            trial.held("/login" not in kept.url, "a foreign page has logged Ada out")
            trial.held("reft_studio_session" not in kept.evaluate("document.cookie"), "a script reads the session")
            context.close()
    trial.held(len(house.of("Ada").storage.chats.page(100)[0]) == before, "a foreign page has saved a chat for Ada")


def markup(trial: Trial) -> None:
    """Scripts, styles, links and images in names, notes, rows, prompts and answers: shown as text on every page, and nothing is fetched."""
    house = trial.house
    texts = MARKUP[: trial.often(8, len(MARKUP))]
    person, services = house.people["Bob"], house.of("Bob")
    with asked_by(person):
        store = services.storage
        rows = "".join(
            json.dumps({"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": text}]}) + "\n" for text in texts
        )
        count = len(texts)
        dataset = store.datasets.create(
            name=texts[0], label=f"{texts[1][:60]}.jsonl", shape="chats", rows=count, usable_rows=count, examples=rows.encode()
        )
        runs = []
        for text in texts:
            run = store.runs.create(dataset.id, {"base": "starter", "reft": {}, "train": {}}, name=text[:190])
            store.runs.annotate(run.id, tags=[text[:30]], notes=text)
            store.runs.request_stop(run.id)
            runs.append(run.id)
        turns = [
            {"id": n, "parent": n - 1 if n else None, "prompt": text, "answers": [{"column": 0, "text": text}]}
            for n, text in enumerate(texts)
        ]
        document = {"format": 1, "columns": [{"kind": "base"}], "shown": [0], "turns": [], "leaf": None}
        chats = [store.chats.create(text[:190], json.dumps(document)).id for text in texts]
        for text in texts:
            store.votes.add([("user", text)], [VotedAnswer({"kind": "base"}, text[:90], text)] * 2, "tie")
        assert turns
    pages = [
        "/",
        "/data",
        "/train",
        "/runs",
        "/playground",
        f"/dataset?id={dataset.id}",
        *(f"/runs?run={each}" for each in runs[: trial.often(1, 20)]),
    ]
    pages += [f"/playground?chat={each}" for each in chats[: trial.often(1, 20)]] + [
        f"/files/runs/{runs[0]}/report.html",
        f"/login?next={texts[0]}",
    ]
    pages += [
        f"/playground?run={texts[0]}",
        f"/runs?run={texts[1]}",
        f"/train?dataset={texts[0]}&base={texts[1]}",
        f"/data?upload={texts[2]}",
    ]
    with _browser() as browser:
        context = browser.new_context()
        context.add_cookies(_cookies(trial, "Bob"))  # type: ignore[arg-type]
        page = context.new_page()
        away: list[str] = []
        page.on(
            "request", lambda request: away.append(request.url) if not request.url.startswith((house.address, "data:", "blob:")) else None
        )
        for path in pages:
            try:
                page.goto(house.address + path, wait_until="load")
                page.wait_for_timeout(700)
                trial.held(page.evaluate("window.pwned") is None, f"a script has run on {path[:80]}")
                links = page.evaluate(_LINKS)
                trial.held(not links, f"links on {path[:80]}: {links[:2]}")
                odd = page.evaluate(_FOREIGN_PARTS)
                trial.held(not odd, f"{path[:80]} has {odd[:2]}")
            except Error as error:
                trial.held("Download is starting" in str(error), f"{path[:80]}: {str(error)[:100]}")
        trial.held(not away, f"pages ask others: {away[:3]}")
        trial.held(MARK not in page.content(), "Ada's words are on a page of Bob's")
        context.close()
    with asked_by(person):
        for run in runs:
            services.storage.runs.delete(run)
