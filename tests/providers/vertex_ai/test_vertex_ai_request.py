"""What is sent: Vertex AI's own repeats are off, the name is a label, and a fault names its field."""

from __future__ import annotations

import pytest

from providers.vertex_ai.checking import check
from providers.vertex_ai.needs import needs_of
from providers.vertex_ai.request import NAME_LABEL, body_of
from tests.providers.vertex_ai.builders import IMAGE, NAME, a_configuration, a_job, prefects


def body(**variables):
    return body_of(a_job(**variables), "push-dispatcher")


def test_a_job_is_found_by_its_label_and_read_by_its_display_name():
    sent = body(name="nightly", labels={"Team/Name": "Data"})
    assert sent["labels"][NAME_LABEL] == NAME
    assert sent["labels"]["team-name"] == "data"
    assert sent["displayName"] == f"nightly {NAME}"


@pytest.mark.parametrize(
    ("scheduling", "sent"),
    [
        ({}, (True, False)),
        ({"strategy": "SPOT"}, (True, False)),
        ({"disable_retries": False}, (False, False)),
        ({"restartJobOnWorkerRestart": True}, (False, True)),
    ],
)
def test_vertex_ai_repeats_nothing_by_itself_unless_it_is_asked_to(scheduling, sent):
    made = body(scheduling=scheduling)["jobSpec"]["scheduling"]
    assert (made["disableRetries"], made["restartJobOnWorkerRestart"]) == sent
    warned = {warning.path.rpartition(".")[2] for warning in check(a_configuration(scheduling=scheduling)).warnings}
    assert ("disable_retries" in warned, "restart_job_on_worker_restart" in warned) == (not sent[0], sent[1])


def test_hours_become_the_timeout_and_win_over_it():
    assert body(maximum_run_time_hours=1.5, scheduling={"timeout": "60s"})["jobSpec"]["scheduling"]["timeout"] == "5400s"


def test_the_main_container_has_the_image_the_command_and_the_environment():
    spec = body(command="python -m 'a b'", args=["--x"], env={"A": 1, "B": None}, service_account_name="me@p.iam")["jobSpec"]
    [pool] = spec["workerPoolSpecs"]
    variables = {item["name"]: item["value"] for item in pool["containerSpec"].pop("env")}
    assert pool["containerSpec"] == {"imageUri": IMAGE, "command": ["python", "-m", "a b"], "args": ["--x"]}
    assert variables == {"A": "1", "DISPATCHER_RUN_ID": "0123"}
    assert pool["machineSpec"] == {"machineType": "n1-standard-4"}
    assert (pool["replicaCount"], spec["serviceAccount"]) == (1, "me@p.iam")


def test_prefects_template_sends_the_same_as_ours():
    variables = {"command": "echo hi", "accelerator_type": "NVIDIA_TESLA_T4", "accelerator_count": 2, "network": None}
    assert body(template=prefects(), **variables) == body(**variables)


@pytest.mark.parametrize(
    ("variables", "path"),
    [
        ({"accelerator_type": "NVIDIA_TESLA_T4"}, "job_spec.worker_pool_specs[0].machine_spec.accelerator_count"),
        ({"accelerator_count": 1}, "job_spec.worker_pool_specs[0].machine_spec.accelerator_type"),
        ({"network": "my-vpc"}, "job_spec.network"),
        ({"region": "US Central"}, "region"),
        ({"scheduling": {"strategy": "CHEAP"}}, "job_spec.scheduling.strategy"),
        ({"scheduling": {"time_out": 5}}, "job_spec.scheduling.time_out"),
        ({"scheduling": {"timeout": "1h"}}, "job_spec.scheduling.timeout"),
        ({"machine_type": ""}, "job_spec.worker_pool_specs[0].machine_spec.machine_type"),
        ({"env": {"A=B": "1"}}, "env"),
        ({"command": "echo 'open"}, "job_spec.worker_pool_specs[0].container_spec.command"),
    ],
)
def test_a_fault_names_its_field(variables, path):
    assert [fault.path for fault in check(a_configuration(**variables)).faults] == [path]


def test_a_template_of_ours_has_no_faults_and_no_warnings():
    checked = check(a_configuration())
    assert (checked.faults, checked.warnings) == ((), ())


def test_waiting_for_a_flexible_start_needs_a_deadline_of_its_own():
    flexible = a_configuration(scheduling={"strategy": "FLEX_START"})
    assert [warning.path for warning in check(flexible).warnings] == ["task_start_timeout_seconds"]
    assert check({**flexible, "task_start_timeout_seconds": 90_000}).warnings == ()


def test_needs_are_the_place_the_cpus_and_the_accelerators_of_all_replicas():
    needs = needs_of(a_configuration(machine_type="g2-standard-12", accelerator_type="NVIDIA_L4", accelerator_count=2))
    assert needs.place == ("", "", "us-central1")
    assert needs.size == {"cpu": 12, "nvidia_l4": 2}
    spec = {"workerPoolSpecs": [{"replicaCount": "3", "machineSpec": {"machineType": "n1-highmem-8"}}]}
    assert needs_of({"region": "us-central1", "job_spec": spec}).size == {"cpu": 24}
