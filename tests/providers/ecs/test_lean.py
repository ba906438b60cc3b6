"""RunTask and DescribeTasks as they are made lean: what AWS receives, and what is made of its answers, is what boto3 does."""

from __future__ import annotations

import datetime
import uuid

import boto3
import botocore.auth
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from providers.base import Accepted, Rejected
from providers.deadlines import CallFailed
from providers.ecs import EcsProvider
from providers.ecs.clients import Clients
from providers.ecs.lean import LeanService, Unlike, pattern_of, signed_request
from providers.ecs.outcomes import AwsFailure, fault_of
from providers.ecs.place import Place
from providers.ecs.preparation import Preparation
from providers.ecs.sdk import SdkService
from providers.emulators.faults import FaultKind
from tests.network.canned_aws import answering
from tests.network.faults import Answer
from tests.network.proxy import HttpProxy
from tests.providers.ecs.builders import NAME, a_job

MOMENT = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG"}
OPERATIONS = {
    "run_task": {
        "taskDefinition": "family:3",
        "clientToken": NAME,
        "startedBy": NAME,
        "count": 1,
        "enableExecuteCommand": True,
        "overrides": {"containerOverrides": [{"name": "prefect", "environment": [{"name": "Ä", "value": 'a "b" \u2028 ☃'}]}]},
        "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}],
        "tags": [{"key": "team", "value": ""}],
    },
    "describe_tasks": {"cluster": "jobs", "tasks": ["arn:aws:ecs:eu-west-1:123456789012:task/jobs/01"]},
}
WORLDS = {
    "plain": {},
    "a session token": {"AWS_SESSION_TOKEN": "token+/="},
    "FIPS": {"AWS_USE_FIPS_ENDPOINT": "true", "AWS_DEFAULT_REGION": "us-east-1"},
    "dual stack": {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
    "China": {"AWS_DEFAULT_REGION": "cn-north-1"},
    "GovCloud": {"AWS_DEFAULT_REGION": "us-gov-west-1"},
    "an address of its own": {"AWS_ENDPOINT_URL_ECS": "http://localhost:4566/base"},
    "Lambda": {"AWS_LAMBDA_FUNCTION_NAME": "tick", "_X_AMZN_TRACE_ID": "Root=1-5759e988;Sampled=1"},
}


class Stopped(Exception):
    pass


@pytest.fixture
def world(monkeypatch):
    """An environment without anything of AWS's but what the test sets, in which time and chance stand still."""

    def make(variables):
        for name, value in {"AWS_DEFAULT_REGION": "eu-west-1", **KEYS, **variables}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        return boto3.Session()

    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: MOMENT)
    monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(int=7))
    monkeypatch.setattr("providers.ecs.lean.uuid4", lambda: uuid.UUID(int=7))
    return make


def sent_by_boto3(client, operation, parameters):
    """The request that boto3 would send."""
    requests = []

    def take(request, **_):
        requests.append(request)
        raise Stopped

    client.meta.events.register_first("before-send.ecs", take)
    with pytest.raises(Stopped):
        getattr(client, operation)(**parameters)
    client.meta.events.unregister("before-send.ecs", take)
    return requests[0]


def as_text(headers):
    return {name.lower(): value.decode() if isinstance(value, bytes) else value for name, value in headers.items()}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("variables", WORLDS.values(), ids=WORLDS)
def test_a_request_is_the_bytes_that_boto3_sends(world, variables, operation):
    session = world(variables)
    client = session.client("ecs", config=Config(retries={"total_max_attempts": 1}))
    theirs = sent_by_boto3(client, operation, OPERATIONS[operation])
    pattern = pattern_of(client, operation)
    credentials = session.get_credentials().get_frozen_credentials()
    ours = signed_request(pattern, theirs.body, credentials, MOMENT)
    assert (ours.method, ours.url) == (theirs.method, theirs.url)
    assert as_text(ours.headers) == as_text(theirs.headers)
    assert bodies_sent(client, session, operation) == [theirs.body]


def bodies_sent(client, session, operation):
    """The bodies that the lean service sends."""
    bodies = []

    def take(request, **_):
        bodies.append(request.body)
        raise Stopped

    lean = LeanService(client, 10.0, session._session)
    lean._patterns.get(operation, lambda: pattern_of(client, operation))
    client.meta.events.register("before-send.ecs", take)
    with pytest.raises(Stopped):
        lean.ask(operation, **OPERATIONS[operation])
    client.meta.events.unregister("before-send.ecs", take)
    return bodies


def test_the_bundle_of_certificates_is_the_one_the_sdk_uses(world, tmp_path):
    bundle = tmp_path / "ca.pem"
    bundle.write_text("")
    pattern = pattern_of(world({"AWS_CA_BUNDLE": str(bundle)}).client("ecs"), "run_task")
    assert pattern.connections.ca_certs == str(bundle)


def test_a_proxy_is_left_to_the_sdk(world):
    session = world({"HTTPS_PROXY": "http://proxy.example:3128", "NO_PROXY": ""})
    assert isinstance(pattern_of(session.client("ecs"), "run_task"), Unlike)


def test_credentials_that_change_sign_the_next_request(world):
    session = world({})
    pattern = pattern_of(session.client("ecs"), "run_task")
    frozen = session.get_credentials().get_frozen_credentials()
    other = frozen._replace(access_key="ANOTHER", token="fresh")
    headers = signed_request(pattern, b"{}", other, MOMENT).headers
    assert "Credential=ANOTHER/" in headers["Authorization"]
    assert headers["X-Amz-Security-Token"] == "fresh"


