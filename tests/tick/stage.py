"""A tick's parts for a test to look into: a store and a provider in memory, a clock that is moved by hand, events in a list."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import timedelta

from dispatcher.models.records import RunFilter
from dispatcher.stores.memory import MemoryStore
from dispatcher.ticking import Dispatch, TickLimits, admit_next, settle_event, tick
from providers.base import ProviderLimits
from providers.testing import FakeProvider, Remembers
from tests.builders import MINUTE, NOW, SECOND, a_pool, a_run, an_id

LIMITS = ProviderLimits(memory=3600.0, lookup_lag=30.0, concurrency=1)
LEASE = MINUTE + timedelta(seconds=LIMITS.call_timeout + LIMITS.lookup_lag) + TickLimits().clock_skew
"""How long a claim at the beginning of a tick belongs to its invocation on this stage."""

LONGEST_LEASE = TickLimits().lease + timedelta(seconds=LIMITS.lookup_lag) + TickLimits().clock_skew
"""... of any invocation: after that no request can be under way any more."""

SETTLED = timedelta(seconds=LIMITS.call_timeout + LIMITS.lookup_lag) + TickLimits().clock_skew
"""The time after which a look-up knows what became of a submission without an answer."""


class Clock:
    """Time passes when somebody sleeps, or says so."""

    def __init__(self):
        self.time = NOW

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.time += timedelta(seconds=seconds)

    def new_id(self):
        return an_id()


class Stage:
    """One or more pools on one provider."""

    def __init__(self, *pools, store=None, remembers=Remembers.TOKEN, **limits):
        self.clock, self.events = Clock(), []
        self.store = MemoryStore() if store is None else store
        self.provider = FakeProvider(remembers=remembers, clock=self.clock.now, limits=replace(LIMITS, **limits))
        self.providers = lambda _type: self.provider
        self.source = None
        for pool in pools or (a_pool(),):
            self.store.save_pool(pool, expected_version=None)

    def dispatch(self, **limits):
        return Dispatch(
            store=self.store,
            providers=self.providers,
            clock=self.clock,
            events=lambda event, **fields: self.events.append((event, fields)),
            limits=TickLimits(**limits),
            source=self.source,
        )

    def add(self, count=1, **fields):
        runs = [a_run(**fields) for _ in range(count)]
        self.store.add_runs(runs)
        return runs

    def tick(self, *, lasts=MINUTE, pools=None, **limits):
        """A whole tick; its report has to be JSON."""
        report = tick(self.dispatch(**limits), self.clock.now() + lasts, pools=pools)
        assert json.loads(json.dumps(asdict(report))) == asdict(report)
        return report

    def tick_pool(self, **arguments):
        """The report of the only pool, whether it has something to do or not."""
        return self.tick(pools=self.store.pool_names(), **arguments).pools[0]

    def event(self, run, seen, submission):
        return settle_event(self.dispatch(), run, seen, submission)

    def admit_next(self, pool="pool"):
        return admit_next(self.dispatch(), pool, self.clock.now() + MINUTE)

    def wait(self, duration):
        self.clock.time += duration

    def let_the_lease_end(self):
        self.wait(LEASE + SECOND)

    def get(self, run):
        return self.store.get(run.id)

    def states(self, *runs):
        return [str(self.get(run).state) for run in runs]

    def logged(self, *names):
        """The events of these names, in order."""
        return [(event, fields) for event, fields in self.events if event in names]

    def contents(self):
        """All that is in the store."""
        return self.store.pools(), self.store.deployments(), self.store.runs(RunFilter(), limit=10_000)
