"""Requests and units, counted: what a tick costs hangs on what it admits, and on nothing that waits."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest

from dispatcher.core.admission import admit
from dispatcher.core.windows import WindowLimits, materialisation
from dispatcher.models import SLOT_STATES, RunState, Schedule, Share
from dispatcher.models.records import Decision, Move, RunFilter, Snapshot
from dispatcher.stores.dynamodb import DynamoStore, keys
from dispatcher.stores.dynamodb.items import key_of, size
from dispatcher.stores.dynamodb.listing import READ_AT_ONCE
from dispatcher.stores.dynamodb.working import SIDE_BY_SIDE
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_deployment, a_hold, a_pool, a_run
from tests.stores.dynamodb.places import Place, a_place
from tests.stores.dynamodb.units import Cost, cost_of
from tests.stores.dynamodb_server import connect
from tests.stores.steps import SUBMISSION, a_running_run, a_stored_run, claim, granting, moved, nothing

BATCH = 20
FEW, MANY = 20, 300
"""Runs that wait. The emulator takes long with more; `python -m tests.stores.dynamodb.backlogs` asks for 100 thousand."""


@pytest.fixture(scope="module")
def costs() -> dict[str, Cost]:
    """What each step of a batch's way costs while few wait."""
    return way(a_place(), FEW)


def way(place: Place, backlog: int, *, check: bool = True) -> dict[str, Cost]:
    """A batch of runs from the first to the last verb, in front of many that wait."""
    place.store.add_runs([a_run(due_at=NOW - MINUTE + n * SECOND / 100) for n in range(backlog)])
    costs: dict[str, Cost] = {}

    def counted(what: str, act: Callable[[DynamoStore], Any]) -> Any:
        place.recorder.requests.clear()
        answer = act(place.store)
        costs[what] = cost_of(place.recorder.requests)
        return answer

    early = [a_run(due_at=NOW - HOUR) for _ in range(BATCH)]
    counted("add", lambda store: store.add_runs(early))
    claims = counted("claim", lambda store: claim(store, takeovers=BATCH, decide=batch)).claims
    runs = [claimed.run for claimed in claims]
    assert [run.id for run in runs] == [run.id for run in early]
    counted("submitted", lambda store: store.move([Move.of(run, RunState.PENDING, submission=SUBMISSION) for run in runs]))
    counted("live", lambda store: store.live("pool", limit=1000))
    counted("running", lambda store: store.move([Move.of(run, RunState.RUNNING) for run in runs]))
    ends = [Move.of(moved_run, RunState.COMPLETED, ended_at=NOW) for moved_run in place.store.live("pool", limit=1000)]
    counted("ended", lambda store: store.move(ends))
    counted("idle", lambda store: claim(store, takeovers=BATCH, decide=nothing))
    assert not check or place.store.check() == []
    return costs


def batch(snapshot: Snapshot) -> Decision:
    return granting(*snapshot.due("high", BATCH), *snapshot.due("default", BATCH))(snapshot)


def test_every_verb_costs_the_same_whether_few_or_many_wait(costs: dict[str, Cost]):
    assert costs == way(a_place(), MANY)


def test_the_costs_of_a_run_are_those_that_the_package_documents(costs: dict[str, Cost]):
    per_run = {step: cost.per(BATCH) for step, cost in costs.items() if step != "idle"}
    assert per_run == {
        "add": (0.1, 0.05, 5.1),
        "claim": (0.3, 1.35, 7.1),
        "submitted": (0.1, 1.0, 7.0),
        "live": (0.05, 0.15, 0),
        "running": (0.1, 1.0, 5.0),
        "ended": (0.1, 1.05, 5.1),
    }
    assert costs["idle"] == Cost(requests=3, read=5, written=1)


def test_a_claim_does_not_read_what_waits_in_the_lane_of_a_full_deployment():
    costs = [with_a_full_deployment(a_place(), backlog) for backlog in (FEW, MANY)]
    assert costs[0] == costs[1]
    assert costs[0].read <= 20


