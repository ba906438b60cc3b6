"""A source of runs brings them before the pools are ticked, is asked before each submission, and learns what became of them."""

import pytest

from dispatcher.core.reconciliation import LOOKED_UP_AGAIN
from dispatcher.models import Mirror, RunState, submission_name
from dispatcher.models.source_answers import NotConfirmed, Withdrawn
from dispatcher.ticking.sourcing import KEPT_FREE, SHARE
from providers.base import Rejected, Submission, Throttled, Unknown
from providers.testing import LOST_ANSWER, LOST_REQUEST
from tests.builders import HOUR, MINUTE, SECOND, a_pool
from tests.tick.stage import LEASE, LONGEST_LEASE, SETTLED, Stage

MIRROR = Mirror(source="elsewhere", revision="1")


class FakeSource:
    """A source that says yes, unless it is given other answers; it remembers what it was asked and when."""

    name = "elsewhere"

    def __init__(self, stage):
        self.stage, self.calls, self.answers = stage, [], []
        self.brings = self.reports = list
        self.reported = set()

    def bring(self, pools, deadline):
        self.calls.append(("bring", pools, deadline))
        return self.brings()

    def may_start(self, run):
        self.calls.append(("may_start", submission_name(run.id, run.attempt), run.source_id))
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def started(self, run, submission):
        self.calls.append(("started", submission.name, run.source_id))

    def report(self, pools, deadline):
        self.calls.append(("report", pools, deadline))
        return self.reports()

    def has_reported(self, pool):
        return pool in self.reported

    def named(self, name):
        return [call[1:] for call in self.calls if call[0] == name]


@pytest.fixture
def stage():
    stage = Stage(a_pool(limit=2, mirror=MIRROR))
    stage.source = FakeSource(stage)
    return stage


def submissions(stage):
    return [called for operation, called in stage.provider.calls if operation == "submit"]


def test_a_source_brings_runs_before_the_pools_are_ticked_and_gets_its_report_after_them(stage):
    [run] = [*stage.add(source_id="flow-run-1")]
    began = stage.clock.time
    report = stage.tick(pools=["pool"])
    name = submission_name(run.id, 1)
    assert stage.source.calls == [
        ("bring", ["pool"], began + SHARE * MINUTE),
        ("may_start", name, "flow-run-1"),
        ("started", name, "flow-run-1"),
        ("report", ["pool"], began + MINUTE),
    ]
    assert (report.pools[0].submitted, report.problems) == (1, [])


def test_runs_that_a_source_brings_start_in_the_same_tick(stage):
    stage.source.brings = lambda: stage.add(source_id="new") and []
    report = stage.tick()
    assert [pool.submitted for pool in report.pools] == [1]


def test_the_pools_leave_time_for_the_report(stage):
    stage.add(2)
    stage.source.may_start = lambda run: stage.wait(MINUTE * (1 - KEPT_FREE) + SECOND)
    stage.tick()
    assert stage.source.named("report")
    assert stage.provider.starts == {}, "the answer came after the time for submissions"


def test_a_pool_that_mirrors_nothing_asks_no_source(stage):
    stage.store.save_pool(a_pool("own"), expected_version=None)
    stage.add(pool="own")
    stage.tick()
    assert stage.source.named("may_start") == stage.source.named("started") == []


def test_a_problem_of_a_source_ends_no_tick_and_stands_in_the_report(stage):
    stage.add()

    def fail():
        raise KeyError("id")

    stage.source.brings, stage.source.reports = fail, lambda: ["pool 'x' is not served"]
    report = stage.tick()
    assert report.source_problems == report.problems == ["KeyError: 'id'", "pool 'x' is not served"]
    assert report.pools[0].submitted == 1
    assert [fields["problem"] for _, fields in stage.logged("source.problem")] == report.problems


def test_a_withdrawn_run_ends_as_cancelled_and_nothing_is_submitted(stage):
    [run] = stage.add()
    stage.source.answers = [Withdrawn("it runs elsewhere")]
    report = stage.tick_pool()
    assert (report.withdrawn, report.submitted) == (1, 0)
    assert report.outcomes == {str(run.id): "CANCELLED: it runs elsewhere"}
    assert stage.get(run).state is RunState.CANCELLED
    assert submissions(stage) == []


def test_a_run_that_may_start_later_waits_under_its_next_name(stage):
    [run] = stage.add()
    later = stage.clock.time + HOUR
    stage.source.answers = [Withdrawn("its deployment is full", not_before=later)]
    assert stage.tick_pool().withdrawn == 1
    waiting = stage.get(run)
    assert (waiting.state, waiting.attempt, waiting.not_before, waiting.refusals) == (RunState.SCHEDULED, 2, later, 0)
    stage.wait(HOUR)
    assert stage.tick_pool().submitted == 1
    assert stage.source.named("may_start")[-1] == (submission_name(run.id, 2), None)


@pytest.mark.parametrize("answer", [NotConfirmed("connection refused"), RuntimeError("odd")])
def test_a_source_that_does_not_answer_costs_a_run_nothing_but_time(stage, answer):
    [run] = stage.add()
    stage.source.answers = [answer] * 10
    report = stage.tick_pool()
    assert stage.get(run).state is RunState.SCHEDULED
    assert (stage.get(run).attempt, report.submitted) == (1, 0)
    assert "its source did not say whether it may start" in stage.get(run).reason
    assert len(stage.source.named("may_start")) == 3, "then this tick asks no more"
    stage.source.answers = []
    assert stage.tick_pool().submitted == 1


