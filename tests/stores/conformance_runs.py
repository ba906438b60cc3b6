"""What every store does with runs: adding, reading and moving them."""

from dataclasses import replace
from itertools import product
from uuid import UUID

import pytest

from dispatcher.core.transitions import ALLOWED_MOVES
from dispatcher.errors import NotFound
from dispatcher.models import TERMINAL_STATES, Attempt, PinnedJob, Run, RunState
from dispatcher.models.records import EndedRun, Move, RunFilter
from dispatcher.protocols import Store
from providers.base import Submission
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_pool, a_run, an_id
from tests.stores.steps import (
    SUBMISSION,
    a_claimed_run,
    a_run_in,
    a_running_run,
    a_stored_run,
    claim,
    moved,
    nothing,
)

MICROSECOND = SECOND / 1_000_000


class TwoPools:
    @pytest.fixture(autouse=True)
    def _two_pools(self, store: Store):
        store.save_pool(a_pool(queues=["high", "default"]), expected_version=None)
        store.save_pool(a_pool("other"), expected_version=None)


class Runs(TwoPools):
    def test_an_added_run_reads_back_whole(self, store: Store):
        run = a_run(
            name="nächtlich 'quoted' \"twice\" 🚀",
            deployment="nightly",
            job_variables={"env": {"B": "{{ x }}", "A": None}, "n": [1, 1.5, True, "\ud800", "\0"]},
            parameters={"day": "{{ x }}", "limit": None, "deep": {"b": [1.0, 1], "a": True}},
            tags=("b", "a"),
            created_at=NOW - MICROSECOND,
            scheduled_at=NOW - HOUR + MICROSECOND,
            due_at=NOW + HOUR / 7,
            reason="by hand",
        )
        assert store.add_runs([run]) == {run.id}
        assert store.get(run.id) == run

    def test_an_unknown_run_is_none(self, store: Store):
        assert store.get(an_id()) is None

    def test_a_run_whose_id_exists_is_left_alone(self, store: Store):
        first = a_running_run(store)
        second = a_run()
        assert store.add_runs([replace(a_run(), id=first.id, name="again"), second]) == {second.id}
        assert store.get(first.id) == first
        assert store.add_runs([second]) == frozenset()

    def test_the_first_of_two_equal_ids_in_one_batch_counts(self, store: Store):
        run = a_run(name="first")
        assert store.add_runs([run, replace(run, name="second")]) == {run.id}
        assert store.get(run.id) == run

    def test_adding_an_empty_list_of_runs_changes_nothing(self, store: Store):
        assert store.add_runs([]) == frozenset()

    @pytest.mark.parametrize(("pool", "queue"), [("none", "default"), ("pool", "none"), ("other", "high")])
    def test_runs_are_added_all_or_none(self, store: Store, pool: str, queue: str):
        good = a_run()
        with pytest.raises(NotFound, match=f"'{queue}' in a work pool named '{pool}'"):
            store.add_runs([good, a_run(pool, queue), a_run()])
        assert store.runs(RunFilter(), limit=10) == []

    def test_a_run_that_is_changed_outside_does_not_change_the_store(self, store: Store):
        variables = {"env": {"A": "1"}}
        run = a_stored_run(store, job_variables=variables)
        variables["env"]["A"] = "given"
        read, listed = store.get(run.id), store.runs(RunFilter(), limit=1)[0]
        assert read
        read.job_variables["env"]["A"] = "read"
        listed.job_variables["env"]["A"] = "listed"
        stored = store.get(run.id)
        assert stored
        assert stored.job_variables == {"env": {"A": "1"}}


