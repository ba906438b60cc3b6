"""Answers that are none: a gateway's, junk in real ones, ones that never end, and calls that never left."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest

from providers.base import (
    Accepted,
    CallFailed,
    Hold,
    JobState,
    Misconfigured,
    Observation,
    Outcome,
    ProviderError,
    Submission,
    Throttled,
    Unknown,
    Unreachable,
)
from providers.cloud_run import CloudRunProvider
from tests.providers.cloud_run.builders import NAME, a_job, a_provider, named, submitted
from tests.providers.cloud_run.gateways import a_gateway, a_server, drip, hang_up, saying
from tests.providers.garbage import garbage
from tests.providers.token_services import a_token_service

HTML = "<html><body><h1>It works!</h1></body></html>"
DEEP = "[" * 5000
NO_ANSWERS = {
    "a gateway's 503": saying({"error": "upstream connect error"}, 503),
    "a gateway's 404": saying({"error": "no route"}, 404),
    "a gateway's 404 in Google's form": saying({"error": {"code": 404, "message": "no route"}}, 404),
    "a gateway's 409": saying({"error": ["conflict"]}, 409),
    "a list of errors": saying([{"error": {"code": 500, "message": "x", "details": [1]}}], 500),
    "details that are no list": saying({"error": {"code": 500, "status": "INTERNAL", "details": 7}}, 500),
    "an empty object": saying({}),
    "nothing": saying(""),
    "a page": saying(HTML, content_type="text/html"),
    "a page with 403": saying(HTML, 403, "text/html"),
    "a page with 404": saying(HTML, 404, "text/html"),
    "null": saying("null"),
    "a list": saying([]),
    "a number": saying("7"),
    "brackets": saying(DEEP),
    "an error of brackets": saying(DEEP, 503),
    "no text at all": saying(b"\xff\xfe\x00"),
    "another job": saying({"name": "projects/p/locations/us-central1/jobs/another"}),
    "unknown words": saying({"ok": True}),
}
NO_ANSWER = pytest.mark.parametrize("answer", NO_ANSWERS.values(), ids=NO_ANSWERS.keys())


@pytest.fixture
def gateway(emulator):
    with a_gateway(emulator) as gateway:
        yield gateway


@pytest.fixture
def behind(gateway):
    """A provider that reaches Cloud Run through the gateway alone."""
    return a_provider(gateway)


@NO_ANSWER
def test_a_wrong_answer_starts_nothing_ends_nothing_and_raises_no_other_error(emulator, provider, gateway, behind, answer):
    submissions = submitted(provider, *(a_job(named(number)) for number in range(3)))
    emulator.finish(named(2))
    gateway.answer = lambda request: answer
    assert isinstance(behind.submit(a_job(named(9))), Unknown)
    for number in (0, 9):
        with pytest.raises(CallFailed):
            behind.find(a_job(named(number)))
    for asked in (submissions, submissions[:1]):
        assert {seen.state for seen in behind.observe(asked).values()} == {JobState.UNREADABLE}
    with pytest.raises(CallFailed):
        behind.cancel(submissions[0])
    assert behind.discard(submissions[2:]) == frozenset()
    emulator.advance(3600)
    with suppress(CallFailed):
        assert behind.sweep({"region": "us-central1"}, frozenset()) == ()
    assert len(emulator.jobs()) == 3


@NO_ANSWER
def test_a_job_whose_creation_was_answered_with_nothing_is_looked_for_and_is_the_one(emulator, gateway, behind, answer):
    gateway.change = lambda request, response: answer if request.method == "POST" else response
    outcomes = [behind.submit(a_job()), behind.submit(a_job())]
    assert all(isinstance(outcome, Accepted | Unknown) for outcome in outcomes)
    assert behind.find(a_job()) is not None
    assert emulator.starts == {NAME: 1}


@pytest.mark.parametrize("answer", ["an empty object", "another job", "a list"])
def test_an_answer_that_names_no_job_is_accepted_once_the_job_is_seen(gateway, behind, answer):
    gateway.change = lambda request, response: NO_ANSWERS[answer] if request.method == "POST" else response
    assert isinstance(behind.submit(a_job()), Accepted)
    gateway.answer = lambda request: NO_ANSWERS[answer] if request.method == "POST" else None
    assert isinstance(behind.submit(a_job(named(2))), Unknown)


def test_a_creation_that_failed_at_once_is_not_a_job(gateway, behind):
    failed = {"name": "projects/p/locations/us-central1/operations/o", "done": True, "error": {"code": 7, "message": "no"}}
    gateway.answer = lambda request: saying(failed) if request.method == "POST" else None
    assert isinstance(behind.submit(a_job()), Unknown)
    assert behind.find(a_job()) is None


def test_a_gateway_that_limits_rates_is_a_rate(gateway, behind):
    gateway.answer = lambda request: saying("slow down", 429, "text/plain")
    outcome = behind.submit(a_job())
    assert isinstance(outcome, Throttled)
    assert (outcome.retry_after, outcome.hold) == (60, Hold(place=("", "", "us-central1")))


@pytest.mark.parametrize("wait", ["1e400s", "nan", "-5s", "99999999s"])
def test_every_wait_for_an_answer_ends(gateway, behind, wait):
    detail = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": wait}
    error = {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "requests per minute", "details": [detail]}
    gateway.answer = lambda request: saying({"error": error}, 429)
    assert 0 <= behind.submit(a_job()).retry_after <= 3600


# Junk at every path of real answers


def real(emulator, provider):
    """One job that runs, one that failed, and what Cloud Run answers of them."""
    submissions = submitted(provider, a_job(named(1)), a_job(named(2)))
    emulator.finish(named(2), exit_code=3)
    return submissions


ANSWERS = ("CreateJob", "GetJob", "ListJobs", "GetExecution", "ListTasks", "CancelExecution")


@pytest.mark.filterwarnings("ignore:Unrecognized .* enum value")
@pytest.mark.parametrize("operation", ANSWERS)
def test_junk_at_any_path_of_an_answer_is_an_answer_of_ours(emulator, provider, gateway, behind, operation):
    running, failed = real(emulator, provider)
    answers = {}
    gateway.change = lambda request, response: answers.setdefault(kind_of(request), response)
    exercised(behind, running, failed)
    for body in garbage(json.loads(answers[operation].body), depth=5):
        gateway.change = lambda request, response, body=body: saying(body) if kind_of(request) == operation else response
        exercised(behind, running, failed)
    assert emulator.starts == {named(1): 1, named(2): 1}


def test_junk_in_the_answer_to_a_delete_is_not_reported_as_gone_without_the_name(emulator, provider, gateway, behind):
    _, failed = real(emulator, provider)
    answers = []
    gateway.change = lambda request, response: answers.append(response) or response
    assert behind.discard([failed]) == {named(2)}
    for body in garbage(json.loads(answers[0].body), depth=5):
        gateway.answer = lambda request, body=body: saying(body)
        gone = behind.discard([failed])
        assert gone <= ({named(2)} if named(2) in json.dumps(body) else set())


def kind_of(request):
    parts = request.path.split("/")[6:]
    last = parts[-1]
    if request.method == "POST":
        return "CancelExecution" if last.endswith(":cancel") else "CreateJob"
    return {1: "ListJobs", 2: "GetJob", 4: "GetExecution", 5: "ListTasks"}[len(parts)]


def exercised(provider, running, failed):
    assert isinstance(provider.submit(a_job(named(1))), Outcome)
    for call in (lambda: provider.find(a_job(named(1))), lambda: provider.cancel(failed)):
        with suppress(ProviderError):
            assert isinstance(call(), Submission | None)
    for asked in ([running, failed], [failed]):
        seen = provider.observe(asked)
        assert all(isinstance(item, Observation) and item.state is not JobState.MISSING for item in seen.values())
    assert provider.discard([]) == frozenset()


# Whole deadlines


def test_a_dripping_answer_is_given_up(emulator, provider):
    submissions = submitted(provider, a_job(named(1)), a_job(named(2)))
    with a_server(drip) as port:
        slow = CloudRunProvider(endpoint=f"http://127.0.0.1:{port}", project="p", call_timeout=0.3)
        outcome = slow.submit(a_job())
        assert isinstance(outcome, Unknown)
        assert "no whole answer within" in outcome.cause
        for asked in (submissions, submissions[:1]):
            assert {seen.state for seen in slow.observe(asked).values()} == {JobState.UNREADABLE}
        for call in (slow.find, lambda _: slow.cancel(submissions[0]), lambda _: slow.sweep({"region": "r"}, frozenset())):
            with pytest.raises(CallFailed):
                call(a_job())
        assert slow.discard(submissions) == frozenset()


# Nothing sent


def test_a_port_where_nothing_listens_is_unreachable(emulator):
    with a_server(hang_up) as port:
        pass
    assert isinstance(CloudRunProvider(endpoint=f"http://127.0.0.1:{port}", project="p").submit(a_job()), Unreachable)


def test_a_host_name_that_does_not_resolve_is_unreachable(monkeypatch):
    def no_address(*_, **__):
        raise OSError("no such name")

    monkeypatch.setattr("urllib3.util.connection.socket.getaddrinfo", no_address)
    outcome = CloudRunProvider(endpoint="http://run.example", project="p").submit(a_job())
    assert isinstance(outcome, Unreachable)


@pytest.mark.parametrize("behaviour", [hang_up, drip])
def test_a_tls_handshake_that_fails_sent_nothing(behaviour):
    with a_server(behaviour) as port:
        outcome = CloudRunProvider(endpoint=f"https://127.0.0.1:{port}", project="p").submit(a_job())
    assert isinstance(outcome, Unreachable), outcome


def test_a_connection_that_breaks_after_the_request_is_unknown():
    def read_and_close(connection, stopped):
        connection.recv(65536)

    with a_server(read_and_close) as port:
        outcome = CloudRunProvider(endpoint=f"http://127.0.0.1:{port}", project="p").submit(a_job())
    assert isinstance(outcome, Unknown)


# Before the call


@pytest.fixture
def signed_in(tmp_path):
    """A host whose token comes from a service of the test."""

    def provider_of(url, seconds=60.0):
        (tmp_path / "token").write_text("of-somebody-else")
        entry = {
            "type": "external_account",
            "audience": "//iam.googleapis.com/a",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"{url}/token",
            "credential_source": {"file": str(tmp_path / "token")},
        }
        return CloudRunProvider(project="p", credentials={"team": {"external_account": entry}}, call_timeout=seconds)

    return provider_of


EXPIRED = {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}


def test_expired_credentials_make_runs_wait_until_somebody_renews_them(signed_in):
    with a_token_service({"/token": (400, json.dumps(EXPIRED))}) as service:
        outcome = signed_in(service.url).submit(a_job(credentials="team"))
    assert isinstance(outcome, Misconfigured)
    assert "expired or revoked" in outcome.reason
    assert "check the identity of the dispatcher's host" in outcome.reason
    assert outcome.hold == Hold(place=("team",))


def test_an_unreachable_token_service_is_neither_a_fault_of_the_job_nor_a_quota(signed_in):
    with a_server(hang_up) as port:
        pass
    assert isinstance(signed_in(f"http://127.0.0.1:{port}").submit(a_job(credentials="team")), Unreachable)


def test_a_token_service_that_drips_sent_nothing_to_cloud_run(signed_in):
    with a_server(drip) as port:
        provider = signed_in(f"http://127.0.0.1:{port}", seconds=0.3)
        assert isinstance(provider.submit(a_job(credentials="team")), Unreachable)


def test_an_identity_that_google_does_not_accept_makes_runs_wait(gateway, behind):
    error = {"code": 401, "status": "UNAUTHENTICATED", "message": "who are you"}
    gateway.answer = lambda request: saying({"error": error}, 401)
    outcome = behind.submit(a_job())
    assert isinstance(outcome, Misconfigured)
    assert outcome.hold == Hold(place=("",))
