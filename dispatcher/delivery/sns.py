"""SNS topics. Importing this module loads botocore; the function's role needs `sns:Publish` on the topic.

https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from threading import Lock
from typing import Any
from uuid import UUID

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from dispatcher.delivery import NotDelivered
from providers.aws import new_session
from providers.deadlines import NoAnswerInTime, within

SECONDS = 5.0
"""Seconds for the whole call, from the connection to the last byte of the answer."""
MAX_SUBJECT = 100


class Topic:
    """Publishes JSON to a topic, in the region of its ARN, with the host's own identity."""

    def __init__(self, arn: str, *, seconds: float = SECONDS) -> None:
        self._arn, self._seconds = arn, seconds
        self._lock = Lock()

    def __call__(self, identity: UUID, message: Mapping[str, Any]) -> None:
        """Publish it. Raises `NotDelivered`."""
        attributes = {"type": message["type"], "id": f"msg_{identity.hex}"}
        try:
            within(self._seconds, lambda: self._publish(message, attributes))
        except (ClientError, BotoCoreError, NoAnswerInTime, ValueError) as problem:  # ValueError: the answer is not one of SNS
            raise NotDelivered(str(problem)) from None

    def _publish(self, message: Mapping[str, Any], attributes: Mapping[str, str]) -> None:
        """Raises `ValueError` for an answer without a message id: it may not come from SNS."""
        with self._lock:
            client = self._client
        answer = client.publish(
            TopicArn=self._arn,
            Subject=_subject(message),
            Message=json.dumps(message),
            MessageAttributes={name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()},
        )
        if not answer.get("MessageId"):
            raise ValueError("the answer does not name a message")

    @cached_property
    def _client(self) -> Any:
        config = Config(retries={"total_max_attempts": 1}, connect_timeout=self._seconds, read_timeout=self._seconds)
        return new_session().create_client("sns", region_name=self._arn.split(":")[3], config=config)


def _subject(message: Mapping[str, Any]) -> str:
    """The subject of the topic's e-mails. SNS accepts printable ASCII only."""
    data = message["data"]
    run = data.get("run")
    words = f"{run['name']} ({run['pool']})" if run else data["hook"]
    return f"{message['type'].removeprefix('run.')}: {words}".encode("ascii", "replace").decode()[:MAX_SUBJECT]
