"""Where a due run stands in a queue that its deployments share."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dispatcher.core.surroundings import Standing, served, standing
from dispatcher.models import Share
from dispatcher.models.lanes import lane_for
from dispatcher.models.records import Snapshot
from tests.builders import HOUR, MINUTE, NOW, a_deployment, a_hold, a_pool, a_queue, a_run


def due_since(minutes, deployment):
    return a_run(deployment=deployment, lane=lane_for(deployment, 0), due_at=NOW - minutes * MINUTE)


LATE = [due_since(9, "flood"), due_since(8, "flood"), due_since(7, None), due_since(6, "other")]


def snapshot_of(runs=LATE, *, held=None, share=Share.FAIR, **pool):
    def due(queue, limit, after=None, lane=None):
        of_lane = [run for run in runs if (run.queue, run.lane) == (queue, lane)]
        return of_lane[:limit] if after is None else []

    weights = {name: a_deployment(name, weight=weight) for name, weight in (("flood", 1), ("other", 3))}
    return Snapshot(
        pool=a_pool(queues=[a_queue("default", share=share)], **pool),
        in_use={},
        due=due,
        deployment=weights.get,
        lanes=lambda _queue: sorted({run.lane for run in runs if run.lane}),
        held=lambda _queue: held or {},
    )


def test_the_standing_of_a_run_counts_the_runs_ahead_and_the_slots_and_weights_of_all():
    flood, second, alone, other = LATE
    snapshot = snapshot_of(held={"gone": 2, "": 1})
    assert [run.id for run in served(snapshot, snapshot.pool.queue("default"), NOW)] == [
        run.id for run in (other, flood, second, alone)
    ]
    shares = {"": (1, 1), "flood": (0, 1), "gone": (2, 1), "other": (0, 3)}
    assert standing(snapshot, other, NOW) == Standing(ahead=0, others=0, shares=shares)
    assert standing(snapshot, alone, NOW) == Standing(ahead=3, others=3, shares=shares)
    assert standing(snapshot, second, NOW) == Standing(ahead=2, others=1, shares=shares)


def test_only_as_many_are_read_as_are_asked_for():
    snapshot = snapshot_of()
    assert [run.id for run in served(snapshot, snapshot.pool.queue("default"), NOW, 1)] == [LATE[3].id]


def test_a_hold_does_not_change_the_place_of_a_run():
    snapshot = snapshot_of(holds=(a_hold(NOW + HOUR),))
    assert len(served(snapshot, snapshot.pool.queue("default"), NOW)) == len(LATE)
    assert standing(snapshot, LATE[0], NOW).ahead == 1


@pytest.mark.parametrize(
    ("share", "run"),
    [
        (Share.STRICT, LATE[0]),
        (Share.FAIR, replace(LATE[0], queue="gone")),
        (Share.FAIR, due_since(5, "flood")),
    ],
    ids=["no shared queue", "no such queue", "not due in it"],
)
def test_a_run_has_no_place_where_nothing_is_shared_or_it_is_not_due(share, run):
    assert standing(snapshot_of(share=share), run, NOW) is None