def with_a_full_deployment(place: Place, backlog: int) -> Cost:
    """What the claim of one run costs behind so many of a deployment that is full."""
    place.store.save_deployment(a_deployment("nightly", concurrency_limit=1), expected_version=None, now=NOW)
    a_running_run(place.store, deployment="nightly", lane="nightly")
    place.store.add_runs([a_run(deployment="nightly", lane="nightly", due_at=NOW - MINUTE) for _ in range(backlog)])
    free = a_stored_run(place.store)

    def decide(snapshot: Snapshot) -> Decision:
        limits = snapshot.deployment_limits
        admission = admit(snapshot.pool, snapshot.in_use, snapshot.due, now=NOW, budget=BATCH, limits=limits)
        return granting(*admission.admitted)(snapshot)

    place.recorder.requests.clear()
    assert [claimed.run.id for claimed in claim(place.store, decide=decide).claims] == [free.id]
    return cost_of(place.recorder.requests)


def test_a_claim_of_a_shared_queue_costs_its_lanes_and_what_it_admits_however_many_wait():
    """Five deployments share ten slots: three requests for each lane, and two for what is live, beside those of any claim."""
    costs = [of_a_shared_queue(a_place(), backlog) for backlog in (FEW, MANY)]
    assert costs[0] == costs[1]
    assert costs[0] == Cost(requests=24, read=35, written=72)


@pytest.mark.long
@pytest.mark.parametrize("waiting", [2000])
def test_thousands_of_waiting_runs_of_one_deployment_cost_a_claim_nothing(waiting: int):
    """It is full, or beyond its share: none of them is read."""
    for claimed in (with_a_full_deployment, of_a_shared_queue):
        assert claimed(a_place(), waiting) == claimed(a_place(), FEW)


def of_a_shared_queue(place: Place, backlog: int) -> Cost:
    """What the claim of ten runs costs, two of each deployment, behind so many of one."""
    names = [f"team-{number}" for number in range(5)]
    store, pool = place.store, place.store.pool("pool")
    queues = tuple(replace(queue, share=Share.FAIR) for queue in pool.queues)
    store.save_pool(replace(pool, queues=queues, concurrency_limit=10), expected_version=pool.version)
    for name in names:
        store.save_deployment(a_deployment(name), expected_version=None, now=NOW)
        store.add_runs([a_run(deployment=name, lane=name) for _ in range(FEW)])
    store.add_runs([a_run(deployment="team-0", lane="team-0", due_at=NOW - MINUTE) for _ in range(backlog)])

    def decide(snapshot: Snapshot) -> Decision:
        limits = snapshot.deployment_limits
        admission = admit(snapshot.pool, snapshot.in_use, snapshot.due, now=NOW, budget=BATCH, limits=limits)
        return granting(*admission.admitted)(snapshot)

    place.recorder.requests.clear()
    claims = claim(store, decide=decide).claims
    assert Counter(claimed.run.deployment for claimed in claims) == dict.fromkeys(names, 2)
    return cost_of(place.recorder.requests)


def test_a_claim_of_many_runs_takes_one_transaction_per_33_runs(place: Place):
    place.store.add_runs([a_run() for _ in range(66)])
    place.recorder.requests.clear()
    assert len(claim(place.store).claims) == 66
    assert len(place.recorder.tokens()) == 2


def test_runs_that_are_held_back_are_passed_over_without_being_read(place: Place):
    good = a_stored_run(place.store)
    for early in [a_stored_run(place.store, due_at=NOW - HOUR) for _ in range(5)]:
        moved(place.store, early, RunState.SCHEDULED, not_before=NOW + HOUR)
    place.recorder.requests.clear()
    assert [claimed.run.id for claimed in claim(place.store, decide=lambda s: granting(*s.due("default", 3))(s)).claims] == [
        good.id
    ]
    batches = [asked["RequestItems"] for operation, asked, _ in place.recorder.requests if operation == "batch_get_item"]
    read = [batch[place.table]["Keys"] for batch in batches]
    constant = ["CONFIG", "SLOTS", "LANES", "WATCHES"]
    assert [[key["sk"]["S"] for key in keys] for keys in read] == [constant, ["RUN"]]


