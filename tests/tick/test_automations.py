"""Automations in whole ticks: each acts once on what happened, and none keeps another, or a run, waiting."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

from dispatcher.core import deeds
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
)
from dispatcher.models.records import LogFilter
from dispatcher.ticking import automating, tick
from dispatcher.ticking.automating import LOOKING_AT_ONE
from tests.builders import HOUR, MINUTE, NOW, a_pool, a_run, an_automation, an_id
from tests.tick.house import COMPLETED, CRASHED, FAILED, PAUSE_POOL, House


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


def test_an_automation_counts_from_zero_after_it_has_acted():
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


def test_a_deed_that_fails_stands_in_the_record_and_the_others_are_done():
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
