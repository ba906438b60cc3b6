"""Everything that the Python client does is an operation of the API, or is named here with why not."""

from __future__ import annotations

import pytest

from dispatcher.client import Dispatcher
from dispatcher.models import RunState
from tests.builders import HOUR, MINUTE, a_live_run

OPERATIONS = {
    **dict.fromkeys(("add_schedule",), "create_schedule"),
    **dict.fromkeys(("apply", "apply_pool"), "apply"),
    "automation": "get_automation",
    "automations": "list_automations",
    **dict.fromkeys(("bulk", "bulk_count", "bulk_counts", "bulk_step", "bulk_steps"), "work_on_runs"),
    "cancel_run": "cancel_run",
    "create_automation": "create_automation",
    "create_deployment": "create_deployment",
    **dict.fromkeys(("create_run", "create_runs"), "create_runs"),
    "create_work_pool": "create_pool",
    "create_work_queue": "create_queue",
    "delete_automation": "delete_automation",
    "delete_deployment": "delete_deployment",
    "delete_work_pool": "delete_pool",
    "delete_work_queue": "delete_queue",
    "deployment": "get_deployment",
    "deployments": "list_deployments",
    **dict.fromkeys(("drift", "plan", "plan_deployment", "plan_pool"), "plan"),
    "explain": "explain_run",
    "export": "export",
    "firings": "list_firings",
    **dict.fromkeys(("log", "log_page"), "list_changes"),
    "move_run": "move_run",
    "next_windows": "list_schedules",
    "overview": "overview",
    **dict.fromkeys(("oldest_due", "picture"), "look_at_pool"),
    "preview_job": "preview_job",
    "preview_work_pool": "preview_pool",
    "remove_schedule": "delete_schedule",
    "rename_deployment": "rename_deployment",
    "retry_run": "retry_run",
    "run": "get_run",
    "runs": "list_runs",
    "simulate": "simulate_pool",
    "slots_over_time": "slots_of_pool",
    "start_run_now": "start_run_now",
    **dict.fromkeys(("pause_automation", "resume_automation", "update_automation"), "update_automation"),
    **dict.fromkeys(("clear_schedules", "pause_deployment", "resume_deployment", "update_deployment"), "update_deployment"),
    **dict.fromkeys(("pause_schedule", "resume_schedule", "update_schedule"), "update_schedule"),
    "schedule": "list_schedules",
    "update_work_pool": "update_pool",
    "update_work_queue": "update_queue",
    **dict.fromkeys(("work_pool", "inspect_work_pool"), "get_pool"),
    "work_pools": "list_pools",
    "work_queue": "get_queue",
}
"""By method: the operation that does the same."""

OWN = {
    "acting": "the caller is who has signed in",
    "deploy": "a function of this interpreter",
    "from_environment": "opens the store",
    "needs_of": "a step of an explanation",
    "only_at": "If-Match",
    "recorder": "what makes the changes",
    "serve": "a function of this interpreter",
    "start_tick": "the changes start ticks themselves",
    "starting_ticks_once": "the changes start ticks themselves",
    "stranded_runs": "a question of the page before a deletion: GET /runs answers it",
}
"""Methods that belong to a process, and not to a store."""


def test_every_public_method_has_an_operation(site):
    paths = site.ok("GET", "/openapi.json")["paths"]
    operations = {operation["operationId"] for methods in paths.values() for operation in methods.values()}
    public = {name for name in dir(Dispatcher) if not name.startswith("_")}
    assert (public - set(OPERATIONS) - set(OWN), set(OPERATIONS.values()) - operations) == (set(), set())
    assert (set(OPERATIONS) | set(OWN)) - public == set()
    assert operations - set(OPERATIONS.values()) == {"health", "list_queues", "read_logs"}


@pytest.fixture
def busy(site, pool):
    """A queue that is full, with a run that waits for it, and the past of both."""
    client = site.client
    client.create_work_queue("nightly", "etl", concurrency_limit=1)
    now = client.clock.now()
    held = a_live_run(pool="nightly", queue="etl", claimed_at=now - MINUTE, created_at=now - MINUTE)
    times = {"claimed_at": now - HOUR, "ended_at": now - 30 * MINUTE, "created_at": now - HOUR, "due_at": now - HOUR}
    ended = a_live_run(pool="nightly", queue="etl", state=RunState.COMPLETED, **times)
    site.wiring.store.restore(runs=[held, ended])
    return held, client.create_run(pool="nightly", queue="etl", job_variables={"command": "true"})


def test_a_look_names_who_holds_the_slots_and_why_the_next_run_waits(site, busy):
    held, waiting = busy
    look = site.ok("GET", "/pools/nightly/look")
    assert (look["name"], look["in_use"], look["due"], look["late"]) == ("nightly", 1, 1, 0)
    etl = next(queue for queue in look["queues"] if queue["name"] == "etl")
    assert [holder["id"] for holder in etl["holders"]] == [str(held.id)]
    assert etl["next"] == site.ok("GET", f"/runs/{waiting.id}/explain")
    assert (etl["next"]["reason"], etl["oldest_due_at"]) == ("QUEUE_FULL", site.ok("GET", f"/runs/{waiting.id}")["due_at"])
    empty = next(queue for queue in look["queues"] if queue["name"] == "default")
    assert (empty["next"], empty["holders"], empty["oldest_due_at"]) == (None, [], None)
    [short] = site.ok("GET", "/overview")
    assert {**short, "at": look["at"], "queues": []} == {**look, "queues": []}
    assert all(queue["holders"] == [] for queue in short["queues"])
    assert site.api("GET", "/pools/gone/look").status_code == 404


def test_the_slots_of_the_past_are_averages_of_equal_parts(site, busy):
    slots = site.ok("GET", "/pools/nightly/slots?hours=2&parts=4")
    [etl] = [queue["slots"] for queue in slots["queues"] if queue["name"] == "etl"]
    assert (len(etl), slots["runs"], slots["is_cut"]) == (4, 2, False)
    assert (etl[0], round(etl[2], 1)) == (0.0, 1.0)
    assert site.api("GET", "/pools/nightly/slots?parts=0").status_code == 422


def test_a_deployment_gets_another_name_in_the_version_that_was_read(site, pool):
    site.client.create_deployment("etl", pool="nightly", job_variables={"command": "true"})
    site.client.update_deployment("etl", description="first")
    etag = site.api("GET", "/deployments/etl").headers["etag"]
    run = site.client.create_run(deployment="etl")
    assert site.api("POST", "/deployments/etl/rename", {"name": "load"}).status_code == 428
    assert site.api("POST", "/deployments/etl/rename", {"name": "load"}, If_Match='"1"').status_code == 412
    assert site.api("POST", "/deployments/etl/rename", {"name": "load", "x": 1}, If_Match="*").status_code == 422
    renamed = site.ok("POST", "/deployments/etl/rename", {"name": "load"}, If_Match=etag)
    assert (renamed["name"], renamed["description"]) == ("load", "first")
    assert [record.name for record in site.client.deployments()] == ["load"]
    assert [waiting.name for waiting in site.client.runs(deployment="load")] == [run.name]
    assert site.api("POST", "/deployments/etl/rename", {"name": "other"}, If_Match="*").status_code == 404
