"""What all sessions of the AWS SDK in a process share: the SDK's own data, read once. Importing this module loads botocore."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoRegionError
from botocore.loaders import create_loader
from botocore.session import Session

AWS_FAILURES = (BotoCoreError, ClientError)
"""What calls of the SDK raise."""
TOKEN_SECONDS = 300
"""How long somebody else may believe who we are. It is asked for anew for each of their tokens."""


def new_session(profile: str | None = None) -> Session:
    """A session with credentials and settings of its own, and the data of the services in common.

    The second of two clients would otherwise read the same megabytes of JSON again: 50 ms of a cold start.
    """
    session = Session(profile=profile)
    session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    return session


def region_of(session: Session) -> str:
    """The region that the host is set to. Raises `NoRegionError`."""
    region = session.get_config_variable("region") or os.environ.get("AWS_REGION")
    if not region:
        raise NoRegionError
    return str(region)


def web_identity_token(audience: str) -> str:
    """A token in which AWS says who the host's role is. Raises what is in `AWS_FAILURES`.

    The role needs `sts:GetWebIdentityToken`, and the account outbound identity federation, which is off by default.
    """
    session, once = new_session(), Config(retries={"total_max_attempts": 1}, connect_timeout=1.5, read_timeout=2.5)
    sts: Any = session.create_client("sts", region_name=region_of(session), config=once)
    answer = sts.get_web_identity_token(Audience=[audience], SigningAlgorithm="RS256", DurationSeconds=TOKEN_SECONDS)
    return str(answer["WebIdentityToken"])


@cache
def _loader(search_path: str | None) -> Any:
    return create_loader(search_path)
