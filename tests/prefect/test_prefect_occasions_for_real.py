"""What may happen to flow runs of a real Prefect server between their start and their end: limits of a deployment, a retry from
the page, deletions.
"""

import pytest

from dispatcher.models import RunState
from tests.prefect.real_stage import complete_all, tasks

pytestmark = pytest.mark.long
pytest_plugins = ["providers.emulators.fixtures"]

TICKS = 12


def deployed(prefect, strategy=None, **fields):
    prefect.add_pool("p", **fields)
    limit = {"concurrency_limit": 1, "concurrency_options": {"collision_strategy": strategy}} if strategy else {}
    return prefect.add_deployment(job_variables={"command": "true"}, **limit)


def ticked(prefect, dispatcher, emulator):
    """Ticks, a minute apart, while containers end, until no run is left."""
    for _ in range(TICKS):
        complete_all(prefect, dispatcher, emulator)
        dispatcher.wait(minutes=1)
        dispatcher.tick()
        if all(run.state.is_terminal for run in dispatcher.runs()):
            break


def test_a_deployment_whose_limit_is_reached_waits_in_line(prefect, ticker, ecs_emulator):
    deployment = deployed(prefect, "ENQUEUE")
    flow_runs = [prefect.add_flow_run(deployment) for _ in range(3)]
    dispatcher = ticker()
    dispatcher.tick()
    assert sorted(prefect.states(flow_runs)) == ["PENDING", "SCHEDULED", "SCHEDULED"]
    assert sorted(prefect.names(flow_run)[-1] for flow_run in flow_runs) == [
        "AwaitingConcurrencySlot",
        "AwaitingConcurrencySlot",
        "InfrastructurePending",
    ]
    ticked(prefect, dispatcher, ecs_emulator)
    assert prefect.states(flow_runs) == ["COMPLETED"] * 3
    assert tasks(ecs_emulator) == dict.fromkeys(flow_runs, 1)
    assert ecs_emulator.peak_live == 1


def test_a_deployment_may_cancel_what_comes_over_its_limit(prefect, ticker, ecs_emulator):
    deployment = deployed(prefect, "CANCEL_NEW")
    flow_runs = [prefect.add_flow_run(deployment) for _ in range(3)]
    dispatcher = ticker()
    dispatcher.tick()
    ticked(prefect, dispatcher, ecs_emulator)
    assert sorted(prefect.states(flow_runs)) == ["CANCELLED", "CANCELLED", "COMPLETED"]
    assert sorted(run.state for run in dispatcher.runs()) == [RunState.CANCELLED, RunState.CANCELLED, RunState.COMPLETED]
    assert len(tasks(ecs_emulator)) == 1


def test_a_crashed_run_that_is_retried_from_the_page_starts_once_more(prefect, ticker, ecs_emulator):
    flow_run = prefect.add_flow_run(deployed(prefect))
    dispatcher = ticker()
    dispatcher.tick()
    ecs_emulator.finish(dispatcher.run_of(flow_run).submission.name, exit_code=1)
    for _ in range(2):
        dispatcher.tick()
        dispatcher.wait(minutes=1)
    assert prefect.state(flow_run) == "CRASHED"
    prefect.propose(flow_run, "SCHEDULED", name="AwaitingRetry")
    dispatcher.tick()
    ticked(prefect, dispatcher, ecs_emulator)
    assert prefect.state(flow_run) == "COMPLETED"
    assert tasks(ecs_emulator) == {flow_run: 2}
    assert sorted(run.state for run in dispatcher.runs()) == [RunState.COMPLETED, RunState.FAILED]
    assert set(ecs_emulator.starts.values()) == {1}, "two attempts under two names"


def test_a_flow_run_that_is_deleted_ends_its_task(prefect, ticker, ecs_emulator):
    flow_run = prefect.add_flow_run(deployed(prefect))
    dispatcher = ticker()
    dispatcher.tick()
    prefect.delete(f"flow_runs/{flow_run}")
    for _ in range(3):
        dispatcher.wait(minutes=1)
        dispatcher.tick()
    assert [run.state for run in dispatcher.runs()] == [RunState.CANCELLED]
    assert [job.live for job in ecs_emulator.jobs()] == [False]
    assert tasks(ecs_emulator) == {flow_run: 1}


def test_a_deployment_that_is_deleted_takes_its_waiting_runs_along_and_leaves_the_one_that_runs(prefect, ticker, ecs_emulator):
    deployment = deployed(prefect, concurrency_limit=1)
    flow_runs = [prefect.add_flow_run(deployment) for _ in range(3)]
    dispatcher = ticker()
    dispatcher.tick()
    [started] = [run for run in dispatcher.runs() if run.submission is not None]
    prefect.propose(started.source_id, "RUNNING")
    prefect.delete(f"deployments/{deployment}")
    dispatcher.tick()
    ticked(prefect, dispatcher, ecs_emulator)
    assert prefect.state(started.source_id) == "COMPLETED"
    assert tasks(ecs_emulator) == {started.source_id: 1}
    ends = {run.source_id: run.state for run in dispatcher.runs()}
    assert ends == {**dict.fromkeys(flow_runs, RunState.CANCELLED), started.source_id: RunState.COMPLETED}
