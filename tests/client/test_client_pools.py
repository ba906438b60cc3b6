"""Work pools and queues, as people and programs make and change them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dispatcher.client import UNSET, default_base_job_template
from dispatcher.errors import AlreadyExists, Conflict, InvalidInput, InvalidTemplate, InvalidVariables, NotFound
from dispatcher.models import MAX_INTEGER, Status
from dispatcher.models.records import QueueCount
from providers import registry
from tests.builders import MINUTE, NOW, SECOND, TEMPLATE
from tests.client.conftest import refused
from tests.stores.steps import claim

NARROWER = {
    "job_configuration": {"command": "{{ command }}", "env": {"SIZE": "{{ size }}"}},
    "variables": {
        "type": "object",
        "properties": {"command": {"type": "string", "maxLength": 4}, "size": {"type": "integer", "default": 1}},
    },
}
UNDECLARED = {"job_configuration": {"command": "{{ comand }}"}, "variables": TEMPLATE["variables"]}


def test_a_new_pool_has_the_default_queue_and_its_types_own_template(dispatcher):
    made = dispatcher.create_work_pool("nightly", type="ecs:push", concurrency_limit=3, paused=True, description="by night")
    assert made == dispatcher.work_pool("nightly")
    assert [(queue.name, queue.priority) for queue in made.queues] == [("default", 1)]
    assert made.base_job_template == default_base_job_template("ecs:push")
    assert (made.concurrency_limit, made.paused, made.description, made.created_at) == (3, True, "by night", NOW)


@pytest.mark.parametrize("name", registry.types())
def test_the_default_template_of_every_type_is_valid(name, dispatcher):
    made = dispatcher.create_work_pool("pool", type=name)
    dispatcher.update_work_pool("pool", base_job_template=made.base_job_template)
    assert made.type == name


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"type": "ecs:pusch"}, InvalidInput, "type: .*'ecs:pusch' is unknown; did you mean ecs:push"),
        ({"base_job_template": UNDECLARED}, InvalidTemplate, "job_configuration.command: .*comand"),
        ({"base_job_template": []}, InvalidTemplate, "must be an object"),
        ({"base_job_template": {}}, InvalidTemplate, "job_configuration"),
        ({"concurrency_limit": -1}, InvalidInput, "concurrency_limit: must be 0 or more"),
        ({"concurrency_limit": "5"}, InvalidInput, "concurrency_limit: must be 0 or more"),
        ({"concurrency_limit": MAX_INTEGER + 1}, InvalidInput, "concurrency_limit: must be at most"),
        ({"name": "a/b"}, InvalidInput, "name: must be 1 to 200"),
        ({"name": ""}, InvalidInput, "name: must be 1 to 200"),
        ({"name": "pool"}, AlreadyExists, "'pool' already exists"),
        ({"description": None}, InvalidInput, "description: must be text"),
    ],
)
def test_an_invalid_pool_is_refused_with_its_field(arguments, error, says, dispatcher, pool):
    with refused(dispatcher, error, says):
        dispatcher.create_work_pool(**{"name": "new", "type": "process", **arguments})


def test_an_update_changes_the_given_fields_and_leaves_the_rest(dispatcher, pool):
    changed = dispatcher.update_work_pool("pool", paused=True)
    assert (changed.paused, changed.concurrency_limit, changed.version) == (True, 2, 2)
    changed = dispatcher.update_work_pool("pool", concurrency_limit=None)
    assert (changed.paused, changed.concurrency_limit) == (True, None)
    changed = dispatcher.update_work_pool("pool", concurrency_limit=UNSET, description="x", base_job_template=TEMPLATE)
    assert (changed.concurrency_limit, changed.description, changed.base_job_template) == (None, "x", TEMPLATE)


def default_of(pool, name):
    return pool.base_job_template["variables"]["properties"][name].get("default")


def test_job_variables_become_defaults_of_the_template_and_are_checked_with_it(dispatcher):
    made = dispatcher.create_work_pool("batch", type="ecs:push", job_variables={"cluster": "one", "env.REGION": "here"})
    assert (default_of(made, "cluster"), default_of(made, "env")) == ("one", {"REGION": "here"})
    changed = dispatcher.update_work_pool("batch", job_variables={"cpu": 512})
    assert (default_of(changed, "cluster"), default_of(changed, "cpu")) == ("one", 512)
    with refused(dispatcher, InvalidVariables, "clutser.*did you mean cluster"):
        dispatcher.update_work_pool("batch", job_variables={"clutser": "two"})
    with refused(dispatcher, InvalidVariables, "cpu.*whole number"):
        dispatcher.create_work_pool("other", type="ecs:push", job_variables={"cpu": "many"})
    assert dispatcher.work_pools() == [changed]


def test_an_update_of_a_missing_pool_or_with_an_invalid_value_is_refused(dispatcher, pool):
    with refused(dispatcher, NotFound, r"^work pool 'pol' does not exist; did you mean 'pool'\?$"):
        dispatcher.update_work_pool("pol", paused=True)
    with refused(dispatcher, InvalidInput, "concurrency_limit"):
        dispatcher.update_work_pool("pool", concurrency_limit=-1)
    with refused(dispatcher, InvalidInput, "paused: must be true or false"):
        dispatcher.update_work_pool("pool", paused="yes")
    with refused(dispatcher, InvalidTemplate, "comand"):
        dispatcher.update_work_pool("pool", base_job_template=UNDECLARED)


def test_a_new_template_has_to_fit_every_deployment_of_the_pool(dispatcher, pool):
    dispatcher.create_work_pool("other", type="process")
    dispatcher.create_deployment("elsewhere", pool="other", job_variables={"command": "much too long"})
    dispatcher.create_deployment("etl", pool="pool", job_variables={"command": "date"})
    dispatcher.update_work_pool("pool", base_job_template=NARROWER)
    dispatcher.update_work_pool("pool", base_job_template=TEMPLATE)
    dispatcher.update_deployment("etl", job_variables={"command": "sleep 1"})
    with refused(dispatcher, InvalidVariables, "^deployment 'etl' would no longer fit its template: command: "):
        dispatcher.update_work_pool("pool", base_job_template=NARROWER)


def test_a_new_template_has_to_fit_every_waiting_run_and_no_other(dispatcher, pool):
    dispatcher.create_deployment("etl", pool="pool")
    dispatcher.cancel_run(dispatcher.create_run(pool="pool", job_variables={"command": "long ago"}).id)
    claimed = dispatcher.create_run(pool="pool", job_variables={"command": "has begun"})
    claim(dispatcher.store, NOW)
    dispatcher.update_work_pool("pool", base_job_template=NARROWER)
    dispatcher.update_work_pool("pool", base_job_template=TEMPLATE)
    assert dispatcher.run(claimed.id).state.holds_slot
    waiting = dispatcher.create_run(deployment="etl", job_variables={"command": "sleep 1"}, scheduled_at=NOW + MINUTE)
    with refused(dispatcher, InvalidVariables, f"^waiting run {waiting.id} would no longer fit its template: command: "):
        dispatcher.update_work_pool("pool", base_job_template=NARROWER)


def test_a_waiting_run_is_checked_with_the_values_of_its_deployment(dispatcher, pool):
    dispatcher.create_deployment("etl", pool="pool", job_variables={"command": "date"})
    dispatcher.create_run(deployment="etl")
    required = {**NARROWER, "variables": {**NARROWER["variables"], "required": ["command"]}}
    assert dispatcher.update_work_pool("pool", base_job_template=required).base_job_template == required


def test_pools_are_listed_by_name_and_one_that_is_not_there_names_the_nearest(dispatcher, pool):
    dispatcher.create_work_pool("another", type="process")
    assert [pool.name for pool in dispatcher.work_pools()] == ["another", "pool"]
    with pytest.raises(NotFound, match="did you mean 'pool'"):
        dispatcher.work_pool("pools")
    for wrong in (5, None, "", ["pool"]):
        with pytest.raises(InvalidInput, match="pool: must be a text"):
            dispatcher.work_pool(wrong)


def test_a_pool_shows_its_statuses_and_how_full_it_is(dispatcher, pool):
    dispatcher.create_work_queue("pool", "slow", paused=True)
    dispatcher.create_runs({"pool": "pool", "job_variables": {"command": "date"}} for _ in range(3))
    dispatcher.create_run(pool="pool", queue="slow", job_variables={"command": "date"}, scheduled_at=NOW + MINUTE)
    view = dispatcher.inspect_work_pool("pool")
    assert (view.status, view.queue_status) == (Status.NOT_READY, {"default": Status.NOT_READY, "slow": Status.PAUSED})
    assert view.counts == {"default": QueueCount(due=3, later=0, in_use=0), "slow": QueueCount(due=0, later=1, in_use=0)}
    claim(dispatcher.store, NOW)
    dispatcher.clock.time += timedelta(seconds=180)
    assert dispatcher.inspect_work_pool("pool").status is Status.READY
    dispatcher.clock.time += SECOND
    assert dispatcher.inspect_work_pool("pool").status is Status.NOT_READY
    dispatcher.update_work_pool("pool", paused=True)
    assert dispatcher.inspect_work_pool("pool").status is Status.PAUSED
    with pytest.raises(NotFound):
        dispatcher.inspect_work_pool("nope")


def test_a_pool_is_deleted_with_all_that_has_ended_and_not_while_a_run_is_left(dispatcher, pool):
    dispatcher.create_deployment("etl", pool="pool", job_variables={"command": "date"})
    run = dispatcher.create_run(deployment="etl")
    with refused(dispatcher, Conflict, "has runs that have not ended: cancel them"):
        dispatcher.delete_work_pool("pool")
    dispatcher.cancel_run(run.id)
    dispatcher.delete_work_pool("pool")
    assert (dispatcher.work_pools(), dispatcher.deployments(), dispatcher.runs()) == ([], [], [])
    with refused(dispatcher, NotFound, "'pool' does not exist"):
        dispatcher.delete_work_pool("pool")


def order(pool):
    return [(queue.name, queue.priority) for queue in pool.queues]


def test_a_new_queue_goes_last_or_takes_its_number_from_whoever_holds_it(dispatcher, pool):
    dispatcher.create_work_queue("pool", "second")
    dispatcher.create_work_queue("pool", "tenth", priority=10)
    changed = dispatcher.create_work_queue("pool", "first", priority=1, concurrency_limit=1, paused=True, description="d")
    assert order(changed) == [("first", 1), ("default", 2), ("second", 3), ("tenth", 10)]
    first = dispatcher.work_queue("pool", "first")
    assert (first.concurrency_limit, first.paused, first.description) == (1, True, "d")
    assert order(dispatcher.create_work_queue("pool", "last"))[-1] == ("last", 11)


def test_a_priority_that_is_taken_is_refused_when_nobody_may_shift(dispatcher, pool):
    dispatcher.create_work_queue("pool", "second")
    with refused(dispatcher, InvalidInput, "priority: 1 is held by work queue 'default'; take the next free number, 3"):
        dispatcher.create_work_queue("pool", "new", priority=1, shift=False)
    with refused(dispatcher, InvalidInput, "priority: 1 is held by work queue 'default'"):
        dispatcher.update_work_queue("pool", "second", priority=1, shift=False)
    assert order(dispatcher.update_work_queue("pool", "second", priority=2, shift=False))[1] == ("second", 2)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"priority": 0}, InvalidInput, "priority: must be a whole number of 1 or more"),
        ({"priority": "1"}, InvalidInput, "priority: must be a whole number of 1 or more"),
        ({"priority": 1.5}, InvalidInput, "priority: must be a whole number of 1 or more"),
        ({"priority": MAX_INTEGER + 1}, InvalidInput, "priority: must be at most"),
        ({"concurrency_limit": -1}, InvalidInput, "concurrency_limit: must be 0 or more"),
        ({"name": " x"}, InvalidInput, "name: must be 1 to 200"),
        ({"name": "default"}, AlreadyExists, "name: work queue 'default' already exists"),
        ({"pool": "pol"}, NotFound, "did you mean 'pool'"),
    ],
)
def test_an_invalid_queue_is_refused_with_its_field(arguments, error, says, dispatcher, pool):
    with refused(dispatcher, error, says):
        dispatcher.create_work_queue(**{"pool": "pool", "name": "new", **arguments})


def test_a_shift_past_the_largest_number_is_refused(dispatcher, pool):
    dispatcher.create_work_queue("pool", "end", priority=MAX_INTEGER)
    with refused(dispatcher, InvalidInput, "priority: must be at most"):
        dispatcher.create_work_queue("pool", "new", priority=MAX_INTEGER)


def test_an_update_of_a_queue_changes_only_the_given_fields(dispatcher, pool):
    dispatcher.create_work_queue("pool", "second", concurrency_limit=1)
    changed = dispatcher.update_work_queue("pool", "second", priority=1, paused=True)
    assert order(changed) == [("second", 1), ("default", 2)]
    dispatcher.update_work_queue("pool", "second", concurrency_limit=None, description="x")
    second = dispatcher.work_queue("pool", "second")
    assert (second.priority, second.paused, second.concurrency_limit, second.description) == (1, True, None, "x")
    with refused(dispatcher, NotFound, "work queue 'secnd' of 'pool' does not exist; did you mean 'second'"):
        dispatcher.update_work_queue("pool", "secnd", paused=True)
    with refused(dispatcher, InvalidInput, "priority"):
        dispatcher.update_work_queue("pool", "second", priority=0)


def test_a_queue_is_deleted_unless_it_is_the_default_or_has_runs_and_the_others_keep_their_numbers(dispatcher, pool):
    dispatcher.create_work_queue("pool", "high", priority=1)
    dispatcher.create_work_queue("pool", "low")
    run = dispatcher.create_run(pool="pool", queue="high", job_variables={"command": "date"})
    with refused(dispatcher, InvalidInput, "name: the default queue cannot be deleted; pause it"):
        dispatcher.delete_work_queue("pool", "default")
    with refused(dispatcher, Conflict, "'high' of 'pool' has runs that have not ended"):
        dispatcher.delete_work_queue("pool", "high")
    with refused(dispatcher, NotFound, "'nope' of 'pool' does not exist"):
        dispatcher.delete_work_queue("pool", "nope")
    dispatcher.cancel_run(run.id)
    assert order(dispatcher.delete_work_queue("pool", "high")) == [("default", 2), ("low", 3)]


def test_a_change_made_from_an_old_version_is_refused(dispatcher, pool):
    stale = dispatcher.work_pool("pool")
    dispatcher.update_work_pool("pool", paused=True)
    with refused(dispatcher, Conflict, "was changed in between"):
        dispatcher._save_pool(stale, before=stale)
