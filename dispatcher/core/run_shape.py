"""A run in JSON's values: the same keys wherever one is shown.

`--json`, notifications, the answers of the functions: all of them show a run with these keys, which are the names that the
Python API has for them too (`dispatcher.models.Run`).
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from dispatcher.models import Attempt, Run

SHOWN = (
    "id",
    "name",
    "pool",
    "queue",
    "deployment",
    "schedule",
    "state",
    "reason",
    "attempt",
    "ended_attempts",
    "exit_code",
    "url",
    "created_at",
    "scheduled_at",
    "due_at",
    "claimed_at",
    "submitted_at",
    "started_at",
    "ended_at",
)
"""What is shown of a run everywhere: attributes of `Run` that every verb of a store answers with."""

SHOWN_OF_ATTEMPTS = ("state", "reason", "claimed_at", "submitted_at", "started_at", "ended_at", "exit_code", "url")
"""What is shown of an attempt that was followed by another, beside its number."""


def run_shape(run: Run) -> dict[str, Any]:
    """A run as it is shown. Times are ISO 8601 in UTC; what is not known is null."""
    return {name: _plain(getattr(run, name)) for name in SHOWN}


def attempt_shape(attempt: Attempt) -> dict[str, Any]:
    """An attempt that was followed by another, as it is shown."""
    return {"attempt": attempt.number, **{name: _plain(getattr(attempt, name)) for name in SHOWN_OF_ATTEMPTS}}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    return str(value) if isinstance(value, UUID | Enum) else value
