"""Invariants of a store's contents: each fault is one line, and a run that fits has none."""

from dataclasses import replace

import pytest

from dispatcher.core.integrity import Integrity
from dispatcher.models import TERMINAL_STATES, Attempt, PinnedJob, RunState
from dispatcher.models.records import QueueCount
from providers.base import Submission
from tests.builders import HOUR, MINUTE, NOW, a_deployment, a_live_run, a_pool, a_queue, a_run

JOB = PinnedJob(configuration={})
PLACED = Submission(name="r-1", handle={})
ENDED = {"state": RunState.FAILED, "ended_at": NOW}
LEFT_BEHIND = (Attempt(number=1, state=RunState.FAILED, ended_at=NOW, lingers=True),)
TIDIED = "is to be tidied up, and has no ended job"

FIT = {
    "waits": {},
    "is claimed": {"state": RunState.PENDING, "job": JOB, "lease_until": NOW + MINUTE},
    "runs": {"state": RunState.RUNNING, "job": JOB, "submission": PLACED},
    "ended": ENDED,
    "ended in a queue that is gone": {**ENDED, "queue": "gone"},
    "ended, and its job lingers": {**ENDED, "submission": PLACED, "lingers": True},
    "ended, and an earlier job lingers": {**ENDED, "past": LEFT_BEHIND, "lingers": True},
}
NEITHER = "holds a slot with neither a job nor a claim that could be taken over"
NO_JOB = "holds a slot without the job that its claim pinned"
FAULTS = [
    ({"pool": "gone"}, ["its work pool 'gone' does not exist"]),
    (
        {"queue": "gone"},
        ["its work queue 'gone' of 'pool' does not exist, so that it can never be admitted"],
    ),
    ({"ended_at": NOW}, ["has the time of an end that it has not come to"]),
    ({"state": RunState.CANCELLED}, ["has no time of its end"]),
    ({"state": RunState.PENDING, "job": JOB}, [NEITHER]),
    ({"state": RunState.CANCELLING}, [NEITHER, NO_JOB]),
    ({"state": RunState.RUNNING, "submission": PLACED}, [NO_JOB]),
    ({"state": RunState.PENDING, "lease_until": NOW + HOUR}, [NO_JOB]),
    ({"submission": PLACED}, ["waits, and has a job"]),
    ({**ENDED, "lingers": True}, [TIDIED]),
    ({"past": LEFT_BEHIND, "lingers": True}, [TIDIED]),
    ({"state": RunState.RUNNING, "job": JOB, "submission": PLACED, "lingers": True}, [TIDIED]),
]


def integrity(*pools, deployments=()):
    return Integrity(pools or [a_pool()], deployments)


@pytest.mark.parametrize("fields", FIT.values(), ids=FIT)
def test_a_run_that_fits_has_no_fault(fields):
    assert list(integrity().of_runs([replace(a_run(), **fields)])) == []


@pytest.mark.parametrize(("fields", "faults"), FAULTS, ids=[" and ".join(faults) for _, faults in FAULTS])
def test_each_fault_of_a_run_is_a_line_with_its_id_and_state(fields, faults):
    run = replace(a_run(), **fields)
    assert list(integrity().of_runs([a_run(), run])) == [f"run {run.id} ({run.state}): {fault}" for fault in faults]


def test_runs_are_counted_over_all_pages():
    checks = integrity()
    assert checks.runs == 0
    for page, total in ((3, 3), (2, 5), (0, 5)):
        list(checks.of_runs([a_run() for _ in range(page)]))
        assert checks.runs == total


def test_the_slots_that_a_store_counts_are_those_that_runs_hold():
    checks = integrity(a_pool(queues=("high", "default")), a_pool("other"))
    runs = [a_live_run(queue="high"), a_live_run(queue="high"), a_live_run(), a_run(queue="high"), a_run(**ENDED)]
    list(checks.of_runs([*runs, a_live_run("other")]))
    counts = {"pool": {"high": counted(2), "default": counted(1)}, "other": {"default": counted(1)}}
    assert list(checks.of_pools(counts)) == []
    drifted = {"pool": {"high": counted(1), "default": counted(1)}, "other": {"default": counted(2)}}
    assert list(checks.of_pools(drifted)) == [
        "work queue 'high' of 'pool': 1 slots are counted, 2 runs hold one",
        "work queue 'default' of 'other': 2 slots are counted, 1 runs hold one",
    ]
    assert list(checks.of_pools({})) == [], "a store that counts nothing has counted nothing wrong"


def counted(in_use):
    return QueueCount(due=0, later=0, in_use=in_use)


def test_a_pool_has_the_default_queue_and_no_two_queues_of_one_priority():
    equal = a_pool("equal", queues=(a_queue(priority=1), a_queue("high", priority=1)))
    assert list(integrity(a_pool(), a_pool("bare", queues=("high",)), equal).of_pools({})) == [
        "work pool 'bare': has no work queue 'default'",
        "work pool 'equal': has two work queues of one priority",
    ]


def test_a_deployment_names_a_queue_that_exists():
    deployments = [a_deployment("a"), a_deployment("b", queue="gone"), a_deployment("c", pool="gone")]
    assert list(integrity(deployments=deployments).of_pools({})) == [
        "deployment 'b': its work queue 'gone' of 'pool' does not exist",
        "deployment 'c': its work queue 'default' of 'gone' does not exist",
    ]


@pytest.mark.parametrize("state", sorted(TERMINAL_STATES))
def test_every_end_has_its_time(state):
    assert list(integrity().of_runs([a_run(state=state, ended_at=NOW)])) == []
