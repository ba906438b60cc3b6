"""What every store does with lists of runs: filters, pages, searches and counts."""

from dataclasses import replace
from uuid import UUID

import pytest

from dispatcher.models import TERMINAL_STATES, RunState
from dispatcher.models.records import QueueCount, RunFilter
from dispatcher.protocols import Store
from tests.builders import HOUR, NOW, SECOND, a_run
from tests.stores.conformance_runs import MICROSECOND, TwoPools
from tests.stores.steps import (
    a_claimed_run,
    a_run_in,
    a_running_run,
    a_stored_run,
    claim,
    granting,
    moved,
    tallied,
    walked,
)


class Listing(TwoPools):
    def test_the_newest_comes_first_then_the_smaller_id(self, store: Store):
        old, twin, new = a_run(created_at=NOW - MICROSECOND), a_run(id=UUID(int=2**127)), a_run(created_at=NOW + SECOND)
        first = a_run(id=UUID(int=2**126))
        store.add_runs([twin, old, new, first])
        assert store.runs(RunFilter(), limit=10) == [new, first, twin, old]

    def test_a_page_begins_at_its_offset(self, store: Store):
        runs = [a_run(created_at=NOW + n * SECOND) for n in range(5)][::-1]
        store.add_runs(runs)
        assert store.runs(RunFilter(), limit=2) == runs[:2]
        assert store.runs(RunFilter(pool="pool"), limit=2, offset=3) == runs[3:]
        assert store.runs(RunFilter(), limit=2, offset=5) == []

    def test_each_part_of_a_filter_holds(self, store: Store):
        high = a_stored_run(store, queue="high", created_at=NOW + 3 * SECOND)
        nightly = a_stored_run(store, deployment="nightly", created_at=NOW + 2 * SECOND)
        other = a_run_in(store, RunState.FAILED, "other", created_at=NOW + SECOND)
        running = a_run_in(store, RunState.RUNNING, deployment="nightly")
        for where, expected in (
            (RunFilter(pool="pool"), [high, nightly, running]),
            (RunFilter(queue="high"), [high]),
            (RunFilter(queue="default"), [nightly, other, running]),
            (RunFilter(deployment="nightly"), [nightly, running]),
            (RunFilter(states=frozenset({RunState.RUNNING, RunState.FAILED})), [other, running]),
            (RunFilter(states=frozenset()), []),
            (RunFilter(pool="pool", queue="default", deployment="nightly", states=frozenset({RunState.RUNNING})), [running]),
            (RunFilter(pool="none"), []),
        ):
            assert store.runs(where, limit=10) == expected, where

    def test_runs_are_found_by_tag_by_the_beginning_of_the_name_and_by_time(self, store: Store):
        both = a_stored_run(store, name="nightly-2", tags=("red", "blue"), created_at=NOW + 3 * SECOND)
        failed = a_run_in(store, RunState.FAILED, name="nightly-1", tags=("red",), created_at=NOW + 2 * SECOND)
        other = a_run_in(store, RunState.RUNNING, "other", name="Nightly", tags=("blue",), created_at=NOW + SECOND)
        plain = a_stored_run(store, name="night", deployment="nightly")
        for where, expected in (
            (RunFilter(tag="red"), [both, failed]),
            (RunFilter(tag="blue"), [both, other]),
            (RunFilter(tag="re"), []),
            (RunFilter(tag="red", states=TERMINAL_STATES), [failed]),
            (RunFilter(tag="blue", pool="other"), [other]),
            (RunFilter(tag="blue", pool="pool", queue="default"), [both]),
            (RunFilter(tag="blue", deployment="nightly"), []),
            (RunFilter(name="night"), [both, failed, plain]),
            (RunFilter(name="nightly-"), [both, failed]),
            (RunFilter(name="Night"), [other]),
            (RunFilter(name="nightly-", tag="blue", states=frozenset({RunState.SCHEDULED})), [both]),
            (RunFilter(name="night", deployment="nightly", pool="pool"), [plain]),
            (RunFilter(name=""), [both, failed, other, plain]),
            (RunFilter(since=NOW + 2 * SECOND), [both, failed]),
            (RunFilter(until=NOW + 2 * SECOND), [other, plain]),
            (RunFilter(since=NOW + SECOND, until=NOW + 3 * SECOND, tag="red"), [failed]),
            (RunFilter(since=NOW + SECOND, until=NOW + 3 * SECOND, name="nightly"), [failed]),
        ):
            assert store.runs(where, limit=10) == expected, where
            assert store.count(where, limit=10) == len(expected), where
            assert store.count(where, limit=1) == min(1, len(expected)), where
            assert store.count(where, limit=0) == 0

    @pytest.mark.parametrize("where", [RunFilter(), RunFilter(tag="red"), RunFilter(name="run"), RunFilter(pool="pool")])
    def test_a_page_begins_after_its_cursor_among_runs_of_one_time_too(self, store: Store, where: RunFilter):
        twins = sorted((a_run(tags=("red",), name="run", created_at=NOW) for _ in range(3)), key=lambda run: run.id)
        runs = [
            a_run(tags=("red",), name="run", created_at=NOW + SECOND),
            *twins,
            a_run(tags=("red",), name="run", created_at=NOW - SECOND),
        ]
        store.add_runs(runs)
        for place, run in enumerate(runs, 1):
            rest = replace(where, after=(run.created_at, run.id))
            assert store.runs(rest, limit=2) == runs[place:][:2]

    @pytest.mark.parametrize("most", [1, 2, 3, 100])
    def test_a_search_that_goes_on_where_it_stopped_finds_what_a_list_shows(self, store: Store, most: int):
        runs = [
            a_run(
                queue=("default", "high")[number % 2],
                name=("nightly", "daily", "nightly-again")[number % 3],
                tags=("red",) if number % 4 else (),
                deployment=None if number % 5 else "etl",
                created_at=NOW + number // 2 * SECOND,
            )
            for number in range(12)
        ]
        store.add_runs(runs)
        claim(store, decide=granting(*runs[:2]))
        for where in (
            RunFilter(),
            RunFilter(queue="high"),
            RunFilter(name="nightly"),
            RunFilter(name="nightly", tag="red", pool="pool"),
            RunFilter(tag="red", queue="default"),
            RunFilter(tag="red", deployment="etl", states=frozenset({RunState.SCHEDULED, RunState.PENDING})),
            RunFilter(name="daily", states=frozenset({RunState.PENDING}), since=NOW),
            RunFilter(name="daily", until=NOW + 4 * SECOND),
            RunFilter(name="none", queue="default"),
            RunFilter(name="daily", states=frozenset()),
        ):
            listed = store.runs(where, limit=50)
            assert walked(store, where, limit=2, most=most) == listed, where
            assert store.search(where, limit=50, most=1000) == (listed, None), where
            assert tallied(store, where, most=most) == len(listed), where
            assert store.tally(where, most=1000) == (len(listed), None), where

    def test_a_tag_finds_a_run_in_the_state_that_it_is_in(self, store: Store):
        run = a_running_run(store, tags=("red",))
        assert store.runs(RunFilter(tag="red", states=frozenset({RunState.SCHEDULED})), limit=10) == []
        ended = moved(store, run, RunState.COMPLETED, ended_at=NOW)
        assert store.runs(RunFilter(tag="red", states=TERMINAL_STATES), limit=10) == [ended]
        if store.prune("pool", NOW + SECOND, limit=10):
            assert store.runs(RunFilter(tag="red"), limit=10) == []

    def test_every_queue_is_counted_empty_or_not(self, store: Store):
        for due_at in (NOW - HOUR, NOW, NOW + MICROSECOND):
            a_stored_run(store, queue="high", due_at=due_at)
        held = a_claimed_run(store, queue="high")
        moved(store, held, RunState.SCHEDULED, not_before=NOW + HOUR)
        a_running_run(store, "other")
        for state in (RunState.PENDING, RunState.RUNNING, RunState.CANCELLING, *TERMINAL_STATES):
            a_run_in(store, state)
        assert store.counts("pool", NOW) == {
            "high": QueueCount(due=3, later=1, in_use=0),
            "default": QueueCount(due=0, later=0, in_use=3),
        }
        assert store.counts("other", NOW) == {"default": QueueCount(due=0, later=0, in_use=1)}
        assert store.counts("none", NOW) == {}

    def test_ahead_lists_the_due_runs_of_the_queue_that_come_first(self, store: Store):
        first, twin, run = (a_stored_run(store, due_at=due_at) for due_at in (NOW - SECOND, NOW, NOW))
        later = a_stored_run(store, due_at=NOW + HOUR)
        last = a_stored_run(store, due_at=NOW + 2 * HOUR)
        a_stored_run(store, queue="high", due_at=NOW - HOUR)
        a_stored_run(store, "other", due_at=NOW - HOUR)
        a_running_run(store, due_at=NOW - HOUR)
        assert [store.ahead(candidate, NOW) for candidate in (first, twin, run, later, last)] == [0, 1, 2, 3, 3]
        assert store.ahead(last, NOW + HOUR) == 4

    def test_a_run_that_is_held_back_keeps_its_place_ahead_of_others(self, store: Store):
        moved(store, a_claimed_run(store), RunState.SCHEDULED, not_before=NOW + HOUR)
        assert store.ahead(a_stored_run(store), NOW) == 1
