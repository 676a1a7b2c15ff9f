"""Attacks by how much is asked: long prompts, many chats, many runs, half requests, and readers that leave."""

import json
import socket
import threading
import time
from contextlib import ExitStack, suppress
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.attacks.files import _expanding, _looked_at
from tests.attacks.house import GROWTH, Visitor, is_clear
from tests.attacks.trial import Trial
from tests.faults.studio import BASE


def endless_prompts(trial: Trial) -> None:
    """A prompt of a million characters, hundreds of turns, absurd limits of tokens: cut or refused, and others do not wait."""
    visitor, honest = trial.house.visitor("Bob"), trial.house.visitor("Ada")
    turns = [{"role": ("user", "assistant")[n % 2], "content": "hello"} for n in range(401)]
    asked: dict[str, dict[str, Any]] = {
        "a million characters": visitor.asking("x" * 1_000_000),
        "199,000 words": visitor.asking("a " * 99_500),
        "hundreds of turns": {**visitor.asking("x"), "columns": [{"kind": "run", "run": visitor.run, "messages": turns}]},
        "a hundred columns": {**visitor.asking("x"), "columns": [{"kind": "run", "run": visitor.run, "messages": turns[:1]}] * 100},
        **{f"{tokens} tokens": visitor.asking("x", tokens) for tokens in (10**9, 10**30, -1, 0)},
        "stops": visitor.asking("x", stop=["a" * 199] * 500),
        "a seed": visitor.asking("x", seed=10**400),
        "rare characters": visitor.asking("\U0001f600\u202e\u0301" * 20_000),
        "a system prompt": {
            **visitor.asking("x"),
            "columns": [{"kind": "run", "run": visitor.run, "messages": [{"role": "system", "content": "y" * 900_000}, *turns[:1]]}],
        },
    }
    with trial.house.growth() as grown:
        for what, body in asked.items():
            told: list[Any] = []
            thread = threading.Thread(target=_silently, args=(visitor, body, told))
            thread.start()
            beside = honest.chat("hello")
            trial.held(beside.status == 200 and '"error"' not in beside.text, f"beside {what}: {beside.text[:100]}")
            thread.join(90)
            trial.held(told and told[0].is_clear and told[0].text, f"{what}: {(told[0].text if told else 'no answer')[:120]}")
        trial.held(grown() < GROWTH, f"they cost {grown():.0f} MB")


def _silently(visitor: Visitor, body: dict[str, Any], told: list[Any]) -> None:
    with suppress(httpx.HTTPError):
        told.append(visitor.raw("/play/chat", json.dumps(body).encode()))


def absurd_strengths(trial: Trial) -> None:
    """A strength that is no number, endless or huge: refused, and what others are answered beside it stays the same."""
    ada, run = trial.house.visitor("Ada"), trial.house.hers["run_id"]
    alone = ada.chat("What is 1 cat?").text
    for value in ("NaN", "Infinity", "-Infinity", "1e400", "1e308", "-1e30", "11", '"NaN"', "null", "true", "[1]", "9" * 400):
        column = '{"kind": "run", "run": "%s", "strength": %s, "messages": [{"role": "user", "content": "What is 1 cat?"}]}' % (run, value)  # noqa: UP031
        body = f'{{"columns": [{column}], "max_new_tokens": 12}}'
        told: list[Any] = []
        beside = threading.Thread(target=lambda told=told: told.append(ada.chat("What is 1 cat?").text))
        beside.start()
        answer = trial.house.visitor("Ada").raw("/play/chat", body.encode())
        beside.join()
        trial.held(
            answer.is_clear and ('"error"' in answer.text or value in ("true", "1e308")), f"a strength of {value[:20]}: {answer.text[:120]}"
        )
        trial.held(told and _words(told[0]) == _words(alone), f"beside a strength of {value[:20]} another answer comes")


def _words(lines: str) -> str:
    found = [json.loads(line) for line in lines.splitlines()]
    return "".join(line.get("text", "") for line in found)


