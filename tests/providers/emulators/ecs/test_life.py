from __future__ import annotations

from datetime import UTC, datetime

import pytest

from providers.emulators.ecs import EcsEmulator
from providers.emulators.faults import FaultKind
from providers.emulators.jobs import Life, Phase
from tests.providers.emulators.ecs.builders import NOW, Ecs, a_container, client


@pytest.fixture
def slow():
    """Every phase takes ten seconds, and a task obeys a stop after five."""
    life = Life(
        before=(Phase("PROVISIONING", 10), Phase("PENDING", 10), Phase("ACTIVATING", 10)),
        after=(Phase("DEACTIVATING", 10), Phase("STOPPING", 10), Phase("DEPROVISIONING", 10)),
        ended="STOPPED",
        stop_seconds=5,
    )
    with EcsEmulator(clock=lambda: NOW, life=life, job_seconds=60, account="222222222222") as emulator:
        ecs = Ecs(emulator, client("ecs", emulator))
        ecs.register()
        yield ecs


def at(seconds):
    return datetime.fromtimestamp(NOW + seconds, UTC)


def test_a_task_passes_every_state_by_the_clock_and_not_by_being_looked_at(slow):
    arn = slow.start()
    seen = []
    for _ in range(13):
        for _ in range(3):
            state = slow.describe(arn)["lastStatus"]
        seen.append(state)
        slow.emulator.advance(10)
    assert seen == [
        "PROVISIONING", "PENDING", "ACTIVATING", *["RUNNING"] * 6, "DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED",
    ]  # fmt: skip


def test_times_are_those_at_which_things_were_due(slow):
    arn = slow.start()
    slow.emulator.advance(1000)
    task = slow.describe(arn)
    times = {name: task[name] for name in ("createdAt", "startedAt", "stoppingAt", "executionStoppedAt", "stoppedAt")}
    assert times == {
        "createdAt": at(0),
        "startedAt": at(30),
        "stoppingAt": at(90),
        "executionStoppedAt": at(90),
        "stoppedAt": at(120),
    }
    assert task["version"] == 8


def test_a_task_that_is_stopped_obeys_after_a_while(slow):
    arn = slow.start()
    slow.emulator.advance(30)
    task = slow.boto.stop_task(task=arn, reason="enough")["task"]
    assert (task["lastStatus"], task["desiredStatus"], task["stoppedReason"]) == ("RUNNING", "STOPPED", "enough")
    slow.emulator.advance(5)
    assert slow.describe(arn)["lastStatus"] == "DEACTIVATING"
    slow.emulator.advance(30)
    task = slow.describe(arn)
    assert (task["lastStatus"], task["stopCode"], task["containers"][0]["exitCode"]) == ("STOPPED", "UserInitiated", 143)


def test_a_task_that_is_stopped_before_it_runs_has_no_exit_code(slow):
    arn = slow.start()
    slow.boto.stop_task(task=arn)
    slow.emulator.advance(30)
    task = slow.describe(arn)
    assert (task["lastStatus"], task["stopCode"]) == ("STOPPED", "UserInitiated")
    assert "exitCode" not in task["containers"][0]
    assert "startedAt" not in task


def test_the_peak_counts_a_task_until_it_has_stopped(slow):
    for number in range(3):
        slow.start(startedBy=f"run-{number}")
        slow.emulator.advance(115)
    assert slow.emulator.peak_live == 2


@pytest.mark.parametrize("code", [0, 1, 137])
def test_the_exit_code_is_the_main_containers(ecs, code):
    arn = ecs.start()
    ecs.emulator.finish("run-1", code)
    task = ecs.describe(arn)
    assert (task["lastStatus"], task["stopCode"]) == ("STOPPED", "EssentialContainerExited")
    assert task["stoppedReason"] == "Essential container in task exited"
    assert task["containers"][0]["exitCode"] == code


def test_sidecars_are_stopped_when_the_commanded_container_has_ended(ecs):
    ecs.register("two", containers=[a_container("sidecar"), a_container("main", essential=False)])
    arn = ecs.start(taskDefinition="two", overrides={"containerOverrides": [{"name": "main", "command": ["true"]}]})
    ecs.emulator.finish("run-1", 3)
    codes = {container["name"]: container["exitCode"] for container in ecs.describe(arn)["containers"]}
    assert codes == {"sidecar": 143, "main": 3}


