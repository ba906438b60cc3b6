from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dispatcher.core.admission import admit
from dispatcher.core.reasons import Reason, explain
from dispatcher.core.surroundings import Holder, Standing, Surroundings
from dispatcher.models import HoldKind, RunState, Share
from dispatcher.models.records import QueueCount
from providers.base import Needs
from tests.builders import NOW, SECOND, a_hold, a_live_run, a_pool, a_queue, a_run
from tests.core.pools import Scene, fair_scenes, scenes


def why(scene: Scene, run):
    ahead = scene.waiting[run.queue].index(run)
    return explain(run, Surroundings(pool=scene.pool, counts=scene.counts(), ahead=ahead, holders=()), NOW)


def admitted(scene: Scene):
    return admit(scene.pool, scene.in_use, scene.due, now=NOW).admitted


def pick(data, scene):
    runs = [run for queue in scene.waiting.values() for run in queue]
    assume(runs)
    return data.draw(st.sampled_from(runs))


@given(st.one_of(scenes(), fair_scenes()), st.data())
def test_explain_says_next_exactly_for_the_runs_that_are_admitted(scene, data):
    run = pick(data, scene)
    assert (why(scene, run).reason is Reason.NEXT) == (run in admitted(scene))


@given(st.one_of(scenes(), fair_scenes()), st.data())
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
        case Reason.FAIR_SHARE:
            others = {name: runs if name == run.queue else [] for name, runs in scene.waiting.items()}
            return replace(scene, waiting=others)
        case Reason.EARLIER_RUNS:
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
    assert (explanation.reason, explanation.until) == (Reason.RUN_HELD, NOW + timedelta(minutes=1))
    assert "RESOURCE:GPU" in explanation.text


def test_the_reason_of_a_full_queue_names_the_runs_that_hold_its_slots():
    pool = a_pool(queues=(a_queue("default", 1, limit=1), a_queue("other", 2)))
    run, holder, other = a_run(), a_live_run(), a_live_run(queue="other")
    counts = Scene(pool, {"default": 1, "other": 1}, {"default": [run], "other": []}).counts()
    explanation = explain(run, Surroundings(pool=pool, counts=counts, ahead=0, holders=[holder, other]), NOW)
    assert explanation.reason is Reason.QUEUE_FULL
    assert explanation.holders == (Holder(id=holder.id, name=holder.name, state=holder.state, since=holder.claimed_at),)
    assert "1 of 1" in explanation.text


def test_a_run_that_waits_for_its_fair_share_names_the_queues_that_share_and_what_would_help():
    queues = [a_queue("one", 1), a_queue("two", 2, weight=2), a_queue("idle", 3)]
    pool = a_pool(limit=4, queues=queues, share=Share.FAIR)
    runs = {"one": [a_run(queue="one"), a_run(queue="one")], "two": [a_run(queue="two")], "idle": []}
    explanation = why(Scene(pool, {"one": 2, "two": 1, "idle": 0}, runs), runs["one"][0])
    assert explanation.reason is Reason.FAIR_SHARE
    assert explanation.text == (
        "the pool shares its slots fairly, and the free ones go to queues that hold less:"
        " 'one' 2 (weight 1), 'two' 1 (weight 2); it is number 1 of its queue"
    )
    assert explanation.fix == "wait, or raise the pool's limit or the queue's weight"
    assert why(Scene(pool, {"one": 2, "two": 1, "idle": 0}, runs), runs["two"][0]).reason is Reason.NEXT


def test_a_run_behind_a_whole_fair_share_of_its_own_queue_gives_its_number():
    pool = a_pool(limit=2, queues=[a_queue("one", 1), a_queue("two", 2)], share=Share.FAIR)
    runs = {"one": [a_run(queue="one") for _ in range(3)], "two": [a_run(queue="two")]}
    explanation = why(Scene(pool, {"one": 0, "two": 0}, runs), runs["one"][1])
    assert explanation.reason is Reason.FAIR_SHARE
    assert explanation.position == 2
    assert "it is number 2 of its queue" in explanation.text


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


def test_a_run_that_is_due_or_held_until_now_is_next():
    assert alone(a_run(due_at=NOW, ended_attempts=1)).reason is Reason.NEXT
    assert alone(a_run(due_at=NOW)).reason is Reason.NEXT
    assert alone(a_run(not_before=NOW)).reason is Reason.NEXT