def readers_that_leave(trial: Trial) -> None:
    """Chats, lists, grids and previews whose reader leaves at once: the work ends, memory comes back, and nobody waits for it."""
    visitor, honest = trial.house.visitor("Bob"), trial.house.visitor("Ada")
    count = trial.often(6, 100)
    with trial.house.growth() as grown:
        for number in range(count):
            paths = ("/play/chat", "/play/batch", "/play/tints", "/play/map")
            body = json.dumps(
                {
                    **visitor.asking("hello " * 50, 2000),
                    **({"prompts": [{"messages": [{"role": "user", "content": "x"}]}] * 100} if number % 4 == 1 else {}),
                }
            )
            with (
                suppress(httpx.HTTPError),
                visitor.stream("POST", paths[number % 4], content=body, timeout=httpx.Timeout(20, read=0.2)) as answer,
            ):
                next(answer.iter_bytes(), None)
            trial.attempts += 1
        begun = time.monotonic()
        told = honest.chat("hello")
        trial.held(told.status == 200 and '"error"' not in told.text, f"after them: {told.text[:120]}")
        trial.measured("seconds to an honest answer after them", time.monotonic() - begun)
        trial.held(grown() < GROWTH, f"they cost {grown():.0f} MB")


def left_previews(trial: Trial) -> None:
    """Previews of a large file that nobody waits for any more: chats are answered meanwhile, and the work ends."""
    visitor, honest, pages = trial.house.visitor("Bob"), trial.house.visitor("Ada"), trial.house.pages
    rows = "".join(f'{{"prompt": "{"long words " * 800}{n}", "answer": "x"}}\n' for n in range(trial.often(300, 1000)))
    _, said = _looked_at(trial, visitor, "a.jsonl", rows.encode())
    event = pages.event("dataset-base")
    body = json.dumps({"fn_index": event["id"], "data": [said, str(BASE)], "session_hash": "left"}).encode()
    with trial.house.growth() as grown:
        for _ in range(12):
            with suppress(httpx.HTTPError):
                visitor.post("/gradio_api/run/predict", content=body, headers={"Content-Type": "application/json"}, timeout=0.3)
            trial.attempts += 1
        told = honest.chat("hello")
        trial.held(told.status == 200 and '"error"' not in told.text, f"a chat beside them: {told.text[:120]}")
        trial.held(trial.house.lives(), "the engine is away beside them")
        trial.held(grown() < GROWTH, f"they cost {grown():.0f} MB")


def many_chats(trial: Trial) -> None:
    """Chats by the hundred from one person: the queue is bounded, and another person's answer does not come after all of them."""
    count = trial.often(60, 300)
    ended: list[tuple[str, int, str]] = []
    bob, ada = trial.house.visitor("Bob"), trial.house.visitor("Ada")

    def ask(visitor: Visitor, name: str) -> None:
        with suppress(httpx.HTTPError):
            answer = visitor.post("/play/chat", json=visitor.asking("hello", trial.often(60, 300)), timeout=300)
            ended.append((name, answer.status_code, answer.text))

    threads = [threading.Thread(target=ask, args=(bob, "Bob"), daemon=True) for _ in range(count)]
    with trial.house.growth() as grown:
        for thread in threads:
            thread.start()
        begun = time.monotonic()
        ask(ada, "Ada")
        trial.measured("seconds of an honest chat beside them", time.monotonic() - begun)
        before = sum(name == "Bob" and status == 200 and '"error"' not in text for name, status, text in list(ended))
        for thread in threads:
            thread.join()
        trial.held(grown() < GROWTH, f"they cost {grown():.0f} MB")
    trial.attempts += count
    refused = sum(status in (429, 503) or '"error"' in text for name, status, text in ended if name == "Bob")
    hers = next((text for name, _, text in ended if name == "Ada"), "")
    trial.held(hers and '"error"' not in hers, f"Ada's chat: {hers[:120]}")
    trial.held(before < count / 2, f"{before} of Bob's {count} chats were answered before Ada's one")
    trial.held(refused or any('"place"' in text for _, _, text in ended), f"all of {count} chats wait, and nobody is told their place")


