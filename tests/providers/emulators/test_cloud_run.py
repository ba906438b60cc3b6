"""The Cloud Run emulator, asked by Google's own client over HTTP."""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import run_v2

from providers.emulators.cloud_run import CloudRunEmulator
from providers.emulators.faults import FaultKind

PARENT = "projects/p/locations/us-central1"
Completion = run_v2.ExecutionReference.CompletionStatus
IMAGE = "docker.io/library/busybox"
PATIENCE = 60
"""Seconds for what happens, however busy the machine is."""


@pytest.fixture
def emulator():
    with CloudRunEmulator(clock=lambda: 1_800_000_000.0) as emulator:
        yield emulator


class Clients:
    def __init__(self, url):
        options = {
            "transport": "rest",
            "credentials": AnonymousCredentials(),
            "client_options": ClientOptions(api_endpoint=url),
        }
        self.jobs = run_v2.JobsClient(**options)
        self.executions = run_v2.ExecutionsClient(**options)
        self.tasks = run_v2.TasksClient(**options)

    def create(self, identifier, **changes):
        return self.jobs.create_job(parent=PARENT, job=a_job(**changes), job_id=identifier, timeout=PATIENCE)

    def get(self, identifier):
        return self.jobs.get_job(name=f"{PARENT}/jobs/{identifier}", timeout=PATIENCE)

    def execution(self, job, token="go"):
        return self.executions.get_execution(name=f"{PARENT}/jobs/{job}/executions/{job}-{token}", timeout=PATIENCE)


@pytest.fixture
def clients(emulator):
    return Clients(emulator.url)


def a_job(token="go", limits=None, **changes):
    container = {"image": IMAGE, "resources": {"limits": limits or {}}, **changes.pop("container", {})}
    task = {"containers": [container], "max_retries": 0, **changes.pop("task", {})}
    return run_v2.Job(template={"template": task, **changes.pop("template", {})}, start_execution_token=token, **changes)


def test_a_create_with_a_token_starts_an_execution_of_the_expected_name(emulator, clients):
    operation = clients.create("j1")
    assert operation.metadata.name == f"{PARENT}/jobs/j1"
    job = clients.get("j1")
    assert job.latest_created_execution.name == "j1-go"
    assert job.latest_created_execution.completion_status is Completion.EXECUTION_RUNNING
    assert emulator.starts == {"j1": 1}


def test_a_create_operation_is_done_at_the_first_poll(clients):
    assert clients.create("j1").result(timeout=PATIENCE).name == f"{PARENT}/jobs/j1"


def test_a_job_without_a_token_starts_nothing(emulator, clients):
    clients.create("j1", token="")
    assert "latest_created_execution" not in clients.get("j1")
    assert emulator.jobs() == []


def test_defaults_are_filled_in_as_cloud_run_does(clients):
    job = run_v2.Job(template={"template": {"containers": [{"image": IMAGE}]}})
    clients.jobs.create_job(parent=PARENT, job=job, job_id="j1", timeout=PATIENCE)
    task = clients.get("j1").template.template
    assert task.max_retries == 3
    assert task.timeout.total_seconds() == 600


def test_twenty_creates_of_one_name_make_one_job(emulator, clients):
    def create(_):
        try:
            clients.create("j1")
        except exceptions.Conflict as error:
            return error.response.json()["error"]["status"]
        return "made"

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(create, range(20)))
    assert sorted(set(answers)) == ["ALREADY_EXISTS", "made"]
    assert answers.count("made") == 1
    assert emulator.starts == {"j1": 1}


def test_an_exit_code_is_reported_by_the_task_alone(emulator, clients):
    clients.create("j1")
    emulator.finish("j1", exit_code=3)
    assert clients.get("j1").latest_created_execution.completion_status is Completion.EXECUTION_FAILED
    condition = clients.execution("j1").conditions[0]
    assert condition.execution_reason is run_v2.Condition.ExecutionReason.NON_ZERO_EXIT_CODE
    tasks = list(clients.tasks.list_tasks(parent=f"{PARENT}/jobs/j1/executions/j1-go", timeout=PATIENCE))
    assert [task.last_attempt_result.exit_code for task in tasks] == [3]


