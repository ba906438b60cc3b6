"""What comes between the steps of schedules: others, and the end of the process."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import ceil
from typing import Any

import pytest

from dispatcher.core.windows import WindowLimits, materialisation
from dispatcher.errors import Conflict
from dispatcher.models import Deployment, RunState, Schedule
from dispatcher.models.records import Materialisation, Move, RunFilter
from dispatcher.stores.dynamodb import DynamoStore
from dispatcher.stores.dynamodb.deployments import MAX_QUEUES
from dispatcher.stores.dynamodb.withdrawing import AT_ONCE
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_deployment, a_pool, a_run
from tests.stores.conformance_reconfiguration import reconfiguration
from tests.stores.dynamodb.places import Place
from tests.stores.dynamodb_server import connect
from tests.stores.steps import a_stored_run, claim, granting, nothing

EVERY_TEN = Schedule(slug="ten", cron="*/10 * * * *")
OTHER = replace(EVERY_TEN, cron="5 * * * *")
LIMITS = WindowLimits()


def step(deployment: Deployment) -> Materialisation:
    return materialisation(deployment, NOW, LIMITS)


def a_scheduled(place: Place, *, runs: bool = True, **fields: Any) -> Deployment:
    """A deployment with the six windows of the next hour as runs."""
    deployment = a_deployment(**{"schedules": (EVERY_TEN,)} | fields)
    saved = place.store.save_deployment(deployment, expected_version=None, now=NOW)
    if not runs:
        return saved
    assert len(place.store.materialise(step(saved)) or ()) == 6
    return stored(place.store, saved.name)


def stored(store: DynamoStore, name: str = "deployment") -> Deployment:
    deployment = store.deployment(name)
    assert deployment
    return deployment


def runs_of(place: Place, name: str = "deployment") -> int:
    return len(place.store.runs(RunFilter(deployment=name), limit=1000))


def dies(_other: DynamoStore) -> None:
    raise KeyboardInterrupt


def broken_off(place: Place, act: Callable[[DynamoStore], Any], *, at: int = 2) -> None:
    """The process ends before its transaction number `at`."""
    with pytest.raises(KeyboardInterrupt), place.coming_between(dies, at=at):
        act(place.store)
    place.recorder.before = lambda _operation, _parameters: None


def change(deployment: Deployment) -> Callable[[DynamoStore], Any]:
    """Another schedule, so that the runs of the one before go."""
    changed = replace(deployment, schedules=(OTHER,))
    return lambda store: store.save_deployment(changed, expected_version=deployment.version, now=NOW)


def delete(store: DynamoStore) -> None:
    store.delete_deployment("deployment")


def items(place: Place) -> list[Mapping[str, Any]]:
    return [item for item in connect().scan(TableName=place.table)["Items"] if item["pk"]["S"] == "DEPLOYMENTS"]


CHANGES = {"a change": change, "a deletion": lambda _deployment: delete}


class TestBrokenOff:
    """Between a change of a deployment and the end of the runs that go with it."""

    @pytest.mark.parametrize("what", CHANGES)
    def test_the_next_tick_withdraws_what_was_left(self, place: Place, what: str):
        broken_off(place, CHANGES[what](a_scheduled(place)))
        assert runs_of(place) == 6
        assert place.store.check() == []
        due = place.another().scheduled("pool", NOW, limit=10)
        assert due == place.store.deployments()
        assert [deployment.schedules for deployment in due] == ([(OTHER,)] if what == "a change" else [])
        assert runs_of(place) == 0
        assert len(items(place)) == len(due)
        assert place.store.check() == []

    @pytest.mark.parametrize("what", CHANGES)
    def test_a_step_after_an_unfinished_change_makes_only_runs_of_the_changed_deployment(self, place: Place, what: str):
        deployment = a_scheduled(place)
        broken_off(place, CHANGES[what](deployment))
        latest = place.store.deployment("deployment")
        assert (latest is None) is (what == "a deletion")
        added = place.another().materialise(step(latest or deployment))
        assert runs_of(place) == len(added or ())
        assert (added is None) is (what == "a deletion")

    @pytest.mark.parametrize("what", CHANGES)
    def test_the_next_save_first_finishes_an_unfinished_one(self, place: Place, what: str):
        deployment = a_scheduled(place)
        broken_off(place, CHANGES[what](deployment))
        version = None if what == "a deletion" else 2
        saved = place.another().save_deployment(deployment, expected_version=version, now=NOW)
        assert runs_of(place) == 0
        assert len(place.store.materialise(step(saved)) or ()) == 6
        assert place.store.check() == []

    @pytest.mark.parametrize("what", CHANGES)
    def test_an_unfinished_change_keeps_no_pool_or_queue_from_deletion(self, place: Place, what: str):
        broken_off(place, CHANGES[what](a_scheduled(place, queue="high")))
        another = place.another()
        assert another.save_pool(a_pool(), expected_version=1).version == 2
        assert runs_of(place) == 0
        another.delete_pool("pool", expected_version=2)
        assert place.store.deployments() == []
        assert place.store.check() == []

    def test_a_deleted_deployment_does_not_disturb_others(self, place: Place):
        a_scheduled(place)
        broken_off(place, delete)
        assert place.store.deployments() == []
        assert place.store.deployment("deployment") is None
        a_stored_run(place.store, deployment="deployment")
        seen: list[Any] = []
        claim(place.store, decide=lambda snapshot: seen.append(snapshot.deployment("deployment")) or nothing(snapshot))
        assert seen == [None]
        place.another().reconfigure(reconfiguration(place.store, deployments=[a_deployment()]))
        assert stored(place.store).version == 1

    def test_deleting_a_pool_removes_the_runs_that_its_deployment_left_in_another(self, place: Place):
        place.store.save_pool(a_pool("next"), expected_version=None)
        moved = replace(a_scheduled(place), pool="next")
        broken_off(place, lambda store: store.save_deployment(moved, expected_version=1, now=NOW))
        place.another().delete_pool("next", expected_version=1)
        assert runs_of(place) == 0
        assert place.store.deployments() == []
        assert place.store.check() == []

    def test_a_big_withdrawal_goes_on_from_any_of_its_transactions(self, place: Place):
        for second in range(2):
            place.store.add_runs([a_window(MINUTE + second * HOUR + n * SECOND) for n in range(50)])
        place.store.save_deployment(a_deployment(schedules=(EVERY_TEN,)), expected_version=None, now=NOW)
        broken_off(place, delete, at=3)
        assert runs_of(place) == 100 - AT_ONCE
        place.recorder.requests.clear()
        assert place.store.scheduled("pool", NOW, limit=1) == []
        assert len(place.recorder.tokens()) == ceil((100 - AT_ONCE) / AT_ONCE)
        assert runs_of(place) == 0
        assert place.store.check() == []


def a_window(after: Any) -> Any:
    return a_run(deployment="deployment", schedule="ten", due_at=NOW + after)


class TestBetween:
    """Others, between a step's reading and its writing."""

    def test_a_run_that_is_claimed_before_it_is_withdrawn_stays(self, place: Place):
        deployment = a_scheduled(place)
        first = min(place.store.runs(RunFilter(), limit=9), key=lambda run: run.due_at)
        with place.coming_between(lambda other: claim(other, NOW + HOUR, decide=granting(first)), at=2):
            change(deployment)(place.store)
        assert [run.id for run in place.store.runs(RunFilter(), limit=9)] == [first.id]
        assert place.store.check() == []

    @pytest.mark.parametrize("at", [2, 3])
    def test_two_processes_that_withdraw_the_same_runs_help_each_other(self, place: Place, at: int):
        a_scheduled(place)
        place.store.add_runs([a_window(2 * HOUR + n * SECOND) for n in range(49)])
        with place.coming_between(lambda other: other.scheduled("pool", NOW, limit=1), at=at):
            delete(place.store)
        assert runs_of(place) == 0
        assert place.store.check() == []

    def test_a_run_that_appears_before_it_is_made_is_left_alone(self, place: Place):
        deployment = a_scheduled(place, runs=False)
        materialisation = step(deployment)
        mine = replace(materialisation.runs[0], name="mine")
        with place.coming_between(lambda other: other.add_runs([mine])):
            assert place.store.materialise(materialisation) == {run.id for run in materialisation.runs[1:]}
        assert place.store.get(mine.id) == mine
        assert place.store.check() == []

    def test_only_one_of_two_simultaneous_steps_is_carried_out(self, place: Place):
        deployment = a_scheduled(place, runs=False)
        answers: list[Any] = []
        with place.coming_between(lambda other: answers.append(other.materialise(step(deployment)))):
            assert place.store.materialise(step(deployment)) is None
        assert [len(answer) for answer in answers] == [6]
        assert place.store.check() == []

    def test_a_deployment_changed_or_deleted_before_its_step_makes_no_runs(self, place: Place):
        for act in (change(a_scheduled(place, runs=False)), delete):
            with place.coming_between(act):
                assert place.store.materialise(step(stored(place.store))) is None
        assert runs_of(place) == 0
        assert place.store.check() == []

    def test_a_queue_deleted_before_a_step_takes_no_run(self, place: Place):
        deployment = a_scheduled(place, runs=False, queue="high")
        with place.coming_between(lambda other: other.save_pool(a_pool(), expected_version=1)):
            assert place.store.materialise(step(deployment)) is None
        assert runs_of(place) == 0

    def test_a_change_counts_on_how_far_the_windows_reach_when_it_is_written(self, place: Place):
        deployment = a_scheduled(place, runs=False)
        changed = replace(deployment, description="new")
        with place.coming_between(lambda other: other.materialise(step(deployment))):
            saved = place.store.save_deployment(changed, expected_version=1, now=NOW)
        assert saved == stored(place.store)
        assert (saved.windows_until, saved.windows_at) == ({"ten": NOW + HOUR}, NOW + 10 * MINUTE)
        assert place.store.check() == []

    def test_runs_that_come_before_a_change_go_with_it(self, place: Place):
        deployment = a_scheduled(place, runs=False)
        with place.coming_between(lambda other: other.materialise(step(deployment))):
            change(deployment)(place.store)
        assert runs_of(place) == 0

    def test_a_deployment_that_leaves_its_pool_while_that_is_swept_away_stays(self, place: Place):
        deployment = a_scheduled(place, runs=False)
        place.store.save_pool(a_pool("next"), expected_version=None)
        leave = replace(deployment, pool="next")
        with place.coming_between(lambda other: other.save_deployment(leave, expected_version=1, now=NOW), at=2):
            place.store.delete_pool("pool", expected_version=1)
        assert place.store.scheduled("next", NOW, limit=1) == place.store.deployments() == [stored(place.store)]
        assert place.store.check() == []


