"""Drift: which fields were changed by hand since a file was applied, by the notes that `apply` leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dispatcher.core.changes import ABSENT, Configuration
from dispatcher.core.drift import Drift, attributed, drift, noted, with_notes
from dispatcher.models import Hook, Paused, RunState, Schedule, Share, Target
from tests.builders import a_deployment, a_firing, a_pool, a_queue, an_automation

HOOK = Hook(name="ops", states=frozenset({RunState.FAILED}))
POOL = a_pool(limit=2, queues=[a_queue("critical", 1, limit=1), a_queue("default", 2)])
ETL = a_deployment("etl", schedules=(Schedule(slug="daily", cron="0 2 * * *"),), hooks=(HOOK,))
BREAKER = an_automation("breaker")
FILE = {
    "pools": {"pool": {"type": "process", "concurrency_limit": 2, "queues": {"critical": {"concurrency_limit": 1}}}},
    "deployments": {"etl": {"pool": "pool", "schedules": {"daily": {"cron": "0 2 * * *"}}}},
    "automations": {"breaker": {"when": {"ended": {"states": ["CRASHED"]}}, "then": [{"notify": "ops"}]}},
}


def applied(*, pools=(), deployments=(), automations=(), file=FILE):
    named = Configuration(pools=tuple(pools), deployments=tuple(deployments), automations=tuple(automations))
    return with_notes(named, file)


def drifted(configuration, **changes):
    """By kind, name and path: the values of what has drifted after a change of the only noun."""
    [(field, [noun])] = [
        (field, nouns) for field in ("pools", "deployments", "automations") if (nouns := getattr(configuration, field))
    ]
    by_hand = replace(configuration, **{field: (replace(noun, **changes),)})
    return {(entry.noun, entry.name, entry.path): entry.now for entry in drift(by_hand)}


def test_an_unchanged_configuration_has_no_drift():
    assert list(drift(applied(pools=[POOL], deployments=[ETL], automations=[BREAKER]))) == []


def test_objects_never_applied_do_not_drift():
    assert list(drift(Configuration(pools=(POOL,), deployments=(ETL,), automations=(BREAKER,)))) == []


def test_a_field_that_was_changed_is_listed_with_its_value_now():
    pools = applied(pools=[POOL])
    assert drifted(pools, concurrency_limit=9, description="by hand") == {
        ("work pool", "pool", "concurrency_limit"): 9,
        ("work pool", "pool", "description"): "by hand",
    }
    assert drifted(pools, concurrency_limit=None) == {("work pool", "pool", "concurrency_limit"): None}
    assert drifted(applied(deployments=[ETL]), tags=("a",)) == {("deployment", "etl", "tags"): ["a"]}
    assert drifted(applied(automations=[BREAKER]), paused=True) == {("automation", "breaker", "paused"): True}


def test_equal_objects_in_another_order_make_no_change():
    deployments = applied(deployments=[replace(ETL, job_variables={"a": 1, "b": {"c": 2, "d": 3}})])
    assert drifted(deployments, job_variables={"b": {"d": 3, "c": 2}, "a": 1}) == {}


def test_a_field_of_a_queue_a_schedule_and_a_hook_is_listed_by_its_path():
    queues = (replace(POOL.queues[0], concurrency_limit=7), POOL.queues[1])
    assert drifted(applied(pools=[POOL]), queues=queues) == {("work pool", "pool", "queues.critical.concurrency_limit"): 7}
    assert drifted(applied(deployments=[ETL]), schedules=(Schedule(slug="daily", cron="0 3 * * *"),)) == {
        ("deployment", "etl", "schedules.daily.cron"): "0 3 * * *"
    }
    hooks = (replace(HOOK, states=frozenset({RunState.CRASHED})),)
    assert drifted(applied(deployments=[ETL]), hooks=hooks) == {("deployment", "etl", "hooks.ops.states"): ["CRASHED"]}


def test_a_queue_that_was_added_or_deleted_is_listed_as_a_whole():
    new = a_queue("new", 3)
    changed = drifted(applied(pools=[POOL]), queues=(POOL.queues[1], new))
    assert list(changed) == [("work pool", "pool", "queues.new"), ("work pool", "pool", "queues.critical")]
    assert changed["work pool", "pool", "queues.new"]["priority"] == 3
    assert changed["work pool", "pool", "queues.critical"] is ABSENT


def test_the_last_queue_schedule_or_hook_that_was_deleted_is_listed():
    deployments = applied(deployments=[ETL])
    assert drifted(deployments, schedules=(), hooks=()) == {
        ("deployment", "etl", "schedules.daily"): ABSENT,
        ("deployment", "etl", "hooks.ops"): ABSENT,
    }


def test_the_first_schedule_that_was_added_is_listed():
    deployments = applied(deployments=[replace(ETL, schedules=())])
    [(path, now)] = drifted(deployments, schedules=ETL.schedules).items()
    assert (path, now["cron"]) == (("deployment", "etl", "schedules.daily"), "0 2 * * *")


def test_names_may_hold_dots():
    pools = applied(pools=[a_pool(queues=[a_queue("a.b", 1), a_queue("a", 2)])])
    queues = (a_queue("a.b", 1, limit=1), a_queue("a.c", 2))
    changed = drifted(pools, queues=queues)
    assert list(changed) == [
        ("work pool", "pool", "queues.a.b.concurrency_limit"),
        ("work pool", "pool", "queues.a.c"),
        ("work pool", "pool", "queues.a"),
    ]
    assert changed["work pool", "pool", "queues.a.c"]["priority"] == 2


class TestSwitches:
    """`paused` and `active`: a file that does not mention one leaves it alone, and expects its usual value."""

    def test_a_pause_that_the_file_does_not_mention_stays_drift(self):
        paused = replace(POOL, paused=True, queues=(replace(POOL.queues[0], paused=True), POOL.queues[1]))
        assert drifted(applied(pools=[paused])) == {
            ("work pool", "pool", "paused"): True,
            ("work pool", "pool", "queues.critical.paused"): True,
        }

    def test_a_pause_stated_in_the_file_is_drift_only_after_somebody_lifts_it(self):
        paused = replace(POOL, paused=True)
        pools = applied(pools=[paused], file={"pools": {"pool": {"type": "process", "paused": True}}})
        assert drifted(pools) == {}
        assert drifted(pools, paused=False) == {("work pool", "pool", "paused"): False}

    def test_a_schedule_is_usually_active(self):
        idle = replace(ETL, schedules=(Schedule(slug="daily", cron="0 2 * * *", active=False),))
        assert drifted(applied(deployments=[idle])) == {("deployment", "etl", "schedules.daily.active"): False}

    def test_an_inactive_schedule_of_the_file_is_expected(self):
        idle = replace(ETL, schedules=(Schedule(slug="daily", cron="0 2 * * *", active=False),))
        file = {"deployments": {"etl": {"schedules": {"daily": {"cron": "0 2 * * *", "active": False}}}}}
        deployments = applied(deployments=[idle], file=file)
        assert drifted(deployments) == {}
        assert drifted(deployments, schedules=ETL.schedules) == {("deployment", "etl", "schedules.daily.active"): True}

    @pytest.mark.parametrize("queues", [None, {"critical": None}, {}])
    def test_a_file_may_leave_the_object_around_a_switch_out_or_empty(self, queues):
        file = {"pools": {"pool": {"type": "process", "queues": queues}}}
        assert drifted(applied(pools=[POOL], file=file)) == {}


def test_a_field_that_the_code_which_applied_did_not_have_does_not_drift():
    """An upgrade adds fields; nobody has changed them by hand."""
    notes = {path: digest for path, digest in noted(POOL, {}).items() if path != "description"}
    configuration = Configuration(pools=(replace(POOL, applied=notes),))
    assert drifted(configuration, description="new") == {}


def test_digests_of_applied_values_are_short_and_equal_for_equal_values():
    notes = noted(POOL, FILE["pools"]["pool"])
    assert {len(digest) for digest in notes.values()} == {8}
    assert notes["queues.critical.paused"] == notes["paused"] == notes["queues.default.paused"]
    assert "name" not in notes
    assert "version" not in notes


def test_nouns_of_every_kind_are_listed_with_their_kind_and_name():
    configuration = applied(pools=[POOL], deployments=[ETL], automations=[BREAKER])
    changed = Configuration(
        pools=tuple(replace(pool, description="x") for pool in configuration.pools),
        deployments=tuple(replace(deployment, description="x") for deployment in configuration.deployments),
        automations=tuple(replace(automation, description="x") for automation in configuration.automations),
    )
    assert list(drift(changed)) == [
        Drift(noun="work pool", name="pool", path="description", now="x"),
        Drift(noun="deployment", name="etl", path="description", now="x"),
        Drift(noun="automation", name="breaker", path="description", now="x"),
    ]


class TestAutomations:
    """What an automation paused, or resumed, says so; everything else was changed by hand."""

    @staticmethod
    def a_firing(*targets, paused=True, version=0, name="breaker"):
        done = tuple(Paused(target=target, paused=paused, version=version) for target in targets)
        return a_firing(name, because="it failed", paused=done)

    @staticmethod
    def lines(noun, firings, **changes):
        """By path: the automation and its reason."""
        field = "pools" if noun is POOL else "deployments" if noun is ETL else "automations"
        configuration = replace(applied(**{field: [noun]}), **{field: (replace(noun, applied=noted(noun, {}), **changes),)})
        return {line.path: (line.automation, line.because) for line in attributed(drift(configuration), configuration, firings)}

    WORDS = "by automation 'breaker' at 2030-01-01 12:00:00Z, because it failed"

    def test_a_paused_pool_deployment_and_queue_name_the_last_automation_that_paused_them(self):
        by_it = ("breaker", f"paused {self.WORDS}")
        firings = [self.a_firing(Target(pool="pool"), Target(deployment="etl")), self.a_firing(Target(pool="pool"), name="old")]
        assert self.lines(POOL, firings, paused=True) == {"paused": by_it}
        assert self.lines(ETL, firings, paused=True) == {"paused": by_it}
        queues = (replace(POOL.queues[0], paused=True), replace(POOL.queues[1], paused=True))
        critical = [self.a_firing(Target(pool="pool", queue="critical"))]
        assert self.lines(POOL, critical, queues=queues, paused=True) == {
            "paused": (None, ""),
            "queues.critical.paused": by_it,
            "queues.default.paused": (None, ""),
        }

    def test_a_noun_that_has_changed_since_says_so(self):
        firings = [self.a_firing(Target(pool="pool"), version=3)]
        changed = ("breaker", f"paused {self.WORDS}; it has been changed since")
        assert self.lines(POOL, firings, paused=True, version=4) == {"paused": changed}
        assert self.lines(POOL, firings, paused=True, version=3) == {"paused": ("breaker", f"paused {self.WORDS}")}

    def test_an_automation_is_named_only_if_its_last_change_set_the_current_value(self):
        resumed = [self.a_firing(Target(pool="pool"), paused=False), self.a_firing(Target(pool="pool"))]
        assert self.lines(POOL, resumed, paused=True) == {"paused": (None, "")}
        file = {"pools": {"pool": {"paused": True}}}
        [pool] = applied(pools=[replace(POOL, paused=True)], file=file).pools
        configuration = Configuration(pools=(replace(pool, paused=False),))
        [line] = attributed(drift(configuration), configuration, resumed)
        assert (line.now, line.automation, line.because) == (False, "breaker", f"resumed {self.WORDS}")

    def test_other_fields_and_automations_that_are_paused_were_changed_by_hand(self):
        firings = [self.a_firing(Target(pool="pool"), Target(pool="breaker"), Target(deployment="breaker"))]
        assert self.lines(POOL, firings, paused=True, description="x", share=Share.FAIR) == {
            "description": (None, ""),
            "share": (None, ""),
            "paused": ("breaker", f"paused {self.WORDS}"),
        }
        assert self.lines(BREAKER, firings, paused=True) == {"paused": (None, "")}

    def test_a_queue_with_dots_in_its_name_is_found(self):
        pool = a_pool(queues=[a_queue("a.b", 1), a_queue("a", 2)])
        pool = replace(pool, applied=noted(pool, {}), queues=(replace(pool.queues[0], paused=True), pool.queues[1]))
        firings = [self.a_firing(Target(pool="pool", queue="a.b"))]
        configuration = Configuration(pools=(pool,))
        assert [line.automation for line in attributed(drift(configuration), configuration, firings)] == ["breaker"]
