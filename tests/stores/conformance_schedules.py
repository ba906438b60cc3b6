"""What every store does with the schedules of deployments and the runs they make, with retries, and with old history."""

from dataclasses import replace
from datetime import timedelta

import pytest

from dispatcher.core.windows import WindowLimits, materialisation
from dispatcher.errors import Conflict
from dispatcher.models import Attempt, CatchUp, Deployment, RetryPolicy, Run, RunState, Schedule, WhenRepeated, WhenSkipped
from dispatcher.models.records import MATERIALISED_AT_ONCE, Move, Reconfiguration, RunFilter
from dispatcher.protocols import Store
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_deployment, a_pool, a_run
from tests.stores.steps import SUBMISSION, claim, moved, nothing

EVERY_TEN = Schedule(slug="ten", cron="*/10 * * * *")
HOURLY = Schedule(slug="hourly", interval=HOUR, anchor=NOW + 5 * MINUTE, catch_up=CatchUp.ALL, catch_up_limit=7)
LIMITS = WindowLimits()


def a_scheduled(store: Store, *schedules: Schedule, name: str = "deployment", **fields) -> Deployment:
    fields["schedules"] = schedules or (EVERY_TEN,)
    return store.save_deployment(a_deployment(name, **fields), expected_version=None, now=NOW)


def materialised(store: Store, deployment: Deployment, now=NOW) -> frozenset | None:
    return store.materialise(materialisation(deployment, now, LIMITS))


def waiting(store: Store, name: str = "deployment") -> list[Run]:
    listed = store.runs(RunFilter(deployment=name), limit=1000)
    return sorted(listed, key=lambda run: (run.due_at, run.id))


def windows(store: Store, name: str = "deployment") -> list[tuple[str | None, timedelta]]:
    return [(run.schedule, run.scheduled_at - NOW) for run in waiting(store, name)]


def every_ten(*minutes: int) -> list[tuple[str, timedelta]]:
    return [("ten", minute * MINUTE) for minute in minutes]


def without_high(deployment: Deployment, *, moves: bool) -> Reconfiguration:
    """Its queue goes, and it moves to the other one or goes as well."""
    return Reconfiguration(
        pools_read={"other": 1, "pool": 1},
        deployments_read={deployment.name: 1},
        now=NOW,
        pools=(a_pool(),),
        deployments=(replace(deployment, queue="default"),) if moves else (),
        deployments_gone=() if moves else (deployment.name,),
    )


