"""Many appliers of one reading at once: one gets through, whatever store it is."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from dispatcher.errors import Conflict, StoreUnavailable
from dispatcher.models.records import Reconfiguration
from dispatcher.protocols import Store
from dispatcher.stores.dynamodb import DynamoStore
from dispatcher.stores.postgres import PostgresStore
from dispatcher.stores.sqlite import SqliteStore
from tests.builders import NOW, a_deployment, a_pool
from tests.stores import dynamodb_server
from tests.stores.factories import FACTORIES
from tests.stores.postgres_server import server

APPLIERS, ROUNDS = 4, 5


def several(kind: str, directory: Path) -> list[Store]:
    """Stores over the same state, one for each applier; the memory store is one for all threads."""
    if kind == "memory":
        return [FACTORIES["memory"](directory)] * APPLIERS
    if kind == "postgres":
        url = server().url(server().fresh_database())
        return [PostgresStore(url) for _ in range(APPLIERS)]
    if kind == "dynamodb":
        table = dynamodb_server.fresh_table()
        return [DynamoStore(table, connect=dynamodb_server.connect, patience=dynamodb_server.PATIENT) for _ in range(APPLIERS)]
    return [SqliteStore(directory / "store.db") for _ in range(APPLIERS)]


@pytest.mark.parametrize("kind", FACTORIES)
def test_exactly_one_of_several_applies_of_the_same_reading_succeeds(kind: str, tmp_path: Path):
    stores = several(kind, tmp_path)
    stores[0].save_pool(a_pool(), expected_version=None)
    for number in range(ROUNDS):
        change = Reconfiguration(
            pools_read={pool.name: pool.version for pool in stores[0].pools()},
            now=NOW,
            deployments_read={deployment.name: deployment.version for deployment in stores[0].deployments()},
        )
        ends = _at_once(stores, change, number)
        assert ends.count("done") == 1, ends
        assert set(ends) == {"done", "refused"}
        assert len(stores[0].deployments()) == 3 * (number + 1)
        assert (
            len({deployment.name[0] for deployment in stores[0].deployments() if deployment.name.endswith(f"-{number}")}) == 1
        )
    for store in stores:
        store.close()


def _at_once(stores: list[Store], read: Reconfiguration, number: int) -> list[str]:
    """What becomes of each applier, who adds three deployments of its own: nobody else's change touches the same."""
    barrier = Barrier(len(stores))

    def apply(applier: int) -> str:
        mine = tuple(a_deployment(f"{applier}-{index}-{number}") for index in range(3))
        barrier.wait()
        try:
            stores[applier].reconfigure(
                Reconfiguration(pools_read=read.pools_read, deployments_read=read.deployments_read, now=NOW, deployments=mine)
            )
        except (Conflict, StoreUnavailable) as problem:
            return "refused" if isinstance(problem, Conflict) else str(problem)
        return "done"

    with ThreadPoolExecutor(len(stores)) as pool:
        return list(pool.map(apply, range(len(stores))))
