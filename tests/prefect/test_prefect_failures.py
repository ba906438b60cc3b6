"""Busy servers, lost requests, lost answers and crashes at every call: each flow run ends right, with one job an attempt."""

import pytest

from dispatcher.errors import SourceError
from dispatcher.models import RunState
from dispatcher.prefect.server import headers_of
from dispatcher.stores.memory import MemoryStore
from providers.testing import LOST_ANSWER, LOST_REQUEST
from tests.builders import HOUR, MINUTE
from tests.prefect.stage import Bridge

CALLS = (
    "work_pools/filter",
    "queues/filter",
    "workers/heartbeat",
    "get_scheduled_flow_runs",
    "flow_runs/filter",
    "set_state",
    "flow_runs/",
)


def test_a_claim_that_a_restored_store_does_not_know_of_is_given_back_and_its_job_adopted():
    bridge = Bridge()
    bridge.tick()
    pool = bridge.store.pool("p")
    flow_runs = [bridge.prefect.add_flow_run() for _ in range(2)]
    bridge.source.started = lambda *_: None  # killed right after the submission of both
    bridge.source.report = lambda *_: []
    bridge.tick()
    assert [bridge.prefect.state(flow_run) for flow_run in flow_runs] == ["PENDING"] * 2
    bridge.store = MemoryStore()
    bridge.store.restore(pools=[pool])
    bridge.source = bridge.new_source()
    finish_all(bridge, flow_runs)
    assert_all_ended(bridge, flow_runs)


def test_a_claim_of_another_dispatcher_is_not_given_back():
    bridge = Bridge()
    flow_run = bridge.prefect.add_flow_run()
    bridge.source.started = lambda *_: None
    bridge.source.report = lambda *_: []
    bridge.tick()
    other = Bridge(bridge.prefect, pools=False)
    other.settle(2)
    assert bridge.prefect.state(flow_run) == "PENDING"
    assert other.provider.starts == {}


class Killed(BaseException):
    """The process ends here."""


def finish_all(bridge, flow_runs):
    """Jobs run and end, and tick follows tick, until nothing moves."""
    for _ in range(12):
        for flow_run in flow_runs:
            run = bridge.run_of(flow_run)
            if run and run.submission and run.submission.name in bridge.provider.live:
                bridge.prefect.propose(flow_run, "RUNNING")
                bridge.prefect.propose(flow_run, "COMPLETED")
                bridge.provider.finish(run.submission.name)
        bridge.tick()
        bridge.wait(2 * MINUTE)


def assert_all_ended(bridge, flow_runs):
    assert [bridge.prefect.state(flow_run) for flow_run in flow_runs] == ["COMPLETED"] * len(flow_runs)
    assert {bridge.run_of(flow_run).state for flow_run in flow_runs} == {RunState.COMPLETED}
    assert set(bridge.provider.starts.values()) == {1}
    assert len(bridge.provider.starts) == len(flow_runs)


@pytest.mark.parametrize("times", [pytest.param(1, marks=pytest.mark.long), 4])
@pytest.mark.parametrize("kind", ["busy", "request", "answer"])
@pytest.mark.parametrize("call", CALLS)
def test_any_call_may_fail_once_or_for_a_whole_tick(call, kind, times):
    bridge = Bridge()
    flow_runs = [bridge.prefect.add_flow_run() for _ in range(2)]
    bridge.prefect.fail(kind, call, times)
    finish_all(bridge, flow_runs)
    assert_all_ended(bridge, flow_runs)


