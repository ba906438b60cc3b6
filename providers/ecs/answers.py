"""Reads the answers of AWS. Every function raises `Garbled` for an answer that is not about the requested object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from providers.base import CallFailed
from providers.ecs.place import Place, parse_task_arn


def started_task(answer: Mapping[str, Any], name: str) -> tuple[str, str | None] | None:
    """The ARNs of the task that RunTask started as `name` and of its cluster; None if it started none.

    The answer to a repeat shows little more than the ARN of a stopped task.
    """
    tasks = objects_of(answer, "tasks")
    if not tasks:
        return None
    if optional(tasks[0], "startedBy", str) not in (None, name):
        raise Garbled(f"the answer is about a task that {name} did not start")
    return task_arn(tasks[0]), optional(tasks[0], "clusterArn", str)


def failures_of(answer: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Why RunTask started no task."""
    return objects_of(answer, "failures")


def check_stopped(answer: Mapping[str, Any], arn: str) -> None:
    """Check that StopTask's answer is about the task `arn`."""
    if task_arn(member(answer, "task", dict)) != arn:
        raise Garbled("the answer is about another task")


def task_arn(task: Mapping[str, Any]) -> str:
    """The ARN of a task."""
    arn = member(task, "taskArn", str)
    if parse_task_arn(arn) is None:
        raise Garbled(f"{arn[:200]!r} is not the ARN of a task")
    return arn


def task_arns(answer: Mapping[str, Any], place: Place) -> list[str]:
    """The ARNs in an answer of ListTasks, all in the requested region."""
    arns: list[Any] = member(answer, "taskArns", list)
    for arn in arns:
        task = parse_task_arn(arn) if isinstance(arn, str) else None
        if task is None or (place.region and task.region != place.region):
            raise Garbled(f"{str(arn)[:200]!r} is not the ARN of a task in {place.region or 'the region that was asked'}")
    return arns


def definition_in(answer: Mapping[str, Any], identifier: str) -> Mapping[str, Any]:
    """The definition in an answer. It must be the requested one, by its family, revision or ARN."""
    definition: Mapping[str, Any] = member(answer, "taskDefinition", dict)
    arn = member(definition, "taskDefinitionArn", str)
    name, expected = arn.rpartition("/")[2], identifier.rpartition("/")[2]
    if not arn.startswith("arn:") or (name if ":" in expected else name.partition(":")[0]) != expected:
        raise Garbled(f"the answer is about the task definition {arn[:200]!r}, and {identifier} was asked for")
    return definition


Item = TypeVar("Item")


class Garbled(CallFailed):
    """An unusable answer: it has an unexpected shape, or is about another object than the requested one."""


def member(answer: Any, name: str, kind: type[Item]) -> Item:
    """A member of an answer. Raises `Garbled` if it is missing or has another type."""
    value = answer.get(name) if isinstance(answer, Mapping) else None
    if not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool):
        raise Garbled(f"the answer holds no {name} of the kind that AWS sends")
    return value


def optional(answer: Any, name: str, kind: type[Item]) -> Item | None:
    """An optional member of an answer. Raises `Garbled` if it has another type."""
    if isinstance(answer, Mapping) and answer.get(name) is None:
        return None
    return member(answer, name, kind)


def objects_of(answer: Any, name: str) -> Sequence[Mapping[str, Any]]:
    """A member that is a list of objects; a missing one is an empty list."""
    return [_object(item, name) for item in optional(answer, name, list) or ()]


def _object(item: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(item, Mapping):
        raise Garbled(f"the answer holds no {name} of the kind that AWS sends")
    return item
