from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core import lines
from dispatcher.core.replay import replay
from dispatcher.models import Share
from dispatcher.models.lanes import lane_for
from tests.builders import MINUTE, NOW, SECOND, a_hold, a_pool, a_queue, a_run


def waits(pool, *runs, interval=MINUTE):
    """By the order given."""
    report = replay(pool, runs, interval=interval)
    return [report.waits[run.id] for run, _ in runs]


def test_a_run_waits_for_the_slot_until_the_tick_that_sees_the_end():
    assert waits(a_pool(limit=1), (a_run(), 90), (a_run(), 30), (a_run(), 30)) == [0, 120, 180]


def test_pauses_are_left_out_so_that_limits_alone_are_compared():
    assert waits(a_pool(paused=True, queues=(replace(a_queue(), paused=True),)), (a_run(), 1)) == [0]


def test_a_higher_limit_shortens_the_waits():
    runs = [(a_run(), 600) for _ in range(4)]
    assert waits(a_pool(limit=2), *runs) == [0, 0, 600, 600]
    assert waits(a_pool(limit=4), *runs) == [0, 0, 0, 0]
    assert replay(a_pool(limit=4), runs, interval=MINUTE).peak == 4


def test_priorities_and_queue_limits_hold():
    pool = a_pool(limit=2, queues=(a_queue("urgent", 1, limit=1), a_queue("default", 2)))
    urgent, normal = [(a_run(queue="urgent"), 60) for _ in range(2)], [(a_run(), 60) for _ in range(2)]
    assert waits(pool, *normal, *urgent) == [0, 60, 0, 60]


def test_a_run_that_can_never_be_admitted_says_so():
    assert waits(a_pool(limit=0), (a_run(), 1)) == [None]
    assert waits(a_pool(), (a_run(queue="gone"), 1)) == [None]
    assert replay(a_pool(limit=0), [(a_run(), 1)], interval=MINUTE).end is None


def test_a_replay_without_runs_gives_an_empty_report():
    report = replay(a_pool(), [], interval=MINUTE)
    assert (report.waits, report.peak, report.end) == ({}, 0, None)


def test_long_pauses_are_jumped_over():
    late = (a_run(due_at=NOW + timedelta(days=365) + 30 * SECOND), 10)
    assert waits(a_pool(limit=1), (a_run(), 10), late, interval=SECOND) == [0, 0]


ARRIVALS = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.integers(0, 200),
        st.sampled_from(["urgent", "default"]),
        st.integers(-1, 1),
        st.sampled_from([None, "a", "b"]),
    ),
    min_size=1,
    max_size=8,
)
WEIGHTS = {"a": 2}


@given(ARRIVALS, st.integers(1, 3), st.none() | st.integers(0, 2), st.sampled_from([7, 60, 100]), st.sampled_from(Share))
def test_no_tick_that_is_jumped_over_would_have_changed_anything(arrivals, limit, urgent_limit, every, share):
    pool = a_pool(limit=limit, queues=(a_queue("urgent", 1, limit=urgent_limit), a_queue("default", 2, share=share)))
    runs = [
        (a_run(due_at=NOW + due * SECOND, queue=queue, deployment=deployment, lane=lane_for(None, priority)), seconds)
        for due, seconds, queue, priority, deployment in arrivals
    ]
    report = replay(pool, runs, interval=every * SECOND, weights=WEIGHTS)
    assert [report.waits[run.id] for run, _ in runs] == tick_by_tick(pool, runs, every * SECOND)


