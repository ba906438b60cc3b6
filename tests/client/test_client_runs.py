"""Runs, as people and programs make, list, cancel and explain them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import get_type_hints
from uuid import UUID

import pytest

from dispatcher.client.runs import MAX_RUNS_AT_ONCE
from dispatcher.core.reasons import Reason
from dispatcher.errors import Conflict, InvalidInput, InvalidVariables, NotFound
from dispatcher.models import RunFields, RunRequest, RunState, submission_name
from dispatcher.models.records import Move
from providers.base import Submission
from tests.builders import MINUTE, NOW, SECOND, an_id
from tests.client.conftest import contents, refused
from tests.stores.steps import claim, granting, hold

DATE = {"command": "date"}


@pytest.fixture
def etl(dispatcher, pool):
    dispatcher.create_work_queue("pool", "high", priority=1)
    return dispatcher.create_deployment("etl", pool="pool", queue="high", job_variables=DATE, tags=["nightly"])


def a_run(dispatcher, **fields):
    return dispatcher.create_run(**{"pool": "pool", "job_variables": DATE, **fields})


def moved(dispatcher, run, state, **changes):
    """The run after a tick's move."""
    run = dispatcher.run(run.id)
    assert dispatcher.store.move([Move.of(run, state, **changes)])
    return dispatcher.run(run.id)


def submitted(dispatcher, run):
    claim(dispatcher.store, dispatcher.clock.now())
    name = submission_name(run.id, 1)
    where = Submission(name=name, handle={})
    return moved(dispatcher, run, RunState.PENDING, submission=where, submitted_at=NOW, lease_until=None)


def test_the_keywords_of_a_new_run_are_the_fields_of_a_request():
    assert get_type_hints(RunFields) == get_type_hints(RunRequest)


def test_a_run_is_due_at_once_in_the_default_queue(dispatcher, pool):
    run = a_run(dispatcher, name="first", tags=("a",))
    assert run == dispatcher.run(run.id)
    assert (run.state, run.queue, run.due_at, run.scheduled_at, run.created_at) == (
        RunState.SCHEDULED,
        "default",
        NOW,
        NOW,
        NOW,
    )
    assert (run.name, run.tags, run.job_variables, run.deployment) == ("first", ("a",), DATE, None)
    assert a_run(dispatcher).name.startswith("pool-")


def test_a_run_of_a_deployment_takes_what_it_does_not_bring(dispatcher, etl):
    run = dispatcher.create_run(deployment="etl")
    assert (run.pool, run.queue, run.deployment, run.tags, run.job_variables) == ("pool", "high", "etl", ("nightly",), {})
    assert run.name.startswith("etl-")
    own = dispatcher.create_run(deployment="etl", pool="pool", queue="default", tags=["mine"], job_variables={"env": {}})
    assert (own.queue, own.tags, own.job_variables) == ("default", ("mine",), {"env": {}})


