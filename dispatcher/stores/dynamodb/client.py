"""The SDK's low-level client. Importing this module loads botocore: it is imported when the first request is made."""

from __future__ import annotations

import os
from typing import Any

from botocore import exceptions as sdk
from botocore.config import Config
from botocore.parsers import ResponseParserError
from botocore.session import Session

from dispatcher.stores.dynamodb.answers import check_sum
from dispatcher.stores.dynamodb.definition import CONNECT_SECONDS, READ_SECONDS
from dispatcher.stores.dynamodb.problems import Failures, NoClient
from providers.aws import new_session

FAILURES = Failures(
    refused=sdk.ClientError,
    unanswered=(sdk.ConnectionError, sdk.HTTPClientError, sdk.IncompleteReadError),
    unreadable=(ResponseParserError,),
    other=(sdk.BotoCoreError,),
)


def connect(
    region: str | None, endpoint: str | None, session: Session | None = None, *, read_seconds: float = READ_SECONDS
) -> Any:
    """A client without its own retries: only the module `requests` repeats.

    For arguments that are None, the usual AWS settings apply. The first request looks up credentials. Raises `NoClient`.
    """
    try:
        return _connected(region, endpoint, session, read_seconds)
    except sdk.BotoCoreError as problem:
        raise NoClient(str(problem)) from problem


def _connected(region: str | None, endpoint: str | None, session: Session | None, read_seconds: float) -> Any:
    session = session or new_session()
    where = region or session.get_config_variable("region") or os.environ.get("AWS_REGION")
    if not where:
        raise sdk.NoRegionError
    config = Config(
        retries={"total_max_attempts": 1},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=read_seconds,
        tcp_keepalive=True,
        user_agent_extra="push-dispatcher",
    )
    client = session.create_client("dynamodb", region_name=where, endpoint_url=endpoint, config=config)
    client.meta.events.register("before-parse.dynamodb", check_sum)
    return client
