"""What a job needs from Cloud Run, read from its configuration alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.base import ConfigurationError, Needs
from providers.cloud_run.fields import whole
from providers.cloud_run.knative import is_knative
from providers.cloud_run.place import place_names
from providers.cloud_run.rendering import v2_body
from providers.cloud_run.sizes import amount
from providers.values import mapping, objects

_KEYS = {"cpu": ("cpu", 1.0), "memory": ("memory", 512.0), "gpu": ("nvidia.com/gpu", 0.0)}
"""Dimension -> the limit that sets it, and a container's default."""


def needs_of(configuration: Mapping[str, Any]) -> Needs:
    """Credentials, project and region (empty where the configuration leaves them to the host); CPUs, MiB and GPUs.

    The size covers all tasks that run at once. Raises `ConfigurationError` for a configuration that cannot be used.
    """
    names = place_names(configuration)
    body = mapping(configuration.get("job_body"), "job_body")
    try:
        execution, containers = _parts(body)
    except ConfigurationError:  # values that a template leaves empty may be in the way; removing them costs ten times as much
        execution, containers = _parts(v2_body(configuration))
    tasks = _at_once(execution)
    size = {dimension: tasks * sum(_limit(item, dimension) for item in containers) for dimension in _KEYS}
    place = (names.credentials or "", names.project or "", names.region or "")
    return Needs(place=place, size={dimension: value for dimension, value in size.items() if value})


def _parts(body: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The execution and its task's containers, in either form of a body."""
    if is_knative(body):
        spec = mapping(mapping(body.get("spec"), "spec").get("template"), "spec.template")
        execution = mapping(spec.get("spec"), "spec.template.spec")
        task = mapping(mapping(execution.get("template"), "spec.template.spec.template").get("spec"), "task spec")
    else:
        execution = mapping(body.get("template"), "job_body.template")
        task = mapping(execution.get("template"), "job_body.template.template")
    return execution, objects(task.get("containers"), "job_body.template.template.containers") or [{}]


def _at_once(execution: Mapping[str, Any]) -> int:
    tasks = whole(execution.get("taskCount") or execution.get("task_count") or 1, "taskCount")
    return max(1, min(tasks, whole(execution.get("parallelism") or tasks, "parallelism")))


def _limit(container: Mapping[str, Any], dimension: str) -> float:
    key, otherwise = _KEYS[dimension]
    limits = mapping(mapping(container.get("resources"), "resources").get("limits"), "resources.limits")
    limit = limits.get(key)
    size = otherwise if limit in (None, "") else amount(dimension, limit)
    if size is None:
        raise ConfigurationError(f"resources.limits.{key}: is not an amount: {limit!r:.80}")
    return size
