"""AWS Lambda: set the function's handler to `dispatcher.functions.aws_lambda.handler`.

The settings are the function's environment variables (`dispatcher.environment.settings`). What is made from them is kept
between the invocations of one instance, but for a session of a database server; the clients reconnect by themselves after a
freeze.

Set both the schedule's and the function's asynchronous retries to 0: a missed tick is made up by the next one.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol

from dispatcher.environment.events import LOGGER
from dispatcher.environment.settings import Settings
from dispatcher.functions.fan_out import Start
from dispatcher.functions.instance import log_unknown_settings
from dispatcher.functions.invocation import invoke
from dispatcher.wiring import Wiring, wire


class LambdaContext(Protocol):
    """The part of Lambda's context object that is used."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends the invocation."""
        ...


def handler(event: Mapping[str, Any] | None, context: LambdaContext) -> dict[str, Any]:
    """Handle a scheduled event, an ECS task state change or a direct invocation; see `dispatcher.functions.invocation`.

    Returns the report as JSON. Raises for an event that is not understood, and for a store that cannot be used.
    """
    wiring = _wiring()
    try:
        seconds = context.get_remaining_time_in_millis() / 1000
        function = getattr(context, "invoked_function_arn", "")  # a context that somebody makes for a trial may lack it
        return invoke(wiring, event, seconds_left=seconds, start=_start(), function=function)
    finally:
        wiring.rest(context.get_remaining_time_in_millis() / 1000)


@cache
def _start() -> Start | None:
    """The function that starts further invocations; None if the settings do not ask for it."""
    if _wiring().settings.fan_out != "lambda":
        return None
    from dispatcher.functions.lambda_invocations import LambdaInvocations  # noqa: PLC0415 - only where it is asked for

    return LambdaInvocations()


def environment() -> Mapping[str, str]:
    """The function's variables, with those whose values are in secrets."""
    store, variables = os.environ.get("DISPATCHER_STORE_SECRET"), os.environ.get("DISPATCHER_SECRET_ENVIRONMENT")
    if not store and not variables:
        return os.environ
    from dispatcher.functions.store_secret import read_store, read_variables  # noqa: PLC0415 - only where it is asked for

    secret = read_variables(variables) if variables else {}
    return {**os.environ, **secret, **({"DISPATCHER_STORE": read_store(store)} if store else {})}


@cache
def _wiring() -> Wiring:
    own = environment()
    settings = Settings.from_environment(own)
    LOGGER.setLevel(settings.log_level or logging.INFO)
    log_unknown_settings(os.environ)
    function = os.environ.get("AWS_LAMBDA_FUNCTION_NAME") or "push-dispatcher"
    return wire(settings, function=function, environment=own)
