"""The fake provider does what is scripted, once, and its four ways of remembering differ as documented."""

from datetime import UTC, datetime, timedelta

import pytest

from providers.base import Accepted, CallFailed, Job, JobState, Rejected, Throttled, Unknown
from providers.testing import LOST_ANSWER, LOST_REQUEST, FakeProvider, Remembers

JOB = Job(name="r1-1", configuration={"command": "true"})
CHANGED = Job(name="r1-1", configuration={"command": "false"})


class Time:
    def __init__(self):
        self.now = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self):
        return self.now

    def advance(self, **parts):
        self.now += timedelta(**parts)


def test_scripted_answers_come_in_order_and_then_all_is_well():
    provider = FakeProvider()
    slow, no = Throttled(reason="slow down"), Rejected(reason="no")
    provider.script("submit", slow, no, LOST_REQUEST)
    assert provider.submit(JOB) is slow
    assert provider.submit(JOB) is no
    assert isinstance(provider.submit(JOB), Unknown)
    assert provider.starts == {}
    assert isinstance(provider.submit(JOB), Accepted)
    assert provider.starts == {"r1-1": 1}


def test_a_lost_answer_starts_the_job_all_the_same():
    provider = FakeProvider()
    provider.script("submit", LOST_ANSWER)
    assert isinstance(provider.submit(JOB), Unknown)
    assert provider.live == {"r1-1"}


def test_lost_reads_and_cancels_fail_and_a_cancel_may_have_worked():
    provider = FakeProvider()
    submission = provider.submit(JOB).submission
    provider.script("find", LOST_ANSWER)
    provider.script("observe", LOST_REQUEST)
    provider.script("cancel", LOST_REQUEST, LOST_ANSWER)
    with pytest.raises(CallFailed):
        provider.find(JOB)
    assert provider.observe([submission])["r1-1"].state is JobState.UNREADABLE
    for live in ({"r1-1"}, set()):
        with pytest.raises(CallFailed):
            provider.cancel(submission)
        assert provider.live == live


def test_the_fake_provider_takes_outcomes_only_for_submit():
    with pytest.raises(ValueError, match="cancel has no outcomes"):
        FakeProvider().script("cancel", Rejected(reason="no"))


def test_a_crash_is_reported_with_its_reason_and_only_live_jobs_end():
    provider = FakeProvider()
    submission = provider.submit(JOB).submission
    provider.crash("r1-1", "spot reclaim")
    seen = provider.observe([submission])["r1-1"]
    assert (seen.state, seen.reason) == (JobState.CRASHED, "spot reclaim")
    with pytest.raises(KeyError):
        provider.finish("r1-1")


def test_the_most_that_was_live_at_once_is_kept():
    provider = FakeProvider()
    for name in ("a", "b"):
        provider.submit(Job(name=name, configuration={}))
    provider.finish("a")
    provider.submit(Job(name="c", configuration={}))
    assert (provider.peak_live, provider.live) == (2, {"b", "c"})


def test_every_call_is_on_record():
    provider = FakeProvider()
    provider.cancel(provider.submit(JOB).submission)
    assert provider.calls == [("submit", "r1-1"), ("cancel", "r1-1")]


@pytest.mark.parametrize(
    ("remembers", "starts"),
    [(Remembers.TOKEN, 1), (Remembers.OBJECT, 1), (Remembers.LIVE, 2), (Remembers.RUNNING, 2)],
)
def test_a_repeat_after_the_end_starts_a_job_only_where_the_cloud_forgets_ended_names(remembers, starts):
    provider = FakeProvider(remembers=remembers)
    provider.submit(JOB)
    provider.finish("r1-1")
    assert isinstance(provider.submit(JOB), Accepted)
    assert provider.starts == {"r1-1": starts}


def test_a_token_wears_off_after_a_day_and_its_ended_job_is_out_of_sight_after_an_hour():
    time = Time()
    provider = FakeProvider(remembers=Remembers.TOKEN, clock=time)
    provider.submit(JOB)
    provider.finish("r1-1")
    time.advance(minutes=59)
    assert provider.find(JOB) is not None
    time.advance(minutes=2)
    assert provider.find(JOB) is None
    provider.submit(CHANGED)
    assert provider.starts == {"r1-1": 1}
    time.advance(days=1)
    provider.submit(JOB)
    assert provider.starts == {"r1-1": 2}


def test_a_name_is_free_once_its_object_is_discarded_and_live_objects_are_not():
    provider = FakeProvider(remembers=Remembers.OBJECT)
    submission = provider.submit(JOB).submission
    assert provider.discard([submission]) == set()
    provider.finish("r1-1")
    assert provider.discard([submission]) == {"r1-1"}
    provider.submit(JOB)
    assert provider.starts == {"r1-1": 2}
