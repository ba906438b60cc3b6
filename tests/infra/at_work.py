"""What Terraform made, put to work: the built zip, run as Lambda runs it, under the role that Terraform made for it."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager

from moto.events.models import EventPattern

from dispatcher.client import Dispatcher
from dispatcher.environment.settings import Settings
from dispatcher.models import TERMINAL_STATES, RunState
from dispatcher.wiring import wire
from tests.functions.lambda_platform.packages import built_once
from tests.functions.lambda_platform.sandbox import HANDLER, PATIENCE, Sandbox, lay_out_runtime, unpack
from tests.functions.test_http_api import function_url
from tests.infra.aws import of_type

LIVE = set(RunState) - TERMINAL_STATES


def the_package(tmp_path_factory, name="function.zip", **rest):
    """The zip, built once for all processes of a test run; `rest` is as in `PackageRequest`."""
    own = tmp_path_factory.getbasetemp()
    return built_once(own.parent if own.name.startswith("popen-") else own, name, **rest)


def people(store):
    """The command line's view of a store."""
    return Dispatcher(wire(Settings(store=store)).store)


class Function:
    """A function that Terraform made, the payload of its schedule, and a sandbox that runs the zip as this function."""

    def __init__(self, resources, package, environment, directory):
        """`resources`: of the dispatcher's module. `environment`: of whoever has the function's role."""
        (schedule,) = of_type(resources, "aws_scheduler_schedule")
        (function,) = [made for made in of_type(resources, "aws_lambda_function") if made["handler"] == HANDLER]
        self.role = function["role"].rpartition("/")[2]
        self.payload = json.loads(schedule["target"][0]["input"])
        self.patterns = [json.loads(rule["event_pattern"]) for rule in of_type(resources, "aws_cloudwatch_event_rule")]
        self.log = directory / "function.log"
        variables = {**function["environment"][0]["variables"], **environment(self.role)}
        task, runtime = unpack(package, directory / "task"), lay_out_runtime(directory / "runtime")
        self._sandbox = Sandbox(task, runtime, variables, self.log)

    def invoke(self, event):
        """An invocation, which has no problem with any pool."""
        report = self._sandbox.invoke(event)
        assert {pool["problem"] for pool in report.get("pools", ())} <= {""}, self.log.read_text()
        return report

    def admits(self, event):
        """Whether a rule hands an event to the function."""
        return any(EventPattern(None, pattern).matches_event(event) for pattern in self.patterns)

    def close(self):
        """End the sandbox."""
        self._sandbox.close()


@contextmanager
def a_function(resources, package, environment, directory):
    """A function at work; its sandbox goes at the end."""
    function = Function(resources, package, environment, directory)
    try:
        yield function
    finally:
        function.close()


@contextmanager
def an_api(function, environment, directory):
    """The function of the HTTP API at work: what is called has the arguments of `function_url`, and gives status and answer."""
    variables = {**function["environment"][0]["variables"], **environment(function["role"].rpartition("/")[2])}
    task, runtime = unpack(function["filename"], directory / "api"), lay_out_runtime(directory / "api-runtime")
    sandbox = Sandbox(task, runtime, variables, directory / "api.log", handler=function["handler"])

    def ask(*words, **more):
        answer = sandbox.invoke(function_url(*words, **more))
        return answer["statusCode"], json.loads(answer["body"])

    try:
        yield ask
    finally:
        sandbox.close()


def tick_until_all_have_ended(clients, tick, log):
    """Call `tick` until no client has a run that has not ended."""
    deadline = time.monotonic() + 2 * PATIENCE
    while any(client.runs(states=LIVE, limit=1) for client in clients):
        assert time.monotonic() < deadline, log()
        tick()
