"""The SDK's clients: built once per identity and region, without retries, with a timeout on every call.

The first client loads the SDK; only botocore is used.
"""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Mapping
from functools import cache
from typing import Any

from providers.base import ConfigurationError, ProviderUnavailable
from providers.ecs.place import Place
from providers.ecs.service import AwsService
from providers.once import Once

ENTRY_KEYS = frozenset({"role_arn", "external_id", "session_name", "region", "profile"})
CONNECT_SHARE = 0.2
READ_SHARE = 0.6
"""The shares of a submission's time that one call may spend on connecting and on waiting for the answer."""


class Clients:
    """Clients by service and place. Safe to use from several threads.

    `credentials` maps names to entries: `role_arn` (assumed, and again before it expires) with `external_id`
    and `session_name`; `profile`; `region`. Without a name the host's own identity is used.
    All providers share the entries, so an entry is checked only when it is first used.
    """

    def __init__(
        self,
        *,
        credentials: Mapping[str, Mapping[str, Any]],
        endpoint_url: str | None,
        region: str | None,
        call_timeout: float,
        connections: int,
        lean: bool = True,
    ) -> None:
        self._entries = dict(credentials)
        self._endpoint_url = endpoint_url
        self._region = region
        self._timeouts = call_timeout * CONNECT_SHARE, call_timeout * READ_SHARE
        self._connections, self._lean = connections, lean
        self._building = threading.Lock()
        self._without_sdk: set[tuple[str | None, str | None]] = set()
        self._regions: Once[str | None, str] = Once()
        self._sessions: Once[str | None, Any] = Once()
        self._clients: Once[tuple[str, str | None, str | None], AwsService] = Once()
        self._seconds = call_timeout * (CONNECT_SHARE + READ_SHARE)

    def located(self, place: Place) -> Place:
        """`place` with the region of its calls.

        Raises `ConfigurationError` for credentials that are unknown or not for AWS, and `AwsFailure` without a region.
        """
        region = place.region or self._entry(place.credentials).get("region") or self._region
        return Place(credentials=place.credentials, region=region or self._region_of(place.credentials), cluster=place.cluster)

    def sign_in(self, place: Place) -> None:
        """Get credentials before a call, so that a failure to get them is not mistaken for a failure of that call.

        Raises `AwsFailure`, `NoAnswerInTime` and `Garbled`.
        """
        if (place.credentials, place.region) in self._without_sdk:
            return
        session, sdk = self._session(place.credentials), _sdk()
        if sdk.has_fresh_credentials(session):
            return
        sdk.bounded(self._seconds, "credentials", lambda: sdk.fresh_credentials(session))

    def client(self, service: str, place: Place) -> AwsService:
        """The client of `service` for calls to a located place; each call ends within the time of one call of a submission."""
        key = (service, place.credentials, place.region)
        return self._clients.get(key, lambda: self._build(service, place))

    def _entry(self, name: str | None) -> Mapping[str, Any]:
        if name is None:
            return {}
        if name not in self._entries:
            names = ", ".join(sorted(self._entries)) or "none"
            raise ConfigurationError(
                f"aws_credentials: {name!r} is not an entry of DISPATCHER_CREDENTIALS (its entries: {names}); add it there"
            )
        return _checked(name, self._entries[name])

    def _region_of(self, name: str | None) -> str:
        if self._is_on_lambda(name) and (region := os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION")):
            return region
        sdk = _sdk()
        return self._regions.get(name, lambda: sdk.translated("region", lambda: sdk.region_of(self._session(name))))

    def _session(self, name: str | None) -> Any:
        return self._sessions.get(name, lambda: self._open(self._entry(name)))

    def _open(self, entry: Mapping[str, Any]) -> Any:
        sdk = _sdk()
        return sdk.translated("session", lambda: sdk.open_session(entry, self._endpoint_url, self._region, self._config()))

    def _build(self, service: str, place: Place) -> AwsService:
        if host := self._lambda_host(service, place):
            self._without_sdk.add((place.credentials, place.region))
            return self._on_lambda(host)
        session, config = self._session(place.credentials), self._config()
        with self._building:  # a session must not build two clients concurrently
            client = _sdk().translated(
                service,
                lambda: session.create_client(
                    service, region_name=place.region, endpoint_url=self._endpoint_url, config=config
                ),
            )
        if service == "ecs" and self._lean:
            lean: AwsService = importlib.import_module("providers.ecs.lean").LeanService(client, self._seconds, session)
            return lean
        plain: AwsService = _sdk().SdkService(client, self._seconds)
        return plain

    def _lambda_host(self, service: str, place: Place) -> Any:
        """The host for calls without the SDK (`on_lambda`); None if they need the SDK."""
        if not self._is_on_lambda(place.credentials) or self._endpoint_url:
            return None
        return importlib.import_module("providers.on_lambda").lambda_host(os.environ, service, place.region)

    def _is_on_lambda(self, credentials: str | None) -> bool:
        return self._lean and credentials is None and "AWS_LAMBDA_FUNCTION_NAME" in os.environ

    def _on_lambda(self, host: Any) -> AwsService:
        module = importlib.import_module("providers.ecs.on_lambda")
        service: AwsService = module.lambda_service(host, self._seconds, self._timeouts[0], self._connections)
        return service

    def _config(self) -> Any:
        return _sdk().configured(*self._timeouts, self._connections)


@cache
def _sdk() -> Any:
    try:
        return importlib.import_module("providers.ecs.sdk")
    except ImportError as error:
        raise ProviderUnavailable(
            "the ECS provider needs boto3, which is not installed: pip install 'push-dispatcher[aws]'"
        ) from error


def _checked(name: str, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    if unknown := sorted(set(entry) - ENTRY_KEYS):
        raise ConfigurationError(
            f"credentials.{name}: has unknown keys: {', '.join(unknown)}; the keys are {', '.join(sorted(ENTRY_KEYS))}."
            " Secrets never stand here: they come from the host's identity, or from a profile"
        )
    return entry
