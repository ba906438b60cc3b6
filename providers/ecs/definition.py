"""The complete task definition of a rendered configuration, named by its content; pure.

A definition's family name ends in a hash of its content, so any later invocation finds the definition without a memory of its
own: equal definitions have the same family, and different ones never share it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from providers.base import ConfigurationError
from providers.ecs.answers import Garbled, member, objects_of, optional
from providers.ecs.launch import Launch
from providers.ecs.needs import DEFAULT_CPU, DEFAULT_MEMORY, cpu_units, mebibytes
from providers.ecs.rules import note_definition
from providers.ecs.shapes import fitted, listed, pairs, pruned
from providers.remarks import Notes
from providers.values import canonical, command, mapping, name_of, objects, sequence, text

DEFAULT_FAMILY = "push-dispatcher"
MAX_FAMILY = 255
HASH_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The properties of a task definition that are needed to run it."""

    containers: tuple[str, ...]
    """The containers' names."""
    secrets: tuple[frozenset[str], ...] = ()
    """For each container, its variables that are secrets."""
    cpu: Any = None
    memory: Any = None
    """The task's sizes in the definition; None if only containers have sizes."""
    network_mode: str | None = None
    compatibilities: tuple[str, ...] = ()


def facts_of(definition: Mapping[str, Any]) -> Facts:
    """The facts of a definition, ours or one that ECS describes.

    Raises `Garbled` if they do not have the types that ECS sends.
    """
    containers = objects_of(definition, "containerDefinitions")
    compatibilities = optional(definition, "requiresCompatibilities", list) or []
    if not containers or not all(isinstance(item, str) for item in compatibilities):
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


def existing_definition(configuration: Mapping[str, Any]) -> str | None:
    """The existing definition to use unchanged (`task_definition_arn`), if any."""
    request = mapping(configuration.get("task_run_request"), "task_run_request")
    return name_of(request.get("taskDefinition") or configuration.get("task_definition_arn"), "task_definition_arn")


def template_compatibilities(configuration: Mapping[str, Any]) -> tuple[str, ...]:
    """`requiresCompatibilities` as written in the template."""
    definition = mapping(configuration.get("task_definition"), "task_definition")
    return tuple(sequence(definition.get("requiresCompatibilities"), "task_definition.requiresCompatibilities"))


def definition_of(configuration: Mapping[str, Any], launch: Launch, region: str) -> dict[str, Any]:
    """Parameters of RegisterTaskDefinition. Raises `ConfigurationError` naming every field at fault."""
    notes = Notes()
    definition = drafted(configuration, launch, region, notes)
    notes.refuse()
    return definition


def drafted(configuration: Mapping[str, Any], launch: Launch, region: str, notes: Notes) -> dict[str, Any]:
    """Like `definition_of`, but faults are noted in `notes`. Raises only for a definition of an unusable shape."""
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
    container: Mapping[str, Any] = next(item for item in definition["containerDefinitions"] if item.get("name") == name)
    return container


def family_of(definition: Mapping[str, Any]) -> str:
    """The family for this content: a readable part and the content's hash."""
    content = {key: value for key, value in definition.items() if key != "family"}
    digest = sha256(canonical(content).encode()).hexdigest()[:HASH_DIGITS]
    return f"{slug(definition.get('family') or DEFAULT_FAMILY)}-{digest}"


def slug(name: str) -> str:
    """`name` in a family's characters, short enough to append the hash."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[: MAX_FAMILY - HASH_DIGITS - 1] or DEFAULT_FAMILY


def _set_image(main: Mapping[str, Any]) -> None:
    if not main.get("image"):
        raise ConfigurationError(
            "image: is missing; give the image to run, or task_definition_arn to run an existing task definition"
        )


def _set_network_mode(definition: dict[str, Any], configuration: Mapping[str, Any], launch: Launch) -> None:
    mode = definition.get("networkMode")
    if launch.fargate and mode not in (None, "awsvpc"):
        raise ConfigurationError(f"task_definition.networkMode: Fargate needs awsvpc, not {mode!r}; or give launch_type EC2")
    has_network = any(configuration.get(key) for key in ("network_configuration", "subnets", "security_groups", "vpc_id"))
    anywhere = launch.fargate or launch.cluster_default
    if mode is None and (anywhere or (has_network and launch.launch_type != "EXTERNAL")):
        definition["networkMode"] = "awsvpc"


def _set_sizes(definition: dict[str, Any], main: dict[str, Any], launch: Launch) -> None:
    """Set the sizes. Fargate needs them on the task; elsewhere the container gets them, unless several containers share the
    task's.
    """
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


DEFAULT_CONTAINER = "prefect"
"""Prefect's name for the main container; Prefect's templates rely on it."""
_COMMANDS = frozenset({"command", "entryPoint"})


def complete_containers(definition: dict[str, Any], name: str | None) -> dict[str, Any]:
    """Tidy the definition's containers in place, and return the main container."""
    path = "task_definition.containerDefinitions"
    containers = objects(definition.get("containerDefinitions"), path)
    definition["containerDefinitions"] = [tidy_container(item, f"{path}[{index}]") for index, item in enumerate(containers)]
    return _main(definition["containerDefinitions"], name)


def main_container(names: Sequence[str], name: str | None) -> str:
    """The name of the main container: the requested one, else `prefect`, else the first."""
    if name and name not in names:
        raise ConfigurationError(f"container_name: {name!r} is not in the task definition, which has {', '.join(names)}")
    return name or (DEFAULT_CONTAINER if DEFAULT_CONTAINER in names else names[0])


