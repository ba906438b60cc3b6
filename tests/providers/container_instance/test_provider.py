"""The provider and the emulated Azure, with Azure's own client between them."""

import threading
from contextlib import suppress
from dataclasses import replace

import pytest

from providers.base import (
    Accepted,
    CallFailed,
    JobState,
    Misconfigured,
    ProviderUnavailable,
    Submission,
    Throttled,
)
from providers.container_instance import connections
from providers.container_instance.arm import READ_SECONDS, WRITE_SECONDS
from providers.container_instance.observing import READS_KEPT
from providers.container_instance.timing import CALL_TIMEOUT, LAST_START
from providers.emulators.container_instance import Quotas
from providers.emulators.faults import FaultKind
from providers.emulators.jobs import EndCause
from tests.providers.container_instance.builders import (
    GET,
    NAME,
    PUT,
    SLOW,
    a_job,
    a_template,
    provider_for,
    seen,
    submitted,
)
from tests.providers.container_instance.conftest import START

STOP, LOGS = "ContainerGroups_Stop", "Containers_ListLogs"


class TestFind:
    def test_nothing_is_found_before_a_submission_or_without_a_resource_group(self, start):
        aci = start(resource_groups={"other": "westeurope"})
        assert provider_for(aci).find(a_job()) is None
        assert provider_for(aci).find(a_job(resource_group_name="other")) is None

    def test_an_answer_that_is_not_azures_proves_nothing(self, aci, provider):
        aci.faults.add(GET, FaultKind.REFUSE, detail="404 SubscriptionNotFound: another tenant's")
        with pytest.raises(CallFailed, match="SubscriptionNotFound"):
            provider.find(a_job())

    def test_a_throttled_look_up_is_a_failed_call(self, aci, provider):
        aci.faults.add(GET, FaultKind.THROTTLE)
        with pytest.raises(CallFailed):
            provider.find(a_job())


class TestObserve:
    def test_a_job_starts_runs_and_ends(self, start):
        aci = start(life=SLOW, job_seconds=60)
        provider = provider_for(aci)
        submission = submitted(provider)
        assert seen(provider, submission).state is JobState.STARTING
        aci.advance(30)
        running = seen(provider, submission)
        assert running.state is JobState.RUNNING
        aci.advance(60)
        ended = seen(provider, submission)
        assert (ended.state, ended.exit_code, ended.reason) == (JobState.SUCCEEDED, 0, "")
        assert (ended.ended_at - ended.started_at).total_seconds() == 60
        assert ended.started_at == running.started_at

    def test_a_failure_brings_its_exit_code_and_the_end_of_its_log(self, aci, provider):
        submission = submitted(provider)
        aci.log(NAME, "line one\nValueError: no\n")
        aci.finish(NAME, 3)
        observation = seen(provider, submission)
        assert (observation.state, observation.exit_code) == (JobState.FAILED, 3)
        assert observation.reason == "exit code 3. The last lines of its log:\nline one\nValueError: no"

    def test_a_log_that_cannot_be_read_costs_no_end(self, aci, provider):
        submission = submitted(provider)
        aci.finish(NAME, 3)
        aci.faults.add(LOGS, FaultKind.SERVER_ERROR)
        assert seen(provider, submission).reason == "exit code 3"

    def test_a_host_that_went_away_is_a_crash(self, aci, provider):
        submission = submitted(provider)
        aci.book.take(aci.book.named(NAME)[0], "the node was reclaimed", cause=EndCause.TAKEN)
        observation = seen(provider, submission)
        assert observation.state is JobState.CRASHED
        assert "the node was reclaimed" in observation.reason

    def test_a_failed_provisioning_is_an_end_that_azure_cannot_undo(self, start):
        aci = start(life=SLOW)
        provider = provider_for(aci)
        aci.faults.add(PUT, FaultKind.NO_CAPACITY, detail="provisioning")
        submission = submitted(provider)
        observation = seen(provider, submission)
        assert observation.state is JobState.CRASHED
        assert "InsufficientCapacity" in observation.reason
        aci.advance(60)
        assert aci.book.live == 0
        assert seen(provider, submission).state is JobState.STOPPED

    def test_a_failed_provisioning_that_cannot_be_stopped_has_not_ended(self, start):
        aci = start(life=SLOW)
        provider = provider_for(aci)
        aci.faults.add(PUT, FaultKind.NO_CAPACITY, detail="provisioning")
        submission = submitted(provider)
        aci.faults.add(STOP, FaultKind.REFUSE, detail="ContainerGroupTransitioning: later")
        observation = seen(provider, submission)
        assert observation.state is JobState.STARTING
        assert "could not be stopped" in observation.reason

    def test_a_group_that_is_gone_is_missing(self, aci, provider):
        submission = submitted(provider)
        provider.discard([submission])
        assert seen(provider, submission).state is JobState.MISSING

    def test_an_unreadable_group_says_why_and_the_others_are_observed(self, aci, provider):
        first, second = submitted(provider, a_job("r1-1")), submitted(provider, a_job("r2-1"))
        aci.faults.add(GET, FaultKind.REFUSE, detail="AuthorizationFailed: no")
        unnamed = replace(first, name="r3-1", handle={**first.handle, "credentials": "forgotten"})
        observations = provider.observe([unnamed, first, second])
        assert [name for name, observation in observations.items() if observation.state is not JobState.UNREADABLE] == ["r2-1"]
        assert "forgotten" in observations["r3-1"].reason
        assert "AuthorizationFailed" in observations["r1-1"].reason

    @pytest.mark.parametrize("kind", [FaultKind.THROTTLE, FaultKind.LOSE_ANSWER])
    def test_a_request_by_azure_for_fewer_calls_ends_the_batch(self, aci, provider, kind):
        submissions = [submitted(provider, a_job(f"r{number}-1")) for number in range(3)]
        before = aci.calls[GET]
        aci.faults.add(GET, kind)
        assert all(observation.state is JobState.UNREADABLE for observation in provider.observe(submissions).values())
        assert aci.calls[GET] == before + 1

    def test_a_batch_ends_in_time(self, aci, provider):
        submissions = [submitted(provider, a_job(f"r{number}-1")) for number in range(3)]
        times = iter([0.0, 1.0, LAST_START + 1])
        assert provider_for(aci, monotonic=lambda: next(times)).observe(submissions).keys() == {"r0-1"}
        assert LAST_START + max(READ_SECONDS, WRITE_SECONDS) <= CALL_TIMEOUT

    def test_an_end_that_is_seen_late_goes_without_its_log(self, aci, provider):
        submission = submitted(provider)
        aci.log(NAME, "words")
        aci.finish(NAME, 3)
        times = iter([0.0, 1.0, LAST_START + 1])
        assert seen(provider_for(aci, monotonic=lambda: next(times)), submission).reason == "exit code 3"

    def test_observation_leaves_the_last_reads_of_the_subscription_to_others(self, start):
        aci = start(quotas=Quotas(reads=(READS_KEPT + 6, 0.001)))
        provider = provider_for(aci)
        submissions = [submitted(provider, a_job(f"r{number}-1")) for number in range(4)]
        assert len(provider.observe(submissions)) == 3

    def test_a_lagging_status_shows_an_earlier_state(self, start):
        aci = start(status_lag=30)
        provider = provider_for(aci)
        submission = submitted(provider)
        aci.advance(60)
        aci.finish(NAME, 1)
        assert seen(provider, submission).state is JobState.RUNNING
        aci.advance(30)
        assert seen(provider, submission).state is JobState.FAILED


