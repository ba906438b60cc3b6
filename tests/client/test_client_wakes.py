"""What the client starts a tick for: what people do, and what a tick would then do at once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from dispatcher.client import Dispatcher
from dispatcher.errors import NotFound
from dispatcher.models import HoldKind, OnCollision, PoolHold, RunEnded, RunState, Schedule, Then, When
from dispatcher.models.records import Move, RunFilter
from dispatcher.stores.memory import MemoryStore
from dispatcher.waking import NotWoken
from tests.builders import HOUR, NOW, a_live_run
from tests.client.conftest import Clock

COMMAND, OTHER_COMMAND = {"command": "true"}, {"command": "false"}
LATER = NOW + HOUR
FAILED = When(ended=RunEnded(states=frozenset({RunState.FAILED})))


class Office(Dispatcher):
    """A client of three pools: one with a slow, a paused and a closed queue, an empty one, and a paused one; each but the empty
    one with a deployment; and an automation.
    """

    def __init__(self):
        self.pools = []
        super().__init__(MemoryStore(), clock=Clock(), wake=self.pools.extend)
        self.create_work_pool("batch", type="process", job_variables=COMMAND, concurrency_limit=2)
        self.create_work_pool("other", type="process", job_variables=COMMAND)
        self.create_work_pool("asleep", type="process", job_variables=COMMAND, concurrency_limit=2, paused=True)
        self.create_work_queue("batch", "slow", concurrency_limit=1)
        self.create_work_queue("batch", "paused", concurrency_limit=1, paused=True)
        self.create_work_queue("batch", "closed", concurrency_limit=0)
        self.create_deployment("etl", pool="batch", concurrency_limit=1, schedules=[Schedule(slug="daily", cron="0 6 * * *")])
        self.create_deployment("sleepy", pool="asleep", concurrency_limit=1)
        self.create_automation("chain", when=FAILED, then=[Then(notify="ops")])

    def waiting(self, count=1, **fields):
        return self.create_runs([{"pool": "batch", **fields}] * count)[0].id

    def live(self, state=RunState.RUNNING, pool="batch", **fields):
        run = a_live_run(pool=pool, state=state, **fields)
        self.store.restore(runs=[run])
        return run.id

    def ended(self, **fields):
        return self.live(RunState.FAILED, ended_at=NOW, **fields)

    def held(self):
        """A refusal keeps back the runs of a place."""
        hold = PoolHold(place=("eu",), size={}, freed_by_end=False, until=LATER, reason="no", kind=HoldKind.RATE)
        self.store.hold("batch", lambda holds: (*holds, hold))

    def for_all(self, action, queue=None, **where):
        """Work on many runs."""
        return list(self.bulk_steps(self.bulk(action, RunFilter(**where), queue=queue)))

    def apply_changed(self, *path, **fields):
        """Apply what is stored, with other fields of one noun."""
        configuration = noun = self.export()
        for key in path:
            noun = noun[key]
        noun |= fields
        return self.apply(self.plan(configuration))

    def apply_planned(self, pool, **fields):
        return self.apply_pool(self.plan_pool(pool, **fields))


SITUATIONS = {
    "a due run": Office.waiting,
    "a due run of a paused queue": lambda office: office.waiting(queue="paused"),
    "401 due runs of a paused queue": lambda office: office.waiting(401, queue="paused"),
    "a due run of the deployment": lambda office: office.waiting(deployment="etl"),
    "a future run": lambda office: office.waiting(scheduled_at=LATER),
    "a future run of a paused pool": lambda office: office.waiting(pool="asleep", scheduled_at=LATER),
    "a future run of the deployment": lambda office: office.waiting(deployment="etl", scheduled_at=LATER),
    "a keyed run": lambda office: office.waiting(idempotency_key="once"),
    "a running run": Office.live,
    "a running run of a paused pool": lambda office: office.live(pool="asleep"),
    "running and waiting runs": lambda office: [*map(office.live, [RunState.RUNNING] * 2), office.waiting(pool="other")],
    "a submitted run": lambda office: office.live(RunState.PENDING, started_at=None),
    "a run that is being cancelled": lambda office: office.cancel_run(office.live()).id,
    "an ended run": Office.ended,
    "an ended run of a paused queue": lambda office: office.ended(queue="paused"),
    "an ended run that was repeated": lambda office: [run := office.ended(), office.retry_run(run)][0],
    "runs are held back": Office.held,
    "the deployment is paused": lambda office: office.pause_deployment("etl"),
    "the schedule is paused": lambda office: office.pause_schedule("etl", "daily"),
    "the automation is paused": lambda office: office.pause_automation("chain"),
    "the function is deployed": lambda office: office.deploy(Path.cwd, name="here", pool="batch", concurrency_limit=1),
}


@dataclass(frozen=True)
class Does:
    """What somebody does, in which situation, and the pools of which a tick starts: none, unless it says so."""

    verb: str
    arguments: tuple[Any, ...] = ()
    fields: dict[str, Any] = field(default_factory=dict)
    situation: str = ""
    with_it: bool = False
    """Whether the run of the situation is the first argument."""
    pools: tuple[str, ...] = ()

    def of(self, situation):
        return replace(self, situation=situation, with_it=True)

    def while_(self, situation):
        return replace(self, situation=situation)

    def wakes(self, *pools):
        return replace(self, pools=pools)


def does(verb, *arguments, **fields):
    return Does(verb, arguments, fields)


CASES = (
    does("create_run", pool="batch").wakes("batch"),
    does("create_run", deployment="etl").wakes("batch"),
    does("create_run", pool="batch", scheduled_at=LATER),
    does("create_run", pool="asleep"),
    does("create_run", pool="batch", queue="paused"),
    does("create_run", pool="batch", queue="closed"),
    does("create_run", pool="batch", idempotency_key="once").while_("a keyed run"),
    does("create_runs", [{"pool": "batch"}] * 3 + [{"pool": "other"}] * 2).wakes("batch", "other"),
    does("retry_run").of("an ended run").wakes("batch"),
    does("retry_run").of("an ended run of a paused queue"),
    does("retry_run").of("an ended run that was repeated"),
    does("start_run_now").of("a future run").wakes("batch"),
    does("start_run_now").of("a future run of a paused pool"),
    does("start_run_now").of("a due run"),
    does("move_run", queue="slow").of("a due run of a paused queue").wakes("batch"),
    does("move_run", queue="paused").of("a due run"),
    does("move_run", queue="slow").of("a future run"),
    does("move_run", priority=-1).of("a due run"),
    does("cancel_run").of("a running run").wakes("batch"),
    does("cancel_run").of("a running run of a paused pool").wakes("asleep"),
    does("cancel_run").of("a submitted run").wakes("batch"),
    does("cancel_run").of("a run that is being cancelled"),
    does("cancel_run").of("a due run"),
    does("cancel_run").of("an ended run"),
    does("for_all", "cancel").while_("running and waiting runs").wakes("batch"),
    does("for_all", "cancel").while_("a due run"),
    does("for_all", "retry").while_("an ended run").wakes("batch"),
    does("for_all", "retry").while_("an ended run of a paused queue"),
    does("for_all", "start-now").while_("a future run").wakes("batch"),
    does("for_all", "start-now").while_("a future run of a paused pool"),
    does("for_all", "start-now").while_("a due run"),
    does("for_all", "move", "slow", pool="batch").while_("401 due runs of a paused queue").wakes("batch"),
    does("for_all", "move", "paused", pool="batch").while_("a due run"),
    does("for_all", "move", "slow", pool="batch").while_("a future run"),
    does("create_work_pool", "new", type="process"),
    does("update_work_pool", "batch", paused=True),
    does("update_work_pool", "asleep", paused=False).wakes("asleep"),
    does("update_work_pool", "batch", concurrency_limit=3).wakes("batch"),
    does("update_work_pool", "batch", concurrency_limit=None).wakes("batch"),
    does("update_work_pool", "batch", concurrency_limit=1),
    does("update_work_pool", "asleep", concurrency_limit=9),
    does("update_work_pool", "batch", description="nightly"),
    does("update_work_pool", "batch", share="fair"),
    does("update_work_pool", "batch", job_variables=OTHER_COMMAND),
    does("update_work_pool", "batch", job_variables=OTHER_COMMAND).while_("runs are held back").wakes("batch"),
    does("apply_planned", "batch", concurrency_limit=3).wakes("batch"),
    does("apply_planned", "batch", order=["slow", "paused", "closed", "default"]),
    does("delete_work_pool", "other"),
    does("create_work_queue", "batch", "new"),
    does("update_work_queue", "batch", "slow", concurrency_limit=2).wakes("batch"),
    does("update_work_queue", "batch", "paused", paused=False).wakes("batch"),
    does("update_work_queue", "batch", "paused", concurrency_limit=9),
    does("update_work_queue", "batch", "slow", priority=1),
    does("update_work_queue", "batch", "slow", weight=5),
    does("delete_work_queue", "batch", "slow"),
    does("create_deployment", "new", pool="batch"),
    does("update_deployment", "etl", concurrency_limit=2).wakes("batch"),
    does("update_deployment", "etl", concurrency_limit=None).wakes("batch"),
    does("update_deployment", "etl", concurrency_limit=0),
    does("update_deployment", "sleepy", concurrency_limit=2),
    does("update_deployment", "etl", on_collision=OnCollision.REPLACE).wakes("batch"),
    does("update_deployment", "etl", description="nightly"),
    does("update_deployment", "etl", job_variables=OTHER_COMMAND),
    does("update_deployment", "etl", job_variables=OTHER_COMMAND).while_("runs are held back").wakes("batch"),
    does("update_deployment", "etl", pool="other").while_("a due run of the deployment").wakes("other"),
    does("update_deployment", "etl", pool="other").while_("a future run of the deployment"),
    does("rename_deployment", "etl", "load").while_("a due run of the deployment").wakes("batch"),
    does("rename_deployment", "etl", "load"),
    does("deploy", Path.cwd, name="here", pool="batch"),
    does("deploy", Path.cwd, name="here", pool="batch", concurrency_limit=2).while_("the function is deployed").wakes("batch"),
    does("pause_deployment", "etl"),
    does("resume_deployment", "etl").while_("the deployment is paused"),
    does("delete_deployment", "etl"),
    does("add_schedule", "etl", Schedule(slug="hourly", interval=HOUR)),
    does("update_schedule", "etl", "daily", cron="0 7 * * *"),
    does("pause_schedule", "etl", "daily"),
    does("resume_schedule", "etl", "daily").while_("the schedule is paused"),
    does("remove_schedule", "etl", "daily"),
    does("clear_schedules", "etl"),
    does("create_automation", "new", when=FAILED, then=[Then(notify="ops")]),
    does("update_automation", "chain", description="nightly"),
    does("pause_automation", "chain"),
    does("resume_automation", "chain").while_("the automation is paused"),
    does("delete_automation", "chain"),
    does("apply_changed", "pools", "batch", concurrency_limit=9).wakes("batch"),
    does("apply_changed", "pools", "asleep", paused=False).wakes("asleep"),
    does("apply_changed", "pools", "batch", concurrency_limit=1),
    does("apply_changed", "pools", new={"type": "process"}),
    does("apply_changed", "deployments", "etl", concurrency_limit=9).wakes("batch"),
    does("apply_changed", "deployments", "etl", description="nightly"),
)

IN_OTHER_WORDS = {"for_all": {"bulk", "bulk_step", "bulk_steps"}, "apply_changed": {"apply"}, "apply_planned": {"apply_pool"}}
"""The client's verbs that a verb of the office calls."""