def test_a_mirrored_pool_without_its_source_starts_nothing_and_says_what_is_missing(stage):
    [run] = stage.add()
    stage.source = None
    report = stage.tick_pool()
    assert (report.submitted, stage.provider.starts, stage.get(run).state) == (0, {}, RunState.SCHEDULED)
    assert "set DISPATCHER_ELSEWHERE_API_URL where the ticks run" in report.problem


def test_a_claim_that_is_taken_over_and_found_is_not_asked_for_again(stage):
    [run] = stage.add()
    stage.provider.script("submit", LOST_ANSWER)
    stage.tick_pool()
    stage.wait(SETTLED + SECOND)
    assert stage.tick_pool().submitted == 1
    name = submission_name(run.id, 1)
    assert stage.source.named("may_start") == [(name, None)]
    assert stage.source.named("started") == [(name, None)]


def test_a_claim_that_is_taken_over_and_not_found_is_asked_for_again_under_the_same_name(stage):
    [run] = stage.add()
    stage.provider.script("submit", LOST_REQUEST)
    stage.tick_pool()
    stage.wait(SETTLED + SECOND)
    assert stage.tick_pool().submitted == 1
    assert stage.source.named("may_start") == [(submission_name(run.id, 1), None)] * 2
    assert stage.provider.starts == {submission_name(run.id, 1): 1}


def test_a_withdrawn_repeat_ends_only_when_another_look_up_finds_nothing(stage):
    """The first submission got no answer, so its job may exist although the source no longer lets the run start."""
    [run] = stage.add()
    stage.provider.script("submit", LOST_REQUEST)
    stage.source.answers = [None, Withdrawn("cancelled there")]
    stage.tick_pool()
    stage.wait(SETTLED + SECOND)
    stage.tick_pool()
    assert (stage.get(run).state, stage.get(run).ending) == (RunState.CANCELLING, RunState.CANCELLED)
    stage.wait(LEASE + SECOND)
    stage.tick_pool()
    assert stage.get(run).state is RunState.CANCELLING, "the first may still take effect"
    stage.wait(2 * LONGEST_LEASE)
    stage.tick_pool()
    assert (stage.get(run).state, stage.get(run).reason) == (RunState.CANCELLED, "cancelled before it was submitted")
    assert stage.provider.starts == {}


def test_a_repeat_that_may_start_later_keeps_its_claim_until_two_look_ups_found_nothing(stage):
    [run] = stage.add()
    stage.provider.script("submit", LOST_REQUEST)
    later = stage.clock.time + HOUR
    stage.source.answers = [None, Withdrawn("full", not_before=later), Withdrawn("full", not_before=later)]
    stage.tick_pool()
    stage.wait(SETTLED + SECOND)
    stage.tick_pool()
    assert stage.get(run).state is RunState.PENDING
    stage.wait(LEASE + SECOND)
    stage.tick_pool()
    assert (stage.get(run).state, stage.get(run).attempt) == (RunState.PENDING, 1), "the first may still take effect"
    stage.wait(2 * LONGEST_LEASE)
    stage.tick_pool()
    assert (stage.get(run).state, stage.get(run).attempt, stage.get(run).not_before) == (RunState.SCHEDULED, 2, later)


def test_a_repeat_without_an_answer_of_its_source_is_looked_up_again_soon(stage):
    [run] = stage.add()
    stage.provider.script("submit", LOST_REQUEST)
    stage.source.answers = [None, NotConfirmed("timed out")]
    stage.tick_pool()
    stage.wait(SETTLED + SECOND)
    stage.tick_pool()
    assert stage.get(run).lease_until == stage.clock.time + LOOKED_UP_AGAIN


@pytest.mark.parametrize("answer", [Rejected(reason="no"), Throttled(reason="slow down"), Unknown(cause="timed out")])
def test_only_an_accepted_job_is_reported_as_started(stage, answer):
    stage.add()
    stage.provider.script("submit", answer)
    stage.tick_pool()
    assert stage.source.named("started") == []


def test_a_source_that_fails_to_note_a_start_changes_nothing(stage):
    [run] = stage.add()
    stage.source.started = lambda run, submission: 1 / 0
    assert stage.tick_pool().submitted == 1
    assert isinstance(stage.get(run).submission, Submission)


def test_a_freed_slot_is_given_to_a_run_only_when_the_source_agrees(stage):
    """An event of the provider goes on to admit the next run: the source is asked there too."""
    stage.add()
    stage.source.answers = [Withdrawn("taken elsewhere")]
    assert stage.admit_next().withdrawn == 1
    assert stage.provider.starts == {}


def test_old_history_of_a_mirrored_pool_is_pruned_when_its_source_has_reported_it(stage):
    [old] = stage.add(source_id="flow-run-1", state=RunState.COMPLETED, ended_at=stage.clock.time - 3 * HOUR)
    assert stage.tick(pools=["pool"], history=HOUR).pools[0].pruned == 0
    assert stage.get(old) is not None
    stage.source.reported = {"pool"}
    assert stage.tick(pools=["pool"], history=HOUR).pools[0].pruned == 1
    assert stage.get(old) is None
