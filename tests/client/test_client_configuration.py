"""A whole configuration at once: what it would change, the change, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from dispatcher.client import Dispatcher, configuration_schema
from dispatcher.core.changes import Configuration, digest
from dispatcher.errors import Conflict, InvalidInput, InvalidVariables
from dispatcher.protocols import Store
from dispatcher.stores.memory import MemoryStore
from providers.base import Checked
from tests.builders import TEMPLATE
from tests.stores.factories import JUDGED
from tests.stores.steps import claim, nothing

SMALL = {
    "pools": {
        "nightly": {
            "type": "process",
            "concurrency_limit": 3,
            "queues": {"critical": {"priority": 1, "concurrency_limit": 1}, "default": {"priority": 2}},
        },
        "other": {"type": "ecs:push"},
    },
    "deployments": {"etl": {"pool": "nightly", "queue": "critical", "job_variables": {"command": "date"}, "tags": ["a"]}},
}


@pytest.fixture
def dispatcher() -> Dispatcher:
    return Dispatcher(MemoryStore())


@pytest.fixture(params=JUDGED)
def store(request: pytest.FixtureRequest, tmp_path: Path):
    made = JUDGED[request.param](tmp_path)
    yield made
    made.close()


def applied(dispatcher: Dispatcher, configuration, **options):
    return dispatcher.apply(dispatcher.plan(configuration, **options))


def faults(dispatcher: Dispatcher, configuration, **options) -> dict[str, str]:
    with pytest.raises(InvalidInput) as refused:
        dispatcher.plan(configuration, **options)
    return {fault.path: fault.message for fault in refused.value.faults}


def without(value, *path):
    """A copy without what stands at the path."""
    name, *rest = path
    kept = {key: inner for key, inner in value.items() if key != name or rest}
    return {**kept, name: without(value[name], *rest)} if rest else kept


def laid(value, content, *path):
    """A copy with something else at the path."""
    name, *rest = path
    return {**value, name: laid(value.get(name, {}), content, *rest) if rest else content}


def test_an_applied_file_is_stored_and_a_second_plan_is_empty(store: Store):
    dispatcher = Dispatcher(store)
    plan = applied(dispatcher, SMALL)
    assert [(change.action, change.name) for change in plan.changes] == [
        ("create", "nightly"),
        ("create", "other"),
        ("create", "etl"),
    ]
    assert dispatcher.work_pool("nightly").concurrency_limit == 3
    assert [queue.name for queue in dispatcher.work_pool("nightly").queues] == ["critical", "default"]
    assert dispatcher.deployment("etl").job_variables == {"command": "date"}
    again = dispatcher.plan(SMALL)
    assert (again.changes, again.hash) == ((), plan.hash_after)
    assert dispatcher.plan(dispatcher.export()).changes == ()


NAMES = st.sampled_from(["a", "b", "c d", "é"])
LIMITS = st.none() | st.integers(0, 5)
QUEUE = st.fixed_dictionaries(
    {}, optional={"concurrency_limit": LIMITS, "paused": st.booleans(), "description": st.sampled_from(["", "x"])}
)
POOL = st.fixed_dictionaries(
    {"type": st.sampled_from(["process", "ecs:push"])},
    optional={
        "concurrency_limit": LIMITS,
        "paused": st.booleans(),
        "base_job_template": st.just(TEMPLATE),
        "queues": st.dictionaries(st.sampled_from(["default", "high", "low"]), QUEUE, max_size=3),
    },
)


@st.composite
def configurations(draw: st.DrawFn):
    pools = draw(st.dictionaries(NAMES, POOL, max_size=3))
    places = [(name, queue) for name, pool in pools.items() for queue in {"default": 0, **pool.get("queues", {})}]
    deployments = {}
    for name in draw(st.lists(NAMES, unique=True, max_size=3)) if places else ():
        pool, queue = draw(st.sampled_from(places))
        deployments[name] = {"pool": pool, "queue": queue, "job_variables": draw(st.sampled_from([{}, {"command": "date"}]))}
    return {"pools": pools, "deployments": deployments}


def a_dispatcher(store):
    """One whose providers accept any job: what is planned is what is asked here."""
    return Dispatcher(store, check=lambda *_: Checked())


@pytest.mark.parametrize("kind", JUDGED)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(configurations(), st.booleans()), min_size=1, max_size=4))
def test_the_same_plan_is_empty_after_any_apply(kind: str, steps, tmp_path_factory: pytest.TempPathFactory):
    made = JUDGED[kind](tmp_path_factory.mktemp("store"))
    dispatcher = a_dispatcher(made)
    try:
        for configuration, prune in steps:
            try:
                plan = dispatcher.plan(configuration, prune=prune)
            except InvalidInput:  # what is not named and stays does not fit
                assert not prune
                continue
            dispatcher.apply(plan, expect=plan.hash)
            again = dispatcher.plan(configuration, prune=prune)
            assert (again.changes, again.hash) == ((), plan.hash_after)
            if prune:
                assert {pool.name for pool in dispatcher.work_pools()} == configuration["pools"].keys()
            elsewhere = a_dispatcher(MemoryStore())
            applied(elsewhere, dispatcher.export())
            assert elsewhere.plan({"pools": {}}).hash == again.hash
    finally:
        made.close()


def test_a_refused_apply_changes_nothing_at_all(store: Store):
    dispatcher = Dispatcher(store)
    applied(dispatcher, SMALL)
    waiting = dispatcher.create_run(deployment="etl")
    before = store.pools(), store.deployments()
    changed = laid(SMALL, {"type": "process"}, "pools", "new")
    changed = without(laid(changed, "default", "deployments", "etl", "queue"), "pools", "nightly", "queues", "critical")
    with pytest.raises(Conflict, match="'critical' of 'nightly' has runs that have not ended"):
        applied(dispatcher, changed)
    assert (store.pools(), store.deployments()) == before
    dispatcher.cancel_run(waiting.id)
    applied(dispatcher, changed)
    assert dispatcher.plan(changed).changes == ()


def test_only_the_first_of_two_plans_of_one_reading_is_applied(store: Store):
    dispatcher = Dispatcher(store)
    applied(dispatcher, SMALL)
    one = dispatcher.plan(laid(SMALL, 7, "pools", "nightly", "concurrency_limit"))
    other = dispatcher.plan(laid(SMALL, {"type": "process"}, "pools", "mine"))
    dispatcher.apply(one, expect=one.hash)
    with pytest.raises(Conflict, match="changed in between"):
        dispatcher.apply(other, expect=other.hash)
    with pytest.raises(Conflict, match=f"has the hash {one.hash_after}, not {one.hash}"):
        dispatcher.apply(dispatcher.plan(laid(SMALL, {"type": "process"}, "pools", "mine")), expect=one.hash)
    assert [pool.name for pool in dispatcher.work_pools()] == ["nightly", "other"]


def test_fields_that_ticks_write_make_no_difference_and_cause_no_conflict(store: Store):
    dispatcher = Dispatcher(store)
    applied(dispatcher, SMALL)
    plan = dispatcher.plan(laid(SMALL, 7, "pools", "nightly", "concurrency_limit"))
    claim(store, pool="nightly", decide=nothing)
    dispatcher.apply(plan, expect=plan.hash)
    assert dispatcher.work_pool("nightly").last_tick_at is not None


def test_a_pause_stays_if_the_file_does_not_mention_it(dispatcher: Dispatcher):
    applied(dispatcher, SMALL)
    dispatcher.update_work_pool("nightly", paused=True)
    dispatcher.update_work_queue("nightly", "critical", paused=True)
    assert dispatcher.plan(SMALL).changes == ()
    assert [change.fields[0].path for change in dispatcher.plan(laid(SMALL, False, "pools", "nightly", "paused")).changes] == [
        "paused"
    ]
    exported = dispatcher.export()["pools"]["nightly"]
    assert (exported["paused"], exported["queues"]["critical"]["paused"]) == (True, True)


def test_a_field_that_is_left_out_gets_its_default(dispatcher: Dispatcher):
    applied(dispatcher, SMALL)
    less = without(without(SMALL, "pools", "nightly", "concurrency_limit"), "deployments", "etl", "tags")
    applied(dispatcher, less)
    assert dispatcher.work_pool("nightly").concurrency_limit is None
    assert dispatcher.deployment("etl").tags == ()


def test_an_object_that_is_not_named_stays_unless_it_is_pruned(dispatcher: Dispatcher):
    applied(dispatcher, SMALL)
    less = without(SMALL, "pools", "other")
    plan = dispatcher.plan(less)
    assert (plan.changes, plan.unnamed) == ((), (("work pool", "other"),))
    applied(dispatcher, less, prune=True)
    assert [pool.name for pool in dispatcher.work_pools()] == ["nightly"]
    applied(dispatcher, {"pools": {}}, prune=True)
    assert dispatcher.export() == {"pools": {}, "deployments": {}}


def test_queues_without_a_number_come_in_the_order_given_and_default_last(dispatcher: Dispatcher):
    queues = {"z": {}, "a": {}, "first": {"priority": 4}}
    applied(dispatcher, {"pools": {"p": {"type": "process", "queues": queues}}})
    assert [(queue.name, queue.priority) for queue in dispatcher.work_pool("p").queues] == [
        ("first", 4), ("z", 5), ("a", 6), ("default", 7),
    ]  # fmt: skip


def test_a_changed_template_is_checked_with_the_runs_that_wait(dispatcher: Dispatcher):
    applied(dispatcher, SMALL)
    dispatcher.create_run(pool="nightly", job_variables={"command": "date", "working_dir": "/tmp"})
    with pytest.raises(InvalidVariables, match=r"waiting run .* would no longer fit its template"):
        dispatcher.plan(laid(SMALL, TEMPLATE, "pools", "nightly", "base_job_template"))


def test_changed_variables_of_a_deployment_are_checked_with_its_runs_that_wait(dispatcher: Dispatcher):
    applied(dispatcher, SMALL)
    dispatcher.create_run(deployment="etl")
    with pytest.raises(InvalidVariables, match="waiting run"):
        dispatcher.plan(laid(SMALL, {}, "deployments", "etl", "job_variables"))


def test_a_deployment_that_is_not_named_has_to_fit_what_changes_around_it(dispatcher: Dispatcher):
    applied(dispatcher, laid(SMALL, {"pool": "nightly", "job_variables": {"working_dir": "/x"}}, "deployments", "aside"))
    only = without(SMALL, "deployments")
    strict = {**TEMPLATE, "variables": {**TEMPLATE["variables"], "additionalProperties": False}}
    said = faults(
        dispatcher,
        without(laid(only, strict, "pools", "nightly", "base_job_template"), "pools", "nightly", "queues", "critical"),
    )
    assert "'critical' would be deleted, but it is the queue of deployment 'etl'" in said["pools.nightly.queues"]
    assert (
        "deployment 'aside', which the configuration does not name, would no longer fit"
        in said["pools.nightly.base_job_template"]
    )


FAULTS = {
    "an unknown key at the top": (laid(SMALL, {}, "deployment"), "deployment", "is not a key here; did you mean deployments?"),
    "an unknown key of a pool": (
        laid(SMALL, 1, "pools", "nightly", "concurency_limit"),
        "pools.nightly.concurency_limit",
        "did you mean concurrency_limit?",
    ),
    "an unknown key of a queue": (
        laid(SMALL, 1, "pools", "nightly", "queues", "critical", "limit"),
        "pools.nightly.queues.critical.limit",
        "the keys are priority, concurrency_limit, ",
    ),
    "a key that stores keep": (laid(SMALL, 1, "pools", "nightly", "version"), "pools.nightly.version", "is not a key here"),
    "another kind": (
        laid(SMALL, "3", "pools", "nightly", "concurrency_limit"),
        "pools.nightly.concurrency_limit",
        'must be 0 or more, or null for unlimited (got "3")',
    ),
    "a missing key": (without(SMALL, "pools", "nightly", "type"), "pools.nightly.type", "is missing"),
    "an unknown type": (laid(SMALL, "ecs:pusch", "pools", "other", "type"), "pools.other.type", "did you mean ecs:push"),
    "a bad template": (
        laid(SMALL, {"job_configuration": {"x": "{{ y }}"}, "variables": {}}, "pools", "other", "base_job_template"),
        "pools.other.base_job_template.job_configuration.x",
        "declare",
    ),
    "a bad name": (laid(SMALL, {"pool": "other"}, "deployments", "a/b"), "deployments.a/b", "as a name must be 1 to 200"),
    "a priority held twice": (
        laid(SMALL, 1, "pools", "nightly", "queues", "default", "priority"),
        "pools.nightly.queues",
        "priority 1 is held by",
    ),
    "a number that no store keeps": (
        laid(SMALL, 2**40, "pools", "nightly", "queues", "default", "priority"),
        "pools.nightly.queues.default.priority",
        "must be at most",
    ),
    "an unknown pool": (
        laid(SMALL, "nigthly", "deployments", "etl", "pool"),
        "deployments.etl.pool",
        "did you mean 'nightly'?",
    ),
    "an unknown queue": (
        laid(SMALL, "critcal", "deployments", "etl", "queue"),
        "deployments.etl.queue",
        "did you mean 'critical'?",
    ),
    "an unknown variable": (
        laid(SMALL, {"comand": "x"}, "deployments", "etl", "job_variables"),
        "deployments.etl.job_variables.comand",
        "did you mean command?",
    ),
    "no object": ([SMALL], "", "must be an object"),
    "no JSON": (laid(SMALL, {1}, "deployments", "etl", "tags"), "deployments.etl.tags", "is a set"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_is_reported_with_its_path_and_the_fix(case: str, dispatcher: Dispatcher):
    configuration, path, says = FAULTS[case]
    assert says in faults(dispatcher, configuration)[path]
    assert dispatcher.work_pools() == []


def test_a_deployment_cannot_go_into_a_pool_that_would_be_pruned(dispatcher: Dispatcher):
    applied(dispatcher, SMALL)
    said = faults(dispatcher, without(SMALL, "pools", "nightly"), prune=True)
    assert "so that prune would delete it" in said["deployments.etl.pool"]


def test_a_key_of_the_authors_own_is_passed_over(dispatcher: Dispatcher):
    assert applied(dispatcher, {**SMALL, "x-anchors": {"a": 1}}).changes


def test_the_hash_does_not_depend_on_the_order(dispatcher: Dispatcher):
    applied(dispatcher, SMALL)
    stored = dispatcher.plan(SMALL).stored
    turned = Configuration(pools=stored.pools[::-1], deployments=stored.deployments)
    assert digest(turned) == digest(stored)
    assert digest(replace(stored, deployments=())) != digest(stored)


def test_the_schema_takes_what_is_exported_and_refuses_what_plan_refuses(dispatcher: Dispatcher):
    schema = configuration_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    applied(dispatcher, laid(SMALL, TEMPLATE, "pools", "nightly", "base_job_template"))
    assert not list(validator.iter_errors(dispatcher.export()))
    for case in ("an unknown key of a pool", "an unknown key of a queue", "another kind", "a missing key"):
        assert list(validator.iter_errors(FAULTS[case][0])), case


def test_every_word_of_the_models_stands_in_the_schema():
    pool = configuration_schema()["$defs"]["WorkPool"]
    assert pool["properties"]["concurrency_limit"]["description"].startswith("How many runs of the whole pool may hold a slot")
    assert "Left out: as it is." in pool["properties"]["paused"]["description"]
    assert all(field.get("description") for name, field in pool["properties"].items() if name != "description")
