"""Somebody calls every endpoint with every id of another person's: each answers as for an id that nothing has.

Endpoints are enumerated here: the routes of the app, the events of Gradio's pages, the routes of the worker. A new route that takes a body
has to say below what bodies name something.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from app.people.behalf import behalf_headers
from app.routes.gradio_requests import UPLOAD
from app.worker.api import make_app as make_worker
from tests.chatting import user
from tests.people.everything import HERS, Studio, kept, shape, studio_of_two, unknown
from tests.waiting import PATIENCE

TURNS = user("What is 2 cat?")
Body = dict[str, Any]
SESSION = "the page of somebody"
ACTS = ("star", "unstar", "delete", "restore", "stop", "queue", "first")


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with studio_of_two(tmp_path_factory.mktemp("every")) as made:
        yield made


def columns(run: str, own: str) -> list[Body]:
    """Every kind of column that names a run."""
    return [
        {"kind": "run", "run": run}, {"kind": "run", "run": run, "step": 1}, {"kind": "few_shot", "run": run, "shots": 2},
        {"kind": "instant", "run": run, "blend": 0.5}, {"kind": "mix", "parts": [{"run": own}, {"run": run}]},
    ]  # fmt: skip


def answered(run: str, own: str) -> list[Body]:
    asked = [[column] for column in columns(run, own)] + [[{"kind": "run", "run": own}, {"kind": "run", "run": run}]]
    return [{"columns": [{**each, "messages": TURNS} for each in named], "max_new_tokens": 2} for named in asked]


def looked(run: str, own: str, **more: Any) -> list[Body]:
    return [{"column": column, "messages": TURNS, **more} for column in columns(run, own)]


def document(run: str) -> Body:
    return {"format": 1, "columns": [{"kind": "run", "run": run}], "shown": [0], "turns": [], "leaf": None}


def votes(run: str, chat: str) -> list[Body]:
    answers = [{"column": {"kind": "run", "run": run}, "text": "one"}, {"column": {"kind": "base"}, "text": "two"}]
    return [{"messages": TURNS, "answers": answers, "outcome": "tie", "chat": chat}]


BODIES: dict[str, Callable[[str, str], list[Body]]] = {
    "/play/chat": answered,
    "/play/batch": lambda run, own: [{**body, "prompts": [{"messages": TURNS, "expected": "2"}]} for body in answered(run, own)],
    "/play/separation": looked,
    "/play/map": looked,
    "/play/lens": lambda run, own: looked(run, own, layer=1, token=2),
    "/play/tints": lambda run, own: looked(run, own, answer=[5, 6, 7]),
    "/play/mix/choices": lambda run, own: [{"run": run}, {"run": own, "chosen": [own, run]}],
    "/play/mix/samples": lambda run, own: [{"parts": [{"run": own}, {"run": run}], "prompts": ["Hello"]}],
    "/play/mix": lambda run, own: [{"parts": [{"run": own}, {"run": run}], "name": "mixed"}],
    "/play/votes": lambda run, own: votes(run, run),
    "/play/fix": lambda run, own: [{"run": run, "messages": TURNS, "answer": "So."}],
    "/play/train_on_fixes": lambda run, own: [{"run": run, "page_key": "page"}],
    "/play/votes/restore": lambda run, own: [{"moment": run}],
    "/play/votes/dataset": lambda run, own: [{"name": run}],
    "/play/chats": lambda run, own: [{"document": document(run), "key": run}],
    "/play/chats/{chat_id}": lambda run, own: [{"document": document(run), "version": 1}],
    "/play/chats/{chat_id}/rename": lambda run, own: [{"name": "Mine now"}],
}
"""What is posted to a route of ours, for an id and one's own run."""
PARTS = (
    "/files/", "/play/chats", "/play/(votes|fix|train)", "/play/mix", "/play/(chat|batch|prompts)(/|$)",
    "/play/(separation|map|lens|tints)", "/(follow|uploads|bases)/",
    "/shared?/",
)  # fmt: skip
"""Of our routes, each tested by itself."""
FORMS: dict[str, Callable[[str, str], list[Body]]] = {
    "/share/{kind}/{target}": lambda run, own: [{"days": "1"}, {"days": "1", "anyone": "yes", "adapter": "yes"}],
    "/share/{kind}/{target}/revoke": lambda run, own: [{"share": run}],
}
"""The same of routes that take the forms of pages."""
NO_BODY = {
    "/play/chats/{chat_id}/delete", "/play/chats/{chat_id}/restore", "/play/chats/{chat_id}/remove", "/play/votes/{vote_id}/delete",
    "/play/votes/clear", "/uploads/{token}/stop", "/play/prompts", "/logout",
}  # fmt: skip
QUERIES: tuple[Body, ...] = (
    {}, {"run": "{id}", "count": 3}, {"run": "{id}"}, {"dataset_id": "{id}"}, {"cursor": 0}, {"text": "{id}"},
    {"session": "{id}", "before": 9}, {"offset": 0, "limit": 9, "binned": True}, {"state": "binned"},
)  # fmt: skip
QUERIED = ("run", "id", "upload", "dataset", "chat", "compare", "group", "preset", "against")
"""What the addresses of pages name."""
TEXTS = ("Textbox", "Dropdown", "HTML", "Radio", "File")
NAMES = re.compile("dataset$|preset$|run$|upload|hub|held-out|asked")
"""Of what names something, by itself among its event's other values; the other texts are settings, and named all at once."""
OPEN = {("GET", "/healthz"), ("GET", "/login"), ("POST", "/login")}


