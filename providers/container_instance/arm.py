"""Calls to Azure Resource Manager through its SDK: raw JSON both ways, no retries, a timeout on everything.

The models of azure-mgmt-containerinstance 10.1 and 10.2 differ (the later one moves every field under `properties`), so bodies
are sent as bytes and answers read as JSON: the same code runs on both. Of the SDK's pipeline the parts that wait are left out:
the retries, and the one that registers a resource provider and sleeps until that is done.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError, DecodeError, HttpResponseError
from azure.core.pipeline import policies
from azure.core.rest import HttpRequest
from azure.mgmt.containerinstance import ContainerInstanceManagementClient
from azure.mgmt.core import ARMPipelineClient
from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy

from providers.container_instance.answers import ArmFailure

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

PUBLIC_CLOUD = "https://management.azure.com"
RESOURCE_GROUPS_API_VERSION = "2021-04-01"
READS_LEFT = "x-ms-ratelimit-remaining-subscription-reads"
CONNECT_SECONDS, READ_SECONDS, WRITE_SECONDS = 1.5, 2.5, 3.5
_READ: Mapping[str, float] = {"connection_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS}
_WRITE: Mapping[str, float] = {"connection_timeout": CONNECT_SECONDS, "read_timeout": WRITE_SECONDS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A group as a list shows it."""

    name: str
    tags: Mapping[str, str]


class Arm:
    """Container groups of one subscription in one API version. Every call may raise `ArmFailure`; any thread may call."""

    def __init__(
        self, subscription_id: str, credential: TokenCredential | None, *, endpoint: str | None, api_version: str
    ) -> None:
        self._subscription_id = subscription_id
        base_url = (endpoint or PUBLIC_CLOUD).rstrip("/")
        # A policy belongs to one pipeline: each client gets its own.
        self._plain: Any = ARMPipelineClient(base_url, policies=_policies(credential, base_url))
        self._client = ContainerInstanceManagementClient(
            credential or _Nobody(),
            subscription_id,
            base_url=base_url,
            api_version=api_version,
            policies=_policies(credential, base_url),
        )
        self.reads_left: int | None = None
        """How many reads Resource Manager said it would still answer, at its last answer."""

    def get(self, resource_group: str, name: str) -> Mapping[str, Any]:
        """A group with its instance view."""
        with _failures():
            group: Mapping[str, Any] = self._client.container_groups.get(resource_group, name, cls=self._read, **_READ)
            return group

    def put(self, resource_group: str, name: str, body: Mapping[str, Any], *, seconds: float) -> None:
        """Create a group, waiting no longer than that for the answer; its containers start some time afterwards.

        Azure looks the image up in its registry before it answers, so this is the slowest of the calls.
        """
        content, groups = json.dumps(body).encode(), self._client.container_groups
        timeouts = {"connection_timeout": CONNECT_SECONDS, "read_timeout": seconds - CONNECT_SECONDS}
        with _failures():
            groups.begin_create_or_update(resource_group, name, content, polling=False, **timeouts)

    def stop(self, resource_group: str, name: str) -> None:
        """Stop a group's containers; the group stays."""
        with _failures():
            self._client.container_groups.stop(resource_group, name, **_WRITE)

    def delete(self, resource_group: str, name: str) -> None:
        """Delete a group, ended or not; one that is gone is no failure."""
        with _failures():
            self._client.container_groups.begin_delete(resource_group, name, polling=False, **_WRITE)

    def list(self, resource_group: str) -> list[Listed]:
        """Every group of a resource group, without an instance view: Azure's lists have none."""
        with _failures():
            found = self._client.container_groups.list_by_resource_group(resource_group, **_READ)
            return [Listed(name=group.name, tags=group.tags or {}) for group in found]

    def logs(self, resource_group: str, name: str, container: str, tail: int) -> str:
        """The last lines a container wrote; Azure keeps 4 MB while it runs, and 16 KB or 1,000 lines afterwards."""
        with _failures():
            answer = self._client.containers.list_logs(resource_group, name, container, tail=tail, cls=self._read, **_READ)
            return str((answer or {}).get("content") or "")

    def region(self, resource_group: str) -> str:
        """Where a resource group is."""
        place = f"/subscriptions/{self._subscription_id}/resourcegroups/{resource_group}"
        request = HttpRequest("GET", place, params={"api-version": RESOURCE_GROUPS_API_VERSION})
        with _failures():
            request.url = self._plain.format_url(request.url)
            response = self._plain.send_request(request, **_READ)
            response.raise_for_status()
            return str(response.json()["location"])

    def _read(self, response: Any, _model: Any, _headers: Any) -> Any:
        """What the SDK calls with each answer, in place of making its models."""
        answer = response.http_response
        left = answer.headers.get(READS_LEFT, "")
        self.reads_left = int(left) if left.isdigit() else None
        return json.loads(answer.text() or "null")


class _Nobody:
    """The SDK wants a credential; an emulator's is never asked."""

    def get_token(self, *_scopes: str, **_options: Any) -> Any:
        raise ArmFailure("an emulator takes no token", sent=False)


def _policies(credential: TokenCredential | None, base_url: str) -> list[Any]:
    chain = [
        policies.RequestIdPolicy(),
        policies.HeadersPolicy(),
        policies.UserAgentPolicy(base_user_agent="push-dispatcher"),
        policies.ProxyPolicy(),
        policies.ContentDecodePolicy(),
    ]
    if credential is not None:
        chain.append(ARMChallengeAuthenticationPolicy(credential, f"{base_url}/.default"))
    return chain


@contextmanager
def _failures() -> Iterator[None]:
    """Turn every error of the SDK into an `ArmFailure`."""
    try:
        yield
    except (AzureError, ValueError, LookupError) as error:
        raise failure_of(error) from error


def failure_of(error: Exception) -> ArmFailure:
    """Read an error of the SDK; an answer that could not be understood counts as none."""
    response = getattr(error, "response", None)
    if not isinstance(error, HttpResponseError) or isinstance(error, DecodeError) or response is None:
        return ArmFailure(f"{type(error).__name__}: {error}")
    code, message = _envelope(response)
    return ArmFailure(
        message or response.reason or str(error),
        status=response.status_code,
        code=code,
        retry_after=_seconds(response.headers.get("Retry-After", "")),
    )


def _envelope(response: Any) -> tuple[str, str]:
    try:
        error = json.loads(response.text())["error"]
        return str(error.get("code") or ""), str(error.get("message") or "")
    except (AzureError, ValueError, LookupError, TypeError, AttributeError):
        return "", ""


def _seconds(header: str) -> float | None:
    return float(header) if header.isdigit() else None
