"""*ECS Task State Change* events of EventBridge.

A task in an event looks as DescribeTasks shows it, but for its times, which are texts, and its tags, which are not there.
Events may come twice or late: what they say is as good as an observation, no better. Anybody who can put an event on the bus,
from any account, can name a run in it: an event counts only for a run whose task is, or is to be, where the event comes from.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from providers.base import Observation, Submission
from providers.ecs.calls import Garbled, member, optional
from providers.ecs.console import TaskArn, parse_task_arn
from providers.ecs.observation import main_of, observation_of
from providers.ecs.place import Place, place_of
from providers.ecs.submissions import submission_of

SOURCE = "aws.ecs"
DETAIL_TYPE = "ECS Task State Change"


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where tasks are put that say nothing of it: what is known of the dispatcher's own host, and of named credentials."""

    account: str | None = None
    region: str | None = None


def from_event(event: Mapping[str, Any], credentials: str | None = None) -> tuple[str, Observation, Submission] | None:
    """The job's name, what the event shows of it, and where it lives; None for other events and tasks that nobody named.

    An event does not say with whose credentials its task can be reached: give the name of them where the pool has one.
    Raises `Garbled` for an event that is malformed, or that names more than one place.
    """
    if event.get("source") != SOURCE or event.get("detail-type") != DETAIL_TYPE:
        return None
    detail = optional(event, "detail", dict) or {}
    if not detail.get("startedBy") or not detail.get("taskArn"):
        return None
    name, observation = observation_of(detail)
    arn, cluster = _task_of(event, detail)
    place = Place(credentials=credentials, region=event.get("region"), cluster=cluster)
    container = main_of(detail, None).get("name")
    return name, observation, submission_of(name, arn, place, container if isinstance(container, str) else None)


def is_about(
    told: Submission, recorded: Mapping[str, str] | None, configuration: Mapping[str, Any], homes: Mapping[str | None, Home]
) -> bool:
    """Whether the task that an event tells of is the one of a submission.

    `recorded` is the submission's handle; where none is recorded yet, the event has to come from the account, region and
    cluster that `configuration` leads to. `homes` holds what is known of them by the name of the credentials, None for the
    host's own identity; an account or a region that is not known is nobody's.
    """
    if recorded is not None:
        return told.handle.get("task") == recorded.get("task")
    task, place = parse_task_arn(told.handle["task"]), place_of(configuration)
    if task is None:
        return False
    if place.cluster and place.cluster.startswith("arn:"):
        return told.handle.get("cluster") == place.cluster
    home = homes.get(place.credentials, Home())
    expected = (home.account, place.region or home.region, place.cluster or "default")
    return (task.account, task.region, _cluster_of(told)) == expected


def account_of_arn(arn: str) -> str | None:
    """The account of an ARN; None for anything else."""
    parts = arn.split(":")
    return parts[4] or None if len(parts) > 5 and parts[0] == "arn" else None


def _task_of(event: Mapping[str, Any], detail: Mapping[str, Any]) -> tuple[str, str]:
    """The ARNs of the task and of its cluster, where all that the event says of the place agrees."""
    arn, cluster = member(detail, "taskArn", str), member(detail, "clusterArn", str)
    task = parse_task_arn(arn)
    if task is None:
        raise Garbled(f"{arn[:200]!r} is no ARN of a task")
    if (event.get("account"), event.get("region")) != (task.account, task.region) or not _is_of(cluster, task):
        raise Garbled(f"the event names more than one place: {arn[:200]!r} is not of its account, region and cluster")
    return arn, cluster


def _is_of(cluster: str, task: TaskArn) -> bool:
    head, _, name = cluster.rpartition("/")
    return head == f"arn:{task.partition}:ecs:{task.region}:{task.account}:cluster" and task.cluster in (None, name)


def _cluster_of(told: Submission) -> str:
    return told.handle.get("cluster", "").rpartition("/")[2]