def test_a_claim_waits_for_its_answer_up_to_the_end_of_its_lease_and_says_what_is_known():
    claimed = a_run(state=RunState.PENDING, fence=1, claimed_at=NOW - SECOND, lease_until=NOW + SECOND)
    assert explain(claimed, None, NOW).text == "claimed at 2030-01-01T11:59:59+00:00, the answer is awaited"
    unanswered = replace(claimed, reason="timed out")
    assert explain(unanswered, None, NOW).text.endswith("the answer is awaited (timed out)")
    assert explain(replace(claimed, lease_until=NOW), None, NOW).reason is Reason.ANSWER_OPEN


def test_a_job_that_has_not_started_says_since_when_why_and_until_when_it_may_take():
    pulling = a_live_run(state=RunState.PENDING, submitted_at=NOW, reason="pulling")
    text = "submitted at 2030-01-01T12:00:00+00:00; its provider has not started it yet"
    assert explain(pulling, None, NOW).text == f"{text} (pulling)"
    assert explain(replace(pulling, reason=""), None, NOW).text == text
    bounded = explain(replace(pulling, start_within=60.0), None, NOW)
    assert bounded.text == f"{text} (pulling); if it has not started by 2030-01-01T12:01:00+00:00 it is stopped"
    assert bounded.until == NOW + timedelta(minutes=1)


def test_a_run_that_is_being_stopped_names_its_coming_end_state():
    for ending, state in ((None, "CANCELLED"), (RunState.CRASHED, "CRASHED")):
        text = explain(a_live_run(state=RunState.CANCELLING, ending=ending), None, NOW).text
        assert text == f"being stopped; it ends as {state} once its job is seen to have ended"


def test_times_are_shown_to_the_second_and_an_unknown_one_is_named_so():
    running = a_live_run(started_at=NOW + timedelta(microseconds=1))
    assert explain(running, None, NOW).text == "running since 2030-01-01T12:00:00+00:00"
    assert explain(replace(running, started_at=None), None, NOW).text == "running since an unknown time"


def test_the_next_run_says_its_position_and_when_the_last_tick_came():
    ticked = alone(a_run(), a_pool(last_tick_at=NOW))
    assert (ticked.position, ticked.text) == (1, "nothing is in the way")
    assert ticked.fix == "the next tick admits it; the last one came at 2030-01-01T12:00:00+00:00"
    assert alone(a_run()).fix == "start a tick: none has come yet"


def test_the_runs_that_one_tick_can_admit_bound_what_is_next():
    pool, run = a_pool(), a_run()
    counts = Scene(pool, {}, {"default": [a_run(), run]}).counts()
    scene = Surroundings(pool=pool, counts=counts, ahead=1, holders=())
    assert [explain(run, scene, NOW, budget=budget).reason for budget in (1, 2)] == [Reason.EARLIER_RUNS, Reason.NEXT]


def around(pool, run, **fields):
    counts = Scene(pool, {}, {"default": [run]}).counts()
    return Surroundings(**{"pool": pool, "counts": counts, "ahead": 0, "holders": (), **fields})


GPU = Needs(place=("", "eu-west-1", "batch"), size={"gpu": 1})


@pytest.mark.parametrize(
    ("kind", "reason", "words", "fix"),
    [
        (HoldKind.MISCONFIGURED, Reason.MISCONFIGURED, "the dispatcher is misconfigured: no region", "where ticks run"),
        (HoldKind.CAPACITY, Reason.PLACE_HELD, "waiting for the provider's capacity until", "capacity or quota raised"),
        (HoldKind.RATE, Reason.PLACE_HELD, "waiting for the provider until", "quota raised"),
    ],
)
def test_the_reason_of_a_held_place_says_what_is_in_the_way_and_until_when(kind, reason, words, fix):
    hold = a_hold(place=("", "eu-west-1"), until=NOW + timedelta(minutes=1), reason="no region", kind=kind)
    explanation = explain(run := a_run(), around(a_pool(holds=(hold,)), run, needs=GPU), NOW)
    assert (explanation.reason, explanation.until) == (reason, hold.until)
    assert words in explanation.text
    assert fix in explanation.fix


def test_a_hold_of_another_place_or_a_larger_size_does_not_stop_a_run():
    holds = (
        a_hold(place=("", "us-east-1"), until=NOW + timedelta(minutes=1)),
        a_hold(size={"gpu": 2}, until=NOW + timedelta(minutes=1)),
    )
    run = a_run()
    assert explain(run, around(a_pool(holds=holds), run, needs=GPU), NOW).reason is Reason.NEXT


