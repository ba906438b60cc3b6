"""CloudWatch logs of the main container.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.base import ConfigurationError
from providers.ecs.values import mapping, text

DEFAULT_GROUP = "push-dispatcher"
DEFAULT_PREFIX = "run"


def logs_wanted(configuration: Mapping[str, Any]) -> bool:
    """`configure_cloudwatch_logs`, or where it is left open `stream_output`, as in Prefect."""
    wanted = configuration.get("configure_cloudwatch_logs")
    return bool(configuration.get("stream_output") if wanted is None else wanted)


def configure_logs(definition: Mapping[str, Any], main: dict[str, Any], configuration: Mapping[str, Any], region: str) -> None:
    """Point the main container's output at CloudWatch, where that is asked for."""
    options = mapping(configuration.get("cloudwatch_logs_options"), "cloudwatch_logs_options")
    if not logs_wanted(configuration):
        if options:
            raise ConfigurationError("cloudwatch_logs_options: set configure_cloudwatch_logs to true to use them")
        return
    if not definition.get("executionRoleArn"):
        raise ConfigurationError(
            "configure_cloudwatch_logs: ECS writes the logs with the execution role; give execution_role_arn a role with"
            " logs:CreateLogStream, logs:CreateLogGroup and logs:PutLogEvents"
        )
    main["logConfiguration"] = {"logDriver": "awslogs", "options": _options(definition, configuration, options, region)}


def _options(
    definition: Mapping[str, Any], configuration: Mapping[str, Any], given: Mapping[str, Any], region: str
) -> dict[str, str]:
    defaults = {
        "awslogs-create-group": "true",
        "awslogs-group": DEFAULT_GROUP,
        "awslogs-region": region,
        "awslogs-stream-prefix": configuration.get("cloudwatch_logs_prefix") or definition.get("family") or DEFAULT_PREFIX,
    }
    return defaults | {name: text(value) for name, value in given.items() if value is not None}
