"""The worker's own ways: one base model for all columns, told before any is loaded; and lists that go on past what a prompt is refused."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from app.columns import MixPart
from app.handlers import mixes
from app.services import make_services
from app.settings import Settings
from app.worker import resident as resident_module
from app.worker.chat import submit
from app.worker.columns import mixed
from app.worker.grid import fill_batch, fill_grid
from app.worker.messages import BatchRequest, ChatRequest, GridRequest
from app.worker.resident import Resident
from reft_engine import ReftModel, RunSpec
from reft_engine.training.kept_steps import keep_step
from storage import StorageError
from tests.app.test_columns import Studio
from tests.tiny import write_base

TEXTS = ["Is 9 fox?", "What now?", "Is 1 cat?"]


@pytest.fixture
def studio(tmp_path, tiny_base) -> Iterator[Studio]:
    services = make_services(Settings(data_dir=tmp_path / "data"))
    resident = Resident(services.storage)
    yield Studio(services, resident, resident.base(str(tiny_base)))
    services.storage.close()


def prompts(*texts: str) -> list[dict[str, Any]]:
    return [{"messages": [{"role": "user", "content": text}]} for text in texts]


def filled(studio: Studio, columns: Any, *texts: str) -> dict[tuple[int, int], Any]:
    """The cells of a list."""
    lines: list[dict[str, Any]] = []
    request = BatchRequest.model_validate({"columns": columns, "prompts": prompts(*texts), "max_new_tokens": 6, "base": studio.base.name})
    fill_batch(studio.resident, request, lines.append, lambda: False)
    assert lines[-1] == {"done": True}
    return {(line["prompt"], line["column"]): line for line in lines if "column" in line}


def columns_of(run_id: str) -> list[dict[str, Any]]:
    return [
        {"kind": "base"}, {"kind": "run", "run": run_id}, {"kind": "few_shot", "run": run_id, "shots": 2, "seed": 3},
        {"kind": "instant", "run": run_id, "blend": 0.7},
    ]  # fmt: skip


def refuses(studio: Studio, word: str) -> None:
    """Let the base model's chat template refuse a conversation with this word."""
    key, base = next(iter(studio.resident._bases.items()))
    refusal = "{% if '" + word + "' in messages[-1]['content'] %}{{ raise_exception('not that word') }}{% endif %}"
    studio.resident._bases[key] = replace(base, template=refusal + base.template)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("kind", range(4))
def test_a_prompt_that_a_column_refuses_is_a_problem_and_the_others_are_answered(studio, place, kind):
    run = studio.run()
    columns = columns_of(run.id)[: kind + 1]
    refuses(studio, "zebra")
    alone = filled(studio, columns, *TEXTS)
    texts = [*TEXTS[:place], "A zebra?", *TEXTS[place:]]
    found = filled(studio, columns, *texts)
    assert all("not that word" in found[place, of]["problem"] for of in range(len(columns)))
    others = [at for at in range(4) if at != place]
    assert [found[at, of]["text"] for at in others for of in range(len(columns))] == [
        alone[at, of]["text"] for at in range(3) for of in range(len(columns))
    ]


def test_models_and_stores_are_looked_up_once_and_what_was_near_is_noted_anew_at_each_prompt(studio, monkeypatch):
    run, looked = studio.run(), []
    found, submitted = Resident.base_of, []
    monkeypatch.setattr(Resident, "base_of", lambda resident, record: looked.append(record.id) or found(resident, record))
    engine = studio.resident.engine(studio.base)
    submit = engine.submit
    monkeypatch.setattr(engine, "submit", lambda *given, **named: submitted.append(named) or submit(*given, **named))
    filled(studio, columns_of(run.id), *TEXTS)
    assert looked == [run.id] * 3, "once for each column that names it"
    near = [named["adjust"][3] for named in submitted]
    assert len({id(each) for each in near}) == 3 and all(0 < each.tokens <= 7 for each in near)


# One base model


def trained_in(studio: Studio, precision: str, dataset_id: str = "", base: str = "") -> Any:
    """A run whose result was trained in a precision; nothing of it stays in memory."""
    other = replace(studio, base=studio.resident.base(base or studio.base.name, precision=precision))
    run = other.another(dataset_id) if dataset_id else other.run()
    spec = RunSpec.read(run.spec)
    keep_step(studio.services.storage.files.steps(run.id), ReftModel(other.base.model, spec.reft), 4)
    return run


