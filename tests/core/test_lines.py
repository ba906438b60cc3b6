"""How far a claim reads the line of a queue, what it passes over there, and what that means for the queues below."""

from __future__ import annotations

import pytest

from dispatcher.core import lines
from dispatcher.core.admission import Barrier, admit
from dispatcher.core.holds import position_of
from dispatcher.core.lines import first_pages
from dispatcher.models import Share
from dispatcher.models.lanes import lane_for
from dispatcher.models.records import DeploymentLimits
from providers.base import Needs
from tests.builders import NOW, SECOND, a_hold, a_pool, a_queue, a_run

HELD = a_hold(place=("east",))


class Claim:
    """Runs that are due one after the other, one claim of them, and what it reads."""

    def __init__(self, share=Share.STRICT):
        self.queues = [a_queue("high", 1, share=share), a_queue("low", 2)]
        self.runs, self.read = list[object](), list[tuple[str | None, int]]()
        self.held, self.missed = set[object](), set[object]()
        self.limits, self.live = dict[str, int](), dict[str, int]()

    def add(self, number=1, deployment=None, *, queue="high", priority=0, in_lane=True, held=False, missed=False):
        for _ in range(number):
            lane = lane_for(deployment if in_lane else None, priority)
            due = NOW - (9000 - len(self.runs)) * SECOND
            run = a_run(queue=queue, deployment=deployment, lane=lane, due_at=due)
            self.runs.append(run)
            self.held |= {run.id} if held else set()
            self.missed |= {run.id} if missed else set()
        return self

    def due(self, queue, limit, after=None, lane=None):
        if queue == "high":
            self.read.append((lane, limit))
        waiting = [run for run in self.runs if (run.queue, run.lane) == (queue, lane)]
        return [run for run in waiting if after is None or position_of(run) > after][:limit]

    def admission(self, limit):
        return admit(
            a_pool(limit=limit, queues=self.queues, holds=(HELD,) if self.held else ()),
            {},
            self.due,
            now=NOW,
            needs=lambda run: Needs(place=("east" if run.id in self.held else "west",)),
            limits=DeploymentLimits(
                lanes=lambda queue: sorted({run.lane for run in self.runs if run.queue == queue and run.lane}),
                limit=self.limits.get,
                live=lambda name: self.live.get(name, 0),
                held=lambda queue: self.live if queue == "high" else {},
            ),
            missed=lambda run: "too late" if run.id in self.missed else "",
        )

    def admitted(self, limit):
        """The places of the admitted runs among all that were added."""
        return [self.runs.index(run) for run in self.admission(limit).admitted]


@pytest.fixture
def ten_passed(monkeypatch):
    monkeypatch.setattr(lines, "MAX_PASSED", 10)


@pytest.mark.usefixtures("ten_passed")
def test_held_runs_leave_the_slots_to_the_queue_below_however_many_they_are():
    """The next claim meets them again, so that there is nothing to wait for."""
    for number in (9, 10, 11, 40):
        claim = Claim().add(number, held=True).add(queue="low")
        assert claim.admitted(1) == [number]
        assert claim.admission(10).barriers == {"high": Barrier.PLACE_HELD}


@pytest.mark.usefixtures("ten_passed")
def test_runs_that_the_next_claim_does_not_meet_keep_the_slots_for_those_behind_them():
    for number in (10, 11, 40):
        assert Claim().add(number, missed=True).add().add(queue="low").admitted(10) == []


@pytest.mark.usefixtures("ten_passed")
@pytest.mark.parametrize(("cleared", "starts"), [(5, [16]), (6, [])])
@pytest.mark.parametrize("missed", [True, False], ids=["missed", "outside their lane"])
def test_slots_are_kept_only_where_fewer_runs_than_a_claim_passes_over_are_met_again(missed, cleared, starts):
    """Fifteen are passed over: some that the next claim does not meet, and held ones."""
    claim = Claim().add(cleared, "full", in_lane=False, missed=missed).add(15 - cleared, held=True).add().add(queue="low")
    claim.limits["full"] = 0
    assert claim.admitted(1) == starts


