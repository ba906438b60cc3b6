"""Pools and queues of the server become ours, and what cannot be used there is said."""

import sys
from dataclasses import replace

import pytest

from dispatcher.models import RunState
from providers import registry
from tests.builders import MINUTE, a_pool, a_run
from tests.prefect.emulated import EmulatedPrefect
from tests.prefect.stage import JOBS_API, Bridge


@pytest.fixture
def bridge():
    return Bridge()


@pytest.fixture
def prefect(bridge) -> EmulatedPrefect:
    return bridge.prefect


def queue(name, priority, limit=None, *, paused=False):
    return {"id": name, "name": name, "priority": priority, "concurrency_limit": limit, "is_paused": paused}


def bring(bridge):
    return bridge.source.bring(None, bridge.clock.time + MINUTE)


def test_a_pool_is_mirrored_with_its_limit_its_pause_and_its_queues(bridge, prefect):
    prefect.pools["p"] |= {"concurrency_limit": 3, "is_paused": True, "description": "nightly"}
    prefect.queues["p"] = [queue("default", 2), queue("critical", 1, 1, paused=True)]
    assert bring(bridge) == []
    pool = bridge.store.pool("p")
    assert (pool.type, pool.concurrency_limit, pool.paused, pool.description) == ("ecs:push", 3, True, "nightly")
    assert [(lane.name, lane.priority, lane.concurrency_limit, lane.paused) for lane in pool.queues] == [
        ("critical", 1, 1, True),
        ("default", 2, None, False),
    ]
    assert (pool.mirror.source, pool.mirror.problem) == ("prefect", "")


def test_the_pool_its_queues_and_its_deployments_are_made_ready(bridge, prefect):
    bring(bridge)
    assert (prefect.pools["p"]["status"], prefect.pools["p"]["polled"]) == ("READY", {"limit": 0})


def test_nothing_is_written_or_checked_while_nothing_has_changed(bridge):
    bring(bridge)
    before = bridge.store.pool("p")
    bridge.source.problem_of = lambda _pool: pytest.fail("it was checked already")
    bring(bridge)
    assert bridge.store.pool("p") == before


def test_a_change_is_taken_over_and_runs_keep_their_pool(bridge, prefect):
    bring(bridge)
    before = bridge.store.pool("p")
    prefect.pools["p"]["concurrency_limit"] = 1
    bring(bridge)
    pool = bridge.store.pool("p")
    assert (pool.concurrency_limit, pool.id, pool.version) == (1, before.id, before.version + 1)


def test_equal_priorities_and_a_renamed_default_queue_are_mirrored(bridge, prefect):
    prefect.queues["p"] = [queue("b", 1), queue("a", 1)]
    assert bring(bridge) == []
    assert [(lane.name, lane.priority) for lane in bridge.store.pool("p").queues] == [("a", 1), ("b", 2), ("default", 3)]


def test_a_deleted_queue_takes_its_waiting_runs_along(bridge, prefect):
    prefect.queues["p"].append(queue("low", 2))
    prefect.pools["p"]["is_paused"] = True
    flow_run = prefect.add_flow_run(queue="low")
    bring(bridge)
    prefect.queues["p"].pop()
    prefect.flow_runs[flow_run]["work_queue_name"] = "default"
    assert bring(bridge) == []
    assert [lane.name for lane in bridge.store.pool("p").queues] == ["default"]
    assert sorted((run.queue, run.state) for run in bridge.runs_of(flow_run)) == [
        ("default", RunState.SCHEDULED),
        ("low", RunState.CANCELLED),
    ]


def test_a_template_that_cannot_be_used_leaves_the_old_one_and_the_pool_says_why(bridge, prefect):
    bring(bridge)
    before = bridge.store.pool("p").base_job_template
    prefect.pools["p"] |= {"base_job_template": {"variables": {}}, "concurrency_limit": 7}
    [problem] = bring(bridge)
    pool = bridge.store.pool("p")
    assert (pool.base_job_template, pool.concurrency_limit) == (before, 7)
    assert pool.mirror.problem in problem
    assert "job_configuration" in pool.mirror.problem
    assert bring(bridge) == [problem], "it is said again, and not checked again"


