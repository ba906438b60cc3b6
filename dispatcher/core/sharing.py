"""Fair shares: which queue gets each free slot of a pool whose queues have equal rank.

Decided from the slots that each queue holds now, and from nothing else: no counter could differ from them. A free slot goes to
the queue that would hold least for its weight with it, `(held + 1) / weight`; of equal ones to the first by priority. So no
queue waits while another one has got a slot and holds more for its weight than the waiting queue would with one more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

from dispatcher.models import WorkQueue

Turn = tuple[Fraction, int]
"""When a slot is dealt: earlier turns are smaller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimant:
    """A queue that takes part."""

    queue: WorkQueue
    held: int
    """Slots that its runs hold."""
    most: int
    """How many more it can use: by its limit, and by what is due in it."""


def turn(queue: WorkQueue, held: int) -> Turn:
    """The order of fair shares: when a queue that holds so many slots gets its next one. Total, since priorities are unique."""
    return Fraction(held + 1, queue.weight), queue.priority


def dealt(slots: int, claimants: Sequence[Claimant]) -> Mapping[str, int]:
    """How many of the free slots each queue gets, by name: the result of dealing them one after the other by `turn`.

    Found by bisection, so that it costs the same however many slots are free.
    """
    if not claimants:
        return {}
    unit = lcm(*(claimant.queue.weight for claimant in claimants))
    low, high = 0, unit * (max(claimant.held for claimant in claimants) + slots)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if sum(_up_to(middle, unit, claimants)) <= slots else (low, middle - 1)
    shares, next_shares = _up_to(low, unit, claimants), _up_to(low + 1, unit, claimants)
    result = {claimant.queue.name: share for claimant, share in zip(claimants, shares, strict=True)}
    left = slots - sum(shares)
    more = [claimant.queue for claimant, old, new in zip(claimants, shares, next_shares, strict=True) if new > old]
    for queue in sorted(more, key=lambda queue: queue.priority)[: max(left, 0)]:
        result[queue.name] += 1
    return result


def _up_to(level: int, unit: int, claimants: Sequence[Claimant]) -> Sequence[int]:
    """How many slots each queue gets until every next one would come after `level / unit` slots for a weight of 1."""
    return [min(max(level * claimant.queue.weight // unit - claimant.held, 0), claimant.most) for claimant in claimants]
