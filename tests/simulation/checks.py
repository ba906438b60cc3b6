"""The promises as checks, made at the very step that could break them.

once        a name never starts a second job; what is submitted under one name is always the same bytes
never over  a job starts only for a run that holds a slot under that name; a run gives its slot up only when no job of
            it lives; after a claim that granted anything, no limit is passed
order       a claim grants exactly the runs that the rules give, worked out here once more, by brute force
windows     a step of a schedule makes exactly its windows runs, each once, and only as the schedule is now; what it leaves out
            was missed. A run has as many attempts as its policy says, and one that people cancelled has no other
end         ended runs never move; a job never starts for a run that has ended; a cancelled run whose claim was taken over is
            submitted by nobody
"""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from dispatcher.models import (
    Automation,
    CatchUp,
    HoldKind,
    PoolHold,
    Run,
    RunState,
    Schedule,
    Share,
    WorkPool,
    parse_submission_name,
    submission_name,
)
from dispatcher.models.records import Claims, Materialisation, RunFilter
from dispatcher.protocols import Store
from dispatcher.upkeep.moving import check
from tests.simulation.cloud import HUGE, Cloud, CloudJob
from tests.simulation.crowd import GRACE, Crowd, Violation, windows_of
from tests.simulation.elsewhere import Elsewhere
from tests.simulation.shares import dealt, in_line, is_full

EVERYTHING = 1000
HISTORY = timedelta(hours=2)
"""For how long ended runs are kept here."""
SKEW = timedelta(seconds=12)
"""Between any two clocks."""
UNENDED = frozenset(state for state in RunState if not state.is_terminal)


