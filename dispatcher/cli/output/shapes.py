"""The shapes of `--json`; their field names are stable. Times are ISO 8601 in UTC or null, durations are seconds. Secrets are
`(hidden)`: see `dispatcher.core.redaction`.

work pool    name, type, id, status, paused, concurrency_limit (null: unlimited), description, created_at, last_tick_at,
             held_until and held_reason (of what holds all of it), holds, hooks, share (strict, fair), owner; `inspect` adds
             ticks_last_hour, in_use (slots), queues and base_job_template
ticks        since (an hour ago, or the first that was noted), minutes (since then), ticked_minutes (in which there was a tick),
             gaps (since, until: no tick for three intervals or longer)
hold         kind, place, size, freed_by_end, until, reason
work queue   pool, name, priority, concurrency_limit, paused, status, description, weight, share (strict, fair), due, later,
             in_use (numbers of runs)
deployment   id, name, pool, queue, job_variables, parameters, parameter_openapi_schema, tags, description, paused, retry,
             schedules, hooks, concurrency_limit (null: unlimited), on_collision, max_waiting, expires_after_seconds, priority,
             weight, windows_left_out, owner, created_at; `inspect` adds next to each schedule (its next three windows; none
             while nothing is made of it)
schedule     slug, cron, day_or, interval_seconds, rrule, timezone, anchor, start, end, exclude (days), when_skipped,
             when_repeated, spread_seconds, job_variables, parameters, priority (null: the deployment's), active, catch_up,
             catch_up_limit; `schedule ls` adds deployment and next
hook         name, states, late_after_seconds (null: not notified of late runs); `hook ls`: name, kind (webhook, topic; null
             for one that the settings lack), to (host or ARN), signed, work_pools and deployments (that name it);
             `hook test`: hook, id, delivered, problem (null where it was delivered)
retry        attempts (the first included), delay_seconds, backoff, states; null for none
automation   id, name, when and then (as in a configuration file), paused, description, created_at; `inspect` adds counted (of
             the last runs; null where it does not count) and firings (the last ones, newest first)
firing       id, automation, pool (whose tick noticed it), run (that ended, or null), fired_at, because, did and problems (a
             line each), hooks, notified_hooks, notify_at (null: all have confirmed it, or none is to)
run          what `dispatcher.core.run_shape` says: id, name, pool, queue, priority, deployment, schedule (its slug), state,
             reason, attempt (the number in the name of its job), ended_attempts, exit_code, url, created_at, scheduled_at,
             due_at, expires_at, claimed_at, submitted_at, started_at, ended_at; `run ls` and `dev` add late (see the
             glossary) and waits (why it waits, in a few words; empty for one that does not, or is not due yet); `inspect` adds
             job_variables, parameters (its own; those of its job are in job.environment), tags, retry, cause (automation, run,
             depth; null: people or a schedule made it), not_before, refusals, submission, job, past (attempts that were
             followed by another) and timeline
attempt      attempt, state, reason, claimed_at, submitted_at, started_at, ended_at, exit_code, url
preview      a list of runs, each with late, not_before and created (false for a window that is to become a run) besides
timeline     a list of event, at, wait_seconds (since the event before; null for the first), attempt, state and reason (of an
             end; else null and empty)
explanation  id, name, state, reason (a word of `dispatcher.core.reasons.Reason`), text, fix, until, position, holders
dev          ticks (how many), at, pools (with in_use and queues), runs (as `run ls` has them but for those to come), problems
tick         started_at, pools (those with something to do), skipped, idle (how many others), problems; a pool has the numbers
             of `dispatcher.ticking.report.PoolReport`, barriers (by queue: why nothing more was admitted), queues (by name:
             in_use, limit, waiting, oldest_wait), steps (each step, after, seconds) and outcomes (by run)
store        migrate: found and latest (versions), is_needed, statements; copy: from, to and how many pools, deployments,
             automations, runs; check: runs (how many), faults
doctor       a list of check, subject, level (ok, warning, problem), text, fix
simulate     pool, runs, is_cut (there may be more runs than were looked at), interval_seconds, before and after: each
             concurrency_limit, most_slots, ended_at and queues (name, runs, never: not admitted at all, and the waits in
             seconds: median, p95, longest)
plan, apply  owner, hash (of what is stored before) and hash_after, applied, changes: a list of action (create, change, delete),
             noun, name, fields: a list of path, action, before, after (null where there is none); unnamed (stored, and not in
             the file): a list of noun, name; drift (what was changed since the last apply): a list of
             noun, name, path, now, is_there, automation (which paused or resumed it; null: by hand), because (what it did
             and why)
dry run      a list of pool, admitted (each id, name, queue and the rendered job without its secrets), crashes (each id, name,
             queue, reason), barriers, problem
many runs    action, id (of the entry in the log), as_of, matching (total, exact, by_state), done, skipped (nothing was left to
             do), refused: a list of path (the run's id), message
log          items: a list of id, changed_at, actor, via (cli, page, api, python, function or automation), verb, noun, name,
             fields (path, action, before, after), runs (how many it changed), note; next (the cursor of the next page, or null)
package      output, bytes, sha256, target, arch, python, extras, validation, api, bytecode (the release of the Python that made
             it, or null), bill_of_materials, distributions: a list of name, version, files, unpacked_bytes, zipped_bytes
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from dispatcher.cli.output.listing import ListedRun
from dispatcher.client.shapes import (
    Shape,
    attempt,
    automation,
    bulk_step,
    deployment,
    explanation,
    firing,
    hold,
    hook,
    log_entry,
    matching,
    plan,
    pool,
    queue,
    retry,
    run,
    schedule,
    step,
    time,
    upcoming,
    watched_pool,
    whole_automation,
    whole_deployment,
    whole_pool,
    whole_run,
    with_windows,
)
from dispatcher.models import Run
from dispatcher.models.records import Decision
from dispatcher.ticking.report import PoolReport, TickReport

if TYPE_CHECKING:
    from dispatcher.packaging.build import Package, PackagePart

__all__ = [
    "Shape",
    "attempt",
    "automation",
    "bulk_step",
    "deployment",
    "dry_run",
    "explanation",
    "firing",
    "hold",
    "hook",
    "listed",
    "log_entry",
    "matching",
    "package",
    "plan",
    "pool",
    "queue",
    "retry",
    "run",
    "schedule",
    "step",
    "tick",
    "time",
    "upcoming",
    "watched_pool",
    "whole_automation",
    "whole_deployment",
    "whole_pool",
    "whole_run",
    "with_windows",
]


def listed(entry: ListedRun) -> Shape:
    """A run in the list of `run ls`."""
    return {**run(entry.run), "late": entry.late, "waits": entry.waits}


def tick(report: TickReport) -> Shape:
    """What a tick did."""
    return {**asdict(report), "problems": report.problems}


def dry_run(decision: Decision, report: PoolReport) -> Shape:
    """What a tick of one pool would do."""
    return {
        "pool": report.pool,
        "admitted": [{**_place(grant.run), "job": asdict(grant.job)} for grant in decision.grants],
        "crashes": [{**_place(crashed), "reason": reason} for crashed, reason in decision.crashes],
        "barriers": report.barriers,
        "problem": report.problem,
    }


def package(built: Package) -> Shape:
    """A function's package."""
    return {
        "output": str(built.order.output),
        "bytes": built.size,
        "sha256": built.sha256,
        "target": built.order.target.name,
        "arch": built.order.target.arch,
        "python": built.order.target.python,
        "extras": list(built.order.extras),
        "validation": built.order.validation,
        "api": built.order.api,
        "bytecode": built.interpreter,
        "bill_of_materials": str(built.order.bill),
        "distributions": [_part(part) for part in built.parts],
    }


def _part(part: PackagePart) -> Shape:
    return {
        "name": part.name,
        "version": part.version,
        "files": part.files,
        "unpacked_bytes": part.unpacked,
        "zipped_bytes": part.zipped,
    }


def _place(run: Run) -> Shape:
    return {"id": str(run.id), "name": run.name, "queue": run.queue}