def test_a_time_of_any_zone_is_kept_in_utc(dispatcher, pool):
    run = a_run(dispatcher, scheduled_at=datetime(2031, 1, 1, 8, tzinfo=timezone(timedelta(hours=2))))
    assert run.due_at == run.scheduled_at == datetime(2031, 1, 1, 6, tzinfo=UTC)
    assert run.due_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"pool": None}, InvalidInput, "pool: name a work pool or a deployment"),
        ({"pool": ""}, InvalidInput, "pool: "),
        ({"pool": "pol"}, NotFound, "did you mean 'pool'"),
        ({"deployment": "elt"}, NotFound, "did you mean 'etl'"),
        (
            {"deployment": "etl", "pool": "other"},
            InvalidInput,
            "pool: deployment 'etl' belongs to work pool 'pool', not 'other'",
        ),
        ({"queue": "hihg"}, NotFound, "did you mean 'high'"),
        ({"queue": ""}, InvalidInput, "queue: "),
        ({"name": "a/b"}, InvalidInput, "name: must be 1 to 200"),
        ({"name": ""}, InvalidInput, "name: must be 1 to 200"),
        ({"job_variables": {}}, InvalidVariables, "command: is required and missing"),
        ({"job_variables": {"command": []}}, InvalidVariables, "command"),
        ({"job_variables": {"comand": "date"}}, InvalidVariables, "comand: .*did you mean command"),
        ({"job_variables": "date"}, InvalidInput, "must be an object"),
        ({"scheduled_at": datetime(2031, 1, 1)}, InvalidInput, "scheduled_at: 2031-01-01T00:00:00 has no time zone"),  # noqa: DTZ001 - the point
        ({"scheduled_at": "2031-01-01"}, InvalidInput, "scheduled_at: must be a time"),
        ({"scheduled_at": datetime.min.replace(tzinfo=timezone(timedelta(hours=5)))}, InvalidInput, "scheduled_at: .*years"),
        ({"tags": "nightly"}, InvalidInput, "tags: must be a list of texts"),
        ({"tags": ["x"] * 51}, InvalidInput, "tags: must be at most 50"),
        ({"idempotency_key": ""}, InvalidInput, "idempotency_key: must be a text that is not empty"),
        ({"idempotency_key": 7}, InvalidInput, "idempotency_key: must be a text that is not empty"),
    ],
)
def test_an_invalid_run_is_refused_with_its_field(arguments, error, says, dispatcher, etl):
    with refused(dispatcher, error, says):
        a_run(dispatcher, **arguments)


def test_all_of_many_runs_are_created_or_none(dispatcher, etl):
    good, bad = {"pool": "pool", "job_variables": DATE}, {"pool": "pool", "job_variables": {"command": 5}}
    with refused(dispatcher, InvalidVariables, "command: "):
        dispatcher.create_runs([good, {"deployment": "etl"}, bad])
    runs = dispatcher.create_runs([good, {"deployment": "etl"}, good])
    assert [run.deployment for run in runs] == [None, "etl", None]
    assert dispatcher.create_runs([]) == []


def test_more_runs_than_fit_into_one_request_are_refused(dispatcher, pool):
    with refused(dispatcher, InvalidInput, "runs: at most 10000 at once; create them in parts"):
        dispatcher.create_runs([{"pool": "pool", "job_variables": DATE}] * (MAX_RUNS_AT_ONCE + 1))


def test_a_repeat_with_the_same_key_gives_back_the_run_of_the_first_call(dispatcher, etl):
    first = a_run(dispatcher, idempotency_key="2031-01-01", name="first")
    moved(dispatcher, first, RunState.CANCELLED, reason="x", ended_at=NOW)
    before = contents(dispatcher)
    again = a_run(dispatcher, idempotency_key="2031-01-01", name="again")
    assert (again.id, again.name, again.state) == (first.id, "first", RunState.CANCELLED)
    assert contents(dispatcher) == before


def test_an_idempotency_key_is_valid_only_for_its_pool_and_deployment(dispatcher, etl):
    dispatcher.create_work_pool("other", type="process")
    dispatcher.create_deployment("another", pool="pool", job_variables=DATE)
    runs = [
        a_run(dispatcher, idempotency_key="day"),
        a_run(dispatcher, idempotency_key="day", pool="other"),
        dispatcher.create_run(deployment="etl", idempotency_key="day"),
        dispatcher.create_run(deployment="another", idempotency_key="day"),
    ]
    assert len({run.id for run in runs}) == 4


def test_two_requests_with_one_key_in_one_call_make_one_run(dispatcher, pool):
    request = {"pool": "pool", "job_variables": DATE, "idempotency_key": "k"}
    first, second = dispatcher.create_runs([{**request, "name": "first"}, {**request, "name": "second"}])
    assert first == second == dispatcher.run(first.id)
    assert first.name == "first"


