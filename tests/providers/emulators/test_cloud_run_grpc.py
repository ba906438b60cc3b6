"""The Cloud Run emulator's gRPC face, asked by Google's own client with its default transport."""

from __future__ import annotations

import grpc
import pytest
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import run_v2
from google.cloud.run_v2.services.executions.transports import ExecutionsGrpcTransport
from google.cloud.run_v2.services.jobs.transports import JobsGrpcTransport
from google.cloud.run_v2.services.tasks.transports import TasksGrpcTransport

from providers.emulators.cloud_run import CloudRunEmulator
from providers.emulators.cloud_run.grpc_face import METHODS
from providers.emulators.faults import FaultKind

PARENT = "projects/p/locations/us-central1"
NAME = f"{PARENT}/jobs/nightly"
EXECUTION = f"{NAME}/executions/nightly-go"
PATIENCE = 60
"""Seconds for what happens, however busy the machine is."""


@pytest.fixture
def emulator():
    with CloudRunEmulator(grpc=True) as emulator:
        yield emulator


@pytest.fixture
def channel(emulator):
    with grpc.insecure_channel(emulator.grpc_address) as channel:
        yield channel


@pytest.fixture
def jobs(channel):
    return run_v2.JobsClient(transport=JobsGrpcTransport(channel=channel))


@pytest.fixture
def executions(channel):
    return run_v2.ExecutionsClient(transport=ExecutionsGrpcTransport(channel=channel))


def a_job(**fields):
    container = {"image": "busybox", "args": ["two words"], "env": [{"name": "A", "value": "1"}]}
    return run_v2.Job(template={"template": {"containers": [container], "max_retries": 0}}, **fields)


def create(jobs, **fields):
    return jobs.create_job(parent=PARENT, job=a_job(start_execution_token="go", **fields), job_id="nightly", timeout=PATIENCE)


def test_a_job_is_created_runs_ends_and_is_deleted(emulator, jobs, executions, channel):
    created = create(jobs).result(timeout=PATIENCE)
    assert (created.name, created.template.template.containers[0].args) == (NAME, ["two words"])
    assert jobs.get_job(name=NAME).template == created.template
    assert [job.name for job in jobs.list_jobs(parent=PARENT)] == [NAME]

    emulator.finish("nightly", 3)
    [execution] = executions.list_executions(parent=NAME)
    assert (execution.name, execution.failed_count) == (EXECUTION, 1)
    [task] = run_v2.TasksClient(transport=TasksGrpcTransport(channel=channel)).list_tasks(parent=EXECUTION)
    assert task.last_attempt_result.exit_code == 3

    assert jobs.delete_job(name=NAME).result(timeout=PATIENCE).name == NAME
    with pytest.raises(exceptions.NotFound):
        jobs.get_job(name=NAME)


def test_a_job_is_changed_run_with_overrides_and_cancelled(emulator, jobs, executions):
    create(jobs).result(timeout=PATIENCE)
    changed = jobs.update_job(job=a_job(name=NAME, labels={"team": "data"})).result(timeout=PATIENCE)
    assert (changed.labels, changed.generation) == ({"team": "data"}, 2)
    overrides = {"container_overrides": [{"args": ["other"]}]}
    begun = jobs.run_job(request={"name": NAME, "overrides": overrides}).metadata
    assert list(executions.get_execution(name=begun.name).template.containers[0].args) == ["other"]
    executions.cancel_execution(name=begun.name)
    emulator.advance(60)
    assert executions.get_execution(name=begun.name).cancelled_count == 1
    executions.delete_execution(name=begun.name).result(timeout=PATIENCE)
    assert begun.name not in [execution.name for execution in executions.list_executions(parent=NAME)]


def test_rest_and_grpc_show_the_same_jobs(emulator, jobs):
    create(jobs)
    rest = run_v2.JobsClient(
        transport="rest", credentials=AnonymousCredentials(), client_options=ClientOptions(api_endpoint=emulator.url)
    )
    assert rest.get_job(name=NAME) == jobs.get_job(name=NAME)
    assert emulator.starts == {"nightly": 1}


def test_a_name_that_is_taken_is_reported_by_its_status(jobs):
    create(jobs)
    with pytest.raises(exceptions.AlreadyExists, match="'nightly' already exists"):
        create(jobs)


def test_a_throttle_has_the_wait_in_its_details(emulator, jobs):
    emulator.faults.add("CreateJob", FaultKind.THROTTLE, detail="7")
    with pytest.raises(exceptions.ResourceExhausted) as refused:
        create(jobs)
    [wait] = [detail for detail in refused.value.details if hasattr(detail, "retry_delay")]
    assert wait.retry_delay.seconds == 7


def test_an_answer_that_is_lost_comes_after_the_effect(emulator, jobs):
    emulator.faults.add("CreateJob", FaultKind.LOSE_ANSWER)
    with pytest.raises(exceptions.ServiceUnavailable):
        create(jobs)
    assert emulator.starts == {"nightly": 1}


def test_an_invalid_name_is_refused(jobs):
    with pytest.raises(exceptions.NotFound):
        jobs.get_job(name="nightly")


def test_every_method_but_the_rights_is_offered():
    from google.cloud.run_v2.services.executions.transports.base import ExecutionsTransport  # noqa: PLC0415 - a list to compare
    from google.cloud.run_v2.services.jobs.transports.base import JobsTransport  # noqa: PLC0415 - likewise
    from google.cloud.run_v2.services.tasks.transports.base import TasksTransport  # noqa: PLC0415 - likewise

    names = {name.partition("/")[2].lower() for name in METHODS}
    for transport in (JobsTransport, ExecutionsTransport, TasksTransport):
        verbs = {name.replace("_", "") for name in vars(transport) if not name.startswith("_")}
        assert {verb for verb in verbs if verb.endswith(("job", "jobs", "execution", "executions", "task", "tasks"))} <= names


def test_an_emulator_without_grpc_says_how_to_get_it():
    with CloudRunEmulator() as emulator, pytest.raises(RuntimeError, match="grpc=True"):
        _ = emulator.grpc_address
