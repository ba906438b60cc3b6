"""A pool's holds: which of its runs wait because the provider refused another. Pure: a store applies these functions to the
holds that it has (`Store.hold`), so that ticks that overlap lose nothing of each other's.

A refusal belongs to what was refused: a hold keeps back the runs that would be refused as well, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from dispatcher.models import HoldKind, PoolHold, Run
from dispatcher.records import Position
from providers.base import Hold, Misconfigured, Needs, Throttled

MAX_HOLDS = 16
"""Of one pool: where there are more, the one that ends first goes."""

Holds = tuple[PoolHold, ...]


def hold_for(answer: Throttled | Misconfigured, until: datetime) -> PoolHold | None:
    """What a refusal holds until then; None when it concerns its own job alone."""
    if answer.hold is None:
        return None
    return PoolHold(
        place=answer.hold.place,
        size=dict(answer.hold.size),
        freed_by_end=answer.hold.freed_by_end,
        until=until,
        reason=answer.reason,
        kind=_kind(answer, answer.hold),
    )


def _kind(answer: Throttled | Misconfigured, hold: Hold) -> HoldKind:
    if isinstance(answer, Misconfigured):
        return HoldKind.MISCONFIGURED
    return HoldKind.CAPACITY if hold.freed_by_end or hold.size else HoldKind.RATE


def is_whole(hold: PoolHold) -> bool:
    """Whether it concerns every run of the pool."""
    return not hold.place and not hold.size


def concerns(hold: PoolHold, needs: Needs) -> bool:
    """Whether a run with these needs is kept back by it."""
    return Hold(place=hold.place, size=hold.size).concerns(needs)


def active(holds: Sequence[PoolHold], now: datetime) -> Holds:
    """Those that are not over."""
    return tuple(hold for hold in holds if now < hold.until)


def added(holds: Holds, new: PoolHold) -> Holds:
    """With a new one. Of two of the same identity the one that ends later stays; what was passed over is remembered."""
    same = next((hold for hold in holds if hold.identity == new.identity), None)
    if same is not None and same.until >= new.until:
        return holds
    others = [hold for hold in holds if hold is not same]
    if len(others) >= MAX_HOLDS:
        others.remove(min(others, key=lambda hold: hold.until))
    return (*others, new if same is None else replace(new, passed=same.passed))


def freed(holds: Holds) -> Holds:
    """After the end of a job: without those that it ends."""
    return _without(holds, lambda hold: hold.freed_by_end)


def accepted(holds: Holds, needs: Needs, now: datetime) -> Holds:
    """After a job with these needs was accepted: without those that are over and would have concerned it."""
    return _without(holds, lambda hold: hold.until <= now and concerns(hold, needs))


def passed_over(holds: Holds, places: Mapping[str, Position], now: datetime) -> Holds:
    """With the places, by queue, up to which all due runs were found to be held by those that are not over."""
    return tuple(
        replace(hold, passed={**hold.passed, **places} if now < hold.until else _left(hold.passed, places)) for hold in holds
    )


def first_position(holds: Sequence[PoolHold], queue: str, now: datetime) -> Position | None:
    """From where on to look for runs of a queue that are not held; None: from its beginning.

    What was passed over counts only while exactly the holds that it was found with are in force.
    """
    places = {hold.passed.get(queue) for hold in active(holds, now)}
    over = any(queue in hold.passed for hold in holds if hold.until <= now)
    return None if over or len(places) != 1 else places.pop()


def position_of(run: Run) -> Position:
    """Where a run stands in its queue."""
    return run.due_at, run.id


def _without(holds: Holds, gone: Callable[[PoolHold], bool]) -> Holds:
    """Without some; what others passed over may not be held by them alone, so it is looked at again."""
    left = tuple(hold for hold in holds if not gone(hold))
    return holds if len(left) == len(holds) else tuple(replace(hold, passed={}) for hold in left)


def _left(passed: Mapping[str, Position], places: Mapping[str, Position]) -> Mapping[str, Position]:
    return {queue: place for queue, place in passed.items() if queue not in places}
