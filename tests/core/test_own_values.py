"""The dispatcher's own values: in every job's environment, and as placeholders of templates."""

from dataclasses import replace
from datetime import timedelta

import pytest

from dispatcher.core.own_values import NAMES, OWN, SAMPLES, names_own, own_environment, own_labels, own_values, with_own
from dispatcher.core.pinning import pin
from dispatcher.core.placeholders import MISSING
from dispatcher.core.templates import Renderer, render
from dispatcher.models.records import Snapshot
from tests.builders import HOUR, NOW, a_deployment, a_pool, a_run

CONFIGURATION = {name: f"{{{{ {OWN}.{name} }}}}" for name in NAMES}


def template(configuration, **properties):
    return {"job_configuration": configuration, "variables": {"type": "object", "properties": properties}}


def pinned(run, base_job_template, deployment=None):
    pool = a_pool(base_job_template=base_job_template)
    snapshot = Snapshot(pool=pool, in_use={}, due=lambda *_: (), deployment=lambda _: deployment)
    return pin(snapshot, run, None, Renderer(base_job_template)).job


def test_a_job_knows_which_run_it_is_and_what_time_it_is_for():
    run = a_run("ecs", "high", name="etl-1", deployment="etl", attempt=2)
    assert own_environment(own_values(run)) == {
        "DISPATCHER_RUN_ID": str(run.id),
        "DISPATCHER_RUN_NAME": "etl-1",
        "DISPATCHER_DEPLOYMENT": "etl",
        "DISPATCHER_SCHEDULED_AT": "2030-01-01T12:00:00+00:00",
        "DISPATCHER_ATTEMPT": "2",
        "DISPATCHER_WORK_POOL": "ecs",
        "DISPATCHER_WORK_QUEUE": "high",
    }


def test_labels_name_the_run_and_no_time():
    labels = own_labels(own_values(a_run(name="etl-1")))
    assert labels["push-dispatcher/run_name"] == "etl-1"
    assert set(labels) == {f"push-dispatcher/{name}" for name in ("run_id", "run_name", "attempt", "work_pool", "work_queue")}


def test_every_value_may_stand_in_a_job_configuration_with_its_type():
    run = a_run(name="etl-1", deployment="etl", attempt=2)
    job = pinned(run, template(CONFIGURATION), a_deployment("etl"))
    assert job.configuration == own_values(run)
    assert job.configuration["attempt"] == 2


def test_a_value_stands_inside_text_too():
    run = a_run()
    job = pinned(run, template({"command": "load --day {{ dispatcher.scheduled_at }} --try {{dispatcher.attempt}}"}))
    assert job.configuration["command"] == "load --day 2030-01-01T12:00:00+00:00 --try 1"


def test_a_run_without_a_deployment_has_no_value_for_it():
    assert pinned(a_run(), template({"a": "{{ dispatcher.deployment }}", "b": "x"})).configuration == {"b": "x"}


def test_scheduled_at_is_the_same_for_every_attempt_and_every_due_time():
    run = a_run(scheduled_at=NOW, due_at=NOW + HOUR)
    again = replace(run, attempt=3, due_at=NOW + 2 * HOUR, ended_attempts=2)
    assert own_values(run)["scheduled_at"] == own_values(again)["scheduled_at"] == NOW.isoformat()


def test_a_default_of_a_variable_may_name_own_values():
    base = template(
        {"command": "{{ command }}", "env": "{{ env }}", "n": "{{ n }}"},
        command={"type": "string", "default": "load {{ dispatcher.scheduled_at }}"},
        env={"type": "object", "default": {"ID": "{{ dispatcher.run_id }}", "PLAIN": "{{ other }}"}},
        n={"type": "integer", "default": "{{ dispatcher.attempt }}"},
    )
    run = a_run(attempt=2)
    assert pinned(run, base).configuration == {
        "command": f"load {NOW.isoformat()}",
        "env": {"ID": str(run.id), "PLAIN": "{{ other }}"},
        "n": 2,
    }


def test_values_of_a_run_or_deployment_are_not_searched_for_placeholders():
    base = template({"a": "{{ a }}", "b": "{{ b }}"}, a={"type": "string", "default": "{{ dispatcher.run_id }}"}, b={})
    run = a_run(job_variables={"a": "{{ dispatcher.run_id }}"}, deployment="etl")
    job = pinned(run, base, a_deployment("etl", job_variables={"b": "{{ dispatcher.attempt }}"}))
    assert job.configuration == {"a": "{{ dispatcher.run_id }}", "b": "{{ dispatcher.attempt }}"}


def test_without_a_run_samples_stand_for_them():
    assert set(SAMPLES) == set(NAMES)
    assert render(template(CONFIGURATION), {}) == SAMPLES


@pytest.mark.parametrize(
    ("default", "filled"),
    [
        ("{{ dispatcher.attempt }}", 3),
        ("{{dispatcher.attempt}}!", "3!"),
        ("{{ dispatcher.deployment }}", MISSING),
        ("-{{ dispatcher.deployment }}-", "--"),
        ({"a": ["{{ dispatcher.deployment }}", "{{  x  }}"], "b": None, "c": 1.5}, {"a": ["{{  x  }}"], "b": None, "c": 1.5}),
        ("{{ x }} {{dispatcher}} {{ dispatcherX.attempt }}", "{{ x }} {{dispatcher}} {{ dispatcherX.attempt }}"),
    ],
)
def test_nothing_else_in_a_default_is_touched(default, filled):
    assert with_own(default, {"dispatcher": {"attempt": 3}}) == filled


def test_the_next_attempt_is_rendered_anew_and_has_its_own_number():
    base = template({"n": "{{ dispatcher.attempt }}"})
    run = a_run()
    later = replace(run, attempt=2, due_at=run.due_at + timedelta(minutes=1))
    assert [pinned(attempt, base).configuration["n"] for attempt in (run, later)] == [1, 2]


@pytest.mark.parametrize(
    ("default", "names"),
    [
        ("{{ dispatcher.run_id }}", True),
        ("run {{dispatcher.attempt}}", True),
        ({"key": ["text", "{{ dispatcher.run_id }}"]}, True),
        ("{{ image }}", False),
        ("dispatcher.run_id", False),
        ({"key": [5, None, "{{ image }}"]}, False),
        (5, False),
    ],
)
def test_a_default_names_own_values_wherever_a_placeholder_stands(default, names):
    assert names_own(default) is names
