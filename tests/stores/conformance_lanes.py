"""What every store does for concurrency limits of deployments, and for runs that expire."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dispatcher.models import Deployment, OnCollision, Run, RunState
from dispatcher.models.records import Decision, Move, Snapshot
from dispatcher.protocols import Store
from tests.builders import MINUTE, NOW, SECOND, a_deployment, a_pool
from tests.stores.conformance_runs import TwoPools
from tests.stores.steps import a_run_in, a_stored_run, claim, granting, moved


def limited(store: Store, name: str = "nightly", limit: int = 1, **fields: Any) -> Deployment:
    """A stored deployment with a limit."""
    return store.save_deployment(a_deployment(name, concurrency_limit=limit, **fields), expected_version=None, now=NOW)


def in_lane(store: Store, lane: str = "nightly", **fields: Any) -> Run:
    """A run that waits in the lane of its deployment."""
    return a_stored_run(store, deployment=lane, lane=lane, **fields)


def lanes_of(store: Store, queue: str = "default", now: Any = NOW) -> tuple[Sequence[str], dict[str, int]]:
    """The lanes of a queue, and the live runs of each, in a claim and in a look: both see the same."""
    seen = []

    def read(snapshot: Snapshot) -> Decision:
        lanes = snapshot.lanes(queue)
        seen.append((list(lanes), {lane: snapshot.live(lane) for lane in lanes}))
        return Decision()

    claim(store, now, decide=read)
    store.look("pool", now, read)
    assert seen[0] == seen[1]
    return seen[0]


def due_in(store: Store, lane: str | None, limit: int = 10, *, after: Run | None = None, **where: Any) -> Sequence[Run]:
    """The due runs of a lane, or of the queue without its lanes."""
    queue, now = where.get("queue", "default"), where.get("now", NOW)
    position = (after.due_at, after.id) if after else None
    return list(store.look("pool", now, lambda snapshot: list(snapshot.due(queue, limit, position, lane))) or ())


class Lanes(TwoPools):
    """Runs of deployments with a limit wait in lanes."""

    def test_the_fields_are_kept(self, store: Store):
        saved = limited(store, on_collision=OnCollision.REPLACE, max_waiting=3, expires_after=MINUTE)
        run = in_lane(store, expires_at=NOW + MINUTE)
        assert store.deployment("nightly") == saved
        assert store.get(run.id) == run
        changed = replace(saved, concurrency_limit=None, on_collision=OnCollision.SKIP, max_waiting=None, expires_after=None)
        again = store.save_deployment(changed, expected_version=1, now=NOW)
        assert (store.deployment("nightly"), again.on_collision) == (again, OnCollision.SKIP)

    def test_a_lane_is_read_by_itself_and_a_queue_without_its_lanes(self, store: Store):
        limited(store)
        plain, first, second = a_stored_run(store), in_lane(store, due_at=NOW - SECOND), in_lane(store)
        assert due_in(store, None) == [plain]
        assert due_in(store, "nightly") == [first, second]
        assert due_in(store, "nightly", 1) == [first]
        assert due_in(store, "nightly", after=first) == [second]
        assert due_in(store, "nightly", queue="high") == []

    def test_the_lanes_are_those_in_which_runs_are_due(self, store: Store):
        for name in ("a", "b", "c"):
            limited(store, name)
        in_lane(store, "a"), in_lane(store, "a", queue="high"), in_lane(store, "b", due_at=NOW + MINUTE), in_lane(store, "c")
        assert lanes_of(store)[0] == ["a", "c"]
        assert lanes_of(store, now=NOW + MINUTE)[0] == ["a", "b", "c"]
        assert lanes_of(store, "high")[0] == ["a"]

    def test_a_lane_is_seen_after_its_deployment_was_changed_or_deleted(self, store: Store):
        deployment, run = limited(store), in_lane(store)
        store.save_deployment(replace(deployment, concurrency_limit=None), expected_version=1, now=NOW)
        assert lanes_of(store)[0] == ["nightly"]
        store.delete_deployment("nightly")
        assert lanes_of(store)[0] == ["nightly"]
        assert [claimed.run.id for claimed in claim(store, decide=granting(run)).claims] == [run.id]

    def test_live_runs_of_a_deployment_are_counted_in_every_state_that_holds_a_slot(self, store: Store):
        limited(store), limited(store, "other")
        in_lane(store), in_lane(store, "other")
        for state in RunState:
            a_run_in(store, state, deployment="nightly")
        a_run_in(store, RunState.RUNNING, queue="high", deployment="nightly", lane="nightly")
        a_run_in(store, RunState.RUNNING)
        assert lanes_of(store)[1] == {"nightly": 4, "other": 0}

    def test_live_runs_are_counted_for_a_deployment_without_a_lane_too(self, store: Store):
        a_run_in(store, RunState.RUNNING, deployment="nightly")
        assert store.look("pool", NOW, lambda snapshot: (snapshot.live("nightly"), snapshot.live("other"))) == (1, 0)

    def test_a_run_moves_into_a_lane_and_stays_where_it_was_in_time(self, store: Store):
        limited(store)
        run, other = a_stored_run(store, deployment="nightly"), in_lane(store, due_at=NOW - SECOND)
        assert store.move([Move.of(run, RunState.SCHEDULED, lane="nightly")]) == {run.id}
        assert (due_in(store, None), [waiting.id for waiting in due_in(store, "nightly")]) == ([], [other.id, run.id])

    def test_a_run_that_comes_back_from_a_claim_waits_in_its_lane(self, store: Store):
        limited(store)
        run = in_lane(store)
        back = moved(store, claim(store, decide=granting(run)).claims[0].run, RunState.SCHEDULED, not_before=NOW + MINUTE)
        assert (due_in(store, "nightly"), lanes_of(store)[1].get("nightly", 0)) == ([], 0)
        assert due_in(store, "nightly", now=NOW + MINUTE) == [store.get(back.id)]

    def test_lanes_count_in_their_queue(self, store: Store):
        limited(store)
        in_lane(store), in_lane(store, due_at=NOW + MINUTE), a_stored_run(store)
        last = in_lane(store)
        counts = store.counts("pool", NOW)["default"]
        assert (counts.due, counts.later) == (3, 1)
        assert store.ahead(last, NOW) == 2

    def test_the_due_runs_of_a_lane_are_counted_in_all_queues_of_a_pool_held_back_or_not(self, store: Store):
        limited(store), limited(store, "other")
        held, later = in_lane(store), in_lane(store, due_at=NOW + MINUTE)
        moved(store, claim(store, decide=granting(held)).claims[0].run, RunState.SCHEDULED, not_before=NOW + MINUTE)
        in_lane(store, queue="high"), in_lane(store, "other"), a_stored_run(store, deployment="nightly")
        a_run_in(store, RunState.RUNNING, deployment="nightly", lane="nightly")
        assert [store.waiting_in_lanes("pool", "nightly", time) for time in (NOW, later.due_at)] == [2, 3]
        assert store.waiting_in_lanes("other", "nightly", NOW) == store.waiting_in_lanes("nowhere", "nightly", NOW) == 0

    def test_a_due_run_in_a_lane_is_work(self, store: Store):
        limited(store)
        in_lane(store, due_at=NOW + MINUTE)
        assert (store.pools_with_work(NOW), store.pools_with_work(NOW + MINUTE)) == ([], ["pool"])

    def test_lanes_are_restored(self, store: Store):
        run = replace(a_stored_run(store), id=in_lane(store).id)
        copied = replace(run, id=type(run.id)(int=run.id.int + 2**100), deployment="gone", lane="gone")
        store.restore(pools=[a_pool("third")], runs=[replace(copied, pool="third")])
        assert store.look("third", NOW, lambda snapshot: list(snapshot.lanes("default"))) == ["gone"]


class Expiry(TwoPools):
    """Runs that were not claimed in time."""

    def test_an_expired_run_is_not_due(self, store: Store):
        limited(store)
        run, other = a_stored_run(store, expires_at=NOW + MINUTE), in_lane(store, expires_at=NOW + MINUTE)
        before = NOW + MINUTE - SECOND
        assert (due_in(store, None, now=before), due_in(store, "nightly", now=before)) == ([run], [other])
        assert (due_in(store, None, now=NOW + MINUTE), due_in(store, "nightly", now=NOW + MINUTE)) == ([], [])
        assert claim(store, NOW + MINUTE).claims == ()

    def test_expired_runs_come_longest_ago_first(self, store: Store):
        late, early = (a_stored_run(store, expires_at=NOW + n * SECOND) for n in (2, 1))
        a_stored_run(store)
        a_run_in(store, RunState.RUNNING, expires_at=NOW)
        assert [run.id for run in store.expired("pool", NOW + 2 * SECOND, limit=5)] == [early.id, late.id]
        assert [run.id for run in store.expired("pool", NOW + 2 * SECOND, limit=1)] == [early.id]
        assert store.expired("pool", NOW, limit=5) == []
        assert store.expired("other", NOW + MINUTE, limit=5) == []

    def test_an_expired_run_is_work_also_while_it_is_held_back(self, store: Store):
        run = a_stored_run(store, expires_at=NOW + 2 * MINUTE)
        moved(store, claim(store, decide=granting(run)).claims[0].run, RunState.SCHEDULED, not_before=NOW + 9 * MINUTE)
        assert (store.pools_with_work(NOW + MINUTE), store.pools_with_work(NOW + 2 * MINUTE)) == ([], ["pool"])

    def test_a_claimed_run_expires_no_more_and_one_that_is_given_back_does(self, store: Store):
        run = a_stored_run(store, expires_at=NOW + MINUTE)
        claimed = claim(store, decide=granting(run)).claims[0].run
        assert store.expired("pool", NOW + MINUTE, limit=5) == []
        moved(store, claimed, RunState.SCHEDULED)
        assert [expired.id for expired in store.expired("pool", NOW + MINUTE, limit=5)] == [run.id]
