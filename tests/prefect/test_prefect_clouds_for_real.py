"""Flow runs of a real Prefect server on each cloud: what the cloud was asked for, and the ends that the server shows."""

import json
from contextlib import contextmanager

import pytest

from dispatcher.models import submission_name
from providers.emulators.cloud_run import CloudRunEmulator
from providers.emulators.container_instance import ContainerInstanceEmulator
from providers.emulators.modal import ModalEmulator

pytestmark = pytest.mark.long

KEY = "pnu-of-the-dispatcher's-host"
SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"


def a_cloud_run_job(emulator):
    """Environment, command, image, labels and the reference to the key."""
    body = json.loads(emulator.calls.requests("CreateJob")[0]["body"])
    [container] = body["template"]["template"]["containers"]
    environment = {item["name"]: item.get("value") or item["valueSource"]["secretKeyRef"] for item in container["env"]}
    return environment, container["command"], container["image"], body["labels"]


def a_container_group(emulator):
    body = emulator.calls.requests("ContainerGroups_CreateOrUpdate")[0]["body"]
    [container] = [container["properties"] for container in body["properties"]["containers"]]
    variables = container["environmentVariables"]
    environment = {item["name"]: item.get("value") or {"secure": item["secureValue"]} for item in variables}
    return environment, container["command"], container["image"], body["tags"]


def a_sandbox(emulator):
    request = emulator.calls.requests("SandboxCreateV2")[0]
    [image] = emulator.calls.requests("ImageGetOrCreate")
    [named] = {call["deployment_name"] for call in emulator.calls.requests("SecretGetOrCreate")}
    plain = [source["env"]["contents"] for source in request["secret_sources"] if "env" in source]
    environment = {name: value for contents in plain for name, value in contents.items()}
    labels = {tag["tag_name"]: tag["tag_value"] for tag in request["tags"]}
    [line] = image["image"]["dockerfile_commands"]
    command = request["definition"]["entrypoint_args"]
    return {**environment, "PREFECT_API_KEY": named}, command, line.removeprefix("FROM "), labels


CLOUDS = {
    "cloud-run-v2:push": (
        CloudRunEmulator,
        a_cloud_run_job,
        {"region": "europe-west1", "prefect_api_key_secret": {"secret": "prefect-key", "version": "latest"}},
        {"secret": "prefect-key", "version": "latest"},
    ),
    "azure-container-instance:push": (
        ContainerInstanceEmulator,
        a_container_group,
        {"subscription_id": SUBSCRIPTION, "resource_group_name": "rg", "secrets": {"PREFECT_API_KEY": "prefect-entry"}},
        {"secure": KEY},
    ),
    "modal:push": (
        lambda: ModalEmulator(secrets={"prefect-secret": {"PREFECT_API_KEY": "k"}}),
        a_sandbox,
        {"secrets": ["prefect-secret"]},
        "prefect-secret",
    ),
}


@contextmanager
def started(make, monkeypatch):
    with make() as emulator:
        for name, value in emulator.environment().items():
            monkeypatch.setenv(name, value)
        yield emulator


@pytest.mark.parametrize("kind", CLOUDS)
def test_a_cloud_gets_what_a_flow_run_needs_and_the_server_shows_each_end(kind, prefect, ticker, monkeypatch):
    make, received, variables, reference = CLOUDS[kind]
    monkeypatch.setenv("THE_KEY", KEY)
    pool = prefect.add_pool("p", kind)
    deployment = prefect.add_deployment("nightly", job_variables=variables)
    credentials = json.dumps({"prefect-entry": {"value_env": "THE_KEY"}})
    first = prefect.add_flow_run(deployment)
    with started(make, monkeypatch) as emulator:
        dispatcher = ticker(DISPATCHER_CREDENTIALS=credentials, DISPATCHER_PREFECT_JOBS_API_URL="http://prefect.internal/api")
        assert dispatcher.tick().problems == []
        environment, command, image, labels = received(emulator)
        flow_run = prefect.read(f"flow_runs/{first}")
        others = [prefect.add_flow_run(deployment) for _ in range(2)]
        dispatcher.tick()
        end_as(("COMPLETED", "CRASHED", "CANCELLED"), [first, *others], prefect, dispatcher, emulator)
        assert prefect.states([first, *others]) == ["COMPLETED", "CRASHED", "CANCELLED"]
        assert list(emulator.starts.values()) == [1, 1, 1]
    assert (command, image) == (["prefect", "flow-run", "execute"], "prefecthq/prefect:3-latest")
    assert {name: value for name, value in environment.items() if name.startswith("PREFECT")} == {
        "PREFECT_API_URL": "http://prefect.internal/api",
        "PREFECT_API_KEY": reference,
        "PREFECT__FLOW_RUN_ID": first,
        "PREFECT__FLOW_ID": flow_run["flow_id"],
        "PREFECT__FLOW_NAME": "good",
        "PREFECT__DEPLOYMENT_ID": deployment,
        "PREFECT__DEPLOYMENT_NAME": "nightly",
    }
    submission = dispatcher.run_of(first).submission
    pids = {
        "cloud-run-v2:push": submission.name,
        "azure-container-instance:push": f"{first}:{submission.name}",
        "modal:push": submission.handle.get("sandbox_id"),
    }
    assert flow_run["infrastructure_pid"] == pids[kind]
    own = {name: value for name, value in labels.items() if name.startswith("prefect")}
    assert {name[len("prefect.io/") :]: value for name, value in own.items()} == {
        "flow-run-id": first,
        "flow-run-name": flow_run["name"],
        "flow-id": flow_run["flow_id"],
        "flow-name": "good",
        "deployment-id": deployment,
        "deployment-name": "nightly",
        "work-pool-id": pool["id"],
        "work-pool-name": "p",
    }


def end_as(ends, flow_runs, prefect, dispatcher, emulator):
    """The containers come to these ends, and ticks follow until nothing moves."""
    names = [submission_name(dispatcher.run_of(flow_run).id, 1) for flow_run in flow_runs]
    for flow_run, name, end in zip(flow_runs, names, ends, strict=True):
        prefect.propose(flow_run, "RUNNING")
        if end == "CANCELLED":
            prefect.propose(flow_run, "CANCELLING")
            continue
        if end == "COMPLETED":
            prefect.propose(flow_run, "COMPLETED")
        emulator.finish(name, exit_code=0 if end == "COMPLETED" else 1)
    for _ in range(4):
        dispatcher.tick()
        dispatcher.wait(minutes=1)
        emulator.advance(60)
