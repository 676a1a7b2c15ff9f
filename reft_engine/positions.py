"""Which prompt tokens are edited. Pure Python: knows nothing of tensors or padding.

Rule for short prompts: neither side reaches past the middle, so a prompt of n tokens gives the prefix at most
floor(n/2) tokens and the suffix at most floor(n/2) (pyreft's ``get_intervention_locations``). A prompt of one
token counts as suffix, so that ``l1`` is never silently empty (a departure from pyreft, which edits nothing there).

``marked`` edits what the prompt itself marks: the tokens between ``<reft>`` and ``</reft>`` (see `prompts.read_prompt`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from reft_engine.errors import PositionError

PRESETS = {
    "l1": "Only the last (l1)", "l3": "Last 3 (l3)", "l7": "Last 7 (l7)",
    "f1": "Only the first (f1)", "f3": "First 3 (f3)", "f7": "First 7 (f7)",
    "f1+l1": "First and last (f1+l1)", "f3+l3": "First 3, last 3 (f3+l3)", "f7+l7": "First 7, last 7 (f7+l7)",
    "all": "Every token (all)", "marked": "Between <reft> and </reft> (marked)",
}  # fmt: skip
"""Rules that are often used, with their titles. Those of one side stand before those of two: where a rule is typed, Enter takes the
first title that holds it."""
_RULE = re.compile(r"(?:f(\d{1,4}))?(?:(?<=\d)\+(?=l))?(?:l(\d{1,4}))?")


@dataclass(frozen=True, slots=True)
class PositionSpec:
    """The first ``prefix`` and last ``suffix`` tokens of a prompt, ``every`` token of it, or those that it has ``marked``."""

    prefix: int = 0
    suffix: int = 0
    every: bool = False
    marked: bool = False

    @classmethod
    def parse(cls, text: str) -> "PositionSpec":
        """Read ``f7+l7``, ``f3``, ``l1``, ``all`` or ``marked``.

        Raises:
            PositionError: the text is none of these.
        """
        cleaned = text.strip().lower().replace(" ", "")
        if cleaned in ("all", "marked"):
            return cls(every=cleaned == "all", marked=cleaned == "marked")
        match = _RULE.fullmatch(cleaned)
        if not match or not cleaned:
            raise PositionError(
                f"'{text[:40]}' is not a position rule; write f3 (first three prompt tokens), l1 (the last one), "
                "f7+l7 (both ends), all, or marked (what stands between <reft> and </reft>)."
            )
        prefix, suffix = int(match[1] or 0), int(match[2] or 0)
        if prefix + suffix == 0:
            raise PositionError(f"'{text[:40]}' selects no token; write at least f1 or l1.")
        return cls(prefix=prefix, suffix=suffix)

    def __str__(self) -> str:
        if self.every or self.marked:
            return "all" if self.every else "marked"
        return "+".join(part for part in (self.prefix and f"f{self.prefix}", self.suffix and f"l{self.suffix}") if part)

    @property
    def two_sided(self) -> bool:
        """Whether there is a prefix group and a suffix group, which ``tied=False`` gives an edit each."""
        return self.prefix > 0 and self.suffix > 0


def prompt_positions(spec: PositionSpec, prompt_length: int, marked: Sequence[int] = ()) -> tuple[list[int], list[int]]:
    """List the token indices, counted from the prompt's first token, of the prefix group and the suffix group.

    The groups never overlap. ``all``, ``marked`` and one-sided rules fill one group only. ``marked`` are the indices that
    the prompt marks, used by the rule of that name alone.

    Raises:
        PositionError: a marked index that the prompt does not have.
    """
    if spec.marked:
        if any(not 0 <= index < prompt_length for index in marked):
            raise PositionError(f"A prompt of {prompt_length} tokens cannot have the token {max(marked)} marked.")
        return sorted(set(marked)), []
    if spec.every:
        return list(range(prompt_length)), []
    half = prompt_length // 2
    prefix = min(spec.prefix, half)
    suffix = min(spec.suffix, half if prompt_length > 1 else prompt_length)
    return list(range(prefix)), list(range(prompt_length - suffix, prompt_length))
