"""SNS topics, by the unmodified SDK against the emulated AWS."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from uuid import UUID

import boto3
import pytest

from dispatcher.core.notifications import trial
from dispatcher.delivery import Deliveries, NotDelivered
from dispatcher.delivery.sns import _subject
from providers.emulators.ecs import EcsEmulator

pytest_plugins = ["providers.emulators.fixtures"]

ID = UUID(int=7)
RUN = {"name": "nächtlich", "pool": "pool"}
MESSAGE = {"type": "run.failed", "data": {"run": RUN}}


def test_a_notification_reaches_the_subscribers_of_the_topic(ecs_emulator: EcsEmulator):
    sns, sqs = boto3.client("sns", region_name="us-east-1"), boto3.client("sqs", region_name="us-east-1")
    topic, queue = sns.create_topic(Name="alarms")["TopicArn"], sqs.create_queue(QueueName="inbox")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    Deliveries({"alarms": {"topic_arn": topic}}, {})("alarms", ID, MESSAGE)
    [received] = sqs.receive_message(QueueUrl=queue)["Messages"]
    envelope = json.loads(received["Body"])
    assert json.loads(envelope["Message"]) == MESSAGE
    assert envelope["Subject"] == "failed: n?chtlich (pool)"
    attributes = {name: attribute["Value"] for name, attribute in envelope["MessageAttributes"].items()}
    assert attributes == {"type": "run.failed", "id": f"msg_{ID.hex}"}


def test_the_subject_of_a_test_mail_names_the_hook():
    assert _subject(trial("ops", datetime(2026, 1, 31, tzinfo=UTC))) == "hook.test: ops"


def test_without_the_sdk_a_delivery_fails_and_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "botocore.config", None)
    monkeypatch.delitem(sys.modules, "dispatcher.delivery.sns", raising=False)
    with pytest.raises(NotDelivered, match=r"botocore.config, which is not installed: pip install 'push-dispatcher\[aws\]'"):
        Deliveries({"alarms": {"topic_arn": "arn:aws:sns:us-east-1:123456789012:x"}}, {})("alarms", ID, MESSAGE)


def test_a_missing_topic_is_a_failed_delivery(ecs_emulator: EcsEmulator):
    missing = f"arn:aws:sns:us-east-1:{ecs_emulator.account}:nobody"
    with pytest.raises(NotDelivered, match="NotFound"):
        Deliveries({"alarms": {"topic_arn": missing}}, {})("alarms", ID, MESSAGE)