def test_a_timeout_ends_an_execution_without_a_reason_of_its_own(emulator, clients):
    clients.create("j1", task={"timeout": "60s"})
    emulator.advance(61)
    condition = clients.execution("j1").conditions[0]
    assert condition.state is run_v2.Condition.State.CONDITION_FAILED
    assert "reason" not in condition
    assert "execution_reason" not in condition
    assert "timeout of 60 seconds" in condition.message


def test_a_cancelled_execution_is_cancelled_and_a_finished_one_refuses(emulator, clients):
    clients.create("j1")
    name = clients.execution("j1").name
    clients.executions.cancel_execution(name=name, timeout=PATIENCE)
    assert clients.get("j1").latest_created_execution.completion_status is Completion.EXECUTION_CANCELLED
    with pytest.raises(exceptions.BadRequest, match="already completed"):
        clients.executions.cancel_execution(name=name, timeout=PATIENCE)


def test_a_missing_image_leaves_a_job_that_is_not_ready():
    with CloudRunEmulator(missing_images=frozenset({"nowhere"})) as emulator:
        clients = Clients(emulator.url)
        clients.create("j1", container={"image": "nowhere"})
        condition = clients.get("j1").terminal_condition
        assert condition.state is run_v2.Condition.State.CONDITION_FAILED
        assert condition.reason is run_v2.Condition.CommonReason.CONTAINER_MISSING


def test_a_deleted_name_is_free_again_only_later(emulator, clients):
    clients.create("j1")
    clients.jobs.delete_job(name=f"{PARENT}/jobs/j1", timeout=PATIENCE)
    assert not any(job.live for job in emulator.jobs())
    with pytest.raises(exceptions.NotFound):
        clients.get("j1")
    with pytest.raises(exceptions.Conflict, match="being deleted"):
        clients.create("j1")
    emulator.advance(31)
    clients.create("j1")


def test_an_update_with_a_new_token_starts_again_and_with_the_held_one_does_not(emulator, clients):
    clients.create("j1", token="a")
    job = clients.get("j1")
    clients.jobs.update_job(job=job, timeout=PATIENCE)
    assert clients.get("j1").execution_count == 1
    for token in ("b", "c"):
        job = clients.get("j1")
        job.start_execution_token = token
        clients.jobs.update_job(job=job, timeout=PATIENCE)
    job = clients.get("j1")
    assert (job.execution_count, job.latest_created_execution.name) == (3, "j1-c")
    job.start_execution_token = "b"
    with pytest.raises(exceptions.Conflict, match="'j1-b' already exists"):
        clients.jobs.update_job(job=job, timeout=PATIENCE)
    assert emulator.starts == {"j1": 1, "b": 1, "c": 1}


def test_an_outdated_etag_is_a_conflict_of_another_kind(clients):
    clients.create("j1")
    request = run_v2.DeleteJobRequest(name=f"{PARENT}/jobs/j1", etag="old")
    with pytest.raises(exceptions.Conflict) as caught:
        clients.jobs.delete_job(request, timeout=PATIENCE)
    assert caught.value.response.json()["error"]["status"] == "ABORTED"


def test_a_run_with_overrides_changes_args_and_environment_only_for_itself(emulator, clients):
    clients.create("j1", token="", container={"args": ["a"], "env": [{"name": "A", "value": "1"}]})
    overrides = {"container_overrides": [{"args": ["b"], "env": [{"name": "B", "value": "2"}]}], "task_count": 2}
    request = run_v2.RunJobRequest(name=f"{PARENT}/jobs/j1", overrides=overrides)
    execution = clients.executions.get_execution(
        name=clients.jobs.run_job(request, timeout=PATIENCE).metadata.name, timeout=PATIENCE
    )
    container = execution.template.containers[0]
    assert (list(container.args), {v.name: v.value for v in container.env}) == (["b"], {"A": "1", "B": "2"})
    assert execution.task_count == 2
    assert list(clients.get("j1").template.template.containers[0].args) == ["a"]
    clients.jobs.run_job(request, timeout=PATIENCE)
    assert clients.get("j1").execution_count == 2


def test_lists_come_in_pages(clients):
    for number in range(5):
        clients.create(f"j{number}")
    pages = list(clients.jobs.list_jobs(run_v2.ListJobsRequest(parent=PARENT, page_size=2), timeout=PATIENCE).pages)
    assert [len(page.jobs) for page in pages] == [2, 2, 1]
    assert len(list(clients.executions.list_executions(parent=f"{PARENT}/jobs/-", timeout=PATIENCE))) == 5


