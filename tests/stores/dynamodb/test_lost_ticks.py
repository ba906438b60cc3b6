"""A tick that loses its table in the middle leaves nothing that the next cannot finish: cut at each request, on both sides."""

from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

from dispatcher.errors import StoreUnavailable
from dispatcher.models import RunState
from dispatcher.models.records import RunFilter
from dispatcher.stores.dynamodb import DynamoStore
from dispatcher.stores.dynamodb.requests import Patience
from dispatcher.ticking import Dispatch, TickLimits, tick
from providers.testing import FakeProvider
from tests.builders import MINUTE, SECOND, a_pool, a_run
from tests.stores.dynamodb.places import SteppingClock
from tests.stores.dynamodb_server import PATIENT, connect, fresh_table

LIMIT, RUNS = 1, 1
CUT_WITHIN = 2
"""Ticks: in the first the run is submitted, in the second it ends."""


class Cut:
    """A client that gets no answers from one request on, until it is repaired. That first request may still be carried out."""

    def __init__(self, at: int, *, passed_on: bool) -> None:
        self.at, self.passed_on, self.asked, self.mended = at, passed_on, 0, False

    @property
    def has_cut(self) -> bool:
        return self.asked >= self.at

    def __getattr__(self, operation: str) -> Any:
        def ask(**parameters: Any) -> Any:
            self.asked += 1
            if self.mended or not self.has_cut:
                return getattr(connect(), operation)(**parameters)
            if self.passed_on and self.asked == self.at:
                getattr(connect(), operation)(**parameters)
                raise ReadTimeoutError(endpoint_url="here")
            raise ConnectTimeoutError(endpoint_url="here")

        return ask

    def close(self) -> None:
        """The one client serves all tests."""


@pytest.mark.long
@pytest.mark.parametrize("passed_on", [False, True])
def test_a_tick_cut_at_any_request_is_finished_by_the_next(passed_on: bool):
    table = fresh_table()
    store = DynamoStore(table, connect=connect, patience=PATIENT)
    for at in range(1, 1000):
        pool = f"pool-{at}"
        store.save_pool(a_pool(pool, limit=LIMIT), expected_version=None)
        store.add_runs([a_run(pool) for _ in range(RUNS)])
        cut = Cut(at, passed_on=passed_on)
        finish(cut, store, pool)
        if not cut.has_cut:
            break
    assert at > 10
    assert store.check() == []


def finish(cut: Cut, store: DynamoStore, pool: str) -> None:
    """Tick until nothing is left; nothing is answered from somewhere in the first ticks to their end."""
    clock = SteppingClock()
    behind = DynamoStore(store.name, connect=lambda: cut, clock=clock, patience=Patience(tries=2))
    provider = FakeProvider(clock=clock.now)
    dispatch = Dispatch(
        store=behind,
        providers=lambda _: provider,
        clock=clock,
        events=lambda *_, **__: None,
        limits=TickLimits(lease=MINUTE, clock_skew=SECOND),
    )
    for number in range(10):
        cut.mended = number >= CUT_WITHIN and cut.has_cut
        cut.at = cut.at if number < CUT_WITHIN or cut.has_cut else 10**9
        try:
            tick(dispatch, clock.now() + 10 * MINUTE, pools=[pool])
        except StoreUnavailable:
            assert cut.has_cut
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
