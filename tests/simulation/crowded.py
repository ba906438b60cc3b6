"""Worlds of their own in which deployments have limits, runs expire, and people pause and resume pools and queues."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random

from dispatcher.core.creation import copied
from dispatcher.core.pauses import noted
from dispatcher.models import CatchUp, Deployment, OnCollision, Run, Schedule, Share, WorkPool
from tests.simulation.crowd import Crowd
from tests.simulation.faults import Chances
from tests.simulation.life import STEPS, Life
from tests.simulation.stores import Views
from tests.simulation.world import World

EXPIRY = (None, None, None, timedelta(seconds=90), timedelta(seconds=900))


@dataclass
class CrowdedLife(Life):
    """One such world's course."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.crowd = Crowd(self.world.store)
        self.world.checks.crowd = self.crowd
        self.mood = Random(f"crowded {self.world.seed}")

    def build(self) -> None:
        """At least one deployment; pools share their slots by priority."""
        super().build()
        for pool in self.world.store.pools():
            self.save_pool(replace(pool, share=Share.STRICT), pool)
        self.add_deployment("crowded")

    def act(self) -> None:
        """People are impatient: they pause and resume, and ask for more."""
        mood = self.mood.random()
        if mood < 0.03:
            self.pause()
        elif mood < 0.06:
            self.ask()
        super().act()

    def save_pool(self, pool: WorkPool, before: WorkPool) -> None:
        """Save a pool and note its pauses, as the client and automations do."""
        saved = noted(before, pool, self.world.now)
        self.crowd.switched(before, pool, self.world.now)
        super().save_pool(saved, before)

    def pause(self) -> None:
        """Somebody pauses a pool or a queue, or lets it go on."""
        pool = self.mood.choice(self.world.store.pools())
        queue = self.mood.choice([None, *pool.queues])
        if queue is None:
            changed = replace(pool, paused=not pool.paused)
        else:
            other = replace(queue, paused=not queue.paused)
            changed = replace(pool, queues=tuple(other if member is queue else member for member in pool.queues))
        self._record("pauses", lambda: f"pauses or resumes {pool.name}/{queue.name if queue else ''}")
        self.save_pool(changed, pool)

    def ask(self) -> None:
        """Somebody wants another run of a deployment."""
        deployments = [candidate for candidate in self.world.store.deployments() if candidate.concurrency_limit is not None]
        if not deployments:
            return
        deployment = self.mood.choice(deployments)
        run = Run(
            id=self.world.new_id(),
            name="asked for",
            created_at=self.world.now,
            scheduled_at=self.world.now,
            **copied(deployment, self.world.now, ()),
        )
        self._record("runs", lambda: f"adds r{run.id.hex} of {deployment.name}")
        self.world.store.add_runs([run])

    def schedule(self, slug: str) -> Schedule:
        """A schedule with any kind of catch-up."""
        return replace(
            super().schedule(slug), catch_up=self.mood.choice([CatchUp.NONE, CatchUp.LAST, CatchUp.LAST, CatchUp.DROP])
        )

    def _deploy(self, deployment: Deployment, version: int | None) -> None:
        """Save a deployment; a new one gets limits, except the one whose schedule cannot be computed."""
        if version is None and deployment.name.startswith(("crowded", "deployment")):
            limit, expires_after = self.mood.choice([1, 1, 1, 2, None]), self.mood.choice(EXPIRY)
            fields = {"on_collision": self.mood.choice(list(OnCollision)), "expires_after": expires_after}
            deployment = replace(deployment, concurrency_limit=limit, **fields)
        super()._deploy(deployment, version)


def simulate_crowded(
    seed: int, views: Views, *, steps: int = STEPS, write: Callable[[str], None] | None = None
) -> tuple[Counter[str], Counter[str]]:
    """Live through one seed of such a world; see `life.simulate`."""
    world = World(seed, views, Chances(), write)
    life = CrowdedLife(world)
    life.through(steps)
    return world.counts, world.journal.marks + life.crowd.marks
