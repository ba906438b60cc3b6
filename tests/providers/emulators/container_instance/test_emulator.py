"""The emulated Azure Container Instances, spoken to by Azure's own client."""

import copy
import json
import threading

import pytest
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)

from providers.emulators.container_instance import ContainerInstanceEmulator
from providers.emulators.faults import FaultKind
from tests.providers.emulators.container_instance.conftest import SUBSCRIPTION, client_of
from tests.providers.emulators.container_instance.steps import NAME, SLOW, a_body, code, container_state, get, put, raw, view


def test_a_group_passes_through_azures_states_by_the_clock(start):
    aci = start(life=SLOW, job_seconds=60)
    with client_of(aci) as client:
        put(client)
        assert view(client) == ("Pending", "Pending")
        aci.advance(10)
        assert view(client) == ("Creating", "Pending")
        assert container_state(client)["state"] == "Waiting"
        aci.advance(20)
        assert view(client) == ("Succeeded", "Running")
        aci.advance(60)
        assert view(client) == ("Succeeded", "Succeeded")
        assert container_state(client) | {"startTime": "", "finishTime": ""} == {
            "state": "Terminated",
            "startTime": "",
            "finishTime": "",
            "exitCode": 0,
            "detailStatus": "Completed",
        }


def test_an_exit_code_other_than_zero_is_a_failed_group(aci, client):
    put(client)
    aci.finish(NAME, 3)
    assert view(client) == ("Succeeded", "Failed")
    assert container_state(client)["exitCode"] == 3


def test_the_client_polls_a_creation_to_its_end(aci, client):
    group = client.container_groups.begin_create_or_update("rg", NAME, json.dumps(a_body()).encode()).result()
    assert group.name == NAME
    assert aci.calls["Operations_Get"] >= 1


def test_a_put_of_the_same_running_group_starts_nothing(aci, client):
    put(client)
    assert view(client)[1] == "Running"
    put(client)
    assert aci.starts == {NAME: 1}


def test_a_put_on_a_changed_running_group_restarts_its_containers(aci, client):
    put(client)
    assert view(client)[1] == "Running"
    put(client, body=a_body(container={"image": "alpine:3"}))
    assert aci.starts == {NAME: 2}
    assert aci.peak_live == 1


def test_a_put_that_changes_what_cannot_change_is_refused(aci, client):
    put(client)
    assert view(client)[1] == "Running"
    with pytest.raises(HttpResponseError) as caught:
        put(client, body=a_body(container={"resources": {"requests": {"cpu": 2, "memoryInGB": 1.5}}}))
    assert code(caught) == "InvalidContainerGroupUpdate"
    assert aci.starts == {NAME: 1}


def test_a_put_on_an_ended_group_runs_it_again(aci, client):
    put(client)
    aci.finish(NAME)
    put(client)
    assert aci.starts == {NAME: 2}


@pytest.mark.parametrize("operation", ["put", "stop", "start", "restart"])
def test_a_group_on_its_way_up_takes_no_operation(start, operation):
    aci = start(life=SLOW)
    with client_of(aci) as client:
        put(client)
        groups = client.container_groups
        act = {"put": lambda: put(client), "stop": lambda: groups.stop("rg", NAME)}
        act["start"] = lambda: groups.begin_start("rg", NAME, polling=False)
        act["restart"] = lambda: groups.begin_restart("rg", NAME, polling=False)
        with pytest.raises(ResourceExistsError) as caught:
            act[operation]()
        assert code(caught) == "ContainerGroupTransitioning"
        assert aci.starts == {NAME: 1}


def test_a_stopped_group_is_stopped_when_its_container_has_obeyed(start):
    aci = start(life=SLOW)
    with client_of(aci) as client:
        put(client)
        aci.advance(30)
        client.container_groups.stop("rg", NAME)
        with pytest.raises(ResourceExistsError):
            client.container_groups.stop("rg", NAME)
        aci.advance(5)
        assert view(client) == ("Succeeded", "Stopped")
        assert container_state(client)["exitCode"] == 143


def test_start_and_restart_run_a_group_again(aci, client):
    put(client)
    aci.finish(NAME)
    client.container_groups.begin_start("rg", NAME, polling=False)
    assert view(client)[1] == "Running"
    client.container_groups.begin_restart("rg", NAME, polling=False)
    assert aci.starts == {NAME: 3}


def test_a_deleted_group_is_gone_and_a_second_delete_finds_nothing(aci, client):
    put(client)
    client.container_groups.begin_delete("rg", NAME, polling=False)
    with pytest.raises(ResourceNotFoundError) as caught:
        get(client)
    assert code(caught) == "ResourceNotFound"
    client.container_groups.begin_delete("rg", NAME, polling=False)
    assert aci.book.live == 0


