"""The emulator as a process of its own, asked over its control surface, and tasks that are local processes."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from urllib.error import HTTPError

import boto3
import pytest

from providers.base import ProviderUnavailable
from providers.emulators import command
from providers.emulators.control import Remote
from providers.emulators.ecs import EcsEmulator
from tests.providers.emulators.ecs.builders import Ecs, a_fargate_definition, client

PATIENCE = 60
"""Seconds for what happens, however busy the machine is."""


@pytest.fixture(scope="module")
def server():
    """`python -m providers.emulators ecs --json`, and what it says when it is ready."""
    arguments = [sys.executable, "-m", "providers.emulators", "ecs", "--json"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        yield json.loads(process.stdout.readline())
        process.terminate()
        assert process.wait(PATIENCE) == 0


def clients_of(server):
    environment = server["environment"]
    session = boto3.session.Session(
        environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"], region_name=environment["AWS_REGION"]
    )
    return lambda service: session.client(service, endpoint_url=environment["AWS_ENDPOINT_URL"])


def test_a_process_of_its_own_is_driven_over_the_wire_alone(server):
    make, remote = clients_of(server), Remote(server["control_url"])
    remote.post("reset")
    ecs, ec2 = make("ecs"), make("ec2")
    default = [{"Name": "is-default", "Values": ["true"]}]
    vpc = ec2.describe_vpcs(Filters=default)["Vpcs"][0]["VpcId"]
    assert ec2.describe_vpc_attribute(VpcId=vpc, Attribute="enableDnsHostnames")["EnableDnsHostnames"]["Value"]
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    network = {"awsvpcConfiguration": {"subnets": [subnets[0]["SubnetId"]]}}
    ecs.register_task_definition(**a_fargate_definition("f"))
    remote.post("faults", operation="RunTask", kind="throttle")
    for _ in range(2):  # the vendor's own retry meets the throttle
        ecs.run_task(taskDefinition="f", launchType="FARGATE", networkConfiguration=network, startedBy="run-1", clientToken="t")
    jobs = remote.get("jobs")
    assert (jobs["live"], jobs["peak_live"], jobs["starts"]) == (1, 1, {"run-1": 1})
    assert remote.get("calls", operation="RunTask")["requests"][0]["startedBy"] == "run-1"
    assert remote.get("calls")["counts"]["RunTask"] == 3
    remote.post("finish", name="run-1", exit_code=4)
    assert [(job["state"], job["exit_code"]) for job in remote.get("jobs")["jobs"]] == [("STOPPED", 4)]
    assert remote.get("events")["events"][-1]["detail"]["lastStatus"] == "STOPPED"
    remote.post("advance", seconds=3600)
    assert ecs.describe_tasks(tasks=[jobs["jobs"][0]["identifier"]])["failures"][0]["reason"] == "MISSING"


def test_the_control_surface_names_a_request_that_it_cannot_do(server):
    remote = Remote(server["control_url"])
    about = remote.get()
    assert (about["name"], about["url"]) == ("ecs", server["url"])
    for what, body, status in (
        ("finish", {"name": "nobody"}, 400),
        ("settings", {"speed": 1}, 400),
        ("faults", {"operation": "RunTask", "kind": "boredom"}, 400),
        ("other", {}, 404),
    ):
        with pytest.raises(HTTPError) as refused:
            remote.post(what, **body)
        assert refused.value.code == status
        assert json.load(refused.value)["error"]
        refused.value.close()


def test_an_emulator_says_how_to_reach_it(capsys):
    stop = threading.Event()
    stop.set()
    command.serve("ecs", until=stop, account="333333333333")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("export AWS_ENDPOINT_URL=http://127.0.0.1:")
    assert "export AWS_DEFAULT_REGION=us-east-1" in lines


def test_an_emulator_that_is_not_there_is_named():
    with pytest.raises(ProviderUnavailable, match="'gcs'; there are ecs"):
        command.load("gcs")


def test_two_emulators_of_one_account_do_not_run_in_one_process():
    with EcsEmulator(account="444444444444"):
        second = EcsEmulator(account="444444444444")
        with pytest.raises(RuntimeError, match="give this one another"):
            second.start()


@pytest.fixture
def running():
    """Tasks are local processes, and every event is put on a queue."""
    events = queue.Queue()
    with EcsEmulator(run_commands=True, on_event=events.put, account="555555555555") as emulator:
        ecs = Ecs(emulator, client("ecs", emulator))
        ecs.register()
        ecs.events = events
        yield ecs


def wait_for(ecs, status):
    """The event with which a task reaches a status; nothing is asked of the emulator meanwhile."""
    while True:
        event = ecs.events.get(timeout=PATIENCE)
        if event["detail"]["lastStatus"] == status:
            return event["detail"]


def commanded(*words, **environment):
    pairs = [{"name": name, "value": value} for name, value in environment.items()]
    return {"containerOverrides": [{"name": "main", "command": list(words), "environment": pairs}]}


def test_a_command_runs_with_its_environment_and_its_exit_code_is_the_tasks(running, tmp_path):
    written = tmp_path / "written"
    arn = running.start(overrides=commanded("sh", "-c", 'echo "$WORD" > "$FILE"; exit 7', WORD="hello", FILE=str(written)))
    detail = wait_for(running, "STOPPED")
    assert (detail["taskArn"], detail["containers"][0]["exitCode"]) == (arn, 7)
    assert written.read_text() == "hello\n"


def test_a_command_comes_from_the_definition_when_nothing_overrides_it(running):
    running.register("exits", containers=[{"name": "main", "image": "i", "entryPoint": ["sh", "-c"], "command": ["exit $CODE"],
                                           "environment": [{"name": "CODE", "value": "9"}]}])  # fmt: skip
    running.start(taskDefinition="exits")
    assert wait_for(running, "STOPPED")["containers"][0]["exitCode"] == 9


def test_a_stop_reaches_the_process(running):
    arn = running.start(overrides=commanded("sh", "-c", "trap 'exit 5' TERM; while true; do sleep 0.05; done"))
    wait_for(running, "RUNNING")
    running.boto.stop_task(task=arn, reason="enough")
    detail = wait_for(running, "STOPPED")
    assert (detail["stopCode"], detail["stoppedReason"]) == ("UserInitiated", "enough")
    assert detail["containers"][0]["exitCode"] in (5, 143)  # 143 when the signal came before the trap


def test_a_command_that_is_not_there_fails_to_start(running):
    running.start(overrides=commanded("/nonexistent"))
    detail = wait_for(running, "STOPPED")
    assert detail["stopCode"] == "TaskFailedToStart"
    assert "/nonexistent" in detail["stoppedReason"]


def test_an_end_by_the_clock_is_reported_without_a_request():
    events = queue.Queue()
    with EcsEmulator(job_seconds=0.1, on_event=events.put, account="666666666666") as emulator:
        ecs = Ecs(emulator, client("ecs", emulator))
        ecs.register()
        ecs.events = events
        ecs.start()
        assert wait_for(ecs, "STOPPED")["stopCode"] == "EssentialContainerExited"


def test_the_fixture_points_the_vendors_client_at_the_emulator(ecs_emulator):
    assert boto3.client("ecs").list_clusters()["clusterArns"] == ["arn:aws:ecs:us-east-1:123456789012:cluster/default"]
    assert ecs_emulator.calls["ListClusters"] == 1