def test_another_signer_is_left_to_the_sdk(world):
    client = world({}).client("ecs", config=Config(signature_version=UNSIGNED))
    assert isinstance(pattern_of(client, "run_task"), Unlike)


def services(clients):
    """A lean service and one of the SDK, over one client."""
    lean = clients.client("ecs", clients.located(Place()))
    assert isinstance(lean, LeanService)
    return lean, SdkService(lean._client, 10.0)


def failure_of(service, operation, parameters):
    with pytest.raises((AwsFailure, CallFailed)) as failure:
        service.ask(operation, **parameters)
    return failure.value


REFUSALS = {
    "RunTask": ("run_task", {"taskDefinition": "nothing", "clientToken": NAME}),
    "DescribeTasks": ("describe_tasks", {"cluster": "nothing", "tasks": ["0123"]}),
}
DETAILS = [
    "",
    "ClusterNotFoundException: Cluster not found.",
    "InvalidParameterException: words",
    "ClientException: TaskDefinition is inactive",
    "ConflictException: words",
    "ExpiredTokenException: The security token included in the request is expired",
    "SomethingNew: words",
]


@pytest.mark.parametrize("operation", REFUSALS)
@pytest.mark.parametrize("detail", DETAILS)
@pytest.mark.parametrize("kind", [FaultKind.THROTTLE, FaultKind.REFUSE, FaultKind.SERVER_ERROR, FaultKind.SERVER_ERROR_AFTER])
def test_every_refusal_is_read_as_the_sdk_reads_it(aws, clients, kind, detail, operation):
    call, parameters = REFUSALS[operation]
    failures = []
    for service in services(clients):
        aws.faults.add(operation, kind, detail=detail)
        failures.append(failure_of(service, call, parameters))
    ours, theirs = failures
    assert ours.fault == theirs.fault
    assert type(ours.__cause__) is type(theirs.__cause__)
    assert isinstance(ours.__cause__, ClientError)


@pytest.mark.parametrize("operation", REFUSALS)
def test_a_refusal_of_aws_has_the_same_fault_as_through_the_sdk(aws, clients, operation):
    call, parameters = REFUSALS[operation]
    ours, theirs = (failure_of(service, call, parameters) for service in services(clients))
    assert ours.fault == theirs.fault


@pytest.mark.parametrize("kind", [FaultKind.LOSE_ANSWER, FaultKind.LOSE_REQUEST])
def test_a_broken_connection_has_the_sdks_name(aws, clients, kind):
    failures = []
    for service in services(clients):
        aws.faults.add("DescribeTasks", kind)
        failures.append(failure_of(service, "describe_tasks", {"tasks": ["0123"]}))
    ours, theirs = failures
    assert ours.fault.kinds == theirs.fault.kinds


def test_a_conflict_names_its_task(aws, provider):
    accepted = provider.submit(a_job()).submission
    again = provider.submit(a_job(command="echo other")).submission
    assert again.handle["task"] == accepted.handle["task"]
    assert aws.starts == {NAME: 1}


def test_a_refused_connection_has_the_sdks_name(clients, aws):
    with HttpProxy(aws.url) as proxy:
        nowhere = proxy.url
    through = Clients(credentials={}, endpoint_url=nowhere, region=None, call_timeout=5.0, connections=4)
    ours, theirs = (failure_of(service, "describe_tasks", {"tasks": ["0123"]}) for service in services(through))
    assert ours.fault.kinds == theirs.fault.kinds
    assert "EndpointConnectionError" in ours.fault.kinds


def test_the_answers_are_the_same_to_the_provider(aws, clients):
    def provider(lean):
        made = EcsProvider(lean=lean)
        made._preparation = Preparation(made._clients, 10.0, monotonic=lambda: 0.0)
        return made

    lean, plain = provider(True), provider(False)
    submission = lean.submit(a_job()).submission
    assert plain.submit(a_job()) == Accepted(submission=submission)
    assert lean.observe([submission]) == plain.observe([submission])
    aws.finish(NAME, exit_code=3)
    assert lean.observe([submission]) == plain.observe([submission])
    assert isinstance(plain._clients.client("ecs", plain._clients.located(Place())), SdkService)
    assert not isinstance(plain._clients.client("ecs", plain._clients.located(Place())), LeanService)


def test_a_key_that_ecs_does_not_know_is_refused_before_anything_is_sent(aws, provider):
    job = a_job()
    request = {**job.configuration["task_run_request"], "taskDefinitoin": "typing error"}
    outcome = provider.submit(type(job)(name=NAME, configuration={**job.configuration, "task_run_request": request}))
    assert isinstance(outcome, Rejected)
    assert "did you mean taskDefinition" in outcome.reason
    assert aws.calls.requests("RunTask") == []


def test_a_botocore_stub_answers_before_anything_is_sent(aws, clients):
    lean, _ = services(clients)
    lean._patterns.get("describe_tasks", lambda: pattern_of(lean._client, "describe_tasks"))
    with answering(lean._client, [Answer(body=b'{"tasks": [], "failures": []}')]):
        assert lean.ask("describe_tasks", tasks=["0123"]) == {"tasks": [], "failures": []}
    assert aws.calls.requests("DescribeTasks") == []


def test_reading_an_error_is_idempotent():
    failure = AwsFailure(fault_of(ClientError({"Error": {"Code": "A", "Message": "b"}}, "RunTask")))
    assert fault_of(failure) is failure.fault
