"""Automations, as people and programs make them, and as files hold them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from jsonschema import Draft202012Validator

from dispatcher.client import configuration_schema
from dispatcher.core.written import integer, number
from dispatcher.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from dispatcher.models import (
    Paused,
    PoolHeld,
    PoolNotTicked,
    QueueLonger,
    RunEnded,
    RunLate,
    RunOf,
    RunState,
    Target,
    Then,
    When,
)
from dispatcher.models.records import Automated
from dispatcher.stores.memory import MemoryStore
from dispatcher.upkeep.moving import copy
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_firing
from tests.client.conftest import refused

DATE = {"command": "date"}
FAILED = frozenset({RunState.FAILED})
A_FAILED = When(ended=RunEnded(states=FAILED, deployment="etl", count=3))
PAUSE = Then(pause=Target(deployment="etl"))


@pytest.fixture
def etl(dispatcher, pool):
    return dispatcher.create_deployment("etl", pool="pool", job_variables=DATE)


def test_an_automation_is_created_changed_paused_and_deleted(dispatcher, etl):
    made = dispatcher.create_automation("breaker", when=A_FAILED, then=[PAUSE], description="d")
    assert dispatcher.automations() == [made] == [dispatcher.automation("breaker")]
    assert dispatcher.update_automation("breaker", then=[PAUSE, Then(notify="ops")]).then == (PAUSE, Then(notify="ops"))
    assert dispatcher.pause_automation("breaker").paused
    assert not dispatcher.resume_automation("breaker").paused
    with pytest.raises(AlreadyExists, match="automation 'breaker' already exists"):
        dispatcher.create_automation("breaker", when=A_FAILED, then=[PAUSE])
    with pytest.raises(NotFound, match="automation 'braker' does not exist; did you mean 'breaker'"):
        dispatcher.automation("braker")
    with pytest.raises(Conflict, match="automation 'breaker' has the version 4 by now, not 1"):
        dispatcher.only_at(automation=1).delete_automation("breaker")
    dispatcher.delete_automation("breaker")
    assert dispatcher.automations() == []


def ended(**fields):
    return When(ended=RunEnded(**({"states": FAILED} | fields)))


@pytest.mark.parametrize(
    ("when", "then", "says"),
    [
        (When(), PAUSE, r"when: must hold exactly one of ended, late, held, not_ticked, longer \(got none\)"),
        (When(ended=A_FAILED.ended, late=RunLate(by=HOUR)), PAUSE, r"when: must hold exactly one of .* \(got ended, late\)"),
        (ended(states=frozenset()), PAUSE, "when.ended.states: must hold a terminal state"),
        (ended(states=frozenset({RunState.RUNNING})), PAUSE, "when.ended.states: must be a set of COMPLETED"),
        (ended(count=0), PAUSE, "when.ended.count: must be a whole number from 1 to 100"),
        (ended(count=3, of_last=2), PAUSE, r"when.ended.of_last: must be `count` or more \(3\)"),
        (ended(pool="none"), PAUSE, "when.ended.pool: work pool 'none' does not exist"),
        (ended(pool="pool", queue="none"), PAUSE, "when.ended.queue: work queue 'none' of 'pool' does not exist"),
        (ended(deployment="elt"), PAUSE, "when.ended.deployment: deployment 'elt' does not exist; did you mean 'etl'"),
        (When(late=RunLate(by=0 * MINUTE)), PAUSE, "when.late.by: must be longer than 0"),
        (When(held=PoolHeld(pool="pool", longer_than=-MINUTE)), PAUSE, "when.held.longer_than: must be 0 or longer"),
        (
            When(not_ticked=PoolNotTicked(pool="pool", longer_than=SECOND)),
            PAUSE,
            "when.not_ticked.longer_than: must be one minute",
        ),
        (When(longer=QueueLonger(pool="pool", than=-1)), PAUSE, "when.longer.than: must be a whole number from 0 to 10000"),
        (A_FAILED, Then(), r"then\[0\]: must hold exactly one of pause, resume, run, retry, cancel, notify"),
        (A_FAILED, Then(retry=True, notify="ops"), r"then\[0\]: must hold exactly one of .* \(got retry, notify\)"),
        (A_FAILED, Then(cancel=True), r"then\[0\].cancel: cancels the runs that are late"),
        (When(late=RunLate(by=HOUR)), Then(retry=True), r"then\[0\].retry: runs again what ended"),
        (A_FAILED, Then(pause=Target()), r"then\[0\].pause: must be a deployment, or a pool, or a queue with its pool"),
        (A_FAILED, Then(pause=Target(queue="default")), r"then\[0\].pause: must be a deployment, or a pool"),
        (A_FAILED, Then(resume=Target(pool="none")), r"then\[0\].resume.pool: work pool 'none' does not exist"),
        (A_FAILED, Then(run=RunOf(deployment="none")), r"then\[0\].run.deployment: deployment 'none' does not exist"),
        (A_FAILED, Then(run=RunOf(deployment="etl", job_variables={"x": 1})), r"then\[0\].run.job_variables.x: "),
        (
            A_FAILED,
            Then(run=RunOf(deployment="etl", from_run={"command": "secret"})),
            r"run.from_run.command: must be one of id",
        ),
        (A_FAILED, Then(run=RunOf(deployment="etl", from_run={"x": "id"})), r"run.from_run.x: job variable 'x' of 'pool' does"),
        (
            A_FAILED,
            Then(run=RunOf(deployment="etl", chain_limit=101)),
            r"run.chain_limit: must be a whole number from 1 to 100",
        ),
        (
            When(late=RunLate(by=HOUR)),
            Then(run=RunOf(deployment="etl", from_run={"command": "name"})),
            r"then\[0\].run.from_run: takes values of the run that ended",
        ),
    ],
)
def test_an_automation_that_could_never_act_is_refused_with_its_path(dispatcher, etl, when, then, says):
    with refused(dispatcher, InvalidInput, says):
        dispatcher.create_automation("a", when=when, then=[then])
    assert dispatcher.automations() == []


DAY = {
    "type": "object",
    "properties": {"day": {"type": "string", "format": "date"}, "n": {"type": "integer"}},
    "required": ["day"],
}
A_COMPLETED = ended(states=frozenset({RunState.COMPLETED}), deployment="etl")


@pytest.fixture
def report(dispatcher, pool):
    of_etl = {
        "type": "object",
        "properties": {"day": {"type": "string"}, "size": {"type": "number"}, "all": {"type": "boolean"}},
    }
    dispatcher.create_deployment("etl", pool="pool", job_variables=DATE, parameter_openapi_schema=of_etl)
    return dispatcher.create_deployment("report", pool="pool", job_variables=DATE, parameter_openapi_schema=DAY)


@pytest.mark.parametrize(
    ("fixed", "taken", "says"),
    [
        ({}, {}, "parameters.day: is required and missing"),
        ({"day": "soon"}, {}, "parameters.day: must be .*date"),
        ({"day": 5, "dya": 1}, {}, "parameters.dya: is not a parameter of this deployment; did you mean day"),
        ({"n": 1}, {"n": "exit_code", "day": "name"}, "parameters_from_run.n: is in `parameters` too"),
        ({"n": 1}, {}, "parameters.day: is required and missing; give it a value here, or in the deployment"),
        ({}, {"n": "exit_code"}, "parameters.day: is required and missing; .* or in `parameters_from_run`"),
        ({}, {"day": "exit_code"}, "parameters_from_run.day: takes string, and `exit_code` is integer"),
        ({}, {"day": "name", "n": "state"}, "parameters_from_run.n: takes integer, and `state` is string"),
        ({}, {"day": "name", "n": "parameters.all"}, "parameters_from_run.n: takes integer, and `parameters.all` is boolean"),
        ({}, {"day": "parameters.dya"}, "parameters_from_run.day: parameter 'dya' of 'etl' does not exist; did you mean 'day'"),
        ({}, {"dya": "name"}, "parameters_from_run.dya: parameter 'dya' of 'report' does not exist; did you mean 'day'"),
        ({}, {"day": "secret"}, "parameters_from_run.day: must be one of id"),
    ],
)
def test_parameters_that_could_not_fit_are_refused_with_their_path(dispatcher, report, fixed, taken, says):
    run = RunOf(deployment="report", parameters=fixed, parameters_from_run=taken)
    with refused(dispatcher, InvalidInput, rf"then\[0\].run.{says}"):
        dispatcher.create_automation("a", when=A_COMPLETED, then=[Then(run=run)])
    assert dispatcher.automations() == []


def test_parameters_that_may_fit_are_accepted(dispatcher, report):
    taken = {"day": "parameters.day", "n": "parameters.size"}
    run = RunOf(deployment="report", parameters_from_run=taken)
    assert dispatcher.create_automation("a", when=A_COMPLETED, then=[Then(run=run)]).then[0].run.parameters_from_run == taken
    late = When(late=RunLate(by=HOUR))
    dispatcher.create_automation("b", when=late, then=[Then(run=RunOf(deployment="report", parameters={"day": "2030-01-01"}))])
    with pytest.raises(InvalidInput, match=r"then\[0\].run.parameters_from_run: takes values of the run that ended"):
        dispatcher.create_automation("c", when=late, then=[Then(run=run)])


def test_a_file_gives_an_automation_parameters_of_the_types_that_its_schema_says(dispatcher):
    schema = {"type": "object", "properties": {"code": {"type": "string"}, "n": {"type": "integer"}}}
    run = {"deployment": "report", "parameters": {"code": number("1e5"), "n": integer("7")}}
    file = {
        "pools": {"pool": {"type": "process"}},
        "deployments": {"report": {"pool": "pool", "job_variables": DATE, "parameter_openapi_schema": schema}},
        "automations": {"a": {"when": {"ended": {"states": ["FAILED"]}}, "then": [{"run": run}]}},
    }
    dispatcher.apply(dispatcher.plan(file))
    assert dispatcher.automation("a").then[0].run.parameters == {"code": "1e5", "n": 7}
    del file["deployments"]
    assert dispatcher.plan(file).changes == ()


def test_an_automation_does_one_to_five_things(dispatcher, etl):
    for count in (0, 6):
        with pytest.raises(InvalidInput, match=r"then: must hold 1 to 5 steps"):
            dispatcher.create_automation("a", when=A_FAILED, then=[PAUSE] * count)


def test_an_exported_file_is_applied_without_a_change(dispatcher, etl):
    run = RunOf(deployment="etl", from_run={"env.RUN": "id"}, job_variables=DATE, tags=("t",), chain_limit=3)
    run = replace(run, parameters={"a": [1, None]}, parameters_from_run={"b": "parameters.b"})
    late = When(late=RunLate(by=10 * MINUTE, pool="pool"))
    dispatcher.create_automation("breaker", when=A_FAILED, then=[PAUSE, Then(notify="ops")])
    dispatcher.create_automation("chain", when=ended(states=frozenset({RunState.COMPLETED})), then=[Then(run=run)], paused=True)
    dispatcher.create_automation("tidy", when=late, then=[Then(cancel=True)])
    written = dispatcher.export()
    assert written["automations"]["breaker"] == {
        "when": {"ended": {"states": ["FAILED"], "deployment": "etl", "count": 3}},
        "then": [{"pause": {"deployment": "etl"}}, {"notify": "ops"}],
    }
    assert written["automations"]["tidy"]["when"] == {"late": {"by": 600, "pool": "pool"}}
    Draft202012Validator(configuration_schema()).validate(written)
    assert dispatcher.plan(written).changes == ()
    stored = dispatcher.automations()
    for automation in stored:
        dispatcher.delete_automation(automation.name)
    plan = dispatcher.plan(written)
    assert [(str(change.action), change.noun, change.name) for change in plan.changes] == [
        ("create", "automation", "breaker"),
        ("create", "automation", "chain"),
        ("create", "automation", "tidy"),
    ]
    dispatcher.apply(plan)
    pairs = zip(dispatcher.automations(), stored, strict=True)
    again = [replace(new, id=old.id, version=old.version, applied={}) for new, old in pairs]
    assert again == stored


def test_a_file_changes_an_automation_and_prune_deletes_one(dispatcher, etl):
    dispatcher.create_automation("breaker", when=A_FAILED, then=[PAUSE], paused=True)
    dispatcher.create_automation("other", when=A_FAILED, then=[PAUSE])
    written = dispatcher.export()
    written["automations"] = {"breaker": {**written["automations"]["breaker"], "description": "new"}}
    del written["automations"]["breaker"]["paused"]
    plan = dispatcher.plan(written)
    assert [(str(change.action), change.name, [field.path for field in change.fields]) for change in plan.changes] == [
        ("change", "breaker", ["description"])
    ]
    assert plan.unnamed == (("automation", "other"),)
    dispatcher.apply(dispatcher.plan(written, prune=True))
    [left] = dispatcher.automations()
    assert (left.name, left.description, left.paused) == ("breaker", "new", True)


def test_a_plan_is_refused_once_an_automation_has_changed(dispatcher, etl):
    dispatcher.create_automation("breaker", when=A_FAILED, then=[PAUSE])
    plan = dispatcher.plan({"automations": {}}, prune=True)
    dispatcher.pause_automation("breaker")
    with pytest.raises(Conflict):
        dispatcher.apply(plan)


def test_an_automation_may_name_what_the_same_file_makes(dispatcher):
    file = {
        "pools": {"p": {"type": "process"}},
        "deployments": {name: {"pool": "p", "job_variables": DATE} for name in ("a", "b")},
        "automations": {
            "chain": {"when": {"ended": {"states": ["COMPLETED"], "deployment": "a"}}, "then": [{"run": {"deployment": "b"}}]}
        },
    }
    dispatcher.apply(dispatcher.plan(file))
    assert [automation.name for automation in dispatcher.automations()] == ["chain"]


@pytest.mark.parametrize(
    ("automation", "says"),
    [
        ({"then": [{"notify": "ops"}]}, "automations.a.when: is missing"),
        ({"when": {"ended": {}}, "then": [{"notify": "ops"}]}, "automations.a.when.ended.states: is missing"),
        (
            {"when": {"ended": {"states": ["NO"]}}, "then": [{"notify": "ops"}]},
            "automations.a.when.ended.states[0]: must be a set",
        ),
        ({"when": {"late": {"by": "5m"}}, "then": [{"notfy": "ops"}]}, "automations.a.then[0].notfy: is not a key here"),
        (
            {"when": {"late": {"by": "5m"}}, "then": [{"pause": {"pool": "x"}}]},
            "automations.a.then[0].pause.pool: work pool 'x'",
        ),
        ({"when": {"late": {"by": "5m"}}, "then": [{"retry": True}]}, "automations.a.then[0].retry: runs again"),
    ],
)
def test_a_fault_of_a_file_names_its_path(dispatcher, automation, says):
    with pytest.raises(InvalidInput) as raised:
        dispatcher.plan({"automations": {"a": automation}})
    assert says in str(raised.value)


def test_explain_says_which_automation_has_paused_the_pool(dispatcher, pool, etl):
    run = dispatcher.create_run(deployment="etl")
    paused = Paused(target=Target(pool="pool"), paused=True, version=pool.version + 1)
    firing = a_firing("breaker", because="3 of the last 3 runs ended FAILED", paused=(paused,))
    stored = dispatcher.store.pool("pool")
    assert dispatcher.store.automate(Automated(pools=(replace(stored, paused=True),), firings=(firing,), now=NOW))
    words = (
        "work pool 'pool' is paused by automation 'breaker' at 2030-01-01 12:00:00Z, because 3 of the last 3 runs ended FAILED"
    )
    assert dispatcher.explain(run.id).text == words
    dispatcher.update_work_pool("pool", description="x")
    assert dispatcher.explain(run.id).text == words + "; the pool has been changed since"
    dispatcher.update_work_pool("pool", paused=False)
    assert "paused" not in dispatcher.explain(run.id).text


def test_a_copy_of_a_store_has_its_automations_and_what_they_did(dispatcher, etl):
    dispatcher.create_automation("breaker", when=A_FAILED, then=[PAUSE])
    firing = a_firing("breaker", "pool", hooks=("ops",), notify_at=NOW)
    assert dispatcher.store.automate(Automated(firings=(firing,), now=NOW))
    target = MemoryStore()
    assert copy(dispatcher.store, target).automations == 1
    assert target.automations() == dispatcher.store.automations()
    assert target.firings(None, limit=10) == [firing] == dispatcher.firings()
    with pytest.raises(Conflict, match="the target is not empty"):
        copy(dispatcher.store, target)


def test_a_deployment_that_is_renamed_keeps_its_automations(dispatcher, etl):
    dispatcher.create_automation("breaker", when=A_FAILED, then=[PAUSE, Then(run=RunOf(deployment="etl")), Then(notify="ops")])
    dispatcher.create_automation("other", when=ended(pool="pool"), then=[Then(notify="ops")])
    dispatcher.rename_deployment("etl", "new")
    breaker, other = dispatcher.automations()
    assert breaker.when == When(ended=replace(A_FAILED.ended, deployment="new"))
    assert breaker.then == (Then(pause=Target(deployment="new")), Then(run=RunOf(deployment="new")), Then(notify="ops"))
    assert (breaker.version, other.version) == (2, 1)
