"""A CustomJob in Google's answer becomes an `Observation`. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from providers.base import CallFailed, JobState, Observation
from providers.signals import exit_words, state_of_exit

LIVE = {
    "JOB_STATE_QUEUED": JobState.STARTING,
    "JOB_STATE_PENDING": JobState.STARTING,
    "JOB_STATE_RUNNING": JobState.RUNNING,
    "JOB_STATE_UPDATING": JobState.RUNNING,
    "JOB_STATE_PAUSED": JobState.RUNNING,
    "JOB_STATE_CANCELLING": JobState.RUNNING,
}
"""States of a job that holds resources or waits for them."""

ENDED = {
    "JOB_STATE_SUCCEEDED": JobState.SUCCEEDED,
    "JOB_STATE_FAILED": JobState.CRASHED,
    "JOB_STATE_CANCELLED": JobState.STOPPED,
    "JOB_STATE_EXPIRED": JobState.CRASHED,
    "JOB_STATE_PARTIALLY_SUCCEEDED": JobState.FAILED,
}
"""Vertex AI's states as ours. JOB_STATE_FAILED counts as CRASHED unless the error's message shows that the command failed."""

CANCELLING = "JOB_STATE_CANCELLING"

_WAITS = {
    "JOB_STATE_QUEUED": "queued: Vertex AI waits for quota or capacity",
    "JOB_STATE_PENDING": "Vertex AI prepares the machines",
    CANCELLING: "being cancelled",
}
_REASONS = {
    "JOB_STATE_CANCELLED": "the job was cancelled",
    "JOB_STATE_EXPIRED": "the job ran into its timeout",
    "JOB_STATE_PARTIALLY_SUCCEEDED": "the job succeeded in part only",
}
_EXIT = re.compile(r"non-?zero (?:exit )?(?:status|code)(?: code)?(?: of)?:? ?(\d{1,3})?", re.IGNORECASE)
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")
MAX_TEXT = 600


def observation_of(job: Mapping[str, Any]) -> Observation:
    """The observation of a CustomJob. Raises `CallFailed` for an unreadable answer."""
    state = job.get("state")
    if not isinstance(state, str) or (state not in LIVE and state not in ENDED):
        raise CallFailed(f"the job is in a state that is not known here: {state!r:.80}")
    started = moment(job.get("startTime"))
    if state in LIVE:
        return Observation(state=LIVE[state], reason=_WAITS.get(state, ""), started_at=started)
    words = words_of(job.get("error"))
    if state == "JOB_STATE_FAILED":
        outcome, code = _failure(words)
    else:
        outcome, code = ENDED[state], 0 if state == "JOB_STATE_SUCCEEDED" else None
    reason = f"{exit_words(code)}; {words}" if code else "; ".join(filter(None, (_REASONS.get(state), words)))
    return Observation(
        state=outcome,
        exit_code=code,
        reason="" if outcome is JobState.SUCCEEDED else reason or "Vertex AI gives no reason",
        started_at=started,
        ended_at=_not_before(moment(job.get("endTime")), started),
    )


def has_ended(job: Mapping[str, Any]) -> bool:
    """True when no part of a job runs or will run."""
    state = job.get("state")
    return isinstance(state, str) and state in ENDED


def words_of(error: Any) -> str:
    """An error's message in one line; empty without an error."""
    message = error.get("message") if isinstance(error, Mapping) else None
    return " ".join(message.split())[:MAX_TEXT] if isinstance(message, str) else ""


def moment(value: Any) -> datetime | None:
    """A time in Google's form; None if it is missing. Raises `CallFailed` for any other value."""
    if value is None:
        return None
    match = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    try:
        if match:
            fraction = (match[2] or "0")[:6].ljust(6, "0")
            return datetime.fromisoformat(f"{match[1]}.{fraction}{match[3]}").astimezone(UTC)
    except ValueError:
        pass
    raise CallFailed(f"the answer holds no time where one is expected: {value!r:.80}")


def _failure(words: str) -> tuple[JobState, int | None]:
    """The state and the exit code, read from an error's message: there is no field for the code."""
    match = _EXIT.search(words)
    if match is None:
        return JobState.CRASHED, None
    code = int(match[1]) if match[1] else None
    return (state_of_exit(code) if code else JobState.FAILED), code or None


def _not_before(ended: datetime | None, started: datetime | None) -> datetime | None:
    return max(ended, started) if ended and started else ended
