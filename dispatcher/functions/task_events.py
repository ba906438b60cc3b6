"""A platform's event settles the run of its job, or nothing.

It counts only if the run's pool is of that platform, and if the event's place matches the run's submission; so must its job,
once that is recorded. An event about another job, or a malformed one, is ignored, and the log says why. The registry names
what reads the events of each platform (`providers.registry.events_of`).

Some events prove what they say (ECS's). Others are hints (entries of Google's audit log, and every event of a managed pool's
job): the provider is asked about that one job, and its answer counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from dispatcher.models import Run, WorkPool, parse_submission_name, submission_name
from dispatcher.ticking import admit_next, look_at, settle_event
from dispatcher.wiring import Wiring
from providers.base import EventHost, JobEvent, Observation, ProviderError, Submission
from providers.registry import PlatformEvents, event_reader, holder_of, provider_type

STRANGER = "the job is not one of this store's runs"


def settle_job_event(
    wiring: Wiring, events: PlatformEvents, event: Mapping[str, Any], deadline: datetime, function: str = ""
) -> dict[str, Any]:
    """Settle the run, and when it ended admit the next of its pool; `function` is the ARN of the function that receives it."""
    try:
        reported = event_reader(events).read(event)
        run = _run_of(wiring, reported)
        if reported is None or run is None:
            return {"ignored": STRANGER}
        name = reported.submission.name
        pool = wiring.store.pool(run.pool)
        if pool is None or not _is_reported(events, pool, run):
            return _ignored(wiring, f"the run {name} is not of a pool whose jobs report {events.kind!r}", run=name)
        submission = _submission(events, reported, run, _host(wiring, pool, function))
    except ProviderError as problem:
        return _ignored(wiring, f"the event is malformed: {problem}")
    if submission is None:
        return _ignored(wiring, f"the job {_job_of(reported)} is not that of the run {name}", run=name)
    seen = _settled(wiring, pool, run, submission, reported)
    if seen and seen.state.is_end:
        return {"run": name, "moved": True, **asdict(admit_next(wiring.dispatch, run.pool, deadline))}
    return {"run": name, "moved": seen is not None}


def _settled(wiring: Wiring, pool: WorkPool, run: Run, submission: Submission, reported: JobEvent) -> Observation | None:
    """What moved the run: the observation of the event, or of the provider where the event is a hint. None: nothing did."""
    if submission.name != submission_name(run.id, run.attempt):
        return None
    if reported.observation is None or provider_type(pool.type).holder:
        return look_at(wiring.dispatch, run)
    return reported.observation if settle_event(wiring.dispatch, run, reported.observation, submission) else None


def _run_of(wiring: Wiring, reported: JobEvent | None) -> Run | None:
    identity = parse_submission_name(reported.submission.name) if reported else None
    return wiring.store.get(identity[0]) if identity else None


def _is_reported(events: PlatformEvents, pool: WorkPool, run: Run) -> bool:
    """Whether the run's job is of the platform that these events are of."""
    holder = holder_of(pool.type, run.submission.handle if run.submission else None)
    return holder is not None and provider_type(holder).events == events


def _submission(events: PlatformEvents, reported: JobEvent, run: Run, host: EventHost) -> Submission | None:
    """The submission to settle; None where the event is about another job. An attempt that is over moves nothing by itself."""
    if reported.submission.name != submission_name(run.id, run.attempt):
        return reported.submission
    recorded = run.submission.handle if run.submission else None
    return event_reader(events).located(reported, recorded, run.job_configuration, host)


def _host(wiring: Wiring, pool: WorkPool, function: str) -> EventHost:
    settings = wiring.settings
    options = settings.provider_options.get(pool.type, {})
    return EventHost(identity=function, credentials=settings.credentials, options=options)


def _job_of(reported: JobEvent) -> str:
    return next(iter(reported.submission.handle.values()), reported.submission.name)


def _ignored(wiring: Wiring, why: str, **fields: Any) -> dict[str, Any]:
    wiring.dispatch.events("event.ignored", reason=why, **fields)
    return {"ignored": why}
