"""A job's place and size, from its configuration alone; a tick computes this for every due run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.base import ConfigurationError, Needs
from providers.container_instance.container import DEFAULT_CPU, DEFAULT_MEMORY
from providers.container_instance.expressions import is_expression, parameter
from providers.container_instance.place import first_group, place_of
from providers.values import mapping, number, optional_text, sequence

SPOT = "spot"
"""The CPUs of a Spot group, which have their own quota."""


def needs(configuration: Mapping[str, Any]) -> Needs:
    """The place is (credentials, subscription, location); the sizes are CPUs, GB of memory and GPUs of the whole group.

    A job whose configuration names no location goes to its resource group's region; then the place has the resource group
    instead. Raises `ConfigurationError`.
    """
    place = place_of(configuration)
    group = first_group(configuration)
    where = location_of(configuration, group).replace(" ", "").lower() or f"region of {place.resource_group.lower()}"
    return Needs(place=(place.credentials, place.subscription_id.lower(), where), size=_size(configuration, group))


def location_of(configuration: Mapping[str, Any], group: Mapping[str, Any]) -> str:
    """The location in the configuration or its template; empty for the resource group's own region."""
    value = configuration.get("location") or group.get("location")
    template = mapping(configuration.get("arm_template"), "arm_template")
    location = optional_text(parameter(value, mapping(template.get("parameters"), "arm_template.parameters")), "location")
    return "" if is_expression(location) else location


def _size(configuration: Mapping[str, Any], group: Mapping[str, Any]) -> dict[str, float]:
    properties = mapping(group.get("properties"), "arm_template.resources[0].properties")
    containers = sequence(properties.get("containers"), "arm_template.resources[0].properties.containers")
    main, *others = [_requests(item) for item in containers or [{}]]
    size: dict[str, float] = {
        "cpu": number(configuration.get("cpu") or main.get("cpu") or DEFAULT_CPU, "cpu"),
        "memory": number(configuration.get("memory") or main.get("memoryInGB") or DEFAULT_MEMORY, "memory"),
    }
    for other in others:
        size["cpu"] += number(other.get("cpu") or DEFAULT_CPU, "cpu")
        size["memory"] += number(other.get("memoryInGB") or DEFAULT_MEMORY, "memory")
    gpus = configuration.get("gpu_count") or mapping(main.get("gpu"), "gpu").get("count")
    if gpus:
        size["gpu"] = number(gpus, "gpu_count")
    if (configuration.get("priority") or properties.get("priority")) == "Spot":
        size[SPOT] = size["cpu"]
    return size


def _requests(container: Any) -> dict[str, Any]:
    path = "arm_template.resources[0].properties.containers"
    if not isinstance(container, Mapping):
        raise ConfigurationError(f"{path}: give objects, not {type(container).__name__}")
    properties = mapping(container.get("properties"), f"{path}.properties")
    return mapping(mapping(properties.get("resources"), f"{path}.resources").get("requests"), f"{path}.requests")
