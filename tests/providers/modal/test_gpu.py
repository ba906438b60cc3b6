"""GPU jobs: the older backend, the wait for capacity, and names that are claimed."""

from __future__ import annotations

import pytest

from providers.base import Accepted, Hold, JobState, Rejected, Throttled, Unknown
from providers.emulators.faults import FaultKind
from providers.emulators.modal import ModalEmulator
from providers.modal import ModalProvider

from .builders import a_job
from .conftest import NOW

CREATE = "SandboxCreate"


def hasty(emulator):
    """A provider that waits for capacity no longer than its calls need on a busy machine."""
    return ModalProvider(server_url=emulator.url, call_timeout=6.0, gpu_timeout=6.0)


def a_gpu_job(number=1, **configuration):
    return a_job(number, gpu="H100:2", **configuration)


def test_a_gpu_job_runs_on_the_older_backend(provider, emulator):
    outcome = provider.submit(a_gpu_job())
    assert isinstance(outcome, Accepted)
    (request,) = emulator.calls.requests(CREATE)
    assert request["definition"]["resources"]["gpu_config"] == {"gpu_type": "H100", "count": 2}
    assert provider.find(a_gpu_job()) == outcome.submission
    assert provider.observe([outcome.submission])[outcome.submission.name].state is JobState.RUNNING
    provider.cancel(outcome.submission)
    assert provider.observe([outcome.submission])[outcome.submission.name].state is JobState.STOPPED


def test_modal_itself_would_run_an_ended_gpu_name_again_and_the_claim_prevents_it(provider, emulator):
    first = provider.submit(a_gpu_job())
    emulator.finish(a_gpu_job().name)
    assert provider.submit(a_gpu_job()) == first
    assert provider.find(a_gpu_job()) == first.submission
    assert emulator.starts == {a_gpu_job().name: 1}


def test_an_ended_gpu_job_whose_answer_was_lost_is_found_as_missing_and_never_repeated(provider, emulator):
    emulator.faults.add(CREATE, FaultKind.LOSE_ANSWER)
    assert isinstance(provider.submit(a_gpu_job()), Unknown)
    emulator.finish(a_gpu_job().name)
    submission = provider.find(a_gpu_job())
    assert submission is not None
    assert submission.url is None
    assert provider.observe([submission])[submission.name].state is JobState.MISSING
    assert isinstance(provider.submit(a_gpu_job()), Unknown)
    provider.cancel(submission)
    assert emulator.starts == {a_gpu_job().name: 1}


def test_a_running_gpu_job_whose_answer_was_lost_is_found_with_its_id(provider, emulator):
    emulator.faults.add(CREATE, FaultKind.LOSE_ANSWER)
    assert isinstance(provider.submit(a_gpu_job()), Unknown)
    submission = provider.find(a_gpu_job())
    assert submission.handle["sandbox_id"] == emulator.jobs()[0].identifier
    provider.cancel(submission)


def test_a_submission_that_was_found_unplaced_is_completed_when_its_sandbox_shows_up(provider, emulator):
    emulator.change_settings({"lag_seconds": 60})
    emulator.faults.add(CREATE, FaultKind.LOSE_ANSWER)
    assert isinstance(provider.submit(a_gpu_job()), Unknown)
    submission = provider.find(a_gpu_job())
    assert submission.handle["sandbox_id"] == ""
    emulator.advance(60)
    seen = provider.observe([submission])[submission.name]
    assert seen.state is JobState.RUNNING
    assert seen.handle["sandbox_id"] == emulator.jobs()[0].identifier
    provider.cancel(submission)
    assert not emulator.jobs()[0].live


def test_a_gpu_job_without_capacity_leaves_nothing_and_may_be_tried_again(signed_in):
    with ModalEmulator(clock=lambda: NOW, gpu_capacity=0) as emulator:
        provider = hasty(emulator)
        outcome = provider.submit(a_gpu_job())
        assert isinstance(outcome, Throttled)
        assert outcome.hold == Hold(place=("", ""), size={"gpu H100": 2}, freed_by_end=True)
        assert "no capacity for H100:2" in outcome.reason
        assert not emulator.sandboxes.waiting()
        assert provider.find(a_gpu_job()) is None
        emulator.change_settings({"gpu_capacity": 1})
        assert isinstance(provider.submit(a_gpu_job()), Accepted)
        assert emulator.starts == {a_gpu_job().name: 1}


def test_a_gpu_job_whose_wait_cannot_be_looked_at_is_unknown_and_stays_claimed(signed_in):
    with ModalEmulator(clock=lambda: NOW, gpu_capacity=0) as emulator:
        provider = hasty(emulator)
        emulator.faults.add("SandboxGetFromName", FaultKind.REFUSE, detail="NOT_FOUND: not yet")
        assert isinstance(provider.submit(a_gpu_job()), Unknown)
        assert provider.find(a_gpu_job()) is not None


@pytest.mark.parametrize(
    ("kind", "detail", "outcome"),
    [(FaultKind.THROTTLE, "", Throttled), (FaultKind.REFUSE, "INVALID_ARGUMENT: no such GPU", Rejected)],
)
def test_a_clear_refusal_gives_the_name_back(provider, emulator, kind, detail, outcome):
    emulator.faults.add(CREATE, kind, detail=detail)
    assert isinstance(provider.submit(a_gpu_job()), outcome)
    assert provider.find(a_gpu_job()) is None
    assert isinstance(provider.submit(a_gpu_job()), Accepted)


def test_a_job_that_was_never_submitted_is_not_found(provider):
    assert provider.find(a_gpu_job()) is None
    assert provider.find(a_job()) is None


def test_without_the_newer_backend_names_are_claimed_for_all_jobs(provider, emulator, monkeypatch):
    monkeypatch.setenv("MODAL_SANDBOX_V2", "0")
    first = provider.submit(a_job())
    emulator.finish(a_job().name)
    assert provider.submit(a_job()) == first
    assert emulator.calls["SandboxCreate"] == 1


def test_a_claim_that_the_sdk_repeated_is_known_as_ones_own(provider, emulator):
    emulator.change_settings({"honours_keys": False})
    emulator.faults.add("DictUpdate", FaultKind.LOSE_ANSWER, detail="once")
    assert isinstance(provider.submit(a_gpu_job()), Accepted)
    assert emulator.calls["DictUpdate"] == 3


def test_a_claim_without_a_sandbox_counts_as_started(provider, emulator):
    emulator.faults.add("DictUpdate", FaultKind.LOSE_ANSWER)
    assert isinstance(provider.submit(a_gpu_job()), Unknown)
    submission = provider.find(a_gpu_job())
    assert provider.observe([submission])[submission.name].state is JobState.MISSING
    assert emulator.starts == {}
