"""The difference between two configurations, and what counts as one."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.changes import ABSENT, KEPT, Action, Configuration, changes, digest, plain, sparse
from dispatcher.models import CatchUp, Episode, Mirror, Progress, RetryPolicy, RunState, Schedule
from tests.builders import HOUR, MINUTE, NOW, SECOND, TEMPLATE, a_deployment, a_hold, a_pool, a_queue, an_automation, an_id

AUTOMATION = an_automation("breaker", pool="p", count=3)
POOL = a_pool("p", 3, queues=[a_queue("high", 1, 2), a_queue("default", 2)])
STORED = Configuration(pools=(POOL,), deployments=(a_deployment("d", "p", job_variables={"env": {"A": "1", "B": "2"}}),))


def fields(stored, target):
    [change] = changes(stored, target)
    return {field.path: (field.action, field.before, field.after) for field in change.fields}


def test_equal_configurations_do_not_differ():
    assert changes(STORED, STORED) == ()


def test_fields_that_stores_and_ticks_keep_make_no_difference():
    born = {"id": an_id(), "created_at": NOW + HOUR, "version": 9, "applied": {"paused": "1"}}
    of_pool = {
        "holds": (a_hold(),),
        "last_tick_at": NOW,
        "ticked_hours": (1,),
        "mirror": Mirror(source="prefect", revision="1"),
        "automated": True,
    }
    of_pool |= {"paused_at": NOW, "resumed_at": NOW + HOUR}
    of_deployment = {"windows_until": {"daily": NOW}, "windows_at": NOW, "windows_left_out": 3}
    of_automation = {"revision": 4, "progress": Progress(episodes={"pool": Episode(since=NOW)})}
    assert born.keys() | of_pool.keys() | of_deployment.keys() | of_automation.keys() == KEPT
    other = Configuration(
        pools=(replace(POOL, **born, **of_pool),),
        deployments=(replace(STORED.deployments[0], **born, **of_deployment),),
    )
    other = replace(other, automations=(replace(AUTOMATION, **born, **of_automation),))
    stored = replace(STORED, automations=(AUTOMATION,))
    assert changes(stored, other) == ()
    assert digest(stored) == digest(other)


def test_a_difference_names_the_smallest_part():
    queues = (a_queue("high", 1, 5), a_queue("default", 2), a_queue("low", 3))
    assert fields(STORED, replace(STORED, pools=(replace(POOL, queues=queues, description="new"),))) == {
        "queues.high.concurrency_limit": (Action.CHANGE, 2, 5),
        "queues.low": (Action.CREATE, ABSENT, plain(queues[2])),
        "description": (Action.CHANGE, "", "new"),
    }


def test_schedules_and_retries_are_plain_by_slug_in_seconds_and_words():
    daily = Schedule(slug="daily", interval=15 * MINUTE, anchor=NOW, catch_up=CatchUp.LAST)
    retry = RetryPolicy(attempts=2, delay=1.5 * SECOND, states=frozenset({RunState.FAILED}))
    [deployment] = STORED.deployments
    changed = replace(STORED, deployments=(replace(deployment, schedules=(daily,), retry=retry),))
    assert sparse(changed.deployments[0])["schedules"] == {
        "daily": {"interval": 900, "anchor": "2030-01-01T12:00:00+00:00", "catch_up": "last"}
    }
    assert fields(STORED, changed)["retry"] == (
        Action.CHANGE, None, {"attempts": 2, "delay": 1.5, "backoff": 1.0, "states": ["FAILED"]},
    )  # fmt: skip
    later = replace(changed, deployments=(replace(changed.deployments[0], schedules=(replace(daily, interval=HOUR),)),))
    assert fields(changed, later) == {"schedules.daily.interval": (Action.CHANGE, 900, 3600)}


def test_an_added_and_a_removed_variable_are_distinguished():
    changed = replace(STORED.deployments[0], job_variables={"env": {"B": "3"}, "cpu": 1})
    assert fields(STORED, replace(STORED, deployments=(changed,))) == {
        "job_variables.env.A": (Action.DELETE, "1", ABSENT),
        "job_variables.env.B": (Action.CHANGE, "2", "3"),
        "job_variables.cpu": (Action.CREATE, ABSENT, 1),
    }


def test_an_object_that_was_empty_or_becomes_empty_is_one_difference():
    """So that a plan shows what replaces nothing, and not one line for each part of it."""
    [deployment] = STORED.deployments
    emptied = replace(STORED, deployments=(replace(deployment, job_variables={}),))
    variables = deployment.job_variables
    assert fields(STORED, emptied) == {"job_variables": (Action.CHANGE, variables, {})}
    assert fields(emptied, STORED) == {"job_variables": (Action.CHANGE, {}, variables)}


def test_a_new_noun_shows_the_fields_that_are_not_as_they_are_by_default():
    [created] = changes(Configuration(), Configuration(deployments=(a_deployment("d", "p", "q"),)))
    assert {field.path: (field.before, field.after) for field in created.fields} == {
        "pool": (ABSENT, "p"),
        "queue": (ABSENT, "q"),
    }


def test_the_hash_has_16_digits_and_does_not_depend_on_the_order_in_an_object():
    one, other = (a_deployment("d", job_variables=variables) for variables in ({"a": 1, "b": 2}, {"b": 2, "a": 1}))
    assert digest(Configuration(deployments=(one,))) == digest(Configuration(deployments=(other,)))
    assert len(digest(STORED)) == 16


def test_1_and_true_and_1_0_are_different_values():
    for before, after in ((1, True), (0, False), (1, 1.0)):
        one, other = (replace(STORED.deployments[0], job_variables={"x": value}) for value in (before, after))
        assert fields(Configuration(deployments=(one,)), Configuration(deployments=(other,)))


def test_the_order_of_keys_in_an_object_makes_no_difference():
    turned = {"variables": TEMPLATE["variables"], "job_configuration": TEMPLATE["job_configuration"]}
    assert changes(STORED, replace(STORED, pools=(replace(POOL, base_job_template=turned),))) == ()


def test_added_and_removed_nouns_are_listed_pools_first_by_name():
    target = Configuration(pools=(a_pool("z"), a_pool("a")), deployments=(a_deployment("b", "a"),))
    shown = [(change.action, change.noun, change.name) for change in changes(STORED, target)]
    assert shown == [
        (Action.CREATE, "work pool", "a"),
        (Action.DELETE, "work pool", "p"),
        (Action.CREATE, "work pool", "z"),
        (Action.CREATE, "deployment", "b"),
        (Action.DELETE, "deployment", "d"),
    ]


def test_fields_with_their_default_value_are_left_out():
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
