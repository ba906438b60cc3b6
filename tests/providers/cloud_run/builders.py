"""Jobs to submit, rendered from our default template or from ones in the shape of Prefect's."""

from __future__ import annotations

from datetime import UTC, datetime

from dispatcher.core.templates import render
from providers import registry
from providers.base import Accepted, Job
from providers.cloud_run import CloudRunProvider
from providers.cloud_run.place import Place

IMAGE = "docker.io/library/busybox"
NAME = "r0123456789abcdef0123456789abcdef-1"
PLACE = Place(project="p", region="us-central1")
OURS = registry.default_template("cloud-run-v2:push")

_COMMON = {
    "command": "{{ command }}",
    "env": "{{ env }}",
    "labels": "{{ labels }}",
    "name": "{{ name }}",
    "region": "{{ region }}",
    "credentials": "{{ credentials }}",
    "timeout": "{{ timeout }}",
    "keep_job": "{{ keep_job }}",
}
_RESOURCES = {"cpu": "{{ cpu }}", "memory": "{{ memory }}"}
_VARIABLES = {
    **{name: {} for name in ("name", "env", "labels", "command", "image", "args", "cpu", "memory")},
    **{name: {} for name in ("vpc_connector_name", "service_account_name")},
    "region": {"default": "us-central1"},
    "credentials": {"allOf": [{"$ref": "#/definitions/GcpCredentials"}]},
    "keep_job": {"default": False},
    "timeout": {"default": 600},
}
_DEFINITIONS = {"GcpCredentials": {"type": "object", "block_type_slug": "gcp-credentials", "properties": {}}}


def prefect_v2(vpc_access):
    task = {
        "serviceAccount": "{{ service_account_name }}",
        "maxRetries": "{{ max_retries }}",
        "timeout": "{{ timeout }}",
        "vpcAccess": vpc_access,
        "containers": [
            {
                "env": [],
                "image": "{{ image }}",
                "command": "{{ command }}",
                "args": "{{ args }}",
                "resources": {"limits": _RESOURCES},
            }
        ],
    }
    defaults = {"launch_stage": {"default": "BETA"}, "max_retries": {"default": 0}}
    sizes = {"cpu": {"default": "1000m"}, "memory": {"default": "512Mi"}}
    body = {"client": "prefect", "launchStage": "{{ launch_stage }}", "template": {"template": task}}
    return {
        "job_configuration": {**_COMMON, "job_body": body},
        "variables": {
            "type": "object",
            "properties": {**_VARIABLES, **defaults, **sizes},
            "definitions": _DEFINITIONS,
        },
    }


def prefect_v1(*, on_the_job):
    """The push template annotates the job with the connector, the worker's annotates its executions."""
    stage = {"run.googleapis.com/launch-stage": "BETA"}
    connector = {"run.googleapis.com/vpc-access-connector": "{{ vpc_connector_name }}"}
    container = {
        "image": "{{ image }}",
        "command": "{{ command }}",
        "resources": {"limits": _RESOURCES, "requests": _RESOURCES},
    }
    task = {
        "containers": [container],
        "timeoutSeconds": "{{ timeout }}",
        "serviceAccountName": "{{ service_account_name }}",
    }
    template = {"spec": {"template": {"spec": task}}}
    body = {
        "apiVersion": "run.googleapis.com/v1",
        "kind": "Job",
        "metadata": {"name": "{{ name }}", "annotations": {**stage, **(connector if on_the_job else {})}},
        "spec": {"template": template if on_the_job else {**template, "metadata": {"annotations": connector}}},
    }
    return {
        "job_configuration": {**_COMMON, "job_body": body},
        "variables": {"type": "object", "properties": _VARIABLES, "definitions": _DEFINITIONS},
    }


TEMPLATES = {
    "ours": OURS,
    "prefect cloud-run-v2:push": prefect_v2("{{ vpc_connector_name }}"),
    "prefect cloud-run-v2": prefect_v2({"connector": "{{ vpc_connector_name }}"}),
    "prefect cloud-run:push": prefect_v1(on_the_job=True),
    "prefect cloud-run": prefect_v1(on_the_job=False),
}


def a_job(name=NAME, template=OURS, labels=None, **variables):
    configuration = render(template, {"image": IMAGE, **variables})
    return Job(name=name, configuration=configuration, environment={"DISPATCHER_RUN_ID": "0123"}, labels=labels or {})


def named(number, attempt=1):
    return f"r{number:032x}-{attempt}"


def a_provider(emulator, **options):
    """A provider with a quota that does not matter, on the emulator's time."""
    options = {"project": "p", "writes_per_minute": 6000, **options}
    return CloudRunProvider(endpoint=emulator.url, now=lambda: datetime.fromtimestamp(emulator.now(), UTC), **options)


def submitted(provider, *jobs):
    """The submissions of jobs that are accepted."""
    outcomes = [provider.submit(job) for job in jobs]
    assert all(isinstance(outcome, Accepted) for outcome in outcomes), outcomes
    return [outcome.submission for outcome in outcomes]
