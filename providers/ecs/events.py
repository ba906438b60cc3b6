"""*ECS Task State Change* events of EventBridge.

A task in an event has the form of DescribeTasks, except that its times are texts and its tags are missing.
Events may come twice or late: they are worth no more than an observation. Anybody who can put an event on the bus, from any
account, can name a run in it. So an event counts only if the run's task is, or will be, in the place that the event comes from.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from providers.base import EventHost, JobEvent, Submission
from providers.ecs.answers import Garbled, member, optional
from providers.ecs.observation import main_of, observation_of
from providers.ecs.place import Place, TaskArn, parse_task_arn, place_of, region_of_arn, submission_of

SOURCE = "aws.ecs"
DETAIL_TYPE = "ECS Task State Change"


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The account and region of tasks whose configuration names neither."""

    account: str | None = None
    region: str | None = None


class TaskEvents:
    """The reader of the events (`providers.base.ReadsEvents`)."""

    def read(self, event: Mapping[str, Any]) -> JobEvent | None:
        """What the event reports; None for other events and for tasks without a job's name.

        Raises `Garbled` for an event that is malformed or names more than one place.
        """
        return from_event(event)

    def located(
        self, reported: JobEvent, recorded: Mapping[str, str] | None, configuration: Mapping[str, Any], host: EventHost
    ) -> Submission | None:
        """The event's submission, plus the job's credentials, which a cancel needs and no event contains."""
        submission = reported.submission
        if not is_about(submission, recorded, configuration, homes_of(host)):
            return None
        credentials = place_of(configuration).credentials
        handle = {**submission.handle, "credentials": credentials} if credentials else submission.handle
        return replace(submission, handle=handle)


TASK_EVENTS = TaskEvents()


def from_event(event: Mapping[str, Any]) -> JobEvent | None:
    """See `TaskEvents.read`."""
    if event.get("source") != SOURCE or event.get("detail-type") != DETAIL_TYPE:
        return None
    detail = optional(event, "detail", dict) or {}
    if not detail.get("startedBy") or not detail.get("taskArn"):
        return None
    name, observation = observation_of(detail)
    arn, cluster = _task_of(event, detail)
    container = main_of(detail, None).get("name")
    place = Place(region=event.get("region"), cluster=cluster)
    submission = submission_of(name, arn, place, container if isinstance(container, str) else None)
    return JobEvent(observation=observation, submission=submission)


def is_about(
    reported: Submission,
    recorded: Mapping[str, str] | None,
    configuration: Mapping[str, Any],
    homes: Mapping[str | None, Home],
) -> bool:
    """Whether an event's task is that of the submission with the handle `recorded`.

    If none is recorded yet, the event must come from the account, region and cluster that `configuration` leads to. `homes`
    holds the account and region by the name of the credentials (None: the host's own identity); an unknown name matches
    nothing.
    """
    if recorded is not None:
        return reported.handle.get("task") == recorded.get("task")
    task, place = parse_task_arn(reported.handle["task"]), place_of(configuration)
    if task is None:
        return False
    if place.cluster and place.cluster.startswith("arn:"):
        return reported.handle.get("cluster") == place.cluster
    home = homes.get(place.credentials, Home())
    expected = (home.account, place.region or home.region, place.cluster or "default")
    return (task.account, task.region, _cluster_of(reported)) == expected


def homes_of(host: EventHost) -> dict[str | None, Home]:
    """By identity, the account and region of tasks whose configuration names neither; `host.identity` is an ARN."""
    region = host.options.get("region") or region_of_arn(host.identity)
    named: dict[str | None, Home] = {
        name: Home(
            account=account_of_arn(str(entry.get("role_arn") or ("" if "profile" in entry else host.identity))),
            region=entry.get("region") or region,
        )
        for name, entry in host.credentials.items()
    }
    return {None: Home(account=account_of_arn(host.identity), region=region), **named}


def account_of_arn(arn: str) -> str | None:
    """The account of an ARN; None for anything else."""
    parts = arn.split(":")
    return parts[4] or None if len(parts) > 5 and parts[0] == "arn" else None


def _task_of(event: Mapping[str, Any], detail: Mapping[str, Any]) -> tuple[str, str]:
    """The ARNs of the task and of its cluster, if everything in the event agrees on the place."""
    arn, cluster = member(detail, "taskArn", str), member(detail, "clusterArn", str)
    task = parse_task_arn(arn)
    if task is None:
        raise Garbled(f"{arn[:200]!r} is not the ARN of a task")
    if (event.get("account"), event.get("region")) != (task.account, task.region) or not _is_of(cluster, task):
        raise Garbled(f"the event names more than one place: {arn[:200]!r} is not of its account, region and cluster")
    return arn, cluster


def _is_of(cluster: str, task: TaskArn) -> bool:
    head, _, name = cluster.rpartition("/")
    return head == f"arn:{task.partition}:ecs:{task.region}:{task.account}:cluster" and task.cluster in (None, name)


def _cluster_of(reported: Submission) -> str:
    return reported.handle.get("cluster", "").rpartition("/")[2]