def test_the_last_refusal_is_shown_when_its_time_is_over():
    refused = a_run(refusals=3, reason="RESOURCE:GPU", not_before=NOW - timedelta(seconds=1))
    explanation = explain(refused, around(a_pool(), refused), NOW)
    assert explanation.reason is Reason.NEXT
    assert "refused it 3 times, the last time: RESOURCE:GPU" in explanation.text
    once = replace(refused, refusals=1)
    assert "refused it once, the last time: RESOURCE:GPU" in explain(once, around(a_pool(), once), NOW).text
    hold = a_hold(size={"gpu": 1}, until=NOW - timedelta(seconds=1), reason="no GPU left")
    earlier = replace(hold, until=NOW - timedelta(seconds=9), reason="no CPU left")
    neighbour = a_run()
    explanation = explain(neighbour, around(a_pool(holds=(earlier, hold, earlier)), neighbour, needs=GPU), NOW)
    assert explanation.reason is Reason.NEXT
    assert "no GPU left" in explanation.text


def test_explain_shows_the_hold_that_ends_last():
    first, last = (a_hold(place=("", "eu-west-1"), until=NOW + timedelta(minutes=minutes)) for minutes in (1, 2))
    for holds in ((first, last), (last, first)):
        run = a_run()
        assert explain(run, around(a_pool(holds=holds), run, needs=GPU), NOW).until == last.until


def test_a_closed_queue_is_named_before_a_full_pool():
    for queue, reason in (
        (a_queue("default", 1, paused=True), Reason.QUEUE_PAUSED),
        (a_queue("default", 1, limit=0), Reason.QUEUE_LIMIT_ZERO),
    ):
        pool, run = a_pool(limit=1, queues=(queue, a_queue("other", 2))), a_run()
        counts = Scene(pool, {"other": 1}, {"default": [run], "other": []}).counts()
        assert explain(run, around(pool, run, counts=counts), NOW).reason is reason


def test_due_runs_of_higher_queues_are_counted():
    pool = a_pool(limit=1, queues=(a_queue("high", 1), a_queue("default", 2)))
    run = a_run()
    counts = Scene(pool, {"high": 1}, {"high": [a_run(queue="high") for _ in range(5)], "default": [run]}).counts()
    explanation = explain(run, around(pool, run, counts=counts), NOW)
    assert explanation.reason is Reason.POOL_FULL
    assert "behind the due runs of higher queues ('high' 5)" in explanation.text


def test_due_runs_of_higher_queues_that_are_closed_are_not_counted():
    for closed in (a_queue("high", 1, paused=True), a_queue("high", 1, limit=0)):
        pool, run = a_pool(limit=1, queues=(closed, a_queue("default", 2))), a_run()
        counts = Scene(pool, {"default": 1}, {"high": [a_run(queue="high")], "default": [run]}).counts()
        explanation = explain(run, around(pool, run, counts=counts), NOW)
        assert (explanation.reason, "higher" in explanation.text) == (Reason.POOL_FULL, False)


def test_a_run_of_a_pool_that_is_gone_says_so():
    assert explain(a_run(), None, NOW).reason is Reason.POOL_MISSING


class TestDeploymentFull:
    """The limit of its deployment keeps the run back."""

    LIVE = (a_live_run(deployment="etl"), a_live_run(deployment="etl"))
    RUN = a_run(deployment="etl", lane="etl")
    FIX = "wait for a run of the deployment to end, or raise its limit: dispatcher deployment update etl --concurrency-limit N"

    def why(self, pool=None, **fields):
        return explain(self.RUN, around(pool or a_pool(), self.RUN, **fields), NOW)

    def test_explain_of_a_full_deployment_names_its_live_runs_and_the_fix(self):
        full = self.why(deployment_limit=2, live=self.LIVE)
        assert (full.reason, full.fix) == (Reason.DEPLOYMENT_FULL, self.FIX)
        assert full.text == "deployment 'etl' is full: 2 of 2 runs are live"
        assert [holder.id for holder in full.holders] == [run.id for run in self.LIVE]

    def test_earlier_waiting_runs_of_the_deployment_take_the_remaining_room(self):
        behind = self.why(deployment_limit=3, live=self.LIVE, ahead_in_lane=1)
        words = "deployment 'etl' has 2 of 3 runs live, and earlier runs of it go first"
        assert (behind.reason, behind.text, behind.fix) == (Reason.DEPLOYMENT_FULL, words, self.FIX)

    @pytest.mark.parametrize(
        "fields",
        [
            {"deployment_limit": 3, "live": LIVE},
            {"deployment_limit": 4, "live": LIVE, "ahead_in_lane": 1},
            {"deployment_limit": None, "live": LIVE, "ahead_in_lane": 9},
        ],
    )
    def test_a_run_of_a_deployment_with_room_is_next(self, fields):
        assert self.why(**fields).reason is Reason.NEXT

    def test_windows_that_were_left_out_are_counted(self):
        full = self.why(deployment_limit=2, live=self.LIVE, windows_left_out=3)
        assert full.text == (
            "deployment 'etl' is full: 2 of 2 runs are live; "
            "3 windows of it were left out so far, because too many of its runs wait"
        )

    @pytest.mark.parametrize(
        ("pool", "reason"),
        [
            (a_pool(paused=True), Reason.POOL_PAUSED),
            (a_pool(limit=0), Reason.POOL_LIMIT_ZERO),
            (a_pool(queues=[a_queue(paused=True)]), Reason.QUEUE_PAUSED),
            (a_pool(holds=(a_hold(),)), Reason.POOL_HELD),
            (a_pool(holds=(a_hold(place=("east",)),)), Reason.DEPLOYMENT_FULL),
        ],
    )
    def test_a_reason_that_stops_the_whole_queue_is_named_first(self, pool, reason):
        east = Needs(place=("east",))
        assert self.why(pool, deployment_limit=2, live=self.LIVE, needs=east).reason is reason


