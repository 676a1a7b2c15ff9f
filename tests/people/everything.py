"""A studio of two people with the worker behind it, one of everything of Ada's, and what of it somebody else could name."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
from fastapi.routing import APIRoute
from sqlalchemy import text
from starlette.routing import Mount, Route

from app import predictions
from app.handlers import datasets, train, workbench
from app.handlers import kept as kept_data
from app.people.asking import Person, asked_by
from app.people.file import People
from app.predictions import Prediction
from app.services import Services, make_services
from app.settings import Settings
from app.worker.resident import Resident
from reft_engine import ReftConfig, RunSpec, load_base
from storage import VotedAnswer
from tests.serving import Site, serving
from tests.settings.house import answering, finish
from tests.tiny import write_base
from tests.waiting import PATIENCE

PHRASES = {"Ada": "correct horse battery", "Bob": "staple of another kind"}
HERS = "Adas"
"""Stands in every text of hers, and in nothing else."""


@dataclass(frozen=True)
class Studio:
    """The pages and the worker, what each person has, and a browser for each."""

    site: Site
    services: Services
    resident: Resident
    people: dict[str, Person]
    clients: dict[str, httpx.Client]
    hers: dict[str, str]
    """Ids of Ada's, by what they are of."""
    his: dict[str, str]

    def as_person(self, name: str) -> Services:
        return self.services.seen_by(self.people[name])

    def routes(self) -> Iterator[tuple[str, str, bool]]:
        """Every method and path that is served, ours and Gradio's, and whether it is ours."""
        yield from ((method, path, True) for method, path in _routes(self.site.app.routes))
        mounted = next(route.app for route in self.site.app.routes if isinstance(route, Mount))
        yield from ((method, path, False) for method, path in _routes(mounted.routes))


def _routes(routes: Any) -> Iterator[tuple[str, str]]:
    for route in routes:
        if hasattr(route, "original_router"):
            yield from _routes(route.original_router.routes)
        elif isinstance(route, APIRoute | Route):
            yield from ((method, route.path) for method in sorted((route.methods or {"GET"}) - {"HEAD", "OPTIONS"}))


@contextmanager
def studio_of_two(folder: Path) -> Iterator[Studio]:
    base = write_base(folder / "base", seed=3)
    settings = Settings(data_dir=folder / "data", people="team", host="0.0.0.0", allowed_hosts=["127.0.0.1"], models=[str(base)])
    services = make_services(settings)
    team = People(services.everything.files.root)
    people = {name: team.add(name, phrase).person for name, phrase in PHRASES.items()}
    hers, his = (_one_of_everything(services.seen_by(people[name]), people[name], base) for name in PHRASES)
    with answering(services) as resident, serving(services) as site, ExitStack() as opened:
        clients = {name: opened.enter_context(httpx.Client(base_url=site.address, timeout=PATIENCE)) for name in (*PHRASES, "stranger")}
        for name, phrase in PHRASES.items():
            assert clients[name].post("/login", data={"username": name, "password": phrase}).status_code == 303
        yield Studio(site, services, resident, people, clients, hers, his)
    services.everything.close()


