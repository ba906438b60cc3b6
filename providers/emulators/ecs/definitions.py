"""ECS's refusals of a task definition, and of the sizes and variables with which RunTask overrides it.

The tables and rules are written from the documentation a second time, so that the emulator does not repeat a mistake in the
provider's own check. If AWS's exact words are not published, the words are ours.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html,
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from providers.emulators.ecs.errors import client, invalid

GIB = 1024
SIZES = {
    "256": [512, GIB, 2 * GIB],
    "512": [number * GIB for number in range(1, 5)],
    "1024": [number * GIB for number in range(2, 9)],
    "2048": [number * GIB for number in range(4, 17)],
    "4096": [number * GIB for number in range(8, 31)],
    "8192": [number * GIB for number in range(16, 61, 4)],
    "16384": [number * GIB for number in range(32, 121, 8)],
}
"""Fargate's tasks: CPU units -> MiB."""
_SHARED = "The secret name must be unique and not shared with any new or existing environment variables set on the container"
_ECR = re.compile(r"\d{12}\.dkr\.ecr\.")

Container = Mapping[str, Any]


def check_definition(request: Mapping[str, Any]) -> None:
    """Raises ECS's ClientException for a definition that cannot be registered."""
    containers: Sequence[Container] = request["containerDefinitions"]
    for container in containers:
        for field in ("name", "image"):
            if not container.get(field):
                raise client(f"Container.{field} should not be null or empty.")
    if len({container["name"] for container in containers}) < len(containers):
        raise client("Container names must be unique within a task definition.")
    if not any(container.get("essential", True) for container in containers):
        raise client("Invalid setting for containers. At least one container must be essential.")
    for container in containers:
        _check_names(container, container.get("environment", ()))
    if "FARGATE" in request.get("requiresCompatibilities", ()):
        _check_fargate(request, containers)
    _check_sum(containers, request.get("cpu"), request.get("memory"))


def check_overrides(request: Mapping[str, Any], definition: Any, *, fargate: bool) -> None:
    """Raises ECS's refusal if a task's sizes or variables do not fit its definition."""
    overrides = request.get("overrides", {})
    by_name = {override.get("name"): override for override in overrides.get("containerOverrides", ())}
    cpu, memory = overrides.get("cpu") or definition.cpu, overrides.get("memory") or definition.memory
    if fargate:
        _check_pair(cpu, memory)
    merged = []
    for container in definition.container_definitions:
        override = by_name.get(container["name"], {})
        _check_names(container, override.get("environment", ()))
        sizes = {name: override[name] for name in ("cpu", "memory", "memoryReservation") if name in override}
        merged.append({**container, **sizes})
    _check_sum(merged, cpu, memory)


def _check_fargate(request: Mapping[str, Any], containers: Sequence[Container]) -> None:
    for field in ("cpu", "memory"):
        if field not in request:
            raise client(f"Fargate requires that '{field}' be defined at the task level.")
    _check_pair(request["cpu"], request["memory"])
    if request.get("networkMode") != "awsvpc":
        raise client("Fargate only supports network mode 'awsvpc'.")
    if "executionRoleArn" in request:
        return
    for container in containers:
        if container.get("logConfiguration", {}).get("logDriver") == "awslogs":
            raise client("Fargate requires task definition to have execution role ARN to support log driver awslogs.")
        if _ECR.match(container["image"]):
            raise client("Fargate requires task definition to have execution role ARN to support ECR images.")
        if container.get("secrets"):
            raise client("Fargate requires task definition to have execution role ARN to support secrets.")


def _check_pair(cpu: Any, memory: Any) -> None:
    """Check sizes in units; ECS also accepts `1 vCPU` and `2 GB`."""
    units, mib = _amount(cpu, "vcpu"), _amount(memory, "gb")
    if units is None or mib not in SIZES.get(f"{units:g}", ()):
        raise client(f"No Fargate configuration exists for given values: {cpu} CPU, {memory} memory.")


def _check_sum(containers: Iterable[Container], cpu: Any, memory: Any) -> None:
    """Check that all containers together have no more than the task."""
    listed = list(containers)
    of_task, reserved = _amount(cpu, "vcpu"), sum(item.get("cpu") or 0 for item in listed)
    if of_task is not None and reserved > of_task:
        raise client(f"The cpu of the containers, {reserved}, is more than that of the task, {of_task:g}.")
    of_task = _amount(memory, "gb")
    reserved = sum(item.get("memoryReservation") or item.get("memory") or 0 for item in listed)
    if of_task is not None and max([reserved, *(item.get("memory") or 0 for item in listed)]) > of_task:
        raise client(f"The memory of the containers is more than that of the task, {of_task:g}.")


def _check_names(container: Container, environment: Iterable[Mapping[str, str]]) -> None:
    secrets = {secret["name"] for secret in container.get("secrets", ())}
    if shared := sorted(secrets & {pair.get("name", "") for pair in environment}):
        raise invalid(f"{_SHARED}, such as '{shared[0]}'.")


def _amount(value: Any, unit: str) -> float | None:
    match = re.fullmatch(rf"\s*([\d.]+)\s*({unit})?\s*", str(value), re.IGNORECASE)
    return float(match[1]) * (1024 if match[2] else 1) if match else None
