"""The only logging of the product: one structured event for each decision, as one line of JSON.

tick.pool       one pool was ticked             pool, and the counts of its report
run.admitted    a run was claimed               run, pool, queue, attempt, fence
run.taken_over  a claim was taken over          run, pool, attempt, fence
run.answered    a submission was answered       run, pool, attempt, answer, reason
run.moved       an observation moved a run      run, pool, from, to, reason
run.stop        a job was asked to stop         run, pool, problem
pool.held       the provider refused            pool, until, reason
pool.problem    a tick or a look was cut short  pool, problem
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

LOGGER = logging.getLogger("dispatcher")

_ENCODER = json.JSONEncoder(sort_keys=True)


class Events(Protocol):
    """Where events go."""

    def __call__(self, event: str, /, **fields: Any) -> None:
        """Take note of one event."""
        ...


def log_event(event: str, /, **fields: Any) -> None:
    """Write an event to the `dispatcher` logger as one line of JSON with sorted keys."""
    if LOGGER.isEnabledFor(logging.INFO):
        LOGGER.info("%s", _ENCODER.encode({"event": event, **plain(fields)}))


def plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Event fields as JSON values: times as ISO 8601, ids as text."""
    return {key: _plain(value) for key, value in fields.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
