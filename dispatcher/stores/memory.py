"""A store in a dictionary: the shortest correct one.

It is the oracle of the differential test, and users can use it in their own tests. Every verb is one step under one lock.
Callers and the store share no mutable object. Verbs look at every run: correct before fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from dispatcher.core import ticks, transitions, windows
from dispatcher.core.holds import order_in_queue
from dispatcher.models import Automation, Deployment, Firing, LogEntry, PoolHold, Run, RunState, WorkPool
from dispatcher.models.lanes import limited_by
from dispatcher.models.records import (
    PAGE,
    Automated,
    ChangeHolds,
    Claim,
    Claims,
    Decide,
    EndedRun,
    LogFilter,
    Materialisation,
    Move,
    Notified,
    QueueCount,
    Requeue,
    RunFilter,
    Searched,
    Seen,
    Snapshot,
    Tallied,
)
from dispatcher.stores import refusals
from dispatcher.stores.apart import apart, small
from dispatcher.stores.memory_configuration import MemoryConfiguration
from dispatcher.stores.memory_state import is_work

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def open_url(_url: str) -> MemoryStore:
    """A new, empty store. Every `memory://` opens another one."""
    return MemoryStore()


class MemoryStore(MemoryConfiguration):
    """A `Store` that lasts as long as its process."""

    # The log

    def log(self, where: LogFilter, *, limit: int) -> Sequence[LogEntry]:
        """See `Store.log`."""
        with self._lock:
            by_id = sorted((entry for entry in self._log.values() if where.matches(entry)), key=lambda entry: entry.id)
            return [deepcopy(entry) for entry in sorted(by_id, key=lambda entry: entry.changed_at, reverse=True)[:limit]]

    # Runs

    def add_runs(self, runs: Sequence[Run], *, entry: LogEntry | None = None) -> frozenset[UUID]:
        """See `Store.add_runs`."""
        with self._lock:
            for run in runs:
                self._require_queue(run.pool, run.queue)
            added = {run.id: apart(run) for run in reversed(runs) if run.id not in self._runs}  # the first of two equal ids
            self._runs.update(added)
            self._note_runs(entry, len(added))
            return frozenset(added)

    def get(self, run_id: UUID) -> Run | None:
        """See `Store.get`."""
        with self._lock:
            return apart(self._runs[run_id]) if run_id in self._runs else None

    def runs(self, where: RunFilter, *, limit: int, offset: int = 0) -> Sequence[Run]:
        """See `Store.runs`."""
        with self._lock:
            by_id = sorted((run for run in self._runs.values() if where.matches(run)), key=lambda run: run.id)
            newest_first = sorted(by_id, key=lambda run: run.created_at, reverse=True)
            return [apart(run) for run in newest_first[offset:][:limit]]

    def search(self, where: RunFilter, *, limit: int, most: int) -> Searched:
        """See `Store.search`. Every run of the time counts."""
        with self._lock:
            listed = self.runs(RunFilter(since=where.since, until=where.until, after=where.after), limit=most)
            runs = [run for run in listed if where.matches(run)][: max(limit, 0)]
            is_over = len(listed) < most or len(runs) >= limit
            return Searched(runs, None if is_over else (listed[-1].created_at, listed[-1].id))

    def tally(self, where: RunFilter, *, most: int) -> Tallied:
        """See `Store.tally`. Every run of the time counts."""
        runs, until = self.search(where, limit=most + 1, most=most)
        return Tallied(len(runs), until)

    def count(self, where: RunFilter, *, limit: int) -> int:
        """See `Store.count`."""
        with self._lock:
            return min(sum(map(where.matches, self._runs.values())), max(limit, 0))

    def requeue(self, requeues: Sequence[Requeue], *, entry: LogEntry | None = None) -> frozenset[UUID]:
        """See `Store.requeue`."""
        transitions.check_requeues(requeues)
        with self._lock:
            for requeue in requeues:
                self._require_queue(requeue.pool, requeue.queue)
            changed = frozenset(requeue.run_id for requeue in requeues if self._requeue(requeue))
            self._note_runs(entry, len(changed))
            return changed

    def ended(self, pool: str, since: datetime, *, limit: int) -> Sequence[EndedRun]:
        """See `Store.ended`."""
        with self._lock:
            ended = [run for run in self._of(pool) if run.state.is_terminal and run.ended_at and run.ended_at >= since]
            latest_first = sorted(ended, key=lambda run: (run.ended_at or _LONG_AGO, run.id), reverse=True)
            return [EndedRun.of(small(run)) for run in latest_first[:limit]]

    def counts(self, pool: str, now: datetime) -> Mapping[str, QueueCount]:
        """See `Store.counts`."""
        with self._lock:
            stored = self._pools.get(pool)
            return {queue.name: self._count(pool, queue.name, now) for queue in stored.queues} if stored else {}

    def ahead(self, run: Run, now: datetime) -> int:
        """See `Store.ahead`."""
        with self._lock:
            return sum(
                order_in_queue(other) < order_in_queue(run)
                for other in self._waiting(run.pool, run.queue)
                if other.due_at <= now
            )

    # One tick

    def pools_with_work(self, now: datetime, *, ended_before: datetime | None = None) -> Sequence[str]:
        """See `Store.pools_with_work`."""
        with self._lock:
            near = {
                deployment.pool
                for deployment in self._deployments.values()
                if deployment.windows_at and deployment.windows_at <= now
            }
            near |= self._automated_work(now)
            return sorted(near | {run.pool for run in self._runs.values() if is_work(run, now, ended_before)})

    def pool_names(self) -> Sequence[str]:
        """See `Store.pool_names`."""
        with self._lock:
            return sorted(self._pools)

    def heartbeats(self, pools: Sequence[str], now: datetime) -> None:
        """See `Store.heartbeats`."""
        with self._lock:
            for name in pools:
                self.heartbeat(name, now)

    def scheduled(self, pool: str, now: datetime, *, limit: int) -> Sequence[Deployment]:
        """See `Store.scheduled`."""
        with self._lock:
            due = [
                (owned.windows_at, owned.name)
                for owned in self._deployments.values()
                if owned.pool == pool and owned.windows_at
            ]
            near = sorted(entry for entry in due if entry[0] <= now)
            return [apart(self._deployments[name]) for _, name in near[:limit]]

    def materialise(self, materialisation: Materialisation) -> frozenset[UUID] | None:
        """See `Store.materialise`."""
        with self._lock:
            read, stored = materialisation.deployment, self._deployments.get(materialisation.deployment.name)
            if stored is None or (stored.version, stored.windows_until) != (read.version, read.windows_until):
                return None
            if stored.pool not in self._pools or self._pools[stored.pool].queue(stored.queue) is None:
                return None
            self._deployments[stored.name] = apart(replace(stored, **windows.reached(materialisation)))
            return self.add_runs(materialisation.runs)

    def live(self, pool: str, *, limit: int, start: UUID | None = None) -> Sequence[Run]:
        """See `Store.live`."""
        with self._lock:
            live = [run for run in self._of(pool) if run.state.holds_slot and run.submission is not None]
            round_from_start = sorted(live, key=lambda run: (start is not None and run.id < start, run.id))
            return [small(run) for run in round_from_start[:limit]]

    def move(self, moves: Sequence[Move], *, entry: LogEntry | None = None) -> frozenset[UUID]:
        """See `Store.move`."""
        transitions.check(moves)
        with self._lock:
            moved = frozenset(move.run_id for move in moves if self._apply(move))
            self._note_runs(entry, len(moved))
            return moved

    def hold(self, pool: str, change: ChangeHolds) -> tuple[PoolHold, ...]:
        """See `Store.hold`."""
        with self._lock:
            stored = self.pool(pool)
            if stored is None:
                return ()
            self._pools[pool] = apart(replace(self._pools[pool], holds=change(stored.holds)))
            return apart(self._pools[pool]).holds

    def heartbeat(self, pool: str, now: datetime) -> None:
        """See `Store.heartbeat`."""
        with self._lock:
            if pool in self._pools:
                self._pools[pool] = _ticked(self._pools[pool], now)

    def look(self, pool: str, now: datetime, read: Callable[[Snapshot], Seen]) -> Seen | None:
        """See `Store.look`."""
        with self._lock:
            stored = self._pools.get(pool)
            return None if stored is None else read(self._snapshot(stored, now))

    def claim(self, pool: str, now: datetime, *, lease: timedelta, takeovers: int, decide: Decide) -> Claims:
        """See `Store.claim`."""
        with self._lock:
            if pool not in self._pools:
                return Claims()
            ticked = _ticked(self._pools[pool], now)
            repeats = [
                replace(run, **transitions.taken_over(run, now, lease)) for run in self._abandoned(pool, now)[:takeovers]
            ]
            decision = decide(self._snapshot(ticked, now))
            self._pools[pool] = ticked
            self._runs.update((run.id, run) for run in repeats)
            grants = [self._leave(pool, grant.run, transitions.granted(grant, now, lease)) for grant in decision.grants]
            crashes = [self._leave(pool, run, transitions.crashed(run, reason, now)) for run, reason in decision.crashes]
            claims = [Claim(run=apart(run), repeat=True) for run in repeats]
            claims += [Claim(run=run, repeat=False) for run in grants if run]
            return Claims(claims=tuple(claims), crashed=tuple(replace(run, automate_at=None) for run in crashes if run))

    def waiting_in_lanes(self, pool: str, deployment: str, now: datetime) -> int:
        """See `Store.waiting_in_lanes`."""
        with self._lock:
            waiting = [run for run in self._of(pool) if run.state is RunState.SCHEDULED and run.due_at <= now]
            return sum(limited_by(run.lane) == deployment for run in waiting)

    def expired(self, pool: str, now: datetime, *, limit: int) -> Sequence[Run]:
        """See `Store.expired`."""
        with self._lock:
            waiting = (run for run in self._of(pool) if run.state is RunState.SCHEDULED)
            over = [(run.expires_at, run.id, run) for run in waiting if run.expires_at and run.expires_at <= now]
            return [small(run) for _, _, run in sorted(over, key=lambda entry: entry[:2])[:limit]]

    def lingering(self, pool: str, *, limit: int) -> Sequence[Run]:
        """See `Store.lingering`."""
        with self._lock:
            lingering = [run for run in self._of(pool) if run.state.is_terminal and run.lingers]
            longest_ended = sorted(lingering, key=lambda run: (run.ended_at or _LONG_AGO, run.id))
            return [small(run) for run in longest_ended[:limit]]

    def discarded(self, run_ids: Sequence[UUID]) -> None:
        """See `Store.discarded`."""
        with self._lock:
            for run_id in self._runs.keys() & set(run_ids):
                self._runs[run_id] = replace(self._runs[run_id], lingers=False)

    def to_notify(self, pool: str, now: datetime, *, limit: int) -> Sequence[Run]:
        """See `Store.to_notify`."""
        with self._lock:
            due = [(run.notify_at, run.id, run) for run in self._of(pool) if run.notify_at and run.notify_at <= now]
            return [small(run) for _, _, run in sorted(due, key=lambda entry: entry[:2])[:limit]]

    def notified(self, notifications: Sequence[Notified]) -> None:
        """See `Store.notified`."""
        with self._lock:
            for notification in notifications:
                run = self._runs.get(notification.run_id)
                if run is not None and run.notify_at == notification.notify_at:
                    noted = replace(
                        run,
                        notify_at=notification.again_at,
                        notify_tries=run.notify_tries + 1,
                        notified_hooks=notification.hooks,
                    )
                    self._runs[run.id] = noted

    def prune(self, pool: str, before: datetime, *, limit: int) -> int:
        """See `Store.prune`."""
        with self._lock:
            old = [
                run for run in self._of(pool) if run.state.is_terminal and not run.lingers and (run.ended_at or before) < before
            ]
            forgotten = sorted(old, key=lambda run: (run.ended_at or before, run.id))[:limit]
            for run in forgotten:
                del self._runs[run.id]
            return len(forgotten)

    # Moving to another store

    def every_run(self) -> Iterator[Sequence[Run]]:
        """See `Store.every_run`."""
        with self._lock:
            runs = [apart(self._runs[run_id]) for run_id in sorted(self._runs)]
        for first in range(0, len(runs), PAGE):
            yield runs[first : first + PAGE]

    def restore(
        self,
        *,
        pools: Sequence[WorkPool] = (),
        deployments: Sequence[Deployment] = (),
        runs: Sequence[Run] = (),
        entries: Sequence[LogEntry] = (),
        automations: Sequence[Automation] = (),
        firings: Sequence[Firing] = (),
    ) -> None:
        """See `Store.restore`."""
        with self._lock:
            pool_names = self._pools.keys() | {pool.name for pool in pools}
            for owner in dict.fromkeys([deployment.pool for deployment in deployments] + [run.pool for run in runs]):
                if owner not in pool_names:
                    raise refusals.no_pool(owner)
            self._pools = {pool.name: replace(apart(pool), automated=False) for pool in pools} | self._pools
            self._deployments = {deployment.name: apart(deployment) for deployment in deployments} | self._deployments
            self._runs = {run.id: apart(run) for run in runs} | self._runs
            self._log = {entry.id: deepcopy(entry) for entry in entries} | self._log
            self._automations = {automation.name: apart(automation) for automation in automations} | self._automations
            self._firings = {firing.id: firing for firing in firings} | self._firings

    def close(self) -> None:
        """See `Store.close`: nothing is open."""

    def _save_automated(self, automated: Automated) -> None:
        for pool in automated.pools:
            self.save_pool(pool, expected_version=pool.version)
        for deployment in automated.deployments:
            self.save_deployment(deployment, expected_version=deployment.version, now=automated.now)
        self.add_runs(automated.runs)
        self.move(automated.moves)
        for entry in automated.entries:
            self._note(entry)


def _ticked(pool: WorkPool, now: datetime) -> WorkPool:
    return replace(pool, last_tick_at=now, ticked_hours=ticks.noted(pool.ticked_hours, now))
