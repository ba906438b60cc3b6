"""Worlds of their own in which deployments share the queues of a pool by weight, and runs have priorities."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from dispatcher.core.transitions import requeued
from dispatcher.models import Deployment, Run, Schedule, Share
from tests.simulation.faults import Chances
from tests.simulation.life import STEPS, Life
from tests.simulation.stores import Views
from tests.simulation.world import World

PRIORITIES = (0, 0, 0, 0, -5, 3)


@dataclass
class SharedLife(Life):
    """The course of one such world."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.mood = Random(f"shared {self.world.seed}")

    def build(self) -> None:
        """At least two deployments, and one pool at least whose queues they share."""
        super().build()
        for number, pool in enumerate(self.world.store.pools()):
            share = Share.STRICT if number and self.mood.random() < 0.3 else Share.FAIR
            queues = tuple(replace(queue, share=share) for queue in pool.queues)
            self.save_pool(replace(pool, queues=queues), pool)
        for name in ("shared-a", "shared-b"):
            self.add_deployment(name)

    def add_run(self) -> None:
        """With a priority, now and then: whoever asks for a run names it."""
        before = {run.id for run in self.world.checks.unended()}
        super().add_run()
        for run in self.world.checks.unended():
            if run.id not in before and (priority := self.mood.choice(PRIORITIES)):
                self.prefer(run, priority)

    def prefer(self, run: Run, priority: int) -> None:
        """Somebody gives a run another priority."""
        self._record("runs", lambda: f"gives r{run.id.hex} the priority {priority}")
        self.world.checks.moved(self.world.store.requeue([requeued(run, run.queue, priority)]))

    def schedule(self, slug: str) -> Schedule:
        """With a priority of its own, now and then."""
        return replace(super().schedule(slug), priority=self.mood.choice([None, None, *PRIORITIES]))

    def _deploy(self, deployment: Deployment, version: int | None) -> None:
        """A new deployment has a weight."""
        if version is None:
            deployment = replace(deployment, weight=self.mood.choice([1, 1, 2, 3]))
        super()._deploy(deployment, version)


def simulate_shared(
    seed: int, views: Views, *, steps: int = STEPS, write: Callable[[str], None] | None = None
) -> tuple[Counter[str], Counter[str]]:
    """Live through one seed of such a world; see `life.simulate`."""
    world = World(seed, views, Chances(), write)
    life = SharedLife(world)
    life.through(steps)
    return world.counts, world.journal.marks
