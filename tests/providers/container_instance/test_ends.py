"""The main container decides: groups that go on without it, and repairs that take too long."""

import pytest

from providers.base import JobState, Observation
from providers.emulators.faults import FaultKind
from tests.providers.container_instance.builders import a_job, a_template, provider_for, submitted
from tests.providers.container_instance.conftest import START

NAME = "r0001-1"
STOP, TAG = "ContainerGroups_Stop", "ContainerGroups_Update"
SIDECAR = {"name": "side", "properties": {"image": "s", "resources": {"requests": {"cpu": 0.5, "memoryInGB": 1}}}}
WITH_SIDECAR = a_template(containers=[{"name": "main"}, SIDECAR])


@pytest.fixture
def running(aci, provider):
    """Submits a job whose group outlives its main container, and lets it run."""

    def running(template=WITH_SIDECAR, seconds=None, **how):
        submission = submitted(provider, a_job(arm_template=template))
        assert seen(provider, submission).state is JobState.RUNNING
        aci.outlive(NAME, seconds, **how)
        return submission

    return running


def seen(provider, submission) -> Observation:
    return provider.observe([submission])[submission.name]


def group_of(aci):
    return next(iter(aci.service.groups.values()))


@pytest.mark.parametrize("template", [WITH_SIDECAR, None], ids=["a sidecar lives on", "a fault of Azure's"])
@pytest.mark.parametrize("end", [(JobState.SUCCEEDED, 0), (JobState.FAILED, 3)])
def test_the_end_of_the_main_container_is_the_jobs_and_the_group_is_stopped(aci, provider, running, template, end):
    submission = running(template)
    aci.finish(NAME, end[1])
    assert aci.jobs()[0].state == "Running"
    ended = seen(provider, submission)
    assert (ended.state, ended.exit_code) == end
    assert aci.calls[STOP] == 1
    assert aci.jobs()[0].state == "Stopped"


@pytest.mark.parametrize("code", [0, 3])
def test_an_end_whose_record_was_lost_is_seen_again_as_it_was(aci, provider, running, code):
    submission = running()
    aci.finish(NAME, code)
    first = seen(provider, submission)
    assert seen(provider_for(aci), submission) == first
    assert aci.calls[STOP] == 1


def test_a_job_that_somebody_stopped_is_stopped_with_a_sidecar_too(aci, provider, running):
    submission = running()
    provider.cancel(submission)
    assert seen(provider, submission).state is JobState.STOPPED


def test_a_sidecar_that_ends_with_137_is_not_the_jobs_failure(aci, provider, running):
    submission = running(seconds=10, sidecar_exit=137)
    aci.finish(NAME, 0)
    aci.advance(10)
    assert aci.jobs()[0].state == "Failed"
    ended = seen(provider, submission)
    assert (ended.state, ended.exit_code, ended.reason) == (JobState.SUCCEEDED, 0, "")
    assert aci.calls[STOP] == 0


@pytest.mark.parametrize("operation", [STOP, TAG])
def test_an_end_waits_a_bounded_time_until_the_remaining_containers_stop(aci, provider, running, operation):
    submission = running()
    aci.finish(NAME, 3)
    aci.faults.add(operation, FaultKind.REFUSE, detail="ContainerGroupTransitioning: later", times=100)
    waiting = seen(provider, submission)
    assert waiting.state is JobState.RUNNING
    assert "could not be stopped" in waiting.reason
    aci.advance(301)
    ended = seen(provider, submission)
    assert (ended.state, ended.exit_code) == (JobState.FAILED, 3)


def test_an_end_of_every_container_does_not_wait_for_a_stop(aci, provider, running):
    submission = running(template=None)
    aci.finish(NAME, 0)
    aci.faults.add(STOP, FaultKind.SERVER_ERROR)
    assert seen(provider, submission).state is JobState.SUCCEEDED


def test_the_groups_own_tags_stay(aci, provider, running):
    submission = running()
    before = dict(group_of(aci).body["tags"])
    aci.finish(NAME, 0)
    seen(provider, submission)
    after = group_of(aci).body["tags"]
    assert after.keys() - before.keys() == {"push-dispatcher-ended"}
    assert after.items() >= before.items()


def test_a_cancel_stops_the_remaining_containers_of_a_group(aci, provider, running):
    submission = running()
    aci.finish(NAME, 0)
    provider.cancel(submission)
    assert aci.jobs()[0].state == "Stopped"


def test_a_sweep_removes_a_group_whose_main_container_has_long_ended(aci, running):
    running()
    aci.finish(NAME, 0)
    aci.advance(600)
    assert provider_for(aci, sweep_after=600).sweep(a_job().configuration, frozenset()) == (NAME,)


class TestRepair:
    def test_a_repair_is_not_an_end_and_may_take_its_time(self, aci, provider, running):
        submission = running(template=None, seconds=0)
        aci.show_provisioning(NAME, "Unhealthy")
        for _ in range(3):
            assert seen(provider, submission).state is JobState.RUNNING
            aci.advance(600)
        assert (aci.calls[TAG], aci.calls[STOP]) == (1, 0)

    def test_a_repair_that_takes_too_long_is_given_up(self, aci, provider, running):
        submission = running(template=None, seconds=0)
        aci.show_provisioning(NAME, "Repairing")
        seen(provider, submission)
        aci.advance(1801)
        given_up = seen(provider_for(aci), submission)
        assert given_up.state is JobState.CRASHED
        assert given_up.reason.startswith(
            "Azure is repairing the group (Repairing) since 2030-03-17 17:46 UTC; it was given up"
        )
        assert (aci.calls[STOP], aci.book.live) == (1, 0)

    def test_a_group_whose_stop_azure_refuses_keeps_running(self, aci, provider, running):
        submission = running(template=None, seconds=0)
        aci.show_provisioning(NAME, "Unhealthy")
        seen(provider, submission)
        aci.advance(1801)
        aci.faults.add(STOP, FaultKind.REFUSE, detail="ContainerGroupTransitioning: later")
        waiting = seen(provider, submission)
        assert waiting.state is JobState.RUNNING
        assert "could not be stopped" in waiting.reason
        assert seen(provider, submission).state is JobState.CRASHED

    def test_a_second_repair_has_its_own_time(self, aci, provider, running):
        submission = running(template=None, seconds=0)
        for _ in range(3):
            aci.show_provisioning(NAME, "Unhealthy")
            assert seen(provider, submission).state is JobState.RUNNING
            aci.advance(1000)
            aci.show_provisioning(NAME, None)
            assert seen(provider, submission) == Observation(
                state=JobState.RUNNING, started_at=seen(provider, submission).started_at
            )
        assert aci.now() - START == 3000
        assert "push-dispatcher-repair-since" not in group_of(aci).body["tags"]

    def test_a_job_that_ended_during_a_repair_ended_as_it_did(self, aci, provider, running):
        submission = running(template=None, seconds=0)
        aci.show_provisioning(NAME, "Unhealthy")
        seen(provider, submission)
        aci.finish(NAME, 0)
        aci.advance(1801)
        assert seen(provider, submission).state is JobState.SUCCEEDED
