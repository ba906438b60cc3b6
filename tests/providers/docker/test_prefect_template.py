"""Prefect's own template makes a pool as it is; what its runs send is accepted by the engine itself."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta

import pytest

from dispatcher.environment.clock import SystemClock
from dispatcher.environment.settings import Settings
from dispatcher.models import RunState
from dispatcher.ticking import tick
from dispatcher.wiring import wire
from providers import registry
from tests.prefect import installed
from tests.prefect.installed import INSTALLED
from tests.providers.docker.engines import IMAGE


class LaterClock(SystemClock):
    """The system's, and as much later as a test wants."""

    later = timedelta()

    def now(self):
        return super().now() + self.later


@pytest.fixture
def wiring(engine, tmp_path):
    settings = {
        "DISPATCHER_STORE": f"sqlite:///{tmp_path / 'store.db'}",
        "DISPATCHER_DOCKER_HOSTS": json.dumps({"here": {"url": engine.socket}}),
        "DISPATCHER_PROVIDER_OPTIONS": json.dumps({"docker": {"environment": {"DOCKER_HOST": engine.socket}}}),
    }
    wiring = wire(Settings.from_environment(settings), clock=LaterClock())
    yield wiring
    wiring.store.close()


def ticked(wiring, run, problems=0):
    report = tick(wiring.dispatch, wiring.dispatch.clock.now() + timedelta(seconds=30))
    assert len(report.problems) == problems, report.problems
    return wiring.store.get(run.id)


@pytest.mark.parametrize("template", [INSTALLED, "default"])
def test_a_template_makes_a_pool_whose_run_is_accepted_ends_and_leaves_nothing(template, wiring, engine):
    base = installed.template("docker") if template == "installed" else registry.default_template("docker")
    pool = wiring.client.create_work_pool("moved", type="docker", base_job_template=base)
    assert pool.base_job_template == base
    variables = {
        "image": IMAGE,
        "command": """sh -c 'read go < /dev/null; test "$GREETING" = "hello you" || exit 1'""",
        "env": {"GREETING": "hello you"},
        "network_mode": "none",
        "mem_limit": "64m",
        "memswap_limit": "128m",
        "volumes": ["/tmp:/host:ro"],
        "labels": {"team": "data"},
        "auto_remove": True,
    }
    run = ticked(wiring, wiring.client.create_run(pool="moved", job_variables=variables))
    assert run.state in (RunState.PENDING, RunState.RUNNING), run.reason
    [row] = engine.client.containers(all=True)
    assert row["Labels"]["team"] == "data"
    host = engine.client.inspect_container(row["Id"])["HostConfig"]
    assert (host["Memory"], host["MemorySwap"], host["AutoRemove"]) == (64 << 20, 128 << 20, False)
    engine.client.wait(row["Id"])
    assert ticked(wiring, run).state is RunState.COMPLETED
    wiring.dispatch.clock.later = timedelta(minutes=10)  # a lease after the submission
    ticked(wiring, run)
    assert engine.client.containers(all=True) == []


def test_runs_on_a_named_engine_and_on_the_default_end_alike(wiring, engine):
    wiring.client.create_work_pool("both", type="docker")
    variables = {"image": IMAGE, "command": "true", "network_mode": "none"}
    runs = [
        wiring.client.create_run(pool="both", job_variables={**variables, **where}) for where in ({}, {"docker_host": "here"})
    ]
    for run in runs:
        ticked(wiring, run)
    for row in engine.client.containers(all=True):
        engine.client.wait(row["Id"])
    ticked(wiring, runs[0])
    assert Counter(wiring.store.get(run.id).state for run in runs) == {RunState.COMPLETED: 2}


def test_a_host_that_the_settings_do_not_name_lets_its_runs_wait_and_says_so(wiring):
    wiring.client.create_work_pool("elsewhere", type="docker")
    run = wiring.client.create_run(pool="elsewhere", job_variables={"image": IMAGE, "docker_host": "nowhere"})
    assert ticked(wiring, run, problems=1).state is RunState.SCHEDULED
    assert "'nowhere' is not an entry of DISPATCHER_DOCKER_HOSTS (its entries: here)" in wiring.client.explain(run.id).text
