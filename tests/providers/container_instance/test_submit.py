"""Submissions to the emulated Azure, with Azure's own client between them."""

import threading

import pytest

from providers.base import (
    Accepted,
    CallFailed,
    Hold,
    JobState,
    Misconfigured,
    Rejected,
    Throttled,
    Unknown,
    Unreachable,
)
from providers.container_instance.timing import LAST_START
from providers.emulators.container_instance import Quotas
from providers.emulators.faults import FaultKind
from tests.providers.container_instance.builders import (
    GET,
    IDENTITY,
    NAME,
    PUT,
    SLOW,
    SUBSCRIPTION,
    a_job,
    provider_for,
    seen,
    submission_of,
    submitted,
)

PLACE = ("", SUBSCRIPTION, "westeurope")


class TestSubmit:
    def test_a_job_becomes_one_container_group_with_its_name(self, aci, provider):
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
    def test_a_temporary_refusal_throttles_and_holds_only_the_jobs_it_concerns(self, aci, provider, kind, detail, hold):
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
    def test_a_refusal_that_no_repeat_would_change_is_a_rejection(self, aci, provider, detail):
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
        assert outcome == Rejected(reason="resource_group_name: is missing; give a value")
        assert aci.calls.counts == {}

    def test_credentials_that_the_host_lacks_hold_the_pool_and_crash_no_run(self, aci, provider):
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

    def test_a_dead_endpoint_starts_nothing_and_raises_nothing(self, start):
        aci = start()
        provider = provider_for(aci)
        aci.stop()
        assert isinstance(provider.submit(a_job()), Unreachable)
        with pytest.raises(CallFailed):
            provider.find(a_job())
        assert seen(provider, submission_of()).state is JobState.UNREADABLE
