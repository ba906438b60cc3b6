"""From schedules to runs: which windows become runs now, and what happens to runs when a schedule changes. Pure.

A window becomes a run once, even if ticks overlap: the run's id is derived from the deployment, the schedule and the time, and
the transaction that adds the runs also notes how far each schedule has come (`Deployment.windows_until`). Windows become runs
ahead of time, so that people see what is to come, and a late tick loses no window.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import merge
from operator import itemgetter
from typing import Any
from uuid import UUID, uuid5
from zlib import crc32

from dispatcher.core.admission import room
from dispatcher.core.creation import copied
from dispatcher.core.schedules import windows_due
from dispatcher.errors import ScheduleError
from dispatcher.models import CatchUp, Deployment, Hook, Run, RunState, Schedule, Share
from dispatcher.models.records import MATERIALISED_AT_ONCE, Materialisation

LOOKED_AHEAD = timedelta(days=366 * 5)
"""How far ahead the next window is searched; a schedule without one in that time is searched again at its end."""

SHORTEST = timedelta(minutes=1)
"""The shortest time between two windows of a schedule; validation refuses shorter ones."""

_SECOND = timedelta(seconds=1)
_FIRST_LOOK_BACK = timedelta(hours=1)
_NAME = 150
"""The most characters of a deployment's name in the names of its runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowLimits:
    """How far ahead windows become runs."""

    ahead: timedelta = timedelta(hours=1)
    most: int = 100
    """The most future windows of one schedule that are already runs."""
    grace: timedelta = timedelta(minutes=3)
    """A window that has been over for longer than this was missed: `catch_up` says what happens to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """The effect of a deployment's change on its windows."""

    deployment: Deployment
    """The deployment to write, including the fields that ticks write."""
    withdrawn: frozenset[str]
    """The stored schedules whose future runs are withdrawn."""


@dataclass(frozen=True, slots=True)
class _Reach:
    """The windows of one schedule that become runs now, and how far the schedule has come afterwards."""

    windows: Sequence[datetime]
    until: datetime
    next_at: datetime
    """When there may be more."""


def saving(stored: Deployment | None, deployment: Deployment, now: datetime) -> Saving:
    """The deployment to write over `stored`.

    A schedule continues where it was if its windows and the fields that its runs copy from the deployment are unchanged.
    Otherwise it begins at `now`, and its future runs are created again.
    """
    before = stored.active_schedules if stored else {}
    after = deployment.active_schedules
    same = {slug for slug in before.keys() & after.keys() if stored and _is_same(stored, deployment, before[slug], after[slug])}
    reached = stored.windows_until if stored else {}
    until = {slug: reached.get(slug, now) if slug in same else now for slug in after}
    goes_on = stored.windows_at if stored and same >= after.keys() else now
    left_out = stored.windows_left_out if stored else 0
    written = replace(deployment, windows_until=until, windows_at=goes_on if after else None, windows_left_out=left_out)
    return Saving(deployment=written, withdrawn=frozenset(before.keys() - same))


def materialisation(
    deployment: Deployment,
    now: datetime,
    limits: WindowLimits,
    hooks: Sequence[Hook] = (),
    *,
    waiting: int = 0,
    share: Share = Share.STRICT,
) -> Materialisation:
    """The next step of making a deployment's windows runs: at most `MATERIALISED_AT_ONCE` of them, each schedule's in order.

    If more are left, `windows_at` is `now`, and the next step goes on. `hooks` are the pool's hooks, `share` is the queue's
    share. `waiting` is the number of the deployment's runs that are due and wait: windows beyond `max_waiting` are left out.
    """
    until, runs, next_at, looked_at = dict(deployment.windows_until), list[Run](), list[datetime](), 0
    places = room(deployment.max_waiting, waiting)
    for slug, schedule in deployment.active_schedules.items():
        reach = _reach(schedule, until.get(slug, now), now, _limits(deployment, schedule, limits))
        taken = reach.windows[: MATERIALISED_AT_ONCE - looked_at]
        looked_at += len(taken)
        runs += [
            _run(deployment, schedule, window, now, hooks=hooks, share=share) for window in taken[: max(0, places - len(runs))]
        ]
        if len(taken) == len(reach.windows):
            until[slug] = reach.until
            next_at.append(reach.next_at)
        else:
            until[slug] = taken[-1] if taken else until.get(slug, now)
            next_at.append(now)
    return Materialisation(
        deployment=deployment,
        runs=tuple(runs),
        windows_until=until,
        windows_at=min(next_at, default=None),
        left_out=looked_at - len(runs),
    )


def _limits(deployment: Deployment, schedule: Schedule, limits: WindowLimits) -> WindowLimits:
    """With `max_waiting`, a window becomes a run only when the run is due: before, nobody knows whether there is room."""
    if deployment.max_waiting is None:
        return limits
    later = delay(deployment, schedule)
    return replace(limits, ahead=-later, grace=limits.grace + later)


def windows_to_come(deployment: Deployment, now: datetime, until: datetime) -> Iterator[tuple[str, datetime]]:
    """Windows that are not runs yet, by time, with their schedules' slugs. People see them beside the existing runs.

    Lazy: a caller may take only the first few. A schedule that cannot be read has no windows here (ticks report it); the other
    schedules have theirs.
    """
    return merge(
        *(
            _with_slug(slug, windows_due(schedule, max(now, deployment.windows_until.get(slug, now)), until))
            for slug, schedule in deployment.active_schedules.items()
        ),
        key=itemgetter(1),
    )


