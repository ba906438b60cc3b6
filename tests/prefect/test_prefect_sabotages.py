"""Each rule of the bridge, taken out: the scenario that depends on it has to notice."""

import pytest

from dispatcher.prefect import bringing, identity, owed, reporting, source
from tests.builders import MINUTE
from tests.prefect.stage import Bridge
from tests.prefect.test_prefect_failures import assert_all_ended, finish_all


def a_lost_answer():
    bridge = Bridge()
    made = [bridge.prefect.add_flow_run()]
    bridge.prefect.fail("answer", "set_state", 4)
    finish_all(bridge, made)
    assert_all_ended(bridge, made)


def two_stores():
    bridge = Bridge()
    other = Bridge(bridge.prefect, pools=False)
    bridge.prefect.add_flow_run()
    bridge.source.bring(None, bridge.clock.time + MINUTE)
    other.tick()
    bridge.settle(2)
    assert len(other.provider.starts) + len(bridge.provider.starts) == 1


def both_steps():
    bridge = Bridge()
    flow_run = bridge.prefect.add_flow_run()
    bridge.tick()
    assert bridge.prefect.history(flow_run) == ["Scheduled", "Pending", "InfrastructurePending"]


def a_failing_flow():
    bridge = Bridge()
    flow_run = bridge.prefect.add_flow_run()
    bridge.tick()
    bridge.prefect.propose(flow_run, "RUNNING")
    bridge.finish(flow_run, exit_code=1)
    bridge.tick()
    bridge.prefect.propose(flow_run, "FAILED")
    assert "Crashed" not in bridge.prefect.history(flow_run)


def without_a_transition(run):
    return {"type": "PENDING", "name": "Pending", "state_details": {}}


def by_the_http_code(code, _body, _own, _now):
    return None if code in (200, 201) else identity


def one_id_for_all_steps(run, step, attempt=None):
    del step
    return IN_FACT(run, identity.OwnTransition.CLAIM, attempt)


def without_our_pool(_pool, flow_run_id, occasion, after=None):
    return identity.uuid5(identity.NAMESPACE_URL, f"{flow_run_id}/{after}/{occasion}")


IN_FACT = identity.transition_id
NO_TIME = owed.GRACE * 0

SABOTAGES = {
    "a claim without a transition id": (a_lost_answer, [(source, "claim_state", without_a_transition)]),
    "judged by the HTTP code": (two_stores, [(source, "judged", by_the_http_code)]),
    "one id for two steps": (both_steps, [(reporting, "transition_id", one_id_for_all_steps)]),
    "CRASHED before the job could report": (a_failing_flow, [(owed, "GRACE", NO_TIME)]),
    "ids without our pool": (two_stores, [(bringing, "run_id", without_our_pool)]),
}


@pytest.mark.parametrize("name", SABOTAGES)
def test_a_rule_that_is_taken_out_is_missed(name, monkeypatch):
    scenario, patches = SABOTAGES[name]
    scenario()
    for module, attribute, value in patches:
        monkeypatch.setattr(module, attribute, value)
    with pytest.raises(AssertionError):
        scenario()
