"""The provider is asked about a job before anybody saves what makes it, and warnings reach people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from dispatcher.client import Dispatcher
from dispatcher.errors import InvalidInput, InvalidTemplate, InvalidVariables
from dispatcher.models import Schedule
from dispatcher.stores.memory import MemoryStore
from providers.base import Checked, ConfigurationError, Finding
from tests.client.conftest import Clock, contents

KEYS = {"image", "cpu", "network", "env", "stream"}
SIZES = {256: (512, 1024), 512: (1024, 2048)}


def a_check(type_name: str, configuration: Mapping[str, Any]) -> Checked:
    """A provider that knows five keys, needs an image, and takes pairs of sizes."""
    faults = [Finding(path=key, message="is not a key here") for key in sorted(configuration.keys() - KEYS)]
    if not configuration.get("image"):
        faults.append(Finding(path="image", message="is missing"))
    cpu, network = configuration.get("cpu", 256), configuration.get("network", {})
    if cpu not in SIZES or network.get("memory", SIZES[cpu][0]) not in SIZES[cpu]:
        faults.append(Finding(path="cpu", message=f"{cpu} does not go with {network.get('memory')}"))
    idle = [Finding(path="stream", message="has no effect here")] if "stream" in configuration else []
    return Checked(faults=tuple(faults), warnings=tuple(idle), unchecked=("sizes of GPUs: the SDK is missing",))


def a_template(configuration: Mapping[str, Any] | None = None, **properties: Any) -> dict[str, Any]:
    settings = {"image": "{{ image }}", "cpu": "{{ cpu }}", "env": "{{ env }}", **(configuration or {})}
    declared = {
        "image": {"type": "string"},
        "cpu": {"type": "integer", "default": 256},
        "env": {"type": "object"},
        **properties,
    }
    return {"job_configuration": settings, "variables": {"type": "object", "properties": declared}}


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def dispatcher(warnings) -> Dispatcher:
    return Dispatcher(MemoryStore(), clock=Clock(), warn=warnings.append, check=a_check)


def make(dispatcher, warnings, template=None) -> Dispatcher:
    dispatcher.create_work_pool("p", type="process", base_job_template=template or a_template())
    warnings.clear()
    return dispatcher


def fault_of(call, error: type[InvalidInput] = InvalidVariables) -> str:
    with pytest.raises(error) as refused:
        call()
    [fault] = refused.value.faults
    return str(fault)


def test_a_key_that_the_provider_does_not_read_is_refused_with_its_place(dispatcher):
    template = a_template({"netwrok": {"a": 1}})
    said = fault_of(lambda: dispatcher.create_work_pool("p", type="process", base_job_template=template), InvalidTemplate)
    assert said == "job_configuration.netwrok: is not a key here"
    assert not any(contents(dispatcher))


def test_a_pool_is_created_although_its_sizes_of_gpus_cannot_be_checked(dispatcher, warnings):
    dispatcher.create_work_pool("p", type="process", base_job_template=a_template())
    assert warnings == ["process: not checked: sizes of GPUs: the SDK is missing"]


def test_a_fault_that_names_a_variable_and_no_key_is_that_variables(dispatcher, warnings):
    template = a_template()
    del template["job_configuration"]["image"]
    template["job_configuration"]["network"] = {"image": "{{ image }}"}
    dispatcher.create_work_pool("p", type="process", base_job_template=template)
    assert not [line for line in warnings if "image" in line], "a run may still give it"


def test_a_fixed_size_beside_a_variable_size_is_not_a_fault_of_the_pool(dispatcher):
    template = a_template({"cpu": 256, "network": {"memory": "{{ memory }}"}}, memory={"type": "integer", "default": 4096})
    dispatcher.create_work_pool("p", type="process", base_job_template=template)
    assert fault_of(lambda: dispatcher.create_run(pool="p", job_variables={"image": "i"})).startswith("job_configuration.cpu: ")
    dispatcher.create_run(pool="p", job_variables={"image": "i", "memory": 512})


def test_defaults_that_no_run_could_use_are_warned_of(dispatcher, warnings):
    dispatcher.create_work_pool("p", type="process", base_job_template=a_template(), job_variables={"cpu": 300})
    assert "cpu: 300 does not go with None (a run that changes nothing would be refused)" in warnings


def test_a_run_is_refused_with_the_variable_that_it_comes_from(dispatcher, warnings):
    make(dispatcher, warnings)
    assert fault_of(lambda: dispatcher.create_run(pool="p", job_variables={"image": "i", "cpu": 300})).startswith(
        "cpu: 300 does"
    )
    assert fault_of(lambda: dispatcher.create_run(pool="p")) == "image: is missing"
    assert not contents(dispatcher)[2]


def test_a_scheduled_deployment_is_refused_and_one_whose_runs_bring_variables_is_warned_of(dispatcher, warnings):
    make(dispatcher, warnings)
    cron = Schedule(slug="daily", cron="0 6 * * *")
    sizes = {"image": "i", "cpu": 300}
    assert fault_of(lambda: dispatcher.create_deployment("d", pool="p", job_variables=sizes, schedules=[cron])).startswith(
        "cpu: "
    )
    assert fault_of(lambda: dispatcher.create_deployment("d", pool="p", schedules=[cron])) == "image: is missing"
    dispatcher.create_deployment("d", pool="p", job_variables=sizes)
    assert warnings == ["cpu: 300 does not go with None (a run that changes nothing would be refused)"]
    assert fault_of(lambda: dispatcher.create_run(deployment="d")).startswith("cpu: 300")
    dispatcher.create_run(deployment="d", job_variables={"cpu": 512})


def test_a_changed_template_is_checked_with_the_deployments_of_its_pool(dispatcher, warnings):
    make(dispatcher, warnings)
    dispatcher.create_deployment("d", pool="p", job_variables={"image": "i"}, schedules=[Schedule(slug="a", cron="0 6 * * *")])
    changed = a_template({"cpu": 300})
    with pytest.raises(InvalidInput, match=r"job_configuration\.cpu: 300 does not go"):
        dispatcher.update_work_pool("p", base_job_template=changed)


def test_a_warning_is_given_once_at_the_level_that_causes_it(dispatcher, warnings):
    make(dispatcher, warnings, a_template({"stream": "{{ stream }}"}, stream={"type": "boolean"}))
    dispatcher.create_deployment("d", pool="p", job_variables={"image": "i", "stream": True})
    dispatcher.create_run(deployment="d")
    dispatcher.create_runs([{"pool": "p", "job_variables": {"image": "i", "stream": False}}] * 3)
    assert warnings == ["stream: has no effect here"] * 2


def test_a_declared_variable_that_the_template_does_not_use_is_warned_of(dispatcher, warnings):
    make(dispatcher, warnings, a_template(idle={"type": "string"}))
    dispatcher.create_run(pool="p", job_variables={"image": "i", "idle": "x"})
    dispatcher.create_deployment("d", pool="p", job_variables={"image": "i", "idle": "x"})
    dispatcher.update_work_pool("p", job_variables={"idle": "x"})
    words = "idle: is declared, but the template does not use it; use it in `job_configuration`, or leave it out"
    assert [text for text in warnings if text.startswith("idle")] == [words] * 3


@pytest.mark.parametrize("name", ["prefect.variables.token", "prefect.blocks.secret.token", "$HOME"])
def test_a_value_that_asks_for_a_look_up_is_warned_of_and_stays_as_it_is(dispatcher, warnings, name):
    make(dispatcher, warnings)
    value = f"{{{{ {name} }}}}"
    run = dispatcher.create_run(pool="p", job_variables={"image": "i", "env": {"TOKEN": value, "JINJA": "{{ mine }}"}})
    assert run.job_variables["env"]["TOKEN"] == value
    [text] = warnings
    assert text.startswith(f"env.TOKEN: {value} stays as it is: nothing is looked up")


def test_a_key_of_a_template_that_is_not_read_is_warned_of(dispatcher, warnings):
    dispatcher.create_work_pool("p", type="process", base_job_template={**a_template(), "comment": "mine"})
    assert "base_job_template.comment: is not read; remove it" in warnings


@pytest.mark.parametrize("value", ["{{ prefect.blocks.aws-credentials.prod }}", {"$ref": {"block_document_id": "8a7fcf5e"}}])
def test_a_default_that_refers_to_a_block_is_warned_of_when_a_pool_is_made_and_planned(dispatcher, warnings, value):
    credentials = {"title": "Credentials", "type": "object", "block_type_slug": "aws-credentials", "properties": {}}
    template = a_template(aws_credentials={**credentials, "default": value})
    dispatcher.create_work_pool("p", type="process", base_job_template=template)
    dispatcher.plan({"pools": {"other": {"type": "process", "base_job_template": template}}})
    words = "base_job_template.variables.properties.aws_credentials.default: refers to a Prefect block"
    own = [text for text in warnings if words in text]
    assert len(own) == 2
    assert all("the identity of the dispatcher's host is used" in text for text in own)


def test_a_check_that_raises_is_a_fault():
    def broken(_type: str, _configuration: Mapping[str, Any]) -> Checked:
        raise ConfigurationError("region: is missing")

    dispatcher = Dispatcher(MemoryStore(), clock=Clock(), check=broken)
    template = {"job_configuration": {"command": "true"}, "variables": {}}
    said = fault_of(lambda: dispatcher.create_work_pool("p", type="process", base_job_template=template), InvalidTemplate)
    assert said == "job_configuration: region: is missing"


def test_a_configuration_is_planned_with_the_faults_of_its_jobs(dispatcher, warnings):
    nouns: dict[str, Any] = {
        "pools": {"p": {"type": "process", "base_job_template": a_template({"netwrok": 1})}},
        "deployments": {"d": {"pool": "p", "job_variables": {"image": "i"}, "schedules": {"a": {"cron": "0 6 * * *"}}}},
    }
    assert fault_of(lambda: dispatcher.plan(nouns), InvalidInput).startswith(
        "pools.p.base_job_template.job_configuration.netwrok: is not"
    )
    nouns["pools"]["p"]["base_job_template"] = a_template(idle={"type": "string"})
    nouns["deployments"]["d"]["job_variables"] |= {"cpu": 300, "idle": "x"}
    assert fault_of(lambda: dispatcher.plan(nouns), InvalidInput).startswith("deployments.d.job_variables.cpu: 300 does not")
    nouns["deployments"]["d"]["job_variables"]["cpu"] = 512
    warnings.clear()
    dispatcher.apply(dispatcher.plan(nouns))
    assert any(text.startswith("idle: is declared") for text in warnings)