def _one_of_everything(services: Services, person: Person, folder: Path) -> dict[str, str]:
    """Rows and files of a person, whose name stands in every text."""
    whose, store, base = f"{person.name}s", services.storage, load_base(folder, device="cpu")
    table = folder.parent / f"{whose}.csv"
    made = dict[str, Any]()
    for name, rows in (("rows", 6), ("thrown away", 2)):
        lines = [f"{whose} question {at},{whose} answer {at}" for at in range(rows)]
        table.write_text("\n".join(["prompt,answer", *lines]) + "\n")
        with asked_by(person):
            made[name] = datasets.save_upload(services, str(table), label=table.name, name=f"{whose} {name}")
    binned = store.datasets.delete(made["thrown away"].id)
    dataset = kept_data.change(services, made["rows"].id, {1: {"answer": f"{whose} change"}}, [])
    runs = [finish(services, dataset, base, f"{whose} {name}", seed) for seed, name in enumerate(("first", "second", "thrown away"))]
    store.runs.delete(runs[2].id)
    run = store.runs.get(runs[0].id)
    said = [
        Prediction(at, (("user", f"{whose} question"),), f"{whose} answer", f"{whose} before", f"{whose} after", False, True)
        for at in (1, 2)
    ]
    predictions.write(store.files.predictions(run.id), run, "answers", said)
    store.files.log(run.id).write_text(f"{whose} log\n")
    spec = RunSpec(base=str(folder), reft=ReftConfig(rank=2)).model_dump(mode="json")
    waiting = store.runs.create(dataset.id, spec, name=f"{whose} waiting")
    group = store.runs.create_group(
        dataset.id, [(f"{whose} one", spec), (f"{whose} two", spec)], name=f"{whose} sweep", start_key=f"{whose} key"
    )
    preset = store.presets.create(f"{whose} preset", asdict(train.TrainForm()))
    document = json.dumps({"format": 1, "columns": [{"kind": "base"}], "shown": [0], "turns": [], "leaf": None, "title": f"{whose} title"})
    chat, gone = (store.chats.create(f"{whose} {name}", document) for name in ("chat", "binned chat"))
    store.chats.delete(gone.id)
    answers = [VotedAnswer({"kind": "base"}, f"{whose} {name}", f"{whose} {name} answer") for name in ("base", "other")]
    vote = store.votes.add([("user", f"{whose} question")], answers, "tie")
    with asked_by(person):
        upload = workbench.take_paste(services, f"prompt,answer\n{whose} prompt,{whose} answer\n")
    return {
        "dataset": dataset.id, "version": dataset.version.id, "binned dataset": binned.id, "run": run.id, "second run": runs[1].id,
        "binned run": runs[2].id, "waiting run": waiting.id, "group": group.id, "preset": preset.id, "chat": chat.id,
        "binned chat": gone.id, "vote": vote.id, "upload": upload,
    }  # fmt: skip


def unknown(known: str) -> str:
    """An id that looks alike, and that nothing has."""
    return sha256(known.encode()).hexdigest()[: len(known)]


def shape(answer: str, ids: dict[str, str]) -> str:
    """An answer without ids, those that were asked for and those that were made, and without what differs from call to call."""
    for known in ids.values():
        answer = answer.replace(unknown(known), "#").replace(known, "#")
    answer = re.sub(r"\d{4}-\d\d-\d\dT[-+.:\d]+Z?", "~", re.sub(r"\b[0-9a-f]{8,64}\b", "#", answer))
    return re.sub(r'"(?:average_)?duration":[-\d.e]+|data-told=\\?"\d+\\?"|"seconds": ?[-\d.e]+', "~", answer)


def kept(studio: Studio, name: str) -> dict[str, Any]:
    """Everything of a person: their rows, as they stand in the database, and the files of their runs, datasets and uploads."""
    found, person, root = dict[str, Any](), studio.people[name], studio.services.everything.files.root
    with studio.services.everything.database.reading() as session:
        for table in ("datasets", "runs", "run_groups", "presets", "chats", "votes"):
            query = text(f"select * from {table} where owner = :owner order by id")
            found[table] = [tuple(row) for row in session.execute(query, {"owner": person.id})]
        mine = {row[0] for table in found.values() for row in table}
        for table, key in (("dataset_versions", "dataset_id"), ("events", "run_id"), ("metrics", "run_id"), ("samples", "run_id")):
            found[table] = sorted(
                str(tuple(row)) for row in session.execute(text(f"select * from {table}")) if row._mapping[key] in mine
            )  # fmt: skip
    ids = studio.hers if name == "Ada" else studio.his
    files = [
        path
        for path in sorted(root.rglob("*"))
        if path.is_file() and any(each in str(path.relative_to(root)) for each in (*ids.values(), name))
    ]
    found["files"] = {str(path.relative_to(root)): sha256(path.read_bytes()).hexdigest() for path in files}
    return found