def test_a_run_is_found_by_its_id_in_any_form_and_by_its_submissions_name(dispatcher, pool):
    run = a_run(dispatcher)
    for reference in (run.id, str(run.id), run.id.hex, submission_name(run.id, 1), submission_name(run.id, 17)):
        assert dispatcher.run(reference) == run
    with pytest.raises(InvalidInput, match="id: 'x' is neither the id of a run nor the name of a submission"):
        dispatcher.run("x")
    with pytest.raises(NotFound, match="`dispatcher run ls` lists what does"):
        dispatcher.run(UUID(int=2**100))


def test_runs_are_listed_newest_first_by_page_and_by_what_is_asked_for(dispatcher, etl):
    first = a_run(dispatcher)
    dispatcher.clock.time += SECOND
    second = dispatcher.create_run(deployment="etl")
    dispatcher.cancel_run(first.id)
    assert [run.id for run in dispatcher.runs()] == [second.id, first.id]
    assert [run.id for run in dispatcher.runs(limit=1, offset=1)] == [first.id]
    assert [run.id for run in dispatcher.runs(states=[RunState.SCHEDULED])] == [second.id]
    assert [run.id for run in dispatcher.runs(deployment="etl", queue="high", pool="pool")] == [second.id]
    assert [run.id for run in dispatcher.runs(after=second)] == [first.id]
    assert [run.id for run in dispatcher.runs(tag="nightly", name="etl-", since=second.created_at)] == [second.id]
    assert [run.id for run in dispatcher.runs(until=second.created_at)] == [first.id]
    assert dispatcher.runs(states=[]) == dispatcher.runs(pool="nope") == []
    for wrong in ({"limit": 0}, {"limit": 1001}, {"offset": -1}):
        with pytest.raises(InvalidInput, match=f"{next(iter(wrong))}: must be"):
            dispatcher.runs(**wrong)


def test_a_waiting_run_is_cancelled_at_once(dispatcher, pool):
    run = a_run(dispatcher)
    cancelled = dispatcher.cancel_run(run.id)
    assert (cancelled.state, cancelled.ended_at, cancelled.reason) == (
        RunState.CANCELLED,
        NOW,
        "cancelled before it was submitted",
    )
    assert claim(dispatcher.store, NOW).claims == ()


@pytest.mark.parametrize("state", ["claimed", "submitted", "running", "overdue"])
def test_a_run_that_may_have_a_job_keeps_its_slot_until_the_job_is_seen_to_have_ended(state, dispatcher, pool):
    run = a_run(dispatcher)
    claim(dispatcher.store, NOW) if state == "claimed" else submitted(dispatcher, run)
    if state == "running":
        moved(dispatcher, run, RunState.RUNNING, started_at=NOW)
    if state == "overdue":
        moved(dispatcher, run, RunState.CANCELLING, ending=RunState.CRASHED, reason="did not start")
    cancelled = dispatcher.cancel_run(str(run.id))
    assert (cancelled.state, cancelled.ending) == (RunState.CANCELLING, RunState.CANCELLED)
    before = contents(dispatcher)
    assert dispatcher.cancel_run(run.id) == cancelled
    assert contents(dispatcher) == before


@pytest.mark.parametrize("state", [RunState.COMPLETED, RunState.FAILED, RunState.CRASHED, RunState.CANCELLED])
def test_a_run_that_has_ended_stays_as_it_is(state, dispatcher, pool):
    run = submitted(dispatcher, a_run(dispatcher))
    ended = moved(dispatcher, run, state, ended_at=NOW)
    before = contents(dispatcher)
    assert dispatcher.cancel_run(run.id) == ended
    assert contents(dispatcher) == before


def test_a_run_that_does_not_exist_cannot_be_cancelled_or_explained(dispatcher, pool):
    for ask in (dispatcher.cancel_run, dispatcher.explain):
        with refused(dispatcher, NotFound, "does not exist"):
            ask(an_id())


