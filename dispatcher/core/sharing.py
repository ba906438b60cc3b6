"""Fair shares: who gets each free slot of a pool whose queues have equal rank, or of a queue whose deployments have.

Decided from the slots that each one holds now, and from nothing else: no counter could differ from them. A free slot goes to
the one that would hold least for its weight with it, `(held + 1) / weight`; of equal queues to the first by priority, of equal
deployments to the one whose next run comes first (`core.lines`). So nobody waits while another one has got a slot and holds
more for its weight than the waiting one would with one more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Protocol

Turn = tuple[Fraction, int]
"""When a slot is dealt: earlier turns are smaller."""


class Party(Protocol):
    """A queue of a pool, or a deployment of a queue."""

    @property
    def name(self) -> str:
        """Unique among those that share."""
        ...

    @property
    def weight(self) -> int:
        """How many slots it gets for each one of a party with weight 1."""
        ...

    @property
    def priority(self) -> int:
        """Which of two parties goes first when it is the turn of both."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharer:
    """A deployment that shares a queue: what orders two when it is the turn of both is not known here."""

    name: str
    weight: int
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimant:
    """One that takes part."""

    party: Party
    held: int
    """Slots that its runs hold."""
    most: int
    """How many more it can use: by its limit, and by what is due in it."""


def turn(party: Party, held: int) -> Turn:
    """The order of fair shares: when a party with so many slots gets its next one. Total among queues, whose priorities are
    unique.
    """
    return level(party.weight, held), party.priority


def level(weight: int, held: int) -> Fraction:
    """What a party with so many slots would hold for a weight of 1 if it got one more."""
    return Fraction(held + 1, weight)


def dealt(slots: int, claimants: Sequence[Claimant]) -> Mapping[str, int]:
    """How many of the free slots each party gets, by name: the result of dealing them one after the other by `turn`.

    Found by bisection, so that it costs the same however many slots are free.
    """
    if not claimants:
        return {}
    unit = lcm(*(claimant.party.weight for claimant in claimants))
    low, high = 0, unit * (max(claimant.held for claimant in claimants) + slots)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if sum(_up_to(middle, unit, claimants)) <= slots else (low, middle - 1)
    shares, next_shares = _up_to(low, unit, claimants), _up_to(low + 1, unit, claimants)
    result = {claimant.party.name: share for claimant, share in zip(claimants, shares, strict=True)}
    left = slots - sum(shares)
    more = [claimant.party for claimant, old, new in zip(claimants, shares, next_shares, strict=True) if new > old]
    for party in sorted(more, key=lambda party: party.priority)[: max(left, 0)]:
        result[party.name] += 1
    return result


def _up_to(level: int, unit: int, claimants: Sequence[Claimant]) -> Sequence[int]:
    """How many slots each party gets before each one's next slot would exceed `level / unit` slots for a weight of 1."""
    return [min(max(level * claimant.party.weight // unit - claimant.held, 0), claimant.most) for claimant in claimants]
