"""Parameters of RunTask; pure, and the same bytes on every repeat.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.base import ConfigurationError, Job
from providers.ecs.containers import tidy_container
from providers.ecs.launch import Launch
from providers.ecs.tags import tags_of
from providers.ecs.task_secrets import secrets_of
from providers.ecs.values import command, compact, integer, listed, mapping, objects, pairs, pruned, text

MAX_OVERRIDES = 8192
"""Characters of `overrides` as JSON."""


def run_task_request(
    job: Job, *, definition: str, container: str, launch: Launch, network: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Parameters of RunTask for `job`, whose main container is `container` of the task definition `definition`.

    Raises `ConfigurationError` naming the field at fault.
    """
    given = mapping(job.configuration.get("task_run_request"), "task_run_request")
    _check_count(given)
    _check_secrets(job)
    request: dict[str, Any] = pruned({key: value for key, value in given.items() if key not in _BUILT})
    if cluster := given.get("cluster") or job.configuration.get("cluster"):
        request["cluster"] = cluster
    if tags := tags_of(job.labels, job.configuration, given.get("tags")):
        request["tags"] = tags
    if network is not None:
        request["networkConfiguration"] = network
    request.update(launch.parameters)
    request.update(taskDefinition=definition, count=1, clientToken=job.name, startedBy=job.name)
    request["overrides"] = _overrides(job, mapping(given.get("overrides"), "task_run_request.overrides"), container)
    return request


_BUILT = frozenset(
    {"cluster", "tags", "networkConfiguration", "launchType", "capacityProviderStrategy", "taskDefinition", "count"}
    | {"clientToken", "startedBy", "overrides"}
)
"""The parameters that are not taken as they are given."""


def _check_count(given: Mapping[str, Any]) -> None:
    if given.get("count") not in (None, 1, "1"):
        raise ConfigurationError("task_run_request.count: a run is one task; leave it out, or give 1")


def _check_secrets(job: Job) -> None:
    """ECS refuses a variable that is given plainly and as a secret."""
    secrets = secrets_of(job.configuration)
    plain = pairs(job.configuration.get("env"), "env").keys() | job.environment.keys() if secrets else ()
    if both := sorted(secrets.keys() & plain):
        raise ConfigurationError(f"secrets: {', '.join(both)} stands in env too; give it in one of them")


def _overrides(job: Job, given: Mapping[str, Any], container: str) -> dict[str, Any]:
    overrides: dict[str, Any] = pruned({key: value for key, value in given.items() if key != "containerOverrides"})
    overrides.update({key: text(overrides[key]) for key in ("cpu", "memory") if key in overrides})
    if storage := mapping(overrides.get("ephemeralStorage"), "ephemeral_storage").get("sizeInGiB"):
        overrides["ephemeralStorage"] = {"sizeInGiB": integer(storage, "ephemeral_storage")}
    overrides["containerOverrides"] = _container_overrides(job, given.get("containerOverrides"), container)
    _check_size(overrides)
    return overrides


def _container_overrides(job: Job, given: Any, container: str) -> list[dict[str, Any]]:
    """The main container's first, so that whoever sees only the task knows which one does the work."""
    path = "task_run_request.overrides.containerOverrides"
    tidy = [tidy_container(item, f"{path}[{index}]") for index, item in enumerate(objects(given, path)) if item]
    main = next((item for item in tidy if item.get("name", container) == container), {})
    others = [item for item in tidy if item is not main]
    main["name"] = container
    if words := command(job.configuration.get("command"), "command"):
        main["command"] = words
    if environment := _environment(job, main):
        main["environment"] = listed(environment)
    return [main, *others]


def _environment(job: Job, main: Mapping[str, Any]) -> dict[str, str]:
    own = {item["name"]: item["value"] for item in main.get("environment", ())}
    return {**own, **pairs(job.configuration.get("env"), "env"), **job.environment}


def _check_size(overrides: Mapping[str, Any]) -> None:
    size = len(compact(overrides))
    if size > MAX_OVERRIDES:
        environment = overrides["containerOverrides"][0].get("environment", ())
        largest = max(environment, key=lambda item: len(item["value"]), default={"name": "-", "value": ""})
        raise ConfigurationError(
            f"overrides: {size} characters of JSON, and ECS takes {MAX_OVERRIDES}; the largest variable is"
            f" {largest['name']} with {len(largest['value'])}. Pass a place to read it from instead of the value"
        )
