"""A tick's dependencies and its limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from dispatcher.core.windows import WindowLimits
from dispatcher.delivery import Deliver
from dispatcher.environment.clock import Clock
from dispatcher.environment.events import Events
from providers.base import Provider

if TYPE_CHECKING:
    from dispatcher.environment.settings import Settings
    from dispatcher.protocols import TickStore
    from dispatcher.protocols.source import Source  # a tick without a source does not load its protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class TickLimits:
    """Limits of one tick of one pool. Everything is bounded, so that the cost of a tick depends on what it admits."""

    lease: timedelta = timedelta(seconds=300)
    """The longest that a claim belongs to its invocation, before the provider's lookup lag is added. It ends earlier where
    the invocation has certainly ended earlier (`PoolTick.lease`)."""
    clock_skew: timedelta = timedelta(seconds=10)
    """How far the clocks of two invocations may differ."""
    batch: int = 100
    """Runs claimed in one transaction."""
    claims: int = 2000
    """Runs claimed in all."""
    observations: int = 10_000
    """Live jobs that are observed; if there are more, they take turns."""
    discards: int = 100
    """Ended runs whose jobs are removed from their provider."""
    windows: WindowLimits = field(default_factory=WindowLimits)
    """How far ahead schedules make runs."""
    history: timedelta | None = timedelta(days=30)
    """How long ended runs are kept; None: for ever."""
    pruned: int = 1000
    """Ended runs deleted as old history."""
    side_by_side: int = 1
    """Providers whose pools are ticked at the same time, each on its own thread; 1: all pools one after the other."""
    heads: int = 0
    """Queues whose first waiting run is read, one row each, for telemetry."""

    @classmethod
    def of(cls, settings: Settings) -> TickLimits:
        """Those that the settings state."""
        return cls(
            lease=timedelta(seconds=settings.lease_seconds),
            clock_skew=timedelta(seconds=settings.clock_skew_seconds),
            claims=settings.max_claims,
            windows=WindowLimits(ahead=timedelta(seconds=settings.schedule_ahead_seconds), grace=settings.heartbeat),
            history=settings.history,
        )


def never() -> bool:
    """The tick of a function is ended by its deadline alone."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """A tick's dependencies: store and providers, clock and events, and its limits."""

    store: TickStore
    providers: Callable[[str], Provider]
    """The provider of a pool type; raises `ProviderError` when it cannot be used."""
    clock: Clock
    events: Events
    limits: TickLimits = TickLimits()
    deliver: Deliver | None = None
    """How notifications reach hooks; None: none are delivered."""
    source: Source | None = None
    """The source of runs that are kept elsewhere; None: there is none, and nothing is asked."""
    is_stopped: Callable[[], bool] = never
    """Whether the process is about to end. Then a tick begins no more calls, as after its deadline, and records the answers of
    those under way. Called from several threads."""

    def prune(self, pool: str) -> int:
        """Delete old history of a pool; returns the number of runs."""
        if self.limits.history is None:
            return 0
        return self.store.prune(pool, self.clock.now() - self.limits.history, limit=self.limits.pruned)

    def is_over(self, deadline: datetime) -> bool:
        """Whether a tick begins nothing more: its deadline has come, or the process is about to end."""
        return self.is_stopped() or self.clock.now() >= deadline
