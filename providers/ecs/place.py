"""The place of a task (credentials, region, cluster), its ARN, and its page in the console."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

from providers.base import Submission
from providers.places import credentials_name, filled
from providers.values import mapping, name_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Everything that is needed to address a call."""

    credentials: str | None = None
    """The name of an entry of the dispatcher's settings; None for the host's own identity."""
    region: str | None = None
    """None until the client's own region is known."""
    cluster: str | None = None
    """A name or an ARN; None for the account's cluster `default`."""

    @property
    def where(self) -> dict[str, str]:
        """The cluster as a parameter of a call."""
        return {"cluster": self.cluster} if self.cluster else {}

    def handle(self) -> dict[str, str]:
        """The place as a part of a submission's handle."""
        return filled({"cluster": self.cluster, "region": self.region, "credentials": self.credentials})

    @classmethod
    def from_handle(cls, handle: Mapping[str, str]) -> Self:
        """The place that a handle names."""
        return cls(credentials=handle.get("credentials"), region=handle.get("region"), cluster=handle.get("cluster"))


def place_of(configuration: Mapping[str, Any]) -> Place:
    """Read a rendered configuration. Raises `ConfigurationError` that names the field if it is not a text, or more than
    a name.
    """
    request = mapping(configuration.get("task_run_request"), "task_run_request")
    cluster = name_of(request.get("cluster") or configuration.get("cluster"), "cluster")
    reference = configuration.get("aws_credentials")
    return Place(
        credentials=credentials_name(reference, "aws_credentials", "region_name"),
        region=_region(reference, cluster),
        cluster=cluster,
    )


def region_of_arn(arn: str) -> str | None:
    """The region of an ARN; None for a plain name."""
    parts = arn.split(":")
    return parts[3] or None if len(parts) > 5 and parts[0] == "arn" else None


def _region(reference: Any, cluster: str | None) -> str | None:
    of_cluster = region_of_arn(cluster) if cluster else None
    named = reference.get("region_name") if isinstance(reference, Mapping) else None
    return of_cluster or name_of(named, "aws_credentials.region_name")


_CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskArn:
    """The parts of `arn:<partition>:ecs:<region>:<account>:task/<cluster>/<id>`."""

    partition: str
    region: str
    account: str
    cluster: str | None
    """None in ARNs of the old form, which lack it."""
    id: str


@lru_cache(maxsize=64)
def parse_task_arn(arn: str) -> TaskArn | None:
    """The parts of a task's ARN; None for any other text. Cached, because each answer needs them three times."""
    parts = arn.split(":", 5)
    kind, _, rest = parts[-1].partition("/")
    if len(parts) != 6 or parts[0] != "arn" or parts[2] != "ecs" or kind != "task" or not rest:
        return None
    cluster, _, identifier = rest.rpartition("/")
    return TaskArn(partition=parts[1], region=parts[3], account=parts[4], cluster=cluster or None, id=identifier)


def console_url(arn: str) -> str | None:
    """The task's page; None if AWS has no public console for the partition."""
    task = parse_task_arn(arn)
    if task is None or task.cluster is None or task.partition not in _CONSOLES:
        return None
    host = f"{task.region}.{_CONSOLES[task.partition]}"
    return f"https://{host}/ecs/v2/clusters/{task.cluster}/tasks/{task.id}/configuration?region={task.region}"


def submission_of(name: str, arn: str, place: Place, container: str | None = None) -> Submission:
    """The submission of the task `arn`, which was started as `name` at `place`."""
    task = parse_task_arn(arn)
    cluster, region = (task.cluster, task.region) if task else (None, None)
    where = {"cluster": place.cluster or cluster, "region": region or place.region}
    handle = {"task": arn, **place.handle(), **filled({**where, "container": container})}
    return Submission(name=name, handle=handle, url=console_url(arn))
