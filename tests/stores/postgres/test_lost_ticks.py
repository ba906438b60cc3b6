"""A tick that loses its store in the middle leaves nothing that the next cannot finish: cut at each request, on both sides."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from dispatcher.errors import StoreError
from dispatcher.models import RunState
from dispatcher.models.records import RunFilter
from dispatcher.stores.postgres import PostgresStore
from dispatcher.ticking import Dispatch, TickLimits, tick
from providers.testing import FakeProvider
from tests.builders import MINUTE, NOW, SECOND, a_pool, a_run, an_id
from tests.stores.postgres_server import PostgresServer
from tests.stores.postgres_wire import Cutter

LIMIT = 1
RUNS = 2
CUT_WITHIN = 2
"""Ticks: in the second one run ends, and the other is submitted."""


@dataclass
class StillClock:
    """Time that passes only when somebody says so, or sleeps."""

    time: datetime = NOW

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)

    def new_id(self) -> UUID:
        return an_id()


@pytest.mark.long
@pytest.mark.parametrize("passed_on", [False, True])
def test_a_tick_cut_at_any_request_is_finished_by_the_next(
    postgres: PostgresServer, stores: Callable[..., PostgresStore], passed_on: bool
):
    cutter, store = Cutter(postgres.port), stores()
    behind = stores(port=cutter.port)
    for place in range(1, 1000):
        cutter.restore()
        behind.pools()
        pool = f"pool-{place}"
        store.save_pool(a_pool(pool, limit=LIMIT), expected_version=None)
        store.add_runs([a_run(pool) for _ in range(RUNS)])
        cutter.cut(lambda number, _, place=place: number == place, passed_on=passed_on)
        finish(cutter, store, behind, pool)
        if not cutter.has_cut:
            break
    assert place > 20
    cutter.close()


def finish(cutter: Cutter, store: PostgresStore, behind: PostgresStore, pool: str) -> None:
    """Tick until nothing is left; the connection is cut somewhere in the first ticks."""
    clock = StillClock()
    provider = FakeProvider(clock=clock.now)
    dispatch = Dispatch(
        store=behind,
        providers=lambda _: provider,
        clock=clock,
        events=lambda *_, **__: None,
        limits=TickLimits(lease=MINUTE, clock_skew=SECOND),
    )
    for number in range(10):
        if number == CUT_WITHIN:
            cutter.restore()
        try:
            tick(dispatch, clock.now() + 10 * MINUTE, pools=[pool])
        except StoreError:
            assert cutter.has_cut
        assert len(provider.live) <= LIMIT
        for name in provider.live:
            provider.finish(name)
        clock.time += 6 * MINUTE
        runs = store.runs(RunFilter(pool=pool), limit=10)
        if number >= CUT_WITHIN and all(run.state.is_terminal for run in runs):
            break
    assert [run.state for run in runs] == [RunState.COMPLETED] * RUNS
    assert len(provider.starts) == RUNS
    assert set(provider.starts.values()) == {1}
