"""Calls to Azure Resource Manager through its SDK: raw JSON both ways, no retries, a timeout on everything.

The models of azure-mgmt-containerinstance 10.1 and 10.2 differ (the later one moves every field under `properties`), so bodies
are sent as bytes and answers read as JSON: the same code runs on both. The parts of the SDK's pipeline that wait are left out:
the retries, and the one that registers a resource provider and sleeps until that is done.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError, DecodeError, HttpResponseError
from azure.core.pipeline import policies
from azure.core.rest import HttpRequest
from azure.mgmt.containerinstance import ContainerInstanceManagementClient
from azure.mgmt.core import ARMPipelineClient
from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy

from providers.container_instance.answers import ArmFailure, NoToken
from providers.container_instance.timing import CALL_TIMEOUT
from providers.deadlines import NoAnswerInTime, within
from providers.sending import never_sent

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

PUBLIC_CLOUD = "https://management.azure.com"
RESOURCE_GROUPS_API_VERSION = "2021-04-01"
READS_LEFT = "x-ms-ratelimit-remaining-subscription-reads"
CONNECT_SECONDS = 1.5
READ_SECONDS, WRITE_SECONDS = 4.0, 5.0
"""How long a whole call may take, its connection included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedGroup:
    """A group in a list."""

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
        """How many further reads Resource Manager allows, by its last answer."""

    def get(self, resource_group: str, name: str) -> Mapping[str, Any]:
        """A group with its instance view."""
        groups = self._client.container_groups
        return self._named(name, self._ask(READ_SECONDS, groups.get, resource_group, name, cls=_unread))

    def put(self, resource_group: str, name: str, body: Mapping[str, Any], *, seconds: float) -> None:
        """Create a group, and wait at most `seconds` for the answer; its containers start some time afterwards.

        Azure looks the image up in its registry before it answers, so this is the slowest of the calls.
        """
        content, groups = json.dumps(body).encode(), self._client.container_groups
        self._named(
            name, self._ask(seconds, groups.begin_create_or_update, resource_group, name, content, polling=False, cls=_unread)
        )

    def tag(self, resource_group: str, name: str, tags: Mapping[str, str]) -> None:
        """Replace all tags of a group; nothing else changes."""
        content, groups = json.dumps({"tags": tags}).encode(), self._client.container_groups
        self._named(name, self._ask(WRITE_SECONDS, groups.update, resource_group, name, content, cls=_unread))

    def stop(self, resource_group: str, name: str) -> None:
        """Stop a group's containers; the group stays."""
        self._ask(WRITE_SECONDS, self._client.container_groups.stop, resource_group, name)

    def delete(self, resource_group: str, name: str) -> None:
        """Delete a group, ended or not. It is not a failure if the group does not exist."""
        groups = self._client.container_groups
        answer = self._ask(WRITE_SECONDS, groups.begin_delete, resource_group, name, polling=False, cls=_unread)
        if answer.status_code == 200:  # the others, 202 and 204, need no body
            self._named(name, answer)

    def list(self, resource_group: str) -> list[ListedGroup]:
        """Every group of a resource group, without an instance view: Azure's lists have none."""

        def listed() -> list[ListedGroup]:
            timeouts = {"connection_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS}
            groups = self._client.container_groups.list_by_resource_group(resource_group, **timeouts)
            return [ListedGroup(name=_text(group.name), tags=dict(group.tags or {})) for group in groups]

        with _failures():
            return within(CALL_TIMEOUT, listed)

    def logs(self, resource_group: str, name: str, container: str, tail: int) -> str:
        """The last lines that a container wrote; Azure keeps 4 MB while it runs, and 16 KB or 1,000 lines afterwards."""
        containers = self._client.containers
        answer = self._ask(READ_SECONDS, containers.list_logs, resource_group, name, container, tail=tail, cls=_unread)
        return _text(_object(answer).get("content") or "")

    def region(self, resource_group: str) -> str:
        """The region of a resource group."""
        place = f"/subscriptions/{self._subscription_id}/resourcegroups/{resource_group}"
        request = HttpRequest("GET", place, params={"api-version": RESOURCE_GROUPS_API_VERSION})

        def send(**options: Any) -> None:
            request.url = self._plain.format_url(request.url)
            self._plain.send_request(request, **options).raise_for_status()

        return _text(self._named(resource_group, self._ask(READ_SECONDS, send))["location"])

    def _ask(self, seconds: float, operation: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """The SDK's response to one call; the whole call ends within `seconds`."""
        answers: list[Any] = []
        options |= {"connection_timeout": CONNECT_SECONDS, "read_timeout": seconds}
        with _failures():
            within(seconds, lambda: operation(*arguments, raw_response_hook=answers.append, **options))
            return answers[-1].http_response

    def _named(self, name: str, response: Any) -> Mapping[str, Any]:
        """The body of an answer. Raises `ArmFailure` for one about another resource."""
        left = str(response.headers.get(READS_LEFT, ""))
        self.reads_left = int(left) if left.isdecimal() else None
        body = _object(response)
        if str(body.get("name")).lower() != name.lower():
            raise ArmFailure(f"an answer that is not about {name} (status {response.status_code})")
        return body


def _unread(*_answer: Any) -> None:
    """The SDK calls this with each answer, instead of building its models."""


def _object(response: Any) -> Mapping[str, Any]:
    """The JSON object of an answer. Raises `ArmFailure` for anything else."""
    with _failures():
        body = json.loads(response.text())
    if not isinstance(body, Mapping):
        raise ArmFailure(f"an answer that is not a JSON object (status {response.status_code})")
    return body


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ArmFailure(f"an answer with {type(value).__name__} in place of a text")
    return value


class _Nobody:
    """A credential for an emulator: the SDK requires one but never uses it."""

    def get_token(self, *_scopes: str, **_options: Any) -> Any:
        raise NoToken("an emulator takes no token")


def _policies(credential: TokenCredential | None, base_url: str) -> list[Any]:
    chain = [
        policies.CustomHookPolicy(),
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
    """Convert every error of the SDK, and every exception that an odd answer causes in it, to an `ArmFailure`."""
    try:
        yield
    except (AzureError, NoAnswerInTime, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise failure_of(error) from error


def failure_of(error: Exception) -> ArmFailure:
    """Read an error of the SDK; an unreadable answer counts as no answer."""
    response = getattr(error, "response", None)
    if not isinstance(error, HttpResponseError) or isinstance(error, DecodeError) or response is None:
        return ArmFailure(f"{type(error).__name__}: {error}", sent=not never_sent(error))
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
    except (AzureError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return "", ""


def _seconds(header: str) -> float | None:
    return float(header) if header.isdecimal() else None