def _with_slug(slug: str, windows: Iterator[datetime]) -> Iterator[tuple[str, datetime]]:
    with suppress(ScheduleError):
        yield from ((slug, window) for window in windows)


def runs_to_come(deployment: Deployment, now: datetime, until: datetime) -> Iterator[Run]:
    """The windows to come, as the runs that they will become."""
    schedules = deployment.active_schedules
    windows = windows_to_come(deployment, now, until)
    return (_run(deployment, schedules[slug], window, now, hooks=(), share=Share.STRICT) for slug, window in windows)


def is_withdrawn(run: Run, slugs: Collection[str], now: datetime) -> bool:
    """Whether a run is withdrawn with these schedules of its deployment: it is not due yet and was never claimed."""
    return run.schedule in slugs and run.state is RunState.SCHEDULED and run.fence == 0 and run.scheduled_at > now


def goes_with_deployment(run: Run) -> bool:
    """Whether a run is deleted with its deployment: a schedule made it, whichever the deployment had when, and it was never
    claimed.
    """
    return run.schedule is not None and run.state is RunState.SCHEDULED and run.fence == 0


def _is_same(stored: Deployment, deployment: Deployment, before: Schedule, after: Schedule) -> bool:
    return _schedule_fields(before) == _schedule_fields(after) and _run_fields(stored) == _run_fields(deployment)


def _schedule_fields(schedule: Schedule) -> tuple[Any, ...]:
    """The fields that decide which runs a schedule creates, and what the runs copy from it."""
    return schedule.windows, schedule.spread, schedule.job_variables, schedule.parameters, schedule.priority


def _run_fields(deployment: Deployment) -> tuple[Any, ...]:
    """The fields that a run copies from its deployment when it is created. A claim reads the other fields."""
    fields = deployment.pool, deployment.queue, deployment.tags, deployment.retry, deployment.hooks, deployment.expires_after
    return deployment.id, *fields, deployment.lane, deployment.max_waiting is None


def _reach(schedule: Schedule, since: datetime, now: datetime, limits: WindowLimits) -> _Reach:
    missed_before = now - limits.grace
    missed = _missed(schedule, since, missed_before)
    end = max(since, now + limits.ahead)
    begin = max(since, missed_before)
    if end - now >= limits.most * SHORTEST:  # otherwise there can be no more than `limits.most`
        begin = min(now, begin)
    ahead: datetime | None = None  # the first of the `made` windows that are ahead of their time
    made, windows = 0, list[datetime]()
    for window in windows_due(schedule, begin, end + LOOKED_AHEAD):
        if window > end:
            return _Reach([*missed, *windows], end, window - limits.ahead)
        ahead = ahead or (window if window > now else None)
        if window > since and made >= limits.most:  # there is a place for the next one when the first of them is due
            return _Reach([*missed, *windows], max(windows[-1] if windows else since, missed_before), ahead or end)
        made += window > now
        if window > since:
            windows.append(window)
    return _Reach([*missed, *windows], end, end + LOOKED_AHEAD - limits.ahead)


def _missed(schedule: Schedule, since: datetime, before: datetime) -> Sequence[datetime]:
    """The missed windows that become runs."""
    count = {CatchUp.LAST: 1, CatchUp.ALL: schedule.catch_up_limit}.get(schedule.catch_up, 0)
    return last_windows(schedule, since, before, count)


def last_windows(schedule: Schedule, since: datetime, before: datetime, count: int) -> Sequence[datetime]:
    """The last `count` windows in `since < window <= before`, ascending. The cost depends on `count`, not on the length of the
    time.
    """
    back, windows = _FIRST_LOOK_BACK, list[datetime]()
    while len(windows) < count:
        start = max(since, before - back)
        windows = list(windows_due(schedule, start, before))
        if start == since:
            break
        back *= 2
    return windows[-count:] if count else []


def _run(
    deployment: Deployment, schedule: Schedule, window: datetime, now: datetime, *, hooks: Sequence[Hook], share: Share
) -> Run:
    due_at = window + delay(deployment, schedule)
    return Run(
        id=run_id(deployment, schedule, window),
        name=f"{deployment.name[:_NAME].rstrip()}-{window:%Y-%m-%dT%H:%M:%SZ}",
        job_variables=schedule.job_variables,
        parameters=schedule.parameters,
        tags=deployment.tags,
        created_at=now,
        scheduled_at=window,
        schedule=schedule.slug,
        **copied(deployment, due_at, hooks, schedule.priority, share),
    )


def run_id(deployment: Deployment, schedule: Schedule, window: datetime) -> UUID:
    """The id of a window's run: a pure function, so that a window becomes one run, whoever creates it."""
    return uuid5(deployment.id, f"{schedule.slug}/{window.isoformat()}")


def delay(deployment: Deployment, schedule: Schedule) -> timedelta:
    """The delay from a schedule's windows to the due times of its runs: whole seconds, less than `spread`."""
    seconds = schedule.spread // _SECOND
    return crc32(f"{deployment.name}/{schedule.slug}".encode()) % seconds * _SECOND if seconds else timedelta(0)


def reached(step: Materialisation) -> Mapping[str, Any]:
    """The fields of a deployment that a step writes."""
    return {
        "windows_until": step.windows_until,
        "windows_at": step.windows_at,
        "windows_left_out": step.deployment.windows_left_out + step.left_out,
    }
