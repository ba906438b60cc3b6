"""The list of `dispatcher.ticking.line`, step by step."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

import pytest

from dispatcher.models import RunState, submission_name
from dispatcher.stores.memory import MemoryStore
from dispatcher.ticking import dry_run
from dispatcher.ticking.report import MAX_STEPS
from providers.base import JobState, Observation, ProviderUnavailable, Rejected
from providers.testing import LOST_ANSWER, FakeProvider, Remembers
from tests.builders import MINUTE, NOW, SECOND, a_deployment, a_pool, a_queue, a_run
from tests.tick.stage import LIMITS, LONGEST_LEASE, Stage


def name(run, attempt=1):
    return submission_name(run.id, attempt)


def test_a_due_run_is_claimed_rendered_submitted_and_recorded():
    stage = Stage()
    [run] = stage.add(job_variables={"command": "date", "env": {"A": "1"}})
    report = stage.tick_pool()
    assert (report.claimed, report.submitted, report.outcomes) == (1, 1, {str(run.id): "PENDING"})
    stored = stage.get(run)
    assert (stored.state, stored.fence, stored.claimed_at, stored.lease_until) == (RunState.PENDING, 1, NOW, None)
    assert stored.submitted_at == NOW
    assert stored.submission.name == name(run)
    [started] = stage.provider.jobs
    assert started.job.configuration == {"command": "date", "env": {"A": "1"}} == stored.job.configuration
    assert started.job.environment["DISPATCHER_RUN_ID"] == str(run.id)
    assert started.job.labels["push-dispatcher/run_id"] == str(run.id)


def test_the_next_ticks_see_the_job_run_and_end_and_free_its_slot():
    stage = Stage(a_pool(limit=1))
    first, second = stage.add(2)
    stage.tick()
    assert stage.tick_pool().started == 1
    assert stage.states(first, second) == ["RUNNING", "SCHEDULED"]
    stage.wait(MINUTE)
    stage.provider.finish(name(first), exit_code=3)
    report = stage.tick_pool()
    assert (report.live, report.ended, report.submitted) == (1, 1, 1)
    ended = stage.get(first)
    assert (ended.state, ended.exit_code, ended.ended_at, ended.reason) == (RunState.FAILED, 3, NOW + MINUTE, "exit code 3")
    assert stage.states(second) == ["PENDING"]
    assert stage.provider.peak_live == 1


@pytest.mark.parametrize(("own", "live"), [(None, 2), (5, 2), (1, 1)])
def test_the_smaller_of_the_pools_limit_and_its_providers_holds(own, live):
    stage = Stage(a_pool(limit=own), pool_limit=2)
    stage.add(4)
    report = stage.tick_pool()
    assert (report.submitted, report.barriers) == (live, {"default": "POOL_FULL"})
    assert stage.tick_pool().submitted == 0
    assert stage.provider.peak_live == live


def test_queues_are_served_by_priority_and_limits_hold():
    stage = Stage(a_pool(limit=4, queues=[a_queue("critical", 1, 1), a_queue("high", 5, 2), a_queue("default", 10)]))
    low, high, critical = stage.add(3), stage.add(3, queue="high"), stage.add(3, queue="critical")
    report = stage.tick_pool(batch=2)
    assert [started.job.name for started in stage.provider.jobs] == [name(run) for run in (critical[0], *high[:2], low[0])]
    assert report.barriers == dict.fromkeys(("critical", "high", "default"), "POOL_FULL")


def test_a_run_that_cannot_be_rendered_crashes_and_stops_no_other():
    stage = Stage()
    bad, good = a_run(deployment="gone"), a_run()
    stage.store.add_runs([bad, good])
    report = stage.tick_pool()
    assert (report.rejected, report.submitted) == (1, 1)
    assert stage.states(bad, good) == ["CRASHED", "PENDING"]
    assert "deployment 'gone' no longer exists" in stage.get(bad).reason
    assert len(stage.logged("run.answered")) == 2


def test_a_run_of_a_deployment_is_rendered_from_it_as_it_is_now():
    stage = Stage()
    saved = stage.store.save_deployment(a_deployment(job_variables={"command": "old"}), expected_version=None, now=NOW)
    stage.add(deployment="deployment")
    stage.store.save_deployment(a_deployment(id=saved.id, job_variables={"command": "new"}), expected_version=1, now=NOW)
    stage.tick()
    assert stage.provider.jobs[0].job.configuration["command"] == "new"
    assert stage.provider.jobs[0].job.environment["DISPATCHER_DEPLOYMENT"] == "deployment"


def test_a_run_that_the_provider_rejects_crashes_with_its_words():
    stage = Stage()
    first, second = stage.add(2)
    stage.provider.script("submit", Rejected(reason="no such image"))
    report = stage.tick_pool()
    assert (report.rejected, report.submitted) == (1, 1)
    crashed = stage.get(first)
    assert (crashed.state, crashed.reason, crashed.ended_at) == (RunState.CRASHED, "no such image", NOW)
    assert stage.states(second) == ["PENDING"]


def test_a_pool_is_claimed_in_batches_and_no_more_in_all_than_the_limit_says():
    stage = Stage()
    stage.add(25)
    report = stage.tick_pool(batch=4, claims=10)
    assert (report.claimed, report.submitted) == (10, 10)
    assert stage.tick_pool(batch=4, claims=10).claimed == 10
    assert stage.tick_pool(batch=4, claims=10).claimed == 5


def test_live_jobs_are_observed_by_batch_and_what_could_not_be_read_waits_and_is_reported():
    stage = Stage(observe_batch=2)
    stage.add(5)
    stage.tick()
    stage.provider.calls.clear()
    stage.provider.script("observe", LOST_ANSWER)
    report = stage.tick_pool()
    assert stage.provider.calls.count(("observe", "")) == 3
    assert (report.live, report.started) == (5, 3)
    assert report.problem.startswith("2 of 5 live jobs could not be looked at: ")
    report = stage.tick_pool()
    assert (report.started, report.problem) == (2, "")


def test_a_job_that_does_not_start_in_time_is_stopped_and_crashes():
    stage = Stage(start_deadline=60.0)
    [run] = stage.add()
    stage.tick()
    stage.provider.jobs[0].seen = Observation(state=JobState.STARTING, reason="no node")
    stage.wait(MINUTE)
    assert stage.tick_pool().live == 1
    assert stage.states(run) == ["PENDING"]
    stage.wait(SECOND)
    stage.tick()
    assert (stage.states(run), stage.get(run).ending) == (["CANCELLING"], RunState.CRASHED)
    stage.tick()
    assert stage.states(run) == ["CRASHED"]
    assert stage.get(run).reason == "did not start within 60 s of its submission. no node"


def test_a_job_that_is_missing_has_ended_once_it_has_had_time_to_show_up():
    stage = Stage()
    [run] = stage.add()
    stage.tick()
    stage.provider._kept.clear()
    stage.wait(timedelta(seconds=30) + 10 * SECOND)
    assert stage.tick_pool().ended == 0
    stage.wait(SECOND)
    assert stage.tick_pool().ended == 1
    assert stage.states(run) == ["CRASHED"]
    assert "no longer knows how it ended" in stage.get(run).reason


def test_leftovers_of_an_ended_job_are_removed():
    stage = Stage(remembers=Remembers.OBJECT, lingers=True, memory=None)
    [run] = stage.add()
    stage.tick()
    stage.provider.finish(name(run))
    assert stage.tick_pool().discarded == 0
    assert stage.get(run).lingers
    stage.wait(LONGEST_LEASE + SECOND)
    assert stage.tick_pool().discarded == 1
    assert not stage.get(run).lingers
    assert stage.tick_pool().discarded == 0


def test_a_pool_whose_provider_cannot_be_used_is_reported_and_the_others_are_ticked():
    stage = Stage(a_pool("first"), a_pool("second", type="other"), a_pool("third"))
    runs = [stage.add(pool=pool)[0] for pool in ("first", "second", "third")]

    def providers(pool_type):
        if pool_type == "other":
            raise ProviderUnavailable("install it")
        return stage.provider

    stage.providers = providers
    report = stage.tick()
    assert report.problems == ["second: install it"]
    assert stage.states(*runs) == ["PENDING", "SCHEDULED", "PENDING"]
    assert stage.logged("pool.problem") == [("pool.problem", {"pool": "second", "problem": "install it"})]
    assert len(stage.logged("tick.pool")) == 3


def test_pools_that_the_deadline_leaves_out_are_reported():
    stage = Stage(a_pool("a"), a_pool("b"), a_pool("c"))
    late = stage.tick(lasts=0 * SECOND, pools=["a", "b", "c"])
    assert (late.pools, sorted(late.skipped)) == ([], ["a", "b", "c"])
    assert stage.provider.calls == []


def test_only_the_pools_that_are_named_are_ticked():
    stage = Stage(a_pool("a"), a_pool("b"))
    assert [pool.pool for pool in stage.tick(pools=["b", "nope"]).pools] == ["b"]


def test_a_pool_that_is_deleted_while_it_is_ticked_is_not_a_problem():
    stage = Stage()
    pool = stage.store.pool("pool")
    stage.providers = lambda _type: stage.store.delete_pool("pool", expected_version=pool.version) or stage.provider
    assert stage.tick_pool().problem == ""


def test_every_decision_is_one_event():
    stage = Stage(a_pool(limit=2))
    done, refused, _ = stage.add(3)
    stage.provider.script("submit", Rejected(reason="no"))
    stage.tick()
    assert [(event, fields.get("answer")) for event, fields in stage.events] == [
        ("run.admitted", None),
        ("run.admitted", None),
        ("run.answered", "Rejected"),
        ("run.answered", "Accepted"),
        ("run.admitted", None),
        ("run.answered", "Accepted"),
        ("tick.pool", None),
    ]
    place = {"run": done.id, "pool": "pool", "queue": "default", "attempt": 1}
    assert stage.events[0][1] == {**place, "fence": 1, "waited": 0.0}
    call = {"called_at": NOW, "seconds": 0.0, "since_claim": 0.0}
    assert stage.events[2][1] == {**place, "answer": "Rejected", "to": "CRASHED", "reason": "no", **call}
    stage.events.clear()
    stage.provider.finish(name(refused))
    stage.tick()
    assert [(event, fields.get("to")) for event, fields in stage.events] == [
        ("run.moved", "COMPLETED"),
        ("run.moved", "RUNNING"),
        ("tick.pool", None),
    ]


def test_a_dry_run_shows_the_decision_of_a_tick_and_leaves_no_trace():
    stage = Stage(a_pool(limit=2))
    stage.store.add_runs([a_run(deployment="gone")])
    runs = stage.add(3)
    before = stage.contents()
    decision, report = dry_run(stage.dispatch(), stage.store.pool("pool"))
    assert [grant.run.id for grant in decision.grants] == [runs[0].id]
    assert [reason for _, reason in decision.crashes] == [
        "deployment 'gone' no longer exists, and the run needs its job variables"
    ]
    assert report.barriers == {"default": "EARLIER_RUNS"}
    assert (stage.contents(), stage.provider.calls, stage.events) == (before, [], [])
    stage.tick()
    assert stage.get(runs[0]).job == decision.grants[0].job


def test_a_dry_run_looks_at_live_jobs_as_a_tick_does_and_records_nothing():
    stage = Stage(a_pool(limit=1))
    first, second = stage.add(2)
    stage.tick()
    assert dry_run(stage.dispatch(), stage.store.pool("pool"))[0].grants == ()
    stage.provider.finish(submission_name(first.id, 1))
    before = stage.contents()
    decision, report = dry_run(stage.dispatch(), stage.store.pool("pool"))
    assert [grant.run.id for grant in decision.grants] == [second.id]
    assert report.live == 1
    assert stage.contents() == before
    assert stage.tick().pools[0].claimed == 1


def test_a_dry_run_of_a_pool_that_is_gone_decides_nothing():
    stage = Stage()
    pool = a_pool("gone")
    decision, report = dry_run(stage.dispatch(), pool)
    assert (decision.grants, decision.crashes, asdict(report)["pool"]) == ((), (), "gone")


def test_admitting_the_next_looks_at_nothing_that_is_live():
    stage = Stage(a_pool(limit=1))
    first, second = stage.add(2)
    stage.admit_next()
    assert stage.states(first, second) == ["PENDING", "SCHEDULED"]
    assert stage.admit_next().submitted == 0
    assert {operation for operation, _ in stage.provider.calls} == {"submit"}
    assert stage.admit_next("nope").submitted == 0


@pytest.mark.parametrize("threads", [1, 8])
def test_a_backlog_through_few_slots_ends_each_run_once(threads):
    stage = Stage(a_pool(limit=7), store=MemoryStore(), concurrency=threads)
    runs = stage.add(60)
    for _ in range(100):
        stage.tick(batch=5)
        for live in stage.provider.live:
            stage.provider.finish(live)
        stage.wait(SECOND)
    assert set(stage.states(*runs)) == {"COMPLETED"}
    assert stage.provider.starts == {name(run): 1 for run in runs}
    assert stage.provider.peak_live == 7


def test_a_report_says_what_slots_and_waiting_runs_a_tick_left():
    stage = Stage(
        a_pool(limit=3, queues=[a_queue("critical", 1, 1), a_queue("high", 5), a_queue("low", 9), a_queue("default", 10)])
    )
    stage.add(2, queue="critical", due_at=NOW - 3 * MINUTE)
    stage.add(1, queue="high")
    stage.add(2, due_at=NOW - MINUTE)
    report = asdict(stage.tick_pool(heads=10))
    assert (report["limit"], report["barriers"]["default"]) == (3, "POOL_FULL")
    assert report["queues"] == {
        "critical": {"in_use": 1, "limit": 1, "waiting": True, "oldest_wait": 180.0},
        "high": {"in_use": 1, "limit": None, "waiting": False, "oldest_wait": 0.0},
        "low": {"in_use": 0, "limit": None, "waiting": False, "oldest_wait": 0.0},
        "default": {"in_use": 1, "limit": None, "waiting": True, "oldest_wait": 60.0},
    }


def test_a_tick_reads_the_heads_of_the_requested_number_of_queues_and_of_none_by_default():
    stage = Stage(a_pool(paused=True, queues=["default", "other"]))
    stage.add(1)
    stage.add(1, queue="other")
    assert [queue.waiting for queue in stage.tick_pool(heads=1).queues.values()] == [True, None]
    assert [queue.waiting for queue in stage.tick_pool().queues.values()] == [None, None]


class SlowProvider(FakeProvider):
    """A submission takes it a second of the stage's time."""

    def __init__(self, stage):
        super().__init__(clock=stage.clock.now, limits=LIMITS)
        self._wait = stage.wait

    def submit(self, job):
        self._wait(SECOND)
        return super().submit(job)


def test_a_report_says_how_long_each_step_took():
    stage = Stage()
    stage.add()
    stage.providers = lambda _type: SlowProvider(stage)
    report = stage.tick_pool()
    steps = [(step.step, step.after, step.seconds) for step in report.steps]
    assert steps == [
        ("observe", 0.0, 0.0),
        ("settle", 0.0, 0.0),
        ("stop", 0.0, 0.0),
        ("expire", 0.0, 0.0),
        ("claim", 0.0, 0.0),
        ("submit", 0.0, 1.0),
        ("claim", 1.0, 0.0),
        ("materialise", 1.0, 0.0),
        ("tidy", 1.0, 0.0),
    ]
    assert (report.began_at, report.seconds) == (NOW.isoformat(), 1.0)
    [(_, answered)] = stage.logged("run.answered")
    assert (answered["called_at"], answered["seconds"], answered["since_claim"]) == (NOW, 1.0, 1.0)


def test_the_steps_of_a_report_are_bounded():
    stage = Stage()
    stage.add(MAX_STEPS)
    assert len(stage.tick_pool(batch=1).steps) == MAX_STEPS
