"""The provider and the emulated Azure, with Azure's own client between them."""

import threading
from contextlib import suppress
from dataclasses import replace

import pytest

from providers.base import (
    Accepted,
    CallFailed,
    Hold,
    JobState,
    Misconfigured,
    Observation,
    ProviderUnavailable,
    Rejected,
    Submission,
    Throttled,
    Unknown,
    Unreachable,
)
from providers.container_instance import connections
from providers.container_instance.arm import READ_SECONDS, WRITE_SECONDS
from providers.container_instance.observing import READS_KEPT
from providers.container_instance.provider import READS_PER_SWEEP
from providers.container_instance.timing import CALL_TIMEOUT, LAST_START
from providers.emulators.container_instance import Quotas
from providers.emulators.faults import FaultKind
from providers.emulators.jobs import Cause, Life, Phase
from tests.providers.container_instance.builders import IDENTITY, SUBSCRIPTION, a_job, a_template, provider_for, submitted
from tests.providers.container_instance.conftest import START

PUT, GET = "ContainerGroups_CreateOrUpdate", "ContainerGroups_Get"
STOP, DELETE, LOGS = "ContainerGroups_Stop", "ContainerGroups_Delete", "Containers_ListLogs"
SLOW = Life(before=(Phase("Pending", 10), Phase("Creating", 20)), running="Running", ended="Terminated", stop_seconds=5)
NAME = "r0001-1"
PLACE = ("", SUBSCRIPTION, "westeurope")


def seen(provider, submission) -> Observation:
    return provider.observe([submission])[submission.name]