class TestCancel:
    def test_a_running_job_is_stopped_and_its_end_is_seen_later(self, start):
        aci = start(life=SLOW)
        provider = provider_for(aci)
        submission = submitted(provider)
        aci.advance(30)
        provider.cancel(submission)
        assert seen(provider, submission).state is JobState.RUNNING
        aci.advance(5)
        observation = seen(provider, submission)
        assert (observation.state, observation.exit_code) == (JobState.STOPPED, 143)

    def test_a_job_that_never_ran_is_deleted(self, start):
        aci = start(life=SLOW)
        provider = provider_for(aci)
        submission = submitted(provider)
        provider.cancel(submission)
        assert (aci.calls[STOP], aci.lingering, aci.book.live) == (0, 0, 0)
        assert seen(provider, submission).state is JobState.MISSING

    def test_a_transitioning_group_is_asked_again_later(self, start):
        aci = start(life=SLOW)
        provider = provider_for(aci)
        submission = submitted(provider)
        aci.advance(30)
        provider.cancel(submission)
        with pytest.raises(CallFailed, match="still transitioning"):
            provider.cancel(submission)
        aci.advance(5)
        provider.cancel(submission)

    def test_a_job_that_has_ended_or_is_gone_causes_no_error(self, aci, provider):
        submission = submitted(provider)
        aci.finish(NAME)
        provider.cancel(submission)
        assert (aci.calls[STOP], aci.lingering) == (0, 1)
        assert seen(provider, submission).state is JobState.SUCCEEDED
        provider.discard([submission])
        provider.cancel(submission)

    def test_a_lost_answer_is_a_failed_call(self, aci, provider):
        submission = submitted(provider)
        assert seen(provider, submission).state is JobState.RUNNING
        aci.faults.add(STOP, FaultKind.LOSE_ANSWER)
        with pytest.raises(CallFailed):
            provider.cancel(submission)
        assert seen(provider, submission).state is JobState.STOPPED


