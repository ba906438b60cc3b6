from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import botocore.session
import pytest

from providers.base import JobState
from providers.ecs.answers import Garbled
from providers.ecs.observation import STOPPED_BY_SOMEBODY, TAKEN_AWAY, observation_of
from tests.providers.ecs.builders import NAME

AT = datetime(2027, 1, 1, 12, tzinfo=UTC)


def a_task(status="STOPPED", *, code=None, stop="EssentialContainerExited", containers=None, **fields):
    main = {"name": "main"} if code is None else {"name": "main", "exitCode": code}
    ended = {"stopCode": stop, "stoppedReason": "words", "stoppedAt": AT} if status == "STOPPED" else {}
    return {"startedBy": NAME, "lastStatus": status, "containers": containers or [main], **ended, **fields}


def seen(task, container="main"):
    name, observation = observation_of(task, container)
    assert name == NAME
    return observation


@pytest.mark.parametrize("status", ["PROVISIONING", "PENDING", "ACTIVATING"])
def test_a_task_on_its_way_up_is_starting(status):
    assert seen(a_task(status)).state is JobState.STARTING


@pytest.mark.parametrize("status", ["RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING"])
def test_a_started_task_runs_until_it_has_stopped(status):
    observation = seen(a_task(status, code=0, startedAt=AT))
    assert (observation.state, observation.exit_code, observation.ended_at) == (JobState.RUNNING, None, None)


def test_a_task_that_never_started_is_starting_until_it_has_stopped():
    assert seen(a_task("DEPROVISIONING")).state is JobState.STARTING


def test_exit_code_0_is_success_without_a_reason():
    observation = seen(a_task(code=0))
    assert (observation.state, observation.exit_code, observation.reason) == (JobState.SUCCEEDED, 0, "")


def test_another_exit_code_is_a_failure_with_the_containers_words():
    containers = [{"name": "main", "exitCode": 137, "reason": "OutOfMemoryError: Container killed due to memory usage"}]
    observation = seen(a_task(containers=containers))
    assert (observation.state, observation.exit_code) == (JobState.FAILED, 137)
    assert observation.reason == "EssentialContainerExited: words: OutOfMemoryError: Container killed due to memory usage"


@pytest.mark.parametrize(("code", "name"), [(137, "SIGKILL"), (143, "SIGTERM")])
def test_an_exit_code_of_a_signal_from_outside_is_a_crash(code, name):
    observation = seen(a_task(code=code))
    assert (observation.state, observation.exit_code) == (JobState.CRASHED, code)
    assert f"exit code {code} ({name})" in observation.reason


def test_a_missing_exit_code_is_not_a_success():
    observation = seen(a_task(code=None))
    assert (observation.state, observation.exit_code) == (JobState.CRASHED, None)
    assert "'main' has no exit code" in observation.reason


@pytest.mark.parametrize("code", [None, 0, 143])
@pytest.mark.parametrize("stop", sorted(TAKEN_AWAY))
def test_a_task_that_was_taken_away_crashed_whatever_its_exit_code(stop, code):
    observation = seen(a_task(stop=stop, code=code))
    assert (observation.state, observation.exit_code) == (JobState.CRASHED, code)
    assert observation.reason == f"{stop}: words"


@pytest.mark.parametrize("code", [None, 143])
@pytest.mark.parametrize("stop", sorted(STOPPED_BY_SOMEBODY))
def test_a_task_that_somebody_stopped_is_stopped(stop, code):
    assert seen(a_task(stop=stop, code=code)).state is JobState.STOPPED


def test_every_stop_code_of_the_service_model_is_placed():
    model = botocore.session.get_session().get_service_model("ecs")
    assert set(model.shape_for("TaskStopCode").enum) == TAKEN_AWAY | STOPPED_BY_SOMEBODY | {"EssentialContainerExited"}


@pytest.mark.parametrize(("code", "state"), [(0, JobState.SUCCEEDED), (1, JobState.FAILED), (None, JobState.CRASHED)])
def test_without_a_stop_code_the_exit_code_decides(code, state):
    assert seen(a_task(stop=None, code=code)).state is state


SIDECAR = {"name": "sidecar", "exitCode": 9}


@pytest.mark.parametrize(
    ("container", "overrides", "names", "code"),
    [
        ("b", ["a"], ["a", "b"], 1),
        (None, ["b"], ["a", "b"], 1),
        (None, [], ["a", "prefect"], 1),
        (None, [], ["a", "b"], 0),
        ("gone", [], ["a", "b"], 0),
    ],
)
def test_the_exit_code_is_that_of_the_container_that_does_the_work(container, overrides, names, code):
    containers = [{"name": name, "exitCode": index} for index, name in enumerate(names)]
    task = a_task(containers=containers, overrides={"containerOverrides": [{"name": name} for name in overrides]})
    assert seen(task, container).exit_code == code


def test_times_are_utc_whether_datetimes_or_texts():
    local = AT.astimezone(timezone(timedelta(hours=2)))
    for moment in (local, "2027-01-01T12:00:00Z", "2027-01-01T14:00:00.000+02:00"):
        observation = seen(a_task(code=0, startedAt=moment, stoppedAt=moment))
        assert (observation.started_at, observation.ended_at) == (AT, AT)
        assert observation.ended_at.tzinfo is UTC


def test_the_end_is_that_of_the_containers_where_it_is_reported():
    task = a_task(code=0, executionStoppedAt=AT, stoppedAt=AT + timedelta(minutes=1))
    assert seen(task).ended_at == AT


def test_a_task_without_containers_still_ends():
    assert observation_of({"lastStatus": "STOPPED"})[1].state is JobState.CRASHED


@pytest.mark.parametrize("containers", [{}, {"containers": None}, {"containers": []}])
def test_nothing_is_concluded_from_an_exited_container_that_the_answer_does_not_hold(containers):
    with pytest.raises(Garbled, match="holds no containers"):
        observation_of({"lastStatus": "STOPPED", "stopCode": "EssentialContainerExited", **containers})
