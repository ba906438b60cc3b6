"""The methods of the store. The package's docstring describes the table."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

from dispatcher.environment.clock import Clock, SystemClock
from dispatcher.errors import Conflict
from dispatcher.models import Automation, Deployment, Firing, LogEntry, PoolHold, Run, WorkPool
from dispatcher.models.records import (
    PAGE,
    ChangeHolds,
    Claims,
    Decide,
    EndedRun,
    LogFilter,
    Materialisation,
    Move,
    Notified,
    QueueCount,
    Reconfiguration,
    Requeue,
    RunFilter,
    Searched,
    Seen,
    Snapshot,
    Tallied,
)
from dispatcher.stores import refusals
from dispatcher.stores.dynamodb import checking, keys
from dispatcher.stores.dynamodb.automating import Automating
from dispatcher.stores.dynamodb.automation_verbs import AutomationVerbs
from dispatcher.stores.dynamodb.automations import Automations
from dispatcher.stores.dynamodb.changing import Changing
from dispatcher.stores.dynamodb.claims import ClaimTry
from dispatcher.stores.dynamodb.creation import create_table
from dispatcher.stores.dynamodb.definition import SCHEMA_VERSION, TABLE_DEFINITION
from dispatcher.stores.dynamodb.deployments import Deployments
from dispatcher.stores.dynamodb.items import id_in, is_run, key_in, run_in
from dispatcher.stores.dynamodb.listing import Listing
from dispatcher.stores.dynamodb.log import Log
from dispatcher.stores.dynamodb.materialising import Materialiser
from dispatcher.stores.dynamodb.pools import Pools
from dispatcher.stores.dynamodb.reconfiguration import reconfigure
from dispatcher.stores.dynamodb.requests import Patience, Table
from dispatcher.stores.dynamodb.run_writes import RunWriter
from dispatcher.stores.dynamodb.working import Working
from dispatcher.stores.migration import Migration

T = TypeVar("T")

HISTORY = timedelta(days=30)


class DynamoStore(AutomationVerbs):
    """A `Store` in one DynamoDB table. The first verb makes its client. Only one thread may use it at a time."""

    def __init__(
        self,
        table: str,
        *,
        region: str | None = None,
        endpoint: str | None = None,
        history: timedelta = HISTORY,
        patience: Patience | None = None,
        clock: Clock | None = None,
        connect: Callable[[], Any] | None = None,
    ) -> None:
        """Without arguments, region, endpoint and identity come from the usual AWS settings.

        `history`: how long ended runs are kept. `connect`: a function that makes the client instead of the usual one.
        """
        self.name = table
        usual = partial(_connect, region, endpoint)
        self._table = Table(table, connect or usual, clock or SystemClock(), patience or Patience())
        self._writer = RunWriter(self._table, history)
        self._log = Log(self._table)
        self._pools = Pools(self._table, self._log)
        self._deployments = Deployments(self._table, self._log)
        self._materialiser = Materialiser(self._table, self._deployments, self._writer)
        self._changing = Changing(self._table, self._writer, self._pools, self._log)
        self._listing = Listing(self._table, self._pools, self._writer)
        self._working = Working(self._table, self._pools, self._writer)
        self._automations = Automations(self._table, history, self._log)
        nouns = self._pools, self._deployments, self._automations
        self._automating = Automating(self._table, self._writer, *nouns, log=self._log)

    def create_table(self) -> None:
        """Create the table, as Terraform would, and wait until it can be used; an existing one stays as it is."""
        create_table(self._table)

    def migration(self) -> Migration:
        """See `Migrates.migration`: the parameters of `aws dynamodb create-table` if the table is missing."""
        latest = SCHEMA_VERSION
        if self._table.exists():
            return Migration(current=latest, latest=latest)
        definition = {"TableName": self.name, **TABLE_DEFINITION}
        return Migration(current=0, latest=latest, statements=[json.dumps(definition, indent=2)])

    def migrate(self) -> None:
        """See `Migrates.migrate`."""
        self.create_table()

    def check(self) -> Sequence[str]:
        """Contradictions in the table, one line each. Reads the whole table; call it while no tick is running."""
        return checking.contradictions(self._table)

    # What people change

    def pools(self) -> Sequence[WorkPool]:
        """See `Store.pools`."""
        return self._pools.all()

    def pool(self, name: str) -> WorkPool | None:
        """See `Store.pool`."""
        stored = self._pools.read(name)
        return stored.pool if stored else None

    def save_pool(self, pool: WorkPool, *, expected_version: int | None, entry: LogEntry | None = None) -> WorkPool:
        """See `Store.save_pool`."""
        return self._when_withdrawn(lambda: self._pools.save(pool, expected_version, entry))

    def delete_pool(self, name: str, *, expected_version: int, entry: LogEntry | None = None) -> None:
        """See `Store.delete_pool`. An interrupted deletion continues when it is repeated."""
        self._when_withdrawn(lambda: self._pools.delete(name, expected_version, entry))

    def deployments(self, pool: str | None = None) -> Sequence[Deployment]:
        """See `Store.deployments`."""
        return self._deployments.all(pool)

    def deployment(self, name: str) -> Deployment | None:
        """See `Store.deployment`."""
        return self._deployments.read(name)

    def save_deployment(
        self, deployment: Deployment, *, expected_version: int | None, now: datetime, entry: LogEntry | None = None
    ) -> Deployment:
        """See `Store.save_deployment`, and `dispatcher.stores.dynamodb.withdrawing` for the runs that go with a schedule."""
        return self._deployments.save(deployment, expected_version, now, entry)

    def delete_deployment(self, name: str, *, entry: LogEntry | None = None) -> None:
        """See `Store.delete_deployment`. It is gone at once; its schedules' runs follow, even if the call is interrupted."""
        self._deployments.delete(name, entry)

    def reconfigure(self, change: Reconfiguration) -> None:
        """See `Store.reconfigure`, and `dispatcher.stores.dynamodb.reconfiguration` for changes of more than 99 items."""
        reconfigure(self._table, self._pools, self._deployments, self._automations, self._log, change)

    def log(self, where: LogFilter, *, limit: int) -> Sequence[LogEntry]:
        """See `Store.log`."""
        return self._log.page(where, limit)

    # Runs

    def add_runs(self, runs: Sequence[Run], *, entry: LogEntry | None = None) -> frozenset[UUID]:
        """See `Store.add_runs`. All or nothing for up to 49 runs, which is one transaction. A missing pool or queue is noticed
        before the first transaction, so only one that is deleted in between can leave a part of the runs behind.
        """
        return self._changing.add(runs, entry)

    def requeue(self, requeues: Sequence[Requeue], *, entry: LogEntry | None = None) -> frozenset[UUID]:
        """See `Store.requeue`. All or nothing for up to 24 runs, which is one transaction. A missing queue is noticed before
        the first transaction.
        """
        return self._changing.requeue(requeues, entry)

    def get(self, run_id: UUID) -> Run | None:
        """See `Store.get`."""
        stored = self._writer.read([run_id]).get(run_id)
        return stored.run if stored else None

    def runs(self, where: RunFilter, *, limit: int, offset: int = 0) -> Sequence[Run]:
        """See `Store.runs`."""
        return self._listing.runs(where, limit, offset)

    def search(self, where: RunFilter, *, limit: int, most: int) -> Searched:
        """See `Store.search`."""
        return self._listing.search(where, limit, most)

    def tally(self, where: RunFilter, *, most: int) -> Tallied:
        """See `Store.tally`."""
        return self._listing.tally(where, most)

    def count(self, where: RunFilter, *, limit: int) -> int:
        """See `Store.count`."""
        return self._listing.count(where, limit)

    def ended(self, pool: str, since: datetime, *, limit: int) -> Sequence[EndedRun]:
        """See `Store.ended`."""
        return self._listing.ended(pool, since, limit)

    def counts(self, pool: str, now: datetime) -> Mapping[str, QueueCount]:
        """See `Store.counts`."""
        return self._listing.counts(pool, now)

    def ahead(self, run: Run, now: datetime) -> int:
        """See `Store.ahead`."""
        return self._listing.ahead(run, now)

    # One tick

    def pools_with_work(
        self,
        now: datetime,
        *,
        ended_before: datetime | None = None,  # noqa: ARG002 - DynamoDB forgets by itself
    ) -> Sequence[str]:
        """See `Store.pools_with_work`."""
        return self._working.pools_with_work(now)

    def pool_names(self) -> Sequence[str]:
        """See `Store.pool_names`."""
        return self._pools.names()

    def heartbeats(self, pools: Sequence[str], now: datetime) -> None:
        """See `Store.heartbeats`. A hundred pools at a time."""
        self._working.heartbeats(pools, now)

    def scheduled(self, pool: str, now: datetime, *, limit: int) -> Sequence[Deployment]:
        """See `Store.scheduled`."""
        return self._materialiser.scheduled(pool, now, limit)

    def materialise(self, materialisation: Materialisation) -> frozenset[UUID] | None:
        """See `Store.materialise`."""
        return self._materialiser.materialise(materialisation)

    def live(self, pool: str, *, limit: int, start: UUID | None = None) -> Sequence[Run]:
        """See `Store.live`."""
        return self._working.live(pool, limit, start)

    def move(self, moves: Sequence[Move], *, entry: LogEntry | None = None) -> frozenset[UUID]:
        """See `Store.move`."""
        return self._changing.move(moves, entry)

    def hold(self, pool: str, change: ChangeHolds) -> tuple[PoolHold, ...]:
        """See `Store.hold`."""
        return self._pools.hold(pool, change)

    def heartbeat(self, pool: str, now: datetime) -> None:
        """See `Store.heartbeat`."""
        self._pools.heartbeat(pool, now)

    def look(self, pool: str, now: datetime, read: Callable[[Snapshot], Seen]) -> Seen | None:
        """See `Store.look`. Each item is as it was when it was read, because a transaction of DynamoDB holds only a hundred."""
        stored = self._pools.read(pool)
        return None if stored is None else read(ClaimTry(self._table, self._writer, stored, now, timedelta(0)).seen())

    def claim(self, pool: str, now: datetime, *, lease: timedelta, takeovers: int, decide: Decide) -> Claims:
        """See `Store.claim`. If one transaction cannot hold the claim, several follow one another, and the result may be a
        prefix of the granted runs.
        """
        for _ in self._table.rounds(f"work pool {pool!r} was not claimed"):
            stored = self._pools.read(pool)
            if stored is None:
                break
            answer = ClaimTry(self._table, self._writer, stored, now, lease).claim(takeovers, decide)
            if answer == Claims():
                self._pools.heartbeat(pool, now)
            if answer is not None:
                return answer
        return Claims()

    def waiting_in_lanes(self, pool: str, deployment: str, now: datetime) -> int:
        """See `Store.waiting_in_lanes`."""
        return self._listing.waiting_in_lanes(pool, deployment, now)

    def expired(self, pool: str, now: datetime, *, limit: int) -> Sequence[Run]:
        """See `Store.expired`."""
        return self._listing.expired(pool, now, limit)

    def lingering(self, pool: str, *, limit: int) -> Sequence[Run]:
        """See `Store.lingering`."""
        return self._working.lingering(pool, limit)

    def discarded(self, run_ids: Sequence[UUID]) -> None:
        """See `Store.discarded`."""
        self._changing.discarded(run_ids)

    def to_notify(self, pool: str, now: datetime, *, limit: int) -> Sequence[Run]:
        """See `Store.to_notify`."""
        return self._working.to_notify(pool, now, limit)

    def notified(self, notifications: Sequence[Notified]) -> None:
        """See `Store.notified`."""
        self._changing.notified(notifications)

    def to_automate(self, pool: str, now: datetime, *, limit: int) -> Sequence[Run]:
        """See `Store.to_automate`."""
        runs = self._entered(keys.owed(pool), now, limit)
        return [run for run in runs if run.automate_at is not None and run.automate_at <= now]

    def due_count(self, pool: str, queue: str, now: datetime, *, limit: int) -> int:
        """See `Store.due_count`."""
        return self._listing.due_count(pool, queue, now, limit)

    def prune(self, pool: str, before: datetime, *, limit: int) -> int:  # noqa: ARG002 - DynamoDB does it, by `expires_at`
        """See `Store.prune`: DynamoDB deletes ended runs after `history`."""
        return 0

    # Moving to another store

    def every_run(self) -> Iterator[Sequence[Run]]:
        """See `Store.every_run`. A scan: it reads the whole table."""
        runs = (run_in(item).run for item in self._table.scan() if is_run(key_in(item)))
        while page := list(islice(runs, PAGE)):
            yield page

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
        """See `Store.restore`. One transaction for each pool and deployment, and for each batch of runs."""
        pool_names = {*self._pools.names(), *(pool.name for pool in pools)}
        for owner in dict.fromkeys([deployment.pool for deployment in deployments] + [run.pool for run in runs]):
            if owner not in pool_names:
                raise refusals.no_pool(owner)
        for pool in pools:
            self._pools.restore(pool)
        for deployment in deployments:
            self._deployments.restore(deployment)
        self._changing.restore(runs)
        self._deployments.remember(runs)
        self._log.restore(entries)
        self._automations.restore(automations, firings)

    def close(self) -> None:
        """See `Store.close`."""
        self._table.close()

    # Below the verbs

    def _entered(self, partition: str, now: datetime, limit: int) -> Sequence[Run]:
        """The runs of the due entries in a partition, in order."""
        page = min(max(limit, 1), 1000)
        ids = [id_in(key_in(item)) for item in islice(self._table.query(partition, before=keys.after(now), page=page), limit)]
        stored = self._writer.read(ids)
        return [stored[run_id].run for run_id in ids if run_id in stored]

    def _when_withdrawn(self, act: Callable[[], T]) -> T:
        """Change a pool. First finish withdrawals that an interrupted change of a deployment has left, so that they do not
        block this change.
        """
        try:
            return act()
        except Conflict:
            if not self._deployments.finish():
                raise
            return act()


def _connect(region: str | None, endpoint: str | None) -> Any:
    """The client: the SDK's, or a client without the SDK on Lambda. Neither is loaded before the first request."""
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ and endpoint is None:
        from dispatcher.stores.dynamodb.on_lambda import client_here  # noqa: PLC0415 - the first request loads it

        if client := client_here(region):
            return client
    from dispatcher.stores.dynamodb.client import connect  # noqa: PLC0415 - as above

    return connect(region, endpoint)
