"""Ticks between a Prefect server and a provider: every flow run comes to its right end, with one job for each attempt."""

import pytest

from dispatcher.models import RunState, submission_name
from dispatcher.prefect.owed import GRACE
from providers.base import Rejected, Throttled
from providers.testing import LOST_ANSWER
from tests.builders import HOUR, MINUTE, SECOND
from tests.prefect.emulated import EmulatedPrefect
from tests.prefect.stage import Bridge


@pytest.fixture
def bridge():
    return Bridge()


@pytest.fixture
def prefect(bridge) -> EmulatedPrefect:
    return bridge.prefect


def test_a_flow_run_starts_shows_where_it_runs_and_completes(bridge, prefect):
    flow_run = prefect.add_flow_run("quiet-otter", tags=["a"])
    report = bridge.tick()
    assert (report.problems, report.pools[0].submitted) == ([], 1)
    run = bridge.run_of(flow_run)
    name = submission_name(run.id, 1)
    assert (run.name, run.tags, run.source_id) == ("quiet-otter", ("a",), flow_run)
    assert prefect.flow_runs[flow_run]["infrastructure_pid"] == name
    assert prefect.history(flow_run) == ["Scheduled", "Pending", "InfrastructurePending"]
    prefect.propose(flow_run, "RUNNING")
    prefect.propose(flow_run, "COMPLETED")
    bridge.finish(flow_run)
    bridge.settle()
    assert (prefect.state(flow_run), bridge.run_of(flow_run).state) == ("COMPLETED", RunState.COMPLETED)
    assert bridge.provider.starts == {name: 1}


def test_a_job_that_crashes_is_reported_as_crashed_with_its_reason(bridge, prefect):
    flow_run = prefect.add_flow_run()
    bridge.tick()
    bridge.finish(flow_run, exit_code=3)
    bridge.tick()
    assert prefect.state(flow_run) == "PENDING", "its own report may be on its way"
    bridge.wait(GRACE)
    bridge.tick()
    assert prefect.state(flow_run) == "CRASHED"
    assert prefect.message(flow_run).startswith("Flow run infrastructure exited with non-zero status code 3.")


def test_a_flow_that_fails_reports_this_itself_and_stays_failed(bridge, prefect):
    flow_run = prefect.add_flow_run()
    bridge.tick()
    prefect.propose(flow_run, "RUNNING")
    bridge.finish(flow_run, exit_code=1)
    bridge.tick()
    prefect.propose(flow_run, "FAILED")
    bridge.settle()
    assert prefect.state(flow_run) == "FAILED"
    assert "Crashed" not in prefect.history(flow_run)


def test_a_job_that_succeeds_without_a_word_is_crashed_in_the_end(bridge, prefect):
    flow_run = prefect.add_flow_run()
    bridge.tick()
    prefect.propose(flow_run, "RUNNING")
    bridge.finish(flow_run)
    bridge.tick()
    assert prefect.state(flow_run) == "RUNNING"
    bridge.wait(GRACE)
    bridge.tick()
    assert prefect.state(flow_run) == "CRASHED"


def test_cancelling_a_running_flow_run_stops_its_job_and_is_confirmed_when_the_end_is_seen(bridge, prefect):
    flow_run = prefect.add_flow_run()
    bridge.tick()
    prefect.propose(flow_run, "RUNNING")
    prefect.propose(flow_run, "CANCELLING")
    bridge.tick()
    assert (prefect.state(flow_run), bridge.run_of(flow_run).state) == ("CANCELLING", RunState.CANCELLING)
    assert [operation for operation, _ in bridge.provider.calls].count("cancel") == 1, "in the same tick"
    bridge.settle()
    assert (prefect.state(flow_run), bridge.run_of(flow_run).state) == ("CANCELLED", RunState.CANCELLED)


def test_a_flow_run_that_was_cancelled_while_it_waited_never_starts(bridge, prefect):
    prefect.pools["p"]["is_paused"] = True
    flow_run = prefect.add_flow_run()
    bridge.tick()
    assert bridge.run_of(flow_run).state is RunState.SCHEDULED
    prefect.propose(flow_run, "CANCELLING")
    prefect.pools["p"]["is_paused"] = False
    bridge.settle()
    assert (prefect.state(flow_run), bridge.run_of(flow_run).state) == ("CANCELLED", RunState.CANCELLED)
    assert bridge.provider.starts == {}


