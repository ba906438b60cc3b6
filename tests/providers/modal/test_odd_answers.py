"""Answers that are none, requests that were never sent, and calls that would not end."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

import pytest
from modal_proto import api_pb2

from providers.base import Accepted, CallFailed, JobState, Submission, Unknown, Unreachable
from providers.emulators.faults import FaultKind
from providers.modal import ModalProvider
from providers.modal.creation import CreationProgress, GivenUp

from .builders import a_job

LOOK, CREATE = "SandboxGetFromNameV2", "SandboxCreateV2"
BEFORE = ("ClientHello", "AppGetOrCreate", "ImageGetOrCreate", "SecretGetOrCreate", LOOK)
"""What is asked before a sandbox is."""
LOST = [FaultKind.LOSE_ANSWER, FaultKind.LOSE_REQUEST, FaultKind.SERVER_ERROR]


def answers(emulator, operation, message, *, acts=True):
    """Carry the calls of an operation out, and answer with another message."""
    true = emulator._service._operations[operation]

    def odd(request, metadata):
        if acts:
            true(request, metadata)
        return message

    emulator._service._operations[operation] = odd


@pytest.mark.parametrize("kind", LOST)
@pytest.mark.parametrize("operation", BEFORE)
def test_a_failure_before_the_sandbox_request_starts_nothing(provider, emulator, operation, kind):
    emulator.faults.add(operation, kind)
    job = a_job(secrets=["database"])
    outcome = provider.submit(job)
    assert isinstance(outcome, Accepted | Unreachable), outcome  # not all of them are asked for their answer
    assert isinstance(outcome, Accepted) or emulator.starts == {}
    assert isinstance(provider.submit(job), Accepted)
    assert emulator.starts == {job.name: 1}


EMPTY = {
    None: (CREATE, api_pb2.SandboxCreateV2Response()),
    "T4": ("SandboxCreate", api_pb2.SandboxCreateResponse()),
}


@pytest.mark.parametrize("gpu", EMPTY, ids=["newer backend", "older backend"])
@pytest.mark.parametrize("lag", [0, 60], ids=["found at once", "found later"])
def test_an_answer_that_names_no_sandbox_is_neither_a_start_nor_a_refusal(provider, emulator, gpu, lag):
    answers(emulator, *EMPTY[gpu])
    emulator.change_settings({"lag_seconds": lag})
    job = a_job(gpu=gpu)
    assert isinstance(provider.submit(job), Unknown if lag else Accepted)
    emulator.advance(lag)
    assert provider.find(job).handle["sandbox_id"] == emulator.jobs()[0].identifier
    assert emulator.starts == {job.name: 1}


def test_an_answer_that_names_no_sandbox_does_not_prove_its_absence_either(provider, emulator):
    answers(emulator, LOOK, api_pb2.SandboxGetFromNameResponse(), acts=False)
    with pytest.raises(CallFailed):
        provider.find(a_job())
    assert isinstance(provider.submit(a_job()), Unreachable)
    assert emulator.starts == {}


def test_a_state_that_nobody_knows_cannot_be_read(provider, emulator):
    submission = provider.submit(a_job()).submission
    emulator.end_as(a_job().name, 999)
    assert provider.observe([submission])[submission.name].state is JobState.UNREADABLE


def test_a_message_of_another_kind_cannot_be_read(provider, emulator):
    submission = provider.submit(a_job()).submission
    emulator.finish(a_job().name, 0)
    for operation in ("SandboxListV2", "SandboxWaitV2"):
        answers(emulator, operation, api_pb2.AppHandleMetadata(app_id="\x01" * 40), acts=False)
    assert provider.observe([submission])[submission.name].state is JobState.UNREADABLE


# Never sent


@pytest.fixture
def refusing():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_a_refused_connection_has_sent_nothing(signed_in, refusing):
    assert isinstance(ModalProvider(server_url=refusing, call_timeout=0.3).submit(a_job()), Unreachable)


# Whole calls


@pytest.fixture
def dripping():
    """A server that says something now and then, all of it valid, and never answers."""
    over = threading.Event()

    def drip(connection):
        with connection, suppress(OSError):
            while not over.wait(0.02):
                connection.sendall(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")  # HTTP/2: an empty frame of settings

    def accept():
        with suppress(OSError):
            while True:
                threading.Thread(target=drip, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        over.set()
        listener.shutdown(socket.SHUT_RDWR)


def test_every_call_ends_with_its_own_time_however_the_server_drips(signed_in, dripping):
    provider = ModalProvider(server_url=dripping, call_timeout=0.2, gpu_timeout=0.2)
    assert provider.submit(a_job()) == Unreachable(cause="Modal: no answer within 0.2 s")
    places = [{"sandbox_id": "sb-1", "app": app} for app in ("a", "b", "c")]
    submissions = [Submission(name=f"r{number}-1", handle=handle) for number, handle in enumerate(places)]
    seen = provider.observe(submissions)
    assert seen.keys() == {"r0-1"}, "one time for all places: the others were left out"
    for ask in (lambda: provider.find(a_job()), lambda: provider.cancel(submissions[0])):
        with pytest.raises(CallFailed, match="no answer within"):
            ask()


def test_a_submission_that_was_given_up_starts_nothing_afterwards():
    progress = CreationProgress()
    assert progress.give_up() is False
    with pytest.raises(GivenUp):
        progress.ask()


def test_a_submission_given_up_after_its_request_may_have_started_a_job():
    progress = CreationProgress()
    progress.ask()
    assert progress.give_up() is True
