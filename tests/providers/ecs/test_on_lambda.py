"""On Lambda the calls of ECS are made without the SDK; AWS receives and answers what it would with it."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime

import boto3
import botocore.auth
import pytest
from botocore.config import Config

from providers.base import Accepted, CallFailed, JobState, Unreachable
from providers.ecs import EcsProvider
from providers.ecs.answers import Garbled
from providers.ecs.on_lambda import LambdaEcs, lambda_service
from providers.ecs.outcomes import AwsFailure, outcome_of_error
from providers.ecs.place import Place
from providers.ecs.preparation import Preparation
from providers.ecs.sdk import SdkService
from providers.emulators.faults import FaultKind
from providers.exchange import Answered
from providers.on_lambda import ASKS_FOR_MORE, LambdaHost, lambda_host, signed_headers
from tests.network.proxy import HttpProxy
from tests.providers.ecs.builders import NAME, a_job
from tests.providers.ecs.test_lean import DETAILS, OPERATIONS, REFUSALS, as_text, failure_of, sent_by_boto3

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret/key+", "AWS_SESSION_TOKEN": "token+/="}
LAMBDA = {"AWS_LAMBDA_FUNCTION_NAME": "tick", "AWS_REGION": "eu-west-1", **KEYS}
NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def homeless(monkeypatch, tmp_path):
    """A host without files of AWS's in its home."""
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def on_lambda(aws, monkeypatch, homeless):
    """The emulated account, as a function with a role sees it."""
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(name)
    for name in [name for name in os.environ if ASKS_FOR_MORE.fullmatch(name)]:
        monkeypatch.delenv(name)
    for name, value in {"AWS_LAMBDA_FUNCTION_NAME": "tick", "AWS_SESSION_TOKEN": "token"}.items():
        monkeypatch.setenv(name, value)
    return aws


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("address", [None, "http://localhost:4566"])
def test_a_request_is_signed_as_boto3_signs_it(monkeypatch, homeless, operation, address):
    environment = {**LAMBDA, **({"AWS_ENDPOINT_URL": address} if address else {})}
    for name, value in {**environment, "AWS_DEFAULT_REGION": "eu-west-1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: NOW)
    client = boto3.Session().client("ecs", config=Config(retries={"total_max_attempts": 1}))
    theirs = sent_by_boto3(client, operation, OPERATIONS[operation])
    host = lambda_host(environment, "ecs", "eu-west-1")
    name = {"run_task": "RunTask", "describe_tasks": "DescribeTasks"}[operation]
    to_sign, body = lambda_service(host, 1.0, 1.0, 1).request(name, OPERATIONS[operation])
    ours = as_text(signed_headers(host, to_sign, theirs.body, LAMBDA, NOW))
    assert host.url + "/" == theirs.url
    assert body == theirs.body
    headers = as_text(theirs.headers)
    assert {name: headers[name] for name in ours if name != "user-agent"} == {
        name: value for name, value in ours.items() if name != "user-agent"
    }


MORE = [
    {"AWS_USE_FIPS_ENDPOINT": "true"},
    {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
    {"AWS_PROFILE": "team"},
    {"AWS_CONFIG_FILE": "/etc/aws"},
    {"AWS_CA_BUNDLE": "/etc/ca.pem"},
    {"https_proxy": "http://proxy:3128"},
    {"HTTP_PROXY": "http://proxy:3128"},
    {"AWS_ENDPOINT_URL_ECS": "https://example.com/below"},
    {"AWS_SESSION_TOKEN": ""},
]


@pytest.mark.parametrize("more", MORE, ids=lambda more: next(iter(more)))
def test_an_environment_that_changes_more_than_the_role_is_left_to_the_sdk(homeless, more):
    here = LambdaHost(service="ecs", region="eu-west-1", url="https://ecs.eu-west-1.amazonaws.com")
    assert lambda_host(LAMBDA, "ecs", "eu-west-1") == here
    assert lambda_host({**LAMBDA, **more}, "ecs", "eu-west-1") is None


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1", "us-iso-east-1", "eusc-de-east-1", "moon-1", "", None])
def test_another_partition_is_left_to_the_sdk(homeless, region):
    assert lambda_host(LAMBDA, "ecs", region) is None


@pytest.mark.parametrize("service", ["ecs", "ec2", "dynamodb"])
def test_the_address_is_that_of_the_sdk_in_every_region(homeless, service):
    session = boto3.Session()
    resolver, regions = session._session.get_component("endpoint_resolver"), session.get_available_regions(service)
    ours = {region: lambda_host(LAMBDA, service, region).url for region in regions}
    assert ours == {region: f"https://{resolver.construct_endpoint(service, region)['hostname']}" for region in regions}


def test_another_host_is_left_to_the_sdk(homeless):
    assert lambda_host({name: value for name, value in LAMBDA.items() if "LAMBDA" not in name}, "ecs", "eu-west-1") is None


def services(aws):
    host = LambdaHost(service="ecs", region="us-east-1", url=aws.url)
    return lambda_service(host, 10.0, 2.0, 4), SdkService(boto3.client("ecs"), 10.0)


@pytest.mark.parametrize("operation", REFUSALS)
@pytest.mark.parametrize("detail", DETAILS)
@pytest.mark.parametrize("kind", [FaultKind.THROTTLE, FaultKind.REFUSE, FaultKind.SERVER_ERROR, FaultKind.SERVER_ERROR_AFTER])
def test_every_refusal_has_the_same_meaning_as_in_the_sdk(on_lambda, kind, detail, operation):
    call, parameters = REFUSALS[operation]
    failures = []
    for service in services(on_lambda):
        for _ in range(5):  # the SDK of this test repeats
            on_lambda.faults.add(operation, kind, detail=detail)
        failures.append(failure_of(service, call, parameters))
        on_lambda.faults.reset()
    ours, theirs = failures
    assert outcome_of_error(ours) == outcome_of_error(theirs)
    assert (ours.fault.code, ours.fault.message, ours.fault.status) == (
        theirs.fault.code,
        theirs.fault.message,
        theirs.fault.status,
    )


def test_a_refused_connection_has_sent_nothing(on_lambda):
    aws = on_lambda
    with HttpProxy(aws.url) as proxy:
        url = proxy.url
    service = lambda_service(LambdaHost(service="ecs", region="us-east-1", url=url), 5.0, 1.0, 1)
    with pytest.raises(AwsFailure) as failure:
        service.ask("describe_tasks", tasks=["0123"])
    assert isinstance(outcome_of_error(failure.value), Unreachable)


def test_a_lost_answer_does_not_count_as_a_refusal(on_lambda):
    ours, _ = services(on_lambda)
    on_lambda.faults.add("DescribeTasks", FaultKind.LOSE_ANSWER)
    with pytest.raises(CallFailed):
        ours.ask("describe_tasks", tasks=["0123"])


def test_the_whole_life_of_a_job_works_on_lambda(on_lambda):
    provider = EcsProvider()
    provider._preparation = Preparation(provider._clients, 10.0, monotonic=lambda: 0.0)
    service = provider._clients.client("ecs", provider._clients.located(Place()))
    assert isinstance(service, LambdaEcs)
    submission = provider.submit(a_job()).submission
    assert provider.submit(a_job()) == Accepted(submission=submission)
    assert provider.find(a_job()).handle["task"] == submission.handle["task"]
    on_lambda.finish(NAME, exit_code=3)
    assert provider.observe([submission])[NAME].state is JobState.FAILED
    assert provider.strays(a_job().configuration, frozenset()) == ()
    provider.cancel(submission)


def test_the_option_leads_to_the_sdk(on_lambda):
    clients = EcsProvider(lean=False)._clients
    assert isinstance(clients.client("ecs", clients.located(Place())), SdkService)


NETWORKS = {
    "describe_vpcs": {"Filters": [{"Name": "is-default", "Values": ["true"]}]},
    "describe_subnets": {"Filters": [{"Name": "availability-zone", "Values": ["us-east-1a", "us-east-1 b&c"]}]},
}


@pytest.mark.parametrize("operation", NETWORKS)
def test_the_network_is_the_one_that_the_sdk_finds(on_lambda, operation):
    ours = lambda_service(LambdaHost(service="ec2", region="us-east-1", url=on_lambda.url), 10.0, 2.0, 1)
    theirs = SdkService(boto3.client("ec2"), 10.0).ask(operation, **NETWORKS[operation])
    [(listed, items)] = ours.ask(operation, **NETWORKS[operation]).items()
    assert items
    assert items == [{name: item[name] for name in items[0]} for item in theirs[listed]]


def test_a_request_to_ec2_is_the_form_that_boto3_sends(on_lambda):
    client = boto3.client("ec2")
    host = LambdaHost(service="ec2", region="us-east-1", url=on_lambda.url)
    for operation, parameters in NETWORKS.items():
        bodies = []
        client.meta.events.register_first("before-send.ec2", lambda request, **_: bodies.append(request))  # noqa: B023
        getattr(client, operation)(**parameters)
        headers, body = lambda_service(host, 1.0, 1.0, 1).request(operation.title().replace("_", ""), parameters)
        theirs = bodies[0].body
        assert sorted(body.split(b"&")) == sorted((theirs if isinstance(theirs, bytes) else theirs.encode()).split(b"&"))
        assert headers.items() <= {name: as_text(bodies[0].headers)[name.lower()] for name in headers}.items()


EC2_REFUSAL = b"""<?xml version="1.0" encoding="UTF-8"?>
<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You are not &amp; may not</Message></Error></Errors>
<RequestID>7</RequestID></Response>"""


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [(EC2_REFUSAL, "UnauthorizedOperation", "You are not & may not"), (b"", "403", "Forbidden"), (b"<odd", "403", "Forbidden")],
)
def test_a_refusal_of_ec2_has_its_code_and_its_words(on_lambda, monkeypatch, body, code, words):
    service = lambda_service(LambdaHost(service="ec2", region="us-east-1", url=on_lambda.url), 10.0, 2.0, 1)
    monkeypatch.setattr(service._caller, "post", lambda *_: Answered(403, {}, body))
    fault = failure_of(service, "describe_vpcs", {}).fault
    assert (fault.code, fault.message, fault.status, fault.operation) == (code, words, 403, "DescribeVpcs")


@pytest.mark.parametrize("body", [b"", b"{}", b"<html/>", b"<DescribeSubnetsResponse/>"])
def test_a_garbled_answer_of_ec2_is_not_taken_for_a_network(on_lambda, monkeypatch, body):
    service = lambda_service(LambdaHost(service="ec2", region="us-east-1", url=on_lambda.url), 10.0, 2.0, 1)
    monkeypatch.setattr(service._caller, "post", lambda *_: Answered(200, {}, body))
    assert isinstance(failure_of(service, "describe_vpcs", {}), Garbled)


PROGRAM = """
import os, sys
from providers.ecs import EcsProvider
from providers.ecs.checking import check
from providers.ecs.place import Place
from providers.registry import default_template
provider = EcsProvider()
place = provider._clients.located(Place())
provider._clients.client("ecs", place)
provider._clients.client("ec2", place)
provider._clients.sign_in(place)
check({"task_definition": {"containerDefinitions": [{"image": "x", "cpu": "1"}]}})
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_nothing_of_the_sdk_is_loaded(homeless, tmp_path):
    environment = {**LAMBDA, "HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=True, capture_output=True, text=True)
    assert "urllib3" in done.stdout.split()
    assert not {"botocore", "boto3"} & set(done.stdout.split())