READING = {
    *(
        "automation",
        "automations",
        "deployment",
        "deployments",
        "run",
        "runs",
        "schedule",
        "work_pool",
        "work_pools",
        "work_queue",
    ),
    *(
        "bulk_count",
        "bulk_counts",
        "drift",
        "explain",
        "export",
        "firings",
        "inspect_work_pool",
        "log",
        "log_page",
        "needs_of",
        "next_windows",
    ),
    *("oldest_due", "overview", "picture", "plan", "plan_deployment", "plan_pool", "preview_job", "preview_work_pool"),
    *("next_windows", "simulate", "slots_over_time", "stranded_runs", "work_queue"),
}
"""Verbs that change nothing."""

OWN = {"acting", "from_environment", "only_at", "recorder", "serve", "start_tick", "starting_ticks_once"}
"""What belongs to the object; and `serve`, which ticks itself."""


def test_every_verb_has_its_case():
    verbs = set().union(*(IN_OTHER_WORDS.get(case.verb, {case.verb}) for case in CASES))
    assert verbs | READING | OWN == {name for name in dir(Dispatcher) if not name.startswith("_")}


@pytest.mark.parametrize("case", CASES, ids=[f"{case.verb} {case.situation}".strip() for case in CASES])
def test_a_verb_starts_one_tick_of_each_pool_in_which_a_tick_has_something_to_do(case):
    office = Office()
    run = SITUATIONS[case.situation](office) if case.situation else None
    office.pools.clear()
    getattr(office, case.verb)(*([run] if case.with_it else []), *case.arguments, **case.fields)
    assert tuple(office.pools) == case.pools, case


