"""Whose share of the engine a request takes: that of the page that asks where there is one person, else the person's with all pages."""

from typing import Any

import pytest

from app.fair_turns import FairTurns
from app.people.asking import Person, asked_by
from app.people.behalf import PAGE, behalf_headers, page_key
from app.people.visitor import visited_by
from app.worker import client as client_module
from app.worker.fair_work import FairWork
from reft_engine.inference import InferenceEngine
from tests.settings.house import PROMPT, House

TALK = [{"role": "user", "content": PROMPT}]


def asked(house: House) -> dict[str, dict[str, Any]]:
    """A request to each route that takes a share."""
    base, run = str(house.bases[0]), house.run.id
    column, prompts = {"kind": "run", "run": run}, [{"messages": TALK}]
    rows = {"base": base, "dataset": house.dataset.id}
    return {
        "/chat": {"columns": [column], "base": base, "messages": TALK, "max_new_tokens": 2},
        "/grid": {"runs": [run], "prompts": prompts, "max_new_tokens": 2},
        "/batch": {"columns": [column], "base": base, "prompts": prompts, "max_new_tokens": 2},
        "/mix": {"parts": [{"run": run, "weight": 1.0}], "prompts": prompts, "max_new_tokens": 2},
        "/tints": {"column": column, "messages": TALK, "answer": [40, 50]},
        "/preview": {"base": base, "rows": []}, "/check": rows, "/probe": rows, "/rates": rows,
        "/predictions": {"run": run},
    }  # fmt: skip


PATHS = ("/chat", "/grid", "/batch", "/mix", "/tints", "/preview", "/check", "/probe", "/rates", "/predictions")


def spied(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """In whose name the engine, and what is beside it, is asked from now on."""
    seen: list[str] = []
    submit, turn, do = InferenceEngine.submit, FairTurns.turn, FairWork.do

    def told(owner: str) -> str:
        seen.append(owner)
        return owner

    def submitted(*given: Any, **more: Any) -> Any:
        if "owner" in more:  # trials of a run ask engines of their own, in nobody's name
            told(more["owner"])
        return submit(*given, **more)

    monkeypatch.setattr(InferenceEngine, "submit", submitted)
    monkeypatch.setattr(FairTurns, "turn", lambda self, owner, *more: turn(self, told(owner), *more))
    monkeypatch.setattr(FairWork, "do", lambda self, owner, *more: do(self, told(owner), *more))
    return seen


@pytest.mark.parametrize("path", PATHS)
def test_whatever_is_asked_of_the_engine_takes_the_share_of_who_asks(house: House, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    seen = spied(monkeypatch)
    body = asked(house)[path]
    for page in ("one", "two"):
        house.services.storage.files.predictions(house.run.id).unlink(missing_ok=True)
        answer = house.http.post(path, json=body, headers=behalf_headers("", page))
        assert answer.status_code == 200, answer.text
    assert set(seen) == {page_key("one"), page_key("two")}
    if path == "/predictions":
        return  # whose rows are whose: see tests/people
    seen.clear()
    for page in ("one", "two"):
        house.http.post(path, json=body, headers=behalf_headers("a person", page))
    assert set(seen) <= {"a person"}


def test_the_web_process_names_the_page_by_a_key_that_any_header_can_hold(house: House) -> None:
    def key(page: str, given: str = "") -> str:
        with asked_by(Person("ada", "Ada")), visited_by(page):
            return client_module.WorkerClient._headers(house.services.worker, given)[PAGE]

    assert key("one") != key("two") and key("one", "two") == key("two") and key("") == ""
    assert all(each.isalnum() and len(each) == 32 for each in (key("\r\nHost: x"), key("\ud800"), key("one")))
