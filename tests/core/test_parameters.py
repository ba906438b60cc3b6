"""Parameters of runs: which value wins, what a job sees of them, and what a template may say of them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from dispatcher.core.own_values import with_own
from dispatcher.core.parameters import as_json, in_words, merged, misfits, named_in, parameter_environment, parameters_of
from dispatcher.core.pinning import pin
from dispatcher.core.placeholders import MISSING
from dispatcher.core.templates import Renderer, render
from dispatcher.errors import RenderError
from dispatcher.models.records import Snapshot
from tests.builders import a_deployment, a_pool, a_run

SCHEMA = {
    "type": "object",
    "properties": {
        "day": {"type": "string", "default": "yesterday"},
        "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
        "table": {"type": "string"},
    },
    "required": ["table"],
}


def template(configuration, **properties):
    return {"job_configuration": configuration, "variables": {"type": "object", "properties": properties}}


def pinned(run, base_job_template, deployment=None):
    pool = a_pool(base_job_template=base_job_template)
    snapshot = Snapshot(pool=pool, in_use={}, due=lambda *_: (), deployment=lambda _: deployment)
    return pin(snapshot, run, None, Renderer(base_job_template)).job


def test_a_runs_value_wins_over_its_deployments_and_that_over_the_schemas_default():
    deployment = a_deployment("etl", parameters={"day": "today", "table": "t"}, parameter_openapi_schema=SCHEMA)
    assert merged(deployment, {}) == {"day": "today", "limit": None, "table": "t"}
    assert merged(deployment, {"day": None, "limit": 5}) == {"day": None, "limit": 5, "table": "t"}, "null is a value"
    assert merged(None, {"day": "now"}) == {"day": "now"}
    assert merged(None, {}) == {}


def test_a_value_is_replaced_whole():
    deployment = a_deployment("etl", parameters={"options": {"a": 1, "b": 2}})
    assert merged(deployment, {"options": {"a": 3}}) == {"options": {"a": 3}}


def test_a_job_has_all_of_them_as_json_and_scalars_by_name():
    values = {
        "day": "2026-01-31",
        "limit": 5,
        "rate": 0.5,
        "again": True,
        "none": None,
        "ids": [1, 2],
        "deep": {"a": "ü"},
        "e": "",
    }
    environment = parameter_environment(values)
    assert json.loads(environment.pop("DISPATCHER_PARAMETERS")) == values
    assert environment == {
        "DISPATCHER_PARAMETER_DAY": "2026-01-31",
        "DISPATCHER_PARAMETER_LIMIT": "5",
        "DISPATCHER_PARAMETER_RATE": "0.5",
        "DISPATCHER_PARAMETER_AGAIN": "true",
        "DISPATCHER_PARAMETER_E": "",
    }


@pytest.mark.parametrize("name", ["a-b", "ä", "1st", "a b"])
def test_a_name_that_makes_no_environment_variable_is_in_the_json_alone(name):
    assert list(parameter_environment({name: "x"})) == ["DISPATCHER_PARAMETERS"]


def test_a_job_without_parameters_has_no_variable_of_them():
    assert parameter_environment({}) == {}
    assert not [name for name in pinned(a_run(), template({"a": "b"})).environment if "PARAMETER" in name]


def test_the_claim_pins_the_parameters():
    deployment = a_deployment("etl", parameters={"table": "t"}, parameter_openapi_schema=SCHEMA)
    job = pinned(a_run(deployment="etl", parameters={"day": "today"}), template({"a": "b"}), deployment)
    assert json.loads(job.environment["DISPATCHER_PARAMETERS"]) == {"day": "today", "limit": None, "table": "t"}
    assert job.environment["DISPATCHER_PARAMETER_TABLE"] == "t"
    assert job.environment["DISPATCHER_DEPLOYMENT"] == "etl", "beside the dispatcher's own values"
    assert not [label for label in job.labels if "parameter" in label]


def test_a_template_may_name_parameters_with_their_type_inside_text_and_all_together():
    run = a_run(parameters={"limit": 5, "day": "today", "ids": [1, 2]})
    base = template(
        {"n": "{{ parameters.limit }}", "text": "{{ parameters.day }}-{{ parameters.ids[1] }}", "all": "{{ parameters }}"}
    )
    assert pinned(run, base).configuration == {"n": 5, "text": "today-2", "all": {"limit": 5, "day": "today", "ids": [1, 2]}}


def test_a_default_may_name_parameters_and_a_run_that_sets_the_variable_does_not_read_them():
    base = template({"command": "{{ command }}"}, command={"type": "string", "default": "load {{ parameters.day }}"})
    assert pinned(a_run(parameters={"day": "today"}), base).configuration == {"command": "load today"}
    assert named_in(base) == {"day": "parameters.day"}
    assert named_in(base, [{"command": "x"}]) == {}


def test_a_value_is_never_read_for_placeholders():
    base = template({"a": "{{ parameters.day }}", "b": "{{ b }}"}, b={"default": "{{ parameters.day }}"})
    words = "{{ dispatcher.run_id }} {{ parameters.day }}"
    job = pinned(a_run(parameters={"day": words}), base)
    assert job.configuration == {"a": words, "b": words}
    assert job.environment["DISPATCHER_PARAMETER_DAY"] == words


def test_values_of_a_run_or_deployment_are_not_searched_for_parameters():
    base = template({"a": "{{ a }}"}, a={"type": "string"})
    run = a_run(parameters={"day": "today"}, job_variables={"a": "{{ parameters.day }}"})
    assert pinned(run, base).configuration == {"a": "{{ parameters.day }}"}


def test_a_variable_named_parameters_of_an_older_template_keeps_its_meaning():
    base = template({"a": "{{ parameters.day }}", "b": "{{ b }}"}, parameters={}, b={"default": "{{ parameters.x }}"})
    old = {"parameters": {"day": "old"}}
    assert render(base, old, parameters={"day": "new"}) == {"a": "old", "b": "{{ parameters.x }}"}


@pytest.mark.parametrize(
    ("default", "filled"),
    [
        ("{{ parameters.limit }}", 5),
        ("{{ parameters.nothing }}", MISSING),
        ("{{ parameters }}", {"limit": 5, "none": None}),
        ("{{ parameters.none }}", None),
        ("<{{ parameters.none }}>", "<>"),
        ("{{ parametersX.limit }}", "{{ parametersX.limit }}"),
    ],
)
def test_a_default_is_filled_as_a_job_configuration_is(default, filled):
    assert with_own(default, {"dispatcher": {}, "parameters": {"limit": 5, "none": None}}) == filled


def test_an_object_cannot_stand_inside_the_text_of_a_default():
    with pytest.raises(RenderError, match=r"\{\{ parameters.a \}\} is an object"):
        with_own("x {{ parameters.a }}", {"parameters": {"a": {}}})


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"type": "string"}, "string"),
        ({"type": "string", "default": "é"}, 'string, default "é"'),
        ({"type": ["integer", "null"]}, "integer or null"),
        ({"anyOf": [{"type": "integer"}, True, {"type": ["null", "string"]}]}, "integer or null or string"),
        ({"default": None}, "anything, default null"),
        ({}, "anything"),
        (True, "anything"),
    ],
)
def test_the_type_of_a_parameter_is_described_in_words(part, words):
    schema = {"properties": {"a": part}}
    assert list(in_words(schema)) == [("a", words)]
    if "default" in words:
        assert list(in_words({**schema, "required": ["a"]})) == [("a", words)], "nobody has to give it"
    else:
        assert list(in_words({**schema, "required": ["a"]})) == [("a", f"{words}, required")]
    assert list(in_words({**schema, "required": ["b"]})) == [("a", words)]


def test_a_schema_without_properties_declares_nothing():
    assert list(in_words({})) == []


def test_equal_values_are_equal_text():
    assert as_json({"b": [1, "é"], "a": None}) == as_json({"a": None, "b": [1, "é"]}) == '{"a":null,"b":[1,"é"]}'


def test_only_placeholders_below_parameters_name_a_parameter():
    texts = ["{{ parameters.day }}", "{{ parameters }}", "{{ other.day }}", "-{{ parameters.to[0].x }}-", "{{ day }}"]
    assert named_in(template({"command": texts})) == {"day": "parameters.day", "to": "parameters.to[0].x"}


@pytest.mark.parametrize(("value", "kind"), [({}, "an object"), ([1], "a list")])
def test_a_default_holds_no_object_or_list_inside_its_text(value, kind):
    with pytest.raises(RenderError, match=f"is {kind} and cannot stand inside the text of a default"):
        with_own("-{{ parameters.a }}", {"parameters": {"a": value}})


def test_a_placeholder_of_values_that_are_not_reserved_stays_as_it_is_written():
    assert with_own("-{{ parameters.a }}-{{ dispatcher.attempt }}", {"dispatcher": {"attempt": 2}}) == "-{{ parameters.a }}-2"


# Without a claim, or after it


def test_the_parameters_of_a_run_are_those_that_its_claim_pinned_or_would_pin_now():
    before = a_deployment("etl", parameters={"table": "t"})
    run = a_run(deployment="etl", parameters={"day": "today"})
    assert parameters_of(run, before) == {"table": "t", "day": "today"}
    claimed = replace(run, job=pinned(run, template({"a": "b"}), before))
    now = replace(before, parameters={"table": "changed since"})
    assert parameters_of(claimed, now) == {"table": "t", "day": "today"}
    assert parameters_of(run, None) == {"day": "today"}
    assert parameters_of(replace(a_run(), job=pinned(a_run(), template({"a": "b"}))), now) == {}


@pytest.mark.parametrize(
    ("values", "faults"),
    [
        ({"table": "t", "day": "today", "limit": None}, []),
        ({}, ["parameters.table is required and missing"]),
        ({"table": 1, "limit": "x"}, ["table does not fit its schema (string, required)", "limit does not fit"]),
        ({"table": "t", "other": 1}, ["parameters.other is not a parameter of it"]),
    ],
)
def test_parameters_that_do_not_fit_their_schema_are_named(values, faults):
    lines = list(misfits(a_deployment(parameter_openapi_schema=SCHEMA), values))
    assert len(lines) == len(faults)
    assert all(fault in line for fault, line in zip(faults, lines, strict=True))


@pytest.mark.parametrize(
    ("schema", "values"),
    [
        ({}, {"any": "thing"}),
        ({**SCHEMA, "additionalProperties": True}, {"table": "t", "other": 1}),
        ({"properties": {"a": {"type": "string", "pattern": "^x"}}}, {"a": "y"}),
        ({"properties": {"a": {"$ref": "#/definitions/a"}}, "definitions": {"a": {"type": "integer"}}}, {"a": 1}),
    ],
    ids=["no schema", "an open schema", "a pattern is left to the job", "a reference into the schema"],
)
def test_parameters_that_fit_or_cannot_be_decided_here_are_accepted(schema, values):
    assert list(misfits(a_deployment(parameter_openapi_schema=schema), values)) == []
