"""What the steps of one pool's tick share. `dispatcher.ticking.line` gives their order.

A tick may be cut off at any point, overlap with others or come twice: every write names the state and the fence it leaves, and
every submission has a name that the next tick can look up.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from dispatcher.core.reconciliation import cautious
from dispatcher.models import WorkPool
from dispatcher.ticking.calls import Calls, Pace
from dispatcher.ticking.dispatch import Dispatch
from dispatcher.ticking.holding import Holding
from dispatcher.ticking.report import PoolReport

Item = TypeVar("Item")


class PoolTick:
    """One tick of one pool: the dependencies of its steps, and the report that they write."""

    def __init__(self, dispatch: Dispatch, pool: WorkPool, deadline: datetime, report: PoolReport) -> None:
        self.dispatch, self.pool, self.deadline, self.report = dispatch, pool, deadline, report
        self.store, self.clock, self.events, self.limits = dispatch.store, dispatch.clock, dispatch.events, dispatch.limits
        self.provider = dispatch.providers(pool.type)
        self.provider_limits = cautious(self.provider.limits, self.limits.clock_skew)
        self.holding = Holding(dispatch, self.provider, pool, deadline)

    def lease(self, now: datetime) -> timedelta:
        """How long a claim made now belongs to this invocation: until the invocation has certainly ended.

        It begins no call after its deadline, and its last call ends within one call's time. A look-up can say what became of
        that call after the lag in which its provider may hide a job; the skew between two clocks is part of that lag.
        """
        last_answer = max(self.deadline - now, timedelta()) + timedelta(seconds=self.provider_limits.call_timeout)
        return min(last_answer, self.limits.lease) + timedelta(seconds=self.provider_limits.lookup_lag)

    @property
    def longest_lease(self) -> timedelta:
        """The longest lease of any invocation's claim."""
        return self.limits.lease + timedelta(seconds=self.provider_limits.lookup_lag)

    def report_problem(self, problem: str) -> None:
        """Report a problem that does not end this tick; the report names the first, the log names all."""
        self.report.problem = self.report.problem or problem
        self.events("pool.problem", pool=self.pool.name, problem=problem)

    def calls(
        self, function: Callable[[Item], Any], *, until: datetime | None = None, pace: Pace | None = None
    ) -> Calls[Item, Any]:
        """Provider calls on threads; none begins after `until`, by default the deadline."""
        return Calls(
            function,
            threads=self.provider.limits.concurrency,
            clock=self.clock,
            deadline=until or self.deadline,
            pace=pace or Pace((), self.clock.now()),
            is_stopped=self.dispatch.is_stopped,
        )
