"""What a claim costs in a pool of many queues: the heads of all of them are read by one statement."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from dispatcher.core.admission import admit
from dispatcher.core.pinning import Pinning
from dispatcher.core.transitions import UNCLAIMED
from dispatcher.models import RunState
from dispatcher.models.records import Decision, Move, Snapshot
from dispatcher.protocols import Store
from dispatcher.stores.postgres import PostgresStore
from dispatcher.stores.sqlite import SqliteStore
from tests.benchmarks.figures import Figure, Result, Target
from tests.benchmarks.measuring import Options, in_turns, workspace
from tests.builders import TEMPLATE, a_pool, a_run, an_id
from tests.stores.postgres_server import PostgresServer
from tests.stores.postgres_wire import Cutter

SIZES = (1, 100, 1_000)
DUE = 20
"""Runs that are due, spread over the pool's queues."""
LEASE = timedelta(minutes=5)


def measure(options: Options) -> Result:
    """SQLite, and PostgreSQL for the round trips."""
    sizes = SIZES[:2] if options.quick else SIZES
    server = PostgresServer()
    try:
        with workspace() as directory:
            worlds = {size: _World(SqliteStore(directory / f"{size}.db"), size) for size in sizes}
            cpu = in_turns(options.runs, {str(size): world.cpu_of_a_claim for size, world in worlds.items()})
            statements = {size: world.statements(directory / f"{size}.db") for size, world in worlds.items()}
            trips = {size: _trips(server, size) for size in sizes}
    finally:
        server.stop()
    return Result(
        "queues",
        f"A claim of {DUE} runs in a pool of many queues",
        [
            *(Figure(f"{size:,} queues: CPU (SQLite)", "ms", cpu[str(size)]) for size in sizes),
            *(
                Figure(f"{size:,} queues: statements that read due runs (SQLite)", "", (float(statements[size]),), ONE)
                for size in sizes
            ),
            *(
                Figure(f"{size:,} queues: round trips (PostgreSQL)", "", (float(trips[size]),), Target("<=", 3))
                for size in sizes
            ),
        ],
        [f"the {DUE} runs are in as many queues as there are, spread from the first to the last"],
    )


ONE = Target("<=", 1)


class _World:
    """A pool with queues; what a claim takes is put back outside of its time."""

    def __init__(self, store: Store, size: int) -> None:
        self.store = store
        self._queues = ["default", *(f"queue-{number:04}" for number in range(1, size))]
        store.save_pool(a_pool(queues=self._queues, base_job_template=TEMPLATE), expected_version=None)
        now = datetime.now(UTC)
        places = [self._queues[number * size // DUE] for number in range(DUE)]
        store.add_runs([a_run("pool", queue, id=an_id(), due_at=now, created_at=now) for queue in places])

    def cpu_of_a_claim(self) -> float:
        """Milliseconds."""
        begin = time.process_time()
        back = self.claim(self.store)
        milliseconds = 1000 * (time.process_time() - begin)
        self.store.move(back)
        return milliseconds

    def claim(self, store: Store) -> list[Move]:
        """The moves that put back what was claimed."""
        now = datetime.now(UTC)
        claims = store.claim("pool", now, lease=LEASE, takeovers=100, decide=partial(_decide, now=now)).claims
        assert len(claims) == DUE
        return [Move.of(claim.run, RunState.SCHEDULED, **UNCLAIMED) for claim in claims]

    def statements(self, path: Path) -> int:
        """How many statements of one claim read runs that are due."""
        traced = SqliteStore(path)
        traced.pools()
        assert traced._connection
        sent: list[str] = []
        traced._connection.set_trace_callback(sent.append)
        back = self.claim(traced)
        traced._connection.set_trace_callback(None)
        traced.move(back)
        traced.close()
        return sum("due_at <=" in statement and "job_variables" in statement for statement in sent)


def _trips(server: PostgresServer, size: int) -> int:
    """The round trips of one claim, as somebody on the wire sees them."""
    database = server.fresh_database()
    near = PostgresStore(server.url(database))
    world = _World(near, size)
    wire = Cutter(server.port)
    store = PostgresStore(server.url(database, port=wire.port))
    store.pools()
    wire.trips = 0
    world.claim(store)
    trips = wire.trips
    for opened in (store, near, wire):
        opened.close()
    return trips


def _decide(snapshot: Snapshot, *, now: datetime) -> Decision:
    admission = admit(snapshot.pool, snapshot.in_use, snapshot.due, now=now, budget=DUE)
    return Pinning(snapshot, 300.0).decide(admission.admitted)