def test_a_list_may_lag_behind(emulator, clients):
    emulator.change_settings({"list_lag": 10})
    clients.create("j1")
    assert list(clients.jobs.list_jobs(parent=PARENT, timeout=PATIENCE)) == []
    emulator.advance(10)
    emulator.finish("j1")
    listed = next(iter(clients.jobs.list_jobs(parent=PARENT, timeout=PATIENCE)))
    assert listed.latest_created_execution.completion_status is Completion.EXECUTION_RUNNING


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"task": {"max_retries": 11}}, "max_retries"),
        ({"task": {"timeout": f"{8 * 86400}s"}}, "timeout"),
        ({"labels": {"Team": "a"}}, "labels"),
        ({"labels": {"run.googleapis.com/x": "a"}}, "reserved"),
        ({"template": {"labels": {"a": "B"}}}, "template.labels"),
        ({"limits": {"cpu": "3"}}, "cpu"),
        ({"limits": {"cpu": "4", "memory": "1Gi"}}, "memory"),
        ({"limits": {"memory": "many"}}, "memory"),
        ({"limits": {"cpu": "1", "nvidia.com/gpu": "1"}}, "cpu"),
        ({"template": {"task_count": 10_001}}, "task_count"),
        ({"task": {"volumes": [{"name": "v"}, {"name": "v"}]}}, "volumes"),
        ({"task": {"volumes": [{"name": "v", "cloud_sql_instance": {"instances": ["db"]}}]}}, "instances"),
        ({"container": {"volume_mounts": [{"name": "v", "mount_path": "/v"}]}}, "volume_mounts"),
        (
            {
                "task": {"volumes": [{"name": "v", "cloud_sql_instance": {"instances": ["p:r:i"]}}]},
                "container": {"volume_mounts": [{"name": "v", "mount_path": "/elsewhere"}]},
            },
            "/cloudsql",
        ),
        ({"task": {"vpc_access": {"connector": "c", "network_interfaces": [{"network": "n"}]}}}, "vpc_access"),
        ({"container": {"image": ""}}, "image"),
        ({"container": {"env": [{"name": "A"}, {"name": "A"}]}}, "env"),
        ({"container": {"env": [{"name": "A", "value": "x" * 33000}]}}, "32 KiB"),
        ({"token": "t" * 61}, "start_execution_token"),
    ],
)
def test_a_body_that_breaks_a_rule_is_refused_by_field(emulator, clients, changes, field):
    with pytest.raises(exceptions.BadRequest, match=field):
        clients.create("j1", **changes)
    assert emulator.jobs() == []


@pytest.mark.parametrize("identifier", ["J1", "1j", "j_1", "j-", "j" * 64])
def test_an_invalid_job_id_is_refused(clients, identifier):
    with pytest.raises(exceptions.BadRequest, match="job_id"):
        clients.create(identifier)


def test_an_unknown_field_is_refused_with_its_path(emulator):
    body = {"template": {"template": {"timeoutSeconds": 3}}}
    answer = requests.post(f"{emulator.url}/v2/{PARENT}/jobs?jobId=j1", json=body, timeout=PATIENCE)
    assert answer.status_code == 400
    assert 'at "Job.template.template"' in answer.json()["error"]["message"]


def test_the_write_quota_refuses_until_the_minute_ends(emulator, clients):
    emulator.change_settings({"writes_per_minute": 2})
    clients.create("j1")
    clients.create("j2")
    with pytest.raises(exceptions.TooManyRequests) as caught:
        clients.create("j3")
    assert caught.value.reason == "RATE_LIMIT_EXCEEDED"
    assert caught.value.metadata["quota_limit"] == "WritePerMinutePerProjectRegion"
    assert {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "60.000s"} in caught.value.details
    clients.get("j1")
    emulator.advance(60)
    clients.create("j3")
    assert set(emulator.starts) == {"j1", "j2", "j3"}


def test_the_number_of_jobs_is_limited_until_some_are_deleted(emulator, clients):
    emulator.change_settings({"max_jobs": 1})
    clients.create("j1")
    with pytest.raises(exceptions.TooManyRequests, match="limit 1"):
        clients.create("j2")
    clients.jobs.delete_job(name=f"{PARENT}/jobs/j1", timeout=PATIENCE)
    clients.create("j2")


