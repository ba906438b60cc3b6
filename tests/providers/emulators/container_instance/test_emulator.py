"""The emulated Azure Container Instances, spoken to by Azure's own client."""

import copy
import json
import threading

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceResponseError,
)

from providers.emulators.container_instance import ContainerInstanceEmulator, Quotas
from providers.emulators.faults import FaultKind
from providers.emulators.jobs import Life, Phase
from tests.providers.emulators.container_instance.conftest import SUBSCRIPTION, client_of

NAME = "r0001-1"
SLOW = Life(before=(Phase("Pending", 10), Phase("Creating", 20)), running="Running", ended="Terminated", stop_seconds=5)


def a_body(**properties):
    container = {"image": "alpine", "command": ["true"], "resources": {"requests": {"cpu": 1.0, "memoryInGB": 1.5}}}
    container |= properties.pop("container", {})
    return {
        "location": properties.pop("location", "westeurope"),
        "tags": properties.pop("tags", {}),
        "properties": {
            "containers": [{"name": "main", "properties": container}],
            "osType": "Linux",
            "restartPolicy": "Never",
            **properties,
        },
    }


def put(client, name=NAME, body=None, resource_group="rg"):
    content = json.dumps(body or a_body()).encode()
    return client.container_groups.begin_create_or_update(resource_group, name, content, polling=False)


def raw(_response, _model, _headers):
    return json.loads(_response.http_response.text() or "null")


def get(client, name=NAME, resource_group="rg"):
    return client.container_groups.get(resource_group, name, cls=raw)


def view(client, name=NAME):
    group = get(client, name)["properties"]
    return group["provisioningState"], group["instanceView"]["state"]


def container_state(client, name=NAME):
    return get(client, name)["properties"]["containers"][0]["properties"]["instanceView"]["currentState"]


def code(caught):
    return caught.value.error.code


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


def test_what_a_status_shows_may_lag_behind(start):
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


class TestQuotas:
    def test_ended_groups_fill_the_region(self, start):
        aci = start(quotas=Quotas(groups=2))
        with client_of(aci) as client:
            for name in ("r1-1", "r2-1"):
                put(client, name)
                aci.finish(name)
            with pytest.raises(ResourceExistsError) as caught:
                put(client, "r3-1")
            assert code(caught) == "ContainerGroupQuotaReached"
            assert "Limit: '2', Usage: '2' Requested: '1'" in str(caught.value)
            client.container_groups.begin_delete("rg", "r1-1", polling=False)
            put(client, "r3-1")

    def test_regions_and_cores_have_quotas_of_their_own(self, start):
        aci = start(quotas=Quotas(groups=1, cores=1))
        with client_of(aci) as client:
            put(client, "r1-1")
            put(client, "r2-1", a_body(location="eastus"))
            with pytest.raises(ResourceExistsError):
                put(
                    client,
                    "r3-1",
                    a_body(location="northeurope", container={"resources": {"requests": {"cpu": 2, "memoryInGB": 1}}}),
                )
            assert aci.lingering == 2

    def test_creates_are_limited_in_five_minutes_and_in_an_hour(self, start):
        aci = start(quotas=Quotas(groups=1000, cores=1000, creates=((2, 300.0), (3, 3600.0))))
        with client_of(aci) as client:
            put(client, "r1-1")
            put(client, "r2-1")
            aci.advance(200)
            with pytest.raises(HttpResponseError) as caught:
                put(client, "r3-1")
            assert (caught.value.status_code, code(caught)) == (429, "ResourceRequestsThrottled")
            assert caught.value.response.headers["Retry-After"] == "100"
            aci.advance(100)
            put(client, "r3-1")
            aci.advance(300)
            with pytest.raises(HttpResponseError) as caught:
                put(client, "r4-1")
            assert caught.value.response.headers["Retry-After"] == "3000"

    def test_deletes_are_limited_alike(self, start):
        aci = start(quotas=Quotas(deletes=((1, 300.0),)))
        with client_of(aci) as client:
            put(client, "r1-1")
            put(client, "r2-1")
            client.container_groups.begin_delete("rg", "r1-1", polling=False)
            with pytest.raises(HttpResponseError) as caught:
                client.container_groups.begin_delete("rg", "r2-1", polling=False)
            assert caught.value.status_code == 429

    def test_reads_draw_on_a_bucket_when_it_is_asked_for(self, start):
        aci = start(quotas=Quotas(reads=(3, 1)))
        with client_of(aci) as client:
            put(client)
            headers = client.container_groups.get("rg", NAME, cls=lambda r, _m, _h: r.http_response.headers)
            assert headers["x-ms-ratelimit-remaining-subscription-reads"] == "2"
            get(client)
            get(client)
            with pytest.raises(HttpResponseError) as caught:
                get(client)
            assert caught.value.status_code == 429
            aci.advance(1)
            get(client)

    def test_capacity_is_what_may_be_live_at_once(self, start):
        aci = start(capacity=1)
        with client_of(aci) as client:
            put(client, "r1-1")
            with pytest.raises(ResourceExistsError) as caught:
                put(client, "r2-1")
            assert code(caught) == "ServiceUnavailable"
            aci.finish("r1-1")
            put(client, "r2-1")


