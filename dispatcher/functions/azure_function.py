"""Azure Functions, the v2 programming model: `app` of the package's `function_app.py`.

    tick    a timer, on the schedule of the app setting DISPATCHER_SCHEDULE (NCRONTAB: six fields, the first is seconds)
    invoke  POST /api/invoke with a function key: the body is the event (`dispatcher.functions.invocation`), the answer is as in
            `dispatcher.functions.http_answers`

The timer has no monitor: that would make up a missed tick and write a blob for each one, and the next tick makes up for it
anyway. It raises where it cannot use the store, so that the invocation counts as failed; the host does not repeat it.

A Python function cannot see how much time is left: DISPATCHER_TIMEOUT_SECONDS is `functionTimeout` of host.json.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import azure.functions

from dispatcher.functions.http_answers import JSON, answer, event_of
from dispatcher.functions.instance import Instance

SCHEDULE = "%DISPATCHER_SCHEDULE%"
"""The host replaces it with the app setting."""


def tick(timer: azure.functions.TimerRequest) -> None:  # noqa: ARG001 - the binding's name
    """Tick every pool."""
    instance = _instance()
    instance.invoke({}, since=instance.clock.now())


def invoke(request: azure.functions.HttpRequest) -> azure.functions.HttpResponse:
    """Do what the body asks for, and answer with the report."""
    instance = _instance()
    since = instance.clock.now()
    response = answer(lambda: instance.invoke(event_of(request.get_body()), since=since))
    return azure.functions.HttpResponse(response.body, status_code=response.status, mimetype=JSON)


@cache
def _instance() -> Instance:
    return Instance(os.environ)


def _app() -> Any:
    made = azure.functions.FunctionApp(http_auth_level=azure.functions.AuthLevel.FUNCTION)
    made.timer_trigger(arg_name="timer", schedule=SCHEDULE, run_on_startup=False, use_monitor=False)(tick)
    made.route(route="invoke", methods=["POST"], trigger_arg_name="request")(invoke)
    return made


app = _app()
