"""A dispatcher on AWS that is an identity of Azure: both clouds' own libraries; AWS's token service is on this machine."""

from __future__ import annotations

import json
import urllib.parse

import pytest
from azure.core.pipeline.transport import HttpTransport
from azure.core.rest import HttpRequest

from providers.base import Misconfigured
from providers.container_instance import ContainerInstanceProvider, identity
from tests.providers.container_instance.builders import a_job
from tests.providers.token_services import HOST, a_token_service

AUDIENCE = "api://AzureADTokenExchange"
ENTRY = {"tenant_id": "00000000-0000-0000-0000-00000000000b", "client_id": "the-identity", "aws_audience": AUDIENCE}
GIVEN = """<GetWebIdentityTokenResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetWebIdentityTokenResult>
<WebIdentityToken>a.signed.word</WebIdentityToken><Expiration>2100-01-01T00:00:00Z</Expiration>
</GetWebIdentityTokenResult></GetWebIdentityTokenResponse>"""
REFUSED = """<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>
<Message>not authorized to perform: sts:GetWebIdentityToken</Message></Error></ErrorResponse>"""


@pytest.fixture
def aws(monkeypatch):
    for name, value in HOST.items():
        monkeypatch.setenv(name, value)
    with a_token_service({"/": (200, GIVEN)}) as service:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", service.url)
        yield service


class Entra(HttpTransport):
    """Microsoft's sign-in, as far as it is asked: which documents there are, and a token for an assertion."""

    def __init__(self):
        self.exchanges = []

    def send(self, request, **_):
        if request.url.endswith("/oauth2/v2.0/token"):
            self.exchanges.append(dict(request.data))
            return Answer({"access_token": "azure", "token_type": "Bearer", "expires_in": 3600})
        base = request.url.partition("/v2.0/")[0]
        return Answer(
            {
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "tenant_discovery_endpoint": request.url,
                "metadata": [],
            }
        )

    def open(self):
        """Nothing to open."""

    def close(self):
        """Nothing to close."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Nothing to close."""


class Answer:
    """As much of a response of azure.core as its pipeline reads."""

    status_code, content_type, reason, block_size = 200, "application/json", "OK", 4096

    def __init__(self, body):
        self._text, self.headers = json.dumps(body), {"Content-Type": "application/json"}
        self.request = HttpRequest("POST", "https://login.microsoftonline.com")

    def text(self, *_):
        return self._text

    def body(self):
        return self._text.encode()


def test_a_role_of_aws_is_an_identity_of_azure_without_any_key(aws):
    entra = Entra()
    credential = identity.credential_of(ENTRY, transport=entra)
    assert credential.get_token("https://management.azure.com/.default").token == "azure"
    (asked,) = aws.asked
    assert asked.form == {
        "Action": "GetWebIdentityToken",
        "Version": "2011-06-15",
        "Audience.member.1": AUDIENCE,
        "SigningAlgorithm": "RS256",
        "DurationSeconds": "300",
    }
    assert "Credential=AKIDEXAMPLE/" in asked.headers["authorization"]
    (exchange,) = entra.exchanges
    assert (exchange["client_id"], exchange["client_assertion"]) == ("the-identity", "a.signed.word")
    assert urllib.parse.urlparse(exchange["client_assertion_type"]).path.endswith("jwt-bearer")


def test_a_right_that_is_missing_on_aws_is_named_and_the_run_waits(aws):
    aws.answers["/"] = (403, REFUSED)
    provider = ContainerInstanceProvider(endpoint="https://127.0.0.1:1", credentials={"azure": ENTRY})
    outcome = provider.submit(a_job(aci_credentials="azure"))
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.startswith("no token for Azure: AWS gives no token for api://AzureADTokenExchange: ")
    assert "not authorized to perform: sts:GetWebIdentityToken" in outcome.reason
    assert len(aws.asked) == 1
