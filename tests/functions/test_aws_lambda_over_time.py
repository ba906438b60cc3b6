"""What comes after hours and lost answers: cold starts of the function at the times that a test picks."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from dispatcher.models import RunState, submission_name
from providers.emulators.faults import FaultKind
from providers.emulators.jobs import Phase
from tests.builders import HOUR, MINUTE, SECOND
from tests.functions.conftest import only

AFTER_THE_LEASE = timedelta(seconds=300 + 60 + 10 + 1)
"""The lease, what ECS may take to show a task, and what two clocks may differ by."""


@pytest.fixture
def run(function):
    return function.create()[0]


@pytest.fixture
def wait(clock):
    def move(duration):
        clock.time += duration

    return move


def requests(aws):
    return aws.calls.requests("RunTask")


def test_a_lost_answer_keeps_the_slot_until_the_task_is_found_and_adopted(function, aws, run, wait):
    aws.faults.add("RunTask", FaultKind.LOSE_ANSWER)
    report = function.then()["pools"][0]
    assert (report["unknown"], function.states()) == (1, ["PENDING"])
    assert "no answer from the provider" in function.people.run(run.id).reason
    wait(MINUTE)
    assert sum(pool["claimed"] for pool in function.then()["pools"]) == 0, "nobody touches it before its lease ends"
    wait(AFTER_THE_LEASE)
    report = function.then()["pools"][0]
    assert (report["taken_over"], report["submitted"]) == (1, 1)
    assert len(requests(aws)) == 1, "it was found, and not submitted again"
    aws.finish(submission_name(run.id, 1))
    function.then()
    assert function.states() == ["COMPLETED"]
    assert aws.starts == {submission_name(run.id, 1): 1}


def test_a_lost_request_is_made_again_under_its_name_with_the_same_bytes(function, aws, run, wait):
    aws.faults.add("RunTask", FaultKind.LOSE_REQUEST)
    function.then()
    function.people.update_work_pool("batch", base_job_template=changed(function.people.work_pool("batch").base_job_template))
    wait(AFTER_THE_LEASE)
    function.then()
    first, second = requests(aws)
    assert first == second, "what was claimed is pinned, whatever becomes of the template"
    assert aws.starts == {submission_name(run.id, 1): 1}


def changed(template):
    copy = json.loads(json.dumps(template))
    copy["variables"]["properties"]["cpu"]["default"] = 4096
    return copy


def test_a_task_that_is_found_only_by_its_event_is_adopted_at_once(function, aws, run, wait):
    aws.faults.add("RunTask", FaultKind.LOSE_ANSWER)
    function.then()
    assert function.then(only(aws.events(), "RUNNING")[0])["moved"]
    assert function.states() == ["RUNNING"]
    wait(AFTER_THE_LEASE)
    report = function.then()["pools"][0]
    assert (report["live"], report["taken_over"]) == (1, 0)
    aws.finish(submission_name(run.id, 1))
    function.then()
    assert function.states() == ["COMPLETED"]


def test_a_task_that_is_adopted_by_its_event_is_cancelled_with_the_credentials_that_its_job_names(function, aws):
    role = {"role_arn": "arn:aws:iam::123456789012:role/dispatcher"}
    run = function.create(job_variables={"aws_credentials": "prod"})[0]
    aws.faults.add("RunTask", FaultKind.LOSE_ANSWER)
    signed_in = {"credentials": {"prod": role}}
    function.then(**signed_in)
    function.then(only(aws.events(), "RUNNING")[0], **signed_in)
    adopted = function.people.run(run.id).submission
    assert adopted.handle["credentials"] == "prod"
    assumed = aws.calls.counts["sts.AssumeRole"]
    function.people.cancel_run(run.id)
    function.then(**signed_in)
    assert aws.calls.counts["sts.AssumeRole"] == assumed + 1, "a cold start signs in anew, as that role"
    assert len(aws.calls.requests("StopTask")) == 1
    function.then(**signed_in)
    assert function.states() == ["CANCELLED"]


def test_a_task_that_vanished_has_ended_and_its_slot_goes_to_the_next(function, aws, wait):
    function.people.update_work_pool("batch", concurrency_limit=1)
    first, second = function.create(2)
    function.then()
    aws.finish(submission_name(first.id, 1))
    wait(HOUR + MINUTE)
    report = function.then()["pools"][0]
    assert (report["ended"], report["submitted"]) == (1, 1)
    gone = function.people.run(first.id)
    assert (gone.state, gone.exit_code) == (RunState.CRASHED, None)
    assert "no longer knows how it ended" in gone.reason
    assert function.people.run(second.id).state is RunState.PENDING


def test_a_task_that_is_not_yet_shown_keeps_its_slot(function, aws, run, wait):
    aws.change_settings({"visibility_lag": 30.0})
    function.then()
    wait(10 * SECOND)
    assert function.then()["pools"][0]["ended"] == 0
    assert function.states() == ["PENDING"]
    wait(30 * SECOND)
    assert function.then()["pools"][0]["started"] == 1


@pytest.mark.parametrize("fault", [("throttle", ""), ("throttle", "network"), ("no-capacity", "")], ids=" ".join)
def test_a_throttled_run_is_given_back_its_pool_is_held_and_goes_on_later(fault, function, aws, run, wait):
    kind, detail = fault
    aws.faults.add("RunTask", kind, detail=detail)
    report = function.then()["pools"][0]
    assert (report["throttled"], function.states()) == (1, ["SCHEDULED"])
    [hold] = function.people.work_pool("batch").holds
    assert hold.until > function.clock.now()
    assert set(function.then()["pools"][0]["barriers"].values()) <= {"POOL_HELD", "PLACE_HELD"}
    wait(hold.until - function.clock.now() + SECOND)
    assert function.then()["pools"][0]["submitted"] == 1
    assert aws.starts == {submission_name(run.id, 2): 1}, "ECS would answer the refused token with its refusal"


def test_an_invocation_ends_its_submissions_a_margin_before_its_time_and_the_next_goes_on(function, aws, wait):
    function.people.update_work_pool("batch", concurrency_limit=None)
    runs = function.create(50)
    begun = function.clock.now()
    slow = {"launches_per_second": 1, "concurrency": 1}
    report = function.then(seconds=25, **slow)["pools"][0]
    assert function.clock.now() - begun <= 13 * SECOND
    assert report["submitted"] == 20 + 13, "the burst, and one a second until twelve seconds before the end"
    assert report["not_submitted"] == 50 - 33
    wait(MINUTE)
    function.then(**slow)
    assert aws.starts == {submission_name(run.id, 1): 1 for run in runs}, "what is given back keeps its name"


def test_a_task_that_does_not_start_in_time_is_stopped_and_its_run_crashes(function, aws, wait, monkeypatch):
    monkeypatch.setattr(aws.book, "life", replace(aws.book.life, before=(Phase("PROVISIONING", 3600),)))
    run = function.create(job_variables={"task_start_timeout_seconds": 60})[0]
    function.then()
    wait(MINUTE)
    function.then()
    assert function.states() == ["PENDING"]
    wait(SECOND)
    function.then()
    assert function.states() == ["CANCELLING"]
    assert function.then()["pools"][0]["ended"] == 1
    ended = function.people.run(run.id)
    assert (ended.state, ended.reason) == (RunState.CRASHED, "did not start within 60 s of its submission.")
