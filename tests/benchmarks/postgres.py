"""Claim and record of a batch on PostgreSQL over backlogs of two sizes: the cost follows what is admitted, not what waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

from dispatcher.core import pinning
from dispatcher.core.admission import admit
from dispatcher.core.transitions import UNCLAIMED
from dispatcher.models import RunState
from dispatcher.models.records import Claim, Decision, Move, Snapshot
from dispatcher.stores.postgres import PostgresStore
from providers.base import Submission
from tests.benchmarks.figures import Figure, Result, Target
from tests.benchmarks.measuring import Options, in_turns, ratios, stopwatch
from tests.benchmarks.worlds import POOL, QUEUES, add_copies_to_postgres, add_ecs_pool, waiting_run
from tests.stores.postgres_server import PostgresServer
from tests.stores.postgres_wire import Cutter

BATCH = 50
SIZES = (1_000, 1_000_000)
QUICK_SIZES = (1_000, 20_000)
LEASE = timedelta(minutes=5)
SUBMISSION = Submission(name="r0-1", handle={"task": "arn"})

_DIFFERS = {
    "name": "name || '-' || n",
    "queue": f"(ARRAY{list(QUEUES)})[1 + n % {len(QUEUES)}]",
    "due_at": "due_at - n",
}


def measure(options: Options) -> Result:
    """A server of its own on this machine, its autovacuum on; each run's answer is recorded by itself, as a tick does."""
    small, large = QUICK_SIZES if options.quick else SIZES
    server = PostgresServer(autovacuum=True)
    try:
        worlds = {size: _World(server, size) for size in (small, large)}
        took = in_turns(options.runs, {str(size): world.claim_and_record for size, world in worlds.items()})
        statements, turns = worlds[large].sent_by_a_claim(server)
        for world in worlds.values():
            world.store.close()
    finally:
        server.stop()
    grown = ratios(took[str(large)], took[str(small)])
    return Result(
        "postgres",
        f"Claim and record of a batch (PostgreSQL, {BATCH} runs)",
        [
            *(Figure(f"claim + record, {size:,} waiting", "ms", took[str(size)]) for size in (small, large)),
            Figure(f"claim + record, {large:,} to {small:,} waiting", "times", grown, Target("<=", 1.5)),
            Figure("statements of a claim", "", (float(statements),)),
            Figure("round trips of a claim", "", (float(turns),)),
        ],
        [
            f"a claim: BEGIN, heartbeat, abandoned, pool, queues, in_use, due of each queue asked, {BATCH} changes, COMMIT",
            f"the {BATCH} changes are sent in one go; each of the {BATCH} answers is recorded in a transaction of its own",
            "fsync is off, so that the disk of this machine is not what is measured",
        ],
    )


class _World:
    """A database with a backlog that keeps its size: what a measurement takes is put back outside of its time."""

    def __init__(self, server: PostgresServer, size: int) -> None:
        self.database = server.fresh_database()
        self.store = PostgresStore(server.url(self.database), statement_timeout=600)
        add_ecs_pool(self.store)
        model = waiting_run()
        self.store.add_runs([model])
        add_copies_to_postgres(server, self.database, model, size, _DIFFERS)

    def claim_and_record(self) -> float:
        with stopwatch() as seconds:
            claims = self.claim(self.store)
            submitted = [Move.of(claim.run, RunState.PENDING, submission=SUBMISSION) for claim in claims]
            for move in submitted:
                assert self.store.move([move])
        self.store.move([Move.of(claim.run, RunState.SCHEDULED, submission=None, **UNCLAIMED) for claim in claims])
        return 1000 * seconds()

    def claim(self, store: PostgresStore) -> tuple[Claim, ...]:
        now = datetime.now(UTC)
        answer = store.claim(POOL, now, lease=LEASE, takeovers=BATCH, decide=partial(_decide, now=now))
        assert len(answer.claims) == BATCH
        return answer.claims

    def sent_by_a_claim(self, server: PostgresServer) -> tuple[int, int]:
        """The statements of a claim, and how often it waits for an answer, as somebody on the wire sees it."""
        wire = Cutter(server.port)
        store = PostgresStore(server.url(self.database, port=wire.port))
        store.pools()
        wire.trips = wire.statements = 0
        self.claim(store)
        sent = wire.statements, wire.trips
        store.close()
        wire.close()
        return sent


def _decide(snapshot: Snapshot, *, now: datetime) -> Decision:
    plan = admit(snapshot.pool, snapshot.in_use, snapshot.due, now=now, budget=BATCH)
    return pinning.Pinning(snapshot, 300.0).decide(plan.admitted)
