"""What each field of the requests by which a column is looked at changes; the table in `test_every_request` names them."""

from itertools import chain
from typing import Any

from app.worker.messages import LensRequest, LookRequest, SeparationRequest, TintsRequest
from reft_engine.edits import Mix, Switches
from reft_engine.inference import logit_lens, map_edit, prove_separation, token_changes
from tests.settings.house import PROMPT, House, conversation

TALK = [{"role": "user", "content": PROMPT}]
PATHS = {LookRequest: "/edit_map", SeparationRequest: "/separation", LensRequest: "/lens", TintsRequest: "/tints"}
IDS = [40, 50, 60]


def of_run(house: House, **changes: Any) -> dict[str, Any]:
    return {"kind": "run", "run": house.run.id, **changes}


def whole(house: House, kind: Any) -> tuple[str, dict[str, Any]]:
    """Where such a request goes, and one that is taken."""
    more = {LensRequest: {"layer": 1, "token": 2}, TintsRequest: {"answer": IDS}}.get(kind, {})
    return PATHS[kind], {"column": of_run(house), "messages": TALK, **more}


def looked(house: House, kind: Any, **changes: Any) -> Any:
    path, request = whole(house, kind)
    answer = house.http.post(path, json={**request, **changes})
    assert answer.status_code == 200, answer.text
    return answer.json()


def mapped(house: House, **column: Any) -> Any:
    return looked(house, LookRequest, column=of_run(house, **column))


def close(found: Any, expected: Any) -> bool:
    """Whether two maps are the same, up to rounding."""
    pairs = zip(chain(*found["change"]), chain(*expected.change), strict=True)
    return all(abs(one - other) <= 1e-4 * max(1.0, abs(other)) for one, other in pairs)


def mixed(house: House, *parts: tuple[str, float]) -> Any:
    return looked(house, LookRequest, column={"kind": "mix", "parts": [{"run": run, "weight": weight} for run, weight in parts]})


def wanted_mix(house: House, *weights: float) -> Any:
    (base, one), (_, two) = house.resident.run(house.run.id), house.resident.run(house.second.id)
    return map_edit(base, conversation(), Mix([one, two], weights))


def kind(house: House) -> None:
    both = mixed(house, (house.run.id, 1.0), (house.second.id, -0.5))
    assert close(both, wanted_mix(house, 1.0, -0.5)) and not close(mapped(house), wanted_mix(house, 1.0, -0.5))


def run(house: House) -> None:
    for record in (house.run, house.second):
        base, edit = house.resident.run(record.id)
        assert close(mapped(house, run=record.id), map_edit(base, conversation(), edit))
    assert mapped(house) != mapped(house, run=house.second.id)


def strength(house: House) -> None:
    base, edit = house.resident.run(house.run.id)
    found = [mapped(house, strength=value) for value in (-1.0, 0.0, 0.5, 2.0)]
    assert all(
        close(each, map_edit(base, conversation(), edit, strength=value)) for each, value in zip(found, (-1.0, 0.0, 0.5, 2.0), strict=True)
    )
    assert not any(chain(*found[1]["change"])) and not any(token["edited"] for token in found[1]["tokens"])


def layers(house: House) -> None:
    found = mapped(house, layers=[1])
    assert found["layers"] == [0, 1, 2] and [any(row) for row in found["change"]] == [False, True, False]
    assert [any(row) for row in mapped(house, layers=[])["change"]] == [False] * 3
    assert mapped(house, layers=[0, 1, 2]) == mapped(house)


def groups(house: House) -> None:
    def edited(groups: list[str] | None) -> list[int]:
        found = mapped(house, groups=groups)
        return [token["place"] - found["total"] * (token["place"] > 1) for token in found["tokens"] if token["edited"]]

    assert [edited(each) for each in (None, ["prefix"], ["suffix"], ["suffix", "prefix"], [])] == [
        [0, 1, -2, -1],
        [0, 1],
        [-2, -1],
        [0, 1, -2, -1],
        [],
    ]


def parts(house: House) -> None:
    assert close(mixed(house, (house.run.id, 1.0)), wanted_mix(house, 1.0, 0.0)) and close(
        mixed(house, (house.second.id, 1.0)), wanted_mix(house, 0.0, 1.0)
    )


def part_run(house: House) -> None:
    assert mixed(house, (house.run.id, 0.5)) != mixed(house, (house.second.id, 0.5))


def part_weight(house: House) -> None:
    assert close(mixed(house, (house.run.id, 0.5), (house.second.id, 3.0)), wanted_mix(house, 0.5, 3.0))
    assert looked(house, LookRequest, column={"kind": "mix", "parts": [{"run": house.run.id}]}) == mixed(house, (house.run.id, 1.0))


