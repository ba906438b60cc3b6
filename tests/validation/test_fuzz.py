"""Anything at all at every way in: only our own errors come out, and what is accepted goes through a tick.

The provider is a fake that takes every job, so that a run which does not reach it was let in wrongly. Tokens are asked in
`tests/functions/test_odd_requests.py`, which needs google-auth.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, example, given, settings
from hypothesis import strategies as st

from dispatcher.cli.input import yaml_files
from dispatcher.cli.input.values import job_variable, job_variables
from dispatcher.client import Dispatcher
from dispatcher.environment.settings import Settings
from dispatcher.errors import DispatcherError, InvalidInput
from dispatcher.functions.http_answers import event_of
from dispatcher.functions.invocation import invoke
from dispatcher.models import CatchUp, Hook, RetryPolicy, RunState, Schedule
from dispatcher.wiring import wire
from providers.base import Checked
from tests.tick.stage import Stage
from tests.validation.test_validation_properties import ANYTHING, SOUND, places, with_change

FUZZ = settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def deep(levels: int, opening: str = "list") -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value] if opening == "list" else {"a": value}
    return value


NASTY = st.sampled_from(
    [
        deep(70),
        deep(70, "object"),
        10**400,
        2**64,
        float("inf"),
        "\0",
        "\ud800",
        "9" * 5000,
        "(a+)+$",
        {"$ref": "#"},
    ]
)
VALUES = ANYTHING | NASTY
NAMES = st.sampled_from(["p", "d", "n" * 200, "n" * 201, "", " ", "a/b", "ü\u0301", "\n"]) | st.text(max_size=4)
MOMENTS = st.datetimes(timezones=st.sampled_from([UTC])) | st.sampled_from(
    [datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC), datetime(9999, 12, 31), datetime(1, 1, 1)]  # noqa: DTZ001
)


ODD_WORDS = st.sampled_from(["[" * 3000, "1e999", "9" * 5000, '{"A":' * 3000])


class World:
    """A stage without pools, people who make them, and a provider that has no objections."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.stage.store.delete_pool("pool", expected_version=self.stage.store.pool("pool").version)
        self.people = Dispatcher(self.stage.store, clock=self.stage.clock, check=lambda *_: Checked(), warn=lambda _text: None)

    def tick(self) -> None:
        """A tick starts what is due, and does not stumble over anything."""
        report = self.stage.tick()
        assert [pool.problem for pool in report.pools if pool.problem] == []
        crashed = self.people.runs(states=[RunState.CRASHED])
        assert [run.reason for run in crashed] == []


def accepted(call: Any, *arguments: Any, **named: Any) -> Any:
    """What a call gives, or None when it refuses in its own words; anything else that it raises is a bug."""
    try:
        return call(*arguments, **named)
    except InvalidInput as problem:
        said = problem.faults
    except DispatcherError as problem:
        said = (str(problem),)
    assert all(str(fault).strip() for fault in said), "a refusal says why"
    assert said
    return None


@FUZZ
@given(
    st.sampled_from(sorted(places(SOUND), key=str)),
    VALUES,
    st.dictionaries(st.sampled_from(["a", "b", "env", "env.A"]), VALUES),
)
@example(("variables", "properties", "b", "pattern"), "^(b|bb)+$", {"b": "b" * 60 + "!"})
@example(("variables", "$defs", "D", "uniqueItems"), True, {"d": [{"n": n} for n in range(9000)]})
def test_templates_and_variables(way, new, variables):
    world = World()
    template = with_change(SOUND, way, new)
    pool = accepted(world.people.create_work_pool, "p", type="process", base_job_template=template)
    assume(pool is not None)
    accepted(world.people.create_run, pool="p", job_variables={"a": {"x": "1"}, **variables})
    accepted(world.people.create_run, pool="p")
    accepted(world.people.update_work_pool, "p", job_variables=variables)
    world.tick()