class TestSchedules:
    """What the windows of deployments cost: none of it hangs on how many runs wait, or on deployments that are not due."""

    @pytest.fixture
    def counted(self, place: Place) -> Callable[[Callable[[DynamoStore], Any]], Cost]:
        """What an act costs in front of runs that wait, and of deployments whose time has not come."""
        place.store.add_runs([a_run(due_at=NOW + HOUR) for _ in range(FEW)])
        for n in range(5):
            save(place, f"later-{n}", windows_from=NOW + HOUR)

        def cost(act: Callable[[DynamoStore], Any]) -> Cost:
            place.recorder.requests.clear()
            act(place.store)
            return cost_of(place.recorder.requests)

        return cost

    def test_a_tick_reads_one_item_to_see_that_nothing_is_due(self, counted: Callable[..., Cost]):
        assert counted(lambda store: store.scheduled("pool", NOW, limit=100)) == Cost(requests=1, read=1, written=0)

    def test_a_tick_reads_the_deployments_that_are_due(self, place: Place, counted: Callable[..., Cost]):
        due = [save(place, f"due-{n}", windows_from=NOW) for n in range(3)]
        assert [deployment.name for deployment in place.store.scheduled("pool", NOW, limit=100)] == due
        assert counted(lambda store: store.scheduled("pool", NOW, limit=100)) == Cost(requests=2, read=4, written=0)

    def test_a_step_costs_what_it_makes(self, place: Place, counted: Callable[..., Cost]):
        save(place, "due", windows_from=NOW)
        [deployment] = place.store.scheduled("pool", NOW, limit=1)
        step = materialisation(deployment, NOW, WindowLimits())
        assert len(step.runs) == 6
        assert counted(lambda store: store.materialise(step)) == Cost(requests=2, read=2 + 6, written=6 + 5 * 6)

    def test_a_change_costs_a_write_for_each_run_that_goes_with_it(self, place: Place, counted: Callable[..., Cost]):
        save(place, "due", windows_from=NOW)
        [deployment] = place.store.scheduled("pool", NOW, limit=1)
        described = replace(deployment, description="new")
        save_it = lambda version, deployment: lambda store: store.save_deployment(deployment, expected_version=version, now=NOW)  # noqa: E731
        assert counted(save_it(1, described)) == Cost(requests=2, read=1, written=6)
        place.store.materialise(materialisation(place.store.scheduled("pool", NOW, limit=1)[0], NOW, WindowLimits()))
        paused = counted(save_it(2, replace(described, paused=True)))
        assert (paused.requests, paused.read) == (9, 1 + 1 + 1 + 1 + 6 + 2)


def save(place: Place, name: str, *, windows_from: datetime) -> str:
    """A deployment whose windows come every ten minutes, looked at from then on."""
    deployment = a_deployment(name, schedules=(Schedule(slug="ten", cron="*/10 * * * *"),))
    place.store.save_deployment(deployment, expected_version=None, now=windows_from)
    return name


def test_the_deployments_of_all_due_runs_are_read_in_one_request():
    place = a_place()
    names = [f"deployment-{number}" for number in range(BATCH)]
    place.store.restore(deployments=[a_deployment(name) for name in names])
    place.store.add_runs([a_run(deployment=name) for name in names])

    def decide(snapshot: Snapshot) -> Decision:
        runs = snapshot.due("default", BATCH)
        place.recorder.requests.clear()
        assert [deployment.name for run in runs if (deployment := snapshot.deployment(run.deployment or ""))] == names
        assert len(place.recorder.requests) == 1
        return Decision()

    claim(place.store, decide=decide)


