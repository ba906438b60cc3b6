"""Runs that automations make: once each, with what they take from the run that ended."""

from __future__ import annotations

import json
from dataclasses import replace
from unittest.mock import patch

import pytest

from dispatcher.models import (
    RunOf,
    Then,
    submission_name,
)
from dispatcher.ticking import automating
from tests.builders import HOUR, NOW, SECOND, an_automation
from tests.tick.house import COMPLETED, FAILED, PAUSE_POOL, House


def test_an_end_of_a_starts_b_once_with_the_values_that_b_takes_from_a():
    taking = {"env.OF": "id", "command": "job_variables.command", "left_out": "job_variables.none", "code": "exit_code"}
    action = RunOf(deployment="b", job_variables={"image": "x"}, from_run=taking, tags=("chained",))
    house = House(an_automation("chain", Then(run=action), deployment="a", states=COMPLETED))
    run, report = house.end(deployment="a", job_variables={"command": "echo {{ x }}"})
    assert report.pools[0].fired == 1
    assert house.tick().pools[0].fired == 0
    [made] = house.runs_of("b")
    assert made.job_variables == {"image": "x", "env.OF": str(run.id), "command": "echo {{ x }}", "code": 0}
    assert made.tags == ("chained",)
    assert (made.cause.automation, made.cause.run, made.cause.depth) == ("chain", run.id, 1)
    [firing] = house.firings()
    assert firing.because == f"run {run.name!r} ended COMPLETED"
    assert firing.did == (f"made run {made.name!r} of deployment 'b'",)


B_TAKES = {
    "type": "object",
    "properties": {"day": {"type": "string", "format": "date"}, "n": {"type": "integer", "minimum": 0}, "of": {}, "note": {}},
    "required": ["day"],
}


def with_schema(house, schema=B_TAKES):
    """Let the deployment `b` have this schema of parameters."""
    stored = house.store.deployment("b")
    changed = replace(stored, parameter_openapi_schema=schema)
    house.store.save_deployment(changed, expected_version=stored.version, now=NOW)


def test_a_run_has_parameters_of_the_run_that_ended_and_fixed_ones():
    taking = {"day": "scheduled_at", "n": "parameters.n", "of": "parameters.inner.x", "note": "parameters.none"}
    house = House(
        an_automation(
            "chain",
            Then(run=RunOf(deployment="b", parameters={"more": [1]}, parameters_from_run=taking)),
            deployment="a",
            states=COMPLETED,
        )
    )
    with_schema(house, {**B_TAKES, "additionalProperties": True})
    deployed = house.store.deployment("a")
    house.store.save_deployment(replace(deployed, parameters={"n": 7}), expected_version=1, now=NOW)
    house.end(deployment="a", parameters={"inner": {"x": None}}, scheduled_at=NOW)
    [made] = house.runs_of("b")
    assert house.get(made).parameters == {"more": [1], "day": f"{NOW:%Y-%m-%d}", "n": 7, "of": None}
    house.tick()
    pinned = json.loads(house.get(made).job.environment["DISPATCHER_PARAMETERS"])
    assert pinned == {"more": [1], "day": f"{NOW:%Y-%m-%d}", "n": 7, "of": None}


@pytest.mark.parametrize(
    ("own", "says"),
    [
        ({}, "parameters.day is required and missing"),
        ({"day": "soon"}, "parameters.day does not fit its schema (string, required)"),
        ({"day": "2030-01-01", "n": -1}, "parameters.n does not fit its schema (integer)"),
        ({"day": 5, "n": "x"}, "parameters.day does not fit its schema (string, required); parameters.n does not fit"),
    ],
)
def test_parameters_that_do_not_fit_make_no_run_and_the_record_says_why(own, says):
    run = RunOf(deployment="b", parameters_from_run={"day": "parameters.day", "n": "parameters.n"})
    house = House(an_automation("chain", Then(run=run), PAUSE_POOL, deployment="a", states=COMPLETED))
    with_schema(house)
    house.end(deployment="a", parameters=own)
    assert house.runs_of("b") == []
    [firing] = house.firings()
    assert firing.did == ("paused work pool 'pool'",)
    assert firing.problems[0].startswith(f"made no run of deployment 'b': {says}")


def test_a_fixed_parameter_that_the_deployment_has_lost_makes_no_run():
    run = RunOf(deployment="b", parameters={"day": "2030-01-01", "gone": 1})
    house = House(an_automation("chain", Then(run=run), deployment="a", states=COMPLETED))
    with_schema(house)
    house.end(deployment="a")
    assert house.runs_of("b") == []
    assert house.firings()[0].problems == ("made no run of deployment 'b': parameters.gone is not a parameter of it",)


def test_an_end_that_is_not_of_the_deployment_or_the_states_makes_nothing():
    house = House(an_automation("chain", Then(run=RunOf(deployment="b")), deployment="a", states=COMPLETED))
    house.end(deployment="b")
    house.end(deployment="a", exit_code=1)
    assert house.firings() == []


def test_a_run_made_by_an_automation_has_what_its_deployment_gives_every_run():
    house = House(an_automation("chain", Then(run=RunOf(deployment="b")), deployment="a", states=COMPLETED))
    limited = replace(house.store.deployment("b"), concurrency_limit=2, expires_after=HOUR, tags=("t",))
    house.store.save_deployment(limited, expected_version=1, now=NOW)
    house.end(deployment="a")
    [made] = house.runs_of("b")
    assert (made.lane, made.expires_after, made.tags) == ("b", HOUR, ("t",))


def test_a_crash_between_the_end_and_the_automation_loses_nothing_and_doubles_nothing():
    house = House(an_automation("chain", Then(run=RunOf(deployment="b")), deployment="a", states=COMPLETED))
    with patch.object(automating._Automating, "_write", side_effect=SystemExit), pytest.raises(SystemExit):
        house.end(deployment="a")
    assert house.runs_of("b") == []
    house.tick()
    house.tick()
    assert len(house.runs_of("b")) == 1


def test_a_lost_answer_of_the_store_makes_no_second_run():
    house = House(an_automation("chain", Then(run=RunOf(deployment="b")), deployment="a", states=COMPLETED))
    written = house.store.automate
    with patch.object(house.store, "automate", side_effect=lambda automated: written(automated) and False):
        house.end(deployment="a")
    house.tick()
    assert len(house.runs_of("b")) == len(house.firings()) == 1


def test_a_chain_of_runs_that_creates_itself_ends():
    action = RunOf(deployment="a", chain_limit=3)
    house = House(an_automation("loop", Then(run=action), deployment="a", states=COMPLETED))
    house.end(deployment="a")
    for _ in range(8):
        house.wait(SECOND)
        for run in house.runs_of("a"):
            if run.state.holds_slot:
                house.provider.finish(submission_name(run.id, 1), 0)
        house.tick()
    assert len(house.runs_of("a")) == 4
    problem = "made no run: 3 runs have already been made one because of another (`chain_limit`)"
    assert [firing.problems for firing in house.firings()] == [(), (), (), (problem,)]


def test_a_run_that_failed_is_run_again_a_few_times():
    house = House(an_automation("again", Then(retry=True), states=FAILED))
    run, _ = house.end(1, deployment="a", job_variables={"command": "x"}, tags=("t",))
    [new] = [other for other in house.runs_of("a") if other.id != run.id]
    assert (new.job_variables, new.tags, new.scheduled_at, new.cause.run) == (
        {"command": "x"},
        ("t",),
        run.scheduled_at,
        run.id,
    )