def column(kind: Any) -> Any:
    def acts(house: House) -> None:
        assert looked(house, kind) != looked(house, kind, column=of_run(house, run=house.second.id))

    return acts


def messages(kind: Any) -> Any:
    def acts(house: House) -> None:
        system = [{"role": "system", "content": "Be brief."}, *TALK]
        asked = [looked(house, kind, messages=each) for each in (TALK, system, [{"role": "user", "content": "Hello there."}])]
        assert all(one != other for one, other in ((asked[0], asked[1]), (asked[0], asked[2]), (asked[1], asked[2])))

    return acts


def separation_answer(house: House) -> None:
    base, edit = house.resident.run(house.run.id)
    bare, longer = looked(house, SeparationRequest), looked(house, SeparationRequest, answer=IDS)
    assert longer["tokens"] == bare["tokens"] + 3 and longer["proven"] and longer["base"]["different"] == longer["zero"]["different"] == 0
    assert longer == prove_separation(base, conversation(), edit, IDS).to_dict()
    assert looked(house, SeparationRequest, column=of_run(house, layers=[]))["acts"] is False


def seen_through(house: House, **changes: Any) -> tuple[Any, Any]:
    """What is answered, and what the engine itself gives."""
    base, edit = house.resident.run(house.run.id)
    chosen = {"layer": 1, "token": 2, "k": 5, **changes}
    wanted = logit_lens(base, conversation(), edit, chosen["layer"], chosen["token"], k=chosen["k"]).to_dict()
    return looked(house, LensRequest, **changes), {**wanted, "before": list(wanted["before"]), "after": list(wanted["after"])}


def lens_place(name: str, *values: int) -> Any:
    def acts(house: House) -> None:
        found = [seen_through(house, **{name: value}) for value in values]
        assert all(told == wanted for told, wanted in found) and found[0][0]["after"] != found[1][0]["after"]

    return acts


def tinted(house: House, **changes: Any) -> tuple[Any, Any]:
    base, edit = house.resident.run(house.run.id)
    chosen = {"answer": IDS, "k": 5, **changes}
    wanted = [each.to_dict() for each in token_changes(base, conversation(), chosen["answer"], edit, k=chosen["k"])]
    return looked(house, TintsRequest, **changes), wanted


def _same(found: Any, wanted: Any) -> bool:
    """The same tokens with the same probabilities, up to the rounding of another batch."""
    pairs = [
        (one[name], other[name]) for one, other in zip(found, wanted, strict=True) for name in ("base_probability", "tuned_probability")
    ]
    return [each["id"] for each in found] == [each["id"] for each in wanted] and all(abs(one - other) <= 1e-5 for one, other in pairs)


def tints_answer(house: House) -> None:
    found = [tinted(house, answer=ids) for ids in (IDS, [70, 80])]
    assert all(_same(*each) for each in found) and [len(told) for told, _ in found] == [3, 2]
    base = house.resident.run(house.run.id)[0]
    assert "".join(each["text"] for each in found[0][0]) == base.tokenizer.decode(IDS, skip_special_tokens=True)


def tints_k(house: House) -> None:
    assert [{len(each["base_alternatives"]) for each in tinted(house, k=k)[0]} for k in (1, 5, 20)] == [{1}, {5}, {20}]


def tints_stop(house: House) -> None:
    base = house.resident.run(house.run.id)[0]
    ids = base.tokenizer("one two three", add_special_tokens=False)["input_ids"]
    found = [looked(house, TintsRequest, answer=ids, stop=stop) for stop in ([], ["hr"], ["x", " two"])]
    assert ["".join(each["text"] for each in tokens) for tokens in found] == ["one two three", "one two t", "one"]
    assert all(_same(tokens, found[0]) for tokens in found)


def switched(house: House) -> None:
    """Layers and groups reach each of the four."""
    base, edit = house.resident.run(house.run.id)
    column, on = of_run(house, layers=[1], groups=["suffix"], strength=2.0), Switches(frozenset({1}), prefix=False)
    settings: Any = {"strength": 2.0, "switches": on}
    assert looked(house, SeparationRequest, column=column) == prove_separation(base, conversation(), edit, **settings).to_dict()
    assert close(looked(house, LookRequest, column=column), map_edit(base, conversation(), edit, **settings))
    lens = looked(house, LensRequest, column=column, layer=2)
    assert [each["id"] for each in lens["after"]] == [each.id for each in logit_lens(base, conversation(), edit, 2, 2, **settings).after]
    wanted = [each.to_dict() for each in token_changes(base, conversation(), IDS, edit, **settings)]
    assert _same(looked(house, TintsRequest, column=column), wanted)
