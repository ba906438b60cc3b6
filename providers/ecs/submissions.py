"""Where a task lives, as a `Submission`: enough to observe or stop it from another invocation."""

from __future__ import annotations

from providers.base import Submission
from providers.ecs.console import console_url, parse_task_arn
from providers.ecs.place import Place


def submission_of(name: str, arn: str, place: Place, container: str | None = None) -> Submission:
    """The submission of the task `arn`, started as `name` at `place`."""
    task = parse_task_arn(arn)
    handle = {
        "task": arn,
        "cluster": place.cluster or (task and task.cluster),
        "region": (task and task.region) or place.region,
        "credentials": place.credentials,
        "container": container,
    }
    return Submission(name=name, handle={key: value for key, value in handle.items() if value}, url=console_url(arn))


def place_of_submission(submission: Submission) -> Place:
    """Where to ask for it."""
    handle = submission.handle
    return Place(credentials=handle.get("credentials"), region=handle.get("region"), cluster=handle.get("cluster"))
