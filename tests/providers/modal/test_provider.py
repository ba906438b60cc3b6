"""The provider against the emulator, with the unmodified SDK over the wire."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from modal_proto import api_pb2

from providers.base import Accepted, CallFailed, JobState, Rejected, Submission, Throttled, Unknown, Unreachable
from providers.emulators.faults import FaultKind
from providers.emulators.modal import ModalEmulator
from providers.modal import ModalProvider

from .builders import a_job
from .conftest import NOW, PATIENCE

CREATE = "SandboxCreateV2"
Result = api_pb2.GenericResult


def started(provider, job):
    outcome = provider.submit(job)
    assert isinstance(outcome, Accepted), outcome
    return outcome.submission


def state_of(provider, submission):
    return provider.observe([submission])[submission.name]


def test_a_submission_makes_one_sandbox_with_everything_in_one_request(provider, emulator):
    job = a_job(
        environment={"DISPATCHER_RUN_ID": "1"},
        labels={"push-dispatcher/run": "a b"},
        env={"MODE": "fast", "DISPATCHER_RUN_ID": "mine"},
        cpu=0.5,
        memory=512,
        secrets=["database"],
        region="eu",
        workdir="/srv",
    )
    submission = started(provider, job)
    (request,) = emulator.calls.requests(CREATE)
    definition = request["definition"]
    assert definition["name"] == job.name
    assert definition["entrypoint_args"] == ["python", "job.py"]
    assert definition["timeout_secs"] == 600
    assert definition["resources"] == {"milli_cpu": 500, "memory_mb": 512, "gpu_config": {}}
    assert definition["workdir"] == "/srv"
    assert definition["scheduler_placement"]["regions"] == ["eu"]
    assert len(definition["secret_ids"]) == 1
    tags = {tag["tag_name"]: tag["tag_value"] for tag in request["tags"]}
    assert tags == {"push-dispatcher-run": "a-b", "managed-by": "push-dispatcher", "push-dispatcher-job": job.name}
    inline = [source.get("env", {}).get("contents") for source in request["secret_sources"]]
    assert inline == [{"MODE": "fast", "DISPATCHER_RUN_ID": "mine"}, None, {"DISPATCHER_RUN_ID": "1"}]
    assert emulator.book.named(job.name)[0].environment == {"MODE": "fast", "DISPATCHER_RUN_ID": "1", "PASSWORD": "hush"}
    assert submission.url == f"https://modal.com/id/{submission.handle['sandbox_id']}"


@pytest.mark.parametrize("gpu", [None, "T4"], ids=["newer backend", "older backend"])
def test_a_secret_wins_over_a_plain_value_of_its_name_and_the_dispatcher_over_both(provider, emulator, gpu):
    environment = {"DISPATCHER_RUN_ID": "1"}
    job = a_job(environment=environment, env={"PASSWORD": "plain", "DISPATCHER_RUN_ID": "mine"}, secrets=["database"], gpu=gpu)
    started(provider, job)
    assert emulator.book.named(job.name)[0].environment == {"PASSWORD": "hush", "DISPATCHER_RUN_ID": "1"}


def test_true_is_written_as_json_writes_it(provider, emulator):
    started(provider, a_job(env={"DEBUG": True, "RELEASE": "2024.10", "GIT_SHA": "83415e7"}))
    assert emulator.book.named(a_job().name)[0].environment == {"DEBUG": "true", "RELEASE": "2024.10", "GIT_SHA": "83415e7"}


def test_the_timeout_is_always_sent(provider, emulator):
    started(provider, a_job(timeout=None))
    assert emulator.calls.requests(CREATE)[0]["definition"]["timeout_secs"] == 3600


def test_a_repeat_starts_nothing_while_the_first_runs(provider, emulator):
    first = started(provider, a_job())
    assert started(provider, a_job()) == first
    assert emulator.starts == {a_job().name: 1}


def test_a_repeat_starts_nothing_after_the_first_has_ended(provider, emulator):
    first = started(provider, a_job())
    emulator.finish(a_job().name)
    assert started(provider, a_job()) == first
    assert emulator.starts == {a_job().name: 1}


def test_a_name_that_is_taken_between_lookup_and_creation_is_found(provider, emulator):
    first = started(provider, a_job())
    emulator.faults.add("SandboxGetFromNameV2", FaultKind.REFUSE, detail="NOT_FOUND: not yet")
    emulator.faults.add("SandboxGetFromNameV2", FaultKind.REFUSE, detail="NOT_FOUND: not yet")
    assert started(provider, a_job()) == first
    assert emulator.calls[CREATE] == 2


def test_fifty_at_once_are_fifty_sandboxes_and_one_image(provider, emulator):
    jobs = [a_job(number, secrets=["database"]) for number in range(50)]
    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(provider.submit, jobs))
    assert [outcome for outcome in outcomes if not isinstance(outcome, Accepted)] == []
    assert emulator.peak_live == 50
    assert {"ImageGetOrCreate", "AppGetOrCreate", "SecretGetOrCreate"} <= set(emulator.calls.counts)
    assert emulator.calls["ImageGetOrCreate"] == emulator.calls["AppGetOrCreate"] == emulator.calls["SecretGetOrCreate"] == 1


def test_a_lost_answer_is_unknown_and_its_job_is_found(provider, emulator):
    emulator.faults.add(CREATE, FaultKind.LOSE_ANSWER)
    assert isinstance(provider.submit(a_job()), Unknown)
    submission = provider.find(a_job())
    assert isinstance(submission, Submission)
    assert started(provider, a_job()) == submission
    assert emulator.starts == {a_job().name: 1}


def test_a_job_that_ended_before_anybody_looked_is_found(provider, emulator):
    emulator.faults.add(CREATE, FaultKind.LOSE_ANSWER)
    assert isinstance(provider.submit(a_job()), Unknown)
    emulator.finish(a_job().name, 3)
    submission = provider.find(a_job())
    assert state_of(provider, submission).exit_code == 3


def test_a_lost_request_is_unknown_and_nothing_is_found(provider, emulator):
    emulator.faults.add(CREATE, FaultKind.LOSE_REQUEST)
    assert isinstance(provider.submit(a_job()), Unknown)
    assert provider.find(a_job()) is None


def test_a_throttle_that_the_sdk_meets_on_a_repeat_does_not_hide_a_started_job(provider, emulator):
    emulator.faults.add(CREATE, FaultKind.SERVER_ERROR_AFTER, detail="once")
    emulator.faults.add(CREATE, FaultKind.THROTTLE)
    started(provider, a_job())
    assert emulator.starts == {a_job().name: 1}


def test_a_repeat_by_the_sdk_that_meets_its_own_sandbox_finds_it(provider, emulator):
    emulator.change_settings({"honours_keys": False})
    emulator.faults.add(CREATE, FaultKind.LOSE_ANSWER, detail="once")
    submission = started(provider, a_job())
    assert submission.handle["sandbox_id"] == emulator.jobs()[0].identifier
    assert emulator.starts == {a_job().name: 1}


@pytest.mark.parametrize("kind", [FaultKind.SERVER_ERROR, FaultKind.SERVER_ERROR_AFTER])
def test_a_server_error_is_unknown(provider, emulator, kind):
    emulator.faults.add(CREATE, kind)
    assert isinstance(provider.submit(a_job()), Unknown)


def test_a_throttle_surfaces_at_once_with_modals_own_wait(provider, emulator):
    emulator.faults.add(CREATE, FaultKind.THROTTLE, detail="30")
    outcome = provider.submit(a_job())
    assert isinstance(outcome, Throttled)
    assert outcome.retry_after == 30
    assert outcome.hold is not None
    assert "rate limit" in outcome.reason
    assert emulator.calls[CREATE] == 1


def test_the_creation_rate_is_a_throttle_and_no_failure(signed_in):
    with ModalEmulator(clock=lambda: NOW, creation_rate=5, creation_burst=2) as emulator:
        provider = ModalProvider(server_url=emulator.url)
        outcomes = [provider.submit(a_job(number)) for number in range(3)]
        assert [type(outcome) for outcome in outcomes] == [Accepted, Accepted, Throttled]
        assert outcomes[2].retry_after == pytest.approx(0.2)
        emulator.advance(0.2)
        assert isinstance(provider.submit(a_job(2)), Accepted)


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        ("PERMISSION_DENIED", "may not do this"),
        ("INVALID_ARGUMENT", "change the job's variables"),
        ("FAILED_PRECONDITION", "change the job's variables"),
    ],
)
def test_a_clear_refusal_is_rejected_with_modals_words_and_a_hint(provider, emulator, status, hint):
    emulator.faults.add(CREATE, FaultKind.REFUSE, detail=f"{status}: these are the words")
    outcome = provider.submit(a_job())
    assert isinstance(outcome, Rejected)
    assert "these are the words" in outcome.reason
    assert hint in outcome.reason


def test_an_aborted_call_has_an_unknown_outcome(provider, emulator):
    emulator.faults.add(CREATE, FaultKind.REFUSE, detail="ABORTED: try again")
    assert isinstance(provider.submit(a_job()), Unknown)


def test_a_secret_that_is_not_there_is_rejected_by_name(provider, emulator):
    outcome = provider.submit(a_job(secrets=["nobody"]))
    assert isinstance(outcome, Rejected)
    assert "nobody" in outcome.reason
    emulator.objects.secrets["nobody"] = {"A": "1"}
    started(provider, a_job(secrets=["nobody"]))


def test_an_environment_that_is_not_there_is_rejected_and_holds_no_job(provider):
    job = a_job(modal_environment="moon")
    assert isinstance(provider.submit(job), Rejected)
    assert provider.find(job) is None


def test_a_configuration_that_cannot_be_read_is_rejected_before_any_call(provider, emulator):
    outcome = provider.submit(a_job(timeout=100_000))
    assert outcome == Rejected(reason="timeout: give a whole number from 1 to 86400, not 100000")
    assert not emulator.calls.counts


@pytest.mark.parametrize("secret", ["registry", "ecr", "artifact-registry"])
def test_images_of_private_registries_are_pulled_with_a_named_secret(provider, emulator, secret):
    started(provider, a_job(image={"tag": "registry.example/team/job@sha256:1", "secret": secret}))
    (request,) = emulator.calls.requests("ImageGetOrCreate")
    config = request["image"]["image_registry_config"]
    expected = {"registry": "STATIC_CREDS", "ecr": "AWS", "artifact-registry": "GCP"}[secret]
    assert expected in config["registry_auth_type"]
    assert config["secret_id"]


def test_pip_packages_are_a_layer_of_their_own(provider, emulator):
    started(provider, a_job(pip_packages=["httpx", "rich"]))
    _, layer = emulator.calls.requests("ImageGetOrCreate")
    assert any("httpx rich" in line for line in layer["image"]["dockerfile_commands"])


def test_an_image_that_fails_to_build_is_rejected(signed_in):
    with ModalEmulator(clock=lambda: NOW, image_errors={"no-such": "pull access denied"}) as emulator:
        outcome = ModalProvider(server_url=emulator.url).submit(a_job(image="no-such:latest"))
    assert isinstance(outcome, Rejected)
    assert "pull access denied" in outcome.reason


def test_an_image_that_is_still_being_built_gives_the_job_back(signed_in):
    with ModalEmulator(clock=lambda: NOW, build_seconds=300) as emulator:
        provider = ModalProvider(server_url=emulator.url, call_timeout=6.0)
        outcome = provider.submit(a_job())
        assert isinstance(outcome, Throttled)
        assert outcome.hold is None
        assert "still building" in outcome.reason
        assert emulator.calls[CREATE] == 0
        emulator.advance(300)
        started(provider, a_job())


def test_every_end_is_distinguished(provider, emulator):
    ends = {
        1: lambda name: emulator.finish(name, 0),
        2: lambda name: emulator.finish(name, 7),
        3: lambda name: emulator.finish(name, 124),
        4: lambda name: emulator.finish(name, 137),
        5: lambda name: emulator.end_as(name, Result.GENERIC_STATUS_KERNEL_OOM_KILL, 137),
        6: lambda name: emulator.end_as(name, Result.GENERIC_STATUS_INIT_FAILURE, 0),
        7: lambda name: emulator.end_as(name, Result.GENERIC_STATUS_INTERNAL_FAILURE, 1),
    }
    submissions = [started(provider, a_job(number)) for number in ends]
    for number, end in ends.items():
        end(a_job(number).name)
    seen = provider.observe(submissions)
    observations = [(seen[a_job(number).name].state, seen[a_job(number).name].exit_code) for number in ends]
    assert observations == [
        (JobState.SUCCEEDED, 0),
        (JobState.FAILED, 7),
        (JobState.FAILED, 124),
        (JobState.CRASHED, 137),
        (JobState.FAILED, 137),
        (JobState.CRASHED, None),
        (JobState.CRASHED, None),
    ]
    assert "out of memory" in seen[a_job(5).name].reason
    assert "could not be started" in seen[a_job(6).name].reason


def test_a_timeout_is_not_an_exit_code_of_124(provider, emulator):
    submission = started(provider, a_job(timeout=300))
    emulator.advance(301)
    seen = state_of(provider, submission)
    assert (seen.state, seen.exit_code) == (JobState.FAILED, 124)
    assert "timed out" in seen.reason


def test_cancel_terminates_and_the_end_is_observed_as_stopped(provider, emulator):
    submission = started(provider, a_job())
    assert state_of(provider, submission).state is JobState.RUNNING
    provider.cancel(submission)
    seen = state_of(provider, submission)
    assert (seen.state, seen.exit_code) == (JobState.STOPPED, 137)
    provider.cancel(submission)


def test_running_jobs_are_observed_with_one_list_in_pages(signed_in):
    with ModalEmulator(clock=lambda: NOW, page_size=10) as emulator:
        provider = ModalProvider(server_url=emulator.url)
        submissions = [started(provider, a_job(number)) for number in range(25)]
        emulator.finish(a_job(3).name, 1)
        emulator.calls.reset()
        seen = provider.observe(submissions)
        states = [seen[submission.name].state for submission in submissions]
        assert states.count(JobState.RUNNING) == 24
        assert seen[a_job(3).name].exit_code == 1
        assert emulator.calls.counts["SandboxWaitV2"] == 1
        assert emulator.calls.counts["SandboxListV2"] == 4


def test_a_job_that_is_not_listed_yet_is_running(provider, emulator):
    emulator.change_settings({"lag_seconds": 60})
    assert state_of(provider, started(provider, a_job())).state is JobState.RUNNING


def test_a_job_that_modal_has_forgotten_is_missing(provider, emulator):
    submission = started(provider, a_job())
    emulator.finish(submission.name)
    emulator.change_settings({"memory_seconds": 60})
    emulator.advance(100)
    assert state_of(provider, submission).state is JobState.MISSING
    provider.cancel(submission)


def test_a_job_that_could_not_be_read_says_why_and_the_others_are_reported(provider, emulator):
    submissions = [started(provider, a_job(number)) for number in (1, 2)]
    for submission in submissions:
        emulator.finish(submission.name)
    emulator.faults.add("SandboxWaitV2", FaultKind.REFUSE, detail="PERMISSION_DENIED: no")
    ended, unread = sorted(
        provider.observe(submissions).values(), key=lambda observation: observation.state is JobState.UNREADABLE
    )
    assert (ended.state.is_end, unread.state) == (True, JobState.UNREADABLE)
    assert "PermissionDeniedError: no" in unread.reason


def test_a_refused_look_up_or_cancel_is_a_failed_call(provider, emulator):
    submission = started(provider, a_job())
    emulator.faults.add("*", FaultKind.REFUSE, times=20, detail="PERMISSION_DENIED: no")
    assert provider.observe([submission])[submission.name].state is JobState.UNREADABLE
    with pytest.raises(CallFailed, match="could not look it up: PermissionDeniedError: no"):
        provider.find(a_job())
    with pytest.raises(CallFailed, match="could not cancel"):
        provider.cancel(submission)


def test_a_server_that_is_not_there_costs_no_more_than_a_call_may_take(emulator, signed_in):
    provider = ModalProvider(server_url="http://127.0.0.1:9", call_timeout=0.3)
    assert isinstance(provider.submit(a_job()), Unreachable)
    with pytest.raises(CallFailed, match=r"no answer within 0\.3 s"):
        provider.find(a_job())


def test_a_provider_recovers_when_the_server_comes_back(signed_in):
    with ModalEmulator(clock=lambda: NOW) as emulator:
        port = int(emulator.url.rsplit(":", 1)[1])
        provider = ModalProvider(server_url=emulator.url, call_timeout=PATIENCE)
        started(provider, a_job(1))
    with ModalEmulator(clock=lambda: NOW, port=port):
        started(provider, a_job(2))


def test_apps_and_environments_keep_names_apart(provider, emulator):
    for place in ({}, {"app": "other"}, {"modal_environment": "staging"}):
        submission = started(provider, a_job(**place))
        assert provider.find(a_job(**place)) == submission
        assert state_of(provider, submission).state is JobState.RUNNING
    assert emulator.starts == {a_job().name: 3}


def test_an_ended_job_leaves_nothing_to_discard_or_sweep(provider):
    submission = started(provider, a_job())
    assert not provider.limits.lingers
    assert provider.discard([submission]) == {submission.name}
    assert provider.sweep(a_job().configuration, frozenset()) == ()
