"""Hooks, as people and programs give them to pools and deployments, and as files hold them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from jsonschema import Draft202012Validator

from dispatcher.client import configuration_schema
from dispatcher.core.windows import WindowLimits, materialisation
from dispatcher.errors import InvalidInput
from dispatcher.models import TERMINAL_STATES, Hook, RunState, Schedule
from tests.builders import HOUR, MINUTE
from tests.client.conftest import refused

DATE = {"command": "date"}
OPS = Hook(name="ops")
PAGER = Hook(name="pager", states=frozenset(), late_after=10 * MINUTE)


# One by one


def test_a_pool_is_made_with_hooks_and_an_update_replaces_or_leaves_them(dispatcher):
    made = dispatcher.create_work_pool("pool", type="process", hooks=[OPS, PAGER])
    assert made == dispatcher.work_pool("pool")
    assert made.hooks == (OPS, PAGER)
    assert dispatcher.update_work_pool("pool", concurrency_limit=3).hooks == (OPS, PAGER)
    assert dispatcher.update_work_pool("pool", hooks=(PAGER,)).hooks == (PAGER,)
    assert dispatcher.update_work_pool("pool", hooks=[]).hooks == ()


def test_a_deployment_is_made_with_hooks_and_an_update_replaces_or_leaves_them(dispatcher, pool):
    made = dispatcher.create_deployment("etl", pool="pool", job_variables=DATE, hooks=[OPS])
    assert made == dispatcher.deployment("etl")
    assert made.hooks == (OPS,)
    assert dispatcher.update_deployment("etl", tags=["a"]).hooks == (OPS,)
    assert dispatcher.update_deployment("etl", hooks=[OPS, PAGER]).hooks == (OPS, PAGER)
    assert dispatcher.update_deployment("etl", hooks=()).hooks == ()


def test_a_run_is_born_with_what_the_hooks_of_its_pool_and_deployment_want(dispatcher):
    dispatcher.create_work_pool("pool", type="process", hooks=[replace(PAGER, late_after=HOUR)])
    everything = Hook(name="team", states=TERMINAL_STATES, late_after=MINUTE)
    dispatcher.create_deployment("etl", pool="pool", job_variables=DATE, hooks=[everything])
    of_pool, of_both = dispatcher.create_run(pool="pool", job_variables=DATE), dispatcher.create_run(deployment="etl")
    assert (of_pool.notify_states, of_pool.notify_at) == (frozenset(), of_pool.due_at + HOUR)
    assert (of_both.notify_states, of_both.notify_at) == (TERMINAL_STATES, of_both.due_at + MINUTE)
    dispatcher.update_deployment("etl", hooks=[])
    assert dispatcher.run(of_both.id).notify_states == TERMINAL_STATES


def test_runs_to_come_are_made_anew_where_a_deployment_has_other_hooks(dispatcher, pool):
    hourly = Schedule(slug="hourly", interval=HOUR)
    dispatcher.create_deployment("etl", pool="pool", job_variables=DATE, schedules=[hourly])

    def made():
        deployment = dispatcher.deployment("etl")
        dispatcher.store.materialise(materialisation(deployment, dispatcher.clock.now(), WindowLimits()))
        return [run.notify_states for run in dispatcher.runs(states={RunState.SCHEDULED})]

    assert made() == [frozenset()]
    dispatcher.update_deployment("etl", hooks=[OPS])
    assert made() == [OPS.states]


@pytest.mark.parametrize(
    ("hooks", "words"),
    [
        ([Hook(name="ops", states=frozenset({RunState.RUNNING}))], r"hooks\[0\]\.states: must be a set of COMPLETED"),
        ([OPS, replace(PAGER, late_after=timedelta(0))], r"hooks\[1\]\.late_after: must be from one minute"),
        ([OPS, OPS], "hooks: two hooks are named 'ops'"),
        (["ops"], r'hooks\[0\]: must be .*Hook.*\(got "ops"\)'),
        ("ops", "hooks: must be a list, not 'ops'"),
        (None, "hooks: must be a list, not None"),
    ],
)
def test_a_wrong_hook_is_refused_with_its_path_and_changes_nothing(dispatcher, pool, hooks, words):
    dispatcher.create_deployment("etl", pool="pool", job_variables=DATE, hooks=[PAGER])
    with refused(dispatcher, InvalidInput, words):
        dispatcher.create_work_pool("other", type="process", hooks=hooks)
    with refused(dispatcher, InvalidInput, words):
        dispatcher.update_work_pool("pool", hooks=hooks)
    with refused(dispatcher, InvalidInput, words):
        dispatcher.create_deployment("other", pool="pool", job_variables=DATE, hooks=hooks)
    with refused(dispatcher, InvalidInput, words):
        dispatcher.update_deployment("etl", hooks=hooks)


# In files

FILE = {
    "pools": {
        "nightly": {
            "type": "process",
            "hooks": {"ops": {}, "pager": {"states": [], "late_after": "PT10M"}, "all": {"states": sorted(TERMINAL_STATES)}},
        }
    },
    "deployments": {
        "etl": {"pool": "nightly", "job_variables": DATE, "hooks": {"team": {"states": ["FAILED"], "late_after": 90}}}
    },
}


def faults(dispatcher, *path_and_value):
    *path, value = path_and_value
    with pytest.raises(InvalidInput) as caught:
        dispatcher.plan(_laid(FILE, value, *path))
    return {fault.path: fault.message for fault in caught.value.faults}


def _laid(value, content, *path):
    name, *rest = path
    return {**value, name: _laid(value.get(name, {}), content, *rest) if rest else content}


def test_hooks_are_stored_from_a_file_and_exported_unchanged(dispatcher):
    applied = dispatcher.apply(dispatcher.plan(FILE))
    assert dispatcher.work_pool("nightly").hooks == (OPS, PAGER, Hook(name="all", states=TERMINAL_STATES))
    [team] = dispatcher.deployment("etl").hooks
    assert team == Hook(name="team", states=frozenset({RunState.FAILED}), late_after=timedelta(seconds=90))
    again = dispatcher.plan(FILE)
    assert (again.changes, again.hash) == ((), applied.hash_after)
    exported = dispatcher.export()
    assert exported["pools"]["nightly"] == {
        "type": "process",
        "hooks": {"ops": {}, "pager": {"states": [], "late_after": 600}, "all": {"states": sorted(TERMINAL_STATES)}},
    }
    assert exported["deployments"]["etl"]["hooks"] == {"team": {"states": ["FAILED"], "late_after": 90}}
    assert dispatcher.plan(exported).changes == ()


def test_each_hook_that_is_changed_added_or_removed_is_one_line_of_the_plan(dispatcher):
    dispatcher.apply(dispatcher.plan(FILE))
    hooks = {"ops": {"states": ["CRASHED"]}, "pager": {"states": [], "late_after": 600}, "new": {}}
    [change] = dispatcher.plan(_laid(FILE, hooks, "pools", "nightly", "hooks")).changes
    assert {(field.path, field.action) for field in change.fields} == {
        ("hooks.ops.states", "change"),
        ("hooks.all", "delete"),
        ("hooks.new", "create"),
    }
    [gone] = dispatcher.plan(_laid(FILE, {"pool": "nightly", "job_variables": DATE}, "deployments", "etl")).changes
    assert [(field.path, field.after) for field in gone.fields] == [("hooks", [])]


@pytest.mark.parametrize(
    ("hook", "field", "words"),
    [
        ({"late_after": 10}, ".late_after", "must be from one minute to 30 days (got 0:00:10)"),
        (
            {"late_after": "ten minutes"},
            ".late_after",
            "must be a number of seconds, or a length of time, as 15m, 1h30m, 2 days",
        ),
        ({"late_after": True}, ".late_after", "must be a number of seconds, or a length of time"),
        ({"states": []}, ".states", "must hold a terminal state unless late_after is given"),
        ({"states": "FAILED"}, ".states", 'must be a set of COMPLETED, FAILED, CRASHED and CANCELLED (got "FAILED")'),
        ({"states": ["RUNNING"]}, ".states[0]", 'must be a set of COMPLETED, FAILED, CRASHED and CANCELLED (got "RUNNING")'),
        ({"state": ["FAILED"]}, ".state", "is not a key here; did you mean states?"),
        (None, "", "must be"),
    ],
)
def test_a_fault_of_a_hook_of_a_file_is_reported_at_its_name(dispatcher, hook, field, words):
    for noun in (("pools", "nightly"), ("deployments", "etl")):
        [(path, message)] = faults(dispatcher, *noun, "hooks", "ops", hook).items()
        assert path == f"{'.'.join(noun)}.hooks.ops{field}"
        assert message.startswith(words)


def test_too_many_hooks_and_invalid_names_are_reported_too(dispatcher):
    many = {f"hook-{number}": {} for number in range(11)}
    assert faults(dispatcher, "pools", "nightly", "hooks", many).keys() == {"pools.nightly.hooks"}
    [(path, message)] = faults(dispatcher, "pools", "nightly", "hooks", {"a/b": {}}).items()
    assert path == "pools.nightly.hooks.a/b"
    assert message.startswith("as a name must be 1 to 200 printable characters")


def test_a_retry_policy_keeps_its_own_rule_of_ends(dispatcher):
    messages = faults(dispatcher, "deployments", "etl", "retry", {"states": ["COMPLETED"]})
    assert messages["deployments.etl.retry.states[0]"].startswith("must be FAILED, CRASHED or both")


def test_the_schema_lets_through_what_is_read_and_says_what_ends_are():
    judge = Draft202012Validator(configuration_schema())
    assert list(judge.iter_errors(FILE)) == []
    wrong = [{"states": ["RUNNING"]}, {"late_after": "ten minutes"}, {"name": "ops"}]
    assert all(list(judge.iter_errors(_laid(FILE, {"ops": hook}, "pools", "nightly", "hooks"))) for hook in wrong)
    hook = configuration_schema()["$defs"]["Hook"]
    assert hook["properties"]["states"]["description"].startswith("The terminal states that notify the hook")
    assert hook["properties"]["late_after"]["description"].startswith("How long a run may wait beyond its due time")
