"""What every store does in a claim: the snapshot, grants, crashes and takeovers, all in one transaction."""

from dataclasses import replace
from uuid import UUID

import pytest

from dispatcher.models import PinnedJob, RunState
from dispatcher.models.records import Claims, Decision, Grant, Move, RunFilter, Snapshot
from dispatcher.protocols import Store
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_deployment, a_hold, a_pool, a_queue, a_run
from tests.stores.conformance_runs import MICROSECOND, TwoPools
from tests.stores.steps import (
    JOB,
    LEASE,
    SUBMISSION,
    a_claimed_run,
    a_run_in,
    a_running_run,
    a_stored_run,
    claim,
    granting,
    hold,
    moved,
    nothing,
    snapshot_of,
)

LATER = NOW + LEASE
"""When the lease of a claim made at `NOW` has just ended."""


class Snapshots(TwoPools):
    def test_due_runs_come_by_due_time_then_id(self, store: Store):
        big, small = a_stored_run(store, id=UUID(int=2**127)), a_stored_run(store, id=UUID(int=2**120))
        early = a_stored_run(store, due_at=NOW - MICROSECOND)
        assert snapshot_of(store).due == [early.id, small.id, big.id]
        assert snapshot_of(store, limit=2).due == [early.id, small.id]
        assert snapshot_of(store, limit=0).due == []
        assert snapshot_of(store, limit=-1).due == []

    def test_a_run_is_due_from_its_due_time_on(self, store: Store):
        run = a_stored_run(store, due_at=NOW)
        assert snapshot_of(store, NOW - MICROSECOND).due == []
        assert snapshot_of(store, NOW).due == [run.id]

    def test_a_run_that_is_held_back_is_not_due_and_then_has_its_old_place(self, store: Store):
        held, other = (a_stored_run(store, due_at=NOW - n * SECOND) for n in (2, 1))
        moved(store, claim(store, decide=granting(held)).claims[0].run, RunState.SCHEDULED, not_before=NOW + MINUTE)
        assert snapshot_of(store, NOW + MINUTE - MICROSECOND).due == [other.id]
        assert snapshot_of(store, NOW + MINUTE).due == [held.id, other.id]

    def test_runs_of_other_queues_pools_and_states_are_not_due(self, store: Store):
        a_stored_run(store, queue="high")
        a_stored_run(store, "other")
        for state in set(RunState) - {RunState.SCHEDULED}:
            a_run_in(store, state)
        assert snapshot_of(store).due == []
        assert snapshot_of(store, queue="none").due == []

    def test_due_runs_are_whole(self, store: Store):
        run = a_stored_run(store, job_variables={"env": {"A": "1"}}, tags=("x",), deployment="nightly")
        snapshots = []

        def look(snapshot: Snapshot) -> Decision:
            snapshots.extend(snapshot.due("default", 5))
            return Decision()

        claim(store, decide=look)
        assert snapshots == [run]

    def test_slots_are_held_by_pending_running_and_cancelling_runs(self, store: Store):
        for state in RunState:
            a_run_in(store, state)
        a_run_in(store, RunState.RUNNING, queue="high")
        a_run_in(store, RunState.RUNNING, "other")
        assert {queue: held for queue, held in snapshot_of(store).in_use.items() if held} == {"default": 3, "high": 1}
        assert snapshot_of(store, pool="other").in_use == {"default": 1}

    def test_slots_of_a_paused_queue_are_counted(self, store: Store):
        a_running_run(store, queue="high")
        paused = a_pool(queues=[a_queue("high", 1, paused=True), a_queue(priority=2)], paused=True)
        store.save_pool(paused, expected_version=1)
        seen = snapshot_of(store)
        assert seen.in_use == {"high": 1}
        assert seen.pool.paused

    def test_the_pool_is_seen_with_its_queues_and_its_hold(self, store: Store):
        hold(store, NOW + HOUR)
        assert snapshot_of(store).pool == store.pool("pool")
        assert snapshot_of(store).pool.holds == (a_hold(NOW + HOUR),)

    def test_due_runs_are_read_on_from_a_place(self, store: Store):
        runs = [a_stored_run(store, due_at=NOW - n // 2 * SECOND) for n in range(6)]
        a_stored_run(store, due_at=NOW + MICROSECOND)
        ordered = [run.id for run in sorted(runs, key=lambda run: (run.due_at, run.id))]
        read: list[list[UUID]] = []

        def pages(snapshot: Snapshot) -> Decision:
            after = None
            while page := snapshot.due("default", 4, after):
                read.append([run.id for run in page])
                after = (page[-1].due_at, page[-1].id)
            assert snapshot.due("default", 9, (NOW - SECOND, UUID(int=2**128 - 1))) == snapshot.due("default", 9)[4:]
            assert snapshot.due("default", 9, (NOW + MINUTE, UUID(int=0))) == []
            return Decision()

        claim(store, decide=pages)
        assert read == [ordered[:4], ordered[4:]]

    def test_a_deployment_can_be_read_within_the_claim(self, store: Store):
        saved = store.save_deployment(a_deployment(), expected_version=None, now=NOW)
        snapshots = []

        def look(snapshot: Snapshot) -> Decision:
            snapshots.extend([snapshot.deployment("deployment"), snapshot.deployment("none")])
            return Decision()

        claim(store, decide=look)
        assert snapshots == [saved, None]


class Grants(TwoPools):
    def test_a_granted_run_is_pending_with_everything_pinned(self, store: Store):
        run = a_stored_run(store, reason="by hand", job_variables={"a": 1}, tags=("x",))
        [claimed] = claim(store, NOW, decide=granting(run)).claims
        assert not claimed.repeat
        assert claimed.run == replace(
            run,
            state=RunState.PENDING,
            fence=1,
            claimed_at=NOW,
            lease_until=NOW + LEASE,
            job=JOB,
            start_within=60.5,
            reason="",
        )
        assert store.get(run.id) == claimed.run

    def test_a_run_that_was_given_back_is_claimed_with_the_next_fence(self, store: Store):
        back = moved(
            store,
            a_claimed_run(store),
            RunState.SCHEDULED,
            not_before=NOW + MINUTE,
            reason="no capacity",
            refusals=1,
            attempt=2,
        )
        [claimed] = claim(store, NOW + MINUTE).claims
        assert claimed.run.fence == 2
        assert (claimed.run.not_before, claimed.run.reason) == (None, "")
        assert claimed.run.claimed_at == NOW + MINUTE
        assert (claimed.run.refusals, claimed.run.attempt) == (1, 2)
        assert store.get(back.id) == claimed.run

    def test_exactly_the_granted_runs_are_claimed(self, store: Store):
        runs = [a_stored_run(store) for _ in range(5)]
        claims = claim(store, decide=granting(runs[3], runs[1])).claims
        assert [claimed.run.id for claimed in claims] == [runs[3].id, runs[1].id]
        states = [stored.state.value for run in runs if (stored := store.get(run.id))]
        assert states == ["SCHEDULED", "PENDING", "SCHEDULED", "PENDING", "SCHEDULED"]

    def test_a_claimed_run_is_not_due_again(self, store: Store):
        runs = {a_stored_run(store).id for _ in range(3)}
        assert {claimed.run.id for claimed in claim(store).claims} == runs
        assert claim(store) == Claims()

    def test_a_run_granted_twice_is_claimed_once(self, store: Store):
        run = a_stored_run(store)
        assert len(claim(store, decide=granting(run, run)).claims) == 1

    def test_a_grant_of_what_has_moved_is_left_out(self, store: Store):
        moved_on, other, good = a_stored_run(store), a_stored_run(store, "other"), a_stored_run(store)
        after = moved(store, moved_on, RunState.CANCELLED)
        stale = replace(a_stored_run(store), fence=3)
        claims = claim(store, decide=granting(moved_on, other, stale, a_run(), good)).claims
        assert [claimed.run.id for claimed in claims] == [good.id]
        assert store.get(moved_on.id) == after
        assert store.get(other.id) == other

    def test_a_grant_of_an_old_copy_is_answered_as_it_is_stored(self, store: Store):
        """The same state and fence, but moved in time since: what is stored counts, and not the copy."""
        old, doomed = a_stored_run(store), a_stored_run(store)
        store.move([Move.of(run, RunState.SCHEDULED, due_at=NOW + MINUTE, reason="later") for run in (old, doomed)])

        def decide(_snapshot: Snapshot) -> Decision:
            return Decision(grants=(Grant(run=old, job=JOB, start_within=None),), crashes=((doomed, "no image"),))

        answer = claim(store, decide=decide)
        [claimed], [crashed] = answer.claims, answer.crashed
        assert claimed.run == store.get(old.id)
        assert crashed == store.get(doomed.id)
        assert claimed.run.due_at == crashed.due_at == NOW + MINUTE

    def test_a_claim_that_is_taken_over_has_its_pinned_job_byte_for_byte(self, store: Store):
        job = PinnedJob(
            configuration={"list": [{"b": 1, "a": None}]},
            environment={"B": "", "A": ""},
            labels={"z": "1", "a": "2"},
        )
        run = a_stored_run(store)
        first = claim(store, decide=lambda _: Decision(grants=(Grant(run=run, job=job, start_within=None),)))
        again = claim(store, LATER, takeovers=1, decide=nothing)
        assert repr(first.claims[0].run.job) == repr(again.claims[0].run.job)

    def test_a_job_that_is_changed_outside_does_not_change_the_claim(self, store: Store):
        job = PinnedJob(configuration={"command": "true"})
        run = a_stored_run(store)
        claims = claim(store, decide=lambda _: Decision(grants=(Grant(run=run, job=job, start_within=None),))).claims
        job.configuration["command"] = "given"
        assert claims[0].run.job == PinnedJob(configuration={"command": "true"})
        claims[0].run.job.configuration["command"] = "answered"
        stored = store.get(run.id)
        assert stored
        assert stored.job == PinnedJob(configuration={"command": "true"})

    def test_a_run_that_cannot_be_rendered_crashes_with_the_reason(self, store: Store):
        bad, good = a_stored_run(store, job_variables={"a": 1}), a_stored_run(store)

        def decide(_snapshot: Snapshot) -> Decision:
            return Decision(grants=(Grant(run=good, job=JOB, start_within=None),), crashes=((bad, "no value for image"),))

        answer = claim(store, decide=decide)
        crashed = replace(bad, state=RunState.CRASHED, reason="no value for image", ended_at=NOW)
        assert answer.crashed == (crashed,)
        assert [claimed.run.id for claimed in answer.claims] == [good.id]
        assert store.get(bad.id) == crashed

    def test_a_run_that_has_moved_is_not_crashed(self, store: Store):
        running, granted = a_running_run(store), a_stored_run(store)
        unseen = replace(running, state=RunState.SCHEDULED)

        def decide(_snapshot: Snapshot) -> Decision:
            grants = (Grant(run=granted, job=JOB, start_within=None),)
            return Decision(grants=grants, crashes=((unseen, "bad"), (granted, "bad"), (a_run(), "bad")))

        answer = claim(store, decide=decide)
        assert answer.crashed == ()
        assert [claimed.run.id for claimed in answer.claims] == [granted.id]
        assert store.get(running.id) == running

    def test_every_claim_is_a_heartbeat_of_only_its_pool(self, store: Store):
        claim(store, NOW + MINUTE, decide=nothing)
        assert [pool.last_tick_at for pool in store.pools()] == [None, NOW + MINUTE]

    def test_an_unknown_pool_answers_with_nothing(self, store: Store):
        def decide(_snapshot: Snapshot) -> Decision:
            raise AssertionError("there is nothing to decide")

        assert claim(store, pool="none", decide=decide) == Claims()

    def test_a_decision_that_fails_leaves_nothing_behind(self, store: Store):
        waiting, abandoned = a_stored_run(store), a_claimed_run(store)
        before = store.pool("pool")

        def decide(_snapshot: Snapshot) -> Decision:
            raise KeyError("image")

        with pytest.raises(KeyError, match="image"):
            claim(store, LATER + HOUR, takeovers=5, decide=decide)
        assert store.pool("pool") == before
        assert [store.get(run.id) for run in (waiting, abandoned)] == [waiting, abandoned]
        assert len(claim(store, LATER + HOUR, takeovers=5).claims) == 2


class Takeovers(TwoPools):
    def test_a_claim_whose_lease_ended_without_a_submission_is_taken_over(self, store: Store):
        run = a_claimed_run(store, job_variables={"a": 1})
        [taken] = claim(store, LATER, takeovers=5).claims
        assert taken.repeat
        assert taken.run == replace(run, fence=2, lease_until=LATER + LEASE)
        assert store.get(run.id) == taken.run

    def test_a_cancelling_run_is_taken_over_as_it_is(self, store: Store):
        run = moved(store, a_claimed_run(store), RunState.CANCELLING, ending=RunState.CANCELLED, reason="by hand")
        [taken] = claim(store, LATER, takeovers=5).claims
        assert taken.run == replace(run, fence=2, lease_until=LATER + LEASE)

    def test_a_lease_that_holds_is_respected(self, store: Store):
        a_claimed_run(store)
        assert claim(store, LATER - MICROSECOND, takeovers=5) == Claims()

    def test_a_run_that_was_taken_over_belongs_to_its_new_claim(self, store: Store):
        run = a_claimed_run(store)
        claim(store, LATER, takeovers=5)
        assert claim(store, LATER + LEASE - MICROSECOND, takeovers=5) == Claims()
        [again] = claim(store, LATER + LEASE, takeovers=5).claims
        assert again.run == replace(run, fence=3, lease_until=LATER + 2 * LEASE)

    @pytest.mark.parametrize("state", [RunState.PENDING, RunState.RUNNING, RunState.CANCELLING])
    def test_a_run_with_a_submission_is_never_taken_over(self, store: Store, state: RunState):
        moved(store, a_claimed_run(store), state, submission=SUBMISSION)
        assert claim(store, LATER, takeovers=5) == Claims()

    def test_runs_in_other_states_are_never_taken_over(self, store: Store):
        for state in set(RunState) - {RunState.PENDING, RunState.CANCELLING}:
            a_run_in(store, state)
        assert claim(store, LATER, takeovers=5, decide=nothing) == Claims()

    def test_takeovers_begin_with_the_oldest_lease_and_stop_at_the_bound(self, store: Store):
        late = a_claimed_run(store, now=NOW + SECOND)
        big, small = a_claimed_run(store, id=UUID(int=2**127)), a_claimed_run(store, id=UUID(int=2**120))
        a_claimed_run(store, "other")
        taken = claim(store, LATER + MINUTE, takeovers=2, decide=nothing).claims
        assert [claimed.run.id for claimed in taken] == [small.id, big.id]
        assert claim(store, LATER + MINUTE, takeovers=0, decide=nothing) == Claims()
        [last] = claim(store, LATER + MINUTE, takeovers=2, decide=nothing).claims
        assert last.run.id == late.id

    def test_a_run_that_is_taken_over_still_holds_its_slot_in_the_same_claim(self, store: Store):
        a_claimed_run(store)
        seen = []

        def look(snapshot: Snapshot) -> Decision:
            seen.append(dict(snapshot.in_use))
            return Decision()

        assert claim(store, LATER, takeovers=5, decide=look).claims
        assert seen == [{"default": 1}]

    def test_takeovers_come_before_grants(self, store: Store):
        waiting = a_stored_run(store)
        abandoned = a_claimed_run(store)
        answer = claim(store, LATER, takeovers=5)
        assert [(claimed.run.id, claimed.repeat) for claimed in answer.claims] == [(abandoned.id, True), (waiting.id, False)]

    def test_a_paused_and_held_pool_takes_over_too(self, store: Store):
        run = a_claimed_run(store)
        hold(store, LATER + HOUR)
        store.save_pool(a_pool(queues=["high", "default"], paused=True), expected_version=1)
        assert [claimed.run.id for claimed in claim(store, LATER, takeovers=5, decide=nothing).claims] == [run.id]

    def test_the_claim_that_lost_its_run_can_write_no_more(self, store: Store):
        run = a_claimed_run(store)
        [taken] = claim(store, LATER, takeovers=5).claims
        assert store.move([Move.of(run, RunState.RUNNING, submission=SUBMISSION)]) == frozenset()
        assert store.move([Move.of(taken.run, RunState.RUNNING, submission=SUBMISSION)]) == {run.id}


class WholeTicks(TwoPools):
    def test_a_limit_that_is_decided_on_the_snapshot_is_never_exceeded(self, store: Store):
        for _ in range(7):
            a_stored_run(store)

        def up_to_two(snapshot: Snapshot) -> Decision:
            free = 2 - sum(snapshot.in_use.values())
            return Decision(grants=tuple(Grant(run=run, job=JOB, start_within=None) for run in snapshot.due("default", free)))

        ended: list[UUID] = []
        for _ in range(5):
            claim(store, decide=up_to_two)
            held = [run for state in RunState if state.holds_slot for run in store.runs(_of(state), limit=10)]
            assert len(held) <= 2
            ended += [run.id for run in held[:1] if moved(store, run, RunState.COMPLETED)]
        assert len(set(ended)) == 5

    def test_a_batch_of_fifty_is_claimed_whole_and_in_order(self, store: Store):
        runs = [a_run(due_at=NOW - n * SECOND, job_variables={"n": n}) for n in range(60)]
        assert len(store.add_runs(runs)) == 60
        claims = claim(store, decide=lambda snapshot: granting(*snapshot.due("default", 50))(snapshot)).claims
        assert [claimed.run.job_variables["n"] for claimed in claims] == list(range(59, 9, -1))
        assert snapshot_of(store).in_use == {"default": 50}


def _of(state: RunState) -> RunFilter:
    return RunFilter(states=frozenset({state}))
