"""What a container group shows of its job."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest

from providers.base import JobState, Observation
from providers.container_instance.answers import ArmFailure
from providers.container_instance.states import (
    MAX_REASON,
    is_over,
    is_repairing,
    never_ran,
    nothing_runs,
    observation_of,
    repairing_since,
    with_log,
)
from providers.container_instance.tags import ENDED_TAG
from tests.providers.container_instance.builders import a_group, an_event, terminated
from tests.providers.garbage import junk_at_every_place

WAITING = {"state": "Waiting", "detailStatus": "CrashLoopBackOff: "}


@pytest.mark.parametrize(
    ("group", "state", "exit_code", "reason"),
    [
        (a_group("Pending", provisioning="Pending", containers=[{}]), JobState.STARTING, None, ""),
        (a_group(None, provisioning="Creating", containers=[{}]), JobState.STARTING, None, ""),
        (a_group("Pending", containers=[WAITING]), JobState.STARTING, None, "CrashLoopBackOff: "),
        (a_group("Running"), JobState.RUNNING, None, ""),
        (a_group("Pending", provisioning="Creating"), JobState.RUNNING, None, ""),
        (a_group("Succeeded", containers=[terminated(0)]), JobState.SUCCEEDED, 0, ""),
        (a_group("Succeeded", containers=[{"state": "Terminated"}]), JobState.SUCCEEDED, 0, ""),
        (a_group("Succeeded", containers=[]), JobState.SUCCEEDED, 0, ""),
        (a_group("Failed", containers=[terminated(3)]), JobState.FAILED, 3, "exit code 3"),
        (
            a_group("Failed", containers=[terminated(137, detailStatus="OOMKilled")]),
            JobState.FAILED,
            137,
            "exit code 137 (OOMKilled)",
        ),
        (a_group("Failed", containers=[terminated(143)]), JobState.CRASHED, 143, "exit code 143 (SIGTERM)"),
        (a_group("Failed", containers=[terminated(0), terminated(137)]), JobState.SUCCEEDED, 0, ""),
        (a_group("Running", containers=[terminated(0), {"state": "Running"}]), JobState.SUCCEEDED, 0, ""),
        (a_group("Running", containers=[terminated(3), {"state": "Running"}]), JobState.FAILED, 3, "exit code 3"),
        (a_group("Running", containers=[terminated(0)]), JobState.SUCCEEDED, 0, ""),
        (a_group("Failed", containers=[{}, terminated(2)]), JobState.CRASHED, None, "exit code 2 of container c1"),
        (a_group("Failed", containers=[WAITING]), JobState.CRASHED, None, "CrashLoopBackOff: "),
        (a_group("Failed", containers=[{}]), JobState.CRASHED, None, "the container group failed; Azure gave no reason"),
        (a_group("Failed", containers=[{}], events=[an_event("Killed", "evicted")]), JobState.CRASHED, None, "Killed: evicted"),
        (a_group("Stopped", containers=[terminated(143)]), JobState.STOPPED, 143, "the container group was stopped"),
        (
            a_group("Pending", provisioning="Failed", containers=[{}]),
            JobState.CRASHED,
            None,
            "provisioning failed: Azure gave no reason",
        ),
    ],
)
def test_azures_states_are_these_of_ours(group, state, exit_code, reason):
    seen = observation_of(group)
    assert (seen.state, seen.exit_code, seen.reason) == (state, exit_code, reason)


def test_a_failed_provisioning_reports_azures_last_warnings():
    events = [an_event("Pulling", "pulling", "Normal"), an_event("InsufficientCapacity.", "no room in westeurope")]
    seen = observation_of(a_group("Pending", provisioning="Failed", containers=[{}], events=events))
    assert seen.reason == "provisioning failed: InsufficientCapacity: no room in westeurope"


def test_a_failed_provisioning_that_runs_all_the_same_is_running():
    assert observation_of(a_group("Running", provisioning="Failed")).state is JobState.RUNNING


@pytest.mark.parametrize("provisioning", ["Unhealthy", "Repairing"])
@pytest.mark.parametrize("state", ["Failed", "Pending", "Stopped"])
def test_a_group_that_is_being_repaired_has_not_ended(provisioning, state):
    assert observation_of(a_group(state, provisioning=provisioning, containers=[terminated(1)])).state is JobState.RUNNING


def test_a_group_whose_main_container_ended_is_distinguished_from_one_that_somebody_stopped():
    group = a_group("Stopped", containers=[terminated(0), terminated(137)])
    assert observation_of(group).state is JobState.STOPPED
    assert observation_of({**group, "tags": {ENDED_TAG: "2030-01-01T00:00:00Z"}}).state is JobState.SUCCEEDED


@pytest.mark.parametrize("policy", ["Always", "OnFailure"])
def test_a_container_that_azure_will_restart_has_not_ended(policy):
    group = a_group("Running", containers=[terminated(1)])
    group["properties"]["restartPolicy"] = policy
    assert observation_of(group).state is JobState.RUNNING


@pytest.mark.parametrize(
    ("containers", "state"),
    [([terminated(0)], JobState.SUCCEEDED), ([terminated(3)], JobState.FAILED), ([{"state": "Running"}], JobState.CRASHED)],
)
def test_a_repair_that_is_given_up_leaves_what_the_main_container_shows(containers, state):
    group = a_group("Running", provisioning="Unhealthy", containers=containers)
    assert observation_of(group).state is JobState.RUNNING
    assert observation_of(group, is_given_up=True).state is state


def test_any_group_is_read_or_reported_as_unreadable():
    times = {"startTime": "2030-01-01T00:00:00Z", "finishTime": "2030-01-01T00:00:01Z"}
    events = [an_event("Killed", "words")]
    whole = {"tags": {ENDED_TAG: "x"}, **a_group("Failed", containers=[terminated(1, **times), {}], events=events)}
    for group in junk_at_every_place(whole):
        for read in (observation_of, never_ran, is_over, nothing_runs, is_repairing, repairing_since):
            with suppress(ArmFailure):
                seen = read(group)
                if read is observation_of:
                    assert type(seen.exit_code) in (int, type(None)), group
                    assert seen.ended_at is None or seen.ended_at.tzinfo is not None


def test_the_container_that_does_the_work_is_found_by_name():
    group = a_group("Stopped", containers=[terminated(1), terminated(2)])
    assert observation_of(group, "c1").exit_code == 2
    assert observation_of(group, "unknown").exit_code == 1


def test_times_are_azures_whatever_their_digits():
    times = {"startTime": "2030-01-01T00:00:01.1234567Z", "finishTime": "2030-01-01T00:00:02Z"}
    seen = observation_of(a_group("Succeeded", containers=[terminated(0, **times)]))
    assert seen.started_at == datetime(2030, 1, 1, 0, 0, 1, 123456, tzinfo=UTC)
    assert seen.ended_at == datetime(2030, 1, 1, 0, 0, 2, tzinfo=UTC)
    assert observation_of(a_group(containers=[{"startTime": "whenever"}])).started_at is None


def test_only_a_group_without_a_started_container_never_ran():
    assert never_ran(a_group("Pending", containers=[{}]))
    assert never_ran(a_group(None, containers=[]))
    assert not never_ran(a_group("Pending", containers=[{"startTime": "2030-01-01T00:00:00Z"}]))
    assert not never_ran(a_group("Running"))


def test_a_reason_and_the_end_of_a_log_fit_into_what_a_run_keeps():
    seen = with_log(Observation(state=JobState.FAILED, reason="exit code 1"), "x" * 5000 + "\nthe end\n")
    assert len(seen.reason) == MAX_REASON
    assert seen.reason.startswith("exit code 1. The last lines of its log:\nxxx")
    assert seen.reason.endswith("the end")
    assert with_log(seen, "more") == seen
    assert with_log(Observation(state=JobState.FAILED, reason="r"), " \n").reason == "r"


@pytest.mark.parametrize("group", [{}, {"properties": None}, {"properties": {}}, {"properties": []}])
def test_an_answer_without_a_group_is_nothing_to_conclude_from(group):
    for read in (observation_of, never_ran):
        with pytest.raises(ArmFailure, match="cannot be read"):
            read(group)