@pytest.mark.parametrize(
    "point", [point if point % 5 == 1 else pytest.param(point, marks=pytest.mark.long) for point in range(1, 24)]
)
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_tick_may_be_killed_at_every_call_of_the_server(point, before):
    bridge = Bridge()
    flow_runs = [bridge.prefect.add_flow_run() for _ in range(2)]
    answer, count = bridge.prefect.answer, [0]

    def deadly(request):
        count[0] += 1
        if count[0] == point and before:
            raise Killed
        answered = answer(request)
        if count[0] == point:
            raise Killed
        return answered

    bridge.prefect.answer = deadly
    bridge.source = bridge.new_source()
    try:
        bridge.tick()
    except Killed:
        pass
    else:
        assert point > count[0], "the tick has made fewer calls"
    bridge.prefect.answer = answer
    bridge.source = bridge.new_source()
    bridge.wait(10 * MINUTE)
    finish_all(bridge, flow_runs)
    assert_all_ended(bridge, flow_runs)


@pytest.mark.parametrize("lost", [LOST_ANSWER, LOST_REQUEST])
@pytest.mark.parametrize("kind", ["busy", "answer"])
def test_both_sides_may_fail_at_once(lost, kind):
    bridge = Bridge()
    flow_runs = [bridge.prefect.add_flow_run() for _ in range(2)]
    bridge.provider.script("submit", lost)
    bridge.prefect.fail(kind, "set_state", 3)
    finish_all(bridge, flow_runs)
    assert_all_ended(bridge, flow_runs)


def test_a_server_that_is_down_ends_no_tick_and_keeps_other_pools_going():
    bridge = Bridge()
    bridge.prefect.fail("request", "", 1000)
    report = bridge.tick()
    assert len(report.problems) == 1
    assert "Prefect at http://prefect/api: work_pools/filter: no answer (ConnectError)" in report.problems[0]


def test_a_busy_call_is_repeated_a_bounded_number_of_times():
    bridge = Bridge()
    bridge.prefect.fail("busy", "admin", 1000)
    began = bridge.clock.time
    with pytest.raises(SourceError, match="answered 503"):
        bridge.source.server.version()
    assert len(bridge.prefect.calls) == 4
    assert (bridge.clock.time - began).total_seconds() < 8


def test_a_tick_costs_what_it_starts_not_what_waits():
    few, many = Bridge(), Bridge()
    for bridge, waiting in ((few, 3), (many, 190)):
        bridge.prefect.pools["p"]["concurrency_limit"] = 2
        for _ in range(waiting):
            bridge.prefect.add_flow_run()
        bridge.tick()
        bridge.prefect.calls.clear()
        bridge.tick()
    assert many.prefect.counts() == few.prefect.counts()
    assert sum(many.prefect.counts().values()) <= 10


def test_a_tick_makes_as_many_calls_for_many_queues_as_for_one():
    one, many = Bridge(pools=False), Bridge(pools=False)
    one.prefect.add_pool()
    many.prefect.add_pool(queues=[(f"q{number}", number) for number in range(1, 20)])
    for bridge, queues in ((one, ["default"] * 19), (many, [f"q{number}" for number in range(1, 20)])):
        flow_runs = [bridge.prefect.add_flow_run(queue=queue) for queue in queues]
        bridge.tick()
        assert all(bridge.run_of(flow_run) is not None for flow_run in flow_runs)
        bridge.prefect.calls.clear()
        bridge.tick()
    assert many.prefect.counts() == one.prefect.counts()


def test_a_queue_with_more_than_a_page_hides_no_other():
    bridge = Bridge(pools=False)
    bridge.prefect.add_pool(queues=(("first", 1), ("second", 2)))
    bridge.prefect.pools["p"]["concurrency_limit"] = 1
    for _ in range(230):
        bridge.prefect.add_flow_run(queue="first", at=bridge.clock.time - HOUR)
    late = bridge.prefect.add_flow_run(queue="second")
    bridge.tick()
    assert bridge.run_of(late) is not None


def test_a_dispatcher_says_who_it_is_as_prefects_own_client_does():
    assert headers_of({}) == {}
    assert headers_of({"PREFECT_API_KEY": "k"}) == {"Authorization": "Bearer k"}
    both = {"PREFECT_API_KEY": "k", "PREFECT_API_AUTH_STRING": "admin:pass"}
    assert headers_of(both) == {"Authorization": "Basic YWRtaW46cGFzcw=="}
