"""The rules of a hook that annotations cannot say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from dispatcher.errors import Fault
from dispatcher.models import TERMINAL_STATES, Hook

SHORTEST_PATIENCE = timedelta(minutes=1)
LONGEST_PATIENCE = timedelta(days=30)
ENDS_RULE = "must be a set of COMPLETED, FAILED, CRASHED and CANCELLED"


def hook_faults(hook: Hook) -> Iterator[Fault]:
    """What is wrong with a hook whose fields have the right types."""
    if strange := hook.states - TERMINAL_STATES:
        yield Fault("states", f"{ENDS_RULE} (got {', '.join(sorted(strange))})")
    if not hook.states and hook.late_after is None:
        yield Fault("states", "must hold a terminal state unless late_after is given: such a hook would never be notified")
    if hook.late_after is not None and not SHORTEST_PATIENCE <= hook.late_after <= LONGEST_PATIENCE:
        yield Fault("late_after", f"must be from one minute to {LONGEST_PATIENCE.days} days (got {hook.late_after})")
