"""Behind the pooler that people use: PgBouncer in transaction mode, with fewer sessions on the server than it has clients.

The whole conformance suite runs behind `postgres_wire.Pooler`, which changes the session at every transaction and needs nothing
installed.
"""

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from dispatcher.models import RunState
from dispatcher.models.records import Decision, Move, Snapshot
from dispatcher.stores.postgres import PostgresStore
from tests.builders import NOW, a_run
from tests.stores.postgres_server import PostgresServer, as_somebody, free_port
from tests.stores.steps import a_whole_life, claim, granting

SESSIONS, CLIENTS = 2, 4
LIMIT, RUNS = 3, 20
"""The limit is that of the pool which the fixture `store` makes."""
CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server_port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {sessions}
"""


@pytest.fixture(scope="module")
def pgbouncer(postgres: PostgresServer) -> Iterator[int]:
    """The port at which it listens."""
    program = shutil.which("pgbouncer", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
    if program is None:
        pytest.skip("PgBouncer is not installed: apt-get install pgbouncer, or brew install pgbouncer")
    port, settings = free_port(), postgres.directory / "pgbouncer.ini"
    settings.write_text(CONFIGURATION.format(server_port=postgres.port, port=port, sessions=SESSIONS))
    command = [program, str(settings)]
    with subprocess.Popen(command, **as_somebody(), cwd="/", stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert any("process up" in line for line in process.stderr)
        yield port
        process.kill()


def test_clients_take_turns_at_its_sessions_and_find_nothing_of_each_other(
    stores: Callable[..., PostgresStore], store: PostgresStore, pgbouncer: int
):
    clients = [stores(port=pgbouncer) for _ in range(CLIENTS)]
    for _ in range(3):
        for client in clients:
            a_whole_life(client)
    assert sum(count.in_use for count in store.counts("pool", NOW).values()) == 0


def test_overlapping_claims_behind_a_pooler_never_exceed_a_limit_and_claim_each_run_once(
    stores: Callable[..., PostgresStore], store: PostgresStore, pgbouncer: int
):
    runs = [a_run() for _ in range(RUNS)]
    store.add_runs(runs)
    clients = [stores(port=pgbouncer) for _ in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as threads:
        claimed = [run_id for got in threads.map(claims_of, clients) for run_id in got]
    assert Counter(claimed) == Counter(run.id for run in runs)


def claims_of(store: PostgresStore) -> list[UUID]:
    """Claim up to the limit and end it again, until nothing waits."""
    claimed: list[UUID] = []

    def decide(snapshot: Snapshot) -> Decision:
        return granting(*snapshot.due("default", LIMIT - sum(snapshot.in_use.values())))(snapshot)

    while sum(count.due for count in store.counts("pool", NOW).values()):
        granted = [claimed.run for claimed in claim(store, decide=decide).claims]
        assert sum(count.in_use for count in store.counts("pool", NOW).values()) <= LIMIT
        assert store.move([Move.of(run, RunState.COMPLETED, ended_at=NOW) for run in granted]) == {run.id for run in granted}
        claimed += [run.id for run in granted]
    return claimed
