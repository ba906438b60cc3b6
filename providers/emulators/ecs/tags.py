"""Tags of tasks, which moto does not know: TagResource, UntagResource and ListTagsForResource."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.emulators.ecs import rules
from providers.emulators.ecs.errors import client, invalid
from providers.emulators.ecs.tasks import Tasks
from providers.emulators.jobs import StartedJob

OPERATIONS = ("TagResource", "UntagResource", "ListTagsForResource")


def is_for_task(operation: str, request: Mapping[str, Any]) -> bool:
    """Whether a request is about a task's tags."""
    return operation in OPERATIONS and ":task/" in request["resourceArn"]


def answer(tasks: Tasks, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Carry out the operation; a stopped task has no tags and accepts none."""
    with tasks.lock:
        job = tasks.find(request["resourceArn"])
        if job is None:
            raise invalid("The specified task is not found.")
        if operation == "ListTagsForResource":
            return {"tags": list(job.detail.tags)}
        _change(job, operation, request)
        return {}


def _change(job: StartedJob, operation: str, request: Mapping[str, Any]) -> None:
    if not job.live:
        raise client("The specified task is stopped. Specify a running task and try again.")
    kept = {tag["key"]: tag for tag in job.detail.tags}
    if operation == "TagResource":
        kept.update({tag["key"]: tag for tag in request["tags"]})
    else:
        kept = {key: tag for key, tag in kept.items() if key not in request["tagKeys"]}
    rules.check_tags(list(kept.values()))
    job.detail.tags = list(kept.values())
