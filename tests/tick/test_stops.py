"""A process that is about to end stops its tick: it begins no more calls, and records the answers of those under way."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from unittest.mock import patch

import pytest

from dispatcher.client import Dispatcher
from dispatcher.models import RunState, submission_name
from dispatcher.ticking import tick
from dispatcher.ticking.calls import Calls
from providers.testing import LOST_ANSWER
from tests.builders import MINUTE, SECOND
from tests.tick.stage import LONGEST_LEASE, Stage

CALLS = frozenset({"submit", "observe", "cancel", "find", "discard"})
DUE = 5


class Counted:
    """A store or a provider whose calls are the points of a tick: each before and after its effect."""

    def __init__(self, behind, stop):
        self._behind, self._stop = behind, stop

    def __getattr__(self, name):
        attribute = getattr(self._behind, name)
        return self._counted(name, attribute) if callable(attribute) else attribute

    def _counted(self, name, method):
        def call(*arguments, **named):
            self._stop.begins(name)
            answer = method(*arguments, **named)
            self._stop.points += 1
            return answer

        return call


class Stop:
    """Comes at one point of the tick, by its number."""

    def __init__(self, at):
        self.at, self.points, self.made, self.late = at, 0, Counter(), Counter()

    def __call__(self):
        return self.at is not None and self.points >= self.at

    def begins(self, name):
        """A signal may come between the last look at the stop and the call, so this counts first."""
        if name in CALLS:
            self.made[name] += 1
            self.late += Counter({name: int(self())})
        self.points += 1


class Stopped:
    """A tick of a job that ended, one to be cancelled, a claim of an invocation that died, and due runs, stopped at a point."""

    def __init__(self, at, threads=1):
        self.stage = stage = Stage(concurrency=threads, lingers=True)
        self.runs = stage.add(2)
        stage.tick()
        stage.provider.script("submit", LOST_ANSWER)
        self.runs += stage.add(1)
        stage.tick()
        stage.wait(LONGEST_LEASE + SECOND)
        stage.provider.finish(submission_name(self.runs[0].id, 1))
        Dispatcher(stage.store, clock=stage.clock).cancel_run(self.runs[1].id)
        self.runs += stage.add(DUE)
        self.stop = Stop(at)
        behind = stage.dispatch()
        dispatch = replace(
            behind,
            store=Counted(stage.store, self.stop),
            providers=lambda _type: Counted(stage.provider, self.stop),
            is_stopped=self.stop,
        )
        self.report = tick(dispatch, stage.clock.now() + MINUTE)

    @property
    def lost(self):
        """The jobs that this tick has started without a record of their submission."""
        return {run.id for run in self._due() if not run.submission and submission_name(run.id, 1) in self.stage.provider.live}

    @property
    def kept_claims(self):
        """Runs that this tick has claimed and neither submitted nor given back: they would wait for the end of a lease."""
        return [run for run in self._due() if run.state is RunState.PENDING and not run.submission]

    def _due(self):
        return [self.stage.get(run) for run in self.runs[-DUE:]]

    def finish(self):
        """What the next process makes of it."""
        self.stage.wait(LONGEST_LEASE)
        self.stage.tick()
        return self.lost, self.kept_claims


@pytest.fixture(scope="module")
def whole():
    return Stopped(None)


def every_point(whole, threads=1):
    for at in range(whole.stop.points + 1):
        yield Stopped(at, threads)


def test_a_tick_that_nobody_stops_makes_every_kind_of_call(whole):
    assert set(whole.stop.made) == CALLS
    assert whole.stop.points > 40
    assert (whole.lost, whole.kept_claims, whole.report.problems) == (set(), [], [])


@pytest.mark.parametrize("threads", [1, 4])
def test_after_a_stop_at_any_point_no_call_begins_and_every_answer_is_recorded(whole, threads):
    submitted = Counter()
    for stopped in every_point(whole, threads):
        assert stopped.stop.late == Counter()
        assert (stopped.lost, stopped.kept_claims) == (set(), [])
        assert stopped.report.problems == []
        submitted[sum(pool.submitted for pool in stopped.report.pools)] += 1
        assert stopped.finish() == (set(), [])
        assert set(stopped.stage.provider.starts.values()) == {1}
    assert set(submitted) >= {0, DUE + 1}


def test_claims_that_a_stop_leaves_unsubmitted_are_given_back_at_once(whole):
    reasons = {run.reason for stopped in every_point(whole) for run in map(stopped.stage.get, stopped.runs)}
    assert "given back: the tick ended before it was submitted" in reasons


def drop_the_answers(self, items):
    """A stop as an exception would be one: what the threads still bring is not waited for."""
    for answers in run_calls(self, items):
        if self._is_stopped():
            return
        yield answers


run_calls = Calls.run


def test_a_stop_that_drops_the_answers_under_way_is_noticed(whole):
    with patch.object(Calls, "run", drop_the_answers):
        assert any(stopped.lost for stopped in every_point(whole))
