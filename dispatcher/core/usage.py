"""How many slots were held over time, by queue. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import accumulate

Hold = tuple[str, datetime, datetime]
"""A queue, and the begin and end of the time in which one of its runs held a slot."""


def usage(holds: Iterable[Hold], begin: datetime, end: datetime, *, parts: int) -> Mapping[str, Sequence[float]]:
    """By queue: the average number of slots that it held in each of the equal parts of the time from `begin` to `end`.

    The sum over all queues never exceeds the most slots held at the same time. Queues that held none are left out.
    """
    length = (end - begin) / parts
    changes_by_queue: dict[str, list[float]] = {}
    for queue, since, until in holds:
        first, last = max(since, begin), min(until, end)
        if first < last:
            changes = changes_by_queue.setdefault(queue, [0.0] * (parts + 2))
            _add_change(changes, (first - begin) / length, 1)
            _add_change(changes, (last - begin) / length, -1)
    return {
        queue: [max(0.0, round(slots, 6)) for slots in accumulate(changes)][:parts]
        for queue, changes in changes_by_queue.items()
    }


def _add_change(changes: list[float], moment: float, height: int) -> None:
    """Add a change of the used slots from a moment on; the part that contains the moment gets the fraction after it."""
    part, rest = int(moment), moment % 1
    changes[part] += height * (1 - rest)
    changes[part + 1] += height * rest
