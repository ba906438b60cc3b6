"""What every store does for priorities of runs: a lane for each, read by itself, whatever became of the deployment."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dispatcher.core.admission import admit
from dispatcher.core.transitions import requeued
from dispatcher.core.windows import WindowLimits, materialisation
from dispatcher.models import Run, RunState, Schedule
from dispatcher.models.lanes import lane_for
from dispatcher.models.records import Decision, Move, Snapshot
from dispatcher.protocols import Store
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_deployment
from tests.stores.conformance_lanes import due_in, in_lane, lanes_of, limited
from tests.stores.conformance_runs import TwoPools
from tests.stores.steps import a_run_in, a_stored_run, claim, granting, moved

LIMITS = WindowLimits(ahead=HOUR, most=10, grace=MINUTE)


def with_priority(store: Store, priority: int, deployment: str | None = None, **fields: Any) -> Run:
    return a_stored_run(store, lane=lane_for(deployment, priority), deployment=deployment, **fields)


def admitted(store: Store, budget: int) -> Sequence[Run]:
    """What a claim and a look would admit: both the same."""
    seen = []

    def read(snapshot: Snapshot) -> Decision:
        limits = snapshot.deployment_limits
        seen.append(admit(snapshot.pool, snapshot.in_use, snapshot.due, now=NOW, budget=budget, limits=limits))
        return Decision()

    claim(store, decide=read)
    store.look("pool", NOW, read)
    assert seen[0] == seen[1]
    return seen[0].admitted


class Priorities(TwoPools):
    """Runs with a priority in their queue."""

    def test_the_fields_are_kept(self, store: Store):
        schedule = Schedule(slug="a", cron="0 * * * *", priority=-7)
        saved = store.save_deployment(
            a_deployment("nightly", priority=-5, schedules=(schedule,)), expected_version=None, now=NOW
        )
        run = with_priority(store, 100)
        assert (store.deployment("nightly"), store.get(run.id)) == (saved, run)
        assert (saved.priority, saved.schedules[0].priority, run.priority) == (-5, -7, 100)
        plain = replace(saved, priority=0, schedules=(replace(schedule, priority=None),))
        again = store.save_deployment(plain, expected_version=1, now=NOW)
        assert (again.priority, again.schedules[0].priority) == (0, None)
        assert store.deployment("nightly") == again

    def test_runs_are_admitted_by_priority_then_due_time(self, store: Store):
        plain = [a_stored_run(store, due_at=NOW - number * SECOND) for number in (9, 2)]
        last = with_priority(store, 3, due_at=NOW - 99 * SECOND)
        first = [with_priority(store, -5, due_at=NOW - number * SECOND) for number in (3, 1)]
        before = with_priority(store, -6)
        order = [before, *first, *plain, last]
        assert [list(admitted(store, number)) for number in (1, 3, 4, 100)] == [order[:1], order[:3], order[:4], order]

    def test_a_run_that_is_not_due_blocks_none_whatever_its_priority(self, store: Store):
        with_priority(store, -5, due_at=NOW + MINUTE)
        held = with_priority(store, -6, not_before=NOW + MINUTE)
        expired = with_priority(store, -7, expires_at=NOW)
        run = a_stored_run(store)
        assert admitted(store, 10) == (run,)
        assert due_in(store, "%-6") == due_in(store, "%-7") == []
        assert (store.get(held.id), store.get(expired.id)) == (held, expired)

    def test_priorities_of_a_deployment_with_a_limit_share_its_slots(self, store: Store):
        limited(store, limit=2)
        last, first = with_priority(store, 0, "nightly"), with_priority(store, -5, "nightly")
        second, other = with_priority(store, -4, "nightly"), a_stored_run(store)
        assert admitted(store, 10) == (first, second, other)
        a_run_in(store, RunState.RUNNING, deployment="nightly", lane="nightly%-5")
        assert admitted(store, 10) == (first, other)
        assert (store.get(last.id), lanes_of(store)[0]) == (last, ["nightly", "nightly%-4", "nightly%-5"])

    def test_a_waiting_run_gets_another_priority(self, store: Store):
        first, second = a_stored_run(store, due_at=NOW - MINUTE), a_stored_run(store)
        change = requeued(second, "default", -1)
        assert store.requeue([change]) == {second.id}
        after = replace(second, lane="%-1", fence=1)
        assert store.get(second.id) == after
        assert admitted(store, 10) == (after, first)
        back = requeued(after, "high", 0)
        assert store.requeue([back]) == {second.id}
        assert store.get(second.id) == replace(second, queue="high", fence=2)
        assert lanes_of(store)[0] == []

    def test_a_claim_that_read_a_run_before_its_priority_changed_does_not_get_it(self, store: Store):
        run = a_stored_run(store)
        change = requeued(run, "default", -1)
        store.requeue([change])
        assert claim(store, decide=granting(run)).claims == ()

    def test_a_run_keeps_its_priority_through_its_attempts(self, store: Store):
        run = with_priority(store, -5)
        [claimed] = claim(store, decide=granting(run)).claims
        assert claimed.run.priority == -5
        moved(store, claimed.run, RunState.SCHEDULED, attempt=2, job=None, claimed_at=None, lease_until=None)
        assert [again.id for again in due_in(store, "%-5")] == [run.id]

    def test_how_many_runs_are_ahead_follows_the_order(self, store: Store):
        early, late = (a_stored_run(store, due_at=NOW - number * MINUTE) for number in (3, 1))
        first, last = with_priority(store, -5), with_priority(store, 5, due_at=NOW - 9 * MINUTE)
        second, later = with_priority(store, -4, due_at=NOW - 5 * MINUTE), with_priority(store, -9, due_at=NOW + MINUTE)
        limited(store)
        in_lane(store, due_at=NOW - 2 * MINUTE)
        with_priority(store, -5, queue="high"), with_priority(store, -5, pool="other")
        order = [first, second, early, None, late, last]
        assert [store.ahead(run, NOW) for run in order if run] == [0, 1, 2, 4, 5]
        assert store.ahead(later, NOW) == 0
        assert [store.ahead(run, NOW + MINUTE) for run in (later, first)] == [0, 1]

    def test_queues_count_and_list_what_waits_with_a_priority(self, store: Store):
        with_priority(store, -5), with_priority(store, 5, due_at=NOW + MINUTE)
        count = store.counts("pool", NOW)["default"]
        assert (count.due, count.later) == (1, 1)
        assert store.due_count("pool", "default", NOW, limit=10) == 1
        assert (store.pools_with_work(NOW), store.pools_with_work(NOW - SECOND)) == (["pool"], [])

    def test_the_due_runs_of_a_deployment_are_counted_whatever_their_priority(self, store: Store):
        limited(store), limited(store, "night"), limited(store, "nightlynight")
        for name, priority in (("nightly", 0), ("nightly", -100), ("nightly", 7), ("night", 3), ("nightlynight", 3), (None, 3)):
            with_priority(store, priority, name)
        with_priority(store, -100, "nightly", queue="high"), with_priority(store, 7, "nightly", due_at=NOW + MINUTE)
        assert [store.waiting_in_lanes("pool", "nightly", time) for time in (NOW, NOW + MINUTE)] == [4, 5]

    def test_windows_become_runs_with_the_priority_of_their_schedule_or_deployment(self, store: Store):
        schedules = (Schedule(slug="a", cron="20 * * * *", priority=-7), Schedule(slug="b", cron="40 * * * *"))
        store.save_deployment(a_deployment("nightly", priority=5, schedules=schedules), expected_version=None, now=NOW)
        [deployment] = store.scheduled("pool", NOW, limit=10)
        step = materialisation(deployment, NOW, LIMITS)
        assert store.materialise(step) == {run.id for run in step.runs}
        assert [store.get(run.id).priority for run in step.runs] == [-7, 5]  # type: ignore[union-attr]
        due = NOW + HOUR
        assert [store.look("pool", due, lambda snapshot: list(snapshot.lanes("default")))] == [["%-7", "%5"]]

    def test_runs_with_a_priority_go_with_their_schedule(self, store: Store):
        schedules = (Schedule(slug="a", cron="20 * * * *", priority=-7), Schedule(slug="b", cron="40 * * * *"))
        for name, limit in (("nightly", None), ("limited", 1)):
            made = a_deployment(name, priority=5, concurrency_limit=limit, schedules=schedules)
            saved = store.save_deployment(made, expected_version=None, now=NOW)
            [deployment] = store.scheduled("pool", NOW, limit=10)
            step = materialisation(deployment, NOW, LIMITS)
            store.materialise(step)
            others = [with_priority(store, -7, due_at=NOW + HOUR), with_priority(store, 5, name, due_at=NOW + HOUR)]
            reached = store.deployment(name)
            assert reached is not None
            store.save_deployment(replace(reached, schedules=schedules[1:]), expected_version=saved.version, now=NOW)
            assert [store.get(run.id) is None for run in step.runs] == [True, False]
            store.delete_deployment(name)
            assert [store.get(run.id) is None for run in step.runs] == [True, True]
            assert [store.get(run.id) for run in others] == others

    def test_a_run_outside_its_lane_moves_into_the_lane_of_its_deployment_and_priority(self, store: Store):
        limited(store)
        run = with_priority(store, -5, deployment=None)
        assert store.move([Move.of(run, RunState.SCHEDULED, lane="nightly%-5")]) == {run.id}
        assert (due_in(store, "%-5"), [one.id for one in due_in(store, "nightly%-5")]) == ([], [run.id])

    def test_runs_are_restored_with_their_priority(self, store: Store):
        run = with_priority(store, -5)
        copied = replace(run, id=type(run.id)(int=run.id.int + 2**100), pool="other")
        store.restore(runs=[copied])
        assert store.get(copied.id) == copied
        assert store.look("other", NOW, lambda snapshot: list(snapshot.due("default", 10, None, "%-5"))) == [copied]

    def test_a_page_of_a_lane_goes_on_behind_its_last_run(self, store: Store):
        runs = [with_priority(store, -5, due_at=NOW - (9 - number) * SECOND) for number in range(3)]
        with_priority(store, -4, due_at=NOW - 99 * SECOND)
        assert due_in(store, "%-5", 2) == runs[:2]
        assert due_in(store, "%-5", 2, after=runs[1]) == runs[2:]
