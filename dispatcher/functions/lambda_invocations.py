"""Asynchronous invocations of this function by itself. Importing this module loads botocore.

The function's role needs `lambda:InvokeFunction` on the function itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from dispatcher.errors import SettingsError
from dispatcher.functions.fan_out import NotStarted
from dispatcher.waking import NotWoken
from dispatcher.waking.lambda_function import UNPUBLISHED, LambdaFunction

SECONDS = 3.0
"""Seconds to connect, and to answer: Lambda only queues an asynchronous invocation."""


class LambdaInvocations:
    """Starts invocations of the function that this code runs in: AWS_LAMBDA_FUNCTION_NAME, of the same version."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Raises `SettingsError` outside Lambda."""
        name, version = (environment.get(f"AWS_LAMBDA_FUNCTION_{key}", "") for key in ("NAME", "VERSION"))
        if not name:
            raise SettingsError("DISPATCHER_FAN_OUT: 'lambda' works only in a Lambda function (AWS_LAMBDA_FUNCTION_NAME)")
        self._function = LambdaFunction(name, version=version or UNPUBLISHED, seconds=SECONDS)

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Start one, and do not wait. Raises `NotStarted`."""
        try:
            self._function.start(event)
        except NotWoken as problem:
            raise NotStarted(str(problem)) from problem
