"""What the emulated Azure Container Instances refuses: by its quotas, by a fault that a test asks for, by its rules."""

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceResponseError,
)

from providers.emulators.container_instance import Quotas
from providers.emulators.faults import FaultKind
from tests.providers.emulators.container_instance.conftest import client_of
from tests.providers.emulators.container_instance.steps import NAME, a_body, code, get, put


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

    def test_deletes_have_the_same_rate_limits(self, start):
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
