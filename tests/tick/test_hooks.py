"""Notifications: which hook gets which, at least once, and never at the price of a run."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.client import Dispatcher
from dispatcher.core.notifications import identity
from dispatcher.delivery import NotDelivered
from dispatcher.models import Hook, RetryPolicy, RunState, Schedule, submission_name
from dispatcher.ticking import notifying, tick
from dispatcher.ticking.notifying import MAX_TRIES
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_deployment, a_pool
from tests.tick.stage import Stage

OPS = Hook(name="ops")
LATE = Hook(name="pager", states=frozenset(), late_after=10 * MINUTE)


class Post:
    """Takes messages, or does not."""

    def __init__(self):
        self.taken, self.tried, self.open = [], 0, True

    def __call__(self, hook, identity, message):
        self.tried += 1
        if not self.open:
            raise NotDelivered("it answered 503")
        self.taken.append((hook, identity, message))

    @property
    def notifications(self):
        return [(hook, message["type"]) for hook, _, message in self.taken]


class Office(Stage):
    """A stage with hooks."""

    def __init__(self, *hooks, **fields):
        super().__init__(a_pool(hooks=hooks, **fields))
        self.people = Dispatcher(self.store, clock=self.clock)
        self.post = Post()

    def tick_pool(self, **limits):
        dispatch = replace(self.dispatch(**limits), deliver=self.post)
        return tick(dispatch, self.clock.now() + MINUTE, pools=["pool"]).pools[0]

    def run(self, **fields):
        return self.people.create_run(**({"pool": "pool"} | fields))

    def ended(self, run, exit_code=1, attempt=1):
        self.tick_pool()
        self.provider.finish(submission_name(run.id, attempt), exit_code)
        return self.tick_pool()


def test_a_failure_is_notified_to_the_hooks_of_the_pool_with_what_happened():
    office = Office(OPS)
    run = office.run()
    report = office.ended(run, exit_code=3)
    assert report.notified == 1
    [(hook, message_id, message)] = office.post.taken
    assert (hook, message["type"], message_id) == ("ops", "run.failed", identity(office.get(run), OPS))
    shown = message["data"]["run"]
    assert (shown["id"], shown["state"], shown["exit_code"], shown["reason"]) == (str(run.id), "FAILED", 3, "exit code 3")
    assert (shown["pool"], shown["queue"], shown["ended_at"]) == ("pool", "default", NOW.isoformat(timespec="milliseconds"))
    office.tick_pool()
    assert office.post.tried == 1


def test_an_end_that_no_hook_asks_for_is_not_notified():
    office = Office(OPS)
    office.ended(office.run(), exit_code=0)
    assert office.post.tried == 0


@pytest.mark.parametrize("end", [RunState.COMPLETED, RunState.CANCELLED])
def test_every_end_can_be_asked_for(end):
    office = Office(Hook(name="all", states=frozenset({end})))
    run = office.run(scheduled_at=NOW)
    if end is RunState.COMPLETED:
        office.ended(run, exit_code=0)
    else:
        office.people.cancel_run(run.id)
        office.tick_pool()
    assert office.post.notifications == [("all", f"run.{end.lower()}")]


def test_a_run_that_cannot_be_rendered_is_notified_too():
    office = Office(OPS)
    office.people.create_deployment("nightly", pool="pool", job_variables={"command": "true"})
    office.run(deployment="nightly", pool=None)
    office.store.delete_deployment("nightly")
    office.tick_pool()
    assert office.post.notifications == [("ops", "run.crashed")]


def test_a_deployments_hooks_are_notified_beside_those_of_its_pool_and_each_once():
    office = Office(OPS)
    mine = a_deployment("nightly", hooks=(Hook(name="team"), OPS))
    office.store.save_deployment(mine, expected_version=None, now=NOW)
    office.ended(office.run(deployment="nightly"))
    assert sorted(office.post.notifications) == [("ops", "run.failed"), ("team", "run.failed")]


def test_only_the_last_attempt_of_a_run_that_is_retried_is_notified():
    office = Office(OPS)
    [run] = office.add(retry=RetryPolicy(attempts=2), notify_states=OPS.states)
    office.ended(run)
    assert office.post.tried == 0
    office.ended(run, attempt=2)
    assert office.post.notifications == [("ops", "run.failed")]


def test_a_hook_that_does_not_answer_is_tried_again_later_and_later_and_the_run_is_as_it_is():
    office = Office(OPS)
    run = office.run()
    office.post.open = False
    report = office.ended(run)
    assert report.problem == "not delivered: hook 'ops': it answered 503"
    assert office.states(run) == ["FAILED"]
    waits = []
    for _ in range(6):
        again = office.get(run).notify_at
        waits.append(again - office.clock.now())
        office.wait(again - office.clock.now() - SECOND)
        tried = office.post.tried
        office.tick_pool()
        assert office.post.tried == tried
        office.wait(SECOND)
        office.tick_pool()
        assert office.post.tried == tried + 1
    assert waits == sorted(waits)
    office.post.open = True
    office.wait(HOUR)
    office.tick_pool()
    assert office.post.notifications == [("ops", "run.failed")]
    assert len({message_id for _, message_id, _ in office.post.taken}) == 1


def test_after_about_a_day_a_delivery_is_given_up_and_reported():
    office = Office(OPS)
    run = office.run()
    office.post.open = False
    office.ended(run)
    while (again := office.get(run).notify_at) is not None:
        office.wait(again - office.clock.now())
        office.tick_pool()
    assert office.post.tried == MAX_TRIES
    assert timedelta(hours=12) < office.clock.now() - NOW < timedelta(hours=36)
    assert office.logged("hook.given_up")


def test_a_dead_hook_does_not_make_a_healthy_one_be_notified_again():
    office = Office(OPS, Hook(name="broken"))
    run = office.run()
    post = office.post

    def deliver(hook, message_id, message):
        if hook == "broken":
            raise NotDelivered("no answer")
        post(hook, message_id, message)

    office.post = deliver
    office.ended(run)
    for _ in range(5):
        office.wait(HOUR)
        office.tick_pool()
    assert office.get(run).notify_at is not None
    assert post.notifications == [("ops", "run.failed")]
    office.post = post
    office.wait(HOUR)
    office.tick_pool()
    assert post.notifications == [("ops", "run.failed"), ("broken", "run.failed")]
    assert office.get(run).notify_at is None


def test_a_run_that_waits_too_long_is_notified_once_and_its_start_is_not():
    office = Office(LATE, paused=True)
    run = office.run()
    office.wait(10 * MINUTE - SECOND)
    office.tick_pool()
    assert office.post.tried == 0
    office.wait(SECOND)
    office.tick_pool()
    assert office.post.notifications == [("pager", "run.late")]
    office.wait(HOUR)
    office.tick_pool()
    assert office.post.tried == 1
    office.people.update_work_pool("pool", paused=False)
    office.ended(run)
    assert office.post.tried == 1


def test_a_run_that_starts_in_time_is_never_late():
    office = Office(LATE)
    office.run()
    office.tick_pool()
    office.wait(HOUR)
    office.tick_pool()
    assert office.post.tried == 0


def test_two_hooks_with_different_patience_are_notified_in_turn():
    office = Office(LATE, Hook(name="boss", states=frozenset(), late_after=HOUR), paused=True)
    office.run()
    office.wait(10 * MINUTE)
    office.tick_pool()
    assert office.post.notifications == [("pager", "run.late")]
    office.wait(HOUR)
    office.tick_pool()
    assert office.post.notifications == [("pager", "run.late"), ("boss", "run.late")]


def test_windows_that_become_late_are_notified_to_the_hooks_of_their_pool():
    office = Office(LATE, paused=True)
    scheduled = a_deployment("nightly", schedules=(Schedule(slug="hourly", cron="0 * * * *"),))
    office.store.save_deployment(scheduled, expected_version=None, now=NOW)
    office.tick_pool()
    office.wait(HOUR + 10 * MINUTE)
    office.tick_pool()
    assert office.post.notifications == [("pager", "run.late")]


def test_a_hook_that_was_removed_gets_nothing_and_nothing_is_tried_for_ever():
    office = Office(OPS)
    run = office.run()
    office.post.open = False
    office.ended(run)
    pool = office.store.pool("pool")
    office.store.save_pool(replace(pool, hooks=()), expected_version=pool.version)
    office.wait(HOUR)
    office.tick_pool()
    assert office.get(run).notify_at is None


class SlowPost(Post):
    """Takes its time over each message, and does not take those of some hooks."""

    def __init__(self, office, broken):
        super().__init__()
        self.office, self.broken = office, broken

    def __call__(self, hook, identity, message):
        self.office.clock.sleep(25)
        self.open = hook not in self.broken
        super().__call__(hook, identity, message)


@given(st.integers(1, 6), st.frozensets(st.sampled_from("abcdef")))
@settings(max_examples=30)
def test_a_hook_counts_as_notified_only_by_its_own_answer_however_many_the_deadline_leaves_out(number, broken):
    """Three answers fit into a tick here. What the deadline leaves out is not confirmed, and is still to be notified."""
    hooks = set("abcdef"[:number])
    office = Office(*(Hook(name=name) for name in sorted(hooks)))
    office.post, run = SlowPost(office, broken), office.run()
    with patch.object(notifying, "THREADS", 1):
        office.ended(run)
        for _ in range(3):
            taken = {hook for hook, *_ in office.post.taken}
            assert office.get(run).notified_hooks <= taken
            assert office.get(run).notify_at is not None or taken == hooks
            office.wait(HOUR)
            office.tick_pool()
    assert office.get(run).notify_at is None or hooks & broken
    assert office.get(run).notified_hooks >= hooks - broken


def test_hooks_that_are_slow_and_broken_do_not_keep_the_others_waiting_for_good():
    """Three answers fit into a tick; the first three hooks never answer well."""
    office = Office(*(Hook(name=name) for name in "abcdef"))
    office.post, run = SlowPost(office, frozenset("abc")), office.run()
    with patch.object(notifying, "THREADS", 1):
        office.ended(run)
        assert office.get(run).notified_hooks == frozenset()
        for _ in range(3):
            office.wait(MINUTE)
            office.tick_pool()
    assert sorted(hook for hook, *_ in office.post.taken) == ["d", "e", "f"]


def test_notifications_come_after_everything_else_and_none_past_the_deadline():
    office = Office(OPS)
    run = office.run()
    office.tick_pool()
    office.provider.finish(submission_name(run.id, 1), 1)
    dispatch = replace(office.dispatch(), deliver=office.post)
    office.clock.sleep(1)
    assert tick(dispatch, office.clock.now()).skipped == ["pool"]
    assert office.post.tried == 0
