"""A change of many pools and deployments: one transaction, or a chain of them that nobody breaks unseen."""

from dataclasses import replace

import pytest

from dispatcher.errors import Conflict
from dispatcher.models import Deployment, Schedule
from dispatcher.models.records import Reconfiguration
from providers.emulators.faults import FaultKind, Faults
from tests.builders import NOW, a_deployment, a_pool
from tests.stores.conformance_reconfiguration import reconfiguration
from tests.stores.dynamodb.places import Place
from tests.stores.steps import a_stored_run, claim


def five_pools_with_fifty_deployments(place: Place, per_pool: int = 10) -> Reconfiguration:
    """Four new pools of five queues, and deployments in every queue."""
    pools = [a_pool(f"p{number}", queues=["default", "a", "b", "c"]) for number in range(5)]
    names = [(pool.name, queue.name) for pool in pools for queue in pool.queues]
    schedules = (Schedule(slug="cron", cron="*/10 * * * *"), Schedule(slug="daily", rrule="FREQ=DAILY"))
    deployments = [
        a_deployment(f"d{number}", *names[number % len(names)], description="x" * 100, schedules=schedules)
        for number in range(5 * per_pool)
    ]
    return reconfiguration(place.store, pools=pools, deployments=deployments)


def test_five_pools_twenty_queues_and_fifty_deployments_with_a_hundred_schedules_are_one_transaction(place: Place):
    change = five_pools_with_fifty_deployments(place)
    place.recorder.requests.clear()
    place.store.reconfigure(change)
    assert len(place.recorder.tokens()) == 1
    assert len(place.store.deployments()) == 50
    assert place.store.scheduled("p1", NOW, limit=100) == place.store.deployments("p1") != []
    assert place.store.check() == []
    place.recorder.requests.clear()
    place.store.reconfigure(paused(place))
    assert len(place.recorder.tokens()) == 1
    assert place.store.scheduled("p1", NOW, limit=100) == []
    assert place.store.check() == []


def paused(place: Place) -> Reconfiguration:
    """All deployments, without windows."""
    deployments = [replace(deployment, paused=True) for deployment in place.store.deployments()]
    return reconfiguration(place.store, pools=place.store.pools(), deployments=deployments)


def test_a_larger_change_takes_several_transactions(place: Place):
    change = five_pools_with_fifty_deployments(place, per_pool=40)
    place.recorder.requests.clear()
    place.store.reconfigure(change)
    assert len(place.recorder.tokens()) == 3
    assert len(place.store.deployments()) == 200
    gone = [deployment.name for deployment in change.deployments], [pool.name for pool in change.pools]
    place.store.reconfigure(reconfiguration(place.store, deployments_gone=tuple(gone[0]), pools_gone=tuple(gone[1])))
    assert [pool.name for pool in place.store.pools()] == ["pool"]
    assert place.store.deployments() == []


def test_a_change_with_large_items_takes_several_transactions_too(place: Place):
    """Names and documents count: a transaction of AWS's holds 4 MB."""
    heavy = {"text": "x" * 120_000}
    deployments = [a_deployment(f"d{number}", job_variables=heavy) for number in range(40)]
    change = reconfiguration(place.store, deployments=deployments)
    place.recorder.requests.clear()
    place.store.reconfigure(change)
    assert len(place.recorder.tokens()) == 2
    assert len(place.store.deployments()) == 40


@pytest.mark.parametrize("part", [1, 2, 3])
def test_a_change_between_the_parts_breaks_the_chain(place: Place, part: int):
    change = five_pools_with_fifty_deployments(place, per_pool=40)
    theirs = a_deployment("theirs")
    with (
        place.coming_between(lambda other: other.save_deployment(theirs, expected_version=None, now=NOW), at=part),
        pytest.raises(Conflict, match="changed in between" if part == 1 else f"{part - 1} of 3 parts were written, and stay"),
    ):
        place.store.reconfigure(change)
    stored = {deployment.name for deployment in place.store.deployments()}
    assert "theirs" in stored
    left: list[Deployment] = [deployment for deployment in change.deployments if deployment.name not in stored]
    assert (len(left) == 200) is (part == 1)
    assert left
    pools = [pool for pool in change.pools if place.store.pool(pool.name) is None]
    place.store.reconfigure(reconfiguration(place.store, pools=pools, deployments=left))
    assert len(place.store.deployments()) == 201
    assert place.store.check() == []


def test_a_claim_in_the_middle_of_a_reconfiguration_does_no_harm(place: Place):
    pool, run = place.store.pool("pool"), a_stored_run(place.store)
    assert pool
    change = reconfiguration(place.store, pools=[replace(pool, concurrency_limit=5)], deployments=[a_deployment()])
    with place.coming_between(claim):
        place.store.reconfigure(change)
    stored = place.store.pool("pool")
    assert stored
    assert (stored.version, stored.concurrency_limit) == (2, 5)
    assert [claimed.run.id for claimed in claim(place.store).claims] == []
    assert place.store.live("pool", limit=1) == []
    assert place.store.get(run.id)
    assert place.store.check() == []


def test_a_reconfiguration_whose_answer_is_lost_is_written_once(place: Place, faults: Faults):
    change = five_pools_with_fifty_deployments(place)
    faults.add("dynamodb.TransactWriteItems", FaultKind.LOSE_ANSWER)
    place.store.reconfigure(change)
    assert {pool.version for pool in place.store.pools()} == {1}
    assert len(place.store.deployments()) == 50
