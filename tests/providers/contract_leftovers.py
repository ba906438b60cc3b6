"""What every provider type must do with what its jobs leave: a part of `ProviderContract`."""

import pytest

from providers.base import JobState


class LeftoversContract:
    """Ended jobs are discarded or swept; live ones are found, and never touched."""

    def test_discard_reports_what_is_gone_as_often_as_it_is_asked(self, harness):
        job = harness.job()
        submission = harness.submitted(job)
        harness.settle()
        harness.finish(job.name, 0)
        assert harness.provider.discard([submission]) == {job.name}
        harness.settle()
        assert harness.another().discard([submission]) == {job.name}

    def test_lingering_jobs_are_gone_after_discard(self, harness):
        if not harness.provider.limits.lingers:
            pytest.skip(f"{type(harness).__name__}: its limits say that nothing lingers")
        job = harness.job()
        submission = harness.submitted(job)
        harness.settle()
        harness.finish(job.name, 0)
        assert harness.leftover(job.name)
        harness.provider.discard([submission])
        harness.settle()
        assert not harness.leftover(job.name)

    def test_a_sweep_removes_ended_jobs_that_nobody_remembers_and_no_others(self, harness):
        harness.needs("leftovers")
        forgotten, kept, live = (harness.job() for _ in range(3))
        for job in (forgotten, kept, live):
            harness.submitted(job)
        harness.settle()
        for job in (forgotten, kept):
            harness.finish(job.name, 0)
        harness.wait(3600)
        assert tuple(harness.another().sweep(harness.configuration(), frozenset({kept.name}))) == (forgotten.name,)
        harness.settle()
        assert [harness.leftover(job.name) for job in (forgotten, kept, live)] == [False, True, True]

    def test_a_sweep_never_touches_a_live_job(self, harness):
        submission = harness.submitted(harness.job())
        harness.settle()
        assert tuple(harness.provider.sweep(harness.configuration(), frozenset())) == ()
        assert harness.state(submission) is JobState.RUNNING

    def test_strays_are_the_live_jobs_of_this_dispatcher_that_no_run_names(self, harness):
        ended, recorded, stray = (harness.job() for _ in range(3))
        for job in (ended, recorded, stray):
            harness.submitted(job)
        harness.settle()
        harness.finish(ended.name, 0)
        harness.settle()
        assert harness.another().strays(harness.configuration(), frozenset({recorded.name})) == (stray.name,)
