"""Attacks by requests: strangers, other people, other sites, odd values, and events in the wrong order."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from app.people.who import COOKIE
from storage import NotFoundError
from tests.attacks.endpoints import Endpoint, published
from tests.attacks.house import MARK, PHRASES, Visitor, hand, is_clear
from tests.attacks.payloads import PATHS, odd_bodies, odd_path, odd_value
from tests.attacks.trial import Trial
from tests.faults.studio import BASE, LONG, wait

_NOBODYS = "0" * 12


def _ask(visitor: Visitor, endpoint: Endpoint, path: str, **more: Any) -> httpx.Response:
    """Ask for what ends; of what never does only the beginning is read."""
    if not endpoint.is_endless:
        return visitor.request(endpoint.method, path, **more)
    with visitor.stream(endpoint.method, path, **more) as answer:
        if answer.status_code >= 400:
            answer.read()
        else:
            answer._content = b""  # so that it can be looked at like one that has ended
        return answer


def strangers(trial: Trial) -> None:
    """Every route and every event without a session, with one that was made up, and with one of a person who has logged out."""
    house = trial.house
    cookie = house.log_in("Bob")
    gone = Visitor(house.address, {"Cookie": f"{COOKIE}={cookie}"})
    gone.post("/logout")
    kinds = {
        "no session": {},
        "a made up one": {"Cookie": f"{COOKIE}={'a' * 43}"},
        "an ended one": {"Cookie": f"{COOKIE}={cookie}"},
    }
    for what, headers in kinds.items():
        visitor = Visitor(house.address, headers)
        some = trial.quick and bool(headers)
        for endpoint in trial.chance.sample(published(), 20) if some else published():
            if endpoint.is_open or endpoint.path == "/login/":
                continue
            answer = _ask(visitor, endpoint, endpoint.filled(house.hers), **({"json": {}} if endpoint.method != "GET" else {}))
            trial.held(
                answer.status_code in (401, 403, 404, 405) and MARK not in answer.text,
                f"{what}: {endpoint.method} {endpoint.path} says {answer.status_code}",
            )
        for event in trial.chance.sample(house.pages.events, 20) if some else house.pages.events:
            told = visitor.event(event, house.pages.values(event))
            trial.held(told.status == 401 and MARK not in told.text, f"{what}: the event {event['id']} says {told.status}")


def _hers(trial: Trial) -> dict[str, Any]:
    """Everything of Ada's that may not change, as it is."""
    with_ids, store = trial.house.hers, trial.house.of("Ada").storage
    run = store.runs.get(with_ids["run_id"])
    return {
        "dataset": store.datasets.get(with_ids["dataset_id"]).name,
        "run": (run.name, run.status, run.binned_at, run.notes, tuple(run.tags)),
        "chat": store.chats.get(with_ids["chat_id"]).name,
        "counts": (len(store.datasets.all()), len(store.runs.all())),
    }


def others_ids(trial: Trial) -> None:
    """Every route and every event, asked by Bob with each id of Ada's: as if there were nothing of the kind, and nothing changes."""
    house, before = trial.house, _hers(trial)
    visitor, hers = house.visitor("Bob"), house.hers
    nobodys = dict.fromkeys(hers, _NOBODYS)
    for endpoint in published():
        if endpoint.is_open or endpoint.is_endless or endpoint.path in ("/logout", "/login/"):
            continue
        for body in ({}, None)[: 1 if endpoint.method == "GET" else 2]:
            found = []
            for ids in (hers, nobodys):
                query = {name: ids[name] for name in ("run", "dataset_id")} if endpoint.method == "GET" else None
                sent = (
                    {
                        "run": ids["run"],
                        "chosen": [ids["run"]],
                        "dataset": ids["dataset_id"],
                        "columns": [{"kind": "run", "run": ids["run"]}],
                    }
                    if body is None
                    else body
                )
                answer = _ask(visitor, endpoint, endpoint.filled(ids), params=query, **({"json": sent} if endpoint.method != "GET" else {}))
                found.append((answer.status_code, answer.text))
            text = found[0][1]
            for each in hers.values():
                text = text.replace(each, _NOBODYS)
            same = found[0][0] == found[1][0] or endpoint.path.startswith("/gradio_api") or endpoint.path == "/play/votes/clear"  # his own
            trial.held(MARK not in text and same, f"{endpoint.method} {endpoint.path}: {found[0][0]} and {found[1][0]}, {text[:80]}")
    everyone = [value for key, value in hers.items() if key != "run"]
    for event in house.pages.events:
        for round_ in range(trial.often(1, 4 * len(everyone))):
            each = trial.chance.choice(everyone)
            wrapped = json.dumps({"run": each, "ids": [each], "act": "delete", "token": each, "dataset": each, "id": each})
            values: list[Any] = [trial.chance.choice((each, each, wrapped, [each])) for _ in event["inputs"]]
            told = visitor.event(event, values if round_ or trial.chance.random() < 0.5 else [each] * len(values), session="others")
            trial.held(
                MARK not in told.text and told.is_clear, f"the event {event['id']} with {values!r:.80}: {told.status} {told.text[:150]}"
            )
    trial.held(_hers(trial) == before, f"something of Ada's has changed: {before} to {_hers(trial)}")


