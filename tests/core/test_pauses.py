"""Which runs of schedules a pause makes missed, judged as a claim does it; and how the times of pauses are noted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dispatcher.core import pauses
from dispatcher.core.pauses import CONTINUED_WITHIN, Missed, noted
from dispatcher.core.windows import delay, run_id
from dispatcher.models import CatchUp, RunState, Schedule
from dispatcher.models.records import Snapshot
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_deployment, a_pool, a_queue, a_run

HOURLY = Schedule(slug="hourly", cron="0 * * * *")
GRACE = 5 * MINUTE
POOL = a_pool(paused_at=NOW - 10 * HOUR, resumed_at=NOW - 10 * MINUTE)
WORDS = "missed: it was due while its work pool was paused"
DROPPED = f"{WORDS} (catch_up: drop)"
REPLACED = f"{WORDS}, and a newer run of its schedule takes its place (catch_up: last)"


def deployed(catch_up, **schedule):
    return a_deployment("etl", schedules=(replace(HOURLY, catch_up=catch_up, **schedule),))


def a_window(deployment, hours, **fields):
    """The run of the window so many hours ago."""
    [schedule], window = deployment.schedules, NOW - hours * HOUR
    due_at = window + delay(deployment, schedule)
    run = a_run(id=run_id(deployment, schedule, window), deployment="etl", schedule=schedule.slug, due_at=due_at)
    return replace(run, scheduled_at=window, **fields)


def judged(run, *others, deployment, pool=POOL, now=NOW):
    """Why the run is not to start; the others are in the store too."""
    stored = {other.id: other for other in (run, *others)}
    snapshot = Snapshot(pool=pool, in_use={}, due=lambda *_: (), deployment={deployment.name: deployment}.get, run=stored.get)
    return Missed(snapshot, now, GRACE)(run)


class TestNoted:
    def test_a_pause_is_noted_when_it_begins_and_when_it_ends(self):
        pool = a_pool(queues=["high", "default"])
        paused = noted(pool, replace(pool, paused=True), NOW)
        assert (paused.paused, paused.paused_at, paused.resumed_at) == (True, NOW, None)
        resumed = noted(paused, replace(paused, paused=False), NOW + HOUR)
        assert (resumed.paused_at, resumed.resumed_at) == (NOW, NOW + HOUR)
        assert {(queue.paused_at, queue.resumed_at) for queue in resumed.queues} == {(None, None)}

    def test_a_new_pool_may_be_paused_from_the_beginning(self):
        new = noted(None, a_pool(paused=True, queues=[a_queue("high", 1, paused=True), a_queue("default", 2)]), NOW)
        assert (new.paused_at, [queue.paused_at for queue in new.queues]) == (NOW, [NOW, None])
        assert noted(None, a_pool(), NOW).paused_at is None

    @pytest.mark.parametrize("is_paused", [True, False])
    def test_another_change_keeps_both_times_whatever_the_caller_has(self, is_paused):
        stored = a_pool(paused=is_paused, paused_at=NOW - 2 * HOUR, resumed_at=NOW - HOUR)
        saved = noted(stored, replace(stored, description="x", paused_at=None, resumed_at=None), NOW)
        assert (saved.description, saved.paused_at, saved.resumed_at) == ("x", NOW - 2 * HOUR, NOW - HOUR)

    @pytest.mark.parametrize(("after", "begins_at"), [(CONTINUED_WITHIN - SECOND, NOW - 9 * HOUR), (CONTINUED_WITHIN, NOW)])
    def test_a_pause_soon_after_another_continues_it(self, after, begins_at):
        stored = a_pool(paused_at=NOW - 9 * HOUR, resumed_at=NOW - after)
        saved = noted(stored, replace(stored, paused=True), NOW)
        assert (saved.paused_at, saved.resumed_at) == (begins_at, None)

    def test_each_queue_has_its_own_pause(self):
        pool = a_pool(queues=["high", "default"])
        high, default = pool.queues
        paused = noted(pool, replace(pool, queues=(replace(high, paused=True), default)), NOW)
        assert [queue.paused_at for queue in paused.queues] == [NOW, None]
        resumed = noted(paused, replace(paused, queues=(replace(paused.queues[0], paused=False), default)), NOW + HOUR)
        assert [(queue.paused_at, queue.resumed_at) for queue in resumed.queues] == [(NOW, NOW + HOUR), (None, None)]
        assert resumed.paused_at is None


class TestWhoCanBeMissed:
    DROPS = deployed(CatchUp.DROP)

    def test_a_run_of_a_schedule_that_was_due_in_the_pause(self):
        assert judged(a_window(self.DROPS, 5), deployment=self.DROPS) == DROPPED

    @pytest.mark.parametrize(
        "fields",
        [
            {"schedule": None},
            {"fence": 1},
            {"ended_attempts": 1},
            {"schedule": "gone"},
            {"deployment": "gone"},
            {"deployment": None},
        ],
    )
    def test_no_run_is_missed_if_people_made_it_or_it_was_claimed_or_moved_or_its_schedule_is_gone(self, fields):
        assert judged(replace(a_window(self.DROPS, 5), **fields), deployment=self.DROPS) == ""

    @pytest.mark.parametrize(
        ("times", "is_missed"),
        [
            ({"paused_at": NOW - 5 * HOUR}, True),
            ({"paused_at": NOW - 5 * HOUR + SECOND}, False),
            ({"resumed_at": NOW - 5 * HOUR + SECOND}, True),
            ({"resumed_at": NOW - 5 * HOUR}, False),
            ({"paused_at": None}, False),
            ({"resumed_at": None}, False),
        ],
    )
    def test_the_pause_has_to_be_over_and_the_run_due_within_it(self, times, is_missed):
        pool = replace(POOL, **times)
        snapshot = Snapshot(pool=pool, in_use={}, due=lambda *_: (), deployment={"etl": self.DROPS}.get, run=lambda _id: None)
        reason = Missed(snapshot, NOW, -HOUR)(a_window(self.DROPS, 5))  # whatever the grace is
        assert reason == (DROPPED if is_missed else "")

    @pytest.mark.parametrize(
        ("pool", "fields", "read"),
        [(a_pool(), {}, []), (POOL, {"schedule": None}, []), (POOL, {"deployment": None}, []), (POOL, {}, ["etl"])],
    )
    def test_a_deployment_is_read_only_for_a_run_that_may_be_missed(self, pool, fields, read):
        reads = []
        snapshot = Snapshot(pool=pool, in_use={}, due=lambda *_: (), deployment=reads.append, run=lambda _id: None)
        assert Missed(snapshot, NOW, GRACE)(replace(a_window(self.DROPS, 5), **fields)) == ""
        assert reads == read

    def test_a_pause_of_its_queue_counts_too_and_one_of_another_queue_does_not(self):
        times = {"paused_at": NOW - 10 * HOUR, "resumed_at": NOW}
        pool = a_pool(queues=[a_queue("high", 1, **times), a_queue("default", 2)])
        run = a_window(self.DROPS, 5)
        assert judged(run, deployment=self.DROPS, pool=pool) == ""
        assert judged(replace(run, queue="gone"), deployment=self.DROPS, pool=pool) == ""
        words = "missed: it was due while its work queue was paused (catch_up: drop)"
        assert judged(replace(run, queue="high"), deployment=self.DROPS, pool=pool) == words

    @pytest.mark.parametrize("catch_up", [CatchUp.NONE, CatchUp.ALL])
    def test_all_runs_start_where_the_schedule_says_so(self, catch_up):
        deployment = deployed(catch_up)
        assert judged(a_window(deployment, 5), a_window(deployment, 4), deployment=deployment) == ""

    @pytest.mark.parametrize(("over", "is_missed"), [(GRACE, False), (GRACE + SECOND, True)])
    def test_a_window_that_was_due_just_before_the_end_of_the_pause_is_not_missed(self, over, is_missed):
        pool = replace(POOL, resumed_at=NOW - 5 * HOUR + over)
        assert judged(a_window(self.DROPS, 5), deployment=self.DROPS, pool=pool) == (DROPPED if is_missed else "")


class TestLast:
    LAST = deployed(CatchUp.LAST)

    def reason(self, hours, *others, **arguments):
        return judged(a_window(self.LAST, hours), *others, deployment=self.LAST, **arguments)

    def test_the_newest_of_the_runs_that_wait_starts_and_it_takes_the_place_of_the_others(self):
        assert self.reason(5, a_window(self.LAST, 4), a_window(self.LAST, 3)) == REPLACED
        assert self.reason(4, a_window(self.LAST, 5), a_window(self.LAST, 3)) == REPLACED
        assert self.reason(3, a_window(self.LAST, 5), a_window(self.LAST, 4)) == ""

    @pytest.mark.parametrize("state", [RunState.PENDING, RunState.RUNNING, RunState.COMPLETED, RunState.CRASHED])
    def test_a_newer_run_that_was_started_takes_its_place(self, state):
        assert self.reason(5, a_window(self.LAST, 3, state=state)) == REPLACED

    @pytest.mark.parametrize(
        ("fields", "takes_its_place"),
        [
            ({"state": RunState.CANCELLED}, False),
            ({"due_at": NOW + SECOND}, False),
            ({"due_at": NOW}, True),
            ({"expires_at": NOW}, False),
            ({"expires_at": NOW + SECOND}, True),
            ({"expires_at": NOW, "state": RunState.RUNNING}, True),
        ],
    )
    def test_a_newer_run_that_will_not_start_does_not(self, fields, takes_its_place):
        assert self.reason(5, a_window(self.LAST, 4, **fields)) == (REPLACED if takes_its_place else "")

    def test_a_run_after_the_pause_takes_its_place_too_once_it_is_due(self):
        """Its window may be the one of this very moment."""
        assert self.reason(5, a_window(self.LAST, 0)) == REPLACED
        assert self.reason(5, a_window(self.LAST, 0), now=NOW - SECOND) == ""

    def test_the_windows_of_a_schedule_are_looked_at_once_for_all_its_runs(self):
        reads, runs = [], [a_window(self.LAST, hours) for hours in (5, 4, 3)]

        def read(identity):
            reads.append(identity)
            return {run.id: run for run in runs}.get(identity)

        def judged_first(*firsts):
            reads.clear()
            snapshot = Snapshot(pool=POOL, in_use={}, due=lambda *_: (), deployment={"etl": self.LAST}.get, run=read)
            missed = Missed(snapshot, NOW, GRACE)
            return [bool(missed(run)) for run in firsts]

        [schedule] = self.LAST.schedules
        looked_at = [run_id(self.LAST, schedule, NOW - hours * HOUR) for hours in (0, 1, 2, 3)]
        assert (judged_first(*runs), reads) == ([True, True, False], looked_at)
        assert (judged_first(runs[-1]), reads) == ([False], looked_at)

    def test_only_the_last_windows_are_looked_at_and_then_the_one_after_the_runs_own(self, monkeypatch):
        monkeypatch.setattr(pauses, "LOOKED_AT", 2)
        assert self.reason(5, a_window(self.LAST, 2)) == ""
        assert self.reason(5, a_window(self.LAST, 1)) == REPLACED
        assert self.reason(5, a_window(self.LAST, 4)) == REPLACED
        assert self.reason(5) == ""

    def test_the_window_at_the_beginning_of_the_pause_is_one_of_it(self):
        pool = replace(POOL, paused_at=NOW - 5 * HOUR)
        assert self.reason(5, pool=pool) == ""
        first = a_window(self.LAST, 5)
        assert judged(first, a_window(self.LAST, 4), deployment=self.LAST, pool=pool) == REPLACED

    def test_spread_runs_are_judged_by_when_they_are_due(self, monkeypatch):
        spread = deployed(CatchUp.LAST, spread=50 * MINUTE)
        [schedule] = spread.schedules
        later = delay(spread, schedule)
        assert later > 0 * MINUTE
        run, newer = a_window(spread, 5), a_window(spread, 0)
        assert judged(run, newer, deployment=spread, now=NOW + later) == REPLACED
        assert judged(run, newer, deployment=spread, now=NOW + later - SECOND) == ""
        with monkeypatch.context() as patch:
            patch.setattr(pauses, "LOOKED_AT", 1)  # the last window is none whose run is not due yet
            assert judged(run, a_window(spread, 1), deployment=spread, now=NOW + later - SECOND) == REPLACED
        begins = replace(POOL, paused_at=NOW - 5 * HOUR + later)
        assert judged(run, deployment=spread, pool=begins) == ""
        assert judged(run, a_window(spread, 4), deployment=spread, pool=begins) == REPLACED


def test_the_last_of_the_pauses_of_pool_and_queue_decides():
    deployment = deployed(CatchUp.DROP)
    run = a_window(deployment, 5)
    short, long = ({"paused_at": NOW - 9 * HOUR, "resumed_at": NOW - hours * HOUR} for hours in (4, 1))
    for of_pool, of_queue, name in ((short, long, "work queue"), (long, short, "work pool")):
        pool = a_pool(queues=[a_queue(**of_queue)], **of_pool)
        assert (
            judged(run, deployment=deployment, pool=pool) == f"missed: it was due while its {name} was paused (catch_up: drop)"
        )
