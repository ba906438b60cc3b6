"""The holds of one tick: refusals become holds of the pool, ends of jobs free them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from dispatcher.core import holds
from dispatcher.models import HoldKind, PoolHold, Run, RunState, WorkPool
from dispatcher.models.records import Claim, Move, Position
from dispatcher.ticking.dispatch import Dispatch
from dispatcher.ticking.seam import attempted
from providers.base import Needs, Provider

if TYPE_CHECKING:
    from dispatcher.protocols import TickStore

MAX_UNANSWERED = 3
"""Unanswered calls for one place after which a tick makes no more calls there."""


class Holding:
    """The holds of one pool during one tick."""

    def __init__(self, dispatch: Dispatch, provider: Provider, pool: WorkPool, deadline: datetime) -> None:
        self.store, self.events, self.provider = dispatch.store, dispatch.events, provider
        self.pool, self.deadline = pool.name, deadline
        self.stored = pool.holds
        """The pool's holds as they were last read."""
        self.fresh: list[PoolHold] = []
        """Holds from this tick's refusals; they count until they are over, whatever happens to the pool's stored holds."""
        self.mute: list[PoolHold] = []
        """Holds of places that do not answer; the next tick tries these places again."""
        self._unanswered: Counter[tuple[str, ...]] = Counter()

    def seen_with(self, pool: WorkPool) -> WorkPool:
        """The pool as the claiming transaction sees it, with the holds that this tick has added."""
        self.stored = pool.holds
        until = {hold.identity: hold.until for hold in pool.holds}
        own = [hold for hold in self.fresh if hold.identity not in until or until[hold.identity] < hold.until]
        return replace(pool, holds=(*pool.holds, *own, *self.mute))

    def needs(self, configuration: Mapping[str, object]) -> Needs:
        """What a job needs of its provider; nothing where its configuration cannot be read."""
        return attempted(partial(self.provider.needs, configuration), lambda _problem: Needs())

    def needs_of(self, run: Run) -> Needs:
        """What a claimed run's job needs of its provider."""
        return self.needs(run.job_configuration)

    def concerns(self, claim: Claim, now: datetime) -> PoolHold | None:
        """The hold of this tick that keeps a claim's job back, if any does.

        A claim that was taken over is looked up in spite of refusals, unless its place does not answer.
        """
        own = self.mute if claim.repeat else [*self.mute, *self.fresh]
        if not own:
            return None
        needs = self.needs_of(claim.run)
        return next((hold for hold in holds.active(own, now) if holds.concerns(hold, needs)), None)

    @property
    def is_open(self) -> bool:
        """Whether this tick has met no refusal yet."""
        return not self.mute and not self.fresh

    def is_closed(self, now: datetime) -> bool:
        """Whether a hold of this tick lets no run of the pool start."""
        return any(holds.is_whole(hold) for hold in holds.active([*self.mute, *self.fresh], now))

    def refused(self, claim: Claim, hold: PoolHold) -> bool:
        """Add the hold that follows from a refusal; returns whether it keeps the refused run itself back."""
        self.add(hold)
        return holds.concerns(hold, self.needs_of(claim.run))

    def add(self, hold: PoolHold) -> None:
        """Hold runs of the pool from now on, beyond this tick."""
        self.fresh.append(hold)
        self.stored = self.store.hold(self.pool, partial(holds.added, new=hold))
        self.events("pool.held", pool=self.pool, until=hold.until, reason=hold.reason, kind=str(hold.kind), place=hold.place)

    def unanswered(self, claim: Claim, cause: str) -> None:
        """Note a call without an answer; after a few of them this tick makes no more calls for the job's place."""
        place = self.needs_of(claim.run).place
        self._unanswered[place] += 1
        if self._unanswered[place] == MAX_UNANSWERED:
            self.mute.append(PoolHold(place=place, until=self.deadline, reason=cause, kind=HoldKind.RATE))

    def accepted(self, runs: Iterable[Run], now: datetime) -> None:
        """Forget the refusals that are over where these runs' jobs were accepted."""
        if not any(hold.until <= now for hold in self.stored):
            return
        needs = [self.needs_of(run) for run in runs]

        def without_past(stored: holds.Holds) -> holds.Holds:
            for of_job in needs:
                stored = holds.accepted(stored, of_job, now)
            return stored

        if without_past(self.stored) != self.stored:
            self.stored = self.store.hold(self.pool, without_past)

    def ended(self) -> None:
        """Note that a job has ended: its end may free what held runs wait for."""
        self.stored = free(self.store, self.pool, self.stored)

    def passed_over(self, places: Mapping[str, Position], now: datetime) -> None:
        """Note the positions up to which all runs are held, so that the next claim continues there."""
        self.stored = self.store.hold(self.pool, partial(holds.passed_over, places=places, now=now))


def free(store: TickStore, pool: str, stored: holds.Holds) -> holds.Holds:
    """End the holds that wait for a job's end. `stored`: the pool's, as last read; where none waits, nothing is written."""
    return store.hold(pool, holds.freed) if holds.freed(stored) != stored else stored


def frees_a_slot(moves: Sequence[Move]) -> bool:
    """Whether one of these moves is the end of a job."""
    return any(move.expected.holds_slot and not move.to.holds_slot for move in moves)


def was_accepted(move: Move | None) -> bool:
    """Whether a move records a job's submission."""
    return move is not None and move.to in (RunState.PENDING, RunState.CANCELLING) and bool(move.changes.get("submission"))