def others_sessions(trial: Trial) -> None:
    """Bob uses the number of Ada's page, which a browser makes up: he hears nothing of it, ends nothing, and does nothing in her name."""
    house = trial.house
    ada, bob, session = house.visitor("Ada"), house.visitor("Bob"), "adaspage123"
    event, opening = house.pages.event("train-rates-find"), house.pages.opening("train-dataset")
    ada.event(opening, house.pages.values(opening), session)
    body = {
        "fn_index": event["id"],
        "data": house.pages.values(event, train_dataset=house.hers["dataset_id"], train_base_model=str(BASE)),
        "session_hash": session,
    }
    joined = ada.raw("/gradio_api/queue/join", json.dumps(body).encode())
    heard = []
    try:
        with bob.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}, timeout=5) as answer:
            for line in answer.iter_lines():
                heard.append(line)
                if len(heard) > 3:
                    break
    except httpx.HTTPError:
        pass
    text = " ".join(heard)
    trial.held(joined.status == 200 and "process" not in text and "estimation" not in text, f"Bob hears Ada's stream: {text[:150]}")
    number = json.loads(joined.text).get("event_id", "") if joined.status == 200 else ""
    for path, sent in {
        "cancel": {"session_hash": session, "fn_index": event["id"], "event_id": number},
        "reset": {"event_id": number, "session_hash": session},
    }.items():
        answer = bob.raw(f"/gradio_api/{path}", json.dumps(sent).encode())
        # Gradio says that it has succeeded also where there was nothing to end; Ada's stream tells.
        trial.held(answer.is_clear, f"Bob's {path} of Ada's event: {answer.status} {answer.text[:80]}")
    ended = ""
    deadline = time.monotonic() + 120
    with ada.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as answer:
        for line in answer.iter_lines():
            ended += line
            if "process_completed" in line or "unexpected_error" in line or time.monotonic() > deadline:
                break
    trial.held("process_completed" in ended and '"success":true' in ended.replace(" ", ""), f"Ada's event was ended by Bob: {ended[-200:]}")
    trial.held(
        number not in bob.get(f"/gradio_api/call/x/{number}", params={"session_hash": session}).text,
        "Bob follows Ada's event by its number",
    )


def others_uploads(trial: Trial) -> None:
    """The place of Ada's upload in Bob's hands: by each file route, and as a file of an event of his."""
    house, visitor, path = trial.house, trial.house.visitor("Bob"), trial.house.hers["upload"]
    for route in ("/gradio_api/file=", "/file=", "/gradio_api/file/", "/gradio_api/stream/", "/gradio_api/proxy="):
        for style in PATHS:
            _get(trial, route + style.format(path), visitor, MARK)
    for trigger in ("dataset-upload", "kept-held-out-file"):
        event = house.pages.event(trigger)
        for given in (
            {"path": path, "meta": {"_type": "gradio.FileData"}},
            {"path": f"{path}/../{path.rpartition('/')[2]}", "meta": {"_type": "gradio.FileData"}},
            path,
        ):
            told = visitor.event(event, [given] * len(event["inputs"]))
            said = str((told.data or [""])[0])
            follow = visitor.event(house.pages.after(event), [said]) if said.startswith("{") and trigger == "dataset-upload" else told
            trial.held(
                MARK not in told.text + follow.text and told.is_clear,
                f"Bob's event {trigger} with Ada's upload {given!r:.40}: {told.status} {MARK in told.text + follow.text} {told.text[:100]}",
            )
    parts = path.split("/")
    for token in (parts[-2], parts[-1]):
        for method, place in (("GET", "reading"), ("POST", "stop")):
            answer = visitor.request(method, f"/uploads/{token}/{place}")
            trial.held(MARK not in answer.text and is_clear(answer), f"{place} of Ada's upload: {answer.status_code}")


