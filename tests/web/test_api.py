"""The HTTP API: what the client does, in the shapes of `--json`, with every fault as a problem."""

from __future__ import annotations

import pytest

from dispatcher.client import shapes
from dispatcher.models import RunState, Schedule
from dispatcher.web.api.documents import ANSWERS
from tests.builders import a_firing, a_live_run

STANDING = {"cron": "0 2 * * *", "timezone": "Europe/Berlin"}


@pytest.fixture
def deployment(site, pool):
    return site.client.create_deployment("etl", pool="nightly", job_variables={"command": "true"}, tags=["finance"])


@pytest.fixture
def run(site, pool):
    return site.client.create_run(pool="nightly", job_variables={"command": "true"})


def problem(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    content = answer.json()
    assert set(content) == set(ANSWERS["Problem"])
    assert content["status"] == status
    return content


def faults(answer, status=422):
    return {fault["path"]: fault["message"] for fault in problem(answer, status)["faults"]}


def test_a_pool_is_created_read_changed_and_deleted(site):
    made = site.ok(
        "POST", "/pools", {"name": "new", "type": "process", "concurrency_limit": 3, "job_variables": {"command": "true"}}
    )
    assert (made["name"], made["concurrency_limit"], made["status"]) == ("new", 3, "NOT_READY")
    assert made["base_job_template"]["variables"]["properties"]["command"]["default"] == "true"

    read = site.api("GET", "/pools/new")
    assert read.json() == made
    changed = site.ok("PATCH", "/pools/new", {"concurrency_limit": None, "paused": True}, If_Match=read.headers["etag"])
    assert (changed["concurrency_limit"], changed["paused"], changed["description"]) == (None, True, "")
    assert [pool["name"] for pool in site.ok("GET", "/pools")] == ["new"]

    site.ok("DELETE", "/pools/new", If_Match="*")
    assert site.ok("GET", "/pools") == []


def test_a_change_is_made_only_to_the_version_that_was_read(site, pool):
    etag = site.api("GET", "/pools/nightly").headers["etag"]
    site.ok("PATCH", "/pools/nightly", {"description": "first"}, If_Match=etag)

    problem(site.api("PATCH", "/pools/nightly", {"description": "second"}, If_Match=etag), 412)
    problem(site.api("PATCH", "/pools/nightly", {"description": "second"}), 428)
    problem(site.api("DELETE", "/pools/nightly", If_Match=etag), 412)
    problem(site.api("PATCH", "/pools/nightly/queues/default", {"paused": True}, If_Match=etag), 412)
    assert site.client.work_pool("nightly").description == "first"
    assert not site.client.work_queue("nightly", "default").paused


def test_a_deployment_is_changed_only_in_the_version_that_was_read(site, deployment):
    etag = site.api("GET", "/deployments/etl").headers["etag"]
    site.ok("PATCH", "/deployments/etl", {"paused": True}, If_Match=etag)

    problem(site.api("PATCH", "/deployments/etl", {"paused": False}, If_Match=etag), 412)
    problem(site.api("DELETE", "/deployments/etl", If_Match=etag), 412)
    assert site.client.deployment("etl").paused


def test_every_fault_of_a_body_is_named_with_its_path(site):
    body = {"name": "new", "type": "process", "concurrency_limit": "three", "base_job_template": {"variables": {}}, "paused": 1}
    assert set(faults(site.api("POST", "/pools", body))) == {"concurrency_limit", "paused"}
    template = {"job_configuration": {"command": "{{ missing }}"}, "variables": {"type": "object", "properties": {}}}
    named = faults(site.api("POST", "/pools", {"name": "new", "type": "process", "base_job_template": template}))
    assert list(named) == ["job_configuration.command"]
    assert list(faults(site.api("POST", "/pools", {"name": "new", "kind": "process"}))) == ["kind"]
    assert list(faults(site.api("POST", "/pools", {"type": "process"}))) == ["name"]
    assert not site.client.work_pools()


def test_an_unknown_name_is_answered_with_the_closest_ones(site, pool):
    assert "did you mean 'nightly'" in problem(site.api("GET", "/pools/nigthly"), 404)["detail"]
    problem(site.api("POST", "/pools", {"name": "nightly", "type": "process"}), 409)


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"NaN", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[]", "application/json", 422),
        (b"{}", "text/plain", 415),
        (b" " * (1024 * 1024 + 1), "application/json", 413),
    ],
)
def test_a_body_that_cannot_be_read_is_a_problem(site, content, kind, status):
    headers = {"Content-Type": kind, "Sec-Fetch-Site": "same-origin"}
    problem(site.browser.post("/api/v1/pools", content=content, headers=headers), status)


