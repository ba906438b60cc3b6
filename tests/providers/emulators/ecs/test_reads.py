from __future__ import annotations

import pytest

from tests.providers.emulators.ecs.builders import HOUR, client, refusal

INVALID = "InvalidParameterException"


def test_a_task_is_described_by_its_arn_and_by_its_id(ecs):
    arn = ecs.start()
    assert ecs.describe(arn)["taskArn"] == ecs.describe(arn.rpartition("/")[2])["taskArn"] == arn


def test_a_job_that_does_not_exist_is_missing(ecs):
    arn = ecs.start()
    other = arn.replace("task/default", "task/other")
    answer = ecs.boto.describe_tasks(tasks=["0" * 32, other, arn])
    assert [task["taskArn"] for task in answer["tasks"]] == [arn]
    assert answer["failures"] == [
        {"arn": f"arn:aws:ecs:us-east-1:111111111111:task/default/{'0' * 32}", "reason": "MISSING"},
        {"arn": other, "reason": "MISSING"},
    ]


def test_a_stopped_task_is_known_for_an_hour(ecs):
    arn = ecs.start()
    ecs.emulator.advance(5 * HOUR)
    ecs.boto.stop_task(task=arn)
    ecs.emulator.advance(HOUR - 1)
    assert ecs.describe(arn)["lastStatus"] == "STOPPED"
    assert ecs.listed(desiredStatus="STOPPED") == [arn]
    ecs.emulator.advance(1)
    assert ecs.boto.describe_tasks(tasks=[arn])["failures"] == [{"arn": arn, "reason": "MISSING"}]
    assert ecs.listed(desiredStatus="STOPPED") == []
    assert refusal(ecs.boto.stop_task, task=arn)["Error"]["Message"] == "The referenced task was not found."


@pytest.mark.parametrize(("number", "fits"), [(0, False), (1, True), (100, True), (101, False)])
def test_a_hundred_tasks_are_described_at_once_and_no_more(ecs, number, fits):
    ids = [f"{index:032x}" for index in range(number)]
    if fits:
        assert len(ecs.boto.describe_tasks(tasks=ids)["failures"]) == number
    else:
        assert refusal(ecs.boto.describe_tasks, tasks=ids)["Error"]["Code"] == INVALID


def test_tags_are_returned_when_asked_for_and_gone_with_the_stop(ecs):
    tags = [{"key": "k", "value": "v"}]
    arn = ecs.start(tags=tags)
    assert ecs.describe(arn)["tags"] == []
    assert ecs.describe(arn, include=["TAGS"])["tags"] == tags
    ecs.boto.stop_task(task=arn)
    assert ecs.describe(arn, include=["TAGS"])["tags"] == []


def test_tags_of_a_running_task_can_be_changed(ecs):
    arn = ecs.start(tags=[{"key": "a", "value": "1"}])
    ecs.boto.tag_resource(resourceArn=arn, tags=[{"key": "a", "value": "2"}, {"key": "b", "value": "3"}])
    ecs.boto.untag_resource(resourceArn=arn, tagKeys=["b"])
    assert ecs.boto.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "a", "value": "2"}]
    many = [{"key": f"k{number}", "value": ""} for number in range(50)]
    assert refusal(ecs.boto.tag_resource, resourceArn=arn, tags=many)["Error"]["Code"] == INVALID
    ecs.boto.stop_task(task=arn)
    assert refusal(ecs.boto.tag_resource, resourceArn=arn, tags=many[:1])["Error"]["Code"] == "ClientException"
    assert refusal(ecs.boto.list_tags_for_resource, resourceArn=arn + "0")["Error"]["Code"] == INVALID


def test_running_tasks_are_listed_unless_stopped_ones_are_asked_for(ecs):
    running, stopped = ecs.start(), ecs.start()
    ecs.boto.stop_task(task=stopped)
    assert ecs.listed() == ecs.listed(desiredStatus="RUNNING") == [running]
    assert ecs.listed(desiredStatus="STOPPED") == [stopped]
    assert ecs.listed(desiredStatus="PENDING") == []


