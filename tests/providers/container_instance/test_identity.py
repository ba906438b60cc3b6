"""Who asks Azure, and what is imported for it."""

import json
import subprocess
import sys

import pytest
from azure import identity as azure_identity
from azure.core.exceptions import ServiceRequestError

from providers.base import Hold, Misconfigured, Rejected, Unreachable
from providers.container_instance import ContainerInstanceProvider, identity
from providers.container_instance.answers import ArmFailure
from providers.container_instance.connections import ENDPOINT_VARIABLE
from providers.container_instance.place import Place, place_of
from tests.providers.container_instance.builders import a_configuration, a_job, submitted

PROBE = """
import json, sys
from providers.container_instance import ContainerInstanceProvider
from tests.providers.container_instance.builders import a_job
loaded = lambda: [name for name in ("azure.core", "azure.mgmt.containerinstance", "azure.identity") if name in sys.modules]
stages = [loaded()]
provider = ContainerInstanceProvider(endpoint=sys.argv[1])
stages.append(loaded())
provider.submit(a_job())
stages.append(loaded())
print(json.dumps(stages))
"""


def test_the_sdk_is_imported_with_the_first_call_and_identities_only_with_the_first_token(aci):
    done = subprocess.run([sys.executable, "-c", PROBE, aci.url], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout) == [[], [], ["azure.core", "azure.mgmt.containerinstance"]]
    assert aci.starts == {"r0001-1": 1}


def test_the_emulators_environment_points_a_provider_at_it(aci, monkeypatch):
    for name, value in aci.environment().items():
        monkeypatch.setenv(name, value)
    assert list(aci.environment()) == [ENDPOINT_VARIABLE]
    submitted(ContainerInstanceProvider())
    assert aci.starts == {"r0001-1": 1}


class TestPlace:
    def test_credentials_are_a_name_or_the_client_of_an_identity_or_nobody(self):
        assert place_of(a_configuration()).credentials == ""
        assert place_of(a_configuration(aci_credentials="team")).credentials == "team"
        inline = place_of(a_configuration(aci_credentials={"client_id": "c", "tenant_id": None})).credentials
        assert json.loads(inline) == {"client_id": "c"}

    def test_a_key_in_the_template_is_refused_and_not_repeated(self):
        for entry in ({"client_id": "c", "tenant_id": "t", "client_secret": "hush"}, {"$ref": {"block_document_id": "1"}}):
            outcome = ContainerInstanceProvider().submit(a_job(aci_credentials=entry))
            assert isinstance(outcome, Rejected)
            assert "hush" not in outcome.reason

    def test_places_with_other_identities_are_other_places(self):
        one = Place(subscription_id="s", resource_group="rg", credentials="a")
        assert one != Place(subscription_id="s", resource_group="rg", credentials="b")


class TestCredential:
    def test_a_secret_makes_a_service_principal(self):
        credential = identity.credential_of({"tenant_id": "t", "client_id": "c", "client_secret_env": "X"}, "hush")
        assert isinstance(credential, azure_identity.ClientSecretCredential)

    def test_a_token_file_makes_a_federated_identity(self, tmp_path):
        credential = identity.credential_of({"tenant_id": "t", "client_id": "c", "token_file": str(tmp_path / "token")})
        assert isinstance(credential, azure_identity.WorkloadIdentityCredential)

    @pytest.mark.parametrize("entry", [{}, {"client_id": "c"}, {"client_id": "c", "tenant_id": "t"}])
    def test_every_other_entry_uses_the_default_credential_of_the_host(self, entry):
        assert isinstance(identity.credential_of(entry), azure_identity.DefaultAzureCredential)


def test_a_missing_token_is_distinguished_from_a_refusal_of_azure(tmp_path):
    missing = str(tmp_path / "missing")
    tokens = identity.LazyCredential({"tenant_id": "t", "client_id": "c", "token_file": missing}, None)
    with pytest.raises(ArmFailure) as caught:
        tokens.get_token("https://management.azure.com/.default")
    assert not caught.value.sent


def test_a_job_without_a_token_waits_and_is_not_lost(tmp_path):
    entry = {"tenant_id": "t", "client_id": "c", "token_file": str(tmp_path / "missing")}
    provider = ContainerInstanceProvider(endpoint="https://127.0.0.1:1", credentials={"team": entry})
    outcome = provider.submit(a_job(aci_credentials="team"))
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.startswith("no token for Azure: ")
    assert outcome.reason.endswith("check aci_credentials, or the identity of the dispatcher's host")
    assert outcome.hold == Hold(place=("team",))


def test_a_client_secret_that_the_host_lacks_is_named(monkeypatch):
    monkeypatch.delenv("TEAM_SECRET", raising=False)
    entry = {"tenant_id": "t", "client_id": "c", "client_secret_env": "TEAM_SECRET"}
    provider = ContainerInstanceProvider(endpoint="https://127.0.0.1:1", credentials={"team": entry})
    assert provider.submit(a_job(aci_credentials="team")) == Misconfigured(
        reason="aci_credentials: the environment variable TEAM_SECRET of the dispatcher's host is not set",
        hold=Hold(place=("team",)),
    )


def test_a_service_of_tokens_that_does_not_answer_is_no_lack_of_credentials(monkeypatch):
    def credential_of(*_arguments):
        raise ServiceRequestError("login.microsoftonline.com does not resolve")

    monkeypatch.setattr(identity, "credential_of", credential_of)
    outcome = ContainerInstanceProvider(endpoint="https://127.0.0.1:1").submit(a_job())
    assert outcome == Unreachable(cause="no token for Azure: login.microsoftonline.com does not resolve")
