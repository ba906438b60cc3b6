"""Several that serve one pool of a real Prefect server: limits hold with one store, and nobody starts a flow run twice."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from dispatcher.models import RunState
from tests.prefect.real_stage import Ticker, complete_all, tasks

pytestmark = pytest.mark.long
pytest_plugins = ["providers.emulators.fixtures"]

RUNS = 6
ROUNDS = 30
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