def test_a_task_that_is_to_stop_is_listed_among_the_stopped(ecs):
    arn = ecs.start(startedBy="run-7")
    ecs.boto.stop_task(task=arn)
    assert ecs.listed(startedBy="run-7", desiredStatus="STOPPED") == [arn]


def test_lists_are_filtered(ecs):
    ecs.register("other")
    job, other = ecs.start(startedBy="a"), ecs.start(taskDefinition="other", startedBy="b")
    assert ecs.listed(startedBy="a") == ecs.listed(family="job") == [job]
    assert ecs.listed(launchType="FARGATE") == [job, other]
    assert ecs.listed(launchType="EC2") == ecs.listed(family="none") == ecs.listed(serviceName="s") == []


@pytest.mark.parametrize("beside", [{"family": "job"}, {"launchType": "FARGATE"}, {"serviceName": "s"}])
def test_started_by_is_the_only_filter(ecs, beside):
    assert refusal(ecs.boto.list_tasks, startedBy="a", **beside)["Error"]["Code"] == INVALID


def test_the_strict_reading_refuses_a_status_beside_who_started_it(ecs):
    ecs.emulator.change_settings({"started_by_alone": True})
    assert refusal(ecs.boto.list_tasks, startedBy="a", desiredStatus="STOPPED")["Error"]["Code"] == INVALID


def test_lists_come_in_pages(ecs):
    started = [task["taskArn"] for _ in range(3) for task in ecs.run(count=10)["tasks"]]
    pages = list(ecs.boto.get_paginator("list_tasks").paginate(PaginationConfig={"PageSize": 12}))
    assert [len(page["taskArns"]) for page in pages] == [12, 12, 6]
    assert [arn for page in pages for arn in page["taskArns"]] == started
    assert "nextToken" not in ecs.boto.list_tasks(maxResults=30)


def test_a_page_holds_a_hundred_by_default(ecs):
    for _ in range(11):
        ecs.run(count=10)
    first = ecs.boto.list_tasks()
    assert len(first["taskArns"]) == 100
    assert len(ecs.boto.list_tasks(nextToken=first["nextToken"])["taskArns"]) == 10


@pytest.mark.parametrize("request_", [{"maxResults": 0}, {"maxResults": 101}, {"nextToken": "!"}])
def test_an_invalid_page_is_refused(ecs, request_):
    assert refusal(ecs.boto.list_tasks, **request_)["Error"]["Code"] == INVALID


def test_a_new_task_stays_hidden_for_the_lag(ecs):
    ecs.emulator.change_settings({"visibility_lag": 5})
    arn = ecs.start(clientToken="t")
    assert ecs.listed(startedBy="run-1") == []
    assert ecs.boto.describe_tasks(tasks=[arn])["failures"][0]["reason"] == "MISSING"
    assert ecs.start(clientToken="t") == arn
    ecs.emulator.advance(5)
    assert ecs.listed(startedBy="run-1") == [arn]
    assert ecs.describe(arn)["lastStatus"] == "RUNNING"


def test_a_task_is_stopped_once(ecs):
    arn = ecs.start()
    ecs.boto.stop_task(task=arn, reason="first")
    task = ecs.boto.stop_task(task=arn, reason="second")["task"]
    assert (task["lastStatus"], task["stoppedReason"]) == ("STOPPED", "first")
    unknown = refusal(ecs.boto.stop_task, task="0" * 32)["Error"]
    assert (unknown["Code"], unknown["Message"]) == (INVALID, "The referenced task was not found.")


def test_clusters_and_regions_are_apart(ecs):
    ecs.boto.create_cluster(clusterName="other")
    arn = ecs.start(cluster="other")
    assert ecs.listed() == []
    assert ecs.listed(cluster="other") == ecs.listed(cluster="arn:aws:ecs:us-east-1:111111111111:cluster/other") == [arn]
    elsewhere = client("ecs", ecs.emulator, region="eu-west-1")
    assert refusal(elsewhere.list_tasks, cluster="other")["Error"]["Code"] == "ClusterNotFoundException"
    elsewhere.create_cluster(clusterName="other")
    assert elsewhere.list_tasks(cluster="other")["taskArns"] == []
