"""What becomes of a rendered configuration before it is sent; every body is read as Google's own message."""

from __future__ import annotations

import json

import pytest

from providers.base import ConfigurationError, Job
from providers.cloud_run.connection import message_of
from providers.cloud_run.rendering import body_of
from tests.providers.cloud_run.builders import IMAGE, OURS, PLACE, TEMPLATES, a_job, prefect_v2

EVERY_TEMPLATE = pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES.keys())


def rendered(job):
    body = body_of(job, PLACE, "us")
    message_of(body)  # raises when Google's message has no such field
    return body


def body_with(job_body=None, **configuration):
    job = Job(
        name="j",
        configuration={
            "image": IMAGE,
            "region": "us-central1",
            "job_body": {} if job_body is None else job_body,
            **configuration,
        },
    )
    return rendered(job)


def task_of(body):
    return body["template"]["template"]


def container_of(body):
    return task_of(body)["containers"][0]


@EVERY_TEMPLATE
def test_an_image_is_all_a_job_needs(template):
    body = rendered(a_job(template=template))
    assert container_of(body)["image"] == IMAGE
    assert task_of(body)["maxRetries"] == 0
    assert task_of(body)["timeout"] == "600s"
    assert "vpcAccess" not in task_of(body)
    assert body["startExecutionToken"] == "run"
    assert "name" not in body


@EVERY_TEMPLATE
def test_every_variable_reaches_its_place(template):
    job = a_job(
        template=template,
        command="python -m job --text 'two words'",
        env={"A": "", "B": "2"},
        cpu="2000m",
        memory="1Gi",
        timeout=90,
        service_account_name="job@p.iam.gserviceaccount.com",
        vpc_connector_name="inner",
    )
    task = task_of(rendered(job))
    assert task == {
        "maxRetries": 0,
        "timeout": "90s",
        "serviceAccount": "job@p.iam.gserviceaccount.com",
        "vpcAccess": {"connector": "projects/p/locations/us-central1/connectors/inner"},
        "containers": [
            {
                "image": IMAGE,
                "command": ["python", "-m", "job", "--text", "two words"],
                "env": [
                    {"name": "A", "value": ""},
                    {"name": "B", "value": "2"},
                    {"name": "DISPATCHER_RUN_ID", "value": "0123"},
                ],
                "resources": {"limits": {"cpu": "2000m", "memory": "1Gi"}},
            }
        ],
    }


def test_the_same_job_renders_to_the_same_bytes():
    job = a_job(env={"B": "1", "A": "2"}, labels={"z": "1", "a": "2"})
    assert json.dumps(rendered(job)) == json.dumps(rendered(job))


def test_the_dispatchers_own_variables_win_over_all_others():
    body = {"template": {"template": {"containers": [{"env": [{"name": "DISPATCHER_RUN_ID", "value": "body"}]}]}}}
    job = Job(
        name="j",
        configuration={
            "image": IMAGE,
            "job_body": body,
            "env": {"DISPATCHER_RUN_ID": "env"},
            "secrets": {"DISPATCHER_RUN_ID": "s"},
        },
        environment={"DISPATCHER_RUN_ID": "own"},
    )
    assert container_of(rendered(job))["env"] == [{"name": "DISPATCHER_RUN_ID", "value": "own"}]


def test_a_null_removes_a_name_from_the_environment():
    body = {"template": {"template": {"containers": [{"env": {"A": "1", "B": 2}}]}}}
    assert container_of(body_with(body, env={"A": None}))["env"] == [{"name": "B", "value": "2"}]


@pytest.mark.parametrize(
    ("secret", "reference"),
    [
        ({"secret": "s", "version": 3}, {"secret": "s", "version": "3"}),
        ({"secret": "s"}, {"secret": "s", "version": "latest"}),
        ("s", {"secret": "s", "version": "latest"}),
        ("s:7", {"secret": "s", "version": "7"}),
        ("projects/q/secrets/s/versions/7", {"secret": "projects/q/secrets/s", "version": "7"}),
    ],
)
def test_a_secret_is_a_reference(secret, reference):
    variables = container_of(body_with(secrets={"PASSWORD": secret}))["env"]
    assert variables == [{"name": "PASSWORD", "valueSource": {"secretKeyRef": reference}}]


