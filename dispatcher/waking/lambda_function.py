"""Asynchronous invocations of a Lambda function. Importing this module loads botocore.

The caller needs `lambda:InvokeFunction` on the function.
https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from dispatcher.waking import NotWoken
from providers.aws import new_session

UNPUBLISHED = "$LATEST"


class LambdaFunction:
    """A function by its name or ARN, with a published version where one is named."""

    def __init__(self, name: str, *, version: str = UNPUBLISHED, seconds: float) -> None:
        """`seconds` bound the connection and the answer. Lambda only queues an asynchronous invocation."""
        self._name, self._seconds = name, seconds
        self._qualifier = {} if version == UNPUBLISHED else {"Qualifier": version}

    def start(self, event: Mapping[str, Any]) -> None:
        """Start an invocation, and do not wait for its end. Raises `NotWoken`."""
        payload = json.dumps(event).encode()
        try:
            self._client.invoke(FunctionName=self._name, InvocationType="Event", Payload=payload, **self._qualifier)
        except (ClientError, BotoCoreError) as problem:
            raise NotWoken(f"{self._name}: {problem}") from problem

    @cached_property
    def _client(self) -> Any:
        config = Config(retries={"total_max_attempts": 1}, connect_timeout=self._seconds, read_timeout=self._seconds)
        region = self._name.split(":")[3] if self._name.startswith("arn:") else None
        return new_session().create_client("lambda", region_name=region, config=config)