def test_a_pause_or_a_limit_gets_through_when_checks_have_become_stricter_for_the_template_in_use(bridge, prefect):
    bring(bridge)
    before = bridge.store.pool("p").base_job_template
    bridge.source.problem_of = lambda _pool: "no template is good enough"
    prefect.pools["p"] |= {"is_paused": True, "concurrency_limit": 2}
    prefect.queues["p"][0]["is_paused"] = True
    assert bring(bridge) == []
    pool = bridge.store.pool("p")
    assert (pool.paused, pool.concurrency_limit, pool.queues[0].paused, pool.mirror.problem) == (True, 2, True, "")
    assert pool.base_job_template == before


def test_a_template_that_goes_back_to_the_one_in_use_causes_no_problem_any_more(bridge, prefect):
    bring(bridge)
    prefect.pools["p"]["base_job_template"] = {"variables": {}}
    bring(bridge)
    prefect.pools["p"]["base_job_template"] = {}
    bridge.source.problem_of = lambda _pool: pytest.fail("it is in use")
    assert bring(bridge) == []
    assert bridge.store.pool("p").mirror.problem == ""


def test_a_new_pool_whose_template_cannot_be_used_is_not_served(bridge, prefect):
    prefect.add_pool("bad", template={"job_configuration": {"image": "{{ nobody }}"}, "variables": {"type": "object"}})
    [problem] = bring(bridge)
    assert "work pool 'bad' is not served" in problem
    assert bridge.store.pool("bad") is None
    assert bridge.store.pool("p") is not None, "the others are served"


def test_a_pool_of_our_own_is_never_taken_over(bridge):
    own = bridge.store.save_pool(a_pool("p"), expected_version=None)
    [problem] = bring(bridge)
    assert "a pool of our own has this name" in problem
    assert bridge.store.pool("p") == own


def test_a_pool_of_a_worker_type_is_served_only_when_it_is_named(bridge, prefect):
    prefect.add_pool("workers", kind="ecs")
    bring(bridge)
    assert bridge.store.pool("workers") is None
    bridge.source = bridge.new_source(names=("workers",))
    bring(bridge)
    assert bridge.store.pool("workers").type == "ecs"


def test_a_pool_that_is_gone_is_paused_and_says_so(bridge, prefect):
    bring(bridge)
    del prefect.pools["p"]
    [problem] = bring(bridge)
    assert "'p' is paused" in problem
    assert bridge.store.pool("p").paused
    version = bridge.store.pool("p").version
    bring(bridge)
    assert bridge.store.pool("p").version == version


def test_a_pool_that_is_ticked_alone_leaves_the_others(bridge, prefect):
    prefect.add_pool("q")
    bridge.source.bring(["p"], bridge.clock.time + MINUTE)
    assert [pool.name for pool in bridge.store.pools()] == ["p"]


@pytest.mark.parametrize("kind", ["ecs:push", "cloud-run-v2:push", "azure-container-instance:push", "modal:push", "ecs"])
def test_the_default_template_of_each_type_is_served_and_knows_the_server(bridge, prefect, kind):
    prefect.add_pool("typed", kind=kind, template=registry.default_template(kind))
    bridge.source = bridge.new_source(names=("typed",))
    bring(bridge)
    properties = bridge.store.pool("typed").base_job_template["variables"]["properties"]
    assert properties["env"]["default"]["PREFECT_API_URL"] == JOBS_API
    assert properties["command"]["default"] == "prefect flow-run execute"
    assert properties["image"]["default"] == "prefecthq/prefect:3-latest", "ours for Modal starts from one without Prefect"


def test_values_that_a_template_sets_win(bridge, prefect):
    template = registry.default_template("ecs:push")
    properties = template["variables"]["properties"]
    properties["command"]["default"], properties["image"]["default"] = "python flow.py", "mine:1"
    properties["env"]["default"] = {"PREFECT_API_URL": "http://other", "A": "1"}
    prefect.pools["p"]["base_job_template"] = template
    bring(bridge)
    mirrored = bridge.store.pool("p").base_job_template["variables"]["properties"]
    assert (mirrored["command"]["default"], mirrored["image"]["default"]) == ("python flow.py", "mine:1")
    assert mirrored["env"]["default"] == {"PREFECT_API_URL": "http://other", "A": "1"}


def test_a_foreign_run_in_a_mirrored_pool_is_never_mistaken_for_a_flow_run(bridge):
    bring(bridge)
    stranger = replace(a_run("p"), source_id=None)
    bridge.store.add_runs([stranger])
    bring(bridge)
    assert bridge.store.get(stranger.id).state is RunState.SCHEDULED
    assert "dispatcher.prefect" in sys.modules
