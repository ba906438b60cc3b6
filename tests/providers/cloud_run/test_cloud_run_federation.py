"""A dispatcher of another cloud, which Google believes who it is: Google's own library, against services on this machine."""

from __future__ import annotations

import json
import urllib.parse
from pathlib import Path

import pytest
from google.auth.transport.requests import Request

from providers.base import Hold, Misconfigured
from providers.cloud_run import CloudRunProvider
from providers.cloud_run.connection import Connection
from providers.google.accounts import AccountEntry, AccountLacks
from tests.providers.cloud_run.builders import a_job
from tests.providers.token_services import HOST, a_token_service

AUDIENCE = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/push-dispatcher-aws/providers/aws"
BECOME = "/v1/projects/-/serviceAccounts/dispatcher@p.iam.gserviceaccount.com:generateAccessToken"
FEDERATED = json.dumps({"access_token": "federated", "issued_token_type": "x", "token_type": "Bearer", "expires_in": 3600})
IMPERSONATED = json.dumps({"accessToken": "impersonated", "expireTime": "2100-01-01T00:00:00Z"})


@pytest.fixture
def google(monkeypatch):
    for name, value in HOST.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    with a_token_service({"/token": (200, FEDERATED), BECOME: (200, IMPERSONATED)}) as service:
        yield service


def an_entry(service, **changed):
    return {
        "type": "external_account",
        "audience": AUDIENCE,
        "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
        "token_url": f"{service.url}/token",
        "service_account_impersonation_url": f"{service.url}{BECOME}",
        "credential_source": {
            "environment_id": "aws1",
            "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
        },
        **changed,
    }


def token_of(account):
    credentials = Connection(account)._arguments["credentials"]
    credentials.refresh(Request())
    return credentials.token


def test_a_function_on_aws_is_a_service_account_without_any_key(google):
    account = AccountEntry.of("google", {"project": "p", "external_account": an_entry(google)})
    assert token_of(account) == "impersonated"
    exchanged, became = google.asked
    assert exchanged.form["audience"] == AUDIENCE
    signed = json.loads(urllib.parse.unquote(exchanged.form["subject_token"]))
    headers = {header["key"]: header["value"] for header in signed["headers"]}
    assert signed["url"].startswith("https://sts.eu-central-1.amazonaws.com?Action=GetCallerIdentity")
    assert headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert (headers["x-goog-cloud-target-resource"], headers["x-amz-security-token"]) == (AUDIENCE, "session")
    assert (became.path, became.headers["authorization"]) == (BECOME, "Bearer federated")
    assert became.json["scope"] == ["https://www.googleapis.com/auth/cloud-platform"]


def test_the_token_of_another_cloud_may_be_in_a_file(google, tmp_path: Path):
    (tmp_path / "token").write_text("of-somebody-else")
    entry = an_entry(
        google,
        subject_token_type="urn:ietf:params:oauth:token-type:jwt",
        credential_source={"file": str(tmp_path / "token")},
    )
    del entry["service_account_impersonation_url"]
    assert token_of(AccountEntry.of("google", {"external_account": entry})) == "federated"
    assert google.asked[0].form["subject_token"] == "of-somebody-else"


def test_the_project_is_that_of_the_entry(google):
    entry = {"project": "acme-jobs", "external_account": an_entry(google)}
    account = AccountEntry.of("google", entry)
    assert (account.project, Connection(account).project) == ("acme-jobs", None)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"type": "service_account"}, '"type": "external_account"'),
        ({"client_secret": "hush", "client_id": "c"}, "has unknown keys: client_id, client_secret"),
        ({"private_key": "hush"}, "has unknown keys: private_key"),
    ],
)
def test_a_key_or_another_kind_of_file_is_refused_and_not_repeated(changed, words, google):
    with pytest.raises(AccountLacks) as caught:
        AccountEntry.of("google", {"external_account": an_entry(google, **changed)})
    assert words in str(caught.value)
    assert "hush" not in str(caught.value)


def test_the_runs_of_an_incomplete_entry_wait_until_the_dispatcher_is_fixed(google):
    entry = an_entry(google)
    del entry["audience"]
    provider = CloudRunProvider(project="p", credentials={"google": {"external_account": entry}})
    outcome = provider.submit(a_job(credentials="google"))
    assert isinstance(outcome, Misconfigured)
    assert "external_account: lacks audience" in outcome.reason
    assert outcome.hold == Hold(place=("google",))
    entry = an_entry(google, credential_source={"environment_id": "gcp1"})
    outcome = CloudRunProvider(project="p", credentials={"google": {"external_account": entry}}).submit(
        a_job(credentials="google")
    )
    assert isinstance(outcome, Misconfigured)
    assert "this external_account cannot be used" in outcome.reason
