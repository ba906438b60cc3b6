"""A store that fails anywhere in a tick, before or after it has acted, leaves what the next ticks finish."""

from __future__ import annotations

from functools import partial

import pytest

from dispatcher.client import Dispatcher
from dispatcher.errors import StoreUnavailable
from dispatcher.models import submission_name
from dispatcher.stores.memory import MemoryStore
from providers.base import Throttled
from providers.testing import Remembers
from tests.builders import SECOND, a_pool
from tests.tick.stage import LONGEST_LEASE, Stage

VERBS = ("pools_with_work", "pool", "live", "move", "hold", "claim", "lingering", "discarded", "get")


class FailingStore:
    """A store whose `fails_at`-th call of a tick's verbs fails; when it has `acted`, only its answer is lost."""

    def __init__(self):
        self.behind, self.calls, self.fails_at, self.acts = MemoryStore(), [], None, False

    def __getattr__(self, verb):
        behind = getattr(self.behind, verb)
        return partial(self._call, verb, behind) if verb in VERBS else behind

    def _call(self, verb, behind, *arguments, **named):
        self.calls.append(verb)
        if len(self.calls) - 1 != self.fails_at:
            return behind(*arguments, **named)
        if self.acts:
            behind(*arguments, **named)
        raise StoreUnavailable("the store gave no answer")


def a_busy_stage():
    """A tick here has something to do at every step: settle, stop, claim, submit, record, tidy."""
    stage = Stage(a_pool(limit=4), store=FailingStore(), remembers=Remembers.OBJECT, lingers=True, memory=None)
    ended, cancelled, running = stage.add(3)
    stage.tick()
    stage.provider.finish(submission_name(ended.id, 1))
    stage.tick()
    stage.wait(LONGEST_LEASE + SECOND)
    Dispatcher(stage.store, clock=stage.clock).cancel_run(cancelled.id)
    waiting = stage.add(5)
    stage.provider.finish(submission_name(running.id, 1))
    stage.store.calls.clear()
    return stage, [ended, cancelled, running, *waiting]


def calls_of_a_whole_tick():
    stage, _ = a_busy_stage()
    stage.tick(batch=2)
    return list(stage.store.calls)


CALLS = calls_of_a_whole_tick()


def finish(stage, runs):
    """Tick until all is over."""
    for _ in range(20):
        stage.wait(LONGEST_LEASE + SECOND)
        stage.tick(batch=2)
        for live in stage.provider.live:
            stage.provider.finish(live)
        if all(stage.get(run).state.is_terminal for run in runs) and not stage.store.lingering("pool", limit=1):
            return


def test_the_tick_that_is_broken_uses_every_verb_of_a_tick():
    assert set(CALLS) >= {"pools_with_work", "pool", "live", "move", "claim", "lingering", "discarded"}


@pytest.mark.parametrize("acts", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("place", range(len(CALLS)), ids=lambda place: f"{place}-{CALLS[place]}")
def test_the_promises_hold_after_any_failed_call_and_the_next_ticks_finish(place, acts):
    stage, runs = a_busy_stage()
    stage.store.fails_at, stage.store.acts = place, acts
    if CALLS[place] in ("pools_with_work", "pool"):
        with pytest.raises(StoreUnavailable):
            stage.tick(batch=2)
    else:
        assert stage.tick(batch=2).problems == ["pool: the store gave no answer"]
        assert ("pool.problem", {"pool": "pool", "problem": "the store gave no answer"}) in stage.events
    stage.store.fails_at = None
    finish(stage, runs)
    assert stage.states(*runs) == ["COMPLETED", "CANCELLED", *["COMPLETED"] * 6]
    assert stage.provider.starts == {submission_name(run.id, 1): 1 for run in runs}
    assert {stage.get(run).ended_attempts for run in runs} == {1}
    assert stage.provider.peak_live <= 4
    assert stage.store.lingering("pool", limit=10) == []


@pytest.mark.parametrize("acts", [False, True], ids=["before", "after"])
def test_a_hold_that_cannot_be_written_leaves_the_claim_to_be_looked_up(acts):
    stage = Stage(store=FailingStore())
    [run] = stage.add()
    stage.provider.script("submit", Throttled(reason="later", retry_after=1.0))
    hold = 5
    stage.store.fails_at, stage.store.acts = hold - 1, acts
    assert stage.tick().problems == ["pool: the store gave no answer"]
    assert stage.store.calls[hold - 1] == "hold"
    stage.store.fails_at = None
    assert stage.states(run) == ["PENDING"]
    stage.let_the_lease_end()
    stage.tick()
    assert stage.provider.starts == {submission_name(run.id, 1): 1}
