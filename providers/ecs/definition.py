"""The task definition of a rendered configuration, complete and named by its content; pure.

A definition is registered under a family whose name ends in a hash of its content, so that any later invocation finds it
again without a memory of its own: an equal definition has an equal family, and another one never shares it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from providers.base import ConfigurationError
from providers.ecs.calls import Garbled, member, objects_of, optional
from providers.ecs.containers import complete_containers
from providers.ecs.launch import Launch
from providers.ecs.logs import configure_logs
from providers.ecs.task_secrets import add_secrets
from providers.ecs.values import canonical, integer, listed, mapping, pairs, pruned, text

DEFAULT_FAMILY = "push-dispatcher"
DEFAULT_CPU = 1024
DEFAULT_MEMORY = 2048
MAX_FAMILY = 255
HASH_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What has to be known of a task definition to run it."""

    containers: tuple[str, ...]
    network_mode: str | None = None
    compatibilities: tuple[str, ...] = ()


def facts_of(definition: Mapping[str, Any]) -> Facts:
    """The facts of a definition that we make."""
    return Facts(
        containers=tuple(container.get("name", "") for container in definition["containerDefinitions"]),
        network_mode=definition.get("networkMode"),
        compatibilities=tuple(definition.get("requiresCompatibilities") or ()),
    )


def described_facts(definition: Mapping[str, Any]) -> Facts:
    """The facts of a definition that ECS describes. Raises `Garbled` where they are not of the kind that it sends."""
    containers = objects_of(definition, "containerDefinitions")
    compatibilities = optional(definition, "requiresCompatibilities", list) or []
    if not containers or not all(isinstance(each, str) for each in compatibilities):
        raise Garbled("the answer describes no task definition")
    return Facts(
        containers=tuple(member(container, "name", str) for container in containers),
        network_mode=optional(definition, "networkMode", str),
        compatibilities=tuple(compatibilities),
    )


def given_definition(configuration: Mapping[str, Any]) -> str | None:
    """The existing definition that is to be used as it is (`task_definition_arn`), if any."""
    request = mapping(configuration.get("task_run_request"), "task_run_request")
    return request.get("taskDefinition") or configuration.get("task_definition_arn") or None


def template_compatibilities(configuration: Mapping[str, Any]) -> tuple[str, ...]:
    """`requiresCompatibilities` as the template words it."""
    definition = mapping(configuration.get("task_definition"), "task_definition")
    return tuple(definition.get("requiresCompatibilities") or ())


def definition_of(configuration: Mapping[str, Any], launch: Launch, region: str) -> dict[str, Any]:
    """Parameters of RegisterTaskDefinition. Raises `ConfigurationError` naming the field at fault."""
    definition: dict[str, Any] = pruned(mapping(configuration.get("task_definition"), "task_definition"))
    main = complete_containers(definition, configuration.get("container_name") or None)
    _set_image(main)
    _set_network_mode(definition, configuration, launch)
    _set_sizes(definition, main, launch)
    configure_logs(definition, main, configuration, region)
    add_secrets(definition, main, configuration)
    if "tags" in definition:
        definition["tags"] = listed(pairs(definition["tags"], "task_definition.tags", key="key"), key="key")
    definition["family"] = family_of(definition)
    return definition


def family_of(definition: Mapping[str, Any]) -> str:
    """The family that this content has for itself: the readable part, and the content's hash."""
    content = {key: value for key, value in definition.items() if key != "family"}
    digest = sha256(canonical(content).encode()).hexdigest()[:HASH_DIGITS]
    return f"{slug(definition.get('family') or DEFAULT_FAMILY)}-{digest}"


def slug(name: str) -> str:
    """`name` in the characters of a family, short enough for the hash to follow."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[: MAX_FAMILY - HASH_DIGITS - 1] or DEFAULT_FAMILY


def _set_image(main: Mapping[str, Any]) -> None:
    if not main.get("image"):
        raise ConfigurationError(
            "image: missing; give the image to run, or task_definition_arn to run an existing task definition"
        )


def _set_network_mode(definition: dict[str, Any], configuration: Mapping[str, Any], launch: Launch) -> None:
    mode = definition.get("networkMode")
    if launch.fargate and mode not in (None, "awsvpc"):
        raise ConfigurationError(f"task_definition.networkMode: Fargate needs awsvpc, not {mode!r}; or give launch_type EC2")
    wanted = any(configuration.get(key) for key in ("network_configuration", "subnets", "vpc_id"))
    if mode is None and (launch.fargate or (wanted and launch.launch_type != "EXTERNAL")):
        definition["networkMode"] = "awsvpc"


def _set_sizes(definition: dict[str, Any], main: dict[str, Any], launch: Launch) -> None:
    """Fargate needs sizes of the task; elsewhere the container has them."""
    if launch.fargate:
        definition.setdefault("cpu", DEFAULT_CPU)
        definition.setdefault("memory", DEFAULT_MEMORY)
        compatible = list(definition.get("requiresCompatibilities", ()))
        definition["requiresCompatibilities"] = compatible if "FARGATE" in compatible else [*compatible, "FARGATE"]
    else:
        main.setdefault("cpu", integer(definition.get("cpu", DEFAULT_CPU), "cpu"))
        if "memoryReservation" not in main:
            main.setdefault("memory", integer(definition.get("memory", DEFAULT_MEMORY), "memory"))
    definition.update({key: text(definition[key]) for key in ("cpu", "memory") if key in definition})