@FUZZ
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "a.x", "b", "d", "env", "env.A", "zz"]), st.text(max_size=8) | ODD_WORDS), max_size=3
    )
)
def test_typed_variables(pairs):
    world = World()
    world.people.create_work_pool("p", type="process", base_job_template=SOUND)
    typed = dict(job_variable(f"{name}={value}") for name, value in pairs)
    accepted(world.people.create_run, pool="p", job_variables=typed)
    accepted(world.people.create_deployment, "d", pool="p", job_variables=typed)
    accepted(world.people.create_run, deployment="d")
    world.tick()


RULE_PARTS = [
    *("INTERVAL=00", "INTERVAL=7", "COUNT=0", "COUNT=3", "UNTIL=19990101T000000Z", "UNTIL=9999", "BYDAY=2MO", "BYDAY=XX"),
    *("BYMONTHDAY=0", "BYMONTHDAY=31", "BYMONTH=2", "BYHOUR=25", "BYSETPOS=-1", "BYYEARDAY=366", "WKST=SU", "X=Y"),
]
CRONS = st.sampled_from(["* * * * *", "*/7 * * * *", "0 0 30 2 *", "@daily", "* * * * * *", "60 * * * *", "0 0 1-5/2 * mon"])
RULES = st.builds(
    lambda frequency, parts: ";".join([f"FREQ={frequency}", *parts]),
    st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY", "HOURLY", "MINUTELY", "SECONDLY", "NEVER"]),
    st.lists(
        st.sampled_from(RULE_PARTS),
        max_size=3,
    ),
)
LENGTHS = st.timedeltas() | st.sampled_from([timedelta(0), timedelta(minutes=1), timedelta(days=7), timedelta.max])


KINDS = (
    CRONS.map(lambda cron: {"cron": cron})
    | LENGTHS.map(lambda length: {"interval": length})
    | RULES.map(lambda rule: {"rrule": rule})
)
ODDITIES = st.fixed_dictionaries(
    {},
    optional={
        "slug": NAMES,
        "cron": CRONS | st.text(max_size=8) | ANYTHING,
        "interval": LENGTHS | ANYTHING,
        "rrule": RULES | st.text(max_size=8),
        "timezone": st.sampled_from(["UTC", "Europe/Paris", "localtime", "Factory", "../etc/passwd", ""]) | st.text(max_size=3),
        "anchor": MOMENTS,
        "catch_up": st.sampled_from(CatchUp) | ANYTHING,
        "catch_up_limit": st.integers(0, 200) | ANYTHING,
    },
)


@FUZZ
@given(KINDS, st.just({}) | ODDITIES)
@example({"rrule": "FREQ=DAILY;INTERVAL=00"}, {})
@example({"interval": timedelta(days=7)}, {"anchor": datetime(9999, 12, 31, tzinfo=UTC)})
@example({"cron": "*/5 * * * *"}, {})
def test_schedules(kind, oddities):
    world = World()
    world.people.create_work_pool("p", type="process", base_job_template=SOUND)
    schedule = accepted(lambda: Schedule(**{"slug": "s", **kind, **oddities}))
    made = accepted(world.people.create_deployment, "d", pool="p", schedules=[schedule])
    assume(made is not None)
    for _ in range(3):
        world.tick()
        world.stage.wait(timedelta(hours=7))
    accepted(world.people.preview_work_pool, "p", within=timedelta(days=1))


@FUZZ
@given(
    st.tuples(NAMES, NAMES), MOMENTS, LENGTHS, st.builds(RetryPolicy, attempts=st.integers(-1, 30), backoff=st.floats()), VALUES
)
def test_runs_hooks_and_retries(names, due, late, retry, tags):
    pool, name = names
    world = World()
    hooks = [Hook(name="ops", late_after=late)]
    made = accepted(world.people.create_work_pool, pool, type="process", base_job_template=SOUND, hooks=hooks)
    if made is None:
        made = accepted(world.people.create_work_pool, "p", type="process", base_job_template=SOUND)
    retry = replace(retry, delay=late)
    accepted(world.people.create_run, pool=made.name, name=name, scheduled_at=due, retry=retry, tags=tags)
    accepted(world.people.create_run, pool=made.name, scheduled_at=due)
    accepted(world.people.create_deployment, name, pool=made.name, retry=retry, tags=tags)
    accepted(world.people.create_run, deployment=name)
    world.tick()


