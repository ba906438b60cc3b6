"""Find a task by `startedBy`, which holds the job's name.

ListTasks shows tasks that are meant to run unless it is asked for stopped ones, so it takes two calls. Its documentation says
that `startedBy` must be the only filter; the two are used together in the field (Apache Airflow's ECS operator finds its task
again that way), but where ECS should refuse it, the stopped tasks of the cluster are looked through instead.
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html
"""

from __future__ import annotations

from typing import Any

from providers.base import CallFailed

MAX_PAGES = 10
"""Pages of 100 stopped tasks that are looked through at most."""


def find_task(ecs: Any, cluster: str | None, name: str, max_pages: int = MAX_PAGES) -> str | None:
    """The ARN of the task started as `name`: a live one first, else one that stopped less than about an hour ago.

    Raises `CallFailed` when it cannot be told, and whatever the client raises.
    """
    where = {"cluster": cluster} if cluster else {}
    live = ecs.list_tasks(**where, startedBy=name)["taskArns"]
    found = live or _stopped(ecs, where, name, max_pages)
    return min(found, default=None)


def _stopped(ecs: Any, where: dict[str, str], name: str, max_pages: int) -> list[str]:
    try:
        return list(ecs.list_tasks(**where, startedBy=name, desiredStatus="STOPPED")["taskArns"])
    except ecs.exceptions.InvalidParameterException:
        return _among_stopped(ecs, where, name, max_pages)


def _among_stopped(ecs: Any, where: dict[str, str], name: str, max_pages: int) -> list[str]:
    page: dict[str, str] = {}
    for _ in range(max_pages):
        answer = ecs.list_tasks(**where, **page, desiredStatus="STOPPED")
        if arns := answer["taskArns"]:
            tasks = ecs.describe_tasks(**where, tasks=arns)["tasks"]
            if found := [task["taskArn"] for task in tasks if task.get("startedBy") == name]:
                return found
        if not answer.get("nextToken"):
            return []
        page = {"nextToken": answer["nextToken"]}
    raise CallFailed(f"the cluster has more than {max_pages * 100} stopped tasks: cannot tell whether one is {name}")
