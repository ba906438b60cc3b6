"""The only module that calls AWS through the SDK. Importing it loads botocore.

Every call as a whole ends within its time, every answer is checked, and every error of the SDK becomes an `AwsFailure` or
`Garbled`: modules above this one do not know the SDK's classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from botocore.config import Config
from botocore.credentials import CredentialProvider, CredentialResolver, DeferredRefreshableCredentials, RefreshableCredentials
from botocore.exceptions import NoCredentialsError
from botocore.parsers import ResponseParserError
from botocore.session import Session

from providers.aws import AWS_FAILURES, new_session, region_of
from providers.deadlines import within
from providers.ecs.answers import Garbled
from providers.ecs.outcomes import AwsFailure, fault_of

DEFAULT_SESSION_NAME = "push-dispatcher"


def configured(connect_timeout: float, read_timeout: float, connections: int) -> Config:
    """The SDK's configuration, without retries: the tick alone decides about them."""
    return Config(
        retries={"total_max_attempts": 1},
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        max_pool_connections=connections,
        user_agent_extra="push-dispatcher",
    )


def open_session(entry: Mapping[str, Any], endpoint_url: str | None, region: str | None, config: Config) -> Session:
    """The session of an entry of the credentials. It makes no call until credentials are first needed."""
    session = new_session(entry.get("profile"))
    if "role_arn" not in entry:
        return session
    assumed = new_session(entry.get("profile"))
    provider = _AssumedRole(session, entry, endpoint_url, entry.get("region") or region, config)
    assumed.register_component("credential_provider", CredentialResolver([provider]))
    return assumed


def has_fresh_credentials(session: Session) -> bool:
    """True if there are credentials that need no refresh. It makes no call."""
    credentials = vars(session).get("_credentials")  # `get_credentials` may call a service, which takes time
    return credentials is not None and not (isinstance(credentials, RefreshableCredentials) and credentials.refresh_needed())


def fresh_credentials(session: Session) -> Any:
    """The session's credentials, refreshed if due. Raises `NoCredentialsError` and the exceptions of a refresh."""
    credentials = session.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    return credentials.get_frozen_credentials()


class _AssumedRole(CredentialProvider):
    """Assumes a role when credentials are first needed, and again before they expire."""

    METHOD = CANONICAL_NAME = "push-dispatcher-assumed-role"

    def __init__(
        self, session: Session, entry: Mapping[str, Any], endpoint_url: str | None, region: str | None, config: Config
    ) -> None:
        super().__init__(session)
        self._session, self._entry, self._endpoint_url = session, entry, endpoint_url
        self._region, self._config = region, config

    def load(self) -> DeferredRefreshableCredentials:
        return DeferredRefreshableCredentials(refresh_using=self._assume, method=self.METHOD)

    def _assume(self) -> dict[str, str]:
        region = self._region or region_of(self._session)
        sts: Any = self._session.create_client("sts", region_name=region, endpoint_url=self._endpoint_url, config=self._config)
        answer = sts.assume_role(**_parameters(self._entry))["Credentials"]
        return {
            "access_key": answer["AccessKeyId"],
            "secret_key": answer["SecretAccessKey"],
            "token": answer["SessionToken"],
            "expiry_time": answer["Expiration"].isoformat(),
        }


def _parameters(entry: Mapping[str, Any]) -> dict[str, Any]:
    parameters = {"RoleArn": entry["role_arn"], "RoleSessionName": entry.get("session_name") or DEFAULT_SESSION_NAME}
    return {**parameters, "ExternalId": entry["external_id"]} if entry.get("external_id") else parameters


Result = TypeVar("Result")

_ODD = (ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""The exceptions, beside its own errors, that the SDK raises for an answer of an unexpected shape."""


class SdkService:
    """A service through the SDK's own client (see `AwsService`)."""

    def __init__(self, client: Any, seconds: float) -> None:
        self._client, self._seconds = client, seconds

    @property
    def region(self) -> str:
        """The region of its calls."""
        return str(self._client.meta.region_name)

    def hurried(self, seconds: float) -> SdkService:
        """The same service with at most this many seconds per call."""
        return SdkService(self._client, min(seconds, self._seconds))

    def ask(self, operation: str, **parameters: Any) -> Mapping[str, Any]:
        """Call an operation by its Python name.

        Raises `AwsFailure`, `NoAnswerInTime` after this service's seconds, and `Garbled` for an unusable answer.
        """
        answer: Mapping[str, Any] = bounded(self._seconds, operation, lambda: getattr(self._client, operation)(**parameters))
        return answer


def bounded(seconds: float, operation: str, call: Callable[[], Result]) -> Result:
    """The result of `call` within `seconds`. Raises `AwsFailure`, `NoAnswerInTime` and `Garbled`."""
    return translated(operation, lambda: within(seconds, call))


def translated(operation: str, call: Callable[[], Result]) -> Result:
    """The result of `call`. Raises `AwsFailure` for an error of AWS, the SDK or the system, and `Garbled` for an odd answer."""
    try:
        return call()
    except AWS_FAILURES as error:
        raise AwsFailure(fault_of(error)) from error
    except (*_ODD, ResponseParserError) as error:
        raise Garbled(f"{operation}: the answer cannot be read: {type(error).__name__}: {error}") from error
    except (OSError, RuntimeError) as error:
        raise AwsFailure(fault_of(error)) from error
