"""Which hooks are notified about a run, when, and with which notification. Pure.

`Run.notify_states` holds the terminal states that hooks are notified of. It is set when the run is created, so that a tick need
not read the hooks. Which hooks get a notification, and when a run is late, is decided when the notification is due.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from dispatcher.core.run_shape import run_shape
from dispatcher.models import Hook, Run, RunState

LATE = "run.late"
"""The notification type for a run that waits too long. A terminal state has the type `run.` and the state: `run.failed`."""
TRIAL = "hook.test"
"""The type of a test notification."""


def at_creation(hooks: Iterable[Hook], due_at: datetime) -> dict[str, Any]:
    """The fields of a new run that depend on the hooks of its pool and deployment."""
    hooks = list(hooks)
    patience = min((hook.late_after for hook in hooks if hook.late_after is not None), default=None)
    return {
        "notify_states": frozenset(state for hook in hooks for state in hook.states),
        "notify_at": None if patience is None else due_at + patience,
    }


def of_end(run: Run, state: RunState, now: datetime | None) -> dict[str, Any]:
    """The notification fields of a run that reaches a terminal state: hooks are notified of the end, no longer of lateness.

    `now` is None if no hook is notified of this end.
    """
    return {"notify_at": now if state in run.notify_states else None, "notify_tries": 0, "notified_hooks": frozenset()}


def due_hooks(run: Run, hooks: Iterable[Hook], now: datetime) -> tuple[Hook, ...]:
    """The hooks that must be notified of the run's present state and have not confirmed it yet."""
    left = [hook for hook in hooks if hook.name not in run.notified_hooks]
    if run.state.is_terminal:
        return tuple(hook for hook in left if run.state in hook.states)
    if run.state is not RunState.SCHEDULED:
        return ()
    late = now - run.due_at
    return tuple(hook for hook in left if hook.late_after is not None and late >= hook.late_after)


def next_look(run: Run, hooks: Iterable[Hook], now: datetime) -> datetime | None:
    """When a waiting run becomes late for the next hook; None if it is late for all hooks, or no longer waits."""
    if run.state is not RunState.SCHEDULED:
        return None
    times = (run.due_at + hook.late_after for hook in hooks if hook.late_after is not None)
    return min((time for time in times if time > now), default=None)


def type_of(run: Run) -> str:
    """The notification type for the run's present state."""
    return f"run.{run.state.lower()}" if run.state.is_terminal else LATE


def identity(run: Run, hook: Hook) -> UUID:
    """The notification's id: equal for every try to send one notification to one hook, so that a receiver can ignore
    repeats.
    """
    return uuid5(run.id, f"{type_of(run)}/{hook.name}/{run.attempt}")


def notification(run: Run, hook: Hook, now: datetime) -> Mapping[str, Any]:
    """The notification's body, in JSON's values."""
    return {"type": type_of(run), "timestamp": now.isoformat(), "data": {"hook": hook.name, "run": run_shape(run)}}


def trial(hook: str, now: datetime) -> Mapping[str, Any]:
    """A test notification, about no run."""
    return {"type": TRIAL, "timestamp": now.isoformat(), "data": {"hook": hook}}
