"""A run in JSON's values, with the same keys everywhere.

`--json`, notifications and the answers of the functions all use these keys. They are the names of the Python API
(`dispatcher.models.Run`).
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
    "priority",
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
    "expires_at",
    "claimed_at",
    "submitted_at",
    "started_at",
    "ended_at",
)
"""The attributes of `Run` that are shown everywhere. Every method of a store returns them."""

SHOWN_OF_ATTEMPTS = ("state", "reason", "claimed_at", "submitted_at", "started_at", "ended_at", "exit_code", "url")
"""What is shown of an earlier attempt, beside its number."""


def run_shape(run: Run) -> dict[str, Any]:
    """A run as it is shown. Times are ISO 8601 in UTC; unknown values are null."""
    return {name: _plain(getattr(run, name)) for name in SHOWN}


def attempt_shape(attempt: Attempt) -> dict[str, Any]:
    """An earlier attempt as it is shown."""
    return {"attempt": attempt.number, **{name: _plain(getattr(attempt, name)) for name in SHOWN_OF_ATTEMPTS}}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    return str(value) if isinstance(value, UUID | Enum) else value
