"""Base job templates, ours and Prefect's own, come to bodies that the emulator and Microsoft's schema both accept."""

import pytest

from dispatcher.core.templates import render
from dispatcher.validation import check_base_job_template, check_job_variables
from providers.base import Accepted, Job
from providers.registry import default_template
from tests.prefect import installed
from tests.providers.container_instance import arm_schema
from tests.providers.container_instance.builders import IDENTITY, SUBSCRIPTION, a_template, provider_for

ENTRIES = {"team": {"client_id": "client"}, "registry": {"username": "user", "password_env": "REGISTRY_PASSWORD"}}
LEAST = {"resource_group_name": "rg", "subscription_id": SUBSCRIPTION, "aci_credentials": "team", "image": "alpine:3"}
SUBNET = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/net/subnets/jobs"
EVERYTHING = {
    "name": "nightly",
    "env": {"A": "1"},
    "labels": {"team/name": "data"},
    "command": "python -m job --text 'two words'",
    "entrypoint": "/entry.sh",
    "identities": [IDENTITY],
    "image_registry": {"registry_url": "https://example.azurecr.io", "identity": IDENTITY},
    "cpu": 0.5,
    "memory": 1.5,
    "subnet_ids": [SUBNET],
    "dns_servers": ["10.0.0.1"],
    "task_start_timeout_seconds": 60,
}


def templates():
    yield pytest.param(lambda: default_template("azure-container-instance:push"), id="ours")
    yield pytest.param(lambda: installed.template("azure-container-instance"), id="installed", marks=pytest.mark.long)


@pytest.fixture
def put(start, monkeypatch):
    """Submits a configuration to an emulator whose resource group is in northeurope; gives back the PUT."""
    monkeypatch.setenv("REGISTRY_PASSWORD", "hush")
    aci = start(resource_groups={"rg": "northeurope"})

    def put(configuration: dict) -> tuple[dict, str]:
        environment = {"DISPATCHER_RUN_ID": "1"}
        job = Job(name="r0001-1", configuration=configuration, environment=environment, labels={"push-dispatcher/run_id": "1"})
        outcome = provider_for(aci, credentials=ENTRIES).submit(job)
        assert isinstance(outcome, Accepted), outcome
        (request,) = aci.calls.requests("ContainerGroups_CreateOrUpdate")
        return request["body"], request["query"]["api-version"]

    return put


@pytest.mark.parametrize("template", list(templates()))
@pytest.mark.parametrize("variables", [LEAST, {**LEAST, **EVERYTHING}], ids=["least", "everything"])
def test_a_run_is_accepted_by_validation_and_by_azures_schema(put, template, variables):
    check_base_job_template(template())
    check_job_variables(template(), variables)
    body, version = put(render(template(), variables))
    assert arm_schema.faults("r0001-1", body, version) == []


@pytest.mark.parametrize("template", list(templates()))
def test_every_variable_reaches_its_place(put, template):
    body, version = put(render(template(), {**LEAST, **EVERYTHING}))
    assert (body["location"], version) == ("northeurope", "2023-05-01")
    assert body["tags"] == {
        "push-dispatcher-job": "r0001-1",
        "push-dispatcher-run_id": "1",
        "team-name": "data",
        "name": "nightly",
    }
    assert body["identity"] == {"type": "UserAssigned", "userAssignedIdentities": {IDENTITY: {}}}
    assert body["properties"] == {
        "containers": [
            {
                "name": "r0001-1",
                "properties": {
                    "image": "alpine:3",
                    "command": ["/entry.sh", "python", "-m", "job", "--text", "two words"],
                    "resources": {"requests": {"cpu": 0.5, "memoryInGB": 1.5}},
                    "environmentVariables": [{"name": "A", "value": "1"}, {"name": "DISPATCHER_RUN_ID", "value": "1"}],
                },
            }
        ],
        "osType": "Linux",
        "restartPolicy": "Never",
        "imageRegistryCredentials": [{"server": "example.azurecr.io", "identity": IDENTITY}],
        "subnetIds": [{"id": SUBNET}],
        "dnsConfig": {"nameServers": ["10.0.0.1"]},
    }


def test_our_templates_own_variables_reach_their_places_too(put):
    ours = {
        "location": "westus",
        "priority": "Spot",
        "keep_container_group": True,
        "image_registry": {"registry_url": "docker.io", "username": "user", "password": "registry"},
        "identities": [IDENTITY],
        "secrets": {"PASSWORD": "https://vault.vault.azure.net/secrets/password"},
    }
    body, version = put(render(default_template("azure-container-instance:push"), {**LEAST, **ours}))
    assert arm_schema.faults("r0001-1", body, version) == []
    assert (body["location"], body["properties"]["priority"], version) == ("westus", "Spot", "2025-09-01")
    assert body["tags"]["push-dispatcher-keep"] == "true"
    assert body["properties"]["imageRegistryCredentials"] == [{"server": "docker.io", "username": "user", "password": "hush"}]


@pytest.mark.long
def test_prefects_variable_names_are_ours():
    ours = default_template("azure-container-instance:push")["variables"]["properties"]
    left_out = {"stream_output", "task_watch_poll_interval"}
    assert installed.template("azure-container-instance")["variables"]["properties"].keys() - ours.keys() == left_out


def test_a_template_of_ones_own_keeps_what_it_says(put):
    configuration = render(default_template("azure-container-instance:push"), LEAST)
    share = {"shareName": "data", "storageAccountName": "account", "storageAccountKey": "registry"}
    configuration["arm_template"] = a_template(
        containers=[{"properties": {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}}],
        volumes=[{"name": "data", "azureFile": share}],
        osType="Linux",
    )
    body, version = put(configuration)
    assert arm_schema.faults("r0001-1", body, version) == []
    assert body["properties"]["volumes"][0]["azureFile"]["storageAccountKey"] == "hush"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour": "red"}, "colour"),
        ({"restartPolicy": "Sometimes"}, "Sometimes"),
        ({"secretReferences": []}, "secretReferences"),
        ({"osType": None}, "osType"),
    ],
)
def test_the_patched_schema_still_refuses_wrong_values(put, change, words):
    body, version = put(render(default_template("azure-container-instance:push"), LEAST))
    assert any(
        words in fault for fault in arm_schema.faults("r0001-1", {**body, "properties": body["properties"] | change}, version)
    )