def test_tasks_end_by_themselves_with_a_code_by_name(ecs):
    ecs.emulator.change_settings({"job_seconds": lambda name: 10 if name == "short" else 20, "exit_code": len})
    short, longer = ecs.start(startedBy="short"), ecs.start(startedBy="longer")
    ecs.emulator.advance(10)
    assert ecs.describe(short)["containers"][0]["exitCode"] == 5
    assert ecs.describe(longer)["lastStatus"] == "RUNNING"
    ecs.emulator.advance(10)
    assert ecs.describe(longer)["containers"][0]["exitCode"] == 6


@pytest.mark.parametrize(
    ("detail", "stop_code", "reason"),
    [
        ("", "TaskFailedToStart", "CannotPullContainerError"),
        ("TaskFailedToStart: Timeout waiting for network interface provisioning to complete.", "TaskFailedToStart", "Timeout"),
        ("SpotInterruption: Your Spot Task was interrupted.", "SpotInterruption", "Your Spot"),
        ("InfrastructureHealth: The host failed.", "InfrastructureHealth", "The host"),
    ],
)
def test_the_next_task_can_be_given_another_end(ecs, detail, stop_code, reason):
    ecs.emulator.faults.add("Task", FaultKind.REFUSE, detail=detail)
    task = ecs.describe(ecs.start())
    assert (task["lastStatus"], task["stopCode"]) == ("STOPPED", stop_code)
    assert task["stoppedReason"].startswith(reason)
    assert "exitCode" not in task["containers"][0]
    assert ("startedAt" in task) == (stop_code != "TaskFailedToStart")
    assert ecs.describe(ecs.start())["lastStatus"] == "RUNNING"


def test_a_running_task_can_be_interrupted(ecs):
    arn = ecs.start()
    ecs.emulator.interrupt("run-1")
    assert ecs.describe(arn)["stopCode"] == "SpotInterruption"


def test_finishing_a_job_that_does_not_run_is_an_error(ecs):
    with pytest.raises(KeyError, match="run-9"):
        ecs.emulator.finish("run-9")


def test_every_change_is_an_event_in_eventbridges_shape(ecs):
    arn = ecs.start(tags=[{"key": "k", "value": "v"}])
    ecs.emulator.finish("run-1", 3)
    events = ecs.emulator.events()
    assert [event["detail"]["lastStatus"] for event in events] == [
        "PROVISIONING", "PENDING", "ACTIVATING", "RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED",
    ]  # fmt: skip
    assert [event["detail"]["version"] for event in events] == list(range(1, 9))
    assert len({event["id"] for event in events}) == 8
    last = events[-1]
    assert (last["source"], last["detail-type"]) == ("aws.ecs", "ECS Task State Change")
    assert (last["account"], last["region"], last["resources"]) == ("111111111111", "us-east-1", [arn])
    detail = last["detail"]
    assert detail["clusterArn"].endswith("cluster/default")
    assert (detail["startedBy"], detail["group"], detail["stopCode"]) == ("run-1", "family:job", "EssentialContainerExited")
    assert detail["containers"][0]["exitCode"] == 3
    assert detail["stoppedAt"] == last["time"]
    assert datetime.fromisoformat(last["time"]).timestamp() == ecs.emulator.now()
    assert "tags" not in detail


def test_a_stop_is_reported_before_it_is_obeyed(slow):
    arn = slow.start()
    slow.emulator.advance(30)
    slow.boto.stop_task(task=arn)
    newest = slow.emulator.events()[-1]["detail"]
    assert (newest["lastStatus"], newest["desiredStatus"], newest["version"]) == ("RUNNING", "STOPPED", 5)


def test_the_cluster_counts_its_tasks(slow):
    slow.start()
    cluster = slow.boto.describe_clusters(clusters=["default"])["clusters"][0]
    assert (cluster["runningTasksCount"], cluster["pendingTasksCount"]) == (0, 1)
    slow.emulator.advance(30)
    cluster = slow.boto.describe_clusters(clusters=["default"])["clusters"][0]
    assert (cluster["runningTasksCount"], cluster["pendingTasksCount"]) == (1, 0)
    with pytest.raises(slow.boto.exceptions.ClusterContainsTasksException):
        slow.boto.delete_cluster(cluster="default")
