"""The data files of the AWS SDK, read once and shared by all of its sessions in a process. Importing this module loads
botocore.
"""

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
"""The exceptions that calls of the SDK raise."""
TOKEN_SECONDS = 300
"""How long an identity token is valid. A new one is requested for each token of the other cloud."""
_MODELS = Path(__file__).parent / "ecs" / "models"
"""Models that replace the SDK's: EC2's holds only the operations that are used. The SDK's own takes 24 MB and 100 ms of CPU."""


def new_session(profile: str | None = None) -> Session:
    """A session with its own credentials and settings. It shares the service data with all other sessions.

    Otherwise a second client would read the same megabytes of JSON again, which takes 50 ms of a cold start.
    """
    session = Session(profile=profile)
    session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    return session


def region_of(session: Session) -> str:
    """The region that is configured on the host. Raises `NoRegionError`."""
    region = session.get_config_variable("region") or os.environ.get("AWS_REGION")
    if not region:
        raise NoRegionError
    return str(region)


def web_identity_token(audience: str) -> str:
    """A token in which AWS states the host's role. Raises the exceptions in `AWS_FAILURES`.

    The role needs `sts:GetWebIdentityToken`, and the account outbound identity federation, which is off by default.
    """
    session, once = new_session(), Config(retries={"total_max_attempts": 1}, connect_timeout=1.5, read_timeout=2.5)
    sts: Any = session.create_client("sts", region_name=region_of(session), config=once)
    answer = sts.get_web_identity_token(Audience=[audience], SigningAlgorithm="RS256", DurationSeconds=TOKEN_SECONDS)
    return str(answer["WebIdentityToken"])


class _File(JSONFileLoader):
    """A file that is read only once."""

    def exists(self, file_path: str) -> bool:
        """See `JSONFileLoader.exists`."""
        return exists(file_path)

    def load_file(self, file_path: str) -> Any:
        """See `JSONFileLoader.load_file`."""
        return content(file_path)


class _Loader(Loader):
    """Finds a service's data with less reading than the SDK's own."""

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - as below
        """The names of the folders. Searching each of the 400 for a file of this type would take 12 ms of CPU per type."""
        folders = [path for path in self.search_paths if os.path.isdir(path)]
        return sorted({name for path in folders for name in os.listdir(path)})


@cache
def _loader(search_path: str | None) -> Any:
    paths = [os.path.expanduser(os.path.expandvars(path)) for path in (search_path or "").split(os.pathsep) if path]
    return _Loader([*paths, str(_MODELS)], _File())