def test_looking_for_work_costs_each_idle_pool_a_request_for_each_kind_and_queue():
    place = a_place()
    place.store.restore(pools=[a_pool(f"idle-{number:02}", queues=["default", "high"]) for number in range(BATCH)])
    place.store.delete_pool("pool", expected_version=1)
    place.recorder.requests.clear()
    assert place.store.pools_with_work(NOW) == []
    cost = cost_of(place.recorder.requests)
    assert (cost.requests, cost.written) == (1 + 1 + BATCH * (3 + 2), 0)
    assert cost.read == 1 + 1 + BATCH * (3 + 2)
    place.recorder.requests.clear()
    place.store.heartbeats(place.store.pool_names(), NOW)
    assert cost_of(place.recorder.requests).requests == 2


def test_an_hour_of_ticks_costs_no_request_and_stays_in_the_one_unit_of_the_slots_item():
    place = a_place()
    for number in range(60):
        place.recorder.requests.clear()
        place.store.heartbeat("pool", NOW + number * MINUTE)
        assert cost_of(place.recorder.requests) == Cost(requests=1, read=0, written=1)
    place.store.hold("pool", lambda _: (a_hold(NOW + HOUR, "the provider has no room for a task of that size now"),))
    slots = connect().get_item(TableName=place.table, Key=key_of(keys.slots("pool")))["Item"]
    assert {f"{number:02}" for number in range(60)} < slots.keys()
    assert size(slots) < 1024


def test_many_pools_are_looked_into_side_by_side():
    place, together = a_place(), Barrier(SIDE_BY_SIDE, timeout=60)
    place.store.restore(pools=[a_pool(f"idle-{number:02}") for number in range(2 * SIDE_BY_SIDE)])
    place.store.delete_pool("pool", expected_version=1)
    a_stored_run(place.store, pool="idle-07")

    def before(operation: str, parameters: Mapping[str, Any]) -> None:
        if operation == "query" and parameters["ExpressionAttributeValues"][":pk"]["S"].startswith("LINGERS/"):
            together.wait()

    place.recorder.before = before
    assert place.store.pools_with_work(NOW) == ["idle-07"]


class TestPages:
    """What a page of runs costs after a history."""

    @pytest.fixture(scope="class")
    @classmethod
    def cost(cls) -> Callable[[RunFilter], Cost]:
        place = a_place()
        ended = [a_running_run(place.store, name="old", created_at=NOW - HOUR + n * SECOND) for n in range(BATCH)]
        place.store.move([Move.of(run, RunState.COMPLETED, ended_at=NOW) for run in ended])
        a_running_run(place.store, name="new", tags=("rare",))

        def cost(where: RunFilter) -> Cost:
            place.recorder.requests.clear()
            assert len(place.store.runs(where, limit=1)) == 1
            return cost_of(place.recorder.requests)

        return cost

    def test_runs_that_hold_a_slot_are_found_without_reading_what_has_ended(self, cost: Callable[[RunFilter], Cost]):
        assert cost(RunFilter(pool="pool", states=SLOT_STATES)) == Cost(requests=3, read=3, written=0)

    def test_a_time_and_a_cursor_are_a_range_of_the_index(self, cost: Callable[[RunFilter], Cost]):
        before = NOW - HOUR + 5 * SECOND
        for where in (RunFilter(pool="pool", until=before), RunFilter(pool="pool", after=(before, UUID(int=0)))):
            assert cost(where) == Cost(requests=2, read=2, written=0)

    def test_each_run_that_a_tag_or_a_name_passes_over_is_read(self, cost: Callable[[RunFilter], Cost]):
        for where in (RunFilter(pool="pool", tag="rare"), RunFilter(pool="pool", name="new")):
            assert cost(where).read >= BATCH


