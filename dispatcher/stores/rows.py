"""The nouns and their columns, the same for every SQL store. `codecs` says how each value is written."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from dispatcher.core import ticks
from dispatcher.models import (
    Attempt,
    CatchUp,
    Cause,
    Deployment,
    HoldKind,
    Hook,
    LogEntry,
    Mirror,
    OnCollision,
    PinnedJob,
    PoolHold,
    RetryPolicy,
    Run,
    Schedule,
    Share,
    WhenRepeated,
    WhenSkipped,
    WorkPool,
    WorkQueue,
)
from dispatcher.models.records import EndedRun
from dispatcher.stores.codecs import (
    FLAG,
    HOURS,
    ID,
    JSON,
    LENGTH,
    PLAIN,
    STATE,
    STATES,
    TAGS,
    TEMPLATE,
    TEXT,
    TIME,
    TIMES,
    Codec,
    NounTable,
    as_json,
    in_json,
    many,
    microseconds,
    nested,
    several,
    time_of,
)
from providers.base import Submission

SUBMISSION = Codec(
    lambda submission: {"handle": submission.handle, "name": submission.name, "url": submission.url},
    lambda stored: Submission(**stored),
)
PINNED_JOB = Codec(
    lambda job: {"configuration": job.configuration, "environment": job.environment, "labels": job.labels},
    lambda stored: PinnedJob(**stored),
)

SCHEDULE = NounTable(
    Schedule,
    {
        "slug": PLAIN,
        "cron": PLAIN,
        "day_or": Codec(lambda either: None if either else False, bool),  # not written if it has the original behaviour
        "interval": LENGTH,
        "rrule": PLAIN,
        "timezone": PLAIN,
        "anchor": TIME,
        "when_skipped": Codec(str, WhenSkipped),
        "when_repeated": Codec(str, WhenRepeated),
        "start": TIME,
        "end": TIME,
        "exclude": Codec(
            lambda days: [day.isoformat() for day in days] or None, lambda days: tuple(map(date.fromisoformat, days))
        ),
        "spread": Codec(lambda length: LENGTH.encode(length) or None, LENGTH.decode),
        "job_variables": Codec(lambda variables: variables or None, dict),
        "parameters": Codec(lambda parameters: parameters or None, dict),
        "priority": PLAIN,
        "active": FLAG,
        "catch_up": Codec(str, CatchUp),
        "catch_up_limit": PLAIN,
    },
)
RETRY = NounTable(RetryPolicy, {"attempts": PLAIN, "delay": LENGTH, "backoff": PLAIN, "states": STATES}, {"states": "ends"})
ATTEMPT = NounTable(
    Attempt,
    {
        "number": PLAIN,
        "state": STATE,
        "reason": TEXT,
        "claimed_at": TIME,
        "submitted_at": TIME,
        "started_at": TIME,
        "ended_at": TIME,
        "exit_code": PLAIN,
        "submission": SUBMISSION,
        "lingers": FLAG,
    },
)

HOOK = NounTable(Hook, {"name": PLAIN, "states": STATES, "late_after": LENGTH}, {"states": "ends"})

PLACES = Codec(
    lambda value: {queue: [microseconds(due_at), run_id.hex] for queue, (due_at, run_id) in value.items()},
    lambda stored: {queue: (time_of(due_at), UUID(hex=run_id)) for queue, (due_at, run_id) in stored.items()},
)
"""Positions, by queue."""

HOLD = NounTable(
    PoolHold,
    {
        "place": Codec(list, tuple),
        "size": Codec(dict, dict),
        "freed_by_end": FLAG,
        "until": TIME,
        "reason": TEXT,
        "kind": Codec(str, HoldKind),
        "passed": PLACES,
    },
)

MIRROR = NounTable(Mirror, {"source": PLAIN, "revision": PLAIN, "problem": TEXT})

POOL = NounTable(
    WorkPool,
    {
        "name": PLAIN,
        "id": ID,
        "type": PLAIN,
        "concurrency_limit": PLAIN,
        "paused": FLAG,
        "description": TEXT,
        "hooks": several(HOOK),
        "created_at": TIME,
        "version": PLAIN,
        "holds": several(HOLD),
        "last_tick_at": TIME,
        "ticked_hours": HOURS,
        "mirror": nested(MIRROR),
        "applied": JSON,
        "share": Codec(str, Share),
        "owner": PLAIN,
        "paused_at": TIME,
        "resumed_at": TIME,
        "base_job_template": TEMPLATE,
    },
)
"""A pool, without its queues."""

QUEUE = NounTable(
    WorkQueue,
    {
        "name": PLAIN,
        "priority": PLAIN,
        "concurrency_limit": PLAIN,
        "paused": FLAG,
        "description": TEXT,
        "weight": PLAIN,
        "share": Codec(str, Share),
        "paused_at": TIME,
        "resumed_at": TIME,
    },
)
"""A queue; the column before holds the name of its pool."""

DEPLOYMENT = NounTable(
    Deployment,
    {
        "name": PLAIN,
        "id": ID,
        "pool": PLAIN,
        "queue": PLAIN,
        "job_variables": JSON,
        "parameters": JSON,
        "parameter_openapi_schema": TEMPLATE,
        "tags": TAGS,
        "description": TEXT,
        "schedules": several(SCHEDULE),
        "paused": FLAG,
        "retry": nested(RETRY),
        "hooks": several(HOOK),
        "concurrency_limit": PLAIN,
        "on_collision": Codec(str, OnCollision),
        "max_waiting": PLAIN,
        "expires_after": LENGTH,
        "priority": PLAIN,
        "weight": PLAIN,
        "owner": PLAIN,
        "applied": JSON,
        "created_at": TIME,
        "version": PLAIN,
        "windows_until": TIMES,
        "windows_at": TIME,
        "windows_left_out": PLAIN,
    },
)

CAUSE = NounTable(Cause, {"automation": PLAIN, "run": ID, "depth": PLAIN})

SMALL_RUN = NounTable(
    Run,
    {
        "id": ID,
        "name": PLAIN,
        "pool": PLAIN,
        "queue": PLAIN,
        "deployment": PLAIN,
        "created_at": TIME,
        "scheduled_at": TIME,
        "schedule": PLAIN,
        "retry": nested(RETRY),
        "source_id": PLAIN,
        "notify_states": Codec(lambda ends: as_json(sorted(ends)), many(STATES.decode)),
        "due_at": TIME,
        "expires_at": TIME,
        "lane": PLAIN,
        "state": STATE,
        "reason": TEXT,
        "attempt": PLAIN,
        "fence": PLAIN,
        "ended_attempts": PLAIN,
        "refusals": PLAIN,
        "not_before": TIME,
        "claimed_at": TIME,
        "lease_until": TIME,
        "start_within": PLAIN,
        "submission": in_json(SUBMISSION),
        "ending": STATE,
        "lingers": FLAG,
        "submitted_at": TIME,
        "started_at": TIME,
        "ended_at": TIME,
        "exit_code": PLAIN,
        "notify_at": TIME,
        "notify_tries": PLAIN,
        "notified_hooks": Codec(lambda hooks: as_json(sorted(hooks)), many(frozenset)),
        "past": several(ATTEMPT),
    },
    {"notify_states": "notify_ends", "ended_attempts": "ends", "expires_at": "start_by"},
)
"""A run without its long texts, as `live` and `lingering` return it."""

ENDED_RUN = NounTable(EndedRun, {name: SMALL_RUN.codecs[name] for name in EndedRun._fields})
"""The time for which an ended run held its slot."""

RUN = NounTable(
    Run,
    {
        **SMALL_RUN.codecs,
        "tags": TAGS,
        "job_variables": JSON,
        "parameters": JSON,
        "job": in_json(PINNED_JOB),
        "cause": nested(CAUSE),
        "automate_at": TIME,
    },
    SMALL_RUN.older_names,
)
"""A run, whole."""

LOG_ENTRY = NounTable(
    LogEntry,
    {
        "id": ID,
        "changed_at": TIME,
        "actor": TEXT,
        "via": PLAIN,
        "verb": PLAIN,
        "noun": PLAIN,
        "name": TEXT,
        "fields": TAGS,
        "note": TEXT,
        "runs": PLAIN,
        "kept_until": TIME,
    },
)


def beat(now: datetime) -> Mapping[str, Any]:
    """The parameters of a heartbeat."""
    hour, minute = ticks.place(now)
    return {"now": now, "minute": minute, "hour": HOURS.encode([hour]), "never": HOURS.encode([ticks.NEVER] * ticks.MINUTES)}


COLUMNS: Mapping[str, str] = {
    "pool": POOL.columns,
    "pool_values": POOL.values,
    "queue": QUEUE.columns,
    "queue_values": QUEUE.values,
    "queue_replaced": ", ".join(f"{name} = excluded.{name}" for name in QUEUE.names if name != "name"),
    "deployment": DEPLOYMENT.columns,
    "deployment_values": DEPLOYMENT.values,
    "run": RUN.columns,
    "run_values": RUN.values,
    "small_run": SMALL_RUN.columns,
    "ended_run": ENDED_RUN.columns,
    "log_entry": LOG_ENTRY.columns,
    "log_entry_values": LOG_ENTRY.values,
}
"""The columns that replace the nouns in `sql/statements.sql`."""
