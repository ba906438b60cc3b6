"""*ECS Task State Change* events of EventBridge.

A task in an event looks as DescribeTasks shows it, but for its times, which are texts, and its tags, which are not there.
Events may come twice or late: what they say is as good as an observation, no better.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.base import Observation, Submission
from providers.ecs.observation import main_of, observation_of
from providers.ecs.place import Place
from providers.ecs.submissions import submission_of

SOURCE = "aws.ecs"
DETAIL_TYPE = "ECS Task State Change"


def from_event(event: Mapping[str, Any], credentials: str | None = None) -> tuple[str, Observation, Submission] | None:
    """The job's name, what the event shows of it, and where it lives; None for other events and other people's tasks.

    An event does not say with whose credentials its task can be reached: give the name of them where the pool has one.
    """
    if event.get("source") != SOURCE or event.get("detail-type") != DETAIL_TYPE:
        return None
    detail: Mapping[str, Any] = event.get("detail") or {}
    name, observation = observation_of(detail)
    if not name or not detail.get("taskArn"):
        return None
    place = Place(credentials=credentials, region=event.get("region"), cluster=detail.get("clusterArn"))
    container = main_of(detail, None).get("name")
    return name, observation, submission_of(name, detail["taskArn"], place, container)
