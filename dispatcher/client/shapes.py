"""Nouns in JSON's values, with the same keys in `--json` and in the HTTP API. `dispatcher.cli.output.shapes` lists the keys.

Times are ISO 8601 in UTC or null, durations are seconds. Secrets are not hidden here: see `dispatcher.client.secrets`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dispatcher.client.bulk import BulkStep
from dispatcher.client.configuration import Plan
from dispatcher.client.counting import Count
from dispatcher.client.pools import PoolView, Upcoming
from dispatcher.core.changes import ABSENT, sparse
from dispatcher.core.changes import shape as change_shape
from dispatcher.core.drift import Drift
from dispatcher.core.holds import is_whole
from dispatcher.core.reasons import Explanation
from dispatcher.core.run_shape import attempt_shape, run_shape
from dispatcher.core.surroundings import Holder
from dispatcher.core.ticks import LastHour
from dispatcher.core.timeline import TimelineEntry, timeline
from dispatcher.models import (
    Attempt,
    Automation,
    Cause,
    Deployment,
    Firing,
    Hook,
    LogEntry,
    PoolHold,
    RetryPolicy,
    Run,
    Schedule,
    Status,
    WorkPool,
)

Shape = dict[str, Any]


def time(moment: datetime | None) -> str | None:
    """A time as text."""
    return moment.isoformat(timespec="milliseconds") if moment else None


def seconds(length: timedelta | None) -> float | None:
    """A length of time as a number."""
    return None if length is None else length.total_seconds()


def pool(pool: WorkPool, status: Status) -> Shape:
    """A pool in a list."""
    whole = max(filter(is_whole, pool.holds), key=lambda hold: hold.until, default=None)
    return {
        "name": pool.name,
        "type": pool.type,
        "id": str(pool.id),
        "status": str(status),
        "paused": pool.paused,
        "concurrency_limit": pool.concurrency_limit,
        "description": pool.description,
        "created_at": time(pool.created_at),
        "last_tick_at": time(pool.last_tick_at),
        "held_until": time(whole.until) if whole else None,
        "held_reason": whole.reason if whole else "",
        "holds": list(map(hold, pool.holds)),
        "hooks": list(map(hook, pool.hooks)),
        "share": str(pool.share),
        "owner": pool.owner,
    }


def hold(hold: PoolHold) -> Shape:
    """A hold: what the provider has refused, until when, and why."""
    return {
        "kind": str(hold.kind),
        "place": list(hold.place),
        "size": dict(hold.size),
        "freed_by_end": hold.freed_by_end,
        "until": time(hold.until),
        "reason": hold.reason,
    }


def whole_pool(view: PoolView) -> Shape:
    """A pool with its queues and its template."""
    return {
        **pool(view.pool, view.status),
        "ticks_last_hour": ticks(view.last_hour),
        "in_use": sum(count.in_use for count in view.counts.values()),
        "queues": [queue(view, record.name) for record in view.pool.queues],
        "base_job_template": view.pool.base_job_template,
    }


def ticks(hour: LastHour) -> Shape:
    """How many minutes of the last hour had a tick, since when ticks are noted, and the gaps between them."""
    gaps = [{"since": time(begin), "until": time(end)} for begin, end in hour.gaps]
    return {"since": time(hour.since), "minutes": hour.length, "ticked_minutes": len(hour.minutes), "gaps": gaps}


def watched_pool(view: PoolView) -> Shape:
    """A pool with its queues, without the template, which does not change from tick to tick, and the ticks themselves."""
    return {name: value for name, value in whole_pool(view).items() if name not in ("base_job_template", "ticks_last_hour")}


def queue(view: PoolView, name: str) -> Shape:
    """One queue of a pool; it has to exist."""
    record = next(queue for queue in view.pool.queues if queue.name == name)
    return {
        "pool": view.pool.name,
        "name": record.name,
        "priority": record.priority,
        "concurrency_limit": record.concurrency_limit,
        "paused": record.paused,
        "status": str(view.queue_status[name]),
        "description": record.description,
        "weight": record.weight,
        "share": str(record.share),
        **asdict(view.counts[name]),
    }


def deployment(deployment: Deployment) -> Shape:
    """A deployment."""
    return {
        "id": str(deployment.id),
        "name": deployment.name,
        "pool": deployment.pool,
        "queue": deployment.queue,
        "job_variables": deployment.job_variables,
        "parameters": deployment.parameters,
        "parameter_openapi_schema": deployment.parameter_openapi_schema,
        "tags": list(deployment.tags),
        "description": deployment.description,
        "paused": deployment.paused,
        "retry": retry(deployment.retry),
        "schedules": list(map(schedule, deployment.schedules)),
        "hooks": list(map(hook, deployment.hooks)),
        "concurrency_limit": deployment.concurrency_limit,
        "on_collision": str(deployment.on_collision),
        "max_waiting": deployment.max_waiting,
        "expires_after_seconds": seconds(deployment.expires_after),
        "priority": deployment.priority,
        "weight": deployment.weight,
        "windows_left_out": deployment.windows_left_out,
        "owner": deployment.owner,
        "created_at": time(deployment.created_at),
    }


def whole_deployment(record: Deployment, windows: Callable[[Schedule], Sequence[datetime]]) -> Shape:
    """A deployment with the next windows of its schedules."""
    active = record.active_schedules
    schedules = [with_windows(schedule, windows(schedule) if schedule.slug in active else ()) for schedule in record.schedules]
    return {**deployment(record), "schedules": schedules}


def schedule(schedule: Schedule) -> Shape:
    """A schedule of a deployment."""
    return {
        "slug": schedule.slug,
        "cron": schedule.cron,
        "day_or": schedule.day_or,
        "interval_seconds": None if schedule.interval is None else schedule.interval.total_seconds(),
        "rrule": schedule.rrule,
        "timezone": schedule.timezone,
        "anchor": time(schedule.anchor),
        "start": time(schedule.start),
        "end": time(schedule.end),
        "exclude": [day.isoformat() for day in schedule.exclude],
        "when_skipped": schedule.when_skipped and str(schedule.when_skipped),
        "when_repeated": schedule.when_repeated and str(schedule.when_repeated),
        "spread_seconds": schedule.spread.total_seconds(),
        "job_variables": schedule.job_variables,
        "parameters": schedule.parameters,
        "priority": schedule.priority,
        "active": schedule.active,
        "catch_up": str(schedule.catch_up),
        "catch_up_limit": schedule.catch_up_limit,
    }


def with_windows(rule: Schedule, windows: Sequence[datetime]) -> Shape:
    """A schedule and its next windows, in its time zone."""
    zone = ZoneInfo(rule.timezone)
    return {**schedule(rule), "next": [window.astimezone(zone).isoformat() for window in windows]}


def retry(policy: RetryPolicy | None) -> Shape | None:
    """A retry policy."""
    if policy is None:
        return None
    return {
        "attempts": policy.attempts,
        "delay_seconds": policy.delay.total_seconds(),
        "backoff": policy.backoff,
        "states": sorted(policy.states),
    }


def hook(hook: Hook) -> Shape:
    """A hook of a pool or deployment."""
    patience = hook.late_after
    return {
        "name": hook.name,
        "states": sorted(hook.states),
        "late_after_seconds": None if patience is None else patience.total_seconds(),
    }


def run(run: Run) -> Shape:
    """A run in a list."""
    return run_shape(run)


def upcoming(upcoming: Upcoming, now: datetime, heartbeat: timedelta) -> Shape:
    """A waiting run, or a run that a schedule will create."""
    waits, late = upcoming.run, upcoming.run.is_late(now, heartbeat)
    return {**run(waits), "late": late, "not_before": time(waits.not_before), "created": upcoming.created}


def whole_run(record: Run) -> Shape:
    """A run with its history."""
    return {
        **run(record),
        "job_variables": record.job_variables,
        "parameters": record.parameters,
        "tags": list(record.tags),
        "retry": retry(record.retry),
        "cause": cause(record.cause),
        "not_before": time(record.not_before),
        "refusals": record.refusals,
        "submission": None if record.submission is None else asdict(record.submission),
        "job": None if record.job is None else asdict(record.job),
        "past": list(map(attempt, record.past)),
        "timeline": list(map(step, timeline(record))),
    }


def attempt(attempt: Attempt) -> Shape:
    """An attempt that was followed by another."""
    return attempt_shape(attempt)


def step(entry: TimelineEntry) -> Shape:
    """One entry of a run's timeline."""
    return {
        "event": entry.event,
        "at": time(entry.at),
        "wait_seconds": None if entry.wait is None else round(entry.wait.total_seconds(), 3),
        "attempt": entry.attempt,
        "state": None if entry.state is None else str(entry.state),
        "reason": entry.reason,
    }