def test_a_list_has_tags_and_pages_but_no_instance_view(start):
    aci = start(page_size=2)
    with client_of(aci) as client:
        for number in range(5):
            put(client, f"r{number}-1", a_body(tags={"number": str(number)}))
        put(client, "other-1", resource_group="elsewhere")
        groups = list(client.container_groups.list_by_resource_group("rg"))
        assert [(group.name, group.tags) for group in groups] == [(f"r{n}-1", {"number": str(n)}) for n in range(5)]
        assert aci.calls["ContainerGroups_ListByResourceGroup"] == 3
        assert len(list(client.container_groups.list())) == 6
        assert "instanceView" not in json.dumps(client.container_groups.list_by_resource_group("rg", cls=str).next())


def test_secrets_are_never_given_back(aci, client):
    variables = [{"name": "SECRET", "secureValue": "hush"}, {"name": "OPEN", "value": "seen"}]
    registry = {"server": "example.azurecr.io", "username": "user", "password": "hush"}
    put(client, body=a_body(container={"environmentVariables": variables}, imageRegistryCredentials=[registry]))
    text = json.dumps(get(client))
    assert "hush" not in text
    assert {"name": "SECRET"} in get(client)["properties"]["containers"][0]["properties"]["environmentVariables"]


def test_a_status_may_lag_behind(start):
    aci = start(status_lag=30)
    with client_of(aci) as client:
        put(client)
        aci.advance(60)
        aci.finish(NAME)
        assert view(client)[1] == "Running"
        aci.advance(29)
        assert view(client)[1] == "Running"
        aci.advance(1)
        assert view(client)[1] == "Succeeded"


def test_a_failed_provisioning_goes_on_trying_until_it_is_stopped(start):
    aci = start(life=SLOW)
    with client_of(aci) as client:
        for name in ("r1-1", "r2-1"):
            aci.faults.add("ContainerGroups_CreateOrUpdate", FaultKind.NO_CAPACITY, detail="provisioning")
            put(client, name)
        assert view(client, "r1-1") == ("Failed", "Pending")
        assert get(client, "r1-1")["properties"]["instanceView"]["events"][0]["name"] == "InsufficientCapacity."
        client.container_groups.stop("rg", "r2-1")
        aci.advance(30)
        assert view(client, "r1-1") == ("Failed", "Running")
        assert view(client, "r2-1") == ("Succeeded", "Stopped")


def test_logs_are_there_once_a_container_runs(start):
    aci = start(life=SLOW)
    with client_of(aci) as client:
        put(client)
        with pytest.raises(ResourceExistsError) as caught:
            client.containers.list_logs("rg", NAME, "main")
        assert code(caught) == "ContainerLogNotAvailable"
        aci.advance(30)
        aci.log(NAME, "".join(f"line {n}\n" for n in range(2000)))
        assert client.containers.list_logs("rg", NAME, "main", tail=2, cls=raw)["content"] == "line 1998\nline 1999\n"
        aci.finish(NAME)
        assert len(client.containers.list_logs("rg", NAME, "main", cls=raw)["content"].splitlines()) == 1000


def test_usage_counts_ended_groups_and_running_cores(aci, client):
    put(client, "r1-1")
    put(client, "r2-1")
    aci.finish("r1-1")
    usage = {item.name.value: (item.current_value, item.limit) for item in client.location.list_usage("West Europe")}
    assert usage == {"ContainerGroups": (2, 100), "StandardCores": (1, 100)}


def test_a_command_runs_as_a_local_process(start):
    aci: ContainerInstanceEmulator = start(run_commands=True)
    with client_of(aci) as client:
        variable = {"name": "CODE", "secureValue": "7"}
        put(client, body=a_body(container={"command": ["sh", "-c", "exit $CODE"], "environmentVariables": [variable]}))
        get(client)
        for watcher in [thread for thread in threading.enumerate() if thread.name.startswith("job-")]:
            watcher.join()
        assert container_state(client)["exitCode"] == 7


def test_an_emulator_is_found_by_its_environment_and_can_be_reset(aci, client):
    put(client)
    assert aci.environment() == {"AZURE_RESOURCE_MANAGER_ENDPOINT": aci.url}
    assert [(job.name, job.state, job.live) for job in aci.jobs()] == [(NAME, "Running", True)]
    asked = copy.deepcopy(aci.calls.requests("ContainerGroups_CreateOrUpdate"))
    assert (asked[0]["subscription"], asked[0]["body"]) == (SUBSCRIPTION, a_body())
    aci.reset()
    assert (aci.jobs(), aci.lingering, aci.calls.counts) == ([], 0, {})