def _get(trial: Trial, path: str, visitor: Visitor, *secrets: str) -> None:
    """Ask for a path that nothing tidies up; nothing of the secrets may come."""
    cookie = "; ".join(f"{each.name}={each.value}" for each in visitor.cookies.jar)
    host = urlsplit(trial.house.address).netloc
    clean = path.replace(" ", "%20").replace("\n", "%0a").replace("\r", "%0d")
    status, body = hand(trial.house.address, f"GET {clean} HTTP/1.1\nHost: {host}\nCookie: {cookie}\nConnection: close\n")
    leaked = [each for each in secrets if each.encode() in body]
    trial.held(
        status in (0, 303, 307, 400, 401, 403, 404, 405, 414, 422, 431) and not leaked,
        f"{path[:120]} says {status}, {leaked} {body[-80:]!r}",
    )


def paths(trial: Trial) -> None:
    """The database, the people, the environment and the programs, by every spelling of a path on every route that takes one."""
    root, visitor = trial.house.folder, trial.house.visitor("Bob")
    wanted = [
        root / "studio.db",
        root / "people.json",
        root / "web.log",
        "/proc/self/environ",
        "/etc/passwd",
        "/proc/self/cmdline",
        "app/serve.py",
    ]
    routes = [
        "/gradio_api/file=",
        "/file=",
        "/gradio_api/file/",
        "/static/",
        "/assets/",
        "/svelte/",
        "/gradio_api/custom_component/",
        "/gradio_api/stream/",
    ]
    routes += ["/files/runs/", "/files/datasets/", "/files/chats/", "/gradio_api/proxy=", "/theme.css/", "/pwa_icon/"]
    for route in routes:
        for path in wanted[: trial.often(3, len(wanted))]:
            for style in PATHS:
                _get(trial, route + style.format(path), visitor, "SQLite format", "argon2", "root:x:", "HF_TOKEN", "import uvicorn")
    for _ in range(trial.often(30, 2000)):
        path = trial.chance.choice(routes) + odd_path(trial.chance)
        _get(
            trial,
            path + quote(str(trial.chance.choice(wanted)), safe=trial.chance.choice(("", "/"))),
            visitor,
            "SQLite format",
            "argon2",
            "root:x:",
        )


def malformed(trial: Trial) -> None:
    """Every route and every event with what it does not expect: one sentence, nothing for programmers, nothing on the terminal, no hang."""
    house, visitor, chance = trial.house, trial.house.visitor("Bob"), trial.chance
    printed = len(house.output())
    for endpoint in published():
        if endpoint.is_endless or endpoint.path in ("/logout", "/login", "/login/"):
            continue
        is_get = endpoint.method in ("GET", "HEAD")
        for body in [None] * trial.often(2, 20) if is_get else odd_bodies(chance, trial.often(4, 60)):
            filled = endpoint.filled({}, chance.choice(("x", "-1", "1e400", "%00", "%ff", "..", _NOBODYS)))
            query = (
                {
                    chance.choice(("run", "cursor", "since", "count", "session_hash", "offset", "limit")): str(odd_value(chance)).encode(
                        "utf-8", "replace"
                    )[:3000]
                }
                if is_get
                else None
            )
            kind = {
                "Content-Type": chance.choice(
                    ("application/json", "application/json", "text/plain", "multipart/form-data; boundary=x", "x", "")
                )
            }
            _held_clear(
                trial,
                lambda e=endpoint, f=filled, q=query, b=body, k=kind: visitor.request(e.method, f, params=q, content=b, headers=k),
                f"{endpoint.method} {endpoint.path} with {body!r:.60}",
            )
    for event in house.pages.events:
        count = len(event["inputs"])
        given = [[], [None] * count, [0] * (count + 3), None, "x", {"a": 1}, [{"__type__": "update"}] * count]
        given += [[odd_value(chance) for _ in range(count)] for _ in range(trial.often(2, 40))]
        for values in chance.sample(given, 2) if trial.quick else given:
            told = visitor.event(event, values, session="malformed")  # type: ignore[arg-type]
            trial.held(told.is_clear, f"the event {event['id']} with {values!r:.80}: {told.status} {told.text[:150]}")
    for method in ("PUT", "DELETE", "PATCH", "TRACE", "CONNECTX", "OPTIONS"):
        for path in ("/", "/play/chat", "/gradio_api/queue/join", "/login"):
            _held_clear(trial, lambda m=method, p=path: visitor.request(m, p), f"{method} {path}")
    trial.held(len(house.output()) == printed, f"written to the terminal: {house.output()[printed:][-200:]}")
    trial.held(house.lives(), "the studio is gone")


