"""The task definition of a rendered configuration, complete and named by its content; pure.

A definition is registered under a family whose name ends in a hash of its content, so that any later invocation finds it
again without a memory of its own: an equal definition has an equal family, and another one never shares it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from providers.base import ConfigurationError
from providers.ecs.calls import Garbled, member, objects_of, optional
from providers.ecs.containers import complete_containers
from providers.ecs.findings import Notes
from providers.ecs.launch import Launch
from providers.ecs.logs import configure_logs
from providers.ecs.rules import note_definition
from providers.ecs.shapes import fitted
from providers.ecs.sizes import DEFAULT_CPU, DEFAULT_MEMORY, cpu_units, mebibytes
from providers.ecs.task_secrets import add_secrets, execution_role
from providers.ecs.values import canonical, listed, mapping, name_of, pairs, pruned, sequence, text

DEFAULT_FAMILY = "push-dispatcher"
MAX_FAMILY = 255
HASH_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What has to be known of a task definition to run it."""

    containers: tuple[str, ...]
    """Their names."""
    secrets: tuple[frozenset[str], ...] = ()
    """For each of them, the variables that it has as secrets."""
    cpu: Any = None
    memory: Any = None
    """Of the task, as the definition has them; None where only containers have sizes."""
    network_mode: str | None = None
    compatibilities: tuple[str, ...] = ()


def facts_of(definition: Mapping[str, Any]) -> Facts:
    """The facts of a definition: of one that we make, or of one that ECS describes.

    Raises `Garbled` where they are not of the kind that ECS sends.
    """
    containers = objects_of(definition, "containerDefinitions")
    compatibilities = optional(definition, "requiresCompatibilities", list) or []
    if not containers or not all(isinstance(each, str) for each in compatibilities):
        raise Garbled("the answer describes no task definition")
    return Facts(
        containers=tuple(member(container, "name", str) for container in containers),
        secrets=tuple(
            frozenset(member(secret, "name", str) for secret in objects_of(container, "secrets")) for container in containers
        ),
        cpu=definition.get("cpu"),
        memory=definition.get("memory"),
        network_mode=optional(definition, "networkMode", str),
        compatibilities=tuple(compatibilities),
    )


def given_definition(configuration: Mapping[str, Any]) -> str | None:
    """The existing definition that is to be used as it is (`task_definition_arn`), if any."""
    request = mapping(configuration.get("task_run_request"), "task_run_request")
    return name_of(request.get("taskDefinition") or configuration.get("task_definition_arn"), "task_definition_arn")


def template_compatibilities(configuration: Mapping[str, Any]) -> tuple[str, ...]:
    """`requiresCompatibilities` as the template words it."""
    definition = mapping(configuration.get("task_definition"), "task_definition")
    return tuple(sequence(definition.get("requiresCompatibilities"), "task_definition.requiresCompatibilities"))


def definition_of(configuration: Mapping[str, Any], launch: Launch, region: str) -> dict[str, Any]:
    """Parameters of RegisterTaskDefinition. Raises `ConfigurationError` naming every field at fault."""
    notes = Notes()
    definition = drafted(configuration, launch, region, notes)
    notes.refuse()
    return definition


def drafted(configuration: Mapping[str, Any], launch: Launch, region: str, notes: Notes) -> dict[str, Any]:
    """The same, with what is wrong in `notes`; only a definition without a shape raises."""
    definition: dict[str, Any] = pruned(mapping(configuration.get("task_definition"), "task_definition"))
    main = complete_containers(definition, name_of(configuration.get("container_name"), "container_name"))
    if role := execution_role(definition, configuration):
        definition["executionRoleArn"] = role
    for complete in (
        lambda: _set_image(main),
        lambda: _set_network_mode(definition, configuration, launch),
        lambda: _set_sizes(definition, main, launch),
        lambda: configure_logs(definition, main, configuration, region),
        lambda: add_secrets(definition, main, configuration),
    ):
        notes.attempt(complete)
    if "tags" in definition:
        definition["tags"] = listed(pairs(definition["tags"], "task_definition.tags", key="key"), key="key")
    definition = fitted("RegisterTaskDefinition", definition, "task_definition", notes, frozenset({"family"}))
    if not notes.faults:
        note_definition(definition, _named(definition, text(main["name"])), launch, notes)
    definition["family"] = family_of(definition)
    return definition


def _named(definition: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The container of that name."""
    found: Mapping[str, Any] = next(item for item in definition["containerDefinitions"] if item.get("name") == name)
    return found


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
    wanted = any(configuration.get(key) for key in ("network_configuration", "subnets", "security_groups", "vpc_id"))
    anywhere = launch.fargate or launch.cluster_default
    if mode is None and (anywhere or (wanted and launch.launch_type != "EXTERNAL")):
        definition["networkMode"] = "awsvpc"


def _set_sizes(definition: dict[str, Any], main: dict[str, Any], launch: Launch) -> None:
    """Fargate needs sizes of the task; elsewhere the container has them, unless several share those of the task."""
    if launch.fargate or launch.cluster_default:
        definition.setdefault("cpu", DEFAULT_CPU)
        definition.setdefault("memory", DEFAULT_MEMORY)
    elif len(definition["containerDefinitions"]) == 1 or not {"cpu", "memory"} <= definition.keys():
        main.setdefault("cpu", _size(definition.get("cpu", DEFAULT_CPU), cpu_units, "cpu"))
        if "memoryReservation" not in main:
            main.setdefault("memory", _size(definition.get("memory", DEFAULT_MEMORY), mebibytes, "memory"))
    if launch.fargate:
        compatible = sequence(definition.get("requiresCompatibilities"), "task_definition.requiresCompatibilities")
        definition["requiresCompatibilities"] = compatible if "FARGATE" in compatible else [*compatible, "FARGATE"]


def _size(value: Any, read: Callable[[Any], float | None], path: str) -> int:
    amount = read(value)
    if amount is None:
        raise ConfigurationError(f"{path}: give a whole number, not {value!r}")
    return int(amount)
