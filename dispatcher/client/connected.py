"""What every part of the client works with: the store, the time, who acts, and how a tick is started."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from dispatcher.client.jobs import Check, Jobs, Warn, log_warning
from dispatcher.client.recording import Recorder
from dispatcher.environment.clock import Clock, SystemClock
from dispatcher.models import Actor
from dispatcher.waking import NotWoken, Wake, nobody
from providers import registry

if TYPE_CHECKING:
    from dispatcher.protocols import PeopleStore


class Connected:
    """A client of a store."""

    def __init__(
        self,
        store: PeopleStore,
        *,
        clock: Clock | None = None,
        heartbeat: timedelta = timedelta(seconds=180),
        warn: Warn = log_warning,
        check: Check = registry.check,
        wake: Wake = nobody,
        actor: Actor | None = None,
        history: timedelta | None = timedelta(days=30),
    ) -> None:
        """`warn` is called with one line for each accepted value without effect; `check` is a provider's check of a job.

        `wake` starts a tick of the pools in which a call of this client has made something to do. `actor` is who makes the
        changes, for the log; None: the function that this is, or the user of this process. `history`: for how long entries of
        the log are kept; None: for ever.
        """
        self.store = store
        self.clock = clock or SystemClock()
        self.heartbeat = heartbeat
        self.jobs = Jobs(check, warn)
        self._wake, self._warn = wake, warn
        self.actor, self._history = actor, history
        self.pool_version: int | None = None
        self.deployment_version: int | None = None
        self.automation_version: int | None = None

    def only_at(self, *, pool: int | None = None, deployment: int | None = None, automation: int | None = None) -> Self:
        """The same client, for one change of a pool, deployment or automation that is made only to this version of it.

        Reading the noun raises `VersionChanged` when it has another version by now.
        """
        client = copy(self)
        client.pool_version, client.deployment_version, client.automation_version = pool, deployment, automation
        return client

    def acting(self, actor: Actor) -> Self:
        """The same client, whose changes are this actor's."""
        client = copy(self)
        client.actor = actor
        return client

    @property
    def recorder(self) -> Recorder:
        """What makes this client's changes."""
        return Recorder(store=self.store, clock=self.clock, actor=self.actor, kept=self._history)

    @contextmanager
    def starting_ticks_once(self) -> Iterator[Self]:
        """The same client for many calls: the ticks that they ask for are started after the last one, one for each pool."""
        client, pools = copy(self), list[str]()
        client._wake = pools.extend  # noqa: SLF001 - a copy of this object
        try:
            yield client
        finally:
            self.start_tick(pools)

    def start_tick(self, pools: Sequence[str]) -> None:
        """Start a tick of each of these pools, if `DISPATCHER_WAKE` is set, once for a pool that is there more than once.

        A failure is a warning: the scheduled tick comes anyway.
        """
        names = list(dict.fromkeys(pools))
        if not names:
            return
        try:
            self._wake(names)
        except NotWoken as problem:
            self._warn(f"no tick was started (DISPATCHER_WAKE): {problem}; the next scheduled one does what is to do")