@pytest.mark.parametrize(("kind", "made"), [(FaultKind.LOSE_ANSWER, 1), (FaultKind.LOSE_REQUEST, 0)])
def test_a_lost_answer_leaves_a_job_and_a_lost_request_none(emulator, clients, kind, made):
    emulator.faults.add("CreateJob", kind)
    with pytest.raises(requests.exceptions.ConnectionError):
        clients.create("j1")
    assert len(emulator.jobs()) == made


@pytest.mark.parametrize(
    ("kind", "detail", "error"),
    [
        (FaultKind.THROTTLE, "7", exceptions.TooManyRequests),
        (FaultKind.NO_CAPACITY, "", exceptions.TooManyRequests),
        (FaultKind.REFUSE, "", exceptions.Forbidden),
        (FaultKind.REFUSE, "FAILED_PRECONDITION: no", exceptions.BadRequest),
        (FaultKind.SERVER_ERROR, "", exceptions.ServiceUnavailable),
    ],
)
def test_a_fault_has_googles_form_and_nothing_happens(emulator, clients, kind, detail, error):
    emulator.faults.add("CreateJob", kind, detail=detail)
    with pytest.raises(error):
        clients.create("j1")
    assert emulator.jobs() == []


def test_a_server_error_may_come_after_the_act(emulator, clients):
    emulator.faults.add("CreateJob", FaultKind.SERVER_ERROR_AFTER)
    with pytest.raises(exceptions.ServiceUnavailable):
        clients.create("j1")
    assert len(emulator.jobs()) == 1


def test_a_command_runs_as_a_local_process():
    with CloudRunEmulator(run_commands=True) as emulator:
        clients = Clients(emulator.url)
        script = "import os, sys; sys.exit(int(os.environ['CODE']) + len(os.environ['CLOUD_RUN_JOB']))"
        clients.create("j1", container={"command": [sys.executable, "-c", script], "env": [{"name": "CODE", "value": "3"}]})
        deadline = time.monotonic() + PATIENCE
        while clients.execution("j1").completion_time is None and time.monotonic() < deadline:
            pass
        assert emulator.jobs()[0].exit_code == 5


def test_the_control_surface_shows_jobs_and_environment(emulator, clients):
    clients.create("j1")
    about = requests.get(f"{emulator.url}/_emulator", timeout=PATIENCE).json()
    assert about["environment"]["CLOUD_RUN_EMULATOR_HOST"] in emulator.url
    jobs = requests.get(f"{emulator.url}/_emulator/jobs", timeout=PATIENCE).json()
    assert (jobs["jobs"][0]["name"], jobs["jobs"][0]["state"]) == ("j1", "EXECUTION_RUNNING")
    assert json.loads(emulator.calls.requests("CreateJob")[0]["body"])["startExecutionToken"] == "go"


def test_the_audit_log_records_each_end_once_and_nothing_else(emulator, clients):
    for name in ("good", "bad", "cancelled", "running"):
        clients.create(name)
    assert not emulator.events()
    emulator.finish("good")
    emulator.finish("bad", exit_code=3)
    clients.executions.cancel_execution(name=f"{PARENT}/jobs/cancelled/executions/cancelled-go", timeout=PATIENCE)
    emulator.advance(60)
    told = {entry["resource"]["labels"]["job_name"]: entry for entry in emulator.events()}
    assert list(told) == ["good", "bad", "cancelled"]
    assert len(emulator.events()) == 3
    entry = told["bad"]
    assert entry["resource"]["labels"] == {"job_name": "bad", "location": "us-central1", "project_id": "p"}
    assert entry["logName"] == "projects/p/logs/cloudaudit.googleapis.com%2Fsystem_event"
    assert entry["protoPayload"]["resourceName"] == "namespaces/p/executions/bad-go"
    assert [entry["protoPayload"]["status"].get("code", 0) for entry in told.values()] == [0, 10, 10]
    assert requests.get(f"{emulator.url}/_emulator/events", timeout=PATIENCE).json() == {"events": list(emulator.events())}
    emulator.reset()
    assert not emulator.events()
