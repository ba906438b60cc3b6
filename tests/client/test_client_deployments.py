"""Deployments, as people and programs make and change them."""

from __future__ import annotations

import pytest

from dispatcher.errors import AlreadyExists, InvalidInput, InvalidVariables, NotFound
from dispatcher.models import RunState
from tests.builders import NOW
from tests.client.conftest import refused

NEEDS_SIZE = {
    "job_configuration": {"command": "{{ command }}", "env": {"SIZE": "{{ size }}"}},
    "variables": {
        "type": "object",
        "properties": {"command": {"type": "string", "default": "true"}, "size": {"type": "integer"}},
        "required": ["size"],
    },
}


@pytest.fixture
def sized(dispatcher):
    """A pool whose runs need a size, from whichever level."""
    return dispatcher.create_work_pool("sized", type="process", base_job_template=NEEDS_SIZE)


def test_a_deployment_is_made_found_listed_and_deleted(dispatcher, pool):
    made = dispatcher.create_deployment(
        "etl", pool="pool", job_variables={"command": "date"}, tags=["a", "b"], description="every night"
    )
    assert made == dispatcher.deployment("etl")
    assert (made.queue, made.tags, made.description, made.created_at, made.version) == (
        "default",
        ("a", "b"),
        "every night",
        NOW,
        1,
    )
    dispatcher.create_deployment("another", pool="pool")
    assert [deployment.name for deployment in dispatcher.deployments()] == ["another", "etl"]
    assert dispatcher.deployments("nowhere") == []
    dispatcher.delete_deployment("etl")
    with refused(dispatcher, NotFound, "^deployment 'etl' does not exist"):
        dispatcher.delete_deployment("etl")


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"name": "etl"}, AlreadyExists, "'etl' already exists"),
        ({"name": "a%b"}, InvalidInput, "name: must be 1 to 200"),
        ({"pool": "pol"}, NotFound, "did you mean 'pool'"),
        ({"pool": 5}, InvalidInput, "pool: "),
        ({"queue": "defalt"}, NotFound, "did you mean 'default'"),
        ({"queue": ""}, InvalidInput, "queue: "),
        ({"job_variables": {"comand": "x"}}, InvalidVariables, "comand: .*did you mean command"),
        ({"job_variables": {"command": 5}}, InvalidVariables, "command: "),
        ({"job_variables": []}, InvalidInput, "job_variables"),
        ({"tags": "nightly"}, InvalidInput, "tags: must be a list of texts, not 'nightly'"),
        ({"tags": [5]}, InvalidInput, r"tags\[0\]: must be text"),
        ({"tags": [""]}, InvalidInput, r"tags\[0\]: must be 1 to 200"),
    ],
)
def test_an_invalid_deployment_is_refused_with_its_field(arguments, error, says, dispatcher, pool):
    dispatcher.create_deployment("etl", pool="pool")
    with refused(dispatcher, error, says):
        dispatcher.create_deployment(**{"name": "new", "pool": "pool", **arguments})


def test_an_update_changes_the_given_fields_and_leaves_the_rest(dispatcher, pool):
    dispatcher.create_work_queue("pool", "high", priority=1)
    dispatcher.create_deployment("etl", pool="pool", job_variables={"command": "date"}, tags=["a"])
    changed = dispatcher.update_deployment("etl", queue="high")
    assert (changed.queue, changed.job_variables, changed.tags, changed.version) == ("high", {"command": "date"}, ("a",), 2)
    changed = dispatcher.update_deployment("etl", job_variables={}, tags=[], description="x")
    assert (changed.queue, changed.job_variables, changed.tags, changed.description) == ("high", {}, (), "x")
    for arguments, error, says in (
        ({"queue": "nope"}, NotFound, "'nope' of 'pool' does not exist"),
        ({"job_variables": {"command": 5}}, InvalidVariables, "command: "),
        ({"tags": 5}, InvalidInput, "tags: "),
    ):
        with refused(dispatcher, error, says):
            dispatcher.update_deployment("etl", **arguments)
    with refused(dispatcher, NotFound, "'elt' does not exist; did you mean 'etl'"):
        dispatcher.update_deployment("elt", tags=[])


def test_required_variables_of_a_template_may_come_from_the_run(dispatcher, sized):
    dispatcher.create_deployment("etl", pool="sized")
    assert dispatcher.create_run(deployment="etl", job_variables={"size": 1}).deployment == "etl"
    with refused(dispatcher, InvalidVariables, "size: is required and missing"):
        dispatcher.create_run(deployment="etl")


def test_new_job_variables_have_to_leave_the_deployments_waiting_runs_with_all_they_need(dispatcher, sized):
    dispatcher.create_deployment("etl", pool="sized", job_variables={"size": 1})
    dispatcher.create_deployment("other", pool="sized", job_variables={"size": 1})
    dispatcher.create_run(deployment="other")
    dispatcher.create_run(deployment="etl", job_variables={"size": 2})
    dispatcher.update_deployment("etl", job_variables={"size": 3})
    waiting = dispatcher.create_run(deployment="etl")
    with refused(dispatcher, InvalidVariables, f"^waiting run {waiting.id} would no longer fit its template: size: is"):
        dispatcher.update_deployment("etl", job_variables={})
    dispatcher.cancel_run(waiting.id)
    assert dispatcher.update_deployment("etl", job_variables={}).job_variables == {}


def test_the_runs_of_a_deleted_deployment_stay(dispatcher, sized):
    dispatcher.create_deployment("etl", pool="sized", job_variables={"size": 1})
    run = dispatcher.create_run(deployment="etl")
    dispatcher.delete_deployment("etl")
    assert dispatcher.run(run.id).state is RunState.SCHEDULED
    assert [listed.id for listed in dispatcher.runs(deployment="etl")] == [run.id]


def test_a_plan_says_what_an_update_would_change_and_changes_nothing(dispatcher, pool):
    before = dispatcher.create_deployment("etl", pool="pool", job_variables={"command": "true"})
    plan = dispatcher.plan_deployment("etl", description="Every night", tags=["finance"])
    assert {change.path: change.after for change in plan} == {"description": "Every night", "tags": ["finance"]}
    assert dispatcher.plan_deployment("etl", description="") == ()
    assert dispatcher.deployment("etl") == before
    with pytest.raises(InvalidInput, match="command"):
        dispatcher.plan_deployment("etl", job_variables={"command": 3.5})
    with pytest.raises(NotFound):
        dispatcher.plan_deployment("other")
