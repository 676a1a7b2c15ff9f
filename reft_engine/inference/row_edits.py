"""The edits of one row: each with its factors as they are now, its strength and its tokens."""

from collections.abc import Sequence
from weakref import WeakKeyDictionary

from reft_engine.edits.interventions import Factors
from reft_engine.edits.mix import Mix
from reft_engine.edits.model import ReftModel
from reft_engine.edits.switches import Switches
from reft_engine.inference.passes import RowEdit
from reft_engine.inference.prompts import Answerer
from reft_engine.tokens.prompts import EncodedPrompt


class PresentFactors:
    """Copies of the factors of edits, which may be trained on while rows are read; one for all rows until an edit has changed."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[ReftModel, tuple[Factors, Factors]] = WeakKeyDictionary()

    def of(self, edit: ReftModel) -> Factors:
        """A copy of the factors of an edit as it is now."""
        if training := edit.training:
            edit.eval()
        factors = edit.factors()
        known = self._known.get(edit)
        if known is None or known[0] is not factors:
            known = factors, {name: tuple(value.clone() for value in sites) for name, sites in factors.items()}
            self._known[edit] = known
        if training:
            edit.train()
        return known[1]


def row_edits(
    model: Answerer | None, prompts: Sequence[EncodedPrompt], strength: float, switches: Switches, factors: PresentFactors
) -> tuple[RowEdit, ...]:  # fmt: skip
    """The edits of a row, also those that do not act; none of a baseline or of the base model alone.

    Args:
        model: what answers.
        prompts: the row's prompt with the tokens that each edit of ``model`` changes.
        strength: factor on the edits.
        switches: which layers and position groups act.
        factors: copies those of the edits.
    """
    parts = model.parts if isinstance(model, Mix) else [(model, 1.0)] if isinstance(model, ReftModel) else []
    return tuple(
        RowEdit(
            edit, factors.of(edit), strength * weight, switches.tokens(prompt.edited), len(parts) > 1, switches.acting(edit.layers)
        )
        for (edit, weight), prompt in zip(parts, prompts, strict=bool(parts))
    )  # fmt: skip
