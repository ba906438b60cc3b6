from __future__ import annotations

import pytest
from botocore.exceptions import ConnectionClosedError

from providers.emulators.faults import FaultKind
from tests.providers.emulators.ecs.builders import HOUR, refusal


def test_the_same_token_and_request_give_the_first_answer_again(ecs):
    first = ecs.run(clientToken="t", count=2)
    again = ecs.run(clientToken="t", count=2)
    assert [task["taskArn"] for task in again["tasks"]] == [task["taskArn"] for task in first["tasks"]]
    assert again["tasks"][0]["lastStatus"] == "RUNNING"
    assert again["tasks"][0]["containers"]
    assert len(ecs.emulator.jobs()) == 2


def test_an_answer_that_was_lost_is_found_by_its_token(ecs):
    ecs.emulator.faults.add("RunTask", FaultKind.LOSE_ANSWER)
    with pytest.raises(ConnectionClosedError):
        ecs.run(clientToken="t")
    assert ecs.start(clientToken="t") == ecs.emulator.jobs()[0].identifier
    assert ecs.emulator.starts == {"run-1": 1}


@pytest.mark.parametrize(
    "change",
    [
        {"startedBy": "run-2"},
        {"tags": [{"key": "k", "value": "v"}]},
        {"overrides": {"containerOverrides": [{"name": "main", "command": ["true"]}]}},
        {"count": 2},
        {"group": "g"},
    ],
)
def test_the_same_token_with_another_request_is_a_conflict_that_names_the_task(ecs, change):
    arn = ecs.start(clientToken="t")
    error = refusal(ecs.boto.run_task, **ecs.request(clientToken="t", **change))
    assert error["Error"]["Code"] == "ConflictException"
    assert error["resourceIds"] == [arn]
    assert len(ecs.emulator.jobs()) == 1


def test_client_tokens_are_separate_for_each_cluster(ecs):
    ecs.boto.create_cluster(clusterName="other")
    ecs.run(clientToken="t")
    ecs.run(clientToken="t", cluster="other")
    assert len(ecs.emulator.jobs()) == 2


def test_a_name_and_an_arn_of_a_cluster_are_different_requests_of_the_same_cluster(ecs):
    ecs.run(clientToken="t", cluster="default")
    assert ecs.refusal(clientToken="t", cluster="arn:aws:ecs:us-east-1:111111111111:cluster/default")[0] == "ConflictException"


def test_without_a_token_the_vendors_client_makes_one_per_call(ecs):
    assert ecs.start() != ecs.start()
    tokens = {request["clientToken"] for request in ecs.emulator.calls.requests("RunTask")}
    assert len(tokens) == 2


def test_a_stopped_task_is_reported_by_its_arn_and_states_alone(ecs):
    arn = ecs.start(clientToken="t")
    ecs.boto.stop_task(task=arn)
    assert ecs.run(clientToken="t")["tasks"] == [{"taskArn": arn, "lastStatus": "STOPPED", "desiredStatus": "STOPPED"}]


def test_a_token_outlives_its_task_by_an_hour(ecs):
    arn = ecs.start(clientToken="t")
    ecs.emulator.advance(HOUR)
    ecs.boto.stop_task(task=arn)
    ecs.emulator.advance(HOUR - 1)
    assert ecs.start(clientToken="t") == arn
    ecs.emulator.advance(1)
    assert ecs.start(clientToken="t") != arn
    assert ecs.emulator.starts == {"run-1": 2}


def test_a_token_lives_no_longer_than_a_day_though_its_task_runs_on(ecs):
    arn = ecs.start(clientToken="t")
    ecs.emulator.advance(24 * HOUR - 1)
    assert ecs.start(clientToken="t") == arn
    ecs.emulator.advance(1)
    assert ecs.start(clientToken="t") != arn


def test_a_refusal_for_capacity_is_stored_under_its_token(ecs):
    ecs.emulator.faults.add("RunTask", FaultKind.NO_CAPACITY)
    first = ecs.run(clientToken="t")
    again = ecs.run(clientToken="t")
    assert first["tasks"] == again["tasks"] == []
    assert first["failures"] == again["failures"]
    assert len(ecs.run(clientToken="u")["tasks"]) == 1


@pytest.mark.parametrize("kind", [FaultKind.THROTTLE, FaultKind.REFUSE, FaultKind.SERVER_ERROR])
def test_an_exception_leaves_its_token_unused(ecs, kind):
    ecs.emulator.faults.add("RunTask", kind)
    ecs.refusal(clientToken="t")
    assert len(ecs.run(clientToken="t", startedBy="run-2")["tasks"]) == 1


def test_a_known_token_is_answered_though_its_definition_is_gone(ecs):
    arn = ecs.start(clientToken="t")
    ecs.boto.deregister_task_definition(taskDefinition="job:1")
    assert ecs.start(clientToken="t") == arn
