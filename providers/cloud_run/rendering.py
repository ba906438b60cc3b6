"""A rendered configuration becomes the body of CreateJob. Pure: the same job gives the same body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.base import ConfigurationError, Job
from providers.cloud_run.cloudsql import add_instances, instances_of
from providers.cloud_run.environment import environment_of, variables_of
from providers.cloud_run.fields import camel, duration, pruned, whole
from providers.cloud_run.knative import INSTANCES, is_knative, translated
from providers.cloud_run.place import Place
from providers.google.labels import KEEP, labels_of
from providers.values import command, mapping, objects, text

TOKEN = "run"  # noqa: S105 - a suffix of a name
"""`start_execution_token`: the execution is called `<job>-run`. One job is made for one run, so one token is enough."""

CLIENT = "push-dispatcher"

OWN = {
    "name": "the job is called after its run",
    "startExecutionToken": "the dispatcher starts the execution with a token of its own",
    "runExecutionToken": "the dispatcher starts the execution with a token of its own",
}
"""Fields of a body whose values the dispatcher chooses, each with the reason."""

OUTPUT = frozenset(
    {"uid", "generation", "etag", "creator", "lastModifier", "createTime", "updateTime", "deleteTime", "expireTime"}
    | {"conditions", "terminalCondition", "observedGeneration", "latestCreatedExecution", "executionCount", "reconciling"}
    | {"satisfiesPzs"}
)
"""Fields of an exported job that a new one must not have: Cloud Run fills them."""

NO_STAGE = "LAUNCH_TAG_UNSPECIFIED"
"""A launch stage that Prefect's templates offer but the API does not have."""


def body_of(job: Job, place: Place, owner: str) -> dict[str, Any]:
    """The job to create, with the token that starts it. Raises `ConfigurationError` that names the field."""
    body = v2_body(job.configuration)
    execution = mapping(body.get("template"), "job_body.template")
    labels = (job.configuration.get("labels"), body.get("labels"), execution.get("labels"))
    kept = {KEEP: "true"} if is_kept(job) else {}
    execution["labels"] = labels_of({**job.labels, **kept}, owner, *labels)
    sql = instances_of(body.pop(INSTANCES, None), "job_body.metadata.annotations: run.googleapis.com/cloudsql-instances")
    execution["template"] = _task(mapping(execution.get("template"), "job_body.template.template"), job, place, sql)
    sent = {key: value for key, value in body.items() if key not in OWN and key not in OUTPUT and value != NO_STAGE}
    own = {"labels": execution["labels"], "template": execution, "startExecutionToken": TOKEN}
    return {"client": CLIENT, **sent, **own}


def v2_body(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The job body in the form of v2, whichever version it was written for, without values that the template left empty."""
    template = pruned(mapping(configuration.get("job_body"), "job_body"))
    body: dict[str, Any] = pruned(translated(template)) if is_knative(template) else camel(template)
    return body


def is_kept(job: Job) -> bool:
    """True when the template wants the job to stay after its end."""
    return job.configuration.get("keep_job") is True


def execution_name(name: str) -> str:
    """The name of the execution that a job's token starts."""
    return f"{name}-{TOKEN}"


def _task(task: dict[str, Any], job: Job, place: Place, sql: list[str]) -> dict[str, Any]:
    # By default Cloud Run retries a failed task three times, so one run would become four.
    task["maxRetries"] = whole(task.get("maxRetries", 0), "job_body.template.template.maxRetries")
    timeout = task.get("timeout") or job.configuration.get("timeout")
    if timeout:
        task["timeout"] = duration(timeout, "timeout")
    network = _network(task.pop("vpcAccess", None), place)
    containers = objects(task.get("containers"), "job_body.template.template.containers") or [{}]
    main, *others = [_container(container) for container in containers]
    task["containers"] = [_main(main, job), *(_sidecar(container) for container in others)]
    add_instances(task, [*sql, *instances_of(job.configuration.get("cloudsql_instances"), "cloudsql_instances")])
    return {**task, "vpcAccess": network} if network else task


def _network(value: Any, place: Place) -> dict[str, Any]:
    """`vpcAccess`, which may be the bare name of a connector; removed if it names nothing."""
    network = {"connector": value} if isinstance(value, str) else mapping(value, "job_body: vpcAccess")
    connector = network.get("connector")
    if connector and "/" not in connector:
        network["connector"] = f"{place.parent}/connectors/{connector}"
    return network if {"connector", "networkInterfaces"} & network.keys() else {}


def _container(container: dict[str, Any]) -> dict[str, Any]:
    for key in ("command", "args"):
        if key in container:
            container[key] = command(container[key], f"job_body: containers: {key}")
    resources = mapping(container.pop("resources", None), "job_body: containers: resources")
    resources.pop("requests", None)  # v1 has requests; for a job they equal the limits
    if limits := mapping(resources.get("limits"), "job_body: containers: resources.limits"):
        resources["limits"] = {key: text(value) for key, value in limits.items()}
    return {**container, "resources": resources} if resources else container


def _main(container: dict[str, Any], job: Job) -> dict[str, Any]:
    image = container.get("image") or job.configuration.get("image")
    if not image:
        raise ConfigurationError("image: name the container image to run")
    words = container.get("command") or command(job.configuration.get("command"), "command")
    environment = environment_of(container.get("env"), job.configuration, job.environment)
    chosen: Mapping[str, Any] = {"image": text(image), "command": words, "env": environment}
    return {**container, **{key: value for key, value in chosen.items() if value}}


def _sidecar(container: dict[str, Any]) -> dict[str, Any]:
    variables = variables_of(container.get("env"), "job_body: containers: env").values()
    return {**container, "env": [item for item in variables if item is not None]} if "env" in container else container
