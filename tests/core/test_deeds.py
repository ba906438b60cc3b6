"""What automations do: what they leave to be written, and what their records say."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from dispatcher.core import deeds
from dispatcher.core.automations import Look
from dispatcher.core.deeds import Deeds, firing_notification, identity
from dispatcher.models import (
    Cause,
    Hook,
    Mirror,
    Paused,
    QueueLonger,
    RetryPolicy,
    Run,
    RunLate,
    RunOf,
    RunState,
    Share,
    Target,
    Then,
    When,
)
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_deployment, a_firing, a_pool, a_queue, a_run, an_automation, an_id

FAILED = frozenset({RunState.FAILED})
LATE, LONG = When(late=RunLate(by=HOUR)), When(longer=QueueLonger(pool="pool", than=3))
POOL = a_pool(version=7, queues=["high", "default"])
ETL = a_deployment("etl", version=4)


def the_deeds(*, pools=(POOL,), deployments=(ETL,)):
    by_name = {pool.name: pool for pool in pools}, {deployment.name: deployment for deployment in deployments}
    return Deeds(pool="pool", now=NOW, read_pool=by_name[0].get, read_deployment=by_name[1].get)


def a_look(*then, when=None, runs=(), because="it happened"):
    return Look(
        automation=an_automation("a", *then, when=when, id=UUID(int=1)),
        progressed=False,
        because=because,
        occasion="x",
        runs=runs,
    )


def an_ended_run(**fields):
    return a_run(**({"state": RunState.FAILED, "deployment": "etl", "ended_at": NOW} | fields))


class TestRecord:
    def test_the_record_says_what_was_done_why_and_about_which_run(self):
        run = an_ended_run()
        look = a_look(Then(pause=Target(pool="pool")), Then(notify="ops"), Then(notify="ops"), Then(notify="chat"), runs=(run,))
        done = the_deeds()
        firing = done.act(look)
        assert firing == a_firing(
            "a",
            id=look.firing_id,
            because="it happened",
            run=run.id,
            did=("paused work pool 'pool'", "notified hook 'ops'", "notified hook 'ops'", "notified hook 'chat'"),
            paused=(Paused(target=Target(pool="pool"), paused=True, version=8),),
            hooks=("ops", "chat"),
            notify_at=NOW,
        )
        assert done.firings == [firing]

    def test_the_record_names_no_run_if_the_automation_waits_for_no_end(self):
        firing = the_deeds().act(a_look(Then(run=RunOf(deployment="etl")), when=LATE, runs=(a_run(),)))
        assert firing.run is None

    def test_nobody_is_notified_where_no_hook_is_named(self):
        firing = the_deeds().act(a_look(Then(pause=Target(pool="pool"))))
        assert (firing.hooks, firing.notify_at) == ((), None)


class TestPausing:
    @pytest.mark.parametrize(
        ("target", "words", "version"),
        [
            (Target(pool="pool"), "work pool 'pool'", 8),
            (Target(pool="pool", queue="high"), "work queue 'high' of 'pool'", 8),
            (Target(deployment="etl"), "deployment 'etl'", 5),
        ],
    )
    def test_the_record_holds_the_version_that_the_target_has_afterwards(self, target, words, version):
        done = the_deeds()
        first = done.act(a_look(Then(pause=target)))
        assert (first.did, first.paused) == (
            (f"paused {words}",),
            (Paused(target=target, paused=True, version=version),),
        )
        again = done.act(a_look(Then(pause=target)))
        assert (again.did, again.paused) == ((f"left {words} as it was: it was paused already",), ())
        back = done.act(a_look(Then(resume=target)))
        assert (back.did, back.paused) == (
            (f"resumed {words}",),
            (Paused(target=target, paused=False, version=version),),
        )

    def test_pausing_a_queue_pauses_that_queue_alone(self):
        done = the_deeds()
        done.act(a_look(Then(pause=Target(pool="pool", queue="high"))))
        [pool] = done.pools.values()
        assert (pool.paused, {queue.name: queue.paused for queue in pool.queues}) == (False, {"high": True, "default": False})

    def test_each_automation_sees_what_those_before_it_have_paused(self):
        done = the_deeds()
        for queue in ("high", "default"):
            done.act(a_look(Then(pause=Target(pool="pool", queue=queue))))
        assert [queue.paused for queue in done.pools["pool"].queues] == [True, True]
        assert done.pools["pool"].version == 7  # as it was read: it is saved once

    @pytest.mark.parametrize(
        ("target", "problem"),
        [
            (Target(pool="gone"), "no work pool named 'gone'"),
            (Target(pool="pool", queue="gone"), "no work queue named 'gone' in work pool 'pool'"),
            (Target(deployment="gone"), "no deployment named 'gone'"),
            (Target(pool="mirror"), "work pool 'mirror' is configured by its source (prefect)"),
        ],
    )
    def test_pausing_a_missing_or_mirrored_target_is_a_problem(self, target, problem):
        mirror = a_pool("mirror", mirror=Mirror(source="prefect", revision="1"))
        done = the_deeds(pools=[POOL, mirror])
        firing = done.act(a_look(Then(pause=target)))
        assert (firing.did, firing.problems, done.pools, done.deployments) == ((), (problem,), {}, {})


class TestRuns:
    def test_a_new_run_has_a_name_and_an_id_of_its_own_that_stay_when_it_is_tried_again(self):
        look = a_look(Then(run=RunOf(deployment="etl")), Then(run=RunOf(deployment="etl")), runs=(an_ended_run(),))
        first, second = the_deeds(), the_deeds()
        for done in (first, second):
            done.act(look)
        assert first.runs == second.runs
        assert len(first.runs) == 2
        for run in first.runs.values():
            assert run.name == f"etl-{run.id.hex[:8]}"
            assert (run.created_at, run.scheduled_at, run.due_at, run.deployment) == (NOW, NOW, NOW, "etl")

    @pytest.mark.parametrize(("when", "number"), [(LATE, 1), (LONG, 0)])
    def test_a_run_made_for_a_lasting_condition_begins_a_chain_and_names_no_other_run(self, when, number):
        waiting = a_run(cause=Cause(automation="other", run=None, depth=5))
        done = the_deeds()
        done.act(a_look(Then(run=RunOf(deployment="etl", chain_limit=1)), when=when, runs=(waiting,) * number))
        assert [run.cause for run in done.runs.values()] == [Cause(automation="a", run=None, depth=1)]

    def test_a_run_may_take_a_parameter_that_the_ended_run_had_by_default(self):
        source = a_deployment("source", parameters={"day": "monday", "hour": 3})
        old = an_ended_run(deployment="source", parameters={"hour": 4})
        taking = {"A": "parameters.day", "B": "parameters.hour", "C": "parameters.none"}
        done = the_deeds(deployments=[ETL, source])
        done.act(a_look(Then(run=RunOf(deployment="etl", from_run=taking)), runs=(old,)))
        assert [run.job_variables for run in done.runs.values()] == [{"A": "monday", "B": 4}]

    def test_an_automation_takes_no_values_if_no_run_ended(self):
        action = RunOf(deployment="etl", job_variables={"A": "x"}, from_run={"A": "id"})
        done = the_deeds()
        assert done.act(a_look(Then(run=action), when=LONG)).problems == ()
        assert [run.job_variables for run in done.runs.values()] == [{"A": "x"}]

    def test_a_time_becomes_a_date_for_a_parameter_that_is_one(self):
        kinds = {"date": {"type": "string", "format": "date"}, "time": {"type": "string"}, "any": True}
        target = a_deployment("target", parameter_openapi_schema={"type": "object", "properties": kinds})
        action = RunOf(deployment="target", parameters_from_run={"date": "scheduled_at", "time": "scheduled_at", "any": "name"})
        done = the_deeds(deployments=[target, ETL])
        firing = done.act(a_look(Then(run=action), runs=(an_ended_run(name="2030-01-01T12", scheduled_at=NOW),)))
        assert firing.problems == ()
        assert [run.parameters for run in done.runs.values()] == [
            {"date": "2030-01-01", "time": "2030-01-01T12:00:00+00:00", "any": "2030-01-01T12"}
        ]

    def test_parameters_that_do_not_fit_make_no_run_and_the_record_names_the_first_of_them(self):
        names = [f"p{number}" for number in range(deeds.MISFITS_SHOWN + 2)]
        target = a_deployment("target", parameter_openapi_schema={"type": "object", "required": names})
        done = the_deeds(deployments=[target])
        firing = done.act(a_look(Then(run=RunOf(deployment="target"))))
        faults = "; ".join(f"parameters.{name} is required and missing" for name in names[: deeds.MISFITS_SHOWN])
        assert (firing.problems, done.runs) == ((f"made no run of deployment 'target': {faults}",), {})

    def test_a_retry_is_the_run_again_with_what_its_pool_and_deployment_say_now(self):
        policy = RetryPolicy(attempts=3)
        old = an_ended_run(
            name="nightly",
            queue="high",
            job_variables={"command": "x"},
            parameters={"day": 1},
            tags=("t",),
            scheduled_at=NOW - HOUR,
            due_at=NOW - 50 * MINUTE,
            expires_at=NOW - 40 * MINUTE,
            retry=policy,
            attempt=3,
            exit_code=1,
        )
        pool = replace(POOL, hooks=(Hook(name="ops", states=FAILED, late_after=9 * MINUTE),))
        hooks = (Hook(name="chat", states=frozenset({RunState.CRASHED}), late_after=5 * MINUTE),)
        done = the_deeds(pools=[pool], deployments=[replace(ETL, concurrency_limit=2, hooks=hooks)])
        firing = done.act(a_look(Then(retry=True), runs=(old,)))
        [run] = done.runs.values()
        assert run == Run(
            id=run.id,
            name="nightly-retry",
            pool="pool",
            queue="high",
            deployment="etl",
            job_variables={"command": "x"},
            parameters={"day": 1},
            tags=("t",),
            created_at=NOW,
            scheduled_at=NOW - HOUR,
            due_at=NOW,
            expires_at=NOW + 10 * MINUTE,
            retry=policy,
            cause=Cause(automation="a", run=old.id, depth=1),
            lane="etl",
            notify_states=frozenset({RunState.FAILED, RunState.CRASHED}),
            notify_at=NOW + 5 * MINUTE,
        )
        assert firing.did == ("made run 'nightly-retry', which runs 'nightly' again",)

    @pytest.mark.parametrize(("then", "verb"), [(Then(retry=True), "retry"), (Then(cancel=True), "cancel")])
    def test_a_run_of_a_mirrored_pool_is_retried_and_cancelled_at_its_source(self, then, verb):
        mirror = a_pool("mirror", mirror=Mirror(source="prefect", revision="1"))
        old = an_ended_run(pool="mirror", queue="default", deployment=None, source_id="flow-run")
        done = the_deeds(pools=[POOL, mirror])
        firing = done.act(a_look(then, when=LATE if verb == "cancel" else None, runs=(old,)))
        assert firing.problems == (f"runs of work pool 'mirror' are those of prefect: {verb} them there",)
        assert (done.runs, done.moves) == ({}, {})

    def test_nothing_is_cancelled_where_one_of_the_runs_is_that_of_a_source(self):
        mirror = a_pool("mirror", mirror=Mirror(source="prefect", revision="1"))
        runs = tuple(a_run(pool="mirror", source_id=source_id) for source_id in (None, "flow-run"))
        done = the_deeds(pools=[mirror])
        firing = done.act(a_look(Then(cancel=True), when=LATE, runs=runs))
        assert firing.problems == ("runs of work pool 'mirror' are those of prefect: cancel them there",)
        assert done.moves == {}

    @pytest.mark.parametrize(("share", "lane"), [(Share.STRICT, None), (Share.FAIR, "etl")])
    @pytest.mark.parametrize("then", [Then(run=RunOf(deployment="etl")), Then(retry=True)], ids=["run", "retry"])
    def test_a_new_run_waits_in_the_lane_of_its_deployment_if_deployments_share_the_queue(self, then, share, lane):
        done = the_deeds(pools=[a_pool(queues=[a_queue(share=share)])])
        done.act(a_look(then, runs=(an_ended_run(),)))
        assert [run.lane for run in done.runs.values()] == [lane]

    @pytest.mark.parametrize("deployment", [None, "gone"])
    def test_a_retry_needs_no_deployment(self, deployment):
        old = an_ended_run(deployment=deployment)
        done = the_deeds()
        assert done.act(a_look(Then(retry=True), runs=(old,))).problems == ()
        [run] = done.runs.values()
        assert (run.deployment, run.lane, run.expires_at, run.notify_at) == (deployment, None, None, None)

    @pytest.mark.parametrize(
        ("queue", "problem"), [("high", ()), ("gone", ("no work queue named 'gone' in work pool 'pool'",))]
    )
    def test_a_retry_goes_into_the_queue_of_the_run_if_there_still_is_one(self, queue, problem):
        done = the_deeds()
        assert done.act(a_look(Then(retry=True), runs=(an_ended_run(queue=queue),))).problems == problem
        assert [run.queue for run in done.runs.values()] == ([] if problem else ["high"])

    @pytest.mark.parametrize(("depth", "is_made"), [(9, True), (10, False)])
    def test_a_run_is_retried_ten_times_in_a_row_at_the_most(self, depth, is_made):
        done = the_deeds()
        old = an_ended_run(cause=Cause(automation="a", run=an_id(), depth=depth))
        firing = done.act(a_look(Then(retry=True), runs=(old,)))
        problem = "made no run: 10 runs have already been made one because of another (`chain_limit`)"
        assert firing.problems == (() if is_made else (problem,))
        assert [run.cause.depth for run in done.runs.values()] == ([10] if is_made else [])

    def test_one_look_cancels_a_bounded_number_of_late_runs_and_names_ten(self):
        late = tuple(a_run(name=f"r{number}") for number in range(deeds.CANCELLED_AT_ONCE + 3))
        done = the_deeds()
        firing = done.act(a_look(Then(cancel=True), when=LATE, runs=late))
        assert list(done.moves) == [run.id for run in late[: deeds.CANCELLED_AT_ONCE]]
        assert {move.to for move in done.moves.values()} == {RunState.CANCELLED}
        named = "'r0', 'r1', 'r2', 'r3', 'r4', 'r5', 'r6', 'r7', 'r8', 'r9'"
        assert firing.did == (f"cancelled {deeds.CANCELLED_AT_ONCE} runs: {named}",)


def test_deeds_of_a_copy_are_not_deeds_of_the_original():
    """One automation is tried on a copy: if it raises, nothing of what it had begun is written."""
    done = the_deeds()
    everything = [
        Then(pause=Target(pool="pool")),
        Then(pause=Target(deployment="etl")),
        Then(run=RunOf(deployment="etl")),
        Then(cancel=True),
    ]
    tried = done.copy()
    tried.act(a_look(*everything, when=LATE, runs=(a_run(),)))
    assert [len(part) for part in (tried.pools, tried.deployments, tried.runs, tried.moves, tried.firings)] == [1] * 5
    assert (done.pools, done.deployments, done.runs, done.moves, done.firings) == ({}, {}, {}, {}, [])
    assert tried.copy() == tried


class TestNotification:
    def test_the_body_of_an_automations_notification_is_its_record_as_json(self):
        run = an_id()
        firing = a_firing(
            "breaker",
            "pool",
            run=run,
            fired_at=NOW + SECOND / 2,
            because="it failed",
            did=("paused work pool 'pool'",),
            problems=("no deployment named 'b'",),
        )
        assert firing_notification(firing, "ops", NOW + MINUTE) == {
            "type": "automation.fired",
            "timestamp": "2030-01-01T12:01:00+00:00",
            "data": {
                "hook": "ops",
                "automation": "breaker",
                "pool": "pool",
                "run": str(run),
                "fired_at": "2030-01-01T12:00:00.500+00:00",
                "because": "it failed",
                "did": ["paused work pool 'pool'"],
                "problems": ["no deployment named 'b'"],
            },
        }

    def test_a_firing_about_no_run_names_none(self):
        assert firing_notification(a_firing(), "ops", NOW)["data"]["run"] is None

    def test_each_hook_gets_an_id_of_its_own_that_stays(self):
        firing = a_firing()
        assert identity(firing, "ops") == identity(firing, "ops") != identity(firing, "chat")
        assert identity(firing, "ops") != identity(a_firing(), "ops")


class TestLog:
    """What an automation changes stands in the log of changes; the runs that it makes are their own record."""

    @pytest.mark.parametrize(
        ("target", "noun", "name", "path"),
        [
            (Target(pool="pool"), "work pool", "pool", "paused"),
            (Target(pool="pool", queue="high"), "work pool", "pool", "queues.high.paused"),
            (Target(deployment="etl"), "deployment", "etl", "paused"),
        ],
    )
    def test_a_pause_and_its_end_are_changes_of_a_field(self, target, noun, name, path):
        done = replace(the_deeds(), history=HOUR)
        done.act(a_look(Then(pause=target)))
        done.act(a_look(Then(resume=target)))
        first, second = done.entries
        assert (first.actor, first.via, first.verb, first.noun, first.name) == ("a", "automation", "change", noun, name)
        assert (first.note, first.changed_at, first.kept_until) == ("it happened", NOW, NOW + HOUR)
        assert [dict(entry.fields[0]) for entry in done.entries] == [
            {"action": "change", "path": path, "before": False, "after": True},
            {"action": "change", "path": path, "before": True, "after": False},
        ]
        assert first.id != second.id

    def test_a_retry_names_the_run_that_it_repeats_and_the_new_one(self):
        old, done = an_ended_run(), the_deeds()
        done.act(a_look(Then(retry=True), runs=(old,)))
        [entry], [run] = done.entries, done.runs.values()
        assert (entry.verb, entry.noun, entry.name, entry.runs, entry.kept_until) == ("retry", "run", str(old.id), 1, None)
        assert dict(entry.fields[0]) == {"path": "retry", "action": "create", "before": None, "after": str(run.id)}

    def test_cancelled_runs_are_counted_without_those_that_need_no_cancelling(self):
        late, over = a_run(), a_run(state=RunState.CANCELLED)
        done = the_deeds()
        done.act(a_look(Then(cancel=True), when=LATE, runs=(late, over)))
        [entry] = done.entries
        assert (entry.verb, entry.noun, entry.name, entry.runs) == ("cancel", "runs", "pool pool", 1)

    def test_a_pause_of_a_paused_pool_and_a_new_run_write_no_log_entry(self):
        done = the_deeds(pools=[replace(POOL, paused=True)])
        done.act(a_look(Then(pause=Target(pool="pool")), Then(run=RunOf(deployment="etl"))))
        assert done.entries == []

    def test_a_copy_has_a_log_of_its_own(self):
        done = the_deeds()
        done.copy().act(a_look(Then(pause=Target(pool="pool"))))
        assert done.entries == []
