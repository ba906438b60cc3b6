"""Reads the requested task from a RunTask request: definition, network, launch type, main container."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from providers.emulators.ecs import rules
from providers.emulators.ecs.aws import Aws
from providers.emulators.ecs.definitions import check_overrides
from providers.emulators.ecs.shape import Task

_addresses = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """One task of a request; all tasks of its count are equal."""

    name: str
    """The name of the task's job: `startedBy`, or else the client token."""
    task: Task
    command: Sequence[str]
    environment: Mapping[str, str]


def place(aws: Aws, region: str, cluster: Any, request: Mapping[str, Any]) -> Placement:
    """The placement of a request's tasks. Raises the refusals that depend on the cluster, the definition or the network."""
    rules.check_providers(request, cluster)
    definition = aws.definition(region, request["taskDefinition"])
    fargate = rules.uses_fargate(request, cluster)
    rules.check_with_definition(request, definition, fargate=fargate)
    check_overrides(request, definition, fargate=fargate)
    subnet = _subnet(aws, region, request)
    overrides = request.get("overrides", {})
    container, override = _main(definition.container_definitions, overrides.get("containerOverrides", ()))
    task = Task(
        region=region,
        account=aws.account,
        cluster=cluster.arn,
        definition=definition.arn,
        family=definition.family,
        group=request.get("group") or f"family:{definition.family}",
        started_by=request.get("startedBy"),
        main=container["name"],
        containers=tuple(definition.container_definitions),
        overrides=overrides,
        tags=_tags(request, definition),
        launch_type="FARGATE" if fargate else request.get("launchType", "EC2"),
        provider=_provider(request, cluster),
        cpu=str(overrides.get("cpu") or definition.cpu or "256"),
        memory=str(overrides.get("memory") or definition.memory or "512"),
        platform=_platform(request, fargate=fargate),
        subnet=subnet,
        address=_address(),
    )
    name = request.get("startedBy") or request.get("clientToken") or "unnamed"
    return Placement(name=name, task=task, command=_command(container, override), environment=_environment(container, override))


def _main(containers: Sequence[Any], overrides: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The container whose command is the job: the one with an overridden command, or else the first essential one."""
    by_name = {override["name"]: override for override in overrides}
    commanded = (container for container in containers if by_name.get(container["name"], {}).get("command"))
    essential = (container for container in containers if container.get("essential", True))
    container = next(commanded, None) or next(essential, containers[0])
    return container, by_name.get(container["name"], {})


def _command(container: Mapping[str, Any], override: Mapping[str, Any]) -> Sequence[str]:
    return [*container.get("entryPoint", ()), *(override.get("command") or container.get("command", ()))]


def _environment(container: Mapping[str, Any], override: Mapping[str, Any]) -> Mapping[str, str]:
    pairs = [*container.get("environment", ()), *override.get("environment", ())]
    return {pair["name"]: pair.get("value", "") for pair in pairs}


def _tags(request: Mapping[str, Any], definition: Any) -> list[Mapping[str, str]]:
    propagated = definition.tags if request.get("propagateTags") == "TASK_DEFINITION" else ()
    merged = {tag["key"]: tag for tag in (*propagated, *request.get("tags", ()))}
    return list(merged.values())


def _provider(request: Mapping[str, Any], cluster: Any) -> str | None:
    strategy = request.get("capacityProviderStrategy") or ([] if "launchType" in request else rules.default_strategy(cluster))
    heaviest = sorted(strategy, key=lambda item: (item.get("base", 0) > 0, item.get("weight", 0)))
    return str(heaviest[-1]["capacityProvider"]) if heaviest else None


def _platform(request: Mapping[str, Any], *, fargate: bool) -> str | None:
    version = request.get("platformVersion", "LATEST")
    return ("1.4.0" if version == "LATEST" else version) if fargate else None


def _subnet(aws: Aws, region: str, request: Mapping[str, Any]) -> str | None:
    network = request.get("networkConfiguration", {}).get("awsvpcConfiguration")
    if network is None:
        return None
    rules.check_network(network)
    subnets = aws.subnets(region, network["subnets"])
    groups = aws.security_groups(region, network.get("securityGroups", ()))
    rules.check_one_network(subnets, groups)
    return str(subnets[0].id)


def _address() -> str:
    number = next(_addresses)
    return f"172.31.{number // 250 % 256}.{number % 250 + 4}"
