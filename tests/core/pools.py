"""Random pools with waiting and live runs, for property tests of the core."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from hypothesis import strategies as st

from dispatcher.models import Run, Share, WorkPool
from dispatcher.models.records import QueueCount
from tests.builders import NOW, a_hold, a_pool, a_queue, a_run

LIMITS = st.one_of(st.none(), st.integers(0, 4))


@dataclass
class Scene:
    """A pool, the slots in use by queue, and the due runs of each queue in their order."""

    pool: WorkPool
    in_use: dict[str, int]
    waiting: dict[str, list[Run]]

    def due(self, queue: str, limit: int, after: tuple[datetime, UUID] | None = None) -> Sequence[Run]:
        return [run for run in self.waiting[queue] if after is None or (run.due_at, run.id) > after][:limit]

    def counts(self) -> dict[str, QueueCount]:
        return {
            name: QueueCount(due=len(runs), later=0, in_use=self.in_use.get(name, 0)) for name, runs in self.waiting.items()
        }


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    names = draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True))
    priorities = draw(st.permutations(range(1, len(names) + 1)))
    queues = [
        a_queue(name, priority, draw(LIMITS), paused=draw(st.booleans()) and draw(st.booleans()))
        for name, priority in zip(names, priorities, strict=True)
    ]
    held = draw(st.sampled_from([(), (), (), (a_hold(NOW),), (a_hold(),)]))
    pool = a_pool(limit=draw(st.one_of(st.none(), st.integers(0, 8))), queues=queues, holds=held)
    waiting = {}
    for name in names:
        due = sorted(NOW - timedelta(minutes=draw(st.integers(0, 3))) for _ in range(draw(st.integers(0, 5))))
        runs = [a_run(queue=name, due_at=moment) for moment in due]
        waiting[name] = sorted(runs, key=lambda run: (run.due_at, run.id))
    in_use = {name: draw(st.integers(0, 3)) for name in names}
    return Scene(pool, in_use, waiting)


@st.composite
def fair_scenes(draw: st.DrawFn) -> Scene:
    """A pool with fair shares, and weights."""
    scene = draw(scenes())
    weights = draw(st.lists(st.sampled_from([1, 1, 2, 3, 7]), min_size=9, max_size=9))
    queues = tuple(replace(queue, weight=weight) for queue, weight in zip(scene.pool.queues, weights, strict=False))
    return replace(scene, pool=replace(scene.pool, queues=queues, share=Share.FAIR))


def ids(runs: Sequence[Run]) -> list[UUID]:
    return [run.id for run in runs]
