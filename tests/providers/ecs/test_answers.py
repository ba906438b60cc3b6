"""Answers that are none: junk at every place, other bodies, other jobs' names, and bytes that drip."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace

import pytest

from providers.base import Accepted, CallFailed, JobState, Rejected, Unknown, Unreachable
from providers.ecs import EcsProvider
from providers.ecs.clients import Clients
from providers.ecs.place import Place
from providers.ecs.preparation import Preparation
from tests.providers.ecs.builders import NAME, a_job

BODIES = [b"", b"{}", b"[]", b"null", b'"text"', b"{", b"<html><body>gateway</body></html>", b"\xff\xfe\x00"]
JUNK = (None, True, -1, 1e300, "", "x", [], {}, [[]], ["x"], [None], {"a": 1})
LIST = "ListTasks"


@pytest.fixture
def fresh(aws, clients):
    """A provider that has looked nothing up, and the SDK's client that it uses."""
    provider = EcsProvider()
    provider._clients = clients
    provider._preparation = Preparation(clients, 10.0, monotonic=lambda: 0.0)
    return provider


@contextmanager
def answering(provider, operation, change):
    """Let the SDK read another body than AWS sent: `change` of it."""
    service, _, name = operation.rpartition(".")
    client = provider._clients.client(service or "ecs", provider._clients.located(Place()))._client
    event = f"before-parse.{service or 'ecs'}.{name}"

    def garble(response_dict, **_):
        response_dict["body"] = change(response_dict["body"])

    client.meta.events.register(event, garble)
    try:
        yield
    finally:
        client.meta.events.unregister(event, garble)


