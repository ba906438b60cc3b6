"""What is too big for an item or a transaction."""

from dataclasses import replace

import pytest

from dispatcher.errors import StoreError
from dispatcher.models import PinnedJob, RunState
from dispatcher.models.records import Decision, Grant
from tests.builders import a_pool, a_queue, a_run
from tests.stores.dynamodb.places import Place
from tests.stores.steps import JOB, a_stored_run, claim


def test_a_run_that_is_too_big_is_refused_before_anything_is_written(place: Place):
    with pytest.raises(StoreError, match=r"weighs 4\d\d,\d\d\d bytes: one in DynamoDB has at most 390,000"):
        place.store.add_runs([a_run(), a_run(job_variables={"text": "x" * 400_000})])
    assert place.recorder.tokens() == []


def test_a_job_that_is_too_big_crashes_its_run_and_stops_no_other(place: Place):
    bad, good = a_stored_run(place.store), a_stored_run(place.store)
    jobs = {bad.id: PinnedJob(configuration={"text": "x" * 400_000}), good.id: JOB}
    grants = tuple(Grant(run=run, job=jobs[run.id], start_within=None) for run in (bad, good))
    answer = claim(place.store, decide=lambda _: Decision(grants=grants))
    assert [claimed.run.id for claimed in answer.claims] == [good.id]
    assert [(run.id, run.state) for run in answer.crashed] == [(bad.id, RunState.CRASHED)]
    assert "more than an item of DynamoDB's holds" in answer.crashed[0].reason
    assert place.store.check() == []


def test_runs_too_large_for_one_transaction_are_added_in_several(place: Place):
    runs = [a_run(job_variables={"text": "x" * 300_000}) for _ in range(13)]
    assert len(place.store.add_runs(runs)) == 13
    assert len(place.recorder.tokens()) == 2


def test_a_pool_has_no_more_queues_than_one_transaction_changes(place: Place):
    many = a_pool(queues=["default", *(f"queue-{n}" for n in range(44))])
    assert len(place.store.save_pool(many, expected_version=1).queues) == 45
    others = a_pool(queues=["default", *(f"other-{n}" for n in range(44))])
    assert place.store.save_pool(others, expected_version=2).version == 3
    more = replace(others, queues=(*others.queues, a_queue("one", 99)))
    with pytest.raises(StoreError, match="has 46 queues: one in DynamoDB has at most 45"):
        place.store.save_pool(more, expected_version=3)
    place.store.delete_pool("pool", expected_version=3)
    assert place.store.pools() == []