def test_queues_are_created_changed_and_deleted(site, pool):
    made = site.ok("POST", "/pools/nightly/queues", {"name": "critical", "priority": 1, "concurrency_limit": 1})
    assert (made["pool"], made["priority"], made["due"]) == ("nightly", 1, 0)
    assert [queue["name"] for queue in site.ok("GET", "/pools/nightly/queues")] == ["critical", "default"]

    changed = site.ok("PATCH", "/pools/nightly/queues/critical", {"priority": 5, "paused": True}, If_Match="*")
    assert (changed["priority"], changed["status"]) == (5, "PAUSED")
    assert list(faults(site.api("PATCH", "/pools/nightly/queues/critical", {"priority": 0}, If_Match="*"))) == ["priority"]
    site.ok("DELETE", "/pools/nightly/queues/critical", If_Match="*")
    problem(site.api("GET", "/pools/nightly/queues/critical"), 404)


def test_deployments_and_their_schedules_take_the_fields_of_a_file(site, pool):
    body = {"name": "etl", "pool": "nightly", "job_variables": {"command": "true"}, "schedules": {"daily": STANDING}}
    made = site.ok("POST", "/deployments", {**body, "retry": {"attempts": 3, "delay": "PT1M"}})
    assert made["retry"]["delay_seconds"] == 60
    assert (made["schedules"][0]["slug"], len(made["schedules"][0]["next"])) == ("daily", 3)

    more = site.ok("POST", "/deployments/etl/schedules", {"slug": "often", "interval": "PT15M"})
    assert [schedule["interval_seconds"] for schedule in more["schedules"]] == [None, 900]
    changed = site.ok("PATCH", "/deployments/etl/schedules/often", {"active": False}, If_Match="*")
    assert [schedule["active"] for schedule in changed["schedules"]] == [True, False]
    site.ok("DELETE", "/deployments/etl/schedules/daily", If_Match="*")
    assert [schedule["slug"] for schedule in site.ok("GET", "/deployments/etl/schedules")] == ["often"]

    wrong = site.api("POST", "/deployments/etl/schedules", {"slug": "odd", "interval": "soon", "zone": "UTC"})
    assert list(faults(wrong)) == ["zone"]
    assert "interval" in str(faults(site.api("POST", "/deployments/etl/schedules", {"slug": "odd", "interval": "soon"})))
    assert [item["name"] for item in site.ok("GET", "/deployments?pool=nightly")] == ["etl"]


def test_a_run_is_created_once_for_its_key(site, deployment):
    body = {"deployment": "etl", "job_variables": {"command": "false"}}
    first = site.ok("POST", "/runs", body, Idempotency_Key="order-1")
    assert site.ok("POST", "/runs", body, Idempotency_Key="order-1")["id"] == first["id"]
    other = {**body, "job_variables": {"command": "true"}}
    assert list(faults(site.api("POST", "/runs", other, Idempotency_Key="order-1"))) == ["idempotency_key"]
    assert len(site.ok("GET", "/runs")["items"]) == 1


def test_many_runs_are_created_together_or_not_at_all(site, pool):
    many = [{"pool": "nightly", "job_variables": {"command": f"echo {number}"}} for number in range(3)]
    made = site.ok("POST", "/runs", many, Idempotency_Key="batch")
    assert [run["id"] for run in site.ok("POST", "/runs", many, Idempotency_Key="batch")] == [run["id"] for run in made]

    wrong = [*many, {"pool": "nightly", "job_variables": {"command": 1.5}}]
    assert faults(site.api("POST", "/runs", wrong))
    assert list(faults(site.api("POST", "/runs", [{"pools": "nightly"}]))) == ["pools"]
    assert len(site.ok("GET", "/runs")["items"]) == 3


def test_runs_are_listed_by_filter_and_page(site, pool):
    site.ok("POST", "/runs", [{"pool": "nightly", "job_variables": {"command": "true"}} for _ in range(5)])
    first = site.api("GET", "/runs?pool=nightly&state=SCHEDULED&limit=2")
    names, cursor = [run["id"] for run in first.json()["items"]], first.json()["next"]
    assert f"cursor={cursor}" in first.headers["link"]
    while cursor:
        page = site.ok("GET", f"/runs?pool=nightly&state=SCHEDULED&limit=2&cursor={cursor}")
        names, cursor = names + [run["id"] for run in page["items"]], page["next"]
    assert len(set(names)) == len(names) == 5
    assert site.ok("GET", "/runs?state=RUNNING&state=FAILED") == {"items": [], "next": None}
    assert len(site.ok("GET", "/runs?name=nightly-&since=2020-01-01T00:00:00%2B01:00")["items"]) == 5
    assert site.ok("GET", "/runs?until=2020-01-01T00:00:00Z")["items"] == site.ok("GET", "/runs?tag=other")["items"] == []
    assert list(faults(site.api("GET", "/runs?since=yesterday"))) == ["since"]


