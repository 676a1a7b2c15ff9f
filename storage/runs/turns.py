"""Whose run is next: owners take turns, and within one owner it is first come, first served. What is shown of the queue follows it too."""

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.owners import everybody
from storage.records import ACTIVE
from storage.runs.rows import is_due, select_waiting
from storage.tables import QueueTurn, Run, now

_EXITS_TOGETHER = 2
"""Worker exits at one step from which on a run is trained alone."""
Hand = Mapping[str, int]
"""How many runs of which owners a worker has in hand."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A run that waits: whose it is, and with which others of the same owner it can be trained, None if with none."""

    id: str
    owner: str
    together: tuple[Any, ...] | None = None


def in_turns(waiting: Sequence[Waiting], hands: Sequence[Hand], last: Mapping[str, int], most: int = 0) -> Iterator[list[Waiting]]:
    """What workers begin, one claim after another.

    Next is the owner with the fewest runs in hand, of several the one whose last turn is longest ago, then who came first.

    Args:
        waiting: in the order in which they came.
        hands: what each worker has in hand, which it ends before it takes more, in this order; an empty one is of a worker that waits.
        last: the number of each owner's last turn.
        most: runs that are trained together; 0 for as many as can be.
    """
    queues: dict[str, deque[Waiting]] = {}
    for each in waiting:
        queues.setdefault(each.owner, deque()).append(each)
    came = {owner: place for place, owner in enumerate(queues)}
    workers, taken, turns = deque(hands), Counter[str](), dict(last)
    for hand in hands:
        taken.update(hand)
    while queues:
        if workers:
            taken.subtract(workers.popleft())
        owner = min(queues, key=lambda each: (taken[each], turns.get(each, 0), came[each]))
        claimed = _together(queues[owner], most)
        queues[owner] = deque(each for each in queues[owner] if each not in claimed) if claimed[1:] else _rest(queues[owner])
        if not queues[owner]:
            del queues[owner]
        turns[owner] = 1 + max(turns.values(), default=0)
        workers.append({owner: len(claimed)})
        taken[owner] += len(claimed)
        yield claimed


def _rest(queue: deque[Waiting]) -> deque[Waiting]:
    queue.popleft()
    return queue


def _together(queue: Sequence[Waiting], most: int) -> list[Waiting]:
    first = queue[0]
    alike = [first] if first.together is None else [each for each in queue if each.together == first.together]
    return alike[:most] if most else alike


def turns_of_waiting(session: Session, most: int = 0) -> Iterator[list[Waiting]]:
    """All waiting runs of everybody as they are begun, those that begin later after the others; as if runs in hand ended as they began."""
    moment = now()
    with everybody(session):
        rows = _waiting(session)
        hands, last = _hands(session), _last(session)
    due = [row for row in rows if row.start_after is None or row.start_after <= moment]
    later = sorted((row for row in rows if row.start_after and row.start_after > moment), key=lambda row: row.start_after)
    yield from in_turns([_as_waiting(row) for row in due], hands, last, most)
    yield from ([_as_waiting(row)] for row in later)


def next_claims(session: Session, most: int = 0) -> Iterator[list[Waiting]]:
    """What a worker that has nothing in hand is to claim, and what after that if somebody else has that already."""
    with everybody(session):
        return in_turns([_as_waiting(row) for row in _waiting(session, is_due())], [{}, *_hands(session)], _last(session), most)


def took_turn(session: Session, owner: str) -> None:
    """Remember that it was an owner's turn; in a transaction that excludes others."""
    turns = _last(session)
    session.merge(QueueTurn(owner=owner, turn=1 + max(turns.values(), default=0)))


def _waiting(session: Session, *conditions: Any) -> Sequence[Any]:
    columns = (Run.id, Run.owner, Run.start_after, Run.group_id, Run.version_id, Run.base, Run.worker_exits, Run.spec)
    return session.execute(select_waiting(*columns).where(*conditions)).all()


def _as_waiting(row: Any) -> Waiting:
    alone = row.group_id is None or row.worker_exits >= _EXITS_TOGETHER or "peft" in row.spec
    return Waiting(row.id, row.owner, None if alone else (row.group_id, row.version_id, row.base))


def _hands(session: Session) -> list[Hand]:
    """What workers have in hand, the one that began first at first."""
    found: dict[str, Counter[str]] = {}
    # Larger than nothing, which is found in the index of workers, where "not null" would be looked for in all runs.
    held = select(Run.worker, Run.owner).where(Run.status.in_(ACTIVE), Run.worker > "").order_by(Run.started_at, Run.id)
    for worker, owner in session.execute(held):
        found.setdefault(str(worker), Counter())[owner] += 1
    return list(found.values())


def _last(session: Session) -> dict[str, int]:
    return {row.owner: row.turn for row in session.scalars(select(QueueTurn))}
