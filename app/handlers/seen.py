"""Looks at a column of the Playground: the proof of separation, the heat map, the logit lens, the tints of an answer, as plain data.

Each reads the request of a page's script and gives what the script draws, with sentences in the language that is spoken; one that is
cancelled ends the engine's work.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

from anyio import to_thread

from app.errors import StudioError
from app.given import read_as
from app.handlers.playground import check_conversation
from app.services import Services
from app.words import say
from app.worker.messages import LensRequest, LookRequest, SeparationRequest, TintsRequest

Given = TypeVar("Given", bound=LookRequest)
_DIGITS = 6
"""Significant digits of a number that a script draws; a map has thousands of them."""


async def separation(services: Services, body: bytes) -> dict[str, Any]:
    """The proof that the base model's row is its own, with ``sentence``, what it says, and ``rest``, on how much. Raises StudioError."""
    found = await services.worker.separation(await to_thread.run_sync(_request, services, SeparationRequest, body))
    return {**_short(found), "sentence": _proof(found), "rest": _rest(found)}


async def edit_map(services: Services, body: bytes) -> dict[str, Any]:
    """The heat map, with ``sentence``, what it says as a whole, and ``left_out``, which tokens it leaves out. Raises StudioError."""
    found = await services.worker.edit_map(await to_thread.run_sync(_request, services, LookRequest, body))
    left_out = say("seen.map.gap", count=found["gap"]) if found["gap"] else ""
    return {**await to_thread.run_sync(_short, found), "sentence": _strongest(found), "left_out": left_out}


async def lens(services: Services, body: bytes) -> dict[str, Any]:
    """The likeliest next tokens read off a hidden state, ``before`` and ``after`` its edit, with a ``sentence``. Raises StudioError."""
    found = await services.worker.lens(await to_thread.run_sync(_request, services, LensRequest, body))
    first = [found[side][0]["text"] for side in ("before", "after")]
    same = first[0] == first[1]
    sentence = say("seen.lens.same", before=first[0]) if same else say("seen.lens.moved", before=first[0], after=first[1])
    return {**_short(found), "sentence": sentence}


async def tints(services: Services, body: bytes) -> dict[str, Any]:
    """The ``tokens`` of an answer with their probabilities, a ``sentence``, and ``left_out``, how much of it was not looked at.

    Raises StudioError.
    """
    asked = await to_thread.run_sync(read_as, TintsRequest, body)
    found = await services.worker.tints(await to_thread.run_sync(_checked, services, asked))
    left = len(asked.answer) - len(found)
    left_out = say("seen.tints.left_out", count=left) if left else ""
    return {"tokens": await to_thread.run_sync(_short, found), "sentence": _moved(found), "left_out": left_out}


def _request(services: Services, kind: type[Given], body: bytes) -> dict[str, Any]:
    return _checked(services, read_as(kind, body))


def _checked(services: Services, asked: LookRequest) -> dict[str, Any]:
    """The request to the worker. Raises StudioError, NotFoundError."""
    check_conversation(asked.messages)
    if any(services.storage.runs.get(run_id).binned_at is not None for run_id in sorted(set(asked.column.runs))):
        raise StudioError(say("playground.binned"))
    values: dict[str, Any] = asked.model_dump(mode="json")
    return values


def _proof(found: dict[str, Any]) -> str:
    """What a proof says, in a sentence."""
    if found["base"]["different"]:
        return say("seen.proof.mixed", different=found["base"]["different"], logits=found["base"]["logits"])
    if not found["separate"]:
        return say("seen.proof.not_nothing", different=found["zero"]["different"], logits=found["zero"]["logits"])
    if not found["acts"]:
        return say("seen.proof.nothing")
    return say("seen.proof.proven", logits=found["base"]["logits"], largest=_figure(found["edited"]["largest"]))


def _rest(found: dict[str, Any]) -> str:
    """On how much a proof stands."""
    tokens = say("seen.proof.compared", compared=found["compared"], count=found["tokens"])
    if found["zero"] is None:
        return f"{tokens} {say('seen.proof.baseline')}"
    return tokens if found["zero"]["different"] else f"{tokens} {say('seen.proof.zero', logits=found['zero']['logits'])}"


def _strongest(found: dict[str, Any]) -> str:
    """Where an edit acts most strongly, in a sentence."""
    cells = [
        (share, layer, token["text"])
        for layer, row in zip(found["layers"], found["share"], strict=True)
        for share, token in zip(row, found["tokens"], strict=True)
        if share
    ]
    if not cells:
        return say("seen.map.nothing")
    share, layer, text = max(cells)
    edited = sum(token["edited"] for token in found["tokens"])
    return say("seen.map.strongest", count=edited, layer=layer, token=text, share=share)


def _moved(found: Sequence[dict[str, Any]]) -> str:
    """Which token of an answer the edit moved most, in a sentence."""
    known = [each for each in found if each["base_probability"] is not None and each["tuned_probability"] is not None]
    if not known:
        return say("seen.tints.nothing")
    most = max(known, key=lambda each: float(abs(each["tuned_probability"] - each["base_probability"])))
    return say("seen.tints.most", token=most["shown"], base=most["base_probability"], tuned=most["tuned_probability"])


def _figure(value: float | None) -> str:
    return say("seen.no_number") if value is None else f"{value:.3g}"


def _short(value: Any) -> Any:
    """The same plain data with numbers of few digits."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, dict):
        return {name: _short(each) for name, each in value.items()}
    return [_short(each) for each in value] if isinstance(value, list) else value