def test_a_cancel_that_meets_a_claim_is_decided_again_from_the_claimed_run(dispatcher, pool):
    run = a_run(dispatcher)
    read = dispatcher.run
    stale = iter([read(run.id)])
    claim(dispatcher.store, NOW)
    dispatcher.run = lambda reference: next(stale, None) or read(reference)  # what was read just before the claim
    assert dispatcher.cancel_run(run.id).state is RunState.CANCELLING


def test_a_waiting_run_moves_into_another_queue_and_keeps_all_else(dispatcher, etl):
    run = a_run(dispatcher, name="first")
    after = dispatcher.move_run(run.id, queue="high")
    assert after == replace(run, queue="high", fence=1) == dispatcher.run(run.id)
    assert dispatcher.move_run(run.id, queue="high") == after


def test_a_run_is_moved_only_while_it_waits_and_only_into_a_queue_of_its_pool(dispatcher, etl):
    run = a_run(dispatcher)
    with refused(dispatcher, NotFound, "did you mean 'high'"):
        dispatcher.move_run(run.id, queue="hihg")
    live = submitted(dispatcher, run)
    with refused(dispatcher, Conflict, "is PENDING: only a waiting run .SCHEDULED. can be moved"):
        dispatcher.move_run(live.id, queue="high")
    with refused(dispatcher, Conflict, "is PENDING: only a waiting run .SCHEDULED. can be started now"):
        dispatcher.start_run_now(live.id)


def test_a_run_for_tomorrow_is_due_now_and_stays_the_run_of_tomorrow(dispatcher, pool):
    run = a_run(dispatcher, scheduled_at=NOW + timedelta(days=1))
    assert dispatcher.explain(run.id).reason is Reason.NOT_DUE
    after = dispatcher.start_run_now(run.id)
    assert (after.due_at, after.scheduled_at) == (NOW, run.scheduled_at)
    assert dispatcher.explain(run.id).reason is Reason.NEXT


def test_a_run_that_is_due_keeps_its_position_when_it_is_started_now(dispatcher, pool):
    run = a_run(dispatcher, scheduled_at=NOW - MINUTE)
    assert dispatcher.start_run_now(run.id) == run


def test_a_move_that_meets_a_claim_halfway_is_refused_and_leaves_the_claim(dispatcher, etl, monkeypatch):
    run, requeue = a_run(dispatcher), dispatcher.store.requeue

    def claimed_meanwhile(requeues, **arguments):
        claim(dispatcher.store, dispatcher.clock.now())
        return requeue(requeues, **arguments)

    monkeypatch.setattr(dispatcher.store, "requeue", claimed_meanwhile)
    with pytest.raises(Conflict, match="is PENDING"):
        dispatcher.move_run(run.id, queue="high")
    assert dispatcher.run(run.id).queue == "default"


def test_explain_names_the_one_reason_who_holds_the_slots_and_the_position(dispatcher, pool):
    runs = [a_run(dispatcher) for _ in range(4)]
    assert dispatcher.explain(runs[0].id).reason is Reason.NEXT
    crowded = dispatcher.explain(runs[3].id)
    assert (crowded.reason, crowded.position) == (Reason.EARLIER_RUNS, 4)
    claim(dispatcher.store, decide=granting(*runs[:2]))
    full = dispatcher.explain(runs[3].id)
    assert (full.reason, full.position) == (Reason.POOL_FULL, 2)
    assert {holder.id for holder in full.holders} == {run.id for run in runs[:2]}
    assert full.text == "work pool 'pool' is full: 2 of 2 slots are held; it is number 2 of its queue"
    assert full.fix


