"""The cards of base models on the Train page, in step with the field that names any of them."""

from typing import Any

import gradio as gr

from app.components.wiring import Page, Shown, live, opening
from app.handlers import base_cards
from app.handlers.base_cards import Asked
from app.services import Services

_EVENTS = "{chosen:()=>trigger('input'),asked:()=>trigger('select')}"
_ASKED = "(asked,...others)=>[studio.askedOfBase(),...others]"


def lay_out(services: Services) -> dict[str, Any]:
    """The cards, what is asked of one, and the places for refusals; one for each event, which empties it when it succeeds."""
    draws = f"studio.bases(element,props,watch,{_EVENTS})"
    return {
        "bases": gr.HTML(None, html_template="<div></div>", elem_id="train-bases", js_on_load=draws),
        "bases_asked": gr.Textbox(visible=False),
        **{name: live(f"train-{name.replace('_', '-')}") for name in ("bases_note", "bases_act_note", "bases_reads_note")},
    }


def wire(page: Page, parts: dict[str, Any], opened_note: gr.HTML) -> Any:
    """Bind the cards; ``parts`` are those of `lay_out` and the form's fields, and ``opened_note`` is seen also without the form.

    Returns the event of choosing one, after which the field names it.
    """
    cards = parts["bases"]
    shown: dict[str, Any] = {"shows": ["bases"], "trigger_mode": "always_last"}
    page.on(opening(), _cards, inputs=["base", "precision"], again=False, note=opened_note, **shown)
    changed = [parts["base"].change, parts["precision"].change]
    page.on(changed, _cards, inputs=["base", "precision"], again=False, note=parts["bases_note"], clears=[opened_note], **shown)
    chosen = page.put(cards.input, "bases", "base", js="() => studio.chosenBase()")
    asked = ["bases_asked", "base", "precision", "dataset"]
    refused: Shown = {"bases": {"refused": True}}
    page.on(cards.select, _acted, inputs=asked, js=_ASKED, note=parts["bases_act_note"], refused=refused, **shown)
    page.on(parts["dataset"].change, _reads, inputs=["dataset"], again=False, note=parts["bases_reads_note"], **shown)
    return chosen


def _cards(services: Services, base: str | None, precision: str | None) -> Shown:
    return {"bases": base_cards.shown(services, base or "", precision or "")}


def _acted(services: Services, asked: str, base: str | None, precision: str | None, dataset_id: str | None) -> Shown:
    said = Asked.read(asked)
    base_cards.act(services, said)
    cards = base_cards.shown(services, base or "", precision or "")
    # Only what was downloaded or deleted reads other rows than before.
    return {"bases": cards | ({"reads": base_cards.reads(services, dataset_id)} if said.act in ("arrived", "delete") else {})}


def _reads(services: Services, dataset_id: str | None) -> Shown:
    return {"bases": {"reads": base_cards.reads(services, dataset_id)}}
