"""Prefect's own templates, push and worker, make pools as they are; what their runs send is what the vendor's model allows."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from dispatcher.client import Dispatcher
from dispatcher.environment.settings import Settings
from dispatcher.models import RunState, submission_name
from dispatcher.ticking import tick
from dispatcher.wiring import wire
from providers.emulators.base import Emulator
from providers.vertex_ai.shape import fitted
from tests.prefect import installed
from tests.providers.container_instance import arm_schema

pytestmark = pytest.mark.long
pytest_plugins = ["providers.emulators.fixtures"]

IMAGE = "docker.io/library/busybox:1.37"
AZURE = {
    "subscription_id": "00000000-0000-0000-0000-000000000000",
    "resource_group_name": "jobs",
    "aci_credentials": "team",
}
CASES = {
    "ecs": ("ecs_emulator", ("ecs:push", "ecs"), {}),
    "cloud-run-v2": ("cloud_run_emulator", ("cloud-run-v2:push", "cloud-run-v2"), {}),
    "cloud-run": ("cloud_run_emulator", ("cloud-run:push", "cloud-run"), {"credentials": "team"}),
    "vertex-ai": ("vertex_ai_emulator", ("vertex-ai",), {"region": "us-central1"}),
    "azure-container-instance": (
        "container_instance_emulator",
        ("azure-container-instance:push", "azure-container-instance"),
        AZURE,
    ),
}
"""Template -> the emulator, the pool types it serves, the variables it requires."""
ALL = [(name, kind) for name, (_, kinds, _) in CASES.items() for kind in kinds]


@pytest.mark.parametrize(("name", "pool_type"), ALL, ids=[f"{name} as {kind}" for name, kind in ALL])
def test_a_template_of_the_newest_packages_makes_a_pool_whose_run_is_accepted_and_ends(name, pool_type, tmp_path, request):
    fixture, _, required = CASES[name]
    template = installed.template(name)
    emulator: Emulator = request.getfixturevalue(fixture)
    wiring = wire(
        Settings.from_environment(
            {
                "DISPATCHER_STORE": f"sqlite:///{tmp_path / 'store.db'}",
                "DISPATCHER_CREDENTIALS": json.dumps({"team": {"client_id": "client"} if "azure" in name else {}}),
            }
        )
    )
    client: Dispatcher = wiring.client
    assert client.create_work_pool("moved", type=pool_type, base_job_template=template).base_job_template == template
    variables = {"image": IMAGE, "command": "echo 'two words'", "env": {"GREETING": "hello"}, **required}
    run = client.create_run(pool="moved", job_variables=variables)

    run = ticked(wiring, run.id)
    assert run.state in (RunState.PENDING, RunState.RUNNING), run.reason
    sent = {"ecs": ecs, "cloud": cloud_run, "azure": container_instance, "vertex": vertex_ai}[name.split("-")[0]](emulator)
    assert all(words in sent for words in (IMAGE, "two words", "GREETING", "hello", str(run.id)))

    emulator.advance(60)
    emulator.finish(submission_name(run.id, 1))
    emulator.advance(60)
    assert ticked(wiring, run.id).state is RunState.COMPLETED
    assert sum(emulator.starts.values()) == 1
    wiring.store.close()


def ticked(wiring, run_id):
    report = tick(wiring.dispatch, wiring.dispatch.clock.now() + timedelta(seconds=30))
    assert not report.problems
    return wiring.store.get(run_id)


def ecs(emulator: Emulator) -> str:
    model = ServiceModel(Loader().load_service_model("ecs", "service-2"), "ecs")
    calls = []
    for operation in ("RegisterTaskDefinition", "RunTask"):
        [request] = emulator.calls.requests(operation)
        faults = ParamValidator().validate(request, model.operation_model(operation).input_shape)
        assert not faults.has_errors(), faults.generate_report()
        calls.append(json.dumps(request))
    return "".join(calls)


def cloud_run(emulator: Emulator) -> str:
    from google.cloud import run_v2  # noqa: PLC0415 - slow to import, and only two of the clouds need it

    [request] = emulator.calls.requests("CreateJob")
    return run_v2.Job.to_json(run_v2.Job.from_json(request["body"]))


def vertex_ai(emulator: Emulator) -> str:
    [request] = emulator.calls.requests("CreateCustomJob")
    assert fitted(request["body"], "CustomJob", "") == (request["body"], []), "what is sent is what the messages allow"
    assert request["body"]["jobSpec"]["scheduling"] == {
        "timeout": "3600s",
        "disableRetries": True,
        "restartJobOnWorkerRestart": False,
    }
    return json.dumps(request["body"])


def container_instance(emulator: Emulator) -> str:
    [request] = emulator.calls.requests("ContainerGroups_CreateOrUpdate")
    assert arm_schema.faults("group", request["body"], "2023-05-01") == []
    return json.dumps(request["body"])
