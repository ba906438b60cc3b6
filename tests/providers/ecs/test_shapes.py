"""Values take the types of the API, as the service model has them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.ecs import shapes
from providers.ecs.blueprint import blueprint_of
from providers.ecs.shapes import fitted, input_shape
from providers.remarks import Notes
from tests.providers.ecs.builders import OURS, a_configuration, a_job
from tests.providers.ecs.test_checking import changed, with_main

ROLE = "arn:aws:iam::123456789012:role/x"


def container_of(**fields):
    definition, _ = blueprint_of(a_configuration(with_main(**fields)), "eu-west-1")
    return definition["containerDefinitions"][0]


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ({"resourceRequirements": [{"type": "GPU", "value": 1}]}, {"resourceRequirements": [{"type": "GPU", "value": "1"}]}),
        ({"portMappings": [{"containerPort": "8080"}]}, {"portMappings": [{"containerPort": 8080}]}),
        ({"dockerLabels": {"a": 7, "b": True}}, {"dockerLabels": {"a": "7", "b": "true"}}),
        (
            {"logConfiguration": {"logDriver": "json-file", "options": {"compress": False, "max-file": 3}}},
            {"logConfiguration": {"logDriver": "json-file", "options": {"compress": "false", "max-file": "3"}}},
        ),
        ({"privileged": "true", "readonlyRootFilesystem": "False"}, {"privileged": True, "readonlyRootFilesystem": False}),
        ({"stopTimeout": "30", "startTimeout": 30.0}, {"stopTimeout": 30, "startTimeout": 30}),
        ({"ulimits": [{"name": "nofile", "softLimit": "1", "hardLimit": 2}]},
         {"ulimits": [{"name": "nofile", "softLimit": 1, "hardLimit": 2}]}),
        ({"healthCheck": {"command": [1], "interval": "10"}}, {"healthCheck": {"command": ["1"], "interval": 10}}),
    ],
)  # fmt: skip
def test_an_unambiguous_value_is_sent_in_the_type_of_the_api(value, sent):
    container = container_of(**value)
    assert {key: container[key] for key in sent} == sent


def test_numbers_as_text_reach_the_request_as_numbers(aws, run_task):
    overrides = {"ephemeralStorage": {"sizeInGiB": "100"}}
    request = run_task(a_job(template=changed("task_run_request.overrides", **overrides), assign_public_ip="ENABLED"))
    assert request["overrides"]["ephemeralStorage"] == {"sizeInGiB": 100}


def test_boolean_options_of_the_logs_are_text(aws, run_task):
    options = {"awslogs-create-group": True, "max-buffer-size": 5}
    run_task(a_job(execution_role_arn=ROLE, configure_cloudwatch_logs=True, cloudwatch_logs_options=options))
    [definition] = aws.calls.requests("RegisterTaskDefinition")
    sent = definition["containerDefinitions"][0]["logConfiguration"]["options"]
    assert (sent["awslogs-create-group"], sent["max-buffer-size"]) == ("true", "5")


def test_an_unset_gpu_removes_its_whole_item():
    assert "resourceRequirements" not in container_of(resourceRequirements=[{"type": "GPU", "value": "{{ gpu }}"}])
    both = [{"type": "GPU", "value": "{{ gpu }}"}, {"type": "InferenceAccelerator", "value": "x"}]
    assert container_of(resourceRequirements=both)["resourceRequirements"] == both[1:]


def test_an_unset_secret_or_file_removes_its_whole_item():
    assert "secrets" not in container_of(secrets=[{"name": "A", "valueFrom": "{{ nothing }}"}])
    assert "environmentFiles" not in container_of(environmentFiles=[{"type": "s3", "value": "{{ nothing }}"}])


def test_booleans_in_env_are_written_as_json_has_them(aws, run_task):
    configuration = a_job(env={}).configuration
    request = run_task(a_job(env={"DEBUG": "true"}))
    assert {"name": "DEBUG", "value": "true"} in request["overrides"]["containerOverrides"][0]["environment"]
    values = {**configuration, "env": {"DEBUG": True, "OFF": False, "N": 1}}
    request = run_task(replace(a_job("r" + "1" * 32 + "-1"), configuration=values))
    sent = {item["name"]: item["value"] for item in request["overrides"]["containerOverrides"][0]["environment"]}
    assert sent.items() >= {"DEBUG": "true", "OFF": "false", "N": "1"}.items()


TEXTS = st.sampled_from(["a", "", "7", "true", "FARGATE"])
VALUES = TEXTS | st.sampled_from([1, -1, 1.5, True, None, (), {}, []])
VARIABLES = st.lists(st.dictionaries(st.sampled_from(["name", "value", "type"]), VALUES, max_size=3), max_size=2)
CONTAINER = st.fixed_dictionaries(
    {},
    optional={
        "name": VALUES,
        "command": st.lists(VALUES, max_size=2) | VALUES,
        "environment": VARIABLES | VALUES,
        "resourceRequirements": VARIABLES,
        "cpu": VALUES,
        "nobody knows": VALUES,
    },
)
PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        "clientToken": VALUES,
        "launchType": VALUES,
        "taskDefinition": VALUES,
        "networkConfiguration": st.just({"awsvpcConfiguration": {}}),
        "overrides": st.fixed_dictionaries({"containerOverrides": st.lists(CONTAINER, max_size=2)}),
        "tags": st.lists(st.dictionaries(st.sampled_from(["key", "value"]), VALUES, max_size=2), max_size=2),
        "enableECSManagedTags": VALUES,
    },
)


@given(PARAMETERS, st.sampled_from([frozenset(), frozenset({"taskDefinition"})]))
def test_a_request_taken_unchanged_equals_one_converted_value_by_value(parameters: dict[str, Any], without: frozenset[str]):
    taken, converted = Notes(), Notes()
    fit = fitted("RunTask", parameters, "request", taken, without)
    expected = shapes._structure(parameters, input_shape("RunTask"), "request", converted, without)
    assert repr(fit) == repr(expected), "1 is not true"
    assert (taken.faults, taken.warnings) == (converted.faults, converted.warnings)


SAMPLES = {
    "string": ("x", 5, True),
    "integer": (1, "1", 1.0),
    "long": (1, "1"),
    "boolean": (True, "true"),
    "double": (1, "1.5"),
}


def leaves(shape, path=(), seen=()):
    """Every value that an operation takes, with its way from the top."""
    if shape.name in seen:
        return
    inner = (*seen, shape.name)
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            yield from leaves(member, (*path, name), inner)
    elif shape.type_name == "list":
        yield from leaves(shape.member, (*path, 0), inner)
    elif shape.type_name == "map":
        yield from leaves(shape.value, (*path, "key"), inner)
    else:
        yield path, shape


def at(path, value):
    """A value with nothing around it but the way to it."""
    for step in reversed(path):
        value = [value] if step == 0 else {step: value}
    return value


def value_at(path, value):
    for step in path:
        value = value[step]
    return value


@pytest.mark.parametrize("operation", ["RunTask", "RegisterTaskDefinition"])
def test_every_value_of_the_model_is_converted_or_refused_in_plain_words(operation):
    types = {"string": str, "integer": int, "long": int, "boolean": bool, "double": float, "float": float}
    for path, shape in leaves(input_shape(operation)):
        for sample in (*SAMPLES[shape.type_name], {"a": 1}, ["a"], None):
            notes = Notes()
            fit = fitted(operation, at(path, sample), "top", notes, frozenset())
            if fit == at(path[:-2], {}) or path[-1] in ("type", "name"):
                continue  # an item that sets nothing goes away
            faults = [fault for fault in notes.faults if "missing" not in fault.message]
            if isinstance(sample, dict | list | None):
                assert len(faults) == 1, (path, faults)
                assert faults[0].message.startswith("give "), faults
            elif not faults:
                assert type(value_at(path, fit)) is types[shape.type_name], (path, fit)


def test_our_template_is_sent_in_the_types_of_the_model():
    notes = Notes()
    definition, _ = blueprint_of(a_configuration(OURS, cpu="256", memory="512"), "eu-west-1")
    assert fitted("RegisterTaskDefinition", definition, "top", notes, frozenset()) == definition
    assert not notes.faults