def test_a_worker_that_took_a_flow_run_first_keeps_it(bridge, prefect):
    flow_run = prefect.add_flow_run()
    bridge.source.server.flow_run = lambda _: pytest.fail("it is not ours")
    claim = bridge.source.may_start

    def late(run):
        prefect.propose(flow_run, "PENDING")
        return claim(run)

    bridge.source.may_start = late
    report = bridge.tick()
    assert (report.pools[0].withdrawn, bridge.provider.starts) == (1, {})
    prefect.propose(flow_run, "RUNNING")
    prefect.flow_runs[flow_run]["infrastructure_pid"] = "cluster::arn:aws:ecs:task"
    bridge.settle()
    assert prefect.state(flow_run) == "RUNNING", "nothing is reported of what is not ours"
    prefect.propose(flow_run, "CANCELLING")
    bridge.settle()
    assert prefect.state(flow_run) == "CANCELLING", "the worker ends it"


def test_a_run_that_is_not_a_flow_run_is_cancelled_when_its_turn_comes(bridge, prefect):
    bridge.tick()
    [stranger] = bridge.add(pool="p")
    bridge.settle(2)
    run = bridge.store.get(stranger.id)
    assert (run.state, run.reason) == (RunState.CANCELLED, "it is not a flow run of the Prefect server that its pool mirrors")
    assert bridge.provider.starts == {}


def test_a_crashed_flow_run_that_is_retried_from_the_page_gets_a_run_of_its_own(bridge, prefect):
    flow_run = prefect.add_flow_run()
    bridge.tick()
    bridge.finish(flow_run, exit_code=137)
    bridge.settle()
    assert prefect.state(flow_run) == "CRASHED"
    prefect.propose(flow_run, "SCHEDULED", "AwaitingRetry", scheduled_time=bridge.clock.time.isoformat())
    bridge.tick()
    prefect.propose(flow_run, "RUNNING")
    prefect.propose(flow_run, "COMPLETED")
    bridge.finish(flow_run)
    bridge.settle()
    runs = bridge.runs_of(flow_run)
    assert len({run.id for run in runs}) == 2
    assert sorted(bridge.provider.starts.values()) == [1, 1]
    assert prefect.state(flow_run) == "COMPLETED"


def test_an_attempt_that_its_own_process_starts_is_left_alone(bridge, prefect):
    flow_run = prefect.add_flow_run(empirical_policy={"retry_type": "in_process"})
    bridge.settle()
    assert (bridge.run_of(flow_run), prefect.history(flow_run)) == (None, ["Scheduled"])


@pytest.mark.parametrize(("strategy", "end"), [("ENQUEUE", "PENDING"), ("CANCEL_NEW", "CANCELLED")])
def test_a_full_deployment_lets_a_flow_run_wait_or_cancels_it(bridge, prefect, strategy, end):
    deployment = prefect.add_deployment(limit=1, strategy=strategy)
    first = prefect.add_flow_run("first", deployment=deployment)
    bridge.tick()
    second = prefect.add_flow_run("second", deployment=deployment)
    bridge.tick()
    assert len(bridge.provider.starts) == 1
    prefect.propose(first, "RUNNING")
    prefect.propose(first, "COMPLETED")
    bridge.finish(first)
    bridge.wait(MINUTE)
    bridge.settle(2)
    assert prefect.state(second) == end
    assert len(bridge.provider.starts) == (2 if strategy == "ENQUEUE" else 1)
    assert len(bridge.runs_of(second)) == 1


def test_a_flow_run_whose_job_is_refused_is_crashed_with_the_providers_words(bridge, prefect):
    flow_run = prefect.add_flow_run()
    bridge.provider.script("submit", Rejected(reason="AccessDenied: no"))
    bridge.tick()
    assert (prefect.state(flow_run), prefect.message(flow_run)) == ("CRASHED", "AccessDenied: no")


def test_a_throttled_flow_run_is_given_back_until_it_is_tried_again(bridge, prefect):
    flow_run = prefect.add_flow_run()
    bridge.provider.script("submit", Throttled(reason="slow down", retry_after=300.0, hold=None))
    bridge.tick()
    assert (prefect.state(flow_run), bridge.run_of(flow_run).attempt) == ("SCHEDULED", 2)
    bridge.settle(2)
    assert prefect.state(flow_run) == "SCHEDULED"
    bridge.wait(4 * MINUTE)
    bridge.tick()
    assert prefect.state(flow_run) == "PENDING"
    assert bridge.provider.starts == {submission_name(bridge.run_of(flow_run).id, 2): 1}


