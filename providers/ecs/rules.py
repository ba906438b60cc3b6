"""What ECS refuses in a task definition of ours, and what its parts ask of each other; pure, and without the service model.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from providers.ecs.findings import Notes
from providers.ecs.launch import Launch
from providers.ecs.sizes import cpu_units, fargate_problem, mebibytes

CONTAINERS = "task_definition.containerDefinitions"
_ECR = re.compile(r"\d{12}\.dkr[.-]ecr[.-]")

Container = Mapping[str, Any]


def note_definition(definition: Mapping[str, Any], main: Container, launch: Launch, notes: Notes) -> None:
    """Note what ECS would refuse of a complete definition for this kind of launch."""
    containers: Sequence[Container] = definition["containerDefinitions"]
    _note_names(containers, notes)
    _note_life(containers, main, notes)
    _note_roles(definition, containers, launch, notes)
    _note_sizes(definition, containers, launch, notes)


def note_task_size(cpu: Any, memory: Any, launch: Launch, notes: Notes) -> None:
    """Note a size that Fargate has no tasks of."""
    problem = fargate_problem(cpu, memory) if launch.fargate else None
    if problem:
        notes.fault(*problem)


def note_override_sizes(overrides: Sequence[Container], cpu: Any, memory: Any, path: str, notes: Notes) -> None:
    """Note a container that is given more than its task has."""
    for index, override in enumerate(overrides):
        _note_beyond(override.get("cpu"), cpu, cpu_units, f"{path}[{index}].cpu", notes)
        _note_beyond(override.get("memory"), memory, mebibytes, f"{path}[{index}].memory", notes)


def _note_names(containers: Sequence[Container], notes: Notes) -> None:
    names = [container.get("name") for container in containers]
    for index, container in enumerate(containers):
        if not container.get("name"):
            notes.fault(f"{CONTAINERS}[{index}].name", "missing; only one container may be without a name")
        elif names.index(container["name"]) < index:
            notes.fault(f"{CONTAINERS}[{index}].name", f"{container['name']!r} is another container's name too")
        if not container.get("image"):
            notes.fault(f"{CONTAINERS}[{index}].image", "missing; every container needs one")


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
    """What ECS itself does for a container, it does with the execution role."""
    if definition.get("executionRoleArn"):
        return
    for container in containers:
        if container.get("secrets"):
            notes.fault("secrets", "ECS reads them with the execution role; give execution_role_arn a role that may")
        logs = container.get("logConfiguration")
        if launch.fargate and isinstance(logs, Mapping) and logs.get("logDriver") == "awslogs":
            notes.fault("execution_role_arn", "missing; Fargate writes the logs of the driver awslogs with the execution role")
        if launch.fargate and _ECR.match(str(container.get("image", ""))):
            notes.fault("execution_role_arn", f"missing; Fargate pulls {container['image']} from ECR with the execution role")


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
        notes.fault(f"{path}.memory", "missing; without a size of the task each container needs memory or memoryReservation")
    if memory is not None and reservation is not None and reservation > memory:
        notes.fault(f"{path}.memoryReservation", f"{reservation:g} MiB are more than the container's memory, {memory:g}")


def _note_beyond(amount: Any, of_task: Any, read: Any, path: str, notes: Notes) -> None:
    wanted, there = read(amount), read(of_task)
    if wanted is not None and there is not None and wanted > there:
        notes.fault(path, f"{wanted:g} is more than the task has, {there:g}")


def _is_essential(container: Container) -> bool:
    return container.get("essential", True) not in (False, "false", "False")


def _index(containers: Sequence[Container], main: Container) -> int:
    return next(index for index, container in enumerate(containers) if container is main)
