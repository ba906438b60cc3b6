"""Automations in whole ticks: each acts once on what happened, and none keeps another, or a run, waiting."""

from __future__ import annotations

import json
from dataclasses import replace
from unittest.mock import patch

import pytest

from dispatcher.core import deeds
from dispatcher.delivery import NotDelivered
from dispatcher.models import (
    HoldKind,
    PoolHeld,
    PoolHold,
    PoolNotTicked,
    QueueLonger,
    RunLate,
    RunOf,
    RunState,
    Target,
    Then,
    When,
    submission_name,
)
from dispatcher.records import LogFilter, RunFilter
from dispatcher.ticking import automating, tick
from dispatcher.ticking.automating import LOOKING_AT_ONE
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_deployment, a_pool, a_run, an_automation, an_id
from tests.tick.stage import Stage

COMPLETED, CRASHED, FAILED = frozenset({RunState.COMPLETED}), frozenset({RunState.CRASHED}), frozenset({RunState.FAILED})
PAUSE_POOL = Then(pause=Target(pool="pool"))


class House(Stage):
    """A stage with two deployments and hooks that can be closed."""

    def __init__(self, *automations, pools=(), **limits):
        super().__init__(a_pool(), *pools, **limits)
        self.taken, self.is_open = [], True
        for name in ("a", "b"):
            self.store.save_deployment(a_deployment(name), expected_version=None, now=NOW)
        for automation in automations:
            self.store.save_automation(automation, expected_version=None)

    def dispatch(self, **limits):
        return replace(super().dispatch(**limits), deliver=self.deliver)

    def deliver(self, hook, identity, body):
        if not self.is_open:
            raise NotDelivered("it answered 503")
        self.taken.append((hook, identity, body))

    def end(self, exit_code=0, **fields):
        """A run that starts and ends, and the tick that sees it."""
        [run] = self.add(**({"due_at": self.clock.time} | fields))
        self.tick()
        self.wait(SECOND)
        self.provider.finish(submission_name(run.id, 1), exit_code)
        return self.get(run), self.tick()

    def firings(self, name=None):
        return list(reversed(self.store.firings(name, limit=100)))

    def runs_of(self, deployment):
        return self.store.runs(RunFilter(deployment=deployment), limit=100)


def test_when_a_completes_b_runs_once_with_what_it_takes_from_a():
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


def test_a_pool_is_paused_after_three_crashes_in_a_row_and_not_by_others():
    house = House(an_automation("breaker", PAUSE_POOL, Then(notify="ops"), states=FAILED, pool="pool", count=3))
    for exit_code in (1, 1, 0, 1, 1):
        house.end(exit_code)
        assert not house.store.pool("pool").paused
    run, _ = house.end(1)
    assert house.store.pool("pool").paused
    [firing] = house.firings()
    words = f"3 of the last 3 runs of work pool 'pool' ended FAILED; the last was {run.name!r}"
    assert (firing.because, firing.did) == (words, ("paused work pool 'pool'", "notified hook 'ops'"))
    assert [(hook, body["type"], body["data"]["because"]) for hook, _, body in house.taken] == [
        ("ops", "automation.fired", words)
    ]


def test_two_of_the_last_four_count_across_ends_of_other_kinds():
    house = House(an_automation("breaker", PAUSE_POOL, states=FAILED, pool="pool", count=2, of_last=4))
    for exit_code in (1, 0, 0, 0):
        house.end(exit_code)
    assert not house.store.pool("pool").paused
    house.end(1)
    assert not house.store.pool("pool").paused  # the first is the fifth from the end
    house.end(0)
    house.end(1)
    assert house.store.pool("pool").paused


def test_after_it_acted_it_counts_anew():
    house = House(an_automation("breaker", PAUSE_POOL, states=FAILED, count=2))
    house.end(1)
    house.end(1)
    paused = house.store.pool("pool")
    house.store.save_pool(replace(paused, paused=False), expected_version=paused.version)
    house.end(1)
    assert not house.store.pool("pool").paused
    house.end(1)
    assert house.store.pool("pool").paused


