"""Everything that the Python client does is an operation of the API, or is named here with why not."""

from __future__ import annotations

from datetime import datetime

import pytest

from dispatcher.client import Dispatcher
from dispatcher.models import RunState, Schedule
from tests.builders import HOUR, MINUTE, a_live_run

OPERATIONS = {
    **dict.fromkeys(("add_schedule",), "create_schedule"),
    "apply": "apply",
    "apply_pool": "change_pool",
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
    "drift": "drift",
    "plan": "plan",
    "plan_deployment": "plan_deployment",
    "plan_pool": "plan_pool",
    "explain": "explain_run",
    "export": "export",
    "firings": "list_firings",
    **dict.fromkeys(("log", "log_page"), "list_changes"),
    "move_run": "move_run",
    "next_windows": "preview_schedule",
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
    "schedule": "get_schedule",
    "stranded_runs": "stranded_runs",
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
}
"""Methods that belong to a process, and not to a store."""


def test_every_public_method_has_an_operation(site):
    paths = site.ok("GET", "/openapi.json")["paths"]
    operations = {operation["operationId"] for methods in paths.values() for operation in methods.values()}
    public = {name for name in dir(Dispatcher) if not name.startswith("_")}
    assert (public - set(OPERATIONS) - set(OWN), set(OPERATIONS.values()) - operations) == (set(), set())
    assert (set(OPERATIONS) | set(OWN)) - public == set()
    assert operations - set(OPERATIONS.values()) == {"health", "list_queues", "list_schedules", "read_logs"}


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


@pytest.fixture
def etl(site, pool):
    """A deployment with a schedule at six o'clock in Berlin."""
    rule = Schedule(slug="daily", cron="0 6 * * *", timezone="Europe/Berlin")
    return site.client.create_deployment("etl", pool="nightly", job_variables={"command": "true"}, schedules=[rule])


def test_a_schedule_tells_as_many_windows_as_are_asked_for(site, etl):
    schedule = site.ok("GET", "/deployments/etl/schedules/daily?windows=10")
    windows = [datetime.fromisoformat(text) for text in schedule["next"]]
    assert windows == [*site.client.next_windows(etl.schedules[0], count=10)]
    assert {text[11:19] for text in schedule["next"]} == {"06:00:00"}, "in its own zone"
    assert len(site.ok("GET", "/deployments/etl/schedules/daily")["next"]) == 3
    assert site.api("GET", "/deployments/etl/schedules/daily").headers["etag"] == f'"{etl.version}"'
    site.client.pause_deployment("etl")
    assert site.ok("GET", "/deployments/etl/schedules/daily")["next"] == []
    assert site.api("GET", "/deployments/etl/schedules/weekly").status_code == 404
    for count in (0, 1001):
        assert site.api("GET", f"/deployments/etl/schedules/daily?windows={count}").status_code == 422


def test_the_windows_of_a_schedule_are_shown_before_it_is_stored(site, etl):
    shown = site.ok("POST", "/preview-schedule", {"cron": "0 6 * * *", "timezone": "Europe/Berlin", "count": 5})
    assert shown == {"next": site.ok("GET", "/deployments/etl/schedules/daily?windows=5")["next"]}
    assert len(site.ok("POST", "/preview-schedule", {"interval": "PT15M"})["next"]) == 3
    assert site.client.deployment("etl") == etl


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"cron": "0 6 * *"}, "cron"),
        ({"cron": "0 6 * * *", "timezone": "Nowhere"}, "timezone"),
        ({}, "schedule"),
        ({"cron": "0 6 * * *", "count": 0}, "count"),
        ({"cron": "0 6 * * *", "count": True}, "count"),
        ({"cron": "0 6 * * *", "slug": "daily"}, "slug"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_with_its_field(site, body, path):
    answer = site.api("POST", "/preview-schedule", body)
    assert answer.status_code == 422
    assert path in answer.json()["detail"]


def test_how_many_runs_a_deletion_would_strand_is_told_before(site, etl):
    assert site.ok("GET", "/deployments/etl/stranded-runs") == {"stranded_runs": 0}
    site.client.create_run(deployment="etl")
    assert site.ok("GET", "/deployments/etl/stranded-runs") == {"stranded_runs": 1}
    assert site.api("GET", "/deployments/gone/stranded-runs").status_code == 404


def test_the_drift_since_the_last_apply_needs_no_file(site, pool):
    assert site.ok("GET", "/drift") == []
    wanted = {"configuration": {"pools": {"nightly": {"type": "process", "concurrency_limit": 4}}}}
    site.ok("POST", "/apply", wanted)
    site.client.update_work_pool("nightly", concurrency_limit=9)
    [line] = site.ok("GET", "/drift")
    assert (line["noun"], line["name"], line["path"], line["now"]) == ("work pool", "nightly", "concurrency_limit", 9)
    assert site.ok("POST", "/plan", wanted)["drift"] == [line]


def test_a_pool_and_its_queues_are_planned_and_changed_in_one_step(site, pool):
    client = site.client
    client.create_work_queue("nightly", "etl", concurrency_limit=1)
    body = {"concurrency_limit": 9, "queues": {"etl": {"paused": True, "weight": 3}}, "order": ["etl", "default"]}
    before = client.work_pool("nightly")
    planned = site.api("POST", "/pools/nightly/plan", body)
    assert (planned.headers["etag"], client.work_pool("nightly")) == (f'"{before.version}"', before)
    paths = {field["path"] for field in planned.json()["fields"]}
    assert {"concurrency_limit", "queues.etl.paused", "queues.etl.weight", "queues.etl.priority"} <= paths
    assert site.api("POST", "/pools/nightly/change", body).status_code == 428
    assert site.api("POST", "/pools/nightly/change", body, If_Match='"1"').status_code == 412
    changed = site.ok("POST", "/pools/nightly/change", body, If_Match=planned.headers["etag"])
    assert [queue["name"] for queue in changed["queues"]] == ["etl", "default"]
    assert (changed["concurrency_limit"], changed["queues"][0]["paused"]) == (9, True)
    assert site.ok("POST", "/pools/nightly/plan", body)["fields"] == []


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"order": ["default", "default"]}, "order"),
        ({"order": "default"}, "order"),
        ({"queues": []}, "queues"),
        ({"queues": {"default": {"priority": 4}}}, "priority"),
        ({"job_variables": {}}, "job_variables"),
        ({"concurrency_limit": -1}, "concurrency_limit"),
    ],
)
def test_a_plan_of_a_pool_that_cannot_be_is_refused_with_its_field(site, pool, body, path):
    answer = site.api("POST", "/pools/nightly/plan", body)
    assert answer.status_code == 422
    assert path in answer.json()["detail"]
    assert site.api("POST", "/pools/gone/plan", {}).status_code == 404


def test_a_change_of_a_deployment_is_planned_and_its_secrets_are_hidden(site, etl):
    body = {"concurrency_limit": 3, "job_variables": {"command": "true", "env": {"DB_PASSWORD": "hunter2-and-more"}}}
    planned = site.api("POST", "/deployments/etl/plan", body)
    assert {field["path"].partition(".")[0] for field in planned.json()["fields"]} == {"concurrency_limit", "job_variables"}
    assert "hunter2-and-more" not in planned.text
    assert planned.headers["etag"] == f'"{etl.version}"'
    assert site.client.deployment("etl") == etl
    assert site.api("POST", "/deployments/etl/plan", {"pool": "gone"}).status_code == 404
    assert site.api("POST", "/deployments/etl/plan", {"owner": "me"}).status_code == 422
