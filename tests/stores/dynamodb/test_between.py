"""Others come between a store's reading and its writing, and between two of its transactions."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from dispatcher.errors import Conflict, NotFound
from dispatcher.models import RunState
from dispatcher.models.records import Decision, Move, RunFilter, Snapshot
from dispatcher.stores.dynamodb import DynamoStore
from tests.builders import NOW, SECOND, a_deployment, a_pool, a_run
from tests.stores.dynamodb.places import Place
from tests.stores.steps import LEASE, SUBMISSION, a_claimed_run, a_running_run, a_stored_run, claim, everything, granting, moved


def up_to(limit: int, seen: list[int] | None = None):
    """Grant what a pool limit leaves, from the default queue."""

    def decide(snapshot: Snapshot) -> Decision:
        in_use = sum(snapshot.in_use.values())
        if seen is not None:
            seen.append(in_use)
        return granting(*snapshot.due("default", limit - in_use))(snapshot)

    return decide


def in_use(store: DynamoStore) -> int:
    return sum(count.in_use for count in store.counts("pool", NOW).values())


def test_the_second_of_two_claims_that_saw_the_same_slots_decides_again(place: Place):
    place.store.add_runs([a_run() for _ in range(5)])
    seen: list[int] = []
    with place.coming_between(lambda other: claim(other, decide=up_to(2))):
        assert claim(place.store, decide=up_to(3, seen)).claims
    assert seen == [0, 2]
    assert in_use(place.store) == 3
    assert place.store.check() == []


def test_claims_of_different_pools_do_not_touch_each_other(place: Place):
    place.store.save_pool(a_pool("two"), expected_version=None)
    mine, other = a_stored_run(place.store), a_stored_run(place.store, "two")
    place.recorder.requests.clear()
    with place.coming_between(lambda store: claim(store, pool="two", decide=granting(other))):
        assert [claimed.run.id for claimed in claim(place.store, decide=granting(mine)).claims] == [mine.id]
    assert len(place.recorder.tokens()) == 1, "it had to decide only once"
    assert {place.store.get(run.id).state for run in (mine, other)} == {RunState.PENDING}


def test_a_claim_sees_the_pool_as_it_is_when_it_commits(place: Place):
    a_stored_run(place.store)
    paused: list[bool] = []

    def decide(snapshot: Snapshot) -> Decision:
        paused.append(snapshot.pool.paused)
        return Decision() if snapshot.pool.paused else everything(snapshot)

    pause = lambda other: other.save_pool(a_pool(queues=["high", "default"], paused=True), expected_version=1)  # noqa: E731
    with place.coming_between(pause):
        assert claim(place.store, decide=decide).claims == ()
    assert paused == [False, True]


def test_a_run_that_is_cancelled_while_it_is_claimed_is_left_out(place: Place):
    gone, good = a_stored_run(place.store), a_stored_run(place.store)
    with place.coming_between(lambda other: other.move([Move.of(gone, RunState.CANCELLED)])):
        assert [claimed.run.id for claimed in claim(place.store).claims] == [good.id]
    assert place.store.check() == []


def test_a_freed_slot_does_not_make_a_claim_decide_again(place: Place):
    running, _waiting = a_running_run(place.store), a_stored_run(place.store)
    seen: list[int] = []
    with place.coming_between(lambda other: other.move([Move.of(running, RunState.COMPLETED)])):
        assert len(claim(place.store, decide=up_to(2, seen)).claims) == 1
    assert seen == [1]
    assert in_use(place.store) == 1
    assert place.store.check() == []


def test_a_move_that_takes_a_slot_makes_a_claim_count_again(place: Place):
    first, _second = a_stored_run(place.store, queue="high"), a_stored_run(place.store)
    seen: list[int] = []
    with place.coming_between(lambda other: other.move([Move.of(first, RunState.PENDING)])):
        assert claim(place.store, decide=up_to(1, seen)).claims == ()
    assert seen == [0, 1]


def test_a_pool_that_is_deleted_while_it_is_claimed_answers_with_nothing(place: Place):
    def decide(snapshot: Snapshot) -> Decision:
        return granting(*runs)(snapshot)

    runs = [a_stored_run(place.store)]

    def end_and_delete(other: DynamoStore) -> None:
        other.move([Move.of(runs[0], RunState.CANCELLED)])
        other.delete_pool("pool", expected_version=1)

    with place.coming_between(end_and_delete):
        assert claim(place.store, decide=decide).claims == ()
    assert place.store.pools() == []


class TestPrefixes:
    """A claim that takes several transactions."""

    def fill(self, place: Place) -> list[Any]:
        runs = [a_run(due_at=NOW - n * SECOND) for n in range(40)][::-1]
        place.store.add_runs(runs)
        place.recorder.requests.clear()
        return [run.id for run in runs]

    def answer(self, place: Place) -> Sequence[Any]:
        return [claimed.run.id for claimed in claim(place.store).claims]

    def test_a_claim_that_another_interrupts_answers_with_its_first_runs(self, place: Place):
        ids = self.fill(place)
        with place.coming_between(lambda other: claim(other, decide=lambda s: granting(*s.due("default", 2))(s)), at=2):
            assert self.answer(place) == ids[:33]
        assert self.answer(place) == ids[35:]
        assert in_use(place.store) == 40
        assert place.store.check() == []

    def test_a_change_of_the_pool_between_ends_it(self, place: Place):
        ids = self.fill(place)
        change = a_pool(queues=["high", "default"], limit=33)
        with place.coming_between(lambda other: other.save_pool(change, expected_version=1), at=2):
            assert self.answer(place) == ids[:33]
        assert in_use(place.store) == 33

    def test_takeovers_come_first(self, place: Place):
        old = [a_claimed_run(place.store, now=NOW - LEASE) for _ in range(2)]
        ids = self.fill(place)
        with place.coming_between(lambda other: other.move([]) or claim(other, decide=up_to(0), takeovers=9), at=2):
            answer = claim(place.store, takeovers=5).claims
        assert [claimed.run.id for claimed in answer][:3] == [*(run.id for run in old), ids[0]]
        assert [claimed.repeat for claimed in answer][:3] == [True, True, False]


class TestMoves:
    def test_a_move_whose_run_was_changed_within_its_state_is_made_all_the_same(self, place: Place):
        run = a_claimed_run(place.store)
        with place.coming_between(lambda other: other.move([Move.of(run, RunState.PENDING, reason="somebody")])):
            assert moved(place.store, run, RunState.RUNNING, submission=SUBMISSION).reason == "somebody"
        assert place.store.check() == []

    def test_a_move_whose_run_has_moved_is_not_made(self, place: Place):
        run, other_run = a_claimed_run(place.store), a_claimed_run(place.store)
        with place.coming_between(lambda other: other.move([Move.of(run, RunState.CRASHED)])):
            moves = [Move.of(run, RunState.RUNNING), Move.of(other_run, RunState.RUNNING)]
            assert place.store.move(moves) == {other_run.id}
        assert place.store.check() == []

    def test_moves_of_one_run_in_one_batch_follow_one_another(self, place: Place):
        run = a_claimed_run(place.store)
        running = replace(run, state=RunState.RUNNING)
        assert place.store.move([Move.of(run, RunState.RUNNING), Move.of(running, RunState.COMPLETED)]) == {run.id}
        stored = place.store.get(run.id)
        assert stored
        assert stored.state is RunState.COMPLETED
        assert place.store.check() == []

    def test_many_moves_take_few_transactions(self, place: Place):
        place.store.add_runs([a_run() for _ in range(40)])
        runs = [claimed.run for claimed in claim(place.store).claims]
        place.recorder.requests.clear()
        assert len(place.store.move([Move.of(run, RunState.COMPLETED) for run in runs])) == 40
        assert len(place.recorder.tokens()) == 1
        assert in_use(place.store) == 0
        assert place.store.check() == []


class TestAdding:
    def test_runs_that_somebody_else_adds_first_are_left_alone(self, place: Place):
        first, second = a_run(name="first"), a_run()
        with place.coming_between(lambda other: other.add_runs([first])):
            assert place.store.add_runs([replace(first, name="again"), second]) == {second.id}
        stored = place.store.get(first.id)
        assert stored
        assert stored.name == "first"

    def test_a_queue_deleted_in_between_takes_no_run(self, place: Place):
        change = a_pool(queues=["default"])
        with (
            place.coming_between(lambda other: other.save_pool(change, expected_version=1)),
            pytest.raises(NotFound, match="'high'"),
        ):
            place.store.add_runs([a_run(queue="high"), a_run()])
        assert place.store.runs(RunFilter(), limit=9) == []

    def test_a_queue_that_gets_a_run_in_between_is_not_deleted(self, place: Place):
        with (
            place.coming_between(lambda other: other.add_runs([a_run(queue="high")])),
            pytest.raises(Conflict, match="'high'"),
        ):
            place.store.save_pool(a_pool(queues=["default"]), expected_version=1)

    def test_a_pool_that_gets_a_run_in_between_is_not_deleted(self, place: Place):
        with place.coming_between(lambda other: other.add_runs([a_run()])), pytest.raises(Conflict, match="have not ended"):
            place.store.delete_pool("pool", expected_version=1)
        assert place.store.pool("pool")


class TestDeletion:
    def test_a_deployment_of_a_pool_deleted_in_between_is_refused(self, place: Place):
        with (
            place.coming_between(lambda other: other.delete_pool("pool", expected_version=1)),
            pytest.raises(NotFound, match="'default' in a work pool named 'pool'"),
        ):
            place.store.save_deployment(a_deployment(), expected_version=None, now=NOW)

    def test_a_deletion_that_is_broken_off_goes_on_when_it_is_repeated(self, place: Place):
        self.break_off(place)
        assert place.store.pools() == []
        place.another().delete_pool("pool", expected_version=1)
        assert place.store.deployments() == []
        with pytest.raises(NotFound):
            place.store.delete_pool("pool", expected_version=1)

    def test_a_new_pool_of_the_name_has_nothing_of_the_old_one(self, place: Place):
        self.break_off(place)
        place.another().save_pool(a_pool(), expected_version=None)
        assert place.store.deployments() == []
        assert place.store.runs(RunFilter(), limit=9) == []
        assert place.store.check() == []

    def test_an_old_deletion_leaves_a_new_pool_of_the_same_name_alone(self, place: Place):
        place.store.save_deployment(a_deployment(), expected_version=None, now=NOW)

        def begin_anew(other: DynamoStore) -> None:
            other.delete_pool("pool", expected_version=1)
            other.save_pool(a_pool(), expected_version=None)
            other.save_deployment(a_deployment(), expected_version=None, now=NOW)

        with place.coming_between(begin_anew, at=2):
            place.store.delete_pool("pool", expected_version=1)
        assert len(place.store.deployments()) == len(place.store.pools()) == 1

    def break_off(self, place: Place) -> None:
        place.store.save_deployment(a_deployment(), expected_version=None, now=NOW)
        moved(place.store, a_running_run(place.store), RunState.FAILED, lingers=True)

        def die(_other: DynamoStore) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt), place.coming_between(die, at=2):
            place.store.delete_pool("pool", expected_version=1)
        place.recorder.before = lambda _operation, _parameters: None