def paths(path: str, name: str) -> list[str]:
    """The path with an id in every place."""
    places = {"kind": ("run", "dataset", "chat"), "number": ("1", "2"), "form": ("md", "json", "jsonl", "csv", "parquet"), "level": ("1",)}
    found = [path]
    for place in re.findall(r"\{(\w+)(?::\w+)?\}", path):
        found = [re.sub(r"\{" + place + r"(:\w+)?\}", value, each) for each in found for value in places.get(place, (name,))]
    return found


Ask = Callable[[str], tuple[int, str]]
_NOTHING: dict[object, tuple[int, str]] = {}
"""What was answered to an id that nothing has, by what was asked."""


def same(studio: Studio, ask: Ask, known: str, what: object) -> None:
    """What is asked with an id of hers is answered as with one that nothing has, and tells nothing of hers."""
    key = what, len(known)
    for _ in range(3):  # what is said of one's own, such as how old it is, may change between two calls
        status, told = ask(known)
        assert HERS not in told and "Ada" not in told, (what, known)
        found = status, shape(told, studio.hers)
        if _NOTHING.get(key) == found:
            return
        other, answer = ask(unknown(known))
        _NOTHING[key] = other, shape(answer, studio.hers)
        if _NOTHING[key] == found:
            return
    assert found == _NOTHING[key], (what, known)


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_our_routes(studio: Studio, part: str) -> None:
    bob, before, tried = studio.clients["Bob"], kept(studio, "Ada"), 0
    for method, path, ours in studio.routes():
        if ours and re.match(part, path):
            tried += 1
            for at, ask in _gets(path, bob) if method == "GET" else _posts(path, bob, studio.his["run"]):
                for known in studio.hers.values():
                    same(studio, ask, known, (method, path, at))
    assert tried
    assert kept(studio, "Ada") == before


def test_no_route_of_ours_is_left_out(studio: Studio) -> None:
    ours = {path for _, path, ours in studio.routes() if ours}
    elsewhere = {"/login", "/logout", "/healthz", "/alive", "/me", UPLOAD, *(path for path in ours if path.startswith("/operator"))}
    assert ours == {path for path in ours if any(re.match(part, path) for part in PARTS)} | elsewhere, "see test_operators, tests/door"
    posts = {path for method, path, ours in studio.routes() if ours and method == "POST"}
    assert posts - elsewhere <= {*BODIES, *FORMS, *NO_BODY}


def _gets(path: str, client: httpx.Client) -> Iterator[tuple[object, Ask]]:
    for at, query in enumerate(QUERIES[:1] if "{" in path else QUERIES):

        def get(given: str, query: Body = query) -> tuple[int, str]:
            params = {key: given if value == "{id}" else value for key, value in query.items()}
            found = [client.get(each, params=params) for each in paths(path, given)]
            return max(each.status_code for each in found), "".join(each.text for each in found)

        yield at, get


def _posts(path: str, client: httpx.Client, own: str) -> Iterator[tuple[object, Ask]]:
    assert path in BODIES or path in FORMS or path in NO_BODY, f"{path} is new: say what its body names"
    named = BODIES.get(path) or FORMS.get(path)
    for at in range(len(named(own, own)) if named else 1):

        def post(given: str, at: int = at) -> tuple[int, str]:
            body = named(given, own)[at] if named else {}
            options: Body = {"data" if path in FORMS else "json": body}
            params = {"name": given, "session": given} if path in NO_BODY else None
            found = [client.post(to, params=params, **options) for to in paths(path, given)]
            return max(each.status_code for each in found), "".join(each.text for each in found)

        yield at, post


# The events of the pages


