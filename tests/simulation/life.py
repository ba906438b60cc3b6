"""What happens in a world: people, ticks, crashes and freezes; then a calm phase, in which everything must end."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from dispatcher.models import Share, WorkQueue
from tests.simulation.automated import add_automations
from tests.simulation.checks import Violation
from tests.simulation.cloud import DRAWN, Kind
from tests.simulation.faults import BROKEN, Chances
from tests.simulation.people import People
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
class Life(People):
    """The course of one world."""

    kinds: Sequence[Kind] = DRAWN
    """The kinds of the pools' clouds."""

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

        First all runs that have room must end, beside jobs that are refused for ever and schedules that cannot be computed;
        then all others.
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

    def end_schedules(self) -> None:
        """Pause every deployment, which deletes the future runs of its schedules."""
        for deployment in [candidate for candidate in self.world.store.deployments() if candidate.name != BROKEN]:
            self._deploy(replace(deployment, paused=True), deployment.version)

    def _is_over(self) -> bool:
        checks = self.world.checks
        over = not (self.world.weather.pending or checks.unended() or any(run.lingers for run in checks.runs()))
        return over and not checks.owing()

    # What machines suffer

    def resume_one(self) -> None:
        """Resume one invocation; a frozen one only now and then."""
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
            self._record("freezes", lambda: f"{invocation.name} freezes at {invocation.point}")
            self.world.frozen.add(invocation)

    def wait(self) -> None:
        """Let time pass without a call, sometimes beyond the life of every token."""
        seconds = self.pick.choice([50, 50, 50, 90, 90, 400, 4000, 100_000])
        self._record("leaps", lambda: f"nobody calls for {seconds} s")
        self.world.leap(timedelta(seconds=seconds))

    def through(self, steps: int) -> None:
        """Live from the first pool to the calm at the end, and close the world. Raises `Violation`."""
        try:
            self.build()
            self.live(steps)
            self.calm()
        finally:
            self.world.close()


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
    """Simulate one seed; returns its counts and its marks. Raises `Violation`. `write` gets the story, line by line.

    `kinds`: of the pools' clouds. `sourced`: a source of runs, such as a Prefect server, has to permit each run's
    start. `automated`: automations make runs after ends, and pause a deployment.
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
