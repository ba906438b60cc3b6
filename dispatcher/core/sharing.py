"""Fair shares: who gets each free slot, in a pool whose queues have equal rank or a queue whose deployments have equal rank.

Only the slots that each party holds now decide: there is no counter that could be wrong. A free slot goes to the party that
would then hold least for its weight, `(held + 1) / weight`. Between equal queues the priority decides; between equal
deployments, whose next run comes first (`core.lines`). So no party gets a slot while a waiting party would hold less for its
weight with that slot.
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
        """Decides which party goes first when two have an equal turn."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharer:
    """A deployment that shares a queue. Its order among deployments with an equal turn is decided elsewhere (`core.lines`)."""

    name: str
    weight: int
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimant:
    """A party with the slots that it holds and can still use."""

    party: Party
    held: int
    """Slots that its runs hold."""
    most: int
    """How many more it can use, by its limit and its due runs."""


def turn(party: Party, held: int) -> Turn:
    """The order of fair shares: when a party that holds `held` slots gets its next one. Total among queues, since their
    priorities are unique.
    """
    return level(party.weight, held), party.priority


def level(weight: int, held: int) -> Fraction:
    """What a party would hold per unit of weight if it got one more slot."""
    return Fraction(held + 1, weight)


def dealt(slots: int, claimants: Sequence[Claimant]) -> Mapping[str, int]:
    """How many of the free slots each party gets, by name: as if they were dealt one after the other by `turn`.

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
    """How many slots each party gets until its next slot would exceed `level / unit` slots per unit of weight."""
    return [min(max(level * claimant.party.weight // unit - claimant.held, 0), claimant.most) for claimant in claimants]
