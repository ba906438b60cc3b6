"""Coordinates of a task and its page in the console, in every partition."""

from __future__ import annotations

from dataclasses import dataclass

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
    """None in ARNs of the old form, which do not name it."""
    id: str


def parse_task_arn(arn: str) -> TaskArn | None:
    """The parts of a task's ARN; None for anything else."""
    parts = arn.split(":", 5)
    kind, _, rest = parts[-1].partition("/")
    if len(parts) != 6 or parts[0] != "arn" or parts[2] != "ecs" or kind != "task" or not rest:
        return None
    cluster, _, identifier = rest.rpartition("/")
    return TaskArn(partition=parts[1], region=parts[3], account=parts[4], cluster=cluster or None, id=identifier)


def console_url(arn: str) -> str | None:
    """The task's page; None where AWS has no public console for the partition."""
    task = parse_task_arn(arn)
    if task is None or task.cluster is None or task.partition not in _CONSOLES:
        return None
    host = f"{task.region}.{_CONSOLES[task.partition]}"
    return f"https://{host}/ecs/v2/clusters/{task.cluster}/tasks/{task.id}/configuration?region={task.region}"
