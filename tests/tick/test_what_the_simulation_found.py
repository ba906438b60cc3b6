"""Faults that only overlapping, delayed and skewed invocations show: the simulation found each, a test shows it."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from dispatcher.models import RunState, submission_name
from dispatcher.stores.memory import MemoryStore
from dispatcher.ticking import Dispatch, TickLimits, tick
from providers.base import JobState, Observation, ProviderLimits, Rate
from providers.testing import LIMITS, FakeProvider, Remembers
from tests.builders import MINUTE, NOW, SECOND, a_live_run, a_pool, a_run, an_id

LEASE = TickLimits().lease + TickLimits().clock_skew


@dataclass
class StillClock:
    """Time that passes only when somebody says so, or sleeps."""

    time: datetime = NOW
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += timedelta(seconds=seconds)

    def new_id(self) -> UUID:
        return an_id()


class CountingStore(MemoryStore):
    """Counts the claims."""

    claimed = 0

    def claim(self, *args, **named):
        answer = super().claim(*args, **named)
        self.claimed += len(answer.claims)
        return answer


class SlowToLook(FakeProvider):
    """Observes nothing yet, and takes its time to say so."""

    def __init__(self, clock: StillClock, limits: ProviderLimits, takes: timedelta) -> None:
        super().__init__(limits=limits, clock=clock.now)
        self.still, self.takes = clock, takes

    def observe(self, submissions):
        self.still.time += self.takes
        return {submission.name: Observation(state=JobState.MISSING) for submission in submissions}


def a_store(*runs, limit=None):
    store = CountingStore()
    store.save_pool(a_pool(limit=limit), expected_version=None)
    store.add_runs([replace(run, state=RunState.SCHEDULED) for run in runs])
    store._runs.update({run.id: run for run in runs})
    return store


def a_tick(store, provider, clock, *, lasts=MINUTE, **limits):
    dispatch = Dispatch(
        store=store, providers=lambda _: provider, clock=clock, events=lambda *_, **__: None, limits=TickLimits(**limits)
    )
    return tick(dispatch, clock.now() + lasts).pools[0]


def test_a_missing_job_is_judged_by_the_time_at_which_looking_began():
    hidden = ProviderLimits(lookup_lag=60.0)
    run = a_live_run(submitted_at=NOW)
    store, clock = a_store(run), StillClock(NOW + 60 * SECOND)

    a_tick(store, SlowToLook(clock, hidden, takes=30 * SECOND), clock)  # it may have shown up while we were waiting
    assert store.get(run.id).state is RunState.RUNNING

    a_tick(store, SlowToLook(clock, hidden, takes=30 * SECOND), clock)
    assert store.get(run.id).state is RunState.CRASHED


def test_an_ended_job_is_kept_until_no_request_for_its_name_can_be_under_way():
    run = a_live_run(state=RunState.COMPLETED, submitted_at=NOW, ended_at=NOW + SECOND, lingers=True)
    store, clock, provider = a_store(run), StillClock(NOW + LEASE), FakeProvider(remembers=Remembers.OBJECT)

    assert a_tick(store, provider, clock).discarded == 0

    clock.time += SECOND
    assert a_tick(store, provider, clock).discarded == 1
    assert not store.get(run.id).lingers


def test_a_tick_whose_pace_reaches_the_deadline_claims_nothing_more():
    slow = replace(LIMITS[Remembers.OBJECT], submit_rates=(Rate(burst=2, per_second=0.01),), concurrency=1)
    runs = [a_run() for _ in range(5)]
    store, clock, provider = a_store(*runs), StillClock(), FakeProvider(limits=slow)

    report = a_tick(store, provider, clock, batch=3)

    assert (report.claimed, report.submitted, report.not_submitted) == (3, 2, 1)
    assert store.claimed == 3
    assert [store.get(run.id).state for run in runs[2:]] == [RunState.SCHEDULED] * 3
    assert provider.live == {submission_name(run.id, 1) for run in runs[:2]}
    assert clock.slept == [0.0, 0.0]


def test_a_tick_whose_deadline_passes_between_two_submissions_claims_nothing_more():
    class Laborious(FakeProvider):
        def submit(self, job):
            clock.time += 40 * SECOND
            return super().submit(job)

    runs = [a_run() for _ in range(5)]
    store, clock = a_store(*runs), StillClock()
    provider = Laborious(limits=replace(LIMITS[Remembers.OBJECT], concurrency=1))

    report = a_tick(store, provider, clock, batch=3)

    assert (report.submitted, report.not_submitted) == (2, 1)
    assert store.claimed == 3
