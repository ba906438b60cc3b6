"""Which live jobs a store does not know."""

from __future__ import annotations

from datetime import UTC, datetime

from dispatcher.models import submission_name
from dispatcher.upkeep.strays import strays
from providers.base import Job
from providers.testing import FakeProvider
from tests.builders import a_pool, a_run
from tests.test_sweep import ORPHAN, a_dispatch, a_store, ticked

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def test_a_job_without_a_run_is_a_stray_and_the_jobs_of_runs_are_not():
    store, provider = a_store(), FakeProvider()
    run = a_run(due_at=LONG_AGO)
    store.add_runs([run])
    ticked(store, provider)
    provider.submit(Job(name=ORPHAN, configuration={}))
    assert submission_name(run.id, 1) in provider.live
    assert strays(a_dispatch(store, provider), a_pool()) == (ORPHAN,)


def test_a_restored_store_reports_the_jobs_of_runs_made_since_the_backup():
    store, provider = a_store(a_pool(limit=1)), FakeProvider()
    store.add_runs([run := a_run(due_at=LONG_AGO)])
    ticked(store, provider)
    restored = a_store(a_pool(limit=1))
    assert strays(a_dispatch(restored, provider), a_pool()) == (submission_name(run.id, 1),)


def test_a_run_that_the_backup_held_finds_its_job_again_and_starts_no_second_one():
    store, provider = a_store(), FakeProvider()
    run = a_run(due_at=LONG_AGO)
    restored = a_store()
    for made in (store, restored):
        made.add_runs([run])
    ticked(store, provider)
    ticked(restored, provider)
    assert provider.starts == {submission_name(run.id, 1): 1}
    assert strays(a_dispatch(restored, provider), a_pool()) == ()


def test_a_job_whose_run_is_claimed_while_jobs_are_listed_is_not_a_stray():
    store = a_store()
    run = a_run(due_at=LONG_AGO)
    store.add_runs([run])

    class Overtaken(FakeProvider):
        def strays(self, configuration, known_names):
            ticked(store, self)
            return super().strays(configuration, known_names)

    assert strays(a_dispatch(store, Overtaken()), a_pool()) == ()
