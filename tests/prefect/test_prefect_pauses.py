"""A pause of a mirrored pool holds flow runs back and loses none: what is made up for, and what not, is Prefect's to say."""

import pytest

from dispatcher.models import RunState
from tests.builders import HOUR, MINUTE
from tests.prefect.emulated import EmulatedPrefect
from tests.prefect.stage import Bridge

EVERY = 5 * MINUTE
PAUSED = 10 * HOUR


@pytest.fixture
def bridge():
    return Bridge()


@pytest.fixture
def prefect(bridge) -> EmulatedPrefect:
    return bridge.prefect


def scheduled(prefect, begins, *, ahead=0):
    """What Prefect's scheduler makes of `*/5` in that time: a flow run for each window, some of them before their time."""
    deployment = prefect.add_deployment("often")
    windows = [begins + number * EVERY for number in range(PAUSED // EVERY + ahead)]
    return [prefect.add_flow_run(f"at {window:%H:%M}", at=window, deployment=deployment) for window in windows]


def test_every_flow_run_of_ten_hours_of_pause_starts_when_its_pool_is_resumed(bridge, prefect):
    prefect.pools["p"]["is_paused"] = True
    flow_runs = scheduled(prefect, bridge.clock.time)
    bridge.settle(21, every=HOUR / 2)
    for flow_run in flow_runs:
        prefect.flow_runs[flow_run]["state"]["name"] = "Late"
    assert {prefect.state(flow_run) for flow_run in flow_runs} == {"SCHEDULED"}
    assert {len(bridge.runs_of(flow_run)) for flow_run in flow_runs} == {1}
    prefect.pools["p"]["is_paused"] = False
    bridge.settle(3)
    assert len(flow_runs) == 120
    assert {prefect.state(flow_run) for flow_run in flow_runs} == {"PENDING"}
    assert {bridge.run_of(flow_run).state for flow_run in flow_runs} <= {RunState.PENDING, RunState.RUNNING}
    assert sorted(bridge.provider.starts.values()) == [1] * 120


def test_flow_runs_start_in_the_order_of_their_windows_as_slots_become_free(bridge, prefect):
    prefect.pools["p"] |= {"is_paused": True, "concurrency_limit": 1}
    flow_runs = scheduled(prefect, bridge.clock.time)[:4]
    bridge.wait(PAUSED)
    bridge.tick()
    prefect.pools["p"]["is_paused"] = False
    for flow_run in flow_runs:
        bridge.tick()
        assert [prefect.state(other) for other in flow_runs].count("PENDING") == 1
        assert prefect.state(flow_run) == "PENDING"
        prefect.propose(flow_run, "RUNNING")
        prefect.propose(flow_run, "COMPLETED")
        bridge.finish(flow_run)


def test_flow_runs_that_somebody_cancels_during_the_pause_do_not_start(bridge, prefect):
    prefect.pools["p"]["is_paused"] = True
    flow_runs = scheduled(prefect, bridge.clock.time)
    bridge.wait(PAUSED)
    bridge.tick()
    for flow_run in flow_runs[:-1]:
        prefect.propose(flow_run, "CANCELLING")
    prefect.pools["p"]["is_paused"] = False
    bridge.settle(3)
    assert [prefect.state(flow_run) for flow_run in flow_runs] == ["CANCELLED"] * 119 + ["PENDING"]
    assert list(bridge.provider.starts.values()) == [1]


def test_a_dispatcher_that_was_away_for_ten_hours_brings_what_is_late_and_leaves_what_is_not_due(bridge, prefect):
    flow_runs = scheduled(prefect, bridge.clock.time, ahead=3)
    bridge.wait(PAUSED - EVERY / 2)
    bridge.settle(3)
    due, later = flow_runs[:120], flow_runs[120:]
    assert {prefect.state(flow_run) for flow_run in due} == {"PENDING"}
    assert {prefect.state(flow_run) for flow_run in later} == {"SCHEDULED"}
    assert sorted(bridge.provider.starts.values()) == [1] * 120