def test_a_queue_and_a_deployment_are_paused_and_resumed():
    stop = [Then(pause=Target(pool="pool", queue="default")), Then(pause=Target(deployment="a"))]
    go = [Then(resume=Target(pool="pool", queue="default")), Then(resume=Target(deployment="a"))]
    house = House(an_automation("stop", *stop, states=FAILED))
    house.end(1, deployment="a")
    assert house.store.pool("pool").queue("default").paused
    assert house.store.deployment("a").paused
    house.store.save_automation(
        an_automation("go", *go, when=When(longer=QueueLonger(pool="pool", than=0))), expected_version=None
    )
    house.add()
    house.tick()
    assert not house.store.pool("pool").queue("default").paused
    assert not house.store.deployment("a").paused


def test_the_log_says_what_an_automation_changed_and_why():
    deeds_of_it = (
        Then(pause=Target(pool="pool", queue="default")),
        Then(pause=Target(deployment="a")),
        Then(pause=Target(pool="pool")),
        Then(retry=True),
        Then(notify="ops"),
    )
    house = House(an_automation("stop", *deeds_of_it, states=FAILED))
    run, _ = house.end(1, deployment="a")
    house.tick()
    entries = house.store.log(LogFilter(actor="stop"), limit=100)
    assert {(entry.verb, entry.noun, entry.name, entry.fields[0]["path"], entry.fields[0]["after"]) for entry in entries} == {
        ("change", "work pool", "pool", "queues.default.paused", True),
        ("change", "work pool", "pool", "paused", True),
        ("change", "deployment", "a", "paused", True),
        ("retry", "run", str(run.id), "retry", str(next(new.id for new in house.runs_of("a") if new.cause))),
    }
    because = f"run {run.name!r} ended FAILED"
    assert {(entry.via, entry.note, entry.changed_at, entry.kept_until) for entry in entries} == {
        ("automation", because, entries[0].changed_at, entries[0].changed_at + 30 * 24 * HOUR)
    }


def test_the_log_has_no_entry_of_what_was_paused_already():
    house = House(an_automation("stop", Then(pause=Target(deployment="a")), states=FAILED))
    for _ in range(2):
        house.end(1)
    assert len(house.firings()) == 2
    assert len(house.store.log(LogFilter(actor="stop"), limit=100)) == 1


def test_the_log_says_how_many_late_runs_an_automation_cancelled():
    house = House(an_automation("cancel", Then(cancel=True), when=When(late=RunLate(by=10 * MINUTE))))
    house.store.save_pool(replace(house.store.pool("pool"), paused=True), expected_version=1)
    house.add(3)
    house.wait(HOUR)
    house.tick()
    [entry] = house.store.log(LogFilter(actor="cancel"), limit=100)
    assert (entry.verb, entry.noun, entry.name, entry.runs) == ("cancel", "runs", "pool pool", 3)


def test_a_crash_between_the_end_and_the_automation_loses_nothing_and_doubles_nothing():
    house = House(an_automation("chain", Then(run=RunOf(deployment="b")), deployment="a", states=COMPLETED))
    with patch.object(automating._Automating, "_done", side_effect=SystemExit), pytest.raises(SystemExit):
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


def test_a_chain_that_calls_itself_ends():
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


def test_what_cannot_be_done_stands_in_the_record_and_the_rest_is_done():
    gone = Then(run=RunOf(deployment="gone"))
    house = House(an_automation("both", gone, PAUSE_POOL, states=FAILED))
    house.end(1)
    [firing] = house.firings()
    assert (firing.did, firing.problems) == (("paused work pool 'pool'",), ("no deployment named 'gone'",))


def test_an_automation_that_raises_keeps_no_other_waiting():
    house = House(an_automation("bad", Then(retry=True), states=FAILED), an_automation("good", PAUSE_POOL, states=FAILED))
    with patch.object(deeds, "name_of_retry", side_effect=RuntimeError("oh")):
        _, report = house.end(1)
    assert house.store.pool("pool").paused
    assert [firing.automation for firing in house.firings()] == ["good"]
    assert report.pools[0].problem == "automations: 'bad': RuntimeError: oh"


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


def test_late_runs_are_cancelled_also_those_that_come_later():
    house = House(an_automation("cancel", Then(cancel=True), when=When(late=RunLate(by=10 * MINUTE, tag="t"))))
    house.store.save_pool(replace(house.store.pool("pool"), paused=True), expected_version=1)
    [first], [other] = house.add(tags=("t",)), house.add()
    house.wait(5 * MINUTE)
    [second] = house.add(tags=("t",), due_at=house.clock.time)
    house.tick()
    assert house.states(first, second, other) == ["SCHEDULED"] * 3
    for states in (["CANCELLED", "SCHEDULED", "SCHEDULED"], ["CANCELLED", "CANCELLED", "SCHEDULED"]):
        house.wait(6 * MINUTE)
        house.tick()
        assert house.states(first, second, other) == states