class Checks:
    """Checks every step of a world. `store` reads without faults."""

    def __init__(self, store: Store, clouds: dict[str, Cloud], now: Callable[[], datetime]) -> None:
        self.store, self.now = store, now
        self.clouds = clouds
        self.ended: dict[UUID, Run] = {}
        self.starts: Counter[str] = Counter()
        self.bodies: dict[str, str] = {}
        self.cancelled: set[str] = set()
        self.elsewhere: Elsewhere | None = None
        """The source of all runs, where there is one."""
        self.given_up: set[UUID] = set()
        """Runs that people have cancelled."""
        self.forgotten: set[UUID] = set()
        """Ended runs that were pruned."""
        self.follow: Automation | None = None
        """An automation that makes a run of every end of its kind."""
        self.followers: dict[tuple[str, UUID | None], UUID] = {}
        """By automation and the run that ended: the run that was made of it."""
        self.crowd: Crowd | None = None
        """The limits of deployments, what expires, and pauses, where there are any."""
        self.windows: dict[tuple[str, str, datetime], UUID] = {}
        """The runs that windows were made."""

    def runs(self) -> Sequence[Run]:
        """Every run."""
        return self.store.runs(RunFilter(), limit=EVERYTHING)

    def unended(self, pool: str | None = None) -> Sequence[Run]:
        """Every run that has not ended."""
        return self.store.runs(RunFilter(pool=pool, states=UNENDED), limit=EVERYTHING)

    def submitted(self, name: str, body: Any) -> None:
        """A submission is on its way."""
        if name in self.cancelled:
            raise Violation(f"end: {name} is submitted, though its run was cancelled before its claim was taken over")
        sent = json.dumps(body)
        first = self.bodies.setdefault(name, sent)
        if first != sent:
            raise Violation(f"once: {name} is submitted again with another body: {first} -> {sent}")

    def started(self, job: CloudJob) -> None:
        """A job has started in a cloud."""
        self.starts[job.name] += 1
        if self.starts[job.name] > 1:
            raise Violation(f"once: {job.name} was started {self.starts[job.name]} times")
        parsed = parse_submission_name(job.name)
        run = self.store.get(parsed[0]) if parsed else None
        if run is None or parsed is None:
            raise Violation(f"once: {job.name} is the job of no run")
        attempts = [name for name in self.starts if name.startswith(f"r{run.id.hex}-")]
        allowed = run.retry.attempts if run.retry else 1
        if len(attempts) > allowed:
            raise Violation(f"once: {attempts} were started, and the run's policy allows {allowed}")
        if self.crowd:
            self.crowd.started(run, {alive.name for alive in self.clouds[run.pool].live()} | {job.name})
        if self.elsewhere and not self.elsewhere.lets(run):
            raise Violation(f"once: {job.name} starts, and the source of its run has not let it")
        if not run.state.holds_slot or run.attempt != parsed[1]:
            raise Violation(f"never over: {job.name} starts while its run is {run.state}, attempt {run.attempt}")

    def moved(self, run_ids: Iterable[UUID]) -> None:
        """A store has moved runs."""
        for run_id in run_ids:
            self._look_at(run_id)

    def _look_at(self, run_id: UUID) -> None:
        if run_id in self.ended:
            raise Violation(f"end: ended run {run_id} was moved")
        run = self.store.get(run_id)
        if run is None:
            raise Violation(f"never lost: run {run_id} is gone")
        if run.state.is_terminal:
            self.ended[run_id] = run
            if self.crowd:
                self.crowd.ended(run, self.now())
        if run_id in self.given_up and run.state not in (RunState.CANCELLING, RunState.CANCELLED):
            raise Violation(f"end: run {run_id} was cancelled by people, and is {run.state}")
        if not run.state.holds_slot:
            self._no_job_lives(run)

    def held(self, holds: Sequence[PoolHold], issued: Collection[Any]) -> None:
        """Holds of a pool were changed: none keeps back more than a refusal has said."""
        for hold in holds:
            if hold.kind is not HoldKind.PACE and (hold.place, *hold.size) not in issued:
                raise Violation(f"never stuck: {hold} keeps back what no refusal concerned: {sorted(map(str, issued))}")

    def goes_first(self, name: str, pools: Sequence[WorkPool]) -> None:
        """A tick begins with a pool: the one that was ticked longest ago."""
        longest = min(pools, key=lambda pool: (pool.last_tick_at is not None, pool.last_tick_at, pool.name), default=None)
        if longest is not None and longest.name != name:
            raise Violation(f"never stuck: {name} goes first, and {longest.name} was ticked at {longest.last_tick_at}")

    def comes_after_claims(self, pool: str, claimed: Collection[str]) -> None:
        """A tick makes runs of windows: only when it has claimed what is due."""
        if pool not in claimed:
            raise Violation(f"never stuck: windows of {pool} are computed while what is due there waits")

    def placeable(self) -> Sequence[Run]:
        """The runs that have not ended and for which their cloud has, or will have, room."""
        return [run for run in self.unended() if run.job_variables.get("gpu", 0) < HUGE]

    def unsubmitted(self, over_since: datetime | None = None) -> set[UUID]:
        """The runs that hold a slot without a known job, except those that may wait for capacity.

        `over_since`: only those whose lease was over by then.
        """
        held = [run for run in self.unended() if run.state.holds_slot and run.submission is None]
        if over_since is not None:
            held = [run for run in held if run.lease_until is not None and run.lease_until <= over_since]
        return {run.id for run in held if not run.job_variables.get("gpu") and self._is_let(run)}

    def _is_let(self, run: Run) -> bool:
        """False for a run that its source withdraws: one whose claim was taken over keeps its slot for another lease."""
        return self.elsewhere is None or self.elsewhere.lets(run)

    def gave_up(self, run: Run) -> None:
        """People have cancelled a run."""
        self.given_up.add(run.id)

    def _no_job_lives(self, run: Run) -> None:
        living = [job.name for job in self.clouds[run.pool].live() if job.name.startswith(f"r{run.id.hex}-")]
        if living:
            raise Violation(f"never over: run {run.id} is {run.state} while {living} live")

    def materialised(self, step: Materialisation, added: Collection[UUID] | None) -> None:
        """A step of a deployment's schedules has been carried out, or (None) refused."""
        stored = self.store.deployment(step.deployment.name)
        if added is None or stored is None:
            return
        for slug, until in step.windows_until.items():
            schedule = stored.active_schedules.get(slug)
            made = {run.scheduled_at for run in step.runs if run.schedule == slug}
            since = step.deployment.windows_until.get(slug, until)
            if since == until and not made:
                continue
            if schedule is None:
                raise Violation(f"windows: {sorted(made)} of {slug}, which is no active schedule")
            expected = set(windows_of(schedule, since, until))
            if made - expected:
                raise Violation(f"windows: {sorted(made - expected)} are no windows of {schedule} as it is now")
            self._left_out(schedule, expected - made, made)
        for run in step.runs:
            if run.id in added:
                self._window_made(run)

    def _left_out(self, schedule: Schedule, windows: Collection[datetime], made: Collection[datetime]) -> None:
        if windows and max(windows) > self.now() + SKEW - GRACE:
            raise Violation(f"windows: {max(windows)} of {schedule} is left out, and was not missed")
        if windows and schedule.catch_up is CatchUp.LAST and max(windows) > max(made, default=max(windows) - GRACE):
            raise Violation(f"windows: {max(windows)} of {schedule} is the last that was missed, and is not made up for")

    def _window_made(self, run: Run) -> None:
        key = (run.deployment or "", run.schedule or "", run.scheduled_at)
        if self.windows.setdefault(key, run.id) != run.id:
            raise Violation(f"windows: {key} is made a second run")
        if run.id in self.ended or any(name.startswith(f"r{run.id.hex}-") for name in self.starts):
            raise Violation(f"windows: {key} is made a run again, and has had one")

    def deployed(self, name: str) -> None:
        """People have changed a deployment: the waiting runs of its schedules match them."""
        deployment = self.store.deployment(name)
        schedules = deployment.active_schedules if deployment else {}
        for run in self.unended():
            if run.deployment != name or run.schedule is None or run.fence or run.scheduled_at <= self.now():
                continue
            schedule = schedules.get(run.schedule)
            before = run.scheduled_at - timedelta(microseconds=1)
            fits = schedule and list(windows_of(schedule, before, run.scheduled_at))
            fits = fits and deployment and run.queue == deployment.queue
            if not fits:
                raise Violation(f"windows: {run.scheduled_at} still waits, and its schedule is now {schedule}")

    def pruned(self, before: datetime) -> None:
        """Old runs were deleted: each had ended, and its job did not linger."""
        ids = {run.id for run in self.runs()}
        gone = [run for run_id, run in self.ended.items() if run_id not in ids]
        self.forgotten.update(run.id for run in gone)
        self.followed(gone)
        young = [run.id for run in gone if run.ended_at is None or run.ended_at >= before]
        if young:
            raise Violation(f"never lost: {young} ended after {before} and are forgotten")

    def automated(self) -> None:
        """Automations have acted, or not: each has made at most one run of one end."""
        for run in [run for run in self.runs() if run.cause]:
            if self.followers.setdefault((run.cause.automation, run.cause.run), run.id) != run.id:
                raise Violation(f"once: automation {run.cause.automation!r} has made two runs of the end of {run.cause.run}")

    def owing(self) -> list[UUID]:
        """The runs that owe their ends to automations."""
        return [run.id for run in self.runs() if run.automate_at is not None]

    def followed(self, runs: Iterable[Run]) -> None:
        """Every end among these runs that the automation waits for was followed by its run, wherever that is by now."""
        if self.follow is None or self.follow.when.ended is None or self.follow.then[0].run is None:
            return
        states, limit = self.follow.when.ended.states, self.follow.then[0].run.chain_limit
        for run in runs:
            depth = run.cause.depth if run.cause else 0
            if run.state in states and depth < limit and (self.follow.name, run.id) not in self.followers:
                raise Violation(
                    f"never lost: {run.id} ended {run.state}, and automation {self.follow.name!r} made no run of it"
                )

    def expected(self, pool: WorkPool | None, now: datetime, batch: int, own: Sequence[PoolHold] = ()) -> list[UUID]:
        """The runs that a claim must grant, computed the slow way: one run after the other, all of them sorted.

        `own` are the holds that the tick knows of by itself: what was refused, or gave no answers, since it began.
        """
        if pool is None or pool.paused:
            return []
        held_by = [hold for hold in (*pool.holds, *own) if now < hold.until]
        runs = self.unended(pool.name)
        held = Counter(run.queue for run in runs if run.state.holds_slot)
        ready = [run for run in runs if run.state is RunState.SCHEDULED and run.due_at <= now]
        ready = [run for run in ready if run.not_before is None or run.not_before <= now]
        ready = [run for run in ready if not any(_keeps_back(hold, run) for hold in held_by)]
        ready = self.crowd.startable(ready, pool.name, now) if self.crowd else ready
        live, weights = [run for run in runs if run.state.holds_slot], self._weights(pool)
        lines = {queue.name: in_line(queue, ready, live, weights) for queue in pool.queues}
        if pool.share is Share.FAIR:
            return [run.id for run in dealt(pool, lines, held, batch)]
        granted: list[UUID] = []
        room = self.crowd.room(pool.name) if self.crowd else {}
        for queue in sorted(pool.queues, key=lambda queue: queue.priority):
            for run in lines[queue.name]:
                if queue.paused or len(granted) == batch or is_full(pool.concurrency_limit, held.total()):
                    continue
                if not is_full(queue.concurrency_limit, held[run.queue]) and room.get(run.deployment, 1) > 0:
                    granted.append(run.id)
                    held[run.queue] += 1
                    if run.deployment in room:
                        room[run.deployment] -= 1
        return granted

    def _weights(self, pool: WorkPool) -> Mapping[str, int]:
        """By deployment, where they share a queue."""
        if all(queue.share is Share.STRICT for queue in pool.queues):
            return {}
        return {deployment.name: deployment.weight for deployment in self.store.deployments()}

    def claimed(self, pool: WorkPool | None, expected: list[UUID], claims: Claims) -> None:
        """A claim has been made; `pool` and `expected` are from the instant before it."""
        fresh = [claim.run.id for claim in claims.claims if not claim.repeat] + [run.id for run in claims.crashed]
        if sorted(fresh) != sorted(expected):
            raise Violation(f"order: granted {fresh}, but the rules give {expected}")
        self.moved(run.id for run in claims.crashed)
        taken_over = [claim.run for claim in claims.claims if claim.repeat and claim.run.state is RunState.CANCELLING]
        self.cancelled.update(submission_name(run.id, run.attempt) for run in taken_over)
        if fresh and pool is not None:
            runs = self.unended(pool.name)
            held = Counter(run.queue for run in runs if run.state.holds_slot)
            served = {run.queue for run in runs if run.id in fresh}
            over = [queue.name for queue in pool.queues if queue.name in served]
            over = [name for name in over if _over(pool.queue(name).concurrency_limit, held[name])]
            if over or _over(pool.concurrency_limit, held.total()):
                raise Violation(f"never over: {dict(held)} in {pool.name}, limits {pool.concurrency_limit}, {over}")

    def whole(self) -> None:
        """Check everything, from time to time: ended runs are as they were, and living jobs have their slots."""
        runs = {run.id: run for run in self.runs()}
        for run_id, ended in self.ended.items():
            now = runs.get(run_id)
            if now is None and run_id in self.forgotten:
                continue
            if now is None or (now.state, now.fence, now.ended_at) != (ended.state, ended.fence, ended.ended_at):
                raise Violation(f"end: run {run_id} was {ended.state} and is {now}")
        for cloud in self.clouds.values():
            for job in cloud.live():
                run_id, attempt = parse_submission_name(job.name) or (UUID(int=0), 0)
                run = runs.get(run_id)
                if run is None or not run.state.holds_slot or run.attempt != attempt:
                    raise Violation(f"never over: {job.name} lives while its run is {run and run.state}")
        torn = list(check(self.store))
        if torn:
            raise Violation(f"whole: {torn}")

    def calm(self) -> None:
        """After the calm phase: every run has ended, nothing lives or lingers."""
        self.whole()
        left = [f"{run.id} is {run.state} ({run.reason})" for run in self.unended()]
        if left:
            raise Violation(f"never stuck: {left}")
        lingering = [run.id for run in self.runs() if run.lingers]
        if lingering:
            raise Violation(f"never stuck: {lingering} still linger")


def _keeps_back(hold: PoolHold, run: Run) -> bool:
    """Whether the run goes where something is held, and takes at least as much of it."""
    elsewhere = hold.place not in ((), (run.job_variables.get("place", ""),))
    return not elsewhere and run.job_variables.get("gpu", 0) >= hold.size.get("gpu", 0)


def _over(limit: int | None, held: int) -> bool:
    return limit is not None and held > limit