SOUND_FILE = {
    "pools": {"p": {"type": "process", "base_job_template": SOUND, "queues": {"q": {"priority": 1}}}},
    "deployments": {
        "d": {"pool": "p", "schedules": {"s": {"cron": "* * * * *"}}, "retry": {"attempts": 2}, "job_variables": {}}
    },
}


@FUZZ
@given(st.sampled_from(sorted(places(SOUND_FILE), key=str)), VALUES)
def test_a_configuration_file_with_any_change_is_accepted_or_refused(way, new):
    world = World()
    plan = accepted(world.people.plan, with_change(SOUND_FILE, way, new))
    assume(plan is not None)
    accepted(world.people.apply, plan)
    world.stage.wait(timedelta(minutes=2))
    world.tick()
    accepted(world.people.plan, world.people.export())


@FUZZ
@given(
    st.text(alphabet="[]{}:,-&*!|>'\"#?<~ \n\tab10.e", max_size=30) | st.sampled_from(["[" * 3000, "{a: " * 3000, "- " * 3000])
)
@example("a: &a [*a]")
@example("<<: {a: 1}")
@example("a: " + "1" * 5000)
def test_yaml_files(text):
    document = accepted(yaml_files.read, text, "f")
    if document is not None:
        accepted(World().people.plan, document.value)


@FUZZ
@given(
    ANYTHING.map(json.dumps) | st.text(max_size=9) | st.sampled_from(["[" * 900 + "]" * 900, "[" * 3000, "9" * 5000, "1e999"])
)
def test_json_arguments(text):
    accepted(job_variables, "{" + f'"a": {text}' + "}", [])


@pytest.fixture(scope="module")
def wiring():
    made = wire(Settings(store="memory://"))
    made.client.create_work_pool("p", type="process", job_variables={"command": "true"}, paused=True)
    return made


EVENT = {
    "create_run": {"pool": "p", "job_variables": {"env": {"A": "1"}}, "tags": ["t"], "retry": {"attempts": 2}, "name": "n"}
}
TASK = {
    "detail-type": "ECS Task State Change",
    "account": "1",
    "region": "r",
    "detail": {"startedBy": "r" + "0" * 32 + "-1", "lastStatus": "STOPPED", "containers": [{"exitCode": 0}], "taskArn": "arn"},
}


@settings(FUZZ, suppress_health_check=[*HealthCheck])
@given(st.sampled_from([EVENT, TASK, {"pool": "p"}, {"detail-type": "Scheduled Event"}]), st.data(), VALUES)
def test_an_event_with_any_change_is_accepted_or_refused(wiring, event, data, new):
    way = data.draw(st.sampled_from(sorted(places(event), key=str)))
    accepted(invoke, wiring, with_change(event, way, new))


@settings(FUZZ, suppress_health_check=[*HealthCheck])
@given(st.binary(max_size=20) | st.sampled_from([b"[" * 3000, b'{"a":' * 3000, b"9" * 5000, b'"\xff']))
def test_a_body_with_any_change_is_accepted_or_refused(wiring, body):
    accepted(lambda: invoke(wiring, event_of(body)))


@pytest.mark.parametrize("opening", ["list", "object"])
@pytest.mark.parametrize("levels", [65, 900, 3000])
def test_values_that_nest_too_deep_are_refused_everywhere(levels, opening):
    world, value = World(), deep(levels, opening)
    template = with_change(SOUND, ("variables", "properties", "b", "default"), value)
    assert accepted(world.people.create_work_pool, "p", type="process", base_job_template=template) is None
    world.people.create_work_pool("p", type="process", base_job_template=SOUND)
    assert accepted(world.people.create_run, pool="p", job_variables={"env": value}) is None
    assert accepted(world.people.create_deployment, "d", pool="p", job_variables={"b": value}) is None
    assert accepted(world.people.plan, with_change(SOUND_FILE, ("deployments", "d", "job_variables"), {"b": value})) is None