@pytest.mark.parametrize("cursor", ["x", "eyJ9", "W10", "WyIiLCAwXQ", "%00"])
def test_a_cursor_of_another_list_is_refused(site, pool, cursor):
    problem(site.api("GET", f"/runs?cursor={cursor}"), 400)
    problem(site.api("GET", "/runs?state=SLEEPING"), 422)
    problem(site.api("GET", "/runs?limit=0"), 422)


def test_a_waiting_run_is_moved_and_started_now(site, run):
    site.ok("POST", "/pools/nightly/queues", {"name": "high"})
    assert site.ok("POST", f"/runs/{run.id}/move", {"queue": "high"})["queue"] == "high"
    problem(site.api("POST", f"/runs/{run.id}/move", {"queue": "none"}), 404)
    assert list(faults(site.api("POST", f"/runs/{run.id}/move", {"queue": "high", "pool": "x"}))) == ["pool"]
    assert site.ok("POST", f"/runs/{run.id}/start-now")["state"] == "SCHEDULED"
    site.ok("POST", f"/runs/{run.id}/cancel")
    problem(site.api("POST", f"/runs/{run.id}/move", {"queue": "default"}), 409)
    problem(site.api("POST", f"/runs/{run.id}/start-now"), 409)


def test_a_run_is_explained_cancelled_and_retried(site, run):
    assert site.ok("GET", f"/runs/{run.id}/explain")["reason"] == "NEXT"
    problem(site.api("POST", f"/runs/{run.id}/retry"), 409)
    assert site.ok("POST", f"/runs/{run.id}/cancel")["state"] == "CANCELLED"
    assert site.ok("POST", f"/runs/{run.id}/cancel")["state"] == "CANCELLED"
    again = site.ok("POST", f"/runs/{run.id}/retry")
    assert site.ok("POST", f"/runs/{run.id}/retry")["id"] == again["id"] != str(run.id)
    problem(site.api("GET", f"/runs/{run.id}/logs"), 409)
    problem(site.api("GET", "/runs/00000000-0000-0000-0000-000000000000"), 404)


def test_a_preview_shows_runs_and_windows_to_come(site, run, deployment):
    site.ok("POST", "/deployments/etl/schedules", {"slug": "often", "interval": "PT15M"})
    upcoming = site.ok("GET", "/pools/nightly/preview?within_seconds=7200")
    assert [item["created"] for item in upcoming][:1] == [True]
    assert len(upcoming) > 7


def test_a_plan_shows_what_apply_would_change_and_changes_nothing(site, pool):
    wanted = {"configuration": {"pools": {"nightly": {"type": "process", "concurrency_limit": 9}}}}
    plan = site.ok("POST", "/plan", wanted)
    assert [field["after"] for field in plan["changes"][0]["fields"]] == [9]
    assert site.client.work_pool("nightly").concurrency_limit == 2

    problem(site.api("POST", "/apply", {**wanted, "expect": "another"}), 409)
    assert site.ok("POST", "/apply", {**wanted, "expect": plan["hash"]})["applied"]
    assert site.ok("GET", "/export")["pools"]["nightly"]["concurrency_limit"] == 9
    assert list(faults(site.api("POST", "/plan", {"configuration": {"pools": {"x": {}}}}))) == ["pools.x.type"]


def test_objects_of_another_owner_are_refused_unless_taken_over(site, pool):
    wanted = {"configuration": {"owner": "team-a", "pools": {"nightly": {"type": "process"}}}}
    assert list(faults(site.api("POST", "/plan", wanted))) == ["pools.nightly"]
    assert list(faults(site.api("POST", "/plan", {**wanted, "take_over": 1}))) == ["take_over"]
    assert site.ok("POST", "/apply", {**wanted, "take_over": True})["owner"] == "team-a"
    assert site.ok("GET", "/pools/nightly")["owner"] == "team-a"
    assert list(faults(site.api("POST", "/pools", {"name": "other", "type": "process", "owner": "team-b"}))) == ["owner"]


def test_a_job_is_shown_before_there_is_a_run(site, deployment):
    made = site.ok("POST", "/preview-job", {"deployment": "etl", "job_variables": {"env": {"MODE": "full"}}})
    assert made["job_configuration"]["command"] == "true"
    assert made["job_configuration"]["env"]["MODE"] == "full"
    assert list(faults(site.api("POST", "/preview-job", {"pool": "nightly", "job_variables": {"command": 1.5}})))
    assert site.ok("GET", "/runs")["items"] == []


