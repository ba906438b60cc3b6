"""Deployments of Python functions: the schema of a signature, and the command of the runner."""

from __future__ import annotations

import os
import sys
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated

import pytest
from annotated_types import Ge
from pydantic import BaseModel

from dispatcher.client.checks import signature_schema
from dispatcher.errors import InvalidInput, InvalidVariables, NotFound
from dispatcher.models import RetryPolicy

DAY = {"day": "2026-01-31"}


class Size(StrEnum):
    SMALL = "small"
    LARGE = "large"


class Table(BaseModel):
    name: str
    columns: list[str] = []


class Connection:
    """Nothing that JSON could hold."""


def main(day: date, limit: Annotated[int, Ge(1)] = 10, size: Size = Size.SMALL, tables: list[Table] | None = None):
    """Load a day.

    And more.
    """


def others(name, /, model_config=5, **more):
    pass


def refused(connection: Connection, day: date):
    pass


@pytest.fixture
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


@pytest.fixture
def pool(dispatcher):
    return dispatcher.create_work_pool("local", type="process")


def test_a_signature_becomes_a_schema():
    schema = signature_schema(main)
    properties = schema["properties"]
    assert schema["required"] == ["day"]
    assert schema["additionalProperties"] is False
    assert properties["day"] == {"format": "date", "title": "Day", "type": "string"}
    assert properties["limit"] == {"default": 10, "minimum": 1, "title": "Limit", "type": "integer"}
    assert properties["size"] == {"$ref": "#/$defs/Size", "default": "small"}
    assert properties["tables"]["default"] is None
    assert set(schema["$defs"]) == {"Size", "Table"}
    assert signature_schema(others) == {
        "additionalProperties": True,
        "properties": {"name": {"title": "Name"}, "model_config": {"default": 5, "title": "Model Config"}},
        "required": ["name"],
        "title": "Parameters",
        "type": "object",
    }
    assert signature_schema(lambda: None)["properties"] == {}


def test_a_type_that_json_cannot_hold_is_refused_with_its_parameter():
    with pytest.raises(InvalidInput, match=r"parameters\.connection: JSON holds no value of its type: .*Connection"):
        signature_schema(refused)


def test_a_function_is_deployed_with_its_command_schedule_and_parameters(dispatcher, pool):
    made = dispatcher.deploy(main, name="etl", pool="local", cron="0 6 * * *", parameters={"day": "2026-01-31"}, tags=["a"])
    assert made.job_variables["command"] == [sys.executable, "-m", "dispatcher.job", f"{__name__}:main"]
    assert made.job_variables["working_dir"] == os.getcwd()
    assert (made.description, made.tags, made.parameters) == ("Load a day.", ("a",), {"day": "2026-01-31"})
    assert [(schedule.slug, schedule.cron) for schedule in made.schedules] == [("cron", "0 6 * * *")]
    run = dispatcher.create_run(deployment="etl", parameters={"tables": [{"name": "t"}], "limit": 5})
    assert run.parameters == {"tables": [{"name": "t"}], "limit": 5}


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        ({"limit": 0}, r"parameters\.limit: must be at least 1"),
        ({"lmit": 5}, r"parameters\.lmit: is not a parameter of this deployment; did you mean limit\?"),
        ({"tables": [{"columns": []}]}, r"parameters\.tables\[0\].*name"),
        ({"size": "huge"}, r"parameters\.size"),
        ({}, r"parameters\.day: is required and missing"),
    ],
)
def test_a_wrong_parameter_is_refused_with_its_path(dispatcher, pool, parameters, fault):
    dispatcher.deploy(main, name="etl", pool="local")
    if parameters:
        parameters = {"day": "2026-01-31", **parameters}
    with pytest.raises(InvalidVariables, match=fault):
        dispatcher.create_run(deployment="etl", parameters=parameters)


def test_a_second_deploy_states_everything_but_the_pause(dispatcher, pool):
    retry = RetryPolicy(attempts=3)
    first = dispatcher.deploy(main, name="etl", pool="local", interval=timedelta(hours=1), parameters=DAY, retry=retry)
    dispatcher.pause_deployment("etl")
    second = dispatcher.deploy(others, name="etl", pool="local")
    assert (first.id, second.paused) == (second.id, True)
    assert (second.schedules, second.parameters, second.retry, second.description) == ((), {}, None, "")
    assert second.job_variables["command"][-1].endswith(":others")


def test_an_image_goes_where_the_template_has_one(dispatcher, pool):
    dispatcher.create_work_pool("ecs", type="ecs:push")
    made = dispatcher.deploy(main, name="etl", pool="ecs", image="example/etl:1")
    assert made.job_variables == {"command": f"python -m dispatcher.job {__name__}:main", "image": "example/etl:1"}
    with pytest.raises(InvalidInput, match="image: the template of work pool 'local' has no variable image"):
        dispatcher.deploy(main, name="etl", pool="local", image="example/etl:1")
    with pytest.raises(NotFound):
        dispatcher.deploy(main, name="etl", pool="nothing")


def test_a_command_of_ones_own_wins(dispatcher, pool):
    made = dispatcher.deploy(main, name="etl", pool="local", job_variables={"command": ["uv", "run", "etl"]})
    assert made.job_variables == {"command": ["uv", "run", "etl"]}


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("nowhere:main", "target: there is no module nowhere"),
        (f"{__name__}:mian", "target: .* has no mian; did you mean main"),
        ("main", "target: 'main' names no function; write MODULE:FUNCTION, as etl:main"),
        (lambda: None, "target: .* cannot be imported by its name"),
        ("fails_on_import:main", "target: importing fails_on_import:main raised ZeroDivisionError: division by zero"),
    ],
)
def test_a_target_that_is_not_a_function_is_refused(dispatcher, pool, directory, target, words):
    (directory / "fails_on_import.py").write_text("1 / 0\n")
    with pytest.raises(InvalidInput, match=words):
        dispatcher.deploy(target, name="etl", pool="local")
    assert dispatcher.deployments() == []


def test_a_template_of_processes_without_an_environment_still_gets_its_command(dispatcher, pool):
    template = dict(pool.base_job_template)
    configuration = {name: value for name, value in template["job_configuration"].items() if name != "env"}
    properties = {name: value for name, value in template["variables"]["properties"].items() if name != "env"}
    template = {"job_configuration": configuration, "variables": {**template["variables"], "properties": properties}}
    dispatcher.create_work_pool("bare", type="process", base_job_template=template)
    assert {*dispatcher.deploy(main, name="etl", pool="bare").job_variables} == {"command", "working_dir"}