class Woken:
    """A client whose wakes are noted: `pools` names every pool of every wake."""

    def __init__(self):
        self.pools, self.warnings, self.problem = [], [], None
        self.store = MemoryStore()
        self.client = Dispatcher(self.store, clock=Clock(), warn=self.warnings.append, wake=self.wake)
        self.client.create_work_pool("batch", type="process", job_variables=COMMAND, concurrency_limit=2)
        self.client.create_work_pool("other", type="process", job_variables=COMMAND)

    def wake(self, pools):
        if self.problem:
            raise NotWoken(self.problem)
        self.pools += pools


@pytest.fixture
def woken():
    return Woken()


def test_work_in_steps_that_is_ended_early_starts_the_ticks_of_its_steps(woken):
    woken.client.create_runs([{"pool": "batch", "scheduled_at": LATER}] * 401)
    steps = woken.client.bulk_steps(woken.client.bulk("start-now", RunFilter()))
    next(steps)
    assert woken.pools == []
    steps.close()
    assert woken.pools == ["batch"]


def test_a_run_that_a_tick_claims_meanwhile_is_cancelled_as_a_live_one(woken):
    run = woken.client.create_run(pool="batch")
    woken.pools.clear()
    store, move = woken.store, woken.store.move

    def claimed_first(moves, **fields):
        store.move = move
        store.move([Move.of(run, RunState.PENDING)])
        return move(moves, **fields)

    store.move = claimed_first
    assert woken.client.cancel_run(run.id).state is RunState.CANCELLING
    assert woken.pools == ["batch"]


def test_a_wake_that_fails_is_a_warning_and_the_run_is_there(woken):
    woken.problem = "it answered 403"
    run = woken.client.create_run(pool="batch")
    assert woken.client.run(run.id).state is RunState.SCHEDULED
    [warning] = woken.warnings
    assert "it answered 403" in warning
    assert "DISPATCHER_WAKE" in warning


def test_without_a_setting_nobody_is_woken():
    client = Dispatcher(MemoryStore(), clock=Clock())
    client.create_work_pool("batch", type="process", job_variables=COMMAND)
    assert client.create_run(pool="batch").state is RunState.SCHEDULED


def test_calls_that_belong_together_start_one_tick_of_each_pool_after_the_last(woken):
    with woken.client.starting_ticks_once() as client:
        for pool in ("batch", "other", "batch"):
            client.create_run(pool=pool)
        assert woken.pools == []
    assert woken.pools == ["batch", "other"]


def test_the_ticks_of_calls_before_a_failure_are_started(woken):
    def fails_at_the_second():
        with woken.client.starting_ticks_once() as client:
            client.create_run(pool="batch")
            client.create_run(pool="missing")

    with pytest.raises(NotFound):
        fails_at_the_second()
    assert woken.pools == ["batch"]