def test_a_runs_earlier_step_is_of_the_base_model_that_its_result_was_trained_on(studio):
    run = trained_in(studio, "bfloat16")
    assert RunSpec.read(run.spec).precision is None
    base, _ = studio.resident.run(run.id)
    assert base.precision == "bfloat16" and studio.resident.run_at(run.id, 4)[0] is base
    columns = [{"kind": "run", "run": run.id}, {"kind": "run", "run": run.id, "step": 4}]
    request = ChatRequest.model_validate({"columns": columns, **prompts("Is 9 fox?")[0], "max_new_tokens": 2})
    assert len(submit(studio.resident, request, lambda line: None, lambda: False)[0].texts()) == 2


def test_two_precisions_are_refused_by_name_before_a_base_model_makes_room(studio):
    one = trained_in(studio, "bfloat16")
    other = trained_in(studio, "float32", one.dataset_id)
    in_memory = studio.resident.run(one.id)[0]
    both = [{"kind": "run", "run": run.id} for run in (one, other)]
    parts = [MixPart(run=run.id) for run in (one, other)]
    kinds = [
        [{"kind": "few_shot", "run": other.id, "shots": 1}, both[0]], [both[1], {"kind": "instant", "run": one.id}], both, both[::-1],
        [both[0], {"kind": "mix", "parts": [{"run": other.id}]}],
    ]  # fmt: skip
    asks = [lambda: mixed(studio.resident, parts), lambda: mixed(studio.resident, parts[::-1])]
    for columns in kinds:
        request = {"columns": columns, "max_new_tokens": 2}
        chat = ChatRequest.model_validate({**request, **prompts("Hi")[0]})
        asks.append(lambda chat=chat: submit(studio.resident, chat, lambda line: None, lambda: False))
        batch = BatchRequest.model_validate({**request, "prompts": prompts("Hi")})
        asks.append(lambda batch=batch: fill_batch(studio.resident, batch, lambda line: None, lambda: False))
    for ask in asks:
        with pytest.raises(StorageError, match=r"bfloat16.*float32|float32.*bfloat16"):
            ask()
    assert studio.resident.run(one.id)[0] is in_memory
    for pair in ((one, other), (other, one)):
        reason = mixes.refusal(studio.services, *pair)
        assert "bfloat16" in reason and "float32" in reason
        with pytest.raises(Exception, match="only edits of one precision"):
            mixes.make(studio.services, [(run.id, 0.5) for run in pair])
    assert mixes.refusal(studio.services, one, one) == ""


def test_a_grid_answers_precision_by_precision_and_loads_each_once(studio, monkeypatch):
    one = trained_in(studio, "bfloat16")
    other, third = (trained_in(studio, precision, one.dataset_id) for precision in ("float32", "bfloat16"))
    studio.resident.run(one.id)
    loaded, load = [], resident_module.load_base
    monkeypatch.setattr(resident_module, "load_base", lambda *given, **named: loaded.append(named) or load(*given, **named))
    lines: list[dict[str, Any]] = []
    request = GridRequest.model_validate({"runs": [run.id for run in (one, other, third)], "prompts": prompts("Hi"), "max_new_tokens": 2})
    fill_grid(studio.resident, request, lines.append, lambda: False)
    assert [set(line["answers"]) - {f"base:{studio.base.name}"} for line in lines] == [{one.id, third.id}, {other.id}]
    assert [named["dtype"] for named in loaded] == ["float32"]


def test_other_base_models_are_refused_before_one_makes_room(studio, tmp_path):
    one = studio.run()
    elsewhere = replace(studio, base=studio.resident.base(str(write_base(tmp_path / "other", 1)))).run()
    in_memory = studio.resident.run(one.id)[0]
    parts = [MixPart(run=run.id) for run in (one, elsewhere)]
    with pytest.raises(StorageError, match="different base models"):
        mixed(studio.resident, parts)
    columns = [{"kind": "run", "run": run.id} for run in (one, elsewhere)]
    request = ChatRequest.model_validate({"columns": columns, **prompts("Hi")[0], "max_new_tokens": 2})
    with pytest.raises(StorageError, match="different base models"):
        submit(studio.resident, request, lambda line: None, lambda: False)
    assert studio.resident.run(one.id)[0] is in_memory