@pytest.mark.usefixtures("ten_passed")
def test_a_claim_stops_reading_after_the_bound_of_passed_over_runs():
    claim = Claim().add(40, held=True)
    claim.admission(10)
    assert claim.read == [(None, 10)]


def test_the_lane_of_a_deployment_that_runs_of_another_priority_have_filled_is_not_read():
    claim = Claim().add(1, "etl").add(1, "etl", priority=-5)
    claim.limits["etl"] = 1
    admission = claim.admission(9)
    assert (admission.admitted, admission.full) == ((claim.runs[1],), {"etl"})
    assert claim.read == [("etl%-5", 2), (None, 8)]


# Shared queues


def test_the_first_page_of_each_deployment_is_its_share_and_at_least_one_run():
    limits = DeploymentLimits(held=lambda _queue: {"a": 1}, weight={"a": 1, "b": 1, "c": 4}.__getitem__)
    assert first_pages("high", ("a", "b"), 3, limits) == {"a": 1, "b": 2}
    assert first_pages("high", ("a", "c"), 5, limits) == {"a": 1, "c": 5}
    assert first_pages("high", (), 5, limits) == {}


def test_a_claim_reads_no_more_of_a_shared_queue_than_there_are_slots():
    flooded = Claim(Share.FAIR).add(500, "flood").add(2, "other")
    flooded.admission(4)
    assert flooded.read == [(None, 4), ("flood", 2), ("other", 2)]
    alone = Claim(Share.FAIR).add(500)
    alone.admission(4)
    assert alone.read == [(None, 4)]


def test_a_full_deployment_does_not_reduce_how_many_runs_of_others_are_read():
    claim = Claim(Share.FAIR).add(9, "full").add(9, "other")
    claim.limits["full"], claim.live["full"] = 1, 1
    admission = claim.admission(4)
    assert [run.deployment for run in admission.admitted] == ["other"] * 4
    assert claim.read == [(None, 4), ("other", 4)]


def test_runs_without_a_deployment_are_read_on_where_the_first_of_them_may_not_start():
    assert Claim(Share.FAIR).add(3, missed=True).add(4).admitted(2) == [3, 4]
    assert Claim(Share.FAIR).add(3, held=True).add(4).admitted(2) == [3, 4]


def test_a_missed_run_outside_the_lane_of_its_deployment_is_not_moved_there():
    claim = Claim(Share.FAIR).add(1, "a", in_lane=False, missed=True).add(3, "a", in_lane=False)
    admission = claim.admission(1)
    assert admission.admitted == (claim.runs[1],)
    assert (admission.astray, [run for run, _ in admission.missed]) == (tuple(claim.runs[2:]), claim.runs[:1])


@pytest.mark.usefixtures("ten_passed")
def test_runs_outside_lanes_that_hide_others_of_a_shared_queue_keep_the_slots_for_those():
    """Ten are read, and none of them is in the way of the next claim: they start, or are moved to their lane."""
    claim = Claim(Share.FAIR).add(10, "a", in_lane=False).add().add(queue="low")
    claim.limits["a"] = 2
    admission = claim.admission(5)
    assert [run.deployment for run in admission.admitted] == ["a", "a"]
    assert admission.barriers["low"] is Barrier.HIGHER_QUEUES


@pytest.mark.usefixtures("ten_passed")
def test_runs_outside_lanes_that_hide_nothing_leave_the_slots_of_a_shared_queue_to_the_one_below():
    claim = Claim(Share.FAIR).add(3, "a", in_lane=False).add(queue="low")
    claim.limits["a"] = 2
    assert claim.admitted(5) == [0, 1, 3]


@pytest.mark.usefixtures("ten_passed")
def test_many_runs_without_a_deployment_hide_nothing():
    """Ten of them are read, as many as a claim passes over, and the held ones leave the slots to the queue below."""
    assert Claim(Share.FAIR).add(10, held=True).add(queue="low").admitted(5) == [10]
