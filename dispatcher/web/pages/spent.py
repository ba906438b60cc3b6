"""How the time of a run was spent, as parts of one bar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from dispatcher.core.timeline import TimelineEntry

WIDTH = 1000
LEAST = 4
"""The least width of a part, so that it can be seen."""

KINDS: Mapping[str, str] = {
    "created": "early",
    "scheduled": "waiting",
    "claimed": "starting",
    "submitted": "starting",
    "started": "running",
    "ended": "waiting",
}
"""What a run does after an event, until the next one."""

WORDS: Mapping[str, str] = {"early": "not due yet", "waiting": "waited", "starting": "starting", "running": "ran"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BarPart:
    """One stretch of the bar."""

    kind: str
    x: float
    width: float
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """The bar up to the last event so far, and the sum of each kind."""

    parts: Sequence[BarPart]
    sums: Mapping[str, timedelta]
    width: int = WIDTH


def spent(entries: Sequence[TimelineEntry]) -> Spent:
    """The bar of a timeline; none if nothing has happened yet."""
    stretches = [
        (KINDS[before.event], after.wait, f"{before.event} to {after.event}")
        for before, after in pairwise(entries)
        if after.wait
    ]
    total = sum((length for _, length, _ in stretches), timedelta())
    parts, x, sums = list[BarPart](), 0.0, dict[str, timedelta]()
    for kind, length, words in stretches:
        width = max(LEAST, (WIDTH - LEAST * len(stretches)) * (length / total))
        parts.append(BarPart(kind=kind, x=round(x, 1), width=round(width, 1), words=words))
        sums[kind] = sums.get(kind, timedelta()) + length
        x += width
    return Spent(parts=parts, sums={WORDS[kind]: sums[kind] for kind in WORDS if kind in sums})