def test_secrets_are_hidden_everywhere(site, deployment):
    secret = "hunter2-and-more"
    variables = {"command": "true", "env": {"DB_PASSWORD": secret}}
    made = site.api("POST", "/runs", {"deployment": "etl", "job_variables": variables})
    site.client.update_deployment("etl", job_variables=variables)
    reads = ["/runs", f"/runs/{made.json()['id']}", "/deployments", "/deployments/etl", "/export"]
    answers = [made, *(site.api("GET", path) for path in reads)]
    answers.append(site.api("POST", "/preview-job", {"pool": "nightly", "job_variables": variables}))
    assert all(answer.is_success for answer in answers)
    assert not [answer.url for answer in answers if secret in answer.text]


def test_a_secret_that_a_schedule_brings_is_hidden(site):
    pin = {"type": "string", "writeOnly": True}
    template = {"job_configuration": {"command": "{{ pin }}"}, "variables": {"properties": {"pin": pin}}}
    site.ok("POST", "/pools", {"name": "nightly", "type": "process", "base_job_template": template})
    schedules = {"daily": {"cron": "0 2 * * *", "job_variables": {"pin": "hunter2 and more"}}}
    made = site.api(
        "POST", "/deployments", {"name": "etl", "pool": "nightly", "job_variables": {"pin": "x y"}, "schedules": schedules}
    )
    assert made.status_code == 201, made.text
    for answer in (made, *(site.api("GET", path) for path in ("/deployments", "/deployments/etl", "/export"))):
        assert "hunter2" not in answer.text
        assert "(hidden)" in answer.text


def test_the_document_says_what_the_answers_hold(site, deployment, run):
    live = a_live_run(pool="nightly")
    now = site.client.clock.now()
    view = site.client.inspect_work_pool("nightly")
    plan = site.client.plan({"pools": {}})
    site.client.add_schedule("etl", Schedule(slug="daily", cron="0 2 * * *"))
    owner = site.client.deployment("etl")
    upcoming = site.client.preview_work_pool("nightly")
    whole = shapes.whole_deployment(owner, site.client.next_windows)
    pairs = {
        "Pool": shapes.pool(view.pool, view.status),
        "WholePool": shapes.whole_pool(view),
        "Queue": shapes.queue(view, "default"),
        "Deployment": shapes.deployment(owner),
        "WholeDeployment": whole,
        "Schedule": whole["schedules"][0],
        "Run": shapes.run(live),
        "WholeRun": shapes.whole_run(live),
        "UpcomingRun": shapes.upcoming(upcoming[0], now, site.client.heartbeat),
        "Explanation": shapes.explanation(run, site.client.explain(run.id)),
        "Plan": shapes.plan(plan, applied=False),
    }
    assert {name: set(shape) for name, shape in pairs.items()} == {name: set(ANSWERS[name]) for name in pairs}


def test_a_run_that_has_a_job_holds_its_state(site, pool):
    site.wiring.store.restore(runs=[a_live_run(pool="nightly", state=RunState.RUNNING)])
    [run] = site.ok("GET", "/runs?state=RUNNING")["items"]
    assert site.ok("POST", f"/runs/{run['id']}/cancel")["state"] == "CANCELLING"


def test_an_automation_is_created_read_changed_and_deleted(site, deployment):
    body = {
        "name": "breaker",
        "when": {"ended": {"states": ["FAILED"], "deployment": "etl", "count": 3}},
        "then": [{"pause": {"deployment": "etl"}}],
    }
    made = site.ok("POST", "/automations", body)
    assert (made["when"], made["then"], made["counted"], made["firings"]) == (body["when"], body["then"], 0, [])
    assert set(made) == set(ANSWERS["WholeAutomation"])
    read = site.api("GET", "/automations/breaker")
    assert read.json() == made
    changed = site.ok("PATCH", "/automations/breaker", {"paused": True}, If_Match=read.headers["etag"])
    assert changed["paused"]
    problem(site.api("PATCH", "/automations/breaker", {"paused": False}, If_Match=read.headers["etag"]), 412)
    [listed] = site.ok("GET", "/automations")
    assert set(listed) == set(ANSWERS["Automation"])
    site.wiring.store.restore(firings=[a_firing("breaker", because="x")])
    [firing] = site.ok("GET", "/firings?automation=breaker")
    assert set(firing) == set(ANSWERS["Firing"])
    assert site.ok("GET", "/export")["automations"].keys() == {"breaker"}
    site.ok("DELETE", "/automations/breaker", If_Match="*")
    assert site.ok("GET", "/automations") == []


def test_a_fault_of_an_automation_names_its_path(site, deployment):
    answer = site.api("POST", "/automations", {"name": "x"})
    assert faults(answer).keys() == {"when", "then"}
    body = {"name": "x", "when": {"late": {"by": 60}}, "then": [{"pause": {"pool": "none"}}]}
    assert faults(site.api("POST", "/automations", body)).keys() == {"then[0].pause.pool"}
    assert faults(site.api("POST", "/automations", {**body, "progress": {}})).keys() == {"progress"}
