"""Work on all runs that match a filter: bounded steps that may stop anywhere and be repeated, none done twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from dispatcher.client import Dispatcher
from dispatcher.client.bulk import STATES, BulkAction
from dispatcher.client.cursors import WrongCursor
from dispatcher.errors import InvalidInput, NotFound
from dispatcher.models import Actor, Mirror, RunState
from dispatcher.models.records import LogFilter, Move, RunFilter
from dispatcher.stores.memory import MemoryStore
from tests.builders import a_live_run, a_pool, a_run, an_id
from tests.client.conftest import Clock

ADA = Actor(name="ada", via="cli")
WAITING = RunFilter(pool="nightly", states=frozenset({RunState.SCHEDULED}))


class Office:
    def __init__(self, store=None):
        self.store, self.clock = store or MemoryStore(), Clock()
        self.client = Dispatcher(self.store, clock=self.clock, actor=ADA)
        if self.store.pool("nightly") is None:
            self.client.create_work_pool("nightly", type="process", job_variables={"command": "true"})
            self.client.create_work_queue("nightly", "critical", priority=1)

    def waiting(self, count, **fields):
        return self.client.create_runs([{"pool": "nightly", **fields} for _ in range(count)])

    def ended(self, count, state=RunState.FAILED, **fields):
        now = self.clock.now()
        runs = [a_live_run(pool="nightly", state=state, ended_at=now, created_at=now, **fields) for _ in range(count)]
        self.store.restore(runs=runs)
        return runs

    def states(self, **where):
        return [run.state for run in self.store.runs(RunFilter(**where), limit=10_000)]

    def entry(self):
        [entry] = self.store.log(LogFilter(noun="runs"), limit=9)
        return entry


@pytest.fixture
def office():
    return Office()


def everything(client, work):
    steps = list(client.bulk_steps(work))
    return sum(step.done for step in steps), sum(step.skipped for step in steps), [len(step.refused) for step in steps]


def test_all_that_match_are_cancelled_in_steps_of_at_most_two_hundred(office):
    office.waiting(450)
    office.waiting(3, tags=("other",), queue="critical")
    work = office.client.bulk("cancel", replace(WAITING, queue="default"))
    assert office.client.bulk_count(work).total == 450
    assert [step.done for step in office.client.bulk_steps(work)] == [200, 200, 50]
    assert office.states(queue="default") == [RunState.CANCELLED] * 450
    assert office.states(queue="critical") == [RunState.SCHEDULED] * 3


def test_work_that_stopped_in_the_middle_is_repeated_and_no_run_is_done_twice(office):
    office.waiting(30)
    work = office.client.bulk(BulkAction.CANCEL, RunFilter(pool="nightly"))
    first = office.client.bulk_step(work, limit=10)
    assert (first.done, first.cursor is not None) == (10, True)
    assert everything(office.client, work) == (20, 0, [0])
    assert office.states() == [RunState.CANCELLED] * 30
    assert everything(office.client, work) == (0, 0, [0])


def test_all_steps_share_one_log_entry_that_counts_the_runs(office):
    office.waiting(30)
    work = office.client.bulk("cancel", WAITING)
    cursor = ""
    for _ in range(3):
        cursor = office.client.bulk_step(work, cursor, limit=10).cursor
        office.clock.time += timedelta(seconds=1)
    entry = office.entry()
    assert (entry.id, entry.changed_at, entry.actor, entry.verb, entry.runs) == (work.id, work.as_of, "ada", "cancel", 30)
    assert entry.name.startswith("pool nightly, state SCHEDULED")


def test_runs_that_arrive_after_the_moment_are_left_alone(office):
    office.waiting(3)
    work = office.client.bulk("cancel", WAITING)
    office.clock.time += timedelta(seconds=1)
    office.waiting(2)
    assert everything(office.client, work)[0] == 3
    assert office.states(states=frozenset({RunState.SCHEDULED})) == [RunState.SCHEDULED] * 2


def test_a_run_that_a_tick_claimed_meanwhile_is_still_cancelled(office):
    run, *_ = office.waiting(2)

    class Racing(MemoryStore):
        raced = False

        def move(self, moves, *, entry=None):
            if not self.raced:
                self.raced = True
                super().move([Move.of(run, RunState.PENDING)])
            return super().move(moves, entry=entry)

    store = Racing()
    store.restore(pools=office.store.pools(), runs=office.store.runs(RunFilter(), limit=9))
    client = Dispatcher(store, clock=office.clock, actor=ADA)
    assert everything(client, client.bulk("cancel", RunFilter(pool="nightly"))) == (2, 0, [0])
    assert sorted(run.state for run in store.runs(RunFilter(), limit=9)) == ["CANCELLED", "CANCELLING"]
    [entry] = store.log(LogFilter(), limit=9)
    assert entry.runs == 2


def test_ended_runs_are_retried_once_however_often_it_is_repeated(office):
    office.ended(25)
    office.ended(2, RunState.COMPLETED)
    work = office.client.bulk("retry", RunFilter(states=frozenset({RunState.FAILED, RunState.SCHEDULED})))
    assert dict(office.client.bulk_count(work).by_state) == {RunState.FAILED: 25}
    assert everything(office.client, work) == (25, 0, [0])
    assert everything(office.client, work) == (0, 25, [0])
    assert office.states(states=frozenset({RunState.SCHEDULED})) == [RunState.SCHEDULED] * 25
    assert office.entry().runs == 25


def test_a_run_that_no_longer_fits_is_refused_with_the_reason_and_the_others_are_retried(office):
    bad, *_ = office.ended(1, job_variables={"nonsense": 1})
    office.ended(2)
    [step] = office.client.bulk_steps(office.client.bulk("retry", RunFilter(pool="nightly")))
    assert (step.done, [fault.path for fault in step.refused]) == (2, [str(bad.id)])
    assert "nonsense" in step.refused[0].message


def test_waiting_runs_are_moved_into_another_queue(office):
    office.waiting(5)
    office.waiting(1, queue="critical")
    work = office.client.bulk("move", WAITING, queue="critical")
    assert everything(office.client, work) == (5, 1, [0])
    assert len(office.states(queue="critical")) == 6
    assert office.entry().fields[0]["after"] == "critical"


def test_a_pool_without_the_queue_keeps_its_runs_and_says_so(office):
    office.client.create_work_pool("other", type="process", job_variables={"command": "true"})
    office.client.create_run(pool="other")
    office.waiting(1)
    [step] = office.client.bulk_steps(office.client.bulk("move", RunFilter(), queue="critical"))
    assert (step.done, [fault.message for fault in step.refused]) == (1, ["work pool 'other' has no work queue 'critical'"])


def test_waiting_runs_are_made_due_now(office):
    office.waiting(3, scheduled_at=office.clock.now() + timedelta(hours=3))
    office.waiting(2)
    assert everything(office.client, office.client.bulk("start-now", WAITING)) == (3, 2, [0])
    assert office.store.counts("nightly", office.clock.now())["default"].due == 5


@pytest.mark.parametrize(
    ("action", "where", "arguments", "path"),
    [
        ("explode", RunFilter(), {}, "action"),
        ("move", RunFilter(), {}, "queue"),
        ("cancel", RunFilter(), {"queue": "critical"}, "queue"),
        ("cancel", RunFilter(states=frozenset({RunState.FAILED})), {}, "state"),
        ("retry", RunFilter(states=frozenset({RunState.RUNNING})), {}, "state"),
    ],
)
def test_invalid_work_on_many_runs_is_refused_with_its_field(office, action, where, arguments, path):
    with pytest.raises(InvalidInput) as refused:
        office.client.bulk(action, where, **arguments)
    assert [fault.path for fault in refused.value.faults] == [path]


def test_a_pool_or_queue_that_does_not_exist_is_named(office):
    with pytest.raises(NotFound, match="nightly"):
        office.client.bulk("cancel", RunFilter(pool="nigthly"))
    with pytest.raises(NotFound, match="critical"):
        office.client.bulk("move", RunFilter(pool="nightly"), queue="kritical")


def test_a_moment_in_the_future_is_refused(office):
    with pytest.raises(InvalidInput, match="future"):
        office.client.bulk("cancel", WAITING, as_of=office.clock.now() + timedelta(hours=1))


def test_a_cursor_of_other_work_is_refused(office):
    office.waiting(3)
    cursor = office.client.bulk_step(office.client.bulk("cancel", WAITING), limit=1).cursor
    with pytest.raises(WrongCursor):
        office.client.bulk_step(office.client.bulk("cancel", RunFilter()), cursor)


def test_every_state_belongs_to_what_can_be_done_in_it():
    assert STATES[BulkAction.CANCEL] | STATES[BulkAction.RETRY] == frozenset(RunState)


def test_the_runs_of_a_mirrored_pool_are_left_to_their_source(office):
    office.store.save_pool(a_pool("there", mirror=Mirror(source="prefect", revision="1")), expected_version=None)
    office.store.add_runs([a_run(pool="there", source_id=an_id(), created_at=office.clock.now())])
    office.waiting(1)
    [step] = office.client.bulk_steps(office.client.bulk("cancel", RunFilter()))
    assert (step.done, len(step.refused)) == (1, 1)
    assert "mirrors one of Prefect" in step.refused[0].message
