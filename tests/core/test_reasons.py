from dataclasses import replace
from datetime import timedelta

from hypothesis import assume, given
from hypothesis import strategies as st

from dispatcher.core.admission import admit
from dispatcher.core.reasons import Reason, Surroundings, explain
from dispatcher.models import RunState
from tests.builders import NOW, a_live_run, a_pool, a_queue, a_run
from tests.core.pools import Scene, scenes


def why(scene: Scene, run):
    ahead = scene.waiting[run.queue].index(run)
    return explain(run, Surroundings(pool=scene.pool, counts=scene.counts(), ahead=ahead, holders=()), NOW)


def admitted(scene: Scene):
    return admit(scene.pool, scene.in_use, scene.due, now=NOW).admitted


def pick(data, scene):
    runs = [run for queue in scene.waiting.values() for run in queue]
    assume(runs)
    return data.draw(st.sampled_from(runs))


@given(scenes(), st.data())
def test_next_is_said_exactly_of_the_runs_that_are_admitted(scene, data):
    run = pick(data, scene)
    assert (why(scene, run).reason is Reason.NEXT) == (run in admitted(scene))


@given(scenes(), st.data())
def test_removing_the_named_blockers_one_after_another_admits_the_run(scene, data):
    run = pick(data, scene)
    seen = []
    while (reason := why(scene, run).reason) is not Reason.NEXT:
        assert reason not in seen, f"{reason} was removed and is named again"
        seen.append(reason)
        scene = without(scene, run, reason)
    assert run in admitted(scene)


def without(scene: Scene, run, reason):
    """The scene with one blocker gone."""
    pool, own = scene.pool, scene.pool.queue(run.queue)
    higher = {queue.name for queue in pool.queues if queue.priority < own.priority}
    match reason:
        case Reason.POOL_PAUSED:
            return replace(scene, pool=replace(pool, paused=False))
        case Reason.QUEUE_PAUSED:
            return with_queue(scene, replace(own, paused=False))
        case Reason.POOL_LIMIT_ZERO | Reason.POOL_FULL:
            return replace(scene, pool=replace(pool, concurrency_limit=sum(scene.in_use.values()) + 1))
        case Reason.QUEUE_LIMIT_ZERO | Reason.QUEUE_FULL:
            return with_queue(scene, replace(own, concurrency_limit=None))
        case Reason.POOL_HELD:
            return replace(scene, pool=replace(pool, holds=()))
        case Reason.HIGHER_QUEUES:
            return replace(scene, waiting={name: [] if name in higher else runs for name, runs in scene.waiting.items()})
        case Reason.OWN_QUEUE:
            return replace(scene, waiting={**scene.waiting, run.queue: [run]})


def with_queue(scene, queue):
    queues = tuple(queue if other.name == queue.name else other for other in scene.pool.queues)
    return replace(scene, pool=replace(scene.pool, queues=queues))


def alone(run, pool=None):
    pool = pool or a_pool()
    return explain(run, Surroundings(pool=pool, counts=Scene(pool, {}, {"default": [run]}).counts(), ahead=0, holders=()), NOW)


def test_a_run_that_is_not_due_says_when():
    explanation = alone(a_run(due_at=NOW + timedelta(hours=1)))
    assert explanation.reason is Reason.NOT_DUE
    assert explanation.until == NOW + timedelta(hours=1)


def test_a_run_that_was_refused_gives_the_providers_words():
    explanation = alone(a_run(not_before=NOW + timedelta(minutes=1), refusals=2, reason="RESOURCE:GPU"))
    assert explanation.reason is Reason.RUN_HELD
    assert "RESOURCE:GPU" in explanation.text


def test_a_full_queue_names_who_holds_it():
    pool = a_pool(queues=(a_queue("default", 1, limit=1), a_queue("other", 2)))
    run, holder, other = a_run(), a_live_run(), a_live_run(queue="other")
    counts = Scene(pool, {"default": 1, "other": 1}, {"default": [run], "other": []}).counts()
    explanation = explain(run, Surroundings(pool=pool, counts=counts, ahead=0, holders=[holder, other]), NOW)
    assert explanation.reason is Reason.QUEUE_FULL
    assert explanation.holders == (holder.id,)
    assert "1 of 1" in explanation.text


def test_every_state_that_is_not_waiting_has_its_reason():
    claimed = a_run(state=RunState.PENDING, fence=1, claimed_at=NOW, lease_until=NOW + timedelta(minutes=1))
    expected = {
        Reason.CLAIMED: claimed,
        Reason.ANSWER_OPEN: replace(claimed, lease_until=NOW - timedelta(minutes=1)),
        Reason.STARTING: a_live_run(state=RunState.PENDING),
        Reason.RUNNING: a_live_run(),
        Reason.CANCELLING: a_live_run(state=RunState.CANCELLING),
        Reason.ENDED: a_live_run(state=RunState.FAILED, ended_at=NOW, reason="exit code 3"),
    }
    assert {reason: explain(run, None, NOW).reason for reason, run in expected.items()} == {
        reason: reason for reason in expected
    }


def test_a_run_of_a_pool_that_is_gone_says_so():
    assert explain(a_run(), None, NOW).reason is Reason.POOL_MISSING
