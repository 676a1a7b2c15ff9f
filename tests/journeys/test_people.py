"""People of a team in a real browser: they log in and out, nothing breaks the pages' policy, and no other site's page gets anything."""

import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from app.components.html import MENU, PAGES
from app.people.attempts import OF_A_NAME
from app.people.file import People
from storage import Storage
from tests.journeys.conftest import ROOT, running
from tests.waiting import PATIENCE

PHRASE = "correct horse battery"
LONG_NAME = "Ada " + "Lovelace" * 7


def command(folder, *given, typed=""):
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "user", *given, "--data-dir", str(folder)],
        cwd=ROOT, input=typed, capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    """A studio of three people who were added on the command line."""
    folder = tmp_path_factory.mktemp("team") / "data"
    assert "can log in now" in command(folder, "add", "Ada", "--operator", typed=f"{PHRASE}\n")
    command(folder, "add", "Bob", typed=f"{PHRASE}\n")
    command(folder, "add", LONG_NAME, typed=f"{PHRASE}\n")
    with running(folder, REFT_STUDIO_PEOPLE="team") as server:
        yield server


@pytest.fixture
def tab(browser):
    """A tab that nobody has used, with what its console said and what its policy refused."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    page = context.new_page()
    page.said = []
    page.on("console", lambda message: page.said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.said.append(str(error)))
    yield page
    context.close()


def log_in(page, team, name="Ada", phrase=PHRASE, path="/"):
    page.goto(f"{team.address}{path}")
    page.fill("input[name=username]", name)
    page.fill("input[name=password]", phrase)
    page.keyboard.press("Enter")


def serious(page):
    found = Axe().run(page).response["violations"]
    return [(each["id"], [node["html"] for node in each["nodes"]]) for each in found if each["impact"] in ("serious", "critical")]


def overflows(page):
    return page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


def test_a_person_is_sent_to_log_in_and_goes_on_to_the_page_that_they_wanted(tab, team):
    log_in(tab, team, path="/runs?run=x")
    tab.wait_for_url("**/runs?run=x")
    expect(tab.locator(".rs-person-name")).to_have_text("Ada")
    tab.get_by_role("group", name="Logged in").get_by_role("link", name="Operators").click()
    expect(tab.get_by_role("heading", name="Operators", level=1)).to_be_visible()
    tab.go_back()
    tab.get_by_role("button", name="Log out").focus()
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/login")
    assert not [each for each in tab.context.cookies() if each["name"] == "reft_studio_session"]
    tab.goto(f"{team.address}/data")
    tab.wait_for_url("**/login?next=*")


def test_a_wrong_pass_phrase_is_refused_and_too_many_have_to_wait(tab, team):
    for _ in range(OF_A_NAME):
        log_in(tab, team, "Bob", "wrong phrase", "/login")
        expect(tab.get_by_role("alert")).to_have_text("Name and pass phrase do not belong together.")
    with tab.expect_response("**/login") as answer:
        log_in(tab, team, "Bob", PHRASE, "/login")
        expect(tab.get_by_role("alert")).to_contain_text("15 minutes")
    assert answer.value.status in (200, 429)
    log_in(tab, team)
    expect(tab.locator(".rs-person-name")).to_have_text("Ada")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_to_log_in_is_for_everybody(tab, team, scheme):
    tab.emulate_media(color_scheme=scheme)
    log_in(tab, team, "Eve", "wrong phrase", "/login")
    expect(tab.get_by_role("alert")).to_be_visible()
    assert serious(tab) == []
    for width in (320, 390):
        tab.set_viewport_size({"width": width, "height": 700})
        assert not overflows(tab)


def test_every_page_runs_under_its_policy_and_says_nothing_to_the_console(tab, team):
    log_in(tab, team)
    expect(tab.locator(".rs-person-name")).to_have_text("Ada")
    tab.said.clear()
    for page in PAGES:
        tab.goto(f"{team.address}/{'' if page == PAGES[0] else page}")
        there = ".gradio-container h1" if page in MENU else "#kept-opened-note .rs-notice"  # no dataset is named, which is said
        expect(tab.locator(there).first).to_be_visible()
        expect(tab.locator(".rs-person-name")).to_have_text("Ada")
        tab.wait_for_timeout(500)
    assert tab.said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_name_of_a_person_fits_on_a_phone_and_is_read_out(tab, team, scheme):
    tab.emulate_media(color_scheme=scheme)
    log_in(tab, team, LONG_NAME)
    expect(tab.get_by_role("group", name="Logged in")).to_contain_text(LONG_NAME)
    expect(tab.get_by_role("link", name="Operators")).to_have_count(0)
    for width in (320, 390, 1280):
        tab.set_viewport_size({"width": width, "height": 800})
        expect(tab.get_by_role("button", name="Log out")).to_be_visible()
        assert not overflows(tab), width
    assert [each for each in serious(tab) if "rs-person" in str(each)] == []


def test_an_open_page_says_that_the_session_is_over_and_goes_on_with_the_next(tab, team):
    log_in(tab, team, path="/data")
    expect(tab.locator(".rs-person-name")).to_have_text("Ada")
    store = Storage(team.data_dir)
    store.sessions.end_all(People(team.data_dir).named("Ada").id)
    store.close()
    bar = tab.get_by_role("alert").filter(has_text="not logged in any more")
    expect(bar).to_be_visible()
    assert [each for each in serious(tab) if "studio-away" in str(each)] == []
    with tab.context.expect_page() as opened:
        bar.get_by_role("link", name="Log in again").click()
    opened.value.wait_for_url("**/login?next=%2Fdata")
    opened.value.fill("input[name=username]", "Ada")
    opened.value.fill("input[name=password]", PHRASE)
    opened.value.keyboard.press("Enter")
    opened.value.wait_for_url("**/data")
    expect(bar).to_have_count(0)


def test_whoever_logs_in_after_the_end_of_a_session_finds_nothing_of_the_one_before(tab, team):
    log_in(tab, team, path="/data")
    expect(tab.locator(".rs-person-name")).to_have_text("Ada")
    tab.evaluate("for (const store of [localStorage, sessionStorage]) store.setItem('draft', 'hers')")
    # As the playground does, when it is left.
    tab.evaluate("addEventListener('pagehide', () => [localStorage, sessionStorage].forEach((store) => store.setItem('late', 'hers')))")
    tab.context.clear_cookies()
    expect(tab.get_by_role("alert").filter(has_text="not logged in any more")).to_be_visible()
    other = tab.context.new_page()
    log_in(other, team, LONG_NAME)
    for each in (other, tab):
        expect(each.locator(".rs-person-name")).to_have_text(LONG_NAME)
        kept = each.evaluate("[localStorage, sessionStorage].flatMap((store) => ['draft', 'late'].map((key) => store.getItem(key)))")
        assert kept == [None] * 4
    tab.context.clear_cookies()  # a session that is over already is left all the same
    with other.expect_navigation(url="**/login"):
        other.evaluate("addEventListener('pagehide', () => localStorage.setItem('late', 'theirs'))")
        other.get_by_role("button", name="Log out").click()
    assert other.evaluate("localStorage.length") == 0


# Pages of other sites


@contextmanager
def elsewhere():
    """A site on another port of this machine, with nothing on its page."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>Elsewhere</title>")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield SimpleNamespace(address=f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


READ = """async ([url, options]) => { try {
  const answer = await fetch(url, options);
  return [answer.type, answer.status, (await answer.text()).length];
} catch (error) { return "refused"; } }"""
"""What a page of another site learns of an address."""
FRAME = """(url) => new Promise((told) => {
  const frame = document.createElement("iframe");
  frame.onload = () => { try { told(frame.contentDocument ? "empty" : frame.contentWindow.length); } catch { told("closed"); } };
  frame.src = url; document.body.append(frame); })"""


def test_a_page_of_another_port_neither_reads_nor_writes_nor_frames(tab, team):
    log_in(tab, team)
    expect(tab.locator(".rs-person-name")).to_have_text("Ada")
    with elsewhere() as site:
        tab.goto(site.address)
        sent, answered = {}, []  # of what a page may not read, only the browser itself knows the answer
        network = tab.context.new_cdp_session(tab)
        network.on("Network.requestWillBeSent", lambda event: sent.update({event["requestId"]: event["request"]["url"]}))
        network.on("Network.responseReceivedExtraInfo", lambda event: answered.append((event["requestId"], event["statusCode"])))
        network.send("Network.enable")
        for path in ("/", "/config", "/me", "/play/votes", "/files/votes.jsonl", "/healthz"):
            for options in ({"credentials": "include"}, {"mode": "no-cors", "credentials": "include"}):
                found = tab.evaluate(READ, [f"{team.address}{path}", options])
                assert found == "refused" or found[1:] == [0, 0], (path, options)
        kinds = ("application/json", "text/plain", "application/x-www-form-urlencoded")
        for path in ("/gradio_api/queue/join", "/play/votes", "/logout", "/gradio_api/upload", "/login"):
            for options in (
                *({"method": "POST", "body": "{}", "headers": {"Content-Type": kind}, "credentials": "include"} for kind in kinds),
                {"method": "POST", "body": "{}", "mode": "no-cors", "credentials": "include"},
                {"method": "POST", "body": "{}", "headers": {"X-Forwarded-Host": site.address[7:]}, "credentials": "include"},
            ):
                found = tab.evaluate(READ, [f"{team.address}{path}", options])
                assert found == "refused" or found[1:] == [0, 0], (path, options)
        tab.evaluate("0")  # so that the browser has told of all that came before
        # That one logs out by no other method than POST is answered before a browser's question whether another site's page may.
        asked = [(sent[request], status) for request, status in answered if request in sent]  # others began on the page before
        reached = [status for url, status in asked if url.startswith(team.address) and not url.endswith("/logout")]
        assert len(reached) > 20 and set(reached) == {403}
        for script in ("config", "me", "gradio_api/info"):
            ran = tab.evaluate(
                "(url) => new Promise((told) => { const made = document.createElement('script'); made.src = url;"
                " made.onload = () => told('ran'); made.onerror = () => told('refused'); document.head.append(made); })",
                f"{team.address}/{script}",
            )
            assert ran == "refused"
        tab.evaluate(FRAME, f"{team.address}/data")
        frame = next(each for each in tab.frames if each != tab.main_frame)
        assert frame.url.startswith("chrome-error:") or "Data" not in frame.content()
        # A form that a person sends without knowing: they end up at the refusal, and are still logged in.
        tab.evaluate("(url) => { const form = document.createElement('form'); form.method = 'post'; form.action = url;"
                     " document.body.append(form); form.submit(); }", f"{team.address}/logout")  # fmt: skip
        tab.wait_for_url(f"{team.address}/logout")
        expect(tab.locator("body")).to_contain_text("another site")
    tab.goto(f"{team.address}/data")
    expect(tab.locator(".rs-person-name")).to_have_text("Ada")


def test_alone_on_a_machine_nobody_is_named(page, server):
    page.goto(f"{server.address}/data")
    expect(page.locator(".rs-header nav a.active")).to_be_visible()
    assert page.locator(".rs-person").count() == 0 and "person.js" not in page.content()
    assert page.evaluate("fetch('login').then((answer) => answer.status)") in (404, 405)  # Gradio's own takes forms, and nobody is in it
