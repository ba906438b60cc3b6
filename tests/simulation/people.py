"""What people do in a world, and what its clouds send: runs, deployments, cancels, changes, events."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from dispatcher.core import transitions
from dispatcher.models import CatchUp, Deployment, RetryPolicy, Run, RunState, Schedule, WorkPool, parse_submission_name
from dispatcher.ticking import Dispatch, admit_next, look_at, settle_event
from providers.base import Observation
from tests.simulation import world as world_module
from tests.simulation.automated import NEXT
from tests.simulation.cloud import GPU, HUGE, CloudJob, submission_of
from tests.simulation.faults import BROKEN
from tests.simulation.world import World

HINTED = 11
"""In one of so many worlds half of the clouds' events are hints, which prove nothing."""


@dataclass
class People:
    """Whoever uses a world."""

    world: World
    very_late: bool = False
    """Some requests arrive after the lease of their claim: only clouds with tokens withstand that, and only if nobody cancels
    the run meanwhile."""

    def __post_init__(self) -> None:
        self.pick = self.world.random
        self.restless = Random(f"requeues {self.world.seed}")
        """Of its own, so that the worlds in which nobody moves runs are as they were."""
        self.hinted = Random(f"hints {self.world.seed}")
        """Likewise."""
        self.remembered: Run | None = None
        """A run as somebody read it a while ago."""

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
        self._record("runs", lambda: f"adds r{run.id.hex} to {run.pool}/{run.queue}")
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
        self._record("changes of a deployment", lambda: f"changes {deployment.name}")
        self._deploy(changed, deployment.version)

    def save_pool(self, pool: WorkPool, before: WorkPool) -> None:
        """Somebody has changed a pool."""
        self.world.store.save_pool(pool, expected_version=before.version)

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
        self._record("cancels", lambda: f"cancels r{run.id.hex}, which is {run.state}")
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
        self._record("requeues", lambda: f"moves r{run.id.hex}, fence {run.fence}, into {requeue.queue}")
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
        self._record("changes", lambda: f"changes the {change} of {pool.name}")
        self.save_pool(changed, pool)

    def send_event(self) -> None:
        """The cloud sends an event about a job: late, twice, out of order, or of an attempt that is over."""
        jobs = self.world.clouds[self.pick.choice(list(self.world.clouds))].jobs[-6:]
        if not jobs:
            return
        job = self.pick.choice(jobs)
        state = job.state(self.world.now)
        seen = Observation(state=state, exit_code=job.exit_code if state.is_end and not job.stopped else None)
        if self.world.seed % HINTED == HINTED - 1 and self.hinted.random() < 0.5:
            self._record("hints", lambda: f"a hint says that {job.name} has changed, which is {state}")
            self.world.start("event", lambda dispatch: self._on_hint(dispatch, job))
            return
        self._record("events", lambda: f"an event says that {job.name} is {state}")
        self.world.start("event", lambda dispatch: self._on_event(dispatch, job, seen))

    def _on_event(self, dispatch: Dispatch, job: CloudJob, seen: Observation) -> None:
        parsed = parse_submission_name(job.name)
        run = dispatch.store.get(parsed[0]) if parsed else None
        settled = run is not None and settle_event(dispatch, run, seen, submission_of(job))
        self.world.person.mark("event settled" if settled else "event without effect")
        if run is not None and settled and seen.state.is_end:
            admit_next(dispatch, run.pool, dispatch.clock.now() + world_module.TICK)

    def _on_hint(self, dispatch: Dispatch, job: CloudJob) -> None:
        """Whatever the job does, and whichever attempt of its run it is: the provider is asked about the one of now."""
        parsed = parse_submission_name(job.name)
        run = dispatch.store.get(parsed[0]) if parsed else None
        seen = look_at(dispatch, run) if run else None
        self.world.person.mark("hint settled" if seen else "hint without effect")
        if run is not None and seen and seen.state.is_end:
            admit_next(dispatch, run.pool, dispatch.clock.now() + world_module.TICK)

    def _record(self, count: str, story: Callable[[], str]) -> None:
        self.world.counts[count] += 1
        self.world.journal.log("people", story)
