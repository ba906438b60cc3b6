"""A pool's holds: which of its runs wait because the provider refused another one. Pure: a store applies these functions to its
stored holds (`Store.hold`), so that overlapping ticks do not overwrite each other's holds.

A hold keeps back only the runs that the provider would refuse as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from dispatcher.models import HoldKind, PoolHold, Run
from dispatcher.models.records import Position
from providers.base import Hold, Misconfigured, Needs, Throttled

MAX_HOLDS = 16
"""The most holds of one pool; beyond that, the hold that ends first is dropped."""

Holds = tuple[PoolHold, ...]


def hold_for(answer: Throttled | Misconfigured, until: datetime) -> PoolHold | None:
    """The hold that a refusal causes, until the time `until`; None if the refusal concerns only its own job."""
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
    """Whether the hold applies to every run of the pool."""
    return not hold.place and not hold.size


def concerns(hold: PoolHold, needs: Needs) -> bool:
    """Whether the hold keeps back a run with these needs."""
    return Hold(place=hold.place, size=hold.size).concerns(needs)


def active(holds: Sequence[PoolHold], now: datetime) -> Holds:
    """The holds that are not over."""
    return tuple(hold for hold in holds if now < hold.until)


def added(holds: Holds, new: PoolHold) -> Holds:
    """The holds with a new one. If two have the same identity, the one that ends later stays; passed positions are kept."""
    same = next((hold for hold in holds if hold.identity == new.identity), None)
    if same is not None and same.until >= new.until:
        return holds
    others = [hold for hold in holds if hold is not same]
    if len(others) >= MAX_HOLDS:
        others.remove(min(others, key=lambda hold: hold.until))
    return (*others, new if same is None else replace(new, passed=same.passed))


def freed(holds: Holds) -> Holds:
    """The holds that remain after a job has ended."""
    return _without(holds, lambda hold: hold.freed_by_end)


def accepted(holds: Holds, needs: Needs, now: datetime) -> Holds:
    """The holds that remain after a job with these needs was accepted: holds that applied to it and are over are dropped."""
    return _without(holds, lambda hold: hold.until <= now and concerns(hold, needs))


def passed_over(holds: Holds, places: Mapping[str, Position], now: datetime) -> Holds:
    """The holds that are not over. Each notes, by `line`, the position up to which they hold all due runs."""
    return tuple(
        replace(hold, passed={**hold.passed, **places} if now < hold.until else _without_places(hold.passed, places))
        for hold in holds
    )


def first_position(holds: Sequence[PoolHold], name: str, now: datetime) -> Position | None:
    """The position after which runs of a `line` may not be held; None: read from its beginning.

    A stored position counts only while exactly the holds with which it was stored are in force.
    """
    places = {hold.passed.get(name) for hold in active(holds, now)}
    over = any(name in hold.passed for hold in holds if hold.until <= now)
    return None if over or len(places) != 1 else places.pop()


def position_of(run: Run) -> Position:
    """A run's position among the runs of its queue or lane that have its priority."""
    return run.due_at, run.id


def order_in_queue(run: Run) -> tuple[int, datetime, UUID]:
    """The order of the runs of a queue and all its lanes: priority, then due time, then id. Total, since ids are unique."""
    return run.priority, run.due_at, run.id


def line(queue: str, lane: str | None) -> str:
    """The key of a queue, or of a lane in it, where positions are stored (`PoolHold.passed`). No name contains a slash."""
    return queue if lane is None else f"{queue}/{lane}"


def _without(holds: Holds, gone: Callable[[PoolHold], bool]) -> Holds:
    """The holds without those in `gone`. The others lose their positions: alone they may not hold all runs that were passed
    over.
    """
    left = tuple(hold for hold in holds if not gone(hold))
    return holds if len(left) == len(holds) else tuple(replace(hold, passed={}) for hold in left)


def _without_places(passed: Mapping[str, Position], places: Mapping[str, Position]) -> Mapping[str, Position]:
    return {name: place for name, place in passed.items() if name not in places}