class TestLogs:
    def test_the_last_lines_can_be_read_while_the_group_is_there(self, aci, provider):
        submission = submitted(provider)
        seen(provider, submission)
        aci.log(NAME, "one\ntwo\nthree\n")
        assert provider.logs(submission, 2) == "two\nthree\n"
        provider.discard([submission])
        assert provider.logs(submission) == ""

    def test_logs_are_empty_before_a_job_runs(self, start):
        provider = provider_for(start(life=SLOW))
        assert provider.logs(submitted(provider)) == ""

    def test_logs_are_those_of_the_working_container(self, aci, provider):
        side = {"name": "side", "properties": {"image": "s", "resources": {"requests": {"cpu": 1, "memoryInGB": 1}}}}
        submission = submitted(provider, a_job(arm_template=a_template(containers=[{"name": "main"}, side])))
        assert submission.handle["container"] == "main"
        seen(provider, submission)
        provider.logs(submission)
        assert aci.calls.requests(LOGS)[0]["container"] == "main"

    def test_a_lost_answer_is_a_failed_call(self, aci, provider):
        submission = submitted(provider)
        aci.faults.add(LOGS, FaultKind.LOSE_ANSWER)
        with pytest.raises(CallFailed):
            provider.logs(submission)


@pytest.mark.long
def test_a_burst_on_azures_default_quotas_waits_and_loses_nothing(start):
    aci = start(job_seconds=30)
    provider = provider_for(aci, deletes_per_call=100)
    waiting = [a_job(f"r{number}-1") for number in range(320)]
    live: list[Submission] = []
    while waiting or live:
        while waiting:
            outcome = provider.submit(waiting[0])
            if isinstance(outcome, Throttled):
                break
            assert isinstance(outcome, Accepted), outcome
            live.append(outcome.submission)
            waiting.pop(0)
        aci.advance(60)
        ended = {name for name, end in provider.observe(live).items() if end.state.is_end}
        gone = provider.discard([submission for submission in live if submission.name in ended])
        live = [submission for submission in live if submission.name not in gone]
    assert set(aci.starts.values()) == {1}
    assert (len(aci.starts), aci.lingering) == (320, 0)
    assert aci.now() - START > 3600


def test_a_job_is_a_local_process_with_its_environment(start):
    aci = start(run_commands=True)
    provider = provider_for(aci)
    submission = submitted(provider, a_job(command="sh -c 'exit $CODE'", env={"CODE": "7"}))
    seen(provider, submission)
    for watcher in [thread for thread in threading.enumerate() if thread.name.startswith("job-")]:
        watcher.join()
    assert seen(provider, submission).exit_code == 7


def test_limits_are_azures(provider):
    burst, hourly = provider.limits.submit_rates
    assert (burst.burst, burst.per_second * 300) == (100, 100)
    assert (hourly.burst, round(hourly.per_second * 3600)) == (300, 300)
    assert provider.limits.lingers
    assert provider.limits.start_deadline == 240


def test_without_the_sdk_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(connections, "find_spec", lambda _name: None)
    with pytest.raises(ProviderUnavailable, match=r"push-dispatcher\[azure\]"):
        connections.require_sdk()


def test_an_entry_with_a_secret_is_refused_and_one_of_another_cloud_is_ignored(aci):
    entries = {"mine": {"client_id": "c", "client_secret": "hush"}, "aws": {"role_arn": "arn"}}
    outcome = provider_for(aci, credentials=entries).submit(a_job(aci_credentials="mine"))
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.startswith("credentials.mine: has unknown keys: client_secret;")
    assert "hush" not in outcome.reason


@pytest.mark.parametrize("seed", range(3))
def test_each_job_runs_once_and_leaves_nothing_after_any_loss(start, seed):
    """What a dispatcher does with a name, in short: look it up before a repeat, discard after an end, sweep."""
    aci = start(seed=seed, quotas=Quotas.unlimited(), job_seconds=30, exit_code=lambda name: int(name[1:-2]) % 3)
    provider = provider_for(aci, sweep_after=0, deletes_per_call=100)
    aci.faults.add("*", FaultKind.LOSE_ANSWER, probability=0.1)
    aci.faults.add("*", FaultKind.LOSE_REQUEST, probability=0.1)
    aci.faults.add("*", FaultKind.SERVER_ERROR_AFTER, probability=0.1)
    waiting = {f"r{number}-1": a_job(f"r{number}-1") for number in range(40)}
    live, ends = {}, {}
    while waiting or live:
        for job in list(waiting.values()):
            outcome = provider.submit(job)
            if isinstance(outcome, Accepted):
                live[job.name] = outcome.submission
                del waiting[job.name]
        aci.advance(20)
        ends |= {name: end for name, end in provider.observe(list(live.values())).items() if end.state.is_end}
        live = {name: submission for name, submission in live.items() if name not in ends}
    assert aci.starts == dict.fromkeys(ends, 1)
    assert {name: end.exit_code for name, end in ends.items()} == {name: int(name[1:-2]) % 3 for name in ends}
    while aci.lingering:
        with suppress(CallFailed):
            provider.sweep(a_job().configuration, frozenset())