def _held_clear(trial: Trial, ask: Callable[[], httpx.Response], what: str) -> None:
    try:
        answer = ask()
        trial.held(is_clear(answer), f"{what}: {answer.status_code} {answer.text[:150]}")
    except httpx.TimeoutException:
        trial.held(False, f"{what}: never answered")
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        trial.held(not isinstance(error, httpx.RemoteProtocolError), f"{what}: {error}")


def queue_of_gradio(trial: Trial) -> None:
    """Events through Gradio's queue whose values do not fit: the stream ends them with a sentence."""
    visitor, chance = trial.house.visitor("Bob"), trial.chance
    for number, event in enumerate(chance.sample(trial.house.pages.events, trial.often(8, 60))):
        session = f"queue{number}"
        values = [odd_value(chance) for _ in event["inputs"]]
        joined = visitor.raw(
            "/gradio_api/queue/join",
            json.dumps({"fn_index": event["id"], "data": values, "session_hash": session}).encode("utf-8", "surrogatepass"),
        )
        if not trial.held(joined.is_clear, f"joining: {joined.status} {joined.text[:100]}") or joined.status != 200:
            continue
        with visitor.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as answer:
            for line in answer.iter_lines():
                message = json.loads(line[5:]) if line.startswith("data:") else {}
                if message.get("msg") == "process_completed":
                    said = message["success"] or isinstance((message.get("output") or {}).get("error"), str)
                    trial.held(said and "Traceback" not in line, f"the queue ends event {event['id']} with {line[:150]}")
                    break


def extra_fields(trial: Trial) -> None:
    """Fields that no request has: an owner, a status, a place for the output."""
    visitor = trial.house.visitor("Bob")
    extra = {
        "user": "Ada",
        "owner": trial.house.people["Ada"].id,
        "status": "finished",
        "output_dir": "/tmp",
        "id": "x",
        "trust_remote_code": True,
        "operator": True,
    }
    message = [{"role": "user", "content": "hello"}]
    bodies = {
        "/play/chat": {"columns": [{"kind": "run", "run": visitor.run, "messages": message}]},
        "/play/chats": {"document": {"format": 1, "columns": [{"kind": "base"}], "shown": [0], "turns": [], "leaf": None}},
        "/play/votes": {},
        "/play/mix": {},
        "/play/mix/choices": {"run": trial.house.hers["run_id"]},
        "/play/batch": {"prompts": []},
        "/play/map": {},
        "/play/fix": {},
    }
    for path, body in bodies.items():
        for name, value in extra.items():
            told = visitor.raw(path, json.dumps({**body, name: value}).encode())
            trial.held(told.is_clear and '"error"' in told.text, f"{path} with {name}: {told.status} {told.text[:100]}")
    event = trial.house.pages.event("train-start")
    for name, value in extra.items():
        body = {"fn_index": event["id"], "data": trial.house.pages.values(event), "session_hash": "extra", name: value}
        trial.held(visitor.raw("/gradio_api/run/predict", json.dumps(body).encode()).is_clear, f"an event with {name}")
    trial.held(
        not [run for run in trial.house.runs("Ada") if run.id != trial.house.hers["run_id"]], "Ada has a run that she has not started"
    )


