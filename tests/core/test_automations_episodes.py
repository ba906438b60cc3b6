"""When automations act on what lasts: once in an episode, when it has lasted long enough."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dispatcher.core.automations import PoolFacts, at_look
from dispatcher.models import (
    Episode,
    HoldKind,
    PoolHeld,
    PoolNotTicked,
    QueueLonger,
    RunLate,
    Then,
    When,
)
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_hold, a_pool, a_run, an_automation

POOL = a_pool(version=3)


def seen(*, now=NOW, pool=POOL, **fields):
    return PoolFacts(pool=pool, now=now, **fields)


class TestEpisodes:
    """What lasts: it acts once in it, and again after it was over."""

    LONG = an_automation(when=When(longer=QueueLonger(pool="pool", than=2)))

    def test_an_automation_acts_once_while_a_condition_lasts_and_again_when_it_returns(self):
        acted, automation = [], self.LONG
        for minute, count in enumerate((2, 3, 4, 3, 2, 2, 3)):
            look = at_look(automation, seen(now=NOW + minute * MINUTE, due_counts={"default": count}))
            acted.append((look.because is not None, look.progressed))
            automation = look.automation
        quiet, acts, is_over = (False, False), (True, True), (False, True)
        assert acted == [quiet, acts, quiet, quiet, is_over, quiet, acts]
        assert automation.progress.episodes == {"pool": Episode(since=NOW + 6 * MINUTE, fired=True)}

    def test_every_episode_of_every_pool_is_an_occasion_of_its_own(self):
        late = an_automation(when=When(late=RunLate(by=MINUTE)))
        other = a_pool("other")
        runs = (a_run(due_at=NOW - HOUR),)
        looks = [at_look(late, seen(now=NOW + n * MINUTE, pool=pool, due=runs)) for n in (0, 1) for pool in (POOL, other)]
        assert len({look.firing_id for look in looks}) == 4
        assert at_look(late, seen(due=runs)).firing_id == looks[0].firing_id

    def test_pools_have_episodes_of_their_own(self):
        late, other = an_automation(when=When(late=RunLate(by=MINUTE))), a_pool("other")
        first = at_look(late, seen(due=(a_run(due_at=NOW - HOUR),))).automation
        both = at_look(first, seen(pool=other, now=NOW + MINUTE, due=(a_run(due_at=NOW - HOUR),))).automation
        assert both.progress.episodes == {
            "pool": Episode(since=NOW, fired=True),
            "other": Episode(since=NOW + MINUTE, fired=True),
        }
        over = at_look(both, seen()).automation
        assert set(over.progress.episodes) == {"other"}

    def test_a_condition_that_has_to_last_is_noted_first_and_acted_on_later(self):
        held = an_automation(when=When(held=PoolHeld(pool="pool", longer_than=10 * MINUTE)))
        pool = replace(POOL, holds=(a_hold(NOW + HOUR, "slow down"),))
        first = at_look(held, seen(pool=pool))
        assert (first.because, first.progressed) == (None, True)
        assert first.automation.progress.episodes == {"pool": Episode(since=NOW)}
        second = at_look(first.automation, seen(pool=pool, now=NOW + 10 * MINUTE - SECOND))
        assert (second.because, second.progressed) == (None, False)
        third = at_look(second.automation, seen(pool=pool, now=NOW + 10 * MINUTE))
        assert (third.because, third.progressed) == ("work pool 'pool' is held: slow down", True)
        assert third.automation.progress.episodes == {"pool": Episode(since=NOW, fired=True)}
        fourth = at_look(third.automation, seen(pool=pool, now=NOW + 20 * MINUTE))
        assert (fourth.because, fourth.progressed) == (None, False)

    @pytest.mark.parametrize("change", [{"paused": True}, {"when": When(longer=QueueLonger(pool="other", than=2))}])
    def test_an_automation_that_is_paused_or_about_another_pool_does_not_act(self, change):
        look = at_look(replace(self.LONG, **change), seen(due_counts={"default": 9}))
        assert (look.because, look.progressed) == (None, False)

    def test_an_automation_about_ends_ignores_lasting_conditions(self):
        look = at_look(an_automation(), seen(due=(a_run(due_at=NOW - HOUR),), due_counts={"default": 9}))
        assert (look.because, look.progressed) == (None, False)


class TestLate:
    def test_a_run_is_late_from_that_time_on(self):
        late = an_automation(when=When(late=RunLate(by=HOUR)))
        run = a_run(due_at=NOW - HOUR, name="etl")
        assert at_look(late, seen(due=(run,), now=NOW - SECOND)).because is None
        look = at_look(late, seen(due=(run,)))
        assert (look.because, look.runs) == ("run 'etl' waits for 3600 s beyond its due time", (run,))

    def test_runs_are_listed_oldest_first_and_those_that_are_not_late_are_left_out(self):
        late = an_automation(when=When(late=RunLate(by=HOUR, tag="t")))
        first, second = a_run(due_at=NOW - HOUR, tags=("t",)), a_run(due_at=NOW - HOUR, tags=("t",))
        oldest, young = a_run(due_at=NOW - 3 * HOUR, tags=("t",), name="old"), a_run(due_at=NOW, tags=("t",))
        other = a_run(due_at=NOW - 9 * HOUR)
        look = at_look(late, seen(due=(other, second, young, first, oldest)))
        assert (look.runs, look.because) == ((oldest, first, second), "run 'old' waits for 10800 s beyond its due time")

    def test_an_automation_that_cancels_also_acts_on_runs_that_become_late_afterwards(self):
        """Its episode goes on; each run that is the oldest is an occasion of its own, and again after it has waited anew."""
        late = an_automation("a", Then(notify="ops"), Then(cancel=True), when=When(late=RunLate(by=HOUR)))
        first, second = a_run(due_at=NOW - 2 * HOUR), a_run(due_at=NOW - HOUR)
        looks, automation = [], late
        for run in (first, second, replace(second, fence=1), replace(second, fence=1)):
            looks.append(at_look(automation, seen(due=(run,))))
            automation = looks[-1].automation
        assert all(look.because for look in looks)
        assert len({look.firing_id for look in looks}) == 3
        assert looks[2].firing_id == looks[3].firing_id

    def test_an_automation_that_only_notifies_acts_once(self):
        late = an_automation(when=When(late=RunLate(by=HOUR)))
        first, second = a_run(due_at=NOW - 2 * HOUR), a_run(due_at=NOW - HOUR)
        acted = at_look(late, seen(due=(first,)))
        assert at_look(acted.automation, seen(due=(second,))).because is None


class TestOtherConditions:
    def test_a_hold_that_is_over_holds_nothing(self):
        held = an_automation(when=When(held=PoolHeld(pool="pool")))
        over, now = a_hold(NOW, "over"), a_hold(NOW + SECOND, "quota", kind=HoldKind.CAPACITY)
        assert at_look(held, seen(pool=replace(POOL, holds=(over,)))).because is None
        assert at_look(held, seen(pool=replace(POOL, holds=(over, now)))).because == "work pool 'pool' is held: quota"

    @pytest.mark.parametrize("last", ["last_tick_at", "created_at"])
    def test_a_pool_is_silent_since_its_last_tick_or_since_it_was_made(self, last):
        silence = an_automation(when=When(not_ticked=PoolNotTicked(pool="other", longer_than=HOUR)))
        fields = {"created_at": NOW - 9 * HOUR, "last_tick_at": None} | {last: NOW - HOUR}
        other = a_pool("other", **fields)
        assert at_look(silence, seen(others={"other": other}, now=NOW - SECOND)).because is None
        look = at_look(silence, seen(others={"other": other}))
        assert look.because == "work pool 'other' was not ticked for 3600 s"

    @pytest.mark.parametrize("others", [None, {}, {"other": None}])
    def test_a_pool_that_is_gone_is_not_silent(self, others):
        silence = an_automation(when=When(not_ticked=PoolNotTicked(pool="other", longer_than=HOUR)))
        assert at_look(silence, seen(others=others)).because is None

    @pytest.mark.parametrize(("counts", "acts"), [(None, False), ({}, False), ({"default": 1, "high": 9}, True)])
    def test_a_queue_of_which_nothing_is_due_is_not_long(self, counts, acts):
        any_at_all = an_automation(when=When(longer=QueueLonger(pool="pool", than=0)))
        look = at_look(any_at_all, seen(due_counts=counts))
        assert look.because == ("more than 0 runs of work queue 'default' of 'pool' are due" if acts else None)