def hidden(name: str, known: str, own: str) -> list[str]:
    """What the scripts of the pages put into a text field that nobody sees, for an id."""
    if name == "upload":
        return [known, json.dumps({"token": known}), json.dumps({"token": known, "roles": [["prompt", "prompt"], ["answer", "answer"]]})]
    if "dataset" in name or name == "version":
        more = {"texts": {"1": {"answer": "mine"}}, "dropped": [2]}
        return [known, *(json.dumps({"dataset": known, "version": 1, **each}) for each in ({}, more))]
    if "run" in name or name == "group":
        acts = [json.dumps({"act": act, "ids": [own, known]}) for act in ACTS]
        return [known, f"group:{known}", f"compare:{known},{own}", *acts]
    return [known]


@pytest.mark.slow
@pytest.mark.parametrize("page", ["", "data", "dataset", "train", "runs", "playground"])
def test_events_of_the_pages(studio: Studio, page: str) -> None:
    bob, before = studio.clients["Bob"], kept(studio, "Ada")
    events = {number: each for number, each in studio.site.blocks.fns.items() if each.fn and each.page == page}
    for number in (number for number, each in events.items() if not each.inputs):
        fire(studio, bob, number, [])  # as a page does that opens, after which its menus hold what is his
    for number, event in events.items():
        for name, known in studio.hers.items():
            for what, ask in _asks(studio, number, event, name):
                same(studio, ask, known, (event.api_name, what))
    assert events
    assert kept(studio, "Ada") == before


def test_no_page_is_left_out(studio: Studio) -> None:
    assert {each.page for each in studio.site.blocks.fns.values()} == {"", "data", "dataset", "train", "runs", "playground"}


def _asks(studio: Studio, number: int, event: Any, name: str) -> Iterator[tuple[object, Ask]]:
    """Every way in which an event can be told an id of this name."""
    bob, own = studio.clients["Bob"], studio.his
    values = [_default(each) for each in event.inputs]
    texts = {place: part for place, part in enumerate(event.inputs) if type(part).__name__ in TEXTS}

    def queried(query: str) -> Ask:
        return lambda given: fire(studio, bob, number, [], {"id": own["dataset"], query: given})

    def told(place: int, at: int) -> Ask:
        return lambda given: fire(studio, bob, number, [*values[:place], hidden(name, given, own["run"])[at], *values[place + 1 :]])

    if not values and any(trigger == "load" for _, trigger in event.targets):
        yield from ((query, queried(query)) for query in QUERIED)
    if texts:
        yield (
            "everywhere",
            lambda given: fire(studio, bob, number, [given if place in texts else value for place, value in enumerate(values)]),
        )
    for place, part in texts.items():
        if not part.elem_id or NAMES.search(part.elem_id):
            forms = hidden(name, "#", "")
            is_hidden = type(part).__name__ == "Textbox" and not part.elem_id
            yield from (((place, form), told(place, at)) for at, form in enumerate(forms if is_hidden else forms[:1]))


def _default(part: Any) -> Any:
    value = getattr(part, "value", None)
    return None if callable(value) else value


def fire(studio: Studio, client: httpx.Client, number: int, values: list[Any], query: Body | None = None) -> tuple[int, str]:
    """What an event answers, through Gradio's queue if it goes through that."""
    body = {"fn_index": number, "data": values, "session_hash": SESSION}
    if not studio.site.blocks.fns[number].queue:
        answer = client.post("/gradio_api/run/predict", json=body, params=query)
        return answer.status_code, answer.text
    joined = client.post("/gradio_api/queue/join", json=body)
    if joined.status_code != 200:
        return joined.status_code, joined.text
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": SESSION}) as stream:
        lines = [line for line in stream.iter_lines() if '"process_' in line]
    return stream.status_code, "\n".join(re.sub(r'"event_id":"\w+"', "", line) for line in lines)


# The worker


def asked_of_worker(path: str, known: str, own: str) -> list[Body]:
    """Bodies of a request to the worker that name something by an id."""
    turns, prompt = {"messages": TURNS}, {"messages": TURNS, "expected": "2"}
    spec = {"base": "starter", "reft": {"rank": 2}, "train": {}}
    looks = [{"column": each, **turns} for each in columns(known, own)]
    parts = [{"run": own}, {"run": known}]
    return {
        "/chat": [{"columns": [each], **turns, "max_new_tokens": 2} for each in columns(known, own)],
        "/batch": [{"columns": [each], "prompts": [prompt], "max_new_tokens": 2} for each in columns(known, own)],
        "/grid": [{"runs": [own, known], "prompts": [prompt], "max_new_tokens": 2}],
        "/mix": [{"parts": parts, "prompts": [prompt]}, {"parts": parts, "save_to": unknown(known * 4)[:32].ljust(32, "0")}],
        "/separation": looks,
        "/edit_map": looks,
        "/lens": [{**each, "layer": 1, "token": 2} for each in looks],
        "/tints": [{**each, "answer": [5, 6]} for each in looks],
        "/angles": [{"runs": [own, known]}, {"runs": [known, known]}],
        "/predictions": [{"run": known}, {"run": known, "start": False}],
        "/check": [{**spec, "dataset": known}, {**spec, "upload": known}],
        "/probe": [{**spec, "dataset": known}],
        "/rates": [{**spec, "dataset": known}],
    }[path]