class Moves(TwoPools):
    def test_a_move_writes_every_field_it_names_and_no_other(self, store: Store):
        run = a_claimed_run(store, job_variables={"a": 1}, tags=("x",))
        changes = {
            "reason": "stopped: out of memory",
            "due_at": NOW + MICROSECOND,
            "attempt": 2,
            "ended_attempts": 3,
            "refusals": 4,
            "not_before": NOW + MINUTE,
            "claimed_at": NOW + 2 * MINUTE,
            "lease_until": None,
            "job": PinnedJob(configuration={"x": [1, {"y": None}]}),
            "start_within": 0.25,
            "submission": SUBMISSION,
            "ending": RunState.CRASHED,
            "lingers": True,
            "submitted_at": NOW + 3 * MINUTE,
            "started_at": NOW + 4 * MINUTE,
            "ended_at": NOW + 5 * MINUTE,
            "exit_code": -9,
        }
        assert store.move([Move.of(run, RunState.CANCELLING, **changes)]) == {run.id}
        assert store.get(run.id) == replace(run, state=RunState.CANCELLING, **changes)

    def test_a_move_can_clear_what_it_names(self, store: Store):
        run = moved(store, a_running_run(store), RunState.RUNNING, exit_code=1, lingers=True, ending=RunState.CANCELLED)
        cleared = {"submission": None, "job": None, "exit_code": None, "lingers": False, "ending": None, "claimed_at": None}
        assert moved(store, run, RunState.SCHEDULED, **cleared) == replace(run, state=RunState.SCHEDULED, **cleared)

    def test_a_move_without_changes_changes_the_state_alone(self, store: Store):
        run = a_claimed_run(store)
        assert moved(store, run, RunState.RUNNING) == replace(run, state=RunState.RUNNING)

    def test_a_run_in_another_state_does_not_move(self, store: Store):
        run = a_claimed_run(store)
        after = moved(store, run, RunState.RUNNING)
        assert store.move([Move.of(run, RunState.COMPLETED)]) == frozenset()
        assert store.get(run.id) == after

    @pytest.mark.parametrize("fence", [0, 2])
    def test_a_run_with_another_fence_does_not_move(self, store: Store, fence: int):
        run = a_claimed_run(store)
        assert store.move([Move.of(replace(run, fence=fence), RunState.COMPLETED)]) == frozenset()
        assert store.get(run.id) == run

    def test_an_unknown_run_does_not_move(self, store: Store):
        assert store.move([Move.of(a_run(), RunState.CANCELLED)]) == frozenset()

    def test_each_move_stands_alone(self, store: Store):
        stale, *runs = (a_claimed_run(store) for _ in range(4))
        moves = [Move.of(run, RunState.RUNNING, reason=str(n)) for n, run in enumerate(runs)]
        assert store.move([moves[0], Move.of(replace(stale, fence=9), RunState.RUNNING), *moves[1:]]) == {
            run.id for run in runs
        }
        assert [_stored(store, run).reason for run in runs] == ["0", "1", "2"]
        assert _stored(store, stale) == stale

    def test_a_move_happens_once(self, store: Store):
        run = a_claimed_run(store)
        ends = [Move.of(run, RunState.COMPLETED, exit_code=0), Move.of(run, RunState.CRASHED)]
        assert store.move(ends) == {run.id}
        assert store.move(ends) == frozenset()
        assert _stored(store, run) == replace(run, state=RunState.COMPLETED, exit_code=0)

    def test_moving_an_empty_list_changes_nothing(self, store: Store):
        assert store.move([]) == frozenset()

    def test_exactly_the_allowed_moves_are_made(self, store: Store):
        for state, to in product(RunState, RunState):
            run = a_run_in(store, state)
            if to in ALLOWED_MOVES[state]:
                assert moved(store, run, to).state is to
            else:
                with pytest.raises(ValueError, match=f"from {state} to {to}"):
                    store.move([Move.of(run, to)])
                assert _stored(store, run) == run

    def test_a_forbidden_move_lets_none_of_its_batch_happen(self, store: Store):
        run, ended = a_claimed_run(store), a_run_in(store, RunState.COMPLETED)
        with pytest.raises(ValueError, match="COMPLETED"):
            store.move([Move.of(run, RunState.RUNNING), Move.of(ended, RunState.RUNNING)])
        assert _stored(store, run) == run

    @pytest.mark.parametrize("field", ["job_variables", "parameters", "queue", "id", "created_at", "fence", "state", "colour"])
    def test_a_move_that_changes_what_is_pinned_is_forbidden(self, store: Store, field: str):
        run = a_claimed_run(store)
        with pytest.raises(ValueError, match=field):
            store.move([Move.of(run, RunState.RUNNING, **{field: "x"})])
        assert _stored(store, run) == run

    def test_an_ended_run_never_moves_whatever_the_move_expects(self, store: Store):
        for state in TERMINAL_STATES:
            ended = a_run_in(store, state)
            moves = [
                Move.of(replace(ended, state=pretended), RunState.CRASHED) for pretended in set(RunState) - TERMINAL_STATES
            ]
            assert store.move(moves) == frozenset()
            assert _stored(store, ended) == ended

    def test_a_reason_may_hold_any_text(self, store: Store):
        run = a_claimed_run(store)
        reason = "line\nline; DROP TABLE runs; -- 'x' %s :name 🚀"
        assert moved(store, run, RunState.CRASHED, reason=reason).reason == reason

    def test_a_reason_that_a_database_cannot_hold_is_kept_as_far_as_it_can(self, store: Store):
        run = moved(store, a_claimed_run(store), RunState.CRASHED, reason="exit \ud800 of \0 task")
        assert run.reason.startswith("exit ")
        assert run.reason.endswith(" task")
        assert run.state is RunState.CRASHED

    def test_the_arguments_of_a_move_are_not_shared_with_the_store(self, store: Store):
        run = a_claimed_run(store)
        submission = Submission(name="a", handle={"id": "1"})
        moved(store, run, RunState.RUNNING, submission=submission)
        submission.handle["id"] = "2"
        assert _stored(store, run).submission == Submission(name="a", handle={"id": "1"})


