"""One scripted tick, crashed at every IO point; then the next one, crashed at every IO point of its own: all pairs.

An IO point lies before each call and after the effect of each that has one, so a crash falls before an effect, or after it and
before its answer. The third tick is left alone and must converge: no claim is left without an outcome, nothing that is due
waits beside a free slot. A few more ticks, and every run has ended. All checks of the simulation hold throughout.

Between the ticks enough time passes for every lease to end, so that each tick takes over what the one before has left.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from time import monotonic

from dispatcher.core.windows import WindowLimits
from dispatcher.models import Deployment, PinnedJob, RetryPolicy, Run, RunState, Schedule, WorkQueue, submission_name
from dispatcher.models.records import Decision, Grant, Move
from dispatcher.ticking import TickLimits, tick
from tests.simulation.baton import Killed
from tests.simulation.checks import GRACE, HISTORY, Violation
from tests.simulation.cloud import DRAWN, CloudJob, Kind, submission_of
from tests.simulation.faults import Chances
from tests.simulation.stores import ALONE, Views
from tests.simulation.world import LEASE, SKEW, TICK, World

GAP = timedelta(seconds=100)
"""Longer than the longest lease."""
CALM_GAP = timedelta(minutes=20)
CALM_TICKS = 6
NEVER = 10**9


class Countdown:
    """An invocation that crashes at its `last` IO point. It needs no thread, since nobody overlaps with it."""

    def __init__(self, last: int, log: Callable[[Callable[[], str]], None]) -> None:
        self.last, self.log = last, log
        self.points, self.dead = 0, False

    def pause(self, point: str) -> None:
        """One more IO point."""
        self.points += not self.dead
        if self.points >= self.last:
            self.dead = True
            self.log(lambda: f"CRASHES at {self.points}: {point}")
            raise Killed
        self.log(lambda: f"{self.points}: {point}")


class Scene(World):
    """A pool of one kind whose runs stand in every state that a tick can find them in, and a small pool of another kind."""

    def __init__(self, views: Views, kind: Kind, write: Callable[[str], None] | None = None) -> None:
        super().__init__(0, views, Chances.none(), write)
        other = DRAWN[(DRAWN.index(kind) + 1) % len(DRAWN)]
        queues = (WorkQueue(name="default", priority=1, concurrency_limit=7), WorkQueue(name="low", priority=2))
        self.add_pool("main", kind, queues, 8)
        self.add_pool("side", other, queues, 1)
        self._script()

    def limits(self) -> TickLimits:
        """Batches small enough that a tick claims more than once."""
        return TickLimits(
            lease=LEASE,
            clock_skew=timedelta(seconds=SKEW),
            batch=4,
            claims=12,
            discards=9,
            observations=20,
            windows=WindowLimits(ahead=timedelta(minutes=10), most=3, grace=GRACE),
            history=HISTORY,
        )

    def _script(self) -> None:
        lingering, ended, failed = self._submitted(), self._submitted(), self._submitted(retry=RetryPolicy(attempts=2))
        self._end(self._job(lingering), RunState.COMPLETED, lingering)
        stopping = self._cancelled(self._submitted())
        self._job(stopping).ends_at += timedelta(hours=1)
        self._abandoned(started=True)
        self._abandoned(started=False)
        self._cancelled(self._abandoned(started=True))
        self._cancelled(self._abandoned(started=False))
        self.advance(GAP)
        self._job(ended).ends_at = self._job(failed).ends_at = self.now
        self._job(failed).exit_code = 1
        self._deploy()
        for pool, queue in [("main", "default"), ("main", "low"), ("side", "default")]:
            self._add(pool, queue)

    def _deploy(self) -> None:
        """A deployment one of whose windows is due at once, and the next at the third tick."""
        every = Schedule(slug="every", interval=2 * GAP, anchor=self.now - 5 * GAP)
        deployment = Deployment(
            id=self.new_id(), name="deployment", pool="main", schedules=(every,), created_at=self.now, job_variables={"n": 2}
        )
        self.store.save_deployment(deployment, expected_version=None, now=self.now - GAP)

    def _end_schedules(self) -> None:
        for deployment in self.store.deployments():
            ended = replace(deployment, paused=True)
            self.store.save_deployment(ended, expected_version=deployment.version, now=self.now)
            self.checks.deployed(deployment.name)

    def _add(self, pool: str = "main", queue: str = "default", retry: RetryPolicy | None = None) -> Run:
        times = dict.fromkeys(("created_at", "scheduled_at", "due_at"), self.now)
        run = Run(id=self.new_id(), name="run", pool=pool, queue=queue, job_variables={"n": 1}, retry=retry, **times)
        self.store.add_runs([run])
        return run

    def _abandoned(self, *, started: bool, retry: RetryPolicy | None = None) -> Run:
        """A run with an abandoned claim; `started`: its job was submitted."""
        run = self._add(retry=retry)
        job = PinnedJob(configuration={"n": 1})
        decision = Decision(grants=(Grant(run=run, job=job, start_within=120.0),))
        claim = self.store.claim("main", self.now, lease=LEASE, takeovers=0, decide=lambda _: decision).claims[0]
        if started:
            name = submission_name(run.id, 1)
            body = {"configuration": job.configuration, "environment": job.environment}
            self.checks.submitted(name, body)
            made = self.clouds["main"].create(name, name, body)
            made.runs_at, made.ends_at = self.now, self.now + 3 * GAP
        return claim.run

    def _submitted(self, retry: RetryPolicy | None = None) -> Run:
        run = self._abandoned(started=True, retry=retry)
        submission = submission_of(self._job(run))
        times = {"submitted_at": self.now, "started_at": self.now, "lease_until": None}
        return self._move(run, RunState.RUNNING, submission=submission, **times)

    def _cancelled(self, run: Run) -> Run:
        return self._move(run, RunState.CANCELLING, ending=RunState.CANCELLED)

    def _end(self, job: CloudJob, state: RunState, run: Run) -> Run:
        job.ends_at = self.now
        return self._move(run, state, ended_at=self.now, lingers=self.clouds["main"].kind in (Kind.OBJECT, Kind.GROUP))

    def _move(self, run: Run, to: RunState, **changes: object) -> Run:
        self.checks.moved(self.store.move([Move.of(run, to, **changes)]))
        return self.checks.store.get(run.id) or run

    def _job(self, run: Run) -> CloudJob:
        return self.clouds["main"].objects[submission_name(run.id, run.attempt)]

    def tick(self, crash_at: int = NEVER) -> int:
        """Run one tick and crash it at its IO point number `crash_at`; returns how many points it had or reached."""
        self.counts["ticks"] += 1
        who = f"tick#{self.counts['ticks']}"
        countdown = Countdown(crash_at, partial(self.journal.log, who))
        try:
            tick(self.dispatch(countdown, self.store, who), self.now + TICK)
        except Killed:
            self.counts["crashes"] += 1
        return countdown.points

    def converge(self) -> None:
        """The third tick, and those after it. Raises `Violation`."""
        self.checks.whole()
        self.advance(GAP)
        self.tick()
        self._settled()
        self.checks.whole()
        self._end_schedules()
        for _ in range(CALM_TICKS):
            if not self.checks.unended() and not any(self.store.lingering(name, limit=1) for name in self.clouds):
                break
            self.advance(CALM_GAP)
            self.tick()
        self.checks.calm()

    def _settled(self) -> None:
        runs = self.checks.unended()
        limbo = [run.id for run in runs if run.state.holds_slot and run.submission is None]
        if limbo:
            raise Violation(f"never stuck: the third tick leaves claims of {limbo} without an outcome")
        idle = [pool.name for pool in self.store.pools() if self.checks.expected(pool, self.now, batch=1)]
        if idle:
            raise Violation(f"never stuck: the third tick leaves free slots in {idle} beside runs that are due")


@dataclass
class Pairs:
    """The result of all pairs of one scene on one store."""

    scene: str
    store: str
    first_points: int = 0
    pairs: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)

    def row(self) -> list[str]:
        """A line of the table."""
        converged = self.pairs - len(self.failures)
        points = f"{self.first_points} points"
        return [f"{self.store}, {self.scene}", points, f"{self.pairs:,}", f"{converged:,}", f"{self.seconds:.0f}"]


SCENES = tuple(kind.value for kind in DRAWN)


def crash_pair(store: str, scene: str, first: int, second: int, write: Callable[[str], None] | None = None) -> tuple[int, int]:
    """Crash the first tick at one point and the second at another; returns the points that each reached. Raises `Violation`."""
    with ALONE[store]() as views:
        world = Scene(views, Kind(scene), write)
        try:
            reached = world.tick(first)
            world.advance(GAP)
            reached_again = world.tick(second)
            world.converge()
        finally:
            world.close()
    return reached, reached_again


def crash_in_pairs(store: str, scene: str, *, every: int = 1) -> Pairs:
    """All pairs, including those in which only one of the two ticks crashes; or, as a slice, every n-th point of the first."""
    began, pairs = monotonic(), Pairs(scene, store)

    def crash(first: int, second: int) -> tuple[int, int]:
        pairs.pairs += 1
        try:
            return crash_pair(store, scene, first, second)
        except Violation as violation:
            again = f"python -m tests.simulation --pair {scene} {first} {second} --store {store}"
            pairs.failures.append(
                f"{scene} on {store}, crashed at points {first} and {second}: {violation}\n    {again} --trace"
            )
            return 0, 0

    pairs.first_points, _ = crash(NEVER, NEVER)
    for first in range(1, pairs.first_points + 1, every):
        _, points = crash(first, NEVER)
        for second in range(1, points + 1):
            crash(first, second)
    pairs.seconds = monotonic() - began
    return pairs
