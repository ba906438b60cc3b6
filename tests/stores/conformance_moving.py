"""What every store does when all that is in it goes to another one, or comes from there."""

from dataclasses import replace
from uuid import UUID

import pytest

from dispatcher.errors import NotFound
from dispatcher.models import RunState
from dispatcher.protocols import Store
from dispatcher.stores.memory import MemoryStore
from tests.builders import HOUR, MINUTE, NOW, a_deployment, a_pool, a_queue, a_run
from tests.stores.steps import a_claimed_run, a_run_in, a_running_run, claim, everything, hold, moved


def all_of(store: Store):
    """Everything, in an order that hangs on nothing."""
    runs = [run for page in store.every_run() for run in page]
    assert len({run.id for run in runs}) == len(runs)
    return list(store.pools()), list(store.deployments()), sorted(runs, key=lambda run: run.id)


SCHEMA = {"type": "object", "properties": {"day": {"type": "string"}, "again": {"type": "boolean"}}}


def a_full_store() -> Store:
    """Two pools that have been ticked, held, changed; runs in every state, one in a queue that is gone."""
    store = MemoryStore()
    pool = store.save_pool(a_pool(limit=9, queues=["high", "default", a_queue("gone", 3)]), expected_version=None)
    store.save_pool(a_pool("other", paused=True, description="idle"), expected_version=None)
    seeded = a_deployment(job_variables={"n": [1, None]}, parameters={"day": "x"}, parameter_openapi_schema=SCHEMA, tags=("a",))
    store.save_deployment(seeded, expected_version=None, now=NOW)
    store.save_deployment(replace(a_deployment("second"), queue="high"), expected_version=None, now=NOW)
    store.save_deployment(replace(store.deployment("second"), description="changed"), expected_version=1, now=NOW)
    for state in RunState:
        a_run_in(store, state)
    a_running_run(store, queue="high", tags=("b", "a"), job_variables={"env": {"A": "1"}}, parameters={"day": None})
    a_claimed_run(store)
    a_run_in(store, RunState.COMPLETED, queue="gone")
    store.save_pool(replace(pool, queues=pool.queues[:2]), expected_version=pool.version)
    store.add_runs([a_run(due_at=NOW - HOUR), a_run("other", due_at=NOW + HOUR)])
    hold(store, NOW + HOUR, "slow down", place=("eu",), size={"gpu": 1.0}, passed={"default": (NOW, UUID(int=1))})
    return store


class Moving:
    def test_an_empty_store_has_no_runs(self, store: Store):
        assert all_of(store) == ([], [], [])

    def test_restored_objects_equal_the_originals(self, store: Store):
        pools, deployments, runs = all_of(a_full_store())
        store.restore(pools=pools, deployments=deployments)
        store.restore(runs=runs)
        assert all_of(store) == (pools, deployments, runs)

    def test_a_restore_leaves_existing_objects_alone(self, store: Store):
        pools, deployments, runs = all_of(a_full_store())
        store.restore(pools=pools, deployments=deployments, runs=runs[:5])
        store.restore(
            pools=[replace(pool, paused=not pool.paused) for pool in pools],
            deployments=[replace(deployment, description="other") for deployment in deployments],
            runs=[replace(run, name="other") for run in runs[:5]] + runs[5:],
        )
        assert all_of(store) == (pools, deployments, runs)

    @pytest.mark.parametrize("nouns", [{"runs": [a_run("none")]}, {"deployments": [a_deployment(pool="none")]}])
    def test_a_restore_of_an_object_without_a_pool_is_refused_and_writes_nothing(self, store: Store, nouns):
        with pytest.raises(NotFound, match="'none'"):
            store.restore(pools=[replace(a_pool(), version=1)], **nouns)
        assert all_of(store) == ([], [], [])

    def test_restored_runs_hold_their_slots_and_go_on(self, store: Store):
        pools, deployments, runs = all_of(a_full_store())
        store.restore(pools=pools, deployments=deployments, runs=runs)
        held = sum(run.pool == "pool" and run.state.holds_slot for run in runs)
        assert sum(count.in_use for count in store.counts("pool", NOW).values()) == held
        submitted = {run.id for run in runs if run.state.holds_slot and run.submission}
        assert {run.id for run in store.live("pool", limit=100)} == submitted
        taken = claim(store, NOW + HOUR, takeovers=100, decide=everything).claims
        due = {run.id for run in runs if run.pool == "pool" and run.state is RunState.SCHEDULED}
        assert {claimed.run.id for claimed in taken if not claimed.repeat} == due
        assert [claimed for claimed in taken if claimed.repeat]
        ended = moved(
            store, next(claimed.run for claimed in taken if not claimed.repeat), RunState.COMPLETED, ended_at=NOW + MINUTE
        )
        assert store.get(ended.id).state is RunState.COMPLETED
        store.save_pool(replace(store.pool("other"), paused=False), expected_version=1)
