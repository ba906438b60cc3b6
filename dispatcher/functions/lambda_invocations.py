"""Asynchronous invocations of this function by itself. Importing this module loads botocore.

The function's role needs `lambda:InvokeFunction` on the ARN that is called. Since 2022 AWS holds a call with a qualifier
against the qualified ARN alone (`function:NAME:7`), so an unpublished function is called without: `function:NAME` is enough.
https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from dispatcher.errors import SettingsError
from dispatcher.functions.fan_out import NotStarted
from providers.aws import new_session

SECONDS = 3.0
"""To connect, and to answer: an asynchronous invocation is only put into a queue."""

UNPUBLISHED = "$LATEST"


class LambdaInvocations:
    """Starts invocations of the function that this code runs in: AWS_LAMBDA_FUNCTION_NAME, of the same version."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Raises `SettingsError` outside Lambda."""
        self._function = environment.get("AWS_LAMBDA_FUNCTION_NAME", "")
        self._qualifier = _qualifier(environment.get("AWS_LAMBDA_FUNCTION_VERSION", UNPUBLISHED))
        if not self._function:
            raise SettingsError("DISPATCHER_FAN_OUT: 'lambda' works only in a Lambda function (AWS_LAMBDA_FUNCTION_NAME)")

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Start one, and do not wait. Raises `NotStarted`."""
        try:
            self._client.invoke(
                FunctionName=self._function,
                InvocationType="Event",
                Payload=json.dumps(event).encode(),
                **self._qualifier,
            )
        except (ClientError, BotoCoreError) as problem:
            raise NotStarted(f"{self._function}: {problem}") from problem

    @cached_property
    def _client(self) -> Any:
        config = Config(retries={"total_max_attempts": 1}, connect_timeout=SECONDS, read_timeout=SECONDS)
        return new_session().create_client("lambda", config=config)


def _qualifier(version: str) -> dict[str, str]:
    return {} if version == UNPUBLISHED else {"Qualifier": version}