def explanation(run: Run, answer: Explanation) -> Shape:
    """Why a run is in its state."""
    return {
        "id": str(run.id),
        "name": run.name,
        "state": str(run.state),
        "reason": str(answer.reason),
        "text": answer.text,
        "fix": answer.fix,
        "until": time(answer.until),
        "position": answer.position,
        "holders": [_holder(holder) for holder in answer.holders],
    }


def _holder(holder: Holder) -> Shape:
    return {"id": str(holder.id), "name": holder.name, "state": str(holder.state), "since": time(holder.since)}


def automation(automation: Automation) -> Shape:
    """An automation. `when` and `then` are as in a configuration file."""
    plain = sparse(automation)
    return {
        "id": str(automation.id),
        "name": automation.name,
        "when": plain["when"],
        "then": plain["then"],
        "paused": automation.paused,
        "description": automation.description,
        "owner": automation.owner,
        "created_at": time(automation.created_at),
    }


def whole_automation(record: Automation, firings: Sequence[Firing]) -> Shape:
    """An automation, how far it has counted, and what it did last."""
    ended = record.when.ended
    counted = sum(end.counts for end in record.progress.ends)
    return {
        **automation(record),
        "counted": counted if ended and (ended.count > 1 or ended.of_last is not None) else None,
        "firings": list(map(firing, firings)),
    }


