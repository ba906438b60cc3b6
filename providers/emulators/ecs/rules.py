"""Checks of a RunTask request before its placement. The limits are those of the API reference.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from providers.emulators.ecs.errors import invalid

MAXIMUM_COUNT = 10
MAXIMUM_TAGS = 50
MAXIMUM_OVERRIDES = 8192
MAXIMUM_PROVIDERS = 20

_CLIENT_TOKEN = re.compile(r"[!-~]{1,64}")
_STARTED_BY = re.compile(r"[A-Za-z0-9/_-]{1,128}")
_TAG = re.compile(r"[\w\s+\-=.:/@]*")


def check_alone(request: Mapping[str, Any]) -> None:
    """Check the rules that need only the request."""
    if not 1 <= request.get("count", 1) <= MAXIMUM_COUNT:
        raise invalid(f"count must be between 1 and {MAXIMUM_COUNT}.")
    if not _CLIENT_TOKEN.fullmatch(request.get("clientToken", "-")):
        raise invalid("clientToken must be 1 to 64 characters in the range of 33-126.")
    if not _STARTED_BY.fullmatch(request.get("startedBy", "-")):
        raise invalid("startedBy must be up to 128 letters, numbers, hyphens, forward slashes and underscores.")
    if request.get("propagateTags") == "SERVICE":
        raise invalid("propagateTags cannot be SERVICE when running a task.")
    if len(json.dumps(request.get("overrides", {}), separators=(",", ":"), ensure_ascii=False)) > MAXIMUM_OVERRIDES:
        raise invalid(f"Container Overrides length must be at most {MAXIMUM_OVERRIDES}")
    check_tags(request.get("tags", ()))
    _check_strategy(request)


def check_tags(tags: Iterable[Mapping[str, str]]) -> None:
    """Check tags: at most 50, unique keys of 1 to 128 characters, values of up to 256, no reserved prefix."""
    keys = [tag.get("key", "") for tag in tags]
    if len(keys) > MAXIMUM_TAGS:
        raise invalid(f"The maximum number of tags per resource is {MAXIMUM_TAGS}.")
    if len(set(keys)) != len(keys):
        raise invalid("Duplicate tag keys are not allowed.")
    for tag in tags:
        _check_tag(tag.get("key", ""), tag.get("value", ""))


def _check_tag(key: str, value: str) -> None:
    if not 1 <= len(key) <= 128 or len(value) > 256:
        raise invalid(f"Tag {key[:128]!r}: a key has 1 to 128 characters and a value at most 256.")
    if key.lower().startswith("aws:") or value.lower().startswith("aws:"):
        raise invalid(f"Tag {key!r}: the prefix aws: is reserved.")
    if not _TAG.fullmatch(key) or not _TAG.fullmatch(value):
        raise invalid(f"Tag {key!r}: only letters, numbers, spaces and + - = . _ : / @ are allowed.")


def _check_strategy(request: Mapping[str, Any]) -> None:
    strategy = request.get("capacityProviderStrategy", ())
    if strategy and "launchType" in request:
        raise invalid(
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again."
        )
    if len(strategy) > MAXIMUM_PROVIDERS:
        raise invalid(f"A capacity provider strategy can contain a maximum of {MAXIMUM_PROVIDERS} capacity providers.")
    if strategy and not any(item.get("weight", 0) or item.get("base", 0) for item in strategy):
        raise invalid("At least one capacity provider must have a weight greater than 0.")
    if sum(1 for item in strategy if item.get("base", 0)) > 1:
        raise invalid("Only one capacity provider in a strategy can have a base defined.")
    if any(not 0 <= item.get("weight", 0) <= 1000 for item in strategy):
        raise invalid("A capacity provider's weight must be between 0 and 1000.")


def check_with_definition(request: Mapping[str, Any], definition: Any, *, fargate: bool) -> None:
    """Check the rules that need the task definition."""
    names = {container["name"] for container in definition.container_definitions}
    for override in request.get("overrides", {}).get("containerOverrides", ()):
        if override.get("name") not in names:
            raise invalid(f"Override for container named {override.get('name')} is not a container in the TaskDefinition.")
    if fargate and not _suits_fargate(definition):
        raise invalid("Task definition does not support launch_type FARGATE.")
    network = request.get("networkConfiguration", {}).get("awsvpcConfiguration")
    if definition.network_mode == "awsvpc" and network is None:
        raise invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
    if definition.network_mode != "awsvpc" and network is not None:
        raise invalid("Network Configuration is not valid for the given networkMode of this task definition.")
    if "platformVersion" in request and not fargate:
        raise invalid("The platform version must be null when specifying an EC2 launch type.")


def _suits_fargate(definition: Any) -> bool:
    """Whether a definition suits Fargate: by its compatibilities, or else by its network mode and sizes."""
    if definition.requires_compatibilities:
        return "FARGATE" in definition.requires_compatibilities
    return bool(definition.network_mode == "awsvpc" and definition.cpu and definition.memory)


def check_network(network: Mapping[str, Any]) -> None:
    """Check the numbers of subnets and groups, before EC2 is asked for them."""
    if not network.get("subnets"):
        raise invalid("subnets can not be empty.")
    if len(network["subnets"]) > 16 or len(network.get("securityGroups", ())) > 5:
        raise invalid("awsvpcConfiguration takes at most 16 subnets and 5 security groups.")


def check_one_network(subnets: Iterable[Any], groups: Iterable[Any]) -> None:
    """Check that all are in one VPC."""
    if len({thing.vpc_id for thing in (*subnets, *groups)}) > 1:
        raise invalid("Subnets and security groups must belong to the same VPC.")


def uses_fargate(request: Mapping[str, Any], cluster: Any) -> bool:
    """Whether the task runs on Fargate, by the request, its strategy or the cluster's default strategy; EC2 without any."""
    strategy = request.get("capacityProviderStrategy") or (() if "launchType" in request else default_strategy(cluster))
    if strategy:
        return all(item["capacityProvider"] in ("FARGATE", "FARGATE_SPOT") for item in strategy)
    return request.get("launchType") == "FARGATE"


def default_strategy(cluster: Any) -> list[Mapping[str, Any]]:
    """A cluster's own strategy."""
    return list(cluster.default_capacity_provider_strategy or ())


def check_providers(request: Mapping[str, Any], cluster: Any) -> None:
    """Check that the cluster has the strategy's providers; Fargate's own must be associated like any other."""
    for item in request.get("capacityProviderStrategy", ()):
        if item["capacityProvider"] not in (cluster.capacity_providers or ()):
            name = item["capacityProvider"]
            raise invalid(f"The specified capacity provider '{name}' was not found. Specify a valid name or ARN and try again.")
