"""Where a job is put: whose credentials, which project, which region."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeGuard
from urllib.parse import quote

from providers.base import CallFailed, ConfigurationError
from providers.places import credentials_name, filled

ENTRY_KEYS = frozenset({"project", "service_account", "delegates", "external_account"})
"""What an entry of the dispatcher's credentials may hold; a key is never among them."""

EXTERNAL_ACCOUNT_KEYS = frozenset(
    {"type", "audience", "subject_token_type", "token_url", "credential_source", "universe_domain"}
    | {"service_account_impersonation_url", "service_account_impersonation"}
)
"""What the configuration of a workload identity federation may hold: where another cloud's word is had, and who believes it.

https://google.aip.dev/auth/4117; a `client_secret`, which it may have elsewhere, is a key.
"""

NO_REGION = "region: none is given; name one, such as us-central1, in the pool's base job template or the job variables"
NO_PROJECT = "project: the host has none; name one in the pool's credentials or set GOOGLE_CLOUD_PROJECT"


class HostLacks(CallFailed):
    """No call can be made until somebody fixes the dispatcher's own configuration.

    `parts` of a place (`Needs.place`) are what the lack concerns: 1 the credentials, 2 the project as well, 3 the region too.
    """

    def __init__(self, problem: str, *, parts: int = 1) -> None:
        super().__init__(problem)
        self.parts = parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One entry of the dispatcher's credentials; empty is the host's own identity in its own project."""

    project: str | None = None
    service_account: str | None = None
    """The e-mail address of a service account to impersonate."""
    delegates: tuple[str, ...] = ()
    """Service accounts in between, when the host's may not impersonate it directly."""
    external_account: Mapping[str, Any] | None = None
    """Another cloud's word for who the host is, as Google writes it in a file of type `external_account`."""

    @classmethod
    def of(cls, name: str, entry: Mapping[str, Any]) -> Self:
        """Read an entry. Raises `HostLacks` for anything but what it may hold."""
        if unknown := sorted(set(entry) - ENTRY_KEYS):
            raise HostLacks(
                f"credentials {name!r}: has {', '.join(unknown)}; an entry holds {', '.join(sorted(ENTRY_KEYS))}, and no keys"
            )
        _check_external_account(name, entry.get("external_account"))
        return cls(**{**entry, "delegates": tuple(entry.get("delegates") or ())})


def _check_external_account(name: str, account: Any) -> None:
    if account is None:
        return
    path = f"credentials {name!r}: external_account"
    if not isinstance(account, Mapping) or account.get("type") != "external_account":
        raise HostLacks(f'{path}: give the object that Google writes for it, with "type": "external_account"')
    if missing := sorted({"audience", "subject_token_type", "token_url", "credential_source"} - set(account)):
        raise HostLacks(f"{path}: lacks {', '.join(missing)}")
    if unknown := sorted(set(account) - EXTERNAL_ACCOUNT_KEYS):
        keys = ", ".join(sorted(EXTERNAL_ACCOUNT_KEYS))
        raise HostLacks(f"{path}: has {', '.join(unknown)}; it holds {keys}, and no keys")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceNames:
    """What a configuration says of its place; None is left to the credentials and the host."""

    credentials: str | None
    project: str | None
    region: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """All that is needed to address a call."""

    project: str
    region: str
    credentials: str | None = None
    """The name of an entry of the dispatcher's credentials; None is the host's own identity."""

    @property
    def parent(self) -> str:
        """The resource that holds the jobs."""
        return f"projects/{self.project}/locations/{self.region}"

    def job(self, name: str) -> str:
        """The full name of a job."""
        return f"{self.parent}/jobs/{name}"

    def execution(self, name: str, execution: str) -> str:
        """The full name of an execution."""
        return f"{self.job(name)}/executions/{execution}"

    def console(self, execution: str) -> str:
        """The page of Google's console that shows an execution."""
        return (
            f"https://console.cloud.google.com/run/jobs/executions/details/{self.region}/{execution}/tasks"
            f"?project={self.project}"
        )

    def logs(self, name: str, execution: str) -> str:
        """The page of Google's log viewer with what an execution wrote, in the form of `Execution.log_uri`."""
        query = (
            f'resource.type="cloud_run_job"\nresource.labels.job_name="{name}"\n'
            f'resource.labels.location="{self.region}"\nlabels."run.googleapis.com/execution_name"="{execution}"'
        )
        return f"https://console.cloud.google.com/logs/viewer?project={self.project}&advancedFilter={quote(query)}"

    def handle(self) -> dict[str, str]:
        """Its part of a submission's handle."""
        return filled({"project": self.project, "region": self.region, "credentials": self.credentials})

    @classmethod
    def from_handle(cls, handle: Mapping[str, str]) -> Self:
        """The place that a handle names."""
        return cls(project=handle["project"], region=handle["region"], credentials=handle.get("credentials"))


def place_names(configuration: Mapping[str, Any]) -> PlaceNames:
    """Read a rendered configuration. Raises `ConfigurationError` that names the field."""
    credentials = configuration.get("credentials")
    project = configuration.get("project") or (credentials.get("project") if isinstance(credentials, Mapping) else None)
    project = project or _namespace(configuration)
    region = configuration.get("region") or None
    if region is not None and not _is_segment(region):
        raise ConfigurationError(f"region: name one, such as us-central1, not {region!r:.80}")
    if project and not _is_segment(project):
        raise ConfigurationError(f"project: give its id or number, not {project!r:.80}")
    return PlaceNames(credentials=credentials_name(credentials, "credentials", "project"), project=project, region=region)


def _is_segment(value: Any) -> TypeGuard[str]:
    """True for what can be one part of a resource's name."""
    return isinstance(value, str) and re.fullmatch(r"[a-z0-9][a-z0-9.:-]*", value) is not None


def _namespace(configuration: Mapping[str, Any]) -> str | None:
    """The project of a Knative body, whose namespace it is."""
    body = configuration.get("job_body")
    metadata = body.get("metadata") if isinstance(body, Mapping) else None
    return (metadata.get("namespace") or None) if isinstance(metadata, Mapping) else None
