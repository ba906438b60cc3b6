"""How the emulated containers of a group live and end, and which groups are refused."""

import json

import pytest
from azure.core.exceptions import HttpResponseError

from tests.providers.emulators.container_instance.conftest import client_of
from tests.providers.emulators.container_instance.steps import NAME, a_body, code, get, put, view

GPU = {"cpu": 1, "memoryInGB": 1, "gpu": {"count": 1, "sku": "V100"}}


def with_sidecar():
    body = a_body()
    body["properties"]["containers"] += [{"name": "side", "properties": body["properties"]["containers"][0]["properties"]}]
    return body


def exit_codes(client):
    containers = get(client)["properties"]["containers"]
    return [container["properties"]["instanceView"]["currentState"].get("exitCode") for container in containers]


@pytest.mark.parametrize(
    ("policy", "exit_code", "starts"), [("Always", 0, 2), ("OnFailure", 3, 2), ("OnFailure", 0, 1), ("Never", 3, 1)]
)
def test_containers_run_again_where_the_policy_says_so(aci, client, policy, exit_code, starts):
    put(client, body=a_body(restartPolicy=policy))
    assert view(client)[1] == "Running"
    aci.finish(NAME, exit_code)
    container = get(client)["properties"]["containers"][0]["properties"]["instanceView"]
    assert container["restartCount"] == starts - 1
    assert aci.starts == {NAME: starts}


def test_a_policy_that_is_left_out_is_always(aci, client):
    put(client, body=a_body(restartPolicy=None))
    assert view(client)[1] == "Running"
    aci.finish(NAME, 0)
    assert view(client)[1] != "Succeeded"
    assert aci.starts == {NAME: 2}


def test_a_group_that_is_stopped_is_not_run_again_whatever_the_policy_says(aci, client):
    put(client, body=a_body(restartPolicy="Always"))
    assert view(client)[1] == "Running"
    client.container_groups.stop("rg", NAME)
    assert view(client)[1] == "Stopped"
    assert aci.starts == {NAME: 1}


def test_a_sidecar_may_outlive_the_main_container_and_fail_the_group(aci, client):
    put(client, body=with_sidecar())
    aci.outlive(NAME, 30, sidecar_exit=137)
    assert view(client)[1] == "Running"
    aci.finish(NAME, 0)
    assert (view(client), exit_codes(client)) == (("Succeeded", "Running"), [0, None])
    aci.advance(30)
    assert (view(client), exit_codes(client)) == (("Succeeded", "Failed"), [0, 137])


def test_a_sidecar_that_nobody_ends_is_ended_by_a_stop(aci, client):
    put(client, body=with_sidecar())
    aci.outlive(NAME)
    assert view(client)[1] == "Running"
    aci.finish(NAME, 0)
    aci.advance(3600)
    assert exit_codes(client) == [0, None]
    client.container_groups.stop("rg", NAME)
    assert (view(client), exit_codes(client)) == (("Succeeded", "Stopped"), [0, 137])


def test_azure_may_show_a_group_as_unhealthy(aci, client):
    put(client)
    aci.show_provisioning(NAME, "Unhealthy")
    assert view(client) == ("Unhealthy", "Running")
    aci.show_provisioning(NAME, None)
    assert view(client) == ("Succeeded", "Running")


def test_a_patch_changes_tags_and_nothing_else(aci, client):
    put(client, body=a_body(tags={"a": "1"}))
    client.container_groups.update("rg", NAME, json.dumps({"tags": {"b": "2"}}).encode())
    assert get(client)["tags"] == {"b": "2"}
    assert aci.starts == {NAME: 1}
    with pytest.raises(HttpResponseError):
        client.container_groups.update("rg", NAME, json.dumps({"properties": {}}).encode())


def test_a_location_without_machines_of_that_size_says_so(start):
    aci = start(largest={"westeurope": 0.5})
    with client_of(aci) as client:
        with pytest.raises(HttpResponseError) as caught:
            put(client)
        assert code(caught) == "ServiceUnavailable"
        assert "not available in the location 'westeurope'" in caught.value.message
        assert "Resource requested: '1' CPU '1.5' GB memory 'Linux' OS" in caught.value.message
        put(client, body=a_body(location="northeurope"))


@pytest.mark.parametrize(
    ("properties", "refusal"),
    [
        ({"container": {"resources": {"requests": {"cpu": 1, "memoryInGB": 241}}}}, "ResourceRequestsTooHigh"),
        ({"container": {"resources": {"requests": GPU}}, "subnetIds": [{"id": "s"}]}, "GpuNotSupportedInVirtualNetwork"),
        ({"osType": "Windows", "subnetIds": [{"id": "s"}]}, "OsTypeNotSupportedInVirtualNetwork"),
        ({"container": {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}}, "VolumeMountNotDefined"),
        ({"containers": a_body()["properties"]["containers"] * 2}, "DuplicateContainerName"),
        ({**with_sidecar()["properties"], "osType": "Windows"}, "MultipleContainersNotSupported"),
    ],
)
def test_every_request_that_azure_documents_as_invalid_is_refused(aci, client, properties, refusal):
    with pytest.raises(HttpResponseError) as caught:
        put(client, body=a_body(**properties))
    assert code(caught) == refusal
    assert aci.starts == {}
