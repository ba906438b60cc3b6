"""When automations act on ends, which ends are owed to them, what they count, and who paused a pool or queue."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from dispatcher.core.automations import at_end, owed_since, paused_by, saving, watch_of, with_renamed
from dispatcher.models import (
    Paused,
    PoolHeld,
    PoolNotTicked,
    Progress,
    QueueLonger,
    RunEnded,
    RunLate,
    RunOf,
    RunState,
    SeenEnd,
    Target,
    Then,
    When,
)
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_firing, a_pool, a_run, an_automation, an_id

COMPLETED, FAILED, CRASHED, CANCELLED = RunState.COMPLETED, RunState.FAILED, RunState.CRASHED, RunState.CANCELLED


POOL = a_pool(version=3)


def an_end(state=FAILED, *, ago=0, **fields):
    return a_run(state=state, ended_at=NOW - ago * MINUTE, **fields)


def failures(*then, **fields):
    """An automation that looks at runs that end FAILED; it is an hour old."""
    return an_automation("failures", *then, **({"states": frozenset({FAILED}), "created_at": NOW - HOUR} | fields))


def after(automation, *runs):
    """What it makes of the ends, one after the other: the last look."""
    for run in runs:
        look = at_end(automation, run)
        automation = look.automation
    return look


class TestOwed:
    """A store notes with an end that automations are still to look at it."""

    @pytest.mark.parametrize(
        ("fields", "is_owed"),
        [
            ({}, True),
            ({"pool": "pool"}, True),
            ({"pool": "other"}, False),
            ({"deployment": "etl"}, True),
            ({"deployment": "other"}, False),
            ({"pool": "pool", "deployment": "other"}, False),
            ({"pool": "other", "deployment": "etl"}, False),
            ({"states": frozenset({CRASHED, FAILED})}, True),
            ({"states": frozenset({CRASHED})}, False),
            ({"states": frozenset({CRASHED}), "count": 2}, True),
            ({"states": frozenset({CRASHED}), "of_last": 1}, True),
            ({"paused": True}, False),
            ({"when": When(late=RunLate(by=HOUR))}, False),
        ],
    )
    def test_an_end_is_owed_to_an_automation_that_looks_at_it(self, fields, is_owed):
        run = a_run(deployment="etl", state=RunState.RUNNING)
        automation = an_automation(**fields) if "when" in fields else failures(**fields)
        assert owed_since(run, FAILED, NOW, [watch_of(automation)]) == (NOW if is_owed else None)

    def test_an_end_is_owed_if_one_of_many_automations_looks_at_it(self):
        run, watches = a_run(state=RunState.RUNNING), [watch_of(failures(pool="other")), watch_of(failures())]
        assert owed_since(run, FAILED, NOW, watches) == NOW
        assert owed_since(run, FAILED, NOW, []) is None

    @pytest.mark.parametrize("state", [RunState.SCHEDULED, RunState.RUNNING, RunState.CANCELLING])
    def test_only_ends_are_owed_to_automations(self, state):
        assert owed_since(a_run(state=RunState.RUNNING), state, NOW, [watch_of(failures())]) is None

    def test_an_ended_run_keeps_what_it_owes_and_owes_nothing_twice(self):
        owing, settled = an_end(automate_at=NOW - MINUTE), an_end()
        watches = [watch_of(failures())]
        assert owed_since(owing, FAILED, NOW, watches) == NOW - MINUTE
        assert owed_since(settled, FAILED, NOW, watches) is None

    def test_a_cancelled_run_does_not_count_among_the_last_ends_unless_the_automation_names_it(self):
        run = a_run(state=RunState.RUNNING)
        assert owed_since(run, CANCELLED, NOW, [watch_of(failures(count=3))]) is None
        assert owed_since(run, CANCELLED, NOW, [watch_of(failures(count=3, states=frozenset({CANCELLED})))]) == NOW


class TestWatch:
    @pytest.mark.parametrize(
        ("when", "pools"),
        [
            (When(late=RunLate(by=HOUR)), {"pool", "other"}),
            (When(late=RunLate(by=HOUR, pool="pool")), {"pool"}),
            (When(held=PoolHeld(pool="pool")), {"pool"}),
            (When(longer=QueueLonger(pool="pool", than=1)), {"pool"}),
            (When(not_ticked=PoolNotTicked(pool="pool", longer_than=HOUR)), {"other"}),
        ],
    )
    def test_an_automation_looks_at_lasting_conditions_in_the_ticks_of_its_pools(self, when, pools):
        watch = watch_of(an_automation(when=when))
        assert watch.looks
        assert (
            {pool for pool in ("pool", "other") if watch.concerns(pool)}
            == pools
            == {pool for pool in ("pool", "other") if when.concerns(pool)}
        )

    def test_no_tick_looks_for_a_paused_automation_or_one_that_waits_for_ends(self):
        assert not watch_of(an_automation(when=When(late=RunLate(by=HOUR)), paused=True)).looks
        assert not watch_of(failures()).looks


class TestSaving:
    PROGRESS = Progress(ends=(SeenEnd(ended_at=NOW, run=an_id(), counts=True),))

    def test_a_new_automation_has_the_version_1(self):
        assert saving(replace(failures(), version=9), None).version == 1

    def test_a_change_keeps_what_ticks_have_counted_and_raises_both_numbers(self):
        stored = replace(failures(), version=4, revision=7, progress=self.PROGRESS)
        saved = saving(replace(stored, description="new", progress=Progress()), stored)
        assert (saved.version, saved.revision, saved.description, saved.progress) == (5, 8, "new", self.PROGRESS)

    @pytest.mark.parametrize("change", [{"paused": True}, {"when": When(ended=RunEnded(states=frozenset({CRASHED})))}])
    def test_a_changed_or_paused_automation_counts_from_zero(self, change):
        stored = replace(failures(), progress=self.PROGRESS)
        assert saving(replace(stored, **change), stored).progress == Progress()

    def test_a_renamed_deployment_is_renamed_wherever_the_automation_names_it(self):
        stored = failures(
            Then(run=RunOf(deployment="etl", tags=("etl",))),
            Then(pause=Target(deployment="other")),
            deployment="etl",
            tag="etl",
        )
        renamed = with_renamed(stored, "etl", "new")
        assert renamed.when == When(ended=RunEnded(states=frozenset({FAILED}), deployment="new", tag="etl"))
        assert renamed.then == (Then(run=RunOf(deployment="new", tags=("etl",))), Then(pause=Target(deployment="other")))
        assert with_renamed(stored, "else", "new") == stored


class TestOneEnd:
    def test_an_automation_acts_on_each_end_once_whenever_it_looks(self):
        automation, run = failures(), an_end(name="etl", attempt=2)
        look = at_end(automation, run)
        assert (look.because, look.runs, look.progressed) == ("run 'etl' ended FAILED", (run,), False)
        assert look.automation == automation
        assert look.firing_id == at_end(automation, run).firing_id
        others = [at_end(automation, an_end(attempt=2)), at_end(automation, replace(run, attempt=3)), at_end(failures(), run)]
        assert len({look.firing_id, *(other.firing_id for other in others)}) == 4

    @pytest.mark.parametrize(
        "fields",
        [
            {"states": frozenset({CRASHED, COMPLETED})},
            {"paused": True},
            {"paused": True, "count": 2},
            {"pool": "other"},
            {"pool": "other", "count": 2},
            {"queue": "other"},
            {"deployment": "other"},
            {"tag": "other"},
            {"when": When(late=RunLate(by=HOUR))},
        ],
        ids=" ".join,
    )
    def test_an_end_that_the_automation_does_not_look_at_changes_nothing(self, fields):
        run = an_end(deployment="etl", tags=("a", "b"))
        automation = an_automation(**fields) if "when" in fields else failures(**fields)
        look = at_end(automation, run)
        assert (look.because, look.progressed, look.automation) == (None, False, automation)

    def test_an_automation_may_require_pool_queue_deployment_and_tag_at_once(self):
        run = an_end(deployment="etl", tags=("a", "b"))
        assert at_end(failures(pool="pool", queue="default", deployment="etl", tag="b"), run).because

    @pytest.mark.parametrize(("ended_at", "acts"), [(-SECOND, False), (timedelta(0), True), (SECOND, True)])
    def test_an_automation_ignores_runs_that_ended_before_it_was_created(self, ended_at, acts):
        look = at_end(failures(created_at=NOW), replace(an_end(), ended_at=NOW + ended_at))
        assert (look.because is not None) is acts


class TestManyEnds:
    def test_an_automation_acts_after_enough_failures_in_a_row_and_counts_from_zero(self):
        automation, runs = failures(count=3), [an_end(ago=9 - number, name=f"r{number}") for number in range(6)]
        for number in range(3):
            look = at_end(automation, runs[number])
            automation = look.automation
            assert look.progressed
            assert (look.because is None) is (number < 2)
        assert look.because == "3 of the last 3 runs ended FAILED; the last was 'r2'"
        assert (look.runs, automation.progress.ends) == ((runs[2],), ())
        assert [after(automation, *runs[3:upto]).because is None for upto in (4, 5, 6)] == [True, True, False]

    def test_an_end_of_another_kind_breaks_the_row(self):
        ends = [an_end(ago=5), an_end(COMPLETED, ago=4), an_end(ago=3)]
        assert after(failures(count=2), *ends).because is None
        assert after(failures(count=2), *ends, an_end(ago=2)).because

    def test_two_of_the_last_three_may_have_another_between_them(self):
        automation = failures(count=2, of_last=3)
        assert after(automation, an_end(ago=5), an_end(COMPLETED, ago=4), an_end(ago=3, name="third")).because == (
            "2 of the last 3 runs ended FAILED; the last was 'third'"
        )
        ends = [an_end(ago=5), an_end(COMPLETED, ago=4), an_end(COMPLETED, ago=3), an_end(ago=2)]
        assert after(automation, *ends).because is None

    def test_an_automation_acts_only_on_ends_that_match_it(self):
        """Two of the last have failed, but that was known before a third one was completed."""
        automation = failures(count=2, of_last=3)
        seen = [SeenEnd(ended_at=NOW - minutes * MINUTE, run=an_id(), counts=True) for minutes in (9, 8)]
        automation = replace(automation, progress=Progress(ends=tuple(seen)))
        look = at_end(automation, an_end(COMPLETED))
        assert (look.because, look.progressed, len(look.automation.progress.ends)) == (None, True, 3)

    def test_a_cancelled_run_does_not_count_unless_it_is_of_its_kind(self):
        automation, cancelled = failures(count=2), an_end(CANCELLED, ago=2)
        look = at_end(automation, cancelled)
        assert (look.because, look.progressed, look.automation) == (None, False, automation)
        assert after(automation, an_end(ago=3), cancelled, an_end(ago=1)).because
        either = failures(count=2, states=frozenset({FAILED, CANCELLED}))
        assert after(either, an_end(ago=3), an_end(CANCELLED, ago=2, name="x")).because == (
            "2 of the last 2 runs ended CANCELLED or FAILED; the last was 'x'"
        )

    def test_ends_count_in_their_own_order_however_they_are_seen(self):
        """The completed run ended between the failed ones, and is seen last but one."""
        first, between, last = an_end(ago=5), an_end(COMPLETED, ago=4), an_end(ago=3)
        assert after(failures(count=2), first, between, last).because is None
        look = after(failures(count=3), last, first, between)
        assert [end.run for end in look.automation.progress.ends] == [first.id, between.id, last.id]

    def test_ends_at_the_same_time_are_ordered_by_id(self):
        first, second = an_end(), an_end()
        look = after(failures(count=3), second, first)
        assert [end.run for end in look.automation.progress.ends] == [first.id, second.id]

    def test_an_end_at_an_unknown_time_counts_at_the_creation_of_its_run(self):
        unknown = replace(an_end(created_at=NOW - 9 * MINUTE), ended_at=None)
        look = after(failures(count=3), an_end(), unknown)
        assert [end.ended_at for end in look.automation.progress.ends] == [NOW - 9 * MINUTE, NOW]

    def test_the_reason_names_the_subject_of_the_automation(self):
        fields = {"deployment": "etl", "queue": "default", "pool": "pool", "tag": "t"}
        runs = [an_end(ago=ago, deployment="etl", tags=("t",), name="x") for ago in (2, 1)]
        subject = "deployment 'etl', queue 'default', work pool 'pool', tag 't'"
        words = f"2 of the last 2 runs of {subject} ended FAILED; the last was 'x'"
        assert after(failures(count=2, **fields), *runs).because == words


class TestPausedBy:
    def a_switch(self, name, *, paused=True, queue=None, version=3):
        done = Paused(target=Target(pool="pool", queue=queue), paused=paused, version=version)
        return a_firing(name, because="it failed", paused=(done,))

    def test_the_last_automation_that_paused_a_pool_is_named_with_its_reason(self):
        words = " by automation 'last' at 2030-01-01 12:00:00Z, because it failed"
        assert paused_by([self.a_switch("last"), self.a_switch("first")], POOL, None) == words
        assert paused_by([self.a_switch("last", version=2)], POOL, None) == f"{words}; the pool has been changed since"

    def test_no_automation_is_named_if_the_last_one_resumed_the_pool_or_none_paused_it(self):
        assert paused_by([self.a_switch("last", paused=False), self.a_switch("first")], POOL, None) == ""
        assert paused_by([], POOL, None) == ""

    def test_a_pool_and_its_queues_are_paused_each_by_itself(self):
        firings = [self.a_switch("queue", queue="default"), self.a_switch("pool")]
        assert "'queue'" in paused_by(firings, POOL, "default")
        assert "'pool'" in paused_by(firings, POOL, None)
        assert paused_by(firings, POOL, "other") == ""
