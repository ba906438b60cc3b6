"""What every store keeps of the ticks of the last hour."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import pytest

from dispatcher.core.ticks import last_hour
from dispatcher.models import WorkPool
from dispatcher.protocols import Store
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_pool
from tests.stores.steps import a_stored_run, claim, nothing

STEPS = (SECOND, 20 * SECOND, MINUTE, 5 * MINUTE, 59 * MINUTE, HOUR, HOUR + MINUTE, 25 * HOUR, -SECOND, -7 * MINUTE, -HOUR)
"""How far a clock goes between two ticks: some are missing for more than an hour, and some clocks are set back."""


def minute(tick: datetime) -> datetime:
    return tick.replace(second=0, microsecond=0)


def minutes_of(ticks: Iterable[datetime], now: datetime) -> tuple[datetime, ...]:
    """From the ticks themselves: the minutes of the hour up to `now` whose place in the hour no later tick has taken."""
    last = {tick.minute: minute(tick) for tick in ticks}
    return tuple(sorted(begin for begin in last.values() if minute(now) - HOUR < begin <= minute(now)))


class TicksOfTheHour:
    @pytest.fixture(autouse=True)
    def _pools(self, store: Store):
        store.save_pool(a_pool(), expected_version=None)
        store.save_pool(a_pool("other"), expected_version=None)

    @pytest.mark.parametrize("seed", range(4))
    def test_a_pool_knows_the_minutes_of_the_last_hour_that_had_a_tick(self, store: Store, seed: int):
        random, now, ticks = Random(seed), NOW, []
        for _ in range(60):
            now += random.choice(STEPS)
            random.choice(self._ways())(store, now)
            ticks.append(now)
            pool = self._pool(store)
            assert pool.last_tick_at == now
            assert last_hour(pool, now, HOUR).minutes == minutes_of(ticks, now)
        assert self._pool(store, "other").ticked_hours == ()

    def test_a_claim_shows_its_own_tick_and_a_look_does_not(self, store: Store):
        shown = []
        claim(store, NOW, decide=lambda snapshot: shown.append(snapshot.pool) or nothing(snapshot))
        store.look("pool", NOW + MINUTE, lambda snapshot: shown.append(snapshot.pool))
        assert shown == [self._pool(store)] * 2
        assert last_hour(shown[0], NOW, HOUR).minutes == (NOW,)

    def test_a_new_pool_has_no_ticked_hours_and_a_change_of_a_pool_keeps_them(self, store: Store):
        store.heartbeat("pool", NOW)
        ticked = self._pool(store)
        anew = store.save_pool(a_pool("new", ticked_hours=ticked.ticked_hours), expected_version=None)
        assert anew == self._pool(store, "new") == replace(anew, ticked_hours=())
        changed = store.save_pool(replace(ticked, description="new", ticked_hours=()), expected_version=1)
        assert changed == self._pool(store) == replace(ticked, description="new", version=2)

    def test_a_copied_pool_has_the_ticked_hours_of_its_original(self, store: Store):
        for ticked in (NOW, NOW + MINUTE, NOW + HOUR):
            store.heartbeat("pool", ticked)
        copied = replace(self._pool(store), name="copy")
        store.restore(pools=[copied])
        assert self._pool(store, "copy") == copied

    @staticmethod
    def _ways() -> list[Callable[[Store, datetime], object]]:
        """All verbs that are a heartbeat."""

        def claim_a_run(store: Store, now: datetime) -> None:
            a_stored_run(store, due_at=now - timedelta(days=9))
            assert len(claim(store, now).claims) >= 1

        return [
            lambda store, now: store.heartbeat("pool", now),
            lambda store, now: store.heartbeats(["unknown", "pool"], now),
            lambda store, now: claim(store, now, decide=nothing),
            claim_a_run,
        ]

    @staticmethod
    def _pool(store: Store, name: str = "pool") -> WorkPool:
        pool = store.pool(name)
        assert pool
        return pool