def many_runs(trial: Trial) -> None:
    """Runs by the hundred from one person, absurd ones, and many at once: refused by estimate and quota; another's run is not last."""
    house, visitor = trial.house, trial.house.visitor("Bob")
    from tests.attacks.asking import _sample, _stop_all

    dataset = _sample(trial)
    absurd: dict[str, Any] = {
        "train_rank": (10**9, 0, -1, 1.5, 10**400),
        "train_epochs": (10**9, -1, 0, 1e308),
        "train_batch_size": (10**9, -5, 0),
        "train_max_length": (10**9, -1),
        "train_learning_rate": (1e300, -1, "NaN"),
        "train_layers": ("0-99999999", "9" * 5000, "-1"),
        "train_positions": ("f99999999", "x" * 10_000),
        "train_reuse_memory_mb": (10**12,),
        "train_pass_tokens": (10**12, -1),
        "train_gradient_accumulation": (10**12, 0),
        "train_warmup_ratio": (1e9, -3),
        "train_seed": (10**30, -1),
    }
    for name, values in absurd.items():
        for value in values:
            before = len(house.runs("Bob"))
            told = visitor.trains(house.pages, f"absurd {name} {value!r:.20}", dataset, **{name: value})
            trial.held(told.is_clear and len(house.runs("Bob")) == before, f"a run with {name} {value!r:.30} was taken: {told.text[:100]}")
            if len(house.runs("Bob")) > before:
                _stop_all(trial)
    count = trial.often(70, 1000)
    before = len(house.runs("Bob"))
    threads = [
        threading.Thread(target=visitor.trains, args=(house.pages, f"many {n}", dataset), kwargs={"train_epochs": 500})
        for n in range(count)
    ]
    for start in range(0, count, 40):
        for thread in threads[start : start + 40]:
            thread.start()
        for thread in threads[start : start + 40]:
            thread.join()
    taken = len(house.runs("Bob")) - before
    trial.attempts += count
    trial.held(taken <= 50, f"{taken} of {count} runs were queued at once")
    house.visitor("Ada").trains(house.pages, "fair run", house.hers["dataset_id"], train_epochs=1)
    hers = next((run for run in house.runs("Ada") if run.id != house.hers["run_id"]), None)
    if trial.held(hers, "Ada's run was refused because of Bob's") and hers:
        trial.held(
            (house.services.storage.runs.queue_position(hers.id) or 0) <= 2,
            f"Ada's run is number {house.services.storage.runs.queue_position(hers.id)}",
        )
        house.of("Ada").storage.runs.request_stop(hers.id)
    _stop_all(trial)
    from tests.faults.studio import wait

    wait(lambda: not house.of("Ada").storage.runs.going(), 120, "the end of Ada's run")


