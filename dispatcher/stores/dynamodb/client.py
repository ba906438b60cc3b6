"""The SDK's low-level client. Importing this module loads botocore: it is imported when the first request is made."""

from __future__ import annotations

import os
from typing import Any

from botocore.config import Config
from botocore.exceptions import NoRegionError
from botocore.session import Session

from dispatcher.stores.dynamodb.answers import check_sum
from providers.aws import new_session

CONNECT_SECONDS = 2.0
READ_SECONDS = 5.0
"""A transaction of 100 items takes some tens of milliseconds; one that takes seconds is asked for again."""


def connect(
    region: str | None, endpoint: str | None, session: Session | None = None, *, read_seconds: float = READ_SECONDS
) -> Any:
    """A client without retries of its own: `requests` is the one place that repeats.

    What is None comes from the usual AWS settings. No request is made before credentials are first wanted.
    """
    session = session or new_session()
    where = region or session.get_config_variable("region") or os.environ.get("AWS_REGION")
    if not where:
        raise NoRegionError
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