class TestWithdrawn:
    def test_due_runs_in_an_earlier_queue_are_deleted_with_the_deployment(self, place: Place):
        deployment = a_scheduled(place, queue="high")
        moved = replace(deployment, queue="default")
        place.store.save_deployment(moved, expected_version=1, now=NOW + 30 * MINUTE)
        assert runs_of(place) == 3
        delete(place.store)
        assert runs_of(place) == 0
        assert place.store.check() == []

    def test_runs_in_every_queue_that_the_deployment_ever_had_are_deleted_with_it(self, place: Place):
        names = [f"q{number}" for number in range(MAX_QUEUES + 3)]
        place.store.save_pool(a_pool("wide", queues=["default", *names]), expected_version=None)
        deployment = a_scheduled(place, pool="wide", queue="q0")
        for version, name in enumerate([*names[1:], "default"], 1):
            moved = replace(stored(place.store), queue=name)
            place.store.save_deployment(moved, expected_version=version, now=NOW + version * 10 * MINUTE)
            place.store.add_runs([a_run("wide", name, deployment="deployment", schedule="ten", due_at=NOW)])
        assert runs_of(place) == 1 + len(names)
        assert deployment.queue == "q0"
        delete(place.store)
        assert runs_of(place) == 0
        assert place.store.check() == []

    def test_queues_without_such_a_run_are_forgotten_when_they_are_too_many(self, place: Place):
        names = [f"q{number}" for number in range(MAX_QUEUES + 3)]
        place.store.save_pool(a_pool("wide", queues=["default", *names]), expected_version=None)
        a_scheduled(place, pool="wide", queue="default")
        for version, name in enumerate(names, 1):
            place.store.save_deployment(replace(stored(place.store), queue=name), expected_version=version, now=NOW + HOUR / 2)
        [item] = items(place)
        queues = json.loads(item["places"]["S"])
        assert (queues[0], queues[-1]) == (["wide", names[-1]], ["wide", "default"])
        assert len(queues) <= MAX_QUEUES

    def test_a_deployment_that_never_had_a_schedule_is_deleted_without_a_look_into_its_queue(self, place: Place):
        place.store.save_deployment(a_deployment(), expected_version=None, now=NOW)
        place.recorder.requests.clear()
        delete(place.store)
        assert [operation for operation, _, _ in place.recorder.requests] == ["batch_get_item", "transact_write_items"]

    def test_an_interrupted_deletion_of_a_pool_also_takes_runs_in_another_pool_when_it_is_repeated(self, place: Place):
        place.store.save_pool(a_pool("next"), expected_version=None)
        moved = replace(a_scheduled(place), pool="next")
        place.store.save_deployment(moved, expected_version=1, now=NOW + HOUR / 2)
        for _ in range(2):
            broken_off(place, lambda store: store.delete_pool("next", expected_version=1))
            assert runs_of(place) == 3
        place.another().delete_pool("next", expected_version=1)
        assert (runs_of(place), items(place)) == (0, [])
        assert place.store.check() == []

    def test_a_pool_and_the_runs_of_its_schedules_are_deleted_in_one_change(self, place: Place):
        a_scheduled(place)
        gone = reconfiguration(place.store, deployments_gone=("deployment",), pools_gone=("pool",))
        place.store.reconfigure(gone)
        assert (place.store.pools(), place.store.deployments(), runs_of(place)) == ([], [], 0)
        assert place.store.check() == []

    def test_a_pool_that_other_runs_keep_refuses_the_change_before_anything_is_written(self, place: Place):
        a_scheduled(place)
        by_hand = a_stored_run(place.store, deployment="deployment", due_at=NOW + HOUR)
        gone = reconfiguration(place.store, deployments_gone=("deployment",), pools_gone=("pool",))
        with pytest.raises(Conflict, match="have not ended"):
            place.store.reconfigure(gone)
        assert runs_of(place) == 7
        place.store.move([Move.of(by_hand, RunState.CANCELLED)])
        place.store.reconfigure(gone)
        assert place.store.pools() == []

    def test_runs_waiting_in_a_deleted_queue_are_withdrawn_by_the_next_tick(self, place: Place):
        moves = replace(a_scheduled(place, queue="high"), queue="default")
        change = reconfiguration(place.store, pools=[a_pool("pool")], deployments=[moves])
        broken_off(place, lambda store: store.reconfigure(change))
        assert [queue.name for pool in place.store.pools() for queue in pool.queues] == ["default"]
        assert runs_of(place) == 6
        assert place.another().scheduled("pool", NOW, limit=10) == [stored(place.store)]
        assert runs_of(place) == 0
        assert place.store.check() == []

    def test_a_queue_with_future_runs_is_not_deleted_in_a_change_of_several_parts(self, place: Place):
        moves = replace(a_scheduled(place, queue="high"), queue="default")
        many = [a_deployment(f"d{number}") for number in range(100)]
        change = reconfiguration(place.store, pools=[a_pool("pool")], deployments=[moves, *many])
        with pytest.raises(Conflict, match="'high' of 'pool' has runs that have not ended"):
            place.store.reconfigure(change)
        assert (len(place.store.deployments()), runs_of(place)) == (1, 6)

    def test_a_withdrawal_that_a_change_of_many_was_broken_off_in_is_finished_by_the_next(self, place: Place):
        changed = replace(a_scheduled(place), schedules=(OTHER,))
        broken_off(place, lambda store: store.reconfigure(reconfiguration(store, deployments=[changed])))
        assert runs_of(place) == 6
        place.another().reconfigure(reconfiguration(place.store, pools_gone=("pool",), deployments_gone=("deployment",)))
        assert place.store.pools() == []
        assert runs_of(place) == 0


