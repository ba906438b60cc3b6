"""Limits of deployments, runs that expire, and pauses: the rules once more, by brute force.

never over  no deployment has more live jobs than its limit; what is cancelled for another counts until its end is seen
too late    what has expired never starts
pauses      after one, the newest run of a schedule that says `last` starts, and none of one that says `drop`; runs of people,
            further attempts and runs from before the pause start, whatever a schedule says
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta

from dispatcher.models import CatchUp, Run, RunState, Schedule, WorkPool
from dispatcher.models.records import RunFilter
from dispatcher.protocols import Store

GRACE = timedelta(seconds=90)
"""After which a window counts as missed here."""
CONTINUED = timedelta(hours=1)
"""A pause that follows another so soon continues it."""
LOOKED_AT = 24
"""A newer run of a schedule is searched in so many windows after the run, and in so many of the last windows."""
MISSED = "missed: "
REASONS = (MISSED, "skipped: ", "replaced by run ", "expired: ")


class Violation(BaseException):
    """A promise was broken. Not an `Exception`, since a tick takes one from a provider for a missing answer."""


class Crowd:
    """Checks a world with limits of deployments, expiry and pauses. `store` reads without faults."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.pauses: dict[tuple[str, str | None], tuple[datetime, datetime | None]] = {}
        """By pool, and queue or None: the last pause, and when it ended."""
        self.marks: Counter[str] = Counter()
        """How many runs ended before they started or for another run, by the first word of their reasons."""

    def switched(self, before: WorkPool, after: WorkPool, now: datetime) -> None:
        """People have changed a pool."""
        self._switched((after.name, None), before.paused, after.paused, now)
        for queue in after.queues:
            old = before.queue(queue.name)
            self._switched((after.name, queue.name), bool(old and old.paused), queue.paused, now)

    def _switched(self, key: tuple[str, str | None], was: bool, paused: bool, now: datetime) -> None:
        began, ended = self.pauses.get(key, (now, None))
        if paused and not was:
            self.pauses[key] = (began if ended and now - ended < CONTINUED else now), None
        if was and not paused and key in self.pauses:
            self.pauses[key] = began, now

    def runs(self, **where: object) -> Sequence[Run]:
        """Every run that fits."""
        return self.store.runs(RunFilter(**where), limit=10_000)  # type: ignore[arg-type] - fields of the filter

    def room(self, pool: str) -> dict[str | None, int]:
        """By deployment with a limit: how many more of its runs may be live."""
        live = Counter(run.deployment for run in self.runs(pool=pool) if run.state.holds_slot)
        limited = [deployment for deployment in self.store.deployments(pool) if deployment.concurrency_limit is not None]
        return {deployment.name: (deployment.concurrency_limit or 0) - live[deployment.name] for deployment in limited}

    def startable(self, ready: Sequence[Run], pool: str, now: datetime) -> list[Run]:
        """The due runs that have not expired and were not missed in a pause."""
        fresh = [run for run in ready if run.expires_at is None or run.expires_at > now]
        deployments = self.store.deployments(pool)
        schedules = {(owner.name, schedule.slug): schedule for owner in deployments for schedule in owner.schedules}
        return [
            run for run in fresh if not self._is_missed(run, schedules.get((run.deployment or "", run.schedule or "")), now)
        ]

    def _is_missed(self, run: Run, schedule: Schedule | None, now: datetime) -> bool:
        if schedule is None or run.fence or run.ended_attempts:
            return False
        ends = [end for began, end in self._pauses_of(run) if end and began <= run.due_at < end]
        if schedule.catch_up is CatchUp.DROP:
            return any(end - run.due_at > GRACE for end in ends)
        return bool(ends) and schedule.catch_up is CatchUp.LAST and self._has_newer(run, schedule, now)

    def _pauses_of(self, run: Run) -> list[tuple[datetime, datetime | None]]:
        return [self.pauses[key] for key in ((run.pool, None), (run.pool, run.queue)) if key in self.pauses]

    def _has_newer(self, run: Run, schedule: Schedule, now: datetime) -> bool:
        windows = list(windows_of(schedule, run.scheduled_at, now))
        near = {*windows[:LOOKED_AT], *windows[-LOOKED_AT:]}
        others = [other for other in self.runs(deployment=run.deployment) if other.schedule == run.schedule]
        return any(other.scheduled_at in near and _counts(other, now) for other in others)

    def started(self, run: Run, alive: Collection[str]) -> None:
        """A job of the run has started; `alive` are the names of the living jobs of its pool."""
        deployment = self.store.deployment(run.deployment) if run.deployment else None
        if deployment is None or deployment.concurrency_limit is None:
            return
        same = {f"r{other.id.hex}" for other in self.runs(pool=run.pool, deployment=run.deployment)}
        living = sorted(name for name in alive if name.split("-")[0] in same)
        if len(living) > deployment.concurrency_limit:
            raise Violation(f"never over: {living} live, and {deployment.name} has a limit of {deployment.concurrency_limit}")

    def ended(self, run: Run, now: datetime) -> None:
        """A run has ended: one that was missed made place for a newer one, or its schedule says that it is not to start."""
        if run.reason.startswith(REASONS):
            self.marks[run.reason.split()[0].rstrip(":")] += 1
        if not run.reason.startswith(MISSED):
            return
        began = [began for began, _ in self._pauses_of(run) if began <= run.due_at < now]
        if run.schedule is None or run.fence or run.ended_attempts or not began:
            raise Violation(f"pauses: run {run.id} ended ({run.reason}), and was not due in a pause, or is not a schedule's")
        others = [other for other in self.runs(deployment=run.deployment) if other.schedule == run.schedule]
        newer = [other for other in others if other.scheduled_at > run.scheduled_at and not other.reason.startswith(MISSED)]
        if not newer and "drop" not in run.reason:
            raise Violation(f"pauses: run {run.id} ended ({run.reason}), and nothing newer of its schedule starts")


def _counts(run: Run, now: datetime) -> bool:
    """Whether a run waits and is due, or was started."""
    if run.state is RunState.SCHEDULED:
        return run.due_at <= now and (run.expires_at is None or run.expires_at > now)
    return run.state is not RunState.CANCELLED


def windows_of(schedule: Schedule, since: datetime, until: datetime) -> Iterator[datetime]:
    """The windows of an interval, counted by hand."""
    anchor, step = schedule.anchor, schedule.interval
    if anchor is None or step is None:
        raise AssertionError("here schedules are intervals with an anchor")
    window = anchor + max(0, (since - anchor) // step) * step
    while window <= until:
        if window > since:
            yield window
        window += step
