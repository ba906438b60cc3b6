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

SECONDS = 5.0
MAX_SUBJECT = 100


class Topic:
    """Publishes JSON to a topic, in the region of its ARN, with the host's own identity."""

    def __init__(self, arn: str) -> None:
        self._arn = arn
        self._lock = Lock()

    def __call__(self, identity: UUID, message: Mapping[str, Any]) -> None:
        """Publish it. Raises `NotDelivered`."""
        attributes = {"type": message["type"], "id": f"msg_{identity.hex}"}
        try:
            with self._lock:
                client = self._client
            client.publish(
                TopicArn=self._arn,
                Subject=_subject(message),
                Message=json.dumps(message),
                MessageAttributes={name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()},
            )
        except (ClientError, BotoCoreError) as problem:
            raise NotDelivered(str(problem)) from None

    @cached_property
    def _client(self) -> Any:
        config = Config(retries={"total_max_attempts": 1}, connect_timeout=SECONDS, read_timeout=SECONDS)
        return new_session().create_client("sns", region_name=self._arn.split(":")[3], config=config)


def _subject(message: Mapping[str, Any]) -> str:
    """What a mail of the topic is headed by: printable ASCII, which SNS asks for."""
    data = message["data"]
    run = data.get("run")
    words = f"{run['name']} ({run['work_pool']})" if run else data["hook"]
    return f"{message['type'].removeprefix('run.')}: {words}".encode("ascii", "replace").decode()[:MAX_SUBJECT]
