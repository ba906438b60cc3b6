"""An event settles the run that it is about, and no other, whatever it holds."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import timedelta

import pytest

from dispatcher.client import Dispatcher
from dispatcher.environment.settings import Settings
from dispatcher.functions.invocation import invoke
from dispatcher.models import submission_name
from dispatcher.ticking import tick
from dispatcher.wiring import wire
from providers.emulators.faults import FaultKind
from providers.testing import FakeProvider
from tests.functions.conftest import Context, only

ELSEWHERE = "arn:aws:ecs:us-east-1:999999999999:cluster/default"


def ended(aws, run, exit_code=0):
    """The event of the run's end."""
    name = submission_name(run.id, 1)
    aws.finish(name, exit_code=exit_code)
    return next(event for event in only(aws.events(), "STOPPED") if event["detail"]["startedBy"] == name)


def moved(event, **places):
    """The same event as another account, region or cluster would send it, consistent in itself."""
    account = places.get("account", "123456789012")
    region = places.get("region", "us-east-1")
    cluster = places.get("cluster", "default")
    identifier = event["detail"]["taskArn"].rpartition("/")[2]
    detail = {
        **event["detail"],
        "taskArn": f"arn:aws:ecs:{region}:{account}:task/{cluster}/{places.get('task', identifier)}",
        "clusterArn": f"arn:aws:ecs:{region}:{account}:cluster/{cluster}",
    }
    return {**event, "account": account, "region": region, "detail": detail}


FOREIGN = [{"account": "999999999999"}, {"region": "eu-west-3"}, {"cluster": "other"}, {"task": "0" * 32}]


@pytest.mark.parametrize("place", FOREIGN, ids=lambda place: next(iter(place)))
def test_an_event_of_another_account_region_cluster_or_task_settles_nothing(place, function, aws):
    [run] = function.create()
    function()
    event = ended(aws, run)
    assert "is not that of the run" in function(moved(event, **place))["ignored"]
    assert function.states() == ["PENDING"]
    assert function(event)["moved"] is True
    assert function.states() == ["COMPLETED"]


@pytest.mark.parametrize("place", FOREIGN[:3], ids=lambda place: next(iter(place)))
def test_before_a_submission_is_recorded_only_its_own_account_region_and_cluster_count(place, function, aws):
    [run] = function.create()
    aws.faults.add("RunTask", FaultKind.LOSE_ANSWER)
    function()
    event = ended(aws, run)
    assert "ignored" in function(moved(event, **place))
    assert function.states() == ["PENDING"]
    assert function(event)["moved"] is True
    assert function.states() == ["COMPLETED"]


def test_with_an_unknown_own_account_an_event_waits_for_the_recorded_submission(function, aws, monkeypatch):
    monkeypatch.setattr(Context, "invoked_function_arn", "")
    [run] = function.create()
    aws.faults.add("RunTask", FaultKind.LOSE_ANSWER)
    function()
    assert "ignored" in function(ended(aws, run))
    assert function.states() == ["PENDING"]


def test_an_event_that_contradicts_itself_settles_nothing(function, aws):
    [run] = function.create()
    function()
    event = ended(aws, run)
    for other in (
        {**event, "account": "999999999999"},
        {**event, "region": "eu-west-3"},
        {**event, "detail": {**event["detail"], "clusterArn": ELSEWHERE}},
    ):
        assert "names more than one place" in function(other)["ignored"]
    assert function.states() == ["PENDING"]


JUNK = (None, True, -1, 1.5, "", "x", "zero", [], {}, [[]], ["x"], {"a": 1}, "9999-99-99")


def broken(event):
    """The event with junk in every place that matters, one at a time."""
    places = [(name,) for name in ("source", "account", "region", "detail")]
    places += [("detail", name) for name in event["detail"]]
    places += [("detail", "containers", 0, name) for name in event["detail"]["containers"][0]]
    places += [("detail", "overrides", "containerOverrides"), ("detail", "overrides", "containerOverrides", 0)]
    for place in places:
        for junk in JUNK:
            copy = deepcopy(event)
            inner = copy
            for step in place[:-1]:
                inner = inner[step]
            inner[place[-1]] = junk
            yield place, copy


def test_any_event_is_settled_rightly_or_ignored_and_never_raises(function, aws, caplog):
    [run] = function.create()
    function()
    event = ended(aws, run, exit_code=3)
    for place, other in broken(event):
        answer = function(other)
        assert answer.keys() & {"ignored", "moved"}, place
        assert set(function.states()) <= {"PENDING", "FAILED", "CRASHED"}, place


@pytest.mark.parametrize("junk", [{"containers": "x"}, {"containers": [{"name": "prefect", "exitCode": "zero"}]}])
def test_a_malformed_event_is_ignored_with_a_line_of_log(junk, function, aws, caplog):
    [run] = function.create()
    function()
    event = ended(aws, run)
    caplog.set_level("INFO", logger="dispatcher")
    answer = function({**event, "detail": {**event["detail"], **junk}})
    assert answer["ignored"].startswith("the event is malformed: ")
    assert any('"event": "event.ignored"' in line for line in caplog.messages)
    assert function.states() == ["PENDING"]


def test_a_process_run_is_not_settled_by_an_event_of_ecs(function, aws, tmp_path):
    """Its name is all that a foreign task needs to know."""
    wiring = wire(Settings.from_environment({"DISPATCHER_STORE": f"sqlite:///{tmp_path / 'local.db'}"}))
    wiring.dispatch = replace(wiring.dispatch, providers=lambda kind: local)
    local, people = FakeProvider(), Dispatcher(wiring.store)
    people.create_work_pool("local", type="process", concurrency_limit=1)
    runs = [people.create_run(pool="local", job_variables={"command": "sleep 60"}) for _ in range(2)]
    tick(wiring.dispatch, wiring.dispatch.clock.now() + timedelta(seconds=30))
    [decoy] = function.create()
    function()
    event = ended(aws, decoy)
    running = next(run for run in runs if wiring.store.get(run.id).state.holds_slot)
    event["detail"]["startedBy"] = submission_name(running.id, 1)
    answer = invoke(wiring, event, seconds_left=60, function=Context.invoked_function_arn)
    assert answer == {
        "ignored": f"the run {submission_name(running.id, 1)} is not of a pool whose jobs report 'ECS Task State Change'"
    }
    assert wiring.store.get(running.id).state.holds_slot
    assert local.peak_live == 1
    wiring.store.close()


def test_the_end_of_a_managed_pools_task_is_looked_at_and_frees_its_slot(function, aws, monkeypatch):
    monkeypatch.setenv("DISPATCHER_MANAGED", '{"type": "ecs:push"}')
    function.people.create_work_pool("easy", type="managed", concurrency_limit=1)
    requests = [{"pool": "easy", "job_variables": {"image": "busybox", "command": "echo"}} for _ in range(2)]
    first, _ = sorted(function.people.create_runs(requests), key=lambda run: (run.due_at, run.id))
    function()
    event, before = ended(aws, first, exit_code=3), aws.calls["DescribeTasks"]
    answer = function(event)
    assert (answer["moved"], answer["submitted"], aws.calls["DescribeTasks"] - before) == (True, 1, 1)
    assert function.states() == ["FAILED", "PENDING"]
