"""Answers many requests in one running batch: rows join and leave between tokens, each with its own prompt, edit, length and sampling.

An edit acts on prompt tokens only, so after its prefill a row decodes as the base model does, whatever its edit: one base model serves any
number of edits at its own speed.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import groupby
from typing import Any

import torch

from reft_engine.base import blocks, checks
from reft_engine.base.loading import Base
from reft_engine.baselines.mixed import can_mix
from reft_engine.edits.mix import Mix
from reft_engine.edits.model import ReftModel
from reft_engine.edits.switches import Switches
from reft_engine.errors import BusyError, ConfigError, ReftError
from reft_engine.inference import kv_cache
from reft_engine.inference.columns import adjusts_of, strengths_of, switches_of
from reft_engine.inference.decoding import Column, Delta, end_tokens, room, takes_positions
from reft_engine.inference.fairness import FairQueue
from reft_engine.inference.passes import Apart, Reading, Together
from reft_engine.inference.preparing import Preparing
from reft_engine.inference.prompts import Answerer, Prompt, check_writers, prompts_to_answer, rules_of
from reft_engine.inference.requests import Adjust, Limits, Request, Row, Runner, limits_of
from reft_engine.inference.row_cache import OtherCacheError, keeps_all
from reft_engine.inference.row_edits import PresentFactors, row_edits
from reft_engine.inference.sampling import Sampler, Sampling
from reft_engine.positions import PositionSpec
from reft_engine.tokens.prompts import EncodedPrompt

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 1.0
"""How often a thread that waits looks at its place."""
PIECE = 512
"""Most padded tokens of one pass over prompts, so that a long prompt does not keep the others' next tokens waiting."""


