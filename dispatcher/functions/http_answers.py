"""Invocations over HTTP: the body is the event, and the status says whether it makes sense to send it again.

    200  done; the body is the report
    400  the request cannot be met, now or later
    500  a setting is wrong
    503  the store cannot be used now: send it again; nothing is dispatched twice

A problem of a pool is part of the report, and so of a 200: the next tick meets it anyway.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dispatcher.environment.events import log_event
from dispatcher.errors import DispatcherError, Fault, InvalidInput, SettingsError, StoreError

JSON = "application/json"
MAX_BODY = 1024 * 1024
"""Bytes of a body: several times what a run may hold."""


@dataclass(frozen=True, kw_only=True)
class HttpAnswer:
    """The answer that a platform sends back."""

    status: int
    body: str
    """JSON: the report, or an object with `error`."""


def answer(call: Callable[[], dict[str, Any]]) -> HttpAnswer:
    """The answer of a call: its report or its error. An exception that is not ours is raised, and is the platform's 500."""
    try:
        return HttpAnswer(status=200, body=json.dumps(call()))
    except DispatcherError as problem:
        return refusal(_status(problem), str(problem))


def refusal(status: int, error: str, *, reason: str = "") -> HttpAnswer:
    """An answer that refuses; `reason` is for the log alone."""
    log_event("invocation.refused", status=status, problem=reason or error)
    return HttpAnswer(status=status, body=json.dumps({"error": error}))


def event_of(body: bytes) -> Any:
    """The event in a body. An empty body is a scheduled event. Raises `InvalidInput`."""
    if not body.strip():
        return {}
    if len(body) > MAX_BODY:
        raise InvalidInput("event", [Fault("", f"the body is larger than {MAX_BODY // 1024} KiB")])
    try:
        return json.loads(body)
    except RecursionError:
        raise InvalidInput("event", [Fault("", "the body nests too deeply")]) from None
    except ValueError as problem:  # no JSON, or no UTF-8
        raise InvalidInput("event", [Fault("", f"the body is not JSON ({problem})")]) from None


def _status(problem: DispatcherError) -> int:
    if isinstance(problem, StoreError):
        return 503
    return 500 if isinstance(problem, SettingsError) else 400