class LiveAndLingering(TwoPools):
    def test_live_lists_the_runs_that_hold_a_slot_and_have_a_submission(self, store: Store):
        live = [a_running_run(store), a_running_run(store, queue="high")]
        live += [moved(store, a_claimed_run(store), RunState.PENDING, submission=SUBMISSION)]
        live += [moved(store, a_running_run(store), RunState.CANCELLING, ending=RunState.CANCELLED)]
        a_stored_run(store)
        a_claimed_run(store)
        a_running_run(store, "other")
        moved(store, a_running_run(store), RunState.COMPLETED)
        moved(store, a_running_run(store), RunState.SCHEDULED)
        assert store.live("pool", limit=10) == [replace(run, job=None) for run in live]
        assert store.live("none", limit=10) == []

    def test_live_runs_are_read_without_variables_and_job(self, store: Store):
        run = a_running_run(store, job_variables={"a": "b"}, parameters={"a": "b"}, tags=("c",))
        assert store.live("pool", limit=1) == [replace(run, job_variables={}, parameters={}, tags=(), job=None)]

    def test_a_moving_start_reaches_every_live_run_in_turn(self, store: Store):
        ids = [a_running_run(store, id=UUID(int=n)).id for n in (2**127, 2**120, 2**126, 5)]
        ids.sort()

        def round_from(start: UUID | None, limit: int) -> list[int]:
            return [ids.index(run.id) for run in store.live("pool", limit=limit, start=start)]

        assert round_from(None, 3) == [0, 1, 2]
        assert round_from(ids[3], 3) == [3, 0, 1]
        assert round_from(UUID(int=ids[1].int + 1), 2) == [2, 3]
        assert round_from(UUID(int=2**128 - 1), 2) == [0, 1]
        assert round_from(ids[2], 9) == [2, 3, 0, 1]

    def test_ended_lists_the_runs_of_the_pool_that_ended_since_a_time_latest_first(self, store: Store):
        runs = [a_running_run(store) for _ in range(4)]
        for number, run in enumerate(runs):
            moved(store, run, RunState.COMPLETED, ended_at=NOW + number // 2 * MINUTE, lingers=number == 1)
        a_running_run(store)
        moved(store, a_running_run(store, "other"), RunState.FAILED, ended_at=NOW)
        by_id = [sorted(run.id for run in pair) for pair in (runs[2:], runs[:2])]
        latest_first = [run_id for ids in by_id for run_id in reversed(ids)]
        assert [run.id for run in store.ended("pool", NOW, limit=10)] == latest_first
        assert [run.id for run in store.ended("pool", NOW, limit=3)] == latest_first[:3]
        assert [run.id for run in store.ended("pool", NOW + MICROSECOND, limit=10)] == latest_first[:2]
        assert store.ended("pool", NOW, limit=0) == store.ended("none", NOW, limit=10) == []

    def test_ended_runs_are_read_with_all_times_at_which_they_held_slots(self, store: Store):
        attempt = Attempt(number=1, state=RunState.FAILED, claimed_at=NOW - MINUTE, ended_at=NOW)
        run = a_running_run(store, tags=("a",), job_variables={"n": 1}, past=(attempt,))
        moved(store, run, RunState.FAILED, ended_at=NOW)
        times = (run.due_at, run.claimed_at, run.submitted_at, run.started_at, NOW)
        assert store.ended("pool", NOW, limit=1) == [EndedRun(run.id, run.queue, run.deployment, *times, (attempt,), run.lane)]

    def test_lingering_lists_the_ended_runs_that_still_occupy_something_longest_ended_first(self, store: Store):
        twin, first = a_running_run(store, id=UUID(int=2**127)), a_running_run(store, id=UUID(int=2**126))
        last, clean, other, live = (
            *(a_running_run(store) for _ in range(2)),
            a_running_run(store, "other"),
            a_running_run(store),
        )
        for run, ended_at in ((last, NOW + MINUTE), (twin, NOW), (first, NOW), (other, NOW)):
            moved(store, run, RunState.FAILED, ended_at=ended_at, lingers=True)
        moved(store, clean, RunState.COMPLETED, ended_at=NOW)
        moved(store, live, RunState.RUNNING, lingers=True)
        lingering = store.lingering("pool", limit=10)
        assert [run.id for run in lingering] == [first.id, twin.id, last.id]
        assert lingering[0] == replace(first, state=RunState.FAILED, ended_at=NOW, lingers=True, job=None)
        assert store.lingering("pool", limit=1) == lingering[:1]
        assert store.lingering("none", limit=1) == []

    def test_a_discarded_job_no_longer_lingers_and_its_run_is_otherwise_unchanged(self, store: Store):
        runs = [moved(store, a_running_run(store), RunState.FAILED, ended_at=NOW, lingers=True) for _ in range(3)]
        store.discarded([runs[0].id, runs[2].id, an_id()])
        store.discarded([runs[0].id])
        store.discarded([])
        assert [run.id for run in store.lingering("pool", limit=10)] == [runs[1].id]
        assert store.get(runs[0].id) == replace(runs[0], lingers=False)

    def test_a_store_can_be_used_after_it_was_closed(self, store: Store):
        run = a_running_run(store)
        store.close()
        store.close()
        assert store.get(run.id) == run
        claim(store, decide=nothing)


def _stored(store: Store, run: Run) -> Run:
    stored = store.get(run.id)
    assert stored is not None
    return stored
