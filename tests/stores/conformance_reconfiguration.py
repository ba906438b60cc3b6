"""What every store does with a change of many pools and deployments at once."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from dispatcher.errors import Conflict, NotFound
from dispatcher.models import Deployment, RunState, WorkPool
from dispatcher.models.records import Reconfiguration
from dispatcher.protocols import Store
from tests.builders import NOW, a_deployment, a_pool
from tests.stores.steps import a_run_in, a_stored_run, claim, nothing

Somebody = Callable[[Store], Any]

SOMEBODY_ELSE: dict[str, Somebody] = {
    "changes a pool": lambda store: store.save_pool(a_pool("kept", limit=9), expected_version=1),
    "adds a pool": lambda store: store.save_pool(a_pool("theirs"), expected_version=None),
    "deletes a pool": lambda store: store.delete_pool("gone", expected_version=1),
    "changes a deployment": lambda store: store.save_deployment(a_deployment("stays", "kept"), expected_version=1, now=NOW),
    "adds a deployment": lambda store: store.save_deployment(a_deployment("theirs", "kept"), expected_version=None, now=NOW),
    "deletes a deployment": lambda store: store.delete_deployment("stays"),
    "changes all": lambda store: store.reconfigure(reconfiguration(store, pools=[a_pool("theirs")])),
}


def reconfiguration(
    store: Store, *, pools: Sequence[WorkPool] = (), deployments: Sequence[Deployment] = (), **gone: Any
) -> Reconfiguration:
    """A change of the store as it is now."""
    return Reconfiguration(
        pools_read={pool.name: pool.version for pool in store.pools()},
        now=NOW,
        deployments_read={deployment.name: deployment.version for deployment in store.deployments()},
        pools=tuple(pools),
        deployments=tuple(deployments),
        **gone,
    )


def everything_in(store: Store) -> tuple[Any, ...]:
    return store.pools(), store.deployments()


class Reconfigurations:
    @pytest.fixture(autouse=True)
    def _stored(self, store: Store):
        for name in ("gone", "kept"):
            store.save_pool(a_pool(name, queues=["default", "low"]), expected_version=None)
        for name, pool in (("leaves", "kept"), ("moves", "gone"), ("stays", "kept")):
            store.save_deployment(a_deployment(name, pool), expected_version=None, now=NOW)

    def a_change(self, store: Store, **others: Any) -> Reconfiguration:
        """One of each kind: new, changed, gone, and a deployment that moves out of the pool that goes."""
        kept, moves = store.pool("kept"), store.deployment("moves")
        assert kept
        assert moves
        fields: dict[str, Any] = {
            "pools": [a_pool("new", queues=["default", "high"]), replace(kept, queues=a_pool(queues=["default", "x"]).queues)],
            "deployments": [a_deployment("fresh", "new", "high"), replace(moves, pool="kept", queue="x")],
            "pools_gone": ("gone",),
            "deployments_gone": ("leaves",),
        }
        return reconfiguration(store, **{**fields, **others})

    def test_all_parts_of_a_reconfiguration_are_written(self, store: Store):
        ended = a_run_in(store, RunState.COMPLETED, "gone")
        change = self.a_change(store)
        store.reconfigure(change)
        assert [(pool.name, pool.version) for pool in store.pools()] == [("kept", 2), ("new", 1)]
        assert [(deployment.name, deployment.version) for deployment in store.deployments()] == [
            ("fresh", 1),
            ("moves", 2),
            ("stays", 1),
        ]
        assert store.pool("kept") == replace(change.pools[1], version=2)
        assert store.deployment("moves") == replace(change.deployments[1], version=2)
        assert store.get(ended.id) is None
        store.save_pool(a_pool("gone"), expected_version=None)

    def test_fields_that_ticks_wrote_survive(self, store: Store):
        claim(store, NOW, pool="kept", decide=nothing)
        store.reconfigure(self.a_change(store))
        kept = store.pool("kept")
        assert kept
        assert kept.last_tick_at == NOW

    @pytest.mark.parametrize("what", SOMEBODY_ELSE)
    def test_a_change_is_refused_when_somebody_else_came_first(self, store: Store, what: str):
        change = self.a_change(store)
        SOMEBODY_ELSE[what](store)
        before = everything_in(store)
        with pytest.raises(Conflict, match="changed in between"):
            store.reconfigure(change)
        assert everything_in(store) == before

    def test_a_change_is_applied_once(self, store: Store):
        change = self.a_change(store)
        store.reconfigure(change)
        before = everything_in(store)
        with pytest.raises(Conflict, match="changed in between"):
            store.reconfigure(change)
        assert everything_in(store) == before

    @pytest.mark.parametrize("state", [RunState.SCHEDULED, RunState.RUNNING])
    @pytest.mark.parametrize(("pool", "queue"), [("gone", "default"), ("kept", "low")])
    def test_a_change_that_deletes_a_place_with_runs_is_refused_whole(
        self, store: Store, state: RunState, pool: str, queue: str
    ):
        run = a_run_in(store, state, pool, queue)
        before = everything_in(store)
        with pytest.raises(Conflict, match=f"'{pool}' has runs that have not ended"):
            store.reconfigure(self.a_change(store))
        assert everything_in(store) == before
        assert store.get(run.id) == run

    @pytest.mark.parametrize(("pool", "queue"), [("new", "none"), ("none", "default"), ("kept", "low")])
    def test_a_change_that_leaves_a_deployment_without_a_queue_is_refused_whole(self, store: Store, pool: str, queue: str):
        before = everything_in(store)
        with pytest.raises(NotFound, match=f"'{queue}' in a work pool named '{pool}'"):
            store.reconfigure(self.a_change(store, deployments=[a_deployment("fresh", pool, queue)]))
        assert everything_in(store) == before

    def test_an_empty_change_changes_nothing(self, store: Store):
        before = everything_in(store)
        store.reconfigure(reconfiguration(store))
        assert everything_in(store) == before

    def test_runs_go_on_waiting_in_the_queues_that_stay(self, store: Store):
        waiting = a_stored_run(store, "kept", "default")
        store.reconfigure(self.a_change(store))
        assert [claimed.run.id for claimed in claim(store, pool="kept").claims] == [waiting.id]

    def test_a_reconfiguration_shares_no_values_with_the_store(self, store: Store):
        template: dict[str, Any] = {"job_configuration": {"command": "true"}, "variables": {}}
        store.reconfigure(reconfiguration(store, pools=[a_pool("new", base_job_template=template)]))
        template["job_configuration"]["command"] = "given"
        new = store.pool("new")
        assert new
        assert new.base_job_template["job_configuration"] == {"command": "true"}
