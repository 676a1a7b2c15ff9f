"""Attacks on what is shared by a link, on the operators' page, and on the worker's own door."""

import re
from urllib.parse import urljoin

import httpx
from fastapi.routing import APIRoute

from app.people.behalf import HEADER
from app.worker.api import make_app
from app.worker.resident import Resident
from tests.attacks.house import MARK, Visitor
from tests.attacks.trial import Trial

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_SHARED = re.compile(r"/shared/[^\"'<>\s]+")


def shared_links(trial: Trial) -> None:
    """A link of Ada's: made by her alone, changed in any character it opens nothing, and after it is revoked neither."""
    house, ada, bob = trial.house, trial.house.visitor("Ada"), trial.house.visitor("Bob")
    nothing = bob.get("/shared/nothing-of-the-kind")
    for kind, target in (("run", house.hers["run_id"]), ("dataset", house.hers["dataset_id"]), ("chat", house.hers["chat_id"])):
        page = f"/share/{kind}/{target}"
        for ask in (bob.get(page), bob.post(page, content="days=7", headers=_FORM), Visitor(house.address).get(page)):
            trial.held(ask.status_code in (401, 403, 404) and MARK not in ask.text, f"{page} by another: {ask.status_code}")
        made = ada.post(page, content="days=7&adapter=yes", headers=_FORM)
        shown = ada.get(urljoin(page, made.headers.get("location", page))).text
        link = _SHARED.search(shown)
        if not trial.held(link, f"no link of a {kind} was made: {made.status_code} {made.text[:100]}") or link is None:
            continue
        path = link[0]
        trial.held(bob.get(path).status_code == 200, f"the link of a {kind} does not open: {bob.get(path).status_code}")
        trial.held(Visitor(house.address).get(path).status_code in (303, 401, 404), f"the link of a {kind} opens for a stranger")
        for _ in range(trial.often(4, 60)):
            at = trial.chance.randrange(len("/shared/"), len(path))
            other = trial.chance.choice([each for each in "AQgw059-_" if each != path[at]])
            answer = bob.get(path[:at] + other + path[at + 1 :])
            trial.held(answer.status_code == nothing.status_code and MARK not in answer.text, f"a changed link opens: {answer.status_code}")
        for more in ("/adapter.zip", "/..", "/rows", "?offset=1e9", "?offset=-1"):
            answer = bob.get(path + more)
            trial.held(answer.status_code < 500 and (kind == "run" or not answer.content.startswith(b"PK")), f"{path + more}")
        number = re.search(r"name=[\"']?share[\"']? value=[\"']?([\w-]+)", shown)
        if not trial.held(number, f"no link of a {kind} can be revoked") or number is None:
            continue
        bob.post(f"{page}/revoke", content=f"share={number[1]}", headers=_FORM)
        trial.held(bob.get(path).status_code == 200, f"Bob has revoked Ada's link of a {kind}")
        ada.post(f"{page}/revoke", content=f"share={number[1]}", headers=_FORM)
        for more in ("", "/adapter.zip", "?offset=0"):
            after = bob.get(path + more)
            is_nothing = after.status_code == nothing.status_code and MARK not in after.text
            trial.held(is_nothing, f"a revoked link of a {kind} opens{more}: {after.status_code}")
        trial.held(bob.get(path).text == nothing.text, f"a revoked link of a {kind} is told apart from one that never was")


def operators_page(trial: Trial) -> None:
    """The operators' page and its acts, for somebody who is none: as if there were none."""
    house = trial.house
    for visitor, who in ((house.visitor("Bob"), "Bob"), (Visitor(house.address), "a stranger")):
        for path in (
            "/operator",
            "/operator/",
            "/operator/stop",
            "/operator/withdraw",
            "/operator/end-sessions",
            "/%6fperator",
            "/Operator",
        ):
            for method in ("GET", "POST"):
                answer = visitor.request(method, path, content=f"run={house.hers['run_id']}&person=Ada", headers=_FORM)
                is_none = answer.status_code in (303, 401, 403, 404, 405) and MARK not in answer.text
                trial.held(is_none, f"{method} {path} by {who}: {answer.status_code} {answer.url} {answer.text[:120]}")
    page = house.visitor("Ada").get("/operator")
    trial.held(page.status_code == 200, f"the operator's own page: {page.status_code}")
    trial.held(MARK not in page.text and "bobs-words" not in page.text, "the operators' page shows names or words of people")


def worker_calls(trial: Trial) -> None:
    """Every route of the worker without a word on whose behalf, with an odd one, and such a word from the outside: refused."""
    house = trial.house
    socket = house.services.storage.files.socket
    routes = _of_worker(trial)
    trial.held(len(routes) > 10, f"only {len(routes)} routes of the worker were found")
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://worker", timeout=30) as door:
        for route in routes:
            path = re.sub(r"\{\w+(:\w+)?\}", house.hers["run_id"], route.path)
            for said in ({}, {HEADER: ""}, {HEADER: "Ada"}, {HEADER: "Everybody"}, {"X-Forwarded-User": "Ada"}):
                for method in sorted(route.methods):
                    answer = door.request(method, path, headers=said, json={} if method != "GET" else None)
                    trial.held(answer.status_code == 403, f"{method} {path} of the worker with {said}: {answer.status_code}")
    bob = house.visitor("Bob")
    for said in ("everybody", f"owner:{house.people['Ada'].id}"):
        told = bob.raw("/play/chat", b'{"columns": [{"kind": "run", "run": "%s", "messages": [{"role": "user", "content": "x"}]}]}'
                       % house.hers["run_id"].encode(), **{HEADER: said})  # fmt: skip
        trial.held('"error"' in told.text and MARK not in told.text, f"Bob in the name of {said}: {told.text[:100]}")


def _of_worker(trial: Trial) -> list[APIRoute]:
    """The routes of the worker, but those that name no rows."""
    routes = [each for each in make_app(Resident(trial.house.services.storage)).routes if isinstance(each, APIRoute)]
    return [each for each in routes if each.path not in ("/health", "/machine")]
