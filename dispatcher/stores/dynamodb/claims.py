"""One claim: read, decide, and write in transactions that are each complete by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from dispatcher.core import transitions
from dispatcher.core.ticks import noted
from dispatcher.errors import StoreUnavailable
from dispatcher.models import Deployment, Run, RunState, WorkPool
from dispatcher.models.lanes import limited_by
from dispatcher.models.records import Claim, Claims, Decide, Decision, Position, Snapshot
from dispatcher.stores.codecs import microseconds
from dispatcher.stores.dynamodb import keys
from dispatcher.stores.dynamodb.items import MAX_BYTES, Stored, as_read, deployment_in, id_in, is_startable, key_in
from dispatcher.stores.dynamodb.lanes import LiveRuns, lane_entries, lanes_in, live_in
from dispatcher.stores.dynamodb.pools import StoredPool
from dispatcher.stores.dynamodb.requests import Table
from dispatcher.stores.dynamodb.run_writes import RunWrite, RunWriter, Turn


@dataclass(frozen=True, slots=True)
class _ClaimWrite:
    """One run's part in a claim."""

    change: RunWrite
    repeat: bool


class ClaimTry:
    """One try of a claim of one pool. It fails if somebody else has claimed or changed the pool since it was read."""

    def __init__(self, table: Table, changes: RunWriter, stored_pool: StoredPool, now: datetime, lease: timedelta) -> None:
        self._table, self._changes, self._stored_pool = table, changes, stored_pool
        self._pool, self._now, self._lease = stored_pool.pool.name, now, lease
        self._seen: dict[UUID, Stored] = {}
        self._deployments: dict[str, Deployment | None] = {}
        self._lanes_in: dict[str, Sequence[str]] = {}
        self._live: LiveRuns | None = None

    def claim(self, takeovers: int, decide: Decide) -> Claims | None:
        """The claims; empty if there was nothing to do; None if another writer came first and nothing was claimed."""
        repeats = self._abandoned(takeovers)
        decision = decide(self._snapshot(self._ticked()))
        writes = [self._taken_over(stored) for stored in repeats]
        writes += self._decided(decision, {stored.run.id for stored in repeats})
        if not writes:
            return Claims()
        done = self._carry_out(writes)
        return _answer(done) if done else None

    # What the decision sees

    def seen(self) -> Snapshot:
        """The snapshot that a claim would see, for `Store.look`."""
        return self._snapshot(self._stored_pool.pool)

    def _ticked(self) -> WorkPool:
        pool = self._stored_pool.pool
        return replace(pool, last_tick_at=self._now, ticked_hours=noted(pool.ticked_hours, self._now))

    def _snapshot(self, pool: WorkPool) -> Snapshot:
        return Snapshot(
            pool=pool,
            in_use=self._stored_pool.used,
            due=self._due,
            deployment=self._deployment,
            lanes=self._lanes,
            live=lambda deployment: self._living().of(deployment),
            held=lambda queue: self._living().in_queue(queue),
            run=self._run,
        )

    def _lanes(self, queue: str) -> Sequence[str]:
        """The lanes in which runs are due."""
        if not self._stored_pool.has_lanes:
            return ()
        if queue not in self._lanes_in:
            self._lanes_in[queue] = sorted(lanes_in(self._table, self._pool, queue, self._now))
        return self._lanes_in[queue]

    def _living(self) -> LiveRuns:
        if self._live is None:
            self._live = live_in(self._table, self._pool, self._stored_pool.used)
        return self._live

    def _run(self, run_id: UUID) -> Run | None:
        """See `Snapshot.run`."""
        stored = self._changes.read([run_id]).get(run_id)
        return as_read(stored.run) if stored else None

    def _due(self, queue: str, limit: int, after: Position | None = None, lane: str | None = None) -> Sequence[Run]:
        """The first runs of a queue. Runs that changed between the reading of their entries and of their items wait for the
        next claim.
        """
        ids = [id_in(key) for key in islice(self._waiting(queue, limit, after, lane), max(limit, 0))]
        stored = self._changes.read(ids)
        self._seen.update(stored)
        return [as_read(stored[run_id].run) for run_id in ids if run_id in stored and self._is_due(stored[run_id].run, queue)]

    def _waiting(self, queue: str, limit: int, after: Position | None, lane: str | None) -> Iterator[keys.Key]:
        """Entries of runs that are due, not held back and not expired, in order."""
        now, page = microseconds(self._now), min(max(limit, 1), 1000)
        if after is not None and after[0] > self._now:
            return  # written by an invocation whose clock is ahead
        first = f"{keys.at(*after)}~" if after else ""
        partition = keys.waiting(self._pool, queue)
        for item in lane_entries(self._table, partition, lane, self._now, page=page, after=first):
            if is_startable(item, now):
                yield key_in(item)

    def _is_due(self, run: Run, queue: str) -> bool:
        waits = run.state is RunState.SCHEDULED and (run.pool, run.queue) == (self._pool, queue)
        is_over = run.expires_at is not None and run.expires_at <= self._now
        return waits and not is_over and max(run.due_at, run.not_before or run.due_at) <= self._now

    def _deployment(self, name: str) -> Deployment | None:
        """One deployment. The first call reads the deployments of all lanes and runs that were read so far."""
        if name not in self._deployments:
            seen = {stored.run.deployment for stored in self._seen.values()} - {None}
            seen |= {limited_by(lane) for lanes in self._lanes_in.values() for lane in lanes} - {None}
            names = [name, *sorted(other for other in seen if other and other != name and other not in self._deployments)]
            items = self._table.items([keys.deployment(other) for other in names])
            self._deployments.update((other, deployment_in(items.get(keys.deployment(other)))) for other in names)
        return self._deployments[name]

    def _abandoned(self, limit: int) -> Sequence[Stored]:
        """Claims whose lease has ended without a submission, oldest first."""
        if limit <= 0:
            return []
        entries = self._table.query(keys.claimed(self._pool), before=keys.after(self._now), page=min(limit, 1000))
        ids = [id_in(key_in(item)) for item in islice(entries, limit)]
        stored = self._changes.read(ids)
        self._seen.update(stored)
        return [stored[run_id] for run_id in ids if run_id in stored and self._is_abandoned(stored[run_id].run)]

    def _is_abandoned(self, run: Run) -> bool:
        over = run.lease_until is not None and run.lease_until <= self._now
        return run.state in transitions.TAKEN_OVER_IN and run.submission is None and over

    # The result of a decision

    def _decided(self, decision: Decision, taken: set[UUID]) -> Sequence[_ClaimWrite]:
        """The writes of a decision, in order. Runs that have changed since the decision are left out."""
        decided: list[tuple[Run, Mapping[str, Any]]] = [
            (grant.run, transitions.granted(grant, self._now, self._lease)) for grant in decision.grants
        ]
        decided += [(run, transitions.crashed(run, reason, self._now)) for run, reason in decision.crashes]
        unseen = [run.id for run, _ in decided if run.id not in self._seen]
        self._seen.update(self._changes.read(unseen) if unseen else {})
        writes: dict[UUID, _ClaimWrite] = {}
        for run, changes in decided:
            stored = self._seen.get(run.id)
            if run.id not in writes and run.id not in taken and stored and self._is_as_decided(stored.run, run):
                writes[run.id] = self._write(stored, changes, repeat=False)
        return list(writes.values())

    def _taken_over(self, stored: Stored) -> _ClaimWrite:
        return self._write(stored, transitions.taken_over(stored.run, self._now, self._lease), repeat=True)

    def _is_as_decided(self, stored: Run, run: Run) -> bool:
        expected = self._pool, RunState.SCHEDULED, run.fence, run.ending
        return (stored.pool, stored.state, stored.fence, stored.ending) == expected

    def _write(self, stored: Stored, changes: Mapping[str, Any], *, repeat: bool) -> _ClaimWrite:
        after = as_read(replace(stored.run, **changes))
        weight = self._changes.weight(after)
        if weight > MAX_BYTES and not repeat:
            reason = f"its job and variables are {weight:,} bytes, more than an item of DynamoDB's holds ({MAX_BYTES:,})"
            after = as_read(replace(stored.run, **transitions.crashed(stored.run, reason, self._now)))
        self._changes.watches = self._stored_pool.watches
        return _ClaimWrite(RunWrite(before=stored, after=self._changes.owing(stored, after)), repeat)

    # Writing

    def _carry_out(self, writes: Sequence[_ClaimWrite]) -> Sequence[_ClaimWrite]:
        """Write; returns the writes that succeeded. They are a prefix, since each transaction requires the turn that the
        previous one left.

        If a transaction fails after others were written, its runs wait for the next claim. If it is unknown whether it was
        written, they wait until the lease ends.
        """
        by_run = {write.change.after.id: write for write in writes}
        turn = Turn(pool=self._pool, expected=self._stored_pool.turn, now=self._now)
        done: list[_ClaimWrite] = []
        for batch in self._changes.batches([write.change for write in writes], turn):
            token = self._table.new_token()
            try:
                refused = self._changes.commit(batch, token, turn)
            except StoreUnavailable:
                if not done:
                    raise
                return done
            if refused:
                return done
            done += [by_run[change.after.id] for change in batch]
            turn = replace(turn, expected=token)
        return done


def _answer(writes: Sequence[_ClaimWrite]) -> Claims:
    written = [(write.change.after, write.repeat) for write in writes]
    crashed = tuple(replace(run, automate_at=None) for run, _ in written if run.state is RunState.CRASHED)
    claims = tuple(Claim(run=run, repeat=repeat) for run, repeat in written if run.state is not RunState.CRASHED)
    return Claims(claims=claims, crashed=crashed)
