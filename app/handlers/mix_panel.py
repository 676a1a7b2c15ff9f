"""The panel of mixes in the Playground: the runs that it offers, the answers that it shows before, and the run that it keeps."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from app import limits
from app.columns import MixPart
from app.handlers import mixes, playground
from app.services import Services
from app.words import say

MOST_PROMPTS = 8
_RunId = Annotated[str, Field(max_length=100)]
_Parts = Annotated[list[MixPart], Field(min_length=1, max_length=limits.PARTS)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


class Choosing(_Body):
    """The run whose base model the page shows, and the runs that are chosen."""

    run: _RunId
    chosen: list[_RunId] = Field(default_factory=list, max_length=limits.PARTS)


class Trying(_Body):
    """Runs with weights, the prompts that they and their mix answer, and an opaque key of the page that asks."""

    parts: _Parts
    prompts: list[Annotated[str, Field(max_length=playground.PROMPT_LIMIT)]] = Field(min_length=1, max_length=MOST_PROMPTS)
    system: str = Field("", max_length=playground.PROMPT_LIMIT)
    page: str = Field("", max_length=100)


class Keeping(_Body):
    """Runs with weights that become a run of this name; without one it is made up.

    The same request of the same ``page``, an opaque key, is the same run.
    """

    parts: _Parts
    name: str = Field("", max_length=1000)
    page: str = Field("", max_length=100)


def choices(services: Services, asked: Choosing) -> dict[str, Any]:
    """The ``runs`` that may be mixed, with why not (``refusal``), ``prompts`` to try those chosen on, and a sentence for one that is gone.

    Raises NotFoundError.
    """
    found = mixes.offered(services, asked.run, asked.chosen)
    suit = {choice.run.id for choice in found if not choice.refusal}
    gone = set(asked.chosen) - {choice.run.id for choice in found}
    return {
        "runs": [
            {"id": each.run.id, "name": each.run.name, "dataset": each.run.dataset_name, "refusal": each.refusal} for each in found
        ],
        "prompts": list(mixes.prompts(services, [each for each in asked.chosen if each in suit]))[:MOST_PROMPTS],
        "told": say("mixes.gone") if gone else "",
    }  # fmt: skip


async def samples(services: Services, asked: Trying) -> AsyncGenerator[dict[str, Any], None]:
    """Stream what base model, runs and mix answer: a line for each prompt, then ``{"done": true}``.

    Before, while the engine starts, ``{"starting": true}``.

    Raises NotFoundError, StudioError.
    """
    async with aclosing(playground.once_it_answers(services)) as waiting:
        async for line in waiting:
            yield line
    found = mixes.samples(services, _weighted(asked.parts), asked.prompts, system=asked.system, page=asked.page)
    async with aclosing(found) as samples_of_mix:
        async for sample in samples_of_mix:
            yield {"prompt": sample.prompt, "base": sample.base, "runs": sample.runs, "mix": sample.mix}
    yield {"done": True}


def keep(services: Services, asked: Keeping) -> dict[str, Any]:
    """Make the mix a run, and say where it is. Raises NotFoundError, StudioError, StorageError."""
    run = mixes.make(services, _weighted(asked.parts), asked.name, asked.page)
    return {"id": run.id, "name": run.name, "sentence": say("mixes.kept", name=run.name),
            "run": f"runs?run={quote(run.id)}", "play": f"playground?run={quote(run.id)}"}  # fmt: skip


def _weighted(parts: Sequence[MixPart]) -> list[tuple[str, float]]:
    return [(part.run, part.weight) for part in parts]
