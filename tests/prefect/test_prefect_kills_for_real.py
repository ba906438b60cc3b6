"""A dispatcher beside a real Prefect server is killed, or its calls fail: each flow run ends right, with one task each."""

import json
import os
import subprocess
import sys

import pytest

from tests.network.faults import Fault
from tests.network.proxy import HttpProxy
from tests.prefect.real_stage import complete_all, tasks

pytestmark = pytest.mark.long
pytest_plugins = ["providers.emulators.fixtures"]

TICKS = 40
"""More than it takes."""


def sets_state(name):
    """Whether a call proposes the state of that name."""
    return lambda call: call.path.endswith("/set_state") and json.loads(call.body)["state"]["name"] == name


def sets_pid(call):
    return call.method == "PATCH" and "/flow_runs/" in call.path


def runs_task(call):
    return call.action == "RunTask"


DEATHS = {
    "between our claim and PENDING": (sets_state("Pending"), Fault.CUT_BEFORE),
    "between PENDING and the submission": (runs_task, Fault.CUT_BEFORE),
    "between the submission and its answer": (runs_task, Fault.CUT_AFTER),
    "between the submission and the pid": (sets_pid, Fault.CUT_BEFORE),
    "between the pid and InfrastructurePending": (sets_state("InfrastructurePending"), Fault.CUT_BEFORE),
    "after InfrastructurePending": (sets_state("InfrastructurePending"), Fault.CUT_AFTER),
}


@pytest.mark.parametrize("point", DEATHS)
def test_a_killed_tick_loses_no_flow_run_and_starts_none_twice(point, prefect, ticker, ecs_emulator, tmp_path):
    is_last, fault = DEATHS[point]
    prefect.add_pool("p")
    flow_run = prefect.add_flow_run(prefect.add_deployment(job_variables={"command": "true"}))
    with HttpProxy(prefect.url.removesuffix("/api")) as server, HttpProxy(ecs_emulator.url) as aws:
        own = {
            "DISPATCHER_STORE": f"sqlite:///{tmp_path / 'store.db'}",
            "DISPATCHER_PREFECT_API_URL": f"{server.url}/api",
            "AWS_ENDPOINT_URL": aws.url,
        }
        killed = []

        def deadly(call):
            if killed or not is_last(call):
                return None
            killed.append(call)
            process.kill()
            return fault

        server.script = aws.script = deadly
        for _ in range(TICKS):  # on a busy machine a call may take too long, and the next tick makes up for it
            process = subprocess.Popen([sys.executable, "-m", "dispatcher.cli.main", "tick"], env={**os.environ, **own})
            if process.wait() == -9:
                break
        assert killed
    dispatcher = ticker()
    ticked_to_the_end(prefect, dispatcher, ecs_emulator, [flow_run])
    assert prefect.states([flow_run]) == ["COMPLETED"]
    names = [name for name in prefect.names(flow_run) if name != "Late"]
    assert names == ["Scheduled", "Pending", "InfrastructurePending", "Running", "Completed"]
    assert tasks(ecs_emulator).keys() == {flow_run}
    assert list(ecs_emulator.starts.values()) == [1]


def ticked_to_the_end(prefect, dispatcher, emulator, flow_runs, finish=complete_all):
    """Ticks, minutes apart, while containers start and end."""
    for _ in range(TICKS):
        dispatcher.wait(minutes=2)
        dispatcher.tick()
        finish(prefect, dispatcher, emulator)
        if all(run.state.is_terminal for run in dispatcher.runs()) and not {
            "SCHEDULED",
            "PENDING",
            "RUNNING",
            "CANCELLING",
        } & set(prefect.states(flow_runs)):
            return


class EachAtFirst:
    """Each call fails as often as it says when it is made at first, whatever it is; the same calls of later ticks pass."""

    def __init__(self, fault, times):
        self.fault, self.times, self.seen = fault, times, {}

    def __call__(self, call):
        state = json.loads(call.body)["state"]["name"] if call.path.endswith("/set_state") else ""
        self.seen[call.action, state] = count = self.seen.get((call.action, state), 0) + 1
        return self.fault if count <= self.times else None


@pytest.mark.parametrize("times", [1, 4], ids=["once", "for a whole tick"])
@pytest.mark.parametrize("fault", [Fault.GATEWAY, Fault.CUT_AFTER])
def test_each_call_of_the_server_may_be_refused_or_lose_its_answer(fault, times, prefect, ticker, ecs_emulator):
    prefect.add_pool("p")
    deployment = prefect.add_deployment(job_variables={"command": "true"})
    ends = ("COMPLETED", "CRASHED", "CANCELLED")
    flow_runs = {end: prefect.add_flow_run(deployment) for end in ends}
    with HttpProxy(prefect.url.removesuffix("/api"), EachAtFirst(fault, times)) as server:
        dispatcher = ticker(url=f"{server.url}/api")
        ticked_to_the_end(prefect, dispatcher, ecs_emulator, flow_runs.values(), Ends(flow_runs))
        calls = {call for call, _ in server.script.seen}
    assert prefect.states(flow_runs.values()) == list(ends)
    assert tasks(ecs_emulator).keys() == set(flow_runs.values())
    assert list(ecs_emulator.starts.values()) == [1, 1, 1]
    assert len(calls) > 3 * len(ends), "each flow run has calls of its own"


class Ends:
    """Containers that run, and come to the ends that the test wants."""

    def __init__(self, flow_runs):
        self.flow_runs, self.started = flow_runs, set()

    def __call__(self, prefect, dispatcher, emulator):
        for end, flow_run in self.flow_runs.items():
            run = dispatcher.run_of(flow_run)
            if run is None or run.submission is None or flow_run in self.started:
                continue
            self.started.add(flow_run)
            prefect.propose(flow_run, "RUNNING")
            if end == "CANCELLED":
                prefect.propose(flow_run, "CANCELLING")
                continue
            if end == "COMPLETED":
                prefect.propose(flow_run, "COMPLETED")
            emulator.finish(run.submission.name, exit_code=int(end == "CRASHED"))