class TestFaults:
    OPERATION = "ContainerGroups_CreateOrUpdate"

    def test_a_lost_answer_leaves_a_group_and_a_lost_request_none(self, aci, client):
        for kind, started in ((FaultKind.LOSE_ANSWER, {NAME: 1}), (FaultKind.LOSE_REQUEST, {NAME: 1})):
            aci.faults.add(self.OPERATION, kind)
            with pytest.raises(ServiceResponseError):
                put(client, NAME if kind is FaultKind.LOSE_ANSWER else "r2-1")
            assert aci.starts == started

    def test_a_server_error_may_come_after_the_act(self, aci, client):
        aci.faults.add(self.OPERATION, FaultKind.SERVER_ERROR_AFTER)
        with pytest.raises(HttpResponseError) as caught:
            put(client)
        assert (caught.value.status_code, aci.starts) == (500, {NAME: 1})

    @pytest.mark.parametrize(
        ("kind", "detail", "expected"),
        [
            (FaultKind.THROTTLE, "", (429, "TooManyRequests")),
            (FaultKind.NO_CAPACITY, "", (409, "ServiceUnavailable")),
            (FaultKind.NO_CAPACITY, "StandardCores", (409, "ContainerGroupQuotaReached")),
            (FaultKind.REFUSE, "", (400, "InaccessibleImage")),
            (FaultKind.REFUSE, "AuthorizationFailed: no", (403, "AuthorizationFailed")),
            (FaultKind.REFUSE, "400 ContainerGroupQuotaReached: no", (400, "ContainerGroupQuotaReached")),
            (FaultKind.SERVER_ERROR, "", (500, "InternalServerError")),
        ],
    )
    def test_a_refusal_starts_nothing(self, aci, client, kind, detail, expected):
        aci.faults.add(self.OPERATION, kind, detail=detail)
        with pytest.raises(HttpResponseError) as caught:
            put(client)
        assert ((caught.value.status_code, code(caught)), aci.starts) == (expected, {})

    def test_a_401_is_an_authentication_error(self, aci, client):
        aci.faults.add("ContainerGroups_Get", FaultKind.REFUSE, detail="InvalidAuthenticationToken: expired")
        with pytest.raises(ClientAuthenticationError):
            get(client)


class TestDoor:
    @pytest.mark.parametrize("name", ["", "R1", "-r1", "r1-", "r--1", "r_1", "r" * 64])
    def test_a_name_against_azures_rules_is_refused(self, client, name):
        with pytest.raises((HttpResponseError, ValueError)):
            put(client, name)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"location": ""}, "LocationRequired"),
            ({"osType": "Amiga"}, "none of Linux, Windows"),
            ({"secretReferences": []}, "could not find member 'secretReferences'"),
            ({"colour": "red"}, "could not find member 'colour'"),
            ({"container": {"image": None}}, "properties.image: required property is missing"),
            ({"container": {"command": "true"}}, "command: not a list"),
            ({"container": {"resources": {"requests": {"cpu": "1", "memoryInGB": 1}}}}, "wrong type"),
            ({"container": {"environmentVariables": [{"name": "A-B", "value": "1"}]}}, "environment variable name 'A-B'"),
            ({"container": {"environmentVariables": [{"name": "A", "value": "1", "secureValue": "2"}]}}, "more than one"),
            ({"imageRegistryCredentials": [{"server": "example.io", "username": "user"}]}, "needs a user name and password"),
            ({"imageRegistryCredentials": [{"server": "https://example.io", "identity": "id"}]}, "must not name a protocol"),
            ({"priority": "Spot", "subnetIds": [{"id": "subnet"}]}, "no virtual network"),
            ({"tags": {"a/b": "c"}}, "reserved characters"),
            ({"tags": {"a": "c" * 257}}, "longer than 256"),
        ],
    )
    def test_a_body_against_the_model_or_the_rules_is_refused(self, aci, client, change, words):
        with pytest.raises(HttpResponseError) as caught:
            put(client, body=a_body(**change))
        assert caught.value.status_code == 400
        assert words in str(caught.value)
        assert aci.starts == {}

    def test_newer_fields_need_a_newer_api_version(self, aci):
        secret = {"name": "s", "identity": "id", "secretReferenceUri": "https://v.vault.azure.net/secrets/s"}
        variable = {"name": "A", "secureValueReference": "s"}
        body = a_body(secretReferences=[secret], container={"environmentVariables": [variable]})
        with client_of(aci, api_version="2025-09-01") as client:
            put(client, body=body)
        assert aci.starts == {NAME: 1}

    def test_an_api_version_that_is_not_served_is_refused(self, aci):
        with client_of(aci, api_version="1999-01-01") as client, pytest.raises(HttpResponseError) as caught:
            get(client)
        assert code(caught) == "NoRegisteredProviderFound"

    def test_an_unknown_resource_group_is_not_found(self, start):
        aci = start(resource_groups={"rg": "eastus"})
        with client_of(aci) as client:
            put(client)
            with pytest.raises(ResourceNotFoundError) as caught:
                put(client, resource_group="other")
            assert code(caught) == "ResourceGroupNotFound"


def test_a_command_runs_as_a_local_process(start):
    aci: ContainerInstanceEmulator = start(run_commands=True)
    with client_of(aci) as client:
        variable = {"name": "CODE", "secureValue": "7"}
        put(client, body=a_body(container={"command": ["sh", "-c", "exit $CODE"], "environmentVariables": [variable]}))
        get(client)
        for watcher in [thread for thread in threading.enumerate() if thread.name.startswith("job-")]:
            watcher.join()
        assert container_state(client)["exitCode"] == 7


def test_it_is_found_by_its_environment_and_reset_to_nothing(aci, client):
    put(client)
    assert aci.environment() == {"AZURE_RESOURCE_MANAGER_ENDPOINT": aci.url}
    assert [(job.name, job.state, job.live) for job in aci.jobs()] == [(NAME, "Running", True)]
    asked = copy.deepcopy(aci.calls.requests("ContainerGroups_CreateOrUpdate"))
    assert (asked[0]["subscription"], asked[0]["body"]) == (SUBSCRIPTION, a_body())
    aci.reset()
    assert (aci.jobs(), aci.lingering, aci.calls.counts) == ([], 0, {})
