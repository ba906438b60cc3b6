"""Which hooks are notified of a run, of what, and when. Pure.

`Run.notify_states` says which terminal states somebody is notified of. It is set when the run is made, so that a tick need not
look the hooks up. Which hooks get a notification, and when a run is late, is settled when the notification is due.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from dispatcher.core.run_shape import run_shape
from dispatcher.models import Hook, Run, RunState

LATE = "run.late"
"""The type of the notification of a run that waits too long; that of an end is `run.` and the state, as `run.failed`."""
TRIAL = "hook.test"
"""The type of what people send to see whether it arrives."""


def at_creation(hooks: Iterable[Hook], due_at: datetime) -> dict[str, Any]:
    """The fields of a new run that the hooks of its pool and deployment decide."""
    hooks = list(hooks)
    patience = min((hook.late_after for hook in hooks if hook.late_after is not None), default=None)
    return {
        "notify_states": frozenset(state for hook in hooks for state in hook.states),
        "notify_at": None if patience is None else due_at + patience,
    }


def of_end(run: Run, state: RunState, now: datetime | None) -> dict[str, Any]:
    """The fields of a run that comes to an end: hooks are notified of it, and no longer of what was before.

    `now` is None for an end that nobody is notified of.
    """
    return {"notify_at": now if state in run.notify_states else None, "notify_tries": 0, "notified_hooks": frozenset()}


def due_hooks(run: Run, hooks: Iterable[Hook], now: datetime) -> tuple[Hook, ...]:
    """The hooks that are to be notified of what the run is now, and have not confirmed that yet."""
    left = [hook for hook in hooks if hook.name not in run.notified_hooks]
    if run.state.is_terminal:
        return tuple(hook for hook in left if run.state in hook.states)
    if run.state is not RunState.SCHEDULED:
        return ()
    late = now - run.due_at
    return tuple(hook for hook in left if hook.late_after is not None and late >= hook.late_after)


def next_look(run: Run, hooks: Iterable[Hook], now: datetime) -> datetime | None:
    """When a waiting run is late for the next hook; None when it is late for all of them, or waits no longer."""
    if run.state is not RunState.SCHEDULED:
        return None
    times = (run.due_at + hook.late_after for hook in hooks if hook.late_after is not None)
    return min((time for time in times if time > now), default=None)


def type_of(run: Run) -> str:
    """The type of the notification of what the run is now."""
    return f"run.{run.state.lower()}" if run.state.is_terminal else LATE


def identity(run: Run, hook: Hook) -> UUID:
    """The same for every try at notifying one hook of one thing: by it a receiver knows what it has already."""
    return uuid5(run.id, f"{type_of(run)}/{hook.name}/{run.attempt}")


def notification(run: Run, hook: Hook, now: datetime) -> Mapping[str, Any]:
    """What a hook gets, in JSON's values."""
    return {"type": type_of(run), "timestamp": now.isoformat(), "data": {"hook": hook.name, "run": run_shape(run)}}


def trial(hook: str, now: datetime) -> Mapping[str, Any]:
    """A notification about no run, to see whether a hook takes it."""
    return {"type": TRIAL, "timestamp": now.isoformat(), "data": {"hook": hook}}
