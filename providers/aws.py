"""What all sessions of the AWS SDK in a process share: the SDK's own data, read once. Importing this module loads botocore."""

from __future__ import annotations

from functools import cache
from typing import Any

from botocore.loaders import create_loader
from botocore.session import Session


def new_session(profile: str | None = None) -> Session:
    """A session with credentials and settings of its own, and the data of the services in common.

    The second of two clients would otherwise read the same megabytes of JSON again: 50 ms of a cold start.
    """
    session = Session(profile=profile)
    session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    return session


@cache
def _loader(search_path: str | None) -> Any:
    return create_loader(search_path)