class InferenceEngine:
    """A base model that answers many requests at once.

    Args:
        base: the frozen base model.
        memory: keys and values of the unedited beginnings of prompts, kept from one request to the next; None keeps none.
        limits: what there is room for; by default by the memory that is free.
        turn: a context for each step, in which nobody else uses the base model.
        on_tokens: is told of the tokens of each prompt that is asked about and of each that is written, with the request, under a lock.
        whose: tells of whoever asks, when they ask, with whom they share what is kept of prompts; by default all share it.
    """

    def __init__(
        self, base: Base, *, memory: kv_cache.PromptCache | None = None, limits: Limits | None = None,
        turn: Callable[[], AbstractContextManager[object]] = nullcontext, whose: Callable[[], str] = str,
        on_tokens: Callable[[Request, int], None] = lambda request, tokens: None,
    ) -> None:  # fmt: skip
        checks.check_base(base)
        self.base, self.limits = base, limits or limits_of(base)
        self._keeps = memory is not None
        self._memory = kv_cache.PromptCache() if memory is None else memory
        self._ends = end_tokens(base)
        self._failures: list[BaseException] = []
        self._most_rows, self._some_cancelled, self._long_next = self.limits.rows, False, False
        self._factors = PresentFactors()
        self._waiting = FairQueue[Request]()
        self._running: list[Request] = []
        self._runners: dict[int, Runner] = {}
        self._lock, self._stepping = threading.RLock(), threading.Lock()
        self._turn, self._whose, self._on_tokens, self._preparing = turn, whose, on_tokens, Preparing()
        self._worker: Request | None = None
        self._idlers: list[Request] = []

    def submit(
        self, prompt: Prompt, edits: Sequence[Answerer | None] = (None,), *, max_new_tokens: int = 64, sampling: Sampling | None = None,
        n: int = 1, strength: float | Sequence[float] = 1.0, owner: str = "", background: bool = False, begun: Sequence[int] = (),
        given: Sequence[int] = (), rules: Sequence[PositionSpec | None] | None = None,
        adjust: Adjust | Sequence[Adjust | None] | None = None,
        prompts: Sequence[Prompt] | None = None, switches: Sequence[Switches | None] | None = None,
        sink: Callable[[Delta], None] | None = None, should_stop: Callable[[], bool] = lambda: False,
        on_place: Callable[[int], None] | None = None,
    ) -> Request:  # fmt: skip
        """Ask for answers to one prompt, ``n`` for each entry of ``edits``; None is the base model alone.

        Args:
            prompt: as in `stream`.
            edits: an edit, a mix of edits or a baseline each; all columns begin together and see the same random numbers.
            max_new_tokens: for each column, at least 1; an answer also ends where the base model's context ends.
            sampling: greedy by default.
            n: answers of each edit, which stand one after another; answer k of an edit has the seed ``sampling.seed + k``.
            strength: factor on the edits, one for all or one for each.
            owner: an opaque key of who asks; askers get equal shares.
            background: gives way to whatever is not.
            begun: first tokens of the answers where they are known.
            given: all tokens of an answer that is only to be scored: each comes with its log-probability, and none is chosen.
            rules: which marks are read in the prompt, for each edit; by default its own rule.
            adjust: changes the logits of each next token, with the last hidden state at hand; one for all edits or one for each, of which
                None changes nothing.
            prompts: a prompt for each entry of ``edits`` in place of ``prompt``, such as conversations with each one's own answers.
            switches: which layers and position groups of each edit act, None for all of them; one entry for each edit.
            sink: is given each piece, in the thread that makes the engine work, instead of the iterator.
            should_stop: called before every token but the first.
            on_place: is told how many requests begin before this one, as that changes, by whoever iterates.

        Raises:
            BusyError: too many requests wait.
            ConfigError, DataError: as from `stream`.
        """
        limit = checks.whole_number(max_new_tokens, "max_new_tokens", 1)
        check_writers(self.base, edits)
        strengths, switched = strengths_of(edits, strength), switches_of(edits, switches)
        adjusts = adjusts_of(self.base, edits, adjust)
        request = Request(self, owner, background, sink, should_stop, on_place=on_place, whose=self._whose())
        asked = [(rules_of(edit) if rules is None else [rules[index]]) for index, edit in enumerate(edits)]
        with self._preparing.turn(owner, self.limits.waiting_of_one):
            encodings = list(self._encoded(prompt, prompts, asked))
        for edit, factor, on, changes, encoded in zip(edits, strengths, switched, adjusts, encodings, strict=True):
            room_left = room(self.base, len(encoded[0].ids) + _virtual_tokens(edit))
            if len(given) > room_left:
                raise ConfigError(
                    "Prompt and answer have {tokens} tokens; this base model reads at most {limit}.", "given", kind="inference.given",
                    tokens=len(encoded[0].ids) + len(given), limit=len(encoded[0].ids) + room_left,
                )  # fmt: skip
            for answer in range(checks.whole_number(n, "n", 1)):
                row = Row(
                    request, len(request.rows), encoded, edit, factor, _sampler(sampling or Sampling(), encoded[0].ids, answer, given),
                    Column(self.base, begun if self.base.kind == "decoder" and not given else (), (sampling or Sampling()).stop),
                    len(given) or min(limit, room_left), tuple(given), changes, on,
                )  # fmt: skip
                request.rows.append(row)
        with self._lock:
            if len(self._waiting) >= self.limits.waiting or self._waiting.count(owner) >= self.limits.waiting_of_one:
                raise BusyError("Too many requests wait for an answer. Try again in a moment.", kind="inference.busy")
            self._waiting.add(request)
            self._on_tokens(request, sum(row.tokens.prompt for row in request.rows))
        return request

    def _encoded(
        self, prompt: Prompt, own: Sequence[Prompt] | None, rules: Sequence[Sequence[PositionSpec | None]]
    ) -> Iterator[list[EncodedPrompt]]:  # fmt: skip
        """The prompt of each column, with the tokens that each of its rules edits. Raises ConfigError, DataError."""
        if own is not None:
            if len(own) != len(rules):
                raise ConfigError("Give one prompt for all edits, or one for each.", "prompts", kind="inference.prompts")
            reading = [rule for each in rules for rule in each if rule is not None and rule.reads_text]
            for each, marks in zip(own, rules, strict=True):
                # Marks that one column reads are taken out of the others' prompts too, as where all have the same.
                yield prompts_to_answer(self.base, each, [*marks, *reading])[: len(marks)]
            return
        encoded = iter(prompts_to_answer(self.base, prompt, [rule for each in rules for rule in each]))
        for marks in rules:
            yield [next(encoded) for _ in marks]

    def place_of(self, request: Request) -> int:
        """How many requests begin before one that waits; 0 for any other."""
        with self._lock:
            return next((place for place, each in enumerate(self._waiting) if each is request), 0)

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing runs."""
        with self._lock:
            return not self._running and not len(self._waiting)

    @property
    def is_reading(self) -> bool:
        """Whether a prompt waits or is being read."""
        return bool(len(self._waiting)) or any(row.reading is not None for request in self._running for row in request.rows)

    @property
    def holds(self) -> bool:
        """Whether a model that is in training answers through its own weights, which must not change before it has ended."""
        return any(row.was_training and not row.ended for each in self._running for row in each.rows)

    @property
    def waiting(self) -> int:
        """How many requests have not begun."""
        with self._lock:
            return len(self._waiting)

    @property
    def rows_in_flight(self) -> int:
        """Rows that are read or answered."""
        return sum(not row.ended for request in self._running for row in request.rows)

    @property
    def cache_bytes(self) -> int:
        """Bytes of the KV cache of rows that share passes."""
        passes = (each for runner in self._runners.values() for each, _ in runner.passes)
        return sum(each.rows.nbytes for each in passes if isinstance(each, Together))

    def look_for_cancelled(self) -> None:
        """A request was cancelled; its rows are freed at once, unless a step is being made."""
        self._some_cancelled = True
        if self._stepping.acquire(blocking=False):
            try:
                self._drop_cancelled()
            finally:
                self._stepping.release()

    def work_for(self, request: Request) -> None:
        """Work until a request has a piece, or another place where that is told, or wait for the thread that works already.

        Takes over from that thread once it has its own piece.
        """
        with self._lock:
            works = self._worker is None
            if works:
                self._worker = request
            else:
                self._idlers.append(request)
        if not works:
            request.news.wait(_LOOK_SECONDS)
            request.news.clear()
            with self._lock:
                self._idlers.remove(request)
                if self._worker is None and self._idlers and not request.pieces.empty():
                    self._idlers[0].news.set()  # it has its piece, so another one is to work
            return
        try:
            place = self.place_of(request) if request.on_place else 0
            while request.pieces.empty():
                self.step()
                if request.on_place and self.place_of(request) != place:
                    break
        finally:
            with self._lock:
                self._worker = None
                if self._idlers:
                    self._idlers[0].news.set()

    def finish(self, submit: Iterable[object] = ()) -> None:
        """Work until nothing is left; what ``submit`` submits, one at each turn, is asked for while there is room for it.

        Raises what went wrong with one of the requests, after the others have ended.
        """
        asking, left = iter(submit), True
        while left or not self.is_idle:
            while left and len(self._waiting) < self.limits.rows:
                left = next(asking, None) is not None
            self.step()
        if self._failures:
            raise self._failures.pop()

    def step(self) -> None:
        """Let rows begin, read prompts up to a bound, and write one token in each row that has been read; more while it `holds`."""
        with self._turn(), self._stepping:
            self._step()
            while self.holds:
                self._step()

    def _step(self) -> None:
        self._drop_cancelled()
        self._admit()
        reading = [row for request in self._running for row in request.rows if row.reading is not None]
        if reading:
            self._read(reading)
        for runner in list(self._runners.values()):
            for each in list(runner.passes):
                self._decode(runner, *each)

    # Who begins

    def _drop_cancelled(self) -> None:
        if not self._some_cancelled:
            return
        self._some_cancelled = False
        with self._lock:
            for request in [each for each in self._waiting if each.cancelled]:
                self._waiting.remove(request)
                self._end_all(request)
        for request in [each for each in self._running if each.cancelled]:
            self._end_all(request)

    def _end_all(self, request: Request) -> None:
        for row in request.rows:
            if not row.ended:
                self._finish(row, row.text.rest())

    def _admit(self) -> None:
        while (request := self._next()) is not None:
            with self._lock:
                self._waiting.remove(request)
                self._waiting.began(request)
                self._running.append(request)
                if request.began is None:  # else it had to make room
                    request.began = time.monotonic()
            try:
                for row in request.rows:
                    if not row.ended:
                        self._begin(row)
            except Exception as error:  # noqa: BLE001 (the edge of a request: others go on)
                self._fail([request], error)

    def _next(self) -> Request | None:
        """The next request that there is room for, which may be made by one of a greedier asker or in the background."""
        with self._lock:
            request = self._waiting.peek()
        while request is not None and not self._fits(request):
            victim = self._victim(request)
            if victim is None:
                return None
            self._evict(victim)
        return request

    def _fits(self, request: Request) -> bool:
        rows = [row for each in self._running for row in each.rows if not row.ended] + request.rows
        if len(rows) > self._most_rows and self._running:
            return False
        longest = max(len(row.ids) + row.limit - len(row.text.ids) for row in rows)
        return not self._running or len(rows) * longest <= self.limits.tokens

    def _victim(self, request: Request) -> Request | None:
        """The request that makes room for another: the newest in the background, or of the asker who has more than an equal share."""
        if self.base.kind != "decoder":
            return None  # its answer cannot be read behind its prompt
        if not request.background and (behind := [each for each in self._running if each.background]):
            return behind[-1]
        own = [each for each in self._running if each.background == request.background]
        rows = {owner: sum(each.size for each in own if each.owner == owner) for owner in {each.owner for each in own}}
        greediest = max(rows, key=lambda owner: rows[owner], default=request.owner)
        if greediest == request.owner or rows[greediest] < rows.get(request.owner, 0) + 2 * request.size:
            return None
        return next(each for each in reversed(own) if each.owner == greediest)

    def _evict(self, request: Request) -> None:
        """Free a request's rows; it waits again, before the others of its asker, and reads its prompt and its answer anew."""
        for row in request.rows:
            if not row.ended:
                self._leave(row)
                row.reading = None
        with self._lock:
            self._running.remove(request)
            self._waiting.add(request, first=True)
            self._waiting.ended(request)

    # Passes

    def _begin(self, row: Row) -> None:
        if row.model is not None and not isinstance(row.model, ReftModel | Mix):
            row.was_training = row.was_training or row.model.training
        row.runner = self._runner_of(row.model)
        mixed = row.runner.shares and can_mix(row.model)
        edits = row_edits(row.model, row.prompts, row.strength, row.switches, self._factors)
        acting = tuple(edit for edit in edits if edit.acts)
        row.reading = Reading(row.ids, acting, row.model if mixed else None, whose=row.request.whose)  # type: ignore[arg-type]
        if row.given and row.runner.shares:  # all logits at once, where a pass returns those of several tokens
            row.reading.ids, row.reading.scored = [*row.ids, *row.given[:-1]], len(row.given)

    def _runner_of(self, model: Answerer | None) -> Runner:
        own = None if model is None or isinstance(model, ReftModel | Mix) else model.acting()
        if own is not None and can_mix(model) and self._runner_of(None).shares:
            own = None
        base = replace(self.base, model=own.model) if own else self.base
        virtual = own.virtual_tokens if own else 0
        key = id(base.model)
        if key not in self._runners:
            shares = own is None and base.kind == "decoder" and takes_positions(base) and keeps_all(base.model)
            self._runners[key] = Runner(base, shares, virtual)
            if not shares:
                _log.info("answers of %s cannot join a running batch; they are written beside it", base.name)
        return self._runners[key]

    def _read(self, reading: Sequence[Row]) -> None:
        """One pass over prompts, of rows of one model; the base model's come first."""
        runner = min((row.runner for row in reading if row.runner), key=lambda each: each.base.model is not self.base.model)
        rows = [row for row in reading if row.runner is runner]
        try:
            if runner.shares:
                self._read_together(runner, rows)
            else:
                batched = not runner.virtual_tokens and takes_positions(runner.base)
                self._start(runner, Apart(runner.base), rows if batched and not rows[0].alone else rows[:1])
        except OtherCacheError:
            runner.shares = False
            for row in rows:
                self._begin(row)  # anew: without shared passes a baseline has a batch of its own, and a given answer is scored by the token
        except Exception as error:  # noqa: BLE001 (the edge of a pass: others go on)
            if len({row.request for row in rows}) == 1 or all(row.alone for row in rows):
                self._fail([rows[0].request], error)
            for row in rows:
                row.alone = True

    def _read_together(self, runner: Runner, rows: Sequence[Row]) -> None:
        together = next((each for each, _ in runner.passes if isinstance(each, Together)), None) or Together(runner.base, self._memory)
        if not self._share_prefixes(together, rows):
            return
        for row in rows:
            together.recall(_reading(row))
        # Tokens that are scored are read in one pass, however many.
        long = [row for row in rows if _reading(row).left > max(PIECE, _reading(row).scored)]
        short = [row for row in rows if row not in long]
        # One pass for each in turn, so that neither keeps the other waiting.
        if long and (self._long_next or not short):
            self._long_next = False
            _read_piece(together, long[0], _reading(long[0]))
            return
        self._long_next = True
        chosen: list[Row] = []
        for row in short:
            left = [_reading(each).left for each in (*chosen, row)]
            if chosen and (len(left) * max(left) > PIECE or (row.alone and row.request is not chosen[0].request)):
                break
            chosen.append(row)
        self._start(runner, together, chosen)

    def _share_prefixes(self, together: Together, rows: Sequence[Row]) -> bool:
        """Read once what the columns of a request begin with, unedited; False if a pass has been spent on that and it goes on."""
        for request, columns in groupby(rows, key=lambda row: row.request):
            rows_of_request = list(columns)
            readings = [_reading(row) for row in rows_of_request]
            common = min(min(each.unedited for each in readings), len(readings[0].ids) - readings[0].scored)
            if request.prefix_read or len(readings) < 2 or not kv_cache.is_worth_caching(common):
                continue
            ids = readings[0].ids[: common + 1]
            known = together.memory.holds(ids[:common], request.whose)
            if any(list(each.ids[: common + 1]) != list(ids) for each in readings) or known >= common:
                continue
            if request.prefix is None:
                request.prefix = Reading(ids, whose=request.whose)
                together.recall(request.prefix)
            _read_piece(together, rows_of_request[0], request.prefix)
            if request.prefix.done < common:
                return False
            together.memory.remember(ids[:common], request.prefix.cache, 0, whose=request.whose)
            request.prefix, request.prefix_read = None, True
        return True

    def _start(self, runner: Runner, each: Together | Apart, rows: Sequence[Row]) -> None:
        left = [_reading(row).left for row in rows]
        with _head_inputs(rows) as hidden:
            logits_BSV = each.read([_reading(row) for row in rows])
        for row, tokens in zip(rows, left, strict=True):
            row.tokens.read += tokens
            row.tokens.decoded += runner.base.kind == "encoder_decoder"  # the decoder's start token
        scored = [_reading(row).scored for row in rows]
        known = next((answered for known, answered in runner.passes if known is each), None)
        answered: list[Row] = [] if known is None else known
        if known is None:
            runner.passes.append((each, answered))
        answered += rows
        for row in rows:
            if isinstance(each, Together) and self._keeps:
                each.remember(answered.index(row), _reading(row).ids, _reading(row).unedited, row.request.whose)
            row.reading = None
        for index, (row, count, logits_SV) in enumerate(zip(rows, scored, logits_BSV, strict=True)):
            for place in range(len(logits_SV) - count, len(logits_SV) - 1):
                logits_V = row.adjust(logits_SV[place], hidden[-1][index, place]) if row.adjust else logits_SV[place]
                self._write(row, row.given[row.written], logits_V)
        self._choose(rows, logits_BSV[:, -1], hidden)

    def _decode(self, runner: Runner, each: Together | Apart, rows: list[Row]) -> None:
        for request in list(dict.fromkeys(row.request for row in rows)):
            if request.cancelled or request.should_stop():
                self._end_all(request)
        if not rows:
            return
        chosen = list(rows)
        try:
            with _head_inputs(chosen) as hidden:
                logits_BV = each.next([row.last for row in chosen])
            for row in chosen:
                row.tokens.decoded += 1
        except Exception as error:  # noqa: BLE001 (the edge of a pass: others go on)
            self._make_smaller(list(dict.fromkeys(row.request for row in chosen)), error)
            return
        self._choose(chosen, logits_BV, [states[each.places] if isinstance(each, Apart) else states for states in hidden])

    def _make_smaller(self, requests: Sequence[Request], error: Exception) -> None:
        """A pass has failed, for want of memory most likely: the newer half begins again later, and a single request fails."""
        if len(requests) == 1 or self.base.kind != "decoder":
            self._fail(requests, error)
            return
        self._most_rows = max(1, self.rows_in_flight // 2)
        for request in requests[len(requests) // 2 :]:
            self._evict(request)

    def _choose(self, rows: Sequence[Row], logits_BV: torch.Tensor, hidden: Sequence[torch.Tensor] = ()) -> None:
        """Choose the next token of each row, and write it."""
        adjusted = list(logits_BV)
        for index, row in enumerate(rows):
            if row.adjust:  # the penalty is one on logits; of log-probabilities, as an adjustment may give them, it would be another
                adjusted[index] = row.adjust(row.sampler.penalised(logits_BV[index]), hidden[-1][index, -1])
        likeliest: list[int] = logits_BV.argmax(dim=-1).tolist()
        for index, row in enumerate(rows):
            plain = row.sampler.plain and not row.adjust
            chosen = likeliest[index] if plain else row.sampler.choose(adjusted[index], penalised=bool(row.adjust))
            self._write(row, row.given[row.written] if row.given else chosen, adjusted[index])

    def _write(self, row: Row, token: int, logits_V: torch.Tensor) -> None:
        """Add a token to a row's answer, and say what it adds."""
        self._waiting.gave(row.request.owner, 1)
        self._on_tokens(row.request, 1)
        described = row.sampler.described(logits_V, token)
        row.last, row.written = token, row.written + 1
        tokens = (described,) if described else ()
        if row.given:
            row.text.ids.append(token)
            ends, text = row.written == row.limit, ""
        else:
            text = row.text.push(token, self._ends)
            ends = token in self._ends or row.text.stopped or len(row.text.ids) >= row.limit
        if ends:
            self._finish(row, text + row.text.rest(), tokens)
        elif text or tokens:
            row.request.give(Delta(row.column, text, tokens=tokens))

    # Ends

    def _finish(self, row: Row, text: str, chosen: Any = ()) -> None:
        self._leave(row, ended=True)
        row.ended, row.reading = True, None
        request = row.request
        if request.ended:
            with self._lock:
                if request in self._running:
                    self._running.remove(request)
                    self._waiting.ended(request)
                if not self._running:
                    self._most_rows = self.limits.rows
        request.give(Delta(row.column, text, ended=True, tokens=chosen))

    def _leave(self, row: Row, *, ended: bool = False) -> None:
        """Take a row out of its pass."""
        if row.runner is None:
            return
        for each, rows in list(row.runner.passes):
            if row not in rows:
                continue
            place = rows.index(row)
            if ended and self._keeps and isinstance(each, Together) and row.model is None:
                each.remember(place, row.ids, len(row.ids), row.request.whose)
            each.leave(place)
            rows[place] = rows[-1]
            rows.pop()
            if not rows:
                row.runner.passes.remove((each, rows))
        if ended and row.was_training and not isinstance(row.model, Mix | None):
            row.model.train()
        runner, row.runner = row.runner, None
        others = (each.runner for request in self._running for each in request.rows)
        if runner.base.model is not self.base.model and not any(each is runner for each in others):
            self._runners.pop(id(runner.base.model), None)

    def _fail(self, requests: Any, error: BaseException) -> None:
        """End requests with an error."""
        if not isinstance(error, ReftError):
            _log.error("answers failed", exc_info=error)
        self._failures = [error]
        for request in list(requests):
            request.error = error
            self._end_all(request)


def _head_inputs(rows: Sequence[Row]) -> AbstractContextManager[list[torch.Tensor]]:
    """What the output head reads, (B, T, D), in the passes inside the ``with``, if a row wants it."""
    return blocks.keeping_head_inputs() if any(row.adjust for row in rows) else nullcontext([])


def _read_piece(together: Together, row: Row, reading: Reading) -> None:
    """Read the next tokens of a long prompt, which count for a row."""
    before = reading.done
    together.read_piece(reading, PIECE)
    row.tokens.read += reading.done - before


def _reading(row: Row) -> Reading:
    assert row.reading is not None
    return row.reading


def _virtual_tokens(model: Answerer | None) -> int:
    return 0 if model is None or isinstance(model, Mix) else int(getattr(model.method_config, "tokens_before", 0))


def _sampler(sampling: Sampling, prompt_ids: Sequence[int], answer: int, given: Sequence[int]) -> Sampler:
    """What chooses the tokens of an answer, the ``answer``-th of its edit; those of a given one are only described."""
    if given:
        return Sampler(Sampling(log_probabilities=sampling.log_probabilities or 0))
    return Sampler(replace(sampling, seed=sampling.seed + answer), prompt_ids)
