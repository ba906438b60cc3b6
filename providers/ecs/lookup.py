"""Find a task by `startedBy`, which holds the job's name.

ListTasks shows tasks with the desired status RUNNING unless it is asked for stopped ones, so a look-up takes two calls. Its
documentation says that `startedBy` must be the only filter. In practice the two filters work together (Apache Airflow's ECS
operator finds its task that way). If ECS refuses the combination, the cluster's stopped tasks are searched instead.
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from providers.base import JOB_NAME, CallFailed
from providers.ecs.answers import objects_of, optional, task_arn, task_arns
from providers.ecs.outcomes import AwsFailure, fault_of
from providers.ecs.place import Place
from providers.ecs.service import AwsService

MAX_PAGES = 10
"""The most pages of 100 stopped tasks that are searched."""


def find_task(ecs: AwsService, place: Place, name: str, max_pages: int = MAX_PAGES) -> str | None:
    """The ARN of the task that was started as `name`: a live one, else one that stopped less than about an hour ago.

    Raises `CallFailed` without a usable answer.
    """
    live = task_arns(ecs.ask("list_tasks", **place.where, startedBy=name), place)
    return min(live or _stopped(ecs, place, name, max_pages), default=None)


def _stopped(ecs: AwsService, place: Place, name: str, max_pages: int) -> list[str]:
    try:
        return task_arns(ecs.ask("list_tasks", **place.where, startedBy=name, desiredStatus="STOPPED"), place)
    except AwsFailure as error:
        if fault_of(error).code != "InvalidParameterException":
            raise
        return _among_stopped(ecs, place, name, max_pages)


def live_names(ecs: AwsService, place: Place, max_pages: int = MAX_PAGES) -> set[str]:
    """The names of all our live jobs in a cluster. Raises like `find_task`."""
    started = (task.get("startedBy") for task in _tasks(ecs, place, "RUNNING", max_pages, "which of them are ours"))
    return {name for name in started if isinstance(name, str) and JOB_NAME.fullmatch(name)}


def _among_stopped(ecs: AwsService, place: Place, name: str, max_pages: int) -> list[str]:
    tasks = _tasks(ecs, place, "STOPPED", max_pages, f"whether one is {name}")
    return list(islice((task_arn(task) for task in tasks if task.get("startedBy") == name), 1))


def _tasks(ecs: AwsService, place: Place, status: str, max_pages: int, question: str) -> Iterator[Mapping[str, Any]]:
    """The tasks of a cluster with this desired status, page by page. Raises `CallFailed` if there are too many."""
    page: dict[str, str] = {}
    for _ in range(max_pages):
        answer = ecs.ask("list_tasks", **place.where, **page, desiredStatus=status)
        if arns := task_arns(answer, place):
            yield from objects_of(ecs.ask("describe_tasks", **place.where, tasks=arns), "tasks")
        after = optional(answer, "nextToken", str)
        if not after:
            return
        page = {"nextToken": after}
    many = f"more than {max_pages * 100} {status.lower()} tasks"
    raise CallFailed(f"the cluster has {many}: cannot decide {question}")
