"""What flow runs show as their infrastructure: the form that Prefect's own workers write, and what we read from it."""

from dataclasses import replace
from uuid import UUID

import pytest

from dispatcher.models import RunState, submission_name
from dispatcher.prefect.pids import pid_of, run_in
from providers.base import Submission
from providers.ecs.place import Place, submission_of
from providers.modal.lookup import submission_of as sandbox_of
from providers.modal.request import Place as App
from providers.testing import FakeProvider
from tests.builders import HOUR, MINUTE, a_live_run
from tests.prefect.stage import Bridge

FLOW_RUN = "0b1c0000-0000-4000-8000-000000000001"
RUN = a_live_run(id=UUID(int=7), source_id=FLOW_RUN)
NAME = submission_name(RUN.id, 1)
TASK = "arn:aws:ecs:eu-central-1:000000000000:task/blue/0123456789abcdef"


def at(**handle):
    return Submission(name=NAME, handle=handle)


FORMS = {
    "ecs:push": (submission_of(NAME, TASK, Place(region="eu-central-1", cluster="blue")), f"blue::{TASK}"),
    "ecs": (submission_of(NAME, TASK, Place(region="eu-central-1")), f"blue::{TASK}"),
    "cloud-run:push": (at(project="p", region="r", execution=f"{NAME}-x"), NAME),
    "cloud-run-v2:push": (at(project="p", region="r", execution=f"{NAME}-x"), NAME),
    "azure-container-instance:push": (at(subscription_id="s", resource_group="g", container="c"), f"{FLOW_RUN}:{NAME}"),
    "kubernetes": (at(namespace="flows", uid="u"), f"flows:{NAME}"),
    "docker": (at(docker_host="", id="0f1e"), "http+docker://localhost:0f1e"),
    "vertex-ai": (at(project="p", region="europe-west1", job_id="42"), "projects/p/locations/europe-west1/customJobs/42"),
    "modal:push": (sandbox_of(NAME, "sb-1", App(app="a")), "sb-1"),
}


@pytest.mark.parametrize("pool_type", FORMS)
def test_a_flow_run_shows_its_job_as_with_a_worker_of_its_type(pool_type):
    submission, pid = FORMS[pool_type]
    assert pid_of(replace(RUN, submission=submission), pool_type) == pid


@pytest.mark.parametrize("pool_type", FORMS)
def test_a_job_that_is_not_known_yet_has_the_name_of_its_submission(pool_type):
    assert pid_of(replace(RUN, submission=None), pool_type) == NAME
    unplaced = sandbox_of(NAME, "", App(app="a"))
    assert pid_of(replace(RUN, submission=unplaced), "modal:push") == NAME


@pytest.mark.parametrize("pid", [NAME, f"{FLOW_RUN}:{NAME}", f"flows:{NAME}"])
def test_a_run_is_read_from_a_pid_that_names_its_submission(pid):
    assert run_in(pid) == RUN.id


@pytest.mark.parametrize("pid", [None, "", "sb-1", f"blue::{TASK}", "http+docker://localhost:0f1e"])
def test_no_run_is_read_from_any_other_pid(pid):
    assert run_in(pid) is None


class Tasks(FakeProvider):
    """Jobs are known by ARNs, in which nothing tells of our runs."""

    def submit(self, job):
        outcome = super().submit(job)
        submission = getattr(outcome, "submission", None)
        return replace(outcome, submission=arn_of(submission)) if submission else outcome

    def find(self, job):
        submission = super().find(job)
        return arn_of(submission) if submission else None


def arn_of(submission):
    place = Place(region="eu-central-1", cluster="blue")
    arn = f"arn:aws:ecs:eu-central-1:000000000000:task/blue/{len(submission.name)}{submission.name[1:]}"
    return submission_of(submission.name, arn, place)


def a_bridge(prefect=None):
    bridge = Bridge(prefect, pools=prefect is None)
    before = bridge.provider
    bridge.provider = Tasks(remembers=before.remembers, clock=before.clock, limits=before.limits)
    return bridge


def crashed(bridge, flow_run):
    """The job ends, and is reported."""
    bridge.finish(flow_run, exit_code=137)
    bridge.settle()
    assert bridge.prefect.state(flow_run) == "CRASHED"


def retried(bridge, flow_run):
    bridge.prefect.propose(flow_run, "SCHEDULED", "AwaitingRetry", scheduled_time=bridge.clock.time.isoformat())
    bridge.tick()


def test_a_flow_run_on_ecs_shows_cluster_and_task():
    bridge = a_bridge()
    flow_run = bridge.prefect.add_flow_run()
    bridge.tick()
    task = bridge.run_of(flow_run).submission.handle["task"]
    assert bridge.prefect.flow_runs[flow_run]["infrastructure_pid"] == f"blue::{task}"
    assert bridge.prefect.flow_runs[flow_run]["labels"] == {}, "its run is found by its id"


def test_a_flow_run_whose_first_runs_were_pruned_comes_to_its_end_at_each_retry():
    bridge = a_bridge()
    flow_run = bridge.prefect.add_flow_run()
    bridge.tick()
    crashed(bridge, flow_run)
    for retry in range(3):
        if retry != 1:
            bridge.wait(HOUR)
            bridge.store.prune("p", bridge.clock.time, limit=10)
        retried(bridge, flow_run)
        assert bridge.run_of(flow_run).state is RunState.PENDING
        bridge.prefect.propose(flow_run, "RUNNING")
        crashed(bridge, flow_run)
    assert sorted(bridge.provider.starts.values()) == [1, 1, 1, 1]
    assert bridge.prefect.flow_runs[flow_run]["labels"] == {"push-dispatcher/run-id": str(bridge.run_of(flow_run).id)}


def test_a_retry_that_was_lost_between_its_job_and_the_server_is_found_by_its_first_run():
    bridge = a_bridge()
    flow_run = bridge.prefect.add_flow_run()
    bridge.tick()
    crashed(bridge, flow_run)
    bridge.prefect.fail("request", "labels", 4)
    retried(bridge, flow_run)
    bridge.prefect.propose(flow_run, "RUNNING")
    crashed(bridge, flow_run)


def test_a_task_of_another_dispatcher_ends_no_run_of_ours():
    bridge = a_bridge()
    flow_run = bridge.prefect.add_flow_run()
    bridge.tick()
    crashed(bridge, flow_run)
    bridge.prefect.propose(flow_run, "SCHEDULED", "AwaitingRetry", scheduled_time=bridge.clock.time.isoformat())
    other = a_bridge(bridge.prefect)
    other.clock.time = bridge.clock.time
    other.tick()
    assert len(other.provider.starts) == 1
    bridge.prefect.propose(flow_run, "RUNNING")
    bridge.settle()
    assert bridge.prefect.state(flow_run) == "RUNNING"
    other.wait(2 * MINUTE)
    crashed(other, flow_run)


def test_a_flow_run_that_shows_the_name_of_a_submission_is_shown_as_it_should_be_with_the_next_tick():
    bridge = a_bridge()
    flow_run = bridge.prefect.add_flow_run()
    bridge.tick()
    right = bridge.prefect.flow_runs[flow_run]["infrastructure_pid"]
    bridge.prefect.flow_runs[flow_run]["infrastructure_pid"] = bridge.run_of(flow_run).submission.name
    bridge.prefect.propose(flow_run, "RUNNING")
    bridge.tick()
    assert (bridge.prefect.state(flow_run), bridge.prefect.flow_runs[flow_run]["infrastructure_pid"]) == ("RUNNING", right)
