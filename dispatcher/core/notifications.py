"""Which hooks are notified of a run, of what, and when. Pure.

`Run.notify_states` says which terminal states somebody is notified of. It is set when the run is made, so that a tick need not
look the hooks up. Which hooks get a notification, and when a run is late, is settled when the notification is due.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from dispatcher.models import Hook, Run, RunState

LATE = "run.late"
"""The news of a run that waits; that of an end is `run.` and the state, as `run.failed`."""
TRIAL = "hook.test"
"""What people send to see whether it arrives."""


def born_with(hooks: Iterable[Hook], due_at: datetime) -> dict[str, Any]:
    """The fields of a new run that the hooks of its pool and deployment decide."""
    known = list(hooks)
    patience = min((hook.late_after for hook in known if hook.late_after is not None), default=None)
    return {
        "notify_states": frozenset(end for hook in known for end in hook.states),
        "notify_at": None if patience is None else due_at + patience,
    }


def news_of(run: Run, end: RunState, now: datetime) -> dict[str, Any]:
    """The fields of a run that has come to an end: it is told, or what was to be told of it is not any more."""
    return {"notify_at": now if end in run.notify_states else None, "notify_tries": 0, "notified_hooks": frozenset()}


def wanted_by(run: Run, hooks: Iterable[Hook], now: datetime) -> tuple[Hook, ...]:
    """The hooks that are to be told what a run is now, and have not confirmed it yet."""
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


def news(run: Run) -> str:
    """The name of what is told."""
    return f"run.{run.state.lower()}" if run.state.is_terminal else LATE


def identity(run: Run, hook: Hook) -> UUID:
    """The same for every try at telling one hook one thing: by it a receiver knows what it has already."""
    return uuid5(run.id, f"{news(run)}/{hook.name}/{run.attempt}")


def message(run: Run, hook: Hook, now: datetime) -> Mapping[str, Any]:
    """What is told, in JSON's values."""
    return {
        "type": news(run),
        "timestamp": now.isoformat(),
        "data": {
            "hook": hook.name,
            "run": {
                "id": str(run.id),
                "name": run.name,
                "work_pool": run.pool,
                "work_queue": run.queue,
                "deployment": run.deployment,
                "state": str(run.state),
                "reason": run.reason,
                "exit_code": run.exit_code,
                "attempts": run.ended_attempts + (0 if run.state.is_terminal else 1),
                "url": run.url,
                **_times(run, ("scheduled_at", "due_at", "submitted_at", "started_at", "ended_at")),
            },
        },
    }


def trial(hook: str, now: datetime) -> Mapping[str, Any]:
    """A message that tells nothing of any run, to see whether a hook takes it."""
    return {"type": TRIAL, "timestamp": now.isoformat(), "data": {"hook": hook}}


def _times(run: Run, names: Sequence[str]) -> dict[str, str | None]:
    found: dict[str, datetime | None] = {name: getattr(run, name) for name in names}
    return {name: time.isoformat() if time else None for name, time in found.items()}
