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
    """The cards, what is asked of one, and the place for refusals."""
    draws = f"studio.bases(element,props,watch,{_EVENTS})"
    return {
        "bases": gr.HTML(None, html_template="<div></div>", elem_id="train-bases", js_on_load=draws),
        "bases_asked": gr.Textbox(visible=False),
        "bases_note": live("train-bases-note"),
    }


def wire(page: Page, bases: dict[str, Any], fields: dict[str, Any]) -> Any:
    """Bind the cards: ``bases`` are the parts of `lay_out`, ``fields`` those of the form (``base``, ``precision``, ``dataset``).

    Returns the event of choosing one, after which the field names it.
    """
    cards, note = bases["bases"], bases["bases_note"]
    shown: dict[str, Any] = {"shows": ["bases"], "note": note, "trigger_mode": "always_last"}
    changed = [opening(), fields["base"].change, fields["precision"].change]
    page.on(changed, _cards, inputs=["base", "precision"], again=False, **shown)
    chosen = page.put(cards.input, "bases", "base", js="() => studio.chosenBase()")
    page.on(cards.select, _acted, inputs=["bases_asked", "base", "precision", "dataset"], js=_ASKED, **shown)
    page.on(fields["dataset"].change, _reads, inputs=["dataset"], again=False, **shown)
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
