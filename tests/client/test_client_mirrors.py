"""A mirrored pool is read-only: every change of it, and every run in it, is refused with where to go instead."""

from datetime import timedelta

import pytest

from dispatcher.client import Dispatcher
from dispatcher.errors import Conflict, InvalidInput
from dispatcher.models import Mirror, RunEnded, RunLate, RunState, Then, When
from dispatcher.stores.memory import MemoryStore
from tests.builders import a_pool, a_run, an_id

SAYS = r"work pool 'there' mirrors one of Prefect: "


@pytest.fixture
def store():
    store = MemoryStore()
    store.save_pool(a_pool("there", mirror=Mirror(source="prefect", revision="1")), expected_version=None)
    store.save_pool(a_pool("here"), expected_version=None)
    return store


@pytest.fixture
def dispatcher(store):
    return Dispatcher(store)


CHANGES = {
    "update_work_pool": lambda client: client.update_work_pool("there", concurrency_limit=1),
    "update_work_pool with a template": lambda client: client.update_work_pool("there", job_variables={"command": "false"}),
    "delete_work_pool": lambda client: client.delete_work_pool("there"),
    "create_work_queue": lambda client: client.create_work_queue("there", "high"),
    "apply_pool": lambda client: client.apply_pool(client.plan_pool("there", concurrency_limit=1)),
    "update_work_queue": lambda client: client.update_work_queue("there", "default", paused=True),
}
DEPLOYMENTS = {
    "create_deployment": lambda client: client.create_deployment("d", pool="there"),
    "create_run": lambda client: client.create_run(pool="there"),
}


@pytest.mark.parametrize("call", CHANGES)
def test_a_mirrored_pool_is_changed_where_it_is_kept(store, dispatcher, call):
    before = store.pools()
    with pytest.raises(Conflict, match=SAYS + "change it there"):
        CHANGES[call](dispatcher)
    assert store.pools() == before


@pytest.mark.parametrize(
    ("when", "then", "field"),
    [
        (When(ended=RunEnded(states=frozenset({RunState.CRASHED}), pool="there")), Then(retry=True), "then[0].retry"),
        (When(late=RunLate(by=timedelta(minutes=5), pool="there")), Then(cancel=True), "then[0].cancel"),
    ],
)
def test_an_automation_retries_and_cancels_no_run_of_a_mirrored_pool(dispatcher, when, then, field):
    with pytest.raises(InvalidInput) as refusal:
        dispatcher.create_automation("a", when=when, then=[then])
    [fault] = refusal.value.faults
    assert (fault.path, fault.message) == (
        field,
        "work pool 'there' mirrors one of Prefect: create, cancel and retry runs there",
    )


@pytest.mark.parametrize("call", DEPLOYMENTS)
def test_deployments_and_runs_of_a_mirrored_pool_are_made_where_it_is_kept(store, dispatcher, call):
    with pytest.raises(Conflict, match=SAYS):
        DEPLOYMENTS[call](dispatcher)
    assert store.deployments() == []


def test_a_deployment_cannot_move_into_a_mirrored_pool(dispatcher):
    dispatcher.create_deployment("d", pool="here")
    with pytest.raises(Conflict, match=SAYS + "deploy there"):
        dispatcher.update_deployment("d", pool="there")


def test_runs_of_a_source_are_cancelled_and_retried_there(store, dispatcher):
    waiting = a_run("there", source_id="flow-run")
    ended = a_run("there", source_id="other", state=RunState.CRASHED, id=an_id())
    store.add_runs([waiting])
    store.restore(runs=[ended])
    with pytest.raises(Conflict, match=SAYS + "create, cancel and retry runs there"):
        dispatcher.cancel_run(waiting.id)
    with pytest.raises(Conflict, match=SAYS):
        dispatcher.retry_run(ended.id)
    assert store.get(waiting.id).state is RunState.SCHEDULED


def test_a_configuration_neither_names_nor_prunes_nor_exports_a_mirrored_pool(dispatcher):
    assert set(dispatcher.export()["pools"]) == {"here"}
    pruned = dispatcher.plan({"pools": {}}, prune=True)
    assert [(change.action.value, change.name) for change in pruned.changes] == [("delete", "here")]
    with pytest.raises(InvalidInput) as refused:
        dispatcher.plan({"pools": {"there": {"type": "process"}}, "deployments": {"d": {"pool": "there"}}})
    faults = {fault.path: fault.message for fault in refused.value.faults}
    assert set(faults) == {"pools.there", "deployments.d.pool"}
    assert all("mirrors one of Prefect" in message for message in faults.values())
