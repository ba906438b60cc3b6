"""Shares of deployments in their queue, as people state them and see them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dispatcher.cli.output.listing import listing
from dispatcher.core.reasons import Reason
from dispatcher.errors import InvalidInput
from dispatcher.models import RunState, Share
from dispatcher.models.records import RunFilter
from tests.builders import NOW
from tests.client.conftest import refused
from tests.stores.steps import claim, granting, moved

MINUTE = timedelta(minutes=1)


@pytest.fixture
def deployments(dispatcher, pool):
    dispatcher.update_work_pool("pool", concurrency_limit=4)
    dispatcher.update_work_queue("pool", "default", share="fair")
    return [
        dispatcher.create_deployment(name, pool="pool", job_variables={"command": "x"}, weight=weight)
        for name, weight in (("flood", 1), ("other", 2))
    ]


def test_a_queue_keeps_its_share_and_a_deployment_its_weight(dispatcher, deployments):
    assert dispatcher.work_queue("pool", "default").share is Share.FAIR
    assert [deployment.weight for deployment in deployments] == [1, 2]
    assert dispatcher.update_deployment("flood", weight=9).weight == 9
    assert dispatcher.create_work_queue("pool", "more", share=Share.FAIR).queue("more").share is Share.FAIR
    assert dispatcher.update_work_queue("pool", "more", share="strict").queue("more").share is Share.STRICT


def test_an_invalid_share_or_weight_is_refused_by_name(dispatcher, deployments):
    with refused(dispatcher, InvalidInput, "share: must be strict or fair"):
        dispatcher.update_work_queue("pool", "default", share="equal")
    with refused(dispatcher, InvalidInput, "weight: must be a whole number from 1 to 100"):
        dispatcher.update_deployment("flood", weight=0)


def test_runs_wait_in_the_lane_of_their_deployment_where_the_queue_is_shared_and_only_there(dispatcher, deployments):
    dispatcher.create_work_queue("pool", "strict")
    runs = [dispatcher.create_run(deployment="flood", **fields) for fields in ({}, {"priority": 3}, {"queue": "strict"})]
    assert [run.lane for run in runs] == ["flood", "flood%3", None]


def test_explain_says_whose_share_a_run_waits_for_and_who_holds_it(dispatcher, deployments):
    flood = [dispatcher.create_run(deployment="flood", scheduled_at=NOW - (9 - n) * MINUTE) for n in range(6)]
    claimed = claim(dispatcher.store, decide=granting(*flood[:2])).claims
    live = [moved(dispatcher.store, item.run, RunState.RUNNING) for item in claimed]
    other = [dispatcher.create_run(deployment="other") for _ in range(3)]
    reasons = [dispatcher.explain(run.id) for run in (*other, *flood[2:])]
    assert [answer.position for answer in reasons] == [1, 2, 3, 4, 5, 6, 7]
    assert [answer.reason for answer in reasons[:3]] == [Reason.NEXT, Reason.NEXT, Reason.EARLIER_RUNS]
    waits = reasons[3]
    assert waits.reason is Reason.DEPLOYMENT_SHARE
    assert "'flood' 2 (weight 1), 'other' 0 (weight 2)" in waits.text
    assert {holder.id for holder in waits.holders} == {run.id for run in live}


def test_a_full_pool_is_the_reason_before_any_share(dispatcher, deployments):
    runs = [dispatcher.create_run(deployment="flood") for _ in range(5)]
    claim(dispatcher.store, decide=granting(*runs[:4]))
    answer = dispatcher.explain(runs[4].id)
    assert answer.reason is Reason.POOL_FULL
    assert "shared fairly by deployments: 'flood' 4 (weight 1)" in answer.text


def test_the_head_of_a_shared_queue_is_the_run_whose_turn_it_is(dispatcher, deployments):
    flood = [dispatcher.create_run(deployment="flood", scheduled_at=NOW - 9 * MINUTE) for _ in range(3)]
    claim(dispatcher.store, decide=granting(flood[0]))
    other = dispatcher.create_run(deployment="other")
    [lane] = dispatcher.picture("pool").lanes
    assert (lane.head.id, lane.explanation.reason) == (other.id, Reason.NEXT)
    assert lane.oldest.id in {run.id for run in flood[1:]}


def test_a_simulation_compares_strict_order_with_shares(dispatcher, deployments):
    """Six runs that came first keep two others waiting, unless the queue is shared."""
    runs = [dispatcher.create_run(deployment="flood", scheduled_at=NOW - 9 * MINUTE) for _ in range(6)]
    runs += [dispatcher.create_run(deployment="other", scheduled_at=NOW - 8 * MINUTE) for _ in range(2)]
    past = [(run, 600.0) for run in runs]
    plan = dispatcher.plan_pool("pool", concurrency_limit=2, queues={"default": {"share": Share.STRICT}})
    shared = dispatcher.plan_pool("pool", concurrency_limit=2)
    simulation = dispatcher.simulate(plan.after, shared.after, since=NOW - 60 * MINUTE, past=past)
    strict, fair = (outcome.queues[0] for outcome in (simulation.before, simulation.after))
    assert (strict.longest, fair.longest) == (29 * 60, 30 * 60), "in turn those that came last, and the last of the flood"


def test_a_list_of_runs_says_what_each_waits_for_in_the_order_of_the_shares(dispatcher, deployments):
    dispatcher.update_work_pool("pool", concurrency_limit=3)
    flood = [dispatcher.create_run(deployment="flood", scheduled_at=NOW - (9 - n) * MINUTE) for n in range(3)]
    claim(dispatcher.store, decide=granting(flood[0]))
    other = dispatcher.create_run(deployment="other")
    listed = {entry.run.id: entry.waits for entry in listing(dispatcher, RunFilter(), limit=10).runs}
    assert listed[other.id] == "the next tick starts it"
    assert [listed[run.id] for run in flood[1:]] == ["the next tick starts it", "earlier runs"]


def test_a_file_states_shares_and_weights_and_an_export_gives_them_back(dispatcher, deployments):
    document = dispatcher.export()
    assert document["pools"]["pool"]["queues"]["default"]["share"] == "fair"
    assert (document["deployments"]["other"]["weight"], "weight" in document["deployments"]["flood"]) == (2, False)
    document["deployments"]["flood"]["weight"] = 5
    document["pools"]["pool"]["queues"]["default"]["share"] = "strict"
    plan = dispatcher.plan(document)
    paths = {field.path for change in plan.changes for field in change.fields}
    assert paths == {"queues.default.share", "weight"}
    dispatcher.apply(plan)
    assert dispatcher.deployment("flood").weight == 5
    assert dispatcher.work_queue("pool", "default").share is Share.STRICT
