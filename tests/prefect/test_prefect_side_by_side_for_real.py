"""Several that serve one pool of a real Prefect server: limits hold with one store, and nobody starts a flow run twice."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from dispatcher.models import RunState
from tests.prefect.installed import template
from tests.prefect.real_server import a_worker
from tests.prefect.real_stage import Ticker, complete_all, tasks

pytestmark = pytest.mark.long
pytest_plugins = ["providers.emulators.fixtures"]

RUNS = 6
ROUNDS = 30
TURNS = 400
"""More than it takes."""


def at_once(dispatchers):
    """They tick at the same time."""
    with ThreadPoolExecutor(len(dispatchers)) as pool:
        list(pool.map(Ticker.tick, dispatchers))


def test_two_dispatchers_with_one_store_never_pass_the_limit(prefect, ticker, ecs_emulator):
    prefect.add_pool("p", concurrency_limit=2)
    deployment = prefect.add_deployment(job_variables={"command": "true"})
    flow_runs = [prefect.add_flow_run(deployment) for _ in range(RUNS)]
    pair = [ticker(), ticker()]
    for _ in range(ROUNDS):
        at_once(pair)
        complete_all(prefect, pair[0], ecs_emulator)
        if set(prefect.states(flow_runs)) == {"COMPLETED"}:
            break
    assert prefect.states(flow_runs) == ["COMPLETED"] * RUNS
    assert tasks(ecs_emulator) == dict.fromkeys(flow_runs, 1)
    assert ecs_emulator.peak_live == 2


def test_two_dispatchers_with_two_stores_start_no_flow_run_twice(prefect, ticker, ecs_emulator):
    prefect.add_pool("p")
    deployment = prefect.add_deployment(job_variables={"command": "true"})
    flow_runs = [prefect.add_flow_run(deployment) for _ in range(RUNS)]
    pair = [ticker("one"), ticker("two")]
    for dispatcher in pair:
        dispatcher.wiring.dispatch.source.bring(None, dispatcher.clock.now() + dispatcher.invocation)
        assert {run.source_id for run in dispatcher.runs()} == set(flow_runs)
    at_once(pair)
    assert tasks(ecs_emulator) == dict.fromkeys(flow_runs, 1)
    for dispatcher in pair:
        complete_all(prefect, dispatcher, ecs_emulator)
    at_once(pair)
    assert prefect.states(flow_runs) == ["COMPLETED"] * RUNS
    assert tasks(ecs_emulator) == dict.fromkeys(flow_runs, 1)
    ends = Counter(run.state for dispatcher in pair for run in dispatcher.runs())
    assert ends == {RunState.COMPLETED: RUNS, RunState.CANCELLED: RUNS}, "what the other has started is withdrawn"


def test_a_worker_on_the_same_pool_starts_no_flow_run_that_we_start(prefect, ticker, ecs_emulator, tmp_path):
    prefect.add_pool("both", "ecs", base_job_template=template("ecs"))
    deployment = prefect.add_deployment("d", "both", job_variables={"command": "true", "image": "busybox"})
    dispatcher, flow_runs = ticker(DISPATCHER_PREFECT_POOLS="both"), []
    with a_worker(prefect.url, "both", tmp_path, PREFECT_WORKER_QUERY_SECONDS="1"):
        for turn in range(TURNS):
            both = ours(dispatcher) and tasks(ecs_emulator).keys() - ours(dispatcher)
            if not both and turn % 4 == 0:
                flow_runs += [prefect.add_flow_run(deployment) for _ in range(2)]
            if both or turn % 4 == 2:  # in between the worker may be the first
                dispatcher.tick()
            if both and tasks(ecs_emulator).keys() == set(flow_runs):
                break
            prefect.states(flow_runs[-2:])
    assert tasks(ecs_emulator) == dict.fromkeys(flow_runs, 1)
    assert 0 < len(ours(dispatcher)) < len(flow_runs), "both have had some"


def ours(dispatcher):
    return {run.source_id for run in dispatcher.runs() if run.submission is not None}
