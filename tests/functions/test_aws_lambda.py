"""The handler as Lambda calls it: unmodified SDK, the ECS emulator, an SQLite file."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dispatcher.errors import InvalidInput, NotFound, SettingsError
from dispatcher.functions import aws_lambda
from dispatcher.models import RetryPolicy, RunState, submission_name
from tests.functions.conftest import SCHEDULED, only
from tests.prefect import installed
from tests.providers.ecs.builders import PREFECT


def started(aws):
    """The names under which tasks were asked for, in order."""
    return [request["startedBy"] for request in aws.calls.requests("RunTask")]


def names(runs):
    return [submission_name(run.id, 1) for run in runs]


def variables_of(request):
    override = request["overrides"]["containerOverrides"][0]
    return {item["name"]: item["value"] for item in override["environment"]}


def test_pending_runs_become_tasks_by_priority_and_limits_and_the_next_invocation_frees_what_has_ended(function, aws):
    people = function.people
    people.update_work_pool("batch", concurrency_limit=4)
    people.create_work_queue("batch", "critical", priority=1, concurrency_limit=1)
    people.create_work_queue("batch", "high", priority=2, concurrency_limit=2)
    low, high, critical = function.create(3), function.create(3, queue="high"), function.create(2, queue="critical")

    report = function()
    assert sorted(started(aws)) == sorted(names([critical[0], *high[:2], low[0]]))
    assert report["pools"][0]["submitted"] == 4
    assert report["pools"][0]["barriers"] == dict.fromkeys(["critical", "high", "default"], "POOL_FULL")
    request = next(request for request in aws.calls.requests("RunTask") if request["startedBy"] == names(critical)[0])
    assert request["overrides"]["containerOverrides"][0]["command"] == ["echo", "hello"]
    assert variables_of(request)["DISPATCHER_RUN_ID"] == str(critical[0].id)
    assert variables_of(request)["DISPATCHER_WORK_QUEUE"] == "critical"

    aws.finish(names(critical)[0])
    aws.finish(names(high)[0], exit_code=3)
    report = function()["pools"][0]
    assert (report["live"], report["ended"], report["submitted"]) == (4, 2, 2)
    ended = [people.run(run.id) for run in (critical[0], high[0])]
    assert [(run.state, run.exit_code) for run in ended] == [(RunState.COMPLETED, 0), (RunState.FAILED, 3)]
    assert set(started(aws)[4:]) == {*names(critical[1:]), *names(high[2:])}, "each slot went to its own queue's next"

    while any(not run.state.is_terminal for run in people.runs()):
        for job in aws.jobs():
            aws.finish(job.name) if job.live else None
        function()
    assert set(aws.starts.values()) == {1}
    assert len(aws.starts) == 8
    assert aws.peak_live == 4


def test_events_report_a_started_and_a_stopped_task_and_a_stop_admits_the_next_at_once(function, aws):
    runs = function.create(3)
    function()
    state_changes = only(aws.events(), "RUNNING")
    assert [function(event) for event in state_changes] == [
        {"run": event["detail"]["startedBy"], "moved": True} for event in state_changes
    ]
    assert function.states() == ["RUNNING", "RUNNING", "SCHEDULED"]
    aws.finish(names(runs)[0], exit_code=1)
    answer = function(only(aws.events(), "STOPPED")[0])
    assert (answer["run"], answer["moved"], answer["pool"], answer["submitted"]) == (names(runs)[0], True, "batch", 1)
    assert function.states() == ["FAILED", "RUNNING", "PENDING"]
    assert aws.calls.counts.get("DescribeTasks", 0) == 0, "events alone told it all"
    assert aws.peak_live == 2


def test_events_that_come_twice_late_or_in_any_order_change_nothing_more(function, aws):
    runs = function.create(2)
    function()
    aws.finish(names(runs)[0])
    events = aws.events()
    for event in [*reversed(events), *events, *events]:
        function(event)
    assert function.states() == ["COMPLETED", "RUNNING"]
    assert {run.ended_attempts for run in function.people.runs(states=[RunState.COMPLETED])} == {1}
    before = function.everything()
    assert {function(event)["moved"] for event in events} == {False}
    assert function.everything() == before


def test_events_of_other_peoples_tasks_are_ignored(function, aws):
    function.create()
    function()
    event = only(aws.events(), "RUNNING")[0]
    for name in ("ecs-svc/123", "", "r0123", f"r{'0' * 32}-1"):
        foreign = {**event, "detail": {**event["detail"], "startedBy": name}}
        assert function(foreign) == {"ignored": "the job is not one of this store's runs"}
    another_attempt = event["detail"]["startedBy"].removesuffix("-1") + "-2"
    before = function.everything()
    assert function({**event, "detail": {**event["detail"], "startedBy": another_attempt}})["moved"] is False
    assert function.everything() == before


NOT_UNDERSTOOD = {
    "an event of another service": {**SCHEDULED, "detail-type": "EC2 Instance State-change Notification"},
    "an unknown key": {"pol": "batch"},
    "a second key": {"pool": "batch", "dry_run": True},
    "two requests": {"pool": "batch", "create_run": {"pool": "batch"}},
    "a list": ["batch"],
    "a text": "batch",
    "an empty list": [],
    "a run that is not an object": {"create_run": "batch"},
    "a run with an unknown argument": {"create_run": {"pool": "batch", "image": "busybox"}},
    "a run of nowhere": {"create_run": {}},
    "a run with a wrong variable": {"create_run": {"pool": "batch", "job_variables": {"cpu": "many"}}},
    "a run with a wrong time": {"create_run": {"pool": "batch", "scheduled_at": "soon"}},
    "a run with a number for a time": {"create_run": {"pool": "batch", "scheduled_at": 5}},
    "a run with a time without a zone": {"create_run": {"pool": "batch", "scheduled_at": "2030-01-01T00:00:00"}},
    "a run at a time before all times": {"create_run": {"pool": "batch", "scheduled_at": "0001-01-01T00:00:00+14:00"}},
    "a run in a pool that is a number": {"create_run": {"pool": 5}},
    "a run of a deployment that is a list": {"create_run": {"deployment": ["x"]}},
    "a run in a queue that is an object": {"create_run": {"pool": "batch", "queue": {"name": "default"}}},
    "a run with a text for tags": {"create_run": {"pool": "batch", "tags": "nightly"}},
    "a run with a number for tags": {"create_run": {"pool": "batch", "tags": 5}},
    "a run with a list for variables": {"create_run": {"pool": "batch", "job_variables": []}},
    "a run with a number for a name": {"create_run": {"pool": "batch", "name": 5}},
    "a run with a number for a key": {"create_run": {"pool": "batch", "idempotency_key": 5}},
    "a run with a number for retries": {"create_run": {"pool": "batch", "retry": 3}},
    "a run with an unknown word for retries": {"create_run": {"pool": "batch", "retry": {"attempt": 3}}},
    "a run with too many retries": {"create_run": {"pool": "batch", "retry": {"attempts": 21}}},
    "a run in no such queue": {"create_run": {"pool": "batch", "queue": "x"}},
    "no such pool": {"pool": "nope"},
    "a pool that is not a name": {"pool": {"name": "batch"}},
}


def test_a_run_is_created_with_retries_as_a_file_has_them(function):
    variables = {"image": "busybox", "command": "echo hello"}
    retry = {"attempts": 3, "delay": "PT1M", "states": ["FAILED"]}
    answer = function({"create_run": {"pool": "batch", "job_variables": variables, "retry": retry}})
    run = function.people.run(answer["run"]["id"])
    assert run.retry == RetryPolicy(attempts=3, delay=timedelta(minutes=1), states=frozenset({RunState.FAILED}))


@pytest.mark.parametrize("name", NOT_UNDERSTOOD)
def test_a_request_that_is_not_understood_is_a_clear_error_and_changes_nothing(name, function, aws):
    function.create()
    before = function.everything()
    with pytest.raises((InvalidInput, NotFound)) as refused:
        function(NOT_UNDERSTOOD[name])
    assert "\n" not in str(refused.value)
    assert function.everything() == before
    assert not aws.calls.counts


@pytest.mark.parametrize("event", [None, {}, SCHEDULED, {**SCHEDULED, "detail-type": "Scheduled Tick"}])
def test_a_schedule_ticks_every_pool_that_has_something_to_do(event, function):
    for name in ("another", "idle"):
        function.people.create_work_pool(name, type="ecs:push")
    function.create()
    function.create(pool="another")
    report = function(event)
    assert ({pool["pool"] for pool in report["pools"]}, report["idle"]) == ({"batch", "another"}, 1)


def test_a_direct_invocation_ticks_one_pool(function, aws):
    function.people.create_work_pool("another", type="ecs:push")
    function.create(pool="another")
    function.create()
    assert [pool["pool"] for pool in function({"pool": "another"})["pools"]] == ["another"]
    assert len(started(aws)) == 1


def test_a_direct_invocation_creates_a_run_and_dispatches_it_at_once(function, aws):
    asked = {"pool": "batch", "job_variables": {"image": "busybox"}, "tags": ["now"], "idempotency_key": "order-7"}
    answer = function({"create_run": asked})
    run = function.people.run(answer["run"]["id"])
    assert started(aws) == names([run])
    assert (answer["run"]["state"], answer["run"]["url"]) == ("PENDING", run.submission.url)
    assert "console.aws.amazon.com" in run.submission.url
    again = function({"create_run": asked})
    assert again["run"]["id"] == answer["run"]["id"]
    assert len(started(aws)) == 1


def test_a_run_that_is_created_is_submitted_without_a_look_at_what_is_live(function, aws):
    function.create()
    function({"pool": "batch"})
    answer = function({"create_run": {"pool": "batch", "job_variables": {"image": "busybox"}}})
    assert answer["run"]["state"] == "PENDING"
    assert [pool["submitted"] for pool in answer["pools"]] == [1]
    assert aws.calls.counts["RunTask"] == 2
    assert "DescribeTasks" not in aws.calls.counts


def test_a_direct_invocation_may_create_a_run_for_later(function, aws):
    variables = {"image": "busybox"}
    at = "2199-01-01T08:00:00+02:00"
    answer = function({"create_run": {"pool": "batch", "job_variables": variables, "scheduled_at": at}})
    assert answer["run"]["state"] == "SCHEDULED"
    assert function.people.run(answer["run"]["id"]).due_at.isoformat() == "2199-01-01T06:00:00+00:00"
    assert started(aws) == []


def test_a_time_limit_that_leaves_no_time_is_reported_and_nothing_is_started(function, aws):
    function.create()
    with pytest.raises(SettingsError, match=r"^DISPATCHER_MARGIN_SECONDS: .*raise the function's time limit"):
        function(seconds=3)
    assert started(aws) == []
    assert function(seconds=30)["pools"][0]["submitted"] == 1


def test_objects_made_from_the_settings_are_kept_between_invocations(function, aws):
    function.create(3)
    function()
    before = dict(aws.calls.counts)
    aws.finish(started(aws)[0])
    function()
    after = dict(aws.calls.counts)
    assert after.pop("RunTask") == before.pop("RunTask") + 1
    assert after == {**before, "DescribeTasks": 1}, "neither network nor task definition was looked up again"


def test_wrong_settings_are_reported_at_every_invocation_until_they_are_right(function, monkeypatch):
    monkeypatch.setenv("DISPATCHER_LOG_LEVEL", "loud")
    for _ in range(2):
        with pytest.raises(SettingsError, match=r"^DISPATCHER_LOG_LEVEL: 'loud' is not a level"):
            function()
    monkeypatch.setenv("DISPATCHER_LOG_LEVEL", "warning")
    assert function()["idle"] == 1


def test_a_cancelled_run_is_stopped_and_ends_as_cancelled(function, aws):
    runs = function.create(3)
    function()
    function.people.cancel_run(runs[0].id)
    assert function.states()[0] == "CANCELLING"
    assert function()["pools"][0]["submitted"] == 0, "a slot is free when the task has stopped, and not before"
    stopped = aws.calls.requests("StopTask")
    assert [request["task"] for request in stopped] == [job.identifier for job in aws.jobs() if job.name == names(runs)[0]]
    assert function()["pools"][0]["ended"] == 1
    assert function.states() == ["CANCELLED", "RUNNING", "PENDING"]
    assert aws.peak_live == 2


@pytest.mark.parametrize("pool_type", ["ecs:push", "ecs"])
@pytest.mark.parametrize("name", ["of its shape", installed.INSTALLED])
def test_prefects_ecs_template_makes_a_pool_unmodified_and_its_run_reaches_run_task(name, pool_type, function, aws):
    template = PREFECT if name == "of its shape" else installed.template("ecs")
    pool = function.people.create_work_pool("moved", type=pool_type, base_job_template=template)
    assert pool.base_job_template == template
    variables = {"image": "busybox:1", "command": "echo 'two words'", "env": {"A": "1"}, "cpu": 512, "memory": 1024}
    run = function.create(pool="moved", job_variables={**variables, "labels": {"team": "data"}})[0]
    assert function({"pool": "moved"})["pools"][0]["submitted"] == 1
    [request] = aws.calls.requests("RunTask")
    assert request["startedBy"] == request["clientToken"] == names([run])[0]
    override = request["overrides"]["containerOverrides"][0]
    assert (override["command"], override["cpu"]) == (["echo", "two words"], 512)
    assert variables_of(request).items() >= {"A": "1", "DISPATCHER_RUN_ID": str(run.id)}.items()
    assert {"key": "team", "value": "data"} in request["tags"]
    [definition] = aws.calls.requests("RegisterTaskDefinition")
    assert (definition["containerDefinitions"][0]["image"], definition["cpu"], definition["memory"]) == (
        "busybox:1",
        "512",
        "1024",
    )
    aws.finish(names([run])[0])
    function({"pool": "moved"})
    assert function.people.run(run.id).state is RunState.COMPLETED


def test_a_store_that_cannot_be_used_raises(function, monkeypatch):
    monkeypatch.setenv("DISPATCHER_STORE", "redis://host")
    aws_lambda._wiring.cache_clear()
    with pytest.raises(SettingsError, match=r"^DISPATCHER_STORE: "):
        function()