NAMES_NO_ROW = {"/health", "/machine", "/describe", "/preview"}


def test_calls_of_the_worker(studio: Studio) -> None:
    """As the web process makes them on behalf of each person; the same calls find her own for herself."""
    before, found = kept(studio, "Ada"), set[str]()
    transport = httpx.HTTPTransport(uds=str(studio.services.everything.files.socket))
    with httpx.Client(transport=transport, base_url="http://worker", timeout=PATIENCE) as worker:
        for route in make_worker(studio.resident).routes:
            path = getattr(route, "path", "")
            if path in NAMES_NO_ROW:
                continue
            for at in range(len(asked_of_worker(path, "x", "y"))):

                def ask(given: str, path: str = path, at: int = at, whose: str = "Bob", own: str = studio.his["run"]) -> tuple[int, str]:
                    body = asked_of_worker(path, given, own)[at]
                    answer = worker.post(path, json=body, headers=behalf_headers(studio.people[whose].id))
                    return answer.status_code, answer.text

                for known in studio.hers.values():
                    same(studio, ask, known, (path, at))
                nobodys = worker.post(path, json=asked_of_worker(path, studio.hers["run"], studio.hers["second run"])[at])
                assert nobodys.status_code == 403, f"{path} was answered for nobody"
            found.add(path)
        hers = asked_of_worker("/chat", studio.hers["run"], "")[0]
        answer = worker.post("/chat", json=hers, headers=behalf_headers(studio.people["Ada"].id))
        assert '"done": true' in answer.text, answer.text
    assert len(found) > 10
    assert kept(studio, "Ada") == before


# What two people share


def test_what_an_answer_has_read_anew_tells_nothing_of_what_others_have_asked(studio: Studio) -> None:
    """Neither by its figure nor by its time: keys and values of prompts are kept for each person apart."""

    def read_anew(name: str, run: str, prompt: str) -> int:
        asked = [{"kind": "base", "messages": user(prompt)}, {"kind": "run", "run": run, "messages": user(prompt)}]
        answer = studio.clients[name].post("/play/chat", json={"columns": asked, "max_new_tokens": 2})
        ends = [line for line in map(json.loads, answer.text.splitlines()) if line.get("ended") and line["column"] == 0]
        return int(ends[0]["read"])

    prompt = "What is 2 cat? Say it in one word, please, and then say it once more, as slowly as you can."
    alone = read_anew(
        "Bob", studio.his["run"], "Which is 2 cat? Say it in one word, please, and then say it once more, as slowly as you can."
    )
    first = read_anew("Ada", studio.hers["run"], prompt)
    assert read_anew("Ada", studio.hers["run"], prompt) < first, "her own is kept"
    assert read_anew("Bob", studio.his["run"], prompt) >= alone - 1


def test_a_stranger_reaches_no_endpoint(studio: Studio) -> None:
    stranger, tried = studio.clients["stranger"], 0
    for method, path, _ in studio.routes():
        for name in ("run", "dataset", "chat", "upload"):
            (to, *_) = paths(path, studio.hers[name])
            answer = stranger.request(method, to, params={"session_hash": SESSION}, json={} if method == "POST" else None)
            if (method, path) not in OPEN:
                told = {401: "Nobody is logged in", 404: "There is nothing here."}  # the latter of what nobody reaches
                assert told[answer.status_code] in answer.json()["error"], (method, path)
                tried += 1
    assert tried > 400


def test_who_asks_for_health_hears_that_something_trains_and_not_which_run(studio: Studio) -> None:
    base, edit = studio.resident.run(studio.hers["run"])
    studio.resident.set_training(studio.hers["run"], base, edit)
    try:
        for client in studio.clients.values():
            assert client.get("/healthz").json() == {"status": "ok", "worker": {"up": True, "training": True}}
        bobs = {"columns": [{"kind": "run", "run": studio.hers["run"]}], "messages": TURNS}
        transport = httpx.HTTPTransport(uds=str(studio.services.everything.files.socket))
        with httpx.Client(transport=transport, base_url="http://worker", headers=behalf_headers(studio.people["Bob"].id)) as worker:
            assert "There is no such run." in worker.post("/chat", json=bobs).text, "in training it is looked up as well"
    finally:
        studio.resident.clear_training(studio.hers["run"])
    assert studio.clients["stranger"].get("/healthz").json()["worker"]["training"] is None
