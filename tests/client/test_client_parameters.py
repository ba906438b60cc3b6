"""Parameters are checked when a deployment, a schedule or a run is saved: each fault names its place."""

from __future__ import annotations

import json

import pytest

from dispatcher.client import Dispatcher
from dispatcher.client.secrets import hide, of_runs
from dispatcher.core.parameters import parameter_environment
from dispatcher.core.written import Typed
from dispatcher.errors import InvalidInput, InvalidVariables
from dispatcher.models import RunState, Schedule
from tests.builders import HOUR
from tests.client.conftest import refused

SCHEMA = {
    "title": "Parameters",
    "type": "object",
    "properties": {
        "table": {"type": "string", "position": 0},
        "limit": {"type": "integer", "default": 10, "minimum": 1},
        "day": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
    },
    "required": ["table"],
}
NAMES_THEM = {
    "job_configuration": {"command": "load {{ parameters.table }} {{ extra }}"},
    "variables": {"type": "object", "properties": {"extra": {"type": "string", "default": "{{ parameters.more }}"}}},
}
TAKES_COMMAND = {
    "job_configuration": {"command": "{{ command }} {{ parameters.more }}"},
    "variables": {"type": "object", "properties": {"command": {"type": "string"}}},
}
DAILY = Schedule(slug="daily", cron="0 6 * * *")


@pytest.fixture
def etl(dispatcher, pool):
    return dispatcher.create_deployment("etl", pool="pool", job_variables={"command": "true"}, parameter_openapi_schema=SCHEMA)


def test_a_run_has_the_parameters_that_it_brings(dispatcher, etl):
    run = dispatcher.create_run(deployment="etl", parameters={"table": "users", "limit": 3})
    assert dispatcher.run(run.id).parameters == {"table": "users", "limit": 3}


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({}, r"^parameters: parameters\.table: is required and missing; give it a value here, or in the deployment$"),
        ({"table": "t", "limit": "many"}, r"parameters\.limit: must be a whole number"),
        ({"table": "t", "limit": 0}, r"parameters\.limit: .*1"),
        ({"table": "t", "limit": None}, r"parameters\.limit: must be a whole number"),
        ({"table": "t", "limt": 1}, r"parameters\.limt: is not a parameter of this deployment; did you mean limit\?"),
        ({"table": 5, "limit": "x"}, r"parameters\.limit: .*; parameters\.table: must be text"),
        ({"table": "\0"}, r"parameters\.table: holds a NUL"),
        ({"table": "x" * 40_000}, "parameters: is larger than 32 KiB"),
        ([], "parameters: must be an object"),
    ],
)
def test_a_wrong_parameter_is_refused_with_its_place(dispatcher, etl, parameters, says):
    with refused(dispatcher, InvalidVariables, says):
        dispatcher.create_run(deployment="etl", parameters=parameters)


def test_a_deployment_without_a_schema_takes_any_and_so_does_a_run_without_a_deployment(dispatcher, pool):
    dispatcher.create_deployment("free", pool="pool", job_variables={"command": "true"}, parameters={"a": [1]})
    assert dispatcher.create_run(deployment="free", parameters={"b": {"c": None}}).parameters == {"b": {"c": None}}
    assert dispatcher.create_run(pool="pool", job_variables={"command": "true"}, parameters={"x": 1}).parameters == {"x": 1}
    with refused(dispatcher, InvalidVariables, r"parameters\.A: shares the environment variable DISPATCHER_PARAMETER_A with a"):
        dispatcher.create_run(deployment="free", parameters={"A": 1})


def test_a_function_without_parameters_takes_none(dispatcher, pool):
    schema = {"type": "object", "properties": {}}
    dispatcher.create_deployment("bare", pool="pool", job_variables={"command": "true"}, parameter_openapi_schema=schema)
    with refused(dispatcher, InvalidVariables, r"parameters\.x: is not a parameter of this deployment; it has none"):
        dispatcher.create_run(deployment="bare", parameters={"x": 1})


