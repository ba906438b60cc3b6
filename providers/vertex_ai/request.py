"""A rendered configuration becomes the body of a create call. Pure: the same job gives the same body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.base import ConfigurationError, Job
from providers.google.labels import clean_value, labels_of
from providers.remarks import Unusable
from providers.values import command, mapping, named_texts, number, optional_text
from providers.vertex_ai.shape import fitted

NAME_LABEL = "push_dispatcher_name"
"""The label by which a job is looked up: Vertex AI accepts no name of ours, and display names are not unique."""

OWNER_LABEL = "push_dispatcher_owner"
"""The label that distinguishes the jobs of several dispatchers in one project."""

MAX_DISPLAY_NAME = 128
HOUR = 3600

SPEC = "job_spec"
HOURS, ACCOUNT = "maximum_run_time_hours", "service_account_name"
"""Prefect's keys within a job spec that are not fields of the API."""


def body_of(job: Job, owner: str) -> dict[str, Any]:
    """The CustomJob to create. Raises `ConfigurationError` that names the field."""
    configuration = job.configuration
    spec = spec_of(configuration)
    _main_container(spec, job)
    own = {NAME_LABEL: job.name, OWNER_LABEL: clean_value(owner)}
    labels = labels_of({**job.labels, **own}, owner, configuration.get("labels"))
    return {"displayName": display_name(job), "labels": {**labels, **own}, "jobSpec": spec}


def spec_of(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The job spec in the API's form, without the run's own values. Raises `ConfigurationError`."""
    template = mapping(configuration.get(SPEC), SPEC)
    hours, account = template.pop(HOURS, None), optional_text(template.pop(ACCOUNT, None), f"{SPEC}.{ACCOUNT}")
    spec, faults = fitted(template, "CustomJobSpec", SPEC)
    if faults:
        raise Unusable(faults)
    if account:
        spec["serviceAccount"] = account
    spec["scheduling"] = _scheduling(spec.get("scheduling", {}), hours)
    pools = spec.setdefault("workerPoolSpecs", [])
    if not pools or not pools[0]:
        pools[:1] = [{}]
    for pool in pools:
        pool.setdefault("replicaCount", 1)
    return spec


def display_name(job: Job) -> str:
    """The name in the console: the configuration's readable name, if any, followed by the job's name."""
    readable = optional_text(job.configuration.get("name"), "name")
    return f"{readable[: MAX_DISPLAY_NAME - len(job.name) - 1]} {job.name}" if readable else job.name


def _scheduling(scheduling: dict[str, Any], hours: Any) -> dict[str, Any]:
    """The scheduling options. Unless the template sets it, Vertex AI does not restart a job by itself."""
    restarts = scheduling.setdefault("restartJobOnWorkerRestart", False)
    scheduling.setdefault("disableRetries", not restarts)
    if hours not in (None, ""):
        scheduling["timeout"] = f"{round(number(hours, f'{SPEC}.{HOURS}') * HOUR)}s"
    return scheduling


def _main_container(spec: dict[str, Any], job: Job) -> None:
    """Complete the first worker pool's container: image, command, environment."""
    pool = spec["workerPoolSpecs"][0]
    key = "pythonPackageSpec" if "pythonPackageSpec" in pool else "containerSpec"
    container = dict(pool.get(key, {}))
    if key == "containerSpec":
        image = container.get("imageUri") or optional_text(job.configuration.get("image"), "image")
        if not image:
            raise ConfigurationError("image: name the container image to run")
        container["imageUri"] = image
        words = container.get("command") or command(job.configuration.get("command"), "command")
        container = {**container, "command": words} if words else container
    environment = _environment(container.pop("env", []), job)
    pool[key] = {**container, **({"env": environment} if environment else {})}


def _environment(variables: list[dict[str, Any]], job: Job) -> list[dict[str, str]]:
    """The environment: the container's own variables < the configuration's `env` (null removes a name) < the dispatcher's."""
    chosen = {str(item.get("name", "")): str(item.get("value", "")) for item in variables}
    env = mapping(job.configuration.get("env"), "env")
    chosen = {name: value for name, value in chosen.items() if env.get(name, "") is not None}
    chosen |= named_texts(env, "env")
    chosen |= job.environment
    if unnamed := [name for name in chosen if not name or "=" in name]:
        raise ConfigurationError(f"env: {unnamed[0]!r:.80} cannot be the name of a variable")
    return [{"name": name, "value": value} for name, value in chosen.items()]
