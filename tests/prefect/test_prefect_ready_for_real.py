"""A cron deployment of a real Prefect server over ten minutes, at a tick a minute."""

from collections import Counter

import pytest

from tests.prefect.real_stage import complete_all

pytestmark = pytest.mark.long
pytest_plugins = ["providers.emulators.fixtures"]

MINUTES = 10
LOOKS = 5000
"""More than it takes until the server has looked for what was not polled for a while; it does every second."""


def test_prefects_own_scheduler_makes_the_runs_and_all_stays_ready_at_a_tick_a_minute(prefect, ticker, ecs_emulator):
    prefect.add_pool("p")
    prefect.post("work_pools/p/queues", name="high", priority=1)
    schedule = {"schedule": {"cron": "* * * * *", "timezone": "UTC"}, "active": True}
    deployments = [
        prefect.add_deployment(queue, job_variables={"command": "true"}, work_queue_name=queue, schedules=[schedule])
        for queue in ("high", "default")
    ]
    scheduled = until(lambda: prefect.post("flow_runs/filter"), lambda flow_runs: len(flow_runs) >= 2 * MINUTES)
    assert all(flow_run["auto_scheduled"] for flow_run in scheduled)
    dispatcher = ticker()
    dispatcher.tick()
    until(lambda: statuses(prefect, "p"), lambda shown: set(shown.values()) == {"READY"})
    started = []
    for _ in range(MINUTES):
        a_minute_passes(prefect, dispatcher)
        shown = statuses(prefect, "p")
        assert shown == dict.fromkeys(["p", "high", "default", *deployments], "READY")
        dispatcher.tick()
        started += complete_all(prefect, dispatcher, ecs_emulator)
    windows = Counter((flow_run["expected_start_time"], flow_run["deployment_id"]) for flow_run in started)
    assert set(windows.values()) == {1}, "each deployment, once for each window"
    assert all(sum(one == deployment for _, one in windows) >= MINUTES for deployment in deployments)
    waiting = prefect.post("flow_runs/filter", flow_runs={"state": {"type": {"any_": ["SCHEDULED"]}}})
    assert min(flow_run["expected_start_time"] for flow_run in waiting) > max(window for window, _ in windows), (
        "none was left out"
    )
    assert set(ecs_emulator.starts.values()) == {1}


def a_minute_passes(prefect, dispatcher):
    """For the dispatcher and the server, whose service that makes things NOT_READY has looked at them since.

    It shows by a pool beside ours, with a deployment, that was served just longer ago than the server puts up with.
    """
    dispatcher.wait(minutes=1)
    other = prefect.add_pool("other", "process")
    prefect.post("work_pools/other/workers/heartbeat", name="gone", heartbeat_interval_seconds=1)
    deployment = prefect.add_deployment("other", "other")
    prefect.post("work_pools/other/get_scheduled_flow_runs", limit=0)
    until(lambda: statuses(prefect, "other"), lambda shown: set(shown.values()) == {"READY"})
    prefect.age(60)
    where = f"work_pool_id = '{other['id']}'"
    prefect.administer(f"UPDATE work_queue SET last_polled = last_polled - interval '200 seconds' WHERE {where}")
    prefect.administer(f"UPDATE deployment SET last_polled = last_polled - interval '200 seconds' WHERE id = '{deployment}'")
    until(lambda: statuses(prefect, "other"), lambda shown: set(shown.values()) == {"NOT_READY"})
    prefect.delete(f"deployments/{deployment}")
    prefect.delete("work_pools/other")


def statuses(prefect, pool):
    """What the server shows of a pool, its queues and their deployments."""
    queues = prefect.post(f"work_pools/{pool}/queues/filter")
    deployments = prefect.post("deployments/filter", work_pools={"name": {"any_": [pool]}})
    shown = {queue["name"]: queue["status"] for queue in queues}
    return {
        pool: prefect.read(f"work_pools/{pool}")["status"],
        **shown,
        **{deployment["id"]: deployment["status"] for deployment in deployments},
    }


def until(look, is_so):
    """What is seen as soon as it is so."""
    for _ in range(LOOKS):
        seen = look()
        if is_so(seen):
            return seen
    pytest.fail(f"it has not come to be; at last {seen}")