def firing(firing: Firing) -> Shape:
    """What an automation did, and why."""
    return {
        "id": str(firing.id),
        "automation": firing.automation,
        "pool": firing.pool,
        "run": None if firing.run is None else str(firing.run),
        "fired_at": time(firing.fired_at),
        "because": firing.because,
        "did": list(firing.did),
        "problems": list(firing.problems),
        "hooks": list(firing.hooks),
        "notified_hooks": sorted(firing.notified_hooks),
        "notify_at": time(firing.notify_at),
    }


def cause(cause: Cause | None) -> Shape | None:
    """The automation that made a run."""
    if cause is None:
        return None
    return {"automation": cause.automation, "run": None if cause.run is None else str(cause.run), "depth": cause.depth}


def plan(plan: Plan, *, applied: bool) -> Shape:
    """What a configuration changes, or has changed."""
    return {
        "owner": plan.owner,
        "hash": plan.hash,
        "hash_after": plan.hash_after,
        "applied": applied,
        "changes": [change_shape(change) for change in plan.changes],
        "unnamed": [{"noun": noun, "name": name} for noun, name in plan.unnamed],
        "drift": [drift_line(line) for line in plan.drift],
    }


def log_entry(entry: LogEntry) -> Shape:
    """An entry of the log of changes."""
    return {
        "id": str(entry.id),
        "changed_at": time(entry.changed_at),
        "actor": entry.actor,
        "via": entry.via,
        "verb": entry.verb,
        "noun": entry.noun,
        "name": entry.name,
        "fields": list(map(dict, entry.fields)),
        "runs": entry.runs,
        "note": entry.note,
    }


def matching(count: Count) -> Shape:
    """How many runs match a filter."""
    by_state = {str(state): number for state, number in count.by_state.items()}
    return {"total": count.total, "exact": count.is_exact, "by_state": by_state}


def bulk_step(step: BulkStep) -> Shape:
    """What became of the runs of one step."""
    return {"done": step.done, "skipped": step.skipped, "refused": [asdict(fault) for fault in step.refused]}


def drift_line(drift: Drift) -> Shape:
    """One field that was changed since the last apply."""
    now = None if drift.now is ABSENT else drift.now
    return {
        "noun": drift.noun,
        "name": drift.name,
        "path": drift.path,
        "now": now,
        "is_there": drift.now is not ABSENT,
        "automation": drift.automation,
        "because": drift.because or None,
    }
