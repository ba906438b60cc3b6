"""What a task needs: its place and its size; pure, and cheap enough to compute for every waiting run.

A place has four parts: the name of the credentials, the region (both empty for the host's own), the capacity (`FARGATE`,
`FARGATE_SPOT` or a cluster), and the existing task definition that the job names, because its size is unknown without a call.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from providers.base import Needs
from providers.ecs.launch import FARGATE_PROVIDERS
from providers.ecs.place import place_of

CREDENTIALS, REGION, SIDE = 1, 2, 3
"""The number of a place's parts that name the account, its region, and the capacity there."""


def needs_of(configuration: Mapping[str, Any]) -> Needs:
    """Read a rendered configuration; an unreadable size is omitted.

    Raises `ConfigurationError` if `aws_credentials` is more than a name.
    """
    place = place_of(configuration)
    request = _object(configuration.get("task_run_request"))
    definition = _object(configuration.get("task_definition"))
    existing = _text(request.get("taskDefinition") or configuration.get("task_definition_arn"))
    side = _side(request, definition, _text(place.cluster) or "default", existing)
    return Needs(
        place=(place.credentials or "", place.region or "", side, existing),
        size=_size(request, definition, configuration, side, existing),
    )


def _side(request: Mapping[str, Any], definition: Mapping[str, Any], cluster: str, existing: str) -> str:
    """The capacity of a launch: Fargate's belongs to the region; any other belongs to the cluster or its capacity providers."""
    strategy = map(_object, _list(request.get("capacityProviderStrategy")))
    providers = sorted({_text(item.get("capacityProvider")) for item in strategy})
    if providers:
        joined = "+".join(providers)
        return joined if set(providers) <= FARGATE_PROVIDERS else f"{_name(cluster)}/{joined}"
    launch_type = _text(request.get("launchType"))
    if launch_type in FARGATE_PROVIDERS:
        return launch_type
    made_for = definition.get("requiresCompatibilities")
    elsewhere = launch_type or existing or (isinstance(made_for, list) and made_for and made_for != ["FARGATE"])
    return _name(cluster) if elsewhere else "FARGATE"


def _size(
    request: Mapping[str, Any], definition: Mapping[str, Any], configuration: Mapping[str, Any], side: str, existing: str
) -> dict[str, float]:
    """The size of the whole task. For an existing definition only the overridden sizes are known."""
    overrides = _object(request.get("overrides"))
    whole = {} if existing else definition
    containers = _overridden(whole.get("containerDefinitions"), overrides.get("containerOverrides"))
    amounts = {
        "cpu": cpu_units(overrides.get("cpu") or whole.get("cpu")),
        "memory": mebibytes(overrides.get("memory") or whole.get("memory")),
        "gpu": sum(_gpus(container) for container in containers),
    }
    if not existing:
        amounts["cpu"] = amounts["cpu"] or sum(cpu_units(item.get("cpu")) or 0 for item in containers) or DEFAULT_CPU
        amounts["memory"] = amounts["memory"] or sum(map(_memory, containers)) or DEFAULT_MEMORY
    if side not in FARGATE_PROVIDERS and _has_interface(whole, configuration, request):
        amounts["eni"] = 1
    return {name: float(amount) for name, amount in amounts.items() if amount}


def _overridden(containers: Any, overrides: Any) -> list[Mapping[str, Any]]:
    """The containers with their overrides applied; an override without a container counts as a container."""
    merged = {_text(item.get("name")): item for item in map(_object, _list(containers))}
    for override in map(_object, _list(overrides)):
        name = _text(override.get("name"))
        merged[name] = {**merged.get(name, {}), **override}
    return list(merged.values())


def _memory(container: Mapping[str, Any]) -> float:
    """The memory by which ECS places a container: its reservation, if it has one."""
    return mebibytes(container.get("memoryReservation") or container.get("memory")) or 0


def _gpus(container: Mapping[str, Any]) -> float:
    requirements = (item for item in map(_object, _list(container.get("resourceRequirements"))) if item.get("type") == "GPU")
    return sum(cpu_units(item.get("value")) or 0 for item in requirements)


def _has_interface(definition: Mapping[str, Any], configuration: Mapping[str, Any], request: Mapping[str, Any]) -> bool:
    """Whether the task takes its own network interface on its machine."""
    mode = definition.get("networkMode")
    settings = (configuration.get(key) for key in ("network_configuration", "subnets", "vpc_id", "security_groups"))
    return mode == "awsvpc" or (mode is None and (any(settings) or bool(request.get("networkConfiguration"))))


def _name(cluster: str) -> str:
    return cluster.rpartition("/")[2]


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


DEFAULT_CPU = 1024
DEFAULT_MEMORY = 2048

_CPU = re.compile(r"\s*(\d+|\d*\.\d+)\s*(vcpu)?s?\s*", re.IGNORECASE)
_MEMORY = re.compile(r"\s*(\d+|\d*\.\d+)\s*(gb)?\s*", re.IGNORECASE)

GIB = 1024
FARGATE: Mapping[int, Sequence[int]] = {
    256: (512, GIB, 2 * GIB),
    512: range(GIB, 4 * GIB + 1, GIB),
    1024: range(2 * GIB, 8 * GIB + 1, GIB),
    2048: range(4 * GIB, 16 * GIB + 1, GIB),
    4096: range(8 * GIB, 30 * GIB + 1, GIB),
    8192: range(16 * GIB, 60 * GIB + 1, 4 * GIB),
    16384: range(32 * GIB, 120 * GIB + 1, 8 * GIB),
}
"""CPU units -> the MiB that Fargate allows with them."""


def cpu_units(value: Any) -> float | None:
    """CPU units of `1024`, `"1024"` or `"1 vCPU"`; None for anything else."""
    return _number(value, _CPU)


def mebibytes(value: Any) -> float | None:
    """MiB of `2048`, `"2048"` or `"2 GB"`; None for anything else."""
    return _number(value, _MEMORY)


def fargate_problem(cpu: Any, memory: Any) -> tuple[str, str] | None:
    """Why Fargate has no task of this size, as (variable at fault, message); None if it has one or that is unclear."""
    units, mib = cpu_units(cpu), mebibytes(memory)
    if units is None or mib is None:
        return None
    if units not in FARGATE:
        offered = ", ".join(str(size) for size in FARGATE)
        return "cpu", f"Fargate has no tasks of {units:g} CPU units; it offers {offered} (1024 are one vCPU)"
    if mib not in FARGATE[int(units)]:
        return "memory", f"Fargate offers {_words(FARGATE[int(units)])} MiB with {units:g} CPU units, not {mib:g}"
    return None


def _words(offered: Sequence[int]) -> str:
    if isinstance(offered, range):
        return f"{offered[0]} to {offered[-1]} in steps of {offered.step}"
    return ", ".join(str(amount) for amount in offered)


def _number(value: Any, spelling: re.Pattern[str]) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    return _number_in(value, spelling) if isinstance(value, str) else None


@lru_cache(maxsize=256)
def _number_in(words: str, spelling: re.Pattern[str]) -> float | None:
    match = spelling.fullmatch(words)
    return float(match[1]) * (1024 if match[2] else 1) if match else None
