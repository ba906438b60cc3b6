"""The keys of a job configuration that are read, those without effect, and ECS's refusals of a task definition; pure.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from providers.ecs.launch import NETWORK, Launch, networks
from providers.ecs.needs import cpu_units, fargate_problem, mebibytes
from providers.ecs.shapes import pruned
from providers.remarks import Notes, nearest
from providers.values import mapping

READ = frozenset(
    {"command", "env", "labels", "secrets", "aws_credentials", "cluster", "container_name", "execution_role_arn"}
    | {"network_configuration", "subnets", "security_groups", "assign_public_ip", "vpc_id"}
    | {"configure_cloudwatch_logs", "cloudwatch_logs_options", "cloudwatch_logs_prefix", "stream_output"}
    | {"task_definition", "task_definition_arn", "task_run_request", "task_start_timeout_seconds"}
    | {"prefect_api_key_secret_arn", "prefect_api_auth_string_secret_arn"}
)
"""Keys of a job configuration that have an effect; `task_start_timeout_seconds` has its effect in the dispatcher."""
NO_EFFECT: Mapping[str, tuple[Sequence[Any], str]] = {
    "name": ((), "a task of ECS has no name of its own; give a label for one that its page shows"),
    "task_watch_poll_interval": ((5, 0), "nobody polls for one task: each tick looks at all of them"),
    "auto_deregister_task_definition": ((False,), "a definition is found again by its content, and kept for the next run"),
    "match_latest_revision_in_family": ((False,), "a definition is found by its content, whatever the newest in a family is"),
}
"""Keys that Prefect's worker reads but that have no effect here: their neutral values, and the reason."""
_STILL_READ = frozenset({"containerDefinitions", "executionRoleArn"})
"""Keys of a task definition that is ignored because an existing one is named."""


def note_keys(configuration: Mapping[str, Any], notes: Notes) -> None:
    """Note the keys that are not read and those that have no effect."""
    for key, value in configuration.items():
        if key in NO_EFFECT:
            _note_without_effect(key, value, notes)
        elif key not in READ:
            notes.fault(str(key), f"the ECS provider does not read it; {nearest(str(key), READ)}")
    for path, content in networks(configuration):
        for key in content:
            if key not in NETWORK:
                notes.fault(f"{path}.{key}", f"is not a field of ECS's awsvpcConfiguration; {nearest(str(key), NETWORK)}")


def note_network(configuration: Mapping[str, Any], notes: Notes) -> None:
    """Note the network variables that others override."""
    contents = networks(configuration)
    first, content = contents[0] if contents else ("", {})
    for path, _ in contents[1:]:
        notes.warn(path, f"has no effect: {first} takes its place")
    beside = (("subnets", "subnets"), ("security_groups", "securityGroups"), ("assign_public_ip", "assignPublicIp"))
    for variable, field in beside:
        other = configuration.get(variable)
        if field in content and other not in (None, "", [], content[field]):
            notes.warn(variable, f"has no effect: {first}.{field} takes its place")
    if configuration.get("vpc_id") and ("subnets" in content or configuration.get("subnets")):
        notes.warn("vpc_id", "has no effect: its subnets would be looked up, and subnets are given")


def note_beside_existing(configuration: Mapping[str, Any], notes: Notes) -> None:
    """Note settings for a task definition if an existing one is named: ECS runs that one unchanged."""
    why = "an existing task definition is run as it is (task_definition_arn)"
    for key in ("secrets", "prefect_api_key_secret_arn", "prefect_api_auth_string_secret_arn", "configure_cloudwatch_logs"):
        if configuration.get(key):
            notes.fault(key, f"cannot take effect: {why}; leave it out, or put it into that definition")
    definition: Mapping[str, Any] = pruned(mapping(configuration.get("task_definition"), "task_definition"))
    overrides = mapping(
        mapping(configuration.get("task_run_request"), "task_run_request").get("overrides"), "task_run_request.overrides"
    )
    containers = definition.get("containerDefinitions")
    for container in containers if isinstance(containers, list) else ():
        _note_container(container, why, notes)
    for key in sorted(definition.keys() - _STILL_READ):
        if not overrides.get(key):
            notes.warn(f"task_definition.{key}", f"has no effect: {why}")


def _note_container(container: Any, why: str, notes: Notes) -> None:
    if not isinstance(container, Mapping):
        return
    if container.get("image"):
        notes.fault("image", f"cannot take effect: {why}; leave out one of the two (null takes a default away)")
    if others := sorted(container.keys() - {"name", "image"}):
        notes.warn(f"task_definition.containerDefinitions: {', '.join(others)}", f"has no effect: {why}")


def _note_without_effect(key: str, value: Any, notes: Notes) -> None:
    asks_for_nothing, reason = NO_EFFECT[key]
    if value not in (None, "", *asks_for_nothing):
        notes.warn(key, f"has no effect: {reason}")


CONTAINERS = "task_definition.containerDefinitions"
_ECR = re.compile(r"\d{12}\.dkr[.-]ecr[.-]")

Container = Mapping[str, Any]


