"""Run requests in JSON, from `create_run` events and from files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

from dispatcher.client.checks import read_retry, written_length
from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import RetryPolicy, RunRequest

NAMES = frozenset(field.name for field in fields(RunRequest))


def run_request(value: Any, subject: str) -> RunRequest:
    """The request in a JSON object. Raises `InvalidInput` for `subject`. Nothing that depends on the pool is checked here."""
    if not isinstance(value, Mapping):
        raise InvalidInput(subject, [Fault("", "must be an object")])
    unknown = sorted(value.keys() - NAMES)
    if unknown:
        names = ", ".join(sorted(NAMES))
        raise InvalidInput(
            subject, [Fault(name, f"is not a field of a run request; the fields are {names}") for name in unknown]
        )
    read = {name: _READ[name](part, subject) if name in _READ and part is not None else part for name, part in value.items()}
    return RunRequest(**read)


def _time(text: Any, subject: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        fault = Fault("scheduled_at", f"{text!r} is not a time; write it as 2026-01-31T08:00:00+00:00")
        raise InvalidInput(subject, [fault]) from None


def _retry(value: Any, _: str) -> RetryPolicy:
    return read_retry(value, "retry")


def _length(value: Any, subject: str) -> timedelta:
    try:
        return written_length(value)
    except ValueError as problem:
        raise InvalidInput(subject, [Fault("expires_after", f"{problem}, not {value!r}")]) from None


_READ: Mapping[str, Callable[[Any, str], Any]] = {"scheduled_at": _time, "retry": _retry, "expires_after": _length}
"""How the fields are read for which JSON has no type."""
