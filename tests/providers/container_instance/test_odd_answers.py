"""Answers that are none: empty, foreign, junk, too slow; and requests that were never sent."""

import json
import socket
import threading
from contextlib import suppress
from dataclasses import replace

import pytest

from providers.base import (
    CallFailed,
    JobState,
    ProviderError,
    Submission,
    Unknown,
    Unreachable,
)
from providers.container_instance import ContainerInstanceProvider, arm
from providers.container_instance import provider as provider_module
from providers.emulators.container_instance import ContainerInstanceEmulator
from providers.emulators.web import Response
from tests.providers.container_instance.builders import SUBSCRIPTION, a_job, provider_for, submitted
from tests.providers.container_instance.conftest import START
from tests.providers.garbage import junk_at_every_place

NAME = "r0001-1"
PUT, GET, DELETE, STOP = (f"ContainerGroups_{name}" for name in ("CreateOrUpdate", "Get", "Delete", "Stop"))
LIST, LOGS, REGION = "ContainerGroups_ListByResourceGroup", "Containers_ListLogs", "ResourceGroups_Get"
JSON, HTML = {"Content-Type": "application/json"}, {"Content-Type": "text/html"}
ODD = {
    "nothing": Response(),
    "an empty object": Response.json({}),
    "an empty list": Response.json([]),
    "null": Response.json(None),
    "a number": Response.json(7),
    "a text": Response.json("upstream connect error"),
    "a page": Response(headers=HTML, body=b"<html><body>Sign in</body></html>"),
    "a page that says it is JSON": Response(headers=JSON, body=b"<html>"),
    "half": Response(headers=JSON, body=b'{"name": "r0001-1", "properties": {'),
    "bytes": Response(headers=JSON, body=b"\xff\xfe\x00"),
    "brackets": Response(headers=JSON, body=b"[" * 5000),
    "another group": Response.json({"name": "another", "properties": {"provisioningState": "Succeeded"}}),
    "a name that is none": Response.json({"name": {"a": []}, "properties": 3, "location": [], "value": 5, "content": {}}),
}


class OddCloud(ContainerInstanceEmulator):
    """An emulator that acts, and answers the calls of one operation in another way."""

    operation = ""
    answer = staticmethod(lambda response: response)

    def _answer(self, request):
        before = self.calls[self.operation]
        response = super()._answer(request)
        return self.answer(response) if self.calls[self.operation] > before else response


@pytest.fixture
def odd():
    with OddCloud(clock=lambda: START) as cloud:
        yield cloud


def answering(cloud, operation, response):
    cloud.operation, cloud.answer = operation, lambda _true: response


@pytest.mark.parametrize("status", [200, 201, 503])
@pytest.mark.parametrize("answer", ODD.values(), ids=ODD)
class TestAnswers:
    def test_a_put_that_was_not_answered_is_unknown(self, odd, answer, status):
        answering(odd, PUT, replace(answer, status=status))
        assert isinstance(provider_for(odd).submit(a_job()), Unknown)

    def test_a_look_up_that_was_not_answered_starts_nothing_and_finds_nothing(self, odd, answer, status):
        answering(odd, GET, replace(answer, status=status))
        provider = provider_for(odd)
        assert isinstance(provider.submit(a_job()), Unreachable)
        with pytest.raises(CallFailed):
            provider.find(a_job())
        assert odd.starts == {}

    def test_a_job_that_was_not_shown_cannot_be_read_nor_stopped(self, odd, answer, status):
        provider = provider_for(odd)
        submission = submitted(provider)
        answering(odd, GET, replace(answer, status=status))
        assert provider.observe([submission])[NAME].state is JobState.UNREADABLE
        with pytest.raises(CallFailed):
            provider.cancel(submission)
        assert (odd.calls[STOP], odd.calls[DELETE], odd.book.live) == (0, 0, 1)

    def test_a_delete_without_a_proper_answer_does_not_count_as_done(self, odd, answer, status):
        provider = provider_for(odd)
        submission = submitted(provider)
        answering(odd, DELETE, replace(answer, status=status))
        assert provider.discard([submission]) == frozenset()

    def test_an_invalid_list_ends_the_sweep(self, odd, answer, status):
        answering(odd, LIST, replace(answer, status=status))
        with suppress(CallFailed):
            assert provider_for(odd).sweep(a_job().configuration, frozenset()) == ()

    def test_logs_that_were_not_answered_cost_no_end(self, odd, answer, status):
        provider = provider_for(odd)
        submission = submitted(provider)
        assert provider.observe([submission])[NAME].state is JobState.RUNNING
        odd.finish(NAME, 3)
        answering(odd, LOGS, replace(answer, status=status))
        assert provider.observe([submission])[NAME].exit_code == 3
        with suppress(CallFailed):
            assert provider.logs(submission) == ""

    def test_a_region_that_is_not_reported_starts_nothing(self, odd, answer, status):
        answering(odd, REGION, replace(answer, status=status))
        assert isinstance(provider_for(odd).submit(a_job(location=None)), Unreachable)
        assert odd.starts == {}