def note_definition(definition: Mapping[str, Any], main: Container, launch: Launch, notes: Notes) -> None:
    """Note what ECS would refuse in a complete definition for this kind of launch."""
    containers: Sequence[Container] = definition["containerDefinitions"]
    _note_names(containers, notes)
    _note_life(containers, main, notes)
    _note_roles(definition, containers, launch, notes)
    _note_sizes(definition, containers, launch, notes)


def note_task_size(cpu: Any, memory: Any, launch: Launch, notes: Notes) -> None:
    """Note a size that Fargate does not offer."""
    problem = fargate_problem(cpu, memory) if launch.fargate else None
    if problem:
        notes.fault(*problem)


def note_override_sizes(overrides: Sequence[Container], cpu: Any, memory: Any, path: str, notes: Notes) -> None:
    """Note a container that gets more than its task has."""
    for index, override in enumerate(overrides):
        _note_beyond(override.get("cpu"), cpu, cpu_units, f"{path}[{index}].cpu", notes)
        _note_beyond(override.get("memory"), memory, mebibytes, f"{path}[{index}].memory", notes)


def _note_names(containers: Sequence[Container], notes: Notes) -> None:
    names = [container.get("name") for container in containers]
    for index, container in enumerate(containers):
        if not container.get("name"):
            notes.fault(f"{CONTAINERS}[{index}].name", "is missing; only one container may be without a name")
        elif names.index(container["name"]) < index:
            notes.fault(f"{CONTAINERS}[{index}].name", f"{container['name']!r} is another container's name too")
        if not container.get("image"):
            notes.fault(f"{CONTAINERS}[{index}].image", "is missing; every container needs one")


def _note_life(containers: Sequence[Container], main: Container, notes: Notes) -> None:
    if not any(_is_essential(container) for container in containers):
        notes.fault(CONTAINERS, "none is essential; leave out essential in the one that does the work")
    elif not _is_essential(main):
        where = f"{CONTAINERS}[{_index(containers, main)}].essential"
        notes.warn(where, f"the task goes on when {main.get('name')!r} has ended, until an essential container ends")
    policy = main.get("restartPolicy")
    if isinstance(policy, Mapping) and policy.get("enabled") not in (None, False, "false"):
        where = f"{CONTAINERS}[{_index(containers, main)}].restartPolicy"
        notes.fault(where, "would run the job again within one attempt; leave it out, and give the run a retry policy")


def _note_roles(definition: Mapping[str, Any], containers: Sequence[Container], launch: Launch, notes: Notes) -> None:
    """Note a missing execution role: ECS needs it for everything that it does for a container itself."""
    if definition.get("executionRoleArn"):
        return
    for container in containers:
        if container.get("secrets"):
            notes.fault("secrets", "ECS reads them with the execution role; give execution_role_arn a role that may")
        logs = container.get("logConfiguration")
        if launch.fargate and isinstance(logs, Mapping) and logs.get("logDriver") == "awslogs":
            notes.fault(
                "execution_role_arn", "is missing; Fargate writes the logs of the driver awslogs with the execution role"
            )
        if launch.fargate and _ECR.match(str(container.get("image", ""))):
            notes.fault(
                "execution_role_arn", f"is missing; Fargate pulls {container['image']} from ECR with the execution role"
            )


def _note_sizes(definition: Mapping[str, Any], containers: Sequence[Container], launch: Launch, notes: Notes) -> None:
    cpu, memory = definition.get("cpu"), definition.get("memory")
    note_task_size(cpu, memory, launch, notes)
    _note_beyond(sum(cpu_units(item.get("cpu")) or 0 for item in containers), cpu, cpu_units, f"{CONTAINERS}.cpu", notes)
    reserved = sum(mebibytes(item.get("memoryReservation") or item.get("memory")) or 0 for item in containers)
    _note_beyond(reserved, memory, mebibytes, f"{CONTAINERS}.memory", notes)
    for index, container in enumerate(containers):
        _note_memory(container, f"{CONTAINERS}[{index}]", memory, notes)


def _note_memory(container: Container, path: str, memory_of_task: Any, notes: Notes) -> None:
    memory, reservation = mebibytes(container.get("memory")), mebibytes(container.get("memoryReservation"))
    if not memory_of_task and not container.get("memory") and not container.get("memoryReservation"):
        notes.fault(f"{path}.memory", "is missing; without a size of the task each container needs memory or memoryReservation")
    if memory is not None and reservation is not None and reservation > memory:
        notes.fault(f"{path}.memoryReservation", f"{reservation:g} MiB are more than the container's memory, {memory:g}")


def _note_beyond(amount: Any, of_task: Any, read: Any, path: str, notes: Notes) -> None:
    size, limit = read(amount), read(of_task)
    if size is not None and limit is not None and size > limit:
        notes.fault(path, f"{size:g} is more than the task has, {limit:g}")


def _is_essential(container: Container) -> bool:
    return container.get("essential", True) not in (False, "false", "False")


def _index(containers: Sequence[Container], main: Container) -> int:
    return next(index for index, container in enumerate(containers) if container is main)
