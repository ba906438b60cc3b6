"""What all sessions of the AWS SDK in a process share: the SDK's own data, read once. Importing this module loads botocore."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoRegionError
from botocore.loaders import JSONFileLoader, Loader
from botocore.session import Session

from providers.aws_data import content, exists

AWS_FAILURES = (BotoCoreError, ClientError)
"""What calls of the SDK raise."""
TOKEN_SECONDS = 300
"""How long somebody else may believe who we are. It is asked for anew for each of their tokens."""
_MODELS = Path(__file__).parent / "ecs" / "models"
"""Models in place of the SDK's: that of EC2 with no more than what is asked of it. The SDK's takes 24 MB and 100 ms of CPU."""


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


class _File(JSONFileLoader):
    """A file that is read once for all."""

    def exists(self, file_path: str) -> bool:
        """See `JSONFileLoader.exists`."""
        return exists(file_path)

    def load_file(self, file_path: str) -> Any:
        """See `JSONFileLoader.load_file`."""
        return content(file_path)


class _Loader(Loader):
    """Finds a service's data with less reading than the SDK's own."""

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - as below
        """The folders. To ask each of 400 for a file of this type would take 12 ms of CPU, and again for the next type."""
        folders = [path for path in self.search_paths if os.path.isdir(path)]
        return sorted({name for path in folders for name in os.listdir(path)})


@cache
def _loader(search_path: str | None) -> Any:
    paths = [os.path.expanduser(os.path.expandvars(path)) for path in (search_path or "").split(os.pathsep) if path]
    return _Loader([*paths, str(_MODELS)], _File())