def huge_bodies(trial: Trial) -> None:
    """A body of JSON of hundreds of megabytes, to every kind of route: refused while it comes, and not said again."""
    visitor, size = trial.house.visitor("Bob"), trial.often(60, 300) * 1_000_000

    def pieces() -> Any:
        yield b'{"data": ["'
        for _ in range(size // 1_000_000):
            yield b"x" * 1_000_000
        yield b'"]}'

    with trial.house.growth() as grown:
        for path in (
            "/gradio_api/run/predict",
            "/gradio_api/queue/join",
            "/play/chat",
            "/play/chats",
            "/gradio_api/cancel",
            "/login",
            "/nothing",
            "/gradio_api/component_server",
        ):
            try:
                answer = visitor.post(path, content=pieces(), headers={"Content-Type": "application/json"})
                trial.held(
                    400 <= answer.status_code < 500 and is_clear(answer) and len(answer.content) < 10_000,
                    f"{path}: {answer.status_code}, {len(answer.content)} bytes come back",
                )
            except httpx.HTTPError:
                trial.held(True, "")
        trial.held(grown() < GROWTH / 5, f"a body of {size / 1e6:.0f} MB costs {grown():.0f} MB")


def half_requests(trial: Trial) -> None:
    """Connections that never send their request, send a byte at a time, or never read: others are served, and they are ended."""
    parts, count = urlsplit(trial.house.address), trial.often(200, 3000)
    heads = (
        b"",
        b"GET / HT",
        b"POST /play/chat HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{",
        b"GET /config HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ",
    )
    with ExitStack() as held:
        connections = []
        for number in range(count):
            with suppress(OSError):
                connection = held.enter_context(socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5))
                connection.sendall(heads[number % len(heads)])
                connections.append(connection)
        trial.attempts += count
        honest = trial.house.visitor("Ada")
        trial.held(
            honest.get("/healthz").status_code == 200 and honest.get("/play/chats").status_code == 200, "nobody else is answered meanwhile"
        )
        ended, deadline = 0, time.monotonic() + trial.often(35, 150)
        while time.monotonic() < deadline and ended < len(connections):
            ended = 0
            for connection in connections:
                connection.settimeout(0)
                try:
                    ended += connection.recv(4096, socket.MSG_PEEK) is not None
                except BlockingIOError:
                    pass
                except OSError:
                    ended += 1
            time.sleep(1)
        trial.held(
            ended >= 0.95 * len(connections), f"{len(connections) - ended} of {len(connections)} half-open requests are held for ever"
        )


def open_streams(trial: Trial) -> None:
    """Streams by the hundred of one person, of pages that are not there: bounded, while another person's page has its own."""
    bob, ada, count = trial.house.visitor("Bob"), trial.house.visitor("Ada"), trial.often(120, 380)
    refused = opened = 0
    with ExitStack() as held:
        for number in range(count):
            try:
                answer = held.enter_context(bob.stream("GET", f"/gradio_api/heartbeat/stream{number}", timeout=5))
                refused += answer.status_code in (429, 503)
                opened += answer.status_code == 200
            except httpx.HTTPError:
                refused += 1
        trial.attempts += count
        trial.held(refused, f"{opened} streams of one person are open")
        with ada.stream("GET", "/gradio_api/heartbeat/hers") as hers:
            trial.held(hers.status_code == 200, f"Ada's own stream: {hers.status_code}")


def beside_expanding(trial: Trial) -> None:
    """The time of an honest page and chat beside each kind of load, as ratios; nothing is judged."""
    ada, bob = trial.house.visitor("Ada"), trial.house.visitor("Bob")

    def timed() -> tuple[float, float]:
        begun = time.monotonic()
        ada.get("/runs")
        page = time.monotonic() - begun
        ada.chat("hello", max_new_tokens=1)
        return page, time.monotonic() - begun - page

    alone = [timed() for _ in range(trial.often(3, 10))]
    content = _expanding(200_000, 10_000)
    kinds = {
        "expanding tables": lambda: _looked_at(trial, bob, "a.parquet", content),
        "chats": lambda: bob.chat("hello", max_new_tokens=300),
    }
    for what, act in kinds.items():
        ended = threading.Event()

        def go_on(act: Any = act, ended: threading.Event = ended) -> None:
            while not ended.is_set():
                with suppress(httpx.HTTPError):
                    act()

        threads = [threading.Thread(target=go_on, daemon=True) for _ in range(8)]
        for thread in threads:
            thread.start()
        beside = [timed() for _ in range(trial.often(3, 10))]
        ended.set()
        for thread in threads:
            thread.join()
        for at, name in enumerate(("page", "first token")):
            ratio = sorted(each[at] for each in beside)[len(beside) // 2] / max(sorted(each[at] for each in alone)[len(alone) // 2], 1e-3)
            trial.measured(f"{name} beside {what}, times alone", ratio)
    trial.held(trial.house.lives(), "the studio is gone")
