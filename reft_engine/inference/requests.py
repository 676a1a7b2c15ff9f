"""What is asked of a running batch: a request, its rows, and what there is room for."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import Literal, Protocol

import torch
from torch import Tensor

from reft_engine.base.loading import Base
from reft_engine.edits.switches import ALL_ON, Switches
from reft_engine.inference.decoding import Column, Delta
from reft_engine.inference.kv_cache import written_bytes
from reft_engine.inference.passes import Apart, Reading, Together
from reft_engine.inference.prompts import Answerer
from reft_engine.inference.sampling import Sampler
from reft_engine.machine import free_memory
from reft_engine.tokens.prompts import EncodedPrompt

Ending = Literal["end", "length", "stop", "cancelled"]
"""Why an answer ended: by the model's own end token, at its longest, before a stop text, or because nobody wants it any more."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an engine has room for.

    Args:
        rows: rows in flight.
        tokens: tokens of all rows in the KV cache, padding counted; a single request may be larger.
        waiting: requests that wait.
        waiting_of_one: the same of one asker.
    """

    rows: int = 64
    tokens: int = 2**17
    waiting: int = 1024
    waiting_of_one: int = 256


EVERYTHING = Limits(waiting=2**31, waiting_of_one=2**31)
"""Limits of work that one caller asks for: it may all wait."""


def limits_of(base: Base) -> Limits:
    """Limits by what is free of the base model's memory, of which keys and values may take a quarter."""
    usual, a_token = Limits(), written_bytes(base)
    free = torch.cuda.mem_get_info(base.device)[0] if base.device.type == "cuda" else free_memory()
    if free is None or a_token is None:
        return usual
    return replace(usual, tokens=max(base.context, min(usual.tokens, free // 4 // a_token)))


class Works(Protocol):
    """What answers requests."""

    def place_of(self, request: "Request") -> int:
        """How many requests begin before one that waits; 0 for any other."""
        ...

    def look_for_cancelled(self) -> None:
        """A request was cancelled."""
        ...

    def work_for(self, request: "Request") -> None:
        """Work until a request has a piece or another place, or wait for the thread that works already."""
        ...


class Adjust(Protocol):
    """Changes what a row's next token is chosen from, such as by what was found near its last hidden state."""

    def __call__(self, logits_V: Tensor, hidden_D: Tensor) -> Tensor:
        """Logits (V,) in place of the model's own; ``hidden_D`` is the last hidden state, which the output head reads."""
        ...


@dataclass(slots=True)
class TokenCount:
    """Tokens of one column that went through the model: padding not counted, nor a last token that nothing follows.

    Attributes:
        prompt: tokens of its prompt.
        read: tokens that were read at once: those of the prompt that no cache held. What the columns of a request begin with is read once,
            and counts for the first; a row that had to make room reads its prompt and its answer again.
        decoded: tokens of the answer, read one at a time.
    """

    prompt: int
    read: int = 0
    decoded: int = 0

    @property
    def cached(self) -> int:
        """Tokens of the prompt that a cache held; 0 if it had to be read again."""
        return max(0, self.prompt - self.read)


@dataclass(eq=False, slots=True)
class Row:
    """One column of a request.

    Attributes:
        prompts: the prompt with the tokens that each edit of ``model`` changes; all have the same token ids.
        given: the tokens of an answer that is given, and not chosen.
        reading: the prompt while it is read.
        last: the last token.
    """

    request: "Request"
    column: int
    prompts: Sequence[EncodedPrompt]
    model: Answerer | None
    strength: float
    sampler: Sampler
    text: Column
    limit: int
    given: Sequence[int] = ()
    adjust: Adjust | None = None
    switches: Switches = ALL_ON
    reading: Reading | None = None
    runner: "Runner | None" = None
    last: int = 0
    written: int = 0
    ended: bool = False
    alone: bool = False
    """Is read in a pass of its own, since one with others has failed."""
    was_training: bool = False
    """Answers through weights that are in training, which must not change before it has ended."""
    tokens: TokenCount = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = TokenCount(len(self.prompts[0].ids))

    @property
    def ids(self) -> list[int]:
        """Prompt and answer so far."""
        return [*self.prompts[0].ids, *self.text.ids]


@dataclass(eq=False, slots=True)
class Runner:
    """A model, and the passes in which its rows are answered; ``shares`` says whether rows can join a pass."""

    base: Base
    shares: bool
    virtual_tokens: int = 0
    passes: list[tuple[Together | Apart, list[Row]]] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Request:
    """A prompt that is answered in one column or several, which begin together. Iterate over it for the pieces of its answers.

    Whoever iterates makes the engine work, for all requests; of several threads one at a time.
    """

    engine: Works
    owner: str
    background: bool
    sink: Callable[[Delta], None] | None
    should_stop: Callable[[], bool]
    rows: list[Row] = field(default_factory=list)
    cancelled: bool = False
    began: float | None = None
    """When it began, in seconds of `time.monotonic`; None while it waits for the first time."""
    error: BaseException | None = None
    on_place: Callable[[int], None] | None = None
    prefix: Reading | None = None
    """What its columns begin with, while that is read."""
    prefix_read: bool = False
    whose: str = ""
    """Only prompts of the same share keys and values that are kept."""
    pieces: SimpleQueue[Delta] = field(default_factory=SimpleQueue)
    news: threading.Event = field(default_factory=threading.Event)
    """Is set when there is a piece, or when its thread is to make the engine work."""

    @property
    def size(self) -> int:
        """Number of its columns."""
        return len(self.rows)

    @property
    def ended(self) -> bool:
        """Whether all columns have ended."""
        return all(row.ended for row in self.rows)

    @property
    def place(self) -> int:
        """How many requests that wait begin before it; 0 once it has begun."""
        return self.engine.place_of(self)

    def cancel(self) -> None:
        """Stop answering; its rows are free before the next token."""
        self.cancelled = True
        self.engine.look_for_cancelled()

    def ids(self, column: int = 0) -> tuple[int, ...]:
        """The token ids of an answer so far, with the one that ended it, if one did."""
        return self.rows[column].text.ended_ids

    def ending(self, column: int = 0) -> Ending | None:
        """Why an answer has ended; None if it has not."""
        row = self.rows[column]
        if not row.ended:
            return None
        if row.text.stopped:
            return "stop"
        if row.text.end is not None:
            return "end"
        return "length" if len(row.text.ids) >= row.limit else "cancelled"

    def tokens(self, column: int = 0) -> TokenCount:
        """Tokens of a column that went through the model so far."""
        return replace(self.rows[column].tokens)

    def texts(self) -> list[str]:
        """The whole text of each column, once all have ended and nobody has iterated. Raises what went wrong."""
        texts = [""] * self.size
        for delta in self:
            texts[delta.column] += delta.text
        return texts

    def __iter__(self) -> Iterator[Delta]:
        left, place = len(self.rows), 0
        try:
            while left:
                while True:
                    if self.on_place and (now := self.place) != place:
                        place = now
                        self.on_place(place)
                    if not self.pieces.empty():
                        break
                    self.engine.work_for(self)
                delta = self.pieces.get()
                if self.error is not None:
                    raise self.error
                left -= delta.ended
                yield delta
        finally:
            if left:
                self.cancel()

    def give(self, delta: Delta) -> None:
        """Hand over a piece."""
        (self.sink or self.pieces.put)(delta)
        self.news.set()