def test_a_deleted_flow_run_is_stopped(bridge, prefect):
    flow_run = prefect.add_flow_run()
    bridge.tick()
    del prefect.flow_runs[flow_run]
    bridge.wait(MINUTE)
    bridge.settle()
    assert bridge.run_of(flow_run).state is RunState.CANCELLED


def test_a_deleted_flow_run_that_waits_is_cancelled_when_its_turn_comes(bridge, prefect):
    prefect.pools["p"]["concurrency_limit"] = 0
    flow_run = prefect.add_flow_run()
    bridge.tick()
    del prefect.flow_runs[flow_run]
    prefect.pools["p"]["concurrency_limit"] = 1
    bridge.tick()
    assert (bridge.run_of(flow_run).state, bridge.provider.starts) == (RunState.CANCELLED, {})


def test_a_flow_run_of_the_future_starts_when_it_is_due(bridge, prefect):
    flow_run = prefect.add_flow_run(at=bridge.clock.time + HOUR)
    soon = prefect.add_flow_run(at=bridge.clock.time + 30 * SECOND)
    bridge.tick()
    assert (bridge.run_of(flow_run), bridge.run_of(soon).state) == (None, RunState.SCHEDULED)
    bridge.wait(MINUTE)
    bridge.tick()
    assert bridge.run_of(soon).state is RunState.PENDING


def test_a_late_flow_run_stays_the_same_occasion(bridge, prefect):
    prefect.pools["p"]["is_paused"] = True
    flow_run = prefect.add_flow_run()
    bridge.tick()
    prefect.flow_runs[flow_run]["state"]["name"] = "Late"
    bridge.settle()
    assert len(bridge.runs_of(flow_run)) == 1


def test_the_limit_holds_between_two_dispatchers_with_one_store(bridge, prefect):
    prefect.pools["p"]["concurrency_limit"] = 2
    for _ in range(6):
        prefect.add_flow_run()
    bridge.tick()
    bridge.source = bridge.new_source()
    bridge.tick()
    assert bridge.provider.peak_live == 2
    states = sorted(run["state"]["type"] for run in prefect.flow_runs.values())
    assert states == ["PENDING"] * 2 + ["SCHEDULED"] * 4


def test_two_dispatchers_with_two_stores_start_no_flow_run_twice(bridge, prefect):
    other = Bridge(prefect, pools=False)
    flow_runs = [prefect.add_flow_run() for _ in range(4)]
    bridge.source.bring(None, bridge.clock.time + MINUTE)
    other.tick()
    bridge.settle(2)
    assert (len(other.provider.starts), len(bridge.provider.starts)) == (4, 0)
    assert [prefect.state(flow_run) for flow_run in flow_runs] == ["PENDING"] * 4


def test_a_lost_answer_of_the_provider_is_looked_up_and_adopted(bridge, prefect):
    flow_run = prefect.add_flow_run()
    bridge.provider.script("submit", LOST_ANSWER)
    bridge.tick()
    assert prefect.flow_runs[flow_run]["infrastructure_pid"] is None
    bridge.settle(2, every=2 * MINUTE)
    run = bridge.run_of(flow_run)
    assert prefect.flow_runs[flow_run]["infrastructure_pid"] == submission_name(run.id, 1)
    assert list(bridge.provider.starts.values()) == [1]


def test_the_end_of_an_earlier_job_does_not_end_the_job_of_another_dispatcher(bridge, prefect):
    flow_run = prefect.add_flow_run()
    bridge.tick()
    bridge.finish(flow_run, exit_code=137)
    bridge.settle()
    assert prefect.state(flow_run) == "CRASHED"
    prefect.propose(flow_run, "SCHEDULED", "AwaitingRetry", scheduled_time=bridge.clock.time.isoformat())
    other = Bridge(prefect, pools=False)
    other.clock.time = bridge.clock.time
    other.tick()
    assert len(other.provider.starts) == 1
    prefect.propose(flow_run, "RUNNING")
    bridge.settle()
    assert prefect.state(flow_run) == "RUNNING"


def test_a_job_without_an_answer_that_its_provider_has_forgotten_ends_its_flow_run(bridge, prefect):
    flow_run = prefect.add_flow_run()
    bridge.provider.script("submit", LOST_ANSWER)
    bridge.tick()
    prefect.propose(flow_run, "RUNNING")
    bridge.provider.finish(next(iter(bridge.provider.starts)))
    bridge.wait(48 * HOUR)
    bridge.settle()
    assert (bridge.run_of(flow_run).state, prefect.state(flow_run)) == (RunState.CRASHED, "CRASHED")