def test_the_check_reports_a_deployment_that_no_tick_would_find(place: Place):
    a_scheduled(place)
    key = {"pk": {"S": "POOL/pool"}, "sk": {"S": "WINDOWS"}}
    connect().delete_item(TableName=place.table, Key=key)
    [line] = place.store.check()
    assert line.startswith("the windows of work pool 'pool' have at/deployment as None, its deployment as {'N': ")


def test_items_of_older_code_are_read_with_what_they_lack(place: Place):
    """As they were before there were schedules, retries and past attempts."""
    deployment = place.store.save_deployment(a_deployment(), expected_version=None, now=NOW)
    run = a_stored_run(place.store, deployment="deployment")
    for key, lacking in (
        (("DEPLOYMENTS", "deployment"), ("schedules", "paused", "windows_until")),
        ((f"RUN/{run.id.hex}", "RUN"), ("past",)),
    ):
        connect().update_item(
            TableName=place.table,
            Key={"pk": {"S": key[0]}, "sk": {"S": key[1]}},
            UpdateExpression="REMOVE " + ", ".join(lacking),
        )
    assert place.store.deployments() == [deployment]
    assert place.store.get(run.id) == run
    assert [claimed.run.past for claimed in claim(place.store).claims] == [()]
    saved = place.store.save_deployment(replace(deployment, schedules=(EVERY_TEN,)), expected_version=1, now=NOW)
    assert place.store.scheduled("pool", NOW, limit=1) == [saved]
    assert place.store.check() == []