def test_a_secrets_value_is_not_a_reference():
    with pytest.raises(ConfigurationError, match=r"secrets\.PASSWORD"):
        body_with(secrets={"PASSWORD": {"value": "hunter2"}})


@pytest.mark.parametrize(("timeout", "sent"), [(90, "90s"), ("90", "90s"), ("90s", "90s"), (1.5, "1.5s")])
def test_a_timeout_is_sent_as_seconds(timeout, sent):
    assert task_of(body_with({"template": {"template": {"timeout": timeout}}}))["timeout"] == sent


@pytest.mark.parametrize(
    ("access", "sent"),
    [
        ("inner", {"connector": "projects/p/locations/us-central1/connectors/inner"}),
        ({"connector": "projects/q/locations/r/connectors/c"}, {"connector": "projects/q/locations/r/connectors/c"}),
        ({"networkInterfaces": [{"network": "n"}]}, {"networkInterfaces": [{"network": "n"}]}),
        ({"connector": None}, None),
        ({"egress": "ALL_TRAFFIC"}, None),
        ("", None),
    ],
)
def test_network_access_without_a_target_is_left_out(access, sent):
    assert task_of(body_with({"template": {"template": {"vpcAccess": access}}})).get("vpcAccess") == sent


def test_a_template_may_ask_for_retries():
    assert task_of(rendered(a_job(template=prefect_v2(""), max_retries=2)))["maxRetries"] == 2


def test_labels_stand_on_the_job_and_on_its_execution():
    job = a_job(labels={"push-dispatcher/run_name": "Nightly Load"})
    body = rendered(job)
    assert body["labels"] == {"managed-by": "us", "push-dispatcher-run_name": "nightly-load"}
    assert body["template"]["labels"] == body["labels"]


def test_a_launch_stage_that_does_not_exist_is_left_out():
    assert "launchStage" not in rendered(a_job(template=prefect_v2(""), launch_stage="LAUNCH_TAG_UNSPECIFIED"))


def test_our_own_template_has_gpus_networks_and_volumes():
    job = a_job(
        template=OURS,
        gpu_type="nvidia-l4",
        gpu_count=1,
        cpu="4",
        memory="16Gi",
        network_interfaces=[{"network": "n", "subnetwork": "s"}],
        vpc_egress="ALL_TRAFFIC",
        volumes=[{"name": "v", "gcs": {"bucket": "b"}}],
        volume_mounts=[{"name": "v", "mountPath": "/v"}],
        args="--fast",
        execution_environment="EXECUTION_ENVIRONMENT_GEN2",
        launch_stage="BETA",
        task_count=3,
    )
    body = rendered(job)
    assert body["template"]["taskCount"] == 3
    assert task_of(body)["nodeSelector"] == {"accelerator": "nvidia-l4"}
    assert container_of(body)["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert container_of(body)["args"] == ["--fast"]
    assert task_of(body)["vpcAccess"] == {
        "networkInterfaces": [{"network": "n", "subnetwork": "s"}],
        "egress": "ALL_TRAFFIC",
    }


@pytest.mark.parametrize(
    ("configuration", "field"),
    [
        ({"image": None}, "image"),
        ({"command": "echo 'open"}, "command"),
        ({"env": "A=1"}, "env"),
        ({"job_body": "x"}, "job_body"),
        ({"timeout": "soon"}, "timeout"),
        ({"job_body": {"template": {"template": {"maxRetries": "some"}}}}, "maxRetries"),
        ({"job_body": {"template": {"template": {"containers": {"image": "x"}}}}}, "containers"),
        ({"job_body": {"tempalte": {"x": 1}}}, "tempalte"),
        ({"job_body": {"template": {"template": {"executionEnvironment": "GEN9"}}}}, "executionEnvironment"),
    ],
)
def test_an_invalid_value_is_refused_by_the_name_of_its_field(configuration, field):
    with pytest.raises(ConfigurationError, match=field):
        body_with(**configuration)
