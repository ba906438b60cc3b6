"""Reads credentials, project and region from a configuration and the settings, without a call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeGuard

from providers.base import CallFailed, ConfigurationError
from providers.places import credentials_name

ENTRY_KEYS = frozenset({"project", "service_account", "delegates", "external_account"})
"""The keys of an entry of the dispatcher's credentials; none of them holds a secret."""

EXTERNAL_ACCOUNT_KEYS = frozenset(
    {"type", "audience", "subject_token_type", "token_url", "credential_source", "universe_domain"}
    | {"service_account_impersonation_url", "service_account_impersonation"}
)
"""The keys of a workload identity federation's configuration: where to get the other cloud's token, and who accepts it.

https://google.aip.dev/auth/4117; `client_secret`, which Google's format also allows, is excluded because it is a secret.
"""

NO_REGION = "region: none is given; name one, such as us-central1, in the pool's base job template or the job variables"
NO_PROJECT = "project: the host has none; name one in the pool's credentials or set GOOGLE_CLOUD_PROJECT"


class AccountLacks(CallFailed):
    """The dispatcher's own configuration is wrong or incomplete: no call can be made until somebody fixes it.

    `parts` is how many parts of a place (`Needs.place`) it concerns: 1 the credentials, 2 also the project, 3 also the region.
    """

    def __init__(self, problem: str, *, parts: int = 1) -> None:
        super().__init__(problem)
        self.parts = parts


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountEntry:
    """One entry of the dispatcher's credentials; an empty one is the host's own identity in its own project."""

    project: str | None = None
    service_account: str | None = None
    """The e-mail address of a service account to impersonate."""
    delegates: tuple[str, ...] = ()
    """The service accounts in between, if the host may not impersonate it directly."""
    external_account: Mapping[str, Any] | None = None
    """A workload identity federation: the content of Google's credential file of type `external_account`."""

    @classmethod
    def of(cls, name: str, entry: Mapping[str, Any]) -> Self:
        """Read an entry. Raises `AccountLacks` for an unknown key or an invalid value."""
        if unknown := sorted(set(entry) - ENTRY_KEYS):
            raise AccountLacks(
                f"credentials {name!r}: has unknown keys: {', '.join(unknown)}; the keys are {', '.join(sorted(ENTRY_KEYS))}."
                " Secrets never stand here"
            )
        _check_external_account(name, entry.get("external_account"))
        return cls(**{**entry, "delegates": tuple(entry.get("delegates") or ())})


def _check_external_account(name: str, account: Any) -> None:
    if account is None:
        return
    path = f"credentials {name!r}: external_account"
    if not isinstance(account, Mapping) or account.get("type") != "external_account":
        raise AccountLacks(f'{path}: give the object that Google writes for it, with "type": "external_account"')
    if missing := sorted({"audience", "subject_token_type", "token_url", "credential_source"} - set(account)):
        raise AccountLacks(f"{path}: lacks {', '.join(missing)}")
    if unknown := sorted(set(account) - EXTERNAL_ACCOUNT_KEYS):
        keys = ", ".join(sorted(EXTERNAL_ACCOUNT_KEYS))
        raise AccountLacks(f"{path}: has unknown keys: {', '.join(unknown)}; the keys are {keys}. Secrets never stand here")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceNames:
    """The names in a configuration's place; None: the credentials or the host decide."""

    credentials: str | None
    project: str | None
    region: str | None


def place_names(configuration: Mapping[str, Any], default_project: str | None = None) -> PlaceNames:
    """Read a rendered configuration. Raises `ConfigurationError` that names the field."""
    credentials = configuration.get("credentials")
    project = configuration.get("project") or (credentials.get("project") if isinstance(credentials, Mapping) else None)
    project = project or default_project
    region = configuration.get("region") or None
    if region is not None and not _is_segment(region):
        raise ConfigurationError(f"region: name one, such as us-central1, not {region!r:.80}")
    if project and not _is_segment(project):
        raise ConfigurationError(f"project: give its id or number, not {project!r:.80}")
    return PlaceNames(credentials=credentials_name(credentials, "credentials", "project"), project=project, region=region)


def _is_segment(value: Any) -> TypeGuard[str]:
    """True for a text that can be one part of a resource's name."""
    return isinstance(value, str) and re.fullmatch(r"[a-z0-9][a-z0-9.:-]*", value) is not None