def test_a_pool_that_is_held_for_long_fires_once_and_again_after_it_was_free():
    house = House(an_automation("held", when=When(held=PoolHeld(pool="pool", longer_than=10 * MINUTE))))

    def hold(until):
        hold = PoolHold(kind=HoldKind.RATE, place=(), size={}, freed_by_end=False, until=until, reason="slow down")
        house.store.hold("pool", lambda _: (hold,))

    for _ in range(2):
        hold(house.clock.time + HOUR)
        for _ in range(4):
            house.tick()
            house.wait(5 * MINUTE)
        house.wait(HOUR)
        house.tick()
    assert [firing.because for firing in house.firings()] == ["work pool 'pool' is held: slow down"] * 2


def test_a_pool_that_is_not_ticked_is_noticed_by_another():
    automation = an_automation("silence", when=When(not_ticked=PoolNotTicked(pool="other", longer_than=HOUR)))
    house = House(automation, pools=[a_pool("other")])
    house.tick(pools=["pool", "other"])
    for _ in range(3):
        house.wait(40 * MINUTE)
        house.tick(pools=["pool"])
    assert [firing.because for firing in house.firings()] == ["work pool 'other' was not ticked for 4800 s"]


def test_a_long_queue_fires_once_while_it_is_long():
    house = House(an_automation("long", when=When(longer=QueueLonger(pool="pool", queue="default", than=3))))
    house.store.save_pool(replace(house.store.pool("pool"), paused=True), expected_version=1)
    house.add(3)
    house.tick()
    assert house.firings() == []
    house.add(2)
    house.tick()
    house.tick()
    assert [firing.because for firing in house.firings()] == ["more than 3 runs of work queue 'default' of 'pool' are due"]


def test_a_paused_automation_does_nothing_and_does_not_make_up_for_it():
    house = House(an_automation("chain", Then(run=RunOf(deployment="b")), deployment="a", states=COMPLETED, paused=True))
    house.end(deployment="a")
    stored = house.store.automations()[0]
    house.store.save_automation(replace(stored, paused=False), expected_version=1)
    house.tick()
    assert house.runs_of("b") == []


def test_a_hook_that_does_not_answer_is_tried_again_and_gets_the_same_id():
    house = House(an_automation("notify", states=FAILED))
    house.is_open = False
    _, report = house.end(1)
    assert report.pools[0].problem == "not delivered: hook 'ops': it answered 503"
    house.is_open = True
    house.wait(HOUR)
    house.tick()
    house.tick()
    assert [hook for hook, *_ in house.taken] == ["ops"]
    assert house.store.firings(None, limit=1)[0].notify_at is None


def test_more_automations_than_fit_into_one_step_are_reported():
    house = House(*(an_automation(f"n{number:02}", states=FAILED) for number in range(LOOKING_AT_ONE + 1)))
    _, report = house.end(1)
    assert len(house.firings()) == LOOKING_AT_ONE
    assert report.pools[0].problem == "automations: more than 20 automations look at one end; these did not: 'n20'"


def test_ticks_are_bounded_and_the_next_goes_on():
    house = House(an_automation("chain", Then(run=RunOf(deployment="b")), deployment="a", states=CRASHED))
    house.store.restore(
        runs=[a_run(id=an_id(), deployment="a", state=RunState.CRASHED, ended_at=NOW, automate_at=NOW) for _ in range(5)]
    )
    with patch.object(automating, "AT_ONCE", 2):
        counts = []
        for _ in range(4):
            house.tick(batch=1, claims=1)
            counts.append(len(house.runs_of("b")))
    assert counts == [2, 4, 5, 5]


def test_old_firings_are_pruned():
    house = House(an_automation("chain", PAUSE_POOL, states=FAILED))
    house.end(1)
    house.wait(31 * 24 * HOUR)
    house.add()
    house.tick()
    house.tick()
    assert house.firings() == []


def test_after_the_deadline_no_automation_looks():
    house = House(an_automation("chain", Then(run=RunOf(deployment="b")), deployment="a", states=CRASHED))
    run = a_run(deployment="a", state=RunState.CRASHED, ended_at=NOW, automate_at=NOW)
    house.store.restore(runs=[run])
    tick(house.dispatch(), house.clock.now())
    assert house.firings() == []