class Schedules:
    @pytest.fixture(autouse=True)
    def _pools(self, store: Store):
        store.save_pool(a_pool(queues=["high", "default"]), expected_version=None)
        store.save_pool(a_pool("other"), expected_version=None)

    def test_a_deployment_reads_back_with_its_schedules_and_its_retries(self, store: Store):
        weekly = Schedule(
            slug="weekly",
            rrule="FREQ=WEEKLY;BYDAY=MO",
            timezone="Europe/Paris",
            when_skipped=WhenSkipped.SKIP,
            when_repeated=WhenRepeated.BOTH,
            start=NOW,
            end=NOW + 900 * HOUR,
            exclude=(NOW.date(), (NOW + 72 * HOUR).date()),
            spread=90 * SECOND,
            job_variables={"cpu": 256, "env": {"A": "1"}},
            parameters={"day": None, "limit": 3},
            active=False,
        )
        retry = RetryPolicy(attempts=3, delay=90 * SECOND, backoff=1.5, states=frozenset({RunState.FAILED}))
        deployment = a_deployment(schedules=(EVERY_TEN, HOURLY, weekly), retry=retry, paused=True)
        saved = store.save_deployment(deployment, expected_version=None, now=NOW)
        assert saved == replace(deployment, version=1) == store.deployment("deployment") == store.deployments()[0]

    def test_a_new_schedule_begins_when_it_is_saved(self, store: Store):
        saved = a_scheduled(store, EVERY_TEN, HOURLY, replace(EVERY_TEN, slug="off", active=False))
        assert saved.windows_until == {"ten": NOW, "hourly": NOW}
        assert saved.windows_at == NOW

    def test_a_deployment_without_an_active_schedule_is_never_due(self, store: Store):
        a_scheduled(store, replace(EVERY_TEN, active=False))
        a_scheduled(store, EVERY_TEN, name="paused", paused=True)
        store.save_deployment(a_deployment("bare"), expected_version=None, now=NOW)
        assert store.scheduled("pool", NOW + 1000 * HOUR, limit=10) == []

    def test_deployments_are_due_by_the_time_of_their_next_window(self, store: Store):
        late, early = a_scheduled(store, name="a"), a_scheduled(store, name="b")
        a_scheduled(store, name="elsewhere", pool="other")
        assert store.scheduled("pool", NOW - SECOND, limit=10) == []
        assert store.scheduled("pool", NOW, limit=10) == [late, early]
        assert materialised(store, late) is not None
        again = store.deployment("a")
        assert again
        assert (again.windows_until, again.windows_at, again.version) == ({"ten": NOW + HOUR}, NOW + 10 * MINUTE, 1)
        assert store.scheduled("pool", NOW, limit=10) == [early]
        assert store.scheduled("pool", NOW + 10 * MINUTE, limit=10) == [early, again]
        assert store.scheduled("pool", NOW + 10 * MINUTE, limit=1) == [early]

    def test_a_step_adds_runs_and_notes_how_far_they_reach(self, store: Store):
        deployment = a_scheduled(store, queue="high", tags=("nightly",), retry=RetryPolicy(attempts=2))
        added = materialised(store, deployment)
        assert windows(store) == every_ten(10, 20, 30, 40, 50, 60)
        first = waiting(store)[0]
        assert {run.id for run in waiting(store)} == added
        assert (first.pool, first.queue, first.tags, first.retry) == ("pool", "high", ("nightly",), deployment.retry)
        assert (first.state, first.due_at, first.schedule) == (RunState.SCHEDULED, NOW + 10 * MINUTE, "ten")

    def test_only_the_first_of_two_steps_from_one_reading_is_carried_out(self, store: Store):
        deployment = a_scheduled(store)
        assert len(materialised(store, deployment) or ()) == 6
        assert materialised(store, deployment, NOW + 10 * MINUTE) is None
        assert windows(store) == every_ten(10, 20, 30, 40, 50, 60)
        again = store.deployment("deployment")
        assert again
        assert len(materialised(store, again, NOW + 10 * MINUTE) or ()) == 1
        assert windows(store) == every_ten(10, 20, 30, 40, 50, 60, 70)

    def test_a_step_of_a_changed_or_deleted_deployment_does_nothing(self, store: Store):
        deployment = a_scheduled(store)
        changed = store.save_deployment(replace(deployment, description="new"), expected_version=1, now=NOW)
        assert materialised(store, deployment) is None
        store.delete_deployment("deployment")
        assert materialised(store, changed) is None
        assert windows(store) == []

    def test_a_window_whose_run_is_there_already_is_left_alone(self, store: Store):
        deployment = a_scheduled(store)
        step = materialisation(deployment, NOW, LIMITS)
        mine = replace(step.runs[0], name="mine")
        store.add_runs([mine])
        assert store.materialise(step) == {run.id for run in step.runs[1:]}
        assert store.get(mine.id) == mine

    def test_the_most_that_a_step_may_hold_is_one_transaction(self, store: Store):
        deployment = a_scheduled(store, *(Schedule(slug=f"s{n}", cron="* * * * *") for n in range(3)))
        step = materialisation(deployment, NOW, LIMITS)
        assert len(step.runs) == MATERIALISED_AT_ONCE
        assert len(store.materialise(step) or ()) == MATERIALISED_AT_ONCE
        assert store.scheduled("pool", NOW, limit=1) == [store.deployment("deployment")]

    def test_a_change_that_leaves_a_schedule_as_it_is_keeps_its_runs(self, store: Store):
        deployment = a_scheduled(store)
        materialised(store, deployment)
        before, kept = waiting(store), replace(deployment, description="new", job_variables={"command": "x"})
        saved = store.save_deployment(kept, expected_version=1, now=NOW + 15 * MINUTE)
        assert waiting(store) == before
        assert (saved.windows_until, saved.windows_at) == ({"ten": NOW + HOUR}, NOW + 10 * MINUTE)

    @pytest.mark.parametrize(
        "change",
        [
            {"schedules": ()},
            {"schedules": (replace(EVERY_TEN, active=False),)},
            {"schedules": (replace(EVERY_TEN, cron="*/20 * * * *"),)},
            {"paused": True},
            {"queue": "high"},
            {"tags": ("new",)},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_deleting_or_changing_a_schedule_withdraws_its_future_runs(self, store: Store, change):
        deployment = a_scheduled(store, EVERY_TEN)
        a_scheduled(store, EVERY_TEN, name="neighbour")
        materialised(store, deployment)
        materialised(store, store.scheduled("pool", NOW, limit=1)[0])
        by_hand = a_run(deployment="deployment", due_at=NOW + 30 * MINUTE)
        store.add_runs([by_hand])
        saved = store.save_deployment(replace(deployment, **change), expected_version=1, now=NOW + 25 * MINUTE)
        assert windows(store) == [*every_ten(10, 20), (None, 30 * MINUTE)]
        assert windows(store, "neighbour") == every_ten(10, 20, 30, 40, 50, 60)
        later = dict.fromkeys(saved.active_schedules, NOW + 25 * MINUTE)
        assert (saved.windows_until, saved.windows_at) == (later, NOW + 25 * MINUTE if later else None)

    def test_only_the_schedule_that_changes_takes_its_runs_along(self, store: Store):
        deployment = a_scheduled(store, EVERY_TEN, HOURLY)
        materialised(store, deployment)
        store.save_deployment(replace(deployment, schedules=(HOURLY,)), expected_version=1, now=NOW)
        assert windows(store) == [("hourly", 5 * MINUTE)]

    def test_a_run_that_was_claimed_once_is_not_withdrawn(self, store: Store):
        deployment = a_scheduled(store)
        materialised(store, deployment)
        [claimed] = claim(store, NOW + 10 * MINUTE).claims
        moved(store, claimed.run, RunState.SCHEDULED, due_at=NOW + 40 * MINUTE)
        store.save_deployment(replace(deployment, schedules=()), expected_version=1, now=NOW)
        assert windows(store) == every_ten(10)

    def test_withdrawn_runs_are_made_again_after_a_resume(self, store: Store):
        deployment = a_scheduled(store)
        materialised(store, deployment)
        store.save_deployment(replace(deployment, paused=True), expected_version=1, now=NOW + MINUTE)
        again = store.save_deployment(deployment, expected_version=2, now=NOW + 2 * MINUTE)
        assert len(materialised(store, again, NOW + 2 * MINUTE) or ()) == 6
        assert windows(store) == every_ten(10, 20, 30, 40, 50, 60)

    def test_deleting_a_deployment_takes_what_its_schedules_made_and_nobody_claimed(self, store: Store):
        deployment = a_scheduled(store)
        materialised(store, deployment)
        by_hand = a_run(deployment="deployment")
        store.add_runs([by_hand])
        store.delete_deployment("deployment")
        assert waiting(store) == [by_hand]

    def test_deleting_a_deployment_takes_what_schedules_made_that_it_no_longer_has(self, store: Store):
        materialised(store, a_scheduled(store, queue="high"))
        later = a_deployment(schedules=(HOURLY,), queue="default")
        store.save_deployment(later, expected_version=1, now=NOW + 25 * MINUTE)
        assert windows(store) == every_ten(10, 20)
        store.delete_deployment("deployment")
        assert windows(store) == []

    def test_deleting_a_deployment_takes_runs_in_a_queue_that_it_left_when_it_had_no_schedule(self, store: Store):
        materialised(store, a_scheduled(store, queue="high"))
        bare = a_deployment(queue="high")
        store.save_deployment(bare, expected_version=1, now=NOW + 25 * MINUTE)
        store.save_deployment(replace(bare, queue="default"), expected_version=2, now=NOW + 25 * MINUTE)
        assert windows(store) == every_ten(10, 20)
        store.delete_deployment("deployment")
        assert windows(store) == []

    def test_deleting_a_deployment_takes_runs_with_a_priority_that_it_no_longer_gives(self, store: Store):
        materialised(store, a_scheduled(store, priority=7))
        store.save_deployment(a_deployment(schedules=(EVERY_TEN,)), expected_version=1, now=NOW + 25 * MINUTE)
        assert windows(store) == every_ten(10, 20)
        store.delete_deployment("deployment")
        assert windows(store) == []

    def test_a_deployment_with_the_name_of_a_deleted_one_begins_without_its_runs(self, store: Store):
        materialised(store, a_scheduled(store, queue="high"))
        store.save_deployment(a_deployment(schedules=(HOURLY,)), expected_version=1, now=NOW + 25 * MINUTE)
        store.delete_deployment("deployment")
        again = a_scheduled(store, EVERY_TEN)
        assert len(materialised(store, again, NOW) or ()) == 6
        assert {run.queue for run in waiting(store)} == {"default"}

    def test_deleting_a_pool_takes_what_its_deployments_left_in_another(self, store: Store):
        deployment = a_scheduled(store, EVERY_TEN)
        materialised(store, deployment)
        materialised(store, a_scheduled(store, EVERY_TEN, name="neighbour"))
        by_hand = a_run(deployment="deployment", due_at=NOW + 30 * MINUTE)
        store.add_runs([by_hand])
        store.save_deployment(replace(deployment, pool="other"), expected_version=1, now=NOW + 25 * MINUTE)
        assert windows(store) == [*every_ten(10, 20), (None, 30 * MINUTE)]
        store.delete_pool("other", expected_version=1)
        assert store.deployment("deployment") is None
        assert windows(store) == [(None, 30 * MINUTE)]
        assert windows(store, "neighbour") == every_ten(10, 20, 30, 40, 50, 60)

    def test_a_restored_deployment_is_deleted_with_its_runs_in_every_queue(self, store: Store):
        left = [
            a_run(queue="high", deployment="deployment", schedule="ten", due_at=NOW),
            a_run("other", deployment="deployment", schedule="gone", lane="%-5", due_at=NOW),
        ]
        by_hand = a_run("other", deployment="deployment", due_at=NOW)
        claimed = a_run("other", deployment="deployment", schedule="ten", fence=1, due_at=NOW)
        store.restore(deployments=[a_deployment(version=3)])
        store.restore(runs=[*left, by_hand, claimed])
        store.delete_deployment("deployment")
        assert {run.id for run in waiting(store)} == {by_hand.id, claimed.id}

    def test_a_change_of_many_does_to_each_what_a_change_of_one_does(self, store: Store):
        deployment, gone = a_scheduled(store), a_scheduled(store, name="gone")
        materialised(store, deployment)
        materialised(store, gone)
        change = Reconfiguration(
            pools_read={"other": 1, "pool": 1},
            deployments_read={"deployment": 1, "gone": 1},
            now=NOW + 25 * MINUTE,
            deployments=(replace(deployment, schedules=(HOURLY,)),),
            deployments_gone=("gone",),
        )
        store.reconfigure(change)
        assert windows(store) == every_ten(10, 20)
        assert windows(store, "gone") == []
        changed = store.deployment("deployment")
        assert changed
        assert changed.windows_until == {"hourly": NOW + 25 * MINUTE}

    @pytest.mark.parametrize("what", ["moves", "goes"])
    def test_a_queue_and_the_future_runs_of_a_deployment_go_in_one_change_if_the_deployment(self, store: Store, what: str):
        deployment = a_scheduled(store, queue="high")
        materialised(store, deployment)
        change = without_high(deployment, moves=what == "moves")
        store.reconfigure(change)
        pool = store.pool("pool")
        assert pool
        assert [queue.name for queue in pool.queues] == ["default"]
        assert windows(store) == []
        assert [deployment.queue for deployment in store.deployments()] == ["default"] * (what == "moves")

    @pytest.mark.parametrize("what", ["moves", "goes"])
    def test_a_run_that_people_made_keeps_a_queue_whatever_happens_to_its_deployment(self, store: Store, what: str):
        deployment = a_scheduled(store, queue="high")
        materialised(store, deployment)
        store.add_runs([a_run(deployment="deployment", queue="high")])
        before = store.pools(), store.deployments(), waiting(store)
        with pytest.raises(Conflict, match="'high' of 'pool' has runs that have not ended"):
            store.reconfigure(without_high(deployment, moves=what == "moves"))
        assert (store.pools(), store.deployments(), waiting(store)) == before

    def test_a_restored_deployment_goes_on_from_its_last_window(self, store: Store):
        there = a_deployment(
            schedules=(EVERY_TEN,), windows_until={"ten": NOW + MINUTE}, windows_at=NOW + 2 * MINUTE, version=3
        )
        store.restore(deployments=[there])
        assert store.deployment("deployment") == there
        assert store.scheduled("pool", NOW + 2 * MINUTE, limit=1) == [there]

    def test_a_step_into_a_queue_that_is_gone_does_nothing(self, store: Store):
        deployment = a_scheduled(store, queue="high")
        pool = store.pool("pool")
        assert pool
        store.save_pool(replace(pool, queues=pool.queues[1:]), expected_version=1)
        assert materialised(store, deployment) is None


class Attempts:
    @pytest.fixture(autouse=True)
    def _pool(self, store: Store):
        store.save_pool(a_pool(), expected_version=None)

    def test_a_run_reads_back_with_its_policy_and_its_past(self, store: Store):
        ended = Attempt(
            number=1,
            state=RunState.FAILED,
            reason="exit code 1, 'quoted'",
            claimed_at=NOW,
            submitted_at=NOW + SECOND / 7,
            started_at=None,
            ended_at=NOW + HOUR,
            exit_code=1,
            submission=SUBMISSION,
            lingers=True,
        )
        policy, past = RetryPolicy(attempts=3, delay=MINUTE), (ended, replace(ended, number=2))
        run = a_run(retry=policy, past=past, attempt=3, ended_attempts=2)
        store.add_runs([run])
        assert store.get(run.id) == run
        [claimed] = claim(store, NOW).claims
        assert claimed.run.past == run.past
        submitted = moved(store, claimed.run, RunState.PENDING, submission=SUBMISSION)
        [live] = store.live("pool", limit=1)
        assert (live.past, live.retry) == (submitted.past, run.retry)

    def test_a_move_names_the_end_that_a_run_was_to_come_to(self, store: Store):
        run = a_run()
        store.add_runs([run])
        [claimed] = claim(store, NOW).claims
        stopping = moved(store, claimed.run, RunState.CANCELLING, ending=RunState.CRASHED, submission=SUBMISSION)
        cancelled = moved(store, stopping, RunState.CANCELLING, ending=RunState.CANCELLED)
        assert store.move([Move.of(stopping, RunState.SCHEDULED, attempt=2, ending=None)]) == frozenset()
        assert store.get(run.id) == cancelled
        assert store.move([Move.of(cancelled, RunState.CANCELLED, ended_at=NOW)]) == {run.id}

    def test_a_run_that_cannot_be_rendered_keeps_what_earlier_attempts_left(self, store: Store):
        ended = Attempt(number=1, state=RunState.FAILED, submission=SUBMISSION, lingers=True)
        run = a_run(past=(ended,), attempt=2)
        store.add_runs([run])
        claim(store, decide=lambda snapshot: replace(nothing(snapshot), crashes=((run, "no image"),)))
        assert [left.id for left in store.lingering("pool", limit=10)] == [run.id]


class Pruning:
    def test_only_what_ended_before_and_left_nothing_behind_is_forgotten(self, store: Store):
        store.save_pool(a_pool(), expected_version=None)
        store.save_pool(a_pool("other"), expected_version=None)
        ends = {"state": RunState.COMPLETED, "ended_at": NOW}
        old, older = a_run(**ends), a_run(**ends | {"ended_at": NOW - SECOND})
        kept = [
            a_run(state=RunState.FAILED, ended_at=NOW + SECOND),
            a_run(lingers=True, submission=SUBMISSION, **ends),
            a_run(due_at=NOW - HOUR),
            a_run("other", **ends),
        ]
        store.restore(runs=[old, older, *kept])
        assert store.pools_with_work(NOW - 2 * HOUR) == ["pool"], "one of them lingers"
        forgotten = store.prune("pool", NOW + SECOND, limit=1)
        assert forgotten in (0, 1)  # a store that forgets by itself does nothing
        left = {run.id for run in store.runs(RunFilter(), limit=100)}
        assert left == {run.id for run in ([old, *kept] if forgotten else [old, older, *kept])}
        assert store.prune("pool", NOW + SECOND, limit=10) == forgotten
        assert {run.id for run in kept} <= {run.id for run in store.runs(RunFilter(), limit=100)}
        assert store.prune("pool", NOW + SECOND, limit=10) == 0

    def test_history_that_may_be_forgotten_is_work_where_that_is_asked_for(self, store: Store):
        store.save_pool(a_pool(), expected_version=None)
        store.restore(runs=[a_run(state=RunState.COMPLETED, ended_at=NOW)])
        assert store.pools_with_work(NOW) == []
        assert store.pools_with_work(NOW, ended_before=NOW) == []
        forgets = bool(store.pools_with_work(NOW, ended_before=NOW + SECOND))
        assert store.prune("pool", NOW + SECOND, limit=10) == forgets
        assert store.pools_with_work(NOW, ended_before=NOW + SECOND) == []
