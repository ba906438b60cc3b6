"""A claim in SQL: its reads and its moves, within a transaction that a verb of `sql_store` has begun."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from dispatcher.core import transitions
from dispatcher.models import Run, RunState
from dispatcher.models.records import Claim, Claims, Decide, Decision
from dispatcher.stores.rows import RUN, beat
from dispatcher.stores.sql_configuration import expected, guard, pool_calls, pool_of, required
from dispatcher.stores.sql_snapshot import InUse, snapshot, use_calls
from dispatcher.stores.transaction import Transaction

RunChange = tuple[Run, Mapping[str, Any], Mapping[str, Any]]
"""A run, its expected values, and its new values."""


def claim(transaction: Transaction, pool: str, now: datetime, *, lease: timedelta, takeovers: int, decide: Decide) -> Claims:
    """See `Store.claim`."""
    heartbeat, *cursors = transaction.together(
        ("heartbeat", {"pool": pool, **beat(now)}),
        ("abandoned", {"pool": pool, "now": now, "limit": takeovers}),
        *pool_calls(pool),
        *use_calls(pool, now),
    )
    if not heartbeat.rowcount:
        return Claims()
    abandoned, pool_rows, queue_rows, uses, lanes = (cursor.fetchall() for cursor in cursors)
    stored = required(pool_of(pool_rows, queue_rows))
    read: dict[UUID, Run] = {}
    decision = decide(snapshot(transaction, stored, InUse.of(uses, lanes), now, batch=takeovers, read=read))
    _read_others(transaction, decision, read)
    repeats = [(run, expected(run), transitions.taken_over(run, now, lease)) for run in map(RUN.decode, abandoned)]
    grants = _leaving(pool, read, [(grant.run, transitions.granted(grant, now, lease)) for grant in decision.grants])
    crashes = _leaving(pool, read, [(run, transitions.crashed(run, reason, now)) for run, reason in decision.crashes])
    changed = iter(_change(transaction, [*repeats, *grants, *crashes]))
    claims = [Claim(run=run, repeat=True) for run in islice(changed, len(repeats)) if run]
    claims += [Claim(run=run, repeat=False) for run in islice(changed, len(grants)) if run]
    return Claims(claims=tuple(claims), crashed=tuple(filter(None, changed)))


def _read_others(transaction: Transaction, decision: Decision, read: dict[UUID, Run]) -> None:
    """Read the runs that a decision names but the transaction has not read: a copy from elsewhere may be outdated."""
    named = [*(grant.run for grant in decision.grants), *(run for run, _ in decision.crashes)]
    others = [run.id for run in named if run.id not in read]
    if others:
        cursors = transaction.together(*(("run", {"id": run_id}) for run_id in others))
        read.update((run.id, run) for cursor in cursors for run in map(RUN.decode, cursor.fetchall()))


def _leaving(pool: str, read: Mapping[UUID, Run], changes: Sequence[tuple[Run, Mapping[str, Any]]]) -> Sequence[RunChange]:
    """The claim's own moves. They leave SCHEDULED, even if the copy of the run has another state."""
    return [
        (read.get(run.id, run), guard(run.id, pool, RunState.SCHEDULED, run.fence, run.ending), values)
        for run, values in changes
    ]


def _change(transaction: Transaction, changes: Sequence[RunChange]) -> Sequence[Run | None]:
    """Each run after its change, exactly as it will be read again; None for a run that was not as expected."""
    if not changes:
        return []
    written = [(RUN.encode_fields(values), condition) for _, condition, values in changes]
    answered = zip(changes, written, transaction.change_runs(written), strict=True)
    return [
        replace(run, **RUN.decode_fields(values)) if as_expected else None for (run, *_), (values, _), as_expected in answered
    ]
