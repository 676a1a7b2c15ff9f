"""Which prompt tokens are edited. Pure Python: knows nothing of tensors or padding.

Rule for short prompts: neither side reaches past the middle, so a prompt of n tokens gives the prefix at most
floor(n/2) tokens and the suffix at most floor(n/2) (pyreft's ``get_intervention_locations``). A prompt of one
token counts as suffix, so that ``l1`` is never silently empty (a departure from pyreft, which edits nothing there).
"""

import re
from dataclasses import dataclass

from reft_engine.errors import PositionError

_RULE = re.compile(r"(?:f(\d{1,4}))?(?:(?<=\d)\+(?=l))?(?:l(\d{1,4}))?")


@dataclass(frozen=True, slots=True)
class PositionSpec:
    """The first ``prefix`` and last ``suffix`` tokens of a prompt, or ``every`` token of it."""

    prefix: int = 0
    suffix: int = 0
    every: bool = False

    @classmethod
    def parse(cls, text: str) -> "PositionSpec":
        """Read ``f7+l7``, ``f3``, ``l1`` or ``all``.

        Raises:
            PositionError: the text is none of these.
        """
        cleaned = text.strip().lower().replace(" ", "")
        if cleaned == "all":
            return cls(every=True)
        match = _RULE.fullmatch(cleaned)
        if not match or not cleaned:
            raise PositionError(
                f"'{text[:40]}' is not a position rule; write f3 (first three prompt tokens), l1 (the last one), "
                "f7+l7 (both ends) or all."
            )
        prefix, suffix = int(match[1] or 0), int(match[2] or 0)
        if prefix + suffix == 0:
            raise PositionError(f"'{text[:40]}' selects no token; write at least f1 or l1.")
        return cls(prefix=prefix, suffix=suffix)

    def __str__(self) -> str:
        if self.every:
            return "all"
        return "+".join(part for part in (self.prefix and f"f{self.prefix}", self.suffix and f"l{self.suffix}") if part)

    @property
    def two_sided(self) -> bool:
        """Whether there is a prefix group and a suffix group, which ``tied=False`` gives an edit each."""
        return self.prefix > 0 and self.suffix > 0


def prompt_positions(spec: PositionSpec, prompt_length: int) -> tuple[list[int], list[int]]:
    """List the token indices, counted from the prompt's first token, of the prefix group and the suffix group.

    The groups never overlap. ``all`` and one-sided rules fill one group only.
    """
    if spec.every:
        return list(range(prompt_length)), []
    half = prompt_length // 2
    prefix = min(spec.prefix, half)
    suffix = min(spec.suffix, half if prompt_length > 1 else prompt_length)
    return list(range(prefix)), list(range(prompt_length - suffix, prompt_length))
