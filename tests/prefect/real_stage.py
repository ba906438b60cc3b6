"""Dispatchers beside a real Prefect server. Tests play the containers: they report states to the server and end the jobs."""

import json
from collections import Counter
from datetime import timedelta

from dispatcher.environment.clock import SystemClock
from dispatcher.environment.settings import Settings
from dispatcher.models.records import RunFilter
from dispatcher.ticking import tick
from dispatcher.wiring import wire

PATIENCE = 100
"""Seconds for one call."""
PATIENT = {name: {"call_timeout": PATIENCE} for name in ("ecs", "ecs:push", "cloud-run-v2:push", "modal:push")}


class ClockAhead(SystemClock):
    """The server's time, moved ahead where a test would have to wait."""

    def __init__(self):
        self.ahead = timedelta()

    def now(self):
        return super().now() + self.ahead

    def sleep(self, seconds):
        self.ahead += timedelta(seconds=max(0.0, seconds))


class Ticker:
    """One dispatcher with a store, as a function has them."""

    invocation = timedelta(seconds=150)
    """Like the timeouts, more than a busy machine needs: it must not change what a test sees."""

    def __init__(self, url, path, **settings):
        named = {"DISPATCHER_STORE": f"sqlite:///{path}", "DISPATCHER_PREFECT_API_URL": url, "HOME": str(path.parent)}
        self.clock = ClockAhead()
        patient = json.dumps(
            {name: {"call_timeout": PATIENCE} for name in ("ecs", "ecs:push", "cloud-run-v2:push", "modal:push")}
        )
        own = Settings.from_environment({**named, "DISPATCHER_PROVIDER_OPTIONS": patient, **settings})
        self.wiring = wire(own, clock=self.clock, events=lambda *_, **__: None)
        self.wiring.dispatch.source.server._client.timeout = PATIENCE

    def tick(self):
        return tick(self.wiring.dispatch, self.clock.now() + self.invocation)

    def wait(self, **duration):
        self.clock.ahead += timedelta(**duration)

    def runs(self):
        return self.wiring.store.runs(RunFilter(), limit=1000)

    def run_of(self, flow_run):
        """The last run that was made of a flow run."""
        runs = [run for run in self.runs() if run.source_id == flow_run]
        return max(runs, key=lambda run: run.created_at, default=None)

    def close(self):
        self.wiring.close()


def complete_all(prefect, dispatcher, emulator):
    """Every container reports its end and ends; the flow runs that were started."""
    started = [run for run in dispatcher.runs() if run.submission is not None and not run.state.is_terminal]
    for run in started:
        complete(prefect, run.source_id)
        emulator.finish(run.submission.name)
    return [prefect.read(f"flow_runs/{run.source_id}") for run in started]


def complete(prefect, flow_run):
    """What a container says whose flow returns."""
    prefect.propose(flow_run, "RUNNING")
    prefect.propose(flow_run, "COMPLETED")


def tasks(emulator):
    """How many tasks of the ECS emulator were asked for, for each flow run."""
    overrides = [request["overrides"]["containerOverrides"][0] for request in emulator.calls.requests("RunTask")]
    variables = [{item["name"]: item["value"] for item in override["environment"]} for override in overrides]
    return Counter(environment["PREFECT__FLOW_RUN_ID"] for environment in variables)
