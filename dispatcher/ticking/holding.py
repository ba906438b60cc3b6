"""What one tick learns about which of its pool's runs have to wait: refusals become holds of the pool, ends free them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from dispatcher.core import holds
from dispatcher.events import Events
from dispatcher.models import HoldKind, PoolHold, Run, RunState, WorkPool
from dispatcher.records import Claim, Move, Position
from dispatcher.store import Store
from dispatcher.ticking.seam import attempted
from providers.base import Needs, Provider

MAX_UNANSWERED = 3
"""Calls for jobs that go to one place and got no answer, after which a tick begins no more there: its provider is not well."""


class Holding:
    """The holds of one pool during one tick."""

    def __init__(self, store: Store, events: Events, provider: Provider, pool: WorkPool, deadline: datetime) -> None:
        self.store, self.events, self.provider = store, events, provider
        self.pool, self.deadline = pool.name, deadline
        self.known = pool.holds
        """As they were last read."""
        self.fresh: list[PoolHold] = []
        """Of this tick's refusals; it stands by them until they are over, whatever becomes of the pool's holds."""
        self.mute: list[PoolHold] = []
        """Of places that give no answers; the next tick tries them again."""
        self._unanswered: Counter[tuple[str, ...]] = Counter()

    def seen_with(self, pool: WorkPool) -> WorkPool:
        """The pool as the claiming transaction sees it, with what this tick has found out."""
        self.known = pool.holds
        known = {hold.identity: hold.until for hold in pool.holds}
        own = [hold for hold in self.fresh if hold.identity not in known or known[hold.identity] < hold.until]
        return replace(pool, holds=(*pool.holds, *own, *self.mute))

    def needs(self, configuration: Mapping[str, object]) -> Needs:
        """What a job needs of its provider; nothing is known of one whose configuration cannot be read."""
        return attempted(partial(self.provider.needs, configuration), lambda _problem: Needs())

    def needs_of(self, run: Run) -> Needs:
        """The same of a run that was claimed."""
        return self.needs((run.job or {}).get("configuration", {}))

    def concerns(self, claim: Claim, now: datetime) -> PoolHold | None:
        """What this tick has found out that keeps a claim's job back, if anything does.

        A claim that was taken over is looked up whatever is refused, but for a place that gives no answers.
        """
        found = self.mute if claim.repeat else [*self.mute, *self.fresh]
        if not found:
            return None
        needs = self.needs_of(claim.run)
        return next((hold for hold in holds.active(found, now) if holds.concerns(hold, needs)), None)

    def is_closed(self, now: datetime) -> bool:
        """Whether this tick has found out that no run of the pool can start."""
        return any(holds.is_whole(hold) for hold in holds.active([*self.mute, *self.fresh], now))

    def refused(self, claim: Claim, hold: PoolHold) -> bool:
        """Hold what a refusal concerns; the answer says whether that keeps the refused run itself back."""
        self.add(hold)
        return holds.concerns(hold, self.needs_of(claim.run))

    def add(self, hold: PoolHold) -> None:
        """Hold runs of the pool from now on, beyond this tick."""
        self.fresh.append(hold)
        self.known = self.store.hold(self.pool, partial(holds.added, new=hold))
        self.events("pool.held", pool=self.pool, until=hold.until, reason=hold.reason, kind=str(hold.kind), place=hold.place)

    def unanswered(self, claim: Claim, cause: str) -> None:
        """Note a call without an answer; after a few of them this tick leaves the place where the job was to go alone."""
        place = self.needs_of(claim.run).place
        self._unanswered[place] += 1
        if self._unanswered[place] == MAX_UNANSWERED:
            self.mute.append(PoolHold(place=place, until=self.deadline, reason=cause, kind=HoldKind.RATE))

    def accepted(self, runs: Iterable[Run], now: datetime) -> None:
        """Forget the refusals that are over where these runs' jobs were accepted."""
        if not any(hold.until <= now for hold in self.known):
            return
        needs = [self.needs_of(run) for run in runs]

        def without(of_pool: holds.Holds) -> holds.Holds:
            for each in needs:
                of_pool = holds.accepted(of_pool, each, now)
            return of_pool

        if without(self.known) != self.known:
            self.known = self.store.hold(self.pool, without)

    def ended(self) -> None:
        """A job has ended, and may have freed what others wait for."""
        self.known = free(self.store, self.pool, self.known)

    def passed_over(self, places: Mapping[str, Position], now: datetime) -> None:
        """Note how far the queues were looked through, so that the next claim goes on from there."""
        self.known = self.store.hold(self.pool, partial(holds.passed_over, places=places, now=now))


def free(store: Store, pool: str, known: holds.Holds) -> holds.Holds:
    """End the holds that wait for the end of a job; nothing is asked for where none of those that are known does."""
    return store.hold(pool, holds.freed) if holds.freed(known) != known else known


def frees_a_slot(moves: Sequence[Move]) -> bool:
    """Whether one of these moves is the end of a job."""
    return any(move.expected.holds_slot and not move.to.holds_slot for move in moves)


def was_accepted(move: Move | None) -> bool:
    """Whether a move records a job's submission."""
    return move is not None and move.to in (RunState.PENDING, RunState.CANCELLING) and bool(move.changes.get("submission"))