def places(value):
    """The way to every value, outermost first."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (key,)
        yield from ((key, *rest) for rest in places(inner))


def garbled(body):
    """The answer with junk in one place, for every place."""
    answer = json.loads(body)
    for number, place in enumerate(places(answer)):
        for turn in range(3):  # neighbours get other kinds
            junk = JUNK[(3 * number + turn) % len(JUNK)]
            copy = deepcopy(answer)
            inner = copy
            for step in place[:-1]:
                inner = inner[step]
            inner[place[-1]] = junk
            yield place, json.dumps(copy).encode()


def real(provider, operation, act):
    """The body that AWS itself answers with."""
    bodies = []
    with answering(provider, operation, lambda body: bodies.append(body) or body):
        act()
    return bodies[-1]


def test_junk_anywhere_in_the_answer_to_a_launch_counts_as_no_answer(fresh):
    body = real(fresh, "RunTask", lambda: fresh.submit(a_job()))
    task = json.loads(body)["tasks"][0]["taskArn"]
    for place, other in garbled(body):
        with answering(fresh, "RunTask", lambda _, other=other: other):
            outcome = fresh.submit(a_job())
        if isinstance(outcome, Accepted):
            assert outcome.submission.handle["task"] == task, place
        else:
            assert isinstance(outcome, Unknown), (place, outcome)


@pytest.mark.parametrize("body", BODIES)
def test_another_body_counts_as_no_answer_to_a_launch(body, fresh):
    with answering(fresh, "RunTask", lambda _: body):
        assert isinstance(fresh.submit(a_job()), Unknown)


@pytest.mark.parametrize(
    "task",
    [
        {"taskArn": "nonsense"},
        {"taskArn": "arn:aws:ecs:us-east-1:123456789012:cluster/default"},
        {"taskArn": "arn:aws:ecs:us-east-1:123456789012:task/default/01", "startedBy": "somebody"},
    ],
)
def test_an_answer_that_names_another_job_counts_as_no_answer_to_a_launch(task, fresh):
    with answering(fresh, "RunTask", lambda _: json.dumps({"tasks": [task], "failures": []}).encode()):
        assert isinstance(fresh.submit(a_job()), Unknown)


BEFORE = ["DescribeTaskDefinition", "RegisterTaskDefinition"]


@pytest.mark.parametrize("operation", BEFORE)
def test_junk_anywhere_before_the_launch_starts_nothing_or_the_right_task(operation, aws, clients, fresh):
    if operation == "DescribeTaskDefinition":
        fresh.submit(a_job())
    body = real(fresh, operation, lambda: Preparation(clients, 10.0, monotonic=lambda: 0.0).prepare(a_job()))
    for place, other in garbled(body):
        fresh._preparation = Preparation(clients, 10.0, monotonic=lambda: 0.0)
        with answering(fresh, operation, lambda _, other=other: other):
            outcome = fresh.submit(a_job())
        assert isinstance(outcome, Accepted | Unreachable), (place, outcome)


@pytest.mark.parametrize("operation", [*BEFORE, "ec2.DescribeVpcs", "ec2.DescribeSubnets"])
@pytest.mark.parametrize("body", BODIES)
def test_another_body_before_the_launch_starts_nothing(operation, body, aws, fresh):
    with answering(fresh, operation, lambda _: body):
        outcome = fresh.submit(a_job())
    assert isinstance(outcome, Unreachable), outcome
    assert not aws.calls["RunTask"]
    assert isinstance(fresh.submit(a_job()), Accepted), "what was garbled is not remembered"


@pytest.mark.parametrize("body", BODIES)
def test_another_body_about_a_given_definition_starts_nothing(body, aws, fresh):
    fresh.submit(a_job())
    [request] = aws.calls.requests("RunTask")
    job = a_job(NAME[:-1] + "2", task_definition_arn=request["taskDefinition"], image=None)
    with answering(fresh, "DescribeTaskDefinition", lambda _: body):
        assert isinstance(fresh.submit(job), Unreachable)
    assert isinstance(fresh.submit(job), Accepted)


def test_junk_anywhere_in_a_look_ends_no_job(aws, fresh):
    submission = fresh.submit(a_job()).submission
    body = real(fresh, "DescribeTasks", lambda: fresh.observe([submission]))
    for place, other in garbled(body):
        with answering(fresh, "DescribeTasks", lambda _, other=other: other):
            seen = fresh.observe([submission])[NAME]
        assert not seen.state.is_end, (place, seen)
        assert seen.state is not JobState.MISSING, (place, seen)


def test_junk_anywhere_in_a_look_at_an_end_makes_no_other_end_of_it(aws, fresh):
    submission = fresh.submit(a_job()).submission
    aws.finish(NAME, exit_code=3)
    body = real(fresh, "DescribeTasks", lambda: fresh.observe([submission]))
    for place, other in garbled(body):
        with answering(fresh, "DescribeTasks", lambda _, other=other: other):
            seen = fresh.observe([submission])[NAME]
        if place[-1] not in ("exitCode", "stopCode", "lastStatus", "name", "containers", 0):
            assert seen.state in (JobState.FAILED, JobState.UNREADABLE), (place, seen)
        assert seen.state is not JobState.SUCCEEDED, (place, seen)


@pytest.mark.parametrize("body", BODIES)
def test_a_foreign_answer_to_a_look_up_counts_as_no_answer(body, fresh):
    submission = fresh.submit(a_job()).submission
    with answering(fresh, "DescribeTasks", lambda _: body):
        assert fresh.observe([submission])[NAME].state is JobState.UNREADABLE


def test_a_task_that_somebody_else_started_is_not_looked_at(fresh):
    submission = fresh.submit(a_job()).submission
    body = real(fresh, "DescribeTasks", lambda: fresh.observe([submission]))
    with answering(fresh, "DescribeTasks", lambda _: body.replace(NAME.encode(), b"somebody")):
        seen = fresh.observe([submission])[NAME]
    assert (seen.state, seen.reason) == (JobState.UNREADABLE, "ecs observe: the task was started as 'somebody'")


@pytest.mark.parametrize("body", [*BODIES, b'{"taskArns": "x"}', b'{"taskArns": [5]}', b'{"taskArns": ["x"]}'])
def test_another_body_does_not_prove_that_nothing_was_started(body, fresh):
    fresh.submit(a_job())
    with answering(fresh, LIST, lambda _: body), pytest.raises(CallFailed, match="ecs find: "):
        fresh.find(a_job())


def test_a_task_of_another_region_is_not_found(fresh):
    arn = "arn:aws:ecs:eu-west-3:123456789012:task/default/01"
    body = json.dumps({"taskArns": [arn]}).encode()
    with answering(fresh, LIST, lambda _: body), pytest.raises(CallFailed, match="is not the ARN of a task in us-east-1"):
        fresh.find(a_job())


@pytest.mark.parametrize("body", BODIES)
def test_a_foreign_answer_to_a_stop_does_not_count_as_a_stop(body, fresh):
    submission = fresh.submit(a_job()).submission
    with answering(fresh, "StopTask", lambda _: body), pytest.raises(CallFailed, match="ecs cancel: "):
        fresh.cancel(submission)


def test_junk_anywhere_in_the_answer_to_a_stop_raises_no_other_error(fresh):
    submission = fresh.submit(a_job()).submission
    body = real(fresh, "StopTask", lambda: fresh.cancel(submission))
    for _, other in garbled(body):
        with answering(fresh, "StopTask", lambda _, other=other: other):
            try:
                fresh.cancel(submission)
            except CallFailed:
                continue


@pytest.mark.parametrize("body", BODIES)
def test_a_foreign_answer_to_assume_role_counts_as_unreachable_and_starts_nothing(body, aws):
    """A gateway that answers in the place of STS: the role may well be right."""
    provider = EcsProvider(credentials={"team": {"role_arn": "arn:aws:iam::123456789012:role/x"}})
    session = provider._clients._session("team")
    sts = session.get_component("credential_provider").providers[0]._session
    sts.register("before-parse.sts.AssumeRole", lambda response_dict, **_: response_dict.update(body=body))
    outcome = provider.submit(a_job(aws_credentials="team"))
    assert isinstance(outcome, Unreachable), outcome
    assert not aws.calls["RunTask"]


@contextmanager
def dripping():
    """A server whose answers never end: a byte comes often enough for no read to time out."""
    stop = threading.Event()

    def drip(connection):
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: 100000\r\n\r\n")
            while not stop.wait(0.01):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    def serve(server):
        while not stop.is_set():
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=drip, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        stop.set()


def test_an_answer_that_drips_is_given_up_whole(aws, fresh):
    submission = fresh.submit(a_job()).submission
    prepared = fresh._preparation.prepare(a_job())
    with dripping() as url:
        provider = EcsProvider(endpoint_url=url, call_timeout=0.4)
        provider._clients = Clients(credentials={}, endpoint_url=url, region=None, call_timeout=0.4, connections=10)
        launch = provider._run(a_job(), replace(prepared, ecs=provider._clients.client("ecs", prepared.place)))
        assert launch == Unknown(cause="no whole answer within 0.32 s")
        assert isinstance(provider.submit(a_job()), Unreachable)
        assert provider.observe([submission])[NAME].reason.startswith("ecs observe: no whole answer within")
        for call in (lambda: provider.find(a_job()), lambda: provider.cancel(submission)):
            with pytest.raises(CallFailed, match="no whole answer within"):
                call()


def test_a_wrong_configuration_is_still_a_rejection(fresh):
    assert isinstance(fresh.submit(a_job(image=None)), Rejected)
