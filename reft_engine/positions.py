"""Which prompt tokens are edited. Pure Python, without tensors or padding.

Short prompts: neither side goes past the middle, so in a prompt of n tokens the prefix has at most floor(n/2) tokens, and so
has the suffix (pyreft's ``get_intervention_locations``). The only token of a prompt counts as suffix, so that ``l1`` is never
silently empty (unlike pyreft, which edits nothing there).

``marked`` edits the tokens between ``<reft>`` and ``</reft>`` in the prompt (see `prompts.read_prompt`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

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
    """The first ``prefix`` and last ``suffix`` tokens of a prompt, ``every`` token, or the ``marked`` tokens."""

    prefix: int = 0
    suffix: int = 0
    every: bool = False
    marked: bool = False

    @classmethod
    def parse(cls, text: str) -> "PositionSpec":
        """Parse ``f7+l7``, ``f3``, ``l1``, ``all`` or ``marked``.

        Raises:
            PositionError: the text is none of these.
        """
        rule = text.strip().lower().replace(" ", "")
        if rule in ("all", "marked"):
            return cls(every=rule == "all", marked=rule == "marked")
        match = _RULE.fullmatch(rule)
        if not match or not rule:
            raise PositionError(
                "'{rule}' is not a position rule; write f3 (first three prompt tokens), l1 (the last one), f7+l7 (both ends), all, or "
                "marked (what stands between <reft> and </reft>).",
                kind="positions.rule",
                rule=text[:40],
            )
        prefix, suffix = int(match[1] or 0), int(match[2] or 0)
        if prefix + suffix == 0:
            raise PositionError("'{rule}' selects no token; write at least f1 or l1.", kind="positions.empty", rule=text[:40])
        return cls(prefix=prefix, suffix=suffix)

    def __str__(self) -> str:
        if self.every or self.marked:
            return "all" if self.every else "marked"
        return "+".join(side for side in (self.prefix and f"f{self.prefix}", self.suffix and f"l{self.suffix}") if side)

    @property
    def two_sided(self) -> bool:
        """Whether there are a prefix and a suffix group; with ``tied=False`` each has its own edit."""
        return self.prefix > 0 and self.suffix > 0

    @property
    def reads_text(self) -> bool:
        """Whether the prompt's text decides what is edited, and not its length alone."""
        return self.marked


class EditedTokens(NamedTuple):
    """Indices of a prompt's tokens that are edited, in ascending order: the prefix group and the suffix group."""

    prefix: tuple[int, ...] = ()
    suffix: tuple[int, ...] = ()


UNEDITED = EditedTokens()


def prompt_positions(spec: PositionSpec, prompt_length: int, marked: Sequence[int] = ()) -> tuple[list[int], list[int]]:
    """List the token indices of the prefix group and the suffix group, counted from the prompt's first token.

    The groups never overlap. ``all``, ``marked`` and one-sided rules fill one group only. ``marked`` holds the indices of
    marked tokens; only the rule ``marked`` uses them.

    Raises:
        PositionError: a marked index lies outside the prompt.
    """
    if spec.marked:
        if any(not 0 <= index < prompt_length for index in marked):
            raise PositionError(
                "A prompt of {length} tokens cannot have the token {token} marked.",
                kind="positions.marked",
                length=prompt_length,
                token=max(marked),
            )
        return sorted(set(marked)), []
    if spec.every:
        return list(range(prompt_length)), []
    half = prompt_length // 2
    prefix = min(spec.prefix, half)
    suffix = min(spec.suffix, half if prompt_length > 1 else prompt_length)
    return list(range(prefix)), list(range(prompt_length - suffix, prompt_length))


def edited_tokens(spec: PositionSpec | None, prompt_length: int, marked: Sequence[int] = ()) -> EditedTokens:
    """As `prompt_positions`, as an encoded prompt carries them; without a rule nothing is edited. Raises PositionError."""
    if spec is None:
        return UNEDITED
    return EditedTokens(*map(tuple, prompt_positions(spec, prompt_length, marked))) if spec.reads_text else _by_length(spec, prompt_length)


@lru_cache(maxsize=512)
def _by_length(spec: PositionSpec, prompt_length: int) -> EditedTokens:
    """The edited tokens of all prompts of one length."""
    return EditedTokens(*map(tuple, prompt_positions(spec, prompt_length)))