def tick_by_tick(pool, runs, interval):
    """The waits, by looking at every tick until long after the last job's end, and for each slot at every run."""

    def is_live(run):
        return run.id in admitted_at and admitted_at[run.id] + length[run.id] > now

    def has_room(run):
        of_queue = pool.queue(run.queue).concurrency_limit
        return len(live) < pool.concurrency_limit and (
            of_queue is None or sum(other.queue == run.queue for other in live) < of_queue
        )

    def turn(run):
        queue = pool.queue(run.queue)
        held = sum((other.queue, other.deployment) == (run.queue, run.deployment) for other in live)
        share = Fraction(held + 1, WEIGHTS.get(run.deployment, 1)) if queue.share is Share.FAIR else 0
        return queue.priority, share, run.priority, run.due_at, run.id

    now, admitted_at = min(run.due_at for run, _ in runs), {}
    length = {run.id: seconds * SECOND for run, seconds in runs}
    for _ in range((400 + 9 * (200 + 100)) // interval.seconds):
        live = [run for run, _ in runs if is_live(run)]
        waiting = [run for run, _ in runs if run.due_at <= now and run.id not in admitted_at]
        while startable := [run for run in waiting if has_room(run)]:
            run = min(startable, key=turn)
            waiting.remove(run)
            live.append(run)
            admitted_at[run.id] = now
        now += interval
    return [(admitted_at[run.id] - run.due_at).total_seconds() if run.id in admitted_at else None for run, _ in runs]


RUNS = st.lists(st.tuples(st.integers(0, 600), st.integers(0, 600)), min_size=1, max_size=30)


@given(RUNS, st.integers(1, 4))
def test_the_limit_holds_everything_runs_and_without_a_limit_nothing_waits_longer_than_a_tick(arrivals, limit):
    runs = [(a_run(due_at=NOW + timedelta(seconds=due)), seconds) for due, seconds in arrivals]
    limited = replay(a_pool(limit=limit), runs, interval=MINUTE)
    assert limited.peak <= limit
    assert all(wait is not None and wait >= 0 for wait in limited.waits.values())
    assert all(wait < 60 for wait in replay(a_pool(), runs, interval=MINUTE).waits.values())


def test_the_end_is_that_of_the_longest_job_whatever_else_never_ran():
    runs = [(a_run(), 600), (a_run(), 30), (a_run(queue="gone"), 5000)]
    assert replay(a_pool(), runs, interval=MINUTE).end == NOW + 10 * MINUTE


def test_past_holds_are_ignored():
    assert waits(a_pool(holds=(a_hold(NOW + timedelta(days=1)),)), (a_run(), 1)) == [0]


def test_a_run_waits_for_the_end_of_a_job_while_other_queues_are_empty_and_other_runs_come_later():
    pool = a_pool(limit=1, queues=("urgent", "default"))
    later = (a_run(due_at=NOW + timedelta(days=1)), 60)
    assert waits(pool, (a_run(), 60), (a_run(), 60), later) == [0, 60, 0]


def shared(limit):
    """A pool with one queue that its deployments share."""
    return a_pool(limit=limit, queues=(a_queue(share=Share.FAIR),))


def due_in_turn(*deployments):
    """Runs that are due one second after the other."""
    return [a_run(deployment=name, due_at=NOW + number * SECOND) for number, name in enumerate(deployments)]


def started(pool, runs, seconds):
    """The deployments of the runs in the order in which they start, each tick's in the order in which they were due."""
    waited = replay(pool, list(zip(runs, seconds, strict=True)), interval=MINUTE).waits
    at = {run.id: run.due_at + SECOND * waited[run.id] for run in runs}
    return [run.deployment for run in sorted(runs, key=lambda run: (at[run.id], run.id))]


def test_slots_that_a_deployment_still_holds_count_in_a_shared_queue():
    runs = due_in_turn("a", "a", "b")
    assert started(shared(2), runs, (6000, 600, 600)) == ["a", "b", "a"]


def test_runs_without_a_deployment_hold_slots_as_one_where_a_queue_is_shared():
    runs = due_in_turn(None, None, "b")
    assert started(shared(2), runs, (6000, 600, 600)) == [None, "b", None]


def test_a_job_that_has_ended_counts_for_nobody_where_a_queue_is_shared():
    """Whoever waits longest goes first, also before a deployment whose job has just ended."""
    runs = due_in_turn("a", "b", "a", "b")
    assert started(shared(1), runs, (30, 30, 30, 30)) == ["a", "b", "a", "b"]


def test_slots_that_one_deployment_leaves_in_a_shared_queue_go_to_the_others_at_once():
    runs = [(a_run(deployment=name), 600) for name in ("a", "a", "a", "a", "b")]
    assert waits(shared(5), *runs) == [0, 0, 0, 0, 0]


def test_a_deployment_gets_its_share_however_many_runs_of_another_wait(monkeypatch):
    """More than one claim passes over: each deployment of a shared queue is read by itself."""
    monkeypatch.setattr(lines, "MAX_PASSED", 5)
    runs = [(a_run(deployment=name), 600) for name in [*("a" for _ in range(9)), "b"]]
    assert waits(shared(2), *runs)[-1] == 0
