"""An *ECS Task State Change* event settles the one run that its task is of, or nothing.

It counts when the run's pool is one of ECS, and when its account, region and cluster, and the task where that is recorded, are
those of the run's submission. An event that is about another task, or malformed, is ignored with a line of log that says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from dispatcher.models import Run, WorkPool, parse_submission_name, submission_name
from dispatcher.ticking import admit_next, settle_event
from dispatcher.wiring import Wiring
from providers.base import Observation, ProviderError, Submission
from providers.ecs.events import DETAIL_TYPE, Home, account_of_arn, from_event, is_about
from providers.ecs.place import credentials_name, region_of_arn
from providers.registry import provider_type

STRANGER = "the task is not one of this store's runs"


def settle_task_event(wiring: Wiring, event: Mapping[str, Any], deadline: datetime, function: str = "") -> dict[str, Any]:
    """Settle the run, and when it ended admit the next of its pool; `function` is the ARN of the function that hears it."""
    try:
        told = from_event(event)
        run = _run_of(wiring, told)
        if told is None or run is None:
            return {"ignored": STRANGER}
        name, seen, submission = told
        if why := _foreign(wiring, run, submission, function):
            return _ignored(wiring, why, run=name)
    except ProviderError as problem:
        return _ignored(wiring, f"the event is malformed: {problem}")
    moved = settle_event(wiring.dispatch, run, seen, _reachable(submission, run))
    if moved and seen.state.is_end:
        return {"run": name, "moved": True, **asdict(admit_next(wiring.dispatch, run.pool, deadline))}
    return {"run": name, "moved": moved}


def _run_of(wiring: Wiring, told: tuple[str, Observation, Submission] | None) -> Run | None:
    known = parse_submission_name(told[0]) if told else None
    return wiring.store.get(known[0]) if known else None


def _foreign(wiring: Wiring, run: Run, told: Submission, function: str) -> str:
    """Why an event that names a run is not about its task; empty when it is, and for an attempt that is over."""
    pool = wiring.store.pool(run.pool)
    if pool is None or provider_type(pool.type).events != DETAIL_TYPE:
        return f"the run {told.name} is not one of ECS"
    if told.name != submission_name(run.id, run.attempt):
        return ""
    recorded = run.submission.handle if run.submission else None
    if is_about(told, recorded, run.job_configuration, _homes(wiring, pool, function)):
        return ""
    return f"the task {told.handle['task']} is not that of the run {told.name}"


def _homes(wiring: Wiring, pool: WorkPool, function: str) -> dict[str | None, Home]:
    """Where the runs of a pool go that say nothing of it, as far as that is known without a call."""
    settings = wiring.settings
    region = settings.provider_options.get(pool.type, {}).get("region") or region_of_arn(function)
    own = Home(account=account_of_arn(function), region=region)
    named: dict[str | None, Home] = {
        name: Home(
            account=account_of_arn(str(entry.get("role_arn") or (function if "profile" not in entry else ""))),
            region=entry.get("region") or region,
        )
        for name, entry in settings.credentials.items()
    }
    return {None: own, **named}


def _reachable(submission: Submission, run: Run) -> Submission:
    """The event's submission with the credentials that the run's job names, which no event tells: a cancel needs them."""
    name = credentials_name(run.job_configuration.get("aws_credentials"))
    return replace(submission, handle={**submission.handle, "credentials": name}) if name else submission


def _ignored(wiring: Wiring, why: str, **told: Any) -> dict[str, Any]:
    wiring.dispatch.events("event.ignored", reason=why, **told)
    return {"ignored": why}