def test_an_error_without_azures_envelope_is_not_a_refusal(odd):
    for number, error in enumerate(("upstream connect error", None, [], 5)):
        answering(odd, PUT, Response.json({"error": error}, status=503))
        assert isinstance(provider_for(odd).submit(a_job(f"r{number}-1")), Unknown)


def test_junk_in_any_place_of_a_true_answer_is_read_or_reported_as_unreadable(odd):
    provider = provider_for(odd)
    submission = submitted(provider)
    provider.observe([submission])
    odd.finish(NAME, 3)
    for body in junk_at_every_place(whole_answer(odd, submission)):
        answering(odd, GET, Response.json(body))
        seen = provider.observe([submission])[NAME]
        assert isinstance(seen.state, JobState), body
        with suppress(ProviderError):
            provider.find(a_job())


def whole_answer(cloud, submission) -> dict:
    """A GET's true body."""
    warnings = []

    def remember(response):
        warnings.append(json.loads(response.body))
        return response

    cloud.operation, cloud.answer = GET, remember
    provider_for(cloud).observe([submission])
    return warnings[-1]


# Never sent


@pytest.fixture
def refusing():
    """A port that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize("operation", ["put", "get"])
def test_a_refused_connection_has_sent_nothing(aci, refusing, operation):
    there, nowhere = provider_for(aci), ContainerInstanceProvider(endpoint=f"http://{refusing}")
    assert isinstance(nowhere.submit(a_job()), Unreachable)
    if operation == "put":
        there._connections._arms._values[SUBSCRIPTION, "", "2023-05-01"] = HalfArm(there, nowhere)
        assert isinstance(there.submit(a_job()), Unreachable)


class HalfArm:
    """Reads at one endpoint, writes at another."""

    def __init__(self, reads, writes) -> None:
        place = provider_module.place_of(a_job().configuration)
        self.get, self.put = reads._connections.arm(place).get, writes._connections.arm(place).put


def test_a_name_that_does_not_resolve_has_sent_nothing(monkeypatch):
    def nowhere(*_arguments, **_options):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    outcome = ContainerInstanceProvider(endpoint="http://management.invalid").submit(a_job())
    assert isinstance(outcome, Unreachable), outcome


def test_a_handshake_that_fails_has_sent_nothing(aci, monkeypatch):
    monkeypatch.setattr(arm, "_policies", lambda _credential, _base_url, made=arm._policies: made(None, _base_url))
    outcome = ContainerInstanceProvider(endpoint=aci.url.replace("http://", "https://")).submit(a_job())
    assert isinstance(outcome, Unreachable), outcome


# Too slow


@pytest.fixture
def dripping():
    """Answers with a header, and then with a byte now and then, for ever."""
    over = threading.Event()

    def drip(connection):
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
            while not over.wait(0.02):
                connection.sendall(b" ")

    def accept():
        with suppress(OSError):
            while True:
                threading.Thread(target=drip, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        over.set()
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def impatient(monkeypatch):
    for module, name in (
        (arm, "READ_SECONDS"),
        (arm, "WRITE_SECONDS"),
        (arm, "CALL_TIMEOUT"),
        (provider_module, "CALL_TIMEOUT"),
    ):
        monkeypatch.setattr(module, name, 0.2)


def test_an_answer_that_drips_ends_with_the_whole_calls_time(dripping, impatient):
    provider = ContainerInstanceProvider(endpoint=dripping)
    submission = Submission(name=NAME, handle={"subscription_id": SUBSCRIPTION, "resource_group": "rg"})
    assert isinstance(provider.submit(a_job()), Unreachable)
    seen = provider.observe([submission])[NAME]
    assert seen.state is JobState.UNREADABLE
    assert "no whole answer within 0.2 s" in seen.reason
    for ask in (
        lambda: provider.find(a_job()),
        lambda: provider.cancel(submission),
        lambda: provider.logs(submission),
        lambda: provider.sweep(a_job().configuration, frozenset()),
    ):
        with pytest.raises(CallFailed, match="no whole answer"):
            ask()
    assert provider.discard([submission]) == frozenset()


def test_a_put_whose_answer_drips_is_unknown(aci, dripping, impatient):
    provider = provider_for(aci)
    provider._connections._arms._values[SUBSCRIPTION, "", "2023-05-01"] = HalfArm(
        provider, ContainerInstanceProvider(endpoint=dripping)
    )
    assert isinstance(provider.submit(a_job()), Unknown)