def test_explain_follows_a_run_through_its_life(dispatcher, pool):
    run = a_run(dispatcher, scheduled_at=NOW + MINUTE)
    seen = [dispatcher.explain(run.id)]
    assert seen[0].until == NOW + MINUTE
    dispatcher.clock.time += MINUTE
    dispatcher.update_work_pool("pool", paused=True)
    seen.append(dispatcher.explain(run.id))
    dispatcher.update_work_pool("pool", paused=False)
    dispatcher.update_work_queue("pool", "default", paused=True)
    seen.append(dispatcher.explain(run.id))
    dispatcher.update_work_queue("pool", "default", paused=False, concurrency_limit=0)
    seen.append(dispatcher.explain(run.id))
    dispatcher.update_work_queue("pool", "default", concurrency_limit=None)
    dispatcher.update_work_pool("pool", concurrency_limit=0)
    seen.append(dispatcher.explain(run.id))
    dispatcher.update_work_pool("pool", concurrency_limit=1)
    hold(dispatcher.store, dispatcher.clock.now() + SECOND, "rate exceeded")
    seen.append(dispatcher.explain(run.id))
    dispatcher.clock.time += SECOND
    claim(dispatcher.store, dispatcher.clock.now())
    seen.append(dispatcher.explain(run.id))
    dispatcher.clock.time += 10 * MINUTE
    seen.append(dispatcher.explain(run.id))
    name = submission_name(run.id, 1)
    moved(dispatcher, run, RunState.PENDING, submission=Submission(name=name, handle={}), submitted_at=NOW)
    seen.append(dispatcher.explain(run.id))
    moved(dispatcher, run, RunState.RUNNING, started_at=NOW)
    seen.append(dispatcher.explain(run.id))
    dispatcher.cancel_run(run.id)
    seen.append(dispatcher.explain(run.id))
    moved(dispatcher, run, RunState.CANCELLED, ended_at=NOW, reason="stopped on request")
    seen.append(dispatcher.explain(name))
    assert [explanation.reason.name for explanation in seen] == [
        "NOT_DUE", "POOL_PAUSED", "QUEUE_PAUSED", "QUEUE_LIMIT_ZERO", "POOL_LIMIT_ZERO", "POOL_HELD",
        "CLAIMED", "ANSWER_OPEN", "STARTING", "RUNNING", "CANCELLING", "ENDED",
    ]  # fmt: skip
    assert all(explanation.text for explanation in seen)


class TestMaxWaiting:
    """`Deployment.max_waiting`: runs beyond it are refused where people create them."""

    @pytest.fixture
    def nightly(self, dispatcher, pool):
        return dispatcher.create_deployment("nightly", pool=pool.name, job_variables={"command": "date"}, max_waiting=2)

    def test_runs_beyond_max_waiting_are_refused_all_or_none(self, dispatcher, nightly):
        first = dispatcher.create_run(deployment="nightly")
        with refused(dispatcher, Conflict, "1 of its runs are due and wait, and its max_waiting is 2: no run was created"):
            dispatcher.create_runs([RunRequest(deployment="nightly")] * 2)
        dispatcher.create_run(deployment="nightly")
        with refused(dispatcher, Conflict, "2 of its runs are due"):
            dispatcher.create_run(deployment="nightly")
        dispatcher.cancel_run(first.id)
        dispatcher.create_run(deployment="nightly")

    def test_a_repeated_call_returns_its_run(self, dispatcher, nightly):
        run = dispatcher.create_run(deployment="nightly", idempotency_key="a")
        dispatcher.create_run(deployment="nightly")
        assert dispatcher.create_run(deployment="nightly", idempotency_key="a") == run

    def test_a_run_for_later_is_not_refused_and_counts_when_it_is_due(self, dispatcher, nightly):
        later = dispatcher.clock.now() + timedelta(hours=1)
        dispatcher.create_runs([RunRequest(deployment="nightly", scheduled_at=later)] * 3)
        dispatcher.create_run(deployment="nightly")

    def test_a_retry_needs_a_free_waiting_place_too(self, dispatcher, nightly):
        run = dispatcher.cancel_run(dispatcher.create_run(deployment="nightly").id)
        dispatcher.create_runs([RunRequest(deployment="nightly")] * 2)
        with refused(dispatcher, Conflict, "2 of its runs are due"):
            dispatcher.retry_run(run.id)
