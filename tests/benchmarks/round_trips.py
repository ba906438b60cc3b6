"""Claim and record of a batch on PostgreSQL behind a network of 0, 2 and 10 ms a round trip."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import uuid4

from dispatcher.core.admission import admit
from dispatcher.core.pinning import Pinning
from dispatcher.models import RunState
from dispatcher.models.records import Claim, Decision, Move, Snapshot
from dispatcher.stores.postgres import PostgresStore
from providers.base import Submission
from tests.benchmarks.figures import Figure, Result, Target
from tests.benchmarks.measuring import Options, in_turns, stopwatch
from tests.benchmarks.worlds import POOL, add_ecs_pool, waiting_run
from tests.builders import a_deployment
from tests.stores.postgres_server import PostgresServer
from tests.stores.postgres_wire import Cutter

BATCH = 100
DELAYS = (0, 2, 10)
"""Milliseconds."""
SUBMISSION = Submission(name="r0-1", handle={"task": "arn"})


def measure(options: Options) -> Result:
    """A server of its own on this machine; every run is of another deployment."""
    server = PostgresServer(autovacuum=True)
    try:
        worlds = {delay: _World(server, delay) for delay in DELAYS}
        took = in_turns(options.runs, {str(delay): world.claim_and_record for delay, world in worlds.items()})
        trips = worlds[0].trips
        for world in worlds.values():
            world.close()
    finally:
        server.stop()
    return Result(
        "round_trips",
        f"Claim and record of {BATCH} runs of {BATCH} deployments (PostgreSQL)",
        [
            *(Figure(f"claim + record, {delay} ms a trip", "ms", took[str(delay)]) for delay in DELAYS),
            Figure("round trips of a claim", "", (float(trips[0]),), Target("<=", 3)),
            Figure("round trips of a record", "", (float(trips[1]),), Target("<=", 1)),
        ],
        ["the delay is that of a proxy of the test suite, on the way to the server"],
    )


class _World:
    """A database behind a slow network."""

    def __init__(self, server: PostgresServer, delay: int) -> None:
        database = server.fresh_database()
        near = PostgresStore(server.url(database))
        add_ecs_pool(near)
        now = datetime.now(UTC) - timedelta(minutes=1)
        names = [f"deployment-{number}" for number in range(BATCH)]
        near.restore(deployments=[a_deployment(name, POOL) for name in names])
        near.add_runs([replace(waiting_run(), id=uuid4(), due_at=now, deployment=name) for name in names])
        near.close()
        self._wire = Cutter(server.port, delay=delay / 1000)
        self._store = PostgresStore(server.url(database, port=self._wire.port))
        self.trips = (0, 0)

    def close(self) -> None:
        self._store.close()
        self._wire.close()

    def claim_and_record(self) -> float:
        """Once; what was claimed is put back outside of its time."""
        self._store.pools()
        with stopwatch() as seconds:
            self._wire.trips = 0
            claims = self._claim()
            claimed = self._wire.trips
            self._store.move([Move.of(claim.run, RunState.PENDING, submission=SUBMISSION) for claim in claims])
            self.trips = claimed, self._wire.trips - claimed
        back = {"submission": None, "claimed_at": None, "lease_until": None, "job": None, "start_within": None}
        self._store.move([Move.of(claim.run, RunState.SCHEDULED, **back) for claim in claims])
        return 1000 * seconds()

    def _claim(self) -> tuple[Claim, ...]:
        now = datetime.now(UTC)
        lease = timedelta(minutes=5)
        answer = self._store.claim(POOL, now, lease=lease, takeovers=BATCH, decide=partial(_decide, now=now))
        assert len(answer.claims) == BATCH
        return answer.claims


def _decide(snapshot: Snapshot, *, now: datetime) -> Decision:
    admission = admit(snapshot.pool, snapshot.in_use, snapshot.due, now=now, budget=BATCH)
    return Pinning(snapshot, 300.0).decide(admission.admitted)