def tidy_container(container: Mapping[str, Any], path: str) -> dict[str, Any]:
    """A container (or an override) with lists in place of objects and texts, and without empty values.

    If a name has a plain value and a secret, the secret stays.
    """
    tidy: dict[str, Any] = pruned(container)
    for key in tidy.keys() & _COMMANDS:
        tidy[key] = command(tidy[key], f"{path}.{key}")
    for key, value in (("environment", "value"), ("secrets", "valueFrom")):
        if key in tidy:
            tidy[key] = listed(pairs(tidy[key], f"{path}.{key}", value=value), value=value)
    return without_plain(tidy, {item["name"] for item in tidy.get("secrets", ())})


def without_plain(container: dict[str, Any], secrets: Collection[str]) -> dict[str, Any]:
    """The container without plain variables of these names; ECS accepts a name only once."""
    if secrets and "environment" in container:
        container["environment"] = [item for item in container["environment"] if item["name"] not in secrets]
    return {key: value for key, value in container.items() if value or key not in ("environment", "secrets")}


def _main(containers: list[dict[str, Any]], chosen: str | None) -> dict[str, Any]:
    """The main container among `containers`: an unnamed container gets the name; if there is no container, one is added."""
    if not containers:
        containers.append({})
    names = [container["name"] for container in containers if "name" in container]
    name = main_container(names, chosen) if len(names) == len(containers) else chosen or DEFAULT_CONTAINER
    main = next((item for item in containers if item.get("name") == name), None)
    if main is None:
        main = next(item for item in containers if "name" not in item)
        main["name"] = name
    return main


DISPATCHERS = "DISPATCHER_"
PREFECT_VARIABLES = {
    "PREFECT_API_KEY": "prefect_api_key_secret_arn",
    "PREFECT_API_AUTH_STRING": "prefect_api_auth_string_secret_arn",
}
"""Two secrets for which newer Prefect templates have their own variables."""


def secrets_of(configuration: Mapping[str, Any]) -> dict[str, str]:
    """Environment variables by name, with the ARNs from which their values are read."""
    prefect = {name: configuration.get(variable) for name, variable in PREFECT_VARIABLES.items()}
    return pairs(prefect, "secrets") | pairs(configuration.get("secrets"), "secrets", value="valueFrom")


def add_secrets(definition: Mapping[str, Any], main: dict[str, Any], configuration: Mapping[str, Any]) -> None:
    """Add the secrets to the main container; they replace plain variables of the same names."""
    secrets = secrets_of(configuration)
    if not secrets:
        return
    if own := sorted(name for name in secrets if name.startswith(DISPATCHERS)):
        raise ConfigurationError(f"secrets: {', '.join(own)}: names that begin with {DISPATCHERS} are the dispatcher's own")
    if not definition.get("executionRoleArn"):
        raise ConfigurationError("secrets: ECS reads them with the execution role; give execution_role_arn a role that may")
    kept = {item["name"]: item["valueFrom"] for item in main.get("secrets", ())}
    main["secrets"] = listed({**kept, **secrets}, value="valueFrom")
    if environment := [item for item in main.pop("environment", ()) if item["name"] not in secrets]:
        main["environment"] = environment


def execution_role(definition: Mapping[str, Any], configuration: Mapping[str, Any]) -> str | None:
    """The role that pulls images, writes logs and reads secrets, from any of the places that may set it."""
    request = mapping(configuration.get("task_run_request"), "task_run_request")
    override = mapping(request.get("overrides"), "task_run_request.overrides").get("executionRoleArn")
    role = definition.get("executionRoleArn") or configuration.get("execution_role_arn") or override
    return name_of(role, "execution_role_arn")


DEFAULT_GROUP = "push-dispatcher"
DEFAULT_PREFIX = "run"


def logs_wanted(configuration: Mapping[str, Any]) -> bool:
    """`configure_cloudwatch_logs`, or `stream_output` if that is not set, as in Prefect."""
    setting = configuration.get("configure_cloudwatch_logs")
    return bool(configuration.get("stream_output") if setting is None else setting)


def configure_logs(definition: Mapping[str, Any], main: dict[str, Any], configuration: Mapping[str, Any], region: str) -> None:
    """Send the main container's output to CloudWatch if the configuration asks for it."""
    options = mapping(configuration.get("cloudwatch_logs_options"), "cloudwatch_logs_options")
    if not logs_wanted(configuration):
        if options:
            raise ConfigurationError("cloudwatch_logs_options: set configure_cloudwatch_logs to true to use them")
        return
    if not definition.get("executionRoleArn"):
        raise ConfigurationError(
            "configure_cloudwatch_logs: ECS writes the logs with the execution role; give execution_role_arn a role with"
            " logs:CreateLogStream, logs:CreateLogGroup and logs:PutLogEvents"
        )
    main["logConfiguration"] = {"logDriver": "awslogs", "options": _options(definition, configuration, options, region)}


def _options(
    definition: Mapping[str, Any], configuration: Mapping[str, Any], options: Mapping[str, Any], region: str
) -> dict[str, str]:
    defaults = {
        "awslogs-create-group": "true",
        "awslogs-group": DEFAULT_GROUP,
        "awslogs-region": region,
        "awslogs-stream-prefix": configuration.get("cloudwatch_logs_prefix") or definition.get("family") or DEFAULT_PREFIX,
    }
    return defaults | {name: text(value) for name, value in options.items() if value is not None}