def test_an_open_schema_takes_more_than_it_declares(dispatcher, pool):
    schema = {"type": "object", "properties": {}, "additionalProperties": {"type": "integer"}}
    dispatcher.create_deployment("open", pool="pool", job_variables={"command": "true"}, parameter_openapi_schema=schema)
    assert dispatcher.create_run(deployment="open", parameters={"x": 1}).parameters == {"x": 1}
    with refused(dispatcher, InvalidVariables, r"parameters\.x: must be a whole number"):
        dispatcher.create_run(deployment="open", parameters={"x": "1"})


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"type": "array"}, r'parameter_openapi_schema\.type: must be "object"'),
        ({"properties": {"a": {"type": "whole"}}}, r"parameter_openapi_schema\.properties\.a\.type: "),
        (
            {"properties": {"a": {"type": "integer", "default": "x"}}},
            r"parameter_openapi_schema\.properties\.a\.default: must be",
        ),
        ({"properties": {"a": {"$ref": "#/$defs/X"}}}, r"parameter_openapi_schema\.properties\.a\.\$ref: refers to #/\$defs/X"),
        ({"properties": {"a.b": {}}}, r"parameter_openapi_schema\.properties\.a\.b: cannot be reached"),
        ({"properties": {"a": {}, "A": {}}}, r"parameter_openapi_schema\.properties\.A: shares the environment variable"),
        ({"properties": {"day": {}}, "required": ["dya"]}, r"required\[0\]: dya is not declared; did you mean day"),
        ({"properties": {"a": {"default": "\0"}}}, r"parameter_openapi_schema\.properties\.a\.default: holds a NUL"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_with_its_place(dispatcher, pool, schema, says):
    with refused(dispatcher, InvalidVariables, says):
        dispatcher.create_deployment("bad", pool="pool", job_variables={"command": "x"}, parameter_openapi_schema=schema)


def test_a_deployments_own_values_are_checked_and_what_it_lacks_may_come_later(dispatcher, etl):
    with refused(dispatcher, InvalidVariables, r"parameters\.limit: must be a whole number"):
        dispatcher.update_deployment("etl", parameters={"limit": "x"})
    with refused(dispatcher, InvalidVariables, r"parameters\.table: is required and missing"):
        dispatcher.update_deployment("etl", schedules=[DAILY])
    dispatcher.update_deployment("etl", parameters={"table": "t"}, schedules=[DAILY])


def test_a_schedules_values_complete_those_of_its_deployment(dispatcher, etl):
    wrong = Schedule(slug="w", interval=HOUR, parameters={"table": "t", "limit": []})
    with refused(dispatcher, InvalidVariables, r"schedules\[0\]\.parameters\.limit: must be a whole number"):
        dispatcher.update_deployment("etl", schedules=[wrong])
    incomplete = Schedule(slug="w", interval=HOUR, parameters={"limit": 3})
    with refused(dispatcher, InvalidVariables, r"schedules\[0\]\.parameters\.table: is required and missing"):
        dispatcher.add_schedule("etl", incomplete)
    dispatcher.add_schedule("etl", Schedule(slug="w", interval=HOUR, parameters={"table": "t"}))


def test_a_template_that_names_a_parameter_makes_it_required(dispatcher):
    dispatcher.create_work_pool("named", type="process", base_job_template=NAMES_THEM)
    missing = r"parameters\.table: is missing, and the pool's template has \{\{ parameters\.table \}\}; give it a value here"
    with refused(dispatcher, InvalidVariables, missing):
        dispatcher.create_run(pool="named", parameters={"more": "x"})
    with refused(dispatcher, InvalidVariables, r"parameters\.more: is missing"):
        dispatcher.create_run(pool="named", parameters={"table": "t"})
    dispatcher.create_run(pool="named", parameters={"table": "t"}, job_variables={"extra": "y"})
    preview = dispatcher.preview_job(pool="named", parameters={"table": "t", "more": "x"})
    assert preview.configuration["command"] == "load t x"
    assert preview.parameters == {"table": "t", "more": "x"}
    with refused(
        dispatcher, InvalidVariables, r"parameters\.table: must be text or a number: job_configuration\.command has it"
    ):
        dispatcher.create_run(pool="named", parameters={"table": [1], "more": "x"})


def test_no_new_template_has_a_variable_named_parameters(dispatcher):
    template = {"job_configuration": {"command": "x"}, "variables": {"properties": {"parameters": {}}}}
    with refused(dispatcher, InvalidInput, r"variables\.properties\.parameters: is reserved for the parameters of deployments"):
        dispatcher.create_work_pool("named", type="process", base_job_template=template)


def test_a_change_that_waiting_runs_do_not_fit_is_refused(dispatcher, etl):
    waiting = dispatcher.create_run(deployment="etl", parameters={"table": "t"})
    narrower = {**SCHEMA, "required": ["table", "who"], "properties": {**SCHEMA["properties"], "who": {"type": "string"}}}
    with refused(dispatcher, InvalidVariables, rf"^waiting run {waiting.id} would no longer fit.*parameters\.who: is required"):
        dispatcher.update_deployment("etl", parameter_openapi_schema=narrower)
    with refused(dispatcher, InvalidVariables, rf"waiting run {waiting.id} would no longer fit.*parameters\.more: is missing"):
        dispatcher.update_work_pool("pool", base_job_template=TAKES_COMMAND)
    dispatcher.cancel_run(waiting.id)
    dispatcher.update_deployment("etl", parameter_openapi_schema=narrower, parameters={"who": "me"})


def test_typed_words_become_what_the_schema_takes(dispatcher, etl):
    run = dispatcher.create_run(deployment="etl", parameters={"table": Typed("007"), "limit": Typed("7"), "day": Typed("null")})
    assert run.parameters == {"table": "007", "limit": 7, "day": None}


def test_a_retry_has_the_parameters_of_the_run(dispatcher, etl):
    run = dispatcher.create_run(deployment="etl", parameters={"table": "t"})
    dispatcher.cancel_run(run.id)
    assert dispatcher.retry_run(run.id).parameters == {"table": "t"}
    assert dispatcher.run(run.id).state is RunState.CANCELLED


def test_parameters_too_large_for_ecs_are_refused_when_the_run_is_created(dispatcher):
    dispatcher.create_work_pool("ecs", type="ecs:push", job_variables={"image": "i"})
    dispatcher.create_deployment("etl", pool="ecs")
    dispatcher.create_run(deployment="etl", parameters={"text": "x" * 2_000})
    says = r"parameters: \d+ characters of JSON, and ECS takes 8192; the largest variable is DISPATCHER_PARAMETER"
    with refused(dispatcher, InvalidVariables, says):
        dispatcher.create_run(deployment="etl", parameters={"text": "x" * 5_000})
    with refused(dispatcher, InvalidVariables, says):
        dispatcher.update_deployment("etl", parameters={"text": "x" * 5_000}, schedules=[DAILY])


def test_a_configuration_has_parameters_and_each_fault_its_place(dispatcher: Dispatcher, pool):
    entry = {
        "pool": "pool",
        "job_variables": {"command": "true"},
        "parameters": {"table": "t"},
        "parameter_openapi_schema": SCHEMA,
        "schedules": {"daily": {"cron": "0 6 * * *", "parameters": {"limit": 3}}},
    }
    plan = dispatcher.apply(dispatcher.plan({"deployments": {"etl": entry}}))
    assert [field.path for change in plan.changes for field in change.fields][:3] == ["pool", "job_variables", "parameters"]
    assert json.loads(json.dumps(dispatcher.export()["deployments"]["etl"])) == entry
    assert not dispatcher.plan(dispatcher.export()).changes
    wrong = {**entry, "schedules": {"daily": {"cron": "0 6 * * *", "parameters": {"limit": "x"}}}}
    with refused(dispatcher, InvalidInput, r"deployments\.etl\.schedules\.daily\.parameters\.limit: must be a whole number"):
        dispatcher.plan({"deployments": {"etl": wrong}})
    with refused(dispatcher, InvalidInput, r"deployments\.etl\.parameters\.tabel: is not a parameter .*did you mean table"):
        dispatcher.plan({"deployments": {"etl": {**entry, "parameters": {"tabel": 5}}}})
    with refused(dispatcher, InvalidInput, r"deployments\.etl\.job_variables\.comand: "):
        dispatcher.plan({"deployments": {"etl": {**entry, "job_variables": {"comand": 5}}}})


def test_values_that_a_schema_calls_secret_are_hidden_everywhere(dispatcher, pool):
    schema = {"type": "object", "properties": {"pin": {"type": "string", "format": "password"}, "day": {"type": "string"}}}
    dispatcher.create_deployment("etl", pool="pool", job_variables={"command": "true"}, parameter_openapi_schema=schema)
    run = dispatcher.create_run(deployment="etl", parameters={"pin": 'open "sesame"', "day": "today"})
    texts = of_runs(dispatcher.store, [run])
    pinned = parameter_environment(run.parameters)
    shown = hide(texts, {"parameters": run.parameters, "environment": pinned})
    assert "sesame" not in json.dumps(shown)
    assert shown["environment"]["DISPATCHER_PARAMETERS"] == '{"day":"today","pin":"(hidden)"}'