class TestSubmit:
    def test_a_job_is_one_group_under_its_name(self, aci, provider):
        submission = submitted(provider, a_job(environment={"DISPATCHER_RUN_ID": "1"}))
        assert submission.name == NAME
        assert submission.handle == {
            "subscription_id": SUBSCRIPTION,
            "resource_group": "rg",
            "credentials": "",
            "container": NAME,
        }
        assert submission.url == (
            f"https://portal.azure.com/#resource/subscriptions/{SUBSCRIPTION}/resourceGroups/rg"
            f"/providers/Microsoft.ContainerInstance/containerGroups/{NAME}/overview"
        )
        (request,) = aci.calls.requests(PUT)
        assert request["query"] == {"api-version": "2023-05-01"}
        assert request["body"]["location"] == "westeurope"
        assert (aci.calls[GET], aci.calls[PUT], aci.starts) == (1, 1, {NAME: 1})

    def test_a_repeat_finds_the_group_and_puts_nothing(self, aci, provider):
        first = submitted(provider)
        assert submitted(provider) == first
        assert (aci.calls[PUT], aci.starts) == (1, {NAME: 1})

    def test_a_group_that_has_ended_is_found_and_not_run_again(self, aci, provider):
        submitted(provider)
        aci.finish(NAME)
        submitted(provider)
        assert aci.starts == {NAME: 1}

    def test_two_dispatchers_that_both_saw_nothing_start_one_job(self, start):
        aci = start(life=SLOW)
        provider, other = provider_for(aci), provider_for(aci)
        submitted(other)
        aci.faults.add(GET, FaultKind.REFUSE, detail="ResourceNotFound: not there, as a stale replica has it")
        assert isinstance(provider.submit(a_job()), Accepted)
        aci.advance(60)
        aci.faults.add(GET, FaultKind.REFUSE, detail="ResourceNotFound: not there, as a stale replica has it")
        assert isinstance(provider.submit(a_job(cpu=2)), Accepted)
        assert aci.starts == {NAME: 1}

    @pytest.mark.parametrize("kind", [FaultKind.LOSE_ANSWER, FaultKind.SERVER_ERROR_AFTER])
    def test_a_lost_answer_is_unknown_and_the_job_is_found_afterwards(self, aci, provider, kind):
        aci.faults.add(PUT, kind)
        assert isinstance(provider.submit(a_job()), Unknown)
        submission = provider.find(a_job())
        assert submission == submitted(provider)
        assert aci.starts == {NAME: 1}

    @pytest.mark.parametrize("kind", [FaultKind.LOSE_REQUEST, FaultKind.SERVER_ERROR])
    def test_a_lost_request_is_unknown_as_well_and_started_nothing(self, aci, provider, kind):
        aci.faults.add(PUT, kind)
        assert isinstance(provider.submit(a_job()), Unknown)
        assert provider.find(a_job()) is None

    def test_nothing_is_put_after_a_look_that_was_not_answered(self, aci, provider):
        for kind in (FaultKind.LOSE_ANSWER, FaultKind.LOSE_REQUEST, FaultKind.SERVER_ERROR):
            aci.faults.add(GET, kind)
            assert isinstance(provider.submit(a_job()), Unreachable)
        assert aci.calls[PUT] == 0

    def test_nothing_is_put_after_a_look_that_took_too_long(self, aci):
        times = iter([0.0, LAST_START + 1])
        outcome = provider_for(aci, monotonic=lambda: next(times)).submit(a_job())
        assert outcome == Unreachable(cause="nothing was started: Azure took 6 s to answer a look-up")
        assert aci.calls[PUT] == 0

    def test_nothing_is_retried_and_nothing_waits(self, aci, provider):
        aci.faults.add(PUT, FaultKind.THROTTLE, times=100)
        outcome = provider.submit(a_job())
        hold = Hold(place=("", SUBSCRIPTION))
        assert outcome == Throttled(reason="TooManyRequests: The request is being throttled.", retry_after=17, hold=hold)
        assert aci.calls[PUT] == 1

    def test_an_unregistered_subscription_has_to_be_fixed_by_a_person(self, aci, provider):
        aci.faults.add(PUT, FaultKind.REFUSE, detail="MissingSubscriptionRegistration: register 'Microsoft.ContainerInstance'")
        outcome = provider.submit(a_job())
        assert isinstance(outcome, Misconfigured)
        assert outcome.hold == Hold(place=("", SUBSCRIPTION))
        assert "az provider register" in outcome.reason
        assert aci.calls[PUT] == 1

    @pytest.mark.parametrize(
        ("kind", "detail", "hold"),
        [
            (FaultKind.NO_CAPACITY, "", Hold(place=PLACE, size={"cpu": 1, "memory": 1}, freed_by_end=True)),
            (FaultKind.NO_CAPACITY, "StandardCores", Hold(place=PLACE, size={"cpu": 1}, freed_by_end=True)),
            (FaultKind.NO_CAPACITY, "ContainerGroups", Hold(place=PLACE, freed_by_end=True)),
            (FaultKind.NO_CAPACITY, "size", None),
            (FaultKind.REFUSE, "RegistryErrorResponse: An error response is received from 'index.docker.io'", None),
        ],
    )
    def test_what_may_pass_is_throttled_and_holds_whom_it_concerns(self, aci, provider, kind, detail, hold):
        aci.faults.add(PUT, kind, detail=detail)
        outcome = provider.submit(a_job())
        assert isinstance(outcome, Throttled)
        assert outcome.hold == hold
        assert aci.starts == {}

    def test_a_size_that_a_location_does_not_have_concerns_the_one_job(self, start):
        provider = provider_for(start(largest={"westeurope": 2}))
        outcome = provider.submit(a_job("r1-1", cpu=4))
        assert isinstance(outcome, Throttled)
        assert (outcome.hold, "not available in the location 'westeurope'" in outcome.reason) == (None, True)
        assert isinstance(provider.submit(a_job("r2-1", cpu=2)), Accepted)

    def test_cores_that_are_used_up_leave_smaller_jobs_alone(self, start):
        provider = provider_for(start(quotas=Quotas(cores=3)))
        submitted(provider, a_job("r1-1", cpu=2))
        big, small = a_job("r2-1", cpu=2), a_job("r3-1", cpu=1)
        outcome = provider.submit(big)
        assert [outcome.hold.concerns(provider.needs(job.configuration)) for job in (big, small)] == [True, False]
        assert isinstance(provider.submit(small), Accepted)

    @pytest.mark.parametrize(
        "detail", ["", "AuthorizationFailed: no", "ResourceGroupNotFound: no", "RequestDisallowedByPolicy: no"]
    )
    def test_what_no_repeat_changes_is_rejected(self, aci, provider, detail):
        aci.faults.add(PUT, FaultKind.REFUSE, detail=detail)
        assert isinstance(provider.submit(a_job()), Rejected)

    def test_a_full_region_throttles_until_a_group_is_discarded(self, start):
        aci = start(quotas=Quotas(groups=1))
        provider = provider_for(aci)
        first = submitted(provider, a_job("r1-1"))
        aci.finish("r1-1")
        assert isinstance(provider.submit(a_job("r2-1")), Throttled)
        assert provider.discard([first]) == {"r1-1"}
        assert isinstance(provider.submit(a_job("r2-1")), Accepted)

    def test_a_spent_rate_says_when_to_try_again(self, start):
        aci = start(quotas=Quotas(creates=((1, 300.0),)))
        provider = provider_for(aci)
        submitted(provider, a_job("r1-1"))
        aci.advance(100)
        outcome = provider.submit(a_job("r2-1"))
        assert isinstance(outcome, Throttled)
        assert outcome.retry_after == 200

    def test_the_location_is_the_resource_groups_where_nothing_names_one(self, start):
        aci = start(resource_groups={"rg": "northeurope"})
        provider = provider_for(aci)
        for name in ("r1-1", "r2-1"):
            submitted(provider, a_job(name, location=None))
        assert {request["body"]["location"] for request in aci.calls.requests(PUT)} == {"northeurope"}
        assert aci.calls["ResourceGroups_Get"] == 1

    def test_key_vault_references_are_sent_in_a_version_that_knows_them(self, aci, provider):
        secrets = {"PASSWORD": "https://vault.vault.azure.net/secrets/password"}
        submitted(provider, a_job(secrets=secrets, identities=[IDENTITY]))
        (request,) = aci.calls.requests(PUT)
        assert request["query"] == {"api-version": "2025-09-01"}

    def test_a_configuration_that_cannot_be_used_is_rejected_without_a_call(self, aci, provider):
        outcome = provider.submit(a_job(resource_group_name=None))
        assert outcome == Rejected(reason="resource_group_name: missing")
        assert aci.calls.counts == {}

    def test_credentials_that_the_host_lacks_are_its_own_fault_and_no_jobs(self, aci, provider):
        outcome = provider.submit(a_job(aci_credentials="nobody"))
        assert isinstance(outcome, Misconfigured)
        assert outcome.hold == Hold(place=("nobody",))
        assert "add it there" in outcome.reason
        outcome = provider.submit(a_job(secrets={"PASSWORD": "nobodys"}))
        assert isinstance(outcome, Misconfigured)
        assert outcome.hold is None
        assert aci.calls[PUT] == 0

    def test_fifty_at_once_are_fifty_jobs(self, aci, provider):
        outcomes = {}
        names = [f"r{number:04}-1" for number in range(50)]

        def submit(mine):
            for name in mine:
                outcomes[name] = provider.submit(a_job(name))

        threads = [threading.Thread(target=submit, args=(names[place::10],)) for place in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(isinstance(outcomes[name], Accepted) for name in names)
        assert aci.starts == dict.fromkeys(names, 1)

    def test_a_dead_endpoint_starts_nothing_and_is_no_exception(self, start):
        aci = start()
        provider = provider_for(aci)
        aci.stop()
        assert isinstance(provider.submit(a_job()), Unreachable)
        with pytest.raises(CallFailed):
            provider.find(a_job())
        assert seen(provider, _submission()).state is JobState.UNREADABLE


def _submission(name: str = NAME, **handle) -> Submission:
    return Submission(name=name, handle={"subscription_id": SUBSCRIPTION, "resource_group": "rg", **handle})


class TestFind:
    def test_nothing_is_found_before_a_submission_or_without_a_resource_group(self, start):
        aci = start(resource_groups={"other": "westeurope"})
        assert provider_for(aci).find(a_job()) is None
        assert provider_for(aci).find(a_job(resource_group_name="other")) is None

    def test_an_answer_that_is_not_azures_is_no_proof(self, aci, provider):
        aci.faults.add(GET, FaultKind.REFUSE, detail="404 SubscriptionNotFound: another tenant's")
        with pytest.raises(CallFailed, match="SubscriptionNotFound"):
            provider.find(a_job())

    def test_a_throttled_look_failed(self, aci, provider):
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
        aci.book.take(aci.book.named(NAME)[0], "the node was reclaimed", cause=Cause.TAKEN)
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

    def test_what_cannot_be_read_says_why_and_the_rest_is_seen(self, aci, provider):
        first, second = submitted(provider, a_job("r1-1")), submitted(provider, a_job("r2-1"))
        aci.faults.add(GET, FaultKind.REFUSE, detail="AuthorizationFailed: no")
        unnamed = replace(first, name="r3-1", handle={**first.handle, "credentials": "forgotten"})
        observations = provider.observe([unnamed, first, second])
        assert [name for name, observation in observations.items() if observation.state is not JobState.UNREADABLE] == ["r2-1"]
        assert "forgotten" in observations["r3-1"].reason
        assert "AuthorizationFailed" in observations["r1-1"].reason

    @pytest.mark.parametrize("kind", [FaultKind.THROTTLE, FaultKind.LOSE_ANSWER])
    def test_azures_wish_for_fewer_calls_ends_the_batch(self, aci, provider, kind):
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

    def test_the_last_reads_of_the_subscription_are_left_to_others(self, start):
        aci = start(quotas=Quotas(reads=(READS_KEPT + 6, 0.001)))
        provider = provider_for(aci)
        submissions = [submitted(provider, a_job(f"r{number}-1")) for number in range(4)]
        assert len(provider.observe(submissions)) == 3

    def test_what_a_lagging_status_shows_is_an_earlier_state(self, start):
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

    def test_a_job_that_has_ended_or_is_gone_is_no_error(self, aci, provider):
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

    def test_before_a_job_runs_there_are_none(self, start):
        provider = provider_for(start(life=SLOW))
        assert provider.logs(submitted(provider)) == ""

    def test_they_are_the_working_containers(self, aci, provider):
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


class TestDiscard:
    def test_ended_groups_are_deleted_and_repeats_change_nothing(self, aci, provider):
        submissions = [submitted(provider, a_job(f"r{number}-1")) for number in range(3)]
        assert provider.discard(submissions) == {"r0-1", "r1-1", "r2-1"}
        assert provider.discard(submissions) == {"r0-1", "r1-1", "r2-1"}
        assert aci.lingering == 0

    def test_no_more_are_deleted_than_azures_rate_lets_through(self, start):
        aci = start(quotas=Quotas(deletes=((2, 300.0),)))
        provider = provider_for(aci)
        submissions = [submitted(provider, a_job(f"r{number}-1")) for number in range(4)]
        assert provider.discard(submissions) == {"r0-1", "r1-1"}
        assert aci.calls[DELETE] == 3

    def test_one_call_deletes_a_bounded_number(self, aci):
        provider = provider_for(aci, deletes_per_call=2)
        submissions = [submitted(provider, a_job(f"r{number}-1")) for number in range(3)]
        assert provider.discard(submissions) == {"r0-1", "r1-1"}

    def test_a_refused_delete_is_left_for_later(self, aci, provider):
        submissions = [submitted(provider, a_job(f"r{number}-1")) for number in range(2)]
        aci.faults.add(DELETE, FaultKind.REFUSE, detail="409 ScopeLocked: a lock")
        assert provider.discard(submissions) == {"r1-1"}

    def test_a_group_that_cannot_be_reached_is_not_gone(self, aci, provider):
        submission = submitted(provider)
        lost = replace(submission, handle={**submission.handle, "credentials": "forgotten"})
        assert provider.discard([lost]) == frozenset()

    def test_a_group_that_is_to_stay_stays(self, aci, provider):
        submission = submitted(provider, a_job(keep_container_group=True))
        aci.finish(NAME)
        assert provider.discard([submission]) == {NAME}
        assert provider.sweep(a_job().configuration, frozenset()) == ()
        assert aci.lingering == 1


class TestSweep:
    def test_ended_groups_that_nobody_knows_are_deleted(self, aci):
        provider = provider_for(aci, sweep_after=600)
        for name in ("r1-1", "r2-1", "r3-1"):
            submitted(provider, a_job(name))
        aci.finish("r1-1")
        aci.finish("r2-1")
        aci.advance(600)
        assert provider.sweep(a_job().configuration, frozenset({"r2-1"})) == ("r1-1",)
        assert aci.lingering == 2

    def test_a_sweep_leaves_a_recently_ended_group_alone(self, aci):
        provider = provider_for(aci, sweep_after=600)
        submitted(provider)
        aci.finish(NAME)
        aci.advance(599)
        assert provider.sweep(a_job().configuration, frozenset()) == ()
        aci.advance(1)
        assert provider.sweep(a_job().configuration, frozenset()) == (NAME,)

    def test_other_peoples_groups_are_never_touched(self, aci):
        provider = provider_for(aci, sweep_after=0)
        submitted(provider)
        group = next(iter(aci.service.groups.values()))
        group.body["tags"]["push-dispatcher-job"] = "another"
        aci.finish(NAME)
        assert provider.sweep(a_job().configuration, frozenset()) == ()

    def test_many_running_jobs_do_not_hide_an_ended_one(self, start):
        aci = start(quotas=Quotas.unlimited())
        provider = provider_for(aci, sweep_after=0)
        for number in range(READS_PER_SWEEP + 10):
            submitted(provider, a_job(f"r{number}-1"))
        aci.finish(f"r{READS_PER_SWEEP + 9}-1")
        swept = []
        for _ in range(2):
            swept += provider.sweep(a_job().configuration, frozenset())
            aci.advance(60)
        assert swept == [f"r{READS_PER_SWEEP + 9}-1"]

    def test_a_sweep_that_cannot_list_fails(self, aci, provider):
        aci.faults.add("ContainerGroups_ListByResourceGroup", FaultKind.SERVER_ERROR)
        with pytest.raises(CallFailed):
            provider.sweep(a_job().configuration, frozenset())

    def test_every_page_of_the_list_is_read(self, start):
        aci = start(page_size=2)
        provider = provider_for(aci, sweep_after=0)
        for number in range(5):
            submitted(provider, a_job(f"r{number}-1"))
            aci.finish(f"r{number}-1")
        assert len(provider.sweep(a_job().configuration, frozenset())) == 5


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


def test_an_entry_with_a_secret_in_it_is_refused_and_one_of_another_cloud_is_nobodys_business(aci):
    entries = {"mine": {"client_id": "c", "client_secret": "hush"}, "aws": {"role_arn": "arn"}}
    outcome = provider_for(aci, credentials=entries).submit(a_job(aci_credentials="mine"))
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.startswith("credentials.mine: unknown client_secret;")
    assert "hush" not in outcome.reason


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_lost_each_job_runs_once_and_nothing_is_left(start, seed):
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
