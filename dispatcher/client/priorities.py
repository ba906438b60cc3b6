"""Priorities of runs, where people give them: what they may be, and which one is in front of a queue."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from dispatcher.errors import Conflict, Fault, InvalidInput
from dispatcher.models import FIRST_PRIORITY, LAST_PRIORITY
from dispatcher.models.lanes import priority_of

if TYPE_CHECKING:
    from dispatcher.protocols import PeopleStore


def check_priority(priority: Any, *, front: Any) -> None:
    """Raise `InvalidInput` for a priority of a run that is none; None stands for no choice. `front` chooses one by itself."""
    if type(front) is not bool:
        raise InvalidInput("run", [Fault("front", f"must be true or false, not {front!r}")])
    if priority is None:
        return
    if front:
        raise InvalidInput("run", [Fault("priority", "does not go with front, which chooses the priority")])
    if type(priority) is not int or not FIRST_PRIORITY <= priority <= LAST_PRIORITY:
        words = f"must be a whole number from {FIRST_PRIORITY} (starts first) to {LAST_PRIORITY}"
        raise InvalidInput("run", [Fault("priority", f"{words}, not {priority!r}")])


def front_priority(store: PeopleStore, pool: str, queue: str, now: datetime) -> int:
    """The priority that starts a run before all due runs of a queue: one less than their lowest, and at most -1.

    Raises `Conflict` if a due run has the lowest possible priority already.
    """
    lanes = store.look(pool, now, lambda snapshot: list(snapshot.lanes(queue))) or []
    priority = min([0, *map(priority_of, lanes)]) - 1
    if priority < FIRST_PRIORITY:
        words = f"runs are due there with priority {FIRST_PRIORITY}, the lowest; wait until they have started, or move them"
        raise Conflict(f"front: nothing goes in front of work queue {queue!r}: {words}")
    return priority
