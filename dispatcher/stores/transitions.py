"""What each step of a claim changes in a run, and which moves are allowed: pure, and the same for every store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

from dispatcher.core.notifications import news_of
from dispatcher.models import ALLOWED_MOVES, PINNED_BY_CREATION, Run, RunState
from dispatcher.records import Grant, Move

CHANGEABLE = frozenset(field.name for field in fields(Run)) - PINNED_BY_CREATION - {"state", "fence"}
"""The fields that a move may change."""

TAKEN_OVER_IN = frozenset({RunState.PENDING, RunState.CANCELLING})
"""Where a claim whose lease has ended without a submission is taken over."""


def check(moves: Iterable[Move]) -> None:
    """Raise ValueError for a move that is forbidden, or that changes what no move may change."""
    for move in moves:
        if move.to not in ALLOWED_MOVES[move.expected]:
            raise ValueError(f"run {move.run_id}: no move leads from {move.expected} to {move.to}")
        if pinned := set(move.changes) - CHANGEABLE:
            raise ValueError(f"run {move.run_id}: a move cannot change {', '.join(sorted(pinned))}")


def granted(grant: Grant, now: datetime, lease: timedelta) -> Mapping[str, Any]:
    """The fields of a run that is claimed for the first time in its attempt."""
    return {
        "state": RunState.PENDING,
        "fence": grant.run.fence + 1,
        "claimed_at": now,
        "lease_until": now + lease,
        "job": grant.job,
        "start_within": grant.start_within,
        "reason": "",
        "not_before": None,
        "notify_at": None,
    }


def taken_over(run: Run, now: datetime, lease: timedelta) -> Mapping[str, Any]:
    """The fields of a run whose claim is taken over: all but its fence and lease stay.

    That its last claim was refused (`not_before` is the end of that claim's lease) is known for one claim more.
    """
    refused = run.not_before is not None and run.not_before == run.lease_until
    return {"fence": run.fence + 1, "lease_until": now + lease, "not_before": run.not_before if refused else None}


def crashed(run: Run, reason: str, now: datetime) -> Mapping[str, Any]:
    """The fields of a run that cannot be rendered."""
    end = {"state": RunState.CRASHED, "reason": reason, "ended_at": now, "lingers": bool(run.left_behind)}
    return {**end, **news_of(run, RunState.CRASHED, now)}