class TestDeploymentShares:
    RUN = a_run(deployment="etl", lane="etl")
    LIVE = (a_live_run(deployment="etl"), a_live_run(deployment="other"), a_live_run(deployment="etl", queue="high"))

    def why(self, standing, *, limit=None, queue_limit=None, live=LIVE, run=RUN, ahead=None):
        queues = [a_queue("default", 1, queue_limit, share=Share.FAIR), a_queue("high", 2)]
        pool = a_pool(limit=limit, queues=queues)
        counts = {"default": QueueCount(due=5, later=0, in_use=2), "high": QueueCount(due=0, later=0, in_use=1)}
        place = standing.ahead if ahead is None else ahead
        return explain(run, Surroundings(pool=pool, counts=counts, ahead=place, holders=live, standing=standing), NOW)

    @pytest.mark.parametrize("limits", [{"limit": 5}, {"queue_limit": 4}, {"queue_limit": 3}])
    def test_explain_says_what_each_deployment_holds_and_names_the_holders_of_its_share(self, limits):
        standing = Standing(ahead=2, others=2, shares={"": (0, 1), "etl": (1, 1), "other": (1, 3)})
        answer = self.why(standing, **limits)
        assert answer.reason is Reason.DEPLOYMENT_SHARE
        assert answer.text == (
            "the free slots of its queue go to deployments that hold less for their weight; it is number 3 of its queue, "
            "which is shared fairly by deployments: no deployment 0 (weight 1), 'etl' 1 (weight 1), 'other' 1 (weight 3)"
        )
        assert answer.fix == "wait, or raise the limits or the weight: dispatcher deployment update etl --weight N"
        assert (answer.position, [holder.id for holder in answer.holders]) == (3, [self.LIVE[0].id])

    def test_explain_names_the_holders_of_the_queue_if_the_deployment_holds_nothing(self):
        standing = Standing(ahead=2, others=2, shares={"other": (1, 1)})
        run = a_run()
        answer = self.why(standing, limit=5, live=self.LIVE[1:], run=run)
        assert (answer.reason, answer.fix) == (Reason.DEPLOYMENT_SHARE, "wait, or raise the limits")
        assert [holder.id for holder in answer.holders] == [self.LIVE[1].id]

    @pytest.mark.parametrize(
        ("standing", "limits", "reason"),
        [
            (Standing(ahead=2, others=0, shares={"etl": (1, 1)}), {"limit": 5}, Reason.EARLIER_RUNS),
            (Standing(ahead=2, others=1, shares={"etl": (1, 1)}), {"limit": 3}, Reason.POOL_FULL),
            (Standing(ahead=2, others=1, shares={"etl": (1, 1)}), {"queue_limit": 2}, Reason.QUEUE_FULL),
            (Standing(ahead=2, others=1, shares={"etl": (1, 1)}), {}, Reason.NEXT),
        ],
    )
    def test_explain_names_another_barrier_than_the_share_by_its_own_name(self, standing, limits, reason):
        assert self.why(standing, **limits).reason is reason


@pytest.mark.parametrize(
    ("pool", "missed", "reason"),
    [
        (a_pool(), "missed: too late", Reason.MISSED),
        (a_pool(), "", Reason.NEXT),
        (a_pool(paused=True), "missed: too late", Reason.POOL_PAUSED),
        (a_pool(holds=(a_hold(),)), "missed: too late", Reason.POOL_HELD),
    ],
)
def test_a_run_that_a_pause_makes_missed_says_so_once_a_claim_would_read_it(pool, missed, reason):
    explanation = explain(run := a_run(), around(pool, run, missed=missed), NOW)
    assert explanation.reason is reason
    assert (explanation.text == "it does not start any more: missed: too late") is (reason is Reason.MISSED)
    assert ("run retry" in explanation.fix) is (reason is Reason.MISSED)
