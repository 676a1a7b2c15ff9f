"""Pages of links and of operators have scripts and forms of ours and no others: a hostile text makes the elements of a plain one."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from app.components import plain
from app.handlers.kept import Kept
from app.handlers.kept_rows import KeptPage, KeptRow
from app.handlers.operators import Going, Overview, Somebody
from app.handlers.runs import RunView
from app.handlers.shared import SharedChat, SharedRows, SharedTurn
from app.handlers.shares import KINDS, Sharing, Target
from app.pages import operators_html, shared_html, shares_html
from storage import DatasetRecord, DatasetUses, DatasetVersionRecord, RunStatus
from storage.shares import Kind, ShareRecord
from storage.tally import GoingRun, Holding
from storage.upkeep import DiskUsage
from tests.settings.test_every_text_is_escaped import HOSTILE, Seen, a_run, a_spec, hostile

NOW = datetime.now(UTC)
PLAIN = "Plain text"


def a_share(kind: Kind) -> ShareRecord:
    return ShareRecord("0" * 32, "owner", kind, "0" * 12, 1, True, True, NOW, NOW)


def run(text: str) -> str:
    record = a_run(name=text, base=text, dataset_name=text, spec=a_spec(method=text, layers=text, positions=text, rank=text))
    view = hostile(RunView, run=record, held_out=None, verdict=None, loss=0.5)
    live = {"samples": [{"step": 1, "place": 0, "right": False, "prompt": text, "expected": text, "base": text, "tuned": text}]}
    return shared_html.run(a_share("run"), view, live, "token", "nonce")


def rows(text: str) -> str:
    version = hostile(DatasetVersionRecord, id="v", label=text, reading=None, split=None)
    dataset = hostile(DatasetRecord, name=text, id="0" * 12, version=version)
    kept = Kept(dataset, version, (version,), DatasetUses((), {}))
    row = KeptRow(1, 2, {"message": text, "answer": text}, {"message": "user"})
    return shared_html.rows(a_share("dataset"), SharedRows(kept, KeptPage((row, row), 10, 40, (1, 2))), "token")


def chat(text: str) -> str:
    turns = tuple(SharedTurn(text, system, text, [(text, text)]) for system in (text, None, ""))
    return shared_html.chat(a_share("chat"), SharedChat(text, turns))


def sharing(kind: Kind) -> Callable[[str], str]:
    def page(text: str) -> str:
        found = Sharing(Target(kind, "0" * 12, text), ((a_share(kind), "token"),), (1, 7), strangers=True)
        return shares_html.page(found, text, text, text, "nonce")

    return page


def operators(text: str) -> str:
    person = Somebody(text, text, True, Holding(sessions=3), NOW)
    going = [Going(GoingRun(text, text, status, 1, 2, NOW), text, True) for status in (RunStatus.QUEUED, RunStatus.TRAINING)]
    found = Overview(
        (person,), True, 3, text, hostile(DiskUsage), 0, tuple(going), 2, True, {"training": text, "trouble": text}
    )  # fmt: skip
    return operators_html.page(found, text)


PAGES = {
    "run": run,
    "rows": rows,
    "chat": chat,
    "operators": operators,
    **{f"sharing a {kind}": sharing(kind) for kind in KINDS},
}


def elements(seen: Seen) -> Iterator[str]:
    yield from seen.tags
    yield from (name for name, _ in seen.attributes)


@pytest.mark.parametrize("name", PAGES)
def test_a_hostile_text_makes_the_elements_of_a_plain_one(name):
    shown, benign = Seen(PAGES[name](HOSTILE)), Seen(PAGES[name](PLAIN))
    assert list(elements(shown)) == list(elements(benign))
    assert "Evil'\"><img src=x" in shown.text
    assert not {attribute for attribute, _ in shown.attributes if attribute.startswith("on")}


def test_a_title_stays_one_and_only_scripts_of_the_answer_run():
    answer = plain.page(HOSTILE, "<main></main>", script="abc", forms=True)
    seen = Seen(answer.body.decode())
    assert seen.tags == ["html", "head", "meta", "meta", "meta", "title", "style", "body", "main"]
    policy = answer.headers["content-security-policy"]
    assert "script-src 'nonce-abc';" in policy and "form-action 'self'" in policy and "default-src 'none'" in policy
    closed = plain.page("x", "").headers["content-security-policy"]
    assert "script-src" not in closed and "form-action 'none'" in closed and plain.nonce() != plain.nonce()
