"""What happens to scheduled runs that were due while their pool or queue was paused. Pure.

During a pause, windows become runs as always, and the runs wait. After the pause, `Schedule.catch_up` says which of them start.
A run is judged when a claim reads it, in the claim's transaction: nothing is read twice, and waiting runs cost nothing. The
claim passes over a missed run; a guarded move ends it afterwards.

Only a run that a schedule has created, and that nobody has claimed or changed since, can be missed. Runs that people or
automations create always start, and so do later attempts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from dispatcher.core.schedules import windows_due
from dispatcher.core.windows import delay, last_windows, run_id
from dispatcher.models import CatchUp, Deployment, Run, RunState, Schedule, WorkPool, WorkQueue
from dispatcher.models.records import Snapshot

CONTINUED_WITHIN = timedelta(hours=1)
"""A pause that begins this soon after the last one continues it: runs that were due in the last one may still wait."""

LOOKED_AT = 24
"""The most windows of one schedule that one claim reads to find the schedule's newest run."""

Paused = TypeVar("Paused", WorkPool, WorkQueue)


def noted(before: WorkPool | None, after: WorkPool, now: datetime) -> WorkPool:
    """The pool to save over `before`, with the times when it and its queues were paused and resumed."""
    queues = tuple(_noted(before.queue(queue.name) if before else None, queue, now) for queue in after.queues)
    return replace(_noted(before, after, now), queues=queues)


def _noted(before: Paused | None, after: Paused, now: datetime) -> Paused:
    was_paused = before is not None and before.paused
    paused_at, resumed_at = (before.paused_at, before.resumed_at) if before else (None, None)
    if after.paused and not was_paused:
        continues = resumed_at is not None and now - resumed_at < CONTINUED_WITHIN
        return replace(after, paused_at=paused_at if continues else now, resumed_at=None)
    if was_paused and not after.paused:
        resumed_at = now
    return replace(after, paused_at=paused_at, resumed_at=resumed_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pause:
    """A pause that is over."""

    of: str
    ended_at: datetime


class Missed:
    """Judges the runs that one claim reads. A window that is over for longer than `grace` counts as missed."""

    def __init__(self, snapshot: Snapshot, now: datetime, grace: timedelta) -> None:
        self._snapshot, self._now, self._grace = snapshot, now, grace
        self._newest: dict[tuple[str, str], datetime | None] = {}
        """By deployment and schedule: the window of the newest run; None if none of the last windows has one."""

    def __call__(self, run: Run) -> str:
        """Why a due run must not start any more; empty if it may start."""
        pause = self._pause_of(run)
        deployment = self._snapshot.deployment(run.deployment) if pause and run.deployment else None
        schedule = _schedule_of(deployment, run)
        if pause is None or deployment is None or schedule is None:
            return ""
        words = f"missed: it was due while its {pause.of} was paused"
        if schedule.catch_up is CatchUp.DROP and pause.ended_at - run.due_at > self._grace:
            return f"{words} (catch_up: drop)"
        if schedule.catch_up is CatchUp.LAST and self._has_newer(deployment, schedule, run):
            return f"{words}, and a newer run of its schedule takes its place (catch_up: last)"
        return ""

    def _pause_of(self, run: Run) -> _Pause | None:
        """The last pause in which the run was due; None for a run that cannot be missed."""
        if run.schedule is None or run.fence or run.ended_attempts:
            return None
        pool = self._snapshot.pool
        pauses = [
            _Pause(of=name, ended_at=noun.resumed_at)
            for name, noun in (("work pool", pool), ("work queue", pool.queue(run.queue)))
            if noun and noun.paused_at and noun.resumed_at and noun.paused_at <= run.due_at < noun.resumed_at
        ]
        return max(pauses, key=lambda pause: pause.ended_at, default=None)

    def _has_newer(self, deployment: Deployment, schedule: Schedule, run: Run) -> bool:
        """Whether a later window of the schedule has a run that is due or was started.

        The last windows are read once for all runs of the schedule, back to the window of the first run that is judged. If none
        of them has a run (`max_waiting` leaves windows out), the windows after the run's own decide.
        """
        key, latest = (deployment.name, schedule.slug), self._now - delay(deployment, schedule)
        if key not in self._newest:
            windows = reversed(last_windows(schedule, run.scheduled_at - timedelta.resolution, latest, LOOKED_AT))
            self._newest[key] = next((window for window in windows if self._has_run(deployment, schedule, window)), None)
        newest = self._newest[key]
        if newest is not None:
            return newest > run.scheduled_at
        following = islice(windows_due(schedule, run.scheduled_at, latest), LOOKED_AT)
        return any(self._has_run(deployment, schedule, window) for window in following)

    def _has_run(self, deployment: Deployment, schedule: Schedule, window: datetime) -> bool:
        """Whether the window has a run that waits and is due, or that was started."""
        run = self._snapshot.run(run_id(deployment, schedule, window))
        if run is None or run.state is RunState.CANCELLED:
            return False
        expired = run.expires_at is not None and run.expires_at <= self._now
        return run.state is not RunState.SCHEDULED or (run.due_at <= self._now and not expired)


def _schedule_of(deployment: Deployment | None, run: Run) -> Schedule | None:
    schedules = deployment.schedules if deployment else ()
    return next((schedule for schedule in schedules if schedule.slug == run.schedule), None)