class TestBoundedReads:
    """What one step of a list, a count or work on many runs reads, where few of many entries match."""

    NUMBER = 1_200

    @pytest.fixture(scope="class")
    @classmethod
    def place(cls) -> Place:
        place = a_place()
        runs = [
            a_run(
                queue="high" if number == 0 else "default",
                deployment="etl",
                name=f"r{number}",
                created_at=NOW + number * SECOND,
            )
            for number in range(cls.NUMBER)
        ]
        place.store.add_runs(runs)
        return place

    @staticmethod
    def looked_at(place: Place) -> list[tuple[int, int]]:
        """By request to the index: how many entries it may look at, and how many it did."""
        asked = [(parameters, answer) for name, parameters, answer in place.recorder.requests if name == "query"]
        return [
            (parameters["Limit"], answer["ScannedCount"])
            for parameters, answer in asked
            if parameters.get("IndexName") and answer
        ]

    @pytest.mark.parametrize(
        "where",
        [
            RunFilter(pool="pool", queue="high"),
            RunFilter(pool="pool", deployment="other"),
            RunFilter(pool="pool", states=frozenset({RunState.FAILED})),
        ],
        ids=["queue", "deployment", "state"],
    )
    def test_a_search_looks_at_no_more_entries_than_it_may(self, place: Place, where: RunFilter):
        place.recorder.requests.clear()
        runs, until = place.store.search(where, limit=50, most=400)
        looked = self.looked_at(place)
        assert (runs, until is not None) == ([], True)
        assert [limit for limit, _ in looked] == [50, 200, 150]
        assert sum(number for _, number in looked) == 400
        assert cost_of(place.recorder.requests).read <= 400 / 30 + len(looked)
        assert until == (NOW + (self.NUMBER - 400) * SECOND, until[1])

    def test_a_search_that_goes_on_reads_each_entry_once(self, place: Place):
        where, total, steps = RunFilter(pool="pool", queue="high"), 0, 0
        position = None
        while True:
            place.recorder.requests.clear()
            runs, position = place.store.search(replace(where, after=position), limit=50, most=400)
            total, steps = total + sum(number for _, number in self.looked_at(place)), steps + 1
            if position is None or runs:
                break
        assert [run.name for run in runs] == ["r0"]
        assert (total, steps) == (self.NUMBER, 3)

    def test_a_step_by_name_reads_few_entries_beyond_its_runs(self, place: Place):
        """Also one by a tag: each run is read, so that the index need not be read for more than these."""
        place.recorder.requests.clear()
        assert len(place.store.search(RunFilter(pool="pool", name="r"), limit=200, most=20_000).runs) == 200
        assert self.looked_at(place) == [(200, 200)]

    def test_a_step_by_a_name_that_no_run_has_reads_a_thousand_runs(self, place: Place):
        place.recorder.requests.clear()
        runs, until = place.store.search(RunFilter(pool="pool", name="none"), limit=50, most=20_000)
        assert (runs, until is not None) == ([], True)
        cost = cost_of(place.recorder.requests)
        assert sum(number for _, number in self.looked_at(place)) <= 50 + 200 + 800
        assert READ_AT_ONCE <= cost.read <= READ_AT_ONCE + 50 + 10

    def test_a_step_of_a_count_by_name_reads_as_many_entries_as_runs(self, place: Place):
        place.recorder.requests.clear()
        number, until = place.store.tally(RunFilter(pool="pool", name="r"), most=20_000)
        assert (number, until is not None, self.looked_at(place)) == (READ_AT_ONCE, True, [(READ_AT_ONCE, READ_AT_ONCE)])

    def test_a_step_of_a_count_looks_at_no_more_entries_than_it_may(self, place: Place):
        place.recorder.requests.clear()
        number, until = place.store.tally(RunFilter(pool="pool", states=frozenset({RunState.SCHEDULED})), most=400)
        assert (number, until is not None, self.looked_at(place)) == (400, True, [(400, 400)])
        assert cost_of(place.recorder.requests).read <= 400 / 30