def other_sites(trial: Trial) -> None:
    """Posts with the origin of another site, of another port, and of none; foreign names of the server; names that a stranger forwards."""
    house, visitor = trial.house, trial.house.visitor("Bob")
    port = urlsplit(house.address).port
    origins = (
        "http://foreign.invalid",
        "null",
        "https://127.0.0.1.foreign.invalid",
        f"http://127.0.0.1:{(port or 0) + 1}",
        f"http://localhost:{(port or 0) + 1}",
        "file://",
        "http://[",
        "",
        f"https://127.0.0.1:{(port or 0) + 1}",
    )
    posts = [each for each in published() if each.method in ("POST", "PUT", "DELETE", "PATCH")]
    for origin in origins:
        for endpoint in posts if not trial.quick else trial.chance.sample(posts, 12):
            answer = visitor.request(endpoint.method, endpoint.filled({}), headers={"Origin": origin}, json={})
            trial.held(answer.status_code in (401, 403, 404, 405), f"{endpoint.path} from {origin!r}: {answer.status_code}")
        for path in ("/", "/healthz", "/config", "/play/chats"):
            for method in ("GET", "OPTIONS"):
                answer = visitor.request(method, path, headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
                trial.held(answer.headers.get("access-control-allow-origin") is None, f"{method} {path} lets {origin!r} read it")
    for name in (
        "foreign.invalid",
        f"foreign.invalid:{port}",
        "127.0.0.1.foreign.invalid",
        "",
        "[::2]",
        "localhost.foreign.invalid",
        "127.0.0.1@foreign.invalid",
        "0.0.0.0",
    ):
        for path in ("/", "/config", "/login", "/play/chats"):
            status, body = hand(house.address, f"GET {path} HTTP/1.1\nHost: {name}\nConnection: close\n")
            trial.held(status in (0, 400, 401, 403) and b"ReFT Studio</" not in body, f"{path} by the name {name!r}: {status}")
    for header in (
        "X-Forwarded-Host",
        "Forwarded",
        "X-Forwarded-For",
        "X-Real-IP",
        "X-Forwarded-User",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Forwarded-Prefix",
        "X-Forwarded-Proto",
    ):
        for value in ("foreign.invalid", "127.0.0.1", "Ada", "host=foreign.invalid", "/config"):
            answer = visitor.post("/play/chats", json={}, headers={header: value, "Origin": "http://foreign.invalid"})
            trial.held(answer.status_code == 403, f"{header}: {value} lets another site post: {answer.status_code}")
            stranger = Visitor(house.address, {header: value}).get("/play/chats")
            trial.held(stranger.status_code == 401, f"{header}: {value} lets a stranger in: {stranger.status_code}")
            page = visitor.get("/", headers={header: value})
            trial.held("foreign.invalid" not in page.text + str(page.headers), f"{header}: {value} is written into the page")


def wrong_phrases(trial: Trial) -> None:
    """Guessing pass phrases: waited for, in the same words and time for names that there are not; nobody is locked out by others."""
    house = trial.house
    stranger = Visitor(house.address)
    answers = [stranger.post("/login", data={"username": "Ada", "password": f"guess number {number}"}) for number in range(8)]
    trial.held(answers[-1].status_code == 429, f"the eighth guess: {answers[-1].status_code}")
    trial.held(
        answers[0].text == stranger.post("/login", data={"username": "Nobody", "password": "guess number 1"}).text,
        "a name that there is not is told apart",
    )
    for name in ("ada", "ADA", " Ada ", "\uff21da", "Ada\u200b"):
        answer = stranger.post("/login", data={"username": name, "password": "guess"})
        trial.held(answer.status_code in (401, 429) and is_clear(answer), f"as {name!r}: {answer.status_code}")
    for header in ("X-Forwarded-For", "X-Real-IP", "Forwarded"):
        answer = stranger.post("/login", data={"username": "Ada", "password": "guess"}, headers={header: "10.0.0.7"})
        trial.held(answer.status_code == 429, f"{header} makes somebody else of a stranger: {answer.status_code}")
    honest = stranger.post("/login", data={"username": "Bob", "password": PHRASES["Bob"]})
    trial.held(honest.status_code == 303, f"Bob is locked out by guesses of Ada's phrase: {honest.status_code}")
    for data in (
        {},
        {"username": "Ada"},
        {"username": "Ada\0", "password": "x"},
        {"username": "x" * 5000, "password": "y" * 4000},
        {"username": ["Ada", "Bob"], "password": [PHRASES["Bob"], "guess"]},
        {"username": ["Bob", "Ada"], "password": PHRASES["Bob"] + " "},
    ):
        answer = Visitor(house.address).post("/login", data=data)
        trial.held(is_clear(answer) and answer.status_code != 303, f"a form with {data!r:.60}: {answer.status_code}")


def same_start(trial: Trial) -> None:
    """The same start, many times at once: one run."""
    house, visitor = trial.house, trial.house.visitor("Bob")
    dataset, pages = _sample(trial), house.pages
    event, opening = pages.event("train-start"), pages.opening("train-dataset")
    for number in range(trial.often(1, 5)):
        before, values = len(house.runs("Bob")), pages.values(event, train_dataset=dataset, train_base_model=str(BASE))
        visitor.event(opening, pages.values(opening), f"same{number}")
        threads = [threading.Thread(target=visitor.event, args=(event, values, f"same{number}")) for _ in range(trial.often(20, 100))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        trial.attempts += len(threads) - 1
        trial.held(len(house.runs("Bob")) - before == 1, f"{len(threads)} starts made {len(house.runs('Bob')) - before} runs")
        _stop_all(trial)


def _sample(trial: Trial) -> str:
    """A dataset of Bob's."""
    store = trial.house.of("Bob").storage.datasets
    if not store.all():
        trial.house.visitor("Bob").event(trial.house.pages.event("train-sample"), [])
        wait(store.all, what="a sample of Bob's")
    return str(store.all()[-1].id)


def _stop_all(trial: Trial) -> None:
    store = trial.house.of("Bob").storage.runs
    for run in store.going():
        store.request_stop(run.id)
    wait(lambda: not store.going(), 120, "the end of Bob's runs")


def wrong_order(trial: Trial) -> None:
    """Deleting while it trains, downloading while it is deleted, two tabs that stop, continue and delete at once: nothing is orphaned."""
    house, visitor = trial.house, trial.house.visitor("Bob")
    from app.handlers import train
    from app.people.asking import asked_by

    for number in range(trial.often(2, 12)):
        with asked_by(house.people["Bob"]):
            run = train.start(house.of("Bob"), _sample(trial), LONG, f"order {number} {trial.chance.random()}")
        wait(
            lambda run=run: house.services.storage.runs.get(run.id).step > 0 or house.services.storage.runs.get(run.id).status.ended,
            what="a step",
        )
        acts = [house.pages.event(name) for name in ("run-stop", "run-delete", "run-discard", "run-resume", "run-stop")]
        asks: list[threading.Thread] = [threading.Thread(target=_act, args=(trial, each, run.id)) for each in acts]
        asks += [
            threading.Thread(target=_fetch, args=(trial, f"/files/runs/{run.id}/{name}"))
            for name in ("adapter.zip", "log.txt", "report.html") * 2
        ]
        trial.chance.shuffle(asks)
        for thread in asks:
            thread.start()
        for thread in asks:
            thread.join()
        _stop_all(trial)
        _act(trial, house.pages.event("run-delete"), run.id)
        visitor.event(house.pages.event("run-delete"), [run.id])
    store, folder = house.of("Bob").storage, house.folder / "runs"
    for run in store.runs.binned():
        store.runs.delete(run.id)
    store.runs.empty_bin()
    known = {run.id for run in [*house.services.storage.runs.all(), *house.services.storage.runs.binned()]}
    wait(lambda: not [each for each in folder.iterdir() if each.is_dir() and each.name not in known] or True, what="")
    orphans = [each.name for each in folder.iterdir() if each.is_dir() and not each.name.startswith(".") and each.name not in known]
    trial.held(not orphans, f"folders without a run: {orphans}")
    trial.held(house.lives(), "the studio is gone")


def _act(trial: Trial, event: dict[str, Any], run_id: str) -> None:
    told = trial.house.visitor("Bob").event(event, [run_id] * len(event["inputs"]))
    trial.held(told.is_clear, f"the event {event['id']}: {told.status} {told.text[:100]}")


def _fetch(trial: Trial, path: str) -> None:
    _held_clear(trial, lambda: trial.house.visitor("Bob").get(path), path)


def downloads_of_nothing(trial: Trial) -> None:
    """Ids that are odd, long, encoded or deleted: the same as ones that there never were."""
    visitor = trial.house.visitor("Bob")
    plain = {
        each.path: visitor.get(each.filled({}, _NOBODYS)).status_code
        for each in published()
        if each.method == "GET" and each.path.startswith("/files/")
    }
    for endpoint in published():
        if endpoint.path in plain:
            for _ in range(trial.often(6, 100)):
                path = endpoint.filled({}, odd_path(trial.chance))
                _get(trial, path, visitor, MARK, "SQLite format", "root:x:")
    for name in ("run_id", "chat_id", "dataset_id"):
        trial.held(trial.house.hers[name] not in visitor.get("/follow/runs", params={"limit": 50}).text, "Ada's id is in Bob's list")
    try:
        trial.house.of("Bob").storage.runs.get(trial.house.hers["run_id"])
        trial.held(False, "the store gives Ada's run to Bob")
    except NotFoundError:
        trial.held(True, "")
