"""The difference between two configurations, and what counts as one."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.changes import ABSENT, KEPT, Action, Configuration, changes, digest, plain, sparse
from tests.builders import HOUR, NOW, TEMPLATE, a_deployment, a_pool, a_queue, an_id

POOL = a_pool("p", 3, queues=[a_queue("high", 1, 2), a_queue("default", 2)])
STORED = Configuration(pools=(POOL,), deployments=(a_deployment("d", "p", job_variables={"env": {"A": "1", "B": "2"}}),))


def fields(stored, wanted):
    [change] = changes(stored, wanted)
    return {field.path: (field.action, field.before, field.after) for field in change.fields}


def test_equal_configurations_do_not_differ():
    assert changes(STORED, STORED) == ()


def test_what_stores_and_ticks_keep_is_no_difference():
    kept = {"id": an_id(), "created_at": NOW + HOUR, "version": 9, "held_until": NOW, "held_reason": "x", "last_tick_at": NOW}
    reached = {"windows_until": {"daily": NOW}, "windows_at": NOW}
    assert {*kept, *reached} == KEPT
    deployments = tuple(replace(each, **reached) for each in STORED.deployments)
    other = replace(STORED, pools=(replace(POOL, **kept),), deployments=deployments)
    assert deployments
    assert changes(STORED, other) == ()
    assert digest(STORED) == digest(other)


def test_a_difference_names_the_smallest_part():
    queues = (a_queue("high", 1, 5), a_queue("default", 2), a_queue("low", 3))
    assert fields(STORED, replace(STORED, pools=(replace(POOL, queues=queues, description="new"),))) == {
        "queues.high.concurrency_limit": (Action.CHANGE, 2, 5),
        "queues.low": (Action.CREATE, ABSENT, plain(queues[2])),
        "description": (Action.CHANGE, "", "new"),
    }


def test_a_variable_that_comes_and_one_that_goes_are_told_apart():
    changed = replace(STORED.deployments[0], job_variables={"env": {"B": "3"}, "cpu": 1})
    assert fields(STORED, replace(STORED, deployments=(changed,))) == {
        "job_variables.env.A": (Action.DELETE, "1", ABSENT),
        "job_variables.env.B": (Action.CHANGE, "2", "3"),
        "job_variables.cpu": (Action.CREATE, ABSENT, 1),
    }


def test_one_and_true_and_one_point_nothing_are_three_values():
    for before, after in ((1, True), (0, False), (1, 1.0)):
        one, other = (replace(STORED.deployments[0], job_variables={"x": value}) for value in (before, after))
        assert fields(Configuration(deployments=(one,)), Configuration(deployments=(other,)))


def test_the_order_in_an_object_is_no_difference():
    turned = {"variables": TEMPLATE["variables"], "job_configuration": TEMPLATE["job_configuration"]}
    assert changes(STORED, replace(STORED, pools=(replace(POOL, base_job_template=turned),))) == ()


def test_new_nouns_and_those_that_go_are_told_pools_first_by_name():
    wanted = Configuration(pools=(a_pool("z"), a_pool("a")), deployments=(a_deployment("b", "a"),))
    told = [(change.action, change.noun, change.name) for change in changes(STORED, wanted)]
    assert told == [
        (Action.CREATE, "work pool", "a"),
        (Action.DELETE, "work pool", "p"),
        (Action.CREATE, "work pool", "z"),
        (Action.CREATE, "deployment", "b"),
        (Action.DELETE, "deployment", "d"),
    ]


def test_what_is_as_it_is_by_default_is_left_out():
    assert sparse(a_deployment("d", "p")) == {"pool": "p"}
    assert sparse(a_queue("q", 4, paused=True)) == {"priority": 4, "paused": True}


values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "x.y"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["a", "b"]), values), st.dictionaries(st.sampled_from(["a", "b"]), values))
def test_there_is_a_difference_exactly_where_the_hashes_differ(before, after):
    one, other = (Configuration(deployments=(a_deployment("d", job_variables=value),)) for value in (before, after))
    assert bool(changes(one, other)) == (digest(one) != digest(other))
