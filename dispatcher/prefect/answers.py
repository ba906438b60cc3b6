"""What the server's answer to a guarded claim means. Pure.

The HTTP code says nothing: 201 carries refusals, and 200 carries our own success where an answer was lost. What counts is the
status, and whose transition id the state shows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from dispatcher.models.source_answers import NotConfirmed, Withdrawn

SLOT_WAIT = timedelta(seconds=30)
"""How long the server lets a run wait for a slot of its deployment, when it does not say."""

TAKEN = "a worker or another dispatcher has taken its flow run"

ENDED = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED", "CANCELLING"})


def judged(code: int, body: Any, own: Collection[str], now: datetime) -> Withdrawn | NotConfirmed | None:
    """What a claim came to; None when the flow run is ours. `own` are the transition ids of our own claims of it."""
    if code == 404:
        return Withdrawn("its flow run was deleted in Prefect")
    answer = body if isinstance(body, Mapping) else {}
    state, details = _mapping(answer.get("state")), _mapping(answer.get("details"))
    if code not in (200, 201) or not isinstance(answer.get("status"), str):
        return NotConfirmed(f"Prefect answered {code}")
    if answer["status"] == "ACCEPT" or is_ours(state, own):
        return None
    reason = str(details.get("reason") or "Prefect does not let it start")
    if answer["status"] == "WAIT":
        return Withdrawn(reason, not_before=now + timedelta(seconds=float(details.get("delay_seconds") or 0)))
    if state.get("type") == "SCHEDULED":
        return Withdrawn(reason, not_before=scheduled_time(state) or now + SLOT_WAIT)
    if state.get("type") in ENDED:
        return Withdrawn(f"its flow run is {state['type']} in Prefect: {reason}")
    if state.get("type") in ("PENDING", "RUNNING"):
        return Withdrawn(f"{TAKEN}, which is {state['type']} in Prefect")
    return NotConfirmed(f"Prefect answered {answer['status']} without a state: {reason}")


def is_ours(state: Mapping[str, Any], own: Collection[str]) -> bool:
    """Whether a state is a claim that we have made."""
    return state.get("type") == "PENDING" and _mapping(state.get("state_details")).get("transition_id") in own


def scheduled_time(state: Mapping[str, Any]) -> datetime | None:
    """When a scheduled state is due."""
    return time_in(_mapping(state.get("state_details")).get("scheduled_time"))


def time_in(text: Any) -> datetime | None:
    """A time as the server writes it, in UTC."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
