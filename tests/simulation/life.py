"""What happens in a world: people, ticks, crashes and freezes; then a calm phase, in which everything must end."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from dispatcher.core import transitions
from dispatcher.models import (
    CatchUp,
    Deployment,
    RetryPolicy,
    Run,
    RunState,
    Schedule,
    Share,
    WorkPool,
    WorkQueue,
    parse_submission_name,
)
from dispatcher.ticking import Dispatch, admit_next, settle_event
from providers.base import Observation
from tests.simulation import world as world_module
from tests.simulation.automated import NEXT, add_automations
from tests.simulation.checks import Violation
from tests.simulation.cloud import DRAWN, GPU, HUGE, CloudJob, Kind, submission_of
from tests.simulation.faults import BROKEN, Chances
from tests.simulation.stores import Views
from tests.simulation.world import BOUNDED, SKEW, World

STEPS = 300
CALM_TICKS = 300
MAX_INVOCATIONS = 4
SHARING = 7
"""In one of so many worlds the pools share their slots fairly."""
RESTLESS = 7
"""In one of so many worlds people move waiting runs."""


@dataclass
class Life:
    """One world's course."""

    world: World
    kinds: Sequence[Kind] = DRAWN
    """Those of the pools' clouds."""
    very_late: bool = False
    """Some requests arrive after the lease of their claim: only clouds with tokens withstand that, and only if nobody cancels
    the run meanwhile."""

    def __post_init__(self) -> None:
        self.pick = self.world.random
        self.restless = Random(f"requeues {self.world.seed}")
        """Of its own, so that the worlds in which nobody moves runs are as they were."""
        self.remembered: Run | None = None
        """A run as somebody read it a while ago."""

    # The two phases

    def build(self) -> None:
        """Make one to three pools, each with a cloud, queues and limits, and the first runs."""
        for number in range(self.pick.choice([1, 1, 2, 3])):
            names = ["default", "high", "low"][: self.pick.randint(1, 3)]
            queues = tuple(
                WorkQueue(name=queue, priority=place, concurrency_limit=self.pick.choice([None, None, None, 1, 1, 2, 2, 0]))
                for place, queue in enumerate(names, start=1)
            )
            limit = self.pick.choice([None, 1, 1, 2, 2, 3, 3, 4, 5, 0])
            kind = Kind.TOKEN if self.very_late else self.pick.choice(self.kinds)
            share = Share.STRICT
            if self.world.seed % SHARING == SHARING - 2:
                share = Share.FAIR
                queues = tuple(replace(queue, weight=self.restless.choice([1, 1, 2, 3])) for queue in queues)
            self.world.add_pool(f"pool-{number}", kind, queues, limit, share)
        for _ in range(self.pick.randint(4, 12)):
            self.add_run()
        for number in range(self.pick.choice([0, 0, 1, 2])):
            self.add_deployment(f"deployment-{number}")
        if self.pick.random() < 0.2:
            self.add_broken_deployment()

    def live(self, steps: int) -> None:
        """The lively phase."""
        for step in range(steps):
            self.act()
            if step % 50 == 49:
                self.world.checks.whole()

    def act(self) -> None:
        """One thing happens."""
        if self.world.seed % RESTLESS == RESTLESS - 1 and self.restless.random() < 0.05:
            self.requeue()
        world, pick = self.world, self.pick.random()
        if world.active and pick < 0.64:
            self.resume_one()
        elif world.active and pick < 0.67:
            world.kill(self.pick.randrange(len(world.active)))
        elif world.active and pick < 0.69:
            self.freeze_one()
        elif pick < 0.78 and len(world.active) < MAX_INVOCATIONS:
            world.start_tick()
        elif pick < 0.86:
            world.advance(timedelta(seconds=self.pick.choice([0.05, 0.2, 1, 1, 3, 10, 30])))
        elif pick < 0.88:
            self.wait()
        else:
            people = [self.add_run, self.add_run, self.add_run, self.cancel, self.change_pool, self.change_deployment]
            impatient = [self.cancel] * 10 if world.journal.overdue else []
            self.pick.choice([*people, *impatient, self.send_event])()

    def calm(self) -> None:
        """The weather clears, people open every gate, and ticks come one at a time: everything must end.

        First what has room, whatever is refused for ever, cannot be computed or takes long beside it; then all the rest.
        """
        world = self.world
        while world.active:
            world.kill(0)
        world.weather.chances = Chances.none()
        self.rest()
        self.open_gates()
        self.end_schedules()
        self._tick_until(lambda: not world.checks.placeable())
        if waiting := [str(run.id) for run in world.checks.placeable()]:
            raise Violation(f"never stuck: {waiting} have room, and wait behind what has none")
        world.weather.crowded = False
        self._tick_until(self._is_over)
        world.checks.calm()

    def rest(self) -> None:
        """After faults that prove that nothing was sent, every slot soon has a live job or is free.

        One tick finds a network that refuses every connection. What it claimed it gives back, and what it took over is looked
        up again within a few ticks, long before a lease is over.
        """
        world = self.world
        world.weather.deaf = True
        before, over = world.checks.unsubmitted(), world.checks.unsubmitted(over_since=world.now - timedelta(seconds=SKEW))
        self._tick()
        world.weather.deaf = False
        if kept := world.checks.unsubmitted() - before:
            raise Violation(f"never stuck: {kept} were not sent, and keep their slots")
        for _ in range(4):
            world.advance(timedelta(seconds=6))
            self._tick()
        if left := world.checks.unsubmitted() & over:
            raise Violation(f"never stuck: {left} could not be looked up once, and are not looked up again")

    def _tick_until(self, over: Callable[[], bool]) -> None:
        for _ in range(CALM_TICKS):
            if over():
                break
            self.world.advance(timedelta(seconds=self.pick.choice([30, 60, 300, 900])))
            self.world.counts["calm ticks"] += 1
            self._tick()

    def _tick(self) -> None:
        self.world.start_tick()
        while self.world.active:
            self.world.resume(0)

    def open_gates(self) -> None:
        """Nothing paused, no limit of 0."""
        for pool in self.world.store.pools():
            queues = tuple(
                replace(queue, paused=False, concurrency_limit=queue.concurrency_limit or 1) for queue in pool.queues
            )
            opened = replace(pool, paused=False, concurrency_limit=pool.concurrency_limit or 2, queues=queues)
            self.save_pool(opened, pool)

    def save_pool(self, pool: WorkPool, before: WorkPool) -> None:
        """Somebody has changed a pool."""
        self.world.store.save_pool(pool, expected_version=before.version)

    def end_schedules(self) -> None:
        """Nothing new comes: what schedules have made for later is taken away."""
        for deployment in [candidate for candidate in self.world.store.deployments() if candidate.name != BROKEN]:
            self._deploy(replace(deployment, paused=True), deployment.version)

    def _is_over(self) -> bool:
        checks = self.world.checks
        over = not (self.world.weather.pending or checks.unended() or any(run.lingers for run in checks.runs()))
        return over and not checks.owing()

    # What machines suffer

    def resume_one(self) -> None:
        """Somebody goes on; a frozen one only now and then."""
        index = self.pick.randrange(len(self.world.active))
        invocation, _ = self.world.active[index]
        if invocation in self.world.frozen and self.pick.random() < 0.95:
            return
        self.world.frozen.discard(invocation)
        for _ in range(self.pick.choice([1, 1, 1, 2, 3, 8, 20])):
            self.world.resume(index)
            if not invocation.alive:
                break

    def freeze_one(self) -> None:
        """A process stops for a while, as a machine that swaps or a function between two calls does."""
        invocation, _ = self.pick.choice(self.world.active)
        if not invocation.point.startswith(BOUNDED):
            self._told("freezes", lambda: f"{invocation.name} freezes at {invocation.point}")
            self.world.frozen.add(invocation)

    def wait(self) -> None:
        """Sometimes nobody calls for long, up to beyond the life of every token."""
        seconds = self.pick.choice([50, 50, 50, 90, 90, 400, 4000, 100_000])
        self._told("leaps", lambda: f"nobody calls for {seconds} s")
        self.world.leap(timedelta(seconds=seconds))

    # What people do

    def add_run(self) -> None:
        """Somebody wants a run."""
        pool = self.pick.choice(self.world.store.pools())
        due = self.world.now + timedelta(seconds=self.pick.choice([-60, 0, 0, 0, 30, 300]))
        run = Run(
            id=self.world.new_id(),
            name="run",
            pool=pool.name,
            queue=self.pick.choice(pool.queues).name,
            job_variables=self.variables(),
            created_at=self.world.now,
            scheduled_at=due,
            due_at=due,
            retry=self.retry(),
        )
        run = replace(run, source_id=run.id.hex if self.world.elsewhere else None)
        self._told("runs", lambda: f"adds r{run.id.hex} to {run.pool}/{run.queue}")
        self.world.store.add_runs([run])

    def variables(self) -> dict[str, Any]:
        """One of two places, and now and then what they have little of."""
        place, gpu = self.pick.choice(["east", "west"]), self.pick.choice([0, 0, 0, 0, 0, 0, GPU, GPU, HUGE])
        return {"n": self.pick.randint(0, 99), "place": place, "gpu": gpu}

    def retry(self) -> RetryPolicy | None:
        """What a run may be tried again for, and how soon."""
        attempts = self.pick.choice([None, None, 2, 3])
        if attempts is None:
            return None
        ends = self.pick.choice([{RunState.FAILED}, {RunState.CRASHED}, {RunState.FAILED, RunState.CRASHED}])
        delay = timedelta(seconds=self.pick.choice([0, 0, 5, 60]))
        return RetryPolicy(attempts=attempts, delay=delay, backoff=2.0, states=frozenset(ends))

    def add_deployment(self, name: str) -> None:
        """Somebody wants runs by the clock."""
        pool = self.pick.choice(self.world.store.pools())
        deployment = Deployment(
            id=self.world.new_id(),
            name=name,
            pool=pool.name,
            queue=self.pick.choice(pool.queues).name,
            job_variables={"n": self.pick.randint(0, 99)},
            schedules=tuple(self.schedule(slug) for slug in ("a", "b")[: self.pick.randint(1, 2)]),
            retry=self.retry(),
            created_at=self.world.now,
        )
        self._deploy(deployment, None)

    def add_broken_deployment(self) -> None:
        """One whose schedule nobody can compute: an earlier version has accepted it."""
        pool = self.pick.choice(self.world.store.pools())
        never = Schedule(slug="never", interval=timedelta(days=7), anchor=datetime.max.replace(tzinfo=UTC))
        broken = Deployment(id=self.world.new_id(), name=BROKEN, pool=pool.name, schedules=(never,), created_at=self.world.now)
        self._deploy(broken, None)

    def schedule(self, slug: str) -> Schedule:
        """Every few minutes, at odd seconds."""
        return Schedule(
            slug=slug,
            interval=timedelta(seconds=self.pick.choice([150, 400, 1000])),
            anchor=self.world.now + timedelta(seconds=self.pick.choice([-100_000, -7, 0, 1, 90])),
            catch_up=self.pick.choice([CatchUp.NONE, CatchUp.NONE, CatchUp.LAST]),
        )

    def change_deployment(self) -> None:
        """Somebody pauses a deployment, lets it go on, or gives it other schedules or another queue."""
        deployments = [candidate for candidate in self.world.store.deployments() if candidate.name not in (BROKEN, NEXT)]
        if not deployments:
            return
        deployment, pick = self.pick.choice(deployments), self.pick
        first, *rest = deployment.schedules
        pool = self.world.store.pool(deployment.pool)
        queues = [queue.name for queue in pool.queues] if pool else [deployment.queue]
        changed = pick.choice(
            [
                replace(deployment, paused=not deployment.paused),
                replace(deployment, paused=False, schedules=(self.schedule(first.slug), *rest)),
                replace(deployment, schedules=(replace(first, active=not first.active), *rest)),
                replace(deployment, queue=pick.choice(queues)),
                replace(deployment, description="changed"),
            ]
        )
        self._told("changes of a deployment", lambda: f"changes {deployment.name}")
        self._deploy(changed, deployment.version)

    def _deploy(self, deployment: Deployment, version: int | None) -> None:
        world = self.world
        waited = len(world.checks.unended())
        world.store.save_deployment(deployment, expected_version=version, now=world.now)
        if len(world.checks.unended()) < waited:
            world.person.mark("runs of a schedule withdrawn")
        world.checks.deployed(deployment.name)

    def cancel(self) -> None:
        """Somebody cancels a run, wherever it stands; one that is being stopped for another reason too."""
        checks, world = self.world.checks, self.world
        runs = [run for run in checks.unended() if run.ending is not RunState.CANCELLED]
        if not runs or self.very_late:
            return
        overdue = world.journal.overdue.pop() if world.journal.overdue else None
        run = next((run for run in runs if run.id == overdue), None) or self.pick.choice(runs)
        move = transitions.cancelled(run, world.now)
        self._told("cancels", lambda: f"cancels r{run.id.hex}, which is {run.state}")
        world.person.cancelled(run)
        checks.moved(world.store.move([move] if move else []))
        checks.gave_up(run)

    def requeue(self) -> None:
        """Somebody moves a run into another queue, or has it start now; as it is, or as it was read a while ago."""
        world, pick = self.world, self.restless
        runs = [run for run in world.checks.unended() if run.state is RunState.SCHEDULED]
        run = self.remembered or (pick.choice(runs) if runs else None)
        self.remembered = pick.choice(runs) if runs and pick.random() < 0.5 else None
        pool = world.store.pool(run.pool) if run else None
        if run is None or pool is None:
            return
        requeue = transitions.due_now(run, world.now) if pick.random() < 0.3 else None
        requeue = requeue or transitions.requeued(run, pick.choice(pool.queues).name)
        self._told("requeues", lambda: f"moves r{run.id.hex}, fence {run.fence}, into {requeue.queue}")
        moved = world.store.requeue([requeue])
        world.person.mark("waiting run requeued" if moved else "requeue refused by its guard")
        world.checks.moved(moved)

    def change_pool(self) -> None:
        """Somebody changes a limit, a gate or the template."""
        pool, pick = self.pick.choice(self.world.store.pools()), self.pick
        change = "pause" if pool.paused else pick.choice(["limit", "limit", "pause", "queue", "template"])
        if change == "limit":
            changed = replace(pool, concurrency_limit=pick.choice([None, 0, 1, 2, 3, 4, 5]))
        elif change == "pause":
            changed = replace(pool, paused=not pool.paused)
        elif change == "template":
            changed = replace(pool, base_job_template=self.world.template())
        else:
            queue = pick.choice(pool.queues)
            other = replace(queue, concurrency_limit=pick.choice([None, None, 0, 1, 3]), paused=pick.random() < 0.2)
            changed = replace(pool, queues=tuple(other if member is queue else member for member in pool.queues))
        self._told("changes", lambda: f"changes the {change} of {pool.name}")
        self.save_pool(changed, pool)

    def send_event(self) -> None:
        """The cloud sends an event about a job: late, twice, out of order, or of an attempt that is over."""
        jobs = self.world.clouds[self.pick.choice(list(self.world.clouds))].jobs[-6:]
        if not jobs:
            return
        job = self.pick.choice(jobs)
        state = job.state(self.world.now)
        seen = Observation(state=state, exit_code=job.exit_code if state.is_end and not job.stopped else None)
        self._told("events", lambda: f"an event says that {job.name} is {state}")
        self.world.start("event", lambda dispatch: self._on_event(dispatch, job, seen))

    def _on_event(self, dispatch: Dispatch, job: CloudJob, seen: Observation) -> None:
        parsed = parse_submission_name(job.name)
        run = dispatch.store.get(parsed[0]) if parsed else None
        settled = run is not None and settle_event(dispatch, run, seen, submission_of(job))
        self.world.person.mark("event settled" if settled else "event without effect")
        if run is not None and settled and seen.state.is_end:
            admit_next(dispatch, run.pool, dispatch.clock.now() + world_module.TICK)

    def _told(self, count: str, story: Callable[[], str]) -> None:
        self.world.counts[count] += 1
        self.world.journal.tell("people", story)


def simulate(
    seed: int,
    views: Views,
    *,
    steps: int = STEPS,
    write: Callable[[str], None] | None = None,
    sourced: bool = False,
    automated: bool = False,
    kinds: Sequence[Kind] = DRAWN,
) -> tuple[Counter[str], Counter[str]]:
    """Live through one seed and give its counts and its marks. Raises `Violation`. `write` is given the story, line by line.

    `kinds` are those of the pools' clouds. `sourced`: a source of runs, as a Prefect server is one, has to let each of them
    start. `automated`: automations make runs of ends, and pause a deployment.
    """
    world = World(seed, views, Chances(), write, sourced=sourced)
    life = Life(world, kinds=kinds, very_late=world.random.random() < 0.2 and Kind.TOKEN in kinds)
    if life.very_late:
        world.weather.chances = replace(world.weather.chances, very_late=0.3, rejected=0.2)
    try:
        life.build()
        world.checks.follow = add_automations(world) if automated else None
        life.live(steps)
        life.calm()
        world.checks.followed(world.checks.runs())
    finally:
        world.close()
    return world.counts, world.journal.marks
